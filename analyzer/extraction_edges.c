// References become edges, in batches of several objects, so that what is read of their targets is
// asked for at once.
#include <stdlib.h>

#include "discovery.h"
#include "extraction_part.h"

enum {
    STRETCH_SHIFT = 20, // addresses that differ from this bit on are looked up apart
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

static void fill_label(struct extraction_part *part, struct cached_label *cached, uint64_t word,
                       const struct visit_place *place)
{
    pthread_mutex_lock(&part->extraction->lock);
    *cached = (struct cached_label){word, has_label(place) ? intern_label(part->heap, place)
                                                           : HEAP_NO_LABEL};
    pthread_mutex_unlock(&part->extraction->lock);
}

// The label of the reference number i of those at hand.
static inline uint16_t find_label(struct extraction_part *part, size_t i)
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
    // Where no range has an object, this is any of them, which comes to the same.
    const struct heap_range *range = &heap->ranges[discovery_find_last_range(heap, at)];
    if (at - range->start < range->size)
        return (struct stretch){range->start, range->size, range->first_bit};
    bool before_all = at < range->start;
    bool after_all = !before_all && range + 1 >= heap->ranges + heap->range_count;
    vaddr start = before_all ? 0 : range->start + range->size;
    vaddr end = before_all ? range->start : after_all ? 0 : range[1].start;
    return (struct stretch){start, end - start, DISCOVERY_NO_BIT};
}

// Is an untracked object so small and so widely used that nobody owns it? (heap.h)
static bool is_common(struct extraction_part *part, vaddr object)
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
static inline uint64_t find_bit(struct extraction_part *part, vaddr object)
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
static void look_up_bits(struct extraction_part *part, size_t count)
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
static void add_edges(struct extraction_part *part, const struct batched *object, size_t first,
                      size_t end)
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

// All parts' edges have to fit in 32 bits: rather than that each part fills the memory, whoever
// sees that they do not says so.
static void count_edges(struct extraction_part *part, uint64_t more)
{
    uint32_t limit = part->heap->limits.references;
    uint64_t edges = __atomic_add_fetch(&part->extraction->edges, more, __ATOMIC_RELAXED);
    if (edges > limit)
        part->failure =
            failure_create(FAILURE_UNSUPPORTED,
                           "the heap has more references than this program numbers (%u)", limit);
}

void extraction_flush_edges(struct visitor *visitor)
{
    struct extraction_part *part =
        (struct extraction_part *)((char *)visitor - offsetof(struct extraction_part, visitor));
    size_t count = visitor->count;
    visitor->count = 0;
    if (!part->failure && extraction_reserve_edges(part, count)) {
        uint64_t edges = part->edges;
        look_up_bits(part, count);
        for (size_t i = 0; i < part->batched; i++)
            add_edges(part, &part->batch[i], part->batch[i].found,
                      i + 1 < part->batched ? part->batch[i + 1].found : count);
        count_edges(part, part->edges - edges);
    }
    if (part->batched)
        part->batch[0] = (struct batched){part->batch[part->batched - 1].number, 0, true};
    part->batched = part->batched ? 1 : 0;
}
