#include "replay.h"

#include <stdlib.h>
#include <string.h>

#include "collect.h"

enum {
    DEAD = -1
};

struct replay {
    uint32_t nodes;
    uint32_t *rows; // of the component; targets are numbers within it
    uint32_t *targets;
    uint32_t *edges; // parallel to targets: the edge in the whole graph
    bool *out;       // parallel to targets: not there
    uint8_t *finalizers;
    // What is left of it for the question at hand.
    uint32_t *left_rows;
    uint32_t *left_targets;
    int32_t *gc_refs;
    uint32_t *stack;
    uint8_t *states;
};

static uint32_t count_edges(const struct graph *graph, const struct graph_components *components,
                            uint32_t component)
{
    uint32_t count = 0;
    for (uint32_t i = components->starts[component]; i < components->starts[component + 1]; i++) {
        uint32_t node = components->members[i];
        for (uint32_t edge = graph->rows[node]; edge < graph->rows[node + 1]; edge++)
            count += components->of[graph->targets[edge]] == component;
    }
    return count;
}

static bool allocate(struct replay *replay, uint32_t nodes, uint32_t edges)
{
    replay->nodes = nodes;
    replay->rows = reallocarray(NULL, (size_t)nodes + 1, sizeof(*replay->rows));
    replay->left_rows = reallocarray(NULL, (size_t)nodes + 1, sizeof(*replay->left_rows));
    replay->targets = reallocarray(NULL, (size_t)edges + 1, sizeof(*replay->targets));
    replay->left_targets = reallocarray(NULL, (size_t)edges + 1, sizeof(*replay->left_targets));
    replay->edges = reallocarray(NULL, (size_t)edges + 1, sizeof(*replay->edges));
    replay->out = calloc((size_t)edges + 1, sizeof(*replay->out));
    replay->gc_refs = reallocarray(NULL, (size_t)nodes + 1, sizeof(*replay->gc_refs));
    replay->stack = reallocarray(NULL, (size_t)nodes + 1, sizeof(*replay->stack));
    replay->states = malloc((size_t)nodes + 1);
    replay->finalizers = calloc(nodes / 8 + 1, 1);
    return replay->rows && replay->left_rows && replay->targets && replay->left_targets &&
           replay->edges && replay->out && replay->gc_refs && replay->stack && replay->states &&
           replay->finalizers;
}

bool replay_create(const struct graph *graph, const struct graph_components *components,
                   uint32_t component, const uint8_t *finalizers, struct replay **replay)
{
    const uint32_t *members = components->members + components->starts[component];
    uint32_t nodes = components->starts[component + 1] - components->starts[component], count = 0;
    struct replay *made = calloc(1, sizeof(*made));
    if (!made || !allocate(made, nodes, count_edges(graph, components, component))) {
        replay_destroy(made);
        return false;
    }
    for (uint32_t i = 0; i < nodes; i++) {
        uint32_t node = members[i];
        made->rows[i] = count;
        made->finalizers[i / 8] |= (uint8_t)((finalizers[node / 8] >> node % 8 & 1) << i % 8);
        for (uint32_t edge = graph->rows[node]; edge < graph->rows[node + 1]; edge++) {
            if (components->of[graph->targets[edge]] != component)
                continue;
            made->targets[count] = graph_find_ascending(members, nodes, graph->targets[edge]);
            made->edges[count++] = edge;
        }
    }
    made->rows[nodes] = count;
    *replay = made;
    return true;
}

void replay_destroy(struct replay *replay)
{
    if (!replay)
        return;
    free(replay->rows);
    free(replay->targets);
    free(replay->edges);
    free(replay->out);
    free(replay->finalizers);
    free(replay->left_rows);
    free(replay->left_targets);
    free(replay->gc_refs);
    free(replay->stack);
    free(replay->states);
    free(replay);
}

const uint32_t *replay_edges(const struct replay *replay, uint32_t *count)
{
    *count = replay->rows[replay->nodes];
    return replay->edges;
}

uint64_t replay_cost(const struct replay *replay)
{
    return (uint64_t)replay->nodes + replay->rows[replay->nodes];
}

void replay_reset(struct replay *replay)
{
    memset(replay->out, 0, replay->rows[replay->nodes] * sizeof(*replay->out));
}

void replay_take_out(struct replay *replay, uint32_t edge)
{
    uint32_t at = graph_find_ascending(replay->edges, replay->rows[replay->nodes], edge);
    if (at != GRAPH_NONE)
        replay->out[at] = true;
}

void replay_take_out_at(struct replay *replay, uint32_t at)
{
    replay->out[at] = true;
}

// Post: left_* is the component without the edges that are out, gc_refs what refers to each member
// in it.
static void leave_out(struct replay *replay)
{
    uint32_t left = 0;
    memset(replay->gc_refs, 0, replay->nodes * sizeof(*replay->gc_refs));
    for (uint32_t node = 0; node < replay->nodes; node++) {
        replay->left_rows[node] = left;
        for (uint32_t i = replay->rows[node]; i < replay->rows[node + 1]; i++) {
            if (replay->out[i])
                continue;
            replay->left_targets[left++] = replay->targets[i];
            replay->gc_refs[replay->targets[i]]++;
        }
    }
    replay->left_rows[replay->nodes] = left;
}

// What nothing refers to has died long before a collection looks, and so has what it alone referred
// to. Post: gc_refs of the dead is DEAD, and nothing that is left is referred to by them.
static void let_die(struct replay *replay)
{
    uint32_t *stack = replay->stack, depth = 0;
    for (uint32_t node = 0; node < replay->nodes; node++)
        if (replay->gc_refs[node] == 0)
            stack[depth++] = node;
    while (depth) {
        uint32_t node = stack[--depth];
        replay->gc_refs[node] = DEAD;
        for (uint32_t i = replay->left_rows[node]; i < replay->left_rows[node + 1]; i++)
            if (--replay->gc_refs[replay->left_targets[i]] == 0)
                stack[depth++] = replay->left_targets[i];
    }
}

// Post: the dead have no edges. They stay as nodes, which nothing refers to.
static void drop_dead(struct replay *replay)
{
    uint32_t left = 0;
    for (uint32_t node = 0, i = 0; node < replay->nodes; node++) {
        uint32_t end = replay->left_rows[node + 1];
        replay->left_rows[node] = left;
        for (; i < end; i++)
            if (replay->gc_refs[node] != DEAD)
                replay->left_targets[left++] = replay->left_targets[i];
        if (replay->gc_refs[node] == DEAD)
            replay->gc_refs[node] = 0;
    }
    replay->left_rows[replay->nodes] = left;
}

bool replay_is_collected(struct replay *replay)
{
    leave_out(replay);
    let_die(replay);
    drop_dead(replay);
    struct graph left = {replay->nodes, replay->left_rows, replay->left_targets};
    struct collect_totals totals;
    collect_run(&left, replay->gc_refs, replay->finalizers, GRAPH_NONE, replay->states, &totals);
    for (uint32_t node = 0; node < replay->nodes; node++)
        if ((replay->finalizers[node / 8] >> node % 8 & 1) && replay->states[node] != COLLECT_TRASH)
            return false;
    return true;
}
