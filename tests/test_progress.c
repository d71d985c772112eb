// The line for somebody who waits.
#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "progress.h"

static char *text;
static size_t size;

// Longer than from one line to the next.
static void wait_for_a_line(void)
{
    nanosleep(&(struct timespec){0, 700000000}, NULL);
}

static FILE *open_terminal(void)
{
    FILE *file = open_memstream(&text, &size);
    cr_assert_not_null(file);
    return file;
}

// What stands last in the line.
static const char *last_line(void)
{
    const char *last = strrchr(text, '\r');
    return last ? last + strlen("\r\33[K") : text;
}

Test(progress, percent_and_rate)
{
    FILE *file = open_terminal();
    struct progress *progress = progress_create(file, 0);
    cr_assert_not_null(progress);
    progress_phase(progress, "reading objects", "objects", 400);
    progress_add(progress, 60);
    progress_add(progress, 40);
    wait_for_a_line();
    progress_wipe(progress); // and flushes
    cr_expect_not_null(strstr(text, "pycore-garbage: reading objects: 25 %, "), "%s", text);
    cr_expect_not_null(strstr(text, " objects a second"), "%s", text);
    cr_expect_str_empty(last_line(), "not wiped: %s", text);
    progress_phase(progress, "collecting", NULL, 0);
    wait_for_a_line();
    progress_phase(progress, NULL, NULL, 0);
    cr_expect_str_empty(last_line(), "not wiped: %s", text);
    progress_destroy(progress);
    fclose(file);
    cr_expect_not_null(strstr(text, "\r\33[Kpycore-garbage: collecting: "), "%s", text);
    cr_expect_null(strchr(text, '\n'));
    cr_expect_str_empty(last_line(), "not wiped: %s", text);
    free(text);
}

// More done than there was to do is still all of it.
Test(progress, over)
{
    FILE *file = open_terminal();
    struct progress *progress = progress_create(file, 0);
    progress_phase(progress, "x", "y", 4);
    progress_add(progress, 1000);
    wait_for_a_line();
    progress_destroy(progress);
    fclose(file);
    cr_expect_not_null(strstr(text, "x: 100 %, "), "%s", text);
    free(text);
}

// What is over soon needs none; nor does one who does not look.
Test(progress, silence)
{
    FILE *file = open_terminal();
    struct progress *progress = progress_create(file, 60);
    progress_phase(progress, "x", "y", 4);
    wait_for_a_line();
    progress_destroy(progress);
    fclose(file);
    cr_expect_str_empty(text);
    free(text);
    progress_phase(NULL, "x", "y", 4);
    progress_add(NULL, 1);
    progress_wipe(NULL);
    progress_destroy(NULL);
}
