// The list of modules: which files the core says were mapped, and where.
//
// It does not know whether those files are still there: no file is opened (module_files.h does).
// Private to the files that put a process together (builder.h).
#ifndef ANALYZER_MODULES_H
#define ANALYZER_MODULES_H

#include "failure.h"

struct builder;

// The process's modules and their runs, from NT_FILE; none without it. There is room for one more,
// the executable of a core without NT_FILE. The list is the process's, lines and runs are the
// builder's, paths the core's. Failure: NO_MEMORY.
struct failure *modules_list(struct builder *builder) __attribute__((warn_unused_result));

// What the core itself says about the modules: which one is the main program, and build-ids from
// saved pages. The layer of saved bytes must be sorted.
void modules_describe(struct builder *builder);

#endif
