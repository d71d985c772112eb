// Does what was found to break on a finding's example free its other components too?
//
// Components of one finding have the same drawn cycle, but may hold together by more than that. So
// the answers of remedy.h and remedy_set.h are replayed on some of the others: there each is a
// change of the source, the reference taken away from all objects of the class.
#ifndef ANALYZER_REMEDY_CHECK_H
#define ANALYZER_REMEDY_CHECK_H

#include "findings.h"
#include "graph.h"
#include "heap.h"

enum {
    REMEDY_CHECKED_MAX = 64, // components of a finding, evenly from its first to its last
};

// Replays a finding's answers on a component of it, and counts for each whether it is enough there;
// one whose reference the component has under another name is not asked. *work is what is left of
// REMEDY_WORK; without enough of it nothing is counted. Failures: NO_MEMORY.
struct failure *remedy_check(struct heap *heap, const struct graph_components *components,
                             uint32_t component, uint64_t *work, struct finding *finding)
    __attribute__((warn_unused_result));

// Brings the answer that frees most to the front; of equal ones that which was before the others.
void remedy_choose(struct finding *finding);

#endif
