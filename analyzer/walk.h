// Components by a depth-first walk: Pearce's one-array variant of Tarjan's algorithm ("A
// Space-Efficient Algorithm for Finding Strongly Connected Components", 2016), with explicit
// stacks.
//
// A part of components.c: what rings.h left is walked.
#ifndef ANALYZER_WALK_H
#define ANALYZER_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "graph.h"

#define WALK_FIRST_ID (GRAPH_NONE - 1) // of a component; the others' ids go down from it

struct walk_found {
    uint32_t count;     // components; the last one's id is WALK_FIRST_ID - (count - 1)
    uint32_t *smallest; // per component, in the order of ids: its smallest member. The caller's
    uint32_t members;
};

// index: 0 for the nodes to walk, `left` of them; for others a value that no index reaches while
// they are walked. After it: instead of 0 the id of a cyclic component, or GRAPH_NONE. False:
// memory is short; what has been found is to be freed all the same.
bool walk_run(const struct graph *graph, uint32_t *index, uint32_t left, struct walk_found *found);

#endif
