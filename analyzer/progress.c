#include "progress.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "report_words.h"

enum {
    INTERVAL = 200000000 // nanoseconds between two lines
};

struct progress {
    FILE *file;
    double delay;
    struct timespec created;
    pthread_t thread;
    pthread_mutex_t mutex; // of all that follows but `done`
    pthread_cond_t changed;
    bool ends;
    bool visible; // there is a line to wipe
    const char *phase;
    const char *unit;
    uint64_t total;
    struct timespec began; // the phase
    atomic_uint_fast64_t done;
};

static double seconds_since(const struct timespec *then)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

static void wipe(struct progress *progress)
{
    if (progress->visible)
        fputs("\r\33[K", progress->file);
    progress->visible = false;
}

static void put_line(struct progress *progress)
{
    char rate[NUMBER_MAX];
    uint64_t done = atomic_load(&progress->done);
    double seconds = seconds_since(&progress->began);
    if (!progress->phase || seconds_since(&progress->created) < progress->delay)
        return;
    wipe(progress);
    fprintf(progress->file, PROGRAM_NAME ": %s", progress->phase);
    if (progress->total && seconds > 0) {
        uint64_t percent = (uint64_t)(100 * ((double)done / (double)progress->total));
        fprintf(progress->file, ": %" PRIu64 " %%, %s %s a second", percent < 100 ? percent : 100,
                grouped((uint64_t)((double)done / seconds), rate), progress->unit);
    } else {
        fprintf(progress->file, ": %.0f s", seconds);
    }
    fflush(progress->file);
    progress->visible = true;
}

static void *run(void *context)
{
    struct progress *progress = context;
    struct timespec next;
    pthread_mutex_lock(&progress->mutex);
    clock_gettime(CLOCK_MONOTONIC, &next);
    while (!progress->ends) {
        next.tv_nsec += INTERVAL;
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        while (!progress->ends &&
               pthread_cond_timedwait(&progress->changed, &progress->mutex, &next) != ETIMEDOUT)
            ;
        if (!progress->ends)
            put_line(progress);
    }
    pthread_mutex_unlock(&progress->mutex);
    return NULL;
}

struct progress *progress_create(FILE *file, double delay)
{
    struct progress *progress = calloc(1, sizeof(*progress));
    pthread_condattr_t attributes;
    if (!progress)
        return NULL;
    progress->file = file;
    progress->delay = delay;
    clock_gettime(CLOCK_MONOTONIC, &progress->created);
    pthread_mutex_init(&progress->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&progress->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&progress->thread, NULL, run, progress) == 0)
        return progress;
    pthread_cond_destroy(&progress->changed);
    pthread_mutex_destroy(&progress->mutex);
    free(progress);
    return NULL;
}

void progress_destroy(struct progress *progress)
{
    if (!progress)
        return;
    pthread_mutex_lock(&progress->mutex);
    progress->ends = true;
    pthread_cond_signal(&progress->changed);
    pthread_mutex_unlock(&progress->mutex);
    pthread_join(progress->thread, NULL);
    wipe(progress);
    fflush(progress->file);
    pthread_cond_destroy(&progress->changed);
    pthread_mutex_destroy(&progress->mutex);
    free(progress);
}

void progress_phase(struct progress *progress, const char *phase, const char *unit, uint64_t total)
{
    if (!progress)
        return;
    pthread_mutex_lock(&progress->mutex);
    if (!phase)
        wipe(progress);
    progress->phase = phase;
    progress->unit = unit;
    progress->total = total;
    fflush(progress->file);
    atomic_store(&progress->done, 0);
    clock_gettime(CLOCK_MONOTONIC, &progress->began);
    pthread_mutex_unlock(&progress->mutex);
}

void progress_add(struct progress *progress, uint64_t count)
{
    if (progress)
        atomic_fetch_add_explicit(&progress->done, count, memory_order_relaxed);
}

void progress_wipe(struct progress *progress)
{
    if (!progress)
        return;
    pthread_mutex_lock(&progress->mutex);
    wipe(progress);
    fflush(progress->file);
    pthread_mutex_unlock(&progress->mutex);
}
