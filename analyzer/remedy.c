#include "remedy.h"

#include <stdlib.h>

#include "class.h"
#include "replay.h"

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
    if (!class_find(runtime, class_of(runtime, step->object), step->edge + 1, &descriptor, &where))
        return false;
    // Functions and properties are descriptors too, but the interpreter's own.
    vaddr class = class_of(runtime, descriptor);
    return layout_read(&runtime->layout, runtime->memory, class, LAYOUT_PyTypeObject_tp_flags,
                       &flags) == MEMORY_OK &&
           flags & TPFLAGS_HEAPTYPE && class_find(runtime, class, "__get__", &value, &where);
}

static enum break_kind find_kind(const struct heap *heap, const struct finding *finding, size_t at)
{
    const struct finding_step *step = &finding->steps[at], *next = next_step(finding, at);
    if (starts_with(step->edge, "local "))
        return BREAK_LOCAL;
    if (starts_with(step->edge, "cell "))
        return BREAK_CELL;
    if (*step->edge == '[')
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

// Replays the candidates in their order; those that are answers come to the front.
static void try_candidates(struct replay *replay, uint64_t cost, uint64_t *work,
                           struct finding_break *candidates, struct finding *finding)
{
    while (finding->breaks_tried < finding->step_count &&
           finding->breaks_tried < REMEDY_TRIES_MAX && finding->break_count < REMEDY_BREAKS_MAX &&
           *work >= cost) {
        struct finding_break candidate = candidates[finding->breaks_tried++];
        *work -= cost;
        if (replay_is_collected(replay, &finding->steps[candidate.step].cut, 1))
            candidates[finding->break_count++] = candidate;
    }
}

struct failure *remedy_find(struct heap *heap, const struct graph_components *components,
                            uint32_t component, uint64_t *work, struct finding *finding)
{
    struct replay *replay;
    uint64_t members = components->starts[component + 1] - components->starts[component];
    if (members > *work)
        return NULL;
    struct finding_break *candidates = calloc(finding->step_count, sizeof(*candidates));
    if (!candidates)
        return failure_no_memory();
    for (size_t i = 0; i < finding->step_count; i++)
        candidates[i] = (struct finding_break){i, find_kind(heap, finding, i)};
    qsort(candidates, finding->step_count, sizeof(*candidates), by_rank);
    if (!replay_create(&heap->graph, components, component, heap->finalizers, &replay)) {
        free(candidates);
        return failure_no_memory();
    }
    try_candidates(replay, members + replay_edges(replay), work, candidates, finding);
    replay_destroy(replay);
    finding->breaks = candidates;
    return NULL;
}
