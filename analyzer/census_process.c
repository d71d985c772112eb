#include "census_process.h"

#include <elf.h>
#include <stdlib.h>

#include "pools.h"
#include "registers.h"

enum {
    PAGE = POOLS_PAGE_SIZE,
    BRK_DISTANCE = 1 << 30 // the kernel puts the heap at most so far behind the main program
};

// --- kinds of mappings

struct lines {
    struct core_mapping *items; // NT_FILE's, by start
    size_t count;
};

static int by_line_start(const void *a, const void *b)
{
    const struct core_mapping *left = a, *right = b;
    return (left->start > right->start) - (left->start < right->start);
}

static bool sort_lines(const struct core *core, struct lines *lines)
{
    lines->count = core->mapping_count;
    lines->items = calloc(lines->count + 1, sizeof(*lines->items));
    if (!lines->items)
        return false;
    if (lines->count) {
        memcpy(lines->items, core->mappings, lines->count * sizeof(*lines->items));
        qsort(lines->items, lines->count, sizeof(*lines->items), by_line_start);
    }
    return true;
}

// The line that an address lies in, or NULL.
static const struct core_mapping *find_line(const struct lines *lines, vaddr at)
{
    size_t low = 0, high = lines->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (lines->items[middle].start <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low && at < lines->items[low - 1].end ? &lines->items[low - 1] : NULL;
}

// Does a stack pointer, or what the kernel put at the end of the main thread's stack, lie there?
static bool is_stack(const struct core *core, const struct core_segment *segment)
{
    uint64_t random;
    if (core_find_auxv(core, AT_RANDOM, &random) && random - segment->start < segment->memory_size)
        return true;
    for (size_t i = 0; i < core->thread_count; i++) {
        vaddr pointer;
        if (registers_find_stack(core, i, &pointer) &&
            pointer - segment->start < segment->memory_size)
            return true;
    }
    return false;
}

static const struct module *find_main(const struct process *process)
{
    for (size_t i = 0; i < process->module_count; i++)
        if (process->modules[i].is_main)
            return &process->modules[i];
    return NULL;
}

// Names that the kernel gives to memory that no file is behind.
static bool is_shared_memory(const char *path)
{
    static const char *const names[] = {"/dev/zero", "/SYSV", "/memfd:", "/dev/shm/"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strncmp(path, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static enum census_kind find_kind(const struct process *process, const struct lines *lines,
                                  const struct core_segment *segment, const char **path)
{
    const struct core_mapping *line = find_line(lines, segment->start);
    const struct module *module = process_find_module(process, segment->start);
    const struct module *main = find_main(process);
    *path = line ? line->path : module ? module->path : NULL;
    if (line)
        return is_shared_memory(line->path) ? CENSUS_SHARED : CENSUS_FILE;
    if (is_stack(process->core, segment))
        return CENSUS_STACK;
    // bss; what is larger than that of its file has more behind it
    if (module && segment->start + segment->memory_size <= module->data_end)
        return CENSUS_FILE;
    *path = NULL;
    return main && segment->start >= main->start && segment->start - main->start < BRK_DISTANCE
               ? CENSUS_BRK
               : CENSUS_ANONYMOUS;
}

// --- pages

static struct failure *add_range(struct census_source *source, const struct census_range *range)
{
    if (!(source->range_count & (source->range_count - 1))) { // grows at powers of two
        size_t capacity = source->range_count ? source->range_count * 2 : 64;
        struct census_range *ranges = reallocarray(source->ranges, capacity, sizeof(*ranges));
        if (!ranges)
            return failure_no_memory();
        source->ranges = ranges;
    }
    source->ranges[source->range_count++] = *range;
    return NULL;
}

// The parts of a segment that the core's file has data for, in whole pages.
static struct failure *add_segment(struct census_source *source, const struct core *core,
                                   const struct core_segment *segment, size_t mapping)
{
    struct failure *failure = NULL;
    uint64_t skew = segment->start % PAGE, from = skew ? PAGE - skew : 0, size;
    uint64_t end = segment->saved_size - (segment->saved_size + skew) % PAGE;
    while (!failure && from < end && end <= segment->saved_size &&
           core_find_data(core, segment->bytes, end, &from, &size)) {
        // Holes are counted in blocks of the file, which need not lie as pages do.
        uint64_t to = from + size;
        from -= (from + skew) % PAGE;
        to += (PAGE - (to + skew) % PAGE) % PAGE;
        failure = add_range(source, &(struct census_range){segment->start + from, to - from,
                                                           segment->bytes + from, mapping});
        from = to;
    }
    return failure;
}

static int by_start(const void *a, const void *b)
{
    const struct core_segment *left = *(const struct core_segment *const *)a;
    const struct core_segment *right = *(const struct core_segment *const *)b;
    return (left->start > right->start) - (left->start < right->start);
}

// Writable segments by address, in an array to be freed; what overlaps is left out. NULL: memory is
// short.
static const struct core_segment **list_segments(const struct core *core, size_t *count)
{
    const struct core_segment **list = calloc(core->segment_count + 1, sizeof(*list));
    size_t kept = 0;
    *count = 0;
    if (!list)
        return NULL;
    for (size_t i = 0; i < core->segment_count; i++)
        if ((core->segments[i].flags & PF_W) && core->segments[i].memory_size)
            list[(*count)++] = &core->segments[i];
    if (*count)
        qsort(list, *count, sizeof(*list), by_start);
    for (size_t i = 0; i < *count; i++)
        if (!kept || list[i]->start - list[kept - 1]->start >= list[kept - 1]->memory_size)
            list[kept++] = list[i];
    *count = kept;
    return list;
}

static struct failure *add_mappings(struct census_source *source, const struct process *process,
                                    const struct lines *lines)
{
    struct failure *failure = NULL;
    size_t count;
    const struct core_segment **segments = list_segments(process->core, &count);
    source->mappings = calloc(process->core->segment_count + 1, sizeof(*source->mappings));
    if (!segments || !source->mappings)
        failure = failure_no_memory();
    for (size_t i = 0; i < count && !failure; i++) {
        const struct core_segment *segment = segments[i];
        struct census_mapping *mapping = &source->mappings[source->mapping_count++];
        *mapping = (struct census_mapping){
            .start = segment->start, .size = segment->memory_size, .saved = segment->saved_size};
        mapping->kind = find_kind(process, lines, segment, &mapping->path);
        if (segment->bytes)
            failure = add_segment(source, process->core, segment, i);
    }
    free(segments);
    return failure;
}

static void sum_coverage(struct census_source *source, const struct process *process)
{
    struct census_coverage *coverage = &source->coverage;
    for (size_t i = 0; i < process->memory.count; i++) {
        const struct memory_span *span = &process->memory.spans[i];
        if (!span->bytes)
            coverage->missing += span->size;
        else if (core_has_bytes(process->core, span->bytes))
            coverage->core += span->size;
        else
            coverage->files += span->size;
    }
}

struct failure *census_source_init(struct census_source *source,
                                   const struct interpreter *interpreter)
{
    const struct process *process = interpreter->process;
    struct lines lines;
    *source = (struct census_source){.has_holes = core_has_holes(process->core)};
    struct failure *failure = sort_lines(process->core, &lines) ? NULL : failure_no_memory();
    if (!failure)
        failure = add_mappings(source, process, &lines);
    sum_coverage(source, process);
    free(lines.items);
    if (failure)
        census_source_deinit(source);
    return failure;
}

void census_source_deinit(struct census_source *source)
{
    free(source->mappings);
    free(source->ranges);
    *source = (struct census_source){0};
}
