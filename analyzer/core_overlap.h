// Segments of a core that contradict each other.
//
// No program that dumps a process has two segments share an address, or bytes of the file: one of
// them has then been damaged, and what is read by it is another's.
//
// Private to the core.
#ifndef ANALYZER_CORE_OVERLAP_H
#define ANALYZER_CORE_OVERLAP_H

#include "core.h"

// Counts the saved bytes that lie at an address, or at a place of the file, of an earlier segment
// too. Failure: NO_MEMORY.
struct failure *core_overlap_count(const struct core *core, uint64_t *bytes)
    __attribute__((warn_unused_result));

#endif
