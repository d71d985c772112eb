// A mark that spreads along the edges of a graph: the operation of which collect.h is made.
#ifndef ANALYZER_CLOSURE_H
#define ANALYZER_CLOSURE_H

#include "graph.h"

struct closure {
    const struct graph *graph;
    uint8_t *marks;  // one per node; at a multiple of 8 bytes, as malloc's memory is
    uint32_t *queue; // scratch, an entry per node; none enters twice
    uint32_t queued; // 0 before a run
    uint32_t closed; // the node that is not followed
    uint8_t mark;    // is put
    uint8_t stop;    // not where one of these is; mark is one of these
};

// After it: closure->mark is on every node to which edges lead from a node that has `from` and not
// `but`, without passing a node with a mark of closure->stop or going out of closure->closed.
void closure_run(struct closure *closure, uint8_t from, uint8_t but);

// The same with but = 0, by threads where there are many nodes. `from` and `followed` are single
// bits; closure->mark has `from` and no node has `followed`. After it: any node may have it.
void closure_run_shared(struct closure *closure, uint8_t from, uint8_t followed);

#endif
