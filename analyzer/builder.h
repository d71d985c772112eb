// What is needed only while a process is put together, and known only to the files that do it:
// process.c, which owns it, modules.c, placement.c and module_files.c. Nobody else includes this.
#ifndef ANALYZER_BUILDER_H
#define ANALYZER_BUILDER_H

#include <stddef.h>
#include <stdint.h>

#include "core.h"
#include "layers.h"
#include "link_map.h"
#include "process.h"

// The layers of the address space; the first that has an address decides.
enum layer_rank {
    LAYER_SAVED,   // the core's bytes; sorted before anything is looked up in it
    LAYER_FILES,   // read-only bytes of the process's files
    LAYER_MISSING, // the core had them, and was cut: no file knows what was written there
    LAYER_MAPPED,  // mapped, not saved
    LAYER_COUNT,
};

// What the core knows of one module: its lines of NT_FILE, neighbours of one path, since the loader
// reserves its range as a whole; without NT_FILE its link. Of a file that only the user named it
// knows neither.
struct run {
    const struct core_mapping *lines; // of the builder's
    size_t count;                     // 0: no NT_FILE
    const struct core_mapping *base;  // the first with file offset 0, else the first
    const struct link *link;          // of the builder's; NULL: no link map
};

struct builder {
    const struct core *core;
    const struct process_options *options;
    struct process *process;
    uint64_t page_size;
    struct layer layers[LAYER_COUNT];
    struct core_mapping *lines; // the core's, by start address
    struct run *runs;           // one for each module
    struct link *links;         // the link map, without NT_FILE
};

static inline const struct run *builder_run(const struct builder *builder,
                                            const struct module *module)
{
    return &builder->runs[module - builder->process->modules];
}

// The bytes that the core saved of the module's beginning, or NULL.
static inline const uint8_t *builder_saved_beginning(const struct builder *builder,
                                                     const struct module *module, uint64_t *size)
{
    const struct run *run = builder_run(builder, module);
    return layer_find(&builder->layers[LAYER_SAVED], run->base ? run->base->start : module->start,
                      size);
}

// That many bytes as the core saved them, or NULL: not all of them.
static inline const uint8_t *builder_saved_bytes(const struct builder *builder, vaddr at,
                                                 uint64_t size)
{
    uint64_t there;
    const uint8_t *bytes = layer_find(&builder->layers[LAYER_SAVED], at, &there);
    return bytes && there >= size ? bytes : NULL;
}

#endif
