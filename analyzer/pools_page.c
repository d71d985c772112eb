// A pool's header (struct pool_header) and its list of free blocks.
#include "pools.h"

enum {
    POOL_SIZE = POOLS_PAGE_SIZE,
};

bool pools_read_header(const struct runtime *runtime, vaddr page, const uint8_t *bytes,
                       struct pools_header *header)
{
    const struct layout *layout = &runtime->layout;
    struct memory_format format = runtime->memory->format;
    uint64_t szidx = layout_uint(layout, format, bytes, LAYOUT_pool_header_szidx);
    uint64_t next = layout_uint(layout, format, bytes, LAYOUT_pool_header_nextoffset);
    uint64_t last = layout_uint(layout, format, bytes, LAYOUT_pool_header_maxnextoffset);
    uint64_t free = layout_uint(layout, format, bytes, LAYOUT_pool_header_freeblock);
    uint64_t alignment = runtime->small_alignment, size = (szidx + 1) * alignment;
    if (szidx >= POOL_SIZE || size > runtime->small_request_limit)
        return false;
    uint64_t first =
        (layout_offset(layout, LAYOUT_pool_header_sizeof) + alignment - 1) & ~(alignment - 1);
    if (last != POOL_SIZE - size || next < first || next > last + size ||
        (uint32_t)(next - first) % (uint32_t)size != 0 || (free && free - page >= POOL_SIZE))
        return false;
    *header = (struct pools_header){(uint32_t)size, (uint32_t)first,
                                    (uint32_t)(next < POOL_SIZE ? next : POOL_SIZE)};
    return true;
}

// --- pages, block by block

static void set_free(struct pools_page *pool, uint32_t offset)
{
    pool->free_bits[offset / POOLS_GRAIN / 64] |= UINT64_C(1) << (offset / POOLS_GRAIN % 64);
    pool->free++;
}

// The list of free blocks, linked through their first word. False: it is none.
static bool read_free_list(const struct runtime *runtime, vaddr page, const uint8_t *bytes,
                           uint32_t end, struct pools_page *pool)
{
    vaddr at =
        layout_uint(&runtime->layout, runtime->memory->format, bytes, LAYOUT_pool_header_freeblock);
    while (at) {
        uint64_t offset = at - page;
        if (offset < pool->first || offset >= end ||
            (offset - pool->first) % pool->block_size != 0 ||
            pools_is_free(pool, (uint32_t)offset)) // it bites its tail
            return false;
        set_free(pool, (uint32_t)offset);
        at = format_word(runtime->memory->format, bytes + offset);
    }
    return true;
}

bool pools_read_page(const struct runtime *runtime, vaddr page, const uint8_t *bytes,
                     struct pools_page *pool)
{
    struct pools_header header;
    if (!pools_read_header(runtime, page, bytes, &header))
        return false;
    *pool = (struct pools_page){
        .block_size = header.block_size,
        .first = header.first,
        .blocks = (POOL_SIZE - header.first) / header.block_size,
        .arena = layout_uint(&runtime->layout, runtime->memory->format, bytes,
                             LAYOUT_pool_header_arenaindex),
    };
    if (!read_free_list(runtime, page, bytes, header.end, pool))
        return false;
    for (uint32_t at = header.end; at + pool->block_size <= POOL_SIZE; at += pool->block_size)
        set_free(pool, at);
    return true;
}

// --- single blocks

// Is a block on its pool's list of free ones? They are linked through their first word.
static bool is_free(const struct runtime *runtime, const uint8_t *page_bytes, vaddr page,
                    vaddr block)
{
    vaddr at = layout_uint(&runtime->layout, runtime->memory->format, page_bytes,
                           LAYOUT_pool_header_freeblock);
    for (unsigned i = 0; i < POOL_SIZE / 8 && at && at - page < POOL_SIZE; i++) {
        if (at == block)
            return true;
        if (memory_read_word(runtime->memory, at, &at) != MEMORY_OK)
            break;
    }
    return false;
}

bool pools_find_block(const struct runtime *runtime, vaddr at, struct pools_block *block)
{
    struct pools_header pool;
    enum memory_status status;
    vaddr page = at & ~(vaddr)(POOL_SIZE - 1);
    const uint8_t *bytes = memory_view(runtime->memory, page, POOL_SIZE, &status);
    if (!bytes || !pools_read_header(runtime, page, bytes, &pool) || at - page < pool.first)
        return false;
    uint32_t pad = runtime->debug_pad;
    uint64_t offset = (at - page - pool.first) / pool.block_size * pool.block_size + pool.first;
    if (pool.block_size <= 2 * pad)
        return false;
    *block =
        (struct pools_block){page + offset + pad, pool.block_size - 2 * pad,
                             offset >= pool.end || is_free(runtime, bytes, page, page + offset)};
    return true;
}
