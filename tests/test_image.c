// ELF files of the process: the file, its build-id, its symbols. Types: test_dwarf.c.
#include "common.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <elf.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fakecore.h"
#include "image.h"
#include "image_dwarf.h"
#include "sample_image.h"
#include "scratch.h"

#define USED __attribute__((used))

// ---- What the tests look for in this program

USED static long sample_object[4] = {1};
USED static int sample_lto __asm__("sample_lto.lto_priv.0") = 4;
USED static int sample_many_1 __asm__("sample_many.lto_priv.0") = 5;
USED static int sample_many_2 __asm__("sample_many.lto_priv.12") = 6;
USED static int sample_plain_1 __asm__("sample_plain.lto_priv.0") = 7;
USED static int sample_plain_2 __asm__("sample_plain") = 8;
USED static int sample_odd __asm__("sample_odd.lto_priv.0x") = 9;
USED static int sample_twin_1 = 10;
USED static int sample_twin_2 = 11;
int sample_global = 12;
USED static int sample_function(void)
{
    return sample_odd;
}

TestSuite(image, .init = fakecore_enter_scratch, .fini = fakecore_leave_scratch);

static void assert_failure(const char *path, enum failure_kind kind, const char *text)
{
    struct image *image = NULL;
    struct failure *failure = image_open(path, &image);
    cr_assert_not_null(failure, "%s opens", path);
    cr_assert_str_eq(failure_text(failure), text);
    cr_assert_eq(failure_kind(failure), kind, "%s", text);
    cr_assert_null(image);
    failure_destroy(failure);
}

// ---- The file

Test(image, describes_this_program)
{
    struct image *image = open_self();
    Elf64_Ehdr header;
    memcpy(&header, image->bytes, sizeof(header));
    cr_assert_eq(image->format.word_size, sizeof(void *));
    cr_assert_not(image->format.big_endian);
    cr_assert_eq(image->machine, header.e_machine);
    cr_assert_eq(image->entry, header.e_entry);
    cr_assert_eq(image->program_headers_offset, header.e_phoff);
    cr_assert_eq(image->position_independent, header.e_type == ET_DYN);
    cr_assert_geq(image->segment_count, 2);
    cr_assert_eq(image->segments[0].file_offset, 0);
    for (size_t i = 0; i < image->segment_count; i++)
        cr_assert_leq(image->segments[i].file_offset + image->segments[i].file_size, image->size);
    image_close(image);
}

Test(image, missing)
{
    assert_failure("python2.7", FAILURE_IO,
                   "python2.7: cannot open: No such file or directory; check the name");
}

Test(image, directory)
{
    cr_assert_eq(mkdir("bin", 0700), 0);
    assert_failure("bin", FAILURE_IO,
                   "bin: not a regular file (st_mode 040700); pass the ELF executable");
}

Test(image, fifo_does_not_block)
{
    cr_assert_eq(mkfifo("pipe", 0600), 0);
    assert_failure("pipe", FAILURE_IO,
                   "pipe: not a regular file (st_mode 010600); pass the ELF executable");
}

Test(image, empty)
{
    write_text("python2.7", "");
    assert_failure("python2.7", FAILURE_MISMATCH,
                   "python2.7: empty file (0 bytes); pass the ELF executable");
}

Test(image, scripts)
{
    static const struct {
        const char *text;
        const char *line; // NULL: no script
    } rows[] = {
        {"#!/bin/sh -e\nexec true\n", "/bin/sh -e"},
        {"#! /usr/bin/env python2.7\n", "/usr/bin/env python2.7"},
        {"#!/bin/\033[2J\n", "/bin/"},
        {"#!", ""},
        {"#!   ", ""},
        {"#", NULL},
        {"", NULL},
        {"\177ELF", NULL},
    };
    char line[SCRIPT_MAX];
    for (size_t i = 0; i < LENGTH(rows); i++) {
        write_text("x", rows[i].text);
        cr_assert_eq(image_read_script("x", line), rows[i].line != NULL, "row %zu", i);
        if (rows[i].line)
            cr_assert_str_eq(line, rows[i].line, "row %zu", i);
    }
    cr_assert_not(image_read_script("no-such-file", line));
    cr_assert_not(image_read_script(".", line));
}

Test(image, script_of_one_long_line)
{
    char text[2 * SCRIPT_MAX] = "#!", line[SCRIPT_MAX];
    memset(text + 2, 'x', sizeof(text) - 3);
    write_text("x", text);
    cr_assert(image_read_script("x", line));
    cr_assert_eq(strlen(line), SCRIPT_MAX - 1);
}

Test(image, other_file)
{
    write_text("x", "abc");
    assert_failure("x", FAILURE_MISMATCH,
                   "x: not an ELF executable (3 bytes, the first are 61 62 63); pass the ELF "
                   "executable");
}

Test(image, other_kinds_of_elf)
{
    static const struct {
        unsigned type;
        const char *text;
    } rows[] = {
        {ET_CORE, "x: not an ELF executable but an ELF core (e_type 4); pass the core file first "
                  "and the executable second"},
        {ET_REL, "x: not an ELF executable but an ELF object file (e_type 1); pass the core file "
                 "first and the executable second"},
        {9, "x: not an ELF executable but an ELF file of another kind (e_type 9); pass the core "
            "file first and the executable second"},
        {ET_EXEC, "x: an ELF file without loadable segments; pass an intact ELF executable"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        const struct fakecore spec = {.type = rows[i].type};
        struct fakecore_file_image image = fakecore_build(&spec);
        fakecore_write(&image, "x");
        fakecore_free(&image);
        assert_failure("x", FAILURE_MISMATCH, rows[i].text);
    }
}

Test(image, header_cut)
{
    static const uint8_t header[30] = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT};
    write_file("x", header, sizeof(header));
    assert_failure("x", FAILURE_MISMATCH,
                   "x: its ELF header is damaged or cut (30 bytes); pass an intact ELF executable");
}

Test(image, detached_debug_file)
{
    run_tool("objcopy --only-keep-debug self x");
    struct image *image;
    struct failure *failure = image_open("x", &image);
    cr_assert_not_null(failure);
    cr_assert_eq(failure_kind(failure), FAILURE_MISMATCH);
    cr_assert_eq(
        strncmp(failure_text(failure), "x: a detached debug file, it has no code (section", 49), 0,
        "%s", failure_text(failure));
    failure_destroy(failure);
}

// ---- Build-ids

static const uint8_t id_bytes[BUILD_ID_MAX + 1] = {0xde, 0xad, 0xbe, 0xef, 1};

static struct fakecore_file_image build_with_id(uint8_t word_size, bool big_endian, uint32_t size)
{
    static const struct fakecore_segment segment = {0, "", 1, 0, 0};
    const struct fakecore_note notes[] = {{"GNU", 5, id_bytes, 16}, // NT_GNU_PROPERTY_TYPE_0
                                          {"GNU", NT_GNU_BUILD_ID, id_bytes, size}};
    const struct fakecore spec = {.type = ET_DYN,
                                  .machine = word_size == 4 ? EM_386 : EM_X86_64,
                                  .word_size = word_size,
                                  .big_endian = big_endian,
                                  .segments = &segment,
                                  .segment_count = 1,
                                  .notes = notes,
                                  .note_count = LENGTH(notes),
                                  .one_segment_a_note = true};
    return fakecore_build(&spec);
}

Test(image, build_id_of_any_class_and_byte_order)
{
    for (int i = 0; i < 4; i++) {
        struct build_id id = {0};
        struct fakecore_file_image file = build_with_id(i & 1 ? 4 : 8, i & 2, 20);
        cr_assert(build_id_find(file.bytes, file.size, &id), "row %d", i);
        cr_assert_eq(id.size, 20, "row %d", i);
        cr_assert_eq(memcmp(id.bytes, id_bytes, 20), 0, "row %d", i);
        fakecore_free(&file);
    }
}

Test(image, build_id_in_bytes_that_are_not_aligned)
{
    struct fakecore_file_image file = build_with_id(8, false, 20);
    uint8_t *bytes = malloc(file.size + 1);
    cr_assert_not_null(bytes);
    memcpy(bytes + 1, file.bytes, file.size);
    struct build_id id = {0};
    cr_assert(build_id_find(bytes + 1, file.size, &id));
    cr_assert_eq(memcmp(id.bytes, id_bytes, 20), 0);
    free(bytes);
    fakecore_free(&file);
}

Test(image, build_id_cut_at_every_length)
{
    struct fakecore_file_image file = build_with_id(8, false, 20);
    for (size_t size = 0; size < file.notes_end; size++) {
        struct build_id id = {0};
        uint8_t *bytes = malloc(size ? size : 1); // so that a sanitizer sees its end
        cr_assert_not_null(bytes);
        memcpy(bytes, file.bytes, size);
        cr_assert_not(build_id_find(bytes, size, &id), "%zu bytes", size);
        cr_assert_eq(id.size, 0);
        free(bytes);
    }
    fakecore_free(&file);
}

Test(image, build_id_with_every_byte_damaged)
{
    struct fakecore_file_image file = build_with_id(8, false, 20);
    for (size_t at = 0; at < file.notes_end; at++) {
        static const uint8_t values[] = {0x00, 0x7f, 0x80, 0xff};
        uint8_t before = file.bytes[at];
        for (size_t i = 0; i < LENGTH(values); i++) {
            struct build_id id = {0};
            file.bytes[at] = values[i];
            build_id_find(file.bytes, file.notes_end, &id);
            cr_assert_leq(id.size, BUILD_ID_MAX);
        }
        file.bytes[at] = before;
    }
    fakecore_free(&file);
}

Test(image, build_id_of_unlikely_length)
{
    static const struct {
        uint32_t size;
        bool found;
    } rows[] = {{0, false}, {1, true}, {8, true}, {BUILD_ID_MAX, true}, {BUILD_ID_MAX + 1, false}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct build_id id = {0};
        struct fakecore_file_image file = build_with_id(8, false, rows[i].size);
        cr_assert_eq(build_id_find(file.bytes, file.size, &id), rows[i].found, "%u", rows[i].size);
        cr_assert_eq(id.size, rows[i].found ? rows[i].size : 0);
        fakecore_free(&file);
    }
}

Test(image, build_id_of_this_program_is_in_its_first_page)
{
    struct image *image = open_self();
    struct build_id id = {0};
    if (image->build_id.size == 0)
        cr_skip_test("the linker makes no build-id");
    cr_assert(build_id_find(image->bytes, 4096, &id));
    cr_assert(build_id_equal(&id, &image->build_id));
    image_close(image);
}

Test(image, no_build_id_equals_nothing)
{
    static const struct build_id none = {0}, some = {2, {1, 2}}, other = {2, {1, 3}},
                                 longer = {3, {1, 2, 0}};
    cr_assert_not(build_id_equal(&none, &none));
    cr_assert_not(build_id_equal(&none, &some));
    cr_assert(build_id_equal(&some, &some));
    cr_assert_not(build_id_equal(&some, &other));
    cr_assert_not(build_id_equal(&some, &longer));
}

Test(image, build_id_as_text)
{
    static const struct build_id none = {0}, some = {3, {0x0f, 0xa0, 0x00}};
    char text[2 * BUILD_ID_MAX + 1];
    build_id_format(&none, text, sizeof(text));
    cr_assert_str_eq(text, "none");
    build_id_format(&some, text, sizeof(text));
    cr_assert_str_eq(text, "0fa000");
    build_id_format(&some, text, 6);
    cr_assert_str_eq(text, "0fa0", "never a half byte");
    build_id_format(&some, text, 1);
    cr_assert_str_eq(text, "");
}

// ---- Symbols

Test(image, symbols_of_this_program)
{
    struct image *image = open_self();
    vaddr value;
    uint64_t size = 0;
    cr_assert(image_find_symbol(image, "sample_object", &value, &size, NULL));
    cr_assert_eq(value, own_address(image, &sample_object));
    cr_assert_geq(size, sizeof(sample_object), "clang's ASan counts its red zone");
    assert_symbol(image, "sample_global", own_address(image, &sample_global), false);
    cr_assert(image_find_symbol(image, "sample_function", &value, NULL, NULL));
    cr_assert_eq(value, own_address(image, (const void *)(uintptr_t)sample_function));
    image_close(image);
}

Test(image, symbols_that_are_not_defined_are_none)
{
    struct image *image = open_self();
    vaddr value = 42;
    cr_assert_not(image_find_symbol(image, "no_such_symbol", &value, NULL, NULL));
    cr_assert_not(image_find_symbol(image, "", &value, NULL, NULL));
    cr_assert_not(image_find_symbol(image, "test_image.c", &value, NULL, NULL), "a file's name");
    cr_assert_eq(value, 42);
    image_close(image);
}

Test(image, names_made_by_lto)
{
    struct image *image = open_self();
    vaddr value;
    assert_symbol(image, "sample_lto", own_address(image, &sample_lto), false);
    assert_symbol(image, "sample_many", own_address(image, &sample_many_1), true);
    assert_symbol(image, "sample_plain", own_address(image, &sample_plain_2), true);
    cr_assert_not(image_find_symbol(image, "sample_odd", &value, NULL, NULL));
    assert_symbol(image, "sample_odd.lto_priv.0x", own_address(image, &sample_odd), false);
    image_close(image);
}

Test(image, static_objects_of_one_name_are_ambiguous)
{
    run_tool("objcopy --redefine-sym sample_twin_2=sample_twin_1 self x");
    struct image *self = open_self();
    struct image *image = open_file("x");
    assert_symbol(image, "sample_twin_1", own_address(self, &sample_twin_1), true);
    image_close(image);
    image_close(self);
}

Test(image, object_goes_before_function_and_global_before_static)
{
    run_tool("objcopy --redefine-sym sample_function=sample_twin_1 "
             "--redefine-sym sample_global=sample_twin_2 self x");
    struct image *self = open_self();
    struct image *image = open_file("x");
    assert_symbol(image, "sample_twin_1", own_address(self, &sample_twin_1), true);
    assert_symbol(image, "sample_twin_2", own_address(self, &sample_global), false);
    image_close(image);
    image_close(self);
}

Test(image, stripped_library_has_its_exports)
{
    Dl_info info;
    vaddr value;
    // A function that no sanitizer puts its own in the place of.
    const void *function = (const void *)(uintptr_t)gnu_get_libc_version;
    cr_assert_neq(dladdr(function, &info), 0);
    char command[4200];
    snprintf(command, sizeof(command), "strip -o libc.so '%s'", info.dli_fname);
    run_tool(command);
    struct image *image = open_file("libc.so");
    cr_assert(image_find_symbol(image, "gnu_get_libc_version", &value, NULL, NULL));
    cr_assert_eq(value, (vaddr)(uintptr_t)function - (vaddr)(uintptr_t)info.dli_fbase);
    cr_assert_not(image_read_members(image, NULL, 0), "has no DWARF");
    image_close(image);
}

Test(image, stripped_program_loses_static_symbols)
{
    run_tool("strip -o x self");
    struct image *image = open_file("x");
    vaddr value;
    cr_assert_not(image_find_symbol(image, "sample_object", &value, NULL, NULL));
    cr_assert_not(image_find_symbol(image, "dladdr", &value, NULL, NULL), "another file's");
    image_close(image);
}

Test(image, static_objects_of_two_units)
{
    static const char *const flags[] = {"-O2", "-O2 -flto"};
    for (size_t i = 0; i < LENGTH(flags); i++) {
        struct image *image = compile_units(flags[i]);
        vaddr value;
        uint64_t size;
        bool ambiguous = false;
        cr_assert(image_find_symbol(image, "both", &value, &size, &ambiguous), "%s", flags[i]);
        cr_assert(ambiguous, "%s", flags[i]);
        cr_assert(size == 12 || size == 24, "%s: %d", flags[i], (int)size);
        image_close(image);
    }
}

static void expect_exported(const char *what, const struct image *image)
{
    vaddr value, exported = 42;
    cr_assert_not(image_find_exported(image, "both", &exported), "%s: is static", what);
    cr_assert_not(image_find_exported(image, "no_such_symbol", &exported), "%s", what);
    cr_assert_eq(exported, 42);
    cr_assert(image_find_exported(image, "two", &exported), "%s", what);
    cr_assert(image_find_symbol(image, "two", &value, NULL, NULL), "%s", what);
    cr_assert_eq(exported, value, "%s", what);
}

Test(image, exported_symbols)
{
    struct image *image = compile_units(""), *debug;
    expect_exported("library", image);
    image_close(image);
    run_tool("strip -o y.so x.so && objcopy --only-keep-debug x.so x.debug && cp x.so z.so && "
             "head -c 8 /dev/zero | dd of=z.so bs=1 seek=40 conv=notrunc"); // e_shoff
    image = open_file("z.so");
    expect_exported("library without sections", image);
    image_close(image);
    image = open_file("y.so");
    expect_exported("stripped library", image);
    struct failure *failure = image_open_debug("x.debug", &debug);
    cr_assert_null(failure);
    image_attach_debug(image, debug);
    expect_exported("library with a detached file", image);
    image_close(image);
}

// Without -rdynamic nobody else sees what a program has.
Test(image, global_symbols_that_are_not_exported)
{
    vaddr value;
    struct image *image = open_self();
    cr_assert(image_find_symbol(image, "sample_global", &value, NULL, NULL));
    cr_assert_not(image_find_exported(image, "sample_global", &value));
    cr_assert_not(image_find_exported(image, "dladdr", &value), "another file's");
    image_close(image);
}

// ---- Symbols of a detached file

static struct image *open_stripped(struct image **debug)
{
    run_tool("strip -o x self && objcopy --only-keep-debug self x.debug");
    struct image *image = open_file("x");
    struct failure *failure = image_open_debug("x.debug", debug);
    cr_assert_null(failure, "%s", failure ? failure_text(failure) : "");
    return image;
}

Test(image, symbols_of_a_detached_file)
{
    struct image *debug;
    struct image *image = open_stripped(&debug);
    vaddr value, expected = own_address(image, &sample_object);
    size_t length;
    uint64_t offset;
    cr_assert_not(image_find_symbol(image, "sample_object", &value, NULL, NULL));
    image_attach_debug(image, debug);
    assert_symbol(image, "sample_object", expected, false);
    const char *name = image_find_object_at(image, expected + 1, &length, &offset);
    cr_assert_not_null(name);
    cr_assert(!strncmp(name, "sample_object", length) && length == strlen("sample_object"));
    cr_assert_eq(offset, 1);
    image_close(image);
}

// The prelinker moved the program, not its debug file.
Test(image, symbols_of_a_detached_file_of_other_addresses)
{
    struct image *debug;
    struct image *image = open_stripped(&debug);
    vaddr expected = own_address(image, &sample_object) + 0x5000;
    size_t length;
    uint64_t offset;
    image->segments[0].start += 0x5000;
    image_attach_debug(image, debug);
    assert_symbol(image, "sample_object", expected, false);
    cr_assert_not_null(image_find_object_at(image, expected, &length, &offset));
    cr_assert_eq(offset, 0);
    image_close(image);
}
