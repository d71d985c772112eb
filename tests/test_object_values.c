// Strings, numbers, dictionaries, and how much memory an object takes.
#include "common.h"

#include <inttypes.h>
#include <stdlib.h>

#include "fakelayout.h"
#include "scene_types.h"

#define WORLDS(name)              WORLD_TEST(object_values, name, close_types)
#define WORLDS_SINCE(first, name) WORLD_TEST_SINCE(first, object_values, name, close_types)

// --- strings and numbers

WORLDS(strings_are_read_and_cut)
{
    static const struct {
        const char *text;
        size_t length;
        const char *in_eight;
    } rows[] = {{"", 0, ""},
                {"a", 1, "a"},
                {"1234567", 7, "1234567"},
                {"12345678", 8, "1234567"},
                {"0123456789", 10, "0123456"},
                {"a\0b", 3, "a\0b"},
                {"\xff\n", 2, "\xff\n"}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        vaddr str = fakeheap_str_of(&fake, rows[i].text, rows[i].length);
        char buffer[8];
        uint64_t length;
        open_types();
        cr_assert_eq(object_read_str(&fake.runtime, str, buffer, sizeof(buffer), &length),
                     MEMORY_OK, "%s: '%s'", world, rows[i].text);
        cr_assert_eq(length, rows[i].length, "%s: '%s'", world, rows[i].text);
        size_t kept = length < 7 ? length : 7;
        cr_assert_eq(memcmp(buffer, rows[i].in_eight, kept + 1), 0, "%s: '%s'", world, buffer);
    }
}

WORLDS(strings_must_be_str)
{
    vaddr unicode = fakeheap_unicode(&fake, 3), list = fakeheap_list(&fake);
    char buffer[8];
    uint64_t length;
    open_types();
    cr_assert_eq(object_read_str(&fake.runtime, unicode, buffer, 8, &length), MEMORY_NONSENSE);
    cr_assert_eq(object_read_str(&fake.runtime, list, buffer, 8, &length), MEMORY_NONSENSE);
    cr_assert_eq(object_read_str(&fake.runtime, 0, buffer, 8, &length), MEMORY_NONSENSE);
    cr_assert_eq(object_read_str(&fake.runtime, 0x12345678, buffer, 8, &length), MEMORY_NONSENSE);
}

WORLDS(strings_that_end_in_the_middle)
{
    char text[1001] = "", buffer[2000];
    memset(text, 'x', 1000);
    vaddr str = fakeheap_str(&fake, text);
    uint64_t length;
    vaddr bytes = str + layout_offset(&fake.layout, LAYOUT_PyStringObject_ob_sval);
    fakeheap_hide(&fake, bytes + 500, 500, MEMORY_NOT_SAVED);
    open_types();
    cr_assert_eq(object_read_str(&fake.runtime, str, buffer, sizeof(buffer), &length),
                 MEMORY_NOT_SAVED, "%s", world);
    cr_assert_eq(object_read_str(&fake.runtime, str, buffer, 501, &length), MEMORY_OK, "%s", world);
    cr_assert_eq(length, 1000, "%s", world);
}

WORLDS(identifiers_and_nothing_else)
{
    static const struct {
        const char *text;
        size_t length;
        enum memory_status status;
    } rows[] = {
        {"a", 1, MEMORY_OK},          {"_", 1, MEMORY_OK},
        {"zZ_09", 5, MEMORY_OK},      {"1a", 2, MEMORY_NONSENSE},
        {"", 0, MEMORY_NONSENSE},     {"a b", 3, MEMORY_NONSENSE},
        {"a\0b", 3, MEMORY_NONSENSE}, {"a.b", 3, MEMORY_NONSENSE},
        {"a\n", 2, MEMORY_NONSENSE},  {"\xc3\xa9", 2, MEMORY_NONSENSE},
        {"abcdefg ", 8, MEMORY_OK},   {"abcdef g", 8, MEMORY_NONSENSE},
        {"abcdefgh", 8, MEMORY_OK},   {"a-b", 3, MEMORY_NONSENSE},
    };
    char buffer[8];
    for (size_t i = 0; i < LENGTH(rows); i++) {
        vaddr str = fakeheap_str_of(&fake, rows[i].text, rows[i].length);
        open_types();
        cr_assert_eq(object_read_identifier(&fake.runtime, str, buffer, sizeof(buffer)),
                     rows[i].status, "%s: '%s'", world, rows[i].text);
    }
    vaddr unicode = fakeheap_unicode(&fake, 3);
    open_types();
    cr_assert_eq(object_read_identifier(&fake.runtime, unicode, buffer, 8), MEMORY_NONSENSE);
    cr_assert_eq(object_read_identifier(&fake.runtime, 0x12345678, buffer, 8), MEMORY_NONSENSE);
}

WORLDS(numbers_have_a_sign)
{
    static const int64_t values[] = {0, 1, -1, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < LENGTH(values); i++) {
        vaddr object = fakeheap_int(&fake, values[i]);
        int64_t value;
        open_types();
        cr_assert_eq(object_read_int(&fake.runtime, object, &value), MEMORY_OK, "%s", world);
        cr_assert_eq(value, values[i], "%s: %" PRId64, world, value);
    }
    int64_t value;
    cr_assert_eq(object_read_int(&fake.runtime, fake.none, &value), MEMORY_NONSENSE, "%s", world);
}

// --- dictionaries

WORLDS(dict_items_in_table_order)
{
    vaddr dict = fakeheap_dict(&fake), key, value;
    struct dict_items items;
    enum memory_status status;
    for (int i = 0; i < 20; i++)
        fakeheap_dict_set(&fake, dict, fakeheap_int(&fake, i), fakeheap_int(&fake, i * i));
    open_types();
    cr_assert_eq(dict_items_init(&items, &fake.runtime, dict), MEMORY_OK, "%s", world);
    for (int64_t i = 0; i < 20; i++) {
        int64_t number;
        cr_assert(dict_items_next(&items, &key, &value, &status), "%s", world);
        cr_assert_eq(object_read_int(&fake.runtime, key, &number), MEMORY_OK, "%s", world);
        cr_assert_eq(number, i, "%s", world);
        cr_assert_eq(object_read_int(&fake.runtime, value, &number), MEMORY_OK, "%s", world);
        cr_assert_eq(number, i * i, "%s", world);
    }
    cr_assert_not(dict_items_next(&items, &key, &value, &status), "%s", world);
    cr_assert_eq(status, MEMORY_OK, "%s", world);
}

WORLDS(dict_keys_are_found_by_text)
{
    vaddr dict = fakeheap_dict(&fake), value, found;
    vaddr one = fakeheap_int(&fake, 1), two = fakeheap_int(&fake, 2);
    fakeheap_dict_set(&fake, dict, fakeheap_unicode(&fake, 3), fake.none);
    fakeheap_dict_set(&fake, dict, fakeheap_str_of(&fake, "key\0", 4), fake.none);
    fakeheap_dict_set(&fake, dict, fakeheap_str(&fake, "key"), one);
    fakeheap_dict_set(&fake, dict, fakeheap_str(&fake, "keys"), two);
    fakeheap_dict_set_name(&fake, dict, "gone", two);
    fakeheap_dict_delete(&fake, dict, "gone");
    open_types();
    cr_assert_eq(object_dict_find(&fake.runtime, dict, "key", &value), MEMORY_OK, "%s", world);
    cr_assert_eq(value, one, "%s", world);
    cr_assert_eq(object_dict_find(&fake.runtime, dict, "keys", &value), MEMORY_OK, "%s", world);
    cr_assert_eq(value, two, "%s", world);
    found = value;
    static const char *const absent[] = {"", "ke", "keyss", "gone", "<dummy key>"};
    for (size_t i = 0; i < LENGTH(absent); i++)
        cr_assert_eq(object_dict_find(&fake.runtime, dict, absent[i], &value), MEMORY_UNMAPPED,
                     "%s: '%s'", world, absent[i]);
    cr_assert_eq(value, found, "%s: written only on success", world);
}

WORLDS(dict_that_ends_in_the_middle)
{
    vaddr dict = fakeheap_dict(&fake), value;
    for (int i = 0; i < 20; i++)
        fakeheap_dict_set(&fake, dict, fakeheap_int(&fake, i), fake.none);
    fakeheap_dict_set_name(&fake, dict, "last", fake.none);
    vaddr table = fakeheap_get(&fake, dict, LAYOUT_PyDictObject_ma_table);
    uint64_t size = layout_offset(&fake.layout, LAYOUT_PyDictEntry_sizeof);
    fakeheap_hide(&fake, table + 10 * size, 8, MEMORY_NOT_SAVED);
    open_types();
    cr_assert_eq(object_dict_find(&fake.runtime, dict, "last", &value), MEMORY_NOT_SAVED, "%s",
                 world);
    fakeheap_show_all(&fake);
    fakeheap_set(&fake, dict, LAYOUT_PyDictObject_ma_mask, 30);
    open_types();
    cr_assert_eq(object_dict_find(&fake.runtime, dict, "last", &value), MEMORY_NONSENSE, "%s",
                 world);
}

// --- sizes

static uint64_t size_of(vaddr object, bool *partial)
{
    uint32_t index;
    *partial = false;
    open_types();
    cr_assert_eq(object_find_type(&types, object, &index), MEMORY_OK, "%s", world);
    return object_size(&types, &types.types[index], object, partial);
}

static vaddr make_list(size_t length)
{
    vaddr list = fakeheap_list(&fake);
    for (size_t i = 0; i < length; i++)
        fakeheap_append(&fake, list, fake.none);
    return list;
}

static vaddr make_dict(size_t length)
{
    vaddr dict = fakeheap_dict(&fake);
    for (size_t i = 0; i < length; i++)
        fakeheap_dict_set(&fake, dict, fakeheap_int(&fake, (int64_t)i), fake.none);
    return dict;
}

static vaddr make_set(size_t length)
{
    vaddr set = fakeheap_set_object(&fake, "set");
    for (size_t i = 0; i < length; i++)
        fakeheap_set_add(&fake, set, fakeheap_int(&fake, (int64_t)i));
    return set;
}

static vaddr make_deque(size_t length)
{
    vaddr deque = fakeheap_deque(&fake, 31);
    for (size_t i = 0; i < length; i++)
        fakeheap_deque_append(&fake, deque, fake.none);
    return deque;
}

static vaddr make_class(const char *base)
{
    return fakeheap_class(
        &fake, &(struct fakeheap_class){.name = "C", .base = fakeheap_find_type(&fake, base)});
}

// Worked out by hand from the fact sheet (5.2, 7.1, 7.2) for 2.7.18 on x86-64: pymalloc in steps of
// 16 up to 512 for objects and the text of unicode; tables and items come from PyMem_Malloc, which
// is malloc with 8 bytes of its own, in steps of 16.
Test(object_values, sizes_on_x86_64)
{
    init_world(&(struct fakeheap_spec){0});
    vaddr class = make_class("object");
    const struct {
        const char *what;
        vaddr object;
        uint64_t size;
    } rows[] = {
        {"empty list", make_list(0), 80},             // 32 + 40
        {"list of 3, room for 4", make_list(3), 128}, // + malloc(32)
        {"list of 100, room for 128", make_list(100), 80 + 1040},
        {"tuple of 3", fakeheap_tuple(&fake, 3), 80}, // 32 + 24 + 24
        {"tuple of 60", fakeheap_tuple(&fake, 60), 544},
        {"dict in its small table", make_dict(3), 288}, // 32 + 248
        {"dict of 10", make_dict(10), 288 + 784},       // + malloc(32 * 24)
        {"set in its small table", make_set(3), 240},   // 32 + 200
        {"set of 10", make_set(10), 240 + 528},         // + malloc(32 * 16)
        {"empty deque", make_deque(0), 112 + 528},      // 32 + 80, malloc(512)
        {"deque of 100", make_deque(100), 112 + 3 * 528},
        {"str of 3", fakeheap_str(&fake, "abc"), 48}, // 37 + 3
        {"str of 11", fakeheap_str(&fake, "abcdefghijk"), 48},
        {"str of 12", fakeheap_str(&fake, "abcdefghijkl"), 64},
        {"unicode of 10", fakeheap_unicode(&fake, 10), 96},  // 48, 11 * 4
        {"unicode of 12", fakeheap_unicode(&fake, 12), 112}, // the end has a character, too
        {"bytearray of 100", fakeheap_bytearray(&fake, 100), 48 + 112},
        {"instance", fakeheap_instance(&fake, class), 64}, // 32 + 32
        {"class", class, 960},                             // 32 + 872 + 40
        {"instance of 3 digits, negative", fakeheap_var_instance(&fake, make_class("long"), -3),
         80}, // 32 + 32 + 4 * 4
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        bool partial;
        uint64_t size = size_of(rows[i].object, &partial);
        cr_expect_eq(size, rows[i].size, "%s: %" PRIu64 " bytes, not %" PRIu64, rows[i].what, size,
                     rows[i].size);
        cr_expect_not(partial, "%s", rows[i].what);
    }
    close_types();
    fakeheap_deinit(&fake);
}

// A narrow build has two bytes for a character.
Test(object_values, sizes_of_unicode_in_a_narrow_build)
{
    bool partial;
    init_world(&(struct fakeheap_spec){0});
    fakeheap_dict_set_name(&fake, fake.sysdict, "maxunicode", fakeheap_int(&fake, 0xffff));
    cr_assert_eq(size_of(fakeheap_unicode(&fake, 100), &partial), 48 + 208); // 101 * 2
    close_types();
    fakeheap_deinit(&fake);
}

// The block by the layout's figures, for what owns nothing else.
WORLDS(sizes_of_plain_objects)
{
    static const struct {
        const char *type;
        int64_t items;
    } rows[] = {{"cell", 0}, {"function", 0}, {"tuple", 0}, {"tuple", 7}, {"str", 5}, {"frame", 9}};
    uint64_t head = layout_offset(&fake.layout, LAYOUT_PyGC_Head_sizeof);
    uint64_t word = fake.memory.format.word_size;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        vaddr type = fakeheap_find_type(&fake, rows[i].type);
        vaddr object = fakeheap_new(&fake, type, (uint64_t)rows[i].items);
        uint64_t size =
            fakeheap_get(&fake, type, LAYOUT_PyTypeObject_tp_basicsize) +
            (uint64_t)rows[i].items * fakeheap_get(&fake, type, LAYOUT_PyTypeObject_tp_itemsize);
        size = (size + word - 1) & ~(word - 1);
        size += strcmp(rows[i].type, "str") ? head : 0;
        bool partial;
        uint64_t found = size_of(object, &partial);
        cr_assert_eq(found, runtime_allocation_size(&fake.runtime, size), "%s: %s: %" PRIu64, world,
                     rows[i].type, found);
        cr_assert_not(partial, "%s: %s", world, rows[i].type);
    }
}

WORLDS(sizes_with_a_negative_count)
{
    bool partial;
    vaddr class = make_class("long");
    uint64_t positive = size_of(fakeheap_var_instance(&fake, class, 3), &partial);
    uint64_t negative = size_of(fakeheap_var_instance(&fake, class, -3), &partial);
    cr_assert_eq(negative, positive, "%s: %" PRIu64 ", not %" PRIu64, world, negative, positive);
    cr_assert_not(partial, "%s", world);
}

// What cannot be read counts as nothing, and is said.
WORLDS_SINCE(206, sizes_that_cannot_be)
{
    bool wide = fake.memory.format.word_size == 8;
    const struct {
        const char *what;
        vaddr object;
        enum layout_member member;
        uint64_t value;
    } rows[] = {
        {"dict without a table", make_dict(10), LAYOUT_PyDictObject_ma_mask, UINT64_MAX},
        {"dict of 2^61", make_dict(10), LAYOUT_PyDictObject_ma_mask,
         wide ? (UINT64_C(1) << 61) - 1 : UINT64_MAX},
        {"set without a table", make_set(10), LAYOUT_PySetObject_mask, UINT64_MAX},
        {"list that is being sorted", make_list(3), LAYOUT_PyListObject_allocated, UINT64_MAX},
        {"list of 2^61", make_list(3), LAYOUT_PyListObject_allocated,
         wide ? UINT64_C(1) << 61 : UINT64_MAX},
        {"unicode without end", fakeheap_unicode(&fake, 3), LAYOUT_PyUnicodeObject_length,
         UINT64_MAX},
        {"bytearray without end", fakeheap_bytearray(&fake, 3), LAYOUT_PyByteArrayObject_ob_alloc,
         UINT64_MAX},
        {"tuple without end", fakeheap_tuple(&fake, 3), LAYOUT_PyVarObject_ob_size,
         wide ? UINT64_C(1) << 50 : INT32_MAX},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        bool partial;
        fakeheap_set(&fake, rows[i].object, rows[i].member, rows[i].value);
        uint64_t size = size_of(rows[i].object, &partial);
        cr_expect(partial, "%s: %s: %" PRIu64 " bytes are believed", world, rows[i].what, size);
        cr_expect_lt(size, 4096, "%s: %s: %" PRIu64 " bytes", world, rows[i].what, size);
    }
}

WORLDS_SINCE(204, sizes_that_were_not_saved)
{
    static const struct {
        enum layout_member member;
        const char *type;
    } rows[] = {{LAYOUT_PyListObject_allocated, "list"}, {LAYOUT_PyDictObject_ma_mask, "dict"}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        vaddr object =
            rows[i].member == LAYOUT_PyListObject_allocated ? make_list(3) : make_dict(9);
        bool partial;
        fakeheap_hide(&fake, object + layout_offset(&fake.layout, rows[i].member),
                      fake.memory.format.word_size, MEMORY_NOT_SAVED);
        size_of(object, &partial);
        cr_assert(partial, "%s: %s", world, rows[i].type);
        fakeheap_show_all(&fake);
    }
}

// A deque whose blocks bite their tail: the walk ends, and what it found is not believed.
WORLDS(sizes_of_endless_deques)
{
    vaddr deque = make_deque(100);
    vaddr block = fakeheap_get(&fake, deque, LAYOUT_dequeobject_leftblock);
    bool partial;
    fakeheap_set(&fake, block, LAYOUT_BLOCK_rightlink, block);
    fakeheap_set(&fake, deque, LAYOUT_dequeobject_len, 0x7fffffff);
    size_of(deque, &partial);
    cr_assert(partial, "%s", world);
}

// 2.3 has no `allocated`: room is made for multiples of 8, one more than there are items
// (roundupsize, Objects/listobject.c). Characters are malloc's until 2.4, pymalloc's since.
Test(object_values, sizes_of_old_releases)
{
    static const struct {
        const char *column;
        unsigned items;
        uint64_t list, unicode;
    } rows[] = {
        {"2.3.7-x86_64", 0, 64, 48 + 32},      {"2.3.7-x86_64", 1, 64 + 80, 48 + 32},
        {"2.3.7-x86_64", 7, 64 + 80, 48 + 32}, {"2.3.7-x86_64", 8, 64 + 144, 48 + 32},
        {"2.3.7-i386", 8, 32 + 72, 24 + 24},   {"2.4.6-x86_64", 3, 72 + 48, 48 + 32},
        {"2.5.6-x86_64", 3, 72 + 48, 48 + 16},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        init_world(&(struct fakeheap_spec){.column = fakelayout_column(rows[i].column)});
        bool partial;
        uint64_t list = size_of(make_list(rows[i].items), &partial);
        uint64_t unicode = size_of(fakeheap_unicode(&fake, 3), &partial);
        cr_expect_eq(list, rows[i].list, "%s: a list of %u has %" PRIu64 " bytes", rows[i].column,
                     rows[i].items, list);
        cr_expect_eq(unicode, rows[i].unicode, "%s: %" PRIu64, rows[i].column, unicode);
        close_types();
        fakeheap_deinit(&fake);
    }
}
