// --verify on real interpreters: their own code and the tables agree on every type. And on cores
// that were damaged on purpose they do not. Only where the program is built with Unicorn.
#include "common.h"

#include <stdlib.h>
#include <string.h>

#include "proof.h"
#include "real.h"

enum {
    OB_TYPE = 8, // in an object of a 64-bit process
    TP_TRAVERSE = 184,
    NODES = 16, // in the objects of fixtures/awkward.c that have nodes
    LISTS_MAX = 64,
};

static json_t *verify(const char *core, const char *option, int status)
{
    struct real_run run = REAL_RUN(option, "--format=json", "--limit=0", core);
    cr_assert_eq(run.status, status, "%s: exit status %d: %s%s", core, run.status, run.errors,
                 run.output);
    cr_assert_str_empty(run.errors, "%s: %s", core, run.errors);
    return real_parse(run.output);
}

static void agreement(const char *interpreter, const char *kind, const char *command)
{
    bool awkward = strncmp(command, "awkward", 7) == 0;
    struct real_core core = real_make_core(interpreter, kind, command);
    json_t *report = verify(core.path, "--verify", 0);
    cr_expect(json_is_true(real_json(report, "verify.clean")), "%s", core.name);
    cr_expect_eq(json_array_size(real_json(report, "verify.problems")), 0, "%s", core.name);
    cr_expect_eq(real_number(report, "verify.objects_different"), 0, "%s", core.name);
    cr_expect_eq(real_number(report, "verify.objects_unchecked"), 0, "%s", core.name);
    cr_expect_geq(real_number(report, "verify.types_checked"), awkward ? 340 : 310, "%s: %lld",
                  core.name, real_number(report, "verify.types_checked"));
    cr_expect_geq(real_number(report, "verify.objects_checked"), 12000, "%s: %lld", core.name,
                  real_number(report, "verify.objects_checked"));
    cr_expect_eq(real_number(report, "verify.types_checked") +
                     real_number(report, "verify.types_without_table"),
                 real_number(report, "verify.types"), "%s", core.name);
    cr_expect_eq(real_number(report, "verify.types_without_table") >= 10, awkward, "%s: %lld",
                 core.name, real_number(report, "verify.types_without_table"));
    proof_note(&core, real_report(&core, 0), "code");
}

// Every object of the heap. (A sample of a thousand has all of most types already.)
static void agreement_on_all(const char *interpreter, const char *command)
{
    struct real_core core = real_make_core(interpreter, "kernel", command);
    json_t *report = verify(core.path, "--verify=0", 0);
    cr_expect_geq(real_number(report, "verify.objects_checked") * 100,
                  real_number(report, "verify.objects") * 99, "%s", core.name);
}

Test(real_verify, shared)
{
    agreement("shared", "kernel", "wide_heap.py");
    agreement("shared", "kernel", "awkward_heap.py");
    agreement_on_all("shared", "awkward_heap.py");
}

Test(real_verify, shared_gcore)
{
    agreement("shared", "gcore", "wide_heap.py");
    agreement("shared", "gcore", "awkward_heap.py");
}

Test(real_verify, debian)
{
    agreement("debian", "kernel", "wide_heap.py");
    agreement("debian", "kernel", "awkward_heap.py");
    agreement_on_all("debian", "wide_heap.py");
}

Test(real_verify, debian_gcore)
{
    agreement("debian", "gcore", "wide_heap.py");
    agreement("debian", "gcore", "awkward_heap.py");
}

Test(real_verify, path)
{
    if (real_find_interpreter("path"))
        agreement("path", "kernel", "wide_heap.py");
}

// With Py_DEBUG, where the program takes such cores.
Test(real_verify, debug_build)
{
    struct real_core core = real_make_core("debian-dbg", "kernel", "wide_heap.py");
    struct real_run run = REAL_RUN("--verify", core.path);
    if (run.status != 2)
        agreement("debian-dbg", "kernel", "wide_heap.py");
}

// Where libc's memcpy has instructions that the emulator lacks it is said, and nothing differs.
Test(real_verify, hopeless)
{
    struct real_core core = real_make_core("shared", "kernel", "awkward_heap.py --hopeless");
    struct real_run run = REAL_RUN("--verify", core.path);
    if (run.status == 0)
        return; // this processor has no AVX either
    json_t *report = verify(core.path, "--verify", 1);
    const json_t *problem = json_array_get(real_json(report, "verify.problems"), 0);
    cr_expect_eq(json_array_size(real_json(report, "verify.problems")), 1);
    cr_expect_str_eq(real_string(problem, "type"), "awkward.Copier");
    cr_expect(json_is_false(real_json(problem, "table")));
    cr_expect_gt(real_number(problem, "unchecked"), 0);
    cr_expect_not_null(strstr(run.output, "awkward.Copier: "), "%s", run.output);
    cr_expect_not_null(strstr(run.output, "an instruction that the emulator does not know"), "%s",
                       run.output);
}

// --- cores that were damaged

// Objects of a type, by what the interpreter wrote down; how many.
static size_t find_objects(const struct real_core *core, bool (*is_wanted)(const char *type),
                           uint64_t *objects, size_t room)
{
    char *line = NULL;
    size_t size = 0, count = 0;
    FILE *file = fopen(real_format("%s/graph.jsonl", core->directory), "r");
    cr_assert_not_null(file);
    while (count < room && getline(&line, &size, file) > 0) {
        json_t *object = json_loads(line, 0, NULL);
        const char *type = json_string_value(json_object_get(object, "type"));
        if (type && is_wanted(type))
            objects[count++] = real_address(real_string(object, "address"));
        json_decref(object);
    }
    free(line);
    fclose(file);
    return count;
}

static bool is_list(const char *type)
{
    return strcmp(type, "list") == 0;
}

static bool is_tuple(const char *type)
{
    return strcmp(type, "tuple") == 0;
}

static uint64_t find_traverse(const struct real_core *core, const char *copy,
                              bool (*is_wanted)(const char *type))
{
    uint64_t object;
    cr_assert_eq(find_objects(core, is_wanted, &object, 1), 1);
    return real_peek(copy, object + OB_TYPE) + TP_TRAVERSE;
}

static bool has_problem(const json_t *report, const char *type)
{
    const json_t *problems = real_json(report, "verify.problems");
    for (size_t i = 0; i < json_array_size(problems); i++) {
        const json_t *problem = json_array_get(problems, i);
        if (strcmp(real_string(problem, "type"), type) == 0)
            return real_number(problem, "different") > 0;
    }
    return false;
}

// The tp_traverse of `list` is made that of `tuple`. Its row is still found by the symbol of the
// type, and now goes for tuples too: neither is what the code does.
Test(real_verify, another_traverse)
{
    struct real_core core = real_make_core("shared", "kernel", "wide_heap.py");
    const char *copy = real_copy(core.path, "another_traverse.core");
    uint64_t list = find_traverse(&core, copy, is_list);
    real_patch(copy, list, real_peek(copy, find_traverse(&core, copy, is_tuple)));
    json_t *report = verify(copy, "--verify=100", 1);
    cr_expect(json_is_false(real_json(report, "verify.clean")));
    cr_expect(has_problem(report, "list"));
    cr_expect(has_problem(report, "tuple"));
    cr_expect_not(has_problem(report, "dict"));
    cr_expect_not(has_problem(report, "collections.deque"));
    REAL_COMMAND("rm", copy);
}

// Lists of awkward.c, and of Python classes derived from it.
static bool is_awkward_list(const char *type)
{
    size_t length = strlen(type);
    return strcmp(type, "awkward.List") == 0 ||
           (length > 9 && strcmp(type + length - 4, "List") == 0 &&
            (strstr(type, ".Plain") || strstr(type, ".Slots") || strstr(type, ".Both") ||
             strstr(type, ".Again")));
}

// Chains of nodes that lead back to their start are walked without end, five of them; the rest is
// not tried, and that is the same for any number of threads.
Test(real_verify, endless)
{
    struct real_core core = real_make_core("shared", "kernel", "awkward_heap.py");
    const char *copy = real_copy(core.path, "endless.core");
    uint64_t lists[LISTS_MAX];
    size_t count = find_objects(&core, is_awkward_list, lists, LENGTH(lists));
    json_int_t bent = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t node = real_peek(copy, lists[i] + NODES);
        if (node)
            real_patch(copy, node, node);
        bent += node != 0;
    }
    cr_assert_geq(bent, 6, "%lld of %zu lists", bent, count);
    struct real_run first = REAL_RUN("--format=json", "--jobs=1", copy);
    json_t *report = real_parse(first.output);
    const json_t *reasons = real_json(report, "heap.opaque_reasons");
    cr_assert_eq(json_array_size(reasons), 2);
    json_int_t endless = 0, untried = 0;
    for (size_t i = 0; i < 2; i++) {
        const json_t *reason = json_array_get(reasons, i);
        if (strcmp(real_string(reason, "traversal"), "does not end") == 0)
            endless = real_number(reason, "objects");
        else
            untried = real_number(reason, "objects");
    }
    cr_expect_eq(endless, 5);
    cr_expect_geq(untried, bent - 5);
    cr_expect_eq(endless + untried, real_number(report, "heap.opaque_objects"));
    for (int jobs = 2; jobs < 5; jobs++)
        cr_expect_str_eq(REAL_RUN("--format=json", real_format("--jobs=%d", jobs), copy).output,
                         first.output, "%d jobs", jobs);
    const char *text = REAL_RUN("--width=0", copy).output;
    cr_expect_not_null(strstr(text, "objects opaque: their traversal "), "%s", text);
    report = verify(copy, "--verify", 1);
    cr_expect_eq(real_number(report, "verify.objects_different"), 0);
    cr_expect_gt(real_number(report, "verify.objects_unchecked"), 5);
    REAL_COMMAND("rm", copy);
}
