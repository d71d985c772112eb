// replay.c against an oracle that works on sets: who dies of itself, what the finalizers reach, and
// what of that is left once the rest was cleared.
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>

#include "common.h"
#include "replay.h"

enum {
    NODES_MAX = 8,
    EDGES_MAX = NODES_MAX * 3,
};

struct sample {
    struct graph graph;
    uint32_t rows[NODES_MAX + 1];
    uint32_t targets[EDGES_MAX];
    uint8_t finalizers[1]; // one bit per node
};

static uint64_t state;

static uint32_t random_below(uint32_t limit)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % limit;
}

// Loops and parallel edges included.
static void make_sample(struct sample *sample)
{
    uint32_t nodes = 1 + random_below(NODES_MAX), edges = 0;
    for (uint32_t node = 0; node < nodes; node++) {
        sample->rows[node] = edges;
        for (uint32_t count = random_below(4); count > 0; count--)
            sample->targets[edges++] = random_below(nodes);
    }
    sample->rows[nodes] = edges;
    sample->finalizers[0] = (uint8_t)random_below(256);
    sample->graph = (struct graph){nodes, sample->rows, sample->targets};
}

// Without the nodes of the set that no other node of it refers to, and so on.
static uint32_t without_unreferenced(const uint32_t *to, uint32_t nodes, uint32_t set)
{
    for (uint32_t before = 0; before != set;) {
        uint32_t referenced = 0;
        before = set;
        for (uint32_t node = 0; node < nodes; node++)
            if (set >> node & 1)
                referenced |= to[node];
        set &= referenced;
    }
    return set;
}

static bool expect_collected(const struct sample *sample, const struct graph_components *components,
                             uint32_t component, const uint32_t *cut, size_t cut_count)
{
    uint32_t to[NODES_MAX] = {0}, members = 0, nodes = sample->graph.nodes;
    for (uint32_t node = 0; node < nodes && node < NODES_MAX; node++) {
        if (components->of[node] != component)
            continue;
        members |= 1u << node;
        for (uint32_t edge = sample->rows[node]; edge < sample->rows[node + 1]; edge++)
            if (components->of[sample->targets[edge]] == component &&
                !(cut_count > 0 && cut[0] == edge) && !(cut_count > 1 && cut[1] == edge))
                to[node] |= 1u << sample->targets[edge];
    }
    uint32_t alive = without_unreferenced(to, nodes, members), kept = alive & *sample->finalizers;
    for (uint32_t before = 0; before != kept;) { // finalizers and what they reach
        before = kept;
        for (uint32_t node = 0; node < nodes; node++)
            if (kept >> node & 1)
                kept |= to[node];
    }
    return !(without_unreferenced(to, nodes, kept) & *sample->finalizers);
}

// Every edge, every pair, and none; returns how many answers were yes.
static unsigned check_component(const struct sample *sample,
                                const struct graph_components *components, uint32_t component)
{
    struct replay *replay;
    unsigned collected = 0;
    cr_assert(replay_create(&sample->graph, components, component, sample->finalizers, &replay));
    uint32_t edges = sample->rows[sample->graph.nodes];
    for (uint32_t a = 0; a <= edges; a++) {
        for (uint32_t b = a; b <= edges; b++) {
            uint32_t cut[] = {a, b};
            size_t count = a == edges ? 0 : b == edges ? 1 : 2;
            bool expected = expect_collected(sample, components, component, cut, count);
            replay_reset(replay);
            for (size_t i = 0; i < count; i++)
                replay_take_out(replay, cut[i]);
            cr_assert_eq(replay_is_collected(replay), expected, "without edges %u and %u of %u", a,
                         b, edges);
            collected += expected;
        }
    }
    replay_destroy(replay);
    return collected;
}

Test(replay, random_graphs)
{
    static const uint8_t all[NODES_MAX] = {1, 1, 1, 1, 1, 1, 1, 1};
    unsigned asked = 0, collected = 0;
    state = 20261122;
    for (unsigned i = 0; i < 3000; i++) {
        struct sample sample;
        struct graph_components components;
        make_sample(&sample);
        cr_assert(graph_components_create(&sample.graph, all, 1, &components));
        for (uint32_t component = 0; component < components.count; component++, asked++)
            collected += check_component(&sample, &components, component);
        graph_components_destroy(&components);
    }
    cr_assert_gt(asked, 2000);
    cr_assert_gt(collected, 10000);
}

// What is enough stays enough with more edges out.
Test(replay, more_edges_are_enough_too)
{
    static const uint8_t all[NODES_MAX] = {1, 1, 1, 1, 1, 1, 1, 1};
    unsigned asked = 0;
    state = 20261123;
    for (unsigned i = 0; i < 20000; i++) {
        struct sample sample;
        struct graph_components components;
        struct replay *replay;
        uint32_t count;
        make_sample(&sample);
        cr_assert(graph_components_create(&sample.graph, all, 1, &components));
        for (uint32_t component = 0; component < components.count; component++) {
            cr_assert(
                replay_create(&sample.graph, &components, component, sample.finalizers, &replay));
            replay_edges(replay, &count);
            bool before = replay_is_collected(replay);
            for (uint32_t out = 0; out < 2 * count; out++, asked++) {
                replay_take_out_at(replay, random_below(count));
                bool after = replay_is_collected(replay);
                cr_assert(after || !before, "sample %u", i);
                before = after;
            }
            replay_destroy(replay);
        }
        graph_components_destroy(&components);
    }
    cr_assert_gt(asked, 50000);
}

// client -> its dict -> T -> its dict -> client: any of the four edges will do.
Test(replay, ring)
{
    static const uint32_t rows[] = {0, 1, 2, 3, 4}, targets[] = {1, 2, 3, 0};
    static const uint8_t all[] = {1, 1, 1, 1}, finalizers[] = {1};
    struct graph graph = {4, rows, targets};
    struct graph_components components;
    struct replay *replay;
    cr_assert(graph_components_create(&graph, all, 1, &components));
    cr_assert(replay_create(&graph, &components, 0, finalizers, &replay));
    uint32_t count;
    const uint32_t *edges = replay_edges(replay, &count);
    cr_assert_eq(count, 4);
    cr_expect_not(replay_is_collected(replay));
    for (uint32_t edge = 0; edge < 4; edge++) {
        cr_expect_eq(edges[edge], edge);
        replay_reset(replay);
        replay_take_out(replay, edge);
        cr_expect(replay_is_collected(replay), "edge %u", edge);
    }
    replay_reset(replay);
    cr_expect_not(replay_is_collected(replay));
    replay_destroy(replay);
    graph_components_destroy(&components);
}

// remedy.c does not ask about rings: whichever edge is out, nothing of one is left.
Test(replay, any_edge_of_any_ring)
{
    enum {
        MOST = 9
    };
    uint32_t rows[MOST + 1], targets[MOST];
    uint8_t all[MOST], finalizers[2];
    memset(all, 1, sizeof(all));
    for (uint32_t nodes = 1; nodes <= MOST; nodes++)
        for (uint32_t mask = 1; mask < 1U << nodes; mask++) {
            struct graph graph = {nodes, rows, targets};
            struct graph_components components;
            struct replay *replay;
            for (uint32_t i = 0; i <= nodes; i++)
                rows[i] = i;
            for (uint32_t i = 0; i < nodes; i++) // one after the other, or criss-cross
                targets[i] = (i + (mask % 2 && nodes % 3 ? 3 : 1)) % nodes;
            finalizers[0] = (uint8_t)mask;
            finalizers[1] = (uint8_t)(mask >> 8);
            cr_assert(graph_components_create(&graph, all, 1, &components));
            cr_assert(graph_component_is_ring(&graph, &components, 0));
            cr_assert(replay_create(&graph, &components, 0, finalizers, &replay));
            for (uint32_t edge = 0; edge < nodes; edge++) {
                replay_reset(replay);
                replay_take_out(replay, edge);
                cr_assert(replay_is_collected(replay), "%u of %u", edge, nodes);
            }
            cr_assert_eq(replay_cost(replay), 2 * nodes);
            replay_destroy(replay);
            graph_components_destroy(&components);
        }
}
