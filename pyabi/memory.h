// The dead process's bytes: spans of its address space, sorted, each backed by bytes that live
// somewhere in this program (a mapped core, a mapped library, an array in a test) or by nothing.
//
// This module does not know who filled it. The bytes behind the spans belong to whoever added
// them and must outlive the memory. Everything read here comes from a stranger: callers bound
// every length before they use it.
#ifndef PYABI_MEMORY_H
#define PYABI_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "failure.h"

// An address in the dead process. Never a pointer of this program.
typedef uint64_t vaddr;

// Spreads addresses over 32 bits, for hash tables (Knuth's multiplicative method).
static inline uint32_t vaddr_hash(vaddr address)
{
    return (uint32_t)(address * UINT64_C(0x9E3779B97F4A7C15) >> 32);
}

// Trouble met on the way: counted, never fatal by itself.
enum memory_status {
    MEMORY_OK,
    MEMORY_UNMAPPED,  // the process had nothing there
    MEMORY_NOT_SAVED, // it had, but the bytes are in neither core nor file
    MEMORY_NONSENSE,  // readable, but it cannot be what it should be
};

struct memory_span {
    vaddr start;
    uint64_t size;
    const uint8_t *bytes; // NULL: mapped in the process, not saved
    bool lost;            // and a whole core would have it
    bool hole;            // the bytes are a large hole of their file: all zeroes
};

enum {
    MEMORY_JOINED = 8
};

// How words look in the process. word_size is 4 or 8.
struct memory_format {
    uint8_t word_size;
    bool big_endian;
};

struct memory {
    struct memory_format format;
    struct memory_span *spans; // sorted by start, disjoint, none empty
    size_t count;
    size_t capacity;
    size_t last;         // the span of the last hit
    uint64_t saved;      // bytes in all spans that have some: no honest array is larger
    uint64_t lost_reads; // views that were not given for want of lost bytes, and what readers found
                         // to be damaged
    // Copies of ranges that lie across two spans, used in turn.
    uint8_t *joined[MEMORY_JOINED];
    unsigned joined_next;
};

void memory_init(struct memory *memory, struct memory_format format);
void memory_deinit(struct memory *memory);

// A second reader of the same spans, for another thread. `memory` must not be added to, and must
// not be deinited, while a copy is in use.
void memory_share(const struct memory *memory, struct memory *copy);
void memory_unshare(struct memory *copy);

// Adds [start, start + size). Where it overlaps what is there already, what came first stays:
// so the core's bytes are added before the files'. bytes may be NULL (mapped, not saved).
// Fails only for lack of memory. A range that wraps around the address space is cut at its end.
struct failure *memory_add(struct memory *memory, vaddr start, uint64_t size, const uint8_t *bytes)
    __attribute__((warn_unused_result));

// The same for bytes that are a hole of their file, all zeroes: nothing needs to be looked for in
// them, and looking at them would make pages of them.
struct failure *memory_add_hole(struct memory *memory, vaddr start, uint64_t size,
                                const uint8_t *bytes) __attribute__((warn_unused_result));

// Gives bytes to those parts of [start, start + size) that have none; what has some keeps them.
// Fails only for lack of memory.
struct failure *memory_restore(struct memory *memory, vaddr start, uint64_t size,
                               const uint8_t *bytes) __attribute__((warn_unused_result));
// The same for bytes that the core should have and has not.
struct failure *memory_add_lost(struct memory *memory, vaddr start, uint64_t size)
    __attribute__((warn_unused_result));

// The number of the first span that ends behind `at`; memory->count: none does.
size_t memory_lower_bound(const struct memory *memory, vaddr at);

// The span that holds `at`, or NULL.
const struct memory_span *memory_find(struct memory *memory, vaddr at);

// The rare half of memory_view: another span than last time, or a range across spans.
const uint8_t *memory_view_slow(struct memory *memory, vaddr at, uint64_t size,
                                enum memory_status *status);

// `size` bytes (at least 1) at `at`, or NULL with *status saying why. The view lies in the backing
// bytes and lives as long as they do; a range across two spans is a copy, good until
// MEMORY_JOINED more of those have been taken.
static inline const uint8_t *memory_view(struct memory *memory, vaddr at, uint64_t size,
                                         enum memory_status *status)
{
    if (memory->count) {
        const struct memory_span *span = &memory->spans[memory->last];
        uint64_t offset = at - span->start;
        if (offset < span->size && size <= span->size - offset && span->bytes) {
            *status = MEMORY_OK;
            return span->bytes + offset;
        }
    }
    return memory_view_slow(memory, at, size, status);
}

// Numbers in the process's byte order. `bytes` need not be aligned. `width` is 1, 2, 4 or 8.
static inline uint64_t format_uint(struct memory_format format, const uint8_t *bytes,
                                   unsigned width)
{
    if (width == 8) {
        uint64_t value;
        memcpy(&value, bytes, 8);
        return format.big_endian ? __builtin_bswap64(value) : value;
    }
    if (width == 4) {
        uint32_t value;
        memcpy(&value, bytes, 4);
        return format.big_endian ? __builtin_bswap32(value) : value;
    }
    if (width == 2) {
        uint16_t value;
        memcpy(&value, bytes, 2);
        return format.big_endian ? __builtin_bswap16(value) : value;
    }
    return bytes[0];
}

static inline int64_t format_int(struct memory_format format, const uint8_t *bytes, unsigned width)
{
    unsigned shift = 64 - 8 * width;
    return (int64_t)(format_uint(format, bytes, width) << shift) >> shift;
}

// A pointer of the process.
static inline vaddr format_word(struct memory_format format, const uint8_t *bytes)
{
    return format_uint(format, bytes, format.word_size);
}

// Had the process all of [at, at + size), saved or not? Nothing is read.
bool memory_is_mapped(struct memory *memory, vaddr at, uint64_t size);

enum memory_status memory_read_word(struct memory *memory, vaddr at, vaddr *word);

// The C string at `at` into buffer (capacity at least 1), always terminated. NONSENSE when it has
// no end within capacity; the buffer then holds what fits.
enum memory_status memory_read_string(struct memory *memory, vaddr at, char *buffer,
                                      size_t capacity);

#endif
