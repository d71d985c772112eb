#include "core_overlap.h"

#include <stdlib.h>

struct extent {
    uint64_t start;
    uint64_t size;
};

static int compare_extents(const void *a, const void *b)
{
    const struct extent *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

// What of the extents is in one that begins earlier.
static uint64_t count_overlap(struct extent *extents, size_t count)
{
    uint64_t overlap = 0, reached = 0;
    qsort(extents, count, sizeof(*extents), compare_extents);
    for (size_t i = 0; i < count; i++) {
        const struct extent *extent = &extents[i];
        uint64_t end = extent->start + extent->size;
        if (extent->start < reached)
            overlap += (end < reached ? end : reached) - extent->start;
        reached = end > reached ? end : reached;
    }
    return overlap;
}

struct failure *core_overlap_count(const struct core *core, uint64_t *bytes)
{
    struct extent *extents = reallocarray(NULL, core->segment_count + 1, sizeof(*extents));
    size_t count = 0;
    if (!extents)
        return failure_no_memory();
    for (size_t i = 0; i < core->segment_count; i++)
        if (core->segments[i].saved_size)
            extents[count++] = (struct extent){(uint64_t)(core->segments[i].bytes - core->map),
                                               core->segments[i].saved_size};
    *bytes = count_overlap(extents, count);
    count = 0;
    for (size_t i = 0; i < core->segment_count; i++) {
        const struct core_segment *segment = &core->segments[i];
        // A range that wraps around is cut at the end of the address space.
        uint64_t size = segment->saved_size <= UINT64_MAX - segment->start
                            ? segment->saved_size
                            : UINT64_MAX - segment->start;
        if (size)
            extents[count++] = (struct extent){segment->start, size};
    }
    *bytes += count_overlap(extents, count);
    free(extents);
    return NULL;
}
