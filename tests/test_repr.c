// Values in a few words, in every layout. What all of them look like, the interpreter says itself
// (test_real_values.c).
#include "common.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fakelayout.h"
#include "repr.h"
#include "scene_types.h"

#define WORLDS(name) WORLD_TEST(repr, name, close_types)

static void expect(vaddr object, const char *expected, const char *where)
{
    char words[REPR_SIZE];
    open_types();
    repr_write(&types, object, words);
    cr_assert_str_eq(words, expected, "%s: %s, not %s", where, words, expected);
}

static const char *plain(const char *type, vaddr object)
{
    static char text[64];
    snprintf(text, sizeof(text), "<%s at 0x%" PRIx64 ">", type, object);
    return text;
}

WORLDS(values_of_all_layouts)
{
    vaddr list = fakeheap_list(&fake), dict = fakeheap_dict(&fake);
    expect(fakeheap_str_of(&fake, "a\0\x1b'", 4), "\"a\\x00\\x1b'\"", world);
    expect(fakeheap_str_of(&fake, "\n\xff\\", 3), "'\\n\\xff\\\\'", world);
    expect(fakeheap_str(&fake, ""), "''", world);
    expect(fakeheap_int(&fake, -7), "-7", world);
    expect(fake.none, "None", world);
    expect(list, "<list, 0 items>", world);
    fakeheap_dict_set_name(&fake, dict, "x", list);
    expect(dict, "<dict, 1 item>", world);
}

// A unicode object of characters of two or four bytes: sys.maxunicode says which.
static vaddr make_unicode(unsigned width, const uint32_t *characters, size_t count)
{
    vaddr object = fakeheap_unicode(&fake, count);
    vaddr at = fakeheap_get(&fake, object, LAYOUT_PyUnicodeObject_str);
    for (size_t i = 0; i < count; i++)
        fakeheap_poke(&fake, at + i * width, characters[i], width);
    fakeheap_dict_set_name(&fake, fake.sysdict, "maxunicode",
                           fakeheap_int(&fake, width == 2 ? 0xffff : 0x10ffff));
    return object;
}

// What repr() of 2.7.18 writes; that of a build with narrow characters joins pairs.
WORLDS(unicode_of_either_width)
{
    static const struct {
        uint32_t characters[4];
        size_t count;
        const char *narrow, *wide;
    } rows[] = {
        {{0}, 0, "u''", "u''"},
        {{'a', 0xe9, 0x7f, 0x100}, 4, "u'a\\xe9\\x7f\\u0100'", "u'a\\xe9\\x7f\\u0100'"},
        {{'\'', '\t'}, 2, "u\"'\\t\"", "u\"'\\t\""},
        {{'\'', '"', '\\'}, 3, "u'\\'\"\\\\'", "u'\\'\"\\\\'"},
        {{0xd83d, 0xde00, 'a'}, 3, "u'\\U0001f600a'", "u'\\ud83d\\ude00a'"},
        {{0xd800, 0xdc00, 0xdbff, 0xdfff},
         4,
         "u'\\U00010000\\U0010ffff'",
         "u'\\ud800\\udc00\\udbff\\udfff'"},
        {{0xd83d, 0xd83d, 0xde00}, 3, "u'\\ud83d\\U0001f600'", "u'\\ud83d\\ud83d\\ude00'"},
        {{0xde00, 0xd83d}, 2, "u'\\ude00\\ud83d'", "u'\\ude00\\ud83d'"},
        {{0xd83d, 'a'}, 2, "u'\\ud83da'", "u'\\ud83da'"},
        {{0xd83d, 0xe000}, 2, "u'\\ud83d\\ue000'", "u'\\ud83d\\ue000'"},
        {{0x1f600, 0xffffffff}, 2, NULL, "u'\\U0001f600\\Uffffffff'"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        if (rows[i].narrow)
            expect(make_unicode(2, rows[i].characters, rows[i].count), rows[i].narrow, world);
        expect(make_unicode(4, rows[i].characters, rows[i].count), rows[i].wide, world);
    }
}

// A pair is written as one or not at all, and nothing behind the last character is looked at.
WORLDS(unicode_that_is_cut)
{
    uint32_t characters[70];
    for (size_t i = 0; i < LENGTH(characters); i++)
        characters[i] = i % 2 ? 0xde00 : 0xd83d;
    expect(make_unicode(2, characters, LENGTH(characters)),
           "u'\\U0001f600\\U0001f600\\U0001f600\\U0001f600\\U0001f600'...", world);
    vaddr object = make_unicode(2, characters, 2);
    fakeheap_set(&fake, object, LAYOUT_PyUnicodeObject_length, 1);
    expect(object, "u'\\ud83d'", world);
}

// What stands behind a member, in layouts that some build has: a scrambled one has another there.
static bool is_built_in(void)
{
    return strcmp(fake.layout.column->name, "scrambled") != 0;
}

static vaddr behind(vaddr object, enum layout_member member)
{
    struct layout_value value = fake.layout.values[member];
    return object + value.offset + value.width;
}

// What repr() of 2.7.18 writes. Below a power of two doubles are closer to each other: the number
// nearest to it of so many digits need not be its own.
WORLDS(floats)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {0.1, "0.1"},
        {-2.5, "-2.5"},
        {100.0, "100.0"},
        {1.0 / 3, "0.3333333333333333"},
        {1234567890123456.7, "1234567890123456.8"},
        {9007199254740993.0, "9007199254740992.0"},
        {1e15, "1000000000000000.0"},
        {9999999999999998.0, "9999999999999998.0"},
        {1e16, "1e+16"},
        {1e-4, "0.0001"},
        {1.25e-4, "0.000125"},
        {0.00009999, "9.999e-05"},
        {5e-324, "5e-324"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {0x1p-44, "5.684341886080802e-14"},
        {-0x1p-44, "-5.684341886080802e-14"},
        {0x1p-1017, "7.120236347223045e-307"},
        {0x1.0000000000001p-44, "5.684341886080803e-14"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
        {NAN, "nan"},
        {-NAN, "nan"},
    };
    vaddr type = fakeheap_type(&fake, &(struct fakeheap_type){.name = "float", .itemsize = 8});
    for (size_t i = 0; i < LENGTH(rows) && is_built_in(); i++) {
        vaddr object = fakeheap_new(&fake, type, 2);
        uint64_t bits;
        memcpy(&bits, &rows[i].value, sizeof(bits));
        fakeheap_poke(&fake, behind(object, LAYOUT_PyObject_ob_type), bits, sizeof(bits));
        expect(object, rows[i].text, world);
    }
}

WORLDS(what_is_cut_says_so)
{
    char words[REPR_SIZE], text[100];
    memset(text, 'x', sizeof(text));
    for (size_t length = 50; length < sizeof(text); length++) {
        vaddr str = fakeheap_str_of(&fake, text, length);
        open_types();
        repr_write(&types, str, words);
        bool cut = strstr(words, "'...");
        cr_assert(cut ? strlen(words) == REPR_MAX : strlen(words) == length + 2, "%s: %zu", world,
                  length);
        cr_assert(cut || length < 60, "%s: %zu", world, length);
    }
}

// --- longs

// Of so many digits, each of so many bytes, the lowest first: type(1L).__itemsize__ says how many.
static vaddr make_long(unsigned width, int64_t size, const uint32_t *digits, unsigned count)
{
    vaddr type = fakeheap_find_type(&fake, "long");
    fakeheap_set(&fake, type, LAYOUT_PyTypeObject_tp_itemsize, width);
    vaddr object = fakeheap_new(&fake, type, count);
    fakeheap_set(&fake, object, LAYOUT_PyVarObject_ob_size, (uint64_t)size);
    for (unsigned i = 0; i < count; i++)
        fakeheap_poke(&fake, behind(object, LAYOUT_PyVarObject_ob_size) + i * width, digits[i],
                      width);
    return object;
}

enum {
    LOW = 0x7fff,
    FULL = 0x3fffffff
};

WORLDS(longs)
{
    static const struct {
        unsigned width;
        int64_t size;
        uint32_t digits[6];
        const char *text;
    } rows[] = {
        {2, 0, {0}, "0L"},
        {4, 0, {0}, "0L"},
        {2, 1, {1}, "1L"},
        {4, -1, {1}, "-1L"},
        {2, 1, {LOW}, "32767L"},
        {2, -2, {0, 1}, "-32768L"},
        {4, 1, {FULL}, "1073741823L"},
        {4, -2, {5, 1}, "-1073741829L"},
        {2, 4, {1, 2, 3, 4}, "140740709646337L"},
        {2, 5, {0, 0, 0, 0, 8}, "9223372036854775808L"},
        {2, -5, {LOW, LOW, LOW, LOW, 15}, "-18446744073709551615L"},
        {2, 5, {0, 0, 0, 0, 16}, "<long, up to 75 bits>"},
        {2, -6, {0, 0, 0, 0, 0, 1}, "<long, up to 90 bits>"},
        {4, -3, {FULL, FULL, 15}, "-18446744073709551615L"},
        {4, 3, {0, 0, 16}, "<long, up to 90 bits>"},
        {4, 6, {0, 0, 0, 0, 0, 1}, "<long, up to 180 bits>"},
    };
    for (size_t i = 0; i < LENGTH(rows) && is_built_in(); i++)
        expect(make_long(rows[i].width, rows[i].size, rows[i].digits,
                         (unsigned)(rows[i].size < 0 ? -rows[i].size : rows[i].size)),
               rows[i].text, world);
}

// Of what cannot be read nothing is said, be it one digit or the width of all.
WORLDS(longs_that_are_lost)
{
    static const uint32_t digits[] = {1, 2};
    vaddr object = make_long(2, 2, digits, 2);
    if (!is_built_in())
        return;
    fakeheap_hide(&fake, behind(object, LAYOUT_PyVarObject_ob_size) + 2, 2, MEMORY_NOT_SAVED);
    expect(object, plain("long", object), world);
    fakeheap_show_all(&fake);
    object = make_long(3, 1, digits, 1);
    expect(object, plain("long", object), world);
}

// --- what has a length

// Where `used` stands: in front of `mask`, and as wide.
static void set_used(vaddr set, uint64_t used)
{
    struct layout_value mask = fake.layout.values[LAYOUT_PySetObject_mask];
    fakeheap_poke(&fake, set + mask.offset - mask.width, used, mask.width);
}

WORLDS(counts_of_all_containers)
{
    static const char *const sets[] = {"set", "frozenset"};
    expect(fakeheap_tuple(&fake, 0), "<tuple, 0 items>", world);
    expect(fakeheap_tuple_of(&fake, fake.none), "<tuple, 1 item>", world);
    if (!is_built_in() || !layout_has(&fake.layout, LAYOUT_PySetObject_mask))
        return;
    for (size_t i = 0; i < LENGTH(sets); i++) {
        vaddr set = fakeheap_set_object(&fake, sets[i]);
        char text[32];
        set_used(set, 6);
        snprintf(text, sizeof(text), "<%s, 6 items>", sets[i]);
        expect(set, text, world);
    }
}

// 2.4's sets have a dict.
WORLDS(counts_of_sets_that_have_a_dict)
{
    if (!is_built_in() || !layout_has(&fake.layout, LAYOUT_PySetObject_data))
        return;
    vaddr set = fakeheap_set_object(&fake, "frozenset");
    fakeheap_set_add(&fake, set, fake.none);
    expect(set, "<frozenset, 1 item>", world);
    fakeheap_set(&fake, set, LAYOUT_PySetObject_data, 0x12345678);
    expect(set, plain("frozenset", set), world);
}

static void expect_damaged(vaddr object, enum layout_member member, const char *type)
{
    static const uint64_t lengths[] = {UINT64_MAX, INT64_MAX,  (uint64_t)INT64_MIN,
                                       0xffffffff, 0x7fffffff, 0x80000000};
    uint64_t right = fakeheap_get(&fake, object, member);
    for (size_t i = 0; i < LENGTH(lengths); i++) {
        fakeheap_set(&fake, object, member, lengths[i]);
        if (fakeheap_get(&fake, object, member)) // half of a word is nothing
            expect(object, plain(type, object), world);
    }
    fakeheap_set(&fake, object, member, right);
}

// More than the process had memory for, or than the table has room for.
WORLDS(damaged_lengths)
{
    static const uint32_t text[] = {'a'};
    expect_damaged(fakeheap_str(&fake, "abc"), LAYOUT_PyVarObject_ob_size, "str");
    expect_damaged(make_unicode(2, text, 1), LAYOUT_PyUnicodeObject_length, "unicode");
    expect_damaged(make_unicode(4, text, 1), LAYOUT_PyUnicodeObject_length, "unicode");
    expect_damaged(fakeheap_tuple_of(&fake, fake.none), LAYOUT_PyVarObject_ob_size, "tuple");
    expect_damaged(fakeheap_list(&fake), LAYOUT_PyVarObject_ob_size, "list");
    expect_damaged(fakeheap_dict(&fake), LAYOUT_PyDictObject_ma_used, "dict");
    if (!is_built_in())
        return;
    static const int64_t sizes[] = {0x4000000040000000, -0x4000000040000000};
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        vaddr object = make_long(4, sizes[i], text, 1);
        expect(object, plain("long", object), world);
    }
    if (!layout_has(&fake.layout, LAYOUT_PySetObject_mask))
        return;
    vaddr set = fakeheap_set_object(&fake, "set");
    set_used(set, UINT64_MAX);
    expect(set, plain("set", set), world);
    set_used(set, 8);
    expect(set, plain("set", set), world);
}

// --- all others

WORLDS(truth)
{
    vaddr type =
        fakeheap_type(&fake, &(struct fakeheap_type){.name = "bool", .structure = "PyIntObject"});
    vaddr object = fakeheap_new(&fake, type, 0);
    expect(object, "False", world);
    fakeheap_set(&fake, object, LAYOUT_PyIntObject_ob_ival, 1);
    expect(object, "True", world);
}

// A class is not what it is called, and may be called anything.
WORLDS(names_of_classes)
{
    char words[REPR_SIZE], name[100];
    vaddr text = fakeheap_instance(
        &fake, fakeheap_class(&fake, &(struct fakeheap_class){.name = "str", .module = "app"}));
    expect(text, plain("app.str", text), world);
    vaddr nowhere =
        fakeheap_instance(&fake, fakeheap_class(&fake, &(struct fakeheap_class){.name = "list"}));
    open_types();
    repr_write(&types, nowhere, words);
    cr_expect_not_null(strstr(words, "list at 0x"), "%s: %s", world, words);
    vaddr odd = fakeheap_instance(
        &fake, fakeheap_class(&fake, &(struct fakeheap_class){.name = "a\x1b\xc3\x7f~"}));
    open_types();
    repr_write(&types, odd, words);
    cr_expect_not_null(strstr(words, "a???~ at 0x"), "%s: %s", world, words);
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    vaddr named =
        fakeheap_instance(&fake, fakeheap_class(&fake, &(struct fakeheap_class){.name = name}));
    open_types();
    repr_write(&types, named, words);
    cr_expect_eq(strlen(words), REPR_MAX, "%s: %s", world, words);
    cr_expect_str_eq(words + REPR_MAX - 4, "n...", "%s: %s", world, words);
}

WORLDS(damage)
{
    vaddr str = fakeheap_str(&fake, "hidden away"), number = fakeheap_int(&fake, 5);
    vaddr unicode = fakeheap_unicode(&fake, 3), list = fakeheap_list(&fake);
    fakeheap_hide(&fake, str + layout_offset(&fake.layout, LAYOUT_PyStringObject_ob_sval), 4,
                  MEMORY_NOT_SAVED);
    fakeheap_hide(&fake, number + layout_offset(&fake.layout, LAYOUT_PyIntObject_ob_ival), 4,
                  MEMORY_NOT_SAVED);
    fakeheap_set(&fake, unicode, LAYOUT_PyUnicodeObject_str, 0x12345678);
    fakeheap_set(&fake, list, LAYOUT_PyVarObject_ob_size, UINT64_MAX);
    expect(str, plain("str", str), world);
    expect(number, plain("int", number), world);
    expect(unicode, plain("unicode", unicode), world);
    expect(list, plain("list", list), world);
    expect(0x12345678, plain("<unreadable type>", 0x12345678), world);
    expect(0, plain("<unreadable type>", 0), world);
    fakeheap_show_all(&fake);
}
