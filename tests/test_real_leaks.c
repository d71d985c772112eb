// Every small leak of fixtures/leaks.py: the program's verdict is the interpreter's own.
#include "common.h"

#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "proof.h"
#include "real.h"

// The names that `leaks.py --list` prints, one a line.
static const char *list_cases(const char *interpreter)
{
    const char *path = real_need_interpreter(interpreter);
    const char *fixture = real_format("%s/leaks.py", getenv("FIXTURES"));
    // With the environment that make-core gives it.
    struct real_run run = REAL_COMMAND("sh", "-c",
                                       "env PYTHONDONTWRITEBYTECODE=1 $(cat \"$0.env\" 2>&-) "
                                       "$(cat \"$0.start\" 2>&-) \"$0\" \"$1\" --list",
                                       path, fixture);
    cr_assert_eq(run.status, 0, "leaks.py --list ends with %d: %s", run.status, run.errors);
    return run.output;
}

// What these are about is in files only: names of builtin functions, the file that has a tp_del,
// and the names of types that no dictionary has (SRE_Pattern, Element), by which their rows are
// known.
static bool is_about_files(const char *command)
{
    static const char *const names[] = {"del_in_c",         "del_values",
                                        "del_of_instances", "holds_containers",
                                        "holds_elements",   "del_of_old_base_changed"};
    const char *name = command + strcspn(command, " ") + 1;
    size_t length = strcspn(name, " ");
    for (size_t i = 0; i < LENGTH(names); i++)
        if (strlen(names[i]) == length && memcmp(name, names[i], length) == 0)
            return true;
    return false;
}

// With the interpreter's file and without any.
static void check(const char *interpreter, const char *kind, const char *command)
{
    struct real_core core = real_make_core(interpreter, kind, command);
    json_t *report = real_report(&core, 0);
    compare_report(&core, report);
    proof_note(&core, report, "leaks");
    if (!is_about_files(command)) {
        json_t *bare = real_bare_report(&core);
        compare_bare(&core, bare, report);
        proof_note(&core, bare, "leaks");
    }
    real_drop_core(&core);
}

// `options` follow the name of each case.
static void check_all(const char *interpreter, const char *kind, const char *options)
{
    size_t count = 0;
    for (const char *at = list_cases(interpreter); *at; at += strcspn(at, "\n") + 1, count++) {
        const char *name = real_format("%.*s", (int)strcspn(at, "\n"), at);
        if (strcmp(name, "long_list") == 0) // has a test of its own
            continue;
        // An extension module is built by this machine's compiler.
        if (strcmp(name, "del_in_c") != 0 || strcmp(interpreter, "debian-i386") != 0)
            check(interpreter, kind, real_format("leaks.py %s%s", name, options));
    }
    cr_assert_geq(count, 70, "leaks.py --list prints only %zu cases", count);
}

Test(leaks, shared)
{
    check_all("shared", "kernel", "");
}

Test(leaks, debian)
{
    check_all("debian", "kernel", "");
}

Test(leaks, debian_dbg)
{
    check_all("debian-dbg", "kernel", "");
}

// The other of collected and pending, for each case.
Test(leaks, collected)
{
    check_all("shared", "kernel", " 2 --collect");
}

Test(leaks, pending)
{
    check_all("debian", "kernel", " 2 --pending");
}

// gdb's cores differ in form only: some cases of each kind.
static const char *const some[] = {
    "bound_method",        "closure",        "via_deque",      "slots",
    "ring_1000",           "two_finalizers", "mixed",          "frame_exception",
    "pending_gc_disabled", "saveall",        "test_finalizer", "generator_stack",
};

static void check_some(const char *interpreter, const char *kind, const char *options)
{
    for (size_t i = 0; i < LENGTH(some); i++)
        check(interpreter, kind, real_format("leaks.py %s%s", some[i], options));
}

Test(leaks, shared_gcore)
{
    check_some("shared", "gcore", "");
}

Test(leaks, debian_gcore)
{
    check_some("debian", "gcore", " 7");
}

// Other machines.
Test(leaks, i386)
{
    check_all("debian-i386", "kernel", "");
}

Test(leaks, i386_gcore)
{
    check_some("debian-i386", "gcore", "");
}

Test(leaks, arm64)
{
    check_some("debian-arm64", "qemu", "");
}

Test(leaks, armhf)
{
    check_some("debian-armhf", "qemu", "");
}

// Once, and a thousand times.
Test(leaks, one)
{
    check_some("shared", "kernel", " 1");
}

Test(leaks, many)
{
    static const char *const commands[] = {
        "leaks.py bound_method 1000", "leaks.py hanging_finalizer_cycle 1000",
        "leaks.py via_set 1000 --pending", "leaks.py live_and_pending_gc_disabled 300"};
    for (size_t i = 0; i < LENGTH(commands); i++)
        check("debian", "kernel", commands[i]);
}

Test(leaks, path)
{
    if (real_find_interpreter("path"))
        check_some("path", "kernel", "");
}

// A linked list of a million objects hangs from one cycle: nothing may use the stack for it.
Test(leaks, long_list_on_a_small_stack)
{
    struct real_core core = real_make_core("debian", "kernel", "leaks.py long_list 1000000");
    struct real_run run =
        REAL_COMMAND("sh", "-c", "ulimit -s 256 && exec \"$0\" \"$@\"", getenv("PYCORE_GARBAGE"),
                     "--format=json", "--limit=0", core.path, core.interpreter);
    cr_assert_eq(run.status, 0, "exit status %d: %s", run.status, run.errors);
    json_t *report = real_parse(run.output);
    compare_report(&core, report);
    const json_t *finding = json_array_get(real_json(report, "findings"), 0);
    cr_expect_eq(real_number(finding, "held_objects"), 1000000);
    cr_expect_geq(real_number(report, "heap.objects"), 1000000);
    real_drop_core(&core);
}

// sys.getsizeof has no allocator's rounding, so that is allowed for: less than 24 bytes for each
// object (malloc's own word and rounding), and for what is allocated aside.
static void check_held(const char *interpreter, const char *kind, const char *command)
{
    struct real_core core = real_make_core(interpreter, kind, command);
    json_t *report = real_report(&core, 0);
    const json_t *finding = json_array_get(real_json(report, "findings"), 0);
    json_int_t objects = real_number(core.truth, "holds_count");
    json_int_t least = real_number(core.truth, "holds_bytes");
    json_int_t bytes = real_number(finding, "held_bytes");
    cr_expect_eq(real_number(finding, "held_objects"), objects, "%s holds %lld objects, not %lld",
                 core.name, objects, real_number(finding, "held_objects"));
    cr_expect(bytes >= least && bytes < least + 24 * objects + 24 * 9,
              "%s holds %lld bytes or a little more, not %lld", core.name, least, bytes);
    real_drop_core(&core);
}

// What the cycles hold and the collector does not track is counted: strings and longs, code
// objects, classes made at run time, containers that are never tracked and what these refer to.
Test(leaks, held_bytes)
{
    static const char *const commands[] = {
        "leaks.py holds_strings 3",
        "leaks.py holds_code 3",
        "leaks.py holds_classes 3",
        "leaks.py holds_containers 3",
        "leaks.py holds_elements 3",
        // No collection has untracked anything yet.
        "leaks.py holds_code 3 --pending",
        "leaks.py holds_containers 3 --pending",
    };
    for (size_t i = 0; i < LENGTH(commands); i++) {
        check_held("shared", "kernel", commands[i]);
        check_held("debian", "gcore", commands[i]);
    }
}
