// What holders.h is told about the memory of a process.
#ifndef ANALYZER_HOLDERS_PROCESS_H
#define ANALYZER_HOLDERS_PROCESS_H

#include "holders.h"
#include "interpreter.h"

// The arrays are to be freed by deinit, and point into the process. Failures: NO_MEMORY.
struct failure *holders_source_init(struct holders_source *source,
                                    const struct interpreter *interpreter)
    __attribute__((warn_unused_result));
void holders_source_deinit(struct holders_source *source);

#endif
