// JSON reports of strangers, folded by signature, merged and compared.
#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compare.h"
#include "fakecore.h"
#include "report.h"
#include "scratch.h"

TestSuite(ledger, .init = fakecore_enter_scratch, .fini = fakecore_leave_scratch);

#define STORY                                                                                      \
    "\"cycle\":[{\"type\":\"app.Client\",\"edge\":\".t\"},{\"type\":\"app.T\",\"edge\":\".c\"}]"
#define FINDING(signature, count, bytes, more)                                                     \
    "{\"signature\":\"" signature "\",\"count\":" #count ",\"bytes\":" #bytes                      \
    ",\"held_bytes\":24," more "}"
#define REPORT(findings) "{\"schema_version\":1,\"findings\":[" findings "]}"

static void add_text(struct ledger *ledger, const char *path, const char *text)
{
    write_text(path, text);
    struct failure *failure = ledger_add_file(ledger, path);
    cr_assert_null(failure, "%s", failure_text(failure));
}

static char *print_ledger(const struct ledger *ledger, uint64_t limit)
{
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    report_ledger_text(ledger, limit, file);
    fclose(file);
    return text;
}

static void expect_ledger(struct ledger *ledger, uint64_t limit, const char *expected)
{
    char *text = print_ledger(ledger, limit);
    cr_expect_str_eq(text, expected, "expected\n%snot\n%s", expected, text);
    free(text);
    ledger_deinit(ledger);
}

// --- wrong shapes

Test(ledger, wrong_shapes)
{
    static const struct {
        const char *text;
        const char *wrong;
    } rows[] = {
        {"", "line 1: '[' or '{' expected near end of file"},
        {"[]", "Expected object, got array"},
        {"{", "line 1: string or '}' expected near end of file"},
        {"{}", "Object item not found: schema_version"},
        {"{\"schema_version\":1,\"schema_version\":1}",
         "line 1: duplicate object key near '\"schema_version\"'"},
        {"{\"schema_version\":\"1\"}", "Expected integer, got string"},
        {"{\"schema_version\":2}", "its schema_version is not 1: it is of a later release"},
        {"{\"schema_version\":1}", "Object item not found: findings"},
        {"{\"schema_version\":1,\"verify\":{}}", "what --verify writes has no findings"},
        {"{\"schema_version\":1,\"findings\":{}}", "its findings are no array"},
        {"{\"schema_version\":1,\"findings\":[],\"findings_total\":\"1\"}",
         "Expected integer, got string"},
        {"{\"schema_version\":1,\"findings\":[],\"heap\":1}", "Expected object, got integer"},
        {REPORT("1"), "findings[0]: Expected object, got integer"},
        {REPORT("{}"), "findings[0]: Object item not found: signature"},
        {REPORT(FINDING("0123abcd", 1, 1, STORY) "," FINDING("0123abcg", 1, 1, STORY)),
         "findings[1]: its signature is not eight hexadecimal digits"},
        {REPORT(FINDING("0123abcd0", 1, 1, STORY)),
         "findings[0]: its signature is not eight hexadecimal digits"},
        {REPORT(FINDING("0123abcd", -1, 1, STORY)), "findings[0]: a number is negative"},
        {REPORT(FINDING("0123abcd", 1.0, 1, STORY)), "findings[0]: Expected integer, got real"},
        {REPORT(FINDING("0123abcd", 99999999999999999999, 1, STORY)),
         "line 1: too big integer near '99999999999999999999'"},
        {REPORT(FINDING("0123abcd", 1, null, STORY)), "findings[0]: Expected integer, got null"},
        {REPORT(FINDING("0123abcd", 1, 1, "\"cycle\":{}")), "findings[0]: its cycle is no array"},
        {REPORT(FINDING("0123abcd", 1, 1, "\"cycle\":[],\"cycle_length\":-1")),
         "findings[0]: a number is negative"},
        {REPORT(FINDING("0123abcd", 1, 1, "\"cycle\":[7]")),
         "findings[0]: Expected object, got integer"},
        {REPORT(FINDING("0123abcd", 1, 1, "\"cycle\":[{\"type\":1,\"edge\":null}]")),
         "findings[0]: a step has a type or edge that is neither a string nor null"},
        {REPORT(FINDING("0123abcd", 1, 1, "\"cycle\":[],\"breaks\":1")),
         "findings[0]: its breaks are no array"},
        {REPORT(FINDING("0123abcd", 1, 1, "\"cycle\":[],\"break_set\":{\"changes\":1}")),
         "findings[0]: its break_set has changes that are no array"},
        {REPORT(FINDING("0123abcd", 1, 1, "\"cycle\":[],\"breaks\":[{\"every\":1}]")),
         "findings[0]: Expected true or false, got integer"},
        {REPORT(FINDING("0123abcd", 1, 1, "\"cycle\":[],\"breaks\":[{\"type\":null}]")),
         "findings[0]: Object item not found: edge"},
        {"{\"\x1b[31m\":", "line 1: control character 0x1b near '\"'"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct ledger ledger = {0};
        char expected[256];
        snprintf(expected, sizeof(expected),
                 "old.json: not a JSON report of pycore-garbage: %s; make one with --format=json",
                 rows[i].wrong);
        write_text("old.json", rows[i].text);
        struct failure *failure = ledger_add_file(&ledger, "old.json");
        cr_assert_not_null(failure, "row %zu was taken", i);
        cr_expect_eq(failure_kind(failure), FAILURE_MISMATCH, "row %zu", i);
        cr_expect_str_eq(failure_text(failure), expected);
        failure_destroy(failure);
        ledger_deinit(&ledger);
    }
}

static void expect_refused(const char *path, enum failure_kind kind, const char *sentence)
{
    struct ledger ledger = {0};
    struct failure *failure = ledger_add_file(&ledger, path);
    cr_assert_not_null(failure, "%s was taken", path);
    cr_expect_eq(failure_kind(failure), kind);
    cr_expect_str_eq(failure_text(failure), sentence);
    failure_destroy(failure);
    ledger_deinit(&ledger);
}

Test(ledger, not_readable)
{
    expect_refused("nowhere.json", FAILURE_IO,
                   "nowhere.json: cannot read the report: No such file or directory; check the "
                   "name");
    mkdir("directory", 0777);
    expect_refused("directory", FAILURE_IO,
                   "directory: cannot read the report: Is a directory; check the name");
}

// Neither size nor what a parser makes of it is without bounds.
Test(ledger, bounds)
{
    size_t size = LEDGER_VALUES_MAX + 2;
    char *bytes = malloc(size);
    memset(bytes, ',', size);
    bytes[0] = '[';
    write_file("many.json", bytes, size);
    free(bytes);
    expect_refused("many.json", FAILURE_MISMATCH,
                   "many.json: not a JSON report of pycore-garbage: more than 4194304 values; make "
                   "one with --format=json");
    expect_refused("/dev/zero", FAILURE_MISMATCH,
                   "/dev/zero: not a JSON report of pycore-garbage: larger than 64 MiB; make one "
                   "with --format=json");
    char deep[5000];
    memset(deep, '[', sizeof(deep));
    write_file("deep.json", deep, sizeof(deep));
    expect_refused("deep.json", FAILURE_MISMATCH,
                   "deep.json: not a JSON report of pycore-garbage: line 1: maximum parsing depth "
                   "reached near '['; make one with --format=json");
}

Test(ledger, is_report)
{
    static const struct {
        const char *text;
        bool is;
    } rows[] = {{"{}", true},
                {" \r\n\t{", true},
                {"[", true},
                {"\x7f"
                 "ELF",
                 false},
                {"", false},
                {"x{", false}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        write_text("file", rows[i].text);
        cr_expect_eq(ledger_is_report("file"), rows[i].is, "row %zu", i);
    }
    cr_expect_not(ledger_is_report("nowhere"));
}

// --- merging

Test(ledger, nothing_found)
{
    struct ledger ledger = {0};
    add_text(&ledger, "a", REPORT(""));
    ledger_fold(&ledger);
    expect_ledger(&ledger, 0, "No finding in 1 report.\n");
}

#define BREAK ",\"breaks\":[{\"type\":\"app.T\",\"edge\":\".c\"}]"

// A signature that one process has twice (uncollectable and pending) is in one process.
Test(ledger, merge)
{
    struct ledger ledger = {0};
    add_text(
        &ledger, "a",
        REPORT(FINDING("0000000a", 5, 1000, STORY BREAK) "," FINDING(
            "0000000b", 2, 5000, "\"cycle\":[]") "," FINDING("0000000a", 7, 976, STORY BREAK)));
    add_text(&ledger, "b", REPORT(FINDING("0000000a", 1000, 2000000, STORY)));
    ledger_fold(&ledger);
    cr_assert_eq(ledger.count, 2);
    cr_expect_str_eq(ledger.items[0].signature, "0000000a");
    cr_expect_str_eq(ledger.items[0].source, "a");
    cr_expect_eq(ledger.items[0].processes, 2);
    cr_expect_eq(ledger.items[0].count, 1012);
    cr_expect_eq(ledger.items[0].bytes, 1000 + 976 + 2000000 + 3 * 24);
    cr_expect(ledger_is_whole(&ledger));
    expect_ledger(&ledger, 0,
                  "2 findings by signature in 2 reports, most bytes first.\n\n"
                  "signature  processes     cycles      bytes  cycle, and the reference to break\n"
                  "0000000a           2      1,012    1.9 MiB  Client.t ─▶ T.c ─▶ Client; break .c "
                  "of T\n"
                  "0000000b           1          2    4.9 KiB  (cycle not told)\n");
}

// Several to be broken together come before one that no program can change.
Test(ledger, break_set)
{
    struct ledger ledger = {0};
    add_text(
        &ledger, "a",
        REPORT(FINDING(
            "0000000a", 5, 1000,
            STORY BREAK
            ",\"break_set\":{\"changes\":[{\"type\":\"app.T\",\"edge\":"
            "\".d\"},{\"type\":\"app.U\",\"edge\":\".e\"}]}") "," FINDING("0000000b", 2, 50,
                                                                          STORY BREAK
                                                                          ",\"break_set\":{\"changes\":[]}")));
    ledger_fold(&ledger);
    cr_assert_eq(ledger.count, 2);
    cr_expect_str_eq(ledger.items[0].edge, ".d of every T and 1 more");
    cr_expect_str_eq(ledger.items[1].edge, ".c of T");
    ledger_deinit(&ledger);
}

// Sums stay at the largest number there is.
Test(ledger, overflow)
{
    struct ledger ledger = {0};
    for (int i = 0; i < 4; i++)
        add_text(&ledger, "a",
                 REPORT(FINDING("0000000a", 9223372036854775807, 9223372036854775807, STORY)));
    ledger_fold(&ledger);
    cr_expect_eq(ledger.items[0].count, UINT64_MAX);
    cr_expect_eq(ledger.items[0].bytes, UINT64_MAX);
    ledger_deinit(&ledger);
}

Test(ledger, doubts_and_limit)
{
    struct ledger ledger = {0};
    add_text(
        &ledger, "a",
        "{\"schema_version\":1,\"findings_total\":3,\"heap\":{\"complete\":false},\"findings\":[" FINDING(
            "0000000a", 1, 1, "\"cycle\":[]") "," FINDING("0000000b", 1, 2, "\"cycle\":[]") "]}");
    cr_expect_not(ledger_is_whole(&ledger));
    ledger_fold(&ledger);
    expect_ledger(&ledger, 1,
                  "2 findings by signature in 1 report, most bytes first.\n\n"
                  "signature  processes     cycles      bytes  cycle, and the reference to break\n"
                  "0000000b           1          1   26 bytes  (cycle not told)\n"
                  "1 more finding not shown (--limit).\n"
                  "LOSS: 1 report is incomplete: the numbers are lower bounds.\n"
                  "LOSS: 1 report was cut by --limit and may have other findings; make it with "
                  "--limit=0.\n");
}

// Names go through others' hands too, and a long cycle is told by its beginning.
Test(ledger, names)
{
    struct ledger ledger = {0};
    add_text(&ledger, "a",
             REPORT(FINDING("0000000a", 1, 1,
                            "\"cycle\":[{\"type\":\"a.\\u001b[31mX\",\"edge\":\".\\u202ey\"},"
                            "{\"type\":null,\"edge\":\"cell self\"},{\"type\":\"list\",\"edge\":"
                            "\"[3]\"},{\"type\":\"d\",\"edge\":null},{\"type\":\"e\",\"edge\":"
                            "\".f\"},{\"type\":\"e\",\"edge\":\".f\"}],\"breaks\":[{\"type\":"
                            "\"a.\\u0007B\",\"edge\":\".\\u009b\",\"every\":true}]")));
    ledger_fold(&ledger);
    expect_ledger(
        &ledger, 0,
        "1 finding by signature in 1 report, most bytes first.\n\n"
        "signature  processes     cycles      bytes  cycle, and the reference to break\n"
        "0000000a           1          1   25 bytes  \\x1b[31mX.\\xe2\\x80\\xaey ─▶ ? cell "
        "self ─▶ list[3] ─▶ d ? ─▶ 2 more ─▶ \\x1b[31mX; break .\\xc2\\x9b of every "
        "\\x07B\n");
}

// A report tells the first steps of a long cycle, and how many there are.
Test(ledger, cycle_that_was_cut)
{
    struct ledger ledger = {0};
    add_text(&ledger, "a",
             REPORT(FINDING("0000000a", 1, 1, STORY ",\"cycle_length\":1000000") "," FINDING(
                 "0000000b", 1, 1, STORY ",\"cycle_length\":1")));
    ledger_fold(&ledger);
    expect_ledger(
        &ledger, 0,
        "2 findings by signature in 1 report, most bytes first.\n\n"
        "signature  processes     cycles      bytes  cycle, and the reference to break\n"
        "0000000a           1          1   25 bytes  Client.t ─▶ T.c ─▶ 999998 more ─▶ Client\n"
        "0000000b           1          1   25 bytes  Client.t ─▶ T.c ─▶ Client\n");
}

// --- comparing

Test(ledger, compare)
{
    struct ledger old = {0}, now = {0};
    struct comparison comparison;
    char *text;
    size_t size;
    add_text(
        &old, "old",
        REPORT(FINDING("00000001", 5, 10, STORY) "," FINDING("00000002", 5, 10, STORY) "," FINDING(
            "00000003", 5, 10, STORY) "," FINDING("00000004", 5, 10,
                                                  STORY) "," FINDING("00000005", 5, 10, STORY)));
    add_text(
        &now, "new",
        "{\"schema_version\":1,\"heap\":{\"complete\":false},\"findings\":[" FINDING(
            "00000006", 1, 1,
            STORY
                BREAK) "," FINDING("00000005", 5, 20,
                                   STORY) "," FINDING("00000004", 4, 20,
                                                      STORY) "," FINDING("00000003", 6, 5,
                                                                         STORY) "," FINDING("00000001",
                                                                                            5, 10,
                                                                                            STORY) "]}");
    ledger_fold(&old);
    ledger_fold(&now);
    cr_assert_null(comparison_init(&comparison, &old, &now));
    FILE *file = open_memstream(&text, &size);
    report_comparison_text(&comparison, 0, file);
    fclose(file);
    cr_expect_str_eq(
        text,
        "1 new, 2 grown, 1 shrunk, 1 gone, 1 same, by signature.\n\n"
        "new     00000006  1 cycle, 25 bytes: Client.t ─▶ T.c ─▶ Client; break .c of T\n"
        "grown   00000005  5 cycles, 34 bytes -> 44 bytes: Client.t ─▶ T.c ─▶ Client\n"
        "grown   00000003  5 -> 6 cycles, 34 bytes -> 29 bytes: Client.t ─▶ T.c ─▶ Client\n"
        "shrunk  00000004  5 -> 4 cycles, 34 bytes -> 44 bytes: Client.t ─▶ T.c ─▶ Client\n"
        "gone    00000002  5 cycles, 34 bytes: Client.t ─▶ T.c ─▶ Client\n"
        "same    00000001  5 cycles, 34 bytes: Client.t ─▶ T.c ─▶ Client\n"
        "LOSS: 1 new report is incomplete: the numbers are lower bounds.\n",
        "%s", text);
    free(text);
    comparison_deinit(&comparison);
    ledger_deinit(&old);
    ledger_deinit(&now);
}
