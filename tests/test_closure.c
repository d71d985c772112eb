// Closures by threads, compared with a plain walk over the same graph: graphs of more nodes than
// one thread is enough for, with edges to neighbours, to anywhere, along chains and in rings.
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "closure.h"

enum {
    NODES_MAX = 70000,
    DEGREE_MAX = 4,
    FROM = 2,
    WALL = 1,
    OTHER = 16, // of no account, and not to be lost
    FOLLOWED = 64,
};

enum form {
    FORM_NEAR,
    FORM_ANYWHERE,
    FORM_CHAIN_UP,
    FORM_CHAIN_DOWN,
    FORM_RINGS,
    FORM_COUNT
};

static uint32_t rows[NODES_MAX + 1];
static uint32_t targets[NODES_MAX * DEGREE_MAX];
static uint32_t queue[NODES_MAX];
static uint64_t before[NODES_MAX / 8 + 1], found[NODES_MAX / 8 + 1]; // as marks; aligned so
static uint8_t expected[NODES_MAX];

static uint32_t random_next(uint64_t *state, uint32_t limit)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*state >> 33) % limit);
}

static uint32_t choose_target(enum form form, uint32_t node, uint32_t nodes, uint64_t *state)
{
    switch (form) {
    case FORM_NEAR:
        return (node + nodes + random_next(state, 41) - 20) % nodes;
    case FORM_CHAIN_UP:
        return (node + 1) % nodes;
    case FORM_CHAIN_DOWN:
        return (node + nodes - 1) % nodes;
    case FORM_RINGS: // of four nodes far from one another
        return (node + nodes / 4) % nodes;
    default:
        return random_next(state, nodes);
    }
}

// One seed in `rarity` nodes, one wall in 50 if there are any.
static struct graph make_graph(enum form form, uint32_t nodes, uint32_t rarity, bool walls,
                               uint64_t *state)
{
    bool many = form == FORM_NEAR || form == FORM_ANYWHERE;
    uint8_t *marks = (uint8_t *)before;
    uint32_t edges = 0;
    memset(before, 0, sizeof(before));
    for (uint32_t node = 0; node < nodes; node++) {
        uint32_t degree = many ? random_next(state, DEGREE_MAX + 1) : 1;
        rows[node] = edges;
        for (uint32_t i = 0; i < degree; i++)
            targets[edges++] = choose_target(form, node, nodes, state);
        marks[node] = random_next(state, rarity) == 0 ? FROM : 0;
        if (walls && random_next(state, 50) == 0)
            marks[node] = WALL;
        marks[node] |= random_next(state, 3) == 0 ? OTHER : 0;
    }
    marks[nodes / 2] = FROM;
    rows[nodes] = edges;
    return (struct graph){.nodes = nodes, .rows = rows, .targets = targets};
}

// The definition, by a stack.
static void walk(const struct graph *graph, uint32_t closed)
{
    uint32_t depth = 0;
    memcpy(expected, before, graph->nodes);
    for (uint32_t node = 0; node < graph->nodes; node++)
        if (expected[node] & FROM)
            queue[depth++] = node;
    while (depth) {
        uint32_t node = queue[--depth];
        for (uint32_t edge = rows[node]; edge < rows[node + 1] && node != closed; edge++) {
            if (expected[targets[edge]] & (FROM | WALL))
                continue;
            expected[targets[edge]] |= FROM;
            queue[depth++] = targets[edge];
        }
    }
}

static void check_jobs(struct graph graph, uint32_t closed, unsigned jobs, const char *what)
{
    graph.jobs = jobs;
    struct closure closure = {.graph = &graph,
                              .marks = (uint8_t *)found,
                              .queue = queue,
                              .closed = closed,
                              .mark = FROM,
                              .stop = FROM | WALL};
    memcpy(found, before, sizeof(found));
    closure_run_shared(&closure, FROM, FOLLOWED);
    for (uint32_t node = 0; node < graph.nodes; node++)
        cr_assert_eq(closure.marks[node] & ~FOLLOWED, expected[node], "%s, %u jobs: node %u of %u",
                     what, jobs, node, graph.nodes);
}

static void check_form(enum form form, const char *what)
{
    static const uint32_t sizes[] = {1, 8, 1000, 16384, 16391, 40000, NODES_MAX};
    static const uint32_t rarities[] = {2, 40, 5000, 1 << 30};
    static const unsigned jobs[] = {1, 2, 3, 7};
    uint64_t state = form + 1;
    for (size_t size = 0; size < sizeof(sizes) / sizeof(*sizes); size++) {
        for (size_t rarity = 0; rarity < sizeof(rarities) / sizeof(*rarities); rarity++) {
            bool walls = random_next(&state, 2) == 0;
            struct graph graph = make_graph(form, sizes[size], rarities[rarity], walls, &state);
            uint32_t closed = random_next(&state, 2) ? sizes[size] / 2 : GRAPH_NONE;
            walk(&graph, closed);
            for (size_t i = 0; i < sizeof(jobs) / sizeof(*jobs); i++)
                check_jobs(graph, closed, jobs[i], what);
        }
    }
}

Test(closure, near)
{
    check_form(FORM_NEAR, "near");
}

Test(closure, anywhere)
{
    check_form(FORM_ANYWHERE, "anywhere");
}

Test(closure, chains)
{
    check_form(FORM_CHAIN_UP, "upwards");
    check_form(FORM_CHAIN_DOWN, "downwards");
}

Test(closure, rings)
{
    check_form(FORM_RINGS, "rings");
}
