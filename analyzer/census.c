#include "census.h"

#include <stdlib.h>

#include "census_sweep.h"
#include "parallel.h"
#include "pools.h"

// --- threads

static bool init_part(struct census_work *work, struct census_part *part)
{
    struct heap *heap = work->heap;
    part->work = work;
    memory_share(heap->runtime->memory, &part->memory);
    part->runtime = *heap->runtime;
    part->runtime.memory = &part->memory;
    part->types.runtime = &part->runtime;
    type_cache_init(&part->type_cache, &heap->types, &work->lock);
    part->mappings = calloc(work->source->mapping_count + 1, sizeof(*part->mappings));
    part->arenas = calloc(CENSUS_ARENAS_MAX / 64, sizeof(*part->arenas));
    return part->mappings && part->arenas;
}

static void deinit_part(struct census_part *part)
{
    if (part->work)
        memory_unshare(&part->memory);
    free(part->tallies);
    free(part->mappings);
    free(part->arenas);
}

static void count_tracked(void *context, unsigned job)
{
    census_count_tracked(&((struct census_part *)context)[job], job);
}

static void sweep_pages(void *context, unsigned job)
{
    census_sweep_pages(&((struct census_part *)context)[job], job);
}

// --- putting the parts together

static void add_up(struct census_count *count, const struct census_count *more)
{
    count->objects += more->objects;
    count->bytes += more->bytes;
}

static void add_pools(struct census_pools *pools, const struct census_pools *more)
{
    pools->pools += more->pools;
    pools->free_pools += more->free_pools;
    pools->live_bytes += more->live_bytes;
    pools->free_bytes += more->free_bytes;
    pools->free_pool_bytes += more->free_pool_bytes;
    pools->lost_bytes += more->lost_bytes;
}

static void add_part(struct census *census, const struct census_part *part)
{
    for (size_t i = 0; i < COLLECT_STATE_LIMIT; i++)
        add_up(&census->states[i], &part->states[i]);
    add_up(&census->untracked, &part->untracked);
    add_up(&census->parts, &part->parts);
    add_up(&census->cached, &part->cached);
    add_pools(&census->pools, &part->pools);
    for (size_t i = 0; i < census->mapping_count; i++) {
        census->mappings[i].used += part->mappings[i].used;
        census->mappings[i].pools += part->mappings[i].pools;
        census->mappings[i].objects += part->mappings[i].objects;
    }
}

static void count_arenas(struct census *census, const struct census_part *parts, unsigned jobs)
{
    for (size_t i = 0; i < CENSUS_ARENAS_MAX / 64; i++) {
        uint64_t bits = 0;
        for (unsigned job = 0; job < jobs; job++)
            bits |= parts[job].arenas[i];
        census->pools.arenas += heap_count_bits(bits);
    }
}

// --- types

static uint64_t type_bytes(const struct census_type *type)
{
    return type->live.bytes + type->garbage.bytes + type->trash.bytes;
}

static int by_name(const void *a, const void *b)
{
    const struct census_type *left = a, *right = b;
    return strcmp(left->name, right->name);
}

static int by_bytes(const void *a, const void *b)
{
    const struct census_type *left = a, *right = b;
    if (type_bytes(left) != type_bytes(right))
        return type_bytes(left) > type_bytes(right) ? -1 : 1;
    return strcmp(left->name, right->name);
}

// What is held moves from one count to the other.
static void move_held(struct census_type *type, const struct findings_held *held)
{
    struct census_count moved = {held->objects, held->bytes};
    if (moved.objects > type->live.objects)
        moved.objects = type->live.objects;
    if (moved.bytes > type->live.bytes)
        moved.bytes = type->live.bytes;
    type->live.objects -= moved.objects;
    type->live.bytes -= moved.bytes;
    add_up(&type->garbage, &moved);
}

static struct census_type sum_type(const struct census_work *work, uint32_t index,
                                   const struct census_part *parts)
{
    struct census_type type = {.name = work->heap->types.types[index].name};
    for (unsigned job = 0; job < work->jobs; job++) {
        if (index >= parts[job].tally_count)
            continue;
        const struct census_tally *tally = &parts[job].tallies[index];
        add_up(&type.live, &tally->live);
        add_up(&type.garbage, &tally->garbage);
        add_up(&type.trash, &tally->trash);
    }
    if (index < work->findings->held_type_count)
        move_held(&type, &work->findings->held_types[index]);
    return type;
}

// Classes of one name are one row: a function may make its class again with every call.
static void fold_types(struct census *census)
{
    size_t kept = 0;
    if (census->type_count)
        qsort(census->types, census->type_count, sizeof(*census->types), by_name);
    for (size_t i = 0; i < census->type_count; i++) {
        struct census_type *type = &census->types[i];
        struct census_type *last = kept ? &census->types[kept - 1] : NULL;
        if (last && strcmp(last->name, type->name) == 0) {
            add_up(&last->live, &type->live);
            add_up(&last->garbage, &type->garbage);
            add_up(&last->trash, &type->trash);
        } else {
            census->types[kept++] = *type;
        }
    }
    census->type_count = kept;
    if (kept)
        qsort(census->types, kept, sizeof(*census->types), by_bytes);
}

static bool list_types(struct census *census, const struct census_work *work,
                       const struct census_part *parts)
{
    uint32_t count = work->heap->types.count;
    census->types = calloc((size_t)count + 1, sizeof(*census->types));
    if (!census->types)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct census_type type = sum_type(work, i, parts);
        if (type.live.objects || type.garbage.objects || type.trash.objects)
            census->types[census->type_count++] = type;
    }
    fold_types(census);
    return true;
}

// --- mappings

static int by_other(const void *a, const void *b)
{
    const struct census_mapping *left = a, *right = b;
    if (census_other(left) != census_other(right))
        return census_other(left) > census_other(right) ? -1 : 1;
    return (left->start > right->start) - (left->start < right->start);
}

static void sum_mappings(struct census *census)
{
    for (size_t i = 0; i < census->mapping_count; i++) {
        const struct census_mapping *mapping = &census->mappings[i];
        census->used_bytes += mapping->used;
        census->other_bytes += census_other(mapping);
        census->other_kinds[mapping->kind] += census_other(mapping);
    }
    if (census->mapping_count)
        qsort(census->mappings, census->mapping_count, sizeof(*census->mappings), by_other);
}

// --- all of it

static bool take_census(struct census_work *work, struct census_part *parts, struct census *census)
{
    const struct census_source *source = work->source;
    for (unsigned job = 0; job < work->jobs; job++)
        if (!init_part(work, &parts[job]))
            return false;
    parallel_run(work->jobs, count_tracked, parts);
    parallel_run(work->jobs, sweep_pages, parts);
    for (unsigned job = 0; job < work->jobs; job++)
        if (parts[job].no_memory)
            return false;
    census->mappings = calloc(source->mapping_count + 1, sizeof(*census->mappings));
    if (!census->mappings)
        return false;
    census->mapping_count = source->mapping_count;
    for (size_t i = 0; i < source->mapping_count; i++)
        census->mappings[i] = source->mappings[i];
    for (unsigned job = 0; job < work->jobs; job++)
        add_part(census, &parts[job]);
    count_arenas(census, parts, work->jobs);
    sum_mappings(census);
    census->python_bytes = census->untracked.bytes;
    for (size_t i = 0; i < COLLECT_STATE_LIMIT; i++)
        census->python_bytes += census->states[i].bytes;
    return list_types(census, work, parts);
}

static void init_work(struct census_work *work)
{
    const struct memory *memory = work->heap->runtime->memory;
    if (memory->count) {
        const struct memory_span *last = &memory->spans[memory->count - 1];
        work->lowest = memory->spans[0].start;
        work->highest = last->start + last->size;
    }
    for (size_t i = 0; i < work->source->range_count; i++)
        work->pages += work->source->ranges[i].size / POOLS_PAGE_SIZE;
    pthread_mutex_init(&work->lock, NULL);
}

struct failure *census_create(struct heap *heap, const uint8_t *states,
                              const struct findings *findings, const struct census_source *source,
                              unsigned jobs, struct census **census)
{
    struct census_work work = {.heap = heap,
                               .states = states,
                               .findings = findings,
                               .source = source,
                               .jobs = jobs == 0                  ? 1
                                       : jobs > PARALLEL_JOBS_MAX ? PARALLEL_JOBS_MAX
                                                                  : jobs};
    struct census_part *parts = parallel_parts_create(work.jobs, sizeof(*parts));
    struct census *made = calloc(1, sizeof(*made));
    bool done = parts && made;
    init_work(&work);
    if (done) {
        made->has_holes = source->has_holes;
        made->coverage = source->coverage;
        done = take_census(&work, parts, made);
    }
    for (unsigned job = 0; parts && job < work.jobs; job++)
        deinit_part(&parts[job]);
    pthread_mutex_destroy(&work.lock);
    free(parts);
    if (!done) {
        census_destroy(made);
        return failure_no_memory();
    }
    *census = made;
    return NULL;
}

void census_destroy(struct census *census)
{
    if (!census)
        return;
    free(census->types);
    free(census->mappings);
    free(census);
}
