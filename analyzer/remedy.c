#include "remedy.h"

#include <stdlib.h>

#include "changes.h"
#include "remedy_set.h"
#include "replay.h"

static int by_rank(const void *a, const void *b)
{
    const struct finding_break *left = a, *right = b;
    if (left->kind != right->kind)
        return left->kind < right->kind ? -1 : 1;
    return (left->step > right->step) - (left->step < right->step);
}

// One component under trial.
struct trial {
    struct heap *heap;
    const struct graph_components *components;
    uint32_t component;
    bool is_ring;          // then nothing is left of it without any of its references
    struct replay *replay; // of a ring NULL until it is asked for
    uint64_t cost;         // of one question
    uint64_t *work;
    struct finding *finding;
    struct finding_break *candidates;
    size_t candidate_count;
    struct changes changes; // for those of every object
};

static bool make_replay(struct trial *trial)
{
    return replay_create(&trial->heap->graph, trial->components, trial->component,
                         trial->heap->finalizers, &trial->replay);
}

// Takes the attribute of a step away from all objects of its class.
static void take_out_every(struct trial *trial, const struct finding_step *step)
{
    uint32_t count;
    const uint32_t *edges = replay_edges(trial->replay, &count), *of = trial->changes.of;
    uint32_t drawn = graph_find_ascending(edges, count, step->cut);
    for (uint32_t at = 0; at < count && drawn != GRAPH_NONE; at++)
        if (of[at] == of[drawn] && of[at] != CHANGES_NONE)
            replay_take_out_at(trial->replay, at);
}

static bool is_answer(struct trial *trial, const struct finding_break *candidate)
{
    const struct finding_step *step = finding_find_step(trial->finding, candidate->step);
    if (trial->is_ring)
        return true;
    replay_reset(trial->replay);
    if (candidate->every)
        take_out_every(trial, step);
    else
        replay_take_out(trial->replay, step->cut);
    return replay_is_collected(trial->replay);
}

// Replays the candidates in their order; those that are answers come to the front.
static void try_candidates(struct trial *trial, bool every)
{
    struct finding *finding = trial->finding;
    for (size_t i = 0; i < trial->candidate_count && i < REMEDY_TRIES_MAX; i++) {
        struct finding_break candidate = trial->candidates[i];
        candidate.every = every;
        if (every && !finding_find_step(finding, candidate.step)->attribute)
            continue;
        if (finding->break_count == REMEDY_BREAKS_MAX || *trial->work < trial->cost)
            break;
        *trial->work -= trial->cost;
        finding->breaks_tried += !every;
        if (is_answer(trial, &candidate))
            trial->candidates[finding->break_count++] = candidate;
    }
}

// One that a program could change? They are ranked: what it could not comes last.
static bool has_answer(const struct finding *finding)
{
    return finding->break_count && finding->breaks[0].kind != BREAK_STRUCTURE;
}

static struct failure *try_changes(struct trial *trial)
{
    if (!trial->replay && !make_replay(trial))
        return failure_no_memory();
    struct failure *failure = changes_create(trial->heap, trial->components, trial->component,
                                             trial->replay, trial->finding, &trial->changes);
    if (failure)
        return failure;
    uint64_t taken = trial->cost + (uint64_t)trial->changes.count * CHANGES_WORK;
    *trial->work -= taken < *trial->work ? taken : *trial->work;
    if (!trial->finding->break_count)
        try_candidates(trial, true);
    if (!has_answer(trial->finding))
        failure = remedy_set_find(&trial->changes, trial->replay, trial->work, trial->finding);
    changes_destroy(&trial->changes);
    return failure;
}

static struct failure *try_all(struct trial *trial)
{
    try_candidates(trial, false);
    return has_answer(trial->finding) || *trial->work < trial->cost ? NULL : try_changes(trial);
}

// Steps whose successor is known, by rank.
static bool gather_candidates(struct trial *trial)
{
    const struct finding *finding = trial->finding;
    size_t kept = finding_kept_steps(finding);
    trial->candidates = calloc(kept + 1, sizeof(*trial->candidates));
    for (size_t i = 0; i < kept && trial->candidates; i++) {
        const struct finding_step *step = &finding->steps[i], *next = finding_next(finding, step);
        if (next)
            trial->candidates[trial->candidate_count++] = (struct finding_break){
                .step = step->number, .kind = change_find_kind(trial->heap, step, next)};
    }
    if (trial->candidates)
        qsort(trial->candidates, trial->candidate_count, sizeof(*trial->candidates), by_rank);
    return trial->candidates;
}

struct failure *remedy_find(struct heap *heap, const struct graph_components *components,
                            uint32_t component, uint64_t *work, struct finding *finding)
{
    uint32_t members = components->starts[component + 1] - components->starts[component];
    struct trial trial = {.heap = heap,
                          .components = components,
                          .component = component,
                          .work = work,
                          .finding = finding};
    if (members > *work)
        return NULL;
    trial.is_ring = graph_component_is_ring(&heap->graph, components, component);
    if (!gather_candidates(&trial) || (!trial.is_ring && !make_replay(&trial))) {
        free(trial.candidates);
        return failure_no_memory();
    }
    trial.cost = trial.is_ring ? 2 * (uint64_t)members : replay_cost(trial.replay);
    finding->breaks = trial.candidates;
    struct failure *failure = try_all(&trial);
    replay_destroy(trial.replay);
    return failure;
}
