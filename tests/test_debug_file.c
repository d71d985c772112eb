// Detached debug files: where they are looked for, and which are taken. The stripped file is always
// a library of sample_image.h's, y.so; x.debug is what was stripped off it.
#include "common.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "debug_file.h"
#include "fakecore.h"
#include "image.h"
#include "image_dwarf.h"
#include "sample_image.h"
#include "scratch.h"

TestSuite(debug_file, .init = fakecore_enter_scratch, .fini = fakecore_leave_scratch);

static const char with_id[] = "-Wl,--build-id=0xcafe012345678901";
static const char without_id[] = "-Wl,--build-id=none";

// Makes x.so, x.debug and the stripped y.so, whose .gnu_debuglink names x.debug.
static void make_files(const char *flags)
{
    image_close(compile_units(flags));
    run_tool("objcopy --only-keep-debug x.so x.debug && strip -o y.so x.so && "
             "objcopy --add-gnu-debuglink=x.debug y.so");
}

static void move_to(const char *path)
{
    char command[256];
    snprintf(command, sizeof(command), "mkdir -p $(dirname %s) && mv x.debug %s", path, path);
    run_tool(command);
}

// The image of y.so after the search. Its path in the process is /usr/lib/y.so.
static struct image *search(const struct debug_file_options *options, struct debug_file *found)
{
    struct image *image = open_file("y.so");
    struct failure *failure = debug_file_find(image, "/usr/lib/y.so", options, found);
    cr_assert_null(failure, "%s", failure ? failure_text(failure) : "");
    return image;
}

static void expect_found(const struct debug_file_options *options, const char *path,
                         enum debug_file_source source)
{
    struct debug_file found;
    struct image_member_query query = {.type = "twice", .member = "where", .unit = "two.c"};
    struct image *image = search(options, &found);
    vaddr value;
    cr_assert_not_null(image->detached, "%s is not found", path);
    const char *end = image->detached->path + strlen(image->detached->path) - strlen(path);
    cr_assert_str_eq(end, path);
    cr_assert_eq(found.source, source, "%s: by %s", path, debug_file_source_text(found.source));
    cr_assert_eq(found.note_count, 0, "%s", found.notes[0]);
    cr_assert(image_read_members(image, &query, 1));
    cr_assert(query.found);
    cr_assert_eq(query.offset, 16);
    cr_assert(image_find_symbol(image, "both", &value, NULL, NULL));
    debug_file_deinit(&found);
    image_close(image);
}

// Nothing is taken; `note`: a part of the only note, NULL: there is none.
static void expect_none(const struct debug_file_options *options, const char *note)
{
    struct debug_file found;
    struct image *image = search(options, &found);
    cr_assert_null(image->detached);
    cr_assert_eq(found.source, DEBUG_FILE_NONE);
    cr_assert_eq(found.note_count, note != NULL, "%zu notes", found.note_count);
    if (note)
        cr_assert_not_null(strstr(found.notes[0], note), "%s", found.notes[0]);
    debug_file_deinit(&found);
    image_close(image);
}

static const struct debug_file_options in_dir = {.path = "dir"};

// ---- Where

static const struct {
    struct debug_file_options options;
    const char *path;
    enum debug_file_source source;
} places[] = {
    {{.path = "dir"}, "dir/.build-id/ca/fe012345678901.debug", DEBUG_FILE_BY_BUILD_ID},
    {{.path = ":none::dir"}, "dir/.build-id/ca/fe012345678901.debug", DEBUG_FILE_BY_BUILD_ID},
    {{.path = "dir", .sysroot = "root"},
     "root/dir/.build-id/ca/fe012345678901.debug",
     DEBUG_FILE_BY_BUILD_ID},
    {{.path = "/dir", .sysroot = "root"},
     "root/dir/.build-id/ca/fe012345678901.debug",
     DEBUG_FILE_BY_BUILD_ID},
    {{.sysroot = "root"},
     "root/usr/lib/debug/.build-id/ca/fe012345678901.debug",
     DEBUG_FILE_BY_BUILD_ID},
    {{.path = "dir", .sysroot = "root"},
     "dir/.build-id/ca/fe012345678901.debug",
     DEBUG_FILE_BY_BUILD_ID},
    {{.path = "dir"}, "dir/usr/lib/x.debug", DEBUG_FILE_BY_LINK},
    {{.path = "dir", .sysroot = "root"}, "root/dir/usr/lib/x.debug", DEBUG_FILE_BY_LINK},
    {{.path = "dir"}, ".debug/x.debug", DEBUG_FILE_BY_LINK},
    {{.path = ""}, ".debug/x.debug", DEBUG_FILE_BY_LINK},
    {{.path = "dir"}, "./x.debug", DEBUG_FILE_BY_LINK},
};

Test(debug_file, places)
{
    for (size_t i = 0; i < LENGTH(places); i++) {
        make_files(with_id);
        if (strcmp(places[i].path, "./x.debug") != 0)
            move_to(places[i].path);
        expect_found(&places[i].options, places[i].path + 1, places[i].source);
        cr_assert_eq(unlink(places[i].path), 0);
    }
}

// Debian's /usr/bin/python2 and the like.
Test(debug_file, beside_the_file_not_beside_a_link_to_it)
{
    make_files(with_id);
    run_tool("mkdir there && mv y.so x.debug there && ln -s there/y.so y.so");
    expect_found(&in_dir, "there/x.debug", DEBUG_FILE_BY_LINK);
}

Test(debug_file, more_directories_than_are_looked_into)
{
    char path[512] = "";
    for (size_t i = 0; i < 100; i++)
        strcat(path, "d:");
    make_files(with_id);
    move_to("elsewhere");
    expect_none(&(struct debug_file_options){.path = path}, "no debug file");
}

// Nobody asked for it.
Test(debug_file, absence_is_told_only_of_the_user_s_directories)
{
    make_files(with_id);
    move_to("elsewhere");
    expect_none(&(struct debug_file_options){.path = NULL}, NULL);
    expect_none(&in_dir, "no debug file of ");
}

// ---- Which

Test(debug_file, not_looked_for_when_the_file_has_dwarf)
{
    struct debug_file found;
    make_files(with_id);
    move_to("dir/.build-id/ca/fe012345678901.debug");
    run_tool("cp x.so y.so");
    struct image *image = search(&in_dir, &found);
    cr_assert_null(image->detached);
    cr_assert_eq(found.source, DEBUG_FILE_NONE);
    cr_assert_eq(found.note_count, 0);
    image_close(image);
}

Test(debug_file, symbols_alone_will_do)
{
    struct debug_file found;
    vaddr value;
    make_files(with_id);
    run_tool("strip -g -o x.debug x.so");
    move_to("dir/.build-id/ca/fe012345678901.debug");
    struct image *image = search(&in_dir, &found);
    cr_assert_not_null(image->detached);
    cr_assert(image_find_symbol(image, "both", &value, NULL, NULL));
    cr_assert_not(image_read_members(image, NULL, 0));
    image_close(image);
}

Test(debug_file, other_build_id)
{
    make_files("-Wl,--build-id=0xcafe012345678902");
    move_to("dir/.build-id/ca/fe012345678901.debug");
    run_tool("mkdir kept && mv dir kept");
    make_files(with_id);
    run_tool("rm x.debug && mv kept/dir .");
    expect_none(&in_dir, "(build-id cafe012345678902, not cafe012345678901)");
}

// With a build-id on both sides that decides, although the CRC is another one.
Test(debug_file, equal_build_id_and_other_bytes)
{
    make_files(with_id);
    run_tool("printf x >>x.debug");
    expect_found(&in_dir, "x.debug", DEBUG_FILE_BY_LINK);
}

Test(debug_file, without_build_id_the_crc_decides)
{
    make_files(without_id);
    expect_found(&in_dir, "x.debug", DEBUG_FILE_BY_LINK);
    run_tool("printf x >>x.debug");
    expect_none(&in_dir, "(CRC ");
}

Test(debug_file, one_without_build_id)
{
    make_files(without_id);
    move_to("dir/.build-id/ca/fe012345678901.debug");
    run_tool("mkdir kept && mv dir kept");
    make_files(with_id);
    run_tool("rm x.debug && mv kept/dir .");
    expect_none(&in_dir, "no build-id tells");
}

Test(debug_file, no_elf_file)
{
    make_files(with_id);
    write_text("x.debug", "no ELF file");
    expect_none(&in_dir, "no intact ELF file");
}

Test(debug_file, fifo)
{
    make_files(with_id);
    cr_assert_eq(unlink("x.debug"), 0);
    cr_assert_eq(mkfifo("x.debug", 0600), 0);
    expect_none(&(struct debug_file_options){.path = NULL}, NULL);
}

// .gnu_debuglink has a name, not a path.
Test(debug_file, link_that_leads_elsewhere)
{
    make_files(with_id);
    run_tool(
        "mkdir up && mv x.debug up && sed -i 's,x[.]debug,up/xdbg,' y.so && mv up/x.debug up/xdbg");
    expect_none(&(struct debug_file_options){.path = ""}, "no debug file");
}

// ---- dwz's supplement

static void make_supplemented(void)
{
    make_files(with_id);
    run_tool("cp x.so z.so && objcopy --only-keep-debug z.so z.debug && "
             "dwz -L none -l none -m common.dwz x.debug z.debug");
    char *path;
    struct build_id id;
    struct image *image;
    struct failure *failure = image_open_debug("x.debug", &image);
    cr_assert_null(failure);
    bool named = image_find_supplement(image, &path, &id);
    image_close(image);
    if (!named)
        cr_skip_test("this dwz found nothing to move");
    free(path);
}

Test(debug_file, supplement)
{
    struct debug_file found;
    make_supplemented();
    struct image *image = search(&in_dir, &found);
    cr_assert_not_null(image->detached);
    cr_assert_not_null(image->detached->supplement);
    cr_assert_eq(found.note_count, 0, "%s", found.notes[0]);
    image_close(image);
    expect_found(&in_dir, "x.debug", DEBUG_FILE_BY_LINK);
}

Test(debug_file, supplement_that_is_not_here)
{
    struct debug_file found;
    make_supplemented();
    cr_assert_eq(unlink("common.dwz"), 0);
    struct image *image = search(&in_dir, &found);
    cr_assert_not_null(image->detached);
    cr_assert_null(image->detached->supplement);
    cr_assert_eq(found.note_count, 1);
    cr_assert_not_null(strstr(found.notes[0], "refers to common.dwz, which is not here"), "%s",
                       found.notes[0]);
    debug_file_deinit(&found);
    image_close(image);
}

Test(debug_file, supplement_of_another_file)
{
    struct debug_file found;
    make_supplemented();
    run_tool("cp x.so common.dwz");
    struct image *image = search(&in_dir, &found);
    cr_assert_null(image->detached->supplement);
    cr_assert_eq(found.note_count, 2);
    cr_assert_not_null(strstr(found.notes[0], "common.dwz is not used"), "%s", found.notes[0]);
    debug_file_deinit(&found);
    image_close(image);
}

// ---- Damage

Test(debug_file, every_thirteenth_byte_damaged)
{
    make_files(with_id);
    struct image *image;
    struct failure *failure = image_open_debug("x.debug", &image);
    cr_assert_null(failure);
    size_t size = image->size;
    uint8_t *bytes = malloc(size);
    cr_assert_not_null(bytes);
    memcpy(bytes, image->bytes, size);
    image_close(image);
    for (size_t at = 0; at < size; at += 13) {
        struct debug_file found;
        struct image_member_query query = {.type = "twice", .member = "where"};
        vaddr value;
        bytes[at] ^= 0xff;
        write_file("x.debug", bytes, size);
        bytes[at] ^= 0xff;
        image = search(&in_dir, &found);
        image_read_members(image, &query, 1);
        image_find_symbol(image, "both", &value, NULL, NULL);
        debug_file_deinit(&found);
        image_close(image);
    }
    free(bytes);
}
