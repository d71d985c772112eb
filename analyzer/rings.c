#include "rings.h"

enum {
    STEPS_MAX = 128, // longer rings are the walk's
    // Nodes at a time for a thread: on a heap whose numbers say nothing of what belongs together,
    // most rings have their smallest member among the first nodes.
    PORTION = 1 << 14,
    // A portion in which steps lead to nothing is left to the walk: it has so many steps for
    // nothing to begin with, and gets more for each node that is settled.
    STEPS_FOR_NOTHING = 32 * STEPS_MAX,
    STEPS_PER_NODE = 4,
};

// In an index while rings are looked for, beside numbers of nodes: more than one.
#define SEVERAL (RINGS_FOUND - 1)

struct search {
    const struct graph *graph;
    const uint8_t *marks;
    uint32_t *index;
    struct rings_totals parts[PARALLEL_JOBS_MAX];
    unsigned jobs;
    uint8_t wanted;
    bool follow; // numbers of nodes leave room for RINGS_FOUND
};

// Other threads may write to what is read here. Whatever they write, it leaves this to the walk, or
// is as true as what was there.
static inline uint32_t index_get(const struct search *search, uint32_t node)
{
    return __atomic_load_n(&search->index[node], __ATOMIC_RELAXED);
}

static inline void index_put(const struct search *search, uint32_t node, uint32_t value)
{
    __atomic_store_n(&search->index[node], value, __ATOMIC_RELAXED);
}

// The only wanted node to which edges of the node lead, SEVERAL, or GRAPH_NONE.
static inline uint32_t find_next(const struct search *search, uint32_t node)
{
    const struct graph *graph = search->graph;
    uint32_t next = GRAPH_NONE;
    uint32_t end = graph->rows[node + 1];

    for (uint32_t edge = graph->rows[node]; edge < end; edge++) {
        uint32_t target = graph->targets[edge];

        if (!(search->marks[target] & search->wanted) || target == next)
            continue;
        if (next != GRAPH_NONE)
            return SEVERAL;
        next = target;
    }
    return next;
}

// After it: index has what find_next says, or 0 where nothing is to be followed, and GRAPH_NONE for
// nodes that are not wanted.
static void link_part(void *context, unsigned job)
{
    struct search *search = context;
    uint32_t nodes = search->graph->nodes;
    uint32_t end = parallel_first(nodes, search->jobs, job + 1);
    uint32_t left = 0;

    for (uint32_t node = parallel_first(nodes, search->jobs, job); node < end; node++) {
        uint32_t next = GRAPH_NONE;

        if (search->marks[node] & search->wanted)
            next = search->follow ? find_next(search, node) : 0;
        search->index[node] = next;
        left += next != GRAPH_NONE;
    }
    search->parts[job].left = left;
}

static uint32_t close_ring(const struct search *search, uint32_t root)
{
    uint32_t node = root;
    uint32_t size = 0;

    do {
        uint32_t next = index_get(search, node);

        index_put(search, node, RINGS_FOUND | root);
        node = next;
        size++;
    } while (node != root);
    return size;
}

// Settles the nodes of a portion that lead to a dead end, and the rings of which one is the
// smallest member.
static void follow_portion(const struct search *search, uint32_t node, uint32_t end,
                           struct rings_totals *totals)
{
    uint32_t nodes = search->graph->nodes;
    int32_t credit = STEPS_FOR_NOTHING;

    for (; node < end && credit >= 0; node++) {
        uint32_t at = index_get(search, node);
        int32_t steps = 1;

        if (at >= nodes)
            continue;
        for (; at > node && at < nodes && steps < STEPS_MAX; steps++)
            at = index_get(search, at);
        credit -= steps;
        if (at == node) {
            uint32_t size = close_ring(search, node);

            credit += STEPS_PER_NODE * (int32_t)size;
            totals->members += size;
            totals->left -= size;
        } else if (at == GRAPH_NONE || (at < node && index_get(search, at) == GRAPH_NONE)) {
            index_put(search, node, GRAPH_NONE);
            credit += STEPS_PER_NODE;
            totals->left--;
        }
    }
}

static void follow_part(void *context, unsigned job)
{
    struct search *search = context;
    struct rings_totals totals = search->parts[job];
    uint32_t nodes = search->graph->nodes;

    for (uint64_t first = (uint64_t)job * PORTION; first < nodes;
         first += (uint64_t)search->jobs * PORTION) {
        uint64_t end = first + PORTION < nodes ? first + PORTION : nodes;

        follow_portion(search, (uint32_t)first, (uint32_t)end, &totals);
    }
    search->parts[job] = totals;
}

// After it: 0 where nothing is settled.
static void clear_part(void *context, unsigned job)
{
    struct search *search = context;
    uint32_t nodes = search->graph->nodes;
    uint32_t end = parallel_first(nodes, search->jobs, job + 1);

    for (uint32_t node = parallel_first(nodes, search->jobs, job); node < end; node++) {
        if (search->index[node] < RINGS_FOUND)
            search->index[node] = 0;
    }
}

void rings_find(const struct graph *graph, const uint8_t *marks, uint8_t wanted, uint32_t *index,
                struct rings_totals *totals)
{
    struct search search = {.graph = graph,
                            .marks = marks,
                            .index = index,
                            .jobs = graph_jobs(graph),
                            .wanted = wanted,
                            .follow = graph->nodes < SEVERAL};

    parallel_run(search.jobs, link_part, &search);
    if (search.follow)
        parallel_run(search.jobs, follow_part, &search);
    *totals = (struct rings_totals){0};
    for (unsigned job = 0; job < search.jobs; job++) {
        totals->members += search.parts[job].members;
        totals->left += search.parts[job].left;
    }
    if (search.follow && totals->left > 0)
        parallel_run(search.jobs, clear_part, &search);
}
