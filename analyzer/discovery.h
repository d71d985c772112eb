// Finding the tracked objects, and the bitmap that numbers them.
//
// Two sources: the pools of pymalloc in address order, with proof (pools.h), or the rings.
#ifndef ANALYZER_DISCOVERY_H
#define ANALYZER_DISCOVERY_H

#include "heap.h"

// A span of saved memory and where its bits are.
struct heap_range {
    vaddr start;
    uint64_t size;
    uint64_t first_bit;  // a multiple of 64
    uint64_t first_page; // of those that pools.c looks at
};

enum {
    DISCOVERY_HINTS = 1024,
    DISCOVERY_HINT_SHIFT = 20,
    // gc_refs while no collection is in progress (Modules/gcmodule.c)
    GC_UNTRACKED = -2,
    GC_REACHABLE = -3,
    GC_TENTATIVELY_UNREACHABLE = -4, // while one is
};

// Fills ranges, bits, ranks, count, generation_objects, by_pools, listed_on_stacks,
// listed_elsewhere and losses.
struct failure *discovery_run(struct heap *heap, const struct runtime_source *source, unsigned jobs)
    __attribute__((warn_unused_result));

// The last range that does not begin behind an address, or the first.
size_t discovery_find_last_range(const struct heap *heap, vaddr at);

// The rare half of discovery_find_range: it has to be searched.
const struct heap_range *discovery_find_range_slow(struct heap *heap, vaddr at);

// The range that holds an address, or NULL.
static inline const struct heap_range *discovery_find_range(struct heap *heap, vaddr at)
{
    // Threads share the hints: any value is a good guess or a bad one, never a wrong answer.
    unsigned hint = __atomic_load_n(
        &heap->range_hints[(at >> DISCOVERY_HINT_SHIFT) % DISCOVERY_HINTS], __ATOMIC_RELAXED);
    const struct heap_range *range = &heap->ranges[hint];
    return at - range->start < range->size ? range : discovery_find_range_slow(heap, at);
}

#define DISCOVERY_NO_BIT UINT64_MAX

// The bit of a list element; DISCOVERY_NO_BIT when none can stand there.
static inline uint64_t discovery_bit(struct heap *heap, vaddr head)
{
    const struct heap_range *range = discovery_find_range(heap, head);
    if (!range || head % HEAP_GRAIN)
        return DISCOVERY_NO_BIT;
    return range->first_bit + (head - range->start) / HEAP_GRAIN;
}

// The same of an object, which its PyGC_Head stands before.
static inline uint64_t discovery_object_bit(struct heap *heap, vaddr object)
{
    return discovery_bit(heap,
                         object - layout_offset(&heap->runtime->layout, LAYOUT_PyGC_Head_sizeof));
}

// The number of the object whose bit that is; false: there is none.
static inline bool discovery_number_of_bit(const struct heap *heap, uint64_t bit, uint32_t *number)
{
    uint64_t word = heap->bits[bit / 64];
    if (!(word >> (bit % 64) & 1))
        return false;
    uint64_t below = word & ((UINT64_C(1) << (bit % 64)) - 1);
    *number = heap->ranks[bit / 64] + heap_count_bits(below);
    return true;
}

// --- for those who look for more objects

// A PyGC_Head: of an object, or of a list.
struct discovery_element {
    vaddr at;
    vaddr next;
    vaddr previous;
    int64_t refs;
};

// False: it cannot be read.
bool discovery_read(struct heap *heap, vaddr at, struct discovery_element *element);

// The neighbour of an element in a direction; false when it does not point back.
bool discovery_step(struct heap *heap, const struct discovery_element *from, bool forward,
                    struct discovery_element *to);

// Is an element followed by an object that the collector could have put into a list?
bool discovery_is_object(struct heap *heap, const struct discovery_element *element);

// Marks an element as a tracked object; false when it cannot be one or is marked already.
bool discovery_take(struct heap *heap, const struct discovery_element *element);
bool discovery_is_marked(struct heap *heap, vaddr at);

// Counts the place where a list does not hold together behind an element, in a direction.
void discovery_note_tear(struct heap *heap, const struct discovery_element *from, bool forward);

// Calls `visit` with each element of a ring, from its first, until it no longer holds together.
void discovery_walk(struct heap *heap, vaddr head, void (*visit)(void *context, vaddr element),
                    void *context);

#endif
