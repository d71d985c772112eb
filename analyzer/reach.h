// Shortest ways through a graph from several sources at once.
//
// It knows nothing of addresses or Python. Memory is taken for all nodes, but only touched where
// the search comes.
#ifndef ANALYZER_REACH_H
#define ANALYZER_REACH_H

#include <stdbool.h>
#include <stdint.h>

#include "graph.h"

// Bits by node.
static inline bool reach_bit(const uint64_t *bits, uint32_t node)
{
    return bits[node / 64] >> (node % 64) & 1;
}

struct reach {
    const struct graph *graph;
    const uint8_t *marks;
    uint8_t through;   // only nodes whose mark has a bit of it are entered
    uint32_t closed;   // the node whose edges are not followed, or GRAPH_NONE
    uint64_t *wanted;  // bits: the caller's, set before the search; cleared when a node is reached
    uint64_t *seen;    // bits
    uint64_t *sources; // bits
    uint32_t *from;    // per seen node: the edge that led there; of a source its tag
    uint32_t *queue;
    uint32_t next, end;
};

// False: memory is short, and nothing needs to be deinited. Graph and marks must outlive it.
bool reach_init(struct reach *reach, const struct graph *graph, const uint8_t *marks,
                uint8_t through, uint32_t closed);
void reach_deinit(struct reach *reach);

// One more source. Sources added before a search are all as near; among equally near ones those
// added first win. One that is seen already, or may not be entered, is passed over.
void reach_add(struct reach *reach, uint32_t node, uint32_t tag);

// Breadth first, until `left` wanted nodes more have been reached or nothing is left. Returns how
// many of these were not. Can be called again after more sources have been added.
uint32_t reach_run(struct reach *reach, uint32_t left);

// One step back from a seen node. False: it is a source, with this tag.
bool reach_step_back(const struct reach *reach, uint32_t node, uint32_t *before, uint32_t *edge,
                     uint32_t *tag);

#endif
