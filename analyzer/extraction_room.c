// Where the edges are put. The parts write into common arrays, each from where the part before is
// expected to end, and close up when all are done; nothing has to be copied but once.
#include <stdlib.h>

#include "column.h"
#include "extraction_part.h"

enum {
    // Edges of an object that there is room for; most heaps have fewer, and what is not used is
    // never touched.
    EDGES_ROOM = 4,
    SAMPLED = 256,        // objects of a part
    SAMPLED_LARGE = 4096, // bytes of one that is not looked into
};

uint64_t extraction_room(uint64_t objects)
{
    return objects * EDGES_ROOM + PARALLEL_JOBS_MAX * FOUND_MAX;
}

bool extraction_reserve_edges(struct extraction_part *part, uint64_t more)
{
    if (part->edges + more <= part->capacity)
        return true;
    uint64_t capacity = part->capacity + part->capacity / 2 + more;
    uint32_t *targets = malloc(capacity * sizeof(*targets));
    uint16_t *labels = malloc(capacity * sizeof(*labels));
    if (!targets || !labels) {
        free(targets);
        free(labels);
        part->failure = failure_no_memory();
        return false;
    }
    memcpy(targets, part->targets, part->edges * sizeof(*targets));
    memcpy(labels, part->labels, part->edges * sizeof(*labels));
    if (part->moved_out) {
        free(part->targets);
        free(part->labels);
    }
    part->moved_out = true;
    part->targets = targets;
    part->labels = labels;
    part->capacity = capacity;
    return true;
}

// Counts what will become edges.
struct sample {
    struct visitor visitor;
    struct extraction_part *part;
    vaddr found[FOUND_MAX];
    uint64_t edges;
};

static void count_sampled(struct visitor *visitor)
{
    struct sample *sample = (struct sample *)((char *)visitor - offsetof(struct sample, visitor));
    uint32_t number;
    for (size_t i = 0; i < visitor->count; i++)
        sample->edges += heap_find(sample->part->heap, visitor->found[i], &number);
    visitor->count = 0;
}

static void sample_object(struct sample *sample, const struct type_cache_entry *cached,
                          vaddr object)
{
    struct extraction_part *part = sample->part;
    bool partial = false;
    if (!cached->collectable)
        return;
    uint64_t size = object_size(&part->types, &cached->type, object, &partial);
    if (size > SAMPLED_LARGE)
        sample->edges += size / part->memory.format.word_size; // more it cannot have
    else
        traverse_object(&part->types, &cached->type, object, &sample->visitor);
    count_sampled(&sample->visitor);
}

// About how many edges a part will have, by some of its objects, plus a quarter.
static uint64_t expect_edges(struct extraction_part *part)
{
    struct sample sample = {.part = part};
    uint32_t objects = part->end - part->first;
    uint32_t sampled = objects < SAMPLED ? objects : SAMPLED;
    sample.visitor =
        (struct visitor){.found = sample.found, .capacity = FOUND_MAX, .full = count_sampled};
    for (uint32_t i = 0; i < sampled; i++) {
        uint32_t number = part->first + (uint32_t)((uint64_t)objects * i / sampled);
        vaddr object = heap_address(part->heap, number);
        uint64_t ob_type;
        if (layout_read(&part->runtime.layout, &part->memory, object, LAYOUT_PyObject_ob_type,
                        &ob_type) != MEMORY_OK)
            continue;
        const struct type_cache_entry *cached = type_cache_find(&part->object_types, ob_type);
        sample_object(&sample, cached, object);
    }
    return sampled ? sample.edges * 5 / 4 * objects / sampled : 0;
}

void extraction_share_room(struct extraction *extraction)
{
    struct heap *heap = extraction->heap;
    uint64_t start = 0;
    for (unsigned job = 0; job < extraction->jobs; job++) {
        struct extraction_part *part = &extraction->parts[job];
        uint64_t share = (uint64_t)(part->end - part->first) * EDGES_ROOM + FOUND_MAX;
        uint64_t expected = job + 1 < extraction->jobs ? expect_edges(part) + FOUND_MAX : share;
        part->capacity = expected < share ? expected : share;
        part->targets = heap->targets + start;
        part->labels = heap->edge_labels + start;
        start += part->capacity;
    }
}

// New common arrays for all edges, when a part has moved out of the old ones.
static bool make_room(struct heap *heap, uint64_t total, uint32_t **targets, uint16_t **labels)
{
    *targets = column_create(total, sizeof(**targets));
    *labels = column_create(total, sizeof(**labels));
    if (*targets && *labels)
        return true;
    free(*targets);
    free(*labels);
    *targets = heap->targets;
    *labels = heap->edge_labels;
    return false;
}

// What the last parts' edges have moved away from is of no more use. (Where it cannot be given
// back, it stays.)
static void give_back_room(struct heap *heap)
{
    uint32_t *targets = reallocarray(heap->targets, heap->edges + 1, sizeof(*targets));
    uint16_t *labels = reallocarray(heap->edge_labels, heap->edges + 1, sizeof(*labels));
    if (targets)
        heap->targets = targets;
    if (labels)
        heap->edge_labels = labels;
}

struct failure *extraction_join_parts(struct extraction *extraction)
{
    struct heap *heap = extraction->heap;
    uint32_t *targets = heap->targets;
    uint16_t *labels = heap->edge_labels;
    uint64_t total = 0, edges = 0;
    bool moved_out = false;
    for (unsigned job = 0; job < extraction->jobs; job++) {
        total += extraction->parts[job].edges;
        moved_out = moved_out || extraction->parts[job].moved_out;
    }
    if (moved_out && !make_room(heap, total, &targets, &labels))
        return failure_no_memory();
    for (unsigned job = 0; job < extraction->jobs; job++) {
        const struct extraction_part *part = &extraction->parts[job];
        memmove(targets + edges, part->targets, part->edges * sizeof(*targets));
        memmove(labels + edges, part->labels, part->edges * sizeof(*labels));
        for (uint32_t i = part->first; i < part->end; i++)
            extraction->rows[i] += (uint32_t)edges;
        edges += part->edges;
    }
    extraction->rows[heap->count] = (uint32_t)edges;
    if (moved_out) {
        free(heap->targets);
        free(heap->edge_labels);
    }
    heap->targets = targets;
    heap->edge_labels = labels;
    heap->edges = edges;
    give_back_room(heap);
    return NULL;
}
