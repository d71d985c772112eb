// What the dynamic linker of the process noted about the files that it mapped: its link map
// (struct r_debug and struct link_map of <link.h>, the same in glibc and musl).
//
// It stands in for NT_FILE, which qemu's cores and those of old kernels do not have. It is data of
// the process, so it may be damaged: what is not plausible ends it. No file is opened. Private to
// the files that put a process together (builder.h).
#ifndef ANALYZER_LINK_MAP_H
#define ANALYZER_LINK_MAP_H

#include <stddef.h>

#include "failure.h"
#include "memory.h"

struct builder;

// A struct link_map. The first one of the process is the main program.
struct link {
    vaddr bias;       // l_addr; 0 for a prelinked library where it should be
    vaddr dynamic;    // l_ld, never 0
    const char *path; // l_name, which the main program has empty; in the core's mapping
};

enum {
    LINKS_MAX = 4096 // in a process; more is not read
};

// The links in the linker's order; none when it cannot be found, and *links is NULL then. The array
// is the caller's to free. It is looked for through the main program's dynamic section, when
// `dynamic` is its address, else when the core has the program headers (AT_PHDR); and else by its
// look in the dynamic linker's own data (AT_BASE, or AT_PHDR when it was started itself). The layer of saved bytes must be sorted.
// Failure: NO_MEMORY.
struct failure *link_map_read(const struct builder *builder, vaddr dynamic, struct link **links,
                              size_t *count) __attribute__((warn_unused_result));

#endif
