// One run of the program: from a core to all that there is to report of it, step by step.
#ifndef ANALYZER_RUN_H
#define ANALYZER_RUN_H

#include <time.h>

#include "options.h"
#include "own_memory.h"
#include "progress.h"
#include "report.h"

// What a step made stays here for the next ones. All zero but for options, progress and started,
// which are the caller's.
struct run {
    const struct options *options;
    struct core *core;
    struct process *process;
    struct interpreter *interpreter;
    struct heap *heap;
    uint8_t *states;
    struct collect_totals totals;
    struct findings *findings;
    struct holders *holders;
    struct census *census;
    struct contents *contents;
    vaddr *garbage_objects;
    struct heap_opaque_type *opaque_types;
    struct stacks stacks;
    struct heap_opaque_reason opaque_reasons[HEAP_OPAQUE_REASONS];
    struct report report;
    struct verify *verify; // NULL: not asked for
    struct drawing drawing;
    struct flame flame;
    struct check check;
    struct ledger old, now;
    struct comparison comparison;
    struct progress *progress; // NULL: nobody looks
    struct own_memory *memory; // NULL: not asked for
    struct timespec started;
};

// Opens the core and the files, finds the objects, replays the collector and fills `report`; with
// --verify only `verify`. Failures: those of the steps.
struct failure *run_analyze(struct run *run) __attribute__((warn_unused_result));
void run_deinit(struct run *run);

// Says with -v what a step found, how long it took since the last word, and how much memory of its
// own the program has by now. Most of what it frees stays with it (mallopt in main.c).
void run_tell(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Gives up everything but reading files, unless servers are to be asked (confine.h): for what has
// no core, or has opened it.
void run_confine_writing(struct run *run);

// How the core was made plain, as far as it concerns this machine; the report has the rest.
void run_note_unpacking(struct run *run, const struct core *core);

#endif
