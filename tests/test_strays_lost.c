// Tracked objects of a core that has lost memory: their neighbours in the lists are gone, and so is
// what would refer to them.
#include "common.h"

#include "scene_heap.h"

#define WORLDS(name) WORLD_TEST(strays_lost, name, close_heap)

enum {
    SMALL = 2,
    ITEMS = 200 // of a tuple that is too large for a pool
};

static vaddr root; // what is found anyway

static void make_root(void)
{
    root = fakeheap_list(&fake);
    fakeheap_hold(&fake, root, 1);
    fake.source.memory_lost = true;
}

// What this is between is lost: its neighbours in the list, their heads and all.
static void lose_neighbours(vaddr object)
{
    static const enum layout_member links[] = {LAYOUT_PyGC_Head_gc_next, LAYOUT_PyGC_Head_gc_prev};
    for (size_t i = 0; i < LENGTH(links); i++)
        fakeheap_hide(&fake, fakeheap_get(&fake, fakeheap_head(&fake, object), links[i]),
                      layout_offset(&fake.layout, LAYOUT_PyGC_Head_sizeof), MEMORY_NOT_SAVED);
}

// An object between two large ones, none of which anything refers to. Those lie behind the pools,
// so that losing them leaves pages whole.
static vaddr make_between(uint64_t items)
{
    vaddr object = 0;
    fakeheap_hold(&fake, fakeheap_tuple(&fake, SMALL), 1);
    fakeheap_arena(&fake, fake.memory.format.word_size == 8 ? UINT64_C(0x570000000000) : 0x24000000,
                   1 << 16);
    for (unsigned i = 0; i < 3; i++) {
        vaddr made = fakeheap_tuple(&fake, i == 1 ? items : ITEMS);
        fakeheap_hold(&fake, made, 1);
        object = i == 1 ? made : object;
    }
    return object;
}

// No build has the words of PyGC_Head in another order; scrambled layouts do.
static bool has_usual_head(void)
{
    unsigned width = fake.memory.format.word_size;
    return layout_offset(&fake.layout, LAYOUT_PyGC_Head_gc_next) == 0 &&
           layout_offset(&fake.layout, LAYOUT_PyGC_Head_gc_prev) == width &&
           layout_offset(&fake.layout, LAYOUT_PyGC_Head_gc_refs) == 2 * width;
}

static void expect_found(const char *what, vaddr object, bool expected)
{
    for (unsigned jobs = 1; jobs <= 2; jobs++) {
        open_heap(jobs);
        cr_assert(is_found(root), "%s, %s", world, what);
        cr_assert_eq(is_found(object), expected, "%s, %s, %u threads", world, what, jobs);
    }
}

WORLDS(a_small_object)
{
    fakeheap_use_pools(&fake);
    make_root();
    vaddr object = make_between(SMALL);
    lose_neighbours(object);
    expect_found("both neighbours lost", object, true);
    cr_assert_eq(heap->listed_elsewhere, 1, "%s: %" PRIu64, world, heap->listed_elsewhere);
    cr_assert_not(heap_shows_collection(heap) && !tears_any(&heap->losses.tears), "%s", world);
    fake.source.memory_lost = false;
    expect_found("nothing should be lost", object, false);
    fake.source.memory_lost = true;
    fakeheap_set(&fake, object, LAYOUT_PyObject_ob_refcnt, 0);
    expect_found("freed", object, false);
}

WORLDS(a_large_object)
{
    if (!has_usual_head())
        return;
    make_root();
    vaddr object = make_between(ITEMS);
    lose_neighbours(object);
    expect_found("both neighbours lost", object, true);
    fake.source.memory_lost = false;
    expect_found("nothing should be lost", object, false);
    fake.source.memory_lost = true;
    fakeheap_set(&fake, object, LAYOUT_PyObject_ob_refcnt, 0);
    expect_found("freed", object, false);
}

// Where a neighbour leads elsewhere, or was never mapped, it is no list's element, whatever else of
// the list is lost.
static void expect_neighbours_matter(uint64_t items)
{
    make_root();
    vaddr object = make_between(items), head = fakeheap_head(&fake, object);
    vaddr next = fakeheap_get(&fake, head, LAYOUT_PyGC_Head_gc_next);
    vaddr leads[] = {fakeheap_get(&fake, head, LAYOUT_PyGC_Head_gc_prev), 0x1000,
                     fakeheap_head(&fake, root), next};
    fakeheap_hide(&fake, leads[0], layout_offset(&fake.layout, LAYOUT_PyGC_Head_sizeof),
                  MEMORY_NOT_SAVED);
    for (size_t i = 1; i < LENGTH(leads); i++) {
        // So that no ring leads there.
        fakeheap_set(&fake, next, LAYOUT_PyGC_Head_gc_prev, leads[0]);
        fakeheap_set(&fake, head, LAYOUT_PyGC_Head_gc_next, leads[0]);
        fakeheap_set(&fake, head, LAYOUT_PyGC_Head_gc_prev, leads[0]);
        expect_found("both lost", object, true);
        fakeheap_set(&fake, head, LAYOUT_PyGC_Head_gc_next, leads[i]);
        expect_found("the next one is not its own", object, false);
        fakeheap_set(&fake, head, LAYOUT_PyGC_Head_gc_next, leads[0]);
        fakeheap_set(&fake, head, LAYOUT_PyGC_Head_gc_prev, leads[i]);
        expect_found("nor is the one before", object, false);
    }
}

WORLDS(neighbours_of_a_small_object)
{
    fakeheap_use_pools(&fake);
    expect_neighbours_matter(SMALL);
}

WORLDS(neighbours_of_a_large_object)
{
    if (has_usual_head())
        expect_neighbours_matter(ITEMS);
}
