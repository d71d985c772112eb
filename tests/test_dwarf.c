// Types and members in the DWARF of this test program itself, of copies of it, and of a library of
// two units.
#include "common.h"

#include <criterion/criterion.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fakecore.h"
#include "image.h"
#include "image_dwarf.h"
#include "sample_image.h"
#include "scratch.h"

#define USED __attribute__((used))

// ---- What the tests look for in this program

typedef const volatile short sample_number;

struct sample_pair {
    short left;
    sample_number right;
};

struct sample {
    char tag;
    union {
        struct {
            long deep;
            union {
                int deeper;
                char deepest;
            };
        };
        double number;
    };
    struct sample_pair pair;
    union {
        struct sample_pair first;
        long all;
    } either;
    struct sample *next;
    unsigned bits : 3;
    char text[7];
};

typedef struct sample sample_alias;
typedef const sample_alias sample_alias_of_alias;

typedef struct {
    int nameless_member;
} sample_nameless;

struct sample_declared;

USED static struct sample sample_object = {.tag = 1};
USED static sample_alias_of_alias sample_constant = {.tag = 2};
USED static sample_nameless sample_other = {3};
USED static struct sample_declared *sample_pointer;
int sample_global = 12;

TestSuite(dwarf, .init = fakecore_enter_scratch, .fini = fakecore_leave_scratch);

// ---- Members

struct expected_member {
    struct image_member_query query;
    uint64_t offset;
    uint64_t width; // 0: not found
};

static const struct expected_member expected_members[] = {
    {{"sample", "tag", NULL}, 0, 1},
    {{"sample", "pair", NULL}, offsetof(struct sample, pair), sizeof(struct sample_pair)},
    {{"sample", "pair.left", NULL}, offsetof(struct sample, pair.left), 2},
    {{"sample", "pair.right", NULL}, offsetof(struct sample, pair.right), 2},
    {{"sample", "deep", NULL}, offsetof(struct sample, deep), sizeof(long)},
    {{"sample", "deeper", NULL}, offsetof(struct sample, deeper), sizeof(int)},
    {{"sample", "deepest", NULL}, offsetof(struct sample, deepest), 1},
    {{"sample", "number", NULL}, offsetof(struct sample, number), sizeof(double)},
    {{"sample", "either.first.right", NULL}, offsetof(struct sample, either.first.right), 2},
    {{"sample", "next", NULL}, offsetof(struct sample, next), sizeof(void *)},
    {{"sample", "text", NULL}, offsetof(struct sample, text), 7},
    {{"sample", "", NULL}, sizeof(struct sample), sizeof(struct sample)},
    {{"sample_alias", "next", "test_dwarf.c"}, offsetof(struct sample, next), sizeof(void *)},
    {{"sample_alias_of_alias", "next", NULL}, offsetof(struct sample, next), sizeof(void *)},
    {{"sample_nameless", "nameless_member", NULL}, 0, sizeof(int)},
    {{"sample_number", "", NULL}, 2, 2},
    {{"sample", "text", "no_such_unit.c"}, offsetof(struct sample, text), 7},
    {{"sample", "bits", NULL}, 0, 0},
    {{"sample", "no_such_member", NULL}, 0, 0},
    {{"sample", "pair.no_such_member", NULL}, 0, 0},
    {{"sample", "next.tag", NULL}, 0, 0},
    {{"sample", "tag.x", NULL}, 0, 0},
    {{"sample", ".", NULL}, 0, 0},
    {{"sample_number", "x", NULL}, 0, 0},
    {{"sample_declared", "", NULL}, 0, 0},
    {{"no_such_type", "x", NULL}, 0, 0},
    {{"", "", NULL}, 0, 0},
};

static void assert_members(const struct image *image, const char *what)
{
    struct image_member_query queries[LENGTH(expected_members)];
    for (size_t i = 0; i < LENGTH(queries); i++)
        queries[i] = expected_members[i].query;
    if (!image_read_members(image, queries, LENGTH(queries)))
        cr_skip_test("built without -g: %s", what);
    for (size_t i = 0; i < LENGTH(queries); i++) {
        const struct expected_member *expected = &expected_members[i];
        const struct image_member_query *query = &queries[i];
        cr_assert_eq(query->found, expected->width > 0, "%s: %s.%s", what, query->type,
                     query->member);
        if (!query->found)
            continue;
        cr_assert_eq(query->offset, expected->offset, "%s: %s.%s", what, query->type,
                     query->member);
        cr_assert_eq(query->width, expected->width, "%s: %s.%s", what, query->type, query->member);
    }
}

Test(dwarf, members)
{
    struct image *image = open_self();
    assert_members(image, "this program");
    image_close(image);
}

Test(dwarf, members_from_compressed_sections)
{
    run_tool("objcopy --compress-debug-sections self x");
    struct image *image = open_file("x");
    assert_members(image, "x");
    assert_members(image, "x again");
    assert_symbol(image, "sample_global", own_address(image, &sample_global), false);
    image_close(image);
}

Test(dwarf, no_dwarf)
{
    run_tool("strip -o x self");
    struct image *image = open_file("x");
    struct image_member_query query = {.type = "sample", .member = "tag"};
    cr_assert_not(image_read_members(image, &query, 1));
    cr_assert_not(query.found);
    image_close(image);
}

// ---- A library of two units

Test(dwarf, unit_decides_between_types_of_one_name)
{
    static const char *const flags[] = {"-gdwarf-2", "-gdwarf-3", "-gdwarf-4", "-gdwarf-5",
                                        "-O2 -flto"};
    for (size_t i = 0; i < LENGTH(flags); i++) {
        struct image_member_query queries[] = {
            {.type = "twice", .member = "where", .unit = "one.c"},
            {.type = "twice", .member = "where", .unit = "two.c"},
        };
        struct image *image = compile_units(flags[i]);
        cr_assert(image_read_members(image, queries, LENGTH(queries)), "%s", flags[i]);
        cr_assert(queries[0].found, "%s", flags[i]);
        cr_assert_eq(queries[0].offset, 8, "%s", flags[i]);
        cr_assert_eq(queries[0].width, 4, "%s", flags[i]);
        cr_assert(queries[1].found, "%s", flags[i]);
        cr_assert_eq(queries[1].offset, 16, "%s", flags[i]);
        cr_assert_eq(queries[1].width, 8, "%s", flags[i]);
        image_close(image);
    }
}

// One that is in a unit of another name is found there, one that is in none nowhere, whatever else
// was found in its own.
Test(dwarf, type_in_another_unit)
{
    static const char *const flags[] = {"-gdwarf-2", "-gdwarf-4", "-gdwarf-5", "-O2 -flto",
                                        "-gdwarf-4 -fdebug-types-section"};
    for (size_t i = 0; i < LENGTH(flags); i++) {
        struct image_member_query queries[] = {
            {.type = "twice", .member = "where", .unit = "one.c"},
            {.type = "elsewhere", .member = "where", .unit = "renamed.c"},
            {.type = "nowhere", .member = "where", .unit = "renamed.c"},
            {.type = "where", .member = "where", .unit = "two.c"},
        };
        struct image *image = compile_units(flags[i]);
        for (size_t count = 1; count <= LENGTH(queries); count++) {
            cr_assert(image_read_members(image, queries, count), "%s", flags[i]);
            cr_assert(queries[0].found, "%s", flags[i]);
            cr_assert_eq(queries[0].offset, 8, "%s", flags[i]);
            cr_assert_eq(queries[1].found, count > 1, "%s", flags[i]);
            cr_assert_eq(queries[1].offset, count > 1 ? 4 : 0, "%s", flags[i]);
            cr_assert_not(queries[2].found, "%s", flags[i]);
            cr_assert_not(queries[3].found, "%s", flags[i]);
        }
        image_close(image);
    }
}

Test(dwarf, types_in_units_of_their_own)
{
    static const char *const flags[] = {"-gdwarf-4 -fdebug-types-section",
                                        "-gdwarf-5 -fdebug-types-section"};
    for (size_t i = 0; i < LENGTH(flags); i++) {
        struct image_member_query query = {.type = "twice", .member = "where", .unit = "one.c"};
        struct image *image = compile_units(flags[i]);
        cr_assert(image_read_members(image, &query, 1), "%s", flags[i]);
        cr_assert(query.found, "%s", flags[i]);
        image_close(image);
    }
}

Test(dwarf, dwarf_split_off_into_another_file_is_not_opened)
{
    struct image *image = compile_units("-gsplit-dwarf");
    struct image_member_query query = {.type = "twice", .member = "where"};
    image_read_members(image, &query, 1);
    cr_assert_not(query.found);
    image_close(image);
}

// ---- Stripped, with a file beside it

static struct image *open_debug(const char *path)
{
    struct image *image = NULL;
    struct failure *failure = image_open_debug(path, &image);
    cr_assert_null(failure, "%s", failure ? failure_text(failure) : "");
    return image;
}

Test(dwarf, of_a_detached_file)
{
    run_tool("objcopy --only-keep-debug self x.debug && strip -o x self");
    struct image *image = open_file("x");
    image_attach_debug(image, open_debug("x.debug"));
    cr_assert_not(image_has_dwarf(image));
    assert_members(image, "x.debug");
    image_close(image);
}

Test(dwarf, the_file_s_own_counts_before_a_detached_one_s)
{
    image_close(compile_units("-gdwarf-4"));
    run_tool("objcopy --only-keep-debug x.so x.debug");
    struct image *image = open_self();
    image_attach_debug(image, open_debug("x.debug"));
    assert_members(image, "this program");
    image_close(image);
}

// Two programs with the same large types: dwz moves these to a third file. It does so in DWARF 4
// with forms of GNU's.
static struct image *open_shared_types(void)
{
    char source[4096] = "";
    size_t length = 0;
    for (int i = 0; i < 40; i++)
        length += (size_t)snprintf(source + length, sizeof(source) - length,
                                   "struct common_%d { long skip[%d]; int where; } object_%d;\n", i,
                                   i + 1, i);
    write_text("one.c", source);
    run_tool("gcc -shared -fPIC -gdwarf-4 -o a.so one.c && gcc -shared -fPIC -gdwarf-4 -DB -o b.so "
             "one.c && dwz -m common.dwz a.so b.so");
    return open_file("a.so");
}

Test(dwarf, types_that_dwz_moved)
{
    struct image_member_query queries[] = {
        {.type = "common_3", .member = "where"},
        {.type = "common_39", .member = "where", .unit = "one.c"}};
    struct image *image = open_shared_types();
    struct build_id id;
    char *path;
    cr_assert(image_find_supplement(image, &path, &id));
    cr_assert_str_eq(path, "common.dwz");
    free(path);
    cr_assert(image_read_members(image, queries, LENGTH(queries)));
    cr_assert_not(queries[0].found, "libdw looks for the file itself");
    cr_assert_not(queries[1].found);
    image->supplement = open_debug("common.dwz");
    cr_assert(build_id_equal(&image->supplement->build_id, &id));
    cr_assert(image_read_members(image, queries, LENGTH(queries)));
    cr_assert(queries[0].found);
    cr_assert_eq(queries[0].offset, 32);
    cr_assert_eq(queries[0].width, 4);
    cr_assert(queries[1].found);
    cr_assert_eq(queries[1].offset, 320);
    image_close(image);
}

Test(dwarf, without_a_supplement_none_is_named)
{
    struct image *image = compile_units("-gdwarf-4");
    char *path;
    struct build_id id;
    cr_assert_not(image_find_supplement(image, &path, &id));
    image_close(image);
}

Test(dwarf, every_tenth_byte_of_a_library_damaged)
{
    struct image *image = compile_units("-gdwarf-4");
    size_t size = image->size;
    uint8_t *bytes = malloc(size);
    cr_assert_not_null(bytes);
    memcpy(bytes, image->bytes, size);
    image_close(image);
    for (size_t at = 0; at < size; at += 10) {
        uint8_t before = bytes[at];
        bytes[at] ^= 0xff;
        write_file("x.so", bytes, size);
        bytes[at] = before;
        struct failure *failure = image_open("x.so", &image);
        if (!failure) {
            struct image_member_query query = {.type = "twice", .member = "where"};
            vaddr value;
            image_read_members(image, &query, 1);
            image_find_symbol(image, "both", &value, NULL, NULL);
            image_close(image);
        }
        failure_destroy(failure);
    }
    free(bytes);
}
