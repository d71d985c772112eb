// Words of the process that equal the address of an object.
#ifndef ANALYZER_HOLDERS_SCAN_H
#define ANALYZER_HOLDERS_SCAN_H

#include "holders.h"
#include "holders_roots.h"

struct holders_target {
    vaddr object;
    uint32_t node;
    uint32_t edges;  // references to it that tracked objects account for
    int64_t surplus; // ob_refcnt less these
};

struct holders_word {
    uint32_t target; // index
    enum holders_place place;
    vaddr at;       // 0: a register
    uint64_t where; // static: index; untracked, unvisited: type index; frame: its code; stack:
                    // thread index
};

struct holders_words {
    struct holders_word *items; // by target, then place, then address
    size_t count;
    bool cut; // there were more
};

// targets: by address. Words that the references of tracked objects account for are left out; of
// words in other memory as many as such references were not met elsewhere. Looks once at every
// word of the source's ranges. False: memory is short.
bool holders_scan(struct heap *heap, const struct holders_source *source,
                  const struct holders_roots *roots, const struct holders_target *targets,
                  size_t count, unsigned jobs, struct holders_words *words);

#endif
