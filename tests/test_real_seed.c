// The story's own leak, end to end: real interpreters, both kinds of core, several sizes.
#include "common.h"

#include <fnmatch.h>
#include <string.h>

#include "compare.h"
#include "proof.h"
#include "real.h"

static const char *const interpreters[] = {"shared", "debian", "debian-dbg"};
static const char *const kinds[] = {"kernel", "gcore"};

// The one finding of a report on seed_leak.py.
static const json_t *only_finding(const struct real_core *core, const json_t *report)
{
    const json_t *findings = real_json(report, "findings");
    cr_assert_eq(json_array_size(findings), 1, "%s: %zu findings", core->name,
                 json_array_size(findings));
    return json_array_get(findings, 0);
}

static void expect_step(const struct real_core *core, const json_t *finding, size_t i,
                        const char *type, const char *edge, bool finalizer)
{
    const json_t *step = json_array_get(real_json(finding, "cycle"), i);
    cr_assert_not_null(step, "%s: step %zu is missing", core->name, i);
    cr_expect_str_eq(real_string(step, "type"), type, "%s", core->name);
    cr_expect_str_eq(real_string(step, "edge"), edge, "%s", core->name);
    cr_expect_eq(json_is_true(real_json(step, "finalizer")), finalizer, "%s", core->name);
}

static void expect_finalizer(const struct real_core *core, const json_t *finding)
{
    const json_t *finalizers = real_json(finding, "finalizers");
    cr_assert_eq(json_array_size(finalizers), 1, "%s", core->name);
    const json_t *finalizer = json_array_get(finalizers, 0);
    const json_t *truth = json_array_get(
        real_json(json_array_get(real_json(core->truth, "findings"), 0), "finalizers"), 0);
    cr_expect_str_eq(real_string(finalizer, "class"), "__main__.MyApiClient", "%s", core->name);
    cr_expect_str_eq(real_string(finalizer, "defined_in"), "__main__.ApiClient", "%s", core->name);
    cr_expect(json_equal(real_json(finalizer, "file"), real_json(truth, "file")), "%s", core->name);
    cr_expect(json_equal(real_json(finalizer, "line"), real_json(truth, "line")), "%s", core->name);
}

// What the issue asks for, word by word.
static void expect_five(const struct real_core *core)
{
    json_t *report = real_report(core, 0);
    const json_t *finding = only_finding(core, report);
    compare_report(core, report);
    cr_expect_eq(real_number(report, "garbage.length"), 5, "%s", core->name);
    cr_expect_eq(real_number(finding, "count"), 5, "%s", core->name);
    cr_expect_eq(real_number(finding, "objects"), 20, "%s", core->name);
    cr_expect_eq(json_array_size(real_json(finding, "cycle")), 2, "%s", core->name);
    expect_step(core, finding, 0, "__main__.MyApiClient", ".t", true);
    expect_step(core, finding, 1, "__main__.T", "._api_client", false);
    expect_finalizer(core, finding);
    proof_note(core, report, "story");
}

static void expect_same_twice(const struct real_core *core)
{
    static const char *const formats[] = {"--format=text", "--format=json"};
    for (size_t i = 0; i < LENGTH(formats); i++) {
        struct real_run first = REAL_RUN(formats[i], core->path, core->interpreter);
        struct real_run second = REAL_RUN(formats[i], core->path, core->interpreter);
        cr_expect_eq(first.status, 0, "%s: %s", core->name, first.errors);
        cr_expect_str_not_empty(first.output, "%s", core->name);
        cr_expect_str_eq(first.output, second.output, "%s %s", core->name, formats[i]);
        cr_expect_str_eq(first.errors, second.errors, "%s %s", core->name, formats[i]);
    }
}

static void five(const char *interpreter, const char *kind)
{
    struct real_core core = real_make_core(interpreter, kind, "seed_leak.py 5");
    expect_five(&core);
    expect_same_twice(&core);
}

Test(seed, shared_kernel)
{
    five("shared", "kernel");
}

Test(seed, shared_gcore)
{
    five("shared", "gcore");
}

Test(seed, debian_kernel)
{
    five("debian", "kernel");
}

Test(seed, debian_gcore)
{
    five("debian", "gcore");
}

static const struct {
    const char *interpreter, *kind, *architecture;
} machines[] = {
    {"debian-i386", "kernel", "i386"},
    {"debian-i386", "gcore", "i386"},
    {"debian-arm64", "qemu", "aarch64"},
    {"debian-armhf", "qemu", "arm"},
};

Test(seed, other_machines)
{
    for (size_t i = 0; i < LENGTH(machines); i++)
        five(machines[i].interpreter, machines[i].kind);
}

// Py_DEBUG: two words in front of each object, pads around each block.
Test(seed, debian_dbg)
{
    five("debian-dbg", "kernel");
    five("debian-dbg", "gcore");
}

// A python2.7 of the machine itself, where there is one: not every machine has.
Test(seed, path)
{
    if (!real_find_interpreter("path"))
        return;
    five("path", "kernel");
    five("path", "gcore");
}

// One leak, one signature: whatever the build, the kind of core and the number of objects.
Test(seed, signature)
{
    static const char *const commands[] = {"seed_leak.py 5", "seed_leak.py 1", "seed_leak.py 1000",
                                           "seed_leak.py 50 --aged", "seed_leak.py 5 --disable-gc"};
    const char *signature = NULL;
    for (size_t i = 0; i < LENGTH(interpreters) * LENGTH(kinds) * LENGTH(commands); i++) {
        const char *interpreter = interpreters[i % LENGTH(interpreters)];
        const char *kind = kinds[i / LENGTH(interpreters) % LENGTH(kinds)];
        const char *command = commands[i / LENGTH(interpreters) / LENGTH(kinds)];
        struct real_core core = real_make_core(interpreter, kind, command);
        const char *found = real_string(only_finding(&core, real_report(&core, 0)), "signature");
        cr_expect_eq(strlen(found), 8, "%s: %s", core.name, found);
        cr_expect(!signature || strcmp(found, signature) == 0, "%s: %s here, %s before", core.name,
                  found, signature);
        signature = found;
    }
}

Test(seed, signature_on_other_machines)
{
    struct real_core here = real_make_core("debian", "kernel", "seed_leak.py 5");
    const char *expected = real_string(only_finding(&here, real_report(&here, 0)), "signature");
    for (size_t i = 0; i < LENGTH(machines); i++) {
        struct real_core core =
            real_make_core(machines[i].interpreter, machines[i].kind, "seed_leak.py 5");
        json_t *report = real_report(&core, 0);
        cr_expect_str_eq(real_string(only_finding(&core, report), "signature"), expected, "%s",
                         core.name);
        cr_expect_str_eq(real_string(report, "core.architecture"), machines[i].architecture);
        cr_expect_eq(real_number(report, "core.pid"), real_number(core.truth, "pid"), "%s",
                     core.name);
    }
}

// Other numbers of cycles: none, one, many, in random list order, not collected yet.
static void sizes(const char *interpreter)
{
    static const char *const commands[] = {"seed_leak.py 0",
                                           "seed_leak.py 1",
                                           "seed_leak.py 1000",
                                           "seed_leak.py 50 --aged",
                                           "seed_leak.py 5 --disable-gc",
                                           "seed_leak.py 20000"};
    for (size_t i = 0; i < LENGTH(commands); i++) {
        struct real_core core = real_make_core(interpreter, "kernel", commands[i]);
        compare_report(&core, real_report(&core, 0));
    }
}

Test(seed, sizes_shared)
{
    sizes("shared");
}

Test(seed, sizes_debian)
{
    sizes("debian");
}

Test(seed, sizes_debian_dbg)
{
    sizes("debian-dbg");
}

// --- the text

// A pattern; what filled so small a process is no matter here.
static const char *expected_text(const struct real_core *core)
{
    const json_t *report = real_report(core, 0);
    const json_t *finding = only_finding(core, report);
    const json_t *finalizer = json_array_get(real_json(finding, "finalizers"), 0);
    const json_t *step = json_array_get(real_json(finding, "cycle"), 0);
    // Two instances and two dicts; each is 16 bytes longer with Py_TRACE_REFS, and has pads of 32.
    bool traced = json_is_true(real_json(report, "interpreter.trace_refs"));
    const char *size = traced ? "4.4 KiB" : "3.4 KiB";
    return real_format(
        "gc.garbage keeps 20 objects alive: %s, less than 1 %% of all tracked objects.\n"
        "With all that only it keeps, garbage is %s: less than 1 %% of the Python heap (*),\n"
        "of the core (*) and of the memory in use (*).\n"
        "Garbage is NOT what filled the memory.\n"
        "* in use, *\n"
        "\n"
        "5 cycles like this one, %s%41ssignature %s\n"
        "    __main__.MyApiClient     has __del__: __main__.ApiClient, seed_leak.py:%lld\n"
        "      .t ─▶ __main__.T     ◀ break here\n"
        "      ._api_client ─▶ back to MyApiClient\n"
        "  Without .t of MyApiClient the collector frees it (replayed).\n"
        "    Set in cached_property.__get__ (seed_leak.py:%lld).\n"
        "    A descriptor of the class caches it: let what it caches refer back by a weakref.\n"
        "    Also enough: ._api_client of T.\n"
        "  e.g. %s; each 4 objects, %d bytes\n"
        "\n"
        "Memory       *\n"
        "\n"
        "Core         %s, *",
        size, size, size, "", real_string(finding, "signature"), real_number(finalizer, "line"),
        real_number(real_json(core->truth, "attribute_set_in"), "line"),
        real_string(step, "address"), traced ? 896 : 704, core->path);
}

static void expect_start(const struct real_core *core, const char *expected)
{
    struct real_run run = REAL_RUN("--width=0", core->path, core->interpreter);
    cr_expect_eq(run.status, 0, "%s: %s", core->name, run.errors);
    cr_expect_str_empty(run.errors, "%s", core->name);
    cr_expect_eq(fnmatch(expected, run.output, 0), 0, "%s: the report is not\n%sbut\n%s",
                 core->name, expected, run.output);
}

Test(seed, text)
{
    for (size_t i = 0; i < LENGTH(interpreters) * LENGTH(kinds); i++) {
        struct real_core core = real_make_core(interpreters[i % LENGTH(interpreters)],
                                               kinds[i / LENGTH(interpreters)], "seed_leak.py 5");
        expect_start(&core, expected_text(&core));
    }
}

static void expect_in_text(const struct real_core *core, const char *pattern)
{
    struct real_run run = REAL_RUN("--width=0", core->path, core->interpreter);
    cr_expect_eq(fnmatch(pattern, run.output, 0), 0, "%s: no %s in\n%s", core->name, pattern,
                 run.output);
}

// Which core, which process, which signal, which interpreter, the collector's state, coverage.
Test(seed, text_of_the_rest)
{
    struct real_core core = real_make_core("shared", "kernel", "seed_leak.py 5");
    const json_t *report = real_report(&core, 0);
    bool by_symbol = strcmp(real_string(report, "garbage.source"), "symbol") == 0;
    expect_in_text(&core, real_format("*\nCore         %s, *, x86_64, complete\n*", core.path));
    expect_in_text(&core, real_format("*\nProcess      pid %lld, %s*, SIGABRT, 1 thread\n*",
                                      real_number(core.truth, "pid"), core.interpreter));
    expect_in_text(&core, real_format("*\nInterpreter  CPython 2.7*, UCS*, %s\n"
                                      "             build-id %s (matches the core)\n*",
                                      real_string(report, "interpreter.file"),
                                      real_string(report, "interpreter.build_id")));
    expect_in_text(&core, "*\nLayout       built-in column 2.7*\n*");
    expect_in_text(&core, real_format("*\nCollector    %s*generations * objects, thresholds "
                                      "700/10/10, counts */*/*%s\n*",
                                      by_symbol ? "enabled, " : "enabled or not is not known ",
                                      by_symbol ? "" : ", debug flags not known *"));
    expect_in_text(&core, real_format("*\ngc.garbage   %s, 5 items, found %s\n*",
                                      real_string(report, "garbage.address"),
                                      by_symbol ? "by symbol" : "through the gc module"));
    expect_in_text(
        &core,
        "*\nCoverage     * objects read, * references, *; 0 opaque, 0 "
        "unreadable\n             memory: * from the core, * from files, * in neither\n\nThread 0x*, which held the interpreter lock, innermost call first:\n*");
}

Test(seed, text_without_garbage)
{
    for (size_t i = 0; i < LENGTH(interpreters); i++) {
        struct real_core core = real_make_core(interpreters[i], "kernel", "seed_leak.py 0");
        expect_in_text(&core, "No garbage: no cycle with __del__ is kept in gc.garbage (*,* "
                              "tracked objects looked at).\n"
                              "None is pending: *\n"
                              "Garbage is NOT what filled the memory.\n* in use, *\n"
                              "\nMemory *\n\nCore *");
    }
}

// --- what the JSON says of the process

static void expect_facts(const char *interpreter, const char *kind, const char *signal)
{
    struct real_core core = real_make_core(interpreter, kind, "seed_leak.py 5");
    const json_t *report = real_report(&core, 0), *truth = core.truth;
    const char *version = real_string(report, "interpreter.version");
    cr_expect_eq(real_number(report, "schema_version"), 1, "%s", core.name);
    cr_expect_str_eq(real_string(report, "core.file"), core.path, "%s", core.name);
    cr_expect_eq(real_number(report, "core.pid"), real_number(truth, "pid"), "%s", core.name);
    cr_expect_str_eq(real_string(report, "core.signal"), signal, "%s", core.name);
    cr_expect_str_eq(real_string(report, "core.architecture"), "x86_64", "%s", core.name);
    cr_expect(json_is_true(real_json(report, "core.complete")), "%s", core.name);
    cr_expect_eq(strncmp(version, real_string(truth, "python_version"), strlen(version)), 0, "%s",
                 core.name);
    cr_expect_str_eq(real_string(report, "interpreter.unicode"), real_string(truth, "ucs"), "%s",
                     core.name);
    static const char *const debug[] = {"debug_build", "trace_refs", "pymalloc_debug"};
    for (size_t i = 0; i < LENGTH(debug); i++)
        cr_expect_eq(json_is_true(real_json(report, real_format("interpreter.%s", debug[i]))),
                     strcmp(interpreter, "debian-dbg") == 0, "%s: %s", core.name, debug[i]);
    cr_expect(json_is_true(real_json(report, "interpreter.pymalloc")), "%s", core.name);
    cr_expect_eq(real_number(report, "interpreter.digit_bits"), 30, "%s", core.name);
    cr_expect(json_is_true(real_json(report, "interpreter.build_id_match")), "%s", core.name);
    cr_expect_str_eq(real_string(report, "interpreter.build_id"),
                     real_build_id(real_string(report, "interpreter.file")), "%s", core.name);
}

Test(seed, facts)
{
    for (size_t i = 0; i < LENGTH(interpreters); i++) {
        expect_facts(interpreters[i], "kernel", "SIGABRT");
        expect_facts(interpreters[i], "gcore", "SIGSTOP");
    }
}
