// The text of a report, and what tests say of it.
#ifndef TESTS_REPORT_TEXT_H
#define TESTS_REPORT_TEXT_H

#include "common.h"

#include <stdlib.h>
#include <string.h>

#include "scene_report.h"

static char *output;
static size_t output_size;

static inline const char *text_of_report(void)
{
    free(output);
    FILE *file = open_memstream(&output, &output_size);
    cr_assert_null(report_text(&report, file));
    cr_assert_eq(fclose(file), 0);
    return output;
}

static inline void expect_text(const char *expected)
{
    cr_assert_str_eq(text_of_report(), expected, "%s", output);
}

static inline void expect_line(const char *line)
{
    char with_ends[512];
    snprintf(with_ends, sizeof(with_ends), "\n%s\n", line);
    const char *text = text_of_report();
    size_t length = strlen(line);
    bool first = strncmp(text, line, length) == 0 && text[length] == '\n';
    cr_expect(first || strstr(text, with_ends), "no line '%s' in\n%s", line, text);
}

static inline void expect_no(const char *words)
{
    cr_expect_null(strstr(text_of_report(), words), "'%s' in\n%s", words, output);
}

static inline void set_no_findings(void)
{
    findings.count = 0;
    totals.objects[COLLECT_UNCOLLECTABLE] = 0;
    totals.objects[COLLECT_REACHABLE] = 1000;
    report.garbage_length = report.garbage_read = 0;
    report.kept_bytes = 0;
}

#endif
