// The one cycle that stands for a component.
#ifndef ANALYZER_CYCLE_H
#define ANALYZER_CYCLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "graph.h"
#include "heap.h"
#include "shape.h"

// Where edges stand. Only for edges without a label this has to be read, and a list or dict can
// have very many: the last such row is kept, and the edge that others were compared with last.
struct cycle_places {
    uint32_t source; // whose row it is, or GRAPH_NONE
    struct visit_place *row;
    size_t capacity;
    uint32_t edge; // or GRAPH_NONE
    struct visit_place place;
};

// Space for any number of searches. Heap and components must outlive it.
struct cycle_finder {
    struct heap *heap;
    const struct graph_components *components;
    struct graph_search *search;
    struct shape_link *links;     // of the best cycle so far
    struct shape_link *candidate; // of the one at hand
    size_t capacity;              // of both
    struct cycle_places places;
    struct shape_texts texts;
};

// Allocates nothing.
void cycle_finder_init(struct cycle_finder *finder, struct heap *heap,
                       const struct graph_components *components);
void cycle_finder_deinit(struct cycle_finder *finder);

// The shortest cycle through an object with a finalizer; among the shortest the one with the
// smallest text, which does not depend on addresses. It stays in finder->links until the next call.
// *length is 0 when the component has no finalizer. False: memory is short.
//
// Up to CYCLE_STARTS_MAX objects with finalizers are tried, one of each class first: in a component
// with more of them a shorter cycle may be passed over.
enum {
    CYCLE_STARTS_MAX = 16
};
bool cycle_find(struct cycle_finder *finder, uint32_t component, size_t *length);

// The same where the component is one ring and so has but one cycle; *length is CYCLE_NO_RING when
// it is not. Reads columns of the heap and nothing of the process: threads with a finder each may
// call it at a time.
#define CYCLE_NO_RING SIZE_MAX
bool cycle_follow(struct cycle_finder *finder, uint32_t component, size_t *length);

#endif
