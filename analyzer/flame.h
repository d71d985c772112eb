// What the findings keep, by the way that leads there: stacks for flame graphs.
//
// Every object that only one finding keeps is charged to the shortest way to it from an object with
// a finalizer. Ways of the same classes and attributes are one, so a million cycles make a handful.
#ifndef ANALYZER_FLAME_H
#define ANALYZER_FLAME_H

#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "findings.h"
#include "heap.h"

enum {
    FLAME_FRAMES_MAX = 4096, // what would be one more is charged to where it hangs
    FLAME_DEPTH_MAX = 64,
};
#define FLAME_NO_PARENT UINT32_MAX

struct flame_frame {
    uint32_t parent; // comes before it; FLAME_NO_PARENT: it begins a stack
    uint32_t finding;
    uint16_t depth;
    uint64_t bytes; // of its own
    char *edge;     // from the parent, NULL: none
    char *type;
};

struct flame {
    struct flame_frame *frames;
    size_t count;
    uint64_t *untracked; // per finding: bytes that are in no frame: of untracked objects, and
                         // beyond the bounds
};

// Findings must have been made with owners; states are collect_run's. Failures: NO_MEMORY.
struct failure *flame_init(struct flame *flame, struct heap *heap, const uint8_t *states,
                           const struct findings *findings) __attribute__((warn_unused_result));
void flame_deinit(struct flame *flame);

#endif
