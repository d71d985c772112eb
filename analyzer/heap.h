// Every tracked object gets a number, every reference between tracked objects becomes an edge.
//
// Objects are found through pymalloc's pools or along the rings of the three generations, and
// numbered by rank in a bitmap that has one bit for every place where a PyGC_Head could stand: so
// numbers go by address, and an address is turned into its number without a search. Then all
// objects are visited in address order, once: type, size, finalizer, references.
//
// What leads from one object to another (an attribute name, an index) is kept only as a number that
// is equal for equal places; the place itself is found again by visiting the one object, when a
// report asks.
#ifndef ANALYZER_HEAP_H
#define ANALYZER_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "graph.h"
#include "heap_code.h"
#include "memory.h"
#include "object.h"
#include "progress.h"
#include "runtime.h"
#include "tears.h"
#include "traverse.h"

enum {
    HEAP_NO_TYPE = -1,
    HEAP_GRAIN = 8, // a PyGC_Head stands on a multiple of this (pymalloc's and malloc's)
};

// Sizes are kept in units, as far as 16 bits go: what allocators give is a multiple of 8.
enum {
    HEAP_SIZE_UNIT = 8,
    HEAP_SIZE_LARGE = UINT16_MAX
};

// Edges are labelled by a number, as far as 16 bits go.
enum {
    HEAP_NO_LABEL = 0xffff,
    HEAP_LABELS_MAX = HEAP_NO_LABEL - 1,
    HEAP_LABEL_SLOTS = 1 << 18,
};

// An untracked object of at most HEAP_COMMON_SIZE bytes with more than HEAP_COMMON_REFERENCES
// references (None, small numbers, the names of attributes) is taken for everybody's. What this
// may miss of the memory that a finding holds is less than a quarter of a byte per reference.
enum {
    HEAP_COMMON_SIZE = 256,
    HEAP_COMMON_REFERENCES = 1024
};

// Why objects are opaque: how running their traversal ended, or what is not that.
enum {
    HEAP_OPAQUE_CLASS = HEAP_CODE_ENDINGS, // classes that say what there is cannot be read
    HEAP_OPAQUE_REASONS
};

enum {
    HEAP_UNREADABLE_TOLD = 8 // addresses that are kept
};

struct heap_range; // a span with tracked objects, and where its bits start

// What could not be read. Any of these but objects_in_flux makes the report's numbers lower bounds.
struct heap_losses {
    struct tears tears;          // places where a list does not hold together
    uint64_t objects_in_flux;    // gc_refs of a collection in progress; nothing is lost by that
    bool lists_unknown;          // one was in progress, and nothing can tell if all was found
    uint64_t unreadable_objects; // no type, or their own bytes not saved
    vaddr unreadable_at[HEAP_UNREADABLE_TOLD]; // the first of them
    uint64_t unreadable_parts;                 // tables, items, frames of readable objects
    uint64_t unreadable_sizes;                 // sizes that had to be guessed low
};

// How many there may be.
struct heap_limits {
    uint32_t objects;    // below GRAPH_NONE
    uint32_t references; // below UINT32_MAX
};

struct heap {
    const struct runtime *runtime;
    struct heap_limits limits;
    struct object_types types;
    uint32_t count;
    int32_t *type;       // number in types, or HEAP_NO_TYPE
    uint16_t *sizes;     // object_size in units; HEAP_SIZE_LARGE: ask heap_size
    int32_t *gc_refs;    // ob_refcnt, no more than INT32_MAX; collect_run uses it up
    uint8_t *finalizers; // one bit per object
    uint8_t *owners;     // one bit per object: refers to untracked objects that are not common
    struct graph graph;  // rows and targets belong to the heap
    uint32_t *targets;
    uint16_t *edge_labels; // per edge, or HEAP_NO_LABEL: only heap_find_place knows
    uint64_t edges;
    uint64_t generation_objects[RUNTIME_GENERATIONS];
    bool by_pools; // the objects were found through pymalloc's pools, and proved to be all
    uint64_t listed_on_stacks; // objects on lists of a collection in progress, heads on a stack
    uint64_t listed_elsewhere; // on lists that no head led to, but an object on them did
    uint64_t bytes;            // sum of all sizes
    uint8_t *opaque;           // one bit per object: not all of its references are known
    uint64_t opaque_objects;   // how many of these there are
    uint64_t opaque_reasons[HEAP_OPAQUE_REASONS]; // and why
    uint64_t coded_objects;                       // visited by running their own tp_traverse
    uint64_t learned_objects; // of these without running it; how many depends on the threads
    struct heap_losses losses;
    struct progress *progress; // the caller's
    // private
    struct heap_code code; // for the thread that asks
    struct heap_range *ranges;
    size_t range_count;
    uint16_t *range_hints; // by a part of the address, the range of the last hit there
    uint64_t *bits;
    uint32_t *ranks; // objects before each word of bits
    uint64_t word_count;
    struct visit_place *label_places;
    uint32_t *label_slots; // hash table of labels + 1
    uint16_t label_count;
};

// Do the lists show that a collection was in progress?
static inline bool heap_shows_collection(const struct heap *heap)
{
    // (Where lists are broken, what was found elsewhere may be what they lost.)
    return heap->losses.objects_in_flux || heap->listed_on_stacks ||
           (heap->listed_elsewhere && !tears_any(&heap->losses.tears));
}

// Failures: NO_MEMORY, UNSUPPORTED (more objects or references than 32 bits can number), DAMAGED
// (not one object could be read). The runtime must outlive the heap.
// `jobs` threads share the work (0 counts as 1); the result does not depend on their number.
// `progress` is told how far it is (NULL: nobody looks), and must outlive the heap.
struct failure *heap_create(const struct runtime *runtime, const struct runtime_source *source,
                            unsigned jobs, struct progress *progress, struct heap **heap)
    __attribute__((warn_unused_result));
// The same for a heap that may have fewer objects and references than 32 bits can number.
struct failure *heap_create_within(const struct runtime *runtime,
                                   const struct runtime_source *source, unsigned jobs,
                                   struct progress *progress, struct heap_limits limits,
                                   struct heap **heap) __attribute__((warn_unused_result));
void heap_destroy(struct heap *heap);

// The number of a tracked object. False: it is not one.
bool heap_find(struct heap *heap, vaddr object, uint32_t *number);

// The address of an object (not of its PyGC_Head). A search: to go through all, use a cursor.
vaddr heap_address(const struct heap *heap, uint32_t number);

// How many bits are set, where the processor's own instruction may not be asked for (x86-64 of
// 2003 has none, and the compiler then calls a function).
static inline uint32_t heap_count_bits(uint64_t word)
{
    word -= word >> 1 & UINT64_C(0x5555555555555555);
    word = (word & UINT64_C(0x3333333333333333)) + (word >> 2 & UINT64_C(0x3333333333333333));
    word = (word + (word >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (uint32_t)(word * UINT64_C(0x0101010101010101) >> 56);
}

// Goes through the objects in the order of their numbers.
struct heap_cursor {
    const struct heap *heap;
    size_t range;
    uint64_t word;
    uint64_t left;     // bits of the word still to come
    vaddr first_place; // of an object with the lowest of its bits
};
// The first object that heap_cursor_next gives is `first`.
void heap_cursor_init(struct heap_cursor *cursor, const struct heap *heap, uint32_t first);

// The rare half of heap_cursor_next: goes to the next word with an object.
void heap_cursor_advance(struct heap_cursor *cursor);

// Must not be called more often than there are objects.
static inline vaddr heap_cursor_next(struct heap_cursor *cursor)
{
    if (!cursor->left)
        heap_cursor_advance(cursor);
    vaddr object = cursor->first_place + (vaddr)__builtin_ctzll(cursor->left) * HEAP_GRAIN;
    cursor->left &= cursor->left - 1;
    return object;
}

// The address of a number that is not below *at, the one that the cursor gives next; *at follows.
vaddr heap_cursor_find(struct heap_cursor *cursor, uint32_t *at, uint32_t number);

uint64_t heap_size(struct heap *heap, uint32_t number);

static inline bool heap_has_finalizer(const struct heap *heap, uint32_t number)
{
    return heap->finalizers[number / 8] >> (number % 8) & 1;
}

static inline bool heap_owns_untracked(const struct heap *heap, uint32_t number)
{
    return heap->owners[number / 8] >> (number % 8) & 1;
}

// The place that a label stands for; its index, where it has one, is left out.
static inline const struct visit_place *heap_label_place(const struct heap *heap, uint16_t label)
{
    return &heap->label_places[label];
}

// Where in its source an edge stands. `edge` is an index into graph.targets. MEMORY_NONSENSE:
// the object does not have that many references.
enum memory_status heap_find_place(struct heap *heap, uint32_t source, uint32_t edge,
                                   struct visit_place *place);

// The places of all edges of an object, in their order; `places` has room for them. Where there are
// many this is much less than asking for each. MEMORY_NONSENSE: as above, some are not written.
enum memory_status heap_read_places(struct heap *heap, uint32_t source, struct visit_place *places);

// Types whose references are not known, by name, and how many objects there are of each.
struct heap_opaque_type {
    const char *name; // the heap's
    uint64_t objects;
};
// Why: a text to follow "their traversal", and of how many objects. Most objects first.
struct heap_opaque_reason {
    const char *text;
    uint64_t objects;
};
// From such counts as heap->opaque_reasons. Returns how many reasons there are.
size_t heap_list_opaque_reasons(const struct heap *heap, const uint64_t counts[HEAP_OPAQUE_REASONS],
                                struct heap_opaque_reason reasons[HEAP_OPAQUE_REASONS]);

// An array to be freed. Failures: NO_MEMORY.
struct failure *heap_list_opaque(const struct heap *heap, struct heap_opaque_type **list,
                                 size_t *count) __attribute__((warn_unused_result));

// All references of an object as its tp_traverse visits them, untracked targets included.
void heap_each_reference(struct heap *heap, uint32_t number,
                         void (*take)(void *context, vaddr target), void *context);

// The items of a list object, at most `limit` of them (0: all), in an array to be freed. *length is
// its ob_size, *read how many of them can be read: fewer when some were not saved. Failures:
// NO_MEMORY.
struct failure *heap_read_list(struct heap *heap, vaddr list, uint64_t limit, vaddr **items,
                               uint64_t *read, uint64_t *length)
    __attribute__((warn_unused_result));

// ob_size of a list; 0 when it cannot be read.
uint64_t heap_list_length(struct heap *heap, vaddr list);

// Does a list have no items, but had some? A list that never had any has no array for them, nor has
// one that was emptied at a stroke (list_clear, Objects/listobject.c): false may be either.
bool heap_list_was_emptied(struct heap *heap, vaddr list);

// The memory of gc_refs, an entry per object, once collect_run has used them up: to be freed by the
// caller. NULL: it has been taken before.
uint32_t *heap_take_refcounts(struct heap *heap) __attribute__((warn_unused_result));

// ob_refcnt; 0 when it cannot be read.
int64_t heap_read_refcnt(struct heap *heap, uint32_t number);

// Writes the generation of every object, one byte each: walks the younger rings again.
void heap_read_generations(struct heap *heap, uint8_t *generations);

#endif
