// Tracked objects on lists that no head led to.
//
// While a collection is in progress most objects may be on lists whose heads are local variables of
// gc.collect(), and a damaged list loses what lies between two breaks. Any object of such a list
// leads to all of it.
#ifndef ANALYZER_STRAYS_H
#define ANALYZER_STRAYS_H

#include "failure.h"
#include "heap.h"

// Marks what the lists chased so far left out. Adds to listed_elsewhere and losses: a list that is
// whole all the way round is no loss, wherever its head is. Does nothing, at no cost, where the
// objects were proved to be all, or the lists hold together and the interpreter says that no
// collection was in progress. Failures: NO_MEMORY.
struct failure *strays_find(struct heap *heap, const struct runtime_source *source)
    __attribute__((warn_unused_result));

#endif
