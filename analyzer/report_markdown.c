// The report as Markdown, to be pasted into a ticket (GitHub, GitLab, Jira).
//
// Names of the core stand in code spans and code blocks only: there nobody looks for markup, for
// HTML, for links or for users to be told. A backtick, which could end them, is told as \x60.
#include <inttypes.h>

#include "report_page.h"
#include "report_sentences.h"
#include "version.h"

// clang-format off
// All punctuation that means something anywhere in CommonMark, GitHub's or GitLab's, escaped; what
// only these two know (users, issues, formulas, emoji) cannot be, and is told by its number.
#define ESCAPED                                                                                    \
    ['\\'] = "\\\\", ['`'] = "\\`", ['*'] = "\\*", ['_'] = "\\_", ['{'] = "\\{", ['}'] = "\\}",    \
    ['['] = "\\[", [']'] = "\\]", ['<'] = "\\<", ['>'] = "\\>", ['|'] = "\\|", ['&'] = "\\&",      \
    ['!'] = "\\!", ['@'] = "\\\\x40", ['#'] = "\\\\x23", ['$'] = "\\\\x24", ['~'] = "\\\\x7e"
#define IN_CODE ['`'] = "\\x60"
// clang-format on

static const struct sheet_style prose = {
    .words = {ESCAPED}, .name_start = "`", .name_end = "`", .names = {IN_CODE}};
static const struct sheet_style list = {
    .words = {ESCAPED, ['\n'] = "\n- "}, .name_start = "`", .name_end = "`", .names = {IN_CODE}};
static const struct sheet_style code = {.words = {IN_CODE}, .names = {IN_CODE}};

static void put_top(const struct report *report, struct sheet *sheet)
{
    put_verdict(report, sheet_use(sheet, &prose));
}

static void put_bottom(const struct report *report, struct sheet *sheet)
{
    (void)report;
    fputs("\nMade by " PROGRAM_NAME " " PYCORE_GARBAGE_VERSION ".\n", sheet_use(sheet, NULL));
}

static void put_head(const struct report *report, enum page_section section, struct sheet *sheet)
{
    switch (section) {
    case PAGE_LISTED:
    case PAGE_CYCLES:
    case PAGE_EVIDENCE:
        fputc('\n', sheet_use(sheet, NULL));
        put_holders_head(report, HOLDERS_LISTED + (section - PAGE_LISTED),
                         sheet_use(sheet, &prose));
        fputs("\n\n```\n", sheet_use(sheet, NULL));
        break;
    case PAGE_FACTS:
        fputs("\n### Where the numbers come from\n\n```\n", sheet_use(sheet, NULL));
        break;
    case PAGE_THREADS:
        fprintf(sheet_use(sheet, NULL), "\n<details>\n<summary>Threads of Python: %zu</summary>\n",
                report->stacks->count);
        break;
    case PAGE_FINDINGS:
    case PAGE_SECTIONS:
        break;
    }
}

static void put_finding(const struct report *report, const struct finding *finding,
                        struct sheet *sheet)
{
    char head[HEAD_MAX];
    FILE *file = sheet_use(sheet, NULL);
    fprintf(file, "\n### %s\n\nSignature `%s`\n\n```\n", finding_head(report, finding, head),
            finding->signature);
    put_drawing(finding, sheet_use(sheet, &code));
    fputs("\n```\n\n- ", sheet_use(sheet, NULL));
    put_points(report, finding, sheet_use(sheet, &list));
    fputc('\n', sheet_use(sheet, NULL));
    if (has_contents(report, finding)) {
        fputs("\n```\n", file);
        put_contents(report, finding, sheet_use(sheet, &code));
        fputs("\n```\n", sheet_use(sheet, NULL));
    }
}

static void put_thread(const struct stack *stack, struct sheet *sheet)
{
    fputc('\n', sheet_use(sheet, NULL));
    put_thread_head(stack, sheet_use(sheet, &prose));
    fputc('\n', sheet_use(sheet, NULL));
    if (!stack->depth)
        return;
    fputs("\n```\n", sheet_use(sheet, NULL));
    put_frames(stack, sheet_use(sheet, &code));
    fputs("```\n", sheet_use(sheet, NULL));
}

static struct failure *put_item(const struct report *report, enum page_section section, size_t i,
                                struct sheet *sheet)
{
    switch (section) {
    case PAGE_FINDINGS:
        put_finding(report, &report->findings->items[i], sheet);
        break;
    case PAGE_LISTED:
    case PAGE_CYCLES:
    case PAGE_EVIDENCE:
        put_holder(report, HOLDERS_LISTED + (section - PAGE_LISTED), i, sheet_use(sheet, &code));
        fputc('\n', sheet_use(sheet, NULL));
        break;
    case PAGE_FACTS:
        if (has_fact(report, (enum fact_kind)i))
            put_fact(report, (enum fact_kind)i, sheet_use(sheet, &code));
        break;
    case PAGE_THREADS:
        put_thread(&report->stacks->items[i], sheet);
        break;
    case PAGE_SECTIONS:
        break;
    }
    return NULL;
}

static void put_tail(const struct report *report, enum page_section section, const char *rest,
                     struct sheet *sheet)
{
    bool holders = section >= PAGE_LISTED && section <= PAGE_EVIDENCE;
    FILE *file = sheet_use(sheet, &code);
    if (holders)
        put_holders_losses(report, HOLDERS_LISTED + (section - PAGE_LISTED), file);
    if (holders || section == PAGE_FACTS)
        fputs("```\n", sheet_use(sheet, NULL));
    file = sheet_use(sheet, NULL);
    if (rest)
        fprintf(file, "\n**%s.**\n", rest);
    if (section == PAGE_FINDINGS && report->findings->shared_objects) {
        fputc('\n', file);
        put_shared(report->findings, file);
        fputc('\n', file);
    }
    if (section == PAGE_THREADS && !report->stacks->complete)
        fputs("\n" STACKS_INCOMPLETE "\n", file);
    if (section == PAGE_THREADS)
        fputs("\n</details>\n", file);
}

struct failure *report_markdown(const struct report *report, FILE *file)
{
    static const struct page_format format = {put_top, put_bottom, put_head, put_item, put_tail};
    return page_write(report, &format, file);
}
