// The same heap in other ways: by several threads, within limits, through pools and along the
// rings.
#include "common.h"

#include <stdio.h>

#include "scene_heap.h"

#define WORLDS(name)              WORLD_TEST(heap_ways, name, close_heap)
#define WORLDS_SINCE(first, name) WORLD_TEST_SINCE(first, heap_ways, name, close_heap)

// A heap of some size: instances of several classes in lists, dicts and each other.
static void make_town(size_t size)
{
    vaddr classes[5], before = fakeheap_list(&fake);
    for (size_t i = 0; i < LENGTH(classes); i++) {
        char name[8];
        snprintf(name, sizeof(name), "C%zu", i);
        classes[i] = fakeheap_class(
            &fake,
            &(struct fakeheap_class){
                .name = name, .module = "app", .del_file = i % 2 ? "app.py" : NULL, .del_line = 3});
    }
    for (size_t i = 0; i < size; i++) {
        vaddr object = fakeheap_instance(&fake, classes[i % LENGTH(classes)]);
        vaddr list = fakeheap_list(&fake);
        char name[16];
        snprintf(name, sizeof(name), "a%zu", i % 40);
        fakeheap_set_attr(&fake, object, name, before);
        fakeheap_set_attr(&fake, object, "items", list);
        fakeheap_append(&fake, list, object);
        fakeheap_append(&fake, list, fakeheap_int(&fake, (int64_t)i));
        before = object;
    }
}

static void expect_same_place(const struct visit_place *a, const struct visit_place *b)
{
    cr_assert_eq(a->kind, b->kind, "%s", world);
    cr_assert_eq(a->label, b->label, "%s", world);
    cr_assert_eq(a->key, b->key, "%s", world);
}

// Types and labels are numbered as the threads met them, so they are compared by what they mean.
static void expect_same(const struct heap *a, const struct heap *b)
{
    cr_assert_eq(a->count, b->count, "%s: %u and %u", world, a->count, b->count);
    cr_assert_eq(a->edges, b->edges, "%s", world);
    cr_assert_eq(a->bytes, b->bytes, "%s", world);
    for (uint32_t i = 0; i < a->count; i++) {
        cr_assert_eq(heap_address(a, i), heap_address(b, i), "%s", world);
        cr_assert_eq(a->graph.rows[i], b->graph.rows[i], "%s", world);
        cr_assert_eq(a->sizes[i], b->sizes[i], "%s", world);
        cr_assert_eq(a->gc_refs[i], b->gc_refs[i], "%s", world);
        cr_assert_eq(heap_has_finalizer(a, i), heap_has_finalizer(b, i), "%s", world);
        cr_assert_eq(heap_owns_untracked(a, i), heap_owns_untracked(b, i), "%s", world);
        cr_assert_eq(a->types.types[a->type[i]].address, b->types.types[b->type[i]].address);
    }
    for (uint64_t i = 0; i < a->edges; i++) {
        cr_assert_eq(a->graph.targets[i], b->graph.targets[i], "%s", world);
        cr_assert_eq(a->edge_labels[i] == HEAP_NO_LABEL, b->edge_labels[i] == HEAP_NO_LABEL);
        if (a->edge_labels[i] != HEAP_NO_LABEL)
            expect_same_place(heap_label_place(a, a->edge_labels[i]),
                              heap_label_place(b, b->edge_labels[i]));
    }
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++)
        cr_assert_eq(a->generation_objects[i], b->generation_objects[i], "%s", world);
}

WORLDS(threads_agree)
{
    static const unsigned jobs[] = {0, 2, 3, 7, 64};
    make_town(300);
    open_heap(1);
    for (size_t i = 0; i < LENGTH(jobs); i++) {
        struct heap *other;
        cr_assert_null(heap_create(&fake.runtime, &fake.source, jobs[i], NULL, &other));
        expect_same(heap, other);
        heap_destroy(other);
    }
}

// Of each thread's objects some are looked at, to know how much room its edges need; here nearly
// all edges are those of a few others.
WORLDS_SINCE(207, threads_agree_on_an_uneven_heap)
{
    enum {
        OBJECTS = 2000,
        LARGE = 32000
    };
    static const size_t large[] = {301, 702, 1502};
    static const unsigned jobs[] = {2, 3, 7};
    vaddr target = fakeheap_list(&fake);
    for (size_t i = 0, next = 0; i < OBJECTS; i++) {
        bool is_large = next < LENGTH(large) && large[next] == i;
        vaddr tuple = fakeheap_tuple(&fake, is_large ? LARGE : 1);
        for (size_t item = 0; item < (is_large ? LARGE : 1); item++)
            fakeheap_set_item(&fake, tuple, item, item % 3 ? target : tuple);
        next += is_large;
    }
    open_heap(1);
    cr_assert_gt(heap->edges, LENGTH(large) * LARGE, "%s", world);
    for (size_t i = 0; i < LENGTH(jobs); i++) {
        struct heap *other;
        cr_assert_null(heap_create(&fake.runtime, &fake.source, jobs[i], NULL, &other));
        expect_same(heap, other);
        heap_destroy(other);
    }
}

// Within limits of the numbers that there are, and refused by one sentence beyond, however many
// threads look.
static void expect_refused(struct heap_limits limits, const char *what)
{
    for (unsigned jobs = 1; jobs <= 7; jobs += 3) {
        struct heap *other;
        struct failure *failure =
            heap_create_within(&fake.runtime, &fake.source, jobs, NULL, limits, &other);
        cr_assert_not_null(failure, "%s: %u jobs", world, jobs);
        cr_assert_eq(failure_kind(failure), FAILURE_UNSUPPORTED, "%s", world);
        cr_assert(strstr(failure_text(failure), what), "%s: %s", world, failure_text(failure));
        failure_destroy(failure);
    }
}

WORLDS_SINCE(207, more_than_can_be_numbered)
{
    make_town(300);
    open_heap(1);
    struct heap_limits all = {heap->count, (uint32_t)heap->edges};
    for (unsigned jobs = 1; jobs <= 7; jobs += 3) {
        struct heap *other;
        cr_assert_null(heap_create_within(&fake.runtime, &fake.source, jobs, NULL, all, &other));
        expect_same(heap, other);
        heap_destroy(other);
    }
    expect_refused((struct heap_limits){all.objects - 1, all.references}, "tracked objects");
    expect_refused((struct heap_limits){all.objects, all.references - 1}, "references");
}

// By pools and by rings the same is found: one gc_refs of a collection in progress makes the
// difference.
static void compare_sources(void)
{
    vaddr last = fakeheap_list(&fake);
    open_heap(1);
    cr_assert(heap->by_pools, "%s", world);
    struct heap *by_pools = heap;
    heap = NULL;
    fakeheap_set(&fake, fakeheap_head(&fake, last), LAYOUT_PyGC_Head_gc_refs, 1);
    open_heap(1);
    cr_assert_not(heap->by_pools, "%s", world);
    expect_no_losses();
    cr_assert_eq(heap->losses.objects_in_flux, 1, "%s", world);
    expect_same(by_pools, heap);
    heap_destroy(by_pools);
}

WORLDS(pools_and_rings_agree)
{
    fakeheap_use_pools(&fake);
    make_town(300);
    compare_sources();
}

WORLDS(pools_and_rings_agree_without_pymalloc)
{
    make_town(100);
    compare_sources();
}

WORLDS(pools_with_large_objects_between)
{
    fakeheap_use_pools(&fake);
    make_town(20);
    vaddr large = fakeheap_tuple(&fake, 1000);
    make_town(20);
    fakeheap_hold(&fake, large, 1);
    compare_sources();
    number_of(large);
}

WORLDS(pools_with_look_alikes)
{
    fakeheap_use_pools(&fake);
    make_town(20);
    // A block that says it is a tracked list, on no ring: the set is not closed.
    vaddr stale = fakeheap_list(&fake);
    vaddr head = fakeheap_head(&fake, stale);
    vaddr next = fakeheap_get(&fake, head, LAYOUT_PyGC_Head_gc_next);
    fakeheap_untrack(&fake, stale);
    fakeheap_set(&fake, head, LAYOUT_PyGC_Head_gc_refs, (uint64_t)-3);
    fakeheap_set(&fake, head, LAYOUT_PyGC_Head_gc_next, next);
    open_heap(1);
    uint32_t number;
    cr_assert_not(heap_find(heap, stale, &number), "%s", world);
    cr_assert_not(heap->by_pools, "%s", world);
    expect_no_losses();
}

WORLDS(pools_with_freed_blocks)
{
    fakeheap_use_pools(&fake);
    make_town(20);
    // Freed: gc_next leads to the next free block, gc_refs says untracked.
    vaddr freed = fakeheap_list(&fake);
    fakeheap_untrack(&fake, freed);
    fakeheap_set(&fake, fakeheap_head(&fake, freed), LAYOUT_PyGC_Head_gc_next, freed + 64);
    compare_sources();
    uint32_t number;
    cr_assert_not(heap_find(heap, freed, &number), "%s", world);
}
