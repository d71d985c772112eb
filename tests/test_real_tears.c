// Real cores whose heap is damaged in a known place: the report says where, and what the pools and
// the other ends of the lists still show is what the whole core has, object by object.
#include "common.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "real.h"

enum {
    HEAD = 32,   // sizeof(PyGC_Head) of 64 bits
    GC_NEXT = 0, // its members (Include/objimpl.h)
    GC_PREV = 8, //
    OB_TYPE = 8, // of the object
    PAGE = 4096, // of a pool
    TOLD = 8,    // places that a report tells
};

struct victim {
    struct real_core core;
    json_t *whole;     // the report on the whole core
    const char *path;  // of the copy
    uint64_t *objects; // tracked ones, by address
    int *generations;  // of each
    size_t count;
};

static void read_graph(struct victim *victim)
{
    const char *path = real_format("%s.graph", victim->path);
    struct real_run run = REAL_RUN("-q", "-o", "/dev/null", real_format("--graph=%s", path),
                                   victim->core.path, victim->core.interpreter);
    cr_assert_eq(run.status, 0, "%s", run.errors);
    size_t capacity = (size_t)real_number(victim->whole, "heap.objects");
    victim->objects = calloc(capacity, sizeof(*victim->objects));
    victim->generations = calloc(capacity, sizeof(*victim->generations));
    cr_assert(victim->objects && victim->generations);
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, file) > 0) {
        json_t *object = json_loads(line, 0, NULL);
        cr_assert_lt(victim->count, capacity);
        victim->objects[victim->count] = real_address(real_string(object, "address"));
        victim->generations[victim->count++] = (int)real_number(object, "generation");
        json_decref(object);
    }
    free(line);
    fclose(file);
    unlink(path);
    cr_assert_eq(victim->count, capacity);
}

static struct victim prepare(const char *kind, const char *name)
{
    struct victim victim = {.core = real_make_core("shared", kind, "seed_leak.py 1000")};
    victim.whole = real_report(&victim.core, 0);
    victim.path = real_copy(victim.core.path, real_format("tears_%s_%s.core", kind, name));
    read_graph(&victim);
    return victim;
}

static void finish(struct victim *victim)
{
    free(victim->objects);
    free(victim->generations);
    unlink(victim->path);
}

// The nth part of the way through the objects of a generation; its PyGC_Head.
static uint64_t find_head(const struct victim *victim, int generation, unsigned part, unsigned of)
{
    size_t members = 0, nth = 0;
    for (size_t i = 0; i < victim->count; i++)
        members += victim->generations[i] == generation;
    cr_assert_gt(members, 0, "generation %d is empty", generation);
    for (size_t i = 0; i < victim->count; i++)
        if (victim->generations[i] == generation && nth++ == members * part / of)
            return victim->objects[i] - HEAD;
    cr_assert_fail("no such element");
    return 0;
}

static json_t *report_on(const struct victim *victim)
{
    struct real_run run =
        REAL_RUN("--format=json", "--limit=0", victim->path, victim->core.interpreter);
    cr_assert_eq(run.status, 1, "%s: exit status %d: %s", victim->core.name, run.status,
                 run.errors);
    return real_parse(run.output);
}

// So many objects fewer than the whole core has.
static void expect_objects(const struct victim *victim, const json_t *report, const char *what,
                           json_int_t lost)
{
    json_int_t whole = real_number(victim->whole, "heap.objects");
    cr_expect_eq(real_number(report, "heap.objects"), whole - lost, "%s, %s: %lld of %lld objects",
                 victim->core.name, what, real_number(report, "heap.objects"), whole);
}

static void expect_all(const struct victim *victim, const json_t *report, const char *what)
{
    static const char *const same[] = {"heap.edges", "heap.bytes", "heap.states", "garbage",
                                       "findings"};
    expect_objects(victim, report, what, 0);
    for (size_t i = 0; i < LENGTH(same); i++)
        cr_expect(json_equal(real_json(report, same[i]), real_json(victim->whole, same[i])),
                  "%s, %s: other %s", victim->core.name, what, same[i]);
    cr_expect_eq(real_number(report, "heap.lost_links"), 0);
}

// Is a link told, as the one that leads elsewhere or as the one that does not lead back?
static bool is_told(const json_t *report, uint64_t at, const char *link, uint64_t target)
{
    size_t i;
    const json_t *place;
    json_array_foreach(real_json(report, "heap.broken_links_at"), i, place)
    {
        bool same = strcmp(real_string(place, "link"), link) == 0;
        const json_t *back = real_json(place, "back");
        if (same && real_address(real_string(place, "address")) == at &&
            real_address(real_string(place, "target")) == target)
            return true;
        if (!same && real_address(real_string(place, "target")) == at && json_is_string(back) &&
            real_address(json_string_value(back)) == target)
            return true;
    }
    return false;
}

// The text tells it too.
static void expect_words(const struct victim *victim, uint64_t at, const char *what)
{
    static const char *const formats[] = {NULL, "--format=markdown", "--format=html"};
    for (size_t i = 0; i < LENGTH(formats); i++) {
        struct real_run run =
            REAL_RUN("--width=0", victim->path, victim->core.interpreter, formats[i]);
        cr_expect_eq(run.status, 1);
        cr_expect_not_null(strstr(run.output, "broken link"), "%s, %s", victim->core.name, what);
        cr_expect_not_null(strstr(run.output, real_format("0x%llx", (unsigned long long)at)),
                           "%s, %s: %s", victim->core.name, what, run.output);
    }
}

// Writes a link, looks, and mends it.
static void damage_link(const struct victim *victim, const char *what, uint64_t head,
                        const char *link, uint64_t target)
{
    uint64_t at = head + (strcmp(link, "gc_next") == 0 ? GC_NEXT : GC_PREV);
    uint64_t right = real_peek(victim->path, at);
    real_patch(victim->path, at, target);
    json_t *report = report_on(victim);
    expect_all(victim, report, what);
    cr_expect_eq(real_number(report, "heap.broken_links"), 1, "%s, %s: %lld", victim->core.name,
                 what, real_number(report, "heap.broken_links"));
    cr_expect(is_told(report, head, link, target), "%s, %s: not told", victim->core.name, what);
    expect_words(victim, head, what);
    real_patch(victim->path, at, right);
}

static void damage_links(const char *kind)
{
    static const char *const links[] = {"gc_next", "gc_prev"};
    struct victim victim = prepare(kind, "links");
    uint64_t young = find_head(&victim, 0, 1, 2), old = find_head(&victim, 2, 1, 3),
             older = find_head(&victim, 2, 2, 3);
    for (size_t i = 0; i < LENGTH(links); i++) {
        uint64_t right = real_peek(victim.path, old + (i ? GC_PREV : GC_NEXT));
        damage_link(&victim, "a flipped bit", old, links[i], right ^ 0x40000);
        damage_link(&victim, "a flipped high bit", old, links[i], right ^ UINT64_C(1) << 45);
        damage_link(&victim, "from one list into another", young, links[i], old);
        damage_link(&victim, "the other way", old, links[i], young);
        damage_link(&victim, "into the middle of its own", old, links[i], older);
        damage_link(&victim, "to itself", old, links[i], old);
    }
    finish(&victim);
}

Test(real_tears, links_of_the_kernel)
{
    damage_links("kernel");
}

Test(real_tears, links_of_gcore)
{
    damage_links("gcore");
}

// Both links of a place, and several places: each is told.
static void damage_pairs(const char *kind)
{
    enum {
        PAIRS = 3
    };
    struct victim victim = prepare(kind, "pairs");
    uint64_t heads[PAIRS], nexts[PAIRS];
    for (unsigned i = 0; i < PAIRS; i++) {
        heads[i] = find_head(&victim, 2, i + 1, PAIRS + 1);
        nexts[i] = real_peek(victim.path, heads[i] + GC_NEXT);
    }
    for (unsigned i = 0; i < PAIRS; i++) {
        real_patch(victim.path, heads[i] + GC_NEXT, 0x10 * (i + 1));
        real_patch(victim.path, nexts[i] + GC_PREV, 0x1000 * (i + 1));
    }
    json_t *report = report_on(&victim);
    expect_all(&victim, report, "pairs");
    cr_expect_eq(real_number(report, "heap.broken_links"), 2 * PAIRS, "%s: %lld", victim.core.name,
                 real_number(report, "heap.broken_links"));
    for (unsigned i = 0; i < PAIRS; i++) {
        cr_expect(is_told(report, heads[i], "gc_next", 0x10 * (i + 1)), "pair %u", i);
        cr_expect(is_told(report, nexts[i], "gc_prev", 0x1000 * (i + 1)), "pair %u", i);
        expect_words(&victim, heads[i], "pairs");
        expect_words(&victim, nexts[i], "pairs");
    }
    finish(&victim);
}

Test(real_tears, pairs_that_disagree)
{
    damage_pairs("kernel");
    damage_pairs("gcore");
}

// A list that runs into another, which agrees: neither of them is told twice.
static void splice(const char *kind)
{
    struct victim victim = prepare(kind, "splice");
    uint64_t young = find_head(&victim, 0, 1, 2), old = find_head(&victim, 2, 1, 2);
    real_patch(victim.path, young + GC_NEXT, old);
    real_patch(victim.path, old + GC_PREV, young);
    json_t *report = report_on(&victim);
    expect_objects(&victim, report, "splice", 0);
    cr_expect(json_equal(real_json(report, "findings"), real_json(victim.whole, "findings")));
    cr_expect_geq(real_number(report, "heap.broken_links"), 2);
    cr_expect_leq(real_number(report, "heap.broken_links"), 4);
    expect_words(&victim, young, "splice");
    expect_words(&victim, old, "splice");
    finish(&victim);
}

Test(real_tears, a_list_spliced_into_another)
{
    splice("kernel");
    splice("gcore");
}

// The pool of an object reads as zeroes: exactly what lay in it is lost.
static void zero_page(const char *kind)
{
    struct victim victim = prepare(kind, "page");
    const json_t *items = real_json(victim.whole, "garbage.objects");
    uint64_t leaked = real_address(json_string_value(json_array_get(items, 500)));
    uint64_t page = leaked & ~(uint64_t)(PAGE - 1);
    json_int_t inside = 0;
    for (size_t i = 0; i < victim.count; i++)
        inside += victim.objects[i] - HEAD - page < PAGE;
    cr_assert_gt(inside, 1);
    for (uint64_t at = page; at < page + PAGE; at += sizeof(uint64_t))
        real_patch(victim.path, at, 0);
    json_t *report = report_on(&victim);
    expect_objects(&victim, report, "zeroed page", inside);
    json_int_t places = real_number(report, "heap.broken_links");
    const json_t *told = real_json(report, "heap.broken_links_at");
    cr_expect_gt(places, 0);
    cr_expect_eq((json_int_t)json_array_size(told), places < TOLD ? places : TOLD);
    size_t i;
    const json_t *place;
    // Each leads from a neighbour into the page.
    json_array_foreach(told, i, place)
        cr_expect_lt(real_address(real_string(place, "target")) - page, PAGE, "%s: %s",
                     victim.core.name, real_string(place, "target"));
    expect_words(&victim, real_address(real_string(json_array_get(told, 0), "address")), "page");
    finish(&victim);
}

Test(real_tears, a_zeroed_page)
{
    zero_page("kernel");
    zero_page("gcore");
}

// The type pointer of one object is overwritten: it is told with its address, and no other is lost.
static void damage_type(const char *kind)
{
    static const uint64_t values[] = {0, 1, 0x123456789a8, 0xdeadbeefdeadbeef};
    struct victim victim = prepare(kind, "type");
    const json_t *items = real_json(victim.whole, "garbage.objects");
    uint64_t leaked = real_address(json_string_value(json_array_get(items, 500)));
    const char *name = real_format("0x%llx", (unsigned long long)leaked);
    uint64_t type = real_peek(victim.path, leaked + OB_TYPE);
    for (size_t i = 0; i < LENGTH(values) + 1; i++) {
        // The last: one bit of it.
        real_patch(victim.path, leaked + OB_TYPE, i < LENGTH(values) ? values[i] : type ^ 0x8);
        json_t *report = report_on(&victim);
        expect_objects(&victim, report, "type", 0);
        cr_expect_eq(real_number(report, "heap.unreadable_objects"), 1, "%s, row %zu",
                     victim.core.name, i);
        const json_t *at = real_json(report, "heap.unreadable_objects_at");
        cr_assert_eq(json_array_size(at), 1);
        cr_expect_str_eq(json_string_value(json_array_get(at, 0)), name);
        cr_expect_eq(real_number(report, "heap.broken_links"), 0);
        struct real_run text = REAL_RUN("--width=0", victim.path, victim.core.interpreter);
        cr_expect_not_null(
            strstr(text.output, real_format("LOSS: 1 object cannot be read, at %s\n", name)), "%s",
            text.output);
    }
    finish(&victim);
}

Test(real_tears, an_overwritten_type_pointer)
{
    damage_type("kernel");
    damage_type("gcore");
}
