// What memory is used for, in made-up processes: objects by state and type, blocks and pools of
// pymalloc, and mappings of every kind.
#include "common.h"

#include <stdlib.h>
#include <string.h>

#include "census.h"
#include "pools.h"
#include "scene_heap.h"

static struct census *census;
static struct census_mapping mappings[FAKEHEAP_ARENAS];
static struct census_range ranges[FAKEHEAP_ARENAS];
static struct census_source source;
static struct findings findings;
static uint8_t *states;

static void close_census(void)
{
    census_destroy(census);
    census = NULL;
    free(states);
    states = NULL;
    close_heap();
}

#define WORLDS(name) WORLD_TEST(census, name, close_census)

static int by_start(const void *a, const void *b)
{
    const struct census_mapping *left = a, *right = b;
    return (left->start > right->start) - (left->start < right->start);
}

static void fill_mapping(size_t arena)
{
    mappings[arena] = (struct census_mapping){
        .kind = arena < FAKEHEAP_ARENA_HEAP ? CENSUS_FILE : CENSUS_ANONYMOUS,
        .path = arena < FAKEHEAP_ARENA_HEAP ? "/usr/lib/libpython.so" : NULL,
        .start = fake.arenas[arena].start,
        .size = fake.arenas[arena].size,
        .saved = fake.arenas[arena].used};
}

// Whole pages of all arenas: those before the heap's are static data.
static void fill_source(void)
{
    source = (struct census_source){
        .mappings = mappings, .ranges = ranges, .has_holes = true, .coverage = {1, 2, 3}};
    source.mapping_count = source.range_count = fake.arena_count;
    for (size_t i = 0; i < fake.arena_count; i++)
        fill_mapping(i);
    qsort(mappings, fake.arena_count, sizeof(*mappings), by_start);
    for (size_t i = 0; i < fake.arena_count; i++) {
        size_t arena = 0;
        while (fake.arenas[arena].start != mappings[i].start)
            arena++;
        ranges[i] = (struct census_range){mappings[i].start,
                                          mappings[i].saved / POOLS_PAGE_SIZE * POOLS_PAGE_SIZE,
                                          fake.arenas[arena].bytes, i};
    }
}

// With all objects in one state.
static void take(uint8_t state, unsigned jobs)
{
    census_destroy(census);
    free(states);
    open_heap(1);
    states = malloc((size_t)heap->count + 1);
    memset(states, state, (size_t)heap->count + 1);
    fill_source();
    cr_assert_null(census_create(heap, states, &findings, &source, jobs, &census), "%s", world);
}

static const struct census_type *find_type(const char *name)
{
    static const struct census_type none;
    for (size_t i = 0; i < census->type_count; i++)
        if (strcmp(census->types[i].name, name) == 0)
            return &census->types[i];
    return &none;
}

// Something refers to it: without that it were dead.
static vaddr held(vaddr object)
{
    fakeheap_hold(&fake, object, 1);
    return object;
}

// Rounds up to whole pages, so that the arena's last page is looked at.
static void fill_page(void)
{
    fakeheap_allocate(&fake, POOLS_PAGE_SIZE * 2);
}

WORLDS(tracked_objects_by_state)
{
    static const enum collect_state all[] = {COLLECT_REACHABLE, COLLECT_UNCOLLECTABLE,
                                             COLLECT_PENDING, COLLECT_TRASH, COLLECT_KEPT};
    for (int i = 0; i < 5; i++)
        fakeheap_list(&fake);
    for (size_t i = 0; i < LENGTH(all); i++) {
        take((uint8_t)all[i], 1);
        const struct census_type *type = find_type("list");
        for (size_t j = 0; j < LENGTH(all); j++)
            cr_expect_eq(census->states[all[j]].objects, i == j ? heap->count : 0, "%s", world);
        cr_expect_eq(census->states[all[i]].bytes, heap->bytes, "%s", world);
        cr_expect_eq(type->garbage.objects, i == 0 || i == 3 ? 0 : 5, "%s: state %zu", world, i);
        cr_expect_eq(type->trash.objects, i == 3 ? 5 : 0, "%s", world);
    }
}

// The whole block of pymalloc that an object lies in, with the pads of PYMALLOC_DEBUG.
static struct pools_block whole_block(vaddr object)
{
    struct pools_block block;
    cr_assert(pools_find_block(&fake.runtime, object, &block), "%s", world);
    block.start -= fake.runtime.debug_pad;
    block.size += 2 * fake.runtime.debug_pad;
    return block;
}

// An object's block becomes the head of its pool's list of free ones.
static void free_block(vaddr object)
{
    vaddr pool = object & ~(vaddr)(POOLS_PAGE_SIZE - 1), block = whole_block(object).start;
    fakeheap_poke_word(&fake, block, fakeheap_get(&fake, pool, LAYOUT_pool_header_freeblock));
    fakeheap_set(&fake, pool, LAYOUT_pool_header_freeblock, block);
}

// Strings in pools are found, free blocks are not taken for some.
WORLDS(untracked_objects_in_pools)
{
    take(COLLECT_REACHABLE, 1);
    fakeheap_use_pools(&fake);
    vaddr first = held(fakeheap_str(&fake, "a string"));
    vaddr second = held(fakeheap_str(&fake, "another"));
    held(fakeheap_str(&fake, "third"));
    fill_page();
    take(COLLECT_REACHABLE, 1);
    struct census_count before = find_type("str")->live, parts = census->parts;
    cr_expect_geq(before.objects, 3, "%s", world);
    cr_expect_gt(before.bytes, 3 * 16, "%s", world);
    uint64_t free_bytes = census->pools.free_bytes, live_bytes = census->pools.live_bytes;
    struct pools_block block = whole_block(second);
    free_block(second);
    take(COLLECT_REACHABLE, 1);
    cr_expect_eq(find_type("str")->live.objects, before.objects - 1, "%s", world);
    cr_expect_eq(census->pools.free_bytes, free_bytes + block.size, "%s", world);
    cr_expect_eq(census->pools.live_bytes, live_bytes - block.size, "%s", world);
    // One was freed by its reference count, and is kept for the next object of its type.
    uint64_t cached = census->cached.objects;
    fakeheap_set(&fake, first, LAYOUT_PyObject_ob_refcnt, 0);
    take(COLLECT_REACHABLE, 1);
    cr_expect_eq(find_type("str")->live.objects, before.objects - 2, "%s", world);
    cr_expect_eq(census->cached.objects, cached + 1, "%s", world);
    // And one is overwritten by something that is no object.
    fakeheap_set(&fake, first, LAYOUT_PyObject_ob_type, 0x6161616161616161);
    take(COLLECT_REACHABLE, 1);
    cr_expect_eq(census->parts.objects, parts.objects + 1, "%s", world);
}

WORLDS(free_pools)
{
    fakeheap_use_pools(&fake);
    vaddr only = 0, previous;
    do { // until it is the first in a pool of its own
        previous = only;
        only = held(fakeheap_str_of(&fake, "", 0));
    } while (!previous || previous / POOLS_PAGE_SIZE == only / POOLS_PAGE_SIZE);
    fill_page();
    take(COLLECT_REACHABLE, 1);
    struct census_pools before = census->pools;
    cr_expect_gt(before.pools, 0, "%s", world);
    cr_expect_eq(before.arenas, 1, "%s", world);
    free_block(only);
    take(COLLECT_REACHABLE, 1);
    cr_expect_eq(census->pools.free_pools, before.free_pools + 1, "%s", world);
    cr_expect_eq(census->pools.pools, before.pools - 1, "%s", world);
    cr_expect_eq(census->pools.free_pool_bytes, before.free_pool_bytes + POOLS_PAGE_SIZE, "%s",
                 world);
}

// A damaged list of free blocks: the page is no pool.
WORLDS(damaged_pools)
{
    struct pools_page page;
    enum memory_status status;
    fakeheap_use_pools(&fake);
    vaddr str = held(fakeheap_str(&fake, "a string")), pool = str & ~(vaddr)(POOLS_PAGE_SIZE - 1);
    fill_page();
    open_heap(1);
    vaddr own = fakeheap_get(&fake, pool, LAYOUT_pool_header_freeblock);
    vaddr block = whole_block(str).start;
    const struct {
        vaddr block, link;
        bool is_pool;
    } rows[] = {{own, 0, true},
                {block, 0, true},
                {block, block, false},
                {block, pool + 8, false},
                {block, pool + POOLS_PAGE_SIZE, false},
                {block + 8, 0, false}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        fakeheap_set(&fake, pool, LAYOUT_pool_header_freeblock, rows[i].block);
        if (rows[i].block)
            fakeheap_poke_word(&fake, rows[i].block, rows[i].link);
        open_heap(1);
        const uint8_t *bytes = memory_view(fake.runtime.memory, pool, POOLS_PAGE_SIZE, &status);
        cr_assert_not_null(bytes, "%s", world);
        cr_expect_eq(pools_read_page(&fake.runtime, pool, bytes, &page), rows[i].is_pool,
                     "%s: row %zu", world, i);
    }
}

// What garbage holds is garbage of its type, and no more than there is.
WORLDS(held_objects)
{
    struct findings_held counts[64] = {{0}};
    fakeheap_use_pools(&fake);
    vaddr str = held(fakeheap_str(&fake, "a string"));
    fill_page();
    take(COLLECT_REACHABLE, 1);
    struct census_count before = find_type("str")->live;
    uint32_t type;
    cr_assert_eq(object_find_type(&heap->types, str, &type), MEMORY_OK, "%s", world);
    cr_assert_lt(type, LENGTH(counts), "%s", world);
    for (int i = 0; i < 2; i++) {
        counts[type] = i ? (struct findings_held){9999, 1 << 30} : (struct findings_held){1, 32};
        findings = (struct findings){.held_types = counts, .held_type_count = LENGTH(counts)};
        take(COLLECT_REACHABLE, 1);
        const struct census_type *strs = find_type("str");
        cr_expect_eq(strs->garbage.objects, i ? before.objects : 1, "%s", world);
        cr_expect_eq(strs->garbage.bytes, i ? before.bytes : 32, "%s", world);
        cr_expect_eq(strs->live.objects + strs->garbage.objects, before.objects, "%s", world);
        cr_expect_eq(strs->live.bytes + strs->garbage.bytes, before.bytes, "%s", world);
    }
    findings = (struct findings){0};
}

// Too large for a pool: found by its type anywhere in memory of malloc, unless it was freed.
WORLDS(large_strings)
{
    static const char text[2000];
    vaddr large = held(fakeheap_str_of(&fake, text, sizeof(text)));
    fill_page();
    take(COLLECT_REACHABLE, 1);
    struct census_count before = find_type("str")->live;
    cr_expect_gt(before.bytes, sizeof(text), "%s", world);
    fakeheap_set(&fake, large, LAYOUT_PyObject_ob_refcnt, 0);
    take(COLLECT_REACHABLE, 1);
    cr_expect_eq(find_type("str")->live.objects, before.objects - 1, "%s", world);
    cr_expect_lt(find_type("str")->live.bytes, before.bytes - sizeof(text), "%s", world);
}

// What nobody can account for is other memory; a mapping of a file is not looked into.
WORLDS(other_memory)
{
    take(COLLECT_REACHABLE, 1);
    uint64_t used = census->used_bytes, other = census->other_kinds[CENSUS_ANONYMOUS];
    uint64_t files = census->other_kinds[CENSUS_FILE];
    fakeheap_arena(&fake, UINT64_C(0x70000000), 1 << 20);
    memset(fakeheap_bytes(&fake, fakeheap_allocate(&fake, 1 << 18), 1 << 18), 0x41, 1 << 18);
    take(COLLECT_REACHABLE, 1);
    cr_expect_eq(census->used_bytes, used + (1 << 18), "%s", world);
    cr_expect_eq(census->other_kinds[CENSUS_ANONYMOUS], other + (1 << 18), "%s", world);
    cr_expect_eq(census->other_kinds[CENSUS_FILE], files, "%s", world);
    cr_expect_eq(census->mappings[0].start, 0x70000000, "%s", world);
    cr_expect_eq(census_other(&census->mappings[0]), 1 << 18, "%s", world);
    cr_expect_eq(census->coverage.missing, 3, "%s", world);
    // Pages of zeroes were not written, where the core does not tell.
    memset(fake.arenas[fake.arena_count - 1].bytes, 0, 1 << 17);
    take(COLLECT_REACHABLE, 1);
    cr_expect_eq(census->used_bytes, used + (1 << 18), "%s", world);
    source.has_holes = false;
    census_destroy(census);
    cr_assert_null(census_create(heap, states, &findings, &source, 1, &census));
    cr_expect_eq(census_other(&census->mappings[0]), 1 << 17, "%s", world);
}

// Tables and items are malloc's: they are not other memory.
WORLDS(tables_and_items)
{
    fakeheap_arena(&fake, UINT64_C(0x70000000), 1 << 20);
    vaddr list = fakeheap_list(&fake), dict = fakeheap_dict(&fake);
    vaddr item = fakeheap_int(&fake, 1);
    for (int i = 0; i < 1000; i++) {
        if (i < 200)
            fakeheap_append(&fake, list, item);
        fakeheap_dict_set(&fake, dict, fakeheap_int(&fake, i), item);
    }
    fakeheap_track(&fake, dict, 0);
    fill_page();
    take(COLLECT_REACHABLE, 1);
    const struct census_mapping *mapping = census->mappings;
    while (mapping->start != 0x70000000)
        mapping++;
    uint64_t sizes = heap_size(heap, number_of(list)) + heap_size(heap, number_of(dict));
    cr_expect_gt(sizes, 20000, "%s", world);
    cr_expect_gt(mapping->objects, sizes - 1000, "%s: %" PRIu64 " of %" PRIu64, world,
                 mapping->objects, sizes);
    cr_expect_geq(find_type("int")->live.objects, 1001, "%s", world);
}

// The result does not depend on the number of threads.
WORLDS(threads_agree)
{
    fakeheap_use_pools(&fake);
    for (int i = 0; i < 1000; i++) {
        fakeheap_list(&fake);
        held(fakeheap_unicode(&fake, (uint64_t)i));
        held(fakeheap_int(&fake, i));
    }
    fill_page();
    take(COLLECT_REACHABLE, 1);
    struct census one = *census;
    struct census_count lists = find_type("list")->live, texts = find_type("unicode")->live;
    take(COLLECT_REACHABLE, 7);
    cr_expect_eq(census->python_bytes, one.python_bytes, "%s", world);
    cr_expect_eq(census->used_bytes, one.used_bytes, "%s", world);
    cr_expect_eq(census->other_bytes, one.other_bytes, "%s", world);
    cr_expect_eq(census->type_count, one.type_count, "%s", world);
    cr_expect(memcmp(&census->pools, &one.pools, sizeof(one.pools)) == 0, "%s", world);
    cr_expect_eq(find_type("list")->live.bytes, lists.bytes, "%s", world);
    cr_expect_eq(find_type("unicode")->live.bytes, texts.bytes, "%s", world);
    cr_expect_geq(texts.objects, 1000, "%s", world);
}
