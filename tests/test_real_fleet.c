// One leak of many processes is one line, and a later core says what has changed.
#include "common.h"

#include <string.h>

#include "real.h"

// The JSON report of a core, in a file.
static const char *make_report(const char *name, const char *interpreter, const char *kind,
                               const char *command, const char *option)
{
    struct real_core core = real_make_core(interpreter, kind, command);
    const char *path = real_format("%s/%s.json", real_directory(name), name);
    struct real_run run = REAL_RUN("--format=json", option, "-o", path, core.path);
    cr_assert_eq(run.status, 0, "%s: %s", core.name, run.errors);
    return path;
}

static const char *story(const char *name, const char *kind, const char *command)
{
    return make_report(name, strcmp(kind, "gcore") ? "shared" : "debian", kind, command,
                       "--limit=0");
}

// Other builds, kinds of core, sizes: the sums are those of the processes.
Test(fleet, merge)
{
    const char *five = story("fleet-5", "kernel", "seed_leak.py 5");
    const char *thousand = story("fleet-1000", "gcore", "seed_leak.py 1000");
    const char *mixed = story("fleet-mixed", "kernel", "leaks.py mixed 3");
    struct real_run run = REAL_RUN("--merge", "--format=json", five, mixed, thousand);
    cr_assert_eq(run.status, 0, "%s", run.errors);
    json_t *merged = real_parse(run.output);
    const json_t *first = json_array_get(real_json(merged, "merge.findings"), 0);
    cr_expect_eq(real_number(merged, "merge.of.processes"), 3);
    cr_expect_eq(real_number(merged, "merge.of.findings_total"), 5);
    cr_expect_eq(real_number(first, "processes"), 2);
    cr_expect_eq(real_number(first, "count"), 1005);
    cr_expect_str_eq(real_string(first, "cycle"), "MyApiClient.t ─▶ T._api_client ─▶ MyApiClient");
    cr_expect_str_eq(real_string(first, "break"), ".t of MyApiClient");
    cr_expect_str_eq(real_string(first, "source"), five);
    // The order of the files does not matter, but for which is named.
    cr_expect_str_eq(REAL_RUN("--merge", five, mixed, thousand).output,
                     REAL_RUN(thousand, five, mixed, "--merge").output);
    cr_expect_eq(REAL_RUN("--merge", "--error-exitcode=42", five).status, 42);
}

// NEW is a core, or the report of one: the same words.
Test(fleet, compare)
{
    struct real_core core = real_make_core("debian", "gcore", "seed_leak.py 1000");
    const char *old = story("compare-5", "kernel", "seed_leak.py 5");
    const char *now = story("compare-1000", "gcore", "seed_leak.py 1000");
    const char *mixed = story("compare-mixed", "kernel", "leaks.py mixed 3");
    struct real_run run = REAL_RUN("--compare", old, core.path);
    cr_expect_eq(run.status, 0, "%s", run.errors);
    cr_expect_str_eq(run.output,
                     "0 new, 1 grown, 0 shrunk, 0 gone, 0 same, by signature.\n\n"
                     "grown   d5248b1f  5 -> 1,000 cycles, 3.4 KiB -> 688 KiB: MyApiClient.t ─▶ "
                     "T._api_client ─▶ MyApiClient; break .t of MyApiClient\n");
    cr_expect_str_eq(REAL_RUN("--compare", old, now).output, run.output);
    cr_expect_eq(REAL_RUN("--error-exitcode=42", "--compare", old, now).status, 42);
    cr_expect_eq(REAL_RUN("--error-exitcode=42", "--compare", now, old).status, 0);
    json_t *other = real_parse(REAL_RUN("--format=json", "--compare", mixed, core.path).output);
    cr_expect_eq(real_number(other, "compare.counts.new"), 1);
    cr_expect_eq(real_number(other, "compare.counts.gone"), 4);
    cr_expect(
        json_is_null(real_json(json_array_get(real_json(other, "compare.findings"), 0), "old")));
}

// A report that leaves findings out makes a comparison doubtful, and the exit status says so.
Test(fleet, cut)
{
    const char *cut = make_report("fleet-cut", "shared", "kernel", "leaks.py mixed 3", "--limit=1");
    const char *whole = story("fleet-whole", "kernel", "leaks.py mixed 3");
    struct real_run run = REAL_RUN("--compare", cut, whole);
    cr_expect_eq(run.status, 1, "%s", run.errors);
    cr_expect_not_null(strstr(run.output, "\nLOSS: 1 old report was cut by --limit"), "%s",
                       run.output);
    cr_expect_eq(REAL_RUN("--compare", whole, whole).status, 0);
}

// One sentence with the file's name, nothing on stdout.
Test(fleet, wrong_file)
{
    struct real_core core = real_make_core("shared", "kernel", "seed_leak.py 5");
    const char *good = story("fleet-good", "kernel", "seed_leak.py 5");
    const char *sentence = real_format("pycore-garbage: %s: not a JSON report of pycore-garbage: "
                                       "line 1: '[' or '{' expected near '\\x7f'; make one with "
                                       "--format=json\n",
                                       core.path);
    struct real_run runs[] = {REAL_RUN("--merge", good, core.path),
                              REAL_RUN("--compare", core.path, good)};
    for (size_t i = 0; i < LENGTH(runs); i++) {
        cr_expect_eq(runs[i].status, 2, "run %zu", i);
        cr_expect_str_empty(runs[i].output, "run %zu", i);
        cr_expect_str_eq(runs[i].errors, sentence, "run %zu: %s", i, runs[i].errors);
    }
}
