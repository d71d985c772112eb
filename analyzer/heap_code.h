// Running the traversals that no table mirrors, for one reader of the heap.
#ifndef ANALYZER_HEAP_CODE_H
#define ANALYZER_HEAP_CODE_H

#include <stdbool.h>

#include "runtime.h"
#include "traverse.h"

// Set up with code and memory; the runner is opened when the first function is to be run.
struct heap_code {
    const struct runtime_code *code; // NULL: nothing can be run
    struct memory *memory;
    void *runner;
    bool tried;
};

// visitor.run_code, with a struct heap_code as visitor.code.
bool heap_code_run(void *heap_code, struct visitor *visitor, vaddr function, vaddr object);
void heap_code_deinit(struct heap_code *code);

#endif
