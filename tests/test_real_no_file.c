// Neither interpreter nor library at hand: the core alone tells the same as with the files.
#include "common.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "proof.h"
#include "real.h"

// `check_name`: what it shows (proof.h).
static json_t *same(const struct real_core *core, const char *check_name)
{
    json_t *bare = real_bare_report(core);
    compare_bare(core, bare, real_report(core, 0));
    proof_note(core, bare, check_name);
    return bare;
}

static void check(const char *interpreter, const char *kind, const char *command)
{
    struct real_core core = real_make_core(interpreter, kind, command);
    same(&core, strncmp(command, "seed_leak", 9) == 0 ? "story" : "leaks");
}

static const char *const interpreters[] = {"shared", "debian"};
static const char *const kinds[] = {"kernel", "gcore"};

Test(no_file, seed)
{
    static const char *const commands[] = {"seed_leak.py 5", "seed_leak.py 0",
                                           "seed_leak.py 50 --aged", "seed_leak.py 5 --disable-gc"};
    for (size_t i = 0; i < LENGTH(interpreters) * LENGTH(kinds) * LENGTH(commands); i++)
        check(interpreters[i % 2], kinds[i / 2 % 2], commands[i / 4]);
}

// The program never imported gc: gc.garbage is found by evidence alone.
Test(no_file, garbage_by_evidence)
{
    static const char *const commands[] = {"no_gc_module.py", "no_gc_module.py 100",
                                           "leaks.py rebound_garbage"};
    for (size_t i = 0; i < LENGTH(interpreters) * LENGTH(commands); i++) {
        struct real_core core = real_make_core(interpreters[i % 2], "kernel", commands[i / 2]);
        json_t *report = same(&core, "leaks");
        cr_expect_str_eq(real_string(report, "garbage.source"), "evidence", "%s", core.name);
    }
}

// --- the graph

// Types that only their objects tell, and those that look the same.
static bool is_known_twin(const char *type, const char *shown)
{
    static const char *const twins[][2] = {
        {"dictionary-keyiterator", "dictionary iterator"},
        {"dictionary-valueiterator", "dictionary iterator"},
        {"listreverseiterator", "list iterator"},
        {"deque_reverse_iterator", "deque iterator"},
        {"dict_keys", "dictionary view"},
        {"dict_values", "dictionary view"},
        {"dict_items", "dictionary view"},
    };
    for (size_t i = 0; i < LENGTH(twins); i++)
        if (strcmp(twins[i][0], type) == 0 && strcmp(twins[i][1], shown) == 0)
            return true;
    return false;
}

static json_t *next_object(FILE *file, char **line, size_t *size)
{
    if (getline(line, size, file) <= 0)
        return NULL;
    json_t *object = json_loads(*line, 0, NULL);
    cr_assert_not_null(object, "not JSON: %s", *line);
    return object;
}

// Fewer references than there are: of an object whose type has no row, and no more than that.
static bool is_part(const json_t *bare, const json_t *full)
{
    size_t at = 0;
    for (size_t i = 0; i < json_array_size(full) && at < json_array_size(bare); i++)
        at += json_equal(json_array_get(full, i), json_array_get(bare, at));
    return at == json_array_size(bare);
}

// How many objects have less references than with the files: there are none unless an extension's
// types are not known.
static size_t compare_graphs(const struct real_core *core)
{
    const char *paths[] = {real_format("%s/bare", core->directory),
                           real_format("%s/full", core->directory)};
    struct real_run bare = REAL_RUN("-q", "--graph", paths[0], REAL_NO_FILES, core->path);
    struct real_run full = REAL_RUN("-q", "--graph", paths[1], core->path, core->interpreter);
    cr_assert_eq(bare.status, 0, "%s: %s", core->name, bare.errors);
    cr_assert_eq(full.status, 0, "%s: %s", core->name, full.errors);
    FILE *files[] = {fopen(paths[0], "r"), fopen(paths[1], "r")};
    char *line = NULL;
    size_t size = 0, less = 0, count = 0;
    for (json_t *a, *b; (a = next_object(files[0], &line, &size)); count++) {
        b = next_object(files[1], &line, &size);
        cr_assert_not_null(b, "%s: %zu objects are not all", core->name, count);
        const char *type = real_string(b, "type"), *shown = real_string(a, "type");
        bool equal = json_equal(real_json(a, "refs"), real_json(b, "refs"));
        cr_expect(json_equal(real_json(a, "address"), real_json(b, "address")), "%s: %s",
                  core->name, type);
        cr_expect_eq(real_number(a, "size"), real_number(b, "size"), "%s: %s", core->name, type);
        cr_expect(equal || is_part(real_json(a, "refs"), real_json(b, "refs")),
                  "%s: references of a %s that it does not have: %s", core->name, type, line);
        cr_expect(!equal || strcmp(type, shown) == 0 || is_known_twin(type, shown) ||
                      strncmp(shown, "<type ", 6) == 0,
                  "%s: %s is called %s", core->name, type, shown);
        less += !equal;
        json_decref(a);
        json_decref(b);
    }
    cr_expect_null(next_object(files[1], &line, &size), "%s: objects are missing", core->name);
    cr_expect_geq(count, 3000, "%s", core->name);
    free(line);
    fclose(files[0]);
    fclose(files[1]);
    return less;
}

static void same_graph(const char *interpreter, const char *kind)
{
    struct real_core core = real_make_core(interpreter, kind, "wide_heap.py");
    json_t *report = real_bare_report(&core);
    cr_expect_eq(compare_graphs(&core), 0, "%s", core.name);
    cr_expect_eq(real_number(report, "heap.opaque_objects"), 0, "%s", core.name);
    proof_note(&core, report, "graph");
}

// 170 types, and every reference of every object.
Test(no_file, graph)
{
    for (size_t i = 0; i < LENGTH(interpreters) * LENGTH(kinds); i++)
        same_graph(interpreters[i % 2], kinds[i / 2]);
}

// A --with-pydebug build: other layouts, and pads around what its allocator hands out.
Test(no_file, debug_build)
{
    same_graph("debian-dbg", "kernel");
    same_graph("debian-dbg", "gcore");
    check("debian-dbg", "kernel", "seed_leak.py 5");
    check("debian-dbg", "gcore", "seed_leak.py 5");
    check("debian-dbg", "gcore", "no_gc_module.py 100");
    check("debian-dbg", "kernel", "leaks.py generator_with");
}

// The same findings on every machine whose cores can be made here; emulators name no files.
static const struct {
    const char *interpreter, *kind;
} machines[] = {{"debian-i386", "kernel"},
                {"debian-i386", "gcore"},
                {"debian-arm64", "qemu"},
                {"debian-armhf", "qemu"}};

Test(no_file, other_machines)
{
    static const char *const commands[] = {"seed_leak.py 5", "seed_leak.py 50 --aged",
                                           "no_gc_module.py 100", "leaks.py via_iterator"};
    for (size_t i = 0; i < LENGTH(machines) * LENGTH(commands); i++)
        check(machines[i % 4].interpreter, machines[i % 4].kind, commands[i / 4]);
}

Test(no_file, graphs_of_other_machines)
{
    for (size_t i = 0; i < LENGTH(machines); i++)
        same_graph(machines[i].interpreter, machines[i].kind);
}

// Embedded in another program: exported data may lie there and not in the library, and there may be
// several interpreters.
Test(no_file, embedded)
{
    static const char *const programs[][2] = {{"shared", ""},
                                              {"shared-fixed", "EMBED_INTERPRETERS=3"},
                                              {"static", ""},
                                              {"static-fixed", ""},
                                              {"static", "EMBED_INTERPRETERS=3 EMBED_IN_LAST=1"}};
    for (size_t i = 0; i < LENGTH(programs); i++) {
        const char *program = real_need_embedding(programs[i][0], programs[i][1]);
        for (size_t j = 0; j < LENGTH(kinds); j++)
            check(program, kinds[j], "seed_leak.py 5");
        check(program, "kernel", "no_gc_module.py 100");
        same_graph(program, "kernel");
    }
}

static void refused(const struct real_core *core, const char *wrong, const char *why)
{
    struct real_run run = REAL_RUN(REAL_NO_FILES, core->path, wrong);
    cr_expect_eq(run.status, 2, "%s: %d", core->name, run.status);
    cr_expect_str_empty(run.output, "%s", core->name);
    cr_expect(strstr(run.errors, real_format("%s: %s", wrong, why)), "%s: %s", core->name,
              run.errors);
    proof_note_wrong_file(core, real_bare_report(core));
}

// Only the file of another build: refused as EXECUTABLE, and passed over where files are looked
// for.
static void other_build(const char *interpreter, const char *kind)
{
    struct real_core core = real_make_core(interpreter, kind, "seed_leak.py 5");
    const char *wrong =
        real_other_build(real_string(real_report(&core, 0), "interpreter.file"), "other_build");
    refused(&core, wrong,
            real_format("not the file of %s: its build-id differs (build-id %s", core.path,
                        real_build_id(wrong)));
    struct real_run run =
        REAL_RUN("-q", "--format=json", "--limit=0", REAL_NO_FILES,
                 real_format("--library-path=%s/other_build", getenv("CORES")), core.path);
    cr_assert_eq(run.status, 0, "%s: %s", core.name, run.errors);
    json_t *report = real_parse(run.output), *bare = real_bare_report(&core);
    compare_member(&core, report, bare, "findings");
    compare_member(&core, report, bare, "interpreter");
}

// Cores of qemu have no first pages of files, so no build-ids.
Test(no_file, wrong_file)
{
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        other_build("shared", kinds[i]);
        other_build("debian", kinds[i]);
        other_build("debian-dbg", kinds[i]);
        other_build("debian-i386", kinds[i]);
        struct real_core core =
            real_make_core(i ? "debian-armhf" : "debian-arm64", "qemu", "seed_leak.py 5");
        refused(&core, real_need_interpreter("debian"), "a 64-bit file for ELF machine 62, but ");
    }
}

// Types of an extension that no table has: their code is in the file. What they hold counts as in
// use, none of their references is made up, and they are counted by a name that stays.
Test(no_file, graph_of_unknown_types)
{
    struct real_core core = real_make_core("debian", "kernel", "awkward_heap.py");
    json_t *report = real_bare_report(&core), *types = real_json(report, "heap.opaque_types");
    cr_expect_gt(compare_graphs(&core), 0);
    cr_expect_gt(real_number(report, "heap.opaque_objects"), 0);
    for (size_t i = 0; i < json_array_size(types); i++) {
        const char *name = real_string(json_array_get(types, i), "type");
        cr_expect(!strstr(name, "0x"), "an address in the name of a type: %s", name);
    }
}

// --- less than a core without files, and a little more

// A core whose notes do not say which files were mapped.
Test(no_file, no_names_of_files)
{
    static const char *const commands[] = {"seed_leak.py 5", "wide_heap.py", "no_gc_module.py"};
    for (size_t i = 0; i < LENGTH(interpreters) * LENGTH(commands); i++) {
        struct real_core core = real_make_core(interpreters[i % 2], "kernel", commands[i / 2]);
        json_t *full = real_bare_report(&core);
        const char *copy = real_copy(core.path, "nameless.core");
        // The type of the note NT_FILE, in front of its owner's name.
        struct real_run made = REAL_COMMAND(
            "python3", "-c",
            "import sys; data = open(sys.argv[1], 'rb').read(); "
            "assert data.count(b'ELIFCORE\\0') == 1; "
            "open(sys.argv[1], 'wb').write(data.replace(b'ELIFCORE\\0', b'ELI_CORE\\0'))",
            copy);
        cr_assert_eq(made.status, 0, "%s: %s", core.name, made.errors);
        core.path = copy;
        json_t *report = real_bare_report(&core);
        compare_member(&core, report, full, "findings");
        compare_member(&core, report, full, "heap.edges");
        cr_expect_eq(real_number(report, "heap.opaque_objects"), 0, "%s", core.name);
    }
}

// A program that embeds the interpreter and exports none of its symbols: names of types can be
// read, nothing else.
Test(no_file, no_symbols)
{
    struct real_core core = real_make_core("debian", "kernel", "wide_heap.py");
    const char *copy = real_format("%s/python2.7", real_directory("symbolless"));
    struct real_run made = REAL_COMMAND(
        "python3", "-c",
        "import sys; data = open(sys.argv[1], 'rb').read(); "
        "assert data.count(b'\\0PyGC_Collect\\0') == 1; "
        "open(sys.argv[2], 'wb').write(data.replace(b'\\0PyGC_Collect\\0', b'\\0QyGC_Collect\\0'))",
        core.interpreter, copy);
    cr_assert_eq(made.status, 0, "%s", made.errors);
    const char *graphs[] = {real_format("%s/full", core.directory),
                            real_format("%s/symbolless", core.directory)};
    struct real_run full =
        REAL_RUN("--format=json", "--graph", graphs[0], core.path, core.interpreter);
    struct real_run run = REAL_RUN("--format=json", "--graph", graphs[1], core.path, copy);
    cr_assert_eq(run.status, 0, "%d: %s", run.status, run.errors);
    cr_expect(strstr(run.errors, "/symbolless/python2.7 has no symbols; the interpreter was "
                                 "recognized in the core alone;"),
              "%s", run.errors);
    json_t *report = real_parse(run.output);
    compare_member(&core, report, real_parse(full.output), "findings");
    cr_expect_str_eq(real_string(report, "interpreter.file"), copy);
    cr_expect_str_eq(real_string(report, "interpreter.recognized_from"), "core");
    cr_expect(json_is_true(real_json(report, "interpreter.build_id_match")));
    cr_expect_eq(REAL_COMMAND("cmp", graphs[0], graphs[1]).status, 0, "another graph");
}

// --- what the report says of it

Test(no_file, words)
{
    for (size_t i = 0; i < LENGTH(interpreters); i++) {
        struct real_core core = real_make_core(interpreters[i], "kernel", "seed_leak.py 5");
        json_t *full = real_report(&core, 0), *bare = real_bare_report(&core);
        const char *file = real_string(full, "interpreter.file");
        const char *id = real_string(full, "interpreter.build_id");
        struct real_run run = REAL_RUN("--width=0", REAL_NO_FILES, core.path);
        cr_expect_eq(run.status, 0);
        cr_expect_str_eq(run.errors,
                         real_format("pycore-garbage: %s is not on this machine; the interpreter "
                                     "was recognized in the core alone; with its file as "
                                     "EXECUTABLE types and references are surer\n",
                                     file));
        cr_expect_eq(
            fnmatch(real_format("*\nInterpreter  CPython 2.7*, UCS4, %s\n"
                                "             build-id %s (the core's; the file was not at hand)\n"
                                "             RECOGNIZED IN THE CORE: *\n"
                                "Layout       built-in column 2.7.18-x86_64, the one that fits "
                                "what the core has\n*",
                                file, id),
                    run.output, 0),
            0, "%s", run.output);
        cr_expect(json_is_null(real_json(bare, "interpreter.file")));
        cr_expect(json_is_null(real_json(bare, "interpreter.build_id_match")));
        cr_expect_str_eq(real_string(bare, "interpreter.build_id"), id);
        cr_expect_str_eq(real_string(bare, "interpreter.recognized_from"), "core");
        cr_expect_str_eq(real_string(bare, "interpreter.file_in_core"), file);
        cr_expect_str_eq(real_string(full, "interpreter.recognized_from"), "file");
    }
}

// The core that comes with the program, for machines without a Python 2: the same leak, and the
// same signature, as one that is made here.
Test(no_file, story_core)
{
    const char *path = real_unpack_story("story");
    struct real_run run = REAL_RUN("-q", "--format=json", REAL_NO_FILES, path);
    cr_assert_eq(run.status, 0, "%d: %s", run.status, run.errors);
    json_t *report = real_parse(run.output);
    cr_assert_eq(json_array_size(real_json(report, "findings")), 1, "%s", run.output);
    const json_t *finding = json_array_get(real_json(report, "findings"), 0);
    struct real_core core = real_make_core("shared", "kernel", "seed_leak.py 5");
    const json_t *here = json_array_get(real_json(real_report(&core, 0), "findings"), 0);
    static const char *const paths[] = {"count", "objects", "bytes", "signature"};
    for (size_t i = 0; i < LENGTH(paths); i++)
        cr_expect(json_equal(real_json(finding, paths[i]), real_json(here, paths[i])), "%s: %s",
                  paths[i], run.output);
    cr_expect_eq(real_number(report, "heap.opaque_objects"), 0);
}

// --- what is no Python 2

// A Python 3 that no path gives away.
Test(no_file, python3_by_another_name)
{
    struct real_run python3 = REAL_COMMAND(
        "python3", "-c",
        "import os, sys; sys.stdout.write(os.path.realpath(sys.executable) + ' ' + sys.prefix)");
    if (python3.status != 0)
        real_skip("no python3 runs here: %s", python3.errors);
    const char *space = strchr(python3.output, ' ');
    const char *copy = real_format("%s/mystery", real_directory("mystery.d"));
    struct real_run made = REAL_COMMAND(
        "cp", real_format("%.*s", (int)(space - python3.output), python3.output), copy);
    cr_assert_eq(made.status, 0, "%s", made.errors);
    const char *core = real_dump(
        "mystery", (const char *const[]){"env", real_format("PYTHONHOME=%s", space + 1), copy, "-c",
                                         "import sys, time; print('ready'); sys.stdout.flush(); "
                                         "time.sleep(100)",
                                         NULL});
    struct real_run run = REAL_RUN(REAL_NO_FILES, core);
    cr_expect_eq(run.status, 2, "%d: %s", run.status, run.output);
    cr_expect_str_empty(run.output);
    cr_expect(strstr(run.errors, "the core alone does not show one (2.7.18-x86_64") ||
                  strstr(run.errors, "the process ran Python 3"),
              "%s", run.errors);
}
