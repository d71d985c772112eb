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

// What tells mappings apart, in order: there may be many of each.
struct places {
    struct core_mapping *lines; // NT_FILE's, by start
    size_t line_count;
    vaddr *stacks; // addresses in stacks
    size_t stack_count;
    const struct module *main; // or NULL
};

static int by_line_start(const void *a, const void *b)
{
    const struct core_mapping *left = a, *right = b;
    return (left->start > right->start) - (left->start < right->start);
}

static int by_address(const void *a, const void *b)
{
    const vaddr *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

// Stack pointers, and what the kernel put at the end of the main thread's stack.
static void find_stacks(const struct core *core, struct places *places)
{
    vaddr at;
    if (core_find_auxv(core, AT_RANDOM, &at))
        places->stacks[places->stack_count++] = at;
    for (size_t i = 0; i < core->thread_count; i++)
        if (registers_find_stack(core, i, &at))
            places->stacks[places->stack_count++] = at;
    if (places->stack_count)
        qsort(places->stacks, places->stack_count, sizeof(*places->stacks), by_address);
}

static bool find_places(const struct process *process, struct places *places)
{
    const struct core *core = process->core;
    *places = (struct places){.lines = calloc(core->mapping_count + 1, sizeof(*places->lines)),
                              .line_count = core->mapping_count,
                              .stacks = calloc(core->thread_count + 1, sizeof(*places->stacks))};
    if (!places->lines || !places->stacks)
        return false;
    if (core->mapping_count) {
        memcpy(places->lines, core->mappings, core->mapping_count * sizeof(*places->lines));
        qsort(places->lines, places->line_count, sizeof(*places->lines), by_line_start);
    }
    find_stacks(core, places);
    for (size_t i = 0; i < process->module_count && !places->main; i++)
        if (process->modules[i].is_main)
            places->main = &process->modules[i];
    return true;
}

static void places_deinit(struct places *places)
{
    free(places->lines);
    free(places->stacks);
}

// The line that an address lies in, or NULL.
static const struct core_mapping *find_line(const struct places *places, vaddr at)
{
    size_t low = 0, high = places->line_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (places->lines[middle].start <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low && at < places->lines[low - 1].end ? &places->lines[low - 1] : NULL;
}

static bool is_stack(const struct places *places, const struct core_segment *segment)
{
    size_t low = 0, high = places->stack_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (places->stacks[middle] < segment->start)
            low = middle + 1;
        else
            high = middle;
    }
    return low < places->stack_count && places->stacks[low] - segment->start < segment->memory_size;
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

static enum census_kind find_kind(const struct process *process, const struct places *places,
                                  const struct core_segment *segment, const char **path)
{
    const struct core_mapping *line = find_line(places, segment->start);
    const struct module *module = process_find_module(process, segment->start);
    const struct module *main = places->main;
    *path = line ? line->path : module ? module->path : NULL;
    if (line)
        return is_shared_memory(line->path) ? CENSUS_SHARED : CENSUS_FILE;
    if (is_stack(places, segment))
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
                                    const struct places *places)
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
        mapping->kind = find_kind(process, places, segment, &mapping->path);
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
    struct places places;
    *source = (struct census_source){.has_holes = core_has_holes(process->core)};
    struct failure *failure = find_places(process, &places) ? NULL : failure_no_memory();
    if (!failure)
        failure = add_mappings(source, process, &places);
    sum_coverage(source, process);
    places_deinit(&places);
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
