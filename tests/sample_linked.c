#include "sample_linked.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <string.h>

#include "fakecore.h"
#include "sample_image.h"
#include "scratch.h"

enum {
    HASH = 0x100,
    STRINGS_SIZE = LINKED_SYMBOLS - LINKED_STRINGS,
};

static void put(const struct linked *linked, uint8_t *bytes, uint64_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++)
        bytes[linked->format.big_endian ? width - 1 - i : i] = (uint8_t)(value >> (8 * i));
}

void linked_put(struct linked *linked, vaddr at, uint64_t value, unsigned width)
{
    bool is_data = at >= LINKED_DATA;
    uint64_t offset = at - (is_data ? LINKED_DATA : LINKED_TABLES);
    cr_assert_leq(offset + width, LINKED_SIZE);
    put(linked, (is_data ? linked->data : linked->tables) + offset, value, width);
}

void linked_init(struct linked *linked, unsigned machine, uint8_t word_size, bool big_endian)
{
    memset(linked, 0, sizeof(*linked));
    memset(linked->data, LINKED_FILLER, sizeof(linked->data));
    linked->machine = machine;
    linked->format = (struct memory_format){word_size, big_endian};
    linked_set_dynamic(linked, DT_HASH, HASH);
    linked_set_dynamic(linked, DT_SYMTAB, LINKED_SYMBOLS);
    linked_set_dynamic(linked, DT_STRTAB, LINKED_STRINGS);
    linked_set_dynamic(linked, DT_STRSZ, STRINGS_SIZE);
    linked->strings_size = 1;
    linked->symbol_count = 1;
}

unsigned linked_add_symbol(struct linked *linked, const char *name, vaddr value, uint64_t size)
{
    bool wide = linked->format.word_size == 8;
    unsigned word = linked->format.word_size;
    vaddr at =
        LINKED_SYMBOLS + linked->symbol_count * (wide ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym));
    cr_assert_leq(at + sizeof(Elf64_Sym), LINKED_RELOCATIONS);
    cr_assert_leq(linked->strings_size + strlen(name) + 1, STRINGS_SIZE);
    linked_put(linked, at, linked->strings_size, 4);
    strcpy((char *)linked->tables + LINKED_STRINGS + linked->strings_size, name);
    linked->strings_size += strlen(name) + 1;
    linked_put(linked, at + (wide ? offsetof(Elf64_Sym, st_value) : offsetof(Elf32_Sym, st_value)),
               value, word);
    linked_put(linked, at + (wide ? offsetof(Elf64_Sym, st_size) : offsetof(Elf32_Sym, st_size)),
               size, word);
    linked_put(linked, at + (wide ? offsetof(Elf64_Sym, st_info) : offsetof(Elf32_Sym, st_info)),
               ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT), 1);
    linked_put(linked, at + (wide ? offsetof(Elf64_Sym, st_shndx) : offsetof(Elf32_Sym, st_shndx)),
               value ? 1 : SHN_UNDEF, 2);
    linked_put(linked, HASH + 4, linked->symbol_count + 1, 4); // nchain
    return linked->symbol_count++;
}

void linked_set_dynamic(struct linked *linked, uint64_t tag, uint64_t value)
{
    unsigned at = 0;
    while (at < linked->dynamic_count && linked->dynamic[at][0] != tag)
        at++;
    cr_assert_lt(at, LINKED_DYNAMIC_MAX);
    linked->dynamic[at][0] = tag;
    linked->dynamic[at][1] = value;
    linked->dynamic_count += at == linked->dynamic_count;
}

struct image *linked_open(const struct linked *linked, const char *path)
{
    uint8_t dynamic[(LINKED_DYNAMIC_MAX + 1) * 16] = {0};
    const unsigned word = linked->format.word_size;
    const struct fakecore_segment segments[] = {
        {LINKED_TABLES, linked->tables, LINKED_SIZE, 0, PF_R},
        {LINKED_DATA, linked->data, LINKED_SIZE, LINKED_SIZE + LINKED_BSS_SIZE, PF_R | PF_W},
        {0, dynamic, 2 * word * (linked->dynamic_count + 1), 0, PF_R}};
    for (unsigned i = 0; i < 2 * linked->dynamic_count; i++)
        put(linked, dynamic + i * word, linked->dynamic[i / 2][i % 2], word);
    struct fakecore_file_image image =
        fakecore_build(&(struct fakecore){.type = ET_DYN,
                                          .machine = linked->machine,
                                          .word_size = linked->format.word_size,
                                          .big_endian = linked->format.big_endian,
                                          .segments = segments,
                                          .segment_count = LENGTH(segments)});
    fakecore_patch(&image, image.headers + 2 * image.header_size, PT_DYNAMIC, 4);
    fakecore_write(&image, path);
    fakecore_free(&image);
    return open_file(path);
}
