// collect.c: a truth table (shape x place of the finalizer x holder, under every numbering), rows
// with expectations written by hand, all digraphs of up to three nodes, random ones, large ones.
//
// Two oracles. One computes the states as sets, from their definitions. The other plays what the
// interpreter would do, with reference counts: what gc.collect() frees, and what it frees after
// gc.garbage was emptied.
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "collect.h"
#include "common.h"

#define NODES_MAX 24

// A small heap. Sets of nodes are bit masks.
struct sample {
    uint32_t nodes;
    uint8_t edges[NODES_MAX][NODES_MAX]; // how many, from and to
    int32_t refs[NODES_MAX];             // ob_refcnt
    uint32_t finalizers;
    uint32_t list; // the node of gc.garbage, or GRAPH_NONE
};

static uint32_t sample_all(const struct sample *sample)
{
    return (uint32_t)(((uint64_t)1 << sample->nodes) - 1);
}

static int32_t sample_inside_refs(const struct sample *sample, uint32_t node)
{
    int32_t count = 0;

    for (uint32_t from = 0; from < sample->nodes; from++)
        count += sample->edges[from][node];
    return count;
}

// Makes every ob_refcnt what the edges and `outside` (a set, one reference each) ask for.
static void sample_count_refs(struct sample *sample, uint32_t outside)
{
    for (uint32_t node = 0; node < sample->nodes; node++)
        sample->refs[node] = sample_inside_refs(sample, node) + (int32_t)(outside >> node & 1);
}

static void *must_allocate(size_t size)
{
    void *memory = malloc(size ? size : 1);

    cr_assert(memory);
    return memory;
}

// Runs the collector over arrays of exactly the promised sizes, for ASan to see an excess.
static void sample_collect(const struct sample *sample, uint8_t *states,
                           struct collect_totals *totals)
{
    uint32_t nodes = sample->nodes;
    uint32_t *rows = must_allocate((nodes + 1) * sizeof(*rows));
    int32_t *gc_refs = must_allocate(nodes * sizeof(*gc_refs));
    uint8_t *finalizers = must_allocate((nodes + 7) / 8);
    uint32_t *targets;
    uint32_t count = 0;

    for (uint32_t node = 0; node < nodes; node++)
        count += (uint32_t)sample_inside_refs(sample, node);
    targets = must_allocate(count * sizeof(*targets));
    count = 0;
    for (uint32_t node = 0; node < nodes; node++) {
        rows[node] = count;
        for (uint32_t to = 0; to < nodes; to++) {
            for (uint32_t edge = 0; edge < sample->edges[node][to]; edge++)
                targets[count++] = to;
        }
    }
    rows[nodes] = count;
    memcpy(gc_refs, sample->refs, nodes * sizeof(*gc_refs));
    for (uint32_t at = 0; at < (nodes + 7) / 8; at++)
        finalizers[at] = (uint8_t)(sample->finalizers >> 8 * at);
    memset(states, 0xa5, nodes);
    collect_run(&(struct graph){nodes, rows, targets}, gc_refs, finalizers, sample->list, states,
                totals);
    free(rows);
    free(gc_refs);
    free(finalizers);
    free(targets);
}

// ---- oracle: the definitions, as sets ----

// What `seeds` lead to inside `allowed`, without following the edges out of `closed`.
static uint32_t oracle_closure(const struct sample *sample, uint32_t seeds, uint32_t allowed,
                               uint32_t closed)
{
    uint32_t reached = seeds & allowed;
    uint32_t before;

    do {
        before = reached;
        for (uint32_t from = 0; from < sample->nodes; from++) {
            for (uint32_t to = 0; to < sample->nodes; to++) {
                if (sample->edges[from][to] && from != closed && reached >> from & 1)
                    reached |= (uint32_t)1 << to & allowed;
            }
        }
    } while (reached != before);
    return reached;
}

// What is left of `candidates` after those to which no other one refers have been taken away,
// again and again.
static uint32_t oracle_strip(const struct sample *sample, uint32_t candidates)
{
    uint32_t before;

    do {
        before = candidates;
        for (uint32_t node = 0; node < sample->nodes; node++) {
            uint32_t holders = 0;

            for (uint32_t from = 0; from < sample->nodes; from++)
                holders |= sample->edges[from][node] ? (uint32_t)1 << from : 0;
            if (!(holders & candidates))
                candidates &= ~((uint32_t)1 << node);
        }
    } while (candidates != before);
    return candidates;
}

static void oracle_collect(const struct sample *sample, uint8_t *states,
                           struct collect_totals *totals)
{
    uint32_t all = sample_all(sample);
    uint32_t roots = 0;
    uint32_t in_use, alive, refused, candidates, stripped;

    *totals = (struct collect_totals){0};
    for (uint32_t node = 0; node < sample->nodes; node++) {
        int64_t outside = (int64_t)sample->refs[node] - sample_inside_refs(sample, node);

        if (sample->refs[node] == INT32_MAX || outside > 0)
            roots |= (uint32_t)1 << node;
        else
            totals->overdrawn += outside < 0;
    }
    in_use = oracle_closure(sample, roots, all, sample->list);
    alive = in_use;
    if (sample->list != GRAPH_NONE && in_use >> sample->list & 1)
        alive = oracle_closure(sample, in_use, all, GRAPH_NONE);
    refused = oracle_closure(sample, sample->finalizers & ~in_use, all & ~in_use, GRAPH_NONE);
    candidates = refused & ~alive;
    stripped = candidates & ~oracle_strip(sample, candidates);
    refused =
        oracle_closure(sample, sample->finalizers & ~in_use & ~stripped, all & ~in_use, GRAPH_NONE);
    for (uint32_t node = 0; node < sample->nodes; node++) {
        uint32_t bit = (uint32_t)1 << node;

        if (in_use & bit)
            states[node] = COLLECT_REACHABLE;
        else if (alive & bit)
            states[node] = refused & bit ? COLLECT_UNCOLLECTABLE : COLLECT_KEPT;
        else
            states[node] = refused & bit ? COLLECT_PENDING : COLLECT_TRASH;
        totals->objects[states[node]]++;
    }
}

// Compares with the oracle. Returns what is wrong, or NULL.
static const char *check_sample(const struct sample *sample)
{
    uint8_t states[NODES_MAX], expected_states[NODES_MAX];
    struct collect_totals totals, expected;

    sample_collect(sample, states, &totals);
    oracle_collect(sample, expected_states, &expected);
    if (memcmp(states, expected_states, sample->nodes) != 0)
        return "wrong states";
    if (totals.overdrawn != expected.overdrawn)
        return "wrong number of overdrawn counts";
    if (memcmp(&totals, &expected, sizeof(totals)) != 0)
        return "wrong totals";
    return NULL;
}

// ---- oracle: what the interpreter would do ----

static void play_release(struct sample *heap, uint32_t node)
{
    for (uint32_t to = 0; to < heap->nodes; to++) {
        heap->refs[to] -= heap->edges[node][to];
        heap->edges[node][to] = 0;
    }
}

// gc.collect() on true reference counts; returns what it frees. The list is an object like any
// other here, and what handle_garbage puts into the collector's own is referred to from outside.
static uint32_t play_collect(struct sample *heap)
{
    uint32_t all = sample_all(heap);
    uint32_t roots = 0, unreachable, refused, freed = 0, before;

    for (uint32_t node = 0; node < heap->nodes; node++) {
        if (heap->refs[node] > sample_inside_refs(heap, node))
            roots |= (uint32_t)1 << node;
    }
    unreachable = all & ~oracle_closure(heap, roots, all, GRAPH_NONE);
    refused = oracle_closure(heap, heap->finalizers & unreachable, unreachable, GRAPH_NONE);
    // tp_clear of all trash; then whatever has no reference left goes, and releases its own.
    for (uint32_t node = 0; node < heap->nodes; node++) {
        if (unreachable & ~refused & (uint32_t)1 << node)
            play_release(heap, node);
    }
    do {
        before = freed;
        for (uint32_t node = 0; node < heap->nodes; node++) {
            if (heap->refs[node] > 0 || freed >> node & 1)
                continue;
            play_release(heap, node);
            freed |= (uint32_t)1 << node;
        }
    } while (freed != before);
    for (uint32_t node = 0; node < heap->nodes; node++)
        heap->refs[node] += (int32_t)(refused & heap->finalizers & ~freed) >> node & 1;
    return freed;
}

// Does what the states promise come true? Needs true reference counts.
static const char *check_promises(const struct sample *sample)
{
    struct sample now = *sample, later = *sample;
    struct collect_totals totals;
    uint8_t states[NODES_MAX];
    uint32_t in_state[COLLECT_KEPT + 1] = {0};
    uint32_t freed_first, freed_now, freed_later;

    sample_collect(sample, states, &totals);
    for (uint32_t node = 0; node < sample->nodes; node++)
        in_state[states[node]] |= (uint32_t)1 << node;
    freed_first = play_collect(&now);
    freed_now = freed_first | play_collect(&now);
    play_release(&later, sample->list);
    freed_later = play_collect(&later);
    freed_later |= play_collect(&later);
    if (freed_now != in_state[COLLECT_TRASH])
        return "gc.collect() twice does not free exactly the trash";
    if (freed_now & ~freed_first & sample->finalizers)
        return "a finalizer outlives the first gc.collect() but not the second";
    if (freed_now != freed_first && !(freed_first & sample->finalizers))
        return "gc.collect() frees more the second time though no finalizer died the first";
    if (play_collect(&now) != freed_now)
        return "gc.collect() frees more the third time";
    if (in_state[COLLECT_KEPT] & ~freed_later)
        return "gc.collect() after del gc.garbage[:] does not free all that is only kept";
    if (in_state[COLLECT_REACHABLE] & freed_later)
        return "something in use would be freed";
    return NULL;
}

// ---- truth table ----

// One word per edge, one letter per node. The garbage list is added to each as another node.
static const struct {
    const char *name;
    uint32_t nodes;
    const char *edges;
} shapes[] = {
    {"isolated node", 1, ""},
    {"self loop", 1, "aa"},
    {"ring", 2, "ab ba"},
    {"ring with tail", 3, "ab ba bc"},
    {"tail into ring", 3, "ab ba ca"},
    {"two rings sharing a node", 3, "ab ba bc cb"},
    {"ring hanging from a ring", 4, "ab ba bc cd dc"},
    {"ring with a doubled edge and a loop", 2, "ab ab ba aa"},
};

// The shape's nodes become numbers by way of `number`; the list is the letter after the last.
static void sample_parse(struct sample *sample, uint32_t nodes, const char *edges,
                         const uint8_t *number)
{
    *sample = (struct sample){.nodes = nodes + 1, .list = number[nodes]};
    for (; *edges; edges += strspn(edges, " ")) {
        sample->edges[number[edges[0] - 'a']][number[edges[1] - 'a']]++;
        edges += 2;
    }
}

// The `which`th order of 0 .. count - 1, of count! ones.
static void permutation_make(uint32_t which, uint32_t count, uint8_t *order)
{
    for (uint32_t at = 0; at < count; at++)
        order[at] = (uint8_t)at;
    for (uint32_t at = 0; at < count; which /= count - at, at++) {
        uint32_t other = at + which % (count - at);
        uint8_t swap = order[at];

        order[at] = order[other];
        order[other] = swap;
    }
}

static const uint32_t factorials[] = {1, 1, 2, 6, 24, 120};

struct place {
    uint32_t shape;
    uint32_t finalizer; // on which node; the shape's number of nodes stands for nowhere, here
    uint32_t outside;   // held from outside; also here
    uint32_t listed;    // held by gc.garbage; and here
    uint32_t which;     // order of the numbers
};

static void check_place(const struct place *place)
{
    uint32_t nodes = shapes[place->shape].nodes;
    struct sample sample;
    uint8_t number[8];
    uint32_t outside;
    const char *wrong;

    permutation_make(place->which, nodes + 1, number);
    sample_parse(&sample, nodes, shapes[place->shape].edges, number);
    outside = (uint32_t)1 << sample.list;
    if (place->finalizer < nodes)
        sample.finalizers = (uint32_t)1 << number[place->finalizer];
    if (place->outside < nodes)
        outside |= (uint32_t)1 << number[place->outside];
    if (place->listed < nodes)
        sample.edges[sample.list][number[place->listed]] = 1;
    sample_count_refs(&sample, outside);
    wrong = check_sample(&sample);
    if (!wrong)
        wrong = check_promises(&sample);
    cr_assert(!wrong, "%s, finalizer %u, outside %u, listed %u, order %u: %s",
              shapes[place->shape].name, place->finalizer, place->outside, place->listed,
              place->which, wrong);
}

Test(collect, truth_table)
{
    uint32_t combinations = 0;

    for (uint32_t shape = 0; shape < sizeof(shapes) / sizeof(*shapes); shape++) {
        uint32_t nodes = shapes[shape].nodes;
        uint32_t places = (nodes + 1) * (nodes + 1) * (nodes + 1);

        for (uint32_t at = 0; at < places; at++) {
            for (uint32_t which = 0; which < factorials[nodes + 1]; which++, combinations++) {
                check_place(&(struct place){shape, at % (nodes + 1), at / (nodes + 1) % (nodes + 1),
                                            at / (nodes + 1) / (nodes + 1), which});
            }
        }
    }
    cr_assert_eq(combinations, 2 * 8 * 2 + 2 * 27 * 6 + 3 * 64 * 24 + 125 * 120);
}

// ---- by hand ----

// Letters: Reachable, Uncollectable, Pending, Trash, Kept; one per node.
static const struct {
    const char *name;
    const char *edges;
    const char *finalizers;
    const char *outside; // one reference per letter
    const char *listed;
    const char *states;
} rows[] = {
    {"node nobody holds", "", "", "", "", "T"},
    {"node nobody holds, with finalizer", "", "a", "", "", "T"},
    {"node in use", "", "a", "a", "", "R"},
    {"node listed", "", "", "", "a", "K"},
    {"node listed, with finalizer", "", "a", "", "a", "U"},
    {"node listed twice", "", "a", "", "aa", "U"},
    {"node listed and in use", "", "a", "a", "a", "R"},

    {"loop", "aa", "", "", "", "T"},
    {"loop with finalizer", "aa", "a", "", "", "P"},
    {"loop with finalizer, listed", "aa", "a", "", "a", "U"},
    {"loop with finalizer, in use", "aa", "a", "a", "", "R"},

    {"ring", "ab ba", "", "", "", "TT"},
    {"ring in use", "ab ba", "", "b", "", "RR"},
    {"ring, finalizer on a", "ab ba", "a", "", "", "PP"},
    {"ring, finalizer on b", "ab ba", "b", "", "", "PP"},
    {"ring, listed by finalizer", "ab ba", "a", "", "a", "UU"},
    {"ring, listed by the other", "ab ba", "a", "", "b", "UU"},
    {"ring listed (gc.DEBUG_SAVEALL)", "ab ba", "", "", "ab", "KK"},
    {"ring listed and in use", "ab ba", "a", "b", "a", "RR"},

    {"tail, finalizer in ring", "ab ba bc", "a", "", "", "PPP"},
    {"tail, finalizer in ring, tail in use", "ab ba bc", "a", "c", "", "PPR"},
    {"tail, finalizer in ring, ring listed", "ab ba bc", "a", "", "a", "UUU"},
    {"finalizer hanging off trash", "ab ba bc", "c", "", "", "TTT"},
    {"chain hanging off trash", "ab ba bc cd de", "c", "", "", "TTTTT"},
    {"chain hanging off trash, two finalizers", "ab ba bc cd de", "ce", "", "", "TTTTT"},
    {"chain hanging off trash, to an earlier node", "bc cb ca ad", "a", "", "", "TTTT"},
    {"finalizer hanging off trash, in a ring of its own", "ab ba bc cc", "c", "", "", "TTP"},
    {"finalizer hanging off trash and off a refused ring", "ab ba bc cd de ed", "ce", "", "",
     "TTTPP"},
    {"ring hanging off a finalizer that hangs off trash", "ab ba bc cd de ed", "c", "", "",
     "TTTTT"},
    {"ring hanging off a finalizer that nobody holds", "ab bc cb", "a", "", "", "TTT"},
    {"ring hanging off two finalizers, one dies", "ab cc cb bd db", "ac", "", "", "TPPP"},
    {"finalizer held by a ring that hangs off one that dies", "ab bc cb cd", "ad", "", "", "TTTP"},
    {"listed ring hanging off a finalizer that dies", "ab bc cb", "a", "", "b", "TKK"},
    {"listed ring hanging off a finalizer that dies and one that does not", "ab cc cb bd db", "ac",
     "", "b", "TUPU"},
    {"finalizer held by trash and by a refused ring", "ab ba ac dd dc", "cd", "", "", "TTPP"},
    {"finalizer hanging off trash, listed", "ab ba bc", "c", "", "c", "TTU"},
    {"finalizer hanging off a listed ring", "ab ba bc", "c", "", "a", "KKU"},
    {"everything saved (gc.DEBUG_SAVEALL)", "ab ba bc", "c", "", "abc", "KKU"},

    {"lead to a ring with finalizer", "ab ba ca", "a", "", "", "PPT"},
    {"lead to a ring with finalizer, in use", "ab ba ca", "a", "c", "", "RRR"},
    {"lead to a ring with finalizer, listed", "ab ba ca", "a", "", "c", "UUK"},
    {"lead with finalizer, listed", "ab ba ca", "c", "", "c", "UUU"},

    {"two rings sharing a node", "ab ba bc cb", "c", "", "", "PPP"},
    {"two rings sharing a node, listed", "ab ba bc cb", "c", "", "b", "UUU"},

    {"finalizer in the upper ring", "ab ba bc cd dc", "a", "", "", "PPPP"},
    {"finalizer in the lower ring", "ab ba bc cd dc", "d", "", "", "TTPP"},
    {"finalizer in the lower ring, upper listed", "ab ba bc cd dc", "d", "", "a", "KKUU"},
    {"finalizer in the lower ring, lower listed", "ab ba bc cd dc", "d", "", "c", "TTUU"},
    {"finalizer in the upper ring, lower listed", "ab ba bc cd dc", "a", "", "c", "PPUU"},
    {"finalizer in the upper ring, lower in use", "ab ba bc cd dc", "a", "d", "", "PPRR"},
    {"one ring listed, its like not yet found", "ab ba cd dc", "ac", "", "a", "UUPP"},

    {"listed client whose module holds the list", "ab ba ac cl", "a", "c", "a", "UUR"},
    {"the same, but nothing else holds the module", "ab ba ac cl", "a", "", "a", "UUU"},
};

static uint8_t state_of_letter(char letter)
{
    switch (letter) {
    case 'R':
        return COLLECT_REACHABLE;
    case 'U':
        return COLLECT_UNCOLLECTABLE;
    case 'P':
        return COLLECT_PENDING;
    case 'T':
        return COLLECT_TRASH;
    default:
        return COLLECT_KEPT;
    }
}

// Node letters to numbers; "l" is the list.
static uint32_t number_of_letter(char letter, uint32_t nodes, const uint8_t *number)
{
    return number[letter == 'l' ? nodes : (uint32_t)(letter - 'a')];
}

static void check_row(size_t row, uint32_t which)
{
    uint32_t nodes = (uint32_t)strlen(rows[row].states);
    struct collect_totals totals;
    struct sample sample;
    uint8_t number[8], states[NODES_MAX];

    permutation_make(which, nodes + 1, number);
    sample = (struct sample){.nodes = nodes + 1, .list = number[nodes]};
    for (const char *at = rows[row].edges; *at; at += at[2] ? 3 : 2) {
        sample.edges[number_of_letter(at[0], nodes, number)]
                    [number_of_letter(at[1], nodes, number)]++;
    }
    for (const char *at = rows[row].finalizers; *at; at++)
        sample.finalizers |= (uint32_t)1 << number_of_letter(*at, nodes, number);
    for (const char *at = rows[row].listed; *at; at++)
        sample.edges[sample.list][number_of_letter(*at, nodes, number)]++;
    sample_count_refs(&sample, (uint32_t)1 << sample.list);
    for (const char *at = rows[row].outside; *at; at++)
        sample.refs[number_of_letter(*at, nodes, number)]++;
    sample_collect(&sample, states, &totals);
    for (uint32_t node = 0; node < nodes; node++) {
        cr_assert_eq(states[number[node]], state_of_letter(rows[row].states[node]),
                     "%s, order %u: node %c is in state %u", rows[row].name, which, 'a' + (int)node,
                     states[number[node]]);
    }
    cr_assert_eq(states[sample.list], COLLECT_REACHABLE, "%s", rows[row].name);
    cr_assert_eq(totals.overdrawn, 0, "%s", rows[row].name);
}

Test(collect, rows_by_hand)
{
    for (size_t row = 0; row < sizeof(rows) / sizeof(*rows); row++) {
        size_t nodes = strlen(rows[row].states);

        // Every order of up to five numbers; of more, a few.
        for (uint32_t which = 0; which < factorials[nodes < 5 ? nodes + 1 : 5]; which++)
            check_row(row, which);
    }
}

// One node with `edges` loops (and no other edge), and its ob_refcnt.
static const struct {
    const char *name;
    int32_t refs;
    uint8_t edges;
    uint8_t state;
    uint32_t overdrawn;
} refs_rows[] = {
    {"all references found", 3, 3, COLLECT_TRASH, 0},
    {"one from outside", 4, 3, COLLECT_REACHABLE, 0},
    {"one too many", 2, 3, COLLECT_TRASH, 1},
    {"many too many", 2, 255, COLLECT_TRASH, 1},
    {"ob_refcnt of 0", 0, 0, COLLECT_TRASH, 0},
    {"ob_refcnt of -1", -1, 0, COLLECT_TRASH, 1},
    {"ob_refcnt is the smallest number", INT32_MIN, 3, COLLECT_TRASH, 1},
    {"ob_refcnt is the largest number", INT32_MAX, 0, COLLECT_REACHABLE, 0},
    {"the largest number is never used up", INT32_MAX, 255, COLLECT_REACHABLE, 0},
    {"one less is a number as any other", INT32_MAX - 1, 255, COLLECT_REACHABLE, 0},
};

Test(collect, reference_counts)
{
    for (size_t row = 0; row < sizeof(refs_rows) / sizeof(*refs_rows); row++) {
        struct sample sample = {.nodes = 1, .list = GRAPH_NONE};
        struct collect_totals totals;
        uint8_t state;

        sample.refs[0] = refs_rows[row].refs;
        sample.edges[0][0] = refs_rows[row].edges;
        sample_collect(&sample, &state, &totals);
        cr_assert_eq(state, refs_rows[row].state, "%s: state %u", refs_rows[row].name, state);
        cr_assert_eq(totals.overdrawn, refs_rows[row].overdrawn, "%s", refs_rows[row].name);
        cr_assert_eq(totals.objects[state], 1, "%s", refs_rows[row].name);
    }
}

Test(collect, nothing_at_all)
{
    struct sample sample = {.list = GRAPH_NONE};
    struct collect_totals totals;
    uint8_t state;

    sample_collect(&sample, &state, &totals);
    for (int at = 0; at <= COLLECT_KEPT; at++)
        cr_assert_eq(totals.objects[at], 0);
    cr_assert_eq(totals.overdrawn, 0);
}

// ---- all small graphs, and random ones ----

// `choice` says for each node whether its count is short by one, exact, or over by one; which have
// finalizers; and which is the list, if any.
static void sample_choose(struct sample *sample, uint32_t bits, uint32_t choice)
{
    uint32_t nodes = sample->nodes;

    for (uint32_t bit = 0; bit < nodes * nodes; bit++)
        sample->edges[bit / nodes][bit % nodes] = bits >> bit & 1;
    sample->list = choice % (nodes + 1) < nodes ? choice % (nodes + 1) : GRAPH_NONE;
    choice /= nodes + 1;
    sample->finalizers = choice & sample_all(sample);
    choice >>= nodes;
    for (uint32_t node = 0; node < nodes; node++, choice /= 3)
        sample->refs[node] = sample_inside_refs(sample, node) + (int32_t)(choice % 3) - 1;
}

Test(collect, all_small_graphs)
{
    static const uint32_t choices[] = {0, 2 * 2 * 3, 3 * 4 * 9, 4 * 8 * 27};

    for (uint32_t nodes = 1; nodes <= 3; nodes++) {
        struct sample sample = {.nodes = nodes};

        for (uint32_t bits = 0; bits < (uint32_t)1 << nodes * nodes; bits++) {
            for (uint32_t choice = 0; choice < choices[nodes]; choice++) {
                const char *wrong;

                sample_choose(&sample, bits, choice);
                wrong = check_sample(&sample);
                cr_assert(!wrong, "%u nodes, edges %#x, choice %u: %s", nodes, bits, choice, wrong);
            }
        }
    }
}

static uint32_t random_next(uint64_t *state, uint32_t limit)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*state >> 33) % limit);
}

// `wild` counts may be anything; the others are true ones.
static void sample_randomize(struct sample *sample, uint64_t seed, bool wild)
{
    static const int32_t extras[] = {0, 0, 0, 0, 0, 1, -1, -7, INT32_MAX, INT32_MIN};
    uint64_t state = seed * 2654435761u + 1;
    uint32_t outside = 0;
    uint32_t edges;

    *sample = (struct sample){.nodes = 2 + random_next(&state, NODES_MAX - 2)};
    edges = sample->nodes / 2 + random_next(&state, sample->nodes * 2);
    for (uint32_t edge = 0; edge < edges; edge++)
        sample->edges[random_next(&state, sample->nodes)][random_next(&state, sample->nodes)]++;
    sample->list = random_next(&state, sample->nodes);
    for (uint32_t node = 0; node < sample->nodes; node++) {
        sample->finalizers |= (uint32_t)(random_next(&state, 6) == 0) << node;
        sample->edges[sample->list][node] += random_next(&state, 5) == 0;
        outside |= (uint32_t)(random_next(&state, 12) == 0) << node;
    }
    // Mostly the list is held by the gc module.
    outside |= (uint32_t)(random_next(&state, 8) > 0) << sample->list;
    sample_count_refs(sample, outside);
    for (uint32_t node = 0; wild && node < sample->nodes; node++) {
        int32_t extra = extras[random_next(&state, 10)];

        sample->refs[node] = extra < -7 || extra > 1 ? extra : sample->refs[node] + extra;
    }
    if (wild && random_next(&state, 4) == 0)
        sample->list = GRAPH_NONE;
}

Test(collect, random_graphs)
{
    struct sample sample;

    for (uint64_t seed = 1; seed <= 20000; seed++) {
        bool wild = seed % 4 == 0;
        const char *wrong;

        sample_randomize(&sample, seed, wild);
        wrong = check_sample(&sample);
        if (!wrong && !wild)
            wrong = check_promises(&sample);
        cr_assert(!wrong, "seed %llu: %s", (unsigned long long)seed, wrong);
    }
}

// ---- large ----

#define LARGE 1000000

// A chain of LARGE nodes in which n leads to n + 1 or, `down`, to n - 1; the last to the first in a
// ring. Its first node may have a finalizer, and be held by a list, which is node LARGE.
static const struct {
    const char *name;
    bool ring, down, finalizer, listed, outside;
    uint8_t state;
} large_rows[] = {
    {"chain in use", false, false, false, false, true, COLLECT_REACHABLE},
    {"chain in use, downwards", false, true, false, false, true, COLLECT_REACHABLE},
    {"chain kept", false, true, false, true, false, COLLECT_KEPT},
    {"chain with finalizer, listed", false, true, true, true, false, COLLECT_UNCOLLECTABLE},
    {"chain with finalizer, dead", false, false, true, false, false, COLLECT_TRASH},
    {"chain with finalizer, dead, downwards", false, true, true, false, false, COLLECT_TRASH},
    {"ring with finalizer", true, false, true, false, false, COLLECT_PENDING},
    {"ring with finalizer, downwards", true, true, true, false, false, COLLECT_PENDING},
    {"ring with finalizer, listed", true, true, true, true, false, COLLECT_UNCOLLECTABLE},
    {"ring", true, true, false, false, false, COLLECT_TRASH},
};

// The edges of large_rows[row], and the reference counts that go with them.
static void large_build(size_t row, uint32_t *starts, uint32_t *targets, int32_t *gc_refs)
{
    uint32_t first = large_rows[row].down ? LARGE - 1 : 0;
    uint32_t last = LARGE - 1 - first;
    uint32_t edges = 0;

    memset(gc_refs, 0, (LARGE + 1) * sizeof(*gc_refs));
    for (uint32_t node = 0; node < LARGE; node++) {
        starts[node] = edges;
        if (node != last)
            targets[edges++] = large_rows[row].down ? node - 1 : node + 1;
        else if (large_rows[row].ring)
            targets[edges++] = first;
    }
    starts[LARGE] = edges;
    if (large_rows[row].listed)
        targets[edges++] = first;
    starts[LARGE + 1] = edges;
    for (uint32_t edge = 0; edge < edges; edge++)
        gc_refs[targets[edge]]++;
    gc_refs[first] += large_rows[row].outside;
    gc_refs[LARGE]++;
}

Test(collect, large)
{
    uint32_t *starts = must_allocate((LARGE + 2) * sizeof(*starts));
    uint32_t *targets = must_allocate((LARGE + 1) * sizeof(*targets));
    int32_t *gc_refs = must_allocate((LARGE + 1) * sizeof(*gc_refs));
    uint8_t *finalizers = must_allocate(LARGE / 8 + 1);
    uint8_t *states = must_allocate(LARGE + 1);
    struct graph graph = {LARGE + 1, starts, targets};
    struct rlimit limit;

    // A stack on which a recursion would not come far.
    getrlimit(RLIMIT_STACK, &limit);
    limit.rlim_cur = 256 * 1024;
    cr_assert_eq(setrlimit(RLIMIT_STACK, &limit), 0);
    for (size_t row = 0; row < sizeof(large_rows) / sizeof(*large_rows); row++) {
        uint32_t first = large_rows[row].down ? LARGE - 1 : 0;
        uint32_t expected = LARGE + (large_rows[row].state == COLLECT_REACHABLE);
        struct collect_totals totals;

        large_build(row, starts, targets, gc_refs);
        graph.jobs = row % 2 ? 3 : 1;
        memset(finalizers, 0, LARGE / 8 + 1);
        finalizers[first / 8] |= (uint8_t)(large_rows[row].finalizer << first % 8);
        collect_run(&graph, gc_refs, finalizers, LARGE, states, &totals);
        cr_assert_eq(totals.objects[large_rows[row].state], expected, "%s: %u",
                     large_rows[row].name, totals.objects[large_rows[row].state]);
        cr_assert_eq(states[LARGE], COLLECT_REACHABLE, "%s", large_rows[row].name);
    }
    free(starts);
    free(targets);
    free(gc_refs);
    free(finalizers);
    free(states);
}
