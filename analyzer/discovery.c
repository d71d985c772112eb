// A generation is a ring of PyGC_Heads through gc_next and gc_prev, closed by a head in the
// interpreter's static data. The ring is walked from both ends at once: on a heap whose list order
// has nothing to do with addresses every step is a cache miss, and two chains of misses overlap.
//
// Every element sets its bit, and no element is entered twice: so a ring that never comes back to
// its head ends, and a ring that runs into another one is seen.
#include "discovery.h"

#include <stdlib.h>

#include "column.h"
#include "pools.h"
#include "strays.h"

bool discovery_read(struct heap *heap, vaddr at, struct discovery_element *element)
{
    const struct layout *layout = &heap->runtime->layout;
    struct memory *memory = heap->runtime->memory;
    enum memory_status status;
    const uint8_t *bytes =
        memory_view(memory, at, layout_offset(layout, LAYOUT_PyGC_Head_sizeof), &status);
    if (!bytes)
        return false;
    element->at = at;
    element->next = layout_uint(layout, memory->format, bytes, LAYOUT_PyGC_Head_gc_next);
    element->previous = layout_uint(layout, memory->format, bytes, LAYOUT_PyGC_Head_gc_prev);
    element->refs = layout_int(layout, memory->format, bytes, LAYOUT_PyGC_Head_gc_refs);
    return true;
}

size_t discovery_find_last_range(const struct heap *heap, vaddr at)
{
    size_t low = 0, high = heap->range_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (heap->ranges[middle].start <= at)
            low = middle;
        else
            high = middle;
    }
    return low;
}

const struct heap_range *discovery_find_range_slow(struct heap *heap, vaddr at)
{
    size_t low = discovery_find_last_range(heap, at);
    const struct heap_range *range = &heap->ranges[low];
    if (at - range->start >= range->size)
        return NULL;
    if (low <= UINT16_MAX)
        __atomic_store_n(&heap->range_hints[(at >> DISCOVERY_HINT_SHIFT) % DISCOVERY_HINTS],
                         (uint16_t)low, __ATOMIC_RELAXED);
    return range;
}

static bool test_bit(const struct heap *heap, uint64_t bit)
{
    return heap->bits[bit / 64] >> (bit % 64) & 1;
}

bool discovery_take(struct heap *heap, const struct discovery_element *element)
{
    uint64_t bit = discovery_bit(heap, element->at);
    if (bit == DISCOVERY_NO_BIT || test_bit(heap, bit))
        return false;
    heap->bits[bit / 64] |= UINT64_C(1) << (bit % 64);
    heap->losses.objects_in_flux += element->refs != GC_REACHABLE;
    return true;
}

bool discovery_is_marked(struct heap *heap, vaddr at)
{
    uint64_t bit = discovery_bit(heap, at);
    return bit != DISCOVERY_NO_BIT && test_bit(heap, bit);
}

// Elements of a list are never the heads of others.
static bool is_generation(const struct heap *heap, vaddr at)
{
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++)
        if (at == heap->runtime->generations[i].head)
            return true;
    return false;
}

static bool is_lost(struct heap *heap, vaddr at)
{
    enum memory_status status;
    uint32_t size = layout_offset(&heap->runtime->layout, LAYOUT_PyGC_Head_sizeof);
    return !memory_view(heap->runtime->memory, at, size, &status) && status == MEMORY_NOT_SAVED;
}

static void note_lost_head(struct heap *heap, vaddr head)
{
    const struct tear place = {.at = head, .target = head, .kind = TEAR_NO_HEAD};
    if (is_lost(heap, head))
        heap->losses.tears.lost++;
    else
        tears_add(&heap->losses.tears, &place);
}

void discovery_note_tear(struct heap *heap, const struct discovery_element *from, bool forward)
{
    struct discovery_element to;
    struct tear place = {.at = from->at,
                         .target = forward ? from->next : from->previous,
                         .forward = forward,
                         .kind = TEAR_NOWHERE};
    if (discovery_read(heap, place.target, &to)) {
        place.back = forward ? to.previous : to.next;
        if (place.back != from->at)
            place.kind = TEAR_DISAGREE;
        else if (discovery_is_marked(heap, to.at))
            place.kind = TEAR_TWICE;
        else if (is_generation(heap, to.at))
            place.kind = TEAR_HEAD;
    } else if (is_lost(heap, place.target)) {
        heap->losses.tears.lost++;
        return;
    }
    tears_add(&heap->losses.tears, &place);
}

bool discovery_step(struct heap *heap, const struct discovery_element *from, bool forward,
                    struct discovery_element *to)
{
    return discovery_read(heap, forward ? from->next : from->previous, to) &&
           (forward ? to->previous : to->next) == from->at;
}

// One step: the neighbour of `from` in a direction becomes *from. False: the chain does not hold
// together there.
static bool step(struct heap *heap, struct discovery_element *from, bool forward)
{
    struct discovery_element to;
    if (!discovery_step(heap, from, forward, &to) || is_generation(heap, to.at) ||
        !discovery_take(heap, &to))
        return false;
    *from = to;
    return true;
}

// Do the two ends of a ring meet?
static bool meet(const struct discovery_element ends[2])
{
    return ends[1].next == ends[0].at && ends[0].previous == ends[1].at;
}

// Returns how many elements the ring has, as far as they can be reached.
static uint64_t chase_ring(struct heap *heap, vaddr head)
{
    struct discovery_element ends[2]; // what the way forward, [1], and the way back have reached
    bool holds[2] = {true, true};
    uint64_t count = 0;
    if (!discovery_read(heap, head, &ends[1])) {
        note_lost_head(heap, head);
        return 0;
    }
    ends[0] = ends[1];
    for (bool forward = true; (holds[0] || holds[1]) && !meet(ends); forward = !forward) {
        if (!holds[forward])
            continue;
        holds[forward] = step(heap, &ends[forward], forward);
        count += holds[forward];
        if (!holds[forward])
            discovery_note_tear(heap, &ends[forward], forward);
    }
    return count;
}

void discovery_walk(struct heap *heap, vaddr head, void (*visit)(void *context, vaddr element),
                    void *context)
{
    struct discovery_element element;
    if (!discovery_read(heap, head, &element))
        return;
    for (uint32_t i = 0; i <= heap->count; i++) {
        vaddr previous = element.at, next = element.next;
        if (next == head || !discovery_read(heap, next, &element) || element.previous != previous)
            return;
        visit(context, next);
    }
}

// Other lists are linked in the same way (glibc's list of threads has its nodes on their stacks).
bool discovery_is_object(struct heap *heap, const struct discovery_element *element)
{
    uint32_t type;
    vaddr object = element->at + layout_offset(&heap->runtime->layout, LAYOUT_PyGC_Head_sizeof);
    return (element->refs >= 0 || element->refs == GC_REACHABLE ||
            element->refs == GC_TENTATIVELY_UNREACHABLE) &&
           object_find_type(&heap->types, object, &type) == MEMORY_OK &&
           object_has_gc_head(&heap->types, &heap->types.types[type], object);
}

// Is there, at a place on a stack, the head of a list that a collection in progress keeps? The
// words of a head point to elements that point back; one of them is enough, since the other may be
// on its way to another list. An empty head points to itself and is of no use.
static bool is_list_head(struct heap *heap, vaddr at)
{
    struct discovery_element head, element;
    if (!discovery_read(heap, at, &head) || head.next == at || head.next % HEAP_GRAIN ||
        head.previous % HEAP_GRAIN)
        return false;
    for (int forward = 0; forward < 2; forward++)
        if (discovery_step(heap, &head, forward, &element) &&
            !discovery_is_marked(heap, element.at) && discovery_is_object(heap, &element))
            return true;
    return false;
}

// gc.collect() moves objects to lists whose heads are its local variables (unreachable, finalizers,
// and the weak references in handle_weakrefs): they are on the stack of some thread.
static void chase_stacks(struct heap *heap, const struct runtime_source *source)
{
    for (size_t i = 0; i < source->stack_count; i++) {
        vaddr grain = heap->runtime->memory->format.word_size;
        vaddr at = (source->stacks[i].start + grain - 1) & ~(grain - 1);
        for (; at < source->stacks[i].end; at += grain)
            if (is_list_head(heap, at))
                heap->listed_on_stacks += chase_ring(heap, at);
    }
}

// One bit per possible place, for every span that the core saved.
static struct failure *make_bitmap(struct heap *heap, uint64_t *bit_count)
{
    const struct memory *memory = heap->runtime->memory;
    // One more range than there are spans, so that a hint always names one: it is empty.
    heap->ranges = calloc(memory->count + 1, sizeof(*heap->ranges));
    heap->range_hints = calloc(DISCOVERY_HINTS, sizeof(*heap->range_hints));
    if (!heap->ranges || !heap->range_hints)
        return failure_no_memory();
    uint64_t bits = 0;
    for (size_t i = 0; i < memory->count; i++) {
        const struct memory_span *span = &memory->spans[i];
        if (!span->bytes || span->hole) // no list element is all zeroes
            continue;
        vaddr start = span->start & ~(vaddr)(HEAP_GRAIN - 1);
        uint64_t size = span->size + (span->start - start);
        heap->ranges[heap->range_count++] =
            (struct heap_range){.start = start, .size = size, .first_bit = bits};
        bits += (size / HEAP_GRAIN / 64 + 1) * 64;
    }
    *bit_count = bits;
    heap->bits = column_create_zeroed(bits / 64, sizeof(*heap->bits));
    return heap->bits ? NULL : failure_no_memory();
}

// Ranges without an object are not looked into again: what points there is no object.
static void drop_empty_ranges(struct heap *heap)
{
    size_t kept = 0;
    for (size_t i = 0; i < heap->range_count; i++) {
        struct heap_range range = heap->ranges[i];
        uint64_t word = range.first_bit / 64,
                 last = (range.first_bit + range.size / HEAP_GRAIN) / 64;
        while (word < last && !heap->bits[word])
            word++;
        if (heap->bits[word])
            heap->ranges[kept++] = range;
    }
    heap->range_count = kept;
    memset(heap->range_hints, 0, DISCOVERY_HINTS * sizeof(*heap->range_hints));
}

// Counts the objects before each word of bits.
static struct failure *make_ranks(struct heap *heap, uint64_t bit_count)
{
    uint64_t words = bit_count / 64 + 1, count = 0;
    heap->ranks = column_create(words, sizeof(*heap->ranks));
    if (!heap->ranks)
        return failure_no_memory();
    for (uint64_t word = 0; word < words; word++) {
        heap->ranks[word] = (uint32_t)count;
        count += heap_count_bits(heap->bits[word]);
    }
    if (count > heap->limits.objects)
        return failure_create(FAILURE_UNSUPPORTED,
                              "the heap has %llu tracked objects; this program numbers up to %u",
                              (unsigned long long)count, heap->limits.objects);
    heap->count = (uint32_t)count;
    heap->word_count = words;
    return NULL;
}

// The sizes of the generations, all of whose rings are known to hold together: they are walked side
// by side until two are through; the third has the rest.
static void count_generations(struct heap *heap, uint32_t count)
{
    struct discovery_element at[RUNTIME_GENERATIONS];
    bool through[RUNTIME_GENERATIONS] = {false};
    uint64_t *objects = heap->generation_objects, known = 0;
    unsigned walking = RUNTIME_GENERATIONS;
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++)
        if (!discovery_read(heap, heap->runtime->generations[i].head, &at[i]))
            return;
    for (uint64_t steps = 0; walking > 1 && steps <= count; steps++) {
        for (unsigned i = 0; i < RUNTIME_GENERATIONS && walking > 1; i++) {
            if (through[i])
                continue;
            if (at[i].next == heap->runtime->generations[i].head ||
                !discovery_read(heap, at[i].next, &at[i])) {
                through[i] = true;
                known += objects[i];
                walking--;
            } else {
                objects[i]++;
            }
        }
    }
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++)
        if (!through[i])
            objects[i] = count - known;
}

struct failure *discovery_run(struct heap *heap, const struct runtime_source *source, unsigned jobs)
{
    uint64_t bit_count;
    struct failure *failure = make_bitmap(heap, &bit_count);
    if (failure)
        return failure;
    heap->by_pools = pools_mark_objects(heap, jobs);
    if (!heap->by_pools) {
        memset(heap->bits, 0, (bit_count / 64 + 1) * sizeof(*heap->bits));
        for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++)
            heap->generation_objects[i] = chase_ring(heap, heap->runtime->generations[i].head);
    }
    chase_stacks(heap, source);
    failure = strays_find(heap, source);
    if (failure)
        return failure;
    drop_empty_ranges(heap);
    failure = make_ranks(heap, bit_count);
    if (!failure && heap->by_pools)
        count_generations(heap, heap->count -
                                    (uint32_t)(heap->listed_on_stacks + heap->listed_elsewhere));
    return failure;
}
