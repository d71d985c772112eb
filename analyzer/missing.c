#include "missing.h"

#include <elf.h>
#include <stdlib.h>

#include "core_data.h"

// How many bytes from `at` on are of a file and its static variables; which file: *module. 0: none.
static uint64_t find_module(struct process *process, vaddr at, const struct module **module)
{
    *module = process ? process_last_module(process, at) : NULL;
    if (!*module)
        return 0;
    uint64_t lost_reads = process->memory.lost_reads;
    vaddr end = core_data_module_end(process, *module);
    process->memory.lost_reads = lost_reads; // of headers, which the report does without
    return at - (*module)->start < end - (*module)->start ? end - at : 0;
}

static void add(uint64_t *sum, uint64_t more)
{
    if (__builtin_add_overflow(*sum, more, sum))
        *sum = UINT64_MAX;
}

// What is lost was writable. The kernel makes one mapping of a file's .bss and of what lies behind.
static void add_writable(struct process *process, const struct interpreter *interpreter,
                         vaddr start, uint64_t size, uint64_t *kinds)
{
    const struct module *module;
    uint64_t of_file = find_module(process, start, &module);
    if (of_file > size)
        of_file = size;
    add(&kinds[interpreter && module == interpreter->module ? MISSING_INTERPRETER
                                                            : MISSING_VARIABLES],
        of_file);
    add(&kinds[MISSING_HEAP], size - of_file);
}

// For each span, how many bytes those before it have. NULL: no memory, which is noted.
static uint64_t *sum_spans(const struct memory *memory)
{
    uint64_t *sums = calloc(memory->count + 1, sizeof(*sums));
    if (!sums)
        failure_note_no_memory();
    for (size_t i = 0; sums && i < memory->count; i++)
        sums[i + 1] = sums[i] + (memory->spans[i].bytes ? memory->spans[i].size : 0);
    return sums;
}

// How many bytes the memory has below an address.
static uint64_t count_below(const struct memory *memory, const uint64_t *sums, vaddr at)
{
    size_t found = memory_lower_bound(memory, at);
    if (found == memory->count || memory->spans[found].start >= at || !memory->spans[found].bytes)
        return sums[found];
    return sums[found] + (at - memory->spans[found].start);
}

// Bytes of a range that the process's memory has all the same.
static uint64_t count_filled(const struct process *process, const uint64_t *sums, vaddr start,
                             uint64_t size)
{
    if (!sums)
        return 0;
    vaddr end = size < UINT64_MAX - start ? start + size : UINT64_MAX;
    return count_below(&process->memory, sums, end) - count_below(&process->memory, sums, start);
}

void missing_sum(const struct core *core, struct process *process,
                 const struct interpreter *interpreter, struct missing *missing)
{
    uint64_t told = core->notes_missing;
    uint64_t *sums = process && core->bytes_missing ? sum_spans(&process->memory) : NULL;
    *missing = (struct missing){.bytes = core->bytes_missing};
    missing->kinds[MISSING_NOTES] = core->notes_missing;
    missing->segments = core->notes_missing > 0;
    for (size_t i = 0; i < core->segment_count; i++) {
        const struct core_segment *segment = &core->segments[i];
        if (!segment->missing)
            continue;
        vaddr start = segment->start + segment->saved_size;
        missing->segments++;
        add(&told, segment->missing);
        if (segment->flags & PF_W) {
            add_writable(process, interpreter, start, segment->missing, missing->kinds);
            continue;
        }
        uint64_t filled = count_filled(process, sums, start, segment->missing);
        add(&missing->filled, filled);
        add(&missing->kinds[MISSING_FILES], segment->missing - filled);
    }
    free(sums);
    if (told < missing->bytes)
        missing->kinds[MISSING_OTHER] = missing->bytes - told;
}

const char *missing_kind_name(enum missing_kind kind)
{
    static const char *const names[MISSING_KINDS] = {
        [MISSING_HEAP] = "heap",           [MISSING_INTERPRETER] = "interpreter_data",
        [MISSING_VARIABLES] = "variables", [MISSING_FILES] = "files",
        [MISSING_NOTES] = "notes",         [MISSING_OTHER] = "other",
    };
    return names[kind];
}
