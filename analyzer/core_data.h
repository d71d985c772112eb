// The writable memory that a core saved, told apart by the file whose .data and .bss it is. For
// when that file is not at hand: then NT_FILE and the file's first page, which the core has, must
// do.
//
// It does not know Python.
#ifndef ANALYZER_CORE_DATA_H
#define ANALYZER_CORE_DATA_H

#include "failure.h"
#include "process.h"
#include "recognize.h"

// An array to be freed, sorted; its files are those of process->modules. Failures: NO_MEMORY.
struct failure *core_data_list(struct process *process, struct recognize_range **ranges,
                               size_t *count) __attribute__((warn_unused_result));

// Base name of a module's path: what its ranges have as their file.
const char *core_data_file(const struct module *module);

// End of the memory of a module, .bss included: of the file if that is here, else by the program
// headers in the saved first page, else by NT_FILE.
vaddr core_data_module_end(struct process *process, const struct module *module);

#endif
