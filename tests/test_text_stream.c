// What a text report goes through on its way out.
#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "text_stream.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static char *pass(const char *text, struct text_style style, size_t step)
{
    char *result;
    size_t size, length = strlen(text);
    FILE *out = open_memstream(&result, &size);
    FILE *stream = text_stream_open(out, &style);
    cr_assert_not_null(stream);
    for (size_t at = 0; at < length; at += step) {
        fwrite(text + at, 1, length - at < step ? length - at : step, stream);
        fflush(stream);
    }
    cr_assert_eq(fclose(stream), 0);
    cr_assert_eq(fclose(out), 0);
    return result;
}

// In one piece and byte by byte.
static void expect(const char *text, struct text_style style, const char *expected)
{
    static const size_t steps[] = {1, 3, 1000};
    for (size_t i = 0; i < LENGTH(steps); i++) {
        char *result = pass(text, style, steps[i]);
        cr_expect_str_eq(result, expected, "expected\n%s\nnot\n%s", expected, result);
        free(result);
    }
}

Test(text_stream, unchanged)
{
    const char *text = "a\n\n  .t ─▶ é     ◀ break here\n  LOSS: x\nlast\n";
    expect(text, (struct text_style){0}, text);
    expect("", (struct text_style){0}, "");
    expect("no end", (struct text_style){0}, "no end\n");
}

Test(text_stream, ascii)
{
    expect(".t ─▶ caf\xc3\xa9 \xf0\x9f\x90\x8d     ◀ break here\n",
           (struct text_style){.ascii = true},
           ".t --> caf\\xc3\\xa9 \\xf0\\x9f\\x90\\x8d     <-- break here\n");
    // Not well-formed: nothing is lost, nothing beyond the end is read.
    expect("\xff\x80\xe2\x94", (struct text_style){.ascii = true}, "\\xff\\x80\\xe2\\x94\n");
}

Test(text_stream, color)
{
    expect("head\nLOSS: a LOSS: b\n  DOUBT: c\n.t     ◀ break here\nx ◀ break\n",
           (struct text_style){.color = true},
           "\33[1mhead\33[0m\n\33[1;33mLOSS:\33[0m a LOSS: b\n  \33[1;33mDOUBT:\33[0m c\n"
           ".t     \33[1;31m◀ break here\33[0m\nx ◀ break\n");
    expect("LOSS: x ─▶\n.t ◀ break here\n", (struct text_style){.color = true, .ascii = true},
           "\33[1mLOSS: x -->\33[0m\n.t \33[1;31m<-- break here\33[0m\n");
}

Test(text_stream, width)
{
    static const struct {
        const char *text;
        const char *lines;
    } rows[] = {
        {"12345678 0123456789", "12345678 0123456789\n"}, // 19 of 20
        {"123456789 0123456789", "123456789 0123456789\n"},
        {"1234567890 0123456789", "1234567890\n  0123456789\n"},
        {"    aaaa bbbbbbb cccc dd", "    aaaa bbbbbbb\n      cccc dd\n"},
        {"a 0123456789012345678901234 b c", "a\n  0123456789012345678901234\n  b c\n"},
        {"0123456789012345678901234", "0123456789012345678901234\n"},
        {"éééééééééééééééééé x", "éééééééééééééééééé x\n"}, // columns, not bytes
        {"Core         abc def", "Core         abc def\n"},
        {"Core         abc defg hij", "Core         abc\n             defg\n             hij\n"},
        {"             abc defg", "             abc\n             defg\n"},
        {"A ─▶ bbbbb     ◀ break here", "A ─▶ bbbbb\n  ◀ break here\n"},
        {"A ─▶ b     ◀ break here", "A ─▶ b\n  ◀ break here\n"},
        {"aaaaaaaaaaaaaaaaaaa    ", "aaaaaaaaaaaaaaaaaaa\n"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++)
        expect(rows[i].text, (struct text_style){.width = 20}, rows[i].lines);
    // In ASCII an arrow takes three columns.
    expect("aaaaaaaa ─▶ bbbbbbbb", (struct text_style){.width = 20}, "aaaaaaaa ─▶ bbbbbbbb\n");
    expect("aaaaaaaa ─▶ bbbbbbbb", (struct text_style){.width = 20, .ascii = true},
           "aaaaaaaa -->\n  bbbbbbbb\n");
}

// No name can look like what the report draws: of these three signs the text above is made.
Test(text_stream, names_have_no_marks)
{
    char *clean = report_clean_name("a ─▶ b ◀ break here é");
    cr_expect_str_eq(clean, "a \\xe2\\x94\\x80\\xe2\\x96\\xb6 b \\xe2\\x97\\x80 break here é");
    free(clean);
}
