// components.c, rings.c and walk.c against Kosaraju's two passes, on graphs made of rings, chains,
// cliques and random edges, with numbers in order and at random, by one thread and by several.
#include "common.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "graph.h"

enum {
    WANTED = 6, // bits of marks
};

struct edge {
    uint32_t source;
    uint32_t target;
};

struct edges {
    struct edge *items;
    size_t count;
    size_t capacity;
};

static void edges_add(struct edges *edges, uint32_t source, uint32_t target)
{
    if (edges->count == edges->capacity) {
        edges->capacity = edges->capacity * 2 + 1024;
        edges->items = reallocarray(edges->items, edges->capacity, sizeof(*edges->items));
        cr_assert(edges->items);
    }
    edges->items[edges->count++] = (struct edge){source, target};
}

static uint32_t *numbers_create(size_t count)
{
    uint32_t *numbers = calloc(count + 1, sizeof(*numbers));
    cr_assert(numbers);
    return numbers;
}

// Rows for edges from source to target, or the other way round.
static void compress(const struct edges *edges, uint32_t nodes, bool backwards, uint32_t *rows,
                     uint32_t *targets)
{
    memset(rows, 0, (nodes + 1) * sizeof(*rows));
    for (size_t i = 0; i < edges->count; i++)
        rows[backwards ? edges->items[i].target : edges->items[i].source]++;
    for (uint32_t node = 1; node <= nodes; node++)
        rows[node] += rows[node - 1];
    for (size_t i = edges->count; i-- > 0;) {
        const struct edge *edge = &edges->items[i];
        targets[--rows[backwards ? edge->target : edge->source]] =
            backwards ? edge->source : edge->target;
    }
}

static uint32_t random_next(uint64_t *state, uint32_t limit)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*state >> 33) % limit);
}

// --- graphs

struct sample {
    struct graph graph;
    struct edges edges;
    uint32_t *rows;
    uint32_t *targets;
    uint8_t *marks;
};

enum form {
    RING,       // from each node to the next
    RING_DOWN,  // to the one before
    CHAIN,      // as RING, but its end leads nowhere
    CHAIN_DOWN, // as RING_DOWN
    CLIQUE,
    SPARSE, // some random edges
    FORMS,
};

// Nodes first .. first + size - 1 get edges among themselves.
static void add_form(struct edges *edges, enum form form, uint32_t first, uint32_t size,
                     uint64_t *state)
{
    for (uint32_t i = 0; i < size; i++) {
        uint32_t up = i + 1 < size ? i + 1 : 0;
        uint32_t down = i > 0 ? i - 1 : size - 1;
        if (form == RING || (form == CHAIN && up > 0))
            edges_add(edges, first + i, first + up);
        if (form == RING_DOWN || (form == CHAIN_DOWN && i > 0))
            edges_add(edges, first + i, first + down);
        for (uint32_t j = 0; j < size && form == CLIQUE; j++)
            edges_add(edges, first + i, first + j);
        for (uint32_t j = random_next(state, 3); j > 0 && form == SPARSE; j--)
            edges_add(edges, first + i, first + random_next(state, size));
        if (random_next(state, 16) == 0 && edges->count > 0)
            edges_add(edges, edges->items[edges->count - 1].source,
                      edges->items[edges->count - 1].target);
    }
}

// Some edges that lead from one form to another: one way only, or anywhere.
static void add_links(struct edges *edges, uint32_t nodes, uint32_t count, bool back,
                      uint64_t *state)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t source = random_next(state, nodes), target = random_next(state, nodes);
        bool turned = !back && source < target;
        edges_add(edges, turned ? target : source, turned ? source : target);
    }
}

// How large the forms are: mostly few nodes, or near what a ring may have at most to be found
// without a walk, or as many as there are.
static uint32_t random_size(uint64_t *state, uint64_t seed, uint32_t left)
{
    uint32_t size = 1 + random_next(state, 8);
    if (seed % 3 == 1)
        size = 120 + random_next(state, 16);
    if (seed % 11 == 10)
        size = left - left / 8;
    return size < left ? size : left;
}

static void shuffle(struct edges *edges, uint32_t nodes, uint64_t *state)
{
    uint32_t *numbers = numbers_create(nodes);
    for (uint32_t i = 0; i < nodes; i++) {
        uint32_t j = random_next(state, i + 1);
        numbers[i] = numbers[j];
        numbers[j] = i;
    }
    for (size_t i = 0; i < edges->count; i++) {
        edges->items[i].source = numbers[edges->items[i].source];
        edges->items[i].target = numbers[edges->items[i].target];
    }
    free(numbers);
}

static void sample_init(struct sample *sample, uint32_t nodes, uint64_t seed)
{
    static const uint8_t bytes[] = {2, 4, 6, 7};
    uint64_t state = seed * 2654435761u + 1;
    uint32_t one_form = random_next(&state, 2 * FORMS);
    *sample = (struct sample){0};
    for (uint32_t first = 0; first < nodes;) {
        uint32_t form = one_form < FORMS ? one_form : random_next(&state, FORMS);
        uint32_t size = random_size(&state, seed, nodes - first);
        if (form == CLIQUE && size > 100)
            size = 100;
        add_form(&sample->edges, (enum form)form, first, size, &state);
        first += size;
    }
    if (seed % 4 > 0)
        add_links(&sample->edges, nodes, nodes / 50, seed % 4 == 1, &state);
    if (seed % 2 == 1)
        shuffle(&sample->edges, nodes, &state);
    sample->rows = numbers_create(nodes);
    sample->targets = numbers_create(sample->edges.count);
    sample->marks = malloc(nodes);
    cr_assert(sample->marks);
    compress(&sample->edges, nodes, false, sample->rows, sample->targets);
    sample->graph = (struct graph){nodes, sample->rows, sample->targets};
    for (uint32_t node = 0; node < nodes; node++) {
        bool wanted = seed % 5 > 1 || random_next(&state, 10) > 0;
        sample->marks[node] = wanted ? bytes[node % 4] : (uint8_t)(node % 2 * 9);
    }
}

static void sample_deinit(struct sample *sample)
{
    free(sample->edges.items);
    free(sample->rows);
    free(sample->targets);
    free(sample->marks);
}

// --- the oracle

struct oracle {
    const struct sample *sample;
    uint32_t *rows; // of the edges turned round
    uint32_t *targets;
    uint32_t *path; // scratch
    uint32_t *next; // scratch: per node the edge to look at
    uint32_t *order;
    uint32_t ordered;
    uint32_t *of;      // per node: the component, or GRAPH_NONE
    uint32_t *members; // per component: how many
    uint32_t count;
};

// Depth first from `start` through wanted nodes that have no value yet; they get one, and go into
// the order as they are left.
static void spread(struct oracle *oracle, const uint32_t *rows, const uint32_t *targets,
                   uint32_t start, uint32_t value, uint32_t *values)
{
    uint32_t depth = 0;
    oracle->path[depth++] = start;
    oracle->next[start] = rows[start];
    values[start] = value;
    while (depth > 0) {
        uint32_t node = oracle->path[depth - 1];
        if (oracle->next[node] == rows[node + 1]) {
            oracle->order[oracle->ordered++] = node;
            depth--;
            continue;
        }
        uint32_t target = targets[oracle->next[node]++];
        if (!(oracle->sample->marks[target] & WANTED) || values[target] != GRAPH_NONE)
            continue;
        values[target] = value;
        oracle->next[target] = rows[target];
        oracle->path[depth++] = target;
    }
}

// Kosaraju: in the order in which a walk left the nodes, backwards, a walk along edges turned round
// meets one component after the other. After it: of says where each one's walk began.
static void find_strong(struct oracle *oracle)
{
    const struct sample *sample = oracle->sample;
    uint32_t nodes = sample->graph.nodes;
    uint32_t *order = numbers_create(nodes);
    memset(oracle->of, 0xff, nodes * sizeof(*oracle->of));
    for (uint32_t node = 0; node < nodes; node++) {
        if (sample->marks[node] & WANTED && oracle->of[node] == GRAPH_NONE)
            spread(oracle, sample->rows, sample->targets, node, 0, oracle->of);
    }
    uint32_t ordered = oracle->ordered;
    memcpy(order, oracle->order, ordered * sizeof(*order));
    memset(oracle->of, 0xff, nodes * sizeof(*oracle->of));
    oracle->ordered = 0;
    while (ordered-- > 0) {
        if (oracle->of[order[ordered]] == GRAPH_NONE)
            spread(oracle, oracle->rows, oracle->targets, order[ordered], order[ordered],
                   oracle->of);
    }
    free(order);
}

// Takes away the components of one node without a loop, and numbers the others.
static void number_cyclic(struct oracle *oracle)
{
    const struct sample *sample = oracle->sample;
    uint32_t nodes = sample->graph.nodes;
    uint32_t *inside = numbers_create(nodes), *numbers = numbers_create(nodes);
    for (size_t i = 0; i < sample->edges.count; i++) {
        uint32_t source = sample->edges.items[i].source, target = sample->edges.items[i].target;
        if (oracle->of[source] != GRAPH_NONE && oracle->of[source] == oracle->of[target])
            inside[oracle->of[source]]++;
    }
    for (uint32_t node = 0; node < nodes; node++) {
        uint32_t of = oracle->of[node];
        if (of == GRAPH_NONE || inside[of] == 0) {
            oracle->of[node] = GRAPH_NONE;
            continue;
        }
        if (numbers[of] == 0)
            numbers[of] = ++oracle->count;
        oracle->of[node] = numbers[of] - 1;
        oracle->members[numbers[of] - 1]++;
    }
    free(inside);
    free(numbers);
}

static void oracle_init(struct oracle *oracle, const struct sample *sample)
{
    uint32_t nodes = sample->graph.nodes;
    *oracle = (struct oracle){.sample = sample,
                              .rows = numbers_create(nodes),
                              .targets = numbers_create(sample->edges.count),
                              .path = numbers_create(nodes),
                              .next = numbers_create(nodes),
                              .order = numbers_create(nodes),
                              .of = numbers_create(nodes),
                              .members = numbers_create(nodes)};
    compress(&sample->edges, nodes, true, oracle->rows, oracle->targets);
    find_strong(oracle);
    number_cyclic(oracle);
}

static void oracle_deinit(struct oracle *oracle)
{
    free(oracle->rows);
    free(oracle->targets);
    free(oracle->path);
    free(oracle->next);
    free(oracle->order);
    free(oracle->of);
    free(oracle->members);
}

// --- the comparison

// What is wrong, or NULL.
static const char *compare(const struct oracle *oracle, const struct graph_components *components)
{
    uint32_t nodes = oracle->sample->graph.nodes;
    if (components->count != oracle->count)
        return "another number of components";
    if (memcmp(components->of, oracle->of, nodes * sizeof(*oracle->of)) != 0)
        return "a node is in another component";
    if (components->starts[0] != 0)
        return "starts does not begin with 0";
    for (uint32_t c = 0; c < oracle->count; c++) {
        uint32_t first = components->starts[c], end = components->starts[c + 1];
        if (end - first != oracle->members[c])
            return "another size";
        for (uint32_t at = first; at < end; at++) {
            if (components->of[components->members[at]] != c)
                return "not a member";
            if (at > first && components->members[at - 1] >= components->members[at])
                return "members do not ascend";
        }
    }
    return NULL;
}

static void check(uint32_t nodes, uint64_t seed)
{
    static const unsigned jobs[] = {1, 2, 3, 7};
    struct sample sample;
    struct oracle oracle;
    sample_init(&sample, nodes, seed);
    oracle_init(&oracle, &sample);
    for (size_t i = 0; i < sizeof(jobs) / sizeof(*jobs); i++) {
        struct graph_components components;
        sample.graph.jobs = jobs[i];
        cr_assert(graph_components_create(&sample.graph, sample.marks, WANTED, &components));
        const char *wrong = compare(&oracle, &components);
        cr_assert(!wrong, "%u nodes, seed %llu, %u jobs: %s", nodes, (unsigned long long)seed,
                  jobs[i], wrong);
        graph_components_destroy(&components);
    }
    oracle_deinit(&oracle);
    sample_deinit(&sample);
}

Test(components, few_nodes)
{
    for (uint64_t seed = 1; seed <= 3000; seed++)
        check(1 + (uint32_t)(seed % 97), seed);
}

Test(components, hundreds_of_nodes)
{
    for (uint64_t seed = 1; seed <= 1000; seed++)
        check(100 + (uint32_t)(seed % 400), seed);
}

// Threads share these.
Test(components, more_nodes)
{
    for (uint64_t seed = 1; seed <= 200; seed++)
        check(GRAPH_SHARED_NODES + (uint32_t)(seed * 991 % 50000), seed);
}
