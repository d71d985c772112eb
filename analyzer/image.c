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

// One entry of .symtab or .dynsym, in a bucket's chain.
struct symbol {
    const char *name;
    size_t length; // of the name without LTO's suffix
    vaddr value;
    uint64_t size;
    bool local;
    bool object;   // OBJECT with a size
    bool of_lto;   // has the suffix
    uint32_t next; // like a bucket: one more than an index, 0 at the end
};

// What image->elf points to. The symbols are hashed by name when one is asked for first.
struct image_index {
    Elf *elf;
    bool hashed;
    struct symbol *symbols;
    uint32_t *buckets;
    uint32_t bucket_count; // a power of two
};

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
    if (image->size >= 2 && !memcmp(image->bytes, "#!", 2)) {
        char line[61]; // enough to know the script by
        size_t length = 0;
        while (length < sizeof(line) - 1 && length < image->size && image->bytes[length] >= 0x20 &&
               image->bytes[length] < 0x7f) {
            line[length] = (char)image->bytes[length];
            length++;
        }
        line[length] = '\0';
        return failure_create(FAILURE_MISMATCH,
                              "%s: not an ELF executable but a script (%s); pass the ELF "
                              "executable that it starts",
                              image->path, line);
    }
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
    if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
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
    if (image->segment_count == 0)
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
    struct image_index *index = image->elf;
    if (image->size < SELFMAG || memcmp(image->bytes, ELFMAG, SELFMAG))
        return explain_no_elf(image);
    elf_version(EV_CURRENT);
    index->elf = elf_memory((char *)image->bytes, image->size);
    GElf_Ehdr header;
    struct failure *failure = read_file_header(image, index->elf, &header);
    if (!failure)
        failure = refuse_debug_file(image, index->elf);
    if (!failure)
        failure = read_segments(image, index->elf);
    if (!failure)
        read_build_id(index->elf, &image->build_id);
    return failure;
}

struct failure *image_open(const char *path, struct image **image)
{
    struct image *made = calloc(1, sizeof(*made));
    if (!made)
        return failure_no_memory();
    made->fd = -1;
    made->path = strdup(path);
    made->elf = calloc(1, sizeof(struct image_index));
    struct failure *failure = NULL;
    if (!made->path || !made->elf)
        failure = failure_no_memory();
    if (!failure)
        failure = map_image(made);
    if (!failure)
        failure = read_image(made);
    if (failure)
        image_close(made);
    else
        *image = made;
    return failure;
}

void image_close(struct image *image)
{
    if (!image)
        return;
    struct image_index *index = image->elf;
    if (index) {
        elf_end(index->elf);
        free(index->symbols);
        free(index->buckets);
        free(index);
    }
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
    const struct image_index *index = image->elf;
    return index->elf;
}

// ---- Symbols

// FNV-1a.
static uint32_t hash_name(const char *name, size_t length)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (uint8_t)name[i]) * 16777619u;
    return hash;
}

// The length of a symbol's name without ".lto_priv.N", which GCC's LTO puts behind the names of
// static objects (lto/lto-partition.c, privatize_symbol_name).
static size_t source_name_length(const char *name)
{
    const char *suffix = strstr(name, ".lto_priv.");
    if (!suffix)
        return strlen(name);
    const char *digits = suffix + strlen(".lto_priv.");
    return digits[strspn(digits, "0123456789")] ? strlen(name) : (size_t)(suffix - name);
}

static bool read_symbol(Elf *elf, Elf_Data *data, uint32_t strings, int at, struct symbol *symbol)
{
    GElf_Sym entry;
    if (!gelf_getsym(data, at, &entry) || entry.st_shndx == SHN_UNDEF || entry.st_shndx == SHN_ABS)
        return false;
    unsigned type = GELF_ST_TYPE(entry.st_info);
    if (type != STT_OBJECT && type != STT_FUNC && type != STT_NOTYPE && type != STT_GNU_IFUNC)
        return false;
    const char *name = elf_strptr(elf, strings, entry.st_name);
    if (!name || !*name)
        return false;
    size_t length = source_name_length(name);
    *symbol = (struct symbol){
        .name = name,
        .length = length,
        .value = entry.st_value,
        .size = entry.st_size,
        .local = GELF_ST_BIND(entry.st_info) == STB_LOCAL,
        .object = type == STT_OBJECT && entry.st_size > 0,
        .of_lto = name[length] != '\0',
    };
    return true;
}

static Elf_Scn *find_section(Elf *elf, unsigned type, GElf_Shdr *header)
{
    for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));)
        if (gelf_getshdr(section, header) && header->sh_type == type)
            return section;
    return NULL;
}

static uint32_t power_of_two_from(size_t least)
{
    uint32_t power = 1;
    while (power < least && power < 1u << 31)
        power *= 2;
    return power;
}

// Leaves the index without symbols when there is no table, or no memory for one.
static void hash_symbols(struct image_index *index)
{
    GElf_Shdr header;
    index->hashed = true;
    Elf_Scn *section = find_section(index->elf, SHT_SYMTAB, &header);
    if (!section)
        section = find_section(index->elf, SHT_DYNSYM, &header);
    Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
    if (!data || header.sh_entsize == 0 || data->d_size / header.sh_entsize > INT32_MAX)
        return;
    size_t count = data->d_size / header.sh_entsize;
    uint32_t bucket_count = power_of_two_from(count);
    struct symbol *symbols = calloc(count + 1, sizeof(*symbols));
    uint32_t *buckets = calloc(bucket_count, sizeof(*buckets));
    if (!symbols || !buckets) {
        free(symbols);
        free(buckets);
        return;
    }
    // From the last to the first, so that a chain has the table's order.
    for (size_t i = count; i-- > 0;) {
        struct symbol *symbol = &symbols[i];
        if (!read_symbol(index->elf, data, header.sh_link, (int)i, symbol))
            continue;
        uint32_t *bucket = &buckets[hash_name(symbol->name, symbol->length) & (bucket_count - 1)];
        symbol->next = *bucket;
        *bucket = (uint32_t)i + 1;
    }
    index->symbols = symbols;
    index->buckets = buckets;
    index->bucket_count = bucket_count;
}

// Which of two symbols of one name is meant; small is better.
static int rank_symbol(const struct symbol *symbol)
{
    if (!symbol->local)
        return 0;
    return 1 + 2 * symbol->of_lto + !symbol->object;
}

bool image_find_symbol(const struct image *image, const char *name, vaddr *value, uint64_t *size,
                       bool *ambiguous)
{
    struct image_index *index = image->elf;
    if (!index->hashed)
        hash_symbols(index);
    if (!index->symbols)
        return false;
    const struct symbol *best = NULL;
    bool another = false;
    size_t length = strlen(name);
    uint32_t at = index->buckets[hash_name(name, length) & (index->bucket_count - 1)];
    for (const struct symbol *symbol; at > 0; at = symbol->next) {
        symbol = &index->symbols[at - 1];
        if (symbol->length != length || memcmp(symbol->name, name, length))
            continue;
        another |= best && best->value != symbol->value;
        if (!best || rank_symbol(symbol) < rank_symbol(best))
            best = symbol;
    }
    if (!best)
        return false;
    *value = best->value;
    if (size)
        *size = best->size;
    if (ambiguous)
        *ambiguous = another && best->local;
    return true;
}
