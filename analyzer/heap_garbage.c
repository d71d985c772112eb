#include "heap_garbage.h"

#include <stdlib.h>

// What a list holds, as far as that makes it gc.garbage.
enum holding {
    HOLDS_OTHER,
    HOLDS_SAVED,     // objects with finalizers among others, as gc.DEBUG_SAVEALL leaves them
    HOLDS_FINALIZERS // nothing else (collect's handle_garbage)
};

// Was the item tracked once? Later collections untrack tuples and dicts that they find in use.
static bool was_tracked(struct heap *heap, vaddr item)
{
    uint32_t number;
    return heap_find(heap, item, &number) ||
           object_is_exact(heap->runtime, item, RUNTIME_TYPE_tuple) ||
           object_is_exact(heap->runtime, item, RUNTIME_TYPE_dict);
}

static bool were_all_tracked(struct heap *heap, vaddr list, uint64_t length)
{
    const struct runtime *runtime = heap->runtime;
    unsigned width = runtime->memory->format.word_size;
    uint64_t items;
    vaddr item;
    if (layout_read(&runtime->layout, runtime->memory, list, LAYOUT_PyListObject_ob_item, &items) !=
        MEMORY_OK)
        return false;
    for (uint64_t i = 0; i < length; i++)
        if (memory_read_word(runtime->memory, items + i * width, &item) != MEMORY_OK ||
            !was_tracked(heap, item))
            return false;
    return true;
}

static enum holding judge_items(struct heap *heap, uint32_t list)
{
    const struct graph *graph = &heap->graph;
    uint32_t tracked = graph->rows[list + 1] - graph->rows[list], finalizers = 0;
    uint64_t length = 0;
    layout_read(&heap->runtime->layout, heap->runtime->memory, heap_address(heap, list),
                LAYOUT_PyVarObject_ob_size, &length);
    for (uint32_t edge = graph->rows[list]; edge < graph->rows[list + 1]; edge++)
        finalizers += heap_has_finalizer(heap, graph->targets[edge]);
    if (!finalizers)
        return HOLDS_OTHER;
    if (finalizers == length)
        return HOLDS_FINALIZERS;
    return tracked == length || were_all_tracked(heap, heap_address(heap, list), length)
               ? HOLDS_SAVED
               : HOLDS_OTHER;
}

static int64_t count_references(const struct heap *heap, uint32_t number)
{
    int64_t count = 0;
    for (uint64_t edge = 0; edge < heap->edges; edge++)
        count += heap->targets[edge] == number;
    return count;
}

bool heap_is_held_outside(struct heap *heap, vaddr object)
{
    uint32_t number;
    return heap_find(heap, object, &number) &&
           heap->gc_refs[number] > count_references(heap, number);
}

bool heap_is_static_list(struct heap *heap, const struct runtime_source *source, vaddr list)
{
    // A word of static data may be stale (the list free list): only a reference that no object
    // accounts for shows that one holds the list.
    return heap_is_held_outside(heap, list) && runtime_is_static_list(heap->runtime, source, list);
}

// Per object how many references tracked objects have to it; NULL: memory is short, which is noted.
static uint32_t *count_all_references(const struct heap *heap)
{
    uint32_t *references = calloc((size_t)heap->count + 1, sizeof(*references));
    if (!references)
        failure_note_no_memory();
    for (uint64_t edge = 0; references && edge < heap->edges; edge++)
        references[heap->targets[edge]]++;
    return references;
}

// What makes lists gc.garbage, looked into once for each, however many words point to it, and no
// more of it than is asked for.
struct judgement {
    struct heap *heap;
    uint8_t *judged;      // a bit per object
    uint32_t *references; // per object, those that tracked objects have to it; NULL: not asked yet
    bool no_memory;
};

static enum holding judge_list(struct judgement *judgement, vaddr list, enum holding least)
{
    struct heap *heap = judgement->heap;
    uint32_t number;
    if (!heap_find(heap, list, &number) || judgement->judged[number / 8] >> (number % 8) & 1)
        return HOLDS_OTHER;
    judgement->judged[number / 8] |= (uint8_t)(1 << (number % 8));
    enum holding holding = judge_items(heap, number);
    if (holding < least)
        return HOLDS_OTHER;
    if (!judgement->references)
        judgement->references = count_all_references(heap);
    judgement->no_memory = !judgement->references;
    // Slots of the list free list hold stale pointers to live lists: for those the references from
    // the heap account for ob_refcnt.
    return judgement->references &&
                   (int64_t)heap->gc_refs[number] - judgement->references[number] == 1
               ? holding
               : HOLDS_OTHER;
}

enum garbage_source heap_find_garbage(struct heap *heap, const struct runtime_source *source,
                                      vaddr *list)
{
    uint64_t cursor = 0;
    vaddr candidate, best = 0;
    enum holding best_holding = HOLDS_SAVED;
    bool several = false;
    struct judgement judgement = {.heap = heap, .judged = calloc(heap->count / 8 + 1, 1)};
    judgement.no_memory = !judgement.judged;
    if (judgement.no_memory)
        failure_note_no_memory();
    while (!judgement.no_memory &&
           runtime_next_static_list(heap->runtime, source, &cursor, &candidate)) {
        enum holding holding = judge_list(&judgement, candidate, best_holding);
        if (holding < best_holding)
            continue;
        several = best && holding == best_holding;
        best = candidate;
        best_holding = holding;
    }
    free(judgement.judged);
    free(judgement.references);
    // The variable may be in what is missing.
    if (judgement.no_memory || several || (!best && source->data_missing))
        return GARBAGE_NOT_FOUND;
    if (!best)
        return GARBAGE_EMPTY;
    *list = best;
    return GARBAGE_BY_EVIDENCE;
}

// Is an object, or the class that would say if it has a finalizer, among what is lost?
static bool is_object_lost(struct heap *heap, vaddr object)
{
    uint64_t type;
    uint32_t number;
    if (heap_find(heap, object, &number))
        return heap->type[number] == HEAP_NO_TYPE;
    return layout_read(&heap->runtime->layout, heap->runtime->memory, object,
                       LAYOUT_PyObject_ob_type, &type) == MEMORY_NOT_SAVED;
}

// Have all items finalizers, but for those that are lost? One at least must be left.
static bool holds_finalizers_left(struct heap *heap, uint32_t list)
{
    uint64_t read, length;
    vaddr *items;
    bool holds = true, left = false;
    uint32_t number;
    struct failure *failure =
        heap_read_list(heap, heap_address(heap, list), 0, &items, &read, &length);
    if (failure) {
        failure_destroy(failure);
        return false;
    }
    for (uint64_t i = 0; i < read && holds; i++) {
        bool has = heap_find(heap, items[i], &number) && heap_has_finalizer(heap, number);
        left = left || has;
        holds = has || is_object_lost(heap, items[i]);
    }
    free(items);
    return holds && left;
}

enum garbage_source heap_find_lost_garbage(struct heap *heap, vaddr *list)
{
    const struct graph *graph = &heap->graph;
    struct heap_cursor cursor;
    vaddr best = 0;
    bool several = false;
    uint32_t *references = count_all_references(heap);
    heap_cursor_init(&cursor, heap, 0);
    for (uint32_t i = 0; references && i < heap->count; i++) {
        vaddr object = heap_cursor_next(&cursor);
        if (graph->rows[i] == graph->rows[i + 1] ||
            (int64_t)heap->gc_refs[i] - references[i] != 1 ||
            !object_is_exact(heap->runtime, object, RUNTIME_TYPE_list) ||
            !holds_finalizers_left(heap, i))
            continue;
        several = several || best;
        best = object;
    }
    free(references);
    if (!best || several)
        return GARBAGE_LOST;
    *list = best;
    return GARBAGE_BY_ITEMS;
}
