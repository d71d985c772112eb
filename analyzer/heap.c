#include "heap.h"

#include <stdlib.h>

#include "discovery.h"

enum {
    FOUND_MAX = 1024,     // references taken from an object at a time
    TYPE_CACHE = 256,     // recently seen types
    HEAP_SIZE_LARGE = -1, // in sizes[]: does not fit
    PLACES_MAX = 256,
    PREFETCH_AHEAD = 6, // objects
    PREFETCH_LINES = 4,
};

// --- numbers

bool heap_find(struct heap *heap, vaddr object, uint32_t *number)
{
    uint64_t bit;
    vaddr head = object - layout_offset(&heap->runtime->layout, LAYOUT_PyGC_Head_sizeof);
    if (!discovery_find_bit(heap, head, &bit) || !(heap->bits[bit / 64] >> (bit % 64) & 1))
        return false;
    uint64_t below = (UINT64_C(1) << (bit % 64)) - 1;
    *number = heap->ranks[bit / 64] + (uint32_t)__builtin_popcountll(heap->bits[bit / 64] & below);
    return true;
}

static void number_objects(struct heap *heap)
{
    unsigned head_size = layout_offset(&heap->runtime->layout, LAYOUT_PyGC_Head_sizeof);
    uint32_t number = 0;
    for (size_t i = 0; i < heap->range_count; i++) {
        const struct heap_range *range = &heap->ranges[i];
        uint64_t bit = range->first_bit, end = bit + range->size / DISCOVERY_GRAIN + 1;
        while (bit < end) {
            uint64_t word = heap->bits[bit / 64] >> (bit % 64);
            if (!word) {
                bit = (bit / 64 + 1) * 64;
                continue;
            }
            bit += (uint64_t)__builtin_ctzll(word);
            if (bit >= end)
                break;
            heap->addresses[number++] =
                range->start + (bit - range->first_bit) * DISCOVERY_GRAIN + head_size;
            bit++;
        }
    }
}

// --- the one pass over all objects

struct extraction {
    struct heap *heap;
    struct visitor visitor;
    vaddr found[FOUND_MAX];
    uint32_t *rows;
    uint64_t capacity; // of targets
    struct failure *failure;
    struct {
        vaddr address;
        int32_t index;
    } cache[TYPE_CACHE];
};

static bool reserve_targets(struct extraction *extraction, uint64_t more)
{
    struct heap *heap = extraction->heap;
    if (heap->edges + more <= extraction->capacity)
        return true;
    uint64_t capacity = extraction->capacity + extraction->capacity / 2 + more;
    uint32_t *targets = realloc(heap->targets, capacity * sizeof(*targets));
    if (!targets) {
        extraction->failure = failure_no_memory();
        return false;
    }
    heap->targets = targets;
    extraction->capacity = capacity;
    return true;
}

// Turns the references found so far into edges.
static void flush_edges(struct visitor *visitor)
{
    struct extraction *extraction =
        (struct extraction *)((char *)visitor - offsetof(struct extraction, visitor));
    struct heap *heap = extraction->heap;
    size_t count = visitor->count;
    visitor->count = 0;
    if (extraction->failure || !reserve_targets(extraction, count))
        return;
    uint64_t edges = heap->edges;
    for (size_t i = 0; i < count; i++)
        edges += heap_find(heap, visitor->found[i], &heap->targets[edges]);
    heap->edges = edges;
}

// The type by its address; the cache answers nearly always.
static int32_t intern_type(struct extraction *extraction, vaddr address)
{
    size_t slot = (address >> 4 ^ address >> 12) % TYPE_CACHE;
    if (extraction->cache[slot].address == address)
        return extraction->cache[slot].index;
    uint32_t index;
    if (!address || object_types_find(&extraction->heap->types, address, &index) != MEMORY_OK)
        return HEAP_NO_TYPE;
    extraction->cache[slot].address = address;
    extraction->cache[slot].index = (int32_t)index;
    return (int32_t)index;
}

static void extract_object(struct extraction *extraction, uint32_t number)
{
    struct heap *heap = extraction->heap;
    const struct runtime *runtime = heap->runtime;
    vaddr object = heap->addresses[number];
    enum memory_status status;
    const uint8_t *bytes =
        memory_view(runtime->memory, object,
                    2u * runtime->memory->format.word_size +
                        layout_offset(&runtime->layout, LAYOUT_PyObject_ob_refcnt),
                    &status);
    heap->type[number] =
        bytes ? intern_type(extraction, object_ob_type(runtime, bytes)) : HEAP_NO_TYPE;
    int64_t refcnt = bytes ? object_refcnt(runtime, bytes) : INT32_MAX;
    // What cannot be understood must not make its neighbours look dead: it counts as in use.
    heap->gc_refs[number] = refcnt < 0 || refcnt > INT32_MAX ? INT32_MAX : (int32_t)refcnt;
    if (heap->type[number] == HEAP_NO_TYPE) {
        heap->losses.unreadable_objects++;
        heap->gc_refs[number] = INT32_MAX;
        heap->sizes[number] = 0;
        return;
    }
    const struct object_type *type = &heap->types.types[heap->type[number]];
    bool partial = false;
    uint64_t size = object_size(&heap->types, type, object, &partial);
    heap->losses.unreadable_sizes += partial;
    heap->bytes += size;
    heap->sizes[number] =
        size < (uint32_t)HEAP_SIZE_LARGE ? (uint32_t)size : (uint32_t)HEAP_SIZE_LARGE;
    heap->opaque_objects += type->opaque;
    if (type->finalizer != FINALIZER_NEVER && object_has_finalizer(&heap->types, type, object))
        heap->finalizers[number / 8] |= (uint8_t)(1u << (number % 8));
    traverse_object(&heap->types, type, object, &extraction->visitor);
    flush_edges(&extraction->visitor);
}

// Asks for the cache lines of an object that comes soon. Objects lie one after the other, but the
// processor's own prefetching stops at every page.
static void prefetch_object(struct heap *heap, uint32_t number)
{
    const struct memory *memory = heap->runtime->memory;
    const struct memory_span *span = &memory->spans[memory->last];
    uint64_t offset = heap->addresses[number] - span->start;
    if (offset >= span->size || !span->bytes)
        return;
    for (unsigned line = 0; line < PREFETCH_LINES; line++)
        __builtin_prefetch(span->bytes + offset + line * 64);
}

static struct failure *extract(struct heap *heap)
{
    struct extraction *extraction = calloc(1, sizeof(*extraction));
    uint32_t *rows = calloc((size_t)heap->count + 1, sizeof(*rows));
    if (!extraction || !rows) {
        free(extraction);
        free(rows);
        return failure_no_memory();
    }
    extraction->heap = heap;
    extraction->visitor =
        (struct visitor){.found = extraction->found, .capacity = FOUND_MAX, .full = flush_edges};
    for (uint32_t i = 0; i < heap->count && !extraction->failure; i++) {
        rows[i] = (uint32_t)heap->edges;
        if (i + PREFETCH_AHEAD < heap->count)
            prefetch_object(heap, i + PREFETCH_AHEAD);
        extract_object(extraction, i);
        if (heap->edges >= UINT32_MAX && !extraction->failure)
            extraction->failure = failure_create(
                FAILURE_UNSUPPORTED, "the heap has more references than this program numbers (%u)",
                UINT32_MAX);
    }
    rows[heap->count] = (uint32_t)heap->edges;
    heap->losses.unreadable_parts = extraction->visitor.unreadable;
    heap->graph = (struct graph){heap->count, rows, heap->targets};
    struct failure *failure = extraction->failure;
    free(extraction);
    return failure;
}

static struct failure *allocate_columns(struct heap *heap)
{
    size_t count = (size_t)heap->count + 1;
    heap->addresses = malloc(count * sizeof(*heap->addresses));
    heap->type = malloc(count * sizeof(*heap->type));
    heap->sizes = malloc(count * sizeof(*heap->sizes));
    heap->gc_refs = malloc(count * sizeof(*heap->gc_refs));
    heap->finalizers = calloc(count / 8 + 1, 1);
    if (!heap->addresses || !heap->type || !heap->sizes || !heap->gc_refs || !heap->finalizers)
        return failure_no_memory();
    return NULL;
}

static struct failure *build(struct heap *heap, const struct runtime_source *source)
{
    struct failure *failure = object_types_init(&heap->types, heap->runtime, source);
    if (!failure)
        failure = discovery_run(heap);
    if (!failure)
        failure = allocate_columns(heap);
    if (failure)
        return failure;
    number_objects(heap);
    failure = extract(heap);
    if (failure)
        return failure;
    if (heap->losses.unreadable_objects == heap->count)
        return failure_create(FAILURE_DAMAGED,
                              "none of the %u elements on the collector's lists is an object that "
                              "can be read (%llu broken links)",
                              heap->count, (unsigned long long)heap->losses.broken_links);
    return NULL;
}

struct failure *heap_create(const struct runtime *runtime, const struct runtime_source *source,
                            struct heap **heap)
{
    struct heap *made = calloc(1, sizeof(*made));
    if (!made)
        return failure_no_memory();
    made->runtime = runtime;
    struct failure *failure = build(made, source);
    if (failure)
        heap_destroy(made);
    else
        *heap = made;
    return failure;
}

void heap_destroy(struct heap *heap)
{
    if (!heap)
        return;
    object_types_deinit(&heap->types);
    free((void *)heap->graph.rows);
    free(heap->targets);
    free(heap->addresses);
    free(heap->type);
    free(heap->sizes);
    free(heap->gc_refs);
    free(heap->finalizers);
    free(heap->ranges);
    free(heap->range_hints);
    free(heap->bits);
    free(heap->ranks);
    free(heap);
}

// --- what reports ask for

uint64_t heap_size(struct heap *heap, uint32_t number)
{
    bool partial = false;
    if (heap->sizes[number] != (uint32_t)HEAP_SIZE_LARGE)
        return heap->sizes[number];
    return object_size(&heap->types, &heap->types.types[heap->type[number]],
                       heap->addresses[number], &partial);
}

struct place_search {
    struct heap *heap;
    struct visitor visitor;
    uint32_t wanted; // edges still to pass
    bool done;
    struct visit_place *place;
    vaddr found[PLACES_MAX];
    struct visit_place places[PLACES_MAX];
};

static void search_places(struct visitor *visitor)
{
    struct place_search *search =
        (struct place_search *)((char *)visitor - offsetof(struct place_search, visitor));
    for (size_t i = 0; i < visitor->count && !search->done; i++) {
        uint32_t number;
        if (!heap_find(search->heap, visitor->found[i], &number) || search->wanted--)
            continue;
        *search->place = visitor->places[i];
        search->done = true;
    }
    visitor->count = 0;
}

enum memory_status heap_find_place(struct heap *heap, uint32_t source, uint32_t edge,
                                   struct visit_place *place)
{
    struct place_search search; // the arrays stay as they are: this is asked millions of times
    search.heap = heap;
    search.wanted = edge - heap->graph.rows[source];
    search.done = false;
    search.place = place;
    search.visitor = (struct visitor){.found = search.found,
                                      .places = search.places,
                                      .capacity = PLACES_MAX,
                                      .full = search_places};
    if (heap->type[source] == HEAP_NO_TYPE)
        return MEMORY_NONSENSE;
    traverse_object(&heap->types, &heap->types.types[heap->type[source]], heap->addresses[source],
                    &search.visitor);
    search_places(&search.visitor);
    return search.done ? MEMORY_OK : MEMORY_NONSENSE;
}

struct reference_list {
    struct visitor visitor;
    void (*take)(void *context, vaddr target);
    void *context;
    vaddr found[FOUND_MAX];
};

static void hand_over(struct visitor *visitor)
{
    struct reference_list *list =
        (struct reference_list *)((char *)visitor - offsetof(struct reference_list, visitor));
    for (size_t i = 0; i < visitor->count; i++)
        list->take(list->context, visitor->found[i]);
    visitor->count = 0;
}

void heap_each_reference(struct heap *heap, uint32_t number,
                         void (*take)(void *context, vaddr target), void *context)
{
    struct reference_list list = {.take = take, .context = context};
    list.visitor = (struct visitor){.found = list.found, .capacity = FOUND_MAX, .full = hand_over};
    if (heap->type[number] == HEAP_NO_TYPE)
        return;
    traverse_object(&heap->types, &heap->types.types[heap->type[number]], heap->addresses[number],
                    &list.visitor);
    hand_over(&list.visitor);
}

struct failure *heap_read_list(struct heap *heap, vaddr list, vaddr **items, uint64_t *read,
                               uint64_t *length)
{
    const struct runtime *runtime = heap->runtime;
    uint64_t width = runtime->memory->format.word_size, table, count = 0;
    const uint8_t *bytes = NULL;
    enum memory_status status =
        layout_read(&runtime->layout, runtime->memory, list, LAYOUT_PyVarObject_ob_size, &count);
    *length = count;
    if (status == MEMORY_OK && count < UINT64_MAX / width / 2)
        status = layout_read(&runtime->layout, runtime->memory, list, LAYOUT_PyListObject_ob_item,
                             &table);
    if (status == MEMORY_OK && count && count < UINT64_MAX / width / 2)
        bytes = memory_view(runtime->memory, table, count * width, &status);
    if (!bytes)
        count = 0;
    *items = malloc((count + 1) * sizeof(**items));
    if (!*items)
        return failure_no_memory();
    for (uint64_t i = 0; i < count; i++)
        (*items)[i] = format_word(runtime->memory->format, bytes + i * width);
    *read = count;
    return NULL;
}

int64_t heap_read_refcnt(struct heap *heap, uint32_t number)
{
    uint64_t word = 0;
    const struct layout *layout = &heap->runtime->layout;
    layout_read(layout, heap->runtime->memory, heap->addresses[number], LAYOUT_PyObject_ob_refcnt,
                &word);
    return (int64_t)word;
}

struct generation_marks {
    struct heap *heap;
    uint8_t *generations;
    uint8_t generation;
};

static void mark_generation(void *context, vaddr element)
{
    struct generation_marks *marks = context;
    uint32_t number;
    if (heap_find(marks->heap,
                  element + layout_offset(&marks->heap->runtime->layout, LAYOUT_PyGC_Head_sizeof),
                  &number))
        marks->generations[number] = marks->generation;
}

void heap_read_generations(struct heap *heap, uint8_t *generations)
{
    memset(generations, RUNTIME_GENERATIONS - 1, heap->count);
    for (uint8_t i = 0; i < RUNTIME_GENERATIONS - 1; i++) {
        struct generation_marks marks = {heap, generations, i};
        discovery_walk(heap, heap->runtime->generations[i].head, mark_generation, &marks);
    }
}

// --- gc.garbage by evidence

// Are there items, and is each a tracked object with a finalizer? (collect's handle_garbage)
static bool holds_finalizers_only(const struct heap *heap, uint32_t list)
{
    const struct graph *graph = &heap->graph;
    for (uint32_t edge = graph->rows[list]; edge < graph->rows[list + 1]; edge++)
        if (!heap_has_finalizer(heap, graph->targets[edge]))
            return false;
    return graph->rows[list] < graph->rows[list + 1];
}

static int64_t count_references(const struct heap *heap, uint32_t number)
{
    int64_t count = 0;
    for (uint64_t edge = 0; edge < heap->edges; edge++)
        count += heap->targets[edge] == number;
    return count;
}

bool heap_find_garbage(struct heap *heap, const struct runtime_source *source, vaddr *list)
{
    uint64_t cursor = 0;
    vaddr candidate, best = 0;
    while (runtime_next_static_list(heap->runtime, source, &cursor, &candidate)) {
        uint32_t number;
        if (candidate == best || !heap_find(heap, candidate, &number) ||
            !holds_finalizers_only(heap, number))
            continue;
        // Slots of the list free list hold stale pointers to live lists: for those the references
        // from the heap account for ob_refcnt.
        if (heap->gc_refs[number] - count_references(heap, number) != 1)
            continue;
        if (best)
            return false;
        best = candidate;
    }
    *list = best;
    return best != 0;
}
