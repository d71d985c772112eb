// A file's variables with addresses in them as the dynamic linker fills them in: by hand-made
// tables of relocations of all machines.
#include "common.h"

#include <elf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fakecore.h"
#include "relocated.h"
#include "sample_image.h"
#include "sample_linked.h"
#include "scratch.h"

TestSuite(relocated, .init = fakecore_enter_scratch, .fini = fakecore_leave_scratch);

enum {
    OWN = LINKED_DATA + 0x100,    // value of the file's own symbol
    THEIRS = LINKED_DATA + 0x200, // of that of another file
    PLACE = LINKED_DATA + 0x800,  // where addresses are filled in
    NOWHERE = 0x7fff0000,         // an address that no file has
    SYMBOL_SIZE = 8,
};

static const struct kind {
    const char *name;
    unsigned machine;
    uint8_t word_size;
    bool big_endian;
    unsigned absolute, glob_dat, relative, irelative, jump_slot;
} kinds[] = {
    {"x86-64", EM_X86_64, 8, false, R_X86_64_64, R_X86_64_GLOB_DAT, R_X86_64_RELATIVE,
     R_X86_64_IRELATIVE, R_X86_64_JUMP_SLOT},
    {"i386", EM_386, 4, false, R_386_32, R_386_GLOB_DAT, R_386_RELATIVE, R_386_IRELATIVE,
     R_386_JMP_SLOT},
    {"aarch64", EM_AARCH64, 8, false, R_AARCH64_ABS64, R_AARCH64_GLOB_DAT, R_AARCH64_RELATIVE,
     R_AARCH64_IRELATIVE, R_AARCH64_JUMP_SLOT},
    {"aarch64, big-endian", EM_AARCH64, 8, true, R_AARCH64_ABS64, R_AARCH64_GLOB_DAT,
     R_AARCH64_RELATIVE, R_AARCH64_IRELATIVE, R_AARCH64_JUMP_SLOT},
    {"arm", EM_ARM, 4, false, R_ARM_ABS32, R_ARM_GLOB_DAT, R_ARM_RELATIVE, R_ARM_IRELATIVE,
     R_ARM_JUMP_SLOT},
    {"arm, big-endian", EM_ARM, 4, true, R_ARM_ABS32, R_ARM_GLOB_DAT, R_ARM_RELATIVE,
     R_ARM_IRELATIVE, R_ARM_JUMP_SLOT},
    {"ppc64", EM_PPC64, 8, true, R_PPC64_ADDR64, R_PPC64_GLOB_DAT, R_PPC64_RELATIVE,
     R_PPC64_IRELATIVE, R_PPC64_JMP_SLOT},
    {"ppc64le", EM_PPC64, 8, false, R_PPC64_ADDR64, R_PPC64_GLOB_DAT, R_PPC64_RELATIVE,
     R_PPC64_IRELATIVE, R_PPC64_JMP_SLOT},
    {"ppc", EM_PPC, 4, true, R_PPC_ADDR32, R_PPC_GLOB_DAT, R_PPC_RELATIVE, R_PPC_IRELATIVE,
     R_PPC_JMP_SLOT},
};

// A file, and another whose symbols it refers to.
struct scene {
    const struct kind *kind;
    bool addends; // stand in the entries
    struct linked file, other;
    unsigned own, theirs, nobodys; // numbers of symbols
    unsigned count;                // of relocations
    struct module modules[2];
    struct process process;
    struct relocated relocated;
};

static void init(struct scene *scene, const struct kind *kind, bool addends)
{
    const bool wide = kind->word_size == 8;
    memset(scene, 0, sizeof(*scene));
    scene->kind = kind;
    scene->addends = addends;
    linked_init(&scene->file, kind->machine, kind->word_size, kind->big_endian);
    linked_init(&scene->other, kind->machine, kind->word_size, kind->big_endian);
    scene->own = linked_add_symbol(&scene->file, "own", OWN, SYMBOL_SIZE);
    scene->theirs = linked_add_symbol(&scene->file, "theirs", 0, 0);
    scene->nobodys = linked_add_symbol(&scene->file, "nobodys", 0, 0);
    linked_add_symbol(&scene->other, "theirs", THEIRS, SYMBOL_SIZE);
    scene->modules[0].bias = wide ? 0x7f1200000000 : 0xb7000000;
    scene->modules[1].bias = wide ? 0x7f3400000000 : 0xb8000000;
    scene->process = (struct process){.modules = scene->modules, .module_count = 2};
}

static unsigned entry_size(const struct scene *scene)
{
    return (scene->addends ? 3 : 2) * scene->kind->word_size;
}

static void add(struct scene *scene, vaddr place, unsigned type, unsigned symbol, uint64_t addend)
{
    const unsigned word = scene->kind->word_size;
    const vaddr at = LINKED_RELOCATIONS + scene->count++ * entry_size(scene);
    linked_put(&scene->file, at, place, word);
    linked_put(&scene->file, at + word,
               word == 8 ? ELF64_R_INFO((uint64_t)symbol, type) : ELF32_R_INFO(symbol, type), word);
    if (scene->addends)
        linked_put(&scene->file, at + 2 * word, addend, word);
    else if (place - LINKED_DATA <= LINKED_SIZE - word)
        linked_put(&scene->file, place, addend, word);
}

static void relocate(struct scene *scene)
{
    if (scene->count) {
        linked_set_dynamic(&scene->file, scene->addends ? DT_RELA : DT_REL, LINKED_RELOCATIONS);
        linked_set_dynamic(&scene->file, scene->addends ? DT_RELASZ : DT_RELSZ,
                           scene->count * entry_size(scene));
    }
    scene->modules[0].image = linked_open(&scene->file, "file.so");
    scene->modules[1].image = linked_open(&scene->other, "other.so");
    cr_assert_null(relocated_init(&scene->relocated, &scene->process, &scene->modules[0]));
}

static void deinit(struct scene *scene)
{
    relocated_deinit(&scene->relocated);
    image_close(scene->modules[0].image);
    image_close(scene->modules[1].image);
}

// A word of the file's variables, as the process begins with it.
static void expect(const struct scene *scene, const char *what, vaddr at, vaddr expected)
{
    cr_assert_eq(scene->relocated.count, 1, "%s", what);
    const uint8_t *bytes = scene->relocated.segments[0].bytes + (at - LINKED_DATA);
    vaddr word = format_word(scene->file.format, bytes);
    cr_expect_eq(word, expected, "%s, %s, %s: 0x%" PRIx64 " instead of 0x%" PRIx64,
                 scene->kind->name, scene->addends ? "DT_RELA" : "DT_REL", what, word, expected);
}

static vaddr filler(const struct scene *scene)
{
    return scene->kind->word_size == 8 ? 0x5a5a5a5a5a5a5a5a : 0x5a5a5a5a;
}

// ---- What is filled in

static void expect_addresses(const struct kind *kind, bool addends)
{
    struct scene scene;
    init(&scene, kind, addends);
    const vaddr here = scene.modules[0].bias, there = scene.modules[1].bias;
    add(&scene, PLACE, kind->relative, 0, LINKED_DATA + 0x123);
    add(&scene, PLACE + 0x10, kind->absolute, scene.own, 0x18);
    add(&scene, PLACE + 0x20, kind->absolute, scene.theirs, -(uint64_t)0x18);
    add(&scene, PLACE + 0x30, kind->glob_dat, scene.own, 0x18);
    add(&scene, PLACE + 0x40, kind->glob_dat, scene.theirs, 0);
    add(&scene, LINKED_BSS - kind->word_size, kind->relative, 0, 0x456);
    relocate(&scene);
    expect(&scene, "RELATIVE", PLACE, here + LINKED_DATA + 0x123);
    expect(&scene, "own symbol", PLACE + 0x10, here + OWN + 0x18);
    expect(&scene, "symbol of another file", PLACE + 0x20, there + THEIRS - 0x18);
    expect(&scene, "GLOB_DAT, which adds nothing", PLACE + 0x30, here + OWN);
    expect(&scene, "GLOB_DAT of another file", PLACE + 0x40, there + THEIRS);
    expect(&scene, "the last word", LINKED_BSS - kind->word_size, here + 0x456);
    expect(&scene, "no relocation", PLACE + 0x48, filler(&scene));
    deinit(&scene);
}

Test(relocated, addresses_of_every_machine)
{
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        expect_addresses(&kinds[i], false);
        expect_addresses(&kinds[i], true);
    }
}

// A file that was linked higher than the process has it.
Test(relocated, file_that_lies_lower)
{
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        struct scene scene;
        init(&scene, &kinds[i], true);
        scene.modules[0].bias = -(vaddr)0x8000;
        add(&scene, PLACE, kinds[i].relative, 0, LINKED_DATA);
        relocate(&scene);
        expect(&scene, "RELATIVE", PLACE, LINKED_DATA - 0x8000);
        cr_expect_eq(scene.relocated.segments[0].start, LINKED_DATA - 0x8000, "%s", kinds[i].name);
        deinit(&scene);
    }
}

// Only what can be written, as far as the file has it; the file stays as it is.
Test(relocated, segments)
{
    struct scene scene;
    init(&scene, &kinds[0], true);
    add(&scene, PLACE, kinds[0].relative, 0, 0);
    relocate(&scene);
    const struct relocated_segment *segment = &scene.relocated.segments[0];
    const struct image *image = scene.modules[0].image;
    cr_assert_eq(scene.relocated.count, 1);
    cr_expect_eq(segment->start, scene.modules[0].bias + LINKED_DATA);
    cr_expect_eq(segment->size, LINKED_SIZE);
    cr_expect_arr_eq(segment->bytes, scene.file.data, PLACE - LINKED_DATA);
    cr_expect_arr_eq(image->bytes + image->segments[1].file_offset, scene.file.data, LINKED_SIZE);
    deinit(&scene);
}

Test(relocated, without_image)
{
    struct scene scene;
    init(&scene, &kinds[0], true);
    cr_assert_null(relocated_init(&scene.relocated, &scene.process, &scene.modules[0]));
    cr_expect_eq(scene.relocated.count, 0);
    deinit(&scene);
}

// Its bytes are what the core saved, and zeroes.
Test(relocated, image_that_is_of_the_core)
{
    struct scene scene;
    init(&scene, &kinds[0], true);
    scene.modules[0].match = MODULE_FROM_CORE;
    relocate(&scene);
    cr_expect_eq(scene.relocated.count, 0);
    deinit(&scene);
}

// Two that dlopen has loaded may have the same name, and each refers to its own.
Test(relocated, symbols_that_another_file_has_too)
{
    struct scene scene;
    init(&scene, &kinds[0], true);
    linked_add_symbol(&scene.other, "own", THEIRS, SYMBOL_SIZE);
    add(&scene, PLACE, kinds[0].absolute, scene.own, 0);
    relocate(&scene);
    const struct module first = scene.modules[0];
    expect(&scene, "own", PLACE, scene.modules[0].bias + OWN);
    relocated_deinit(&scene.relocated);
    scene.modules[0] = scene.modules[1];
    scene.modules[1] = first;
    cr_assert_null(relocated_init(&scene.relocated, &scene.process, &scene.modules[1]));
    expect(&scene, "own, behind the other", PLACE, first.bias + OWN);
    relocated_deinit(&scene.relocated);
    scene.modules[0].is_main = true;
    cr_assert_null(relocated_init(&scene.relocated, &scene.process, &scene.modules[1]));
    expect(&scene, "that of the main program", PLACE, scene.modules[0].bias + THEIRS);
    deinit(&scene);
}

// Old linkers put some into the table that others are looked up in.
Test(relocated, symbols_that_are_local)
{
    struct scene scene;
    init(&scene, &kinds[0], true);
    unsigned number = linked_add_symbol(&scene.other, "nobodys", THEIRS, SYMBOL_SIZE);
    vaddr at = LINKED_SYMBOLS + number * sizeof(Elf64_Sym) + offsetof(Elf64_Sym, st_info);
    linked_put(&scene.other, at, ELF64_ST_INFO(STB_LOCAL, STT_OBJECT), 1);
    add(&scene, PLACE, kinds[0].glob_dat, scene.nobodys, 0);
    relocate(&scene);
    expect(&scene, "a local symbol", PLACE, 0);
    deinit(&scene);
}

// Written by hand from the gABI's text; the same by a linker: packed_by_the_linker.
Test(relocated, packed)
{
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        struct scene scene;
        init(&scene, &kinds[i], true);
        const unsigned word = kinds[i].word_size, bits = 8 * word - 1;
        const uint64_t last = (uint64_t)1 << bits;
        // One; of those behind it the first, the third and the last; of the ones behind these the
        // second. And another one.
        const uint64_t words[] = {PLACE, last | 1 | 2 | 8, 4 | 1, PLACE + 0x800, NOWHERE & ~1u, 3};
        const unsigned done[] = {0, 1, 3, bits, bits + 2, 0x800 / word};
        for (unsigned j = 0; j < LENGTH(words); j++)
            linked_put(&scene.file, LINKED_RELOCATIONS + j * word, words[j], word);
        linked_set_dynamic(&scene.file, DT_RELR, LINKED_RELOCATIONS);
        linked_set_dynamic(&scene.file, DT_RELRSZ, LENGTH(words) * word);
        relocate(&scene);
        const vaddr most = word == 8 ? UINT64_MAX : UINT32_MAX;
        const vaddr moved = (filler(&scene) + scene.modules[0].bias) & most;
        for (unsigned j = 0, next = 0; j < 0xc00 / word; j++) {
            bool is_done = next < LENGTH(done) && done[next] == j;
            next += is_done;
            expect(&scene, "a word", PLACE + j * word, is_done ? moved : filler(&scene));
        }
        deinit(&scene);
    }
}

Test(relocated, packed_by_the_linker)
{
    static const vaddr bias = 0x7f0000000000;
    struct relocated relocated;
    write_text("x.c", "int v[200]; int *p[] = {&v[1], &v[2], 0, &v[3]}; int *q[99] = {[98] = v};");
    run_tool("gcc -shared -fPIC -fvisibility=hidden -Wl,-z,pack-relative-relocs -o x.so x.c && "
             "readelf -d x.so | grep -q RELR");
    struct module module = {.bias = bias, .image = open_file("x.so")};
    struct process process = {.modules = &module, .module_count = 1};
    cr_assert_null(relocated_init(&relocated, &process, &module));
    static const struct {
        const char *variable;
        unsigned index, of;
    } rows[] = {{"p", 0, 1}, {"p", 1, 2}, {"p", 3, 3}, {"q", 98, 0}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        vaddr at, expected;
        const uint8_t *bytes = NULL;
        cr_assert(image_find_symbol(module.image, rows[i].variable, &at, NULL, NULL));
        cr_assert(image_find_symbol(module.image, "v", &expected, NULL, NULL));
        at += bias + 8 * rows[i].index;
        for (size_t j = 0; j < relocated.count; j++)
            if (at - relocated.segments[j].start < relocated.segments[j].size)
                bytes = relocated.segments[j].bytes + (at - relocated.segments[j].start);
        cr_assert_not_null(bytes);
        cr_expect_eq(format_word(module.image->format, bytes), bias + expected + 4 * rows[i].of,
                     "%s[%u]", rows[i].variable, rows[i].index);
    }
    relocated_deinit(&relocated);
    image_close(module.image);
}

// ---- What is left as it is in the file

Test(relocated, what_concerns_code)
{
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        struct scene scene;
        init(&scene, &kinds[i], true);
        add(&scene, PLACE, kinds[i].irelative, 0, 0x100);
        add(&scene, PLACE + 0x10, kinds[i].jump_slot, scene.own, 0);
        add(&scene, PLACE + 0x20, 0, scene.own, 0);
        add(&scene, PLACE + 0x30, kinds[i].relative, 0, 0); // DT_JMPREL's alone
        scene.count--;
        linked_set_dynamic(&scene.file, DT_JMPREL, LINKED_RELOCATIONS + 3 * entry_size(&scene));
        linked_set_dynamic(&scene.file, DT_PLTRELSZ, entry_size(&scene));
        relocate(&scene);
        expect(&scene, "IRELATIVE", PLACE, filler(&scene));
        expect(&scene, "JUMP_SLOT", PLACE + 0x10, filler(&scene));
        expect(&scene, "NONE", PLACE + 0x20, filler(&scene));
        expect(&scene, "DT_JMPREL", PLACE + 0x30, filler(&scene));
        deinit(&scene);
    }
}

// Its DT_HASH is another one (sample_linked.h's is not read), so that only its own addresses show.
Test(relocated, s390x)
{
    struct scene scene;
    struct kind kind = {"s390x", EM_S390, 8, true, .relative = R_390_RELATIVE};
    init(&scene, &kind, true);
    add(&scene, PLACE, kind.relative, 0, LINKED_DATA + 0x123);
    relocate(&scene);
    expect(&scene, "RELATIVE", PLACE, scene.modules[0].bias + LINKED_DATA + 0x123);
    deinit(&scene);
}

// x86-64's numbers say nothing there, and without addresses its variables are not as they were; but
// a program that lies where it was linked needs none.
Test(relocated, machine_that_is_not_known)
{
    struct scene scene;
    struct kind kind = kinds[0];
    kind.machine = EM_ALPHA;
    init(&scene, &kind, true);
    add(&scene, PLACE, kind.relative, 0, 0x123);
    relocate(&scene);
    cr_assert_eq(scene.relocated.count, 0);
    relocated_deinit(&scene.relocated);
    scene.modules[0].image->position_independent = false;
    cr_assert_null(relocated_init(&scene.relocated, &scene.process, &scene.modules[0]));
    expect(&scene, "RELATIVE", PLACE, filler(&scene));
    deinit(&scene);
}

// ---- What is damaged

// Whatever else the table has is filled in.
static void expect_the_rest(struct scene *scene, const char *what)
{
    add(scene, PLACE, scene->kind->relative, 0, 0x123);
    relocate(scene);
    expect(scene, what, PLACE, scene->modules[0].bias + 0x123);
}

Test(relocated, symbols_that_nobody_has)
{
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        struct scene scene;
        init(&scene, &kinds[i], true);
        const unsigned beyond = LINKED_SIZE, most = kinds[i].word_size == 8 ? UINT32_MAX : 0xffffff;
        unsigned nameless = linked_add_symbol(&scene.file, "", OWN, SYMBOL_SIZE);
        const unsigned numbers[] = {scene.nobodys, 0, nameless, beyond, most};
        for (unsigned j = 0; j < LENGTH(numbers); j++) {
            add(&scene, PLACE + 0x10 * (j + 1), kinds[i].absolute, numbers[j], 0x18);
            add(&scene, PLACE + 0x100 + 0x10 * (j + 1), kinds[i].glob_dat, numbers[j], 0);
        }
        expect_the_rest(&scene, "symbols");
        for (unsigned j = 0; j < LENGTH(numbers); j++) {
            expect(&scene, "no symbol", PLACE + 0x10 * (j + 1), 0);
            expect(&scene, "no symbol for GLOB_DAT", PLACE + 0x100 + 0x10 * (j + 1), 0);
        }
        deinit(&scene);
    }
}

// Names that lie outside of the file, that its end cuts off, and that are longer than any; other
// files have symbols of what can be read of them.
Test(relocated, symbols_whose_name_is_lost)
{
    char longest[257] = "", cut[256] = "";
    memset(longest, 'y', 256);
    memset(cut, 'y', 255);
    for (size_t i = 0; i < 5; i++) {
        struct scene scene;
        init(&scene, &kinds[0], true);
        unsigned number = linked_add_symbol(&scene.file, i == 4 ? cut : longest, 0, 0);
        const uint64_t names[] = {LINKED_SIZE, UINT32_MAX, LINKED_SIZE - LINKED_STRINGS - 1};
        if (i < LENGTH(names))
            linked_put(&scene.file, LINKED_SYMBOLS + number * sizeof(Elf64_Sym), names[i], 4);
        scene.file.tables[LINKED_SIZE - 1] = 'x';
        linked_add_symbol(&scene.other, "x", THEIRS, SYMBOL_SIZE);
        linked_add_symbol(&scene.other, cut, THEIRS, SYMBOL_SIZE);
        add(&scene, PLACE + 0x10, kinds[0].glob_dat, number, 0);
        expect_the_rest(&scene, "names");
        expect(&scene, i == 4 ? "the longest name" : "no name", PLACE + 0x10,
               i == 4 ? scene.modules[1].bias + THEIRS : 0);
        deinit(&scene);
    }
}

Test(relocated, places_outside_of_what_can_be_written)
{
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        struct scene scene;
        init(&scene, &kinds[i], true);
        const vaddr places[] = {LINKED_DATA - 1, LINKED_BSS - kinds[i].word_size + 1,
                                LINKED_BSS,      LINKED_TABLES,
                                NOWHERE,         (vaddr)-1};
        for (size_t j = 0; j < LENGTH(places); j++)
            add(&scene, places[j], kinds[i].relative, 0, 0x123);
        expect_the_rest(&scene, "places");
        expect(&scene, "the first word", LINKED_DATA, filler(&scene));
        expect(&scene, "the last word", LINKED_BSS - kinds[i].word_size, filler(&scene));
        deinit(&scene);
    }
}

// What the file has of the table is done; a size that no table has is not believed.
Test(relocated, tables_that_are_damaged)
{
    static const struct {
        const char *what;
        uint64_t tag, value;
        bool done;
    } rows[] = {
        {"as it is", DT_RELASZ, 24, true},
        {"goes on behind the end", DT_RELASZ, LINKED_RELOCATIONS_SIZE + 0x1000, true},
        {"larger than the file", DT_RELASZ, 1ull << 40, false},
        {"of all sizes the largest", DT_RELASZ, UINT64_MAX, false},
        {"too short for an entry", DT_RELASZ, 23, false},
        {"nowhere", DT_RELA, NOWHERE, false},
        {"at the end of all addresses", DT_RELA, UINT64_MAX - 8, false},
        {"cut by the end", DT_RELA, LINKED_SIZE - 16, false},
        {"not there", DT_RELA, 0, false},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct scene scene;
        init(&scene, &kinds[0], true);
        add(&scene, PLACE, kinds[0].relative, 0, 0x123);
        // Beginnings of tables where there should be none.
        memcpy(scene.file.tables, scene.file.tables + LINKED_RELOCATIONS, 24);
        memcpy(scene.file.tables + LINKED_SIZE - 16, scene.file.tables + LINKED_RELOCATIONS, 16);
        linked_set_dynamic(&scene.file, DT_RELA, LINKED_RELOCATIONS);
        linked_set_dynamic(&scene.file, DT_RELASZ, entry_size(&scene));
        linked_set_dynamic(&scene.file, rows[i].tag, rows[i].value);
        scene.count = 0; // the tables are as they should be
        relocate(&scene);
        expect(&scene, rows[i].what, PLACE,
               rows[i].done ? scene.modules[0].bias + 0x123 : filler(&scene));
        deinit(&scene);
    }
}

// An entry behind the end of the dynamic section is none (ELF specification, "Dynamic Section").
Test(relocated, dynamic_section_has_an_end)
{
    struct scene scene;
    init(&scene, &kinds[0], true);
    add(&scene, PLACE, kinds[0].relative, 0, 0x123);
    linked_set_dynamic(&scene.file, DT_NULL, 0);
    relocate(&scene);
    expect(&scene, "behind DT_NULL", PLACE, filler(&scene));
    deinit(&scene);
}

// Both are of the ELF specification: a file may have either, or one of each.
Test(relocated, both_tables)
{
    struct scene scene;
    init(&scene, &kinds[0], true);
    add(&scene, PLACE, kinds[0].relative, 0, 0x123);
    linked_set_dynamic(&scene.file, DT_REL, LINKED_RELOCATIONS + 24);
    linked_set_dynamic(&scene.file, DT_RELSZ, 16);
    linked_put(&scene.file, LINKED_RELOCATIONS + 24, PLACE + 0x10, 8);
    linked_put(&scene.file, LINKED_RELOCATIONS + 32, ELF64_R_INFO(0, kinds[0].relative), 8);
    linked_put(&scene.file, PLACE + 0x10, 0x456, 8);
    relocate(&scene);
    expect(&scene, "DT_RELA", PLACE, scene.modules[0].bias + 0x123);
    expect(&scene, "DT_REL", PLACE + 0x10, scene.modules[0].bias + 0x456);
    deinit(&scene);
}

// Headers that name the same bytes again and again would make gigabytes of a small file.
Test(relocated, segments_larger_than_the_file)
{
    enum {
        SEGMENTS = 1000
    };
    struct scene scene;
    uint64_t total = 0;
    init(&scene, &kinds[0], true);
    relocate(&scene);
    relocated_deinit(&scene.relocated);
    struct image *image = scene.modules[0].image;
    const struct image_segment data = image->segments[1];
    free(image->segments);
    image->segments = calloc(SEGMENTS, sizeof(*image->segments));
    cr_assert_not_null(image->segments);
    image->segment_count = SEGMENTS;
    for (size_t i = 0; i < SEGMENTS; i++)
        image->segments[i] = data;
    cr_assert_null(relocated_init(&scene.relocated, &scene.process, &scene.modules[0]));
    for (size_t i = 0; i < scene.relocated.count; i++)
        total += scene.relocated.segments[i].size;
    cr_expect_gt(total, 0);
    cr_expect_leq(total, image->size);
    deinit(&scene);
}

Test(relocated, file_that_is_cut)
{
    struct scene scene;
    init(&scene, &kinds[0], true);
    add(&scene, PLACE, kinds[0].relative, 0, 0x123);
    relocate(&scene);
    relocated_deinit(&scene.relocated);
    struct image *image = scene.modules[0].image;
    const uint64_t size = image->size;
    image->size = image->segments[1].file_offset + LINKED_SIZE - 1;
    cr_assert_null(relocated_init(&scene.relocated, &scene.process, &scene.modules[0]));
    cr_expect_eq(scene.relocated.count, 0);
    image->size = size;
    deinit(&scene);
}
