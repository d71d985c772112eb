#include "parallel.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void *parallel_parts_create(unsigned jobs, size_t size)
{
    size_t bytes = (jobs ? jobs : 1) * size; // a handful of small structs
    void *parts = aligned_alloc(PARALLEL_APART, bytes);
    if (parts)
        memset(parts, 0, bytes);
    return parts;
}

unsigned parallel_processors(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    return count > PARALLEL_JOBS_MAX ? PARALLEL_JOBS_MAX : (unsigned)count;
}

struct part {
    void (*work)(void *context, unsigned job);
    void *context;
    unsigned job;
    pthread_t thread;
    bool started;
};

static void *run_part(void *argument)
{
    struct part *part = argument;
    part->work(part->context, part->job);
    return NULL;
}

void parallel_run(unsigned jobs, void (*work)(void *context, unsigned job), void *context)
{
    struct part parts[PARALLEL_JOBS_MAX];
    if (jobs > PARALLEL_JOBS_MAX)
        jobs = PARALLEL_JOBS_MAX;
    for (unsigned job = 1; job < jobs; job++) {
        parts[job] = (struct part){.work = work, .context = context, .job = job};
        parts[job].started = pthread_create(&parts[job].thread, NULL, run_part, &parts[job]) == 0;
    }
    work(context, 0);
    for (unsigned job = 1; job < jobs; job++) {
        if (parts[job].started)
            pthread_join(parts[job].thread, NULL);
        else
            work(context, job);
    }
}
