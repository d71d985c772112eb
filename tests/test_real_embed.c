// Interpreters that are no python2.7 where one expects it: inside of other programs, started in
// other ways, deleted, or elsewhere.
#include "common.h"

#include <string.h>
#include <unistd.h>

#include "compare.h"
#include "proof.h"
#include "real.h"

static const char *const kinds[] = {"kernel", "gcore"};

static void expect_right(const struct real_core *core, const json_t *report, const char *file)
{
    compare_report(core, report);
    cr_expect_str_eq(real_string(report, "interpreter.file"), file, "%s", core->name);
    cr_expect(json_is_true(real_json(report, "interpreter.build_id_match")), "%s", core->name);
}

static json_t *parse(const struct real_core *core, struct real_run run)
{
    cr_assert_eq(run.status, 0, "%s: %d: %s", core->name, run.status, run.errors);
    return real_parse(run.output);
}

// Where the interpreter of an embedding program is.
static const char *interpreter_of(const char *program, const char *kind)
{
    if (strncmp(kind, "static", 6) == 0)
        return program;
    const char *debian = real_need_interpreter("debian");
    const char *end = strstr(debian, "/usr/bin/");
    cr_assert_not_null(end);
    return real_format("%.*s/usr/lib/x86_64-linux-gnu/libpython2.7.so.1.0", (int)(end - debian),
                       debian);
}

// With EXECUTABLE and without.
static void embedded(const char *kind, const char *environment)
{
    const char *program = real_need_embedding(kind, environment);
    const char *file = interpreter_of(program, kind);
    int interpreters = strstr(environment, "EMBED_INTERPRETERS=3") ? 4 : 1;
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        struct real_core core = real_make_core(program, kinds[i], "seed_leak.py 5");
        json_t *report = real_report(&core, 0);
        expect_right(&core, report, file);
        cr_expect_eq(real_number(report, "interpreter.interpreters"), interpreters, "%s: %lld",
                     core.name, real_number(report, "interpreter.interpreters"));
        proof_note(&core, report, "story");
        expect_right(&core, parse(&core, REAL_RUN("--format=json", "--limit=0", core.path)), file);
    }
}

Test(embed, shared)
{
    embedded("shared", "");
}

// What the program mentions of the library's data is in the program: _PyThreadState_Current,
// _PyGC_generation0, PyList_Type, ...
Test(embed, shared_at_fixed_addresses)
{
    const char *program = real_need_embedding("shared-fixed", "");
    struct real_run run = REAL_COMMAND("readelf", "-rW", program);
    cr_assert(strstr(run.output, "R_X86_64_COPY"), "no copy relocations");
    embedded("shared-fixed", "");
}

Test(embed, in_the_program)
{
    embedded("static", "");
    embedded("static-fixed", "");
}

// All interpreters of a process share one collector.
Test(embed, several_interpreters)
{
    embedded("shared-fixed", "EMBED_INTERPRETERS=3");
    embedded("static", "EMBED_INTERPRETERS=3");
    embedded("static", "EMBED_INTERPRETERS=3 EMBED_IN_LAST=1");
}

// --- where files are

// A copy of an embedding program that runs and is deleted then.
static struct real_core deleted(const char *kind)
{
    const char *program = real_need_embedding("static", "");
    const char *copy = real_format("%s.deleted", program);
    struct real_run run = REAL_COMMAND(
        "sh", "-c", "cp -p \"$0\" \"$1\" && cp -p \"$0.env\" \"$1.env\"", program, copy);
    cr_assert_eq(run.status, 0, "%s", run.errors);
    struct real_core core = real_make_core(copy, kind, "delete_self.py");
    unlink(copy);
    return core;
}

// NT_FILE says "(deleted)". What nobody could read from the file any more is saved by gdb, all of
// it.
Test(embed, deleted_program)
{
    const char *program = real_need_embedding("static", "");
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        struct real_core core = deleted(kinds[i]);
        struct real_run run = REAL_RUN("--format=json", "--limit=0", core.path);
        // The kernel's core has not the file: there the interpreter is recognized without.
        bool saved = strcmp(kinds[i], "gcore") == 0;
        json_t *report = parse(&core, run);
        compare_report(&core, report);
        cr_expect_str_eq(real_string(report, "interpreter.recognized_from"),
                         saved ? "file" : "core", "%s", core.name);
        expect_right(&core,
                     parse(&core, REAL_RUN("--format=json", "--limit=0", core.path, program)),
                     program);
    }
}

// A container's paths are not here: a root directory, a heap of files, links to the file.
Test(embed, files_elsewhere)
{
    struct real_core core = real_make_core("debian", "kernel", "seed_leak.py 5");
    const char *root = real_directory("elsewhere");
    const char *inside = real_format("%s%s", root, core.interpreter);
    const char *link = real_format("%s/link", root);
    const char *file = real_format("%s/python2.7", root);
    struct real_run run = REAL_COMMAND(
        "sh", "-c",
        "mkdir -p \"$(dirname \"$1\")\" && cp \"$0\" \"$1\" && ln -s \"$1\" \"$2\" && cp \"$0\" \"$3\"",
        core.interpreter, inside, link, file);
    cr_assert_eq(run.status, 0, "%s", run.errors);
    expect_right(&core,
                 parse(&core, REAL_RUN("--format=json", "--limit=0",
                                       real_format("--sysroot=%s", root), core.path)),
                 inside);
    expect_right(&core,
                 parse(&core, REAL_RUN("--format=json", "--limit=0",
                                       real_format("--library-path=/no/such:%s", root),
                                       "--sysroot=/no/such", core.path)),
                 file);
    expect_right(
        &core,
        parse(&core, REAL_RUN("--format=json", "--limit=0", "--sysroot=/no/such", core.path, link)),
        link);
}

// The program of the process is the dynamic linker, told by hand what to load.
static void started_through_the_linker(const char *file, const char *interpreter)
{
    const char *name = strrchr(file, '/');
    const char *program =
        real_format("%s%s", real_directory(real_format("by_hand_%s", name + 1)), name);
    struct real_run run =
        REAL_COMMAND("sh", "-c",
                     "ln -s \"$0\" \"$1\" && cp \"$0.env\" \"$1.env\" && "
                     "readelf -lW \"$0\" | sed -n 's/.*interpreter: \\(.*\\)]/\\1/p' >\"$1.start\"",
                     file, program);
    cr_assert_eq(run.status, 0, "%s", run.errors);
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        struct real_core core = real_make_core(program, kinds[i], "seed_leak.py 5");
        expect_right(&core, parse(&core, REAL_RUN("--format=json", "--limit=0", core.path)),
                     interpreter);
        json_t *report = parse(&core, REAL_RUN("--format=json", "--limit=0", core.path, program));
        compare_report(&core, report);
    }
}

Test(embed, started_through_the_linker)
{
    const char *debian = real_need_interpreter("debian");
    started_through_the_linker(debian, debian);
}

// The program's copies of the library's data count, though the kernel takes another for the
// program.
Test(embed, copies_in_a_program_started_through_the_linker)
{
    const char *program = real_need_embedding("shared", "");
    struct real_run run = REAL_COMMAND("readelf", "-rW", program);
    cr_assert(strstr(run.output, "R_X86_64_COPY"), "no copy relocations");
    started_through_the_linker(program, interpreter_of(program, "shared"));
}

// No first pages of files in the core, so no build-ids: the file must fit in all other ways.
Test(embed, core_without_build_ids)
{
    const char *shared = real_need_interpreter("shared");
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        struct real_core core =
            real_make_core("debian", real_format("%s --filter 0x23", kinds[i]), "seed_leak.py 5");
        json_t *report = real_report(&core, 0);
        compare_report(&core, report);
        cr_expect(json_is_null(real_json(report, "interpreter.build_id_match")), "%s", core.name);
        struct real_run run = REAL_RUN(core.path, shared);
        cr_expect_eq(run.status, 2, "%s: %s", core.name, run.output);
        cr_expect(strstr(run.errors, "its segments are not those that were mapped"), "%s: %s",
                  core.name, run.errors);
    }
}

// A script that a virtualenv would have put in the place of a program: its interpreter is the
// process's.
Test(embed, script_as_executable)
{
    struct real_core core = real_make_core("debian", "kernel", "seed_leak.py 5");
    const char *script = real_format("%s/manage", real_directory("script"));
    struct real_run run = REAL_COMMAND("sh", "-c", "printf '#!%s -E\\nprint 1\\n' \"$0\" >\"$1\"",
                                       core.interpreter, script);
    cr_assert_eq(run.status, 0, "%s", run.errors);
    run = REAL_RUN("--format=json", "--limit=0", "--sysroot=/no/such", core.path, script);
    expect_right(&core, parse(&core, run), core.interpreter);
    cr_expect_str_eq(
        run.errors, real_format("pycore-garbage: %s: not an ELF executable but a script (#!%s -E), "
                                "so the files that the core names are used\n",
                                script, core.interpreter));
}
