// One component by itself, and the collector asked what it would do without some of its edges.
//
// It knows numbers only. The component is cut out with the edges among its members, every one of
// which is taken for a reference: so it is as unreachable as the whole of it was.
#ifndef ANALYZER_REPLAY_H
#define ANALYZER_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "graph.h"

struct replay;

// Takes what it needs: the graph and the components may go. 17 bytes per member and 13 per edge.
// False: memory is short.
bool replay_create(const struct graph *graph, const struct graph_components *components,
                   uint32_t component, const uint8_t *finalizers, struct replay **replay);
void replay_destroy(struct replay *replay);

// The edges among the members, ascending indexes into the graph's targets.
const uint32_t *replay_edges(const struct replay *replay, uint32_t *count);

// What one question takes, edges and members: its time is in proportion.
uint64_t replay_cost(const struct replay *replay);

// Puts all edges back.
void replay_reset(struct replay *replay);

// Takes an edge out, an index into the graph's targets. One that is not among them changes nothing.
void replay_take_out(struct replay *replay, uint32_t edge);

// The same by its place among replay_edges, which must be one of them. Without a search.
void replay_take_out_at(struct replay *replay, uint32_t at);

// Had the edges that are out never been there: would no member with a finalizer come into
// gc.garbage? What nothing would then refer to has died before. Where some edges are enough, more
// are too: what keeps a member with a finalizer is a path and a cycle, and taking out makes none.
bool replay_is_collected(struct replay *replay);

#endif
