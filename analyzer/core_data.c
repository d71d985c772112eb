#include "core_data.h"

#include <elf.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADER_PAGE = 4096, // what the kernel saves of a mapped ELF file (coredump_filter bit 4)
    BSS_MAX = 16 << 20  // of a file whose program headers are not saved
};

const char *core_data_file(const struct module *module)
{
    const char *slash = strrchr(module->path, '/');
    return slash ? slash + 1 : module->path;
}

// The highest address that the program headers promise; the file's first byte lies at `start`.
static vaddr headers_end(Elf *elf, vaddr start)
{
    size_t count = 0;
    vaddr base = 0, end = 0;
    if (!elf || elf_getphdrnum(elf, &count) != 0)
        return start;
    for (size_t i = 0; i < count && i < INT32_MAX; i++) {
        GElf_Phdr header;
        if (!gelf_getphdr(elf, (int)i, &header) || header.p_type != PT_LOAD)
            continue;
        if (header.p_offset < HEADER_PAGE)
            base = header.p_vaddr - header.p_offset;
        if (header.p_vaddr + header.p_memsz > end)
            end = header.p_vaddr + header.p_memsz;
    }
    return end > base ? start + (end - base) : start;
}

// Without program headers: what the process could write right behind the file's last mapping. That
// may go on with other memory, which does no harm.
static vaddr anonymous_end(const struct core *core, vaddr end)
{
    for (size_t i = 0; i < core->segment_count; i++) {
        const struct core_segment *segment = &core->segments[i];
        if (segment->start == end && (segment->flags & PF_W))
            return end + (segment->saved_size < BSS_MAX ? segment->saved_size : BSS_MAX);
    }
    return end;
}

vaddr core_data_module_end(struct process *process, const struct module *module)
{
    enum memory_status status;
    vaddr end = module->end > module->data_end ? module->end : module->data_end;
    if (module->image)
        return end;
    const uint8_t *page = memory_view(&process->memory, module->start, HEADER_PAGE, &status);
    if (!page || memcmp(page, ELFMAG, SELFMAG) != 0)
        return anonymous_end(process->core, end);
    elf_version(EV_CURRENT);
    Elf *elf = elf_memory((char *)page, HEADER_PAGE);
    vaddr promised = headers_end(elf, module->start);
    elf_end(elf);
    promised = (promised + HEADER_PAGE - 1) & ~(vaddr)(HEADER_PAGE - 1);
    return promised > end ? promised : end;
}

// The ranges found so far. Overlapping segments, which no honest core has, may need more room than
// there is; then the rest is left out.
struct list {
    struct recognize_range *ranges;
    size_t count;
    size_t capacity;
};

// Takes a piece of a segment, cut to whole words.
static void add_range(struct list *list, vaddr start, vaddr end, const char *file)
{
    vaddr mask = sizeof(uint64_t) - 1;
    start = (start + mask) & ~mask;
    end &= ~mask;
    if (start < end && list->count < list->capacity)
        list->ranges[list->count++] = (struct recognize_range){start, end, file};
}

static int compare_ranges(const void *a, const void *b)
{
    const struct recognize_range *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

// Cuts a segment where modules begin and end; these are sorted and disjoint.
static void add_segment(const struct core_segment *segment, const struct list *modules,
                        struct list *list)
{
    vaddr at = segment->start, end = segment->start + segment->saved_size;
    for (size_t i = 0; i < modules->count && at < end; i++) {
        const struct recognize_range *module = &modules->ranges[i];
        if (module->end <= at || module->start >= end)
            continue;
        if (module->start > at)
            add_range(list, at, module->start, NULL);
        vaddr from = module->start > at ? module->start : at;
        at = module->end < end ? module->end : end;
        add_range(list, from, at, module->file);
    }
    if (at < end)
        add_range(list, at, end, NULL);
}

static void make_disjoint(struct list *list)
{
    vaddr end = 0;
    size_t kept = 0;
    qsort(list->ranges, list->count, sizeof(*list->ranges), compare_ranges);
    for (size_t i = 0; i < list->count; i++) {
        struct recognize_range range = list->ranges[i];
        if (range.start < end)
            range.start = end;
        if (range.start >= range.end)
            continue;
        // .data and .bss of a file that no note tells of are neighbours.
        if (kept && !range.file && !list->ranges[kept - 1].file && range.start == end)
            list->ranges[kept - 1].end = range.end;
        else
            list->ranges[kept++] = range;
        end = range.end;
    }
    list->count = kept;
}

static void list_modules(struct process *process, struct list *modules)
{
    for (size_t i = 0; i < process->module_count; i++) {
        const struct module *module = &process->modules[i];
        vaddr end = core_data_module_end(process, module);
        if (i + 1 < process->module_count && end > module[1].start)
            end = module[1].start;
        add_range(modules, module->start, end, core_data_file(module));
    }
}

struct failure *core_data_list(struct process *process, struct recognize_range **ranges,
                               size_t *count)
{
    const struct core *core = process->core;
    struct list modules = {.capacity = process->module_count};
    // Each end of a module cuts at most one segment.
    struct list list = {.capacity = core->segment_count + 2 * process->module_count};
    modules.ranges = calloc(modules.capacity + 1, sizeof(*modules.ranges));
    list.ranges = calloc(list.capacity + 1, sizeof(*list.ranges));
    if (!modules.ranges || !list.ranges) {
        free(modules.ranges);
        free(list.ranges);
        return failure_no_memory();
    }
    list_modules(process, &modules);
    for (size_t i = 0; i < core->segment_count; i++)
        if ((core->segments[i].flags & PF_W) && core->segments[i].saved_size)
            add_segment(&core->segments[i], &modules, &list);
    free(modules.ranges);
    make_disjoint(&list);
    *ranges = list.ranges;
    *count = list.count;
    return NULL;
}
