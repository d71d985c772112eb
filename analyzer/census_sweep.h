// The two sweeps of a census, and what a thread counts in them. Private to census.c and
// census_sweep.c.
#ifndef ANALYZER_CENSUS_SWEEP_H
#define ANALYZER_CENSUS_SWEEP_H

#include "census.h"
#include "parallel.h"
#include "type_cache.h"

enum {
    CENSUS_ARENAS_MAX = 1 << 22 // 1 TiB
};

// Objects of one type.
struct census_tally {
    struct census_count live;
    struct census_count garbage;
    struct census_count trash;
};

struct census_work {
    struct heap *heap;
    const uint8_t *states;
    const struct findings *findings;
    const struct census_source *source;
    uint64_t pages; // of all ranges
    vaddr lowest, highest;
    unsigned jobs;
    pthread_mutex_t lock; // over heap->types and the memory they are read through
};

// One thread's part.
struct census_part {
    struct census_work *work;
    // Views of its own of what the heap has: reading leaves traces in a memory.
    struct memory memory;
    struct runtime runtime;
    struct object_types types;
    struct type_cache type_cache;
    struct census_tally *tallies; // by number of the type in heap->types
    size_t tally_count;
    struct census_mapping *mappings; // parallel to the source's: only used, pools and objects
    size_t last_mapping;             // of the last hit
    struct census_count states[COLLECT_STATE_LIMIT];
    struct census_count untracked;
    struct census_count parts;
    struct census_count cached;
    struct census_pools pools;
    uint64_t *arenas; // one bit per arena: has pools
    bool no_memory;
} __attribute__((aligned(PARALLEL_APART)));

// Counts the tracked objects: a job's share of the numbers.
void census_count_tracked(struct census_part *part, unsigned job);

// Counts pages, blocks and untracked objects: a job's share of the ranges.
void census_sweep_pages(struct census_part *part, unsigned job);

#endif
