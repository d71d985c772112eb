// What the next gc.collect() will do, told object by object from the core, is what it did: copies
// of the dumped process went on and collected.
#include "common.h"

#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "real.h"

struct addresses {
    uint64_t *items;
    size_t count;
};

static int compare_addresses(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static struct addresses addresses_create(size_t capacity)
{
    struct addresses made = {malloc((capacity + 1) * sizeof(*made.items)), 0};
    cr_assert_not_null(made.items);
    return made;
}

static void addresses_sort(struct addresses *set)
{
    qsort(set->items, set->count, sizeof(*set->items), compare_addresses);
}

static bool addresses_have(const struct addresses *sorted, uint64_t address)
{
    return bsearch(&address, sorted->items, sorted->count, sizeof(address), compare_addresses);
}

static struct addresses addresses_from(const json_t *truth, const char *member)
{
    const json_t *list = real_json(truth, member);
    struct addresses made = addresses_create(json_array_size(list));
    for (; made.count < json_array_size(list); made.count++)
        made.items[made.count] = real_address(json_string_value(json_array_get(list, made.count)));
    addresses_sort(&made);
    return made;
}

// Those of `all` that `others` does not have.
static struct addresses addresses_less(const struct addresses *all, const struct addresses *others)
{
    struct addresses made = addresses_create(all->count);
    for (size_t i = 0; i < all->count; i++)
        if (!addresses_have(others, all->items[i]))
            made.items[made.count++] = all->items[i];
    return made;
}

// What the program says of each object.
struct fates {
    struct addresses kept, pending, finalizers, trash;
};

static void add_fate(struct fates *fates, const json_t *object)
{
    uint64_t address = real_address(real_string(object, "address"));
    const char *state = real_string(object, "state");
    bool pending = strcmp(state, "pending") == 0;
    if (strcmp(state, "uncollectable") == 0 || strcmp(state, "kept") == 0)
        fates->kept.items[fates->kept.count++] = address;
    if (pending)
        fates->pending.items[fates->pending.count++] = address;
    if (pending && json_is_true(real_json(object, "finalizer")))
        fates->finalizers.items[fates->finalizers.count++] = address;
    if (strcmp(state, "trash") == 0)
        fates->trash.items[fates->trash.count++] = address;
}

static struct fates read_fates(const char *path, size_t objects)
{
    struct fates fates = {addresses_create(objects), addresses_create(objects),
                          addresses_create(objects), addresses_create(objects)};
    char *line = NULL;
    size_t size = 0, lines = 0;
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    for (; getline(&line, &size, file) > 0; lines++) {
        json_t *object = json_loads(line, 0, NULL);
        cr_assert(object && lines < objects, "%s: %s", path, line);
        add_fate(&fates, object);
        json_decref(object);
    }
    cr_assert_eq(lines, objects, "%s: %zu lines, %zu objects", path, lines, objects);
    free(line);
    fclose(file);
    return fates;
}

static void expect_same(const struct real_core *core, const char *what, const struct addresses *got,
                        const struct addresses *wanted)
{
    struct addresses more = addresses_less(got, wanted), less = addresses_less(wanted, got);
    cr_expect_eq(more.count, 0, "%s: %zu objects, %#llx the first, are not %s", core->name,
                 more.count, (unsigned long long)more.items[0], what);
    cr_expect_eq(less.count, 0, "%s: %zu objects, %#llx the first, are %s", core->name, less.count,
                 (unsigned long long)less.items[0], what);
    free(more.items);
    free(less.items);
}

static void check_fates(const struct real_core *core, const struct fates *fates)
{
    struct addresses kept = addresses_from(core->truth, "kept_by_garbage"),
                     listed = addresses_from(core->truth, "garbage"),
                     next_listed = addresses_from(core->truth, "next_garbage"),
                     unreachable = addresses_from(core->truth, "next_unreachable"),
                     alive = addresses_from(core->truth, "next_alive"),
                     later = addresses_from(core->truth, "later_unreachable"),
                     stays = addresses_less(&alive, &later),
                     goes = addresses_less(&unreachable, &stays),
                     added = addresses_less(&next_listed, &listed);
    expect_same(core, "kept by gc.garbage alone", &fates->kept, &kept);
    expect_same(core, "unreachable and left alive", &fates->pending, &stays);
    expect_same(core, "put into gc.garbage", &fates->finalizers, &added);
    expect_same(core, "freed", &fates->trash, &goes);
    struct addresses *const all[] = {&kept,  &listed, &next_listed, &unreachable, &alive,
                                     &later, &stays,  &goes,        &added};
    for (size_t i = 0; i < LENGTH(all); i++)
        free(all[i]->items);
}

static json_int_t sum_findings(const json_t *report, const char *member)
{
    const json_t *findings = real_json(report, "findings");
    json_int_t sum = 0;
    for (size_t i = 0; i < json_array_size(findings); i++)
        sum += real_number(json_array_get(findings, i), member);
    return sum;
}

static void check_heap(const char *interpreter, const char *kind, const char *command)
{
    struct real_core core = real_make_core(interpreter, kind, command);
    const char *graph = real_format("%s/graph.out", core.directory);
    struct real_run run = REAL_RUN("--format=json", "--limit=0", real_format("--graph=%s", graph),
                                   core.path, core.interpreter);
    cr_assert_eq(run.status, 0, "%s: exit status %d: %s", core.name, run.status, run.errors);
    json_t *report = real_parse(run.output);
    compare_garbage(&core, report);
    compare_states(&core, report);
    compare_coverage(&core, report);
    cr_expect_eq(sum_findings(report, "count"), real_number(core.truth, "finalizer_cycles"), "%s",
                 core.name);
    cr_expect_eq(sum_findings(report, "objects"),
                 real_number(core.truth, "finalizer_cycle_objects"), "%s", core.name);
    struct fates fates = read_fates(graph, (size_t)real_number(report, "heap.objects"));
    check_fates(&core, &fates);
    struct addresses *const all[] = {&fates.kept, &fates.pending, &fates.finalizers, &fates.trash};
    for (size_t i = 0; i < LENGTH(all); i++)
        free(all[i]->items);
    real_drop_core(&core);
}

// Heaps of fixtures/leaks.py in which collections have different things to do.
Test(pending, leaks)
{
    static const char *const commands[] = {"leaks.py live_and_pending_gc_disabled 20",
                                           "leaks.py finalizer_on_trash 5 --pending",
                                           "leaks.py ring_on_finalizer_on_trash 5 --pending",
                                           "leaks.py cycle_above 5 --pending",
                                           "leaks.py hanging_finalizer 5 --pending",
                                           "leaks.py mixed 4 --pending",
                                           "leaks.py removed_from_garbage 5",
                                           "leaks.py saveall 3 --collect"};
    for (size_t i = 0; i < LENGTH(commands); i++)
        check_heap(i % 2 ? "debian" : "shared", "kernel", commands[i]);
}

// Heaps made at random, of several sizes.
Test(pending, random)
{
    static const char *const commands[] = {"random_heap.py 1 300",   "random_heap.py 2 1000",
                                           "random_heap.py 3 3000",  "random_heap.py 4 10000",
                                           "random_heap.py 5 10000", "random_heap.py 6 30000"};
    for (size_t i = 0; i < LENGTH(commands); i++)
        check_heap(i % 2 ? "debian" : "shared", "kernel", commands[i]);
}

Test(pending, random_gcore)
{
    check_heap("shared", "gcore", "random_heap.py 7 10000");
}

// PENDING_SEEDS="10 11 12" asks for other seeds than the one.
Test(pending, random_large)
{
    const char *seeds = getenv("PENDING_SEEDS") ? getenv("PENDING_SEEDS") : "8";
    for (const char *at = seeds; *at; at += strcspn(at, " "), at += strspn(at, " ")) {
        const char *command = real_format("random_heap.py %.*s", (int)strcspn(at, " "), at);
        check_heap("shared", "kernel", command);
        check_heap("debian", "kernel", command);
    }
}
