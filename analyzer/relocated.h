// A file's variables as the process began with them: its writable segments, with the addresses in
// them as the dynamic linker fills them in.
//
// For what a cut core has lost: only what no program changes may be taken from here. It does not
// know Python.
#ifndef ANALYZER_RELOCATED_H
#define ANALYZER_RELOCATED_H

#include <stddef.h>

#include "failure.h"
#include "process.h"

struct relocated_segment {
    vaddr start;
    uint64_t size; // as in the file: variables that begin as zeroes are not in it
    uint8_t *bytes;
};

struct relocated {
    struct relocated_segment *segments;
    size_t count;
};

// A module without an image has none, nor one whose image is what the core has of it, which is not
// as it began, nor one of a machine whose relocations are not known, unless it is a program that
// lies where it was linked. Failures: NO_MEMORY. relocated_deinit in any case.
struct failure *relocated_init(struct relocated *relocated, const struct process *process,
                               const struct module *module) __attribute__((warn_unused_result));
void relocated_deinit(struct relocated *relocated);

#endif
