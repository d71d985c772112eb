#include "layers.h"

#include <stdlib.h>

static struct failure *add(struct layer *layer, struct memory_span span)
{
    if (span.size == 0)
        return NULL;
    if (!(layer->count & (layer->count - 1))) { // grows at powers of two, and from nothing
        size_t capacity = layer->count ? layer->count * 2 : 1;
        struct layer_piece *pieces = reallocarray(layer->pieces, capacity, sizeof(*pieces));
        if (!pieces)
            return failure_no_memory();
        layer->pieces = pieces;
    }
    layer->pieces[layer->count] = (struct layer_piece){span, layer->count};
    layer->count++;
    return NULL;
}

struct failure *layer_add(struct layer *layer, vaddr start, uint64_t size, const uint8_t *bytes)
{
    return add(layer, (struct memory_span){.start = start, .size = size, .bytes = bytes});
}

struct failure *layer_add_hole(struct layer *layer, vaddr start, uint64_t size,
                               const uint8_t *bytes)
{
    return add(layer,
               (struct memory_span){.start = start, .size = size, .bytes = bytes, .hole = true});
}

struct failure *layer_add_lost(struct layer *layer, vaddr start, uint64_t size)
{
    return add(layer, (struct memory_span){.start = start, .size = size, .lost = true});
}

static int compare_pieces(const void *a, const void *b)
{
    const struct layer_piece *x = a, *y = b;
    if (x->span.start != y->span.start)
        return x->span.start < y->span.start ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

void layer_sort(struct layer *layer)
{
    if (layer->count > 0)
        qsort(layer->pieces, layer->count, sizeof(*layer->pieces), compare_pieces);
}

const uint8_t *layer_find(const struct layer *layer, vaddr at, uint64_t *size)
{
    size_t low = 0, high = layer->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (layer->pieces[middle].span.start <= at)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    const struct memory_span *span = &layer->pieces[low - 1].span;
    uint64_t offset = at - span->start;
    if (!span->bytes || offset >= span->size)
        return NULL;
    *size = span->size - offset;
    return span->bytes + offset;
}

// The range of the layer that holds `at`, or NULL; *next falls to where the layer's next one
// starts.
static const struct memory_span *sweep_layer(struct layer *layer, vaddr at, vaddr *next)
{
    for (; layer->at < layer->count; layer->at++) {
        const struct memory_span *span = &layer->pieces[layer->at].span;
        if (span->start > at) {
            if (span->start < *next)
                *next = span->start;
            return NULL;
        }
        if (at - span->start < span->size)
            return span;
    }
    return NULL;
}

struct failure *layers_merge(struct layer *layers, size_t count, struct memory *memory)
{
    for (size_t i = 0; i < count; i++)
        layer_sort(&layers[i]);
    for (vaddr at = 0, next; at < UINT64_MAX; at = next) {
        const struct memory_span *span = NULL;
        next = UINT64_MAX;
        for (size_t i = 0; i < count && !span; i++)
            span = sweep_layer(&layers[i], at, &next);
        if (!span)
            continue;
        if (span->size - (at - span->start) < next - at)
            next = span->start + span->size;
        const uint8_t *bytes = span->bytes ? span->bytes + (at - span->start) : NULL;
        struct failure *failure = span->lost   ? memory_add_lost(memory, at, next - at)
                                  : span->hole ? memory_add_hole(memory, at, next - at, bytes)
                                               : memory_add(memory, at, next - at, bytes);
        if (failure)
            return failure;
    }
    return NULL;
}

void layer_deinit(struct layer *layer)
{
    free(layer->pieces);
    *layer = (struct layer){0};
}
