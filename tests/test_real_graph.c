// The whole graph of a heap equals the interpreter's own: gc.get_objects, gc.get_referents.
#include "common.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compare.h"
#include "listing.h"
#include "proof.h"
#include "real.h"

// `file` as EXECUTABLE, NULL: none; what the core names is looked for in the sysroot.
static void compare_core(const struct real_core *made, const char *file, const char *sysroot)
{
    struct real_core core = *made;
    json_t *last = NULL;
    // The test of another file may run on the same core at the same time.
    const char *path = real_format("%s.graph%s", core.path,
                                   file && strcmp(file, core.interpreter) ? ".unstripped" : "");
    // (Who says where debug files are has the DWARF of a known build read, too.)
    struct real_run run =
        REAL_RUN("--format=json", "--limit=0", "--debug-path=/nonexistent", "--graph", path,
                 real_format("--sysroot=%s", sysroot), core.path, file);
    cr_assert_eq(run.status, 0, "%s: %d: %s", core.name, run.status, run.errors);
    json_t *report = real_parse(run.output);
    compare_report(&core, report);
    cr_expect_eq(real_number(report, "interpreter.layout_dwarf_differences"), 0, "%s", core.name);
    cr_expect_eq(json_is_true(real_json(report, "interpreter.read_from_core")), !file, "%s",
                 core.name);
    if (file && strcmp(file, core.interpreter) != 0)
        cr_expect_str_eq(real_string(report, "interpreter.layout_source"), "dwarf");
    struct listing got = listing_read(path, &last);
    cr_expect_null(last, "%s: a line without address", core.name);
    struct listing truth = listing_read(real_format("%s/graph.jsonl", core.directory), &last);
    cr_assert_not_null(last, "%s: no last line", core.name);
    cr_expect_eq(json_array_size(real_json(last, "changed")), 0,
                 "%s: the fixture could not list all as it is in the core", core.name);
    cr_expect_eq((size_t)real_number(last, "objects"), truth.count);
    cr_expect_geq(real_number(core.truth, "modules"), 100, "%s: few modules", core.name);
    cr_expect_geq(truth.count, 20000, "%s: only %zu objects", core.name, truth.count);
    listing_compare(&core, &got, &truth, NULL);
    proof_note(&core, report, "graph");
    json_decref(last);
    listing_deinit(&got);
    listing_deinit(&truth);
}

static void equality(const char *interpreter, const char *kind, const char *command)
{
    struct real_core core = real_make_core(interpreter, kind, command);
    compare_core(&core, core.interpreter, core.sysroot);
}

// The core of a process whose coredump_filter had bit 2, on a machine that has none of its files.
static void equality_without_files(const char *interpreter, const char *kind)
{
    struct real_core core =
        real_make_core(interpreter, real_format("%s --filter 0x37", kind), "wide_heap.py");
    compare_core(&core, NULL, real_directory("nothing"));
}

Test(graph_equality, shared_kernel)
{
    equality("shared", "kernel", "wide_heap.py");
}

Test(graph_equality, shared_gcore)
{
    equality("shared", "gcore", "wide_heap.py");
}

Test(graph_equality, debian_kernel)
{
    equality("debian", "kernel", "wide_heap.py");
}

Test(graph_equality, debian_gcore)
{
    equality("debian", "gcore", "wide_heap.py");
}

Test(graph_equality, debian_dbg)
{
    equality("debian-dbg", "kernel", "wide_heap.py");
    equality("debian-dbg", "gcore", "wide_heap.py");
}

// The built-in column alone tells the same of a debug build as with the file's DWARF.
Test(graph_equality, debian_dbg_stripped)
{
    struct real_core core = real_make_core("debian-dbg", "kernel", "wide_heap.py");
    const char *graphs[2], *stripped = real_format("%s/python2.7-dbg", core.directory);
    struct real_run run = REAL_COMMAND("strip", "-o", stripped, core.interpreter);
    cr_assert_eq(run.status, 0, "%s", run.errors);
    for (size_t i = 0; i < LENGTH(graphs); i++) {
        graphs[i] = real_format("%s/graph.%zu", core.directory, i);
        run = REAL_RUN("--format=json", "--limit=0", "--debug-path=/nonexistent", "--graph",
                       graphs[i], core.path, i ? stripped : core.interpreter);
        cr_assert_eq(run.status, 0, "%s", run.errors);
        cr_expect_str_eq(real_string(real_parse(run.output), "interpreter.layout_source"),
                         i ? "builtin" : "dwarf");
    }
    run = REAL_COMMAND("cmp", graphs[0], graphs[1]);
    cr_expect_eq(run.status, 0, "%s%s", run.output, run.errors);
}

Test(graph_equality, path)
{
    if (real_find_interpreter("path"))
        equality("path", "kernel", "wide_heap.py");
}

// With the symbols and the DWARF of a build with link-time optimization.
Test(graph_equality, unstripped)
{
    struct real_core core = real_make_core("debian", "kernel", "wide_heap.py");
    compare_core(&core, real_need_unstripped(), "");
}

// Without threads, and not inside of a trace function.
Test(graph_equality, plain)
{
    equality("debian", "kernel", "wide_heap.py --plain");
}

Test(graph_equality, self_contained_core)
{
    equality_without_files("debian", "kernel");
    equality_without_files("debian", "gcore");
    equality_without_files("shared", "kernel");
}

// Turns the note NT_FILE into one that nobody knows.
static void forget_files(const char *path)
{
    static const char note[] = "ELIFCORE"; // type and name, little-endian
    FILE *file = fopen(path, "r+");
    char bytes[1 << 16];
    cr_assert_not_null(file, "%s", path);
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    const char *found = memmem(bytes, size, note, sizeof(note));
    cr_assert_not_null(found, "%s has no NT_FILE at its beginning", path);
    fseek(file, found - bytes, SEEK_SET);
    cr_assert_eq(fwrite("none", 1, 4, file), 4);
    fclose(file);
}

// Linux before 3.7 wrote none: the linker's list has the files, the core has their build-ids.
Test(graph_equality, core_of_an_old_kernel)
{
    static const char *const interpreters[] = {"debian", "shared"};
    for (size_t i = 0; i < LENGTH(interpreters); i++) {
        struct real_core core = real_make_core(interpreters[i], "kernel", "wide_heap.py");
        core.path = real_copy(core.path, real_format("old_kernel_%s", interpreters[i]));
        forget_files(core.path);
        compare_core(&core, core.interpreter, "");
        struct real_run run = REAL_RUN("--format=json", core.path);
        cr_assert_eq(run.status, 0, "%s: %s", core.name, run.errors);
        json_t *report = real_parse(run.output);
        cr_expect(json_is_true(real_json(report, "interpreter.build_id_match")), "%s", core.name);
        unlink(core.path);
    }
}

// A library's data copied into the program, several interpreters with one collector.
Test(graph_equality, embedded)
{
    equality(real_need_embedding("shared-fixed", "EMBED_INTERPRETERS=2"), "kernel", "wide_heap.py");
    equality(real_need_embedding("static", "EMBED_INTERPRETERS=2 EMBED_IN_LAST=1"), "kernel",
             "wide_heap.py");
}

// Other machines, their extension types by their own code in the emulator.
Test(graph_equality, i386_kernel)
{
    equality("debian-i386", "kernel", "wide_heap.py");
}

Test(graph_equality, i386_gcore)
{
    equality("debian-i386", "gcore", "wide_heap.py");
}

// Cores without NT_FILE.
Test(graph_equality, arm64)
{
    equality("debian-arm64", "qemu", "wide_heap.py");
}

Test(graph_equality, armhf)
{
    equality("debian-armhf", "qemu", "wide_heap.py");
}

// Types that no table mirrors: their own code says what they refer to.
Test(graph_equality, awkward_extension)
{
    equality("shared", "kernel", "awkward_heap.py");
    equality("debian", "kernel", "awkward_heap.py");
    equality("debian", "gcore", "awkward_heap.py");
}

// In address order; every line has what the design promises.
Test(graph_equality, form)
{
    static const char *const numbers[] = {"refcount", "generation", "size"};
    struct real_core core = real_make_core("shared", "kernel", "seed_leak.py 5");
    const char *path = real_format("%s/graph", core.directory);
    struct real_run run = REAL_RUN("--graph", path, core.path, core.interpreter);
    cr_assert_eq(run.status, 0, "%s", run.errors);
    char *line = NULL;
    size_t size = 0;
    uint64_t before = 0;
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    while (getline(&line, &size, file) > 0) {
        json_t *object = json_loads(line, 0, NULL);
        cr_assert_not_null(object, "not JSON: %s", line);
        uint64_t address = real_address(real_string(object, "address"));
        cr_expect_gt(address, before, "%s", line);
        for (size_t i = 0; i < LENGTH(numbers); i++)
            cr_expect(real_number(object, numbers[i]) > 0 || strcmp(numbers[i], "generation") == 0,
                      "%s: %s", numbers[i], line);
        cr_expect_lt(real_number(object, "generation"), 3, "%s", line);
        cr_expect(json_is_array(real_json(object, "refs")), "%s", line);
        json_decref(object);
        before = address;
    }
    free(line);
    fclose(file);
}

// --- where gc.garbage comes from

static void garbage_source(const char *interpreter, const char *kind, const char *command,
                           const char *source)
{
    struct real_core core = real_make_core(interpreter, kind, command);
    json_t *report = real_report(&core, 0);
    cr_expect_str_eq(real_string(report, "garbage.source"), source, "%s: by %s", core.name,
                     real_string(report, "garbage.source"));
    compare_report(&core, report);
}

// The switches of the collector, from a file with symbols and from one without, are what the
// process itself said (compare_collector).
static void expect_flags(const char *interpreter, const char *kind, const char *command,
                         const char *file, const char *source)
{
    struct real_core core = real_make_core(interpreter, kind, command);
    core.interpreter = file ? file : core.interpreter;
    json_t *report = real_report(&core, 0);
    const json_t *got = real_json(report, "collector.flags_source");
    cr_expect(source ? json_is_string(got) && strcmp(json_string_value(got), source) == 0
                     : json_is_null(got),
              "%s: not by %s", core.name, source ? source : "nothing");
    compare_report(&core, report);
}

Test(flags, by_code_and_by_symbol)
{
    static const char *const commands[] = {
        "leaks.py saveall",             // debug flags
        "leaks.py pending_gc_disabled", // disabled
        "leaks.py bound_method",        // neither
        "leaks.py saveall --pending",   // both
    };
#ifdef HAVE_UNICORN
    static const char code[] = "code";
#else
    static const char *code = NULL;
#endif
    for (size_t i = 0; i < LENGTH(commands); i++) {
        expect_flags("debian", "kernel", commands[i], NULL, code);
        expect_flags("debian", "gcore", commands[i], NULL, code);
        expect_flags("debian", "kernel", commands[i], real_need_unstripped(), "symbol");
    }
    expect_flags("debian", "kernel", "no_gc_module.py", NULL, NULL);
    // A shared libpython, with its symbols and without them.
    struct real_core core = real_make_core("shared", "kernel", commands[0]);
    const char *file = real_string(real_report(&core, 0), "interpreter.file");
    if (!real_has_symbol(file, "collecting"))
        return;
    const char *stripped = real_format("%s/stripped", getenv("CORES"));
    struct real_run run = REAL_COMMAND("strip", "-o", stripped, file);
    cr_assert_eq(run.status, 0, "strip: %s", run.errors);
    for (size_t i = 0; i < LENGTH(commands); i++) {
        expect_flags("shared", "kernel", commands[i], stripped, code);
        expect_flags("shared", "kernel", commands[i], NULL, "symbol");
    }
}

// With symbols: by symbol, gc imported or not, gc.garbage bound to something else or not; and the
// collector's switches are known.
static void garbage_by_symbol(const char *interpreter, const char *kind, const char *command,
                              const char *file)
{
    struct real_core core = real_make_core(interpreter, kind, command);
    core.interpreter = file ? file : core.interpreter;
    json_t *report = real_report(&core, 0);
    cr_expect_str_eq(real_string(report, "garbage.source"), "symbol", "%s: by %s", core.name,
                     real_string(report, "garbage.source"));
    cr_expect(json_is_boolean(real_json(report, "collector.enabled")), "%s", core.name);
    cr_expect(json_is_boolean(real_json(report, "collector.collecting")), "%s", core.name);
    cr_expect(json_is_integer(real_json(report, "collector.debug_flags")), "%s", core.name);
    compare_report(&core, report);
}

static const char *const by_symbol[] = {
    "no_gc_module.py",          "no_gc_module.py 100", "seed_leak.py 5 --disable-gc",
    "leaks.py rebound_garbage", "leaks.py saveall",
};

Test(garbage_source, symbol)
{
    for (size_t i = 0; i < LENGTH(by_symbol); i++)
        garbage_by_symbol("debian", i % 2 ? "gcore" : "kernel", by_symbol[i],
                          real_need_unstripped());
}

// Where the shared libpython of this machine has them.
Test(garbage_source, symbol_of_libpython)
{
    struct real_core core = real_make_core("shared", "kernel", "seed_leak.py 5");
    json_t *report = real_report(&core, 0);
    if (!real_has_symbol(real_string(report, "interpreter.file"), "garbage"))
        return; // symbol_of_libpython is then as garbage_source::module
    for (size_t i = 0; i < LENGTH(by_symbol); i++)
        garbage_by_symbol("shared", i % 2 ? "gcore" : "kernel", by_symbol[i], NULL);
}

Test(garbage_source, module)
{
    garbage_source("debian", "kernel", "seed_leak.py 5", "module");
    garbage_source("debian", "gcore", "seed_leak.py 5", "module");
}

// Stripped, and the program never imported gc.
Test(garbage_source, evidence)
{
    garbage_source("debian", "kernel", "no_gc_module.py", "evidence");
    garbage_source("debian", "gcore", "no_gc_module.py 100", "evidence");
    garbage_source("debian", "kernel", "no_gc_module.py 1", "evidence");
}

// Stripped, and gc.garbage is not what the gc module says: the collector's own list counts.
Test(garbage_source, rebound)
{
    garbage_source("debian", "kernel", "leaks.py rebound_garbage", "evidence");
    garbage_source("debian", "kernel", "leaks.py rebound_saveall", "evidence");
}
