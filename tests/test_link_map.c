// The linker's list of what it mapped, in memory made to order: where it is found, what it says,
// and what damage does to it. Word sizes and byte orders of all kinds of machines.
#include "common.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builder.h"
#include "fakecore.h"
#include "link_map.h"
#include "scratch.h"

TestSuite(link_map, .init = fakecore_enter_scratch, .fini = fakecore_leave_scratch);

enum {
    MEMORY = 0x10000, // address of the only segment
    SIZE = 0x1000,
    HEADERS = MEMORY + 0x100,
    DYNAMIC = MEMORY + 0x200,
    DEBUG = MEMORY + 0x300,
    LINKS = MEMORY + 0x400, // 0x40 bytes apart
    NAMES = MEMORY + 0x800, // likewise
    LINKER = MEMORY - 0x8000,
    BIAS = 0x70000
};

struct scene {
    uint8_t bytes[SIZE];
    struct fakecore_auxv auxv[4];
    size_t auxv_count;
    uint8_t width;
    bool big_endian;
    struct builder builder;
    struct core *core;
};

static void put(struct scene *scene, uint64_t at, uint64_t value, size_t width)
{
    for (size_t i = 0; i < width; i++)
        scene->bytes[at - MEMORY + (scene->big_endian ? width - 1 - i : i)] =
            (uint8_t)(value >> (8 * i));
}

// Words from an address on.
static void put_words(struct scene *scene, uint64_t at, const uint64_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put(scene, at + i * scene->width, words[i], scene->width);
}

#define PUT(scene, at, ...)                                                                        \
    put_words(scene, at, (const uint64_t[]){__VA_ARGS__},                                          \
              sizeof((const uint64_t[]){__VA_ARGS__}) / 8)

static uint64_t link_at(size_t index)
{
    return LINKS + 0x40 * index;
}

static void put_link(struct scene *scene, size_t index, size_t count, const char *name)
{
    PUT(scene, link_at(index), BIAS + index, NAMES + 0x40 * index, DYNAMIC + index,
        index + 1 < count ? link_at(index + 1) : 0, index > 0 ? link_at(index - 1) : 0);
    strcpy((char *)scene->bytes + (NAMES - MEMORY) + 0x40 * index, name);
}

static void put_debug(struct scene *scene)
{
    PUT(scene, DEBUG, 0, link_at(0), LINKER + 0x100, 0, LINKER);
    put(scene, DEBUG, 1, 4);
}

// A list of a program and two libraries, which nothing leads to yet.
static void init(struct scene *scene, uint8_t width, bool big_endian)
{
    memset(scene, 0, sizeof(*scene));
    scene->width = width;
    scene->big_endian = big_endian;
    put_debug(scene);
    put_link(scene, 0, 3, "");
    put_link(scene, 1, 3, "/lib/libc.so.6");
    put_link(scene, 2, 3, "linux-vdso.so.1");
}

static void add_auxv(struct scene *scene, uint64_t type, uint64_t value)
{
    scene->auxv[scene->auxv_count++] = (struct fakecore_auxv){type, value};
}

static void put_dynamic(struct scene *scene)
{
    PUT(scene, DYNAMIC, DT_NEEDED, 1, DT_DEBUG, DEBUG, DT_NULL, 0);
}

// A PT_PHDR and a PT_DYNAMIC, linked at 0.
static void put_headers(struct scene *scene)
{
    const size_t wide = scene->width == 8;
    const size_t size = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    const size_t address = wide ? offsetof(Elf64_Phdr, p_vaddr) : offsetof(Elf32_Phdr, p_vaddr);
    put(scene, HEADERS, PT_PHDR, 4);
    PUT(scene, HEADERS + address, HEADERS - MEMORY);
    put(scene, HEADERS + size, PT_DYNAMIC, 4);
    PUT(scene, HEADERS + size + address, DYNAMIC - MEMORY);
    add_auxv(scene, AT_PHDR, HEADERS);
    add_auxv(scene, AT_PHNUM, 2);
}

static size_t read_scene(struct scene *scene, vaddr dynamic, struct link **links)
{
    const struct fakecore_segment segment = {MEMORY, scene->bytes, SIZE, 0, 0};
    const struct fakecore spec = {
        .machine = scene->width == 8 ? EM_PPC64 : EM_PPC,
        .word_size = scene->width,
        .big_endian = scene->big_endian,
        .segments = &segment,
        .segment_count = 1,
        .auxv = scene->auxv,
        .auxv_count = scene->auxv_count,
    };
    struct fakecore_file_image image = fakecore_build(&spec);
    fakecore_write(&image, "core.1");
    fakecore_free(&image);
    cr_assert_null(core_open("core.1", &scene->core));
    const struct core_segment *saved = &scene->core->segments[0];
    struct layer *layer = &scene->builder.layers[LAYER_SAVED];
    scene->builder.core = scene->core;
    scene->builder.page_size = 4096;
    cr_assert_null(layer_add(layer, saved->start, saved->saved_size, saved->bytes));
    layer_sort(layer);
    size_t count;
    cr_assert_null(link_map_read(&scene->builder, dynamic, links, &count));
    cr_assert_eq(*links == NULL, count == 0);
    return count;
}

static void deinit(struct scene *scene, struct link *links)
{
    free(links);
    layer_deinit(&scene->builder.layers[LAYER_SAVED]);
    core_close(scene->core);
}

static void expect_count(struct scene *scene, vaddr dynamic, size_t expected, const char *what)
{
    struct link *links;
    size_t count = read_scene(scene, dynamic, &links);
    cr_expect_eq(count, expected, "%s: %zu links", what, count);
    deinit(scene, links);
}

// ---- Where it is found

static const struct {
    uint8_t width;
    bool big_endian;
} kinds[] = {{8, false}, {8, true}, {4, false}, {4, true}};

static void expect_links(struct scene *scene, vaddr dynamic, const char *how)
{
    static const char *const paths[] = {"", "/lib/libc.so.6", "linux-vdso.so.1"};
    struct link *links;
    cr_assert_eq(read_scene(scene, dynamic, &links), LENGTH(paths), "%s, %d", how, scene->width);
    for (size_t i = 0; i < LENGTH(paths); i++) {
        cr_expect_eq(links[i].bias, BIAS + i, "%s, %d", how, scene->width);
        cr_expect_eq(links[i].dynamic, DYNAMIC + i, "%s, %d", how, scene->width);
        cr_expect_str_eq(links[i].path, paths[i], "%s, %d", how, scene->width);
    }
    deinit(scene, links);
}

Test(link_map, through_the_dynamic_section)
{
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        struct scene scene;
        init(&scene, kinds[i].width, kinds[i].big_endian);
        put_dynamic(&scene);
        expect_links(&scene, DYNAMIC, "dynamic");
    }
}

Test(link_map, through_the_program_headers)
{
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        struct scene scene;
        init(&scene, kinds[i].width, kinds[i].big_endian);
        put_dynamic(&scene);
        put_headers(&scene);
        expect_links(&scene, 0, "headers");
    }
}

Test(link_map, by_its_look)
{
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        struct scene scene;
        init(&scene, kinds[i].width, kinds[i].big_endian);
        add_auxv(&scene, AT_BASE, LINKER);
        // Another word of that value.
        PUT(&scene, MEMORY + 0xf00, 1, 2, 3, 4, LINKER, 1, LINKS, 3, 4, LINKER);
        expect_links(&scene, 0, "look");
    }
}

// The linker was started by hand: its program headers are on its first page.
Test(link_map, by_its_look_without_a_base)
{
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        struct scene scene;
        init(&scene, kinds[i].width, kinds[i].big_endian);
        add_auxv(&scene, AT_BASE, 0);
        add_auxv(&scene, AT_PHDR, LINKER + 64);
        expect_links(&scene, 0, "look");
    }
}

Test(link_map, nothing_leads_to_it)
{
    struct scene scene;
    init(&scene, 8, false);
    put_dynamic(&scene);
    expect_count(&scene, 0, 0, "no address");
    init(&scene, 8, false);
    add_auxv(&scene, AT_BASE, 0);
    expect_count(&scene, 0, 0, "started by the linker");
    init(&scene, 8, false);
    add_auxv(&scene, AT_BASE, LINKER + 8);
    expect_count(&scene, 0, 0, "another linker");
}

// ---- Damage

static void damage_debug(struct scene *scene, size_t word, uint64_t value)
{
    init(scene, 8, false);
    add_auxv(scene, AT_BASE, LINKER);
    PUT(scene, DEBUG + word * 8, value);
}

Test(link_map, what_does_not_look_like_it)
{
    struct scene scene;
    damage_debug(&scene, 0, 0);
    expect_count(&scene, 0, 0, "version 0");
    damage_debug(&scene, 0, 99);
    expect_count(&scene, 0, 0, "version 99");
    damage_debug(&scene, 1, MEMORY - 8);
    expect_count(&scene, 0, 0, "list not saved");
    damage_debug(&scene, 1, link_at(1));
    expect_count(&scene, 0, 0, "list does not begin there");
    damage_debug(&scene, 2, LINKER - 1);
    expect_count(&scene, 0, 0, "not the linker's function");
    damage_debug(&scene, 3, 3);
    expect_count(&scene, 0, 0, "state 3");
}

// The list is as long as it is plausible.
Test(link_map, list_that_is_damaged)
{
    static const struct {
        const char *what;
        size_t link, word;
        uint64_t value;
        size_t count;
    } rows[] = {
        {"goes back to the first", 2, 3, LINKS, 3},
        {"goes to itself", 1, 3, LINKS + 0x40, 2},
        {"leaves the core", 1, 3, 0xffffffffffff0000, 2},
        {"unaligned and cut by the end of the core", 1, 3, MEMORY + SIZE - 8, 2},
        {"not what led there", 2, 4, LINKS, 2},
        {"no dynamic section", 1, 2, 0, 1},
        {"nor has the first", 0, 2, 0, 0},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct scene scene;
        init(&scene, 8, false);
        put_dynamic(&scene);
        PUT(&scene, link_at(rows[i].link) + 8 * rows[i].word, rows[i].value);
        expect_count(&scene, DYNAMIC, rows[i].count, rows[i].what);
    }
}

Test(link_map, names_that_are_nonsense)
{
    static const char *const names[] = {"/lib/\n", "/lib/\033[2J", "/\x7f"};
    struct link *links;
    struct scene scene;
    for (size_t i = 0; i < LENGTH(names); i++) {
        init(&scene, 8, false);
        put_dynamic(&scene);
        put_link(&scene, 1, 3, names[i]);
        cr_assert_eq(read_scene(&scene, DYNAMIC, &links), 3);
        cr_expect_str_eq(links[1].path, "", "row %zu", i);
        deinit(&scene, links);
    }
    static const uint64_t places[] = {0, MEMORY - 1, MEMORY + SIZE, MEMORY + SIZE - 4};
    for (size_t i = 0; i < LENGTH(places); i++) { // the last one has no end
        init(&scene, 8, false);
        put_dynamic(&scene);
        memset(scene.bytes + SIZE - 4, 'x', 4);
        PUT(&scene, link_at(1) + 8, places[i]);
        cr_assert_eq(read_scene(&scene, DYNAMIC, &links), 3);
        cr_expect_str_eq(links[1].path, "", "row %zu", i);
        deinit(&scene, links);
    }
}

Test(link_map, headers_that_are_damaged)
{
    struct scene scene;
    init(&scene, 8, false);
    put_dynamic(&scene);
    put_headers(&scene);
    scene.auxv[1].value = 1ull << 40;
    expect_count(&scene, 0, 0, "a trillion headers");
    init(&scene, 8, false);
    put_dynamic(&scene);
    put_headers(&scene);
    scene.auxv[1].value = 200;
    expect_count(&scene, 0, 0, "headers behind the end");
    init(&scene, 8, false);
    put_dynamic(&scene);
    put_headers(&scene);
    put(&scene, HEADERS, PT_NULL, 4);
    expect_count(&scene, 0, 0, "no PT_PHDR");
    init(&scene, 8, false);
    put_dynamic(&scene);
    PUT(&scene, DYNAMIC, DT_NULL);
    expect_count(&scene, DYNAMIC, 0, "ends before DT_DEBUG");
}
