// Static types as a file has them, made ready as Objects/typeobject.c (PyType_Ready) does it.
#include "common.h"

#include <inttypes.h>
#include <stdio.h>

#include "object.h"
#include "scene.h"
#include "static_types.h"

enum {
    ROOM = 20, // for so many types
    FOUND_MAX = 2 * ROOM,
    PASSES = 16,           // longest chain of bases, pyabi/static_types.c
    NAME_MAX_LENGTH = 128, // likewise, with its end
    SIZE_LIMIT = 1 << 16,  // likewise, of basicsize and itemsize
    HAVE_RICHCOMPARE = 1 << 5,
    PLAIN = HAVE_RICHCOMPARE | 1 << 8, // and HAVE_CLASS: what 2.7's authors write
    TRAVERSE = 0x7770                  // address of a function
};

static vaddr room;       // of the types of the file
static uint64_t size;    // of one
static vaddr the_object; // `object`
static vaddr found[FOUND_MAX];
static size_t found_count;

static vaddr type_at(unsigned number)
{
    return room + number * size;
}

static vaddr write_text(const char *text)
{
    vaddr at = fakeheap_allocate(&fake, strlen(text) + 1);
    memcpy(fakeheap_bytes(&fake, at, strlen(text) + 1), text, strlen(text) + 1);
    return at;
}

// As its author wrote it; base 0: not said.
static vaddr write_type_at(vaddr type, const char *name, vaddr base)
{
    memset(fakeheap_bytes(&fake, type, size), 0, size);
    fakeheap_set(&fake, type, LAYOUT_PyObject_ob_refcnt, 1);
    fakeheap_set(&fake, type, LAYOUT_PyTypeObject_tp_name, write_text(name));
    fakeheap_set(&fake, type, LAYOUT_PyTypeObject_tp_flags, PLAIN);
    fakeheap_set(&fake, type, LAYOUT_PyTypeObject_tp_base, base);
    return type;
}

static vaddr write_type(unsigned number, vaddr base)
{
    return write_type_at(type_at(number), "a.type", base);
}

static void start(void)
{
    size = layout_offset(&fake.layout, LAYOUT_PyTypeObject_sizeof);
    room = fakeheap_allocate(&fake, ROOM * size);
    the_object = fake.object;
}

static void note(void *context, vaddr type, uint64_t type_size, const uint8_t *bytes)
{
    const struct static_types_data *data = context; // the only one that has the type
    while (type - data->start >= data->size)
        data++;
    cr_assert_lt(found_count, FOUND_MAX, "%s", world);
    cr_assert_eq(type_size, size, "%s", world);
    cr_assert_eq((const void *)bytes, (const void *)(data->bytes + (type - data->start)), "%s",
                 world);
    found[found_count++] = type;
}

static size_t find_in(struct static_types_data *data, size_t count)
{
    fakeheap_map(&fake);
    const struct static_types_source source = {.memory = &fake.memory,
                                               .layout = &fake.layout,
                                               .type = fake.type,
                                               .object = the_object,
                                               .data = data,
                                               .data_count = count};
    found_count = 0;
    static_types_find(&source, note, data);
    return found_count;
}

static struct static_types_data data_of(vaddr from, vaddr end)
{
    return (struct static_types_data){from, end - from, fakeheap_bytes(&fake, from, end - from)};
}

static size_t find(void)
{
    struct static_types_data data = data_of(room, type_at(ROOM));
    return find_in(&data, 1);
}

static void expect(const char *what, vaddr type, enum layout_member member, uint64_t expected)
{
    uint64_t value = fakeheap_get(&fake, type, member);
    cr_expect_eq(value, expected, "%s, %s: 0x%" PRIx64, world, what, value);
}

static void expect_same(const char *what, vaddr type, vaddr base, enum layout_member member)
{
    uint64_t expected = fakeheap_get(&fake, base, member);
    cr_assert_neq(expected, 0, "%s, %s: shows nothing", world, what);
    expect(what, type, member, expected);
}

static bool has_gc(vaddr type)
{
    return fakeheap_get(&fake, type, LAYOUT_PyTypeObject_tp_flags) & TPFLAGS_HAVE_GC;
}

#define WORLDS(name) WORLD_TEST(static_types, name, close_nothing)

// ---- What is made ready

WORLDS(what_the_author_left_out)
{
    start();
    vaddr type = write_type(0, 0);
    cr_assert_eq(find(), 1, "%s", world);
    cr_assert_eq(found[0], type, "%s", world);
    expect("ob_type", type, LAYOUT_PyObject_ob_type, fake.type);
    expect("tp_base", type, LAYOUT_PyTypeObject_tp_base, fake.object);
    expect_same("tp_basicsize", type, fake.object, LAYOUT_PyTypeObject_tp_basicsize);
    cr_expect_not(has_gc(type), "%s", world);
}

// Of a base that the core has saved.
WORLDS(what_is_inherited)
{
    start();
    vaddr function = fakeheap_find_type(&fake, "function");
    vaddr tuple = fakeheap_find_type(&fake, "tuple");
    vaddr type = write_type(0, function), sized = write_type(1, tuple);
    cr_assert_eq(find(), 2, "%s", world);
    expect_same("tp_basicsize", type, function, LAYOUT_PyTypeObject_tp_basicsize);
    expect_same("tp_dictoffset", type, function, LAYOUT_PyTypeObject_tp_dictoffset);
    expect_same("tp_traverse", type, function, LAYOUT_PyTypeObject_tp_traverse);
    expect("tp_flags", type, LAYOUT_PyTypeObject_tp_flags, PLAIN | TPFLAGS_HAVE_GC);
    expect("tp_base", type, LAYOUT_PyTypeObject_tp_base, function);
    expect_same("tp_itemsize", sized, tuple, LAYOUT_PyTypeObject_tp_itemsize);
}

WORLDS(what_the_author_said_stays)
{
    start();
    vaddr function = fakeheap_find_type(&fake, "function");
    vaddr type = write_type(0, function);
    static const enum layout_member members[] = {
        LAYOUT_PyTypeObject_tp_basicsize, LAYOUT_PyTypeObject_tp_itemsize,
        LAYOUT_PyTypeObject_tp_dictoffset, LAYOUT_PyTypeObject_tp_traverse};
    for (unsigned i = 0; i < LENGTH(members); i++)
        fakeheap_set(&fake, type, members[i], 0x1230 + i);
    fakeheap_set(&fake, type, LAYOUT_PyObject_ob_type, fake.type);
    cr_assert_eq(find(), 1, "%s", world);
    for (unsigned i = 0; i < LENGTH(members); i++)
        expect("a member", type, members[i], 0x1230 + i);
}

// inherit_special: only by a struct that reaches so far, and only together with the function.
WORLDS(who_does_not_inherit_the_collector)
{
    start();
    vaddr list = fakeheap_find_type(&fake, "list");
    vaddr old = write_type(0, list), own = write_type(1, list), gc = write_type(2, list);
    fakeheap_set(&fake, old, LAYOUT_PyTypeObject_tp_flags, PLAIN & ~HAVE_RICHCOMPARE);
    fakeheap_set(&fake, own, LAYOUT_PyTypeObject_tp_traverse, TRAVERSE);
    fakeheap_set(&fake, gc, LAYOUT_PyTypeObject_tp_flags, PLAIN | TPFLAGS_HAVE_GC);
    vaddr plain = write_type(3, 0), derived = write_type(4, plain);
    fakeheap_set(&fake, plain, LAYOUT_PyTypeObject_tp_traverse, TRAVERSE);
    cr_assert_eq(find(), 5, "%s", world);
    cr_expect_not(has_gc(derived), "%s: of one that is not collected", world);
    cr_expect_not(has_gc(old), "%s: of an old struct", world);
    expect("of an old struct", old, LAYOUT_PyTypeObject_tp_traverse, 0);
    cr_expect_not(has_gc(own), "%s: with a function of its own", world);
    expect("with a function of its own", own, LAYOUT_PyTypeObject_tp_traverse, TRAVERSE);
    expect("with the flag", gc, LAYOUT_PyTypeObject_tp_traverse, 0);
}

// Each stands in front of its base, so that what is inherited comes one step nearer at a time.
WORLDS(bases_behind_what_is_derived)
{
    start();
    vaddr last = write_type(PASSES, fakeheap_find_type(&fake, "list"));
    fakeheap_set(&fake, last, LAYOUT_PyTypeObject_tp_itemsize, 24);
    for (unsigned i = 0; i < PASSES; i++)
        write_type(i, type_at(i + 1));
    cr_assert_eq(find(), PASSES + 1, "%s", world);
    for (unsigned i = 1; i <= PASSES; i++) {
        cr_expect(has_gc(type_at(i)), "%s: %u", world, i);
        expect("tp_itemsize", type_at(i), LAYOUT_PyTypeObject_tp_itemsize, 24);
    }
}

WORLDS(object_has_no_base)
{
    start();
    the_object = write_type(0, 0);
    vaddr type = write_type(1, 0);
    cr_assert_eq(find(), 2, "%s", world);
    expect("of object", the_object, LAYOUT_PyTypeObject_tp_base, 0);
    expect("of another type", type, LAYOUT_PyTypeObject_tp_base, the_object);
}

// ---- What is damaged

WORLDS(bases_that_lead_nowhere)
{
    start();
    vaddr lost = fakeheap_allocate(&fake, size);
    fakeheap_hide(&fake, lost, size, MEMORY_NOT_SAVED);
    const vaddr bases[] = {lost, 0x10, type_at(2), type_at(4), type_at(3)};
    for (unsigned i = 0; i < LENGTH(bases); i++) // the last two are each other's
        write_type(i, bases[i]);
    cr_assert_eq(find(), LENGTH(bases), "%s", world);
    for (unsigned i = 0; i < LENGTH(bases); i++) {
        expect("tp_base", type_at(i), LAYOUT_PyTypeObject_tp_base, bases[i]);
        expect("tp_basicsize", type_at(i), LAYOUT_PyTypeObject_tp_basicsize, 0);
        expect("ob_type", type_at(i), LAYOUT_PyObject_ob_type, fake.type);
    }
}

WORLDS(what_is_no_type)
{
    start();
    const struct {
        enum layout_member member;
        uint64_t value;
        bool is_type;
    } rows[] = {
        {LAYOUT_PyObject_ob_refcnt, 0, false},
        {LAYOUT_PyObject_ob_refcnt, 2, false},
        {LAYOUT_PyObject_ob_type, fake.type, true},
        {LAYOUT_PyObject_ob_type, fake.object, false},
        {LAYOUT_PyVarObject_ob_size, 1, false},
        {LAYOUT_PyTypeObject_tp_basicsize, SIZE_LIMIT - 1, true},
        {LAYOUT_PyTypeObject_tp_basicsize, SIZE_LIMIT, false},
        {LAYOUT_PyTypeObject_tp_itemsize, SIZE_LIMIT - 1, true},
        {LAYOUT_PyTypeObject_tp_itemsize, SIZE_LIMIT, false},
        {LAYOUT_PyTypeObject_tp_flags, PLAIN | TPFLAGS_HEAPTYPE, false},
        // More than 32 bits, where there are more.
        {LAYOUT_PyTypeObject_tp_flags, ~(uint64_t)TPFLAGS_HEAPTYPE,
         fake.memory.format.word_size == 4},
        {LAYOUT_PyTypeObject_tp_name, 0, false},
        {LAYOUT_PyTypeObject_tp_name, 0x10, false},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        vaddr type = write_type(0, 0);
        fakeheap_set(&fake, type, rows[i].member, rows[i].value);
        cr_expect_eq(find(), rows[i].is_type, "%s: row %zu", world, i);
    }
}

Test(static_types, names)
{
    char longest[NAME_MAX_LENGTH + 1] = "", cut[NAME_MAX_LENGTH + 1] = "";
    memset(longest, 'x', NAME_MAX_LENGTH - 1);
    memset(cut, 'x', NAME_MAX_LENGTH);
    const struct {
        const char *name;
        bool is_type;
    } rows[] = {
        {"list", true},
        {"collections.deque", true},
        {"dictionary-keyiterator", true},
        {"_a9 Z", true},
        {longest, true},
        {cut, false},
        {"", false},
        {"9lives", false},
        {".x", false},
        {"-x", false},
        {" x", false},
        {"a\n", false},
        {"a\x1b[2J", false},
        {"a\x80", false},
        {"a(b)", false},
    };
    init_world(&(struct fakeheap_spec){0});
    start();
    for (size_t i = 0; i < LENGTH(rows); i++) {
        write_type_at(room, rows[i].name, 0);
        cr_expect_eq(find(), rows[i].is_type, "row %zu", i);
    }
    fakeheap_deinit(&fake);
}

// ---- Where they are found

// At any word of the process, wherever the file's range begins, as long as all of it is there.
WORLDS(places)
{
    start();
    unsigned width = fake.memory.format.word_size;
    vaddr first = write_type_at(room + width, "a", 0);
    vaddr second = write_type_at(first + size + 3 * width, "b", 0);
    struct static_types_data data = data_of(room + 1, second + size);
    cr_assert_eq(find_in(&data, 1), 2, "%s", world);
    cr_expect_eq(found[0], first, "%s", world);
    cr_expect_eq(found[1], second, "%s", world);
    data = data_of(first + 1, second + size);
    cr_expect_eq(find_in(&data, 1), 1, "%s: its beginning is cut off", world);
    data = data_of(room, second + size - 1);
    cr_expect_eq(find_in(&data, 1), 1, "%s: its end is cut off", world);
    data = data_of(room + 1, room + 2);
    cr_expect_eq(find_in(&data, 1), 0, "%s: no whole word", world);
}

// With a word to each side: what stands between two words is none.
WORLDS(types_between_two_words)
{
    start();
    write_type_at(room + fake.memory.format.word_size / 2, "a", 0);
    cr_expect_eq(find(), 0, "%s", world);
}

WORLDS(bases_in_other_ranges)
{
    start();
    vaddr derived = write_type(0, type_at(4)), base = write_type(4, 0);
    struct static_types_data data[] = {data_of(room, type_at(1)), data_of(room, room),
                                       data_of(type_at(3), type_at(5))};
    fakeheap_set(&fake, base, LAYOUT_PyTypeObject_tp_basicsize, 120);
    cr_expect_eq(find_in(data, 0), 0, "%s", world);
    cr_assert_eq(find_in(data, LENGTH(data)), 2, "%s", world);
    cr_expect_eq(found[0], derived, "%s", world);
    cr_expect_eq(found[1], base, "%s", world);
    expect("tp_basicsize", derived, LAYOUT_PyTypeObject_tp_basicsize, 120);
}
