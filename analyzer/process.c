#include "process.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>

#include "builder.h"
#include "layers.h"
#include "module_files.h"
#include "modules.h"
#include "placement.h"

enum {
    PAGE = 4096,
    HOLE_LEAST = 1 << 20 // smaller ones are not worth a span, but for a segment that has one anyway
};

// ---- Bytes of the core

// A segment in pieces, with large holes apart: what the process mapped and never wrote can be most
// of a core by far.
static struct failure *add_saved(struct layer *layer, const struct core *core,
                                 const struct core_segment *segment)
{
    struct failure *failure = NULL;
    vaddr start = segment->start;
    uint64_t end = segment->saved_size, piece = 0, at = 0, size = 0;
    if (end == 0) // and no bytes to begin at
        return NULL;
    if (!core_is_sparse(core) || end > UINT64_MAX - PAGE - start)
        at = end;
    while (!failure && at < end) {
        uint64_t data = at;
        if (!core_find_data(core, segment->bytes, end, &data, &size)) {
            data = end;
            size = 0;
        }
        // Whole pages of the process, so that pymalloc's pools stay in one piece.
        vaddr hole = (start + at + PAGE - 1) & ~(vaddr)(PAGE - 1);
        vaddr hole_end = (start + data) & ~(vaddr)(PAGE - 1);
        if (hole_end > hole && (hole_end - hole >= HOLE_LEAST || hole_end - hole == end)) {
            failure = layer_add(layer, start + piece, hole - start - piece, segment->bytes + piece);
            if (!failure)
                failure =
                    layer_add_hole(layer, hole, hole_end - hole, segment->bytes + (hole - start));
            piece = hole_end - start;
        }
        at = data + size;
    }
    return failure ? failure : layer_add(layer, start + piece, end - piece, segment->bytes + piece);
}

static struct failure *add_core_layers(struct builder *builder)
{
    const struct core *core = builder->core;
    struct layer *layers = builder->layers;
    struct failure *failure = NULL;
    for (size_t i = 0; i < core->segment_count && !failure; i++) {
        const struct core_segment *segment = &core->segments[i];
        failure = add_saved(&layers[LAYER_SAVED], core, segment);
        if (!failure && segment->saved_size <= UINT64_MAX - segment->start)
            failure = layer_add_lost(&layers[LAYER_MISSING], segment->start + segment->saved_size,
                                     segment->missing);
        // The kernel leaves out what is shared with others or with a file, never the process's own.
        if (!failure && (segment->flags & PF_W))
            failure = layer_add_lost(&layers[LAYER_MAPPED], segment->start, segment->memory_size);
        else if (!failure)
            failure = layer_add(&layers[LAYER_MAPPED], segment->start, segment->memory_size, NULL);
    }
    for (size_t i = 0; i < core->mapping_count && !failure; i++) {
        const struct core_mapping *line = &core->mappings[i];
        failure = layer_add(&layers[LAYER_MAPPED], line->start, line->end - line->start, NULL);
    }
    layer_sort(&layers[LAYER_SAVED]); // for layer_find
    return failure;
}

// ---- Bytes of files

// Adds what [start, end) of the process shows of the file, as far as the file goes.
static struct failure *add_file_piece(struct builder *builder, const struct image *image,
                                      vaddr start, vaddr end, uint64_t offset)
{
    if (start >= end || offset >= image->size)
        return NULL;
    uint64_t size = end - start < image->size - offset ? end - start : image->size - offset;
    return layer_add(&builder->layers[LAYER_FILES], start, size, image->bytes + offset);
}

// Only from segments that the program cannot write: a writable page that the core has not saved
// (another coredump_filter) was relocated or written, and the file has what it was before.
static struct failure *add_file_segment(struct builder *builder, const struct module *module,
                                        const struct image_segment *segment)
{
    const struct run *run = builder_run(builder, module);
    vaddr start = module->bias + placement_page_down(builder, segment->start);
    vaddr end = module->bias + placement_page_up(builder, segment->start + segment->file_size);
    uint64_t offset = placement_page_down(builder, segment->file_offset);
    struct failure *failure = NULL;
    if (segment->flags & PF_W)
        return NULL;
    if (run->count == 0) // no NT_FILE: the file's own word for it
        failure = add_file_piece(builder, module->image, start, end, offset);
    for (size_t i = 0; i < run->count && !failure; i++) {
        const struct core_mapping *line = &run->lines[i];
        if (line->start - line->file_offset != start - offset)
            continue;
        vaddr from = line->start > start ? line->start : start;
        vaddr to = line->end < end ? line->end : end;
        failure = add_file_piece(builder, module->image, from, to, offset + (from - start));
    }
    return failure;
}

static struct failure *add_file_layer(struct builder *builder)
{
    struct failure *failure = NULL;
    for (size_t i = 0; i < builder->process->module_count; i++) {
        const struct module *module = &builder->process->modules[i];
        if (module->match == MODULE_FROM_CORE) // has nothing that the core has not
            continue;
        for (size_t j = 0; module->image && j < module->image->segment_count && !failure; j++)
            failure = add_file_segment(builder, module, &module->image->segments[j]);
    }
    return failure;
}

// ---- All of it

static struct failure *build_process(struct builder *builder)
{
    struct failure *failure = add_core_layers(builder);
    if (!failure)
        failure = modules_list(builder);
    if (failure)
        return failure;
    failure = module_files_open_executable(builder);
    if (!failure)
        failure = module_files_find(builder);
    if (!failure)
        failure = add_file_layer(builder);
    // Those of NT_FILE are sorted. From here on nobody asks for a module's run.
    modules_sort(builder->process);
    if (!failure)
        failure = layers_merge(builder->layers, LAYER_COUNT, &builder->process->memory);
    builder->process->main_absent = true;
    for (size_t i = 0; i < builder->process->module_count; i++)
        if (builder->process->modules[i].is_main && builder->process->modules[i].image)
            builder->process->main_absent = false;
    return failure;
}

struct failure *process_open(const struct core *core, const struct process_options *options,
                             struct process **process)
{
    struct builder builder = {
        .core = core,
        .options = options,
        .process = calloc(1, sizeof(*builder.process)),
        .page_size = placement_find_page_size(core),
    };
    if (!builder.process)
        return failure_no_memory();
    builder.process->core = core;
    memory_init(&builder.process->memory, core->format);
    struct failure *failure = build_process(&builder);
    for (int i = 0; i < LAYER_COUNT; i++)
        layer_deinit(&builder.layers[i]);
    free(builder.lines);
    free(builder.runs);
    free(builder.links);
    if (failure)
        process_close(builder.process);
    else
        *process = builder.process;
    return failure;
}

void process_close(struct process *process)
{
    if (!process)
        return;
    for (size_t i = 0; i < process->module_count; i++)
        image_close(process->modules[i].image);
    free(process->modules);
    free(process->script);
    memory_deinit(&process->memory);
    free(process);
}

// ---- Queries

// How early a module is looked at for what `from` refers to; among equals start addresses stand in
// for the loader's order.
static int lookup_round(const struct module *module, const struct module *from)
{
    if (module->is_main)
        return 0;
    return module == from ? 1 : 2;
}

bool process_find_exported(const struct process *process, const struct module *from,
                           const char *name, vaddr *address, const struct module **in)
{
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < process->module_count; i++) {
            const struct module *module = &process->modules[i];
            vaddr value;
            if (round != lookup_round(module, from) || !module->image ||
                !image_find_exported(module->image, name, &value))
                continue;
            *address = module->bias + value;
            if (in)
                *in = module;
            return true;
        }
    }
    return false;
}

bool process_find_symbol(const struct process *process, const struct module *from, const char *name,
                         vaddr *address, const struct module **in)
{
    vaddr value;
    if (!from || !from->image || image_find_exported(from->image, name, &value) ||
        !image_find_symbol(from->image, name, &value, NULL, NULL))
        return process_find_exported(process, from, name, address, in);
    *address = from->bias + value;
    if (in)
        *in = from;
    return true;
}

struct module_other module_explain_other(const struct module *module)
{
    struct module_other other = {""};
    char id[2 * BUILD_ID_MAX + 1];
    if (!module->other_build.size)
        return other;
    build_id_format(&module->other_build, id, sizeof(id));
    snprintf(other.text, sizeof(other.text),
             ", where the file of that name is of another build (build-id %s)", id);
    return other;
}

const struct module *process_last_module(const struct process *process, vaddr address)
{
    size_t low = 0, high = process->module_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (process->modules[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &process->modules[low - 1] : NULL;
}

const struct module *process_find_module(const struct process *process, vaddr address)
{
    const struct module *module = process_last_module(process, address);
    return module && address - module->start < module->data_end - module->start ? module : NULL;
}
