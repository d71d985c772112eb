#include "image.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image_symbols.h"

// ---- Build-ids

bool build_id_equal(const struct build_id *a, const struct build_id *b)
{
    return a->size > 0 && a->size == b->size && !memcmp(a->bytes, b->bytes, a->size);
}

void build_id_format(const struct build_id *id, char *buffer, size_t capacity)
{
    snprintf(buffer, capacity, "%s", id->size ? "" : "none");
    for (size_t i = 0; i < id->size && 2 * i + 2 < capacity; i++)
        snprintf(buffer + 2 * i, 3, "%02x", id->bytes[i]);
}

static bool read_build_id(Elf *elf, struct build_id *id)
{
    const void *bytes;
    ssize_t size = dwelf_elf_gnu_build_id(elf, &bytes);
    if (size <= 0 || size > BUILD_ID_MAX)
        return false;
    id->size = (uint8_t)size;
    memcpy(id->bytes, bytes, (size_t)size);
    return true;
}

bool build_id_find(const uint8_t *bytes, size_t size, struct build_id *id)
{
    if (size < SELFMAG || memcmp(bytes, ELFMAG, SELFMAG))
        return false;
    elf_version(EV_CURRENT);
    Elf *elf = elf_memory((char *)bytes, size);
    bool found = read_build_id(elf, id);
    elf_end(elf);
    return found;
}

// ---- The file

static struct failure *map_image(struct image *image)
{
    struct stat stat;
    // O_NONBLOCK: the path may come from a core, and a FIFO there must not block.
    image->fd = open(image->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (image->fd < 0 || fstat(image->fd, &stat) < 0)
        return failure_create(FAILURE_IO, "%s: cannot open: %s; check the name", image->path,
                              strerror(errno));
    if (!S_ISREG(stat.st_mode))
        return failure_create(FAILURE_IO,
                              "%s: not a regular file (st_mode 0%o); pass the ELF executable",
                              image->path, (unsigned)stat.st_mode);
    if (stat.st_size == 0)
        return failure_create(FAILURE_MISMATCH, "%s: empty file (0 bytes); pass the ELF executable",
                              image->path);
    // Writable, but private: libelf writes into the section headers when it unpacks compressed
    // sections (elf_compress), which libdw has it do.
    void *map = mmap(NULL, (size_t)stat.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, image->fd, 0);
    if (map == MAP_FAILED)
        return failure_create(FAILURE_IO, "%s: cannot map %lld bytes: %s; look at ulimit -v",
                              image->path, (long long)stat.st_size, strerror(errno));
    image->bytes = map;
    image->size = (uint64_t)stat.st_size;
    return NULL;
}

static struct failure *explain_no_elf(const struct image *image)
{
    char first[4 * 3 + 1] = "";
    for (size_t i = 0; i < 4 && i < image->size; i++)
        snprintf(first + 3 * i, sizeof(first) - 3 * i, " %02x", image->bytes[i]);
    return failure_create(FAILURE_MISMATCH,
                          "%s: not an ELF executable (%llu bytes, the first are%s); pass the ELF "
                          "executable",
                          image->path, (unsigned long long)image->size, first);
}

static struct failure *read_file_header(struct image *image, Elf *elf, GElf_Ehdr *header)
{
    if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, header))
        return failure_create(FAILURE_MISMATCH,
                              "%s: its ELF header is damaged or cut (%llu bytes); pass an intact "
                              "ELF executable",
                              image->path, (unsigned long long)image->size);
    // dwz's supplementary files are of type ET_REL.
    bool other_type = header->e_type != ET_EXEC && header->e_type != ET_DYN;
    if (other_type && !(image->only_debug && header->e_type == ET_REL))
        return failure_create(FAILURE_MISMATCH,
                              "%s: not an ELF executable but an ELF %s (e_type %u); pass the core "
                              "file first and the executable second",
                              image->path,
                              header->e_type == ET_CORE  ? "core"
                              : header->e_type == ET_REL ? "object file"
                                                         : "file of another kind",
                              header->e_type);
    image->machine = header->e_machine;
    image->format.word_size = header->e_ident[EI_CLASS] == ELFCLASS64 ? 8 : 4;
    image->format.big_endian = header->e_ident[EI_DATA] == ELFDATA2MSB;
    image->position_independent = header->e_type == ET_DYN;
    image->entry = header->e_entry;
    image->program_headers_offset = header->e_phoff;
    return NULL;
}

static void add_dynamic(struct image *image, const GElf_Phdr *header)
{
    if (header->p_offset > image->size || header->p_filesz > image->size - header->p_offset)
        return;
    image->dynamic = header->p_vaddr;
    image->dynamic_offset = header->p_offset;
    image->dynamic_size = header->p_filesz;
}

static struct failure *read_segments(struct image *image, Elf *elf)
{
    size_t count;
    if (elf_getphdrnum(elf, &count) < 0)
        count = 0;
    image->segments = calloc(count ? count : 1, sizeof(*image->segments));
    if (!image->segments)
        return failure_no_memory();
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr header;
        if (!gelf_getphdr(elf, (int)i, &header))
            continue;
        if (header.p_type == PT_LOAD)
            image->segments[image->segment_count++] = (struct image_segment){
                header.p_vaddr, header.p_memsz, header.p_offset, header.p_filesz, header.p_flags};
        else if (header.p_type == PT_DYNAMIC)
            add_dynamic(image, &header);
    }
    if (image->segment_count == 0 && !image->only_debug)
        return failure_create(FAILURE_MISMATCH,
                              "%s: an ELF file without loadable segments; pass an intact ELF "
                              "executable",
                              image->path);
    return NULL;
}

// A file made by `objcopy --only-keep-debug` has the build-id and the headers of the program, but
// where they say its bytes are lies something else.
static struct failure *refuse_debug_file(const struct image *image, Elf *elf)
{
    for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) && header.sh_type == SHT_NOBITS &&
            (header.sh_flags & SHF_EXECINSTR))
            return failure_create(FAILURE_MISMATCH,
                                  "%s: a detached debug file, it has no code (section %zu is "
                                  "SHT_NOBITS); pass the executable that it was made from",
                                  image->path, elf_ndxscn(section));
    }
    return NULL;
}

static struct failure *read_image(struct image *image)
{
    if (image->size < SELFMAG || memcmp(image->bytes, ELFMAG, SELFMAG))
        return explain_no_elf(image);
    elf_version(EV_CURRENT);
    image->elf = elf_memory((char *)image->bytes, image->size);
    GElf_Ehdr header;
    struct failure *failure = read_file_header(image, image->elf, &header);
    if (!failure && !image->only_debug)
        failure = refuse_debug_file(image, image->elf);
    if (!failure)
        failure = read_segments(image, image->elf);
    if (!failure)
        read_build_id(image->elf, &image->build_id);
    return failure;
}

static struct failure *create_image(const char *path, struct image **image)
{
    struct image *made = calloc(1, sizeof(*made));
    if (!made)
        return failure_no_memory();
    made->fd = -1;
    made->path = strdup(path);
    made->symbols = image_symbols_create();
    if (!made->path || !made->symbols) {
        image_close(made);
        return failure_no_memory();
    }
    *image = made;
    return NULL;
}

static struct failure *open_file(const char *path, bool only_debug, struct image **image)
{
    struct image *made;
    struct failure *failure = create_image(path, &made);
    if (failure)
        return failure;
    made->only_debug = only_debug;
    failure = map_image(made);
    if (!failure)
        failure = read_image(made);
    if (failure)
        image_close(made);
    else
        *image = made;
    return failure;
}

struct failure *image_open(const char *path, struct image **image)
{
    return open_file(path, false, image);
}

struct failure *image_open_debug(const char *path, struct image **image)
{
    return open_file(path, true, image);
}

bool image_read_script(const char *path, char *line)
{
    struct image *image;
    struct failure *failure = create_image(path, &image);
    if (!failure && (failure = map_image(image)))
        image_close(image);
    if (failure) {
        failure_destroy(failure);
        return false;
    }
    bool is_script = image->size >= 2 && !memcmp(image->bytes, "#!", 2);
    size_t at = 2, length = 0;
    while (is_script && at < image->size && image->bytes[at] == ' ')
        at++;
    while (is_script && length < SCRIPT_MAX - 1 && at < image->size && image->bytes[at] >= 0x20 &&
           image->bytes[at] < 0x7f)
        line[length++] = (char)image->bytes[at++];
    line[length] = '\0';
    image_close(image);
    return is_script;
}

// Section headers are no part of what is mapped: something else lies where they were.
static void forget_sections(uint8_t *bytes, uint64_t size)
{
    bool wide = size > EI_CLASS && bytes[EI_CLASS] == ELFCLASS64;
    if (wide && size >= sizeof(Elf64_Ehdr)) {
        memset(bytes + offsetof(Elf64_Ehdr, e_shoff), 0, sizeof(Elf64_Off));
        memset(bytes + offsetof(Elf64_Ehdr, e_shentsize), 0, 3 * sizeof(Elf64_Half));
    } else if (size >= sizeof(Elf32_Ehdr)) {
        memset(bytes + offsetof(Elf32_Ehdr, e_shoff), 0, sizeof(Elf32_Off));
        memset(bytes + offsetof(Elf32_Ehdr, e_shentsize), 0, 3 * sizeof(Elf32_Half));
    }
}

struct failure *image_open_bytes(const char *path, uint8_t *bytes, uint64_t size, vaddr moved_by,
                                 struct image **image)
{
    struct image *made;
    struct failure *failure = create_image(path, &made);
    if (failure)
        return failure;
    forget_sections(bytes, size);
    made->bytes = bytes;
    made->size = size;
    made->moved_by = moved_by;
    failure = read_image(made);
    if (failure) {
        made->bytes = NULL; // they stay the caller's
        image_close(made);
        return failure;
    }
    *image = made;
    return NULL;
}

void image_close(struct image *image)
{
    if (!image)
        return;
    image_close(image->detached);
    image_close(image->supplement);
    elf_end(image->elf);
    image_symbols_destroy(image->symbols);
    if (image->bytes)
        munmap((void *)image->bytes, image->size);
    if (image->fd >= 0)
        close(image->fd);
    free(image->path);
    free(image->segments);
    free(image);
}

struct Elf *image_elf(const struct image *image)
{
    return image->elf;
}
