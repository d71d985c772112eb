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

// Takes references a few at a time, to be compared with what was found at once.
struct few {
    struct visitor visitor;
    vaddr room[2];
    const struct visit_place *patterns[2];
    size_t count;
};

// A pattern has no index, and the key of a value is the reference before it.
static inline void expect_pattern(const struct visit_place *pattern, size_t number)
{
    const struct visit_place *place = &places[number];
    bool value = pattern == &traverse_value, named = pattern->kind == VISIT_SLOT;
    cr_assert_eq(pattern->kind, place->kind, "%s: pattern %zu", world, number);
    cr_assert(pattern->label == place->label, "%s: pattern %zu", world, number);
    cr_assert(!value || (number && place->key == found[number - 1]), "%s: key %zu", world, number);
    cr_assert(!named || pattern->key == place->key, "%s: slot %zu", world, number);
    cr_assert_eq(pattern->index, 0, "%s: pattern %zu", world, number);
}

static inline void take_few(struct visitor *visitor)
{
    struct few *few = (struct few *)visitor;
    for (size_t i = 0; i < visitor->count; i++, few->count++) {
        cr_assert_lt(few->count, found_count, "%s", world);
        cr_assert_eq(few->room[i], found[few->count], "%s: reference %zu", world, few->count);
        if (visitor->patterns) {
            cr_assert(few->patterns[i] != &traverse_value || i, "%s: key %zu", world, few->count);
            expect_pattern(few->patterns[i], few->count);
        }
    }
    visitor->count = 0;
}

// Makes room for one at a time.
static inline void take_first(struct visitor *visitor)
{
    struct few *few = (struct few *)visitor;
    cr_assert_leq(visitor->count, visitor->capacity, "%s", world);
    cr_assert_lt(few->count, found_count, "%s", world);
    cr_assert_eq(few->room[0], found[few->count], "%s: reference %zu", world, few->count);
    few->count++;
    few->room[0] = few->room[1];
    visitor->count--;
}

// Post: few->count references have been found, the same as at once.
static inline void traverse_by_few(struct object_types *types, const struct object_type *type,
                                   vaddr object, void (*full)(struct visitor *visitor),
                                   struct few *few)
{
    few->visitor.found = few->room;
    few->visitor.capacity = 2;
    few->visitor.full = full;
    traverse_object(types, type, object, &few->visitor);
    take_few(&few->visitor);
    cr_assert_eq(few->count, found_count, "%s", world);
}

// The ways of a visitor must agree: with places, with patterns, with neither, with room for all
// or for two.
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
    struct few plain = {.count = 0}, patterned = {.visitor.patterns = patterned.patterns};
    struct few slow = {.count = 0};
    traverse_by_few(types, type, object, take_few, &plain);
    traverse_by_few(types, type, object, take_few, &patterned);
    traverse_by_few(types, type, object, take_first, &slow);
    cr_assert_eq(plain.visitor.unreadable, labelled.unreadable, "%s", world);
    cr_assert_eq(patterned.visitor.unreadable, labelled.unreadable, "%s", world);
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
