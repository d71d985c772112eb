#include "runtime_vote.h"

#include <stdlib.h>

#include "object.h"
#include "runtime_lost.h"

enum {
    CLASSES_MAX = 4096,
};

struct ballot {
    const struct runtime *runtime;
    size_t count;
    vaddr functions[CLASSES_MAX]; // a class's vote each
};

// Whatever else the address may be, of a damaged list or of memory that looks like a class, has no
// vote.
static void vote(struct ballot *ballot, vaddr class)
{
    const struct runtime *runtime = ballot->runtime;
    const enum layout_member members[] = {LAYOUT_PyTypeObject_tp_flags, LAYOUT_PyTypeObject_tp_base,
                                          LAYOUT_PyTypeObject_tp_traverse};
    const uint64_t wanted = TPFLAGS_HEAPTYPE | TPFLAGS_HAVE_GC;
    uint64_t values[3];
    for (unsigned i = 0; i < 3; i++)
        if (layout_read(&runtime->layout, runtime->memory, class, members[i], &values[i]) !=
            MEMORY_OK)
            return;
    if ((values[0] & wanted) == wanted && values[1] == runtime->types[RUNTIME_TYPE_object] &&
        values[2])
        ballot->functions[ballot->count++] = values[2];
}

static int compare_functions(const void *a, const void *b)
{
    vaddr left = *(const vaddr *)a, right = *(const vaddr *)b;
    return (left > right) - (left < right);
}

static vaddr find_winner(struct ballot *ballot)
{
    vaddr winner = 0;
    size_t votes = 0, most = 0;
    qsort(ballot->functions, ballot->count, sizeof(ballot->functions[0]), compare_functions);
    for (size_t i = 0; i < ballot->count; i++) {
        votes = i && ballot->functions[i] == ballot->functions[i - 1] ? votes + 1 : 1;
        if (votes > most) {
            most = votes;
            winner = ballot->functions[i];
        }
    }
    return winner;
}

// tp_subclasses is a list of weak references.
vaddr runtime_vote_of_subclasses(const struct runtime *runtime)
{
    struct ballot ballot = {.runtime = runtime};
    vaddr list = runtime_read_member(runtime, runtime->types[RUNTIME_TYPE_object],
                                     LAYOUT_PyTypeObject_tp_subclasses);
    uint64_t count = runtime_read_member(runtime, list, LAYOUT_PyVarObject_ob_size);
    vaddr items = runtime_read_member(runtime, list, LAYOUT_PyListObject_ob_item);
    for (uint64_t i = 0; i < count && i < CLASSES_MAX; i++) {
        vaddr reference;
        if (memory_read_word(runtime->memory, items + i * runtime->memory->format.word_size,
                             &reference) == MEMORY_OK)
            vote(&ballot,
                 runtime_read_member(runtime, reference, LAYOUT_PyWeakReference_wr_object));
    }
    return find_winner(&ballot);
}

static bool vote_behind(void *context, vaddr head)
{
    struct ballot *ballot = context;
    vaddr class = head + layout_offset(&ballot->runtime->layout, LAYOUT_PyGC_Head_sizeof);
    if (object_is_exact(ballot->runtime, class, RUNTIME_TYPE_type))
        vote(ballot, class);
    return ballot->count < CLASSES_MAX;
}

vaddr runtime_vote_of_all(const struct runtime *runtime)
{
    struct ballot ballot = {.runtime = runtime};
    runtime_each_linked(runtime->memory, true, vote_behind, &ballot);
    return find_winner(&ballot);
}
