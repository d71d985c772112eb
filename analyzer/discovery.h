// Finding the tracked objects, and the bitmap that numbers them.
#ifndef ANALYZER_DISCOVERY_H
#define ANALYZER_DISCOVERY_H

#include "heap.h"

struct heap_range {
    vaddr start;
    uint64_t size;
    uint64_t first_bit;
};

enum {
    DISCOVERY_GRAIN = 8, // a PyGC_Head stands on a multiple of this (pymalloc's and malloc's)
    DISCOVERY_HINTS = 1024,
    DISCOVERY_HINT_SHIFT = 20,
};

// The rare half of discovery_find_bit: the range has to be searched.
bool discovery_find_bit_slow(struct heap *heap, vaddr head, uint64_t *bit);

// Walks the rings; fills ranges, bits, ranks, count, generation_objects and losses.
struct failure *discovery_run(struct heap *heap) __attribute__((warn_unused_result));

// The bit of a list element; false when none can stand there.
static inline bool discovery_find_bit(struct heap *heap, vaddr head, uint64_t *bit)
{
    // Threads share the hints: any value is a good guess or a bad one, never a wrong answer.
    unsigned hint = __atomic_load_n(
        &heap->range_hints[(head >> DISCOVERY_HINT_SHIFT) % DISCOVERY_HINTS], __ATOMIC_RELAXED);
    const struct heap_range *range = &heap->ranges[hint];
    uint64_t offset = head - range->start;
    if (offset >= range->size)
        return discovery_find_bit_slow(heap, head, bit);
    *bit = range->first_bit + offset / DISCOVERY_GRAIN;
    return offset % DISCOVERY_GRAIN == 0;
}

// Calls `visit` with each element of a ring, from its first, until it no longer holds together.
void discovery_walk(struct heap *heap, vaddr head, void (*visit)(void *context, vaddr element),
                    void *context);

#endif
