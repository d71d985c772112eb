// Each thread takes a range of object numbers and goes through it in address order, reading every
// object once. What the threads share while they do is only read, but for two small tables that
// are asked seldom and under a lock: the types, and the labels of edges. Each thread keeps what it
// last got from them. At the end the threads' edges are put one behind the other.
#include "extraction.h"

#include <pthread.h>
#include <stdlib.h>

#include "column.h"
#include "discovery.h"
#include "parallel.h"
#include "type_cache.h"

#define REFCNT_MAX (INT64_C(1) << 40)

enum {
    FOUND_MAX = 1024,      // references at hand at a time
    BATCH_ENOUGH = 192,    // references, after which they become edges
    BATCH_OBJECTS = 64,    // objects whose references are at hand at a time
    CACHED_PATTERNS = 256, // these, per thread
    CACHED_KEYS = 1024,
    CACHED_COMMON = 1024,
    CACHED_STRETCHES = 64,
    PREFETCH_AHEAD = 8, // objects
    PREFETCH_LINES = 4,
    PROGRESS_STEP = 1 << 14,
    STRETCH_SHIFT = 20, // addresses that differ from this bit on are looked up apart
    // Edges of an object that there is room for; most heaps have fewer, and what is not used is
    // never touched.
    EDGES_ROOM = 4,
    SAMPLED = 256, // objects of a part
};

// A label, by the pattern of its place or, for a value of a dict, by the key.
struct cached_label {
    uint64_t word;
    uint16_t label;
};

// A stretch of addresses: of a range, or of the room between two, where no object can be.
struct stretch {
    vaddr start;
    uint64_t size;
    uint64_t first_bit; // DISCOVERY_NO_BIT: between ranges
};

// An object whose references are at hand, and how many there were before its first.
struct batched {
    uint32_t number;
    uint32_t found;
    bool begun; // some of its references are edges already
};

// One thread's part.
struct part {
    struct extraction *extraction;
    struct heap *heap;
    // Views of its own of what the heap has: reading leaves traces in a memory.
    struct memory memory;
    struct runtime runtime;
    struct object_types types;
    uint32_t first, end;
    uint32_t number;    // the object at hand
    uint32_t head_size; // of a PyGC_Head
    struct visitor visitor;
    // Of several objects, so that what their edges need is fetched for all of them at once.
    vaddr found[FOUND_MAX];
    const struct visit_place *patterns[FOUND_MAX];
    uint64_t bits[FOUND_MAX]; // where in the bitmap; DISCOVERY_NO_BIT: nowhere
    struct batched batch[BATCH_OBJECTS];
    size_t batched;
    uint32_t *targets;
    uint16_t *labels;
    uint64_t edges;
    uint64_t capacity;
    bool moved_out; // targets and labels are its own
    uint64_t bytes;
    uint64_t opaque_reasons[HEAP_OPAQUE_REASONS];
    uint64_t coded_objects;
    struct heap_code code;
    struct heap_losses losses;
    struct failure *failure;
    struct type_cache object_types; // the entry of the object at hand stays
    struct type_cache target_types; // of what objects refer to
    struct cached_label pattern_labels[CACHED_PATTERNS];
    struct cached_label key_labels[CACHED_KEYS];
    vaddr common[CACHED_COMMON];
    struct stretch stretches[CACHED_STRETCHES]; // by a part of the address
};

struct extraction {
    struct heap *heap;
    uint32_t *rows;
    struct part *parts;
    unsigned jobs;
    bool learns;          // heap_code.h
    pthread_mutex_t lock; // over heap->types, heap->labels and the memory they are read through
};

// --- labels

static size_t hash_place(const struct visit_place *place)
{
    uint64_t words = ((uintptr_t)place->label ^ place->key) * 16 + place->kind;
    return vaddr_hash(words);
}

static bool same_place(const struct visit_place *a, const struct visit_place *b)
{
    return a->kind == b->kind && a->label == b->label && a->key == b->key;
}

// The label of a place in the heap's table, added if it is new and there is room.
static uint16_t intern_label(struct heap *heap, const struct visit_place *place)
{
    size_t slot = hash_place(place) % HEAP_LABEL_SLOTS;
    while (heap->label_slots[slot]) {
        uint16_t label = heap->label_slots[slot] - 1;
        if (same_place(&heap->label_places[label], place))
            return label;
        slot = (slot + 1) % HEAP_LABEL_SLOTS;
    }
    if (heap->label_count == HEAP_LABELS_MAX)
        return HEAP_NO_LABEL;
    heap->label_places[heap->label_count] = *place;
    heap->label_slots[slot] = ++heap->label_count;
    return heap->label_count - 1;
}

// A local variable's name is its code object's matter, and so are the names of a closure.
static bool has_label(const struct visit_place *place)
{
    return place->kind != VISIT_LOCAL &&
           !(place->kind == VISIT_MEMBER && strcmp(place->label, "func_closure") == 0);
}

static void fill_label(struct part *part, struct cached_label *cached, uint64_t word,
                       const struct visit_place *place)
{
    pthread_mutex_lock(&part->extraction->lock);
    *cached = (struct cached_label){word, has_label(place) ? intern_label(part->heap, place)
                                                           : HEAP_NO_LABEL};
    pthread_mutex_unlock(&part->extraction->lock);
}

// The label of the reference number i of those at hand.
static inline uint16_t find_label(struct part *part, size_t i)
{
    const struct visit_place *pattern = part->patterns[i];
    if (pattern == &traverse_value) {
        vaddr key = part->found[i - 1];
        struct cached_label *cached = &part->key_labels[vaddr_hash(key) % CACHED_KEYS];
        if (cached->word != key) {
            struct visit_place place = *pattern;
            place.key = key;
            fill_label(part, cached, key, &place);
        }
        return cached->label;
    }
    uint64_t word = (uintptr_t)pattern;
    struct cached_label *cached = &part->pattern_labels[vaddr_hash(word) % CACHED_PATTERNS];
    if (cached->word != word)
        fill_label(part, cached, word, pattern);
    return cached->label;
}

// --- references

// The range that holds an address, or the room between the last one before it and the next.
static __attribute__((noinline)) struct stretch find_stretch(const struct heap *heap, vaddr at)
{
    // There is one range more than range_count, and it is empty.
    const struct heap_range *range = &heap->ranges[discovery_find_last_range(heap, at)];
    if (at - range->start < range->size)
        return (struct stretch){range->start, range->size, range->first_bit};
    bool before_all = at < range->start;
    bool after_all = !before_all && range + 1 >= heap->ranges + heap->range_count;
    vaddr start = before_all ? 0 : range->start + range->size;
    vaddr end = before_all ? range->start : after_all ? 0 : range[1].start;
    return (struct stretch){start, end - start, DISCOVERY_NO_BIT};
}

static struct failure *refuse_references(void)
{
    return failure_create(FAILURE_UNSUPPORTED,
                          "the heap has more references than this program numbers (%u)",
                          UINT32_MAX);
}

// Room for `more` edges. A part that outgrows its share of the common arrays moves out of them.
static bool reserve_edges(struct part *part, uint64_t more)
{
    if (part->edges + more <= part->capacity)
        return true;
    if (part->edges + more >= UINT32_MAX) {
        part->failure = refuse_references();
        return false;
    }
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

// Is an untracked object so small and so widely used that nobody owns it? (heap.h)
static bool is_common(struct part *part, vaddr object)
{
    vaddr *cached = &part->common[vaddr_hash(object) % CACHED_COMMON];
    if (*cached == object)
        return true;
    uint64_t refcnt, ob_type;
    const struct layout *layout = &part->runtime.layout;
    bool partial = false;
    if (layout_read(layout, &part->memory, object, LAYOUT_PyObject_ob_refcnt, &refcnt) !=
            MEMORY_OK ||
        layout_read(layout, &part->memory, object, LAYOUT_PyObject_ob_type, &ob_type) !=
            MEMORY_OK ||
        refcnt <= HEAP_COMMON_REFERENCES)
        return false;
    const struct type_cache_entry *type = type_cache_find(&part->target_types, ob_type);
    if (type->index == HEAP_NO_TYPE ||
        object_size(&part->types, &type->type, object, &partial) > HEAP_COMMON_SIZE)
        return false;
    *cached = object;
    return true;
}

// Where an object's bit is.
static inline uint64_t find_bit(struct part *part, vaddr object)
{
    vaddr head = object - part->head_size;
    struct stretch *stretch = &part->stretches[(head >> STRETCH_SHIFT) % CACHED_STRETCHES];
    uint64_t offset = head - stretch->start;
    if (offset >= stretch->size) {
        *stretch = find_stretch(part->heap, head);
        offset = head - stretch->start;
    }
    if (stretch->first_bit == DISCOVERY_NO_BIT || offset % HEAP_GRAIN != 0)
        return DISCOVERY_NO_BIT;
    return stretch->first_bit + offset / HEAP_GRAIN;
}

// Finds out where each reference's bit is and asks for the words that will be read there: on an
// aged heap every one of them is a cache miss.
static void look_up_bits(struct part *part, size_t count)
{
    const uint64_t *bits = part->heap->bits;
    const uint32_t *ranks = part->heap->ranks;
    for (size_t i = 0; i < count; i++) {
        uint64_t bit = find_bit(part, part->found[i]);
        part->bits[i] = bit;
        if (bit == DISCOVERY_NO_BIT)
            continue;
        __builtin_prefetch(&bits[bit / 64]);
        __builtin_prefetch(&ranks[bit / 64]);
    }
}

// Makes edges of an object's references, those from `first` to `end` of what is at hand.
static void add_edges(struct part *part, const struct batched *object, size_t first, size_t end)
{
    struct heap *heap = part->heap;
    bool owns = false;
    uint64_t edges = part->edges;
    // Within the part; made absolute when the parts are put together.
    if (!object->begun)
        part->extraction->rows[object->number] = (uint32_t)edges;
    for (size_t i = first; i < end; i++) {
        if (part->bits[i] != DISCOVERY_NO_BIT &&
            discovery_number_of_bit(heap, part->bits[i], &part->targets[edges]))
            part->labels[edges++] = find_label(part, i);
        else
            owns = owns || !is_common(part, part->found[i]);
    }
    part->edges = edges;
    if (owns)
        heap->owners[object->number / 8] |= (uint8_t)(1u << (object->number % 8));
}

// Turns all references at hand into edges. The last object may have more to come.
static void flush_edges(struct visitor *visitor)
{
    struct part *part = (struct part *)((char *)visitor - offsetof(struct part, visitor));
    size_t count = visitor->count;
    visitor->count = 0;
    if (!part->failure && reserve_edges(part, count)) {
        look_up_bits(part, count);
        for (size_t i = 0; i < part->batched; i++)
            add_edges(part, &part->batch[i], part->batch[i].found,
                      i + 1 < part->batched ? part->batch[i + 1].found : count);
    }
    if (part->batched)
        part->batch[0] = (struct batched){part->batch[part->batched - 1].number, 0, true};
    part->batched = part->batched ? 1 : 0;
}

// Room for one more object in the batch.
static void begin_object(struct part *part, uint32_t number)
{
    if (part->visitor.count >= BATCH_ENOUGH || part->batched == BATCH_OBJECTS)
        flush_edges(&part->visitor);
    part->batch[part->batched++] = (struct batched){number, (uint32_t)part->visitor.count, false};
}

// --- objects

static void set_unreadable(struct part *part)
{
    part->losses.unreadable_objects++;
    part->heap->type[part->number] = HEAP_NO_TYPE;
    part->heap->sizes[part->number] = 0;
    // What cannot be understood must not make its neighbours look dead: it counts as in use.
    part->heap->gc_refs[part->number] = INT32_MAX;
}

static void set_size(struct part *part, const struct object_type *type, vaddr object)
{
    bool partial = false;
    uint64_t size = object_size(&part->types, type, object, &partial);
    part->losses.unreadable_sizes += partial;
    part->bytes += size;
    part->heap->sizes[part->number] = size < HEAP_SIZE_LARGE ? (uint32_t)size : HEAP_SIZE_LARGE;
}

// An object of a type that the tables do not know in full.
static void note_opaque(struct part *part, const struct object_type *type, bool was_run)
{
    if (type->coded && was_run) {
        part->coded_objects++;
        return;
    }
    part->opaque_reasons[type->coded ? part->code.ending : HEAP_OPAQUE_CLASS]++;
    part->heap->opaque[part->number / 8] |= (uint8_t)(1u << (part->number % 8));
}

static void extract_object(struct part *part, uint32_t number, vaddr object)
{
    struct heap *heap = part->heap;
    const struct layout *layout = &part->runtime.layout;
    enum memory_status status;
    part->number = part->code.number = number;
    begin_object(part, number);
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
    if (type->finalizer != FINALIZER_NEVER &&
        (type->finalizer == FINALIZER_ALWAYS || object_has_finalizer(&part->types, type, object)))
        heap->finalizers[number / 8] |= (uint8_t)(1u << (number % 8));
    uint32_t opaque = part->visitor.opaque;
    traverse_object(&part->types, type, object, &part->visitor);
    if (type->opaque)
        note_opaque(part, type, part->visitor.opaque == opaque);
}

// Asks for the cache lines of an object that comes soon. Objects lie one after the other, but the
// processor's own prefetching stops at every page.
static void prefetch_object(const struct part *part, vaddr object)
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
    struct part *part = &extraction->parts[job];
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
    flush_edges(&part->visitor);
}

// --- all parts

static uint64_t room_for_edges(uint64_t objects)
{
    return objects * EDGES_ROOM + PARALLEL_JOBS_MAX * FOUND_MAX;
}

static void init_part(struct extraction *extraction, unsigned job)
{
    struct heap *heap = extraction->heap;
    struct part *part = &extraction->parts[job];
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
                                     .full = flush_edges,
                                     .run_code = heap_code_run,
                                     .code = &part->code};
    part->head_size = layout_offset(&heap->runtime->layout, LAYOUT_PyGC_Head_sizeof);
}

// Counts what will become edges.
struct sample {
    struct visitor visitor;
    struct part *part;
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

// About how many edges a part will have, by some of its objects, plus a quarter.
static uint64_t expect_edges(struct part *part)
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
        if (cached->collectable)
            traverse_object(&part->types, &cached->type, object, &sample.visitor);
        count_sampled(&sample.visitor);
    }
    return sampled ? sample.edges * 5 / 4 * objects / sampled : 0;
}

// Gives each part its share of the common arrays, as much as it may need: the less room is left
// between the parts, the fewer pages are touched in vain before the edges close up.
static void share_room(struct extraction *extraction)
{
    struct heap *heap = extraction->heap;
    uint64_t left = room_for_edges(heap->count), start = 0;
    for (unsigned job = 0; job < extraction->jobs; job++) {
        struct part *part = &extraction->parts[job];
        bool last = job + 1 == extraction->jobs;
        part->capacity = last ? left : expect_edges(part) + FOUND_MAX;
        if (part->capacity > left)
            part->capacity = left;
        part->targets = heap->targets + start;
        part->labels = heap->edge_labels + start;
        start += part->capacity;
        left -= part->capacity;
    }
}

static void deinit_part(struct part *part)
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
    for (unsigned job = 0; job < extraction->jobs; job++) {
        struct part *part = &extraction->parts[job];
        struct failure *failure = part->failure;
        deinit_part(part);
        memset(part, 0, sizeof(*part));
        init_part(extraction, job);
        heap_code_add_endless(&part->code, &heap->code);
        part->failure = failure;
    }
    share_room(extraction);
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

static void add_losses(struct heap *heap, const struct part *part)
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

// Puts the parts' edges one behind the other. Where no part has moved out they only close up, to
// the front, in place.
static struct failure *join_parts(struct extraction *extraction)
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
    if (total >= UINT32_MAX)
        return refuse_references();
    if (moved_out && !make_room(heap, total, &targets, &labels))
        return failure_no_memory();
    for (unsigned job = 0; job < extraction->jobs; job++) {
        const struct part *part = &extraction->parts[job];
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

static struct failure *run_parts(struct extraction *extraction)
{
    for (unsigned job = 0; job < extraction->jobs; job++)
        init_part(extraction, job);
    share_room(extraction);
    parallel_run(extraction->jobs, extract_part, extraction);
    struct failure *failure = NULL;
    give_up(extraction);
    unlearn(extraction);
    for (unsigned job = 0; job < extraction->jobs; job++) {
        struct part *part = &extraction->parts[job];
        add_losses(extraction->heap, part);
        if (!failure)
            failure = part->failure;
        else
            failure_destroy(part->failure);
    }
    if (!failure)
        failure = join_parts(extraction);
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
    uint64_t edges = room_for_edges(count);
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
