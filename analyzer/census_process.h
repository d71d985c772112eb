// What a census is told about the process: its writable mappings, and which pages of them were ever
// written.
#ifndef ANALYZER_CENSUS_PROCESS_H
#define ANALYZER_CENSUS_PROCESS_H

#include "census.h"
#include "interpreter.h"

// To be deinited after the census; paths and bytes are the core's. Failures: NO_MEMORY.
struct failure *census_source_init(struct census_source *source,
                                   const struct interpreter *interpreter)
    __attribute__((warn_unused_result));
void census_source_deinit(struct census_source *source);

#endif
