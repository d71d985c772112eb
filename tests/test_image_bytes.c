// An image of what a process had mapped of a file: the same symbols without sections, whatever the
// linker did to the dynamic section, and whatever damage does to its tables.
#include "common.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "fakecore.h"
#include "image.h"
#include "sample_image.h"
#include "scratch.h"

TestSuite(image_bytes, .init = fakecore_enter_scratch, .fini = fakecore_leave_scratch);

static const vaddr MOVED = 0x7f1234560000;

// The file's segments, all else zeroes.
static uint8_t *copy_segments(const struct image *file)
{
    uint8_t *bytes =
        mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(bytes, MAP_FAILED);
    for (size_t i = 0; i < file->segment_count; i++)
        memcpy(bytes + file->segments[i].file_offset, file->bytes + file->segments[i].file_offset,
               file->segments[i].file_size);
    return bytes;
}

// What glibc's linker does to the entries that are addresses.
static void move_dynamic(const struct image *file, uint8_t *bytes)
{
    Elf64_Dyn *entry = (Elf64_Dyn *)(bytes + file->dynamic_offset);
    for (; entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_HASH || entry->d_tag == DT_GNU_HASH || entry->d_tag == DT_SYMTAB ||
            entry->d_tag == DT_STRTAB)
            entry->d_un.d_ptr += MOVED;
}

static struct image *open_bytes(const struct image *file, uint8_t *bytes, vaddr moved_by)
{
    struct image *image = NULL;
    struct failure *failure = image_open_bytes("/core/x.so", bytes, file->size, moved_by, &image);
    cr_assert_null(failure, "%s", failure ? failure_text(failure) : "");
    return image;
}

static void expect_same(const struct image *image, const struct image *file, const char *what)
{
    static const char *const names[] = {"one", "two"};
    vaddr here, there;
    cr_expect_str_eq(image->path, "/core/x.so");
    cr_expect_eq(image->segment_count, file->segment_count, "%s", what);
    cr_expect(build_id_equal(&image->build_id, &file->build_id), "%s", what);
    for (size_t i = 0; i < LENGTH(names); i++) {
        cr_assert(image_find_symbol(file, names[i], &there, NULL, NULL), "%s", what);
        cr_assert(image_find_symbol(image, names[i], &here, NULL, NULL), "%s: %s", what, names[i]);
        cr_expect_eq(here, there, "%s: %s", what, names[i]);
    }
    cr_expect_not(image_find_symbol(image, "both", &here, NULL, NULL), "%s: is static", what);
    cr_expect_not(image_find_symbol(image, "__cxa_finalize", &here, NULL, NULL),
                  "%s: another file's", what);
}

static const char *const flags[] = {"-Wl,--build-id -Wl,--hash-style=gnu",
                                    "-Wl,--build-id -Wl,--hash-style=sysv",
                                    "-Wl,--build-id -Wl,--hash-style=both"};

Test(image_bytes, symbols_of_the_dynamic_section)
{
    for (size_t i = 0; i < LENGTH(flags); i++) {
        for (int moved = 0; moved < 2; moved++) {
            struct image *file = compile_units(flags[i]);
            uint8_t *bytes = copy_segments(file);
            if (moved)
                move_dynamic(file, bytes);
            struct image *image = open_bytes(file, bytes, moved ? MOVED : 0);
            expect_same(image, file, flags[i]);
            image_close(image);
            image_close(file);
        }
    }
}

// What lies where the sections were is not believed.
Test(image_bytes, sections_are_forgotten)
{
    struct image *file = compile_units(flags[0]);
    uint8_t *bytes = copy_segments(file);
    Elf64_Ehdr *header = (Elf64_Ehdr *)bytes;
    header->e_shoff = 0x40;
    header->e_shnum = 5;
    header->e_shstrndx = 4;
    struct image *image = open_bytes(file, bytes, 0);
    expect_same(image, file, "sections");
    image_close(image);
    image_close(file);
}

Test(image_bytes, file_without_section_headers)
{
    struct image *file = compile_units(flags[0]);
    run_tool("cp x.so y.so");
    FILE *copy = fopen("y.so", "r+");
    Elf64_Ehdr header;
    vaddr here, there;
    cr_assert_eq(fread(&header, sizeof(header), 1, copy), 1);
    header.e_shoff = header.e_shnum = header.e_shstrndx = 0;
    rewind(copy);
    cr_assert_eq(fwrite(&header, sizeof(header), 1, copy), 1);
    fclose(copy);
    struct image *image = open_file("y.so");
    cr_assert(image_find_symbol(image, "two", &here, NULL, NULL));
    cr_assert(image_find_symbol(file, "two", &there, NULL, NULL));
    cr_assert_eq(here, there);
    image_close(image);
    image_close(file);
}

// Names may be lost, nothing else may happen.
Test(image_bytes, every_byte_of_the_tables_damaged)
{
    for (size_t i = 0; i < 2; i++) {
        struct image *file = compile_units(flags[i]);
        // Headers, hash table, symbols, names; and the dynamic section.
        const uint64_t ranges[][2] = {{0, 0x500}, {file->dynamic_offset, file->dynamic_size}};
        for (size_t range = 0; range < LENGTH(ranges); range++) {
            for (uint64_t at = ranges[range][0]; at < ranges[range][0] + ranges[range][1]; at++) {
                struct image *image;
                vaddr value;
                uint8_t *bytes = copy_segments(file);
                bytes[at] ^= at % 2 ? 0xff : 0x81;
                struct failure *failure = image_open_bytes("x", bytes, file->size, MOVED, &image);
                if (failure) {
                    failure_destroy(failure);
                    munmap(bytes, file->size);
                    continue;
                }
                image_find_symbol(image, "two", &value, NULL, NULL);
                image_close(image);
            }
        }
        image_close(file);
    }
}
