// A frozen directed graph of numbers, and what can be asked of it.
//
// It knows nothing of addresses or Python: nodes are 0 .. nodes - 1, an edge is an index into
// `targets`. Nothing here recurses, and nothing takes more than linear time in what it looks at.
// Functions that allocate return false when memory is short, and leave their outputs alone.
#ifndef ANALYZER_GRAPH_H
#define ANALYZER_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "parallel.h"

#define GRAPH_NONE UINT32_MAX

// Rows of targets, compressed: the edges of node n are rows[n] .. rows[n + 1] - 1, in the order in
// which they were met; parallel edges and loops are kept. The arrays belong to whoever made them.
struct graph {
    uint32_t nodes;
    const uint32_t *rows; // nodes + 1 entries
    const uint32_t *targets;
    unsigned jobs; // threads that may work on it at a time; no result depends on it. 0 counts as 1
};

enum {
    GRAPH_SHARED_NODES = 1 << 14 // with fewer, threads are not worth their start
};

// How many threads a pass over the whole graph should have.
static inline unsigned graph_jobs(const struct graph *graph)
{
    unsigned jobs = graph->jobs < PARALLEL_JOBS_MAX ? graph->jobs : PARALLEL_JOBS_MAX;
    return jobs && graph->nodes >= GRAPH_SHARED_NODES ? jobs : 1;
}

// The cyclic strongly connected components of a part of a graph: those of two or more nodes, and
// single nodes with an edge to themselves. Numbered by their smallest member.
struct graph_components {
    uint32_t count;
    uint32_t *of;      // per node: its component, or GRAPH_NONE
    uint32_t *starts;  // count + 1 entries: the members of c are members[starts[c]] ..
    uint32_t *members; // ascending within a component
};

// Where a number stands among ascending ones, or GRAPH_NONE.
static inline uint32_t graph_find_ascending(const uint32_t *numbers, uint32_t count,
                                            uint32_t number)
{
    uint32_t low = 0;
    for (uint32_t high = count; high - low > 1;) {
        uint32_t middle = low + (high - low) / 2;
        if (numbers[middle] <= number)
            low = middle;
        else
            high = middle;
    }
    return count && numbers[low] == number ? low : GRAPH_NONE;
}

// Finds the components among the nodes whose mark has a bit of `wanted`; edges to other nodes do
// not count. At its peak it needs the components themselves and a byte or two per node, but for
// what a walk has to remember of large components.
bool graph_components_create(const struct graph *graph, const uint8_t *marks, uint8_t wanted,
                             struct graph_components *components);
// The same with `of` in memory that the caller has and free() takes, an entry per node: it is the
// components' from now on, and freed on failure.
bool graph_components_create_in(const struct graph *graph, const uint8_t *marks, uint8_t wanted,
                                uint32_t *of, struct graph_components *components);
void graph_components_destroy(struct graph_components *components);

// Is the component one ring: every member with exactly one edge (parallel ones counted) to a
// member? Then it has exactly one cycle, and following those edges walks it.
bool graph_component_is_ring(const struct graph *graph, const struct graph_components *components,
                             uint32_t component);

// Space for cycle searches; made once, used for any number of searches, sized by what they visit
// plus 4 bytes per node of the graph. Graph and components must outlive it.
struct graph_search;
bool graph_search_create(const struct graph *graph, const struct graph_components *components,
                         struct graph_search **search);
void graph_search_destroy(struct graph_search *search);

// Which of two edges the caller would rather have in a cycle: negative for the first, positive for
// the second, 0 when it cannot tell them apart. Must be a total preorder.
typedef int graph_prefer(void *context, uint32_t source_a, uint32_t edge_a, uint32_t source_b,
                         uint32_t edge_b);

// The shortest cycle through `start` inside its component; among the shortest the one whose edges,
// in order from start, are preferred at the first difference; among equally preferred ones the
// smallest sequence of indexes. On success *edges holds *length edge indexes; edge 0 leaves start,
// the last one returns to it; they belong to the search and are good until the next call. False for
// lack of memory, or when `start` is a member of no component.
bool graph_search_cycle(struct graph_search *search, uint32_t start, graph_prefer *prefer,
                        void *context, const uint32_t **edges, uint32_t *length);

#endif
