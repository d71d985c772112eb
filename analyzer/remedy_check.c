#include "remedy_check.h"

#include <stdlib.h>
#include <string.h>

#include "changes.h"
#include "replay.h"

struct check {
    struct replay *replay;
    struct changes changes;
    bool *made; // per change: in the question at hand
};

static bool is_index(const char *edge)
{
    size_t digits = edge[0] == '[' ? strspn(edge + 1, "0123456789") : 0;
    return digits && strcmp(edge + 1 + digits, "]") == 0;
}

// Marks the change that takes away what a step of the example is. False: the component has none.
static bool make_change(struct check *check, const struct finding_step *step)
{
    const char *edge = step->edge && is_index(step->edge) ? "[...]" : step->edge;
    uint32_t change =
        edge && step->type ? changes_find(&check->changes, step->type, edge) : CHANGES_NONE;
    if (change == CHANGES_NONE)
        return false;
    check->made[change] = true;
    return true;
}

static void ask(struct check *check, struct finding_tally *tally)
{
    tally->replayed++;
    tally->freed += changes_are_enough(&check->changes, check->made, check->replay);
}

static void ask_all(struct check *check, struct finding *finding)
{
    size_t size = check->changes.count * sizeof(*check->made);
    for (size_t i = 0; i < finding->break_count; i++) {
        memset(check->made, 0, size);
        if (make_change(check, finding_find_step(finding, finding->breaks[i].step)))
            ask(check, &finding->breaks[i].tally);
    }
    memset(check->made, 0, size);
    bool complete = finding->set.count > 0;
    for (size_t i = 0; i < finding->set.count; i++)
        complete = make_change(check, finding->set.items[i].step) && complete;
    if (complete)
        ask(check, &finding->set.tally);
}

static struct failure *check_component(struct check *check, struct heap *heap,
                                       const struct graph_components *components,
                                       uint32_t component, uint64_t *work, struct finding *finding)
{
    uint64_t cost = replay_cost(check->replay) * (finding->break_count + 1);
    if (cost > *work)
        return NULL;
    struct failure *failure = changes_create(heap, components, component, check->replay,
                                             &(struct finding){0}, &check->changes);
    if (failure)
        return failure;
    cost += (uint64_t)check->changes.count * CHANGES_WORK;
    *work -= cost < *work ? cost : *work;
    check->made = calloc(check->changes.count + 1, sizeof(*check->made));
    if (check->made)
        ask_all(check, finding);
    else
        failure = failure_no_memory();
    changes_destroy(&check->changes);
    free(check->made);
    return failure;
}

struct failure *remedy_check(struct heap *heap, const struct graph_components *components,
                             uint32_t component, uint64_t *work, struct finding *finding)
{
    struct check check = {0};
    uint32_t members = components->starts[component + 1] - components->starts[component];
    if ((!finding->break_count && !finding->set.count) || members > *work)
        return NULL;
    if (!replay_create(&heap->graph, components, component, heap->finalizers, &check.replay))
        return failure_no_memory();
    struct failure *failure = check_component(&check, heap, components, component, work, finding);
    replay_destroy(check.replay);
    return failure;
}

void remedy_choose(struct finding *finding)
{
    size_t best = 0;
    for (size_t i = 1; i < finding->break_count; i++)
        if (finding->breaks[i].tally.freed > finding->breaks[best].tally.freed)
            best = i;
    if (best == 0)
        return;
    struct finding_break chosen = finding->breaks[best];
    memmove(&finding->breaks[1], &finding->breaks[0], best * sizeof(chosen));
    finding->breaks[0] = chosen;
}
