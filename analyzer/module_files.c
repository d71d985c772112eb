#include "module_files.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builder.h"
#include "module_memory.h"
#include "modules.h"
#include "placement.h"

enum {
    DELETED_LENGTH = sizeof(" (deleted)") - 1
};

// The length of the path without the kernel's " (deleted)".
static size_t path_length(const char *path, bool *deleted)
{
    size_t length = strlen(path);
    *deleted = length > DELETED_LENGTH && !strcmp(path + length - DELETED_LENGTH, " (deleted)");
    return *deleted ? length - DELETED_LENGTH : length;
}

// ---- The file that the user names

static bool is_called(const struct module *module, const char *name)
{
    bool deleted;
    const char *base = basename(module->path);
    size_t length = path_length(module->path, &deleted) - (size_t)(base - module->path);
    return strlen(name) == length && !strncmp(base, name, length);
}

static struct module *find_by_build_id(const struct process *process, const struct image *image)
{
    for (size_t i = 0; i < process->module_count; i++)
        if (build_id_equal(&process->modules[i].core_build_id, &image->build_id))
            return &process->modules[i];
    return NULL;
}

// Which module the user's file is for: by build-id, by name, else the main program. May be NULL.
static struct module *choose_module(const struct builder *builder, const struct image *image)
{
    struct process *process = builder->process;
    struct module *by_id = find_by_build_id(process, image);
    if (by_id)
        return by_id;
    // NT_FILE has the name behind symbolic links (python2 -> python2.7).
    char *real = realpath(image->path, NULL);
    struct module *chosen = NULL;
    for (size_t i = 0; i < process->module_count && !chosen; i++)
        if (is_called(&process->modules[i], basename(real ? real : image->path)))
            chosen = &process->modules[i];
    for (size_t i = 0; i < process->module_count && !chosen; i++)
        if (process->modules[i].is_main)
            chosen = &process->modules[i];
    free(real);
    return chosen;
}

static struct failure *explain_machine(const struct builder *builder, const struct image *image)
{
    return failure_create(FAILURE_MISMATCH,
                          "%s: a %u-bit file for ELF machine %u, but %s is of a %u-bit %s process "
                          "(machine %u); pass the executable that ran there",
                          image->path, image->format.word_size * 8u, image->machine,
                          builder->core->path, builder->core->format.word_size * 8u,
                          builder->core->architecture, builder->core->machine);
}

static struct failure *explain_mismatch(const struct builder *builder, const struct image *image,
                                        const struct module *module, bool placed)
{
    char ours[2 * BUILD_ID_MAX + 1], theirs[2 * BUILD_ID_MAX + 1];
    build_id_format(&image->build_id, ours, sizeof(ours));
    if (!module)
        return failure_create(FAILURE_MISMATCH,
                              "%s: %s has no mapping of a file with its build-id (%s) or its name; "
                              "pass the executable that ran there",
                              image->path, builder->core->path, ours);
    build_id_format(&module->core_build_id, theirs, sizeof(theirs));
    const char *what = "its build-id differs";
    if (!image->build_id.size || !module->core_build_id.size)
        what = builder_run(builder, module)->link ? "its dynamic section is not what was mapped"
                                                  : "its segments are not those that were mapped";
    return failure_create(FAILURE_MISMATCH,
                          "%s: not the file of %s: %s (build-id %s here, %s in the core for %s); "
                          "pass the file that ran there%s",
                          image->path, builder->core->path, what, ours, theirs, module->path,
                          placed ? ", or use this one all the same with --force" : "");
}

// Takes the image if it succeeds.
static struct failure *use_executable(const struct builder *builder, struct image *image)
{
    vaddr bias;
    if (!placement_is_same_machine(builder->core, image))
        return explain_machine(builder, image);
    struct module *module = choose_module(builder, image);
    if (!module)
        return explain_mismatch(builder, image, NULL, false);
    enum module_match match = placement_compare(builder, module, image, &bias);
    bool placed = placement_find_bias(builder, module, image, &bias);
    if (match == MODULE_ABSENT && placed && builder->options->force)
        match = MODULE_FORCED;
    if (match == MODULE_ABSENT)
        return explain_mismatch(builder, image, module, placed);
    placement_attach(builder, module, image, bias, match);
    return NULL;
}

// The executable becomes the first module. One that cannot be placed is left out.
static struct failure *use_lone_executable(const struct builder *builder, struct image *image)
{
    struct process *process = builder->process;
    vaddr bias, entry = 0;
    enum module_match match;
    if (!placement_is_same_machine(builder->core, image))
        return explain_machine(builder, image);
    if (!placement_find_lone_bias(builder, image, &bias, &match)) {
        image_close(image);
        return NULL;
    }
    bool is_main = !core_find_auxv(builder->core, AT_ENTRY, &entry) || entry == bias + image->entry;
    if (!is_main && match != MODULE_MATCHES) {
        if (!builder->options->force)
            return failure_create(FAILURE_MISMATCH,
                                  "%s: not the main program of %s: its entry point would be at "
                                  "0x%llx, the core's AT_ENTRY is 0x%llx; pass the executable that "
                                  "ran there, or use this one all the same with --force",
                                  image->path, builder->core->path,
                                  (unsigned long long)(bias + image->entry),
                                  (unsigned long long)entry);
        match = MODULE_FORCED;
        is_main = true;
    }
    struct module *module = &process->modules[process->module_count++];
    *module = (struct module){.path = image->path, .is_main = is_main};
    placement_attach(builder, module, image, bias, match);
    return NULL;
}

// ---- Files that the core names

// Uses the image, or closes it if it is not the module's.
static void try_image(const struct builder *builder, struct module *module, struct image *image,
                      bool may_force)
{
    vaddr bias;
    bool deleted;
    path_length(module->path, &deleted);
    enum module_match match = placement_compare(builder, module, image, &bias);
    // Another file may have a deleted file's name by now: only a build-id tells.
    if (match == MODULE_UNCHECKED && deleted)
        match = MODULE_ABSENT;
    if (match == MODULE_ABSENT && may_force && placement_is_same_machine(builder->core, image) &&
        placement_find_bias(builder, module, image, &bias))
        match = MODULE_FORCED;
    if (match != MODULE_ABSENT) {
        placement_attach(builder, module, image, bias, match);
        return;
    }
    if (module->core_build_id.size && !build_id_equal(&image->build_id, &module->core_build_id))
        module->other_build = image->build_id;
    image_close(image);
}

// A file that cannot be opened or is no ELF file is no news: lack of memory is the only failure.
static struct failure *try_path(const struct builder *builder, struct module *module,
                                const char *path, bool may_force)
{
    struct image *image;
    struct failure *failure = image_open(path, &image);
    if (!failure)
        try_image(builder, module, image, may_force);
    else if (failure_kind(failure) == FAILURE_NO_MEMORY)
        return failure;
    else
        failure_destroy(failure);
    return NULL;
}

// The file of that base name in one of the user's directories.
static struct failure *search_library_path(const struct builder *builder, struct module *module,
                                           const char *name, size_t length)
{
    struct failure *failure = NULL;
    const char *directory = builder->options->library_path;
    while (directory && *directory && !failure && !module->image) {
        size_t size = strcspn(directory, ":");
        char *path;
        if (asprintf(&path, "%.*s/%.*s", (int)size, directory, (int)length, name) < 0)
            return failure_no_memory();
        if (size > 0)
            failure = try_path(builder, module, path, builder->options->force);
        free(path);
        directory += size + (directory[size] == ':');
    }
    return failure;
}

// qemu's -L, like a linker's --library-path, leaves the process with paths of both kinds: seen from
// inside of the sysroot, and from outside.
static bool is_below(const char *sysroot, const char *path)
{
    char *real = realpath(sysroot, NULL);
    size_t length = real ? strlen(real) : 0;
    bool below = length > 1 && !strncmp(path, real, length) && path[length] == '/';
    free(real);
    return below;
}

static struct failure *try_below(const struct builder *builder, struct module *module,
                                 const char *directory, size_t length)
{
    char *path;
    if (asprintf(&path, "%s%.*s", directory, (int)length, module->path) < 0)
        return failure_no_memory();
    struct failure *failure = try_path(builder, module, path, false);
    free(path);
    return failure;
}

static struct failure *find_file(const struct builder *builder, struct module *module)
{
    bool deleted;
    size_t length = path_length(module->path, &deleted);
    const char *name = basename(module->path);
    struct failure *failure =
        search_library_path(builder, module, name, length - (size_t)(name - module->path));
    // A relative one (of the link map) was relative to another directory.
    if (failure || module->image || module->path[0] != '/')
        return failure;
    const char *sysroot = builder->options->sysroot ? builder->options->sysroot : "";
    failure = try_below(builder, module, sysroot, length);
    if (!failure && !module->image && is_below(sysroot, module->path))
        failure = try_below(builder, module, "", length);
    return failure;
}

// The core saved the beginning of the file, and it is no ELF file: data that was mapped.
static bool is_data_file(const struct builder *builder, const struct module *module)
{
    uint64_t size;
    const uint8_t *saved = builder_saved_beginning(builder, module, &size);
    return saved && (size < SELFMAG || memcmp(saved, ELFMAG, SELFMAG));
}

struct failure *module_files_find(const struct builder *builder)
{
    struct process *process = builder->process;
    struct failure *failure = NULL;
    for (size_t i = 0; i < process->module_count && !failure; i++)
        if (!process->modules[i].image && !is_data_file(builder, &process->modules[i])) {
            failure = find_file(builder, &process->modules[i]);
            if (!failure && !process->modules[i].image)
                failure = module_memory_open(builder, &process->modules[i]);
        }
    return failure;
}

// ---- Both

// The process was perhaps started by the script, so its interpreter may be one of the process's
// files: only by its build-id, since nobody said so.
static struct failure *use_script(const struct builder *builder, const char *line)
{
    struct process *process = builder->process;
    struct image *image;
    char path[SCRIPT_MAX];
    snprintf(path, sizeof(path), "%.*s", (int)strcspn(line, " \t"), line);
    process->script = strdup(line);
    if (!process->script)
        return failure_no_memory();
    struct failure *failure = path[0] == '/' ? image_open(path, &image) : NULL;
    if (failure) {
        bool fatal = failure_kind(failure) == FAILURE_NO_MEMORY;
        if (!fatal)
            failure_destroy(failure);
        return fatal ? failure : NULL;
    }
    struct module *module = path[0] == '/' ? find_by_build_id(process, image) : NULL;
    if (module)
        try_image(builder, module, image, false);
    else if (path[0] == '/')
        image_close(image);
    return NULL;
}

struct failure *module_files_open_executable(struct builder *builder)
{
    struct image *image;
    char line[SCRIPT_MAX];
    if (!builder->options->executable)
        return NULL;
    if (image_read_script(builder->options->executable, line))
        return use_script(builder, line);
    struct failure *failure = image_open(builder->options->executable, &image);
    if (failure)
        return failure;
    const struct process *process = builder->process;
    bool listed = process->module_count > 0;
    failure = listed ? use_executable(builder, image) : use_lone_executable(builder, image);
    if (failure) {
        image_close(image);
        return failure;
    }
    if (listed || process->module_count == 0 || image->dynamic_size == 0)
        return NULL;
    return modules_add_links(builder, process->modules[0].bias + image->dynamic);
}
