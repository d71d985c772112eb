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

static struct failure *create_image(const char *path, struct image **image)
{
    struct image *made = calloc(1, sizeof(*made));
    if (!made)
        return failure_no_memory();
    made->fd = -1;
    made->path = strdup(path);
    made->elf = calloc(1, sizeof(struct image_index));
    if (!made->path || !made->elf) {
        image_close(made);
        return failure_no_memory();
    }
    *image = made;
    return NULL;
}

struct failure *image_open(const char *path, struct image **image)
{
    struct image *made;
    struct failure *failure = create_image(path, &made);
    if (failure)
        return failure;
    failure = map_image(made);
    if (!failure)
        failure = read_image(made);
    if (failure)
        image_close(made);
    else
        *image = made;
    return failure;
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

// A symbol table, in libelf's form.
struct table {
    Elf_Data *symbols;
    size_t count;
    const char *strings;
    size_t strings_size;
};

static bool read_symbol(const struct table *table, int at, struct symbol *symbol)
{
    GElf_Sym entry;
    if (!gelf_getsym(table->symbols, at, &entry) || entry.st_shndx == SHN_UNDEF ||
        entry.st_shndx == SHN_ABS)
        return false;
    unsigned type = GELF_ST_TYPE(entry.st_info);
    if (type != STT_OBJECT && type != STT_FUNC && type != STT_NOTYPE && type != STT_GNU_IFUNC)
        return false;
    if (entry.st_name >= table->strings_size)
        return false;
    const char *name = table->strings + entry.st_name;
    if (!*name ||
        strnlen(name, table->strings_size - entry.st_name) == table->strings_size - entry.st_name)
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

static bool find_table_by_sections(const struct image *image, struct table *table)
{
    Elf *elf = image_elf(image);
    GElf_Shdr header;
    Elf_Scn *section = find_section(elf, SHT_SYMTAB, &header);
    if (!section)
        section = find_section(elf, SHT_DYNSYM, &header);
    table->symbols = section ? elf_getdata(section, NULL) : NULL;
    Elf_Data *strings = table->symbols ? elf_getdata(elf_getscn(elf, header.sh_link), NULL) : NULL;
    if (!strings || !strings->d_buf || header.sh_entsize == 0)
        return false;
    table->count = table->symbols->d_size / header.sh_entsize;
    table->strings = strings->d_buf;
    table->strings_size = strings->d_size;
    return true;
}

// Where in the file an address of the dynamic section is, and how many bytes its segment has there.
static bool find_offset(const struct image *image, vaddr address, uint64_t *offset, uint64_t *size)
{
    const vaddr ways[] = {address - image->moved_by, address};
    for (size_t way = 0; way < 2; way++) {
        for (size_t i = 0; i < image->segment_count; i++) {
            const struct image_segment *segment = &image->segments[i];
            uint64_t within = ways[way] - segment->start;
            if (within >= segment->file_size || segment->file_offset > image->size ||
                within >= image->size - segment->file_offset)
                continue;
            *offset = segment->file_offset + within;
            *size = segment->file_size - within;
            if (*size > image->size - *offset)
                *size = image->size - *offset;
            return true;
        }
    }
    return false;
}

static bool find_dynamic(const struct image *image, vaddr tag, vaddr *value)
{
    const size_t width = image->format.word_size;
    const uint8_t *entry = image->bytes + image->dynamic_offset;
    for (uint64_t at = 0; at + 2 * width <= image->dynamic_size; at += 2 * width) {
        vaddr is = format_word(image->format, entry + at);
        if (is == DT_NULL)
            return false;
        *value = format_word(image->format, entry + at + width);
        if (is == tag)
            return true;
    }
    return false;
}

// DT_GNU_HASH has no count: one more than the last symbol of the last chain. (Its form: binutils,
// bfd/elflink.c; glibc, elf/dl-lookup.c.)
static size_t count_by_gnu_hash(const struct image *image, uint64_t offset, uint64_t size)
{
    const uint8_t *bytes = image->bytes + offset;
    uint32_t words[3]; // buckets, first symbol, words of the filter
    if (size < 16)
        return 0;
    for (size_t i = 0; i < 3; i++)
        words[i] = (uint32_t)format_uint(image->format, bytes + 4 * i, 4);
    uint64_t buckets = 16 + (uint64_t)words[2] * image->format.word_size, last = 0;
    uint64_t chains = buckets + 4 * (uint64_t)words[0];
    if (chains > size)
        return 0;
    for (uint64_t at = buckets; at < chains; at += 4) {
        uint64_t first = format_uint(image->format, bytes + at, 4);
        last = first > last ? first : last;
    }
    if (last < words[1])
        return words[1]; // none is defined
    for (uint64_t at = chains + 4 * (last - words[1]); at + 4 <= size; at += 4, last++)
        if (format_uint(image->format, bytes + at, 4) & 1)
            return last + 1;
    return 0;
}

static size_t count_dynamic_symbols(const struct image *image)
{
    vaddr address;
    uint64_t offset, size;
    if (find_dynamic(image, DT_GNU_HASH, &address) && find_offset(image, address, &offset, &size))
        return count_by_gnu_hash(image, offset, size);
    // The second word of DT_HASH; on s390x and alpha its words are wide, and not read.
    bool narrow = image->machine != EM_S390 && image->machine != EM_ALPHA;
    if (narrow && find_dynamic(image, DT_HASH, &address) &&
        find_offset(image, address, &offset, &size) && size >= 8)
        return format_uint(image->format, image->bytes + offset + 4, 4);
    return 0;
}

static bool find_table_by_dynamic(const struct image *image, struct table *table)
{
    vaddr symbols, strings, length;
    uint64_t at, size;
    const size_t entry = gelf_fsize(image_elf(image), ELF_T_SYM, 1, EV_CURRENT);
    table->count = count_dynamic_symbols(image);
    if (!find_dynamic(image, DT_SYMTAB, &symbols) || !find_dynamic(image, DT_STRTAB, &strings) ||
        !find_dynamic(image, DT_STRSZ, &length) || !find_offset(image, strings, &at, &size) ||
        length > size)
        return false;
    table->strings = (const char *)image->bytes + at;
    table->strings_size = length;
    if (!find_offset(image, symbols, &at, &size) || table->count > size / entry)
        return false;
    table->symbols =
        elf_getdata_rawchunk(image_elf(image), (int64_t)at, table->count * entry, ELF_T_SYM);
    return table->symbols && table->count > 0;
}

static uint32_t power_of_two_from(size_t least)
{
    uint32_t power = 1;
    while (power < least && power < 1u << 31)
        power *= 2;
    return power;
}

// Leaves the index without symbols when there is no table, or no memory for one.
static void hash_symbols(const struct image *image, struct image_index *index)
{
    struct table table;
    index->hashed = true;
    if (!find_table_by_sections(image, &table) && !find_table_by_dynamic(image, &table))
        return;
    if (table.count > INT32_MAX)
        return;
    uint32_t bucket_count = power_of_two_from(table.count);
    struct symbol *symbols = calloc(table.count + 1, sizeof(*symbols));
    uint32_t *buckets = calloc(bucket_count, sizeof(*buckets));
    if (!symbols || !buckets) {
        free(symbols);
        free(buckets);
        return;
    }
    // From the last to the first, so that a chain has the table's order.
    for (size_t i = table.count; i-- > 0;) {
        struct symbol *symbol = &symbols[i];
        if (!read_symbol(&table, (int)i, symbol))
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
        hash_symbols(image, index);
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
