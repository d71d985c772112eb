// Short rings found by following edges, without a walk: nearly all cyclic components of a leak.
//
// Of a node from which only one edge leads to a wanted node, nothing else needs to be known than
// where that edge leads. A way over such nodes that comes back to where it began is a component:
// nothing else can be reached from its nodes. So rings can be found in any order, by any number of
// threads, and each is found from its smallest member, by one thread.
//
// What is not a short ring is left for the walk of components.c.
#ifndef ANALYZER_RINGS_H
#define ANALYZER_RINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "graph.h"

enum {
    RINGS_FOUND =
        1 << 30, // in an index: a member of a ring; the other bits are its smallest member
};

struct rings_totals {
    uint32_t members; // of the rings found
    uint32_t left;    // nodes that are to be walked
};

// index: per node, written: RINGS_FOUND and a smallest member; GRAPH_NONE for a node that is not
// wanted or in no cycle; 0 for a node that is left. Which are left may depend on the threads, and
// in a graph with more nodes than RINGS_FOUND all wanted ones are.
void rings_find(const struct graph *graph, const uint8_t *marks, uint8_t wanted, uint32_t *index,
                struct rings_totals *totals);

#endif
