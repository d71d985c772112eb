#include "modules.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "builder.h"

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

struct failure *modules_list(struct builder *builder)
{
    size_t count = builder->core->mapping_count;
    // One more: the executable of a core without NT_FILE.
    builder->lines = calloc(count + 1, sizeof(*builder->lines));
    builder->runs = calloc(count + 1, sizeof(*builder->runs));
    builder->process->modules = calloc(count + 1, sizeof(*builder->process->modules));
    if (!builder->lines || !builder->runs || !builder->process->modules)
        return failure_no_memory();
    if (count > 0)
        memcpy(builder->lines, builder->core->mappings, count * sizeof(*builder->lines));
    qsort(builder->lines, count, sizeof(*builder->lines), compare_lines);
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i + 1; next < count; next++)
            if (strcmp(builder->lines[next].path, builder->lines[i].path))
                break;
        if (is_file_name(builder->lines[i].path))
            add_run(builder, &builder->lines[i], next - i);
    }
    return NULL;
}

static bool holds_auxv(const struct core *core, const struct module *module, uint64_t type)
{
    uint64_t value;
    return core_find_auxv(core, type, &value) &&
           value - module->start < module->end - module->start;
}

void modules_describe(struct builder *builder)
{
    struct process *process = builder->process;
    for (size_t i = 0; i < process->module_count; i++) {
        struct module *module = &process->modules[i];
        uint64_t size;
        module->is_main = holds_auxv(builder->core, module, AT_PHDR) ||
                          holds_auxv(builder->core, module, AT_ENTRY);
        const uint8_t *saved = builder_saved_beginning(builder, module, &size);
        if (saved)
            build_id_find(saved, size, &module->core_build_id);
    }
}
