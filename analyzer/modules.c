#include "modules.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "builder.h"
#include "placement.h"

static int compare_lines(const void *a, const void *b)
{
    const struct core_mapping *x = a, *y = b;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

// Names that the kernel gives to what is no file (mm/shmem.c, ipc/shm.c, fs/aio.c), and devices.
static bool is_file_name(const char *path)
{
    static const char *const others[] = {"/dev/", "/SYSV", "/memfd:", "/anon_hugepage", "/["};
    if (path[0] != '/')
        return false;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (!strncmp(path, others[i], strlen(others[i])))
            return !strncmp(path, "/dev/shm/", strlen("/dev/shm/"));
    return true;
}

static void add_run(struct builder *builder, const struct core_mapping *lines, size_t count)
{
    struct process *process = builder->process;
    struct run run = {lines, count, NULL};
    vaddr end = 0;
    for (size_t i = 0; i < count; i++) {
        if (!run.base && lines[i].file_offset == 0)
            run.base = &lines[i];
        if (lines[i].end > end)
            end = lines[i].end;
    }
    if (!run.base)
        run.base = &lines[0];
    builder->runs[process->module_count] = run;
    process->modules[process->module_count++] = (struct module){
        .path = lines->path,
        .start = lines->start,
        .end = end,
        .data_end = lines->start,
    };
}

static void list_lines(struct builder *builder, size_t count)
{
    memcpy(builder->lines, builder->core->mappings, count * sizeof(*builder->lines));
    qsort(builder->lines, count, sizeof(*builder->lines), compare_lines);
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i + 1; next < count; next++)
            if (strcmp(builder->lines[next].path, builder->lines[i].path))
                break;
        if (is_file_name(builder->lines[i].path))
            add_run(builder, &builder->lines[i], next - i);
    }
}

static bool holds_auxv(const struct core *core, const struct module *module, uint64_t type)
{
    uint64_t value;
    return core_find_auxv(core, type, &value) &&
           value - module->start < module->end - module->start;
}

// What the core itself says about the modules: which one is the main program, and build-ids from
// saved pages.
static void describe_modules(const struct builder *builder)
{
    struct process *process = builder->process;
    for (size_t i = 0; i < process->module_count; i++) {
        struct module *module = &process->modules[i];
        uint64_t size;
        module->is_main |= holds_auxv(builder->core, module, AT_PHDR) ||
                           holds_auxv(builder->core, module, AT_ENTRY);
        const uint8_t *saved = builder_saved_beginning(builder, module, &size);
        if (saved)
            build_id_find(saved, size, &module->core_build_id);
    }
}

// The dynamic linker itself was started, and told which program to load.
static bool is_linker_started(const struct builder *builder)
{
    uint64_t base;
    return !core_find_auxv(builder->core, AT_BASE, &base) || base == 0;
}

// The main program then is not where the kernel says, but the first of the linker's list.
static struct failure *find_loaded_main(struct builder *builder)
{
    struct process *process = builder->process;
    size_t count, main = SIZE_MAX;
    struct failure *failure = link_map_read(builder, 0, &builder->links, &count);
    if (failure || count == 0)
        return failure;
    for (size_t i = 0; i < process->module_count; i++)
        if (builder->links[0].dynamic - process->modules[i].start <
            process->modules[i].end - process->modules[i].start)
            main = i;
    for (size_t i = 0; main != SIZE_MAX && i < process->module_count; i++)
        process->modules[i].is_main = i == main;
    return NULL;
}

// The link map does not have the main program's name, the kernel has it on the stack.
static const char *main_path(const struct builder *builder)
{
    uint64_t at, size;
    const char *path = core_find_auxv(builder->core, AT_EXECFN, &at)
                           ? (const char *)layer_find(&builder->layers[LAYER_SAVED], at, &size)
                           : NULL;
    return path && *path && strnlen(path, size) < size ? path : builder->core->command;
}

static void add_link(struct builder *builder, const struct link *link, bool is_main)
{
    struct process *process = builder->process;
    uint64_t headers;
    if (!is_main && !is_file_name(link->path))
        return; // the kernel's own (linux-vdso.so.1), or nonsense
    vaddr start = link->bias;
    const char *path = is_main && !*link->path ? main_path(builder) : link->path;
    if (is_main && !is_linker_started(builder) && core_find_auxv(builder->core, AT_PHDR, &headers))
        start = placement_page_down(builder, headers);
    builder->runs[process->module_count] = (struct run){.link = link};
    process->modules[process->module_count++] = (struct module){
        .path = path,
        .start = start,
        .end = start,
        .data_end = start,
        .is_main = is_main,
    };
}

struct failure *modules_add_links(struct builder *builder, vaddr dynamic)
{
    struct process *process = builder->process;
    size_t count, had = process->module_count;
    struct failure *failure = link_map_read(builder, dynamic, &builder->links, &count);
    if (failure || count == 0)
        return failure;
    // One more: the executable.
    struct run *runs = reallocarray(builder->runs, had + count + 1, sizeof(*runs));
    builder->runs = runs ? runs : builder->runs;
    struct module *modules = reallocarray(process->modules, had + count + 1, sizeof(*modules));
    process->modules = modules ? modules : process->modules;
    if (!runs || !modules)
        return failure_no_memory();
    for (size_t i = had > 0; i < count; i++)
        add_link(builder, &builder->links[i], i == 0);
    describe_modules(builder);
    return NULL;
}

static int compare_modules(const void *a, const void *b)
{
    const struct module *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

void modules_sort(struct process *process)
{
    qsort(process->modules, process->module_count, sizeof(*process->modules), compare_modules);
}

struct failure *modules_list(struct builder *builder)
{
    size_t count = builder->core->mapping_count;
    // One more: the executable of a core without NT_FILE.
    builder->lines = calloc(count + 1, sizeof(*builder->lines));
    builder->runs = calloc(count + 1, sizeof(*builder->runs));
    builder->process->modules = calloc(count + 1, sizeof(*builder->process->modules));
    if (!builder->lines || !builder->runs || !builder->process->modules)
        return failure_no_memory();
    if (count == 0)
        return modules_add_links(builder, 0);
    list_lines(builder, count);
    describe_modules(builder);
    return is_linker_started(builder) ? find_loaded_main(builder) : NULL;
}
