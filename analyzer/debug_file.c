#include "debug_file.h"

#include <elfutils/libdwelf.h>
#include <libelf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "debug_server.h"
#include "image.h"
#include "image_dwarf.h"

enum {
    DIRECTORIES_MAX = 32, // more are not looked into
    BUILD_ID_LEAST = 2    // bytes: the first names a directory
};

// What a file must be to be taken.
struct wanted {
    struct build_id id;   // size 0: not known
    const GElf_Word *crc; // of its bytes, where there is no build-id to compare; NULL: not known
    const char *owner;    // the path of the file that it is for
    bool supplement;
};

struct search {
    const struct debug_file_options *options;
    struct debug_file *found;
    char *directories[DIRECTORIES_MAX];
    size_t directory_count;
};

static void __attribute__((format(printf, 2, 3)))
add_note(struct search *search, const char *format, ...)
{
    struct debug_file *found = search->found;
    va_list list;
    va_start(list, format);
    if (found->note_count < DEBUG_FILE_NOTES_MAX &&
        vasprintf(&found->notes[found->note_count], format, list) >= 0)
        found->note_count++;
    va_end(list);
}

// ---- Is it the one?

static bool has_symbol_table(const struct image *image)
{
    for (Elf_Scn *section = NULL; (section = elf_nextscn(image_elf(image), section));) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) && header.sh_type == SHT_SYMTAB)
            return true;
    }
    return false;
}

static bool is_wanted(struct search *search, const struct wanted *wanted, const struct image *image)
{
    if (wanted->id.size && image->build_id.size) {
        if (build_id_equal(&wanted->id, &image->build_id))
            return true;
        char theirs[2 * BUILD_ID_MAX + 1], ours[2 * BUILD_ID_MAX + 1];
        build_id_format(&image->build_id, theirs, sizeof(theirs));
        build_id_format(&wanted->id, ours, sizeof(ours));
        add_note(search, "%s is not used: it is not the debug file of %s (build-id %s, not %s)",
                 image->path, wanted->owner, theirs, ours);
        return false;
    }
    if (!wanted->crc) {
        add_note(search, "%s is not used: no build-id tells whether it belongs to %s", image->path,
                 wanted->owner);
        return false;
    }
    GElf_Word crc = (GElf_Word)crc32_z(0, image->bytes, image->size);
    if (crc != *wanted->crc)
        add_note(search, "%s is not used: it is not the debug file of %s (CRC %08x, not %08x)",
                 image->path, wanted->owner, crc, *wanted->crc);
    return crc == *wanted->crc;
}

// Does it have what it is looked for?
static bool is_useful(const struct wanted *wanted, const struct image *image)
{
    return image_has_dwarf(image) || (!wanted->supplement && has_symbol_table(image));
}

// Takes `path`, and frees it. *taken stays as it is when it is not the one, or is not there.
static struct failure *try_path(struct search *search, const struct wanted *wanted, char *path,
                                struct image **taken)
{
    struct image *image;
    struct failure *failure = path ? image_open_debug(path, &image) : failure_no_memory();
    if (failure && failure_kind(failure) == FAILURE_MISMATCH) {
        add_note(search, "%s is not used: no intact ELF file", path);
        failure_destroy(failure);
        failure = NULL;
    } else if (failure && failure_kind(failure) == FAILURE_IO) {
        failure_destroy(failure);
        failure = NULL;
    } else if (!failure && is_wanted(search, wanted, image) && is_useful(wanted, image)) {
        *taken = image;
    } else if (!failure) {
        image_close(image);
    }
    free(path);
    return failure;
}

static char *__attribute__((format(printf, 1, 2))) make_path(const char *format, ...)
{
    char *path;
    va_list list;
    va_start(list, format);
    int length = vasprintf(&path, format, list);
    va_end(list);
    return length < 0 ? NULL : path;
}

// ---- Where

static struct failure *list_directories(struct search *search)
{
    const char *path = search->options->path ? search->options->path : DEBUG_FILE_PATH;
    const char *sysroot = search->options->sysroot;
    for (; *path; path += *path == ':') {
        int length = (int)strcspn(path, ":");
        for (int below = sysroot != NULL; below >= 0 && length > 0; below--) {
            if (search->directory_count == DIRECTORIES_MAX)
                return NULL;
            char *directory = make_path("%s%s%.*s", below ? sysroot : "",
                                        below && *path != '/' ? "/" : "", length, path);
            if (!directory)
                return failure_no_memory();
            search->directories[search->directory_count++] = directory;
        }
        path += length;
    }
    return NULL;
}

static struct failure *search_by_build_id(struct search *search, const struct wanted *wanted,
                                          struct image **taken)
{
    char id[2 * BUILD_ID_MAX + 1];
    struct failure *failure = NULL;
    if (wanted->id.size < BUILD_ID_LEAST)
        return NULL;
    build_id_format(&wanted->id, id, sizeof(id));
    for (size_t i = 0; i < search->directory_count && !failure && !*taken; i++)
        failure = try_path(
            search, wanted,
            make_path("%s/.build-id/%.2s/%s.debug", search->directories[i], id, id + 2), taken);
    return failure;
}

static int directory_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (int)(slash - path) : 0;
}

// In DIR with the directories of a path.
static struct failure *search_below(struct search *search, const struct wanted *wanted,
                                    const char *path, const char *name, struct image **taken)
{
    struct failure *failure = NULL;
    for (size_t i = 0; i < search->directory_count && !failure && !*taken && path[0] == '/'; i++)
        failure = try_path(
            search, wanted,
            make_path("%s%.*s/%s", search->directories[i], directory_length(path), path, name),
            taken);
    return failure;
}

static struct failure *search_by_link(struct search *search, const struct image *image,
                                      const char *mapped_as, struct wanted wanted,
                                      struct image **taken)
{
    GElf_Word crc;
    const char *name = dwelf_elf_gnu_debuglink(image_elf(image), &crc);
    if (!name || !*name || strchr(name, '/'))
        return NULL;
    wanted.crc = &crc;
    // Where the file itself is, not a link to it.
    char *real = realpath(image->path, NULL);
    const char *path = real ? real : image->path;
    int length = directory_length(path);
    struct failure *failure =
        try_path(search, &wanted, make_path("%.*s/%s", length, path, name), taken);
    if (!failure && !*taken)
        failure = try_path(search, &wanted, make_path("%.*s/.debug/%s", length, path, name), taken);
    if (!failure && !*taken)
        failure = search_below(search, &wanted, mapped_as, name, taken);
    if (!failure && !*taken && strcmp(path, mapped_as))
        failure = search_below(search, &wanted, path, name, taken);
    free(real);
    return failure;
}

static struct failure *ask_servers(struct search *search, const struct wanted *wanted,
                                   struct image **taken)
{
    char *why = NULL, *path;
    char id[2 * BUILD_ID_MAX + 1];
    if (!search->options->ask_servers)
        return NULL;
    build_id_format(&wanted->id, id, sizeof(id));
    path = wanted->id.size ? debug_server_fetch(&wanted->id, &why) : NULL;
    if (path)
        return try_path(search, wanted, path, taken);
    add_note(search, "debuginfod has nothing for %s (build-id %s): %s", wanted->owner, id,
             why ? why : "only a build-id can be asked for");
    free(why);
    return NULL;
}

// ---- The two files

static struct failure *find_detached(struct search *search, struct image *image,
                                     const char *mapped_as)
{
    const struct wanted wanted = {.id = image->build_id, .owner = image->path};
    struct image *taken = NULL;
    struct failure *failure = search_by_build_id(search, &wanted, &taken);
    enum debug_file_source source = DEBUG_FILE_BY_BUILD_ID;
    if (!failure && !taken) {
        source = DEBUG_FILE_BY_LINK;
        failure = search_by_link(search, image, mapped_as, wanted, &taken);
    }
    if (!failure && !taken) {
        source = DEBUG_FILE_BY_SERVER;
        failure = ask_servers(search, &wanted, &taken);
    }
    if (failure || !taken)
        return failure;
    search->found->source = source;
    image_attach_debug(image, taken);
    return NULL;
}

// What the user asked for and did not get is told, be it that nothing at all was there.
static void note_absence(struct search *search, const struct image *image)
{
    char id[2 * BUILD_ID_MAX + 1];
    build_id_format(&image->build_id, id, sizeof(id));
    if (search->options->path && search->found->note_count == 0)
        add_note(search,
                 "no debug file of %s (build-id %s) is in %s, so the built-in column alone tells "
                 "where members lie",
                 image->path, id, search->options->path);
}

// dwz writes a path that is absolute, or relative to the file that it is in.
static struct failure *find_supplement(struct search *search, struct image *image)
{
    struct wanted wanted = {.owner = image->path, .supplement = true};
    char *name, *real = realpath(image->path, NULL);
    const char *path = real ? real : image->path, *sysroot = search->options->sysroot;
    struct image *taken = NULL;
    struct failure *failure = NULL;
    if (!image_find_supplement(image, &name, &wanted.id)) {
        free(real);
        return NULL;
    }
    if (name[0] != '/')
        failure = try_path(search, &wanted,
                           make_path("%.*s/%s", directory_length(path), path, name), &taken);
    else if (sysroot)
        failure = try_path(search, &wanted, make_path("%s%s", sysroot, name), &taken);
    if (!failure && !taken && name[0] == '/')
        failure = try_path(search, &wanted, make_path("%s", name), &taken);
    if (!failure && !taken)
        failure = search_by_build_id(search, &wanted, &taken);
    if (!failure && !taken)
        failure = ask_servers(search, &wanted, &taken);
    if (!failure && !taken)
        add_note(
            search,
            "the DWARF of %s refers to %s, which is not here: of the types that are there only "
            "the built-in column tells",
            image->path, name);
    image->supplement = taken;
    free(name);
    free(real);
    return failure;
}

struct failure *debug_file_find(struct image *image, const char *mapped_as,
                                const struct debug_file_options *options, struct debug_file *found)
{
    struct search search = {.options = options, .found = found};
    bool has_dwarf = image_has_dwarf(image);
    *found = (struct debug_file){0};
    struct failure *failure = list_directories(&search);
    if (!failure && !has_dwarf) {
        failure = find_detached(&search, image, mapped_as);
        if (!failure && !image->detached)
            note_absence(&search, image);
    }
    struct image *holder = has_dwarf ? image : image->detached;
    if (!failure && holder)
        failure = find_supplement(&search, holder);
    for (size_t i = 0; i < search.directory_count; i++)
        free(search.directories[i]);
    return failure;
}

void debug_file_deinit(struct debug_file *found)
{
    for (size_t i = 0; i < found->note_count; i++)
        free(found->notes[i]);
}

const char *debug_file_source_text(enum debug_file_source source)
{
    static const char *const texts[] = {
        [DEBUG_FILE_BY_BUILD_ID] = "build-id",
        [DEBUG_FILE_BY_LINK] = "debuglink",
        [DEBUG_FILE_BY_SERVER] = "debuginfod",
    };
    return texts[source];
}
