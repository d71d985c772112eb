#include "check.h"

#include <elf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "layout.h"

enum {
    // Bits of /proc/PID/coredump_filter (core(5)).
    FILTER_PRIVATE = 1 << 0,
    FILTER_SHARED = 1 << 1,
    FILTER_FILES = 1 << 2,
    FILTER_HEADERS = 1 << 4,
};

// --- what was saved

// The line of NT_FILE that holds an address, or NULL.
static const struct core_mapping *find_mapping(const struct core *core, vaddr at)
{
    for (size_t i = 0; i < core->mapping_count; i++)
        if (at - core->mappings[i].start < core->mappings[i].end - core->mappings[i].start)
            return &core->mappings[i];
    return NULL;
}

// Shared memory has names that are no files (mm/shmem.c, ipc/shm.c), or lies in /dev/shm.
static bool is_shared(const struct core_mapping *mapping)
{
    static const char *const names[] = {"/dev/zero", "/dev/shm/", "/SYSV", "/memfd:"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strncmp(mapping->path, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static enum check_memory find_kind(const struct core *core, const struct core_segment *segment)
{
    const struct core_mapping *mapping = find_mapping(core, segment->start);
    if (!mapping)
        return CHECK_PRIVATE;
    if (is_shared(mapping))
        return CHECK_SHARED;
    if (segment->flags & PF_W)
        return CHECK_WRITTEN;
    bool begins = segment->saved_size && segment->saved_size < segment->memory_size &&
                  mapping->file_offset == 0;
    return begins ? CHECK_HEADERS : CHECK_READ_ONLY;
}

static void count_memory(struct check *check)
{
    const struct core *core = check->core;
    for (size_t i = 0; i < core->segment_count; i++) {
        const struct core_segment *segment = &core->segments[i];
        enum check_memory kind = find_kind(core, segment);
        // Without a file and not writable: of the kernel ([vdso], [vvar], [vsyscall]), or addresses
        // that malloc only reserves. Nothing that a process wrote.
        if (kind == CHECK_PRIVATE && !(segment->flags & PF_W))
            continue;
        struct check_amount *amount = &check->memory[kind];
        amount->segments++;
        amount->memory += segment->memory_size;
        amount->saved += segment->saved_size;
    }
}

// A read-only page of a file that was written to while it was loaded is saved as private memory.
// Code never is, so that alone tells of the bit for files.
static bool saves_code(const struct core *core, bool *has_code)
{
    bool saved = false;
    *has_code = false;
    for (size_t i = 0; i < core->segment_count; i++) {
        const struct core_segment *segment = &core->segments[i];
        if (!(segment->flags & PF_X) || find_kind(core, segment) != CHECK_READ_ONLY)
            continue;
        *has_code = true;
        saved = saved || segment->saved_size == segment->memory_size;
    }
    return saved;
}

static void guess_filter(struct check *check)
{
    const struct check_amount *memory = check->memory;
    bool has_code;
    if (check->core->bytes_missing) // by the cut, as far as anyone can see
        return;
    unsigned *yes = &check->filter_yes, *no = &check->filter_no;
    bool code = saves_code(check->core, &has_code);
    if (memory[CHECK_PRIVATE].segments)
        *(memory[CHECK_PRIVATE].saved ? yes : no) |= FILTER_PRIVATE;
    if (memory[CHECK_SHARED].segments)
        *(memory[CHECK_SHARED].saved ? yes : no) |= FILTER_SHARED;
    if (has_code)
        *(code ? yes : no) |= FILTER_FILES;
    if (memory[CHECK_HEADERS].segments)
        *yes |= FILTER_HEADERS;
    else if (has_code && !code && memory[CHECK_READ_ONLY].segments)
        *no |= FILTER_HEADERS;
}

static struct failure *explain_filter(const struct check *check)
{
    const struct check_amount *private = &check->memory[CHECK_PRIVATE];
    if (private->saved || !private->memory)
        return NULL;
    return failure_create(FAILURE_DAMAGED,
                          "%s: of %" PRIu64 " bytes of private memory none are saved: "
                          "coredump_filter had no bit 0x1; write 0x33 to "
                          "/proc/PID/coredump_filter before the next one dies",
                          check->core->path, private->memory);
}

// --- files

// Data that was mapped is no loss.
static bool has_code(const struct check *check, const struct module *module)
{
    const char *base = strrchr(module->path, '/');
    if (module->core_build_id.size || module->is_main || strstr(base ? base : module->path, ".so"))
        return true;
    for (size_t i = 0; i < check->core->segment_count; i++) {
        const struct core_segment *segment = &check->core->segments[i];
        if ((segment->flags & PF_X) && segment->start - module->start < module->end - module->start)
            return true;
    }
    return false;
}

static struct failure *count_files(struct check *check)
{
    const struct process *process = check->process;
    check->absent = calloc(process->module_count + 1, sizeof(*check->absent));
    if (!check->absent)
        return failure_no_memory();
    for (size_t i = 0; i < process->module_count; i++) {
        const struct module *module = &process->modules[i];
        check->matching += module->match == MODULE_MATCHES;
        check->unchecked += module->match == MODULE_UNCHECKED;
        check->forced += module->match == MODULE_FORCED;
        if (module->match == MODULE_ABSENT && has_code(check, module))
            check->absent[check->absent_count++] = module;
    }
    return NULL;
}

// --- all of it

static void read_garbage(struct check *check)
{
    const struct runtime *runtime = &check->interpreter->runtime;
    if (runtime->garbage &&
        layout_read(&runtime->layout, runtime->memory, runtime->garbage, LAYOUT_PyVarObject_ob_size,
                    &check->garbage_length) != MEMORY_OK)
        check->losses |= CHECK_GARBAGE_UNREAD;
    if (runtime->collecting.known && runtime->collecting.value)
        check->losses |= CHECK_COLLECTION;
}

static void find_losses(struct check *check)
{
    const struct check_amount *memory = check->memory;
    if (check->core->bytes_missing)
        check->losses |= CHECK_CUT;
    if (check->core->bytes_overlapping)
        check->losses |= CHECK_OVERLAP;
    if (!check->core->thread_count)
        check->losses |= CHECK_NO_THREADS;
    if (memory[CHECK_PRIVATE].saved < memory[CHECK_PRIVATE].memory ||
        memory[CHECK_WRITTEN].saved < memory[CHECK_WRITTEN].memory)
        check->losses |= CHECK_MEMORY_HOLES;
    if (check->absent_count)
        check->losses |= CHECK_FILES_ABSENT;
    if (check->core->unpacked && check->core->unpacked->damage)
        check->losses |= CHECK_STREAM_DAMAGED;
    if (check->forced)
        check->losses |= CHECK_FILE_DIFFERS;
}

// As far as it goes; the first obstacle is the refusal.
struct failure *check_look(struct check *check, const struct process_options *options,
                           const struct debug_file_options *debug)
{
    count_memory(check);
    guess_filter(check);
    struct failure *failure = process_open(check->core, options, &check->process);
    if (!failure) {
        failure = count_files(check);
        if (failure)
            return failure;
    }
    if (!failure)
        failure = explain_filter(check);
    if (!failure)
        failure = interpreter_open(check->process, debug, &check->interpreter);
    check->refusal = failure;
    if (check->interpreter)
        read_garbage(check);
    missing_sum(check->core, check->process, check->interpreter, &check->missing);
    find_losses(check);
    return NULL;
}

struct failure *check_init(struct check *check, const char *core,
                           const struct unpack_options *unpack)
{
    *check = (struct check){0};
    return core_open_with(core, unpack, &check->core);
}

void check_deinit(struct check *check)
{
    failure_destroy(check->refusal);
    interpreter_close(check->interpreter);
    process_close(check->process);
    core_close(check->core);
    free(check->absent);
    *check = (struct check){0};
}
