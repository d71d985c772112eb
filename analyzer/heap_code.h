// Running the traversals that no table mirrors, for one reader of the heap.
//
// One that does not end costs a second, and there may be a million objects of its type, or, in a
// core made to deceive, a thousand types. So a function is given up after the first few objects
// that it did not end for, first by number, and all functions after some more of those: what is
// behind the last of them is not tried. A reader that goes through all objects in the order of
// their numbers thus tries the same ones as readers who share them, once these know of each
// other's. None is tried twice.
//
// A reader that learns gets the same, but not by running every object.
#ifndef ANALYZER_HEAP_CODE_H
#define ANALYZER_HEAP_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime.h"
#include "traverse.h"

// Instead of a number, for objects that the heap has not: all numbered ones are before them.
#define HEAP_CODE_UNNUMBERED UINT32_MAX

enum {
    HEAP_CODE_ENDLESS_MAX = 5, // objects for which a function may not end before it is given up
    HEAP_CODE_ENDLESS_ALL = 8, // and for which all together may not
    // How a run may end besides the ways of runtime_code.
    HEAP_CODE_NOT_RUN = RUNTIME_CODE_ENDINGS, // nothing can be run
    HEAP_CODE_NOT_TRIED,                      // the function is given up
    HEAP_CODE_ENDINGS
};

// An object for which a function did not end.
struct heap_code_endless {
    vaddr function;
    vaddr object;
    uint32_t number;
};

// Set up with code and memory; the runner is opened when the first function is to be run.
struct heap_code {
    const struct runtime_code *code; // NULL: nothing can be run
    struct memory *memory;
    bool learns; // one who has many objects: what the first ones show serves the others
    void *runner;
    bool tried;
    uint32_t number; // of the object at hand, or HEAP_CODE_UNNUMBERED; set by the caller
    unsigned ending; // of the last run; 0: well
    struct heap_code_endless endless[HEAP_CODE_ENDLESS_ALL]; // by number
    unsigned endless_count;
};

// Opens the runner, unless it has been tried before. Failures: UNSUPPORTED, NO_MEMORY; then all
// runs end with HEAP_CODE_NOT_RUN.
struct failure *heap_code_open(struct heap_code *code) __attribute__((warn_unused_result));
void heap_code_deinit(struct heap_code *code);

// visitor.run_code, with a struct heap_code as visitor.code.
bool heap_code_run(void *heap_code, struct visitor *visitor, vaddr function, vaddr object);

// Adds what another reader found endless. Readers are added in the order of their objects.
void heap_code_add_endless(struct heap_code *code, const struct heap_code *other);
// Is any function given up?
bool heap_code_gives_up(const struct heap_code *code);

// How many objects needed no run. *erred: nothing that was read is to be trusted, and it is to be
// read again without learning.
uint64_t heap_code_check(const struct heap_code *code, bool *erred);

// To follow "its traversal": "does not end".
const char *heap_code_ending_text(const struct heap_code *code, unsigned ending);

#endif
