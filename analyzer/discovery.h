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
    DISCOVERY_GRAIN = 8,   // a PyGC_Head stands on a multiple of this (pymalloc's and malloc's)
    DISCOVERY_BLOCK = 512, // bits per entry of heap.ranks
};

// Walks the rings; fills ranges, bits, ranks, count, generation_objects and losses.
struct failure *discovery_run(struct heap *heap) __attribute__((warn_unused_result));

// The bit of a list element; false when none can stand there.
bool discovery_find_bit(struct heap *heap, vaddr head, uint64_t *bit);

// Calls `visit` with each element of a ring, from its first, until it no longer holds together.
void discovery_walk(struct heap *heap, vaddr head, void (*visit)(void *context, vaddr element),
                    void *context);

#endif
