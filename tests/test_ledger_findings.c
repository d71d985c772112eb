// Findings of the core at hand, and what its own JSON report says of them, are the same to a
// ledger; and ledgers as JSON.
#include "report_text.h"

#include <jansson.h>

#include "compare.h"
#include "fakecore.h"
#include "scratch.h"

static void init(void)
{
    fakecore_enter_scratch();
    set_report();
}

TestSuite(ledger_findings, .init = init, .fini = fakecore_leave_scratch);

static void add_report(struct ledger *ledger, const char *path)
{
    FILE *file = fopen(path, "w");
    cr_assert_null(report_json(&report, file));
    cr_assert_eq(fclose(file), 0);
    struct failure *failure = ledger_add_file(ledger, path);
    cr_assert_null(failure, "%s", failure_text(failure));
}

static void expect_same_text(const char *what, const char *a, const char *b)
{
    cr_expect_str_eq(a ? a : "NULL", b ? b : "NULL", "%s: '%s' and '%s'", what, a, b);
}

// Returns the first entry's words, "cycle; edge".
static const char *expect_same(const char *what)
{
    static char words[512];
    struct ledger written = {0}, taken = {0};
    add_report(&written, "report.json");
    cr_assert_null(ledger_add_findings(&taken, &findings, report_is_complete(&report), "core.1"));
    cr_expect_eq(written.processes, taken.processes, "%s", what);
    cr_expect_eq(written.incomplete, taken.incomplete, "%s", what);
    ledger_fold(&written);
    ledger_fold(&taken);
    cr_assert_eq(written.count, taken.count, "%s", what);
    for (size_t i = 0; i < taken.count; i++) {
        const struct ledger_entry *a = &written.items[i], *b = &taken.items[i];
        cr_expect_str_eq(a->signature, b->signature, "%s", what);
        cr_expect_eq(a->processes, b->processes, "%s", what);
        cr_expect_eq(a->count, b->count, "%s", what);
        cr_expect_eq(a->bytes, b->bytes, "%s", what);
        expect_same_text(what, a->cycle, b->cycle);
        expect_same_text(what, a->edge, b->edge);
        cr_expect_str_eq(a->source, "report.json");
        cr_expect_str_eq(b->source, "core.1");
    }
    snprintf(words, sizeof(words), "%s; %s", taken.items[0].cycle, taken.items[0].edge);
    ledger_deinit(&written);
    ledger_deinit(&taken);
    return words;
}

static void set_signature(struct finding *finding, const char *signature)
{
    memcpy(finding->signature, signature, SIGNATURE_SIZE);
}

Test(ledger_findings, same_as_in_its_report)
{
    struct finding_change changes[2] = {{.step = &steps[1], .drawn = 1},
                                        {.step = &steps[0], .drawn = SIZE_MAX}};
    cr_expect_str_eq(expect_same("the story"),
                     "MyApiClient.t ─▶ T._api_client ─▶ MyApiClient; .t of MyApiClient");
    breaks[0] = (struct finding_break){1, BREAK_ATTRIBUTE, true};
    cr_expect_str_eq(expect_same("every"), "MyApiClient.t ─▶ T._api_client ─▶ MyApiClient; "
                                           "._api_client of every T");
    for (size_t count = 1; count <= 2; count++) {
        items[0].set = (struct finding_set){FINDING_SET_FOUND, count, changes, count};
        cr_expect_str_eq(expect_same("a set"),
                         count == 1 ? "MyApiClient.t ─▶ T._api_client ─▶ MyApiClient; "
                                      "._api_client of every T"
                                    : "MyApiClient.t ─▶ T._api_client ─▶ MyApiClient; "
                                      "._api_client of every T and 1 more");
    }
    items[0].set = (struct finding_set){FINDING_SET_TOO_LARGE, 99, NULL, 0};
    items[0].break_count = 0;
    cr_expect_str_eq(expect_same("nothing to break"),
                     "MyApiClient.t ─▶ T._api_client ─▶ MyApiClient; (null)");
    steps[0].type = (char *)"a.\033[31m\xff";
    steps[1].edge = NULL;
    expect_same("names");
}

// One shape is two findings where some of its cycles are pending: of one process.
Test(ledger_findings, sums)
{
    findings.count = 3;
    items[0].held_bytes = 1000;
    items[1].state = COLLECT_PENDING;
    items[1].held_bytes = 30000;
    set_signature(&items[2], "00000001");
    expect_same("three findings");
    struct ledger ledger = {0};
    cr_assert_null(ledger_add_findings(&ledger, &findings, true, "core.1"));
    cr_assert_null(ledger_add_findings(&ledger, &findings, false, "core.2"));
    ledger_fold(&ledger);
    cr_assert_eq(ledger.count, 2);
    cr_expect_str_eq(ledger.items[0].signature, "5f3c2a91");
    cr_expect_eq(ledger.items[0].processes, 2);
    cr_expect_eq(ledger.items[0].count, 8);
    cr_expect_eq(ledger.items[0].bytes, 2 * (2 * 1408 + 31000));
    cr_expect_eq(ledger.items[1].bytes, 2 * 1408);
    cr_expect_eq(ledger.incomplete, 1);
    ledger_deinit(&ledger);
}

// A report that does not tell all of its findings is told from one that does.
Test(ledger_findings, cut_by_limit)
{
    findings.count = 3;
    set_signature(&items[1], "00000001");
    set_signature(&items[2], "00000002");
    for (uint64_t limit = 2; limit <= 3; limit++) {
        struct ledger ledger = {0};
        report.limit = limit;
        add_report(&ledger, "report.json");
        cr_expect_eq(ledger.count, limit);
        cr_expect_eq(ledger.cut, limit == 2);
        ledger_deinit(&ledger);
    }
}

// A cycle of more steps than are kept.
Test(ledger_findings, a_long_cycle)
{
    static struct finding_step kept[FINDING_STEPS_MAX + FINDING_STEPS_LAST];
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        kept[i] = steps[i % 2];
        kept[i].number = i < FINDING_STEPS_FIRST ? i : 980 + i;
    }
    items[0].steps = kept;
    items[0].step_count = 2000;
    items[0].steps_left_out = 2000 - FINDING_STEPS_MAX - FINDING_STEPS_LAST;
    cr_expect_str_eq(expect_same("long"),
                     "MyApiClient.t ─▶ T._api_client ─▶ MyApiClient.t ─▶ T._api_client ─▶ 1996 "
                     "more ─▶ MyApiClient; .t of MyApiClient");
}

// --- as JSON

static json_t *read_json(const char *text)
{
    json_error_t error;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    cr_assert_not_null(root, "%s, line %d:\n%s", error.text, error.line, text);
    return root;
}

static void expect_member(const char *text, const char *member, const char *expected)
{
    json_t *root = read_json(text);
    char *found = json_dumps(json_object_get(root, member), JSON_COMPACT | JSON_SORT_KEYS);
    cr_expect_str_eq(found, expected, "%s", found);
    free(found);
    json_decref(root);
}

static void fill(struct ledger *ledger, uint64_t count, bool complete)
{
    findings.count = 2;
    items[0].count = count;
    set_signature(&items[1], complete ? "00000001" : "00000002");
    items[1].bytes = 1;
    items[1].break_count = 0;
    cr_assert_null(ledger_add_findings(ledger, &findings, complete, "a\xff"));
    ledger_fold(ledger);
}

#define CYCLE "\"cycle\":\"MyApiClient.t ─▶ T._api_client ─▶ MyApiClient\""

Test(ledger_findings, merged_as_json)
{
    struct ledger ledger = {0};
    fill(&ledger, 2, false);
    for (uint64_t limit = 0; limit <= 1; limit++) {
        FILE *file = open_memstream(&output, &output_size);
        cr_assert_null(report_ledger_json(&ledger, limit, file));
        fclose(file);
        expect_member(
            output, "merge",
            limit ? "{\"findings\":[{\"break\":\".t of MyApiClient\",\"bytes\":1408,"
                    "\"count\":2," CYCLE ",\"processes\":1,\"signature\":\"5f3c2a91\","
                    "\"source\":\"a\\\\xff\"}],\"of\":{\"cut\":0,\"findings_total\":2,"
                    "\"incomplete\":1,\"processes\":1}}"
                  : "{\"findings\":[{\"break\":\".t of MyApiClient\",\"bytes\":1408,"
                    "\"count\":2," CYCLE ",\"processes\":1,\"signature\":\"5f3c2a91\","
                    "\"source\":\"a\\\\xff\"},{\"break\":null,\"bytes\":1,\"count\":2," CYCLE
                    ",\"processes\":1,\"signature\":\"00000002\",\"source\":"
                    "\"a\\\\xff\"}],\"of\":{\"cut\":0,\"findings_total\":2,"
                    "\"incomplete\":1,\"processes\":1}}");
        free(output);
    }
    output = NULL;
    ledger_deinit(&ledger);
}

Test(ledger_findings, compared_as_json)
{
    struct ledger old = {0}, now = {0};
    struct comparison comparison;
    fill(&old, 2, true);
    fill(&now, 3, false);
    cr_assert_null(comparison_init(&comparison, &old, &now));
    FILE *file = open_memstream(&output, &output_size);
    cr_assert_null(report_comparison_json(&comparison, 2, file));
    fclose(file);
    expect_member(
        output, "compare",
        "{\"counts\":{\"gone\":1,\"grown\":1,\"new\":1,\"same\":0,\"shrunk\":0},\"findings\":["
        "{\"break\":null,\"change\":\"new\"," CYCLE ",\"new\":{\"bytes\":1,\"count\":2},\"old\":"
        "null,\"signature\":\"00000002\"},{\"break\":\".t of MyApiClient\",\"change\":\"grown\"," CYCLE
        ",\"new\":{\"bytes\":1408,\"count\":3},\"old\":{\"bytes\":1408,\"count\":2},"
        "\"signature\":\"5f3c2a91\"}],\"new\":{\"cut\":0,\"findings_total\":2,\"incomplete\":1,"
        "\"processes\":1},\"old\":{\"cut\":0,\"findings_total\":2,\"incomplete\":0,"
        "\"processes\":1}}");
    comparison_deinit(&comparison);
    ledger_deinit(&old);
    ledger_deinit(&now);
}
