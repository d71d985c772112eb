// Replays without gc.garbage, and cycles that only references from nowhere keep in use.
#include "common.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "suspects.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

enum {
    NODES_MAX = 8,
    EDGES_MAX = 16
};

// A letter per node: R reachable, U uncollectable, P pending, T trash, S suspect.
static char letter(uint8_t state)
{
    switch (state) {
    case COLLECT_REACHABLE:
        return 'R';
    case COLLECT_UNCOLLECTABLE:
        return 'U';
    case COLLECT_PENDING:
        return 'P';
    case COLLECT_TRASH:
        return 'T';
    case COLLECT_KEPT:
        return 'K';
    case COLLECT_SUSPECT:
        return 'S';
    }
    return '?';
}

struct heap_sample {
    uint32_t rows[NODES_MAX + 1];
    uint32_t targets[EDGES_MAX];
    int32_t refs[NODES_MAX];
    uint8_t finalizers;
    struct graph graph;
};

// "ab ba" are edges; `outside` has per node the digit of its references from nowhere, and 'f'
// behind it for a finalizer.
static void make_sample(struct heap_sample *sample, const char *edges, const char *outside)
{
    *sample = (struct heap_sample){0};
    uint32_t nodes = 0, edge = 0;
    for (; *outside; outside++) {
        if (*outside == 'f')
            sample->finalizers |= (uint8_t)(1u << (nodes - 1));
        else
            sample->refs[nodes++] = *outside - '0';
    }
    for (uint32_t node = 0; node < nodes; node++) {
        sample->rows[node] = edge;
        for (const char *at = edges; *at; at += 2 + strspn(at + 2, " "))
            if ((uint32_t)(at[0] - 'a') == node) {
                sample->targets[edge++] = (uint32_t)(at[1] - 'a');
                sample->refs[at[1] - 'a']++;
            }
    }
    sample->rows[nodes] = edge;
    sample->graph = (struct graph){nodes, sample->rows, sample->targets};
}

static const struct {
    const char *what;
    const char *edges;
    const char *outside;
    uint32_t list;
    const char *states;
} rows[] = {
    {"all explained: certain", "ab ba", "0f0", GRAPH_NONE, "PP"},
    {"no finalizer: trash", "ab ba", "00", GRAPH_NONE, "TT"},
    {"one more to the finalizer: the list's", "ab ba", "1f0", GRAPH_NONE, "UU"},
    {"one more to each of two finalizers", "ab ba", "1f1f", GRAPH_NONE, "UU"},
    {"one more to what has none: not the list's", "ab ba", "0f1", GRAPH_NONE, "SS"},
    {"two more: perhaps", "ab ba", "2f0", GRAPH_NONE, "SS"},
    {"two more, no finalizer: in use", "ab ba", "20", GRAPH_NONE, "RR"},
    {"what hangs off a likely one", "ab ba ac", "1f00", GRAPH_NONE, "UUU"},
    {"what hangs off a perhaps is in use", "ab ba ac", "2f00", GRAPH_NONE, "SSR"},
    {"held by something in use that is left", "ab ba ca", "1f02", GRAPH_NONE, "RRR"},
    {"held by it, and by more", "ab ba ca", "2f02", GRAPH_NONE, "RRR"},
    {"no cycle: not told", "ab", "2f0", GRAPH_NONE, "RR"},
    {"no cycle, one reference: the list has no such", "ab", "1f0", GRAPH_NONE, "RR"},
    {"loop", "aa", "2f", GRAPH_NONE, "S"},
    {"a list that is left keeps what it lists", "ab ba ca", "0f01", 2, "UUR"},
    {"and the rest is lent", "ab ba ca de ed", "0f011f0", 2, "UURUU"},
    {"perhaps, though listed as well", "ab ba ca", "1f11", 2, "SSR"},
    {"two cycles, one refers to the other", "ab ba bc cd dc", "2f00f0", GRAPH_NONE, "SSRR"},
};

Test(suspects, states)
{
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct heap_sample sample;
        struct collect_totals totals;
        uint8_t states[NODES_MAX];
        char found[NODES_MAX + 1] = "";
        uint32_t suspects = 0;
        make_sample(&sample, rows[i].edges, rows[i].outside);
        uint8_t *listable = suspects_list_cyclic(&sample.graph, &sample.finalizers, rows[i].list);
        cr_assert_not_null(listable);
        collect_run_without_list(&sample.graph, sample.refs, &sample.finalizers, listable,
                                 rows[i].list, states, &totals);
        free(listable);
        cr_assert(suspects_mark(&sample.graph, &sample.finalizers, rows[i].list, states, &totals));
        for (uint32_t node = 0; node < sample.graph.nodes; node++) {
            found[node] = letter(states[node]);
            suspects += states[node] == COLLECT_SUSPECT;
        }
        cr_expect_str_eq(found, rows[i].states, "%s: %s, not %s", rows[i].what, found,
                         rows[i].states);
        cr_expect_eq(totals.objects[COLLECT_SUSPECT], suspects, "%s", rows[i].what);
    }
}
