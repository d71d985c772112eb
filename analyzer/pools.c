// pymalloc (Objects/obmalloc.c) hands out blocks of one size from pools of one page each. A page
// whose pool header is consistent is taken for a pool; a block whose PyGC_Head says "reachable"
// (the only value of a tracked object between collections) and whose type is a type with
// HAVE_GC is taken for a tracked object. Objects too large for pymalloc are few: they are reached
// by following gc_next where it leaves the pools.
//
// All of that is guessing, and the proof makes up for it. Let S be the objects taken and the three
// list heads. In true rings gc_next is a permutation of S: every element is the next of exactly
// one. So the sum of a hash over S must equal the sum of the same hash over the gc_next of S. An
// object missed, one too many, or one from another list makes a difference in it.
#include "pools.h"

#include <pthread.h>
#include <stdlib.h>

#include "discovery.h"
#include "parallel.h"

enum {
    POOL_SIZE = POOLS_PAGE_SIZE,
    TYPES_CACHED = 512,
    PREFETCH_AHEAD = 8, // blocks
};

// What is read of a pool header.
struct pool {
    uint32_t block_size;
    uint32_t first; // offset of the first block in the page
    uint32_t end;   // of what was ever handed out
};

struct cached_type {
    vaddr address;
    bool has_gc;
};

struct sweep;

// One thread's part of the pages.
struct sweep_part {
    struct sweep *sweep;
    struct memory memory;
    uint64_t members; // hash sum over the objects
    uint64_t nexts;   // and over their gc_next
    vaddr *outside;   // what gc_next leads to outside of the pools
    size_t outside_count;
    size_t outside_capacity;
    bool no_memory;
    bool in_flux;
    struct cached_type types[TYPES_CACHED];
};

struct sweep {
    struct heap *heap;
    unsigned jobs;
    uint64_t pages;      // over all ranges
    uint8_t *pool_pages; // one bit per page: looks like a pool
    struct sweep_part *parts;
    pthread_mutex_t lock; // over heap->types and the memory they are read through
    // of pools_each_unmarked
    void (*found)(void *context, vaddr element);
    void *context;
    bool met_marked;
};

static uint64_t hash(vaddr address)
{
    uint64_t mixed = address * UINT64_C(0x9E3779B97F4A7C15);
    mixed ^= mixed >> 32;
    return mixed * UINT64_C(0xD6E8FEB86659FD93);
}

// --- pages

// The ranges one behind the other, in whole pages.
static uint64_t count_pages(const struct heap_range *range)
{
    // Two pages of such a range could share a word of the bitmap.
    if (range->start % POOL_SIZE)
        return 0;
    vaddr first = (range->start + POOL_SIZE - 1) / POOL_SIZE;
    vaddr end = (range->start + range->size) / POOL_SIZE;
    return end > first ? end - first : 0;
}

static void set_first_pages(struct sweep *sweep)
{
    for (size_t i = 0; i < sweep->heap->range_count; i++) {
        struct heap_range *range = &sweep->heap->ranges[i];
        range->first_page = sweep->pages;
        sweep->pages += count_pages(range);
    }
}

static bool is_pool_page(const struct sweep *sweep, vaddr at)
{
    const struct heap_range *range = discovery_find_range(sweep->heap, at);
    if (!range)
        return false;
    uint64_t page = at / POOL_SIZE - (range->start + POOL_SIZE - 1) / POOL_SIZE;
    if (page >= count_pages(range))
        return false;
    page += range->first_page;
    return sweep->pool_pages[page / 8] >> (page % 8) & 1;
}

static bool read_pool(const struct runtime *runtime, const uint8_t *bytes, vaddr page,
                      struct pool *pool)
{
    const struct layout *layout = &runtime->layout;
    struct memory_format format = runtime->memory->format;
    uint64_t szidx = layout_uint(layout, format, bytes, LAYOUT_pool_header_szidx);
    uint64_t next = layout_uint(layout, format, bytes, LAYOUT_pool_header_nextoffset);
    uint64_t last = layout_uint(layout, format, bytes, LAYOUT_pool_header_maxnextoffset);
    uint64_t free = layout_uint(layout, format, bytes, LAYOUT_pool_header_freeblock);
    uint64_t alignment = runtime->small_alignment;
    if (szidx >= runtime->small_request_limit / alignment)
        return false;
    uint64_t size = (szidx + 1) * alignment;
    uint64_t first =
        (layout_offset(layout, LAYOUT_pool_header_sizeof) + alignment - 1) & ~(alignment - 1);
    if (last != POOL_SIZE - size || next < first || next > last + size ||
        (next - first) % size != 0 || (free && free - page >= POOL_SIZE))
        return false;
    *pool = (struct pool){(uint32_t)size, (uint32_t)first,
                          (uint32_t)(next < POOL_SIZE ? next : POOL_SIZE)};
    return true;
}

// Calls `visit` for the whole pages of a part, in address order.
static void each_page(struct sweep *sweep, unsigned job,
                      void (*visit)(struct sweep_part *part, vaddr page, uint64_t number,
                                    const uint8_t *bytes))
{
    struct sweep_part *part = &sweep->parts[job];
    // Parts begin at multiples of 8 pages: no two share a byte of pool_pages.
    uint64_t eighths = sweep->pages / 8 + 1;
    uint64_t first = eighths * job / sweep->jobs * 8, end = eighths * (job + 1) / sweep->jobs * 8;
    for (size_t i = 0; i < sweep->heap->range_count; i++) {
        const struct heap_range *range = &sweep->heap->ranges[i];
        vaddr base = (range->start + POOL_SIZE - 1) / POOL_SIZE;
        uint64_t from = first > range->first_page ? first - range->first_page : 0;
        uint64_t to = end > range->first_page ? end - range->first_page : 0;
        if (to > count_pages(range))
            to = count_pages(range);
        for (uint64_t page = from; page < to; page++) {
            enum memory_status status;
            vaddr at = (base + page) * POOL_SIZE;
            const uint8_t *bytes = memory_view(&part->memory, at, POOL_SIZE, &status);
            if (bytes)
                visit(part, at, range->first_page + page, bytes);
        }
    }
}

static void mark_page(struct sweep_part *part, vaddr page, uint64_t number, const uint8_t *bytes)
{
    struct pool pool;
    if (read_pool(part->sweep->heap->runtime, bytes, page, &pool))
        part->sweep->pool_pages[number / 8] |= (uint8_t)(1u << (number % 8));
}

static void mark_pages(void *context, unsigned job)
{
    each_page(context, job, mark_page);
}

// --- objects

static bool has_gc(struct sweep_part *part, vaddr address)
{
    struct cached_type *cached = &part->types[vaddr_hash(address) % TYPES_CACHED];
    if (cached->address == address)
        return cached->has_gc;
    uint32_t index;
    struct object_types *types = &part->sweep->heap->types;
    pthread_mutex_lock(&part->sweep->lock);
    *cached =
        (struct cached_type){address, object_types_find(types, address, &index) == MEMORY_OK &&
                                          types->types[index].has_gc};
    pthread_mutex_unlock(&part->sweep->lock);
    return cached->has_gc;
}

static bool note_outside(struct sweep_part *part, vaddr next)
{
    if (part->outside_count == part->outside_capacity) {
        size_t capacity = part->outside_capacity ? part->outside_capacity * 2 : 256;
        vaddr *outside = realloc(part->outside, capacity * sizeof(*outside));
        if (!outside)
            return failure_note_no_memory();
        part->outside = outside;
        part->outside_capacity = capacity;
    }
    part->outside[part->outside_count++] = next;
    return true;
}

// Do the neighbours of an element point back to it? What a freed object left behind in a block that
// something else uses now does not.
static bool is_linked(struct sweep_part *part, vaddr at, const uint8_t *bytes)
{
    const struct layout *layout = &part->sweep->heap->runtime->layout;
    struct memory_format format = part->memory.format;
    uint64_t back, forth;
    vaddr next = layout_uint(layout, format, bytes, LAYOUT_PyGC_Head_gc_next);
    vaddr previous = layout_uint(layout, format, bytes, LAYOUT_PyGC_Head_gc_prev);
    return layout_read(layout, &part->memory, next, LAYOUT_PyGC_Head_gc_prev, &back) == MEMORY_OK &&
           back == at &&
           layout_read(layout, &part->memory, previous, LAYOUT_PyGC_Head_gc_next, &forth) ==
               MEMORY_OK &&
           forth == at;
}

static bool is_lost(struct memory *memory, vaddr at)
{
    enum memory_status status;
    return !memory_view(memory, at, 1, &status) && status == MEMORY_NOT_SAVED;
}

// Of a core that has lost memory: does either neighbour point back, or lie in what is lost? What is
// on the list of free blocks has lost its gc_next.
static bool may_be_linked(struct sweep_part *part, vaddr at, const uint8_t *bytes)
{
    const struct layout *layout = &part->sweep->heap->runtime->layout;
    struct memory_format format = part->memory.format;
    uint64_t back;
    vaddr next = layout_uint(layout, format, bytes, LAYOUT_PyGC_Head_gc_next);
    vaddr previous = layout_uint(layout, format, bytes, LAYOUT_PyGC_Head_gc_prev);
    if (layout_int(layout, format, bytes, LAYOUT_PyGC_Head_gc_refs) != GC_REACHABLE)
        return false;
    bool ahead =
        layout_read(layout, &part->memory, next, LAYOUT_PyGC_Head_gc_prev, &back) == MEMORY_OK
            ? back == at
            : is_lost(&part->memory, next);
    bool behind =
        layout_read(layout, &part->memory, previous, LAYOUT_PyGC_Head_gc_next, &back) == MEMORY_OK
            ? back == at
            : is_lost(&part->memory, previous);
    return ahead && behind;
}

// Takes the element whose PyGC_Head and object's head lie at `bytes`, if it is a tracked object.
static bool take(struct sweep_part *part, vaddr at, const uint8_t *bytes, vaddr *next)
{
    struct heap *heap = part->sweep->heap;
    const struct layout *layout = &heap->runtime->layout;
    struct memory_format format = heap->runtime->memory->format;
    int64_t refs = layout_int(layout, format, bytes, LAYOUT_PyGC_Head_gc_refs);
    if (refs == GC_UNTRACKED)
        return false;
    const uint8_t *object = bytes + layout_offset(layout, LAYOUT_PyGC_Head_sizeof);
    if (!has_gc(part, layout_uint(layout, format, object, LAYOUT_PyObject_ob_type)))
        return false;
    if (refs != GC_REACHABLE) {
        // A collection in progress: lists on a stack have what the three rings have not.
        part->in_flux = part->in_flux || is_linked(part, at, bytes);
        return false;
    }
    uint64_t bit = discovery_bit(heap, at);
    if (bit == DISCOVERY_NO_BIT || (heap->bits[bit / 64] >> (bit % 64) & 1))
        return false;
    heap->bits[bit / 64] |= UINT64_C(1) << (bit % 64);
    *next = layout_uint(layout, format, bytes, LAYOUT_PyGC_Head_gc_next);
    part->members += hash(at);
    part->nexts += hash(*next);
    return true;
}

static uint32_t element_size(const struct heap *heap)
{
    const struct layout *layout = &heap->runtime->layout;
    return layout_offset(layout, LAYOUT_PyGC_Head_sizeof) +
           layout_offset(layout, LAYOUT_PyObject_ob_type) +
           layout->values[LAYOUT_PyObject_ob_type].width;
}

// The pool in a page, if one was seen there and its blocks have `least` bytes.
static bool find_pool(const struct sweep *sweep, vaddr page, uint64_t number, const uint8_t *bytes,
                      uint32_t least, struct pool *pool)
{
    return sweep->pool_pages[number / 8] >> (number % 8) & 1 &&
           read_pool(sweep->heap->runtime, bytes, page, pool) && pool->block_size >= least;
}

static void sweep_page(struct sweep_part *part, vaddr page, uint64_t number, const uint8_t *bytes)
{
    struct sweep *sweep = part->sweep;
    struct pool pool;
    // With PYMALLOC_DEBUG a block begins with its size and a pad.
    uint32_t pad = sweep->heap->runtime->debug_pad, least = pad + element_size(sweep->heap);
    if (!find_pool(sweep, page, number, bytes, least, &pool))
        return;
    for (uint32_t at = pool.first; at + least <= pool.end; at += pool.block_size) {
        vaddr next;
        __builtin_prefetch(bytes + at + PREFETCH_AHEAD * pool.block_size);
        if (take(part, page + at + pad, bytes + at + pad, &next) && !is_pool_page(sweep, next))
            part->no_memory |= !note_outside(part, next);
    }
}

static void sweep_pages(void *context, unsigned job)
{
    each_page(context, job, sweep_page);
}

// Follows gc_next from an element outside of the pools until it is back in them, at a list head,
// or at an element taken already.
static void follow_outside(struct sweep_part *part, vaddr at)
{
    uint32_t size = element_size(part->sweep->heap);
    enum memory_status status;
    const uint8_t *bytes;
    while (!is_pool_page(part->sweep, at) &&
           (bytes = memory_view(&part->memory, at, size, &status)) && take(part, at, bytes, &at))
        ;
}

// The rings' own heads, whose type word is something else.
static bool add_heads(struct sweep_part *part)
{
    const struct runtime *runtime = part->sweep->heap->runtime;
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++) {
        uint64_t next;
        vaddr head = runtime->generations[i].head;
        if (layout_read(&runtime->layout, &part->memory, head, LAYOUT_PyGC_Head_gc_next, &next) !=
            MEMORY_OK)
            return false;
        part->members += hash(head);
        part->nexts += hash(next);
        follow_outside(part, next);
    }
    return true;
}

// Adds the parts up: true when the set is a permutation under gc_next.
static bool prove(struct sweep *sweep)
{
    struct sweep_part *first = &sweep->parts[0];
    bool complete = add_heads(first);
    uint64_t members = 0, nexts = 0;
    for (unsigned job = 0; job < sweep->jobs; job++)
        for (size_t i = 0; i < sweep->parts[job].outside_count; i++)
            follow_outside(first, sweep->parts[job].outside[i]);
    for (unsigned job = 0; job < sweep->jobs; job++) {
        members += sweep->parts[job].members;
        nexts += sweep->parts[job].nexts;
        complete = complete && !sweep->parts[job].no_memory && !sweep->parts[job].in_flux;
    }
    return complete && members == nexts;
}

static bool init_sweep(struct sweep *sweep)
{
    set_first_pages(sweep);
    sweep->pool_pages = calloc(sweep->pages / 8 + 1, 1);
    sweep->parts = calloc(sweep->jobs, sizeof(*sweep->parts));
    if (!sweep->pool_pages || !sweep->parts) {
        free(sweep->pool_pages);
        free(sweep->parts);
        return failure_note_no_memory();
    }
    pthread_mutex_init(&sweep->lock, NULL);
    for (unsigned job = 0; job < sweep->jobs; job++) {
        sweep->parts[job].sweep = sweep;
        memory_share(sweep->heap->runtime->memory, &sweep->parts[job].memory);
    }
    return true;
}

static void deinit_sweep(struct sweep *sweep)
{
    for (unsigned job = 0; job < sweep->jobs; job++) {
        memory_unshare(&sweep->parts[job].memory);
        free(sweep->parts[job].outside);
    }
    pthread_mutex_destroy(&sweep->lock);
    free(sweep->parts);
    free(sweep->pool_pages);
}

bool pools_mark_objects(struct heap *heap, unsigned jobs)
{
    struct sweep sweep = {.heap = heap, .jobs = jobs};
    if (!init_sweep(&sweep))
        return false;
    parallel_run(jobs, mark_pages, &sweep);
    parallel_run(jobs, sweep_pages, &sweep);
    bool proved = prove(&sweep);
    deinit_sweep(&sweep);
    return proved;
}

// --- what the rings left out

static void look_at_page(struct sweep_part *part, vaddr page, uint64_t number, const uint8_t *bytes)
{
    struct sweep *sweep = part->sweep;
    struct pool pool;
    uint32_t pad = sweep->heap->runtime->debug_pad, least = pad + element_size(sweep->heap);
    if (!find_pool(sweep, page, number, bytes, least, &pool))
        return;
    for (uint32_t at = pool.first; at + least <= pool.end; at += pool.block_size) {
        struct discovery_element element;
        vaddr head = page + at + pad;
        if (discovery_is_marked(sweep->heap, head))
            sweep->met_marked = true;
        else if (discovery_read(sweep->heap, head, &element) &&
                 (is_linked(part, head, bytes + at + pad) ||
                  (sweep->heap->runtime->memory_lost &&
                   may_be_linked(part, head, bytes + at + pad))) &&
                 discovery_is_object(sweep->heap, &element))
            sweep->found(sweep->context, head);
    }
}

struct failure *pools_each_unmarked(struct heap *heap, void (*found)(void *context, vaddr element),
                                    void *context, bool *has_pools)
{
    struct sweep sweep = {.heap = heap, .jobs = 1, .found = found, .context = context};
    if (!init_sweep(&sweep))
        return failure_no_memory();
    mark_pages(&sweep, 0);
    each_page(&sweep, 0, look_at_page);
    *has_pools = sweep.met_marked;
    deinit_sweep(&sweep);
    return NULL;
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
    struct pool header;
    if (!read_pool(runtime, bytes, page, &header))
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
    struct pool pool;
    enum memory_status status;
    vaddr page = at & ~(vaddr)(POOL_SIZE - 1);
    const uint8_t *bytes = memory_view(runtime->memory, page, POOL_SIZE, &status);
    if (!bytes || !read_pool(runtime, bytes, page, &pool) || at - page < pool.first)
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
