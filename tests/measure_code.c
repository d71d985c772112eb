// How long does it take to find what objects of extension types refer to, run for every object and
// for few of them?
//
//   measure_code CORE EXECUTABLE [RUNS [JOBS]]
//
// Reads the heap of a core by turns with no code run at all, with the code run for every object,
// and with learning (learned.h), and prints what each of the latter two takes more than the first,
// in microseconds of processor time for each object of such a type: median of RUNS (5), smallest
// and largest. The graphs of both must be equal, edge by edge. Used by fixtures/benchmark-code.
//
// Exit status: 0 they are, 1 they are not, or something failed, 64 wrong usage.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core.h"
#include "heap.h"
#include "interpreter.h"
#include "process.h"

enum {
    RUNS_MAX = 100,
    JOBS_MAX = 64,
};

enum way {
    NOTHING_RUN,
    EMULATED,
    LEARNED,
    WAYS
};

struct subject {
    struct core *core;
    struct process *process;
    struct interpreter *interpreter;
    unsigned jobs;
    double seconds[WAYS][RUNS_MAX];
    struct heap *heaps[WAYS]; // of the last run
};

static void need(struct failure *failure)
{
    if (!failure)
        return;
    fprintf(stderr, "measure_code: %s\n", failure_text(failure));
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void read_heap(struct subject *subject, enum way way, int run)
{
    struct runtime_source source = subject->interpreter->source;
    struct runtime_code code = *source.code;
    // (The heap asks no code any more once it is made.)
    source.code = way == NOTHING_RUN ? NULL : &code;
    if (way == EMULATED)
        code.run_learned = NULL;
    heap_destroy(subject->heaps[way]);
    subject->heaps[way] = NULL;
    double start = now();
    need(heap_create(&subject->interpreter->runtime, &source, subject->jobs, NULL,
                     &subject->heaps[way]));
    subject->seconds[way][run] = now() - start;
    heap_code_deinit(&subject->heaps[way]->code);
}

static bool are_equal(const struct heap *a, const struct heap *b)
{
    return a->count == b->count && a->edges == b->edges && a->opaque_objects == b->opaque_objects &&
           memcmp(a->graph.rows, b->graph.rows, (a->count + 1) * sizeof(*a->graph.rows)) == 0 &&
           memcmp(a->targets, b->targets, a->edges * sizeof(*a->targets)) == 0 &&
           memcmp(a->opaque, b->opaque, a->count / 8 + 1) == 0 &&
           memcmp(a->owners, b->owners, a->count / 8 + 1) == 0;
}

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Sorts the way's seconds.
static void print_way(struct subject *subject, enum way way, const char *name, int runs)
{
    double *seconds = subject->seconds[way], *none = subject->seconds[NOTHING_RUN];
    const struct heap *heap = subject->heaps[way];
    double each = 1e6 / (double)(heap->coded_objects + 1);
    qsort(seconds, (size_t)runs, sizeof(*seconds), compare_numbers);
    printf("  %-9s %7.3f us  (%.3f to %.3f)", name, (seconds[runs / 2] - none[runs / 2]) * each,
           (seconds[0] - none[runs / 2]) * each, (seconds[runs - 1] - none[runs / 2]) * each);
    printf("  %llu of %llu without running it\n", (unsigned long long)heap->learned_objects,
           (unsigned long long)heap->coded_objects);
}

static int measure(struct subject *subject, int runs)
{
    for (int run = 0; run < runs; run++)
        for (enum way way = NOTHING_RUN; way < WAYS; way++)
            read_heap(subject, way, run);
    qsort(subject->seconds[NOTHING_RUN], (size_t)runs, sizeof(double), compare_numbers);
    printf("  nothing   %7.3f s   the rest of reading %u objects\n",
           subject->seconds[NOTHING_RUN][runs / 2], subject->heaps[NOTHING_RUN]->count);
    print_way(subject, EMULATED, "emulated", runs);
    print_way(subject, LEARNED, "learned", runs);
    bool equal = are_equal(subject->heaps[EMULATED], subject->heaps[LEARNED]);
    printf("  the same graph: %s\n", equal ? "yes" : "NO");
    return equal ? 0 : 1;
}

int main(int count, char **words)
{
    struct subject subject = {.jobs = 1};
    int runs = count > 3 ? atoi(words[3]) : 5;
    subject.jobs = count > 4 ? (unsigned)atoi(words[4]) : 1;
    if (count < 3 || count > 5 || runs < 1 || runs > RUNS_MAX || subject.jobs < 1 ||
        subject.jobs > JOBS_MAX) {
        fprintf(stderr, "measure_code: takes CORE EXECUTABLE [RUNS [JOBS]]\n");
        return 64;
    }
    struct process_options options = {.executable = words[2]};
    need(core_open(words[1], &subject.core));
    need(process_open(subject.core, &options, &subject.process));
    need(interpreter_open(subject.process, &(struct debug_file_options){0}, &subject.interpreter));
    int status = measure(&subject, runs);
    for (enum way way = NOTHING_RUN; way < WAYS; way++)
        heap_destroy(subject.heaps[way]);
    interpreter_close(subject.interpreter);
    process_close(subject.process);
    core_close(subject.core);
    return status;
}
