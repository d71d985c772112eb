// The same work for several parts, each in a thread of its own. It does not know what work.
#ifndef ANALYZER_PARALLEL_H
#define ANALYZER_PARALLEL_H

#include <stddef.h>
#include <stdint.h>

enum {
    PARALLEL_JOBS_MAX = 64,
    // Ranges begin at multiples, so that no two share a byte of a bit array or a cache line of
    // bytes.
    PARALLEL_MULTIPLE = 64,
    // What several threads write to lies at least so many bytes apart: a cache line, and the one
    // that processors fetch with it.
    PARALLEL_APART = 128,
};

// Where a job's range of `count` things begins; that of job `jobs` is where the last one's ends.
static inline uint32_t parallel_first(uint32_t count, unsigned jobs, unsigned job)
{
    uint64_t multiples = count / PARALLEL_MULTIPLE + 1;
    uint64_t first = multiples * job / jobs * PARALLEL_MULTIPLE;
    return first < count ? (uint32_t)first : count;
}

// An array of zeroes with an entry per job, freed with free(); NULL: memory is short. `size` is
// that of a struct aligned to PARALLEL_APART: no two jobs write to one cache line.
void *parallel_parts_create(unsigned jobs, size_t size) __attribute__((warn_unused_result));

// How many processors this process may use, at most PARALLEL_JOBS_MAX.
unsigned parallel_processors(void);

// Runs work(context, job) for every job below `jobs` and returns when all are done. What cannot get
// a thread is run by the caller: the result is the same, later.
void parallel_run(unsigned jobs, void (*work)(void *context, unsigned job), void *context);

#endif
