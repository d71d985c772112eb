// Several lists of ranges become one memory: at every address the first list that has a range there
// decides.
//
// All lists are sorted and swept once, so that tens of thousands of ranges cost no more than their
// sorting. This module does not know what the lists stand for: cores and files are the caller's.
// A layer owns its list and not the bytes behind it, which must outlive the layer and the memory.
#ifndef ANALYZER_LAYERS_H
#define ANALYZER_LAYERS_H

#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "memory.h"

struct layer_piece {
    struct memory_span span;
    size_t order; // of adding: decides between two that start together
};

// All zeroes is an empty one.
struct layer {
    struct layer_piece *pieces;
    size_t count;
    // private
    size_t at; // of the sweep
};

// A range of no bytes at all is left out. bytes NULL: mapped, and nobody has them.
// Ranges of one layer may overlap: the lower one decides as far as it reaches, of two that start
// together the one added first. Failure: NO_MEMORY.
struct failure *layer_add(struct layer *layer, vaddr start, uint64_t size, const uint8_t *bytes)
    __attribute__((warn_unused_result));

// A range whose bytes are a hole of their file (memory_add_hole).
struct failure *layer_add_hole(struct layer *layer, vaddr start, uint64_t size,
                               const uint8_t *bytes) __attribute__((warn_unused_result));

// A range whose bytes the core should have and has not.
struct failure *layer_add_lost(struct layer *layer, vaddr start, uint64_t size)
    __attribute__((warn_unused_result));
void layer_deinit(struct layer *layer);

// By start address; adding ends it.
void layer_sort(struct layer *layer);

// The bytes from `at` on to the end of the range that holds it (of several the one that starts
// last), or NULL: no range, or one without bytes. The layer must be sorted.
const uint8_t *layer_find(const struct layer *layer, vaddr at, uint64_t *size);

// Sorts the layers, of which the first goes before all others, and adds what they make together to
// an empty memory. Once for each layer. Failure: NO_MEMORY.
struct failure *layers_merge(struct layer *layers, size_t count, struct memory *memory)
    __attribute__((warn_unused_result));

#endif
