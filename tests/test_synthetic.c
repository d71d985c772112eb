// The program on whole synthetic processes, a core and an interpreter's file each: of every column
// of member offsets, in both byte orders, with symbols and stripped. The same leaks must be told in
// the same words, whatever the machine; only addresses and bytes may differ.
#include "common.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fakeleaks.h"
#include "fakeprocess.h"
#include "proof.h"
#include "real.h"

static struct fakeheap fake;

// --- what the program says of them

static const char *cycle_text(const json_t *finding)
{
    const char *text = "";
    size_t i;
    json_t *step;
    json_array_foreach(real_json(finding, "cycle"), i, step) text = real_format(
        "%s%s%s%s %s", text, i ? " > " : "", real_string(step, "type"),
        json_is_true(real_json(step, "finalizer")) ? "*" : "", real_string(step, "edge"));
    return text;
}

static const char *finalizer_text(const json_t *finding)
{
    const json_t *first = json_array_get(real_json(finding, "finalizers"), 0);
    return real_format("%s %s %s:%lld", real_string(first, "class"),
                       real_string(first, "defined_in"), real_string(first, "file"),
                       real_number(first, "line"));
}

static void expect_finding(const char *what, const json_t *report, size_t row)
{
    size_t i;
    json_t *finding;
    json_array_foreach(real_json(report, "findings"), i, finding)
    {
        if (strcmp(cycle_text(finding), fakeleaks[row].cycle) != 0)
            continue;
        cr_expect_str_eq(real_string(finding, "state"), "uncollectable", "%s", what);
        cr_expect_eq(real_number(finding, "count"), fakeleaks[row].count, "%s: %s", what,
                     fakeleaks[row].cycle);
        cr_expect_eq(real_number(finding, "objects"), fakeleaks[row].count * fakeleaks[row].objects,
                     "%s: %s: %lld objects", what, fakeleaks[row].cycle,
                     real_number(finding, "objects"));
        cr_expect_str_eq(finalizer_text(finding), fakeleaks[row].finalizer, "%s", what);
        return;
    }
    cr_expect_fail("%s: no finding \"%s\" in %s", what, fakeleaks[row].cycle,
                   json_dumps(real_json(report, "findings"), JSON_COMPACT));
}

// The signature of a cycle is the same in all.
static void expect_signatures(const char *what, const json_t *report)
{
    static const char *signatures[FAKELEAK_COUNT];
    size_t i;
    json_t *finding;
    json_array_foreach(real_json(report, "findings"), i, finding)
    {
        for (size_t row = 0; row < FAKELEAK_COUNT; row++) {
            if (strcmp(cycle_text(finding), fakeleaks[row].cycle) != 0)
                continue;
            if (!signatures[row])
                signatures[row] = real_string(finding, "signature");
            cr_expect_str_eq(real_string(finding, "signature"), signatures[row], "%s: %s", what,
                             fakeleaks[row].cycle);
        }
    }
}

static void expect_interpreter(const char *what, const json_t *report)
{
    const struct layout_column *column = fake.layout.column;
    cr_expect_str_eq(real_string(report, "interpreter.layout_column"), column->name, "%s", what);
    cr_expect_eq(json_is_true(real_json(report, "interpreter.trace_refs")), column->trace_refs,
                 "%s", what);
    cr_expect_eq(json_is_true(real_json(report, "interpreter.pymalloc_debug")), column->trace_refs,
                 "%s", what);
    cr_expect(json_is_true(real_json(report, "interpreter.pymalloc")),
              "%s: not found in pools, but along the rings", what);
    bool usual = column->values[LAYOUT_PyGC_Head_sizeof].offset != 24;
    cr_expect_eq(json_is_false(real_json(report, "interpreter.gc_head_by_evidence")), usual, "%s",
                 what);
    cr_expect_eq(real_number(report, "heap.opaque_objects"), 0, "%s", what);
    cr_expect_eq(real_number(report, "heap.overdrawn_objects"), 0, "%s", what);
}

static json_t *run_program(const char *what, struct real_run run)
{
    cr_assert_eq(run.status, 0, "%s: exit status %d: %s", what, run.status, run.errors);
    cr_expect_str_empty(run.errors, "%s: %s", what, run.errors);
    return real_parse(run.output);
}

static const char *byte_order(void)
{
    return fake.memory.format.big_endian ? "big" : "little";
}

// With the interpreter's file.
static json_t *check_process(const char *what, const char *core)
{
    json_t *report = run_program(what, REAL_RUN("--format=json", "--limit=0", core));
    expect_interpreter(what, report);
    expect_signatures(what, report);
    size_t expected = 0;
    for (size_t i = 0; i < FAKELEAK_COUNT; i++) {
        if (!fakeleak_is_made(&fake, &fakeleaks[i]))
            continue;
        expect_finding(what, report, i);
        expected++;
    }
    cr_expect_eq(json_array_size(real_json(report, "findings")), expected, "%s: %s", what,
                 json_dumps(real_json(report, "findings"), JSON_COMPACT));
    proof_note_synthetic(report, byte_order(), "leaks");
    return report;
}

// And without it: the same to the last byte.
static void check_bare(const char *what, const char *core, const json_t *full)
{
    static const char *const paths[] = {"findings", "garbage.objects", "heap.objects", "heap.edges",
                                        "heap.bytes"};
    json_t *bare = run_program(
        what, REAL_RUN("-q", "--format=json", "--limit=0", "--sysroot=/nonexistent", core));
    expect_interpreter(what, bare);
    cr_expect_str_eq(real_string(bare, "interpreter.recognized_from"), "core", "%s", what);
    for (size_t i = 0; i < LENGTH(paths); i++) {
        const json_t *found = real_json(bare, paths[i]), *expected = real_json(full, paths[i]);
        cr_expect(json_equal(found, expected), "%s: without the file %s is %s, not %s", what,
                  paths[i], json_dumps(found, JSON_COMPACT | JSON_ENCODE_ANY),
                  json_dumps(expected, JSON_COMPACT | JSON_ENCODE_ANY));
    }
    proof_note_synthetic(bare, byte_order(), "leaks");
}

static void check_both(const char *directory, unsigned machine, bool stripped)
{
    const char *what = real_format("%s, %s-endian%s", fake.layout.column->name, byte_order(),
                                   stripped ? ", stripped" : "");
    const char *core = real_format("%s/core", directory);
    fakeprocess_write(&fake, &(struct fakeprocess){machine, stripped}, directory);
    json_t *full = check_process(what, core);
    // What the core has is the same with symbols and without.
    if (stripped)
        check_bare(what, core, full);
}

static void check_columns(bool big_endian, bool stripped)
{
    const char *directory = real_directory(real_format("synthetic-%d-%d", big_endian, stripped));
    for (size_t i = 0; i < layout_column_count; i++) {
        const struct layout_column *column = &layout_columns[i];
        fakeheap_init(&fake, &(struct fakeheap_spec){.column = column, .big_endian = big_endian});
        fakeheap_use_pools(&fake);
        fakeleaks_make(&fake);
        check_both(directory, fakeleaks_machine(column, big_endian), stripped);
        fakeheap_deinit(&fake);
    }
}

Test(synthetic, little_endian)
{
    check_columns(false, false);
}

Test(synthetic, little_endian_stripped)
{
    check_columns(false, true);
}

Test(synthetic, big_endian)
{
    check_columns(true, false);
}

Test(synthetic, big_endian_stripped)
{
    check_columns(true, true);
}

// s390x: a PyGC_Head of 24 bytes, which no column has.
Test(synthetic, s390x)
{
    const char *directory = real_directory("synthetic-s390x");
    for (size_t i = 0; i < layout_column_count; i++) {
        struct layout_column column = layout_columns[i];
        if (column.word_size != 8)
            continue;
        column.values[LAYOUT_PyGC_Head_sizeof] = (struct layout_value){24, 24};
        column.values[LAYOUT_gc_generation_sizeof] = (struct layout_value){32, 32};
        column.values[LAYOUT_gc_generation_threshold].offset = 24;
        column.values[LAYOUT_gc_generation_count].offset = 28;
        fakeheap_init(&fake, &(struct fakeheap_spec){.column = &column, .big_endian = true});
        fakeheap_use_pools(&fake);
        fakeleaks_make(&fake);
        check_both(directory, EM_S390, true);
        fakeheap_deinit(&fake);
    }
}
