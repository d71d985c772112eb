// Finalizers that are C functions: which file of the process each is in.
#ifndef ANALYZER_SLOT_FILES_H
#define ANALYZER_SLOT_FILES_H

#include "failure.h"
#include "findings.h"
#include "process.h"

// Fills in del.file of finalizers of the kind OBJECT_DEL_SLOT, with the path that the core has;
// stays NULL where no file was mapped. Failures: NO_MEMORY.
struct failure *slot_files_find(const struct process *process, struct findings *findings)
    __attribute__((warn_unused_result));

#endif
