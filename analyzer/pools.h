// Finding the tracked objects in address order: through pymalloc's pools instead of the rings.
//
// Chasing a ring on an aged heap, where list order has nothing to do with addresses, is a cache
// miss a step. The objects can be found one after the other instead, and that the set found is the
// right one is proved without going after a single link (pools.c).
#ifndef ANALYZER_POOLS_H
#define ANALYZER_POOLS_H

#include "heap.h"

// Marks all tracked objects in the heap's bitmap. True: the set is proved to be exactly that of
// the three rings. False: it is not, and the bitmap must be cleared (no pymalloc, damage, a
// collection in progress, or memory is short). `jobs` threads share the work.
bool pools_mark_objects(struct heap *heap, unsigned jobs);

// Calls `found`, which may mark objects, with each list element in the pools that is not marked,
// could be a tracked object's, and is pointed to by its neighbours in the list. *has_pools: objects
// marked before lie in the pools, so those that are missing would as well. Failures: NO_MEMORY.
struct failure *pools_each_unmarked(struct heap *heap, void (*found)(void *context, vaddr element),
                                    void *context, bool *has_pools)
    __attribute__((warn_unused_result));

enum {
    POOLS_PAGE_SIZE = 4096, // of a pool
    POOLS_GRAIN = 8,        // blocks stand on multiples of this
    POOLS_PAGE_WORDS = POOLS_PAGE_SIZE / POOLS_GRAIN / 64,
};

// What is read of a pool's header.
struct pools_header {
    uint32_t block_size;
    uint32_t first; // offset of the first block in the page
    uint32_t end;   // of what was ever handed out
};

// The header of the page at `page` (a multiple of its size, as many bytes). False: it does not look
// like a pool.
bool pools_read_header(const struct runtime *runtime, vaddr page, const uint8_t *bytes,
                       struct pools_header *header);

// The page of a pool, block by block.
struct pools_page {
    uint32_t block_size;
    uint32_t first;  // offset of the first block
    uint32_t blocks; // that there is room for
    uint32_t free;   // that are not handed out
    uint64_t arena;  // its number
    // One bit per grain, of the blocks that are not handed out.
    uint64_t free_bits[POOLS_PAGE_WORDS];
};

// The same with its blocks. False: it does not look like a pool.
bool pools_read_page(const struct runtime *runtime, vaddr page, const uint8_t *bytes,
                     struct pools_page *pool);

static inline bool pools_is_free(const struct pools_page *pool, uint32_t offset)
{
    return pool->free_bits[offset / POOLS_GRAIN / 64] >> (offset / POOLS_GRAIN % 64) & 1;
}

// A block of pymalloc, without the pads that PYMALLOC_DEBUG puts around what it hands out.
struct pools_block {
    vaddr start;
    uint32_t size;
    bool free; // not handed out
};

// The block that holds an address. False: the address lies in no page that looks like a pool.
bool pools_find_block(const struct runtime *runtime, vaddr at, struct pools_block *block);

#endif
