// pymalloc (Objects/obmalloc.c) hands out blocks of one size from pools of one page each. A page
// whose pool header is consistent is taken for a pool; a block whose PyGC_Head says "reachable"
// (the only value of a tracked object between collections) and whose type is a type with
// HAVE_GC is taken for a tracked object. Objects too large for pymalloc are few: they are reached
// by following gc_next where it leaves the pools.
//
// All pages are looked at once, in address order, which is the order of a kernel core's file: a
// core that is not in memory yet, or does not fit in, is read from the disk once for it. So where
// gc_next leads to a page ahead, nobody knows yet whether that is a pool: then the page is marked,
// and if it is none, who comes to look at it searches it for what may be objects. Of these only
// those count that an object taken leads to.
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
    CHUNK = 256,                // pages that a thread takes at a time
    PREFETCH_AHEAD = POOL_SIZE, // the next page is often one of blocks of the same size
    PLACES_EXPECTED = 1024,
};

// What is known of a page.
enum page_state {
    PAGE_UNSEEN,
    PAGE_LINKED, // nobody has looked yet, and an element's gc_next leads there
    PAGE_POOL,
    PAGE_OTHER,
};

// Where the members that are read of an element lie, counted from its PyGC_Head.
struct element_form {
    struct memory_format format;
    struct layout_value next;
    struct layout_value previous;
    struct layout_value refs;
    struct layout_value type;
};

// That of 64-bit processors, without Py_TRACE_REFS.
static const struct element_form USUAL_FORM = {
    {.word_size = 8, .big_endian = false}, {0, 8}, {8, 8}, {16, 8}, {40, 8}};

struct cached_type {
    vaddr address;
    bool has_gc;
};

struct places {
    vaddr *at;
    size_t count;
    size_t capacity;
};

struct sweep;

// One thread's part of the pages.
struct sweep_part {
    struct sweep *sweep;
    struct memory memory;
    uint64_t balance;      // hash sum over the links by gc_next, less that over those by gc_prev
    struct places outside; // of the pools, where gc_next of elements in them leads to
    struct places guesses; // what may be elements there, by what the place looks like
    bool no_memory;
    bool in_flux;
    struct cached_type types[TYPES_CACHED];
};

struct sweep {
    struct heap *heap;
    unsigned jobs;
    struct element_form form;
    bool usual;     // the form is that of nearly all cores
    uint64_t pages; // over all ranges
    atomic_uint_fast64_t next_chunk;
    _Atomic uint8_t *states; // a page_state each
    struct sweep_part *parts;
    pthread_mutex_t lock; // over heap->types and the memory they are read through
    // of pools_each_unmarked
    void (*found)(void *context, vaddr element);
    void *context;
    bool met_marked;
};

// The hash of a link, an element and the next one: each word by an odd number of its own, so that
// the direction counts, and then what makes the sum of hashes no hash of sums. One more
// multiplication would add nothing: it could be done once for all, on their sum.
static inline uint64_t hash_link(vaddr at, vaddr next)
{
    uint64_t mixed = at * UINT64_C(0x042E8C22EAA5FBDB) + next * UINT64_C(0x9E3779B97F4A7C15);
    return mixed ^ mixed >> 32;
}

// --- pages

// The ranges one behind the other, in pages; those at the ends may be parts of pages.
static uint64_t count_pages(const struct heap_range *range)
{
    return (range->start % POOL_SIZE + range->size + POOL_SIZE - 1) / POOL_SIZE;
}

static uint64_t page_number(const struct heap_range *range, vaddr at)
{
    return range->first_page + (at / POOL_SIZE - range->start / POOL_SIZE);
}

static void set_first_pages(struct sweep *sweep)
{
    for (size_t i = 0; i < sweep->heap->range_count; i++) {
        struct heap_range *range = &sweep->heap->ranges[i];
        range->first_page = sweep->pages;
        sweep->pages += count_pages(range);
    }
}

// False also where nobody has looked yet.
static bool is_pool_page(const struct sweep *sweep, vaddr at)
{
    const struct heap_range *range = discovery_find_range(sweep->heap, at);
    return range && atomic_load_explicit(&sweep->states[page_number(range, at)],
                                         memory_order_relaxed) == PAGE_POOL;
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

typedef void visit_page(struct sweep_part *part, const struct heap_range *range, vaddr page);

static void visit_pages(struct sweep_part *part, uint64_t first, uint64_t end, visit_page *visit)
{
    const struct heap *heap = part->sweep->heap;
    for (size_t i = find_range_of_page(heap, first); i < heap->range_count; i++) {
        const struct heap_range *range = &heap->ranges[i];
        if (range->first_page >= end)
            return;
        uint64_t from = first > range->first_page ? first - range->first_page : 0;
        uint64_t to = end - range->first_page;
        if (to > count_pages(range))
            to = count_pages(range);
        for (uint64_t page = from; page < to; page++)
            visit(part, range, (range->start / POOL_SIZE + page) * POOL_SIZE);
    }
}

// Calls `visit` for all pages, in address order, as far as no other thread does.
static void each_page(struct sweep *sweep, unsigned job, visit_page *visit)
{
    uint64_t first;
    while ((first = CHUNK * atomic_fetch_add(&sweep->next_chunk, 1)) < sweep->pages)
        visit_pages(&sweep->parts[job], first,
                    sweep->pages - first < CHUNK ? sweep->pages : first + CHUNK, visit);
}

// --- objects

static __attribute__((noinline)) void read_type(struct sweep_part *part, vaddr address,
                                                struct cached_type *cached)
{
    uint32_t index;
    struct object_types *types = &part->sweep->heap->types;
    pthread_mutex_lock(&part->sweep->lock);
    *cached =
        (struct cached_type){address, object_types_find(types, address, &index) == MEMORY_OK &&
                                          types->types[index].has_gc};
    pthread_mutex_unlock(&part->sweep->lock);
}

static inline bool has_gc(struct sweep_part *part, vaddr type)
{
    struct cached_type *cached = &part->types[vaddr_hash(type) % TYPES_CACHED];
    if (cached->address != type)
        read_type(part, type, cached);
    return cached->has_gc;
}

static void note_place(struct sweep_part *part, struct places *places, vaddr at)
{
    if (places->count == places->capacity) {
        size_t capacity = places->capacity ? places->capacity * 2 : PLACES_EXPECTED;
        vaddr *grown = reallocarray(places->at, capacity, sizeof(*grown));
        if (!grown) {
            part->no_memory = true;
            failure_note_no_memory();
            return;
        }
        places->at = grown;
        places->capacity = capacity;
    }
    places->at[places->count++] = at;
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

static inline uint64_t read_member(const struct element_form *form, const uint8_t *bytes,
                                   struct layout_value member)
{
    return format_uint(form->format, bytes + member.offset, member.width);
}

static inline int64_t read_refs(const struct element_form *form, const uint8_t *bytes)
{
    return format_int(form->format, bytes + form->refs.offset, form->refs.width);
}

// A collection in progress: lists on a stack have what the three rings have not.
static void note_flux(struct sweep_part *part, vaddr at, const uint8_t *bytes)
{
    const struct element_form *form = &part->sweep->form;
    uint64_t links =
        read_member(form, bytes, form->next) | read_member(form, bytes, form->previous);
    if (!part->in_flux && links % form->format.word_size == 0)
        part->in_flux =
            has_gc(part, read_member(form, bytes, form->type)) && is_linked(part, at, bytes);
}

// Is the element at `bytes` a tracked object?
static inline __attribute__((always_inline)) bool
is_tracked(struct sweep_part *part, const struct element_form *form, vaddr at, const uint8_t *bytes)
{
    int64_t refs = read_refs(form, bytes);
    if (refs == GC_REACHABLE)
        return has_gc(part, read_member(form, bytes, form->type));
    if (refs != GC_UNTRACKED)
        note_flux(part, at, bytes);
    return false;
}

// Adds what an element has for neighbours, and returns the next one.
static inline __attribute__((always_inline)) vaddr
add_links(uint64_t *balance, const struct element_form *form, vaddr at, const uint8_t *bytes)
{
    vaddr next = read_member(form, bytes, form->next);
    *balance += hash_link(at, next) - hash_link(read_member(form, bytes, form->previous), at);
    return next;
}

static uint32_t element_size(const struct sweep *sweep)
{
    return (uint32_t)sweep->form.type.offset + sweep->form.type.width;
}

// What an element in a pool has for the next one: that may lie outside of them. Where that is not
// known yet, who looks at the page is left word.
static inline void note_next(struct sweep_part *part, _Atomic uint8_t *state, vaddr next)
{
    uint8_t seen = atomic_load_explicit(state, memory_order_relaxed);
    if (seen == PAGE_UNSEEN)
        atomic_compare_exchange_strong(state, &seen, PAGE_LINKED);
    if (seen == PAGE_OTHER)
        note_place(part, &part->outside, next);
}

static __attribute__((noinline)) void note_next_elsewhere(struct sweep_part *part, vaddr next)
{
    const struct heap_range *range = discovery_find_range(part->sweep->heap, next);
    if (range)
        note_next(part, &part->sweep->states[page_number(range, next)], next);
}

// Takes the tracked objects of a pool. Nobody else has bits in the words of its page.
static inline __attribute__((always_inline)) void take_blocks(struct sweep_part *part,
                                                              const struct element_form *form,
                                                              const struct heap_range *range,
                                                              vaddr page, const uint8_t *bytes,
                                                              const struct pools_header *pool)
{
    const struct sweep *sweep = part->sweep;
    uint64_t pad = sweep->heap->runtime->debug_pad, end = pool->end - element_size(sweep);
    vaddr start = range->start;
    uint64_t size = range->size, block_size = pool->block_size;
    uint64_t *bits = &sweep->heap->bits[(range->first_bit + (page - start) / HEAP_GRAIN) / 64];
    _Atomic uint8_t *states = &sweep->states[range->first_page];
    uint64_t last = (uint64_t)form->type.offset + form->type.width - 1; // may be on another line
    uint64_t balance = 0;
    for (uint64_t at = pool->first + pad; at <= end; at += block_size) {
        __builtin_prefetch(bytes + at + PREFETCH_AHEAD);
        __builtin_prefetch(bytes + at + PREFETCH_AHEAD + last);
        if (!is_tracked(part, form, page + at, bytes + at))
            continue;
        bits[at / HEAP_GRAIN / 64] |= UINT64_C(1) << (at / HEAP_GRAIN % 64);
        vaddr next = add_links(&balance, form, page + at, bytes + at);
        if (next - start < size)
            note_next(part, &states[(next - start) / POOL_SIZE], next);
        else
            note_next_elsewhere(part, next);
    }
    part->balance += balance;
}

// The page, if it can be one of a pool.
static const uint8_t *view_page(struct sweep_part *part, const struct heap_range *range, vaddr page)
{
    enum memory_status status;
    // Two pages of another range could share a word of the bitmap.
    return range->start % POOL_SIZE == 0 && range->size - (page - range->start) >= POOL_SIZE
               ? memory_view(&part->memory, page, POOL_SIZE, &status)
               : NULL;
}

// Notes what could be an element of a page that is no pool and that some element's gc_next leads
// to. The one before it may be one that nobody has looked at yet.
static void search_page(struct sweep_part *part, const struct heap_range *range, vaddr page)
{
    const struct element_form *form = &part->sweep->form;
    enum memory_status status;
    vaddr from = page > range->start ? page : range->start;
    uint64_t element = element_size(part->sweep);
    uint64_t size = page + POOL_SIZE - from + element - HEAP_GRAIN; // the last begins in the page
    if (size > range->size - (from - range->start))
        size = range->size - (from - range->start);
    const uint8_t *bytes = memory_view(&part->memory, from, size, &status);
    for (uint64_t at = 0; bytes && at + element <= size; at += HEAP_GRAIN)
        if (read_refs(form, bytes + at) == GC_REACHABLE &&
            has_gc(part, read_member(form, bytes + at, form->type)))
            note_place(part, &part->guesses, from + at);
}

static void sweep_page(struct sweep_part *part, const struct heap_range *range, vaddr page)
{
    struct sweep *sweep = part->sweep;
    struct pools_header pool;
    _Atomic uint8_t *state = &sweep->states[page_number(range, page)];
    const uint8_t *bytes = view_page(part, range, page);
    if (!bytes || !pools_read_header(sweep->heap->runtime, page, bytes, &pool)) {
        if (atomic_exchange(state, PAGE_OTHER) == PAGE_LINKED)
            search_page(part, range, page);
        return;
    }
    atomic_store_explicit(state, PAGE_POOL, memory_order_relaxed);
    // With PYMALLOC_DEBUG a block begins with its size and a pad.
    if (pool.block_size < sweep->heap->runtime->debug_pad + element_size(sweep) ||
        pool.end < pool.first + pool.block_size)
        return;
    // Constants let the compiler fold offsets, widths and the byte order out of the loop.
    if (sweep->usual)
        take_blocks(part, &USUAL_FORM, range, page, bytes, &pool);
    else
        take_blocks(part, &sweep->form, range, page, bytes, &pool);
}

static void sweep_pages(void *context, unsigned job)
{
    each_page(context, job, sweep_page);
}

// Takes an element outside of the pools and what follows it, until that is back in them, at a list
// head, or at an element taken already.
static void follow_outside(struct sweep_part *part, vaddr at)
{
    struct heap *heap = part->sweep->heap;
    enum memory_status status;
    const uint8_t *bytes;
    uint64_t bit;
    while (!is_pool_page(part->sweep, at) &&
           (bytes = memory_view(&part->memory, at, element_size(part->sweep), &status)) &&
           (bit = discovery_bit(heap, at)) != DISCOVERY_NO_BIT &&
           !(heap->bits[bit / 64] >> (bit % 64) & 1) &&
           is_tracked(part, &part->sweep->form, at, bytes)) {
        heap->bits[bit / 64] |= UINT64_C(1) << (bit % 64);
        at = add_links(&part->balance, &part->sweep->form, at, bytes);
    }
}

// Does an element that was taken lead to this one?
static bool is_entered(struct heap *heap, vaddr at)
{
    struct discovery_element element, before;
    return discovery_read(heap, at, &element) && discovery_is_marked(heap, element.previous) &&
           discovery_step(heap, &element, false, &before);
}

static void follow_places(struct sweep_part *part, const struct sweep_part *found)
{
    for (size_t i = 0; i < found->outside.count; i++)
        follow_outside(part, found->outside.at[i]);
    for (size_t i = 0; i < found->guesses.count; i++)
        if (is_entered(part->sweep->heap, found->guesses.at[i]))
            follow_outside(part, found->guesses.at[i]);
}

// The rings' own heads, whose type word is something else.
static bool add_heads(struct sweep_part *part)
{
    const struct runtime *runtime = part->sweep->heap->runtime;
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++) {
        struct discovery_element head;
        if (!discovery_read(part->sweep->heap, runtime->generations[i].head, &head))
            return false;
        part->balance += hash_link(head.at, head.next) - hash_link(head.previous, head.at);
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
    uint64_t balance = 0;
    for (unsigned job = 0; job < sweep->jobs; job++)
        follow_places(first, &sweep->parts[job]);
    for (unsigned job = 0; job < sweep->jobs; job++) {
        balance += sweep->parts[job].balance;
        complete = complete && !sweep->parts[job].no_memory && !sweep->parts[job].in_flux;
    }
    return complete && balance == 0;
}

static void set_form(struct sweep *sweep)
{
    const struct runtime *runtime = sweep->heap->runtime;
    const struct layout_value *values = runtime->layout.values;
    struct element_form *form = &sweep->form;
    *form = (struct element_form){
        runtime->memory->format,          values[LAYOUT_PyGC_Head_gc_next],
        values[LAYOUT_PyGC_Head_gc_prev], values[LAYOUT_PyGC_Head_gc_refs],
        values[LAYOUT_PyObject_ob_type],
    };
    form->type.offset += layout_offset(&runtime->layout, LAYOUT_PyGC_Head_sizeof);
    sweep->usual = memcmp(form, &USUAL_FORM, sizeof(*form)) == 0;
}

static bool init_sweep(struct sweep *sweep)
{
    set_form(sweep);
    set_first_pages(sweep);
    sweep->states = calloc(sweep->pages + 1, sizeof(*sweep->states));
    sweep->parts = calloc(sweep->jobs, sizeof(*sweep->parts));
    if (!sweep->states || !sweep->parts) {
        free(sweep->states);
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
        free(sweep->parts[job].outside.at);
        free(sweep->parts[job].guesses.at);
    }
    pthread_mutex_destroy(&sweep->lock);
    free(sweep->parts);
    free(sweep->states);
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

static void look_at_page(struct sweep_part *part, const struct heap_range *range, vaddr page)
{
    struct sweep *sweep = part->sweep;
    struct pools_header pool;
    uint32_t pad = sweep->heap->runtime->debug_pad, least = pad + element_size(sweep);
    const uint8_t *bytes = view_page(part, range, page);
    if (!bytes || !pools_read_header(sweep->heap->runtime, page, bytes, &pool) ||
        pool.block_size < least)
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
