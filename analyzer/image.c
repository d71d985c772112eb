#include "image.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
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
        if (!gelf_getphdr(elf, (int)i, &header) || header.p_type != PT_LOAD)
            continue;
        image->segments[image->segment_count++] = (struct image_segment){
            header.p_vaddr, header.p_memsz, header.p_offset, header.p_filesz, header.p_flags};
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

// ---- DWARF
//
// A compilation unit is a tree; types of C stand right under its root. One pass over the roots'
// children, comparing names with the queries, which are sorted by type name.

enum {
    TYPE_CHAIN_MAX = 32,    // typedef of const of typedef ...: ends even if the chain is a ring
    ANONYMOUS_DEPTH_MAX = 8 // struct in union in struct ... without names
};

struct member_search {
    struct image_member_query **open; // sorted by type name; answered ones stay, see `decided`
    bool *decided;                    // for each of them: its type has been seen
    size_t count;
    size_t undecided;
};

// False for forms that lead into another file (dwz's supplementary one): libdw would open it.
static bool lies_in_this_file(Dwarf_Attribute *attribute)
{
    switch (dwarf_whatform(attribute)) {
    case DW_FORM_GNU_ref_alt:
    case DW_FORM_GNU_strp_alt:
    case DW_FORM_ref_sup4:
    case DW_FORM_ref_sup8:
    case DW_FORM_strp_sup:
        return false;
    default:
        return true;
    }
}

static const char *die_name(Dwarf_Die *die)
{
    Dwarf_Attribute memory;
    Dwarf_Attribute *attribute = dwarf_attr(die, DW_AT_name, &memory);
    return attribute && lies_in_this_file(attribute) ? dwarf_formstring(attribute) : NULL;
}

static bool follow_type(Dwarf_Die *die, Dwarf_Die *type)
{
    Dwarf_Attribute memory;
    Dwarf_Attribute *attribute = dwarf_attr(die, DW_AT_type, &memory);
    return attribute && lies_in_this_file(attribute) && dwarf_formref_die(attribute, type);
}

static bool is_wrapper(int tag)
{
    return tag == DW_TAG_typedef || tag == DW_TAG_const_type || tag == DW_TAG_volatile_type ||
           tag == DW_TAG_restrict_type || tag == DW_TAG_atomic_type;
}

// The type behind typedefs and qualifiers.
static bool peel_type(Dwarf_Die *die, Dwarf_Die *type)
{
    *type = *die;
    for (int i = 0; i < TYPE_CHAIN_MAX; i++) {
        if (!is_wrapper(dwarf_tag(type)))
            return true;
        Dwarf_Die wrapper = *type;
        if (!follow_type(&wrapper, type))
            return false;
    }
    return false;
}

static bool is_structure(Dwarf_Die *die)
{
    int tag = dwarf_tag(die);
    return tag == DW_TAG_structure_type || tag == DW_TAG_union_type || tag == DW_TAG_class_type;
}

static bool member_offset(Dwarf_Die *member, uint64_t *offset)
{
    Dwarf_Attribute memory;
    Dwarf_Attribute *attribute = dwarf_attr(member, DW_AT_data_member_location, &memory);
    *offset = 0; // members of a union have no location
    if (dwarf_hasattr(member, DW_AT_bit_size))
        return false;
    if (!attribute || !dwarf_formudata(attribute, offset))
        return true;
    Dwarf_Op *operations;
    size_t count;
    if (dwarf_getlocation(attribute, &operations, &count) || count != 1 ||
        operations[0].atom != DW_OP_plus_uconst)
        return false;
    *offset = operations[0].number;
    return true;
}

// If `member` is an anonymous struct or union: its first member.
static bool enter_anonymous(Dwarf_Die *member, Dwarf_Die *first)
{
    Dwarf_Die type, peeled;
    return dwarf_tag(member) == DW_TAG_member && !dwarf_hasattr(member, DW_AT_name) &&
           follow_type(member, &type) && peel_type(&type, &peeled) && is_structure(&peeled) &&
           dwarf_child(&peeled, first) == 0;
}

static bool is_named_member(Dwarf_Die *die, const char *name, size_t length)
{
    if (dwarf_tag(die) != DW_TAG_member)
        return false;
    const char *found = die_name(die);
    return found && strlen(found) == length && !memcmp(found, name, length);
}

// The member of a structure, anonymous ones looked into; its offset in the structure.
static bool find_member(Dwarf_Die *structure, const char *name, size_t length, Dwarf_Die *member,
                        uint64_t *offset)
{
    struct {
        Dwarf_Die die;
        uint64_t offset; // of the structure around it
    } levels[ANONYMOUS_DEPTH_MAX];
    size_t depth = 0;
    if (dwarf_child(structure, &levels[0].die))
        return false;
    levels[0].offset = 0;
    for (;;) {
        uint64_t within;
        Dwarf_Die *die = &levels[depth].die;
        if (is_named_member(die, name, length)) {
            *member = *die;
            if (!member_offset(die, &within))
                return false;
            *offset = levels[depth].offset + within;
            return true;
        }
        if (depth + 1 < ANONYMOUS_DEPTH_MAX && enter_anonymous(die, &levels[depth + 1].die) &&
            member_offset(die, &within)) {
            levels[depth + 1].offset = levels[depth].offset + within;
            depth++;
            continue;
        }
        while (dwarf_siblingof(&levels[depth].die, &levels[depth].die))
            if (depth-- == 0)
                return false;
    }
}

// Answers the query from the type `die`. False if that is not a whole type, only its name.
static bool answer_query(struct image_member_query *query, Dwarf_Die *die)
{
    Dwarf_Die type;
    Dwarf_Word width;
    uint64_t offset = 0;
    if (!peel_type(die, &type) || dwarf_hasattr(&type, DW_AT_declaration))
        return false;
    for (const char *name = query->member; *name;) {
        size_t length = strcspn(name, ".");
        Dwarf_Die member, member_type;
        uint64_t within;
        if (!is_structure(&type) || !find_member(&type, name, length, &member, &within) ||
            !follow_type(&member, &member_type) || !peel_type(&member_type, &type))
            return true; // the type is known, and has no such member
        offset += within;
        name += length + (name[length] == '.');
    }
    if (dwarf_aggregate_size(&type, &width))
        return true;
    query->found = true;
    query->offset = *query->member ? offset : width;
    query->width = width;
    return true;
}

static int compare_queries(const void *a, const void *b)
{
    const struct image_member_query *const *x = a, *const *y = b;
    return strcmp((*x)->type, (*y)->type);
}

// The first query for the type, or `count`.
static size_t find_queries(const struct member_search *search, const char *type)
{
    size_t low = 0, high = search->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(search->open[middle]->type, type) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void try_type(struct member_search *search, Dwarf_Die *die, const char *unit)
{
    const char *name = die_name(die);
    if (!name)
        return;
    for (size_t i = find_queries(search, name); i < search->count; i++) {
        struct image_member_query *query = search->open[i];
        if (strcmp(query->type, name))
            return;
        if (search->decided[i] || (unit && query->unit && strcmp(query->unit, unit)))
            continue;
        search->decided[i] = answer_query(query, die);
        search->undecided -= search->decided[i];
    }
}

// `unit`: its base name, when only queries for it (or for any) are to be answered.
static void read_unit(struct member_search *search, Dwarf_Die *root, const char *unit)
{
    Dwarf_Die die;
    if (dwarf_child(root, &die))
        return;
    do {
        int tag = dwarf_tag(&die);
        if (tag == DW_TAG_typedef || is_structure(&die))
            try_type(search, &die, unit);
    } while (search->undecided > 0 && dwarf_siblingof(&die, &die) == 0);
}

static bool is_wanted_unit(const struct member_search *search, const char *unit)
{
    for (size_t i = 0; i < search->count; i++)
        if (!search->decided[i] && search->open[i]->unit && !strcmp(search->open[i]->unit, unit))
            return true;
    return false;
}

// First the units that queries name, then every unit for what is left: LTO's have no file's name
// ("<artificial>"), partial ones (dwz) and type units none at all. The root of what was split off
// into another file (.dwo) is not asked for, so that libdw does not look for it.
static void read_units(struct member_search *search, Dwarf *dwarf)
{
    for (int any = 0; any < 2; any++) {
        Dwarf_CU *unit = NULL;
        Dwarf_Die root;
        while (search->undecided > 0 &&
               dwarf_get_units(dwarf, unit, &unit, NULL, NULL, &root, NULL) == 0) {
            const char *path = die_name(&root);
            const char *name = path ? basename(path) : "";
            if (any || is_wanted_unit(search, name))
                read_unit(search, &root, any ? NULL : name);
        }
    }
}

bool image_read_members(const struct image *image, struct image_member_query *queries, size_t count)
{
    const struct image_index *index = image->elf;
    Dwarf *dwarf = dwarf_begin_elf(index->elf, DWARF_C_READ, NULL);
    if (!dwarf)
        return false;
    struct member_search search = {
        .open = calloc(count + 1, sizeof(*search.open)),
        .decided = calloc(count + 1, sizeof(*search.decided)),
        .count = count,
        .undecided = count,
    };
    if (search.open && search.decided) {
        for (size_t i = 0; i < count; i++) {
            queries[i].found = false;
            search.open[i] = &queries[i];
        }
        qsort(search.open, count, sizeof(*search.open), compare_queries);
        read_units(&search, dwarf);
    }
    free(search.open);
    free(search.decided);
    dwarf_end(dwarf);
    return true;
}
