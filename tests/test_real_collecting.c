// A core taken inside a garbage collection tells the same as one of the same heap just before it.
//
// What may differ is what the collector itself had changed by then, and it is named here: tuples
// that it no longer tracks, trash that it has cleared or freed, what it has put into gc.garbage,
// and the calls of the Python functions that it was in.
#include "common.h"

#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "real.h"

struct place {
    const char *arguments; // of collecting.py
    json_int_t aside;      // objects on lists of the collection's own, at least; 0: none
    bool cleared;          // trash is being freed, or was
    bool called;           // Python code is running
    json_int_t appended;   // to gc.garbage
    bool torn;             // between the stores that move an object: a list may be broken
};

struct dump {
    struct real_core core; // its directory and truth are both dumps'
    json_t *report;
    json_t *graph; // address: {"type", "refs" ...}
};

// What both are and what lies between.
struct comparison {
    const char *name;
    const struct place *place;
    struct dump before, inside;
    json_t *collectable; // address: true
};

// --- reading

// *status is the program's; 1: the report says that it may not be complete.
static json_t *read_report(const struct real_core *core, int *status)
{
    struct real_run run = REAL_RUN("--format=json", "--limit=0", core->path, core->interpreter);
    *status = run.status;
    return real_parse(run.output);
}

static json_t *read_graph(const struct real_core *core, int status)
{
    const char *path = real_format("%s.graph", core->path);
    struct real_run run = REAL_RUN("-q", "-o", "/dev/null", real_format("--graph=%s", path),
                                   core->path, core->interpreter);
    cr_assert_eq(run.status, status, "%s: %s", core->name, run.errors);
    json_t *graph = json_object();
    char *line = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    while (getline(&line, &size, file) > 0) {
        json_t *object = json_loads(line, 0, NULL);
        cr_assert_not_null(object, "%s: %s", path, line);
        json_object_set_new(graph, json_string_value(json_object_get(object, "address")), object);
    }
    free(line);
    fclose(file);
    return graph;
}

static struct dump read_dump(const struct real_core *core, const char *file, bool torn)
{
    int status;
    struct dump dump = {.core = *core};
    dump.core.path = real_format("%s/%s", core->directory, file);
    dump.core.name = real_format("%s, %s", core->name, file);
    dump.report = read_report(&dump.core, &status);
    dump.graph = read_graph(&dump.core, status);
    cr_assert(status == 0 || (torn && status == 1), "%s: exit status %d", dump.core.name, status);
    return dump;
}

// What the next collection frees, by the interpreter's own account.
static json_t *read_collectable(const json_t *truth)
{
    json_t *set = json_object();
    const json_t *unreachable = real_json(truth, "next_unreachable");
    const json_t *kept = real_json(truth, "next_kept_by_garbage");
    for (size_t i = 0; i < json_array_size(unreachable); i++)
        json_object_set_new(set, json_string_value(json_array_get(unreachable, i)), json_true());
    for (size_t i = 0; i < json_array_size(kept); i++)
        json_object_del(set, json_string_value(json_array_get(kept, i)));
    return set;
}

static const char *type_of(const json_t *object)
{
    return json_string_value(json_object_get(object, "type"));
}

// --- objects

// May the collector have untracked an object? (A tuple of what is not tracked; since 2.7.4 dicts
// only at the end of a full collection, which finds none here that was not found earlier.)
static bool is_untrackable(const struct comparison *comparison, const json_t *object)
{
    const json_t *refs = json_object_get(object, "refs");
    if (strcmp(type_of(object), "tuple") != 0)
        return false;
    for (size_t i = 0; i < json_array_size(refs); i++)
        if (json_object_get(comparison->inside.graph, json_string_value(json_array_get(refs, i))))
            return false;
    return true;
}

static bool is_cleared(const struct comparison *comparison, const char *address)
{
    return comparison->place->cleared && json_object_get(comparison->collectable, address);
}

// Did gc.garbage only grow, and by what it should have?
static void compare_appended(const struct comparison *comparison, const json_t *old,
                             const json_t *new)
{
    const json_t *before = json_object_get(old, "refs"), *inside = json_object_get(new, "refs");
    size_t first = json_array_size(inside) - json_array_size(before);
    cr_expect_eq((json_int_t)first, comparison->place->appended, "%s: gc.garbage has %zu more",
                 comparison->name, first);
    // A list's items are visited from the last to the first.
    for (size_t i = 0; i < json_array_size(before); i++)
        cr_expect(json_equal(json_array_get(before, i), json_array_get(inside, first + i)),
                  "%s: gc.garbage[-%zu]", comparison->name, first + i);
}

static void compare_object(const struct comparison *comparison, const char *address,
                           const json_t *old, const json_t *new)
{
    static const char *const members[] = {"type", "size", "refs", "refcount"};
    // A call, and what is freed or listed, change the reference counts of what is alive.
    size_t compared = comparison->place->called || comparison->place->cleared ? 3 : 4;
    if (strcmp(address, real_string(comparison->before.report, "garbage.address")) == 0) {
        compare_appended(comparison, old, new);
        return;
    }
    for (size_t i = 0; i < compared; i++)
        cr_expect(json_equal(json_object_get(old, members[i]), json_object_get(new, members[i])),
                  "%s: %s of %s, a %s, differs", comparison->name, members[i], address,
                  type_of(old));
}

// Made since: the frame of a Python function that the collector called, its arguments and method.
static void compare_new_object(const struct comparison *comparison, const char *address,
                               const json_t *object)
{
    const char *type = type_of(object);
    bool is_call = strcmp(type, "frame") == 0 || strcmp(type, "tuple") == 0 ||
                   strcmp(type, "instancemethod") == 0;
    cr_expect(comparison->place->called && is_call &&
                  json_integer_value(json_object_get(object, "generation")) == 0,
              "%s: %s, a %s, is new", comparison->name, address, type);
}

static void compare_graphs(const struct comparison *comparison)
{
    const char *address;
    json_t *old, *new;
    json_object_foreach(comparison->before.graph, address, old)
    {
        new = json_object_get(comparison->inside.graph, address);
        if (is_cleared(comparison, address))
            continue;
        if (new)
            compare_object(comparison, address, old, new);
        else
            cr_expect(is_untrackable(comparison, old), "%s: %s, a %s, is lost", comparison->name,
                      address, type_of(old));
    }
    size_t calls = 0;
    json_object_foreach(comparison->inside.graph, address, new)
    {
        if (json_object_get(comparison->before.graph, address))
            continue;
        compare_new_object(comparison, address, new);
        calls++;
    }
    cr_expect_leq(calls, 6, "%s: %zu objects are new", comparison->name, calls);
}

// --- findings

static const json_t *find_finding(const json_t *report, const char *state, const json_t *like)
{
    const json_t *findings = real_json(report, "findings");
    for (size_t i = 0; i < json_array_size(findings); i++) {
        const json_t *finding = json_array_get(findings, i);
        if (strcmp(real_string(finding, "state"), state) == 0 &&
            json_equal(real_json(finding, "signature"), real_json(like, "signature")))
            return finding;
    }
    cr_assert_fail("no %s finding %s", state, real_string(like, "signature"));
    return NULL;
}

// How many objects of the finding's finalizer the collector had appended to gc.garbage.
static json_int_t count_appended(const struct comparison *comparison, const json_t *finding)
{
    const json_t *garbage = real_json(comparison->inside.report, "garbage.objects");
    const json_t *finalizer = json_array_get(real_json(finding, "finalizers"), 0);
    const char *class = real_string(finalizer, "class");
    json_int_t count = 0;
    // The graph tells old-style instances by what they are: here those are the rest.
    bool old_style = strcmp(class, "__main__.OldClient") == 0;
    for (size_t i = (size_t)real_number(comparison->before.report, "garbage.length");
         i < json_array_size(garbage); i++) {
        const char *address = json_string_value(json_array_get(garbage, i));
        const json_t *object = json_object_get(comparison->before.graph, address);
        cr_assert_not_null(object, "%s: gc.garbage[%zu]", comparison->name, i);
        count += strcmp(type_of(object), old_style ? "instance" : class) == 0;
    }
    return count;
}

// The example of a finding may be another one; its types, edges and finalizers are the same.
static void compare_shapes(const struct comparison *comparison, const json_t *a, const json_t *b)
{
    const json_t *x = real_json(a, "cycle"), *y = real_json(b, "cycle");
    cr_expect(json_equal(real_json(a, "finalizers"), real_json(b, "finalizers")), "%s",
              comparison->name);
    cr_expect_eq(json_array_size(x), json_array_size(y), "%s", comparison->name);
    for (size_t i = 0; i < json_array_size(x) && i < json_array_size(y); i++) {
        const json_t *step = json_array_get(x, i), *other = json_array_get(y, i);
        cr_expect(json_equal(real_json(step, "type"), real_json(other, "type")) &&
                      json_equal(real_json(step, "edge"), real_json(other, "edge")),
                  "%s: step %zu of %s", comparison->name, i, real_string(a, "signature"));
    }
}

// Cycles whose finalizer has come into gc.garbage move from the one finding to the other; together
// they are what they were.
static void compare_moved(const struct comparison *comparison, const json_t *pending)
{
    static const char *const sums[] = {"count", "objects", "bytes", "held_objects", "held_bytes"};
    const json_t *before = comparison->before.report, *inside = comparison->inside.report;
    const json_t *uncollectable = find_finding(before, "uncollectable", pending);
    const json_t *left = find_finding(inside, "pending", pending);
    const json_t *grown = find_finding(inside, "uncollectable", pending);
    json_int_t moved = count_appended(comparison, pending);
    cr_expect_gt(moved, 0, "%s: nothing moved", comparison->name);
    cr_expect_eq(real_number(left, "count"), real_number(pending, "count") - moved,
                 "%s: %lld moved", comparison->name, moved);
    for (size_t i = 0; i < LENGTH(sums); i++)
        cr_expect_eq(real_number(pending, sums[i]) + real_number(uncollectable, sums[i]),
                     real_number(left, sums[i]) + real_number(grown, sums[i]), "%s: %s of %s",
                     comparison->name, sums[i], real_string(pending, "signature"));
    compare_shapes(comparison, pending, left);
    compare_shapes(comparison, uncollectable, grown);
}

static void compare_told(const struct comparison *comparison)
{
    const json_t *before = real_json(comparison->before.report, "findings");
    const json_t *inside = real_json(comparison->inside.report, "findings");
    cr_expect_eq(json_array_size(before), 6, "%s: %zu findings", comparison->name,
                 json_array_size(before));
    if (!comparison->place->appended) {
        cr_expect(json_equal(before, inside), "%s: other findings: %s\nnot %s", comparison->name,
                  json_dumps(inside, 0), json_dumps(before, 0));
        return;
    }
    cr_expect_eq(json_array_size(inside), 6, "%s", comparison->name);
    for (size_t i = 0; i < json_array_size(before); i++)
        if (strcmp(real_string(json_array_get(before, i), "state"), "pending") == 0)
            compare_moved(comparison, json_array_get(before, i));
}

// --- all of it

// The flag, where a symbol leads to it, and the collection's own lists.
static void compare_collection(const struct comparison *comparison)
{
    const json_t *inside = comparison->inside.report;
    const json_t *collecting = real_json(inside, "collector.collecting");
    json_int_t aside = real_number(inside, "collector.listed_aside");
    cr_expect(json_is_null(collecting) || json_is_true(collecting), "%s", comparison->name);
    cr_expect(comparison->place->aside ? aside >= comparison->place->aside : aside == 0,
              "%s: %lld objects on the collection's own lists", comparison->name, aside);
    cr_expect_eq(real_number(comparison->before.report, "collector.listed_aside"), 0, "%s",
                 comparison->name);
    const struct real_core *core = &comparison->inside.core;
    struct real_run run = REAL_RUN("--width=0", core->path, core->interpreter);
    cr_expect(strstr(run.output, "A COLLECTION WAS IN PROGRESS"), "%s: %s", core->name, run.output);
    if (!comparison->place->torn)
        compare_coverage(core, inside);
    cr_expect_not(strstr(run.output, "DOUBT"), "%s: %s", core->name, run.output);
}

static void check(const char *interpreter, const char *kind, const struct place *place)
{
    struct real_core core =
        real_make_core(interpreter, kind, real_format("collecting.py %s", place->arguments));
    struct comparison comparison = {.name = core.name,
                                    .place = place,
                                    .before = read_dump(&core, "before", false),
                                    .inside = read_dump(&core, "core", place->torn),
                                    .collectable = read_collectable(core.truth)};
    compare_report(&comparison.before.core, comparison.before.report);
    compare_graphs(&comparison);
    compare_told(&comparison);
    compare_collection(&comparison);
    json_decref(comparison.before.graph);
    json_decref(comparison.inside.graph);
    json_decref(comparison.collectable);
    real_drop_core(&core);
}

static void check_places(const char *interpreter, const char *kind, const struct place *places,
                         size_t count)
{
    for (size_t i = 0; i < count; i++)
        check(interpreter, kind, &places[i]);
}
#define CHECK(interpreter, kind, ...)                                                              \
    check_places(interpreter, kind, (const struct place[]){__VA_ARGS__},                           \
                 LENGTH(((const struct place[]){__VA_ARGS__})))

// visit_decref: the first object is looked at, and many thousand references later.
Test(collecting, subtract_refs)
{
    CHECK("shared", "gcore", {"visit_decref"}, {"visit_decref 12000"});
}

// Its loop begins; objects come back from the list of the unreachable; some thousand are on it.
Test(collecting, move_unreachable)
{
    CHECK("shared", "gcore", {"move_unreachable"}, {"visit_reachable 5000", .aside = 1},
          {"gc_list_move 3000", .aside = 2000});
}

// Instruction by instruction through gc_list_move: a list is broken now and then, and the exit
// status says so, but nothing is lost.
Test(collecting, move_of_one_object)
{
    for (int steps = 2; steps <= 7; steps++) {
        const struct place place = {real_format("gc_list_move 3000 --steps=%d", steps),
                                    .aside = 2000, .torn = true};
        check("shared", "gcore", &place);
    }
}

// _PyInstance_Lookup is asked for the __del__ of old-style instances, visit_move for what hangs
// from an object with a finalizer.
Test(collecting, move_finalizers)
{
    CHECK("shared", "gcore", {"_PyInstance_Lookup 100", .aside = 8800},
          {"visit_move 500", .aside = 8800}, {"visit_move 3000 --thread", .aside = 8800});
}

Test(collecting, handle_weakrefs)
{
    CHECK("shared", "gcore", {"handle_weakrefs", .aside = 8800});
}

Test(collecting, delete_garbage)
{
    CHECK("shared", "gcore", {"delete_garbage", .aside = 8800},
          {"subtype_clear 100", .aside = 4400, .cleared = true},
          {"subtype_clear 350", .aside = 4400, .cleared = true});
}

// Called handle_garbage in other releases.
Test(collecting, handle_finalizers)
{
    CHECK("shared", "gcore", {"handle_finalizers", .aside = 4400, .cleared = true},
          {"PyList_Append 77", .aside = 4400, .cleared = true, .appended = 76});
}

// In Python functions, which a stripped interpreter's cores can be taken in as well.
#define CALLBACK                                                                                   \
    {                                                                                              \
        "callback 50", .aside = 4400, .called = true                                               \
    }
#define CALLBACK_THREAD                                                                            \
    {                                                                                              \
        "callback 7 --thread", .aside = 4400, .called = true                                       \
    }
#define FINALIZER                                                                                  \
    {                                                                                              \
        "finalizer 50", .aside = 4400, .called = true, .cleared = true                             \
    }
#define FINALIZER_THREAD                                                                           \
    {                                                                                              \
        "finalizer --thread", .aside = 4400, .called = true, .cleared = true                       \
    }

Test(collecting, called_by_shared)
{
    CHECK("shared", "kernel", CALLBACK, CALLBACK_THREAD, FINALIZER, FINALIZER_THREAD);
}

Test(collecting, called_by_debian)
{
    CHECK("debian", "kernel", CALLBACK, CALLBACK_THREAD, FINALIZER, FINALIZER_THREAD);
}

Test(collecting, called_by_shared_gcore)
{
    CHECK("shared", "gcore", CALLBACK, FINALIZER_THREAD);
}

// Where no symbol tells of a collection; gdb knows the places by the detached DWARF.
Test(collecting, debian)
{
    CHECK("debian", "gcore", {"visit_decref 12000"}, {"visit_reachable 5000", .aside = 1},
          {"visit_move 500", .aside = 8800}, {"subtype_clear 100", .aside = 4400, .cleared = true},
          {"PyList_Append 77 --thread", .aside = 4400, .cleared = true, .appended = 76});
}
