// Each thread takes a range of object numbers and goes through it in address order, reading every
// object once. What the threads share while they do is only read, but for two small tables that
// are asked seldom and under a lock: the types, and the labels of edges. Each thread keeps what it
// last got from them. At the end the threads' edges are put one behind the other.
#include "extraction.h"

#include <stdlib.h>

#include "column.h"
#include "extraction_part.h"
#include "parallel.h"

#define REFCNT_MAX (INT64_C(1) << 40)

enum {
    PREFETCH_AHEAD = 8, // objects
    PREFETCH_LINES = 5,
    PROGRESS_STEP = 1 << 14,
};

// --- objects

static void set_unreadable(struct extraction_part *part)
{
    part->losses.unreadable_objects++;
    part->heap->type[part->code.number] = HEAP_NO_TYPE;
    part->heap->sizes[part->code.number] = 0;
    // What cannot be understood must not make its neighbours look dead: it counts as in use.
    part->heap->gc_refs[part->code.number] = INT32_MAX;
}

static void set_size(struct extraction_part *part, const struct object_type *type, vaddr object)
{
    bool partial = false;
    uint64_t size = object_size(&part->types, type, object, &partial);
    part->losses.unreadable_sizes += partial;
    part->bytes += size;
    bool fits = size % HEAP_SIZE_UNIT == 0 && size < HEAP_SIZE_LARGE * HEAP_SIZE_UNIT;
    part->heap->sizes[part->code.number] =
        fits ? (uint16_t)(size / HEAP_SIZE_UNIT) : HEAP_SIZE_LARGE;
}

// An object of a type that the tables do not know in full.
static void note_opaque(struct extraction_part *part, const struct object_type *type, bool was_run)
{
    if (type->coded && was_run) {
        part->coded_objects++;
        return;
    }
    part->opaque_reasons[type->coded ? part->code.ending : HEAP_OPAQUE_CLASS]++;
    part->heap->opaque[part->code.number / 8] |= (uint8_t)(1u << (part->code.number % 8));
}

static void extract_object(struct extraction_part *part, uint32_t number, vaddr object)
{
    struct heap *heap = part->heap;
    const struct layout *layout = &part->runtime.layout;
    enum memory_status status;
    part->code.number = number;
    extraction_begin_object(part, number);
    const uint8_t *bytes = memory_view(&part->memory, object,
                                       layout_offset(layout, LAYOUT_PyVarObject_ob_size), &status);
    const struct type_cache_entry *cached =
        bytes ? type_cache_find(&part->object_types, object_ob_type(&part->runtime, bytes)) : NULL;
    if (!cached || !cached->collectable) {
        set_unreadable(part);
        return;
    }
    const struct object_type *type = &cached->type;
    int64_t refcnt = object_refcnt(&part->runtime, bytes);
    // A reference has been counted for each: nothing runs for so long.
    if (refcnt < 0 || refcnt > REFCNT_MAX)
        part->visitor.unreadable++;
    heap->gc_refs[number] = refcnt < 0 || refcnt > INT32_MAX ? INT32_MAX : (int32_t)refcnt;
    heap->type[number] = cached->index;
    set_size(part, type, object);
    if (type->finalizer != FINALIZER_NEVER && object_has_finalizer(&part->types, type, object))
        heap->finalizers[number / 8] |= (uint8_t)(1u << (number % 8));
    uint32_t opaque = part->visitor.opaque;
    traverse_object(&part->types, type, object, &part->visitor);
    if (type->opaque)
        note_opaque(part, type, part->visitor.opaque == opaque);
}

// Asks for the cache lines of an object that comes soon. Objects lie one after the other, but the
// processor's own prefetching stops at every page. (gcc drops the calls of a function that does
// nothing else, if it is one.)
static inline __attribute__((always_inline)) void
prefetch_object(const struct extraction_part *part, vaddr object)
{
    const struct memory_span *span = &part->memory.spans[part->memory.last];
    uint64_t offset = object - span->start;
    if (offset >= span->size || !span->bytes)
        return;
    for (unsigned line = 0; line < PREFETCH_LINES; line++)
        __builtin_prefetch(span->bytes + offset + line * 64);
}

static void extract_part(void *context, unsigned job)
{
    struct extraction *extraction = context;
    struct extraction_part *part = &extraction->parts[job];
    struct heap_cursor cursor;
    vaddr ahead[PREFETCH_AHEAD]; // the next objects, in turn
    heap_cursor_init(&cursor, part->heap, part->first);
    for (uint32_t i = part->first; i < part->end && i < part->first + PREFETCH_AHEAD; i++)
        ahead[i % PREFETCH_AHEAD] = heap_cursor_next(&cursor);
    for (uint32_t i = part->first; i < part->end && !part->failure; i++) {
        vaddr object = ahead[i % PREFETCH_AHEAD];
        if (i + PREFETCH_AHEAD < part->end) {
            ahead[i % PREFETCH_AHEAD] = heap_cursor_next(&cursor);
            prefetch_object(part, ahead[i % PREFETCH_AHEAD]);
        }
        if (i % PROGRESS_STEP == 0)
            progress_add(part->heap->progress, PROGRESS_STEP);
        extract_object(part, i, object);
    }
    extraction_flush_edges(&part->visitor);
}

// --- all parts

static void init_part(struct extraction *extraction, unsigned job)
{
    struct heap *heap = extraction->heap;
    struct extraction_part *part = &extraction->parts[job];
    part->extraction = extraction;
    part->heap = heap;
    memory_share(heap->runtime->memory, &part->memory);
    part->runtime = *heap->runtime;
    part->runtime.memory = &part->memory;
    part->types.runtime = &part->runtime;
    type_cache_init(&part->object_types, &heap->types, &extraction->lock);
    type_cache_init(&part->target_types, &heap->types, &extraction->lock);
    part->code = (struct heap_code){
        .code = heap->code.code, .memory = &part->memory, .learns = extraction->learns};
    part->first = parallel_first(heap->count, extraction->jobs, job);
    part->end = parallel_first(heap->count, extraction->jobs, job + 1);
    part->visitor = (struct visitor){.found = part->found,
                                     .patterns = part->patterns,
                                     .capacity = FOUND_MAX,
                                     .full = extraction_flush_edges,
                                     .run_code = heap_code_run,
                                     .code = &part->code};
    part->head_size = layout_offset(&heap->runtime->layout, LAYOUT_PyGC_Head_sizeof);
}

static void deinit_part(struct extraction_part *part)
{
    if (part->moved_out) {
        free(part->targets);
        free(part->labels);
    }
    heap_code_deinit(&part->code);
    memory_unshare(&part->memory);
}

// All parts go through their objects once more.
static void extract_again(struct extraction *extraction)
{
    struct heap *heap = extraction->heap;
    memset(heap->owners, 0, heap->count / 8 + 1);
    memset(heap->opaque, 0, heap->count / 8 + 1);
    extraction->edges = 0;
    for (unsigned job = 0; job < extraction->jobs; job++) {
        struct extraction_part *part = &extraction->parts[job];
        struct failure *failure = part->failure;
        deinit_part(part);
        memset(part, 0, sizeof(*part));
        init_part(extraction, job);
        heap_code_add_endless(&part->code, &heap->code);
        part->failure = failure;
    }
    extraction_share_room(extraction);
    parallel_run(extraction->jobs, extract_part, extraction);
}

// What did not end for one part may have been tried by the next ones in vain: these did not know
// that the function was given up before their first object. They go through their objects again,
// knowing it, so that the result is that of one part.
static void give_up(struct extraction *extraction)
{
    struct heap *heap = extraction->heap;
    for (unsigned job = 0; job < extraction->jobs; job++)
        heap_code_add_endless(&heap->code, &extraction->parts[job].code);
    if (extraction->jobs > 1 && heap_code_gives_up(&heap->code))
        extract_again(extraction);
}

// Where what was learned has turned out wrong for one object, nobody knows for how many others.
static void unlearn(struct extraction *extraction)
{
    struct heap *heap = extraction->heap;
    bool any = false, erred;
    for (unsigned job = 0; job < extraction->jobs; job++) {
        heap->learned_objects += heap_code_check(&extraction->parts[job].code, &erred);
        any = any || erred;
    }
    if (!any)
        return;
    heap->learned_objects = 0;
    extraction->learns = false;
    extract_again(extraction);
    give_up(extraction);
}

static void add_losses(struct heap *heap, const struct extraction_part *part)
{
    heap->bytes += part->bytes;
    for (unsigned i = 0; i < HEAP_OPAQUE_REASONS; i++) {
        heap->opaque_reasons[i] += part->opaque_reasons[i];
        heap->opaque_objects += part->opaque_reasons[i];
    }
    heap->coded_objects += part->coded_objects;
    heap->losses.unreadable_objects += part->losses.unreadable_objects;
    heap->losses.unreadable_sizes += part->losses.unreadable_sizes;
    heap->losses.unreadable_parts += part->visitor.unreadable;
}

static struct failure *run_parts(struct extraction *extraction)
{
    for (unsigned job = 0; job < extraction->jobs; job++)
        init_part(extraction, job);
    extraction_share_room(extraction);
    parallel_run(extraction->jobs, extract_part, extraction);
    struct failure *failure = NULL;
    give_up(extraction);
    unlearn(extraction);
    for (unsigned job = 0; job < extraction->jobs; job++) {
        struct extraction_part *part = &extraction->parts[job];
        add_losses(extraction->heap, part);
        if (!failure)
            failure = part->failure;
        else
            failure_destroy(part->failure);
    }
    if (!failure)
        failure = extraction_join_parts(extraction);
    for (unsigned job = 0; job < extraction->jobs; job++)
        deinit_part(&extraction->parts[job]);
    return failure;
}

static struct failure *allocate_columns(struct heap *heap)
{
    size_t count = heap->count;
    heap->type = column_create(count, sizeof(*heap->type));
    heap->sizes = column_create(count, sizeof(*heap->sizes));
    heap->gc_refs = column_create(count, sizeof(*heap->gc_refs));
    uint64_t edges = extraction_room(count);
    heap->targets = column_create(edges, sizeof(*heap->targets));
    heap->edge_labels = column_create(edges, sizeof(*heap->edge_labels));
    heap->finalizers = calloc(count / 8 + 1, 1);
    heap->owners = calloc(count / 8 + 1, 1);
    heap->opaque = calloc(count / 8 + 1, 1);
    heap->label_places = calloc(HEAP_LABELS_MAX, sizeof(*heap->label_places));
    heap->label_slots = calloc(HEAP_LABEL_SLOTS, sizeof(*heap->label_slots));
    if (!heap->targets || !heap->edge_labels || !heap->type || !heap->sizes || !heap->gc_refs ||
        !heap->finalizers || !heap->owners || !heap->opaque || !heap->label_places ||
        !heap->label_slots)
        return failure_no_memory();
    return NULL;
}

struct failure *extraction_run(struct heap *heap, unsigned jobs)
{
    struct extraction extraction = {.heap = heap, .jobs = jobs ? jobs : 1, .learns = true};
    if (extraction.jobs > PARALLEL_JOBS_MAX)
        extraction.jobs = PARALLEL_JOBS_MAX;
    progress_phase(heap->progress, "reading objects", "objects", heap->count);
    struct failure *failure = allocate_columns(heap);
    if (failure)
        return failure;
    extraction.rows = column_create(heap->count, sizeof(*extraction.rows));
    extraction.parts = calloc(extraction.jobs, sizeof(*extraction.parts));
    if (extraction.rows && extraction.parts) {
        pthread_mutex_init(&extraction.lock, NULL);
        failure = run_parts(&extraction);
        pthread_mutex_destroy(&extraction.lock);
        heap->graph = (struct graph){heap->count, extraction.rows, heap->targets, extraction.jobs};
    } else {
        free(extraction.rows);
        failure = failure_no_memory();
    }
    free(extraction.parts);
    return failure;
}
