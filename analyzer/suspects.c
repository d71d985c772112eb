// The components of what is in use are found without the list itself: with it all would be one.
#include "suspects.h"

#include <stdlib.h>

struct judging {
    const struct graph *graph;
    uint32_t garbage_list;
    const uint8_t *states;
    const struct graph_components *components;
    uint8_t *held; // per component: something in use outside of it refers to it
};

static void find_held(const struct judging *judging)
{
    const struct graph *graph = judging->graph;
    const uint32_t *of = judging->components->of;
    for (uint32_t node = 0; node < graph->nodes; node++) {
        if (judging->states[node] != COLLECT_REACHABLE || node == judging->garbage_list)
            continue;
        for (uint32_t edge = graph->rows[node]; edge < graph->rows[node + 1]; edge++) {
            uint32_t component = of[graph->targets[edge]];
            if (component != GRAPH_NONE && component != of[node])
                judging->held[component] = 1;
        }
    }
}

static bool has_finalizer(const struct graph_components *components, uint32_t component,
                          const uint8_t *finalizers)
{
    for (uint32_t i = components->starts[component]; i < components->starts[component + 1]; i++)
        if (finalizers[components->members[i] / 8] >> components->members[i] % 8 & 1)
            return true;
    return false;
}

// Among the nodes that are in use, or among all where states is NULL: the list itself is no member.
static bool find_components(const struct graph *graph, uint32_t garbage_list, const uint8_t *states,
                            struct graph_components *components)
{
    uint8_t *candidates = malloc((size_t)graph->nodes + 1);
    if (!candidates)
        return false;
    for (uint32_t node = 0; node < graph->nodes; node++)
        candidates[node] = (!states || states[node] == COLLECT_REACHABLE) && node != garbage_list;
    bool done = graph_components_create(graph, candidates, 1, components);
    free(candidates);
    return done;
}

uint8_t *suspects_list_cyclic(const struct graph *graph, const uint8_t *finalizers,
                              uint32_t garbage_list)
{
    struct graph_components components;
    uint8_t *cyclic = calloc((size_t)graph->nodes / 8 + 1, 1);
    if (!cyclic || !find_components(graph, garbage_list, NULL, &components)) {
        free(cyclic);
        return NULL;
    }
    for (uint32_t node = 0; node < graph->nodes; node++)
        if (components.of[node] != GRAPH_NONE)
            cyclic[node / 8] |= finalizers[node / 8] & (uint8_t)(1u << node % 8);
    graph_components_destroy(&components);
    return cyclic;
}

bool suspects_mark(const struct graph *graph, const uint8_t *finalizers, uint32_t garbage_list,
                   uint8_t *states, struct collect_totals *totals)
{
    struct graph_components components;
    if (!find_components(graph, garbage_list, states, &components))
        return false;
    struct judging judging = {graph, garbage_list, states, &components,
                              calloc((size_t)components.count + 1, 1)};
    bool done = judging.held;
    if (done)
        find_held(&judging);
    for (uint32_t i = 0; done && i < components.count; i++) {
        if (judging.held[i] || !has_finalizer(&components, i, finalizers))
            continue;
        uint32_t size = components.starts[i + 1] - components.starts[i];
        for (uint32_t j = 0; j < size; j++)
            states[components.members[components.starts[i] + j]] = COLLECT_SUSPECT;
        totals->objects[COLLECT_REACHABLE] -= size;
        totals->objects[COLLECT_SUSPECT] += size;
    }
    free(judging.held);
    graph_components_destroy(&components);
    return done;
}
