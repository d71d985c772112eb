#include "runtime_lost.h"

#include <stdlib.h>

#include "object.h"

enum {
    GC_REACHABLE = -3, // Modules/gcmodule.c
    CLASSES_MAX = 4096,
};

// Words in the order of PyGC_Head.
enum {
    NEXT,
    PREVIOUS,
    REFS
};

// Does the word of a neighbour lead back, or lie in what is lost?
static bool leads_back(struct memory *memory, vaddr word, vaddr back, bool lost_too)
{
    vaddr value;
    enum memory_status status = memory_read_word(memory, word, &value);
    return status == MEMORY_OK ? value == back : lost_too && status == MEMORY_NOT_SAVED;
}

// gc_refs is an int up to 2.4, and what follows it in a word of 64 bits is not initialised.
static bool is_reachable(struct memory_format format, const uint8_t *refs)
{
    return format_int(format, refs, 4) == GC_REACHABLE ||
           format_int(format, refs, format.word_size) == GC_REACHABLE;
}

static bool is_linked(struct memory *memory, struct memory_format format, vaddr at,
                      const uint8_t *bytes, bool lost_too)
{
    unsigned width = format.word_size;
    if (!is_reachable(format, bytes + REFS * width))
        return false;
    vaddr next = format_word(format, bytes + NEXT * width);
    vaddr previous = format_word(format, bytes + PREVIOUS * width);
    return next && previous && next % width == 0 && previous % width == 0 &&
           leads_back(memory, next + PREVIOUS * width, at, lost_too) &&
           leads_back(memory, previous + NEXT * width, at, lost_too);
}

void runtime_each_linked(struct memory *memory, bool lost_too,
                         bool (*visit)(void *context, vaddr head), void *context)
{
    struct memory_format format = memory->format;
    for (size_t i = 0; i < memory->count; i++) {
        const struct memory_span *span = &memory->spans[i];
        vaddr skew = -span->start & (format.word_size - 1u);
        if (!span->bytes || span->hole) // no list element is all zeroes
            continue;
        for (uint64_t at = skew; at + 3u * format.word_size <= span->size; at += format.word_size)
            if (is_linked(memory, format, span->start + at, span->bytes + at, lost_too) &&
                !visit(context, span->start + at))
                return;
    }
}

vaddr runtime_scan_for_interp(const struct runtime *runtime,
                              bool (*is_interp)(const struct runtime *runtime, vaddr interp))
{
    struct memory *memory = runtime->memory;
    unsigned width = memory->format.word_size;
    for (size_t i = 0; i < memory->count; i++) {
        const struct memory_span *span = &memory->spans[i];
        vaddr start = (span->start + width - 1) & ~(vaddr)(width - 1);
        if (!span->bytes || span->hole) // no interpreter state is all zeroes
            continue;
        for (vaddr at = start; at - span->start < span->size; at += width)
            if (is_interp(runtime, at))
                return at;
    }
    return 0;
}

// --- classes

struct ballot {
    const struct runtime *runtime;
    size_t count;
    vaddr functions[CLASSES_MAX]; // a class's vote each
};

static bool vote(void *context, vaddr head)
{
    struct ballot *ballot = context;
    const struct runtime *runtime = ballot->runtime;
    const enum layout_member members[] = {LAYOUT_PyTypeObject_tp_flags, LAYOUT_PyTypeObject_tp_base,
                                          LAYOUT_PyTypeObject_tp_traverse};
    uint64_t values[3];
    vaddr class = head + layout_offset(&runtime->layout, LAYOUT_PyGC_Head_sizeof);
    if (!object_is_exact(runtime, class, RUNTIME_TYPE_type))
        return true;
    for (unsigned i = 0; i < 3; i++)
        if (layout_read(&runtime->layout, runtime->memory, class, members[i], &values[i]) !=
            MEMORY_OK)
            return true;
    const uint64_t wanted = TPFLAGS_HEAPTYPE | TPFLAGS_HAVE_GC;
    if ((values[0] & wanted) != wanted || values[1] != runtime->types[RUNTIME_TYPE_object] ||
        !values[2])
        return true;
    ballot->functions[ballot->count++] = values[2];
    return ballot->count < CLASSES_MAX;
}

static int compare_functions(const void *a, const void *b)
{
    vaddr left = *(const vaddr *)a, right = *(const vaddr *)b;
    return (left > right) - (left < right);
}

vaddr runtime_vote_for_traverse(const struct runtime *runtime)
{
    struct ballot ballot = {.runtime = runtime};
    vaddr winner = 0;
    size_t votes = 0, most = 0;
    runtime_each_linked(runtime->memory, true, vote, &ballot);
    qsort(ballot.functions, ballot.count, sizeof(ballot.functions[0]), compare_functions);
    for (size_t i = 0; i < ballot.count; i++) {
        votes = i && ballot.functions[i] == ballot.functions[i - 1] ? votes + 1 : 1;
        if (votes > most) {
            most = votes;
            winner = ballot.functions[i];
        }
    }
    return winner;
}
