// First all words are compared with the addresses, through a filter of bits that leaves hardly any
// word for the table behind it. Then each of the few that are left is judged by what it stands in:
// the live part of a stack, static data, a tracked object (which accounts for it by a reference,
// or does not visit it), a block of pymalloc (an untracked object, or free), or any other memory.
// In that the tables of dicts and lists lie, whose words tracked objects account for: as many words
// there as references were not met before are taken for these.
#include "holders_scan.h"

#include <stdlib.h>

#include "chunks.h"
#include "discovery.h"
#include "parallel.h"
#include "pools.h"

enum {
    FILTER_BITS = 1 << 18,
    HITS_MAX = 1 << 22,       // of one thread
    BACK_WORDS_MAX = 1 << 10, // of the heap's bits: 512 KiB
    INTS_AROUND = 8,
};

struct hit {
    uint32_t target;
    vaddr at;
};

struct scan;

struct scan_part {
    struct scan *scan;
    struct hit *hits;
    size_t count;
    size_t capacity;
    bool no_memory;
    bool cut;
};

struct scan {
    struct heap *heap;
    const struct holders_source *source;
    const struct holders_roots *roots;
    const struct holders_target *targets;
    size_t target_count;
    uint64_t *filter;
    uint32_t *slots; // hash table of targets + 1
    size_t slot_count;
    vaddr lowest, highest;
    uint64_t bytes; // of all ranges
    unsigned jobs;
    struct scan_part *parts;
};

// --- every word

static bool make_table(struct scan *scan)
{
    scan->slot_count = 16;
    while (scan->slot_count < scan->target_count * 2)
        scan->slot_count *= 2;
    scan->slots = calloc(scan->slot_count, sizeof(*scan->slots));
    scan->filter = calloc(FILTER_BITS / 64, sizeof(*scan->filter));
    if (!scan->slots || !scan->filter)
        return false;
    for (size_t i = 0; i < scan->target_count; i++) {
        uint32_t hash = vaddr_hash(scan->targets[i].object);
        size_t slot = hash & (scan->slot_count - 1);
        while (scan->slots[slot])
            slot = (slot + 1) & (scan->slot_count - 1);
        scan->slots[slot] = (uint32_t)i + 1;
        scan->filter[hash % FILTER_BITS / 64] |= UINT64_C(1) << (hash % 64);
    }
    scan->lowest = scan->targets[0].object;
    scan->highest = scan->targets[scan->target_count - 1].object;
    return true;
}

static bool find_target(const struct scan *scan, vaddr word, uint32_t *target)
{
    if (word - scan->lowest > scan->highest - scan->lowest)
        return false;
    uint32_t hash = vaddr_hash(word);
    if (!(scan->filter[hash % FILTER_BITS / 64] >> (hash % 64) & 1))
        return false;
    for (size_t slot = hash & (scan->slot_count - 1); scan->slots[slot];
         slot = (slot + 1) & (scan->slot_count - 1)) {
        *target = scan->slots[slot] - 1;
        if (scan->targets[*target].object == word)
            return true;
    }
    return false;
}

static void note_hit(struct scan_part *part, uint32_t target, vaddr at)
{
    if (part->count == part->capacity) {
        size_t capacity = part->capacity ? part->capacity * 2 : 1024;
        struct hit *hits =
            capacity > HITS_MAX ? NULL : reallocarray(part->hits, capacity, sizeof(*hits));
        part->cut = part->cut || capacity > HITS_MAX;
        part->no_memory = part->no_memory || (!hits && !part->cut);
        if (!hits)
            return;
        part->hits = hits;
        part->capacity = capacity;
    }
    part->hits[part->count++] = (struct hit){target, at};
}

static void scan_words(struct scan_part *part, const struct memory_span *range, uint64_t from,
                       uint64_t to)
{
    const struct scan *scan = part->scan;
    struct memory_format format = scan->heap->runtime->memory->format;
    unsigned width = format.word_size;
    uint64_t skew = (width - range->start % width) % width;
    uint32_t target;
    for (uint64_t offset = (from + width - 1) / width * width + skew;
         offset + width <= range->size && offset < to + skew; offset += width)
        if (find_target(scan, format_word(format, range->bytes + offset), &target))
            note_hit(part, target, range->start + offset);
}

// A job's share of the bytes.
static void scan_part(void *context, unsigned job)
{
    struct scan *scan = context;
    uint64_t first = scan->bytes / scan->jobs * job;
    uint64_t end = job + 1 == scan->jobs ? scan->bytes : scan->bytes / scan->jobs * (job + 1);
    for (size_t i = 0, before = 0; i < scan->source->range_count; i++) {
        const struct memory_span *range = &scan->source->ranges[i];
        uint64_t from = first > before ? first - before : 0;
        uint64_t to = end > before ? end - before : 0;
        if (from < range->size && to)
            scan_words(&scan->parts[job], range, from, to < range->size ? to : range->size);
        before += range->size;
    }
}

static void scan_registers(struct scan *scan)
{
    struct memory_format format = scan->heap->runtime->memory->format;
    for (size_t i = 0; i < scan->source->thread_count; i++) {
        const struct holders_thread *thread = &scan->source->threads[i];
        for (size_t at = 0; thread->registers && at + format.word_size <= thread->registers_size;
             at += format.word_size) {
            uint32_t target;
            // An address that no word can have says which thread's register it is.
            if (find_target(scan, format_word(format, thread->registers + at), &target))
                note_hit(&scan->parts[0], target, i * 2 + 1);
        }
    }
}

static int by_target(const void *a, const void *b)
{
    const struct hit *left = a, *right = b;
    if (left->target != right->target)
        return left->target < right->target ? -1 : 1;
    return (left->at > right->at) - (left->at < right->at);
}

// All hits in one array, in order; NULL for lack of memory.
static struct hit *join_hits(struct scan *scan, size_t *count, bool *cut)
{
    *count = 0;
    *cut = false;
    for (unsigned job = 0; job < scan->jobs; job++) {
        if (scan->parts[job].no_memory)
            return NULL;
        *count += scan->parts[job].count;
        *cut = *cut || scan->parts[job].cut;
    }
    struct hit *hits = reallocarray(NULL, *count + 1, sizeof(*hits));
    for (unsigned job = 0, at = 0; hits && job < scan->jobs; job++) {
        if (scan->parts[job].count)
            memcpy(hits + at, scan->parts[job].hits, scan->parts[job].count * sizeof(*hits));
        at += scan->parts[job].count;
    }
    if (hits)
        qsort(hits, *count, sizeof(*hits), by_target);
    return hits;
}

// --- what a word stands in

// The tracked object whose block holds the address.
static bool find_tracked(struct heap *heap, vaddr at, uint32_t *number, vaddr *object)
{
    const struct heap_range *range = discovery_find_range(heap, at);
    uint64_t bit = discovery_bit(heap, at & ~(vaddr)(HEAP_GRAIN - 1));
    if (!range || bit == DISCOVERY_NO_BIT)
        return false;
    uint64_t word = bit / 64, left = heap->bits[word] & (UINT64_MAX >> (63 - bit % 64));
    for (unsigned i = 0; !left && i < BACK_WORDS_MAX && word > range->first_bit / 64; i++)
        left = heap->bits[--word];
    if (!left)
        return false;
    bit = word * 64 + 63 - (uint64_t)__builtin_clzll(left);
    *object = range->start + (bit - range->first_bit) * HEAP_GRAIN +
              layout_offset(&heap->runtime->layout, LAYOUT_PyGC_Head_sizeof);
    if (!heap_find(heap, *object, number) || heap->type[*number] == HEAP_NO_TYPE)
        return false;
    return at - *object <
           object_block_size(&heap->types, &heap->types.types[heap->type[*number]], *object);
}

static bool has_edge(const struct heap *heap, uint32_t source, uint32_t target)
{
    const struct graph *graph = &heap->graph;
    for (uint32_t edge = graph->rows[source]; edge < graph->rows[source + 1]; edge++)
        if (graph->targets[edge] == target)
            return true;
    return false;
}

enum verdict {
    DROPPED,   // no reference
    ACCOUNTED, // a reference that is among the edges
    SURPLUS
};

static enum verdict judge_tracked(const struct scan *scan, uint32_t number, vaddr object,
                                  uint32_t target, struct holders_word *word)
{
    struct heap *heap = scan->heap;
    const struct object_type *type = &heap->types.types[heap->type[number]];
    struct frame_slots slots;
    if (type->address == heap->runtime->types[RUNTIME_TYPE_frame] &&
        traverse_frame_slots(heap->runtime, object, &slots) == MEMORY_OK &&
        word->at >= slots.stack_end) {
        uint64_t code = 0;
        if (!holders_is_running(scan->roots, object))
            return DROPPED;
        layout_read(&heap->runtime->layout, heap->runtime->memory, object,
                    LAYOUT_PyFrameObject_f_code, &code);
        word->place = HOLDERS_IN_FRAME;
        word->where = code;
        return SURPLUS;
    }
    if (has_edge(heap, number, scan->targets[target].node))
        return ACCOUNTED;
    // The tables know all that a builtin type refers to; the rest are borrowed pointers, as a weak
    // reference has one.
    if (!type->opaque && !type->heap_type)
        return DROPPED;
    word->place = HOLDERS_IN_UNVISITED;
    word->where = (uint64_t)heap->type[number];
    return SURPLUS;
}

// An object in a block: none of those that the collector tracks.
struct untracked {
    vaddr object;
    uint32_t type;
    bool dead; // nothing refers to it: on a free list, or a code's spare frame
};

static bool read_object(struct heap *heap, vaddr object, bool has_gc, struct untracked *untracked)
{
    uint64_t refcnt, ob_type;
    const struct layout *layout = &heap->runtime->layout;
    struct memory *memory = heap->runtime->memory;
    if (layout_read(layout, memory, object, LAYOUT_PyObject_ob_refcnt, &refcnt) != MEMORY_OK ||
        layout_read(layout, memory, object, LAYOUT_PyObject_ob_type, &ob_type) != MEMORY_OK ||
        refcnt > INT32_MAX || !ob_type ||
        object_types_find(&heap->types, ob_type, &untracked->type) != MEMORY_OK ||
        heap->types.types[untracked->type].has_gc != has_gc)
        return false;
    untracked->object = object;
    untracked->dead = refcnt == 0;
    return true;
}

// With a PyGC_Head or without. Behind the end of a small object its block may have an older one.
static bool find_untracked(struct heap *heap, vaddr block, struct untracked *untracked)
{
    int64_t refs;
    const struct layout *layout = &heap->runtime->layout;
    if (read_object(heap, block, false, untracked))
        return true;
    return layout_read_int(layout, heap->runtime->memory, block, LAYOUT_PyGC_Head_gc_refs, &refs) ==
               MEMORY_OK &&
           refs == GC_UNTRACKED &&
           read_object(heap, block + layout_offset(layout, LAYOUT_PyGC_Head_sizeof), true,
                       untracked);
}

// Types whose bytes are values.
static bool holds_nothing(const struct heap *heap, uint32_t type)
{
    static const enum runtime_type plain[] = {RUNTIME_TYPE_int, RUNTIME_TYPE_long, RUNTIME_TYPE_str,
                                              RUNTIME_TYPE_unicode, RUNTIME_TYPE_bytearray};
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        if (heap->types.types[type].address == heap->runtime->types[plain[i]])
            return true;
    return false;
}

static enum verdict judge_block(const struct scan *scan, const struct pools_block *block,
                                struct holders_word *word)
{
    struct heap *heap = scan->heap;
    struct untracked untracked;
    uint32_t number;
    // What a block has behind the end of its object is left from an older one.
    if (block->free ||
        heap_find(heap,
                  block->start + layout_offset(&heap->runtime->layout, LAYOUT_PyGC_Head_sizeof),
                  &number))
        return DROPPED;
    if (find_untracked(heap, block->start, &untracked)) {
        const struct object_type *type = &heap->types.types[untracked.type];
        word->place = HOLDERS_IN_UNTRACKED;
        word->where = untracked.type;
        bool outside =
            word->at - untracked.object >= object_block_size(&heap->types, type, untracked.object);
        return outside || untracked.dead || holds_nothing(heap, untracked.type) ? DROPPED : SURPLUS;
    }
    word->place = HOLDERS_IN_MEMORY;
    return SURPLUS;
}

// Small numbers stand side by side in blocks of their own (Objects/intobject.c): an id() is one.
static bool is_among_ints(const struct heap *heap, vaddr at)
{
    const struct layout *layout = &heap->runtime->layout;
    vaddr size = layout_offset(layout, LAYOUT_PyIntObject_sizeof);
    vaddr own = at - layout_offset(layout, LAYOUT_PyIntObject_ob_ival) +
                layout_offset(layout, LAYOUT_PyObject_ob_type);
    for (vaddr i = 0; i <= INTS_AROUND; i++) {
        vaddr before, behind;
        if ((memory_read_word(heap->runtime->memory, own - i * size, &before) == MEMORY_OK &&
             before == heap->runtime->types[RUNTIME_TYPE_int]) ||
            (memory_read_word(heap->runtime->memory, own + i * size, &behind) == MEMORY_OK &&
             behind == heap->runtime->types[RUNTIME_TYPE_int]))
            return true;
    }
    return false;
}

static bool judge_stack(const struct scan *scan, struct holders_word *word, enum verdict *verdict)
{
    for (size_t i = 0; i < scan->source->thread_count; i++) {
        const struct holders_thread *thread = &scan->source->threads[i];
        if (word->at < thread->stack_segment || word->at >= thread->stack.end)
            continue;
        word->place = HOLDERS_IN_STACK;
        word->where = i;
        *verdict = word->at >= thread->stack.start ? SURPLUS : DROPPED;
        return true;
    }
    return false;
}

static bool judge_static(const struct scan *scan, struct holders_word *word)
{
    const struct holders_source *source = scan->source;
    size_t low = 0, high = source->static_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (source->statics[middle].range.end <= word->at)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == source->static_count || word->at < source->statics[low].range.start)
        return false;
    word->place = HOLDERS_IN_STATIC;
    word->where = low;
    return true;
}

static enum verdict judge(const struct scan *scan, uint32_t target, struct holders_word *word)
{
    struct heap *heap = scan->heap;
    struct pools_block block;
    enum verdict verdict;
    uint32_t number;
    vaddr object;
    if (word->at % 2) { // of scan_registers
        word->place = HOLDERS_IN_STACK;
        word->where = word->at / 2;
        word->at = 0;
        return SURPLUS;
    }
    if (judge_stack(scan, word, &verdict))
        return verdict;
    if (judge_static(scan, word))
        return SURPLUS;
    if (find_tracked(heap, word->at, &number, &object))
        return judge_tracked(scan, number, object, target, word);
    if (pools_find_block(heap->runtime, word->at, &block))
        return judge_block(scan, &block, word);
    word->place = HOLDERS_IN_MEMORY;
    return is_among_ints(heap, word->at) ? DROPPED : SURPLUS;
}

static int by_place(const void *a, const void *b)
{
    const struct holders_word *left = a, *right = b;
    if (left->target != right->target)
        return left->target < right->target ? -1 : 1;
    if (left->place != right->place)
        return left->place < right->place ? -1 : 1;
    return (left->at > right->at) - (left->at < right->at);
}

// --- freed blocks

static int by_address(const void *a, const void *b)
{
    const struct chunk_question *left = a, *right = b;
    return (left->at > right->at) - (left->at < right->at);
}

// The questions about words in other memory, in order of address. NULL: memory is short.
static struct chunk_question *ask_about(const struct scan *scan, const struct holders_words *words,
                                        size_t *count)
{
    struct chunk_question *questions = reallocarray(NULL, words->count + 1, sizeof(*questions));
    *count = 0;
    for (size_t i = 0; questions && i < words->count; i++)
        if (words->items[i].place == HOLDERS_IN_MEMORY)
            questions[(*count)++] = (struct chunk_question){.at = words->items[i].at};
    if (!questions)
        return NULL;
    qsort(questions, *count, sizeof(*questions), by_address);
    if (chunks_ask(scan->heap->runtime->memory, scan->source, questions, *count))
        return questions;
    free(questions);
    return NULL;
}

// Is the word in use, as far as its block tells? A large object is a block of malloc's.
static bool is_in_use(const struct scan *scan, const struct chunk_question *block,
                      struct holders_word *word)
{
    return block->start == 0 ||
           judge_block(scan, &(struct pools_block){block->start, 0, block->is_free}, word) ==
               SURPLUS;
}

// Takes out the words that stand in freed blocks.
static bool take_out_freed(const struct scan *scan, struct holders_words *words)
{
    size_t count, kept = 0;
    struct chunk_question *questions = ask_about(scan, words, &count);
    if (!questions)
        return false;
    for (size_t i = 0; i < words->count; i++) {
        struct holders_word *word = &words->items[i];
        const struct chunk_question *block =
            word->place == HOLDERS_IN_MEMORY
                ? bsearch(&(struct chunk_question){.at = word->at}, questions, count,
                          sizeof(*questions), by_address)
                : NULL;
        if (!block || is_in_use(scan, block, word))
            words->items[kept++] = *word;
    }
    words->count = kept;
    free(questions);
    return true;
}

// Takes out of the words in other memory as many as there are references that were not met: `met`
// are, by target.
static void take_out_tables(const struct scan *scan, const uint32_t *met,
                            struct holders_words *words)
{
    size_t kept = 0;
    uint32_t target = UINT32_MAX, unmet = 0;
    for (size_t i = 0; i < words->count; i++) {
        struct holders_word *word = &words->items[i];
        if (word->target != target) {
            target = word->target;
            uint32_t edges = scan->targets[target].edges;
            unmet = edges > met[target] ? edges - met[target] : 0;
        }
        if (word->place == HOLDERS_IN_MEMORY && unmet)
            unmet--;
        else
            words->items[kept++] = *word;
    }
    words->count = kept;
}

static bool judge_all(const struct scan *scan, const struct hit *hits, size_t count,
                      struct holders_words *words)
{
    uint32_t *met = calloc(scan->target_count, sizeof(*met));
    if (!met)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct holders_word word = {.target = hits[i].target, .at = hits[i].at};
        enum verdict verdict = judge(scan, hits[i].target, &word);
        met[hits[i].target] += verdict == ACCOUNTED;
        if (verdict == SURPLUS)
            words->items[words->count++] = word;
    }
    bool done = take_out_freed(scan, words);
    if (done)
        take_out_tables(scan, met, words);
    free(met);
    qsort(words->items, words->count, sizeof(*words->items), by_place);
    return done;
}

static bool run(struct scan *scan, struct holders_words *words)
{
    size_t count;
    scan->parts = calloc(scan->jobs, sizeof(*scan->parts));
    if (!scan->parts || !make_table(scan))
        return false;
    for (unsigned job = 0; job < scan->jobs; job++)
        scan->parts[job].scan = scan;
    for (size_t i = 0; i < scan->source->range_count; i++)
        scan->bytes += scan->source->ranges[i].size;
    parallel_run(scan->jobs, scan_part, scan);
    scan_registers(scan);
    struct hit *hits = join_hits(scan, &count, &words->cut);
    if (!hits)
        return false;
    words->items = reallocarray(NULL, count + 1, sizeof(*words->items));
    bool done = words->items && judge_all(scan, hits, count, words);
    free(hits);
    if (!done)
        free(words->items);
    return done;
}

bool holders_scan(struct heap *heap, const struct holders_source *source,
                  const struct holders_roots *roots, const struct holders_target *targets,
                  size_t count, unsigned jobs, struct holders_words *words)
{
    struct scan scan = {.heap = heap,
                        .source = source,
                        .roots = roots,
                        .targets = targets,
                        .target_count = count,
                        .jobs = jobs && jobs < PARALLEL_JOBS_MAX ? jobs : 1};
    *words = (struct holders_words){0};
    bool done = count == 0 || run(&scan, words);
    for (unsigned job = 0; scan.parts && job < scan.jobs; job++)
        free(scan.parts[job].hits);
    free(scan.parts);
    free(scan.slots);
    free(scan.filter);
    return done;
}
