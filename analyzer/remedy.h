// Which reference to break, so that the collector would have freed the cycles of a finding.
//
// Every reference of the drawn cycle is a candidate. One is an answer only if the collector,
// replayed on the representative's component without it, frees the objects with finalizers. Where
// none is, because a hub has many spokes, each attribute of the cycle is taken away from all the
// objects of its class: that is what a change of the source does. Where that is not enough either,
// several such changes are tried together (remedy_set.h).
//
// The answers are ranked as a reader of the source would choose: what was stored for convenience
// (a caching property, a bound method) before what holds the program together.
#ifndef ANALYZER_REMEDY_H
#define ANALYZER_REMEDY_H

#include "findings.h"
#include "graph.h"
#include "heap.h"

enum {
    REMEDY_BREAKS_MAX = 8, // answers kept
    REMEDY_TRIES_MAX = 64, // candidates replayed, of either kind
    REMEDY_WORK = 1 << 28, // members and edges looked at, over all findings
};

// Fills breaks, break_count, breaks_tried and set of a finding whose steps are known. *work is what
// is left of REMEDY_WORK; without enough of it, breaks_tried stays 0. Failures: NO_MEMORY.
struct failure *remedy_find(struct heap *heap, const struct graph_components *components,
                            uint32_t component, uint64_t *work, struct finding *finding)
    __attribute__((warn_unused_result));

#endif
