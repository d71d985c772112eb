#include "image_symbols.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"

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

// The symbols of one table, hashed by name when one is asked for first.
struct symbol_index {
    bool hashed;
    bool of_linker; // .dynsym, or the table that the dynamic section names
    struct symbol *symbols;
    size_t symbol_count;
    uint32_t *buckets;
    uint32_t bucket_count; // a power of two
};

struct image_symbols {
    struct symbol_index all;
    struct symbol_index exported; // empty where `all` is the linker's table
};

struct image_symbols *image_symbols_create(void)
{
    return calloc(1, sizeof(struct image_symbols));
}

void image_symbols_destroy(struct image_symbols *symbols)
{
    if (!symbols)
        return;
    free(symbols->all.symbols);
    free(symbols->all.buckets);
    free(symbols->exported.symbols);
    free(symbols->exported.buckets);
    free(symbols);
}

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

static bool find_table_by_section(const struct image *image, unsigned type, struct table *table)
{
    Elf *elf = image_elf(image);
    GElf_Shdr header;
    Elf_Scn *section = find_section(elf, type, &header);
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

static bool find_table_of_linker(const struct image *image, struct table *table)
{
    // What the dynamic section of a debug file tells of lies in the file that it was made of.
    return find_table_by_section(image, SHT_DYNSYM, table) ||
           (!image->only_debug && find_table_by_dynamic(image, table));
}

// Leaves the index without symbols when there is no table, or no memory for one.
static void hash_symbols(const struct image *image, struct symbol_index *index, bool of_linker)
{
    struct table table;
    index->hashed = true;
    index->of_linker = of_linker || !find_table_by_section(image, SHT_SYMTAB, &table);
    if (index->of_linker && !find_table_of_linker(image, &table))
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
    index->symbol_count = table.count;
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

void image_attach_debug(struct image *image, struct image *debug)
{
    image->detached = debug;
    hash_symbols(debug, &debug->symbols->all, false);
}

// The prelinker moves a file after its debug file was made.
static vaddr detached_shift(const struct image *image)
{
    if (!image->segment_count || !image->detached->segment_count)
        return 0;
    return image->segments[0].start - image->detached->segments[0].start;
}

static const struct symbol_index *all_symbols(const struct image *image)
{
    struct symbol_index *index = &image->symbols->all;
    if (!index->hashed)
        hash_symbols(image, index, false);
    return index;
}

static const struct symbol_index *linker_symbols(const struct image *image)
{
    struct symbol_index *index = &image->symbols->exported;
    if (all_symbols(image)->of_linker)
        return &image->symbols->all;
    if (!index->hashed)
        hash_symbols(image, index, true);
    return index;
}

// The best symbol of a name; NULL: none.
static const struct symbol *find_named(const struct symbol_index *index, const char *name,
                                       bool *another)
{
    *another = false;
    if (!index->symbols)
        return NULL;
    const struct symbol *best = NULL;
    size_t length = strlen(name);
    uint32_t at = index->buckets[hash_name(name, length) & (index->bucket_count - 1)];
    for (const struct symbol *symbol; at > 0; at = symbol->next) {
        symbol = &index->symbols[at - 1];
        if (symbol->length != length || memcmp(symbol->name, name, length))
            continue;
        *another |= best && best->value != symbol->value;
        if (!best || rank_symbol(symbol) < rank_symbol(best))
            best = symbol;
    }
    return best;
}

bool image_find_symbol(const struct image *image, const char *name, vaddr *value, uint64_t *size,
                       bool *ambiguous)
{
    bool another;
    vaddr shift = 0;
    const struct symbol *best = find_named(all_symbols(image), name, &another);
    if (!best && image->detached) {
        best = find_named(all_symbols(image->detached), name, &another);
        shift = detached_shift(image);
    }
    if (!best)
        return false;
    *value = best->value + shift;
    if (size)
        *size = best->size;
    if (ambiguous)
        *ambiguous = another && best->local;
    return true;
}

bool image_find_exported(const struct image *image, const char *name, vaddr *value)
{
    bool another;
    const struct symbol *best = find_named(linker_symbols(image), name, &another);
    if (!best || best->local)
        return false;
    *value = best->value;
    return true;
}

static const struct symbol *find_object(const struct image *image, vaddr value)
{
    const struct symbol_index *index = all_symbols(image);
    const struct symbol *best = NULL;
    for (size_t i = 0; index->symbols && i < index->symbol_count; i++) {
        const struct symbol *symbol = &index->symbols[i];
        if (symbol->object && value - symbol->value < symbol->size &&
            (!best || rank_symbol(symbol) < rank_symbol(best)))
            best = symbol;
    }
    return best;
}

const char *image_find_object_at(const struct image *image, vaddr value, size_t *length,
                                 uint64_t *offset)
{
    const struct symbol *found = find_object(image, value);
    if (!found && image->detached) {
        value -= detached_shift(image);
        found = find_object(image->detached, value);
    }
    if (!found)
        return NULL;
    *length = found->length;
    *offset = value - found->value;
    return found->name;
}

void image_each_exported(const struct image *image,
                         void (*visit)(void *context, vaddr value, uint64_t size), void *context)
{
    const struct symbol_index *index = all_symbols(image);
    for (size_t i = 0; index->symbols && i < index->symbol_count; i++)
        if (index->symbols[i].object && !index->symbols[i].local)
            visit(context, index->symbols[i].value, index->symbols[i].size);
}
