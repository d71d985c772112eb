// Cycles with a finalizer that only references from nowhere keep in use: where part of a heap is
// lost, what held them may be lost, or never have been.
//
// Numbers only, as in collect.h.
#ifndef ANALYZER_SUSPECTS_H
#define ANALYZER_SUSPECTS_H

#include <stdbool.h>
#include <stdint.h>

#include "collect.h"
#include "graph.h"

// The nodes with a finalizer that are in a cycle without the list: those that gc.garbage may have
// for their own sake (an object outside of cycles dies by its references). Bits as of `finalizers`,
// to be freed; NULL: memory is short.
uint8_t *suspects_list_cyclic(const struct graph *graph, const uint8_t *finalizers,
                              uint32_t garbage_list);

// Gives COLLECT_SUSPECT to the members of each cyclic component of COLLECT_REACHABLE nodes that has
// a finalizer and is referred to by no such node outside of it; edges out of `garbage_list` (or
// GRAPH_NONE) do not count. `totals` follows. False: memory is short, nothing is changed.
bool suspects_mark(const struct graph *graph, const uint8_t *finalizers, uint32_t garbage_list,
                   uint8_t *states, struct collect_totals *totals);

#endif
