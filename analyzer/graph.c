// Shortest cycles: the idea.
//
// A breadth-first walk from `start` stops at the first edge back to `start`, so the length
// is known and every node has its distance. Going back through what was met, last first, a node
// stays only if an edge leads from it to a node that stayed, one further out: what stays lies on a
// shortest cycle. Then forward again, one layer at a time, with all nodes that are the end of an
// equally preferred path so far. This frontier is kept in the order of the paths' edge indexes, so
// the first path that reaches a node is the one to remember for it.
#include "graph.h"

#include <stdlib.h>

bool graph_component_is_ring(const struct graph *graph, const struct graph_components *components,
                             uint32_t component)
{
    for (uint32_t at = components->starts[component]; at < components->starts[component + 1];
         at++) {
        uint32_t node = components->members[at];
        uint32_t inside = 0;

        for (uint32_t edge = graph->rows[node]; edge < graph->rows[node + 1]; edge++) {
            inside += components->of[graph->targets[edge]] == component;
            if (inside > 1)
                return false;
        }
    }
    // No member of a component is without an edge to a member, so none has fewer than one.
    return true;
}

// A node that the search has met.
struct spot {
    uint32_t node;
    uint32_t distance; // from start; after the way back: GRAPH_NONE when on no shortest cycle
    uint32_t step;     // where in `steps` it may have been put
};

// A node of the frontier: the path to it is that of another step, and one edge.
struct step {
    uint32_t spot;
    uint32_t edge; // leads to it; nothing for the first step, which is start
    uint32_t previous;
};

struct graph_search {
    const struct graph *graph;
    const struct graph_components *components;
    // Per node of the graph: where in `spots` it may be. It is there only when that spot names it
    // (Briggs and Torczon's sparse set), so nothing has to be cleared from one search to the next.
    uint32_t *places;
    struct spot *spots; // in the order of distance
    uint32_t count;
    uint32_t capacity;
    // The frontiers, one after the other. `steps_capacity` is the capacity of `edges` as well.
    struct step *steps;
    uint32_t *edges; // the answer
    uint32_t steps_count;
    uint32_t steps_capacity;
};

bool graph_search_create(const struct graph *graph, const struct graph_components *components,
                         struct graph_search **search)
{
    struct graph_search *made = calloc(1, sizeof(*made));

    if (!made)
        return false;
    made->graph = graph;
    made->components = components;
    // Any contents would do; zeroes that the kernel hands out cost nothing until they are touched.
    made->places = calloc((size_t)graph->nodes + 1, sizeof(*made->places));
    if (!made->places) {
        free(made);
        return false;
    }
    *search = made;
    return true;
}

void graph_search_destroy(struct graph_search *search)
{
    if (!search)
        return;
    free(search->places);
    free(search->spots);
    free(search->steps);
    free(search->edges);
    free(search);
}

static inline bool search_has(const struct graph_search *search, uint32_t node)
{
    uint32_t place = search->places[node];

    return place < search->count && search->spots[place].node == node;
}

// Where the node is in `spots` if it is there and that far from start, else GRAPH_NONE.
static inline uint32_t search_find(const struct graph_search *search, uint32_t node,
                                   uint32_t distance)
{
    uint32_t place = search->places[node];

    if (search_has(search, node) && search->spots[place].distance == distance)
        return place;
    return GRAPH_NONE;
}

static bool search_grow(struct graph_search *search)
{
    size_t capacity = search->capacity ? (size_t)search->capacity * 2 : 64;
    struct spot *spots;

    // There are never more spots than nodes.
    if (capacity > search->graph->nodes)
        capacity = search->graph->nodes;
    spots = realloc(search->spots, capacity * sizeof(*spots));
    if (!spots)
        return false;
    search->spots = spots;
    search->capacity = (uint32_t)capacity;
    return true;
}

static bool search_meet(struct graph_search *search, uint32_t node, uint32_t distance)
{
    if (search->count == search->capacity && !search_grow(search))
        return false;
    search->spots[search->count] = (struct spot){.node = node, .distance = distance};
    search->places[node] = search->count++;
    return true;
}

// Breadth first from start to the first edge back to it. After it: spots holds every node of the
// component nearer than *length, in the order of distance, and nothing else; start is the first of
// them, and its distance says *length, since that is where the way ends.
static bool search_spread(struct graph_search *search, uint32_t start, uint32_t *length)
{
    const struct graph *graph = search->graph;
    const uint32_t *of = search->components->of;

    search->count = 0;
    if (!search_meet(search, start, 0))
        return false;
    for (uint32_t at = 0; at < search->count; at++) {
        struct spot spot = search->spots[at];

        for (uint32_t edge = graph->rows[spot.node]; edge < graph->rows[spot.node + 1]; edge++) {
            uint32_t target = graph->targets[edge];

            if (target == start) {
                *length = spot.distance + 1;
                while (search->spots[search->count - 1].distance > spot.distance)
                    search->count--;
                search->spots[0].distance = *length;
                return true;
            }
            if (of[target] != of[start] || search_has(search, target))
                continue;
            if (!search_meet(search, target, spot.distance + 1))
                return false;
        }
    }
    return false; // not reached when start is a member of a component
}

// After it: a distance other than GRAPH_NONE means that the node is on a shortest cycle.
static void search_prune(struct graph_search *search)
{
    const struct graph *graph = search->graph;

    for (uint32_t at = search->count; at-- > 1;) {
        struct spot *spot = &search->spots[at];
        uint32_t edge = graph->rows[spot->node];
        uint32_t end = graph->rows[spot->node + 1];

        while (edge < end &&
               search_find(search, graph->targets[edge], spot->distance + 1) == GRAPH_NONE)
            edge++;
        if (edge == end)
            spot->distance = GRAPH_NONE;
    }
}

// A step for every spot, and one for coming back to start.
static bool search_reserve_steps(struct graph_search *search)
{
    struct step *steps;
    uint32_t *edges;

    if (search->steps_capacity > search->count)
        return true;
    steps = realloc(search->steps, ((size_t)search->capacity + 1) * sizeof(*steps));
    if (!steps)
        return false;
    search->steps = steps;
    edges = realloc(search->edges, ((size_t)search->capacity + 1) * sizeof(*edges));
    if (!edges)
        return false;
    search->edges = edges;
    search->steps_capacity = search->capacity + 1;
    return true;
}

struct frontier {
    graph_prefer *prefer;
    void *context;
    uint32_t begin; // where in `steps` the layer in the making begins
};

// Offers an edge to the layer in the making. A better edge than those there throws them out, a
// worse one is not taken, nor is one to a node that is there already.
static void search_offer(struct graph_search *search, const struct frontier *frontier,
                         struct step step)
{
    uint32_t *place = &search->spots[step.spot].step;
    int order = 0;

    if (search->steps_count > frontier->begin) {
        const struct step *best = &search->steps[frontier->begin];
        uint32_t best_source = search->spots[search->steps[best->previous].spot].node;
        uint32_t source = search->spots[search->steps[step.previous].spot].node;

        order = frontier->prefer(frontier->context, best_source, best->edge, source, step.edge);
    }
    if (order < 0)
        return;
    if (order > 0)
        search->steps_count = frontier->begin;
    if (*place >= frontier->begin && *place < search->steps_count &&
        search->steps[*place].spot == step.spot)
        return;
    *place = search->steps_count;
    search->steps[search->steps_count++] = step;
}

// After it: the last step is the return to start, and the steps before it lead there on the most
// preferred path.
static void search_advance(struct graph_search *search, uint32_t length, graph_prefer *prefer,
                           void *context)
{
    const struct graph *graph = search->graph;
    struct frontier frontier = {prefer, context, 0};

    search->steps[0] = (struct step){.edge = GRAPH_NONE};
    search->steps_count = 1;
    for (uint32_t distance = 1; distance <= length; distance++) {
        uint32_t from = frontier.begin;

        frontier.begin = search->steps_count;
        for (; from < frontier.begin; from++) {
            uint32_t node = search->spots[search->steps[from].spot].node;

            for (uint32_t edge = graph->rows[node]; edge < graph->rows[node + 1]; edge++) {
                uint32_t spot = search_find(search, graph->targets[edge], distance);

                if (spot != GRAPH_NONE)
                    search_offer(search, &frontier, (struct step){spot, edge, from});
            }
        }
    }
}

bool graph_search_cycle(struct graph_search *search, uint32_t start, graph_prefer *prefer,
                        void *context, const uint32_t **edges, uint32_t *length)
{
    uint32_t found;
    uint32_t step;

    if (!search_spread(search, start, &found) || !search_reserve_steps(search))
        return false;
    search_prune(search);
    search_advance(search, found, prefer, context);
    step = search->steps_count - 1;
    for (uint32_t at = found; at-- > 0;) {
        search->edges[at] = search->steps[step].edge;
        step = search->steps[step].previous;
    }
    *edges = search->edges;
    *length = found;
    return true;
}
