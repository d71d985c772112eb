// Static types that a cut core has lost, put back into the process's memory out of its files.
#ifndef ANALYZER_RESTORED_H
#define ANALYZER_RESTORED_H

#include <stdbool.h>
#include <stddef.h>

#include "failure.h"
#include "layout.h"
#include "process.h"
#include "relocated.h"
#include "runtime.h"

struct restored {
    struct relocated *files; // of each module, in the process's order; the bytes behind memory
    size_t count;
    uint64_t types; // that were put back
};

// Is any of the module's variables not saved, though the process had it?
bool restored_is_needed(struct process *process, const struct module *module);

// Chooses the layout by what is saved and, where that is lost, by the files' variables as they were
// at first; then makes all types of the files ready and puts those back that are lost. `restored`
// must outlive the process's memory. Failures: those of runtime_choose_layout.
struct failure *restored_init(struct restored *restored, struct process *process,
                              const struct runtime_source *source, struct layout *layout)
    __attribute__((warn_unused_result));
void restored_deinit(struct restored *restored);

#endif
