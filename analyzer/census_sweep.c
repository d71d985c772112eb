// Tracked objects are gone through by their numbers: their type, size and state are known already,
// and only of those that own something aside it is read where that lies. Then every page that was
// written is looked at once. Most are pools full of tracked objects, of which only the header is
// read.
#include "census_sweep.h"

#include <stdlib.h>

#include "discovery.h"
#include "pools.h"

enum {
    PREFETCH_AHEAD = 8, // pages: of most only the header is read, and no processor guesses where
};

static void add(struct census_count *count, uint64_t bytes)
{
    count->objects++;
    count->bytes += bytes;
}

static struct census_tally *find_tally(struct census_part *part, uint32_t type)
{
    if (type >= part->tally_count) {
        size_t count = (size_t)type * 2 + 64;
        struct census_tally *tallies = reallocarray(part->tallies, count, sizeof(*tallies));
        part->no_memory = part->no_memory || !tallies;
        if (!tallies)
            return NULL;
        memset(tallies + part->tally_count, 0, (count - part->tally_count) * sizeof(*tallies));
        part->tallies = tallies;
        part->tally_count = count;
    }
    return &part->tallies[type];
}

// --- what objects have in which mapping

static void charge_mapping(struct census_part *part, vaddr at, uint64_t bytes)
{
    const struct census_source *source = part->work->source;
    const struct census_mapping *last = &source->mappings[part->last_mapping];
    size_t low = 0, high = source->mapping_count;
    if (high && at - last->start < last->size) {
        part->mappings[part->last_mapping].objects += bytes;
        return;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (source->mappings[middle].start <= at)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || at - source->mappings[low - 1].start >= source->mappings[low - 1].size)
        return;
    part->last_mapping = low - 1;
    part->mappings[low - 1].objects += bytes;
}

// What an object takes outside of pymalloc's pools. block: what its own block takes, `size` all.
static void charge_object(struct census_part *part, const struct object_type *type, vaddr object,
                          uint64_t block, uint64_t size)
{
    uint64_t small = part->runtime.small_request_limit, aside;
    vaddr at;
    if (block > small)
        charge_mapping(part, object, block);
    if (size <= block || !object_find_aside(&part->types, type, object, &at, &aside))
        return;
    // Of what is allocated aside, only characters come from pymalloc (Objects/unicodeobject.c),
    // unless the build redirects all of it there (Include/pymem.h).
    const struct runtime *runtime = &part->runtime;
    bool pooled =
        type->size == SIZE_UNICODE || (runtime->debug_malloc && runtime->release->debug_mem_pooled);
    if (!pooled || aside > small)
        charge_mapping(part, at, aside);
}

static uint64_t find_block_size(struct census_part *part, const struct object_type *type,
                                vaddr object)
{
    uint64_t size = object_block_size(&part->types, type, object);
    if (object_has_gc_head(&part->types, type, object))
        size += layout_offset(&part->runtime.layout, LAYOUT_PyGC_Head_sizeof);
    return runtime_allocation_size(&part->runtime, size);
}

// --- tracked objects

static void count_state(struct census_tally *tally, uint8_t state, uint64_t size)
{
    if (state == COLLECT_REACHABLE)
        add(&tally->live, size);
    else if (state == COLLECT_TRASH)
        add(&tally->trash, size);
    else
        add(&tally->garbage, size);
}

// What most objects of a type have: nothing beside their block, which a pool has.
struct usual {
    uint64_t size;
    bool any; // or any other size that a pool has
};

// The size of an object that has nothing beside its block, nor items in it; else 0.
static uint64_t plain_size(const struct census_part *part, const struct object_type *type)
{
    uint64_t size = (uint64_t)type->tp_basicsize +
                    layout_offset(&part->runtime.layout, LAYOUT_PyGC_Head_sizeof);
    return type->tp_itemsize || size > part->runtime.small_request_limit
               ? 0
               : runtime_allocation_size(&part->runtime, size);
}

// Per type; NULL: memory is short.
static struct usual *list_usual(const struct census_part *part, const struct object_types *types)
{
    struct usual *usual = calloc((size_t)types->count + 1, sizeof(*usual));
    for (uint32_t i = 0; i < types->count && usual; i++)
        usual[i] = (struct usual){.size = plain_size(part, &types->types[i]),
                                  .any = types->types[i].size == SIZE_PLAIN};
    return usual;
}

// Objects that are not usual ones are few, and only these are looked for in memory.
static void count_range(struct census_part *part, const struct usual *usual, uint32_t first,
                        uint32_t end)
{
    struct heap *heap = part->work->heap;
    uint64_t small = part->runtime.small_request_limit;
    struct heap_cursor cursor;
    uint32_t at = first;
    heap_cursor_init(&cursor, heap, first);
    for (uint32_t i = first; i < end; i++) {
        int32_t number = heap->type[i];
        uint8_t state = part->work->states[i];
        uint64_t size = (uint64_t)heap->sizes[i] * HEAP_SIZE_UNIT;
        if (number == HEAP_NO_TYPE)
            continue;
        const struct usual *own = &usual[number];
        bool is_usual = size <= small && (size == own->size || own->any);
        if (!is_usual) {
            const struct object_type *type = &heap->types.types[number];
            vaddr object = heap_cursor_find(&cursor, &at, i);
            bool partial = false; // counted when it was read first
            if (heap->sizes[i] == HEAP_SIZE_LARGE)
                size = object_size(&part->types, type, object, &partial);
            charge_object(part, type, object, find_block_size(part, type, object), size);
        }
        add(&part->states[state], size);
        count_state(&part->tallies[number], state, size);
    }
}

void census_count_tracked(struct census_part *part, unsigned job)
{
    const struct heap *heap = part->work->heap;
    struct usual *usual = list_usual(part, &heap->types);
    part->no_memory = part->no_memory || !usual;
    if (usual && find_tally(part, heap->types.count))
        count_range(part, usual, parallel_first(heap->count, part->work->jobs, job),
                    parallel_first(heap->count, part->work->jobs, job + 1));
    free(usual);
}

// --- untracked objects

// A type, by a word that may be its address. NULL: it is none.
static const struct type_cache_entry *find_type(struct census_part *part, vaddr word)
{
    if (word % part->runtime.memory->format.word_size || word < part->work->lowest ||
        word >= part->work->highest)
        return NULL;
    const struct type_cache_entry *entry = type_cache_find(&part->type_cache, word);
    return entry->index == TYPE_CACHE_NONE ? NULL : entry;
}

struct found {
    const struct object_type *type;
    uint32_t index;
    vaddr object;
    int64_t refcnt;
};

// Is there an untracked object whose head lies at `bytes`? With has_gc one that has a PyGC_Head.
static bool find_object(struct census_part *part, vaddr object, const uint8_t *bytes, bool has_gc,
                        struct found *found)
{
    int64_t refcnt = object_refcnt(&part->runtime, bytes);
    if (refcnt < 0 || refcnt > INT32_MAX)
        return false;
    const struct type_cache_entry *entry = find_type(part, object_ob_type(&part->runtime, bytes));
    if (!entry || entry->type.has_gc != has_gc || entry->type.is_metatype)
        return false;
    *found = (struct found){&entry->type, (uint32_t)entry->index, object, refcnt};
    return true;
}

// block: what its own block takes, `size` all.
static void count_untracked(struct census_part *part, const struct found *found, uint64_t block,
                            uint64_t size)
{
    struct census_tally *tally = find_tally(part, found->index);
    if (!tally)
        return;
    add(&tally->live, size);
    add(&part->untracked, size);
    charge_object(part, found->type, found->object, block, size);
}

static uint32_t object_head_size(const struct census_part *part)
{
    const struct layout *layout = &part->runtime.layout;
    uint32_t type = layout_offset(layout, LAYOUT_PyObject_ob_type) +
                    layout->values[LAYOUT_PyObject_ob_type].width;
    uint32_t refcnt = layout_offset(layout, LAYOUT_PyObject_ob_refcnt) +
                      layout->values[LAYOUT_PyObject_ob_refcnt].width;
    return type > refcnt ? type : refcnt;
}

// A live block in which no tracked object is. What was asked for has `room` bytes at `at`.
static void count_block(struct census_part *part, vaddr at, const uint8_t *bytes, uint32_t room,
                        uint32_t block_size)
{
    const struct layout *layout = &part->runtime.layout;
    uint32_t head = layout_offset(layout, LAYOUT_PyGC_Head_sizeof);
    uint32_t least = object_head_size(part);
    struct found found;
    bool partial = false;
    bool is_object = room >= least && find_object(part, at, bytes, false, &found);
    if (!is_object && room >= head + least &&
        layout_int(layout, part->memory.format, bytes, LAYOUT_PyGC_Head_gc_refs) == GC_UNTRACKED)
        is_object = find_object(part, at + head, bytes + head, true, &found);
    if (!is_object) {
        add(&part->parts, block_size);
        return;
    }
    if (!found.refcnt) { // on a list of free ones, or a code's spare frame
        add(&part->cached, block_size);
        return;
    }
    uint64_t size = block_size;
    if (found.type->size != SIZE_PLAIN)
        size = object_size(&part->types, found.type, found.object, &partial);
    count_untracked(part, &found, block_size, size);
}

// A number, which stands side by side with others.
static bool is_number(const struct census_part *part, const struct object_type *type)
{
    return type->size == SIZE_PLAIN && !type->tp_itemsize && !type->has_gc &&
           (uint64_t)type->tp_basicsize <= part->runtime.small_request_limit;
}

// An object in memory of malloc: too large for a pool, at least once, or a number.
static void count_loose(struct census_part *part, vaddr at, const uint8_t *bytes)
{
    const struct layout *layout = &part->runtime.layout;
    struct found found;
    int64_t refs = GC_UNTRACKED;
    bool partial = false;
    uint32_t number;
    if (!find_object(part, at, bytes, false, &found) &&
        (!find_object(part, at, bytes, true, &found) || heap_find(part->work->heap, at, &number) ||
         layout_read_int(layout, &part->memory, at - layout_offset(layout, LAYOUT_PyGC_Head_sizeof),
                         LAYOUT_PyGC_Head_gc_refs, &refs) != MEMORY_OK ||
         refs != GC_UNTRACKED))
        return;
    if (!found.refcnt)
        return;
    if (is_number(part, found.type)) {
        uint64_t own = (uint64_t)found.type->tp_basicsize;
        charge_mapping(part, at, own);
        count_untracked(part, &found, own, own);
        return;
    }
    uint64_t size = object_size(&part->types, found.type, at, &partial);
    uint64_t block = find_block_size(part, found.type, at), own = block;
    if (partial)
        return;
    // What has shrunk (_PyString_Resize) stays where it was.
    if (block <= part->runtime.small_request_limit) {
        own = runtime_malloc_size(&part->runtime, block);
        charge_mapping(part, at, own);
    }
    count_untracked(part, &found, own, size - block + own);
}

// --- pages

// Bits of the tracked objects in a page, one per grain; NULL: there are none.
static const uint64_t *find_bits(struct heap *heap, vaddr page)
{
    const struct heap_range *range = discovery_find_range(heap, page);
    if (!range || range->start % POOLS_PAGE_SIZE ||
        range->size - (page - range->start) < POOLS_PAGE_SIZE)
        return NULL;
    return &heap->bits[(range->first_bit + (page - range->start) / HEAP_GRAIN) / 64];
}

// Most pools have nothing else.
static bool are_all_tracked(const uint64_t *tracked, uint64_t live)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < POOLS_PAGE_WORDS; i++)
        count += heap_count_bits(tracked[i]);
    return count == live;
}

static void count_pool(struct census_part *part, vaddr page, const uint8_t *bytes,
                       const struct pools_page *pool)
{
    struct census_pools *pools = &part->pools;
    const uint64_t *tracked = find_bits(part->work->heap, page);
    uint64_t live = pool->blocks - pool->free;
    if (pool->arena < CENSUS_ARENAS_MAX)
        part->arenas[pool->arena / 64] |= UINT64_C(1) << (pool->arena % 64);
    if (!live) {
        pools->free_pools++;
        pools->free_pool_bytes += POOLS_PAGE_SIZE;
        return;
    }
    uint32_t pad = part->runtime.debug_pad;
    if (pool->block_size <= 2 * pad)
        return;
    pools->pools++;
    pools->live_bytes += live * pool->block_size;
    pools->free_bytes += (uint64_t)pool->free * pool->block_size;
    pools->lost_bytes += POOLS_PAGE_SIZE - (uint64_t)pool->blocks * pool->block_size;
    if (tracked && are_all_tracked(tracked, live))
        return;
    for (uint32_t i = 0, at = pool->first; i < pool->blocks; i++, at += pool->block_size) {
        uint32_t own = at + pad;
        if (tracked && (tracked[own / HEAP_GRAIN / 64] >> (own / HEAP_GRAIN % 64) & 1))
            continue;
        if (!pool->free || !pools_is_free(pool, at))
            count_block(part, page + own, bytes + own, pool->block_size - 2 * pad,
                        pool->block_size);
    }
}

// Types of the interpreter are static data of its file. An object may begin at the page's end: the
// range goes on for `size` bytes from here.
static void scan_page(struct census_part *part, vaddr page, const uint8_t *bytes, uint64_t size)
{
    struct memory_format format = part->memory.format;
    vaddr types = part->runtime.image.start;
    uint64_t types_size = part->runtime.image.end - types;
    uint32_t type_at = layout_offset(&part->runtime.layout, LAYOUT_PyObject_ob_type);
    uint32_t least = object_head_size(part), width = format.word_size;
    for (uint32_t at = 0; at < POOLS_PAGE_SIZE && at + least <= size; at += width)
        if (format_word(format, bytes + at + type_at) - types < types_size)
            count_loose(part, page + at, bytes + at);
}

static bool is_zero(const uint8_t *bytes)
{
    return !bytes[0] && memcmp(bytes, bytes + 1, POOLS_PAGE_SIZE - 1) == 0;
}

static void sweep_page(struct census_part *part, const struct census_range *range, vaddr page)
{
    const struct census_source *source = part->work->source;
    struct census_mapping *mapping = &part->mappings[range->mapping];
    enum census_kind kind = source->mappings[range->mapping].kind;
    const uint8_t *bytes = range->bytes + (page - range->start);
    struct pools_page pool;
    if (!source->has_holes && is_zero(bytes))
        return;
    mapping->used += POOLS_PAGE_SIZE;
    if (kind != CENSUS_BRK && kind != CENSUS_ANONYMOUS)
        return;
    if (pools_read_page(&part->runtime, page, bytes, &pool)) {
        mapping->pools += POOLS_PAGE_SIZE;
        count_pool(part, page, bytes, &pool);
    } else {
        scan_page(part, page, bytes, range->size - (page - range->start));
    }
}

void census_sweep_pages(struct census_part *part, unsigned job)
{
    const struct census_work *work = part->work;
    uint64_t first = work->pages * job / work->jobs, end = work->pages * (job + 1) / work->jobs;
    uint64_t before = 0;
    for (size_t i = 0; i < work->source->range_count && before < end; i++) {
        const struct census_range *range = &work->source->ranges[i];
        uint64_t count = range->size / POOLS_PAGE_SIZE;
        uint64_t from = first > before ? first - before : 0;
        uint64_t to = end - before < count ? end - before : count;
        for (uint64_t page = from; page < to && !part->no_memory; page++) {
            if (page + PREFETCH_AHEAD < to)
                __builtin_prefetch(range->bytes + (page + PREFETCH_AHEAD) * POOLS_PAGE_SIZE);
            sweep_page(part, range, range->start + page * POOLS_PAGE_SIZE);
        }
        before += count;
    }
}
