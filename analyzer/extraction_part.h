// One thread's part of the extraction, for its files: objects (extraction.c), what they refer to
// (extraction_edges.c), and where the edges are put (extraction_room.c).
#ifndef ANALYZER_EXTRACTION_PART_H
#define ANALYZER_EXTRACTION_PART_H

#include <pthread.h>

#include "heap.h"
#include "type_cache.h"

enum {
    FOUND_MAX = 1024,      // references at hand at a time
    BATCH_ENOUGH = 192,    // references, after which they become edges
    BATCH_OBJECTS = 64,    // objects whose references are at hand at a time
    CACHED_PATTERNS = 256, // these, per thread
    CACHED_KEYS = 1024,
    CACHED_COMMON = 1024,
    CACHED_STRETCHES = 64,
};

// A label, by the pattern of its place or, for a value of a dict, by the key.
struct cached_label {
    uint64_t word;
    uint16_t label;
};

// A stretch of addresses: of a range, or of the room between two, where no object can be.
struct stretch {
    vaddr start;
    uint64_t size;
    uint64_t first_bit; // DISCOVERY_NO_BIT: between ranges
};

// An object whose references are at hand, and how many there were before its first.
struct batched {
    uint32_t number;
    uint32_t found;
    bool begun; // some of its references are edges already
};

// One thread's part.
struct extraction_part {
    struct extraction *extraction;
    struct heap *heap;
    // Views of its own of what the heap has: reading leaves traces in a memory.
    struct memory memory;
    struct runtime runtime;
    struct object_types types;
    uint32_t first, end;
    uint32_t head_size; // of a PyGC_Head
    struct visitor visitor;
    // Of several objects, so that what their edges need is fetched for all of them at once.
    vaddr found[FOUND_MAX];
    const struct visit_place *patterns[FOUND_MAX];
    uint64_t bits[FOUND_MAX]; // where in the bitmap; DISCOVERY_NO_BIT: nowhere
    struct batched batch[BATCH_OBJECTS];
    size_t batched;
    uint32_t *targets;
    uint16_t *labels;
    uint64_t edges;
    uint64_t capacity;
    bool moved_out; // targets and labels are its own
    uint64_t bytes;
    uint64_t opaque_reasons[HEAP_OPAQUE_REASONS];
    uint64_t coded_objects;
    struct heap_code code; // knows the number of the object at hand
    struct heap_losses losses;
    struct failure *failure;
    struct type_cache object_types; // the entry of the object at hand stays
    struct type_cache target_types; // of what objects refer to
    struct cached_label pattern_labels[CACHED_PATTERNS];
    struct cached_label key_labels[CACHED_KEYS];
    vaddr common[CACHED_COMMON];
    struct stretch stretches[CACHED_STRETCHES]; // by a part of the address
};

struct extraction {
    struct heap *heap;
    uint32_t *rows;
    struct extraction_part *parts;
    unsigned jobs;
    uint64_t edges;       // of all parts so far; they add to it all the time
    bool learns;          // heap_code.h
    pthread_mutex_t lock; // over heap->types, heap->labels and the memory they are read through
};

// Turns all references at hand into edges: the visitor's `full`. The last object may have more to
// come.
void extraction_flush_edges(struct visitor *visitor);

// Room for one more object in the batch.
static inline void extraction_begin_object(struct extraction_part *part, uint32_t number)
{
    if (part->visitor.count >= BATCH_ENOUGH || part->batched == BATCH_OBJECTS)
        extraction_flush_edges(&part->visitor);
    part->batch[part->batched++] = (struct batched){number, (uint32_t)part->visitor.count, false};
}

// Room for `more` edges. A part that outgrows its share of the common arrays moves out of them.
// False: part->failure says why not.
bool extraction_reserve_edges(struct extraction_part *part, uint64_t more);

// Edges that the common arrays have room for.
uint64_t extraction_room(uint64_t objects);

// Gives each part its share of the common arrays, as much as it may need: the less room is left
// between the parts, the fewer pages are touched in vain before the edges close up.
void extraction_share_room(struct extraction *extraction);

// Puts the parts' edges one behind the other. Where no part has moved out they only close up, to
// the front, in place. Failures: NO_MEMORY.
struct failure *extraction_join_parts(struct extraction *extraction)
    __attribute__((warn_unused_result));

#endif
