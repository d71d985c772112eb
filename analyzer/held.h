// What only a finding keeps alive: objects, tracked or not, that nothing else refers to.
#ifndef ANALYZER_HELD_H
#define ANALYZER_HELD_H

#include "findings.h"

// owners: per node on entry the finding whose component it is a member of, or GRAPH_NONE;
// overwritten. Fills held_* of the findings and shared_*. Each object is charged once.
//
// Tracked objects belong to a finding when every path to them from any cycle comes from its
// cycles. Untracked ones (strings, numbers, code, dicts that 2.7 untracks) when the references
// found in what the finding keeps are as many as their ob_refcnt; so do tracked ones that untracked
// ones refer to. Common ones (heap.h) are nobody's. A cycle that only an untracked object refers to
// is not found out to be held.
struct failure *held_measure(struct heap *heap, const uint8_t *states, uint32_t *owners,
                             struct findings *findings) __attribute__((warn_unused_result));

#endif
