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

// One element of a cycle. `edge` leads to the next one, and from the last back to the first.
struct finding_step {
    vaddr object;
    char *type; // "module.Class"
    char *edge; // ".name", "[3]", "[str]", "cell NAME", "local NAME"
    bool finalizer;
    vaddr del_source; // object_find_del_source, of one with a finalizer
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

struct finding {
    char signature[SIGNATURE_SIZE];
    enum collect_state state; // COLLECT_UNCOLLECTABLE or COLLECT_PENDING
    uint64_t count;           // components
    uint64_t objects;         // their members
    uint64_t bytes;
    uint64_t held_objects; // not members, but reachable from this finding's cycles alone
    uint64_t held_bytes;
    struct finding_step *steps; // of the representative
    size_t step_count;
    struct finding_finalizer *finalizers; // one per class, over all its components
    size_t finalizer_count;
    vaddr example;            // the member of the representative that has a finalizer
    uint64_t example_objects; // members of the representative's component
    uint64_t example_bytes;
};

struct findings {
    struct finding *items; // most bytes (own and held) first
    size_t count;
    // Dead or kept with the cycles, but charged to no finding: reachable from several, or from
    // finalizer objects that are in no cycle.
    uint64_t shared_objects;
    uint64_t shared_bytes;
    uint64_t unread_edges; // edges of cycles that could not be named
};

// states: collect_run's. Failures: NO_MEMORY.
struct failure *findings_create(struct heap *heap, const uint8_t *states,
                                struct findings **findings) __attribute__((warn_unused_result));
void findings_destroy(struct findings *findings);

#endif
