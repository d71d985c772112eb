// Where no single change makes a component collectable: changes that do so together.
//
// The set is one of which none can be left out. It prefers what a reader would change first; of
// several it is the smallest that was found: one of two whenever two are enough.
#ifndef ANALYZER_REMEDY_SET_H
#define ANALYZER_REMEDY_SET_H

#include "changes.h"
#include "failure.h"
#include "findings.h"
#include "replay.h"

enum {
    REMEDY_SET_MAX = 8,        // changes that are told
    REMEDY_SET_WORK_SHARE = 2, // one finding takes no more than this part of the work that is left
    REMEDY_SET_PAIRS_MAX = 4096, // replayed
};

// Fills `set` of a finding. What is told is taken out of the changes. *work as for remedy_find;
// without enough of it the set is FINDING_SET_NOT_TRIED. Failures: NO_MEMORY.
struct failure *remedy_set_find(struct changes *changes, struct replay *replay, uint64_t *work,
                                struct finding *finding) __attribute__((warn_unused_result));

#endif
