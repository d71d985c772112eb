// The one pass over all objects: type, size, finalizer, references.
#ifndef ANALYZER_EXTRACTION_H
#define ANALYZER_EXTRACTION_H

#include "heap.h"

// Fills everything of the heap but what discovery filled. `jobs` threads share the objects by
// ranges of numbers; the result is the same for any number of them.
struct failure *extraction_run(struct heap *heap, unsigned jobs)
    __attribute__((warn_unused_result));

#endif
