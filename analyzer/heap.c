#include "heap.h"

#include <stdlib.h>

#include "discovery.h"
#include "extraction.h"

enum {
    // references taken from an object at a time
    FOUND_MAX = 1024,
    PLACES_MAX = 256,
    CURSOR_SKIPS = 64, // objects that a cursor goes past one by one
};

// --- numbers

bool heap_find(struct heap *heap, vaddr object, uint32_t *number)
{
    uint64_t bit = discovery_object_bit(heap, object);
    return bit != DISCOVERY_NO_BIT && discovery_number_of_bit(heap, bit, number);
}

// The word of bits that holds the object's: the last one with no more objects before it.
static uint64_t find_word(const struct heap *heap, uint32_t number)
{
    uint64_t low = 0, high = heap->word_count;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (heap->ranks[middle] <= number)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static size_t find_range_of_word(const struct heap *heap, uint64_t word)
{
    size_t low = 0, high = heap->range_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (heap->ranges[middle].first_bit <= word * 64)
            low = middle;
        else
            high = middle;
    }
    return low;
}

// Where an object with the lowest bit of the cursor's word would be.
static vaddr first_place(const struct heap_cursor *cursor)
{
    const struct heap_range *range = &cursor->heap->ranges[cursor->range];
    return range->start + (cursor->word * 64 - range->first_bit) * HEAP_GRAIN +
           layout_offset(&cursor->heap->runtime->layout, LAYOUT_PyGC_Head_sizeof);
}

void heap_cursor_init(struct heap_cursor *cursor, const struct heap *heap, uint32_t first)
{
    *cursor = (struct heap_cursor){.heap = heap};
    if (first >= heap->count)
        return;
    cursor->word = find_word(heap, first);
    cursor->range = find_range_of_word(heap, cursor->word);
    cursor->first_place = first_place(cursor);
    cursor->left = heap->bits[cursor->word];
    for (uint32_t before = heap->ranks[cursor->word]; before < first; before++)
        cursor->left &= cursor->left - 1;
}

void heap_cursor_advance(struct heap_cursor *cursor)
{
    const struct heap *heap = cursor->heap;
    while (!cursor->left)
        cursor->left = heap->bits[++cursor->word];
    // Ranges begin at whole words.
    while (cursor->range + 1 < heap->range_count &&
           heap->ranges[cursor->range + 1].first_bit <= cursor->word * 64)
        cursor->range++;
    cursor->first_place = first_place(cursor);
}

vaddr heap_cursor_find(struct heap_cursor *cursor, uint32_t *at, uint32_t number)
{
    if (number - *at > CURSOR_SKIPS)
        heap_cursor_init(cursor, cursor->heap, *at = number);
    for (; *at < number; ++*at)
        heap_cursor_next(cursor);
    ++*at;
    return heap_cursor_next(cursor);
}

vaddr heap_address(const struct heap *heap, uint32_t number)
{
    struct heap_cursor cursor;
    heap_cursor_init(&cursor, heap, number);
    return heap_cursor_next(&cursor);
}

static void note_unreadable(struct heap *heap)
{
    struct heap_losses *losses = &heap->losses;
    uint64_t left = losses->unreadable_objects;
    if (left > HEAP_UNREADABLE_TOLD)
        left = HEAP_UNREADABLE_TOLD;
    vaddr *at = losses->unreadable_at;
    for (uint32_t number = 0; left && number < heap->count; number++)
        if (heap->type[number] == HEAP_NO_TYPE) {
            *at++ = heap_address(heap, number);
            left--;
        }
}

static struct failure *build(struct heap *heap, const struct runtime_source *source, unsigned jobs)
{
    struct failure *failure = object_types_init(&heap->types, heap->runtime, source);
    if (!failure)
        failure = discovery_run(heap, source, jobs ? jobs : 1);
    if (failure)
        return failure;
    failure = extraction_run(heap, jobs);
    if (failure)
        return failure;
    note_unreadable(heap);
    if (heap->count && heap->losses.unreadable_objects == heap->count)
        return failure_create(FAILURE_DAMAGED,
                              "none of the %u elements on the collector's lists is an object that "
                              "can be read (%llu broken links)",
                              heap->count, (unsigned long long)heap->losses.tears.count);
    return NULL;
}

struct failure *heap_create_within(const struct runtime *runtime,
                                   const struct runtime_source *source, unsigned jobs,
                                   struct progress *progress, struct heap_limits limits,
                                   struct heap **heap)
{
    struct heap *made = calloc(1, sizeof(*made));
    if (!made)
        return failure_no_memory();
    made->runtime = runtime;
    made->limits = limits;
    made->progress = progress;
    made->code = (struct heap_code){.code = source->code, .memory = runtime->memory};
    struct failure *failure = build(made, source, jobs);
    if (failure)
        heap_destroy(made);
    else
        *heap = made;
    return failure;
}

struct failure *heap_create(const struct runtime *runtime, const struct runtime_source *source,
                            unsigned jobs, struct progress *progress, struct heap **heap)
{
    const struct heap_limits limits = {.objects = GRAPH_NONE - 1, .references = UINT32_MAX - 1};
    return heap_create_within(runtime, source, jobs, progress, limits, heap);
}

void heap_destroy(struct heap *heap)
{
    if (!heap)
        return;
    object_types_deinit(&heap->types);
    free((void *)heap->graph.rows);
    free(heap->targets);
    free(heap->type);
    free(heap->sizes);
    free(heap->gc_refs);
    free(heap->finalizers);
    free(heap->owners);
    free(heap->opaque);
    heap_code_deinit(&heap->code);
    free(heap->edge_labels);
    free(heap->label_places);
    free(heap->label_slots);
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
    if (heap->sizes[number] != HEAP_SIZE_LARGE)
        return (uint64_t)heap->sizes[number] * HEAP_SIZE_UNIT;
    return object_size(&heap->types, &heap->types.types[heap->type[number]],
                       heap_address(heap, number), &partial);
}

// Takes the places of a row's edges, from the first one wanted on.
struct place_search {
    struct heap *heap;
    struct visitor visitor;
    uint32_t wanted; // edges still to pass
    uint32_t left;   // edges still to take
    struct visit_place *place;
    vaddr found[PLACES_MAX];
    struct visit_place places[PLACES_MAX];
};

static void search_places(struct visitor *visitor)
{
    struct place_search *search =
        (struct place_search *)((char *)visitor - offsetof(struct place_search, visitor));
    for (size_t i = 0; i < visitor->count && search->left; i++) {
        uint32_t number;
        if (!heap_find(search->heap, visitor->found[i], &number))
            continue;
        if (search->wanted) {
            search->wanted--;
            continue;
        }
        *search->place++ = visitor->places[i];
        search->left--;
    }
    visitor->count = 0;
}

static enum memory_status read_places(struct heap *heap, uint32_t source, uint32_t first,
                                      uint32_t count, struct visit_place *places)
{
    struct place_search search; // the arrays stay as they are: this is asked millions of times
    search.heap = heap;
    search.wanted = first;
    search.left = count;
    search.place = places;
    search.visitor = (struct visitor){.found = search.found,
                                      .places = search.places,
                                      .capacity = PLACES_MAX,
                                      .full = search_places,
                                      .run_code = heap_code_run,
                                      .code = &heap->code};
    if (heap->type[source] == HEAP_NO_TYPE)
        return MEMORY_NONSENSE;
    heap->code.number = source;
    traverse_object(&heap->types, &heap->types.types[heap->type[source]],
                    heap_address(heap, source), &search.visitor);
    search_places(&search.visitor);
    return search.left ? MEMORY_NONSENSE : MEMORY_OK;
}

enum memory_status heap_find_place(struct heap *heap, uint32_t source, uint32_t edge,
                                   struct visit_place *place)
{
    return read_places(heap, source, edge - heap->graph.rows[source], 1, place);
}

enum memory_status heap_read_places(struct heap *heap, uint32_t source, struct visit_place *places)
{
    const uint32_t *rows = heap->graph.rows;
    return read_places(heap, source, 0, rows[source + 1] - rows[source], places);
}

static int by_name(const void *a, const void *b)
{
    const struct heap_opaque_type *left = a, *right = b;
    int order = strcmp(left->name, right->name);
    return order ? order : (left->objects < right->objects) - (left->objects > right->objects);
}

struct failure *heap_list_opaque(const struct heap *heap, struct heap_opaque_type **list,
                                 size_t *count)
{
    struct heap_opaque_type *all = calloc((size_t)heap->types.count + 1, sizeof(*all));
    if (!all)
        return failure_no_memory();
    for (uint32_t i = 0; i < heap->count && heap->opaque_objects; i++)
        if (heap->opaque[i / 8] >> (i % 8) & 1)
            all[heap->type[i]].objects++;
    *count = 0;
    for (uint32_t i = 0; i < heap->types.count; i++)
        if (all[i].objects)
            all[(*count)++] = (struct heap_opaque_type){heap->types.types[i].name, all[i].objects};
    // Types are numbered as the threads met them: by name the order is always the same.
    qsort(all, *count, sizeof(*all), by_name);
    *list = all;
    return NULL;
}

static int by_objects(const void *a, const void *b)
{
    const struct heap_opaque_reason *left = a, *right = b;
    int order = (left->objects < right->objects) - (left->objects > right->objects);
    return order ? order : strcmp(left->text, right->text);
}

size_t heap_list_opaque_reasons(const struct heap *heap, const uint64_t counts[HEAP_OPAQUE_REASONS],
                                struct heap_opaque_reason reasons[HEAP_OPAQUE_REASONS])
{
    size_t count = 0;
    for (unsigned i = 0; i < HEAP_OPAQUE_REASONS; i++) {
        if (!counts[i])
            continue;
        const char *text = i == HEAP_OPAQUE_CLASS ? "depends on classes that cannot be read"
                                                  : heap_code_ending_text(&heap->code, i);
        reasons[count++] = (struct heap_opaque_reason){text, counts[i]};
    }
    qsort(reasons, count, sizeof(*reasons), by_objects);
    return count;
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
    list.visitor = (struct visitor){.found = list.found,
                                    .capacity = FOUND_MAX,
                                    .full = hand_over,
                                    .run_code = heap_code_run,
                                    .code = &heap->code};
    if (heap->type[number] == HEAP_NO_TYPE)
        return;
    heap->code.number = number;
    traverse_object(&heap->types, &heap->types.types[heap->type[number]],
                    heap_address(heap, number), &list.visitor);
    hand_over(&list.visitor);
}

struct failure *heap_read_list(struct heap *heap, vaddr list, uint64_t limit, vaddr **items,
                               uint64_t *read, uint64_t *length)
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
    *read = count;
    if (limit && count > limit)
        count = limit;
    *items = malloc((count + 1) * sizeof(**items));
    if (!*items)
        return failure_no_memory();
    for (uint64_t i = 0; i < count; i++)
        (*items)[i] = format_word(runtime->memory->format, bytes + i * width);
    return NULL;
}

uint64_t heap_list_length(struct heap *heap, vaddr list)
{
    uint64_t length = 0;
    layout_read(&heap->runtime->layout, heap->runtime->memory, list, LAYOUT_PyVarObject_ob_size,
                &length);
    return length;
}

bool heap_list_was_emptied(struct heap *heap, vaddr list)
{
    uint64_t length, items;
    const struct layout *layout = &heap->runtime->layout;
    return layout_read(layout, heap->runtime->memory, list, LAYOUT_PyVarObject_ob_size, &length) ==
               MEMORY_OK &&
           layout_read(layout, heap->runtime->memory, list, LAYOUT_PyListObject_ob_item, &items) ==
               MEMORY_OK &&
           length == 0 && items != 0;
}

uint32_t *heap_take_refcounts(struct heap *heap)
{
    uint32_t *memory = (uint32_t *)heap->gc_refs;
    heap->gc_refs = NULL;
    return memory;
}

int64_t heap_read_refcnt(struct heap *heap, uint32_t number)
{
    int64_t refcnt = 0;
    const struct layout *layout = &heap->runtime->layout;
    layout_read_int(layout, heap->runtime->memory, heap_address(heap, number),
                    LAYOUT_PyObject_ob_refcnt, &refcnt);
    return refcnt;
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
