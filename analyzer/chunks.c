// A chunk begins with two words: the size of the chunk before, if that is free, and its own, whose
// lowest bit says that the one before is in use. Free chunks of two kinds look used by that bit:
// those in the cache of a thread (tcache, whose table is the first chunk of the heap) and in the
// fast bins of the arena (libc's static data points at their chunks).
// Both are linked; since glibc 2.32 a link is mangled by its own place (PROTECT_PTR).
#include "chunks.h"

#include <stdlib.h>

enum {
    FLAGS = 7,
    PREV_INUSE = 1,
    TCACHE_BINS = 64,
    CHAIN_MAX = 1 << 16,
    FAST_MAX = 16, // words of the largest fast chunk (global_max_fast)
};

struct chunks {
    struct memory_format format;
    const struct memory_span *heap;
    vaddr *cached; // blocks in tcache and fast bins
    size_t count;
    size_t capacity;
    bool no_memory;
};

static bool read_word(const struct chunks *chunks, vaddr at, vaddr *word)
{
    uint64_t offset = at - chunks->heap->start;
    if (offset >= chunks->heap->size || chunks->heap->size - offset < chunks->format.word_size)
        return false;
    *word = format_word(chunks->format, chunks->heap->bytes + offset);
    return true;
}

// The chunk behind one. False: there can be no chunk here. At the top it is the end of the heap.
static bool next_chunk(const struct chunks *chunks, vaddr chunk, vaddr *next)
{
    vaddr size;
    unsigned width = chunks->format.word_size;
    if (!read_word(chunks, chunk + width, &size))
        return false;
    size &= ~(vaddr)FLAGS;
    if (size < 2 * width || size % (2 * width) ||
        size > chunks->heap->size - (chunk - chunks->heap->start))
        return false;
    *next = chunk + size;
    return true;
}

// Does the range hold chunks from its beginning to its end?
static bool is_heap(const struct chunks *chunks)
{
    vaddr at = chunks->heap->start, end = at + chunks->heap->size;
    while (at != end)
        if (!next_chunk(chunks, at, &at))
            return false;
    return true;
}

static void note_cached(struct chunks *chunks, vaddr block)
{
    if (chunks->count == chunks->capacity) {
        size_t capacity = chunks->capacity ? chunks->capacity * 2 : 256;
        vaddr *cached = reallocarray(chunks->cached, capacity, sizeof(*cached));
        chunks->no_memory = chunks->no_memory || !cached;
        if (!cached)
            return;
        chunks->cached = cached;
        chunks->capacity = capacity;
    }
    chunks->cached[chunks->count++] = block;
}

static bool is_block(const struct chunks *chunks, vaddr block)
{
    return block - chunks->heap->start < chunks->heap->size &&
           block % (2 * chunks->format.word_size) == 0;
}

// Is there a block that a link leads to? Those of one fast bin are chunks of one size; 0: any.
static bool leads_on(const struct chunks *chunks, vaddr block, vaddr size)
{
    vaddr head;
    return is_block(chunks, block) &&
           (!size || (read_word(chunks, block - chunks->format.word_size, &head) &&
                      (head & ~(vaddr)FLAGS) == size));
}

// The free blocks from one on; `back` is how far before a block its link points. False: the chain
// does not end as such chains do.
static bool follow_chain(struct chunks *chunks, vaddr block, vaddr back, vaddr size)
{
    vaddr link;
    for (unsigned i = 0; i < CHAIN_MAX && leads_on(chunks, block, size); i++) {
        note_cached(chunks, block);
        if (!read_word(chunks, block, &link))
            return false;
        if (link && !leads_on(chunks, link + back, size))
            link ^= block >> 12;
        if (!link)
            return true;
        block = link + back;
    }
    return false;
}

// tcache_perthread_struct since 2.30: 16-bit counts, then the first blocks.
static void follow_tcache(struct chunks *chunks)
{
    unsigned width = chunks->format.word_size;
    vaddr table = chunks->heap->start + 2 * width, next, block;
    if (!next_chunk(chunks, chunks->heap->start, &next) ||
        next - table != TCACHE_BINS * (2u + width))
        return;
    for (unsigned i = 0; i < TCACHE_BINS; i++)
        if (read_word(chunks, table + TCACHE_BINS * 2 + i * width, &block) && block)
            (void)follow_chain(chunks, block, 0, 0);
}

static void follow_fast_bins(struct chunks *chunks, struct memory *memory,
                             const struct holders_source *source)
{
    unsigned width = chunks->format.word_size;
    for (size_t i = 0; i < source->static_count; i++) {
        vaddr at = (source->statics[i].range.start + width - 1) & ~(vaddr)(width - 1);
        for (; at < source->statics[i].range.end; at += width) {
            vaddr chunk, size;
            size_t before = chunks->count;
            if (memory_read_word(memory, at, &chunk) != MEMORY_OK || !is_block(chunks, chunk) ||
                !read_word(chunks, chunk + width, &size))
                continue;
            size &= ~(vaddr)FLAGS;
            if (size > (vaddr)FAST_MAX * width || size < 4 * width)
                continue;
            // Links of fast bins lead to chunks, two words before the block. The end of a buffer
            // looks like one too, but what lies behind it is no such chain.
            if (!follow_chain(chunks, chunk + 2 * width, 2 * width, size))
                chunks->count = before;
        }
    }
}

static int by_address(const void *a, const void *b)
{
    const vaddr *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

// The questions from `first` on that lie in the heap, chunk by chunk.
static void answer(const struct chunks *chunks, struct chunk_question *questions, size_t count)
{
    unsigned width = chunks->format.word_size;
    vaddr chunk = chunks->heap->start, end = chunk + chunks->heap->size, next, size;
    for (size_t i = 0; i < count && chunk != end && next_chunk(chunks, chunk, &next);
         chunk = next) {
        // The last word of a chunk is the first of the next one's head.
        for (; i < count && questions[i].at < next + width; i++) {
            vaddr block = chunk + 2 * width;
            bool used =
                next != end && read_word(chunks, next + width, &size) && (size & PREV_INUSE);
            questions[i].start = block;
            questions[i].is_free =
                !used || (chunks->count && bsearch(&block, chunks->cached, chunks->count,
                                                   sizeof(block), by_address));
        }
    }
}

bool chunks_ask(struct memory *memory, const struct holders_source *source,
                struct chunk_question *questions, size_t count)
{
    bool done = true;
    for (size_t i = 0; i < source->range_count && done; i++) {
        struct chunks chunks = {.format = memory->format, .heap = &source->ranges[i]};
        size_t first = 0, end;
        while (first < count && questions[first].at < chunks.heap->start)
            first++;
        for (end = first;
             end < count && questions[end].at - chunks.heap->start < chunks.heap->size;)
            end++;
        if (first == end || !is_heap(&chunks))
            continue;
        follow_tcache(&chunks);
        follow_fast_bins(&chunks, memory, source);
        if (chunks.count)
            qsort(chunks.cached, chunks.count, sizeof(*chunks.cached), by_address);
        answer(&chunks, questions + first, end - first);
        done = !chunks.no_memory;
        free(chunks.cached);
    }
    return done;
}
