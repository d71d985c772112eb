// Components: short rings are found first (rings.h), a walk finds the others (walk.h). Then all are
// numbered by their smallest members, and a counting sort puts the members in order, in ranges of
// nodes that threads can take.
#include <stdlib.h>

#include "column.h"
#include "graph.h"
#include "rings.h"
#include "walk.h"

struct numbering {
    uint32_t nodes;
    uint32_t *of; // what the search left there, and step by step graph_components.of
    // Of what was walked: the smallest members, then their numbers. Freed when all nodes have them.
    uint32_t *smallest;
    uint32_t last_id; // ids are this or more
    uint32_t *members;
    // Per job and component: members in the job's range; then where the place of the next one ends.
    uint32_t *ends[PARALLEL_JOBS_MAX];
    uint32_t firsts[PARALLEL_JOBS_MAX + 1]; // per job: components before those of its range
    unsigned jobs;
};

static inline bool is_walked(const struct numbering *numbering, uint32_t value)
{
    return value >= numbering->last_id;
}

// Is the node, which is in a component, its smallest member?
static inline bool is_smallest(const struct numbering *numbering, uint32_t node)
{
    uint32_t value = numbering->of[node];

    if (!is_walked(numbering, value))
        return value == (RINGS_FOUND | node);
    // The thread that has the smallest member may be putting a number there, which is lower than
    // any other member.
    return __atomic_load_n(&numbering->smallest[WALK_FIRST_ID - value], __ATOMIC_RELAXED) == node;
}

static void count_part(void *context, unsigned job)
{
    struct numbering *numbering = context;
    uint32_t end = parallel_first(numbering->nodes, numbering->jobs, job + 1);
    uint32_t count = 0;

    for (uint32_t node = parallel_first(numbering->nodes, numbering->jobs, job); node < end; node++)
        count += numbering->of[node] != GRAPH_NONE && is_smallest(numbering, node);
    numbering->firsts[job + 1] = count;
}

// Gives the components with their smallest member in the range their numbers.
static void number_part(void *context, unsigned job)
{
    struct numbering *numbering = context;
    uint32_t end = parallel_first(numbering->nodes, numbering->jobs, job + 1);
    uint32_t next = numbering->firsts[job];

    for (uint32_t node = parallel_first(numbering->nodes, numbering->jobs, job); node < end;
         node++) {
        uint32_t value = numbering->of[node];

        if (value == GRAPH_NONE || !is_smallest(numbering, node))
            continue;
        if (is_walked(numbering, value))
            __atomic_store_n(&numbering->smallest[WALK_FIRST_ID - value], next++, __ATOMIC_RELAXED);
        else
            numbering->of[node] = next++;
    }
}

// Smallest members of rings have the number already, and the others find it there.
static void spread_part(void *context, unsigned job)
{
    struct numbering *numbering = context;
    uint32_t end = parallel_first(numbering->nodes, numbering->jobs, job + 1);
    uint32_t *counts = numbering->ends[job];

    for (uint32_t node = parallel_first(numbering->nodes, numbering->jobs, job); node < end;
         node++) {
        uint32_t value = numbering->of[node];

        if (value == GRAPH_NONE)
            continue;
        if (is_walked(numbering, value))
            numbering->of[node] = value = numbering->smallest[WALK_FIRST_ID - value];
        else if (value & RINGS_FOUND)
            numbering->of[node] = value = numbering->of[value & ~(uint32_t)RINGS_FOUND];
        counts[value]++;
    }
}

// Going down through the nodes fills each component from its end, so its members ascend.
static void fill_part(void *context, unsigned job)
{
    struct numbering *numbering = context;
    uint32_t first = parallel_first(numbering->nodes, numbering->jobs, job);
    uint32_t *ends = numbering->ends[job];

    for (uint32_t node = parallel_first(numbering->nodes, numbering->jobs, job + 1);
         node-- > first;) {
        uint32_t component = numbering->of[node];

        if (component != GRAPH_NONE)
            numbering->members[--ends[component]] = node;
    }
}

// Room for the sort: that of the first job becomes graph_components.starts. All others' may take a
// byte per node.
static bool make_room(struct numbering *numbering, uint32_t count)
{
    uint64_t others = numbering->nodes / (((uint64_t)count + 1) * sizeof(**numbering->ends));

    if (numbering->jobs > others + 1)
        numbering->jobs = (unsigned)others + 1;
    for (unsigned job = 0; job < numbering->jobs; job++) {
        numbering->ends[job] = column_create_zeroed(count, sizeof(**numbering->ends));
        if (!numbering->ends[job])
            return false;
    }
    return true;
}

static void find_ends(struct numbering *numbering, uint32_t count)
{
    uint32_t at = 0;

    for (uint32_t component = 0; component < count; component++) {
        for (unsigned job = 0; job < numbering->jobs; job++) {
            at += numbering->ends[job][component];
            numbering->ends[job][component] = at;
        }
    }
    numbering->ends[0][count] = at;
}

// Post: components has all but `of`, or memory is short.
static bool number_components(struct numbering *numbering, uint32_t members,
                              struct graph_components *components)
{
    unsigned jobs = numbering->jobs;

    parallel_run(jobs, count_part, numbering);
    for (unsigned job = 0; job < jobs; job++)
        numbering->firsts[job + 1] += numbering->firsts[job];
    parallel_run(jobs, number_part, numbering);
    components->count = numbering->firsts[jobs];
    if (!make_room(numbering, components->count))
        return false;
    parallel_run(numbering->jobs, spread_part, numbering);
    find_ends(numbering, components->count);
    free(numbering->smallest); // before the members come, to keep the peak low
    numbering->smallest = NULL;
    numbering->members = column_create(members, sizeof(*numbering->members));
    if (!numbering->members)
        return false;
    parallel_run(numbering->jobs, fill_part, numbering);
    components->starts = numbering->ends[0];
    components->members = numbering->members;
    numbering->ends[0] = NULL;
    return true;
}

static bool find_components(const struct graph *graph, const uint8_t *marks, uint8_t wanted,
                            struct graph_components *components)
{
    struct rings_totals rings;
    struct walk_found walked;

    rings_find(graph, marks, wanted, components->of, &rings);
    bool done = walk_run(graph, components->of, rings.left, &walked);
    struct numbering numbering = {.nodes = graph->nodes,
                                  .of = components->of,
                                  .smallest = walked.smallest,
                                  .last_id = WALK_FIRST_ID - walked.count + 1,
                                  .jobs = graph_jobs(graph)};
    done = done && number_components(&numbering, rings.members + walked.members, components);
    for (unsigned job = 0; job < numbering.jobs; job++)
        free(numbering.ends[job]);
    free(numbering.smallest);
    return done;
}

bool graph_components_create_in(const struct graph *graph, const uint8_t *marks, uint8_t wanted,
                                uint32_t *of, struct graph_components *components)
{
    struct graph_components made = {.of = of};

    if (!find_components(graph, marks, wanted, &made)) {
        free(of);
        return false;
    }
    *components = made;
    return true;
}

bool graph_components_create(const struct graph *graph, const uint8_t *marks, uint8_t wanted,
                             struct graph_components *components)
{
    uint32_t *of = column_create(graph->nodes, sizeof(*of));

    return of && graph_components_create_in(graph, marks, wanted, of, components);
}

void graph_components_destroy(struct graph_components *components)
{
    free(components->of);
    free(components->starts);
    free(components->members);
    *components = (struct graph_components){0};
}
