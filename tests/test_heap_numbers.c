// Numbers and addresses of objects that lie in several ranges, close together and far apart; and
// what is asked of lists and sizes.
#include "common.h"

#include <stdlib.h>

#include "scene_heap.h"

#define WORLDS(name) WORLD_TEST(heap_numbers, name, close_heap)

enum {
    OBJECTS = 400,
    RANGES = 4,
};

static vaddr objects[OBJECTS]; // by address
static uint32_t base;          // the number of the first: what the interpreter has lies before

static int by_address(const void *a, const void *b)
{
    vaddr left = *(const vaddr *)a, right = *(const vaddr *)b;
    return (left > right) - (left < right);
}

// Lists in four ranges, of which the second has none, with gaps of up to some words of the bitmap.
static void make_objects(void)
{
    bool wide = fake.memory.format.word_size == 8;
    vaddr start = wide ? UINT64_C(0x570000000000) : 0x24000000;
    for (unsigned i = 0; i < RANGES; i++) {
        fakeheap_arena(&fake, start + i * UINT64_C(0x100000), 0x80000);
        if (i == 1)
            fakeheap_allocate(&fake, 64);
        for (unsigned j = 0; i != 1 && j < OBJECTS / RANGES; j++) {
            unsigned at = i * (OBJECTS / RANGES) + j;
            objects[at] = fakeheap_list(&fake);
            if (j % 7 == 3)
                fakeheap_skip(&fake, 512 * (j % 4));
        }
    }
    for (unsigned j = 0; j < OBJECTS / RANGES; j++)
        objects[OBJECTS / RANGES + j] = fakeheap_list(&fake);
    qsort(objects, OBJECTS, sizeof(objects[0]), by_address);
    open_heap(1);
    base = number_of(objects[0]);
    cr_assert_eq(heap->count, base + OBJECTS, "%s: %u", world, heap->count);
}

WORLDS(a_cursor_goes_through_all)
{
    make_objects();
    for (uint32_t first = 0; first <= OBJECTS; first++) {
        struct heap_cursor cursor;
        heap_cursor_init(&cursor, heap, base + first);
        for (uint32_t i = first; i < OBJECTS; i++)
            cr_assert_eq(heap_cursor_next(&cursor), objects[i], "%s: from %u, object %u", world,
                         first, i);
    }
}

WORLDS(a_cursor_goes_to_a_number)
{
    make_objects();
    for (uint32_t stride = 1; stride < OBJECTS; stride += stride < 80 ? 1 : 40) {
        struct heap_cursor cursor;
        uint32_t at = base;
        heap_cursor_init(&cursor, heap, base);
        for (uint32_t number = stride - 1; number < OBJECTS; number += stride) {
            vaddr found = heap_cursor_find(&cursor, &at, base + number);
            cr_assert_eq(found, objects[number], "%s: every %u, object %u", world, stride, number);
            cr_assert_eq(at, base + number + 1, "%s: every %u, object %u", world, stride, number);
        }
    }
}

WORLDS(addresses_beside_objects_have_no_number)
{
    make_objects();
    for (uint32_t i = 0; i < OBJECTS; i++) {
        uint32_t number;
        cr_assert_eq(number_of(objects[i]), base + i, "%s", world);
        for (vaddr beside = objects[i] - 2 * HEAP_GRAIN; beside <= objects[i] + 2 * HEAP_GRAIN;
             beside++)
            cr_assert(beside == objects[i] || !heap_find(heap, beside, &number), "%s: %+" PRId64,
                      world, (int64_t)(beside - objects[i]));
    }
}

// --- lists and sizes

WORLDS(some_items_of_a_list)
{
    vaddr list = fakeheap_list(&fake), item[5], *items;
    uint64_t read, length;
    for (unsigned i = 0; i < 5; i++)
        fakeheap_append(&fake, list, item[i] = fakeheap_int(&fake, i));
    open_heap(1);
    for (uint64_t limit = 1; limit <= 6; limit++) {
        cr_assert_null(heap_read_list(heap, list, limit, &items, &read, &length));
        cr_assert_eq(read, 5, "%s, at most %" PRIu64 ": %" PRIu64, world, limit, read);
        cr_assert_eq(length, 5, "%s", world);
        for (unsigned i = 0; i < limit && i < 5; i++)
            cr_assert_eq(items[i], item[i], "%s, at most %" PRIu64, world, limit);
        free(items);
    }
}

// As large as 16 bits of units say, and larger.
WORLDS(sizes_on_either_side_of_the_limit)
{
    static const unsigned near[] = {60000, 65530, 65535, 65536, 70000, 200000};
    unsigned width = fake.memory.format.word_size;
    vaddr tuples[LENGTH(near)];
    bool wide = width == 8;
    fakeheap_arena(&fake, wide ? UINT64_C(0x570000000000) : 0x24000000, 1 << 24);
    for (size_t i = 0; i < LENGTH(near); i++)
        tuples[i] = fakeheap_tuple(&fake, (uint64_t)near[i] * HEAP_SIZE_UNIT / width);
    open_heap(1);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < number_of(tuples[0]); i++) // what the interpreter has
        sum += heap_size(heap, i);
    for (size_t i = 0; i < LENGTH(near); i++) {
        uint64_t size = heap_size(heap, number_of(tuples[i]));
        cr_assert_geq(size, (uint64_t)near[i] * HEAP_SIZE_UNIT, "%s: %u units", world, near[i]);
        cr_assert_leq(size, (uint64_t)near[i] * HEAP_SIZE_UNIT + 256, "%s: %u units", world,
                      near[i]);
        sum += size;
    }
    cr_assert_eq(heap->bytes, sum, "%s: %" PRIu64, world, heap->bytes);
}

// The first ones that have no type are told.
WORLDS(where_objects_are_that_cannot_be_read)
{
    make_objects();
    for (unsigned i = 0; i < HEAP_UNREADABLE_TOLD + 2; i++)
        fakeheap_hide(&fake, objects[30 * i] + layout_offset(&fake.layout, LAYOUT_PyObject_ob_type),
                      fake.memory.format.word_size, MEMORY_NOT_SAVED);
    open_heap(2);
    cr_assert_eq(heap->losses.unreadable_objects, HEAP_UNREADABLE_TOLD + 2, "%s: %" PRIu64, world,
                 heap->losses.unreadable_objects);
    for (unsigned i = 0; i < HEAP_UNREADABLE_TOLD; i++)
        cr_assert_eq(heap->losses.unreadable_at[i], objects[30 * i], "%s", world);
    // What stands behind them is no address.
    cr_assert_eq(heap->losses.unreadable_parts, 0, "%s: 0x%" PRIx64, world,
                 heap->losses.unreadable_parts);
}
