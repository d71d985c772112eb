// Components and shortest cycles: the ideas.
//
// Components, after Pearce. A depth-first walk numbers the nodes in the order in which it meets
// them. A node's index sinks to the smallest index that it sees among nodes not yet finished; a
// node whose index did not sink is the root of a component, and the component is the nodes that
// were left after it with an index not below its own. Finished nodes get values above every index
// in use, so that seeing one changes nothing; nodes outside the marked part get the largest value
// of all, before the walk, and need no test in it. Each node is on the path of the walk, or in the
// backlog of those left but not finished, or in neither. Both are short but in large components,
// and grow when they have to.
//
// Cycles. A breadth-first walk from `start` stops at the first edge back to `start`, so the length
// is known and every node has its distance. Going back through what was met, last first, a node
// stays only if an edge leads from it to a node that stayed, one further out: what stays lies on a
// shortest cycle. Then forward again, one layer at a time, with all nodes that are the end of an
// equally preferred path so far. This frontier is kept in the order of the paths' edge indexes, so
// the first path that reaches a node is the one to remember for it.
#include "graph.h"

#include <stdlib.h>
#include <string.h>

#include "column.h"

// A node of the path.
struct walk_step {
    uint32_t node;
    uint32_t edge; // that is being looked at
    bool sunk;     // it saw something before it, so it is no root
};

struct walk {
    const struct graph *graph;
    // Per node: 0 not met; index while unfinished; GRAPH_NONE not wanted or in no cycle; else its
    // component, numbered downwards from FIRST_ID. Becomes graph_components.of.
    uint32_t *index;
    struct walk_step *path;
    uint32_t depth;
    uint32_t path_capacity;
    uint32_t *backlog;
    uint32_t waiting; // in it
    uint32_t backlog_capacity;
    uint32_t wanted; // nodes: no path and no backlog is longer
    uint32_t next_index;
    uint32_t next_id;
    uint32_t members; // how many nodes have an id
};

#define FIRST_ID (GRAPH_NONE - 1)

static void walk_deinit(struct walk *walk)
{
    free(walk->index);
    free(walk->path);
    free(walk->backlog);
}

// After it: index is 0 for the nodes to walk, GRAPH_NONE for the others.
static bool walk_init(struct walk *walk, const struct graph *graph, const uint8_t *marks,
                      uint8_t wanted)
{
    *walk = (struct walk){.graph = graph, .next_index = 1, .next_id = FIRST_ID};
    walk->index = column_create(graph->nodes, sizeof(*walk->index));
    if (!walk->index)
        return false;
    for (uint32_t node = 0; node < graph->nodes; node++) {
        walk->index[node] = marks[node] & wanted ? 0 : GRAPH_NONE;
        walk->wanted += marks[node] & wanted ? 1 : 0;
    }
    return true;
}

// Room for one more entry; never for more than there are nodes to walk.
static __attribute__((noinline)) bool walk_grow(const struct walk *walk, void **array, size_t size,
                                                uint32_t *capacity)
{
    uint64_t more = (uint64_t)*capacity * 2 + 1024;
    uint32_t wanted = more < walk->wanted ? (uint32_t)more : walk->wanted;
    void *grown = reallocarray(*array, wanted, size);

    if (!grown)
        return false;
    *array = grown;
    *capacity = wanted;
    return true;
}

static inline __attribute__((always_inline)) bool walk_enter(struct walk *walk, uint32_t node)
{
    void *path = walk->path;

    if (walk->depth == walk->path_capacity) {
        if (!walk_grow(walk, &path, sizeof(*walk->path), &walk->path_capacity))
            return false;
        walk->path = path;
    }
    walk->index[node] = walk->next_index++;
    walk->path[walk->depth++] = (struct walk_step){node, walk->graph->rows[node], false};
    return true;
}

// Goes on with the edges of the path's last node, up to a target not met before. Returns that, or
// GRAPH_NONE after the last edge. The edge is not passed: on the way back it is looked at again,
// with what the target's index has become.
static inline __attribute__((always_inline)) uint32_t walk_advance(struct walk *walk)
{
    struct walk_step *top = &walk->path[walk->depth - 1];
    uint32_t node = top->node;
    uint32_t end = walk->graph->rows[node + 1];

    for (uint32_t edge = top->edge; edge < end; edge++) {
        uint32_t target = walk->graph->targets[edge];

        if (walk->index[target] == 0) {
            top->edge = edge;
            return target;
        }
        if (walk->index[target] < walk->index[node]) {
            walk->index[node] = walk->index[target];
            top->sunk = true;
        }
    }
    return GRAPH_NONE;
}

static bool node_has_loop(const struct graph *graph, uint32_t node)
{
    for (uint32_t edge = graph->rows[node]; edge < graph->rows[node + 1]; edge++) {
        if (graph->targets[edge] == node)
            return true;
    }
    return false;
}

// Finishes the component of which `root` is the root: the backlog above it, and itself.
static inline __attribute__((always_inline)) void walk_finish(struct walk *walk, uint32_t root)
{
    uint32_t size = 1;

    for (; walk->waiting > 0; walk->waiting--, size++) {
        uint32_t node = walk->backlog[walk->waiting - 1];

        if (walk->index[node] < walk->index[root])
            break;
        walk->index[node] = walk->next_id;
    }
    walk->next_index -= size;
    if (size == 1 && !node_has_loop(walk->graph, root)) {
        walk->index[root] = GRAPH_NONE;
        return;
    }
    walk->index[root] = walk->next_id--;
    walk->members += size;
}

static inline __attribute__((always_inline)) bool walk_leave(struct walk *walk)
{
    const struct walk_step *step = &walk->path[--walk->depth];
    void *backlog = walk->backlog;

    if (!step->sunk) {
        walk_finish(walk, step->node);
        return true;
    }
    if (walk->waiting == walk->backlog_capacity) {
        if (!walk_grow(walk, &backlog, sizeof(*walk->backlog), &walk->backlog_capacity))
            return false;
        walk->backlog = backlog;
    }
    walk->backlog[walk->waiting++] = step->node;
    return true;
}

// After it: index is the id of its cyclic component, or GRAPH_NONE.
static bool walk_run(struct walk *walk)
{
    for (uint32_t node = 0; node < walk->graph->nodes; node++) {
        if (walk->index[node] != 0)
            continue;
        if (!walk_enter(walk, node))
            return false;
        while (walk->depth > 0) {
            uint32_t target = walk_advance(walk);

            if (target != GRAPH_NONE) {
                if (!walk_enter(walk, target))
                    return false;
            } else if (!walk_leave(walk)) {
                return false;
            }
        }
    }
    return true;
}

// After it: of holds final numbers, given in the order of the smallest members, and starts[c] is
// the end of c in members. `numbers` is scratch, one entry per component.
static void components_number(struct graph_components *components, uint32_t nodes,
                              uint32_t *numbers)
{
    uint32_t next = 0;

    memset(numbers, 0xff, components->count * sizeof(*numbers)); // all GRAPH_NONE
    memset(components->starts, 0, ((size_t)components->count + 1) * sizeof(*components->starts));
    for (uint32_t node = 0; node < nodes; node++) {
        uint32_t *number;

        if (components->of[node] == GRAPH_NONE)
            continue;
        number = &numbers[FIRST_ID - components->of[node]];
        if (*number == GRAPH_NONE)
            *number = next++;
        components->of[node] = *number;
        components->starts[*number]++;
    }
    for (uint32_t c = 1; c <= components->count; c++)
        components->starts[c] += components->starts[c - 1];
}

// After it: members is filled and starts[c] is the beginning of c. Going down through the nodes
// fills each component from its end, so its members ascend.
static void components_fill(struct graph_components *components, uint32_t nodes)
{
    for (uint32_t node = nodes; node-- > 0;) {
        uint32_t component = components->of[node];

        if (component != GRAPH_NONE)
            components->members[--components->starts[component]] = node;
    }
}

bool graph_components_create(const struct graph *graph, const uint8_t *marks, uint8_t wanted,
                             struct graph_components *components)
{
    struct graph_components made;
    struct walk walk;

    if (!walk_init(&walk, graph, marks, wanted))
        return false;
    if (!walk_run(&walk)) {
        walk_deinit(&walk);
        return false;
    }
    // These two go before the outputs come, to keep the peak low.
    free(walk.path);
    free(walk.backlog);
    walk.path = NULL;
    walk.backlog = NULL;

    made.count = FIRST_ID - walk.next_id;
    made.of = walk.index;
    made.starts = column_create(made.count, sizeof(*made.starts));
    made.members = column_create(walk.members, sizeof(*made.members));
    if (!made.starts || !made.members) {
        free(made.starts);
        free(made.members);
        walk_deinit(&walk);
        return false;
    }
    // A component has a member or more, so that there is room for their numbers.
    components_number(&made, graph->nodes, made.members);
    components_fill(&made, graph->nodes);
    walk.index = NULL;
    walk_deinit(&walk);
    *components = made;
    return true;
}

void graph_components_destroy(struct graph_components *components)
{
    free(components->of);
    free(components->starts);
    free(components->members);
    *components = (struct graph_components){0};
}

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
