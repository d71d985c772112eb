#include "world.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "scratch.h"

// ---- Libraries

const struct library id_1 = {.id = 1}, id_2 = {.id = 2, .text = "other text"}, no_id = {0};

void fill_dynamic(const struct library *library, vaddr base, vaddr debug, uint64_t *words)
{
    const uint64_t all[DYNAMIC_WORDS] = {
        DT_STRSZ, library->strings, DT_STRTAB, base + 0x400, DT_DEBUG, debug, DT_NULL, 0};
    memcpy(words, all, sizeof(all));
}

struct fakecore_file_image build_library(const struct library *library)
{
    uint64_t dynamic[DYNAMIC_WORDS];
    static char text[PAGE], data[PAGE] = "data of the file";
    uint8_t id[20] = {library->id};
    memset(text, 0, sizeof(text));
    strcpy(text, library->text ? library->text : "text");
    strcpy(text + PAGE / 2, "the other half");
    const vaddr at = library->linked_at;
    const struct fakecore_segment segments[] = {{at, NULL, PAGE, 0, PF_R},
                                                {at + TEXT, text, PAGE, 0, PF_R | PF_X},
                                                {at + DATA, data, PAGE, 2 * PAGE, PF_R | PF_W},
                                                {at + DYNAMIC, dynamic, sizeof(dynamic), 0, 0}};
    const struct fakecore_note note = {"GNU", NT_GNU_BUILD_ID, id, sizeof(id)};
    const struct fakecore spec = {.type = library->type ? library->type : ET_DYN,
                                  .machine = library->machine,
                                  .segments = segments,
                                  .segment_count = LENGTH(segments) - !library->strings,
                                  .notes = &note,
                                  .note_count = library->id > 0};
    fill_dynamic(library, library->linked_at, 0, dynamic);
    struct fakecore_file_image image = fakecore_build(&spec);
    size_t first = image.headers + (library->id ? image.header_size : 0);
    fakecore_patch(&image, first + offsetof(Elf64_Phdr, p_offset), 0, 8);
    if (library->text_size)
        fakecore_patch(&image, first + image.header_size + offsetof(Elf64_Phdr, p_filesz),
                       library->text_size, 8);
    if (library->strings)
        fakecore_patch(&image, first + 3 * image.header_size, PT_DYNAMIC, 4);
    fakecore_patch(&image, offsetof(Elf64_Ehdr, e_entry), library->linked_at + ENTRY, 8);
    if (library->size)
        fakecore_cut(&image, library->size);
    return image;
}

void write_library(const char *path, const struct library *library)
{
    struct fakecore_file_image image = build_library(library);
    fakecore_write(&image, path);
    fakecore_free(&image);
}

// ---- Filling

void init_world(struct world *world)
{
    static const struct fakecore_thread thread = {1234, 11};
    memset(world, 0, sizeof(*world));
    world->spec = (struct fakecore){.segments = world->segments,
                                    .threads = &thread,
                                    .thread_count = 1,
                                    .auxv = world->auxv,
                                    .files = world->files};
    cr_assert_not_null(getcwd(world->directory, sizeof(world->directory)));
}

void add_segment(struct world *world, vaddr start, const void *bytes, size_t size,
                 size_t memory_size, uint32_t flags)
{
    world->segments[world->spec.segment_count++] =
        (struct fakecore_segment){start, bytes, size, memory_size, flags};
}

void add_auxv(struct world *world, uint64_t type, uint64_t value)
{
    world->auxv[world->spec.auxv_count++] = (struct fakecore_auxv){type, value};
}

void add_line(struct world *world, vaddr start, vaddr end, uint64_t offset, const char *path)
{
    char *whole = world->paths[world->path_count++];
    snprintf(whole, sizeof(world->paths[0]), "%s%s%s", *path == '/' ? "" : world->directory,
             *path == '/' ? "" : "/", path);
    world->files[world->spec.file_count++] = (struct fakecore_file){start, end, offset, whole};
}

void add_lines(struct world *world, vaddr base, const char *path)
{
    add_line(world, base, base + PAGE, 0, path);
    // The file begins with an unused copy of the header page; see build_library.
    add_line(world, base + TEXT, base + TEXT + PAGE, 2 * PAGE, path);
    add_line(world, base + DATA, base + DATA + PAGE, 3 * PAGE, path);
}

void add_segments(struct world *world, vaddr base, const struct library *library)
{
    struct fakecore_file_image *image = &world->headers[world->spec.file_count];
    *image = build_library(library);
    add_segment(world, base, image->bytes, PAGE, 0, PF_R);
    add_segment(world, base + TEXT, NULL, 0, PAGE, PF_R | PF_X);
    add_segment(world, base + DATA, "data of the core", 16, 2 * PAGE, PF_R | PF_W);
}

void map_library(struct world *world, vaddr base, const char *path, const struct library *library)
{
    add_lines(world, base, path);
    add_segments(world, base, library);
}

void map_two(struct world *world, const struct library *launcher, const struct library *library)
{
    init_world(world);
    map_library(world, BASE, "/no/such/python2.7", launcher);
    map_library(world, BASE + 0x100000, "/no/such/libpython2.7.so.1.0", library);
    add_auxv(world, AT_ENTRY, BASE + ENTRY);
}

// ---- Opening

void write_core(struct world *world)
{
    struct fakecore_file_image image = fakecore_build(&world->spec);
    fakecore_write(&image, "core.1");
    fakecore_free(&image);
}

struct failure *try_open(struct world *world, const struct process_options *options)
{
    struct failure *failure = core_open("core.1", &world->core);
    cr_assert_null(failure, "%s", failure ? failure_text(failure) : "");
    return process_open(world->core, options, &world->process);
}

void open_world(struct world *world, const struct process_options *options)
{
    static const struct process_options none = {0};
    write_core(world);
    struct failure *failure = try_open(world, options ? options : &none);
    cr_assert_null(failure, "%s", failure ? failure_text(failure) : "");
}

void close_world(struct world *world)
{
    process_close(world->process);
    core_close(world->core);
    for (size_t i = 0; i < MOST; i++)
        fakecore_free(&world->headers[i]);
}

void assert_failure(struct world *world, const struct process_options *options, const char *format,
                    ...)
{
    char text[3 * PATH_MAX];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    write_core(world);
    struct failure *failure = try_open(world, options);
    cr_assert_not_null(failure);
    cr_assert_str_eq(failure_text(failure), text);
    cr_assert_eq(failure_kind(failure), FAILURE_MISMATCH);
    cr_assert_null(world->process);
    failure_destroy(failure);
    close_world(world);
}

void assert_bytes(struct world *world, vaddr at, const char *text)
{
    enum memory_status status = MEMORY_NONSENSE;
    const uint8_t *view = memory_view(&world->process->memory, at, strlen(text), &status);
    cr_assert_eq(status, MEMORY_OK, "0x%" PRIx64 ": %d instead of '%s'", at, status, text);
    cr_assert_eq(memcmp(view, text, strlen(text)), 0, "0x%" PRIx64 ": '%.*s' instead of '%s'", at,
                 (int)strlen(text), (const char *)view, text);
}

void assert_status(struct world *world, vaddr at, enum memory_status expected)
{
    enum memory_status status = MEMORY_NONSENSE;
    memory_view(&world->process->memory, at, 1, &status);
    cr_assert_eq(status, expected, "0x%" PRIx64 ": %d", at, status);
}

const struct module *open_module(struct world *world, const struct process_options *options,
                                 enum module_match expected)
{
    open_world(world, options);
    cr_assert_eq(world->process->module_count, 1);
    const struct module *module = &world->process->modules[0];
    cr_assert_eq(module->match, expected, "%d", module->match);
    cr_assert_eq(module->image == NULL, expected == MODULE_ABSENT);
    return module;
}
