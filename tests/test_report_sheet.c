// Words put onto a sheet come out as its style says.
#include "common.h"

#include <stdio.h>
#include <stdlib.h>

#include "report_sheet.h"
#include "report_words.h"

static const struct sheet_style style = {.words = {['a'] = "<A>", ['\n'] = "\n> "},
                                         .name_start = "{",
                                         .name_end = "}",
                                         .names = {['`'] = "'"}};

static char *text;
static size_t size;

static void expect_words(const struct sheet_style *used, const char *words, const char *expected)
{
    struct sheet *sheet;
    FILE *file = open_memstream(&text, &size);
    cr_assert_null(sheet_create(file, &sheet));
    fputs(words, sheet_use(sheet, used));
    sheet_destroy(sheet);
    cr_assert_eq(fclose(file), 0);
    cr_expect_str_eq(text, expected, "%s", text);
    free(text);
}

Test(report_sheet, bytes)
{
    expect_words(&style, "banana`\nb", "b<A>n<A>n<A>`\n> b");
    expect_words(&style, "\xc3\xa4\xe2\x94\x80", "\xc3\xa4\xe2\x94\x80");
    expect_words(&style, "", "");
}

Test(report_sheet, names)
{
    expect_words(&style, "a" NAME_START "a`b" NAME_END "a", "<A>{a'b}<A>");
    expect_words(&style, "x" NAME_START NAME_END "x", "xx");
    expect_words(&style, NAME_START "1" NAME_END NAME_START "2" NAME_END, "{1}{2}");
}

Test(report_sheet, as_it_is)
{
    expect_words(NULL, "a" NAME_START "a`b" NAME_END "\na", "aa`b\na");
}

// What was written before stays in the style of before.
Test(report_sheet, styles_change)
{
    struct sheet *sheet;
    FILE *file = open_memstream(&text, &size);
    cr_assert_null(sheet_create(file, &sheet));
    fputs("a", sheet_use(sheet, &style));
    fputs("a", sheet_use(sheet, NULL));
    fputs("a", sheet_use(sheet, &style));
    sheet_destroy(sheet);
    cr_assert_eq(fclose(file), 0);
    cr_expect_str_eq(text, "<A>a<A>", "%s", text);
    free(text);
}

// No name can end its marks, whatever it is made of.
Test(report_sheet, marks_in_names)
{
    struct sheet *sheet;
    FILE *file = open_memstream(&text, &size);
    cr_assert_null(sheet_create(file, &sheet));
    put_marked_name(sheet_use(sheet, &style), "x" NAME_END "a" NAME_START);
    sheet_destroy(sheet);
    cr_assert_eq(fclose(file), 0);
    cr_expect_str_eq(text, "{x\\x03a\\x02}", "%s", text);
    free(text);
}

// The page's file keeps its errors.
Test(report_sheet, errors)
{
    struct sheet *sheet;
    FILE *full = fopen("/dev/full", "w");
    cr_assert_not_null(full);
    setvbuf(full, NULL, _IONBF, 0);
    cr_assert_null(sheet_create(full, &sheet));
    fputs("words", sheet_use(sheet, NULL));
    sheet_destroy(sheet);
    cr_expect(ferror(full));
    fclose(full);
}
