// Heaps that do not hold together: links that lead nowhere, rings that never close, objects that
// were not saved. What can be found is found, what cannot is counted, and everything ends.
#include "common.h"

#include <stdio.h>
#include <stdlib.h>

#include "heap_garbage.h"
#include "scene_heap.h"

enum {
    RING = 9 // objects of the rings that are damaged
};

static vaddr ring[RING];

// A ring of lists in generation 2, each referring to the next one.
static void make_ring(void)
{
    init_world(&(struct fakeheap_spec){0});
    for (size_t i = 0; i < RING; i++)
        ring[i] = fakeheap_list(&fake);
    for (size_t i = 0; i < RING; i++)
        fakeheap_append(&fake, ring[i], ring[(i + 1) % RING]);
}

static void close_ring(void)
{
    close_heap();
    fakeheap_deinit(&fake);
}

static void set_link(vaddr object, enum layout_member link, vaddr target)
{
    fakeheap_set(&fake, fakeheap_head(&fake, object), link, target);
}

static const vaddr bad_links[] = {0, 1, 0x12345678, 0x12345677, UINT64_MAX, UINT64_MAX - 15};

static void expect_all_found(const char *what, size_t i)
{
    for (size_t j = 0; j < RING; j++)
        cr_assert(is_found(ring[j]), "%s %zu: element %zu is lost", what, i, j);
    cr_assert_eq(heap->generation_objects[2], RING, "%s %zu", what, i);
}

// --- links

Test(heap_damage, one_forward_link_costs_nothing_but_a_word)
{
    for (size_t i = 0; i < RING; i++) {
        for (size_t j = 0; j < LENGTH(bad_links); j++) {
            make_ring();
            set_link(ring[i], LAYOUT_PyGC_Head_gc_next, bad_links[j]);
            open_heap(1);
            expect_all_found("forward link", i);
            cr_assert_eq(heap->losses.tears.count, 1, "element %zu: %" PRIu64, i,
                         heap->losses.tears.count);
            vaddr after = heap->losses.tears.kept[0].at;
            vaddr next = i + 1 < RING ? fakeheap_head(&fake, ring[i + 1]) : fake.heads[2];
            cr_assert(after == fakeheap_head(&fake, ring[i]) || after == next,
                      "element %zu: 0x%" PRIx64, i, after);
            close_ring();
        }
    }
}

// The way forward is whole, so nothing is lost, whether or not the other way is looked at.
Test(heap_damage, one_backward_link_costs_nothing)
{
    for (size_t i = 0; i < RING; i++) {
        for (size_t j = 0; j < LENGTH(bad_links); j++) {
            make_ring();
            set_link(ring[i], LAYOUT_PyGC_Head_gc_prev, bad_links[j]);
            open_heap(1);
            expect_all_found("backward link", i);
            cr_assert_leq(heap->losses.tears.count, 1, "element %zu", i);
            close_ring();
        }
    }
}

Test(heap_damage, both_links_at_one_place)
{
    for (size_t i = 0; i + 1 < RING; i++) {
        make_ring();
        set_link(ring[i], LAYOUT_PyGC_Head_gc_next, 0x12345678);
        set_link(ring[i + 1], LAYOUT_PyGC_Head_gc_prev, 0x12345678);
        open_heap(1);
        expect_all_found("both links", i);
        cr_assert_geq(heap->losses.tears.count, 1, "element %zu", i);
        close_ring();
    }
}

Test(heap_damage, links_of_the_head)
{
    static const enum layout_member links[] = {LAYOUT_PyGC_Head_gc_next, LAYOUT_PyGC_Head_gc_prev};
    for (size_t i = 0; i < LENGTH(links); i++) {
        make_ring();
        fakeheap_set(&fake, fake.heads[2], links[i], 0x12345678);
        open_heap(1);
        expect_all_found("head", i);
        close_ring();
    }
}

Test(heap_damage, two_breaks_lose_what_is_between)
{
    make_ring();
    set_link(ring[2], LAYOUT_PyGC_Head_gc_next, 0x12345678);
    set_link(ring[6], LAYOUT_PyGC_Head_gc_prev, 0x12345678);
    set_link(ring[6], LAYOUT_PyGC_Head_gc_next, 0x12345678);
    open_heap(1);
    for (size_t i = 0; i < RING; i++)
        if (i <= 2 || i >= 7)
            cr_assert(is_found(ring[i]), "element %zu", i);
    cr_assert_geq(heap->losses.tears.count, 1);
    cr_assert_geq(heap->generation_objects[2], 5);
    close_ring();
}

// --- rings that are none

Test(heap_damage, a_ring_that_never_returns_to_its_head)
{
    for (size_t back = 0; back < RING; back++) {
        make_ring();
        // The last element leads back into the ring; the way back is consistent with it or not.
        set_link(ring[RING - 1], LAYOUT_PyGC_Head_gc_next, fakeheap_head(&fake, ring[back]));
        if (back % 2)
            set_link(ring[back], LAYOUT_PyGC_Head_gc_prev, fakeheap_head(&fake, ring[RING - 1]));
        open_heap(1);
        cr_assert_geq(heap->losses.tears.count, 1, "back to %zu", back);
        cr_assert_leq(heap->count, RING, "back to %zu", back);
        if (back % 2 == 0)
            expect_all_found("back to", back);
        close_ring();
    }
}

Test(heap_damage, a_ring_without_a_head)
{
    make_ring();
    fake.generation = 0;
    fakeheap_list(&fake);
    set_link(ring[0], LAYOUT_PyGC_Head_gc_prev, fakeheap_head(&fake, ring[RING - 1]));
    set_link(ring[RING - 1], LAYOUT_PyGC_Head_gc_next, fakeheap_head(&fake, ring[0]));
    open_heap(1);
    // The head of generation 2 knows its neighbours, but they do not know it.
    cr_assert_geq(heap->losses.tears.count, 1);
    cr_assert_eq(heap->generation_objects[0], 1);
    cr_assert_leq(heap->count, RING + 1);
    close_ring();
}

Test(heap_damage, a_ring_that_runs_into_another)
{
    make_ring();
    fake.generation = 0;
    vaddr young[3];
    for (size_t i = 0; i < LENGTH(young); i++)
        young[i] = fakeheap_list(&fake);
    set_link(young[1], LAYOUT_PyGC_Head_gc_next, fakeheap_head(&fake, ring[4]));
    open_heap(1);
    expect_all_found("another ring", 0);
    for (size_t i = 0; i < LENGTH(young); i++)
        cr_assert(is_found(young[i]), "young %zu", i);
    cr_assert_eq(heap->count, RING + 3);
    cr_assert_eq(heap->generation_objects[0], 3);
    cr_assert_eq(heap->losses.tears.count, 1);
    // Consistent in both directions: the two are one from there on, and no element counts twice.
    set_link(ring[4], LAYOUT_PyGC_Head_gc_prev, fakeheap_head(&fake, young[1]));
    open_heap(1);
    for (size_t i = 0; i < RING; i++)
        cr_assert(is_found(ring[i]), "element %zu", i);
    for (size_t i = 0; i < LENGTH(young); i++)
        cr_assert(is_found(young[i]), "young %zu", i);
    cr_assert_eq(heap->count, RING + 3);
    cr_assert_geq(heap->losses.tears.count, 1);
    uint64_t sum = 0;
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++)
        sum += heap->generation_objects[i];
    cr_assert_eq(sum, heap->count);
    close_ring();
}

Test(heap_damage, a_ring_that_is_not_there)
{
    make_ring();
    fakeheap_hide(&fake, fake.heads[2], 1, MEMORY_NOT_SAVED);
    fake.generation = 0;
    fakeheap_list(&fake);
    open_heap(1);
    cr_assert_eq(heap->count, 1);
    cr_assert_eq(heap->generation_objects[0], 1);
    cr_assert_eq(heap->losses.tears.lost, 1);
    cr_assert_eq(heap->losses.tears.count, 0);
    close_ring();
}

// --- objects

Test(heap_damage, an_element_that_was_not_saved)
{
    for (size_t lost = 0; lost < RING; lost++) {
        make_ring();
        vaddr head = fakeheap_head(&fake, ring[lost]);
        fakeheap_hide(&fake, head, ring[lost] - head + 40, MEMORY_NOT_SAVED);
        open_heap(1);
        for (size_t i = 0; i < RING; i++)
            cr_assert_eq(is_found(ring[i]), i != lost, "%zu lost: element %zu", lost, i);
        // Both ends lead there, and that says nothing against the list.
        cr_assert_eq(heap->losses.tears.lost, 2, "%zu", lost);
        cr_assert_eq(heap->losses.tears.count, 0, "%zu", lost);
        close_ring();
    }
}

// What cannot be understood must not make its neighbours look dead.
static void expect_one_unreadable(const char *what, vaddr object)
{
    open_heap(1);
    cr_assert_eq(heap->losses.unreadable_objects, 1, "%s: %" PRIu64, what,
                 heap->losses.unreadable_objects);
    uint32_t number = number_of(object);
    cr_assert_eq(heap->type[number], HEAP_NO_TYPE, "%s", what);
    cr_assert_eq(heap->gc_refs[number], INT32_MAX, "%s", what);
    cr_assert_eq(heap->graph.rows[number], heap->graph.rows[number + 1], "%s", what);
    cr_assert_not(heap_has_finalizer(heap, number), "%s", what);
    cr_assert_eq(heap_size(heap, number), 0, "%s", what);
    struct visit_place place;
    cr_assert_eq(heap_find_place(heap, number, heap->graph.rows[number], &place), MEMORY_NONSENSE,
                 "%s", what);
    cr_assert_eq(heap->count, RING, "%s", what);
    cr_assert_eq(heap->losses.tears.count, 0, "%s", what);
}

Test(heap_damage, an_object_of_no_type)
{
    make_ring();
    const vaddr bad_types[] = {0, 1, 0x12345678, UINT64_MAX, fake.none, ring[1]};
    for (size_t i = 0; i < LENGTH(bad_types); i++) {
        char what[32];
        snprintf(what, sizeof(what), "ob_type 0x%" PRIx64, bad_types[i]);
        for (size_t at = 0; at < RING; at += 4) { // the first that is read, and others
            vaddr list = fakeheap_get(&fake, ring[at], LAYOUT_PyObject_ob_type);
            fakeheap_set(&fake, ring[at], LAYOUT_PyObject_ob_type, bad_types[i]);
            expect_one_unreadable(what, ring[at]);
            fakeheap_set(&fake, ring[at], LAYOUT_PyObject_ob_type, list);
        }
    }
    close_ring();
}

// What is on the collector's lists has a type that the collector can traverse.
Test(heap_damage, an_object_of_a_type_that_is_not_collected)
{
    static const struct {
        enum layout_member member;
        uint64_t value;
    } rows[] = {{LAYOUT_PyTypeObject_tp_flags, 0}, {LAYOUT_PyTypeObject_tp_traverse, 0}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        make_ring();
        vaddr class = fakeheap_class(&fake, &(struct fakeheap_class){.name = "C"});
        vaddr object = fakeheap_instance(&fake, class);
        open_heap(1);
        cr_assert_eq(heap->losses.unreadable_objects, 0);
        close_heap();
        fakeheap_set(&fake, class, rows[i].member, rows[i].value);
        open_heap(1);
        cr_assert_eq(heap->losses.unreadable_objects, 1, "row %zu", i);
        cr_assert_eq(heap->gc_refs[number_of(object)], INT32_MAX, "row %zu", i);
        close_ring();
    }
}

Test(heap_damage, an_object_behind_its_head_that_was_not_saved)
{
    make_ring();
    fakeheap_hide(&fake, ring[3], 16, MEMORY_NOT_SAVED);
    expect_one_unreadable("not saved", ring[3]);
    close_ring();
}

Test(heap_damage, parts_of_objects_are_counted)
{
    make_ring();
    fakeheap_set(&fake, ring[3], LAYOUT_PyListObject_ob_item, 0x12345678);
    fakeheap_set(&fake, ring[5], LAYOUT_PyListObject_ob_item, 0x12345678);
    open_heap(1);
    cr_assert_eq(heap->losses.unreadable_parts, 2);
    cr_assert_eq(heap->losses.unreadable_objects, 0);
    cr_assert_eq(heap->edges, RING - 2);
    close_ring();
}

Test(heap_damage, sizes_are_counted)
{
    make_ring();
    fakeheap_set(&fake, ring[3], LAYOUT_PyListObject_allocated, UINT64_MAX);
    open_heap(1);
    cr_assert_eq(heap->losses.unreadable_sizes, 1);
    cr_assert_eq(heap->losses.unreadable_objects, 0);
    close_ring();
}

Test(heap_damage, reference_counts_that_cannot_be)
{
    make_ring();
    fakeheap_set(&fake, ring[0], LAYOUT_PyObject_ob_refcnt, (uint64_t)-1);
    fakeheap_set(&fake, ring[1], LAYOUT_PyObject_ob_refcnt, (UINT64_C(1) << 40) + 1);
    fakeheap_set(&fake, ring[2], LAYOUT_PyObject_ob_refcnt, INT32_MAX);
    fakeheap_set(&fake, ring[3], LAYOUT_PyObject_ob_refcnt, 0);
    open_heap(1);
    cr_assert_eq(heap->gc_refs[number_of(ring[0])], INT32_MAX);
    cr_assert_eq(heap->gc_refs[number_of(ring[1])], INT32_MAX);
    cr_assert_eq(heap->gc_refs[number_of(ring[2])], INT32_MAX);
    cr_assert_eq(heap->gc_refs[number_of(ring[3])], 0);
    cr_assert_eq(heap->losses.unreadable_parts, 2); // the first two
    close_ring();
}

Test(heap_damage, nothing_that_can_be_read)
{
    make_ring();
    for (size_t i = 0; i < RING; i++)
        fakeheap_set(&fake, ring[i], LAYOUT_PyObject_ob_type, 0x12345678);
    set_link(ring[4], LAYOUT_PyGC_Head_gc_next, 0);
    fakeheap_open(&fake);
    struct failure *failure = heap_create(&fake.runtime, &fake.source, 1, NULL, &heap);
    cr_assert_not_null(failure);
    cr_assert_eq(failure_kind(failure), FAILURE_DAMAGED);
    cr_assert_str_eq(failure_text(failure),
                     "none of the 9 elements on the collector's lists is an object that can be "
                     "read (1 broken links)",
                     "%s", failure_text(failure));
    failure_destroy(failure);
    close_ring();
}

// The counts of a collection that is on: the rings hold together all the same.
Test(heap_damage, a_collection_in_progress)
{
    static const int64_t refs[] = {-4, 0, 1, 5};
    make_ring();
    for (size_t i = 0; i < RING; i++)
        set_link(ring[i], LAYOUT_PyGC_Head_gc_refs, (uint64_t)refs[i % LENGTH(refs)]);
    open_heap(1);
    expect_all_found("collection", 0);
    cr_assert_eq(heap->losses.tears.count, 0);
    cr_assert_eq(heap->losses.objects_in_flux, RING);
    close_ring();
}

// An empty list, whose head stands at `head`; what is tracked in `generation` then goes there.
static void make_list_at(vaddr head, unsigned generation)
{
    fakeheap_set(&fake, head, LAYOUT_PyGC_Head_gc_next, head);
    fakeheap_set(&fake, head, LAYOUT_PyGC_Head_gc_prev, head);
    fake.heads[generation] = head;
}

// collect() keeps what it found unreachable on lists of its own, with heads on the C stack.
Test(heap_damage, lists_of_a_collection_in_progress)
{
    make_ring();
    vaddr stack = fakeheap_allocate(&fake, 1024), heads[RUNTIME_GENERATIONS];
    struct runtime_range stacks[] = {{stack + 1, stack + 512}, {stack + 512, stack + 1024}};
    memcpy(heads, fake.heads, sizeof(heads));
    for (size_t i = 0; i < 6; i++)
        fakeheap_untrack(&fake, ring[i]);
    make_list_at(stack + 104, 0);
    for (size_t i = 0; i < 4; i++)
        fakeheap_track(&fake, ring[i], 0);
    make_list_at(stack + 704, 0);
    for (size_t i = 4; i < 6; i++)
        fakeheap_track(&fake, ring[i], 0);
    for (size_t i = 0; i < 6; i++)
        set_link(ring[i], LAYOUT_PyGC_Head_gc_refs, (uint64_t)-4);
    make_list_at(stack + 304, 0); // empty: left over from another collection
    // Not heads: pointers to elements that do not point back, and to what is no element.
    fakeheap_poke_word(&fake, stack + 400, fakeheap_head(&fake, ring[7]));
    fakeheap_poke_word(&fake, stack + 408, fakeheap_head(&fake, ring[7]));
    fakeheap_poke_word(&fake, stack + 416, 0x12345678);
    memcpy(fake.heads, heads, sizeof(heads));
    fake.source.stacks = stacks;
    fake.source.stack_count = LENGTH(stacks);
    open_heap(1);
    for (size_t i = 0; i < RING; i++)
        cr_assert(is_found(ring[i]), "element %zu", i);
    cr_assert_eq(heap->count, RING);
    cr_assert_eq(heap->listed_on_stacks, 6);
    cr_assert_eq(heap->generation_objects[2], RING - 6);
    cr_assert_eq(heap->losses.objects_in_flux, 6);
    cr_assert_eq(heap->losses.tears.count, 0);
    fake.source.stack_count = 0;
    open_heap(1);
    cr_assert_eq(heap->count, RING - 6);
    close_ring();
}

Test(heap_damage, generations_of_a_broken_ring)
{
    uint8_t generations[RING];
    make_ring();
    for (size_t i = 0; i < RING; i++) {
        fakeheap_untrack(&fake, ring[i]);
        fakeheap_track(&fake, ring[i], 0);
    }
    set_link(ring[4], LAYOUT_PyGC_Head_gc_next, fakeheap_head(&fake, ring[1]));
    open_heap(1);
    heap_read_generations(heap, generations);
    for (size_t i = 0; i <= 4; i++)
        cr_assert_eq(generations[number_of(ring[i])], 0, "element %zu", i);
    close_ring();
}

Test(heap_damage, lists_without_end)
{
    vaddr *items;
    uint64_t read, length;
    make_ring();
    fakeheap_set(&fake, ring[0], LAYOUT_PyVarObject_ob_size, UINT64_C(1) << 61);
    open_heap(1);
    cr_assert_null(heap_read_list(heap, ring[0], 0, &items, &read, &length));
    cr_assert_eq(length, UINT64_C(1) << 61);
    cr_assert_eq(read, 0);
    free(items);
    cr_assert_null(heap_read_list(heap, 0x12345678, 0, &items, &read, &length));
    cr_assert_eq(read, 0);
    free(items);
    close_ring();
}

// --- fault sweep

// A bit of everything, so that every way of reading is on the sweep's way.
static void make_scene(void)
{
    static const char *const locals[] = {"self", NULL}, *const slots[] = {"slot", NULL};
    init_world(&(struct fakeheap_spec){0});
    vaddr class = fakeheap_class(
        &fake, &(struct fakeheap_class){.name = "C", .module = "app", .del_file = "c.py"});
    vaddr child =
        fakeheap_class(&fake, &(struct fakeheap_class){.name = "D", .base = class, .slots = slots});
    vaddr old = fakeheap_old_class(&fake, "app", "Old", 0);
    vaddr object = fakeheap_instance(&fake, class), other = fakeheap_instance(&fake, child);
    vaddr relic = fakeheap_old_instance(&fake, old), deque = fakeheap_deque(&fake, 60);
    vaddr set = fakeheap_set_object(&fake, "set");
    vaddr code = fakeheap_code(
        &fake, &(struct fakeheap_code){.name = "f", .file = "f.py", .varnames = locals});
    vaddr frame = fakeheap_frame(&fake, code, 2);
    fakeheap_set_attr(&fake, object, "other", other);
    fakeheap_set_slot(&fake, other, "slot", relic);
    fakeheap_set_attr(&fake, relic, "deque", deque);
    for (int i = 0; i < 4; i++)
        fakeheap_deque_append(&fake, deque, set);
    for (int i = 0; i < 10; i++)
        fakeheap_set_add(&fake, set, fakeheap_tuple_of(&fake, fakeheap_int(&fake, i), object));
    fakeheap_set_local(&fake, frame, 0, object);
    fakeheap_push_block(&fake, frame, 122);
    fakeheap_suspend(&fake, frame);
    fakeheap_set_attr(&fake, object, "generator", fakeheap_generator(&fake, frame));
    fakeheap_keep(&fake, object);
    fakeheap_set_attr(&fake, fakeheap_module(&fake, "gc"), "garbage", fakeheap_garbage(&fake));
}

// Is everything that was found without the fault still there, or a loss counted?
static void expect_less_or_losses(const struct heap *whole, const struct heap *part, vaddr at)
{
    const struct heap_losses *losses = &part->losses;
    bool lossless = !tears_any(&losses->tears) && !losses->unreadable_objects &&
                    !losses->unreadable_parts && !losses->unreadable_sizes &&
                    part->opaque_objects <= whole->opaque_objects;
    cr_assert_leq(part->count, whole->count, "0x%" PRIx64, at);
    cr_assert_leq(part->edges, whole->edges, "0x%" PRIx64, at);
    if (!lossless)
        return;
    cr_assert_eq(part->count, whole->count, "0x%" PRIx64 ": objects lost and not counted", at);
    cr_assert_eq(part->edges, whole->edges, "0x%" PRIx64 ": edges lost and not counted", at);
    cr_assert_eq(part->bytes, whole->bytes, "0x%" PRIx64 ": bytes lost and not counted", at);
}

static void hide_and_look(const struct heap *whole, vaddr at, uint64_t size,
                          enum memory_status status)
{
    struct runtime runtime;
    struct heap *part = NULL;
    fakeheap_hide(&fake, at, size, status);
    fakeheap_map(&fake);
    struct failure *failure = runtime_init(&runtime, &fake.memory, &fake.layout, &fake.source);
    if (!failure)
        failure = heap_create(&runtime, &fake.source, 1, NULL, &part);
    if (failure) {
        cr_assert_eq(failure_kind(failure), FAILURE_DAMAGED, "0x%" PRIx64 ": %s", at,
                     failure_text(failure));
    } else {
        uint8_t *generations = malloc((size_t)part->count + 1);
        vaddr list;
        expect_less_or_losses(whole, part, at);
        heap_read_generations(part, generations);
        heap_find_garbage(part, &fake.source, &list);
        free(generations);
    }
    failure_destroy(failure);
    heap_destroy(part);
    fakeheap_show_all(&fake);
}

static void sweep(uint64_t size, enum memory_status status)
{
    make_scene();
    open_heap(1);
    size_t pieces = fakeheap_pieces(&fake, size);
    cr_assert_gt(pieces, 3);
    // The whole heap's runtime reads through the same memory: only its figures are compared.
    for (size_t i = 0; i < pieces; i++) {
        uint64_t length;
        vaddr at = fakeheap_piece(&fake, size, i, &length);
        hide_and_look(heap, at, length, status);
    }
    close_ring();
}

Test(heap_damage, any_page_not_saved)
{
    sweep(4096, MEMORY_NOT_SAVED);
}

Test(heap_damage, any_page_not_mapped)
{
    sweep(4096, MEMORY_UNMAPPED);
}

Test(heap_damage, any_part_not_saved)
{
    sweep(32, MEMORY_NOT_SAVED);
}
