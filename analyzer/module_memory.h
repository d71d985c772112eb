// An image of a module whose file is not on this machine, made of what the core saved of it: cores
// with a coredump_filter that has bit 2 (private mappings of files) contain the files' symbols,
// code and read-only data.
//
// All of the file that the process could not write must be there, or it is not used. What there is
// no segment for, the core does not have: sections, DWARF, static symbols. Private to the files
// that put a process together (builder.h).
#ifndef ANALYZER_MODULE_MEMORY_H
#define ANALYZER_MODULE_MEMORY_H

#include "failure.h"

struct builder;
struct module;

// Attaches it as MODULE_FROM_CORE; the module stays absent if the core has not enough. Failure:
// NO_MEMORY.
struct failure *module_memory_open(const struct builder *builder, struct module *module)
    __attribute__((warn_unused_result));

#endif
