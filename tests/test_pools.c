// Objects too large for pymalloc: they are found from those in its pools, wherever they lie.
#include "common.h"

#include "scene_heap.h"

#define WORLDS(name) WORLD_TEST(pools, name, close_heap)

enum {
    SMALL = 200, // fill some pages
    ITEMS = 200, // of a tuple that is too large for a pool
};

static vaddr look_alike, large, second;

static void make_small(void)
{
    for (size_t i = 0; i < SMALL; i++)
        fakeheap_hold(&fake, fakeheap_list(&fake), 1);
}

static vaddr make_large(void)
{
    vaddr tuple = fakeheap_tuple(&fake, ITEMS);
    fakeheap_hold(&fake, tuple, 1);
    return tuple;
}

// What was freed and says that it is tracked, on a ring of its own: no link leads there.
static void make_look_alike(void)
{
    look_alike = make_large();
    vaddr head = fakeheap_head(&fake, look_alike);
    fakeheap_untrack(&fake, look_alike);
    fakeheap_set(&fake, head, LAYOUT_PyGC_Head_gc_refs, (uint64_t)-3);
    fakeheap_set(&fake, head, LAYOUT_PyGC_Head_gc_next, head);
    fakeheap_set(&fake, head, LAYOUT_PyGC_Head_gc_prev, head);
}

// Behind everything else.
static void use_arena_behind(uint64_t skew)
{
    bool wide = fake.memory.format.word_size == 8;
    fakeheap_arena(&fake, (wide ? UINT64_C(0x570000000000) : 0x24000000) + skew, 1 << 16);
}

static void expect_found(void)
{
    for (unsigned jobs = 1; jobs <= 4; jobs++) {
        open_heap(jobs);
        cr_assert(heap->by_pools, "%s, %u threads", world, jobs);
        number_of(large);
        number_of(second);
        cr_assert_not(is_found(look_alike), "%s, %u threads", world, jobs);
    }
}

WORLDS(large_objects_ahead)
{
    fakeheap_use_pools(&fake);
    make_small();
    use_arena_behind(0);
    make_look_alike();
    large = make_large();
    second = make_large();
    expect_found();
}

WORLDS(large_objects_in_a_span_that_begins_within_a_page)
{
    fakeheap_use_pools(&fake);
    make_small();
    use_arena_behind(0x230);
    make_look_alike();
    large = make_large();
    second = make_large();
    expect_found();
}

// Pages that were looked at before a link to them was seen.
WORLDS(large_objects_behind)
{
    fakeheap_use_pools(&fake);
    make_look_alike();
    large = make_large();
    second = make_large();
    fakeheap_untrack(&fake, large);
    fakeheap_untrack(&fake, second);
    make_small();
    fakeheap_track(&fake, large, 2);
    fakeheap_track(&fake, second, 2);
    expect_found();
}
