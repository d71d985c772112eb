// graph.c against slow oracles: components against quadratic reachability, cycles against trying
// every walk, on all digraphs of up to four nodes and on random ones; and large graphs, which a
// recursion or anything quadratic would not survive.
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common.h"
#include "graph.h"

#define NODES_MAX 40
#define EDGES_MAX 512

struct sample {
    struct graph graph;
    uint64_t allowed; // one bit per node: has a wanted mark
    uint32_t edges;
    uint32_t rows[NODES_MAX + 1];
    uint32_t sources[EDGES_MAX];
    uint32_t targets[EDGES_MAX];
};

struct pair {
    uint32_t source;
    uint32_t target;
};

// Pairs in any order; those of one source keep theirs.
static void sample_build(struct sample *sample, uint32_t nodes, const struct pair *pairs,
                         uint32_t count)
{
    sample->allowed = UINT64_MAX;
    sample->edges = 0;
    for (uint32_t node = 0; node < nodes; node++) {
        sample->rows[node] = sample->edges;
        for (uint32_t at = 0; at < count; at++) {
            if (pairs[at].source != node)
                continue;
            sample->sources[sample->edges] = node;
            sample->targets[sample->edges++] = pairs[at].target;
        }
    }
    sample->rows[nodes] = sample->edges;
    sample->graph = (struct graph){nodes, sample->rows, sample->targets};
}

// "01 10 12": one edge per word, one digit per node.
static void sample_parse(struct sample *sample, uint32_t nodes, const char *text)
{
    struct pair pairs[EDGES_MAX];
    uint32_t count = 0;

    for (; *text; text += strspn(text, " "), count++) {
        pairs[count] = (struct pair){(uint32_t)(text[0] - '0'), (uint32_t)(text[1] - '0')};
        text += 2;
    }
    sample_build(sample, nodes, pairs, count);
}

// Bit i * nodes + j of `bits` is the edge from i to j.
static void sample_from_bits(struct sample *sample, uint32_t nodes, uint32_t bits)
{
    struct pair pairs[16];
    uint32_t count = 0;

    for (uint32_t bit = 0; bit < nodes * nodes; bit++) {
        if (bits >> bit & 1)
            pairs[count++] = (struct pair){bit / nodes, bit % nodes};
    }
    sample_build(sample, nodes, pairs, count);
}

static uint32_t random_next(uint64_t *state, uint32_t limit)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*state >> 33) % limit);
}

// Layers, each node with edges to most of the next layer, the last one's to the first: many
// shortest cycles of the same length.
static uint32_t random_layers(uint64_t *state, struct pair *pairs, uint32_t *nodes)
{
    uint32_t width = 1 + random_next(state, 4);
    uint32_t depth = 1 + random_next(state, width > 2 ? 5 : 9);
    uint32_t count = 0;

    *nodes = width * depth;
    for (uint32_t from = 0; from < *nodes; from++) {
        for (uint32_t at = 0; at < width; at++) {
            uint32_t target = (from / width + 1) % depth * width + at;

            if (random_next(state, 8) > 0)
                pairs[count++] = (struct pair){from, target};
        }
    }
    return count;
}

static void sample_randomize(struct sample *sample, uint64_t seed)
{
    static const uint32_t per_node[] = {1, 2, 3, 10};
    uint64_t state = seed * 2654435761u + 1;
    struct pair pairs[EDGES_MAX];
    uint32_t nodes;
    uint32_t count;

    random_next(&state, 1);
    if (seed % 5 == 4) {
        count = random_layers(&state, pairs, &nodes);
    } else {
        nodes = 1 + random_next(&state, NODES_MAX);
        count = nodes * per_node[seed % 5] + random_next(&state, nodes);
        for (uint32_t at = 0; at < count; at++)
            pairs[at] = (struct pair){random_next(&state, nodes), random_next(&state, nodes)};
    }
    sample_build(sample, nodes, pairs, count);
}

static bool sample_has(const struct sample *sample, uint32_t node)
{
    return sample->allowed >> node & 1;
}

// ---- components ----

// reach[i] gets the nodes to which one or more edges lead from i.
static void oracle_reach(const struct sample *sample, uint64_t *reach)
{
    uint32_t nodes = sample->graph.nodes;

    memset(reach, 0, NODES_MAX * sizeof(*reach));
    for (uint32_t edge = 0; edge < sample->edges; edge++) {
        if (sample_has(sample, sample->sources[edge]) && sample_has(sample, sample->targets[edge]))
            reach[sample->sources[edge]] |= (uint64_t)1 << sample->targets[edge];
    }
    for (uint32_t via = 0; via < nodes; via++) {
        for (uint32_t from = 0; from < nodes; from++) {
            if (reach[from] >> via & 1)
                reach[from] |= reach[via];
        }
    }
}

static uint64_t oracle_component(const uint64_t *reach, uint32_t nodes, uint32_t node)
{
    uint64_t members = 0;

    for (uint32_t other = 0; other < nodes; other++) {
        if (reach[node] >> other & reach[other] >> node & 1)
            members |= (uint64_t)1 << other;
    }
    return members;
}

// Strongly connected and with as many edges as nodes: a ring.
static bool oracle_is_ring(const struct sample *sample, uint64_t members)
{
    int edges = 0;

    for (uint32_t edge = 0; edge < sample->edges; edge++)
        edges += members >> sample->sources[edge] & members >> sample->targets[edge] & 1;
    return edges == __builtin_popcountll(members);
}

// Is component `number` made of exactly `members`? Returns what is wrong, or NULL.
static const char *check_component(const struct sample *sample,
                                   const struct graph_components *components, uint32_t number,
                                   uint64_t members)
{
    uint32_t at;

    if (number >= components->count)
        return "too few components";
    at = components->starts[number];
    for (uint32_t node = 0; node < sample->graph.nodes; node++) {
        if (!(members >> node & 1))
            continue;
        if (components->of[node] != number)
            return "a member is said to be elsewhere";
        if (at == components->starts[number + 1] || components->members[at++] != node)
            return "members are not those, ascending";
    }
    if (at != components->starts[number + 1])
        return "too many members";
    if (graph_component_is_ring(&sample->graph, components, number) !=
        oracle_is_ring(sample, members))
        return "wrong about being a ring";
    return NULL;
}

static const char *check_components(const struct sample *sample,
                                    const struct graph_components *components)
{
    uint64_t reach[NODES_MAX];
    uint64_t seen = 0;
    uint32_t number = 0;

    oracle_reach(sample, reach);
    if (components->starts[0] != 0)
        return "starts does not begin with 0";
    for (uint32_t node = 0; node < sample->graph.nodes; node++) {
        uint64_t members = oracle_component(reach, sample->graph.nodes, node);
        const char *wrong = NULL;

        if (members == 0 && components->of[node] != GRAPH_NONE)
            return "a node in no cycle has a component";
        if (members != 0 && !(seen >> node & 1))
            wrong = check_component(sample, components, number++, members);
        if (wrong)
            return wrong;
        seen |= members;
    }
    return number == components->count ? NULL : "too many components";
}

// ---- cycles ----

// Edges fall into classes; which is which depends on the salt. Lower classes are preferred.
struct taste {
    const struct sample *sample;
    uint32_t salt;
    uint32_t classes;
    bool misled; // a source did not belong to its edge
};

static uint32_t taste_class(const struct taste *taste, uint32_t edge)
{
    return ((edge + 1) * (2654435761u + 2 * taste->salt) >> 12) % taste->classes;
}

static int taste_prefer(void *context, uint32_t source_a, uint32_t edge_a, uint32_t source_b,
                        uint32_t edge_b)
{
    struct taste *taste = context;
    uint32_t a = taste_class(taste, edge_a);
    uint32_t b = taste_class(taste, edge_b);

    if (taste->sample->sources[edge_a] != source_a || taste->sample->sources[edge_b] != source_b)
        taste->misled = true;
    return a < b ? -1 : a > b;
}

// Would the first of two edge sequences rather be the answer? By classes first, then by indexes.
static bool taste_is_better(const struct taste *taste, const uint32_t *a, const uint32_t *b,
                            uint32_t length)
{
    for (uint32_t at = 0; at < length; at++) {
        if (taste_class(taste, a[at]) != taste_class(taste, b[at]))
            return taste_class(taste, a[at]) < taste_class(taste, b[at]);
    }
    for (uint32_t at = 0; at < length; at++) {
        if (a[at] != b[at])
            return a[at] < b[at];
    }
    return false;
}

#define NO_WAY (2 * NODES_MAX)

// away[n]: a lower bound for the number of edges from n to start. For small graphs it is 0 wherever
// a walk may go at all, so that there every walk is tried.
static void oracle_away(const struct sample *sample, uint32_t start, uint32_t *away)
{
    bool exact = sample->graph.nodes > 4;

    for (uint32_t node = 0; node < sample->graph.nodes; node++)
        away[node] = !sample_has(sample, node) || (exact && node != start) ? NO_WAY : 0;
    for (uint32_t round = 0; round < sample->graph.nodes; round++) {
        for (uint32_t edge = 0; edge < sample->edges; edge++) {
            uint32_t source = sample->sources[edge];
            uint32_t target = sample->targets[edge];

            if (sample_has(sample, source) && away[source] > away[target] + 1)
                away[source] = away[target] + 1;
        }
    }
}

// Tries every walk of `length` edges from start that comes back to it, like an odometer. Leaves
// the best in `best`; false when there is none.
static bool oracle_walks(const struct taste *taste, uint32_t start, uint32_t length,
                         const uint32_t *away, uint32_t *best)
{
    const struct sample *sample = taste->sample;
    uint32_t walk[NODES_MAX];
    bool found = false;
    uint32_t depth = 0;

    walk[0] = sample->rows[start];
    for (;;) {
        uint32_t node = depth == 0 ? start : sample->targets[walk[depth - 1]];
        uint32_t target;

        if (walk[depth] == sample->rows[node + 1]) {
            if (depth-- == 0)
                return found;
            walk[depth]++;
            continue;
        }
        target = sample->targets[walk[depth]];
        if (depth + 1 < length && away[target] <= length - depth - 1) {
            walk[++depth] = sample->rows[target];
            continue;
        }
        if (depth + 1 == length && target == start &&
            (!found || taste_is_better(taste, walk, best, length))) {
            memcpy(best, walk, length * sizeof(*best));
            found = true;
        }
        walk[depth]++;
    }
}

static const char *check_cycle(struct graph_search *search, struct taste *taste, uint32_t start)
{
    const struct sample *sample = taste->sample;
    uint32_t away[NODES_MAX];
    uint32_t best[NODES_MAX];
    const uint32_t *edges;
    uint32_t expected = 1;
    uint32_t length;

    oracle_away(sample, start, away);
    while (expected <= sample->graph.nodes && !oracle_walks(taste, start, expected, away, best))
        expected++;
    if (!graph_search_cycle(search, start, taste_prefer, taste, &edges, &length))
        return "no cycle found";
    if (length != expected)
        return "not a shortest cycle";
    if (memcmp(edges, best, length * sizeof(*edges)) != 0)
        return "not the most preferred cycle";
    return taste->misled ? "prefer was given a wrong source" : NULL;
}

// Every member of every component as start, with tastes from none to a class for each edge.
static const char *check_cycles(const struct sample *sample,
                                const struct graph_components *components, uint32_t salt)
{
    static const uint32_t classes[] = {1, 2, 3, 1000};
    struct graph_search *search;
    const char *wrong = NULL;

    if (!graph_search_create(&sample->graph, components, &search))
        return "no memory";
    for (uint32_t at = 0; at < components->starts[components->count] && !wrong; at++) {
        for (uint32_t row = 0; row < 4 && !wrong; row++) {
            struct taste taste = {sample, salt + row, classes[row], false};

            wrong = check_cycle(search, &taste, components->members[at]);
        }
    }
    graph_search_destroy(search);
    return wrong;
}

// Everything about one graph.
static const char *check_sample(const struct sample *sample, bool cycles)
{
    static const uint8_t wanted[] = {2, 4, 6, 14};
    static const uint8_t unwanted[] = {0, 1, 16, 128};
    uint8_t marks[NODES_MAX];
    struct graph_components components;
    const char *wrong;

    for (uint32_t node = 0; node < sample->graph.nodes; node++)
        marks[node] = sample_has(sample, node) ? wanted[node % 4] : unwanted[node % 4];
    if (!graph_components_create(&sample->graph, marks, 6, &components))
        return "no memory";
    wrong = check_components(sample, &components);
    if (!wrong && cycles)
        wrong = check_cycles(sample, &components, sample->edges);
    graph_components_destroy(&components);
    return wrong;
}

Test(graph, all_small_digraphs)
{
    struct sample sample;

    for (uint32_t nodes = 1; nodes <= 4; nodes++) {
        for (uint32_t bits = 0; bits < (uint32_t)1 << nodes * nodes; bits++) {
            const char *wrong;

            sample_from_bits(&sample, nodes, bits);
            wrong = check_sample(&sample, true);
            cr_assert(!wrong, "%u nodes, edges %#x: %s", nodes, bits, wrong);
        }
    }
}

Test(graph, all_marks_of_small_digraphs)
{
    struct sample sample;

    for (uint32_t bits = 0; bits < 1 << 16; bits++) {
        sample_from_bits(&sample, 4, bits);
        for (uint32_t allowed = 0; allowed < 16; allowed++) {
            const char *wrong;

            sample.allowed = allowed;
            wrong = check_sample(&sample, false);

            cr_assert(!wrong, "edges %#x, nodes %#x: %s", bits, allowed, wrong);
        }
    }
}

Test(graph, random_digraphs)
{
    struct sample sample;

    for (uint64_t seed = 1; seed <= 4000; seed++) {
        const char *wrong;

        sample_randomize(&sample, seed);
        if (seed % 3 == 0)
            sample.allowed = seed * 0x9e3779b97f4a7c15u;
        wrong = check_sample(&sample, true);
        cr_assert(!wrong, "seed %llu: %s", (unsigned long long)seed, wrong);
    }
}

// ---- one by one ----

// A cycle as text: the targets of its edges.
static const char *cycle_text(const struct sample *sample, const uint32_t *edges, uint32_t length,
                              char *text)
{
    for (uint32_t at = 0; at < length; at++)
        text[at] = (char)('0' + sample->targets[edges[at]]);
    text[length] = '\0';
    return text;
}

// Of targets, 2n and 2n + 1 are alike, and a larger n is preferred.
static int prefer_large(void *context, uint32_t source_a, uint32_t edge_a, uint32_t source_b,
                        uint32_t edge_b)
{
    const struct sample *sample = context;
    uint32_t a = sample->targets[edge_a] / 2;
    uint32_t b = sample->targets[edge_b] / 2;

    (void)source_a;
    (void)source_b;
    return a > b ? -1 : a < b;
}

static const struct {
    const char *name;
    uint32_t nodes;
    const char *edges;
    const char *cycle; // through node 0, as targets
} cycle_rows[] = {
    {"loop", 1, "00", "0"},
    {"loop beside a ring", 2, "01 10 00", "0"},
    {"loop elsewhere does not shorten", 2, "01 11 10", "10"},
    {"preferred, but longer", 7, "01 10 06 65 50", "10"},
    {"the first difference counts", 8, "02 04 27 70 41 10", "410"},
    {"a tie is decided later", 8, "02 03 26 37 64 71 40 10", "2640"},
    {"a tie is decided later, for the second", 8, "02 03 26 37 61 74 40 10", "3740"},
    {"all alike: smallest index, from the start", 8, "03 02 34 25 40 50", "340"},
    {"all alike: by the path, not by the last edge", 8, "03 02 24 34 40", "340"},
    {"preferred edge leads nowhere", 8, "07 75 56 60 01 12 20", "120"},
    {"preferred edge leaves the component", 8, "07 01 10", "10"},
    {"parallel edges", 2, "01 01 10 10", "10"},
};

Test(graph, cycle_rows)
{
    for (size_t row = 0; row < sizeof(cycle_rows) / sizeof(*cycle_rows); row++) {
        uint8_t marks[NODES_MAX];
        struct graph_components components;
        struct graph_search *search;
        struct sample sample;
        const uint32_t *edges;
        uint32_t length;
        char text[NODES_MAX + 1];

        memset(marks, 1, sizeof(marks));
        sample_parse(&sample, cycle_rows[row].nodes, cycle_rows[row].edges);
        cr_assert(graph_components_create(&sample.graph, marks, 1, &components));
        cr_assert(graph_search_create(&sample.graph, &components, &search));
        cr_assert(graph_search_cycle(search, 0, prefer_large, &sample, &edges, &length));
        cr_assert_str_eq(cycle_text(&sample, edges, length, text), cycle_rows[row].cycle,
                         "%s: got %s", cycle_rows[row].name, text);
        graph_search_destroy(search);
        graph_components_destroy(&components);
    }
}

// '1' marks a node as wanted; the answer names each node's component, '-' is none.
static const struct {
    const char *name;
    const char *wanted;
    const char *edges;
    const char *of;
    const char *rings; // per component
} component_rows[] = {
    {"nothing", "", "", "", ""},
    {"isolated node", "1", "", "-", ""},
    {"loop", "1", "00", "0", "y"},
    {"two loops", "1", "00 00", "0", "n"},
    {"loop not wanted", "0", "00", "-", ""},
    {"edge", "11", "01", "--", ""},
    {"ring of two", "11", "01 10", "00", "y"},
    {"ring of two, an edge doubled", "11", "01 01 10", "00", "n"},
    {"ring of two, with a loop", "11", "01 10 11", "00", "n"},
    {"ring of two, half wanted", "10", "01 10", "--", ""},
    {"ring with edges out and in", "1111", "01 12 20 03", "000-", "y"},
    {"numbered by smallest member", "111111", "50 05 41 14 32 23 54 43", "012210", "yyy"},
    {"cut into two by a mark", "11011", "01 10 12 23 34 43 20 42", "00-11", "yy"},
    {"a chord spoils the ring, unless its end is cut off", "1110", "01 12 20 13 30", "000-", "y"},
    {"a chord spoils the ring", "1111", "01 12 20 13 30", "0000", "n"},
};

Test(graph, component_rows)
{
    for (size_t row = 0; row < sizeof(component_rows) / sizeof(*component_rows); row++) {
        uint32_t nodes = (uint32_t)strlen(component_rows[row].wanted);
        const char *name = component_rows[row].name;
        struct graph_components components;
        struct sample sample;

        sample_parse(&sample, nodes, component_rows[row].edges);
        // The digits' lowest bit is the mark.
        cr_assert(graph_components_create(
            &sample.graph, (const uint8_t *)component_rows[row].wanted, 1, &components));
        cr_assert_eq(components.count, strlen(component_rows[row].rings), "%s: %u components", name,
                     components.count);
        for (uint32_t node = 0; node < nodes; node++) {
            char of = component_rows[row].of[node];

            cr_assert_eq(components.of[node], of == '-' ? GRAPH_NONE : (uint32_t)(of - '0'),
                         "%s: node %u is in %u", name, node, components.of[node]);
        }
        for (uint32_t at = 0; at < components.count; at++) {
            cr_assert_eq(graph_component_is_ring(&sample.graph, &components, at),
                         component_rows[row].rings[at] == 'y', "%s: component %u", name, at);
        }
        graph_components_destroy(&components);
    }
}

Test(graph, search_without_nodes)
{
    struct graph_components components;
    struct graph_search *search;
    struct sample sample;
    uint8_t mark = 1;

    sample_build(&sample, 0, NULL, 0);
    cr_assert(graph_components_create(&sample.graph, &mark, 1, &components));
    cr_assert_eq(components.count, 0);
    cr_assert_eq(components.starts[0], 0);
    cr_assert(graph_search_create(&sample.graph, &components, &search));
    graph_search_destroy(search);
    graph_search_destroy(NULL);
    graph_components_destroy(&components);
}

// ---- large ----

#define LARGE 1000000

struct large {
    struct graph graph;
    uint32_t *rows;
    uint32_t *targets;
    uint8_t *marks;
    struct graph_components components;
};

// Every node has an edge to its own number plus each of `steps`; what falls outside is left out, or
// wrapped around. Finds the components on a stack on which a recursion would not come far.
static void large_init(struct large *large, uint32_t nodes, const int32_t *steps, uint32_t degree,
                       bool wrap)
{
    struct rlimit limit;
    uint32_t edges = 0;

    getrlimit(RLIMIT_STACK, &limit);
    limit.rlim_cur = 256 * 1024;
    cr_assert_eq(setrlimit(RLIMIT_STACK, &limit), 0);
    large->rows = malloc((nodes + 1) * sizeof(*large->rows));
    large->targets = malloc((size_t)nodes * degree * sizeof(*large->targets));
    large->marks = malloc(nodes);
    cr_assert(large->rows && large->targets && large->marks);
    memset(large->marks, 1, nodes);
    for (uint32_t node = 0; node < nodes; node++) {
        large->rows[node] = edges;
        for (uint32_t at = 0; at < degree; at++) {
            int64_t target = (int64_t)node + steps[at];

            if (wrap)
                target = (target + nodes) % nodes;
            if (target >= 0 && target < nodes)
                large->targets[edges++] = (uint32_t)target;
        }
    }
    large->rows[nodes] = edges;
    large->graph = (struct graph){nodes, large->rows, large->targets};
    cr_assert(graph_components_create(&large->graph, large->marks, 1, &large->components));
}

static void large_deinit(struct large *large)
{
    graph_components_destroy(&large->components);
    free(large->rows);
    free(large->targets);
    free(large->marks);
}

static int prefer_none(void *context, uint32_t source_a, uint32_t edge_a, uint32_t source_b,
                       uint32_t edge_b)
{
    (void)context, (void)source_a, (void)edge_a, (void)source_b, (void)edge_b;
    return 0;
}

Test(graph, large_ring)
{
    static const int32_t steps[] = {1, -1};

    for (int row = 0; row < 2; row++) {
        struct graph_search *search;
        const uint32_t *edges;
        struct large large;
        uint32_t wrong = 0;
        uint32_t length;

        large_init(&large, LARGE, &steps[row], 1, true);
        cr_assert_eq(large.components.count, 1);
        cr_assert_eq(large.components.starts[1], LARGE);
        cr_assert(graph_component_is_ring(&large.graph, &large.components, 0));
        cr_assert(graph_search_create(&large.graph, &large.components, &search));
        cr_assert(graph_search_cycle(search, 12345, prefer_none, NULL, &edges, &length));
        cr_assert_eq(length, LARGE);
        for (uint32_t at = 0, node = 12345; at < LARGE; at++) {
            wrong += edges[at] != node || large.components.members[at] != at;
            node = large.graph.targets[node];
        }
        cr_assert_eq(wrong, 0, "step %d", steps[row]);
        graph_search_destroy(search);
        large_deinit(&large);
    }
}

Test(graph, large_chain)
{
    static const int32_t steps[] = {1, -1};

    for (int row = 0; row < 2; row++) {
        struct large large;

        large_init(&large, LARGE, &steps[row], 1, false);
        cr_assert_eq(large.components.count, 0, "step %d", steps[row]);
        large_deinit(&large);
    }
}

// One component of many nodes, whose nodes all lie on short cycles: if a search cost what the
// component is large, this would not end.
Test(graph, search_costs_what_it_visits)
{
    static const int32_t steps[] = {1, -1};
    struct graph_search *search;
    struct large large;
    uint64_t sum = 0;

    large_init(&large, LARGE, steps, 2, false);
    cr_assert_eq(large.components.count, 1);
    cr_assert_not(graph_component_is_ring(&large.graph, &large.components, 0));
    cr_assert(graph_search_create(&large.graph, &large.components, &search));
    for (uint32_t start = 0; start < LARGE; start++) {
        const uint32_t *edges;
        uint32_t length;

        cr_assert(graph_search_cycle(search, start, prefer_none, NULL, &edges, &length));
        sum += length;
    }
    cr_assert_eq(sum, 2 * LARGE);
    graph_search_destroy(search);
    large_deinit(&large);
}

Test(graph, clique)
{
    int32_t steps[299];
    struct graph_search *search;
    struct large large;

    for (int32_t at = 0; at < 299; at++)
        steps[at] = at + 1;
    large_init(&large, 300, steps, 299, true);
    cr_assert_eq(large.components.count, 1);
    cr_assert_eq(large.components.starts[1], 300);
    cr_assert(graph_search_create(&large.graph, &large.components, &search));
    for (uint32_t start = 0; start < 300; start++) {
        const uint32_t *edges;
        uint32_t length;

        cr_assert(graph_search_cycle(search, start, prefer_none, NULL, &edges, &length));
        cr_assert_eq(length, 2, "start %u", start);
        cr_assert_eq(edges[0], start * 299, "start %u: leaves by edge %u", start, edges[0]);
        cr_assert_eq(large.targets[edges[1]], start, "start %u", start);
    }
    graph_search_destroy(search);
    large_deinit(&large);
}
