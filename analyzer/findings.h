// Components with a finalizer, folded into findings: all cycles of one shape, told by one
// representative.
//
// A shape is the (type, edge) sequence around the shortest cycle through a finalizer, instance
// dictionaries folded into their owner, rotated to its smallest start. It holds no address, no
// index and no key, so one leak has one signature in every core of it.
#ifndef ANALYZER_FINDINGS_H
#define ANALYZER_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collect.h"
#include "failure.h"
#include "graph.h"
#include "heap.h"
#include "origin.h"

// One element of a cycle. `edge` leads to the next one, and from the last back to the first.
struct finding_step {
    vaddr object;
    char *type; // "module.Class"
    char *edge; // ".name", "[3]", "[str]", ".__dict__[str]", "cell NAME", "local NAME"
    bool finalizer;
    vaddr del_source; // object_find_del_source, of one with a finalizer
    bool attribute;   // the edge is one: it stands in an instance dictionary or a slot
    uint32_t cut;     // the edge of the graph without which this one were not: of the instance
                      // dictionary to the value, of the closure's cell to its contents
    vaddr key;        // of a dictionary, which the edge does not tell; 0: none
    char *key_edge;   // the edge that does: "['job 17']"; NULL: values are not to be shown
    size_t number;    // of the step in its cycle
};

// What a report calls the edge.
static inline const char *finding_step_edge(const struct finding_step *step)
{
    return step->key_edge ? step->key_edge : step->edge;
}

// What a reference was made for, and so what to do about it. In the order in which a reader of the
// source would choose.
enum break_kind {
    BREAK_CACHED,         // an attribute that a descriptor of the class keeps (a caching property)
    BREAK_METHOD,         // a bound method as an attribute
    BREAK_CLOSURE,        // a function as an attribute
    BREAK_GENERATOR,      // a generator as an attribute
    BREAK_BACK_REFERENCE, // an attribute that leads back to the object with the finalizer
    BREAK_ATTRIBUTE,      // any other
    BREAK_ITEM,           // of a list, a dictionary ...
    BREAK_LOCAL,          // a local variable of a frame
    BREAK_CELL,           // a variable of a closure
    BREAK_STRUCTURE,      // what an object needs to be what it is: im_self, gi_frame
};

// Of how many components an answer was tried on, and how many it frees. In both are only such as
// are no plain rings: of these any reference of the drawn cycle frees all.
struct finding_tally {
    uint32_t replayed;
    uint32_t freed;
};

// A reference of the drawn cycle without which the collector frees the example's component.
struct finding_break {
    size_t step;
    enum break_kind kind;
    bool every; // it alone is not enough: the same attribute of every object of the class is
    struct finding_tally tally;
};

// A change of the source: a reference taken away from every object of its class.
struct finding_change {
    struct finding_step *step; // one, an example; of its own. An item's edge is "[...]"
    enum break_kind kind;
    size_t drawn;           // its first step of the drawn cycle; SIZE_MAX: not drawn
    struct origins origins; // who sets it, if it is an attribute
};

enum finding_set_state {
    FINDING_SET_NOT_TRIED, // a single one is enough, or it was too large
    FINDING_SET_NONE,      // not even all attributes, items and variables together
    FINDING_SET_FOUND,
    FINDING_SET_TOO_LARGE, // to be told; size says how many
};

// Changes without all of which the collector frees the example's component.
struct finding_set {
    enum finding_set_state state;
    size_t size;
    struct finding_change *items; // what to think of first, first
    size_t count;                 // size, or 0
    struct finding_tally tally;   // of all together
};

struct finding_finalizer {
    vaddr class_address;
    vaddr example; // an object of the class
    char *class;   // "module.Class"
    struct object_del del;
    vaddr del_source; // of the example
};

enum {
    SIGNATURE_SIZE = 9
}; // 8 hex digits

enum {
    FINDING_SIZES = 32 // powers of two that a number of objects lies between
};

// Objects per cycle (component).
struct finding_sizes {
    uint32_t least;
    uint32_t median; // the lower one of two
    uint32_t most;
    uint32_t counts[FINDING_SIZES]; // cycles with 2^i to 2^(i + 1) - 1 objects
};

// Of a cycle of more than FINDING_STEPS_MAX steps are kept: the first and the last, and between
// them the first of each type and edge that is new, with the step after it.
enum {
    FINDING_STEPS_FIRST = 1000,
    FINDING_STEPS_LAST = 20,
    FINDING_STEPS_MORE = 500, // of those between
    FINDING_STEPS_MAX = FINDING_STEPS_FIRST,
};

struct finding {
    char signature[SIGNATURE_SIZE];
    enum collect_state state; // COLLECT_UNCOLLECTABLE or COLLECT_PENDING
    uint64_t count;           // components
    uint64_t uneven;          // of these that are no plain rings, and need not be alike
    uint64_t objects;         // their members
    struct finding_sizes sizes;
    uint64_t bytes;
    uint64_t held_objects; // not members, but reachable from this finding's cycles alone
    uint64_t held_bytes;
    struct finding_step *steps;           // of the representative, as far as kept, by number
    size_t step_count;                    // of its cycle
    size_t steps_left_out;                // of these
    struct finding_finalizer *finalizers; // one per class, over all its components
    size_t finalizer_count;
    vaddr example;            // the member of the representative that has a finalizer
    uint64_t example_objects; // members of the representative's component
    uint64_t example_bytes;
    struct finding_break *breaks; // the first to think of first
    size_t break_count;
    struct finding_set set; // where there are no breaks, or only of structure
    uint32_t owner;         // its number in the owners
    struct origins origins; // who sets the first of them, if it is an attribute
    size_t breaks_tried;    // references of the cycle that were taken out; 0: too large to try
};

// Objects of one type that are held though the collector does not know: untracked ones, and such
// tracked ones as only these refer to.
struct findings_held {
    uint64_t objects;
    uint64_t bytes;
};

struct findings {
    struct finding *items; // most bytes (own and held) first
    size_t count;
    // Dead or kept with the cycles, but charged to no finding: reachable from several, or from
    // finalizer objects that are in no cycle.
    uint64_t shared_objects;
    uint64_t shared_bytes;
    struct findings_held *held_types; // by number of the type in heap->types
    size_t held_type_count;           // may be fewer than there are types
    uint64_t unread_edges;            // edges of cycles that could not be named
    uint32_t *owners; // per node the number of the finding that alone keeps it, else any other;
                      // NULL: not asked for. Holds of nodes that are uncollectable or pending.
};

static inline size_t finding_kept_steps(const struct finding *finding)
{
    return finding->step_count - finding->steps_left_out;
}

// Of the answer that is told first: the set, or else the first break.
static inline struct finding_tally finding_first_tally(const struct finding *finding)
{
    if (finding->set.count)
        return finding->set.tally;
    return finding->break_count ? finding->breaks[0].tally : (struct finding_tally){0};
}

// The step of that number; NULL: it is not kept. FINDING_STEPS_FIRST are, and FINDING_STEPS_LAST,
// and those of breaks and changes.
const struct finding_step *finding_find_step(const struct finding *finding, size_t number);

// The step after one that is kept; NULL: that one is not.
static inline const struct finding_step *finding_next(const struct finding *finding,
                                                      const struct finding_step *step)
{
    size_t number = finding->step_count ? (step->number + 1) % finding->step_count : 0;
    return finding_find_step(finding, number);
}

// states: collect_run's, which has used up the heap's gc_refs; these are taken. Failures:
// NO_MEMORY.
struct failure *findings_create(struct heap *heap, const uint8_t *states,
                                struct findings **findings) __attribute__((warn_unused_result));
// The same, with owners.
struct failure *findings_create_with_owners(struct heap *heap, const uint8_t *states,
                                            struct findings **findings)
    __attribute__((warn_unused_result));
// Fills `origins` of the first findings, at most `limit` (0: all). Failures: NO_MEMORY.
struct failure *findings_find_origins(struct findings *findings, struct heap *heap, uint64_t limit)
    __attribute__((warn_unused_result));
void findings_destroy(struct findings *findings);

#endif
