#include "remedy.h"

#include <stdlib.h>

#include "class.h"
#include "replay.h"
#include "shape.h"

static const struct finding_step *next_step(const struct finding *finding, size_t step)
{
    return &finding->steps[(step + 1) % finding->step_count];
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

// Does the class of the object have a descriptor of its own making under the attribute's name? Then
// that is what put the value into the instance's dictionary.
static bool is_cached(const struct heap *heap, const struct finding_step *step)
{
    const struct runtime *runtime = heap->runtime;
    vaddr descriptor, where, value;
    uint64_t flags;
    if (class_find(runtime, class_of(runtime, step->object), step->edge + 1, &descriptor, &where) !=
        MEMORY_OK)
        return false;
    // Functions and properties are descriptors too, but the interpreter's own.
    vaddr class = class_of(runtime, descriptor);
    return layout_read(&runtime->layout, runtime->memory, class, LAYOUT_PyTypeObject_tp_flags,
                       &flags) == MEMORY_OK &&
           flags & TPFLAGS_HEAPTYPE &&
           class_find(runtime, class, "__get__", &value, &where) == MEMORY_OK;
}

static enum break_kind find_kind(const struct heap *heap, const struct finding *finding, size_t at)
{
    const struct finding_step *step = &finding->steps[at], *next = next_step(finding, at);
    if (starts_with(step->edge, "local "))
        return BREAK_LOCAL;
    if (starts_with(step->edge, "cell "))
        return BREAK_CELL;
    if (*step->edge == '[' || step->key)
        return BREAK_ITEM;
    if (!step->attribute)
        return BREAK_STRUCTURE;
    if (is_cached(heap, step))
        return BREAK_CACHED;
    if (strcmp(next->type, "instancemethod") == 0)
        return BREAK_METHOD;
    if (strcmp(next->type, "function") == 0)
        return BREAK_CLOSURE;
    if (strcmp(next->type, "generator") == 0)
        return BREAK_GENERATOR;
    return next->finalizer && !step->finalizer ? BREAK_BACK_REFERENCE : BREAK_ATTRIBUTE;
}

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
    const uint32_t *members;
    uint32_t member_count;
    struct replay *replay;
    uint64_t cost; // of one question
    uint64_t *work;
    struct finding *finding;
    struct finding_break *candidates;
    uint32_t *owners; // per member: the object whose attributes it holds, or GRAPH_NONE
};

// Post: owners is known for the instance dictionaries of the component.
static void find_owners(struct trial *trial)
{
    struct heap *heap = trial->heap;
    memset(trial->owners, 0xff, trial->member_count * sizeof(*trial->owners));
    for (uint32_t i = 0; i < trial->member_count; i++) {
        uint32_t node = trial->members[i];
        for (uint32_t edge = heap->graph.rows[node]; edge < heap->graph.rows[node + 1]; edge++) {
            uint16_t label = heap->edge_labels[edge];
            uint32_t dict =
                label != HEAP_NO_LABEL && shape_is_namespace(heap_label_place(heap, label))
                    ? graph_find_ascending(trial->members, trial->member_count,
                                           heap->graph.targets[edge])
                    : GRAPH_NONE;
            if (dict != GRAPH_NONE)
                trial->owners[dict] = node;
        }
    }
}

// Whose attribute is an edge of a member with that label? GRAPH_NONE: nobody's.
static uint32_t find_owner(const struct trial *trial, uint32_t member, uint16_t label)
{
    return heap_label_place(trial->heap, label)->kind == VISIT_SLOT ? trial->members[member]
                                                                    : trial->owners[member];
}

// Takes the attribute of a step away from all objects of its class.
static void take_out_every(struct trial *trial, const struct finding_step *step)
{
    struct heap *heap = trial->heap;
    uint16_t label = heap->edge_labels[step->cut];
    uint32_t object;
    if (label == HEAP_NO_LABEL || !heap_find(heap, step->object, &object))
        return;
    vaddr class = shape_find_class(heap, object);
    for (uint32_t i = 0; i < trial->member_count; i++) {
        uint32_t node = trial->members[i];
        for (uint32_t edge = heap->graph.rows[node]; edge < heap->graph.rows[node + 1]; edge++) {
            uint32_t owner =
                heap->edge_labels[edge] == label ? find_owner(trial, i, label) : GRAPH_NONE;
            if (owner != GRAPH_NONE && shape_find_class(heap, owner) == class)
                replay_take_out(trial->replay, edge);
        }
    }
}

static bool is_answer(struct trial *trial, const struct finding_break *candidate)
{
    const struct finding_step *step = &trial->finding->steps[candidate->step];
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
    for (size_t i = 0; i < finding->step_count && i < REMEDY_TRIES_MAX; i++) {
        struct finding_break candidate = trial->candidates[i];
        candidate.every = every;
        if (every && !finding->steps[candidate.step].attribute)
            continue;
        if (finding->break_count == REMEDY_BREAKS_MAX || *trial->work < trial->cost)
            break;
        *trial->work -= trial->cost;
        finding->breaks_tried += !every;
        if (is_answer(trial, &candidate))
            trial->candidates[finding->break_count++] = candidate;
    }
}

static struct failure *try_all(struct trial *trial)
{
    try_candidates(trial, false);
    if (trial->finding->break_count)
        return NULL;
    trial->owners = reallocarray(NULL, (size_t)trial->member_count + 1, sizeof(*trial->owners));
    if (!trial->owners)
        return failure_no_memory();
    find_owners(trial);
    try_candidates(trial, true);
    free(trial->owners);
    return NULL;
}

struct failure *remedy_find(struct heap *heap, const struct graph_components *components,
                            uint32_t component, uint64_t *work, struct finding *finding)
{
    uint32_t start = components->starts[component], edges;
    struct trial trial = {.heap = heap,
                          .members = components->members + start,
                          .member_count = components->starts[component + 1] - start,
                          .work = work,
                          .finding = finding};
    if (trial.member_count > *work)
        return NULL;
    trial.candidates = calloc(finding->step_count, sizeof(*trial.candidates));
    if (!trial.candidates ||
        !replay_create(&heap->graph, components, component, heap->finalizers, &trial.replay)) {
        free(trial.candidates);
        return failure_no_memory();
    }
    for (size_t i = 0; i < finding->step_count; i++)
        trial.candidates[i] =
            (struct finding_break){.step = i, .kind = find_kind(heap, finding, i)};
    qsort(trial.candidates, finding->step_count, sizeof(*trial.candidates), by_rank);
    replay_edges(trial.replay, &edges);
    trial.cost = (uint64_t)trial.member_count + edges;
    finding->breaks = trial.candidates;
    struct failure *failure = try_all(&trial);
    replay_destroy(trial.replay);
    return failure;
}
