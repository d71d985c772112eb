// pymalloc (Objects/obmalloc.c) hands out blocks of one size from pools of one page each. A page
// whose pool header is consistent is taken for a pool; a block whose PyGC_Head says "reachable"
// (the only value of a tracked object between collections) and whose type is a type with
// HAVE_GC is taken for a tracked object. Objects too large for pymalloc are few: they are reached
// by following gc_next where it leaves the pools.
//
// All pages are looked at once, in address order, which is the order of a kernel core's file: a
// core that is not in memory yet, or does not fit in, is read from the disk once for it. So where
// gc_next leads to a page ahead, nobody knows yet whether that is a pool: such links are kept until
// it is known.
//
// All of that is guessing, and the proof makes up for it. Let S be the objects taken and the three
// list heads. In true rings the links (x, gc_next of x) of S are the links (gc_prev of x, x) of S,
// and then gc_next is a permutation of it. So the sum of a hash over the ones must equal the sum of
// the same hash over the others. An object missed, one too many, one from another list, or a link
// that the other direction contradicts makes a difference in it.
#include "pools.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "discovery.h"
#include "parallel.h"

enum {
    POOL_SIZE = POOLS_PAGE_SIZE,
    TYPES_CACHED = 512,
    PREFETCH_AHEAD = 8,   // blocks
    CHUNK = 256,          // pages that a thread takes at a time; a multiple of 8
    LINKS_KEPT = 1 << 15, // at least, before those that are known by now are dropped
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
    uint64_t forward;  // hash sum over the links by gc_next
    uint64_t backward; // and over those by gc_prev
    // What gc_next leads to outside of the pools, or in pages that nobody had seen yet.
    vaddr *outside;
    size_t outside_count;
    size_t outside_capacity;
    bool no_memory;
    bool in_flux;
    struct cached_type types[TYPES_CACHED];
};

struct sweep {
    struct heap *heap;
    unsigned jobs;
    uint64_t pages; // over all ranges
    atomic_uint_fast64_t next_chunk;
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

// Of a link: an element and the next one.
static uint64_t hash_link(vaddr at, vaddr next)
{
    return hash(at * UINT64_C(0xA0761D6478BD642F) + next);
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

// False also where nobody has looked yet. Other threads may be setting bits.
static bool is_pool_page(const struct sweep *sweep, vaddr at)
{
    const struct heap_range *range = discovery_find_range(sweep->heap, at);
    if (!range)
        return false;
    uint64_t page = at / POOL_SIZE - (range->start + POOL_SIZE - 1) / POOL_SIZE;
    if (page >= count_pages(range))
        return false;
    page += range->first_page;
    uint8_t bits = __atomic_load_n(&sweep->pool_pages[page / 8], __ATOMIC_RELAXED);
    return bits >> (page % 8) & 1;
}

// No two threads have pages of one byte: chunks begin at multiples of 8.
static void set_pool_page(struct sweep *sweep, uint64_t number)
{
    uint8_t *byte = &sweep->pool_pages[number / 8];
    __atomic_store_n(byte, *byte | (uint8_t)(1u << (number % 8)), __ATOMIC_RELAXED);
}

// The last range whose pages do not begin behind `page`.
static size_t find_range_of_page(const struct heap *heap, uint64_t page)
{
    size_t low = 0, high = heap->range_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (heap->ranges[middle].first_page <= page)
            low = middle;
        else
            high = middle;
    }
    return low;
}

typedef void visit_page(struct sweep_part *part, vaddr page, uint64_t number, const uint8_t *bytes);

static void visit_pages(struct sweep_part *part, uint64_t first, uint64_t end, visit_page *visit)
{
    const struct heap *heap = part->sweep->heap;
    for (size_t i = find_range_of_page(heap, first); i < heap->range_count; i++) {
        const struct heap_range *range = &heap->ranges[i];
        if (range->first_page >= end)
            return;
        vaddr base = (range->start + POOL_SIZE - 1) / POOL_SIZE;
        uint64_t from = first > range->first_page ? first - range->first_page : 0;
        uint64_t to = end - range->first_page;
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

// Calls `visit` for all whole pages, in address order, as far as no other thread does.
static void each_page(struct sweep *sweep, unsigned job, visit_page *visit)
{
    uint64_t first;
    while ((first = CHUNK * atomic_fetch_add(&sweep->next_chunk, 1)) < sweep->pages)
        visit_pages(&sweep->parts[job], first,
                    sweep->pages - first < CHUNK ? sweep->pages : first + CHUNK, visit);
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

// Drops what has turned out to lie in pools.
static void drop_known(struct sweep_part *part)
{
    size_t count = 0;
    for (size_t i = 0; i < part->outside_count; i++)
        if (!is_pool_page(part->sweep, part->outside[i]))
            part->outside[count++] = part->outside[i];
    part->outside_count = count;
}

static bool make_room(struct sweep_part *part)
{
    drop_known(part);
    if (part->outside_capacity && part->outside_count < part->outside_capacity / 2)
        return true;
    size_t capacity = part->outside_capacity ? part->outside_capacity * 2 : LINKS_KEPT;
    vaddr *outside = reallocarray(part->outside, capacity, sizeof(*outside));
    if (!outside)
        return failure_note_no_memory();
    part->outside = outside;
    part->outside_capacity = capacity;
    return true;
}

static bool note_outside(struct sweep_part *part, vaddr next)
{
    if (part->outside_count == part->outside_capacity && !make_room(part))
        return false;
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
    part->forward += hash_link(at, *next);
    part->backward += hash_link(layout_uint(layout, format, bytes, LAYOUT_PyGC_Head_gc_prev), at);
    return true;
}

static uint32_t element_size(const struct heap *heap)
{
    const struct layout *layout = &heap->runtime->layout;
    return layout_offset(layout, LAYOUT_PyGC_Head_sizeof) +
           layout_offset(layout, LAYOUT_PyObject_ob_type) +
           layout->values[LAYOUT_PyObject_ob_type].width;
}

static void sweep_page(struct sweep_part *part, vaddr page, uint64_t number, const uint8_t *bytes)
{
    struct sweep *sweep = part->sweep;
    struct pools_header pool;
    // With PYMALLOC_DEBUG a block begins with its size and a pad.
    uint32_t pad = sweep->heap->runtime->debug_pad, least = pad + element_size(sweep->heap);
    if (!pools_read_header(sweep->heap->runtime, page, bytes, &pool))
        return;
    set_pool_page(sweep, number);
    if (pool.block_size < least)
        return;
    for (uint32_t at = pool.first; at + least <= pool.end; at += pool.block_size) {
        vaddr next;
        __builtin_prefetch(bytes + at + PREFETCH_AHEAD * pool.block_size);
        if (take(part, page + at + pad, bytes + at + pad, &next) && next - page >= POOL_SIZE &&
            !is_pool_page(sweep, next))
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
        struct discovery_element head;
        if (!discovery_read(part->sweep->heap, runtime->generations[i].head, &head))
            return false;
        part->forward += hash_link(head.at, head.next);
        part->backward += hash_link(head.previous, head.at);
        follow_outside(part, head.next);
    }
    return true;
}

// Adds the parts up: true when the links forward are the links backward. Then each element's next
// one is in the set, and no other's.
static bool prove(struct sweep *sweep)
{
    struct sweep_part *first = &sweep->parts[0];
    bool complete = add_heads(first);
    uint64_t forward = 0, backward = 0;
    for (unsigned job = 0; job < sweep->jobs; job++)
        for (size_t i = 0; i < sweep->parts[job].outside_count; i++)
            follow_outside(first, sweep->parts[job].outside[i]);
    for (unsigned job = 0; job < sweep->jobs; job++) {
        forward += sweep->parts[job].forward;
        backward += sweep->parts[job].backward;
        complete = complete && !sweep->parts[job].no_memory && !sweep->parts[job].in_flux;
    }
    return complete && forward == backward;
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
    parallel_run(jobs, sweep_pages, &sweep);
    bool proved = prove(&sweep);
    deinit_sweep(&sweep);
    return proved;
}

// --- what the rings left out

// Is an element on a list, as far as what is left shows?
static bool is_stray(struct sweep_part *part, vaddr page, const uint8_t *bytes, uint32_t block)
{
    const struct heap *heap = part->sweep->heap;
    const struct layout *layout = &heap->runtime->layout;
    uint32_t pad = heap->runtime->debug_pad;
    const uint8_t *element = bytes + block + pad;
    vaddr head = page + block + pad;
    struct pools_page pool;
    if (is_linked(part, head, element) ||
        (heap->runtime->memory_lost && may_be_linked(part, head, element)))
        return true;
    // Both neighbours may be damaged. What was freed was untracked before (PyObject_GC_Del).
    return heap->losses.tears.count &&
           layout_int(layout, part->memory.format, element, LAYOUT_PyGC_Head_gc_refs) ==
               GC_REACHABLE &&
           pools_read_page(heap->runtime, page, bytes, &pool) && !pools_is_free(&pool, block);
}

static void look_at_page(struct sweep_part *part, vaddr page, uint64_t number, const uint8_t *bytes)
{
    struct sweep *sweep = part->sweep;
    struct pools_header pool;
    uint32_t pad = sweep->heap->runtime->debug_pad, least = pad + element_size(sweep->heap);
    (void)number;
    if (!pools_read_header(sweep->heap->runtime, page, bytes, &pool) || pool.block_size < least)
        return;
    for (uint32_t at = pool.first; at + least <= pool.end; at += pool.block_size) {
        struct discovery_element element;
        vaddr head = page + at + pad;
        if (discovery_is_marked(sweep->heap, head))
            sweep->met_marked = true;
        else if (discovery_read(sweep->heap, head, &element) && is_stray(part, page, bytes, at) &&
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
    each_page(&sweep, 0, look_at_page);
    *has_pools = sweep.met_marked;
    deinit_sweep(&sweep);
    return NULL;
}
