#include "image_dwarf.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"

// A compilation unit is a tree; types of C stand right under its root. One pass over the roots'
// children, comparing names with the queries, which are sorted by type name.

enum {
    TYPE_CHAIN_MAX = 32,     // typedef of const of typedef ...: ends even if the chain is a ring
    ANONYMOUS_DEPTH_MAX = 8, // struct in union in struct ... without names
    IMPORT_DEPTH_MAX = 8,    // units that import units
    IMPORTS_MAX = 1000       // of one unit
};

struct member_search {
    struct image_member_query **open; // sorted by type name; answered ones stay, see `decided`
    bool *decided;                    // for each of them: its type has been seen
    size_t count;
    size_t undecided;
    bool inline_names;   // some type that was found has its name beside it, not in .debug_str
    Dwarf *supplemented; // the DWARF that was given dwz's supplementary file; NULL: none was
};

// Forms that lead into dwz's supplementary file, which libdw would look for itself: only where the
// search has it already.
static bool is_at_hand(const struct member_search *search, Dwarf_Attribute *attribute)
{
    switch (dwarf_whatform(attribute)) {
    case DW_FORM_GNU_ref_alt:
    case DW_FORM_GNU_strp_alt:
        return search->supplemented && dwarf_cu_getdwarf(attribute->cu) == search->supplemented;
    case DW_FORM_ref_sup4:
    case DW_FORM_ref_sup8:
    case DW_FORM_strp_sup:
        return false;
    default:
        return true;
    }
}

static const char *die_name(const struct member_search *search, Dwarf_Die *die)
{
    Dwarf_Attribute memory;
    Dwarf_Attribute *attribute = dwarf_attr(die, DW_AT_name, &memory);
    return attribute && is_at_hand(search, attribute) ? dwarf_formstring(attribute) : NULL;
}

static bool follow_type(const struct member_search *search, Dwarf_Die *die, Dwarf_Die *type)
{
    Dwarf_Attribute memory;
    Dwarf_Attribute *attribute = dwarf_attr(die, DW_AT_type, &memory);
    return attribute && is_at_hand(search, attribute) && dwarf_formref_die(attribute, type);
}

static bool is_wrapper(int tag)
{
    return tag == DW_TAG_typedef || tag == DW_TAG_const_type || tag == DW_TAG_volatile_type ||
           tag == DW_TAG_restrict_type || tag == DW_TAG_atomic_type;
}

// The type behind typedefs and qualifiers.
static bool peel_type(const struct member_search *search, Dwarf_Die *die, Dwarf_Die *type)
{
    *type = *die;
    for (int i = 0; i < TYPE_CHAIN_MAX; i++) {
        if (!is_wrapper(dwarf_tag(type)))
            return true;
        Dwarf_Die wrapper = *type;
        if (!follow_type(search, &wrapper, type))
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
static bool enter_anonymous(const struct member_search *search, Dwarf_Die *member, Dwarf_Die *first)
{
    Dwarf_Die type, peeled;
    return dwarf_tag(member) == DW_TAG_member && !dwarf_hasattr(member, DW_AT_name) &&
           follow_type(search, member, &type) && peel_type(search, &type, &peeled) &&
           is_structure(&peeled) && dwarf_child(&peeled, first) == 0;
}

static bool is_named_member(const struct member_search *search, Dwarf_Die *die, const char *name,
                            size_t length)
{
    if (dwarf_tag(die) != DW_TAG_member)
        return false;
    const char *found = die_name(search, die);
    return found && strlen(found) == length && !memcmp(found, name, length);
}

// The member of a structure, anonymous ones looked into; its offset in the structure.
static bool find_member(const struct member_search *search, Dwarf_Die *structure, const char *name,
                        size_t length, Dwarf_Die *member, uint64_t *offset)
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
        if (is_named_member(search, die, name, length)) {
            *member = *die;
            if (!member_offset(die, &within))
                return false;
            *offset = levels[depth].offset + within;
            return true;
        }
        if (depth + 1 < ANONYMOUS_DEPTH_MAX &&
            enter_anonymous(search, die, &levels[depth + 1].die) && member_offset(die, &within)) {
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
static bool answer_query(const struct member_search *search, struct image_member_query *query,
                         Dwarf_Die *die)
{
    Dwarf_Die type;
    Dwarf_Word width;
    uint64_t offset = 0;
    if (!peel_type(search, die, &type) || dwarf_hasattr(&type, DW_AT_declaration))
        return false;
    for (const char *name = query->member; *name;) {
        size_t length = strcspn(name, ".");
        Dwarf_Die member, member_type;
        uint64_t within;
        if (!is_structure(&type) || !find_member(search, &type, name, length, &member, &within) ||
            !follow_type(search, &member, &member_type) || !peel_type(search, &member_type, &type))
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

static bool has_inline_name(Dwarf_Die *die)
{
    Dwarf_Attribute memory;
    Dwarf_Attribute *attribute = dwarf_attr(die, DW_AT_name, &memory);
    return attribute && dwarf_whatform(attribute) == DW_FORM_string;
}

static void try_type(struct member_search *search, Dwarf_Die *die, const char *unit)
{
    const char *name = die_name(search, die);
    if (!name)
        return;
    for (size_t i = find_queries(search, name); i < search->count; i++) {
        struct image_member_query *query = search->open[i];
        if (strcmp(query->type, name))
            return;
        if (search->decided[i] || (unit && query->unit && strcmp(query->unit, unit)))
            continue;
        search->decided[i] = answer_query(search, query, die);
        search->undecided -= search->decided[i];
        if (search->decided[i] && has_inline_name(die))
            search->inline_names = true;
    }
}

// The first type of a unit that this one imports: dwz puts there what several units have.
static bool enter_import(const struct member_search *search, Dwarf_Die *import, Dwarf_Die *first)
{
    Dwarf_Attribute memory;
    Dwarf_Die root;
    Dwarf_Attribute *attribute = dwarf_attr(import, DW_AT_import, &memory);
    return attribute && is_at_hand(search, attribute) && dwarf_formref_die(attribute, &root) &&
           dwarf_child(&root, first) == 0;
}

static bool is_wanted_unit(const struct member_search *search, const char *unit)
{
    for (size_t i = 0; i < search->count; i++)
        if (!search->decided[i] && search->open[i]->unit && !strcmp(search->open[i]->unit, unit))
            return true;
    return false;
}

// `unit`: its base name, when only queries for it (or for any) are to be answered; what it imports
// is then its own as well, and it is left when there is none for it any more.
static void read_unit(struct member_search *search, Dwarf_Die *root, const char *unit)
{
    Dwarf_Die levels[IMPORT_DEPTH_MAX];
    unsigned depth = 0, imports = 0;
    if (dwarf_child(root, &levels[0]))
        return;
    while (search->undecided > 0) {
        Dwarf_Die *die = &levels[depth];
        int tag = dwarf_tag(die);
        size_t undecided = search->undecided;
        if (tag == DW_TAG_typedef || is_structure(die))
            try_type(search, die, unit);
        if (unit && search->undecided < undecided && !is_wanted_unit(search, unit))
            return;
        if (unit && tag == DW_TAG_imported_unit && depth + 1 < IMPORT_DEPTH_MAX &&
            imports++ < IMPORTS_MAX && enter_import(search, die, &levels[depth + 1])) {
            depth++;
            continue;
        }
        while (dwarf_siblingof(&levels[depth], &levels[depth]))
            if (depth-- == 0)
                return;
    }
}

static bool is_open_type(const struct member_search *search, const char *name)
{
    for (size_t i = find_queries(search, name); i < search->count; i++) {
        if (strcmp(search->open[i]->type, name))
            return false;
        if (!search->decided[i])
            return true;
    }
    return false;
}

static unsigned hash_end(const char *string, size_t length)
{
    uint32_t end;
    memcpy(&end, string + length - sizeof(end), sizeof(end));
    return end * UINT32_C(0x9E3779B1) >> 22;
}

// Can a type that no unit of its own had be in another one? Not if none of those that are left has
// its name among the strings of the DWARF. (A linker keeps "BLOCK" as the end of "POP_BLOCK" where
// it has both. But types come with others of their source, and one name is enough.) True where that
// cannot be said: names of up to three letters stand beside the type, and all of some compilers'
// do; dwz has other strings in another file.
static bool may_be_elsewhere(const struct member_search *search, Dwarf *dwarf)
{
    bool ends[1024] = {false};
    const char *string;
    size_t length;
    if (search->inline_names || search->undecided == search->count || search->supplemented)
        return search->undecided > 0;
    for (size_t i = 0; i < search->count; i++) {
        if (search->decided[i])
            continue;
        length = strlen(search->open[i]->type);
        if (length < sizeof(uint32_t))
            return true;
        ends[hash_end(search->open[i]->type, length)] = true;
    }
    for (Dwarf_Off at = 0; (string = dwarf_getstring(dwarf, at, &length)); at += length + 1)
        if (length >= sizeof(uint32_t) && ends[hash_end(string, length)] &&
            is_open_type(search, string))
            return true;
    return false;
}

// First the units that queries name, then every unit for what is left: LTO's have no file's name
// ("<artificial>"), type units and partial ones (dwz) none at all. These only if one of them can
// have what is left: usually that is types of modules in files of their own. The root of what was
// split off into another file (.dwo) is not asked for, so that libdw does not look for it.
static void read_units(struct member_search *search, Dwarf *dwarf)
{
    for (int any = 0; any < 2 && (!any || may_be_elsewhere(search, dwarf)); any++) {
        Dwarf_CU *unit = NULL;
        Dwarf_Die root;
        while (search->undecided > 0 &&
               dwarf_get_units(dwarf, unit, &unit, NULL, NULL, &root, NULL) == 0) {
            const char *path = die_name(search, &root);
            const char *name = path ? basename(path) : "";
            if (any || is_wanted_unit(search, name))
                read_unit(search, &root, any ? NULL : name);
        }
    }
}

bool image_has_dwarf(const struct image *image)
{
    Elf *elf = image_elf(image);
    size_t names;
    if (elf_getshdrstrndx(elf, &names) < 0)
        return false;
    for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
        GElf_Shdr header;
        if (!gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS)
            continue;
        const char *name = elf_strptr(elf, names, header.sh_name);
        if (name && (!strcmp(name, ".debug_info") || !strcmp(name, ".zdebug_info")))
            return true;
    }
    return false;
}

// The image that has the DWARF of an image: itself, or else its detached file.
static const struct image *dwarf_holder(const struct image *image)
{
    return image->detached && !image_has_dwarf(image) ? image->detached : image;
}

bool image_find_supplement(const struct image *image, char **path, struct build_id *id)
{
    const char *name;
    const void *bytes;
    Dwarf *dwarf = dwarf_begin_elf(image_elf(image), DWARF_C_READ, NULL);
    ssize_t size = dwarf ? dwelf_dwarf_gnu_debugaltlink(dwarf, &name, &bytes) : 0;
    bool found = size > 0 && size <= BUILD_ID_MAX && (*path = strdup(name));
    if (found) {
        id->size = (uint8_t)size;
        memcpy(id->bytes, bytes, (size_t)size);
    }
    dwarf_end(dwarf);
    return found;
}

// What dwz moved out and no wanted unit imports comes last.
static void read_all_units(struct member_search *search, const struct image *holder, Dwarf *dwarf)
{
    const struct image *supplement = holder->supplement;
    Dwarf *moved = supplement ? dwarf_begin_elf(image_elf(supplement), DWARF_C_READ, NULL) : NULL;
    if (moved) {
        dwarf_setalt(dwarf, moved);
        search->supplemented = dwarf;
    }
    read_units(search, dwarf);
    if (moved)
        read_units(search, moved);
    dwarf_end(moved);
}

bool image_read_members(const struct image *image, struct image_member_query *queries, size_t count)
{
    const struct image *holder = dwarf_holder(image);
    Dwarf *dwarf = dwarf_begin_elf(image_elf(holder), DWARF_C_READ, NULL);
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
        read_all_units(&search, holder, dwarf);
    }
    free(search.open);
    free(search.decided);
    dwarf_end(dwarf);
    return true;
}
