// Every JSON document that the program writes is what analyzer/report.schema.json says: no member
// more, none less. tests/check_schema.py holds them against it, and tries changed ones too.
#include "common.h"

#include <string.h>
#include <unistd.h>

#include "real.h"

enum {
    SKIPPED = 77
};

static const char *made[64]; // documents
static size_t made_count;
static const char *directory;

// Writes a document, with one of these exit statuses.
static const char *make(const char *const arguments[], int status, int other_status)
{
    const char *all[16] = {"--format=json", "-o"};
    size_t count = 3;
    if (!directory) // tests run at the same time
        directory = real_directory(real_format("schema.%d", getpid()));
    all[2] = real_format("%s/%zu.json", directory, made_count);
    for (size_t i = 0; arguments[i]; i++)
        all[count++] = arguments[i];
    struct real_run run = real_run(all);
    cr_assert(run.status == status || run.status == other_status, "%s: %d: %s", arguments[0],
              run.status, run.errors);
    made[made_count++] = all[2];
    return all[2];
}
#define MAKE(status, ...) make((const char *const[]){__VA_ARGS__, NULL}, status, status)

// A few at a time: a command that takes two minutes is ended.
static void check(void)
{
    enum {
        AT_ONCE = 4
    };
    cr_assert_gt(made_count, 0);
    for (size_t i = 0; i < made_count; i += AT_ONCE) {
        const char *arguments[AT_ONCE + 4] = {
            "python3", real_format("%s/../tests/check_schema.py", getenv("FIXTURES")),
            real_format("%s/../analyzer/report.schema.json", getenv("FIXTURES"))};
        for (size_t j = 0; j < AT_ONCE && i + j < made_count; j++)
            arguments[3 + j] = made[i + j];
        struct real_run run = real_command(arguments);
        if (run.status == SKIPPED)
            real_skip("%s", run.output);
        cr_expect_eq(run.status, 0, "%s%s", run.output, run.errors);
    }
    REAL_COMMAND("rm", "-r", directory);
}

// Leaks of all kinds, heaps with what the tables do not know, other lists than the collector's.
Test(schema, reports)
{
    static const struct {
        const char *interpreter, *kind, *command;
    } rows[] = {
        {"shared", "kernel", "seed_leak.py 5"},
        {"shared", "kernel", "seed_leak.py 0"},
        {"shared", "kernel", "seed_leak.py 5 --disable-gc"},
        {"debian", "gcore", "seed_leak.py 5"},
        {"debian", "kernel", "no_gc_module.py"},
        {"shared", "kernel", "leaks.py mixed 3"},
        {"shared", "kernel", "leaks.py rebound_garbage"},
        {"shared", "kernel", "leaks.py saveall"},
        {"shared", "kernel", "remedies.py TwoHelpers"},
        {"shared", "kernel", "threads.py 5"},
        {"shared", "kernel", "holders.py nested"},
        {"shared", "kernel", "holders.py incref"},
        {"shared", "kernel", "awkward_heap.py"},
        {"shared", "kernel", "awkward_heap.py --hopeless"},
        {"shared", "kernel", "collecting.py finalizer"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct real_core core = real_make_core(rows[i].interpreter, rows[i].kind, rows[i].command);
        make((const char *const[]){core.path, NULL}, 0, 1);
    }
    // And one that --limit cuts.
    struct real_core core = real_make_core("shared", "kernel", "leaks.py mixed 3");
    MAKE(0, "--limit=1", core.path);
    check();
}

Test(schema, values)
{
    struct real_core core = real_make_core("shared", "kernel", "secrets.py");
    MAKE(0, "--values", core.path);
    check();
}

// An array takes any number of items, so each kind must have been there.
static void expect_seen(const char *path, size_t count)
{
    size_t most = 0;
    for (size_t i = 0; i < made_count; i++) {
        json_t *document = real_parse_file(made[i]);
        const char *dot = strchr(path, '.');
        const char *first = real_format("%.*s", (int)(dot - path), path);
        size_t size =
            json_object_get(document, first) ? json_array_size(real_json(document, path)) : 0;
        most = size > most ? size : most;
    }
    cr_expect_geq(most, count, "no document has %s", path);
}

// Of one that is usable, one that is not, one with losses.
Test(schema, check)
{
    struct real_core core = real_make_core("shared", "kernel", "seed_leak.py 5");
    const char *nothing = real_format("--sysroot=%s", real_directory("schema-nothing"));
    const char *const shell[] = {"sh", "-c", "echo ready; read line", NULL};
    const char *whole = MAKE(0, core.path);
    const char *library = real_string(real_parse_file(whole), "interpreter.file");
    MAKE(0, "--check", core.path);
    MAKE(2, "--check", real_dump("schema-sh", shell));
    MAKE(1, "--check", core.path, nothing);
    MAKE(1, "--check", core.path, library, nothing);
    expect_seen("check.losses", 1);
    expect_seen("check.files.absent", 1);
    check();
}

Test(schema, verify)
{
    struct real_core core = real_make_core("shared", "kernel", "awkward_heap.py --hopeless");
    if (REAL_RUN("--verify", core.path).status == 2)
        real_skip("this program was built without an emulator");
    make((const char *const[]){"--verify", core.path, NULL}, 0, 1);
    expect_seen("verify.problems", 1);
    check();
}

Test(schema, ledgers)
{
    struct real_core story = real_make_core("shared", "kernel", "seed_leak.py 5");
    struct real_core mixed = real_make_core("shared", "kernel", "leaks.py mixed 3");
    const char *one = MAKE(0, story.path), *other = MAKE(0, mixed.path);
    MAKE(0, "--merge", one, other);
    MAKE(0, "--compare", one, other);
    MAKE(0, "--compare", other, story.path);
    check();
}
