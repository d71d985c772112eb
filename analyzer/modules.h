// The list of modules: which files the core says were mapped, and where.
//
// It does not know whether those files are still there: no file is opened (module_files.h does).
// Private to the files that put a process together (builder.h).
#ifndef ANALYZER_MODULES_H
#define ANALYZER_MODULES_H

#include "failure.h"
#include "memory.h"

struct builder;
struct process;

// The process's modules and their runs, from NT_FILE, else from the link map; none without either.
// There is room for one more, the executable. The list is the process's, lines, links and runs are
// the builder's, paths the core's. The layer of saved bytes must be sorted. Failure: NO_MEMORY.
struct failure *modules_list(struct builder *builder) __attribute__((warn_unused_result));

// Adds the modules of the link map to a main program that the core does not list. It is found
// through the program's dynamic section, an address in the process. Pointers to modules are no
// longer valid then. Failure: NO_MEMORY.
struct failure *modules_add_links(struct builder *builder, vaddr dynamic)
    __attribute__((warn_unused_result));

// By start address. Those of the link map get theirs with their files.
void modules_sort(struct process *process);

#endif
