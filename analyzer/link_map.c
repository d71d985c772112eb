#include "link_map.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "builder.h"

enum {
    HEADERS_MAX = 256,     // program headers
    DYNAMIC_MAX = 1024,    // entries of a dynamic section
    LINKER_SIZE = 4 << 20, // glibc's has a quarter of a megabyte, debugging builds two
    VERSION_MAX = 8,       // of struct r_debug; 2 is the latest
    STATES = 3             // RT_CONSISTENT, RT_ADD, RT_DELETE
};

// Words of struct r_debug.
enum {
    DEBUG_MAP = 1,
    DEBUG_BREAK = 2,
    DEBUG_STATE = 3,
    DEBUG_BASE = 4,
    DEBUG_WORDS = 5
};

// Words of struct link_map.
enum {
    LINK_BIAS,
    LINK_NAME,
    LINK_DYNAMIC,
    LINK_NEXT,
    LINK_PREVIOUS,
    LINK_WORDS
};

static bool read_word(const struct builder *builder, vaddr at, vaddr *word)
{
    const uint8_t *bytes = builder_saved_bytes(builder, at, builder->core->format.word_size);
    if (bytes)
        *word = format_word(builder->core->format, bytes);
    return bytes != NULL;
}

static bool read_int(const struct builder *builder, vaddr at, uint64_t *value)
{
    const uint8_t *bytes = builder_saved_bytes(builder, at, 4);
    if (bytes)
        *value = format_uint(builder->core->format, bytes, 4);
    return bytes != NULL;
}

// ---- Where it is

// What DT_DEBUG in the main program's dynamic section points to.
static bool find_by_dynamic(const struct builder *builder, vaddr dynamic, vaddr *debug)
{
    const vaddr width = builder->core->format.word_size;
    for (size_t i = 0; dynamic && i < DYNAMIC_MAX; i++, dynamic += 2 * width) {
        vaddr tag;
        if (!read_word(builder, dynamic, &tag) || tag == DT_NULL)
            return false;
        if (tag == DT_DEBUG)
            return read_word(builder, dynamic + width, debug) && *debug;
    }
    return false;
}

// The main program's dynamic section, by the program headers where the core has them saved.
static bool find_dynamic(const struct builder *builder, vaddr *dynamic)
{
    const bool wide = builder->core->format.word_size == 8;
    const size_t size = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    const vaddr address = wide ? offsetof(Elf64_Phdr, p_vaddr) : offsetof(Elf32_Phdr, p_vaddr);
    vaddr headers, count, type, self = 0;
    bool has_self = false, found = false;
    if (!core_find_auxv(builder->core, AT_PHDR, &headers) ||
        !core_find_auxv(builder->core, AT_PHNUM, &count) || count > HEADERS_MAX)
        return false;
    for (vaddr at = headers; at < headers + count * size; at += size) {
        if (!read_int(builder, at, &type))
            return false;
        if (type == PT_PHDR)
            has_self = read_word(builder, at + address, &self);
        else if (type == PT_DYNAMIC)
            found = read_word(builder, at + address, dynamic);
    }
    *dynamic += headers - self;
    return found && has_self;
}

static bool is_debug(const struct builder *builder, vaddr at, vaddr base)
{
    const vaddr width = builder->core->format.word_size;
    vaddr version, state, map, stop, previous;
    return read_int(builder, at, &version) && version - 1 < VERSION_MAX &&
           read_int(builder, at + DEBUG_STATE * width, &state) && state < STATES &&
           read_word(builder, at + DEBUG_BREAK * width, &stop) && stop - base < LINKER_SIZE &&
           read_word(builder, at + DEBUG_MAP * width, &map) &&
           read_word(builder, map + LINK_PREVIOUS * width, &previous) && previous == 0;
}

// Where the linker is. One that was started itself, and told the program by its arguments, has no
// AT_BASE: the program headers are its own, on its first page (Linux, fs/binfmt_elf.c; glibc,
// elf/rtld.c).
static bool find_linker(const struct builder *builder, vaddr *base)
{
    vaddr headers;
    if (core_find_auxv(builder->core, AT_BASE, base) && *base)
        return true;
    if (!core_find_auxv(builder->core, AT_PHDR, &headers))
        return false;
    *base = headers & ~(builder->page_size - 1);
    return *base != 0;
}

// The linker's data hold one struct r_debug, whose last word says where the linker itself is.
static bool find_by_look(const struct builder *builder, vaddr *debug)
{
    const vaddr width = builder->core->format.word_size;
    const struct layer *saved = &builder->layers[LAYER_SAVED];
    vaddr base, word;
    if (!find_linker(builder, &base))
        return false;
    for (size_t i = 0; i < saved->count; i++) {
        const struct memory_span *span = &saved->pieces[i].span;
        if (span->start - base >= LINKER_SIZE)
            continue;
        uint64_t end = span->size < LINKER_SIZE ? span->size : LINKER_SIZE;
        for (uint64_t at = DEBUG_BASE * width; at + width <= end; at += width) {
            *debug = span->start + at - DEBUG_BASE * width;
            word = format_word(builder->core->format, span->bytes + at);
            if (word == base && is_debug(builder, *debug, base))
                return true;
        }
    }
    return false;
}

static bool find_debug(const struct builder *builder, vaddr dynamic, vaddr *debug)
{
    return find_by_dynamic(builder, dynamic, debug) ||
           (find_dynamic(builder, &dynamic) && find_by_dynamic(builder, dynamic, debug)) ||
           find_by_look(builder, debug);
}

// ---- What it says

// The name if it has an end and no control characters, else "".
static const char *read_name(const struct builder *builder, vaddr at)
{
    uint64_t size;
    const char *name = (const char *)layer_find(&builder->layers[LAYER_SAVED], at, &size);
    size_t length = name ? strnlen(name, size) : 0;
    if (!name || length == size)
        return "";
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return "";
    return name;
}

// False: no link. Its neighbour must be the one that led here, so that no walk goes in circles.
static bool read_link(const struct builder *builder, vaddr at, vaddr previous, struct link *link,
                      vaddr *next)
{
    const size_t width = builder->core->format.word_size;
    const uint8_t *bytes = builder_saved_bytes(builder, at, LINK_WORDS * width);
    vaddr words[LINK_WORDS];
    for (size_t i = 0; bytes && i < LINK_WORDS; i++)
        words[i] = format_word(builder->core->format, bytes + i * width);
    if (!bytes || words[LINK_PREVIOUS] != previous || words[LINK_DYNAMIC] == 0)
        return false;
    *link =
        (struct link){words[LINK_BIAS], words[LINK_DYNAMIC], read_name(builder, words[LINK_NAME])};
    *next = words[LINK_NEXT];
    return true;
}

struct failure *link_map_read(const struct builder *builder, vaddr dynamic, struct link **links,
                              size_t *count)
{
    vaddr debug, at, previous = 0, next;
    *links = NULL;
    *count = 0;
    if (!find_debug(builder, dynamic, &debug) ||
        !read_word(builder, debug + DEBUG_MAP * builder->core->format.word_size, &at))
        return NULL;
    struct link *array = calloc(LINKS_MAX, sizeof(*array));
    if (!array)
        return failure_no_memory();
    while (at && *count < LINKS_MAX && read_link(builder, at, previous, &array[*count], &next)) {
        ++*count;
        previous = at;
        at = next;
    }
    if (*count > 0)
        *links = array;
    else
        free(array);
    return NULL;
}
