// What filled the memory of the process: the garbage, or what else.
//
// Sums over what collector, findings and census found; it reads no memory.
#ifndef ANALYZER_VERDICT_H
#define ANALYZER_VERDICT_H

#include "census.h"
#include "findings.h"

enum verdict_cause {
    VERDICT_UNKNOWN, // no census was taken, or it found no memory that was written
    VERDICT_GARBAGE, // what gc.garbage keeps alive, pending cycles, and all that only they keep
    VERDICT_TRASH,   // what the next collection would free
    VERDICT_LIVE,    // Python objects in use
    VERDICT_FREE,    // pymalloc's free blocks and pools: fragmentation
    VERDICT_OTHER,   // memory that is neither pymalloc's nor of Python objects
    VERDICT_CAUSES
};

struct verdict {
    enum verdict_cause cause; // the one with the most bytes
    bool explains;            // it has at least half of the memory in use
    uint64_t bytes[VERDICT_CAUSES];
    uint64_t garbage_objects;
    uint64_t used_bytes;   // private memory that was written
    uint64_t python_bytes; // of all Python objects, free blocks not counted
};

// census may be NULL.
struct verdict verdict_make(const struct census *census, const struct findings *findings);

// "garbage", "trash", "live", "free", "other", "unknown".
const char *verdict_cause_name(enum verdict_cause cause);

#endif
