#include "holders_process.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>

#include "image.h"
#include "registers.h"

enum {
    RED_ZONE = 128 // below the stack pointer, still in use (System V ABI, x86-64)
};

static size_t add_ranges(const struct core *core, struct memory_span *ranges)
{
    size_t count = 0;
    for (size_t i = 0; i < core->segment_count; i++) {
        const struct core_segment *segment = &core->segments[i];
        if ((segment->flags & PF_W) && segment->bytes && segment->saved_size)
            ranges[count++] =
                (struct memory_span){segment->start, segment->saved_size, segment->bytes, false};
    }
    return count;
}

// The live stacks are the interpreter's; which thread each is of, its stack pointer tells.
static void add_thread(const struct interpreter *interpreter, size_t number,
                       struct holders_thread *thread)
{
    const struct core *core = interpreter->process->core;
    const struct core_thread *source = &core->threads[number];
    vaddr pointer;
    *thread = (struct holders_thread){.tid = source->tid,
                                      .registers = source->registers,
                                      .registers_size = source->registers_size};
    if (!registers_find_stack(core, number, &pointer))
        return;
    for (size_t i = 0; i < interpreter->source.stack_count; i++)
        if (interpreter->stacks[i].start == pointer)
            thread->stack = interpreter->stacks[i];
    for (size_t i = 0; i < core->segment_count; i++) {
        const struct core_segment *segment = &core->segments[i];
        if (pointer - segment->start >= segment->saved_size)
            continue;
        thread->stack_segment = segment->start;
        thread->stack.start -=
            pointer - segment->start < RED_ZONE ? pointer - segment->start : RED_ZONE;
    }
}

static int by_start(const void *a, const void *b)
{
    const struct holders_static *left = a, *right = b;
    return (left->range.start > right->range.start) - (left->range.start < right->range.start);
}

static size_t list_statics(const struct process *process, struct holders_static *statics)
{
    size_t count = 0;
    for (size_t i = 0; i < process->module_count; i++) {
        const struct module *module = &process->modules[i];
        for (size_t j = 0; module->image && j < module->image->segment_count; j++) {
            const struct image_segment *segment = &module->image->segments[j];
            vaddr start = segment->start + module->bias;
            if (!(segment->flags & PF_W))
                continue;
            if (statics)
                statics[count] = (struct holders_static){
                    {start, start + segment->memory_size}, module->path, module};
            count++;
        }
    }
    return count;
}

static bool find_variable(const struct holders_static *data, vaddr at, char *name, size_t capacity,
                          vaddr *start)
{
    const struct module *module = data->image;
    size_t length;
    uint64_t offset;
    const char *found = image_find_object_at(module->image, at - module->bias, &length, &offset);
    if (!found)
        return false;
    snprintf(name, capacity, "%.*s", (int)length, found);
    *start = at - offset;
    return true;
}

struct failure *holders_source_init(struct holders_source *source,
                                    const struct interpreter *interpreter)
{
    const struct process *process = interpreter->process;
    const struct core *core = process->core;
    size_t statics_count = list_statics(process, NULL);
    struct memory_span *ranges = calloc(core->segment_count + 1, sizeof(*ranges));
    struct holders_thread *threads = calloc(core->thread_count + 1, sizeof(*threads));
    struct holders_static *statics = calloc(statics_count + 1, sizeof(*statics));
    *source = (struct holders_source){.ranges = ranges,
                                      .threads = threads,
                                      .thread_count = core->thread_count,
                                      .statics = statics,
                                      .static_count = statics_count,
                                      .find_variable = find_variable};
    if (!ranges || !threads || !statics) {
        holders_source_deinit(source);
        return failure_no_memory();
    }
    source->range_count = add_ranges(core, ranges);
    for (size_t i = 0; i < core->thread_count; i++)
        add_thread(interpreter, i, &threads[i]);
    list_statics(process, statics);
    qsort(statics, statics_count, sizeof(*statics), by_start);
    return NULL;
}

void holders_source_deinit(struct holders_source *source)
{
    free((void *)source->ranges);
    free((void *)source->threads);
    free((void *)source->statics);
    *source = (struct holders_source){0};
}
