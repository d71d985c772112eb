#include "memory.h"

#include <stdlib.h>

void memory_init(struct memory *memory, struct memory_format format)
{
    *memory = (struct memory){.format = format};
}

static void free_joined(struct memory *memory)
{
    for (size_t i = 0; i < MEMORY_JOINED; i++)
        free(memory->joined[i]);
}

void memory_deinit(struct memory *memory)
{
    free_joined(memory);
    free(memory->spans);
    *memory = (struct memory){.format = memory->format};
}

void memory_share(const struct memory *memory, struct memory *copy)
{
    *copy = *memory;
    memset(copy->joined, 0, sizeof(copy->joined));
}

void memory_unshare(struct memory *copy)
{
    free_joined(copy);
    *copy = (struct memory){.format = copy->format};
}

size_t memory_lower_bound(const struct memory *memory, vaddr at)
{
    size_t low = 0, high = memory->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct memory_span *span = &memory->spans[middle];
        if (span->start + (span->size - 1) < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct failure *insert(struct memory *memory, size_t at, struct memory_span span)
{
    memory->saved += span.bytes ? span.size : 0;
    if (at > 0) {
        // Neighbours in the process that are neighbours in their file become one span.
        struct memory_span *before = &memory->spans[at - 1];
        if (before->start + before->size == span.start && before->bytes && span.bytes &&
            before->bytes + before->size == span.bytes && before->hole == span.hole) {
            before->size += span.size;
            return NULL;
        }
    }
    if (memory->count == memory->capacity) {
        size_t capacity = memory->capacity ? memory->capacity * 2 : 64;
        struct memory_span *spans = realloc(memory->spans, capacity * sizeof(*spans));
        if (!spans)
            return failure_no_memory();
        memory->spans = spans;
        memory->capacity = capacity;
    }
    memmove(&memory->spans[at + 1], &memory->spans[at],
            (memory->count - at) * sizeof(*memory->spans));
    memory->spans[at] = span;
    memory->count++;
    return NULL;
}

static struct failure *add(struct memory *memory, struct memory_span span)
{
    // The last byte of the address space is never part of a span, so start + size cannot wrap.
    if (span.size > UINT64_MAX - span.start)
        span.size = UINT64_MAX - span.start;
    memory->last = 0;
    while (span.size > 0) {
        size_t at = memory_lower_bound(memory, span.start);
        struct memory_span piece = span;
        bool taken = false;
        if (at < memory->count) {
            const struct memory_span *next = &memory->spans[at];
            taken = next->start <= span.start; // skip what is there
            uint64_t room =
                taken ? next->size - (span.start - next->start) : next->start - span.start;
            piece.size = room < span.size ? room : span.size;
        }
        struct failure *failure = taken ? NULL : insert(memory, at, piece);
        if (failure)
            return failure;
        span.start += piece.size;
        span.size -= piece.size;
        span.bytes = span.bytes ? span.bytes + piece.size : NULL;
    }
    return NULL;
}

// Takes a part out of a span without bytes, so that it can be added anew.
static struct failure *take_out(struct memory *memory, size_t at, vaddr start, uint64_t size)
{
    struct memory_span span = memory->spans[at];
    uint64_t before = start - span.start, behind = span.size - before - size;
    memmove(&memory->spans[at], &memory->spans[at + 1],
            (memory->count - at - 1) * sizeof(*memory->spans));
    memory->count--;
    struct failure *failure = NULL;
    if (before)
        failure =
            insert(memory, at++,
                   (struct memory_span){.start = span.start, .size = before, .lost = span.lost});
    if (!failure && behind)
        failure =
            insert(memory, at,
                   (struct memory_span){.start = start + size, .size = behind, .lost = span.lost});
    return failure;
}

struct failure *memory_restore(struct memory *memory, vaddr start, uint64_t size,
                               const uint8_t *bytes)
{
    struct failure *failure = NULL;
    if (size > UINT64_MAX - start)
        size = UINT64_MAX - start;
    memory->last = 0;
    for (vaddr at = start; at < start + size && !failure;) {
        size_t found = memory_lower_bound(memory, at);
        if (found == memory->count || memory->spans[found].start >= start + size)
            break;
        const struct memory_span *span = &memory->spans[found];
        vaddr from = span->start > at ? span->start : at;
        vaddr end = span->start + span->size;
        if (end > start + size)
            end = start + size;
        if (!span->bytes)
            failure = take_out(memory, found, from, end - from);
        at = end;
    }
    return failure ? failure : memory_add(memory, start, size, bytes);
}

struct failure *memory_add(struct memory *memory, vaddr start, uint64_t size, const uint8_t *bytes)
{
    return add(memory, (struct memory_span){.start = start, .size = size, .bytes = bytes});
}

struct failure *memory_add_hole(struct memory *memory, vaddr start, uint64_t size,
                                const uint8_t *bytes)
{
    return add(memory,
               (struct memory_span){.start = start, .size = size, .bytes = bytes, .hole = true});
}

struct failure *memory_add_lost(struct memory *memory, vaddr start, uint64_t size)
{
    return add(memory, (struct memory_span){.start = start, .size = size, .lost = true});
}

const struct memory_span *memory_find(struct memory *memory, vaddr at)
{
    if (memory->count == 0)
        return NULL;
    const struct memory_span *span = &memory->spans[memory->last];
    if (at - span->start < span->size)
        return span;
    size_t found = memory_lower_bound(memory, at);
    if (found == memory->count || memory->spans[found].start > at)
        return NULL;
    memory->last = found;
    return &memory->spans[found];
}

// No view: for there is no span, or it has no bytes.
static enum memory_status refuse(struct memory *memory, const struct memory_span *span)
{
    memory->lost_reads += span && span->lost;
    return span ? MEMORY_NOT_SAVED : MEMORY_UNMAPPED;
}

// Copies a range that lies across spans into the next joined buffer.
static const uint8_t *join(struct memory *memory, vaddr at, uint64_t size,
                           enum memory_status *status)
{
    // First see that all of it is there: a stranger's length allocates nothing.
    uint64_t seen = 0;
    while (seen < size) {
        const struct memory_span *span = memory_find(memory, at + seen);
        if (!span || !span->bytes) {
            *status = refuse(memory, span);
            return NULL;
        }
        seen += span->size - (at + seen - span->start);
    }
    unsigned slot = memory->joined_next++ % MEMORY_JOINED;
    uint8_t *buffer = realloc(memory->joined[slot], size);
    if (!buffer) {
        failure_note_no_memory();
        *status = MEMORY_NOT_SAVED;
        return NULL;
    }
    memory->joined[slot] = buffer;
    for (uint64_t done = 0; done < size;) {
        const struct memory_span *span = memory_find(memory, at + done);
        uint64_t offset = at + done - span->start;
        uint64_t piece = span->size - offset < size - done ? span->size - offset : size - done;
        memcpy(buffer + done, span->bytes + offset, piece);
        done += piece;
    }
    *status = MEMORY_OK;
    return buffer;
}

const uint8_t *memory_view_slow(struct memory *memory, vaddr at, uint64_t size,
                                enum memory_status *status)
{
    const struct memory_span *span = memory_find(memory, at);
    if (!span || !span->bytes) {
        *status = refuse(memory, span);
        return NULL;
    }
    uint64_t offset = at - span->start;
    if (size <= span->size - offset) {
        *status = MEMORY_OK;
        return span->bytes + offset;
    }
    if (size > UINT64_MAX - at) {
        *status = MEMORY_UNMAPPED;
        return NULL;
    }
    return join(memory, at, size, status);
}

bool memory_is_mapped(struct memory *memory, vaddr at, uint64_t size)
{
    if (size > UINT64_MAX - at)
        return false;
    while (size > 0) {
        const struct memory_span *span = memory_find(memory, at);
        if (!span)
            return false;
        uint64_t covered = span->size - (at - span->start);
        if (covered >= size)
            return true;
        at += covered;
        size -= covered;
    }
    return true;
}

enum memory_status memory_read_word(struct memory *memory, vaddr at, vaddr *word)
{
    enum memory_status status;
    const uint8_t *bytes = memory_view(memory, at, memory->format.word_size, &status);
    if (bytes)
        *word = format_word(memory->format, bytes);
    return status;
}

enum memory_status memory_read_string(struct memory *memory, vaddr at, char *buffer,
                                      size_t capacity)
{
    for (size_t i = 0; i < capacity; i++) {
        enum memory_status status;
        const uint8_t *byte = memory_view(memory, at + i, 1, &status);
        buffer[i] = byte ? (char)*byte : '\0';
        if (!byte)
            return status;
        if (!*byte)
            return MEMORY_OK;
    }
    buffer[capacity - 1] = '\0';
    return MEMORY_NONSENSE;
}
