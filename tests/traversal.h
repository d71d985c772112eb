// One object's references, found in every way that a visitor can ask for them.
#ifndef TESTS_TRAVERSAL_H
#define TESTS_TRAVERSAL_H

#include <inttypes.h>

#include "object.h"
#include "traverse.h"
#include "scene.h"

enum {
    FOUND_MAX = 1024
};

// What the last traversal found.
static vaddr found[FOUND_MAX];
static struct visit_place places[FOUND_MAX];
static size_t found_count;
static bool found_opaque;

static inline void no_room(struct visitor *visitor)
{
    cr_assert_fail("%s: %zu references do not fit", world, visitor->count);
}

// Takes references one at a time, to be compared with what was found at once.
struct single {
    struct visitor visitor;
    vaddr room[1];
    size_t count;
};

static inline void take_one(struct visitor *visitor)
{
    struct single *single = (struct single *)visitor;
    cr_assert_lt(single->count, found_count, "%s", world);
    cr_assert_eq(single->room[0], found[single->count], "%s: reference %zu", world, single->count);
    single->count++;
    visitor->count = 0;
}

// The ways of a visitor must agree: with places and without, with room for all or for one.
static inline uint32_t traverse_all_ways(struct object_types *types, vaddr object)
{
    uint32_t index;
    cr_assert_eq(object_find_type(types, object, &index), MEMORY_OK, "%s", world);
    const struct object_type *type = &types->types[index];
    struct visitor labelled = {
        .found = found, .places = places, .capacity = FOUND_MAX, .full = no_room};
    traverse_object(types, type, object, &labelled);
    found_count = labelled.count;
    found_opaque = type->opaque;
    struct single single = {.visitor = {.capacity = 1, .full = take_one}};
    single.visitor.found = single.room;
    traverse_object(types, type, object, &single.visitor);
    if (single.visitor.count)
        take_one(&single.visitor);
    cr_assert_eq(single.count, found_count, "%s", world);
    cr_assert_eq(single.visitor.unreadable, labelled.unreadable, "%s", world);
    return labelled.unreadable;
}

// Returns how many parts were unreadable.
static inline uint32_t traverse(vaddr object)
{
    struct object_types types;
    fakeheap_open(&fake);
    cr_assert_null(object_types_init(&types, &fake.runtime, &fake.source));
    uint32_t unreadable = traverse_all_ways(&types, object);
    object_types_deinit(&types);
    return unreadable;
}

// The object has these references, in this order, and nothing of it is unreadable or unknown.
static inline void expect(const char *what, vaddr object, const vaddr *expected, size_t count)
{
    uint32_t unreadable = traverse(object);
    cr_assert_eq(unreadable, 0, "%s, %s: %u parts unreadable", world, what, unreadable);
    cr_assert_not(found_opaque, "%s, %s", world, what);
    for (size_t i = 0; i < found_count && i < count; i++)
        cr_assert_eq(found[i], expected[i],
                     "%s, %s: reference %zu is 0x%" PRIx64 ", not 0x%" PRIx64, world, what, i,
                     found[i], expected[i]);
    cr_assert_eq(found_count, count, "%s, %s: %zu references, not %zu", world, what, found_count,
                 count);
}
#define EXPECT(what, object, ...)                                                                  \
    expect(what, object, (const vaddr[]){__VA_ARGS__}, LENGTH(((const vaddr[]){__VA_ARGS__})))

static inline void expect_none(const char *what, vaddr object)
{
    expect(what, object, NULL, 0);
}

static inline void expect_place(size_t i, enum visit_kind kind, const char *label, int64_t index,
                                vaddr key)
{
    cr_assert_lt(i, found_count, "%s", world);
    cr_assert_eq(places[i].kind, kind, "%s: place %zu", world, i);
    if (label)
        cr_assert_str_eq(places[i].label, label, "%s: place %zu", world, i);
    cr_assert_eq(places[i].index, index, "%s: place %zu", world, i);
    cr_assert_eq(places[i].key, key, "%s: place %zu", world, i);
}

// Something to refer to.
static inline vaddr something(void)
{
    return fakeheap_list(&fake);
}

#endif
