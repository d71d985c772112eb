// The objects of one finding's example and how they refer to each other, to be drawn.
#ifndef ANALYZER_DRAWING_H
#define ANALYZER_DRAWING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "findings.h"
#include "heap.h"

enum {
    DRAWING_NODES_MAX = 10000,
    DRAWING_EDGES_PER_NODE = 8, // on average
};

struct drawing_node {
    uint32_t number; // in the heap
    vaddr object;
    char *type;
    bool finalizer;
};

struct drawing_edge {
    size_t from, to; // nodes
    char *label;
    bool to_break;
};

// Members of the component; the dictionaries in which objects keep their attributes are not drawn,
// what they hold are edges of the object.
struct drawing {
    const struct finding *finding;
    struct drawing_node *nodes; // those of the told cycle first, then the nearest
    size_t node_count;
    struct drawing_edge *edges;
    size_t edge_count;
    bool cut; // by the limit
};

// At most `limit` nodes (0 or more than DRAWING_NODES_MAX: so many). Failures: NO_MEMORY.
struct failure *drawing_init(struct drawing *drawing, struct heap *heap, const uint8_t *states,
                             const struct finding *finding, uint64_t limit)
    __attribute__((warn_unused_result));
void drawing_deinit(struct drawing *drawing);

#endif
