// What the threads of Python were doing: their frames, as a traceback would name them.
#ifndef ANALYZER_STACKS_H
#define ANALYZER_STACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "code.h"
#include "failure.h"
#include "runtime.h"

struct stack {
    uint64_t thread_id;        // pthread_self
    bool current;              // its thread held the interpreter lock
    uint64_t depth;            // frames in all
    struct code_place *frames; // innermost first
    size_t frame_count;        // as many of them as were asked for and could be read
    size_t alike;              // threads with these very calls; 0: told before, at another thread
};

struct stacks {
    // Those that differ first, and of these the thread that held the lock; else as the interpreter
    // lists them.
    struct stack *items;
    size_t count;
    size_t distinct;       // that are not told before
    bool complete;         // every list could be read to its end
    unsigned interpreters; // of the process: one, and those of Py_NewInterpreter
};

// At most `limit` frames of each thread (0: all). Failures: NO_MEMORY.
struct failure *stacks_read(const struct runtime *runtime, uint64_t limit, struct stacks *stacks)
    __attribute__((warn_unused_result));
void stacks_deinit(struct stacks *stacks);

#endif
