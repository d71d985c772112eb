// All variables of the files are laid under what is saved, in a memory of its own that only the
// choice of the layout and the search for types look at: the rest of a file's variables says what
// was true before the program began, and must not be believed.
#include "restored.h"

#include <elf.h>
#include <stdlib.h>

#include "static_types.h"

bool restored_is_needed(struct process *process, const struct module *module)
{
    for (size_t i = 0; module->image && i < module->image->segment_count; i++) {
        const struct image_segment *segment = &module->image->segments[i];
        vaddr at = module->bias + segment->start, end = at + segment->memory_size;
        while ((segment->flags & PF_W) && at < end) {
            const struct memory_span *span = memory_find(&process->memory, at);
            if (!span || !span->bytes)
                return true;
            at = span->start + span->size;
        }
    }
    return false;
}

static struct failure *read_files(struct restored *restored, struct process *process)
{
    struct failure *failure = NULL;
    restored->files = calloc(process->module_count + 1, sizeof(*restored->files));
    if (!restored->files)
        return failure_no_memory();
    for (size_t i = 0; i < process->module_count && !failure; i++) {
        struct relocated *file = &restored->files[restored->count++];
        if (restored_is_needed(process, &process->modules[i]))
            failure = relocated_init(file, process, &process->modules[i]);
    }
    return failure;
}

// What is saved, and below that the files' variables.
static struct failure *lay_out(const struct restored *restored, const struct process *process,
                               struct memory *memory)
{
    struct failure *failure = NULL;
    memory_init(memory, process->memory.format);
    for (size_t i = 0; i < process->memory.count && !failure; i++) {
        const struct memory_span *span = &process->memory.spans[i];
        if (span->hole)
            failure = memory_add_hole(memory, span->start, span->size, span->bytes);
        else if (span->bytes)
            failure = memory_add(memory, span->start, span->size, span->bytes);
    }
    for (size_t i = 0; i < restored->count && !failure; i++)
        for (size_t j = 0; j < restored->files[i].count && !failure; j++) {
            const struct relocated_segment *segment = &restored->files[i].segments[j];
            failure = memory_add(memory, segment->start, segment->size, segment->bytes);
        }
    return failure;
}

struct putting {
    struct restored *restored;
    struct memory *memory;
    struct failure *failure;
};

static void put_back(void *context, vaddr type, uint64_t size, const uint8_t *bytes)
{
    struct putting *putting = context;
    enum memory_status status;
    if (putting->failure || memory_view(putting->memory, type, size, &status))
        return;
    putting->failure = memory_restore(putting->memory, type, size, bytes);
    putting->restored->types++;
}

static struct failure *put_types(struct putting *putting, struct memory *memory,
                                 const struct runtime_source *source, const struct layout *layout)
{
    struct restored *restored = putting->restored;
    struct static_types_source types = {.memory = memory, .layout = layout};
    struct static_types_data *data;
    if (!source->find_symbol(source->context, SYMBOL_EXPORTED, "PyType_Type", &types.type) ||
        !source->find_symbol(source->context, SYMBOL_EXPORTED, "PyBaseObject_Type", &types.object))
        return NULL;
    for (size_t i = 0; i < restored->count; i++)
        types.data_count += restored->files[i].count;
    types.data = data = calloc(types.data_count + 1, sizeof(*data));
    if (!data)
        return failure_no_memory();
    for (size_t i = 0; i < restored->count; i++)
        for (size_t j = 0; j < restored->files[i].count; j++) {
            const struct relocated_segment *segment = &restored->files[i].segments[j];
            *data++ = (struct static_types_data){segment->start, segment->size, segment->bytes};
        }
    static_types_find(&types, put_back, putting);
    free((void *)types.data);
    return putting->failure;
}

// The variable that leads to the heads of the lists never changes (Modules/gcmodule.c).
static struct failure *put_heads(struct process *process, struct memory *memory,
                                 const struct runtime_source *source)
{
    vaddr variable;
    enum memory_status status;
    unsigned width = memory->format.word_size;
    if (!source->find_symbol(source->context, SYMBOL_EXPORTED, "_PyGC_generation0", &variable))
        return NULL;
    const struct memory_span *span = memory_find(memory, variable);
    const uint8_t *bytes = memory_view(memory, variable, width, &status);
    if (!bytes || !span || variable + width > span->start + span->size) // a view is for now
        return NULL;
    return memory_restore(&process->memory, variable, width, bytes);
}

struct failure *restored_init(struct restored *restored, struct process *process,
                              const struct runtime_source *source, struct layout *layout)
{
    struct memory memory;
    struct putting putting = {.restored = restored, .memory = &process->memory};
    *restored = (struct restored){0};
    struct failure *failure = read_files(restored, process);
    if (!failure) {
        failure = lay_out(restored, process, &memory);
        if (!failure)
            failure = runtime_choose_layout(&memory, source, layout);
        if (!failure)
            failure = put_types(&putting, &memory, source, layout);
        if (!failure)
            failure = put_heads(process, &memory, source);
        memory_deinit(&memory);
    }
    return failure;
}

void restored_deinit(struct restored *restored)
{
    for (size_t i = 0; i < restored->count; i++)
        relocated_deinit(&restored->files[i]);
    free(restored->files);
    *restored = (struct restored){0};
}
