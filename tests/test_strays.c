// Lists of a collection in progress whose heads are nowhere to be seen, and what lies between the
// breaks of a damaged list.
#include "common.h"

#include <stdlib.h>

#include "scene_heap.h"

enum {
    ASIDE = 7,  // objects on a list
    CHAIN = 300 // lists
};

static vaddr root; // what is found anyway: a list in generation 2
static vaddr aside[ASIDE];

static void set_link(vaddr object, enum layout_member link, vaddr target)
{
    fakeheap_set(&fake, fakeheap_head(&fake, object), link, target);
}

// Garbage on a list with that head: each object refers to the next, nothing else to them.
static void set_aside(vaddr head)
{
    vaddr young = fake.heads[0];
    fakeheap_set(&fake, head, LAYOUT_PyGC_Head_gc_next, head);
    fakeheap_set(&fake, head, LAYOUT_PyGC_Head_gc_prev, head);
    fake.heads[0] = head;
    fake.generation = 0;
    for (size_t i = 0; i < ASIDE; i++)
        aside[i] = fakeheap_list(&fake);
    fake.heads[0] = young;
    fake.generation = 2;
    for (size_t i = 0; i < ASIDE; i++) {
        fakeheap_append(&fake, aside[i], aside[(i + 1) % ASIDE]);
        set_link(aside[i], LAYOUT_PyGC_Head_gc_refs, (uint64_t)-4);
    }
}

static void begin(void)
{
    init_world(&(struct fakeheap_spec){0});
    root = fakeheap_list(&fake);
    fakeheap_hold(&fake, root, 1);
    fakeheap_poke(&fake, fake.collecting, 1, 4);
}

static struct runtime_range make_stack(void)
{
    vaddr start = fakeheap_allocate(&fake, 1024);
    return (struct runtime_range){start, start + 1024};
}

// The only one, the caller's to keep.
static void set_stack(const struct runtime_range *stack)
{
    fake.source.stacks = stack;
    fake.source.stack_count = 1;
}

static void end(void)
{
    close_heap();
    fakeheap_deinit(&fake);
}

static void expect_aside(const char *what, uint64_t broken)
{
    for (size_t i = 0; i < ASIDE; i++)
        cr_assert(is_found(aside[i]), "%s: element %zu", what, i);
    cr_assert_eq(heap->count, 1 + ASIDE, "%s: %u", what, heap->count);
    cr_assert_eq(heap->generation_objects[2], 1, "%s", what);
    cr_assert_eq(heap->losses.tears.count, broken, "%s: %" PRIu64, what, heap->losses.tears.count);
    cr_assert_not(heap->losses.lists_unknown, "%s", what);
}

// --- lists

// Nothing refers to garbage: the blocks of pymalloc show it, wherever the head is.
Test(strays, a_head_that_is_on_no_stack)
{
    static const bool known[] = {true, false};
    for (size_t i = 0; i < LENGTH(known); i++) {
        init_world(&(struct fakeheap_spec){0});
        fakeheap_use_pools(&fake);
        root = fakeheap_list(&fake);
        fakeheap_hold(&fake, root, 1);
        if (!known[i])
            fakeheap_strip(&fake);
        set_aside(fakeheap_allocate(&fake, 1024));
        open_heap(1);
        cr_assert_not(heap->by_pools);
        // Where the interpreter says that there was no collection, nobody looks: those blocks are
        // on no list of its own.
        if (known[i]) {
            cr_assert_eq(heap->count, 1);
            fakeheap_poke(&fake, fake.collecting, 1, 4);
            open_heap(1);
        }
        expect_aside("pools", 0);
        cr_assert_eq(heap->listed_elsewhere, ASIDE);
        cr_assert_eq(heap->listed_on_stacks, 0);
        cr_assert_eq(heap->losses.objects_in_flux, ASIDE);
        cr_assert(heap_shows_collection(heap));
        end();
    }
}

// Without pymalloc's blocks and without stacks nothing could show it, and that is told.
Test(strays, garbage_that_nothing_shows)
{
    begin();
    set_aside(fakeheap_allocate(&fake, 1024));
    open_heap(1);
    cr_assert_eq(heap->count, 1);
    cr_assert(heap->losses.lists_unknown);
    fakeheap_poke(&fake, fake.collecting, 0, 4);
    open_heap(1);
    cr_assert_not(heap->losses.lists_unknown);
    end();
}

Test(strays, a_list_that_a_reference_leads_to)
{
    for (size_t i = 0; i < ASIDE; i++) {
        begin();
        set_aside(fakeheap_allocate(&fake, 1024));
        fakeheap_append(&fake, root, aside[i]);
        struct runtime_range stack = make_stack();
        set_stack(&stack);
        open_heap(1);
        expect_aside("reference", 0);
        cr_assert_eq(heap->listed_elsewhere, ASIDE);
        end();
    }
}

// Each list is known by a reference from the one before only; the last has the lowest address.
Test(strays, a_chain_of_lists)
{
    vaddr first[CHAIN];
    begin();
    vaddr heads = fakeheap_allocate(&fake, 64 * CHAIN);
    for (size_t i = 0; i < CHAIN; i++) {
        set_aside(heads + 64 * i);
        first[i] = aside[0];
        if (i)
            fakeheap_append(&fake, aside[ASIDE - 1], first[i - 1]);
    }
    fakeheap_append(&fake, root, first[CHAIN - 1]);
    open_heap(1);
    cr_assert_eq(heap->count, 1 + CHAIN * ASIDE);
    cr_assert_eq(heap->listed_elsewhere, CHAIN * ASIDE);
    cr_assert_eq(heap->losses.tears.count, 0);
    for (size_t i = 0; i < CHAIN; i++)
        cr_assert(is_found(first[i]), "list %zu", i);
    end();
}

// Links that lead in circles end all the same, and are told as broken.
Test(strays, lists_without_a_head)
{
    for (size_t back = 0; back < ASIDE; back++) {
        begin();
        set_aside(fakeheap_allocate(&fake, 1024));
        fakeheap_append(&fake, root, aside[3]);
        fakeheap_poke(&fake, fake.collecting, 1, 4);
        set_link(aside[ASIDE - 1], LAYOUT_PyGC_Head_gc_next, fakeheap_head(&fake, aside[back]));
        set_link(aside[back], LAYOUT_PyGC_Head_gc_prev, fakeheap_head(&fake, aside[ASIDE - 1]));
        open_heap(1);
        cr_assert_geq(heap->losses.tears.count, 1, "back to %zu", back);
        for (size_t i = 0; i < ASIDE; i++)
            cr_assert(is_found(aside[i]), "back to %zu: element %zu", back, i);
        end();
    }
}

// The two ways from an object lead to two heads: the list is not whole.
Test(strays, a_list_with_two_heads)
{
    begin();
    vaddr heads = fakeheap_allocate(&fake, 1024);
    set_aside(heads);
    fakeheap_append(&fake, root, aside[3]);
    set_link(aside[ASIDE - 1], LAYOUT_PyGC_Head_gc_next, heads + 512);
    fakeheap_set(&fake, heads + 512, LAYOUT_PyGC_Head_gc_prev,
                 fakeheap_head(&fake, aside[ASIDE - 1]));
    open_heap(1);
    cr_assert_eq(heap->losses.tears.count, 1);
    cr_assert_eq(heap->count, 1 + ASIDE);
    end();
}

// What lies behind a head on a stack is no object, whatever it looks like.
Test(strays, a_head_that_looks_like_an_object)
{
    begin();
    struct runtime_range stack = make_stack();
    vaddr head = stack.start + 256;
    set_aside(head);
    fakeheap_append(&fake, root, aside[3]);
    fakeheap_set(&fake, head, LAYOUT_PyGC_Head_gc_refs, (uint64_t)-3);
    vaddr behind = head + layout_offset(&fake.layout, LAYOUT_PyGC_Head_sizeof);
    fakeheap_set(&fake, behind, LAYOUT_PyObject_ob_type, fakeheap_find_type(&fake, "list"));
    fakeheap_set(&fake, head, LAYOUT_PyGC_Head_gc_next, 0x12345678);
    set_stack(&stack);
    open_heap(1);
    expect_aside("look-alike", 1);
    cr_assert_not(is_found(behind));
    end();
}

// --- damage

// Two breaks lose what is between them, unless something refers to it.
Test(strays, a_fragment_of_a_broken_list)
{
    for (size_t last = 2; last < ASIDE; last++) {
        begin();
        fakeheap_poke(&fake, fake.collecting, 0, 4);
        vaddr ring[ASIDE];
        for (size_t i = 0; i < ASIDE; i++)
            ring[i] = fakeheap_list(&fake);
        // Elements 2 to `last`, which nobody's links lead to.
        set_link(ring[1], LAYOUT_PyGC_Head_gc_next, 0x12345678);
        set_link(ring[2], LAYOUT_PyGC_Head_gc_prev, 0x12345678);
        set_link(ring[last], LAYOUT_PyGC_Head_gc_next, 0x12345678);
        if (last + 1 < ASIDE)
            set_link(ring[last + 1], LAYOUT_PyGC_Head_gc_prev, 0x12345678);
        else
            fakeheap_set(&fake, fake.heads[2], LAYOUT_PyGC_Head_gc_prev, 0x12345678);
        open_heap(1);
        cr_assert_not(is_found(ring[2]), "to %zu", last);
        fakeheap_append(&fake, root, ring[last]);
        open_heap(1);
        for (size_t i = 0; i < ASIDE; i++)
            cr_assert(is_found(ring[i]), "to %zu: element %zu", last, i);
        cr_assert_eq(heap->count, 1 + ASIDE, "to %zu", last);
        cr_assert_geq(heap->losses.tears.count, 2, "to %zu", last);
        cr_assert_eq(heap->listed_elsewhere, last - 1, "to %zu", last);
        cr_assert_not(heap_shows_collection(heap), "to %zu", last);
        end();
    }
}

// The stores of gc_list_move, in the order in which a compiler may leave them: what was done when
// the process died. `to` is the list's head, `last` its last element.
static void move_to(vaddr object, vaddr to, unsigned stores)
{
    vaddr node = fakeheap_head(&fake, object);
    vaddr previous = fakeheap_get(&fake, node, LAYOUT_PyGC_Head_gc_prev);
    vaddr next = fakeheap_get(&fake, node, LAYOUT_PyGC_Head_gc_next);
    vaddr last = fakeheap_get(&fake, to, LAYOUT_PyGC_Head_gc_prev);
    const struct {
        vaddr at;
        enum layout_member link;
        vaddr target;
    } all[] = {
        {previous, LAYOUT_PyGC_Head_gc_next, next}, {next, LAYOUT_PyGC_Head_gc_prev, previous},
        {node, LAYOUT_PyGC_Head_gc_prev, last},     {to, LAYOUT_PyGC_Head_gc_prev, node},
        {last, LAYOUT_PyGC_Head_gc_next, node},     {node, LAYOUT_PyGC_Head_gc_next, to}};
    for (unsigned i = 0; i < stores; i++)
        fakeheap_set(&fake, all[i].at, all[i].link, all[i].target);
}

// An object that was on its way from one list to another is on neither.
Test(strays, an_object_that_is_being_moved)
{
    static const int64_t refs[] = {0, 1, -4, -3};
    for (unsigned stores = 0; stores <= 6; stores++) {
        for (size_t i = 0; i < ASIDE * LENGTH(refs); i++) {
            begin();
            struct runtime_range stack = make_stack();
            set_aside(stack.start + 256);
            set_link(aside[i % ASIDE], LAYOUT_PyGC_Head_gc_refs, (uint64_t)refs[i / ASIDE]);
            move_to(aside[i % ASIDE], fake.heads[2], stores);
            set_stack(&stack);
            open_heap(1);
            for (size_t j = 0; j < ASIDE; j++)
                cr_assert(is_found(aside[j]), "%u stores, %zu moves: element %zu", stores, i, j);
            cr_assert_eq(heap->count, 1 + ASIDE, "%u stores, %zu moves", stores, i);
            cr_assert_eq(heap->losses.tears.count > 0, stores > 0 && stores < 6,
                         "%u stores, %zu moves: %" PRIu64, stores, i, heap->losses.tears.count);
            end();
        }
    }
}

// --- what is none

Test(strays, what_the_collector_does_not_track)
{
    begin();
    struct runtime_range stack = make_stack();
    set_stack(&stack);
    vaddr untracked = fakeheap_list(&fake), unlinked = fakeheap_list(&fake);
    fakeheap_untrack(&fake, untracked);
    fakeheap_untrack(&fake, unlinked);
    // A number that could be a collection's, but nothing else says so.
    set_link(unlinked, LAYOUT_PyGC_Head_gc_refs, 7);
    // A static type has no PyGC_Head, whatever stands before it.
    vaddr type = fakeheap_find_type(&fake, "list");
    set_link(type, LAYOUT_PyGC_Head_gc_refs, (uint64_t)-3);
    const vaddr none[] = {
        untracked, unlinked, type, fake.none, fakeheap_str(&fake, "text"), fakeheap_int(&fake, 5)};
    for (size_t i = 0; i < LENGTH(none); i++)
        fakeheap_append(&fake, root, none[i]);
    open_heap(1);
    for (size_t i = 0; i < LENGTH(none); i++)
        cr_assert_not(is_found(none[i]), "%zu", i);
    cr_assert_eq(heap->count, 1);
    cr_assert_eq(heap->losses.tears.count, 0);
    end();
}
