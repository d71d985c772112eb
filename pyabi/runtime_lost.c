#include "runtime_lost.h"

enum {
    GC_REACHABLE = -3, // Modules/gcmodule.c
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
