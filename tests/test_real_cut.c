// Cores that were cut short: what is missing is told first, and what survives is found.
#include "common.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "real.h"

static const int percents[] = {90, 70, 50, 40, 25};

struct cut {
    const char *path;
    const char *interpreter; // the file that has it
    long long kept, size;    // bytes
};

// (Tests run side by side: each has its own copy.) A gcore core loses its notes: then the file that
// has the interpreter itself must be named.
static struct cut cut_at(const char *name, const struct real_core *core, const json_t *whole,
                         int percent)
{
    struct cut cut = {.path = real_copy(core->path, real_format("cut.%s", name)),
                      .interpreter = real_string(whole, "interpreter.file")};
    struct stat status;
    cr_assert_eq(stat(cut.path, &status), 0);
    cut.size = status.st_size;
    cut.kept = cut.size * percent / 100;
    cr_assert_eq(truncate(cut.path, cut.kept), 0);
    return cut;
}

// What is missing adds up, and is the first thing that is said.
static void expect_missing(const struct cut *cut, const json_t *report, const char *name)
{
    static const char *const parts[] = {"core.missing.heap",  "core.missing.interpreter_data",
                                        "core.missing.notes", "core.missing.variables",
                                        "core.missing.files", "core.missing.filled_by_files",
                                        "core.missing.other"};
    json_int_t sum = 0, bytes = real_number(report, "core.missing.bytes");
    for (size_t i = 0; i < LENGTH(parts); i++)
        sum += real_number(report, parts[i]);
    cr_expect_eq(sum, bytes, "%s: %lld bytes in all, %lld by kind", name, bytes, sum);
    cr_expect_eq(bytes, real_number(report, "core.bytes_missing"), "%s", name);
    // gdb has section headers in front of the notes' end, the kernel nothing behind the data.
    cr_expect_geq(bytes, cut->size - cut->kept - 4096, "%s: %lld", name, bytes);
    cr_expect_gt(real_number(report, "core.missing.segments"), 0, "%s", name);
    struct real_run text = REAL_RUN("--width=0", cut->path, cut->interpreter);
    cr_expect_eq(text.status, 1, "%s", name);
    cr_expect_eq(strncmp(text.output, "CUT: ", 5), 0, "%s: %s", name, text.output);
    cr_expect_not_null(strstr(text.output, "\nEvery number is a lower bound.\n"));
}

static json_int_t sum_findings(const json_t *report, const char *member)
{
    size_t i;
    const json_t *finding;
    json_int_t sum = 0;
    json_array_foreach(real_json(report, "findings"), i, finding) sum +=
        real_number(finding, member);
    return sum;
}

// All findings of a report whose gc.garbage is lost say so, and those of any other do not.
static void expect_states(const json_t *report, const char *name)
{
    size_t i;
    const json_t *finding;
    json_array_foreach(real_json(report, "findings"), i, finding)
    {
        bool in_cycle = strcmp(real_string(finding, "state"), "in_cycle") == 0;
        cr_expect_eq(in_cycle, json_is_string(real_json(finding, "certainty")), "%s", name);
    }
}

// Of the story nearly all of the heap are cycles, so that of every two cycles that the part kept
// could have one at least is told; none that is not there.
static void expect_story(const char *interpreter, const char *kind)
{
    struct real_core core = real_make_core(interpreter, kind, "seed_leak.py 20000");
    json_t *whole = real_report(&core, 0);
    json_int_t all = sum_findings(whole, "count");
    cr_assert_eq(all, 20000);
    for (size_t i = 0; i < LENGTH(percents); i++) {
        const char *name = real_format("%s at %d %%", core.name, percents[i]);
        struct cut cut = cut_at(real_format("%s.%s", interpreter, kind), &core, whole, percents[i]);
        struct real_run run = REAL_RUN("--format=json", "--limit=0", cut.path, cut.interpreter);
        cr_assert_eq(run.status, 1, "%s: %d, %s", name, run.status, run.errors);
        json_t *report = real_parse(run.output);
        json_int_t told = sum_findings(report, "count");
        cr_expect_leq(told, all, "%s: %lld", name, told);
        // The first tenths are malloc's heap.
        cr_expect_geq(told, all * (percents[i] - 16) / 100, "%s: %lld cycles", name, told);
        cr_expect_eq(sum_findings(report, "objects"), 4 * told, "%s", name);
        cr_expect(json_is_false(real_json(report, "heap.complete")), "%s", name);
        // The version, and a few names: not whatever the search for the interpreter looked at.
        cr_expect_leq(real_number(report, "heap.lost_reads"), 100, "%s: %lld reads", name,
                      real_number(report, "heap.lost_reads"));
        expect_missing(&cut, report, name);
        expect_states(report, name);
        unlink(cut.path);
    }
}

Test(cut, story_of_the_kernel)
{
    expect_story("shared", "kernel");
}

Test(cut, story_of_gcore)
{
    expect_story("shared", "gcore");
}

Test(cut, story_of_a_static_interpreter)
{
    expect_story("debian", "kernel");
    expect_story("debian", "gcore");
}

// The state of each object of the whole core, by its address.
static json_t *read_states(const struct real_core *core)
{
    const char *path = real_format("%s.states", core->path);
    struct real_run run = REAL_RUN("-q", "-o", "/dev/null", real_format("--graph=%s", path),
                                   core->path, core->interpreter);
    cr_assert_eq(run.status, 0, "%s", run.errors);
    json_t *states = json_object();
    char *line = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    while (getline(&line, &size, file) > 0) {
        json_t *object = json_loads(line, 0, NULL);
        json_object_set(states, real_string(object, "address"), real_json(object, "state"));
        json_decref(object);
    }
    free(line);
    fclose(file);
    unlink(path);
    return states;
}

// What the whole core says of the members of the cycles that are told as certain or likely; their
// number.
static size_t expect_certain_is_garbage(const json_t *report, const json_t *states, int percent)
{
    size_t i, j, certain = 0;
    const json_t *finding, *step;
    json_array_foreach(real_json(report, "findings"), i, finding)
    {
        const json_t *certainty = real_json(finding, "certainty");
        if (!json_is_string(certainty) || !strcmp(json_string_value(certainty), "perhaps"))
            continue;
        certain++;
        json_array_foreach(real_json(finding, "cycle"), j, step)
        {
            const char *address = real_string(step, "address");
            const char *state = json_string_value(json_object_get(states, address));
            cr_expect(state && strcmp(state, "reachable"), "%d %%: %s is %s", percent, address,
                      state ? state : "no object");
        }
    }
    return certain;
}

// Cycles in use, of objects with finalizers, are never told but as perhaps.
Test(cut, nothing_in_use_is_certain)
{
    size_t certain = 0;
    struct real_core core = real_make_core("shared", "kernel", "leaks.py mixed 3");
    json_t *whole = real_report(&core, 0), *states = read_states(&core);
    for (int percent = 95; percent >= 15; percent -= 5) {
        struct cut cut = cut_at("mixed", &core, whole, percent);
        struct real_run run = REAL_RUN("--format=json", "--limit=0", cut.path, cut.interpreter);
        cr_expect_leq(run.status, 2);
        cr_expect_geq(run.status, 1, "%d %%: exit status %d", percent, run.status);
        if (run.status == 1)
            certain += expect_certain_is_garbage(real_parse(run.output), states, percent);
        unlink(cut.path);
    }
    cr_expect_gt(certain, 0, "nothing was told as more than perhaps");
    json_decref(states);
}

// Names of classes and attributes are lost before the cycles are: no advice that names them by an
// address, but what is lost and what to do, in every form of the report.
Test(cut, lost_names)
{
    static const char *const formats[] = {"text", "markdown", "html"};
    size_t lost = 0;
    struct real_core core = real_make_core("shared", "kernel", "seed_leak.py 1000");
    json_t *whole = real_report(&core, 0);
    for (int percent = 90; percent >= 45; percent -= 5) {
        struct cut cut = cut_at("names", &core, whole, percent);
        struct real_run run = REAL_RUN("--format=json", cut.path, cut.interpreter);
        cr_assert_eq(run.status, 1, "%d %%: %s", percent, run.errors);
        const json_t *finding = json_array_get(real_json(real_parse(run.output), "findings"), 0);
        bool is_lost = finding && json_is_true(real_json(finding, "break_name_lost"));
        lost += is_lost;
        for (size_t i = 0; finding && i < LENGTH(formats); i++) {
            run = REAL_RUN(real_format("--format=%s", formats[i]), "--width=0", cut.path,
                           cut.interpreter);
            cr_expect_eq(strstr(run.output, "What to break cannot be named. ") != NULL, is_lost,
                         "%d %%, %s: %s", percent, formats[i], run.output);
            cr_expect_eq(strstr(run.output, "ProcessSizeMax") != NULL, is_lost);
            cr_expect_eq(strstr(run.output, "the collector frees it (replayed)") == NULL, is_lost);
        }
        unlink(cut.path);
    }
    cr_expect_gt(lost, 0, "no name was lost");
}

// The launcher is not what the memory points to: a sentence that says which file to pass.
Test(cut, without_notes_and_interpreter)
{
    struct real_core core = real_make_core("shared", "gcore", "seed_leak.py 20000");
    struct cut cut = cut_at("notes", &core, real_report(&core, 0), 70);
    struct real_run run = REAL_RUN(cut.path, core.interpreter);
    cr_expect_eq(run.status, 2);
    cr_expect_not_null(strstr(run.errors, "has lost the notes that name its files"), "%s",
                       run.errors);
    cr_expect_str_empty(run.output);
    unlink(cut.path);
}
