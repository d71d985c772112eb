// The same work for several parts, each in a thread of its own.
#ifndef ANALYZER_PARALLEL_H
#define ANALYZER_PARALLEL_H

enum {
    PARALLEL_JOBS_MAX = 64
};

// How many processors this process may use, at most PARALLEL_JOBS_MAX.
unsigned parallel_processors(void);

// Runs work(context, job) for every job below `jobs` and returns when all are done. What cannot get
// a thread is run by the caller: the result is the same, later.
void parallel_run(unsigned jobs, void (*work)(void *context, unsigned job), void *context);

#endif
