// Places where the collector's lists are broken: each is told once, with its addresses, and what
// the lists have lost is found by the blocks of pymalloc.
#include "common.h"

#include <stdlib.h>

#include "scene_heap.h"

enum {
    RING = 12, // objects in generation 2
    YOUNG = 5, // in generation 0
    LOST = 0x12345678,
    ELSEWHERE = 0x23456788,
};

static vaddr ring[RING], young[YOUNG];

// Blocks of pymalloc show what nothing refers to.
static void make_rings(void)
{
    init_world(&(struct fakeheap_spec){0});
    fakeheap_use_pools(&fake);
    for (size_t i = 0; i < RING; i++)
        ring[i] = fakeheap_list(&fake);
    fake.generation = 0;
    for (size_t i = 0; i < YOUNG; i++)
        young[i] = fakeheap_list(&fake);
    fake.generation = 2;
    for (size_t i = 0; i < RING; i++)
        fakeheap_hold(&fake, ring[i], 1);
    for (size_t i = 0; i < YOUNG; i++)
        fakeheap_hold(&fake, young[i], 1);
}

static void end(void)
{
    close_heap();
    fakeheap_deinit(&fake);
}

static vaddr head_of(vaddr object)
{
    return fakeheap_head(&fake, object);
}

static void set_next(vaddr object, vaddr target)
{
    fakeheap_set(&fake, head_of(object), LAYOUT_PyGC_Head_gc_next, target);
}

static void set_previous(vaddr object, vaddr target)
{
    fakeheap_set(&fake, head_of(object), LAYOUT_PyGC_Head_gc_prev, target);
}

static void open_damaged(const char *what, size_t i)
{
    open_heap(1);
    cr_assert_not(heap->by_pools, "%s %zu: not seen", what, i);
    for (size_t j = 0; j < RING; j++)
        cr_assert(is_found(ring[j]), "%s %zu: element %zu", what, i, j);
    for (size_t j = 0; j < YOUNG; j++)
        cr_assert(is_found(young[j]), "%s %zu: young %zu", what, i, j);
    cr_assert_eq(heap->count, RING + YOUNG, "%s %zu: %u", what, i, heap->count);
}

// Is a link told, as the one that leads elsewhere or as the one that does not lead back?
static bool is_told(vaddr at, bool forward, vaddr target)
{
    const struct tears *tears = &heap->losses.tears;
    for (unsigned i = 0; i < tears_told(tears); i++) {
        const struct tear *tear = &tears->kept[i];
        if ((tear->at == at && tear->forward == forward && tear->target == target) ||
            (tear->target == at && tear->forward != forward && tear->kind == TEAR_DISAGREE &&
             tear->back == target))
            return true;
    }
    return false;
}

static void expect_told(const char *what, size_t i, uint64_t count)
{
    cr_assert_eq(heap->losses.tears.count, count, "%s %zu: %" PRIu64 " places", what, i,
                 heap->losses.tears.count);
    cr_assert_eq(heap->losses.tears.lost, 0, "%s %zu", what, i);
}

// --- one link

Test(tears, a_whole_heap)
{
    make_rings();
    open_heap(1);
    cr_assert(heap->by_pools);
    cr_assert_not(tears_any(&heap->losses.tears));
    cr_assert_eq(heap->count, RING + YOUNG);
    end();
}

Test(tears, each_forward_link)
{
    for (size_t i = 0; i < RING; i++) {
        make_rings();
        set_next(ring[i], LOST);
        open_damaged("forward", i);
        expect_told("forward", i, 1);
        cr_assert(is_told(head_of(ring[i]), true, LOST), "%zu", i);
        end();
    }
}

Test(tears, each_backward_link)
{
    for (size_t i = 0; i < RING; i++) {
        make_rings();
        set_previous(ring[i], LOST);
        open_damaged("backward", i);
        expect_told("backward", i, 1);
        cr_assert(is_told(head_of(ring[i]), false, LOST), "%zu", i);
        end();
    }
}

// The two sums of addresses are right, and yet the links backward are not those forward.
Test(tears, two_backward_links_exchanged)
{
    make_rings();
    set_previous(ring[4], head_of(ring[7]));
    set_previous(ring[8], head_of(ring[3]));
    open_damaged("exchanged", 0);
    expect_told("exchanged", 0, 2);
    cr_assert(is_told(head_of(ring[4]), false, head_of(ring[7])));
    cr_assert(is_told(head_of(ring[8]), false, head_of(ring[3])));
    end();
}

// A pair that disagrees: neither link of the place is right.
Test(tears, both_links_of_a_place)
{
    for (size_t i = 0; i + 1 < RING; i++) {
        make_rings();
        set_next(ring[i], LOST);
        set_previous(ring[i + 1], ELSEWHERE);
        open_damaged("both", i);
        expect_told("both", i, 2);
        cr_assert(is_told(head_of(ring[i]), true, LOST), "%zu", i);
        cr_assert(is_told(head_of(ring[i + 1]), false, ELSEWHERE), "%zu", i);
        end();
    }
}

Test(tears, a_flipped_bit)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        make_rings();
        vaddr right = head_of(ring[5]);
        set_next(ring[4], right ^ UINT64_C(1) << bit);
        open_damaged("bit", bit);
        expect_told("bit", bit, 1);
        cr_assert(is_told(head_of(ring[4]), true, right ^ UINT64_C(1) << bit), "bit %u", bit);
        end();
    }
}

// --- lists that run into others

Test(tears, into_another_list)
{
    for (size_t i = 0; i < YOUNG; i++)
        for (size_t j = 0; j < RING; j++) {
            make_rings();
            set_next(young[i], head_of(ring[j]));
            open_damaged("into another", i);
            expect_told("into another", i, 1);
            cr_assert(is_told(head_of(young[i]), true, head_of(ring[j])), "%zu, %zu", i, j);
            cr_assert_eq(heap->generation_objects[0], YOUNG, "%zu, %zu", i, j);
            cr_assert_eq(heap->generation_objects[2], RING, "%zu, %zu", i, j);
            end();
        }
}

Test(tears, into_the_middle_of_its_own)
{
    for (size_t i = 0; i < RING; i++)
        for (size_t j = 0; j < RING; j++) {
            if (j == i + 1)
                continue;
            make_rings();
            set_next(ring[i], head_of(ring[j]));
            open_damaged("into itself", i);
            expect_told("into itself", i, 1);
            cr_assert(is_told(head_of(ring[i]), true, head_of(ring[j])), "%zu, %zu", i, j);
            cr_assert_eq(heap->generation_objects[2], RING, "%zu, %zu", i, j);
            end();
        }
}

// Both directions agree: the two are one list from there on, up to the other's head.
Test(tears, spliced_into_another_list)
{
    for (size_t i = 0; i < YOUNG; i++)
        for (size_t j = 0; j < RING; j++) {
            make_rings();
            set_next(young[i], head_of(ring[j]));
            set_previous(ring[j], head_of(young[i]));
            open_damaged("spliced", i);
            vaddr before = j ? head_of(ring[j - 1]) : fake.heads[2];
            vaddr after = i + 1 < YOUNG ? head_of(young[i + 1]) : fake.heads[0];
            cr_assert(is_told(before, true, head_of(ring[j])), "%zu, %zu", i, j);
            cr_assert(is_told(after, false, head_of(young[i])), "%zu, %zu", i, j);
            cr_assert_leq(heap->losses.tears.count, 4, "%zu, %zu", i, j);
            uint64_t sum = 0;
            for (unsigned k = 0; k < RUNTIME_GENERATIONS; k++)
                sum += heap->generation_objects[k];
            cr_assert_eq(sum, RING + YOUNG, "%zu, %zu", i, j);
            end();
        }
}

// A list that ends at another's head, which knows it: a head is never counted as an object.
Test(tears, into_the_head_of_another_list)
{
    make_rings();
    set_next(young[YOUNG - 1], fake.heads[2]);
    fakeheap_set(&fake, fake.heads[2], LAYOUT_PyGC_Head_gc_prev, head_of(young[YOUNG - 1]));
    open_damaged("head", 0);
    cr_assert(is_told(fake.heads[0], false, head_of(young[YOUNG - 1])));
    cr_assert(is_told(fake.heads[2], false, head_of(young[YOUNG - 1])));
    cr_assert_eq(heap->losses.unreadable_objects, 0);
    end();
}

// A head that says that its list is empty, in one direction.
Test(tears, a_head_that_leads_to_itself)
{
    static const enum layout_member links[] = {LAYOUT_PyGC_Head_gc_next, LAYOUT_PyGC_Head_gc_prev};
    for (size_t i = 0; i < LENGTH(links); i++) {
        make_rings();
        fakeheap_set(&fake, fake.heads[2], links[i], fake.heads[2]);
        open_damaged("itself", i);
        expect_told("itself", i, 1);
        cr_assert(is_told(fake.heads[2], i == 0, fake.heads[2]), "%zu", i);
        cr_assert_eq(heap->generation_objects[2], RING, "%zu", i);
        end();
    }
}

// --- what the lists have lost

// A piece of any length between two broken places, to which nothing refers.
Test(tears, a_piece_that_the_pools_show)
{
    for (size_t first = 1; first < RING; first++)
        for (size_t last = first; last + 1 < RING; last++) {
            make_rings();
            set_next(ring[first - 1], LOST);
            set_previous(ring[first], LOST);
            set_next(ring[last], LOST);
            set_previous(ring[last + 1], LOST);
            open_damaged("piece", first);
            expect_told("piece", first, 4);
            cr_assert_eq(heap->listed_elsewhere, last - first + 1, "%zu to %zu", first, last);
            cr_assert_not(heap_shows_collection(heap), "%zu to %zu", first, last);
            end();
        }
}

// What was freed is no object, whatever its block still says of itself.
Test(tears, freed_blocks_are_no_piece)
{
    make_rings();
    vaddr freed = fakeheap_list(&fake), block = head_of(freed);
    fakeheap_hold(&fake, freed, 1);
    fakeheap_untrack(&fake, freed);
    fakeheap_set(&fake, block, LAYOUT_PyGC_Head_gc_refs, (uint64_t)-3);
    vaddr page = block & ~(vaddr)4095;
    fakeheap_set(&fake, page, LAYOUT_pool_header_freeblock, block);
    fakeheap_poke_word(&fake, block, 0);
    set_next(ring[4], LOST);
    open_damaged("freed", 0);
    cr_assert_not(is_found(freed));
    // In use, it would be one.
    fakeheap_set(&fake, page, LAYOUT_pool_header_freeblock, 0);
    open_heap(1);
    cr_assert(is_found(freed));
    end();
}

// All links of an object are zero, one after the other: as many are told as there is room for.
Test(tears, more_than_are_told)
{
    make_rings();
    for (size_t i = 0; i < RING; i++) {
        set_next(ring[i], 0);
        set_previous(ring[i], 0);
    }
    open_damaged("all", 0);
    // Each link of the objects, and none twice: those of the head agree with nothing, but are met
    // by the way to the objects.
    expect_told("all", 0, 2 * RING);
    cr_assert_eq(tears_told(&heap->losses.tears), TEARS_TOLD);
    end();
}

// What leads into memory that is missing is no damage of the list.
Test(tears, into_memory_that_is_missing)
{
    make_rings();
    vaddr missing = fakeheap_allocate(&fake, 8192);
    set_next(ring[4], missing);
    fakeheap_hide(&fake, missing, 8192, MEMORY_NOT_SAVED);
    open_heap(1);
    cr_assert_eq(heap->count, RING + YOUNG);
    cr_assert_eq(heap->losses.tears.lost, 1);
    cr_assert_eq(heap->losses.tears.count, 1); // the next element says otherwise
    set_previous(ring[5], missing + 4096);
    open_heap(1);
    cr_assert_eq(heap->count, RING + YOUNG);
    cr_assert_eq(heap->losses.tears.lost, 2);
    cr_assert_eq(heap->losses.tears.count, 0);
    cr_assert(tears_any(&heap->losses.tears));
    end();
}

// --- objects

Test(tears, addresses_of_objects_without_a_type)
{
    make_rings();
    for (size_t i = 0; i < RING; i += 3)
        fakeheap_set(&fake, ring[i], LAYOUT_PyObject_ob_type, LOST);
    open_heap(1);
    cr_assert_eq(heap->losses.unreadable_objects, RING / 3);
    for (size_t i = 0; i < RING; i += 3) {
        bool told = false;
        for (size_t j = 0; j < RING / 3; j++)
            told |= heap->losses.unreadable_at[j] == ring[i];
        cr_assert(told, "element %zu", i);
    }
    for (size_t i = 0; i < RING; i++)
        fakeheap_set(&fake, ring[i], LAYOUT_PyObject_ob_type, LOST);
    open_heap(1);
    cr_assert_eq(heap->losses.unreadable_objects, RING);
    cr_assert_eq(
        heap->losses.unreadable_at[HEAP_UNREADABLE_TOLD - 1],
        heap_address(heap, number_of(heap->losses.unreadable_at[HEAP_UNREADABLE_TOLD - 1])));
    cr_assert(is_found(ring[RING - 1]));
    end();
}

// --- the sum of them

Test(tears, the_same_is_counted_once)
{
    struct tears tears = {0};
    tears_add(&tears, &(struct tear){0x100, 0x200, 0x300, true, TEAR_DISAGREE});
    tears_add(&tears, &(struct tear){0x100, 0x200, 0x300, true, TEAR_DISAGREE});
    tears_add(&tears, &(struct tear){0x200, 0x300, 0, false, TEAR_NOWHERE}); // its other side
    cr_assert_eq(tears.count, 1);
    tears_add(&tears, &(struct tear){0x200, 0x300, 0, true, TEAR_NOWHERE}); // another direction
    cr_assert_eq(tears.count, 2);
    tears_add(&tears, &(struct tear){0x400, 0x500, 0, true, TEAR_TWICE});
    cr_assert_eq(tears.count, 3);
    tears_add(&tears, &(struct tear){0x500, 0x400, 0, false, TEAR_HEAD});
    cr_assert_eq(tears.count, 3);
}

Test(tears, any_number_of_them)
{
    struct tears tears = {0};
    for (vaddr i = 1; i <= 1000; i++)
        tears_add(&tears, &(struct tear){0x1000 * i, 0x1000 * i + 8, 0, true, TEAR_NOWHERE});
    cr_assert_eq(tears.count, 1000);
    cr_assert_eq(tears_told(&tears), TEARS_TOLD);
    for (vaddr i = 0; i < TEARS_TOLD; i++)
        cr_assert_eq(tears.kept[i].at, 0x1000 * (i + 1));
}
