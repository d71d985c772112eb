// Objects that no interpreter would have made: whatever their bytes say, a traversal ends, reads
// nothing that was not saved, and counts what it could not read.
#include "common.h"

#include <stdlib.h>

#include "object.h"
#include "traverse.h"
#include "scene.h"

enum {
    ROOM = 256,
    REFERENCES_MAX = 1 << 20, // more than any object here may have
};

#define WORLDS(name)              WORLD_TEST(traverse_damage, name, close_nothing)
#define WORLDS_SINCE(first, name) WORLD_TEST_SINCE(first, traverse_damage, name, close_nothing)

struct counter {
    struct visitor visitor;
    size_t count;
};

static void count_found(struct visitor *visitor)
{
    struct counter *counter = (struct counter *)visitor;
    counter->count += visitor->count;
    cr_assert_lt(counter->count, REFERENCES_MAX, "%s: references without end", world);
    visitor->count = 0;
}

struct outcome {
    enum memory_status status; // of finding the type
    bool opaque;
    size_t count;
    uint32_t unreadable;
};

static struct outcome traverse(vaddr object)
{
    struct object_types types;
    struct outcome outcome = {0};
    vaddr room[ROOM];
    struct visit_place places[ROOM];
    uint32_t index;
    fakeheap_open(&fake);
    cr_assert_null(object_types_init(&types, &fake.runtime, &fake.source));
    outcome.status = object_find_type(&types, object, &index);
    for (int labelled = 0; labelled < 2 && outcome.status == MEMORY_OK; labelled++) {
        struct counter counter = {.visitor = {.found = room,
                                              .places = labelled ? places : NULL,
                                              .capacity = ROOM,
                                              .full = count_found}};
        traverse_object(&types, &types.types[index], object, &counter.visitor);
        count_found(&counter.visitor);
        if (labelled)
            cr_assert_eq(counter.count, outcome.count, "%s", world);
        outcome.count = counter.count;
        outcome.unreadable = counter.visitor.unreadable;
        outcome.opaque = types.types[index].opaque;
    }
    object_types_deinit(&types);
    return outcome;
}

static void expect_unreadable(const char *what, vaddr object, size_t count)
{
    struct outcome outcome = traverse(object);
    cr_assert_eq(outcome.status, MEMORY_OK, "%s, %s", world, what);
    cr_assert_eq(outcome.unreadable, 1, "%s, %s: %u parts unreadable", world, what,
                 outcome.unreadable);
    cr_assert_eq(outcome.count, count, "%s, %s: %zu references", world, what, outcome.count);
}

// --- tables and items

// Values that a pointer may be patched with; 0 first.
static const vaddr bad_pointers[] = {
    0, 1, 8, 0x12345678, 0xfffffff8, 0x7fffffff0000, UINT64_MAX - 7};

// Numbers that no count can be. Those above 32 bits come out as others in a 32-bit process.
static const uint64_t huge_counts[] = {UINT64_C(1) << 30, 0x7fffffff, UINT64_C(1) << 60, INT64_MAX,
                                       0x1fffffffffffffff};

static vaddr make_list(size_t length)
{
    vaddr list = fakeheap_list(&fake);
    for (size_t i = 0; i < length; i++)
        fakeheap_append(&fake, list, fake.none);
    return list;
}

WORLDS(items_that_are_not_there)
{
    for (size_t i = 0; i < LENGTH(bad_pointers); i++) {
        vaddr list = make_list(3);
        fakeheap_set(&fake, list, LAYOUT_PyListObject_ob_item, bad_pointers[i]);
        expect_unreadable("list", list, 0);
    }
}

WORLDS(items_without_number)
{
    for (size_t i = 0; i < LENGTH(huge_counts); i++) {
        if (fake.layout.values[LAYOUT_PyVarObject_ob_size].width == 4 &&
            (int32_t)huge_counts[i] <= 0)
            continue;
        vaddr list = make_list(3), tuple = fakeheap_tuple(&fake, 3);
        fakeheap_set(&fake, list, LAYOUT_PyVarObject_ob_size, huge_counts[i]);
        fakeheap_set(&fake, tuple, LAYOUT_PyVarObject_ob_size, huge_counts[i]);
        expect_unreadable("list", list, 0);
        expect_unreadable("tuple", tuple, 0);
    }
}

WORLDS(items_fewer_than_none)
{
    vaddr list = make_list(3), tuple = fakeheap_tuple(&fake, 3);
    fakeheap_set(&fake, list, LAYOUT_PyVarObject_ob_size, (uint64_t)-1);
    fakeheap_set(&fake, tuple, LAYOUT_PyVarObject_ob_size, (uint64_t)INT64_MIN | 0x80000000);
    expect_unreadable("list", list, 0);
    expect_unreadable("tuple", tuple, 0);
}

// Where a pointer is misaligned the words are others; nothing more is promised than an end.
WORLDS(items_misaligned)
{
    vaddr list = make_list(3);
    fakeheap_set(&fake, list, LAYOUT_PyListObject_ob_item,
                 fakeheap_get(&fake, list, LAYOUT_PyListObject_ob_item) + 1);
    cr_assert_eq(traverse(list).unreadable, 0, "%s", world);
}

static vaddr make_dict(void)
{
    vaddr dict = fakeheap_dict(&fake);
    for (int i = 0; i < 10; i++)
        fakeheap_dict_set(&fake, dict, fakeheap_int(&fake, i), fake.none);
    return dict;
}

static vaddr make_set(void)
{
    vaddr set = fakeheap_set_object(&fake, "set");
    for (int i = 0; i < 10; i++)
        fakeheap_set_add(&fake, set, fakeheap_int(&fake, i));
    return set;
}

WORLDS_SINCE(205, tables_that_are_not_there)
{
    for (size_t i = 0; i < LENGTH(bad_pointers); i++) {
        vaddr dict = make_dict(), set = make_set();
        fakeheap_set(&fake, dict, LAYOUT_PyDictObject_ma_table, bad_pointers[i]);
        fakeheap_set(&fake, set, LAYOUT_PySetObject_table, bad_pointers[i]);
        expect_unreadable("dict", dict, 0);
        expect_unreadable("set", set, 0);
    }
}

// ma_used counts the values: with a page of zeroes there are fewer, with another's there may be
// more.
WORLDS(tables_with_other_items_than_are_counted)
{
    static const int changes[] = {-10, -1, 1, 1000};
    for (size_t i = 0; i < LENGTH(changes); i++) {
        vaddr dict = make_dict();
        cr_assert_eq(traverse(dict).unreadable, 0, "%s", world);
        fakeheap_set(&fake, dict, LAYOUT_PyDictObject_ma_used, (uint64_t)(10 + changes[i]));
        expect_unreadable("dict", dict, 20);
    }
}

WORLDS(tables_that_end_in_the_middle)
{
    vaddr dict = make_dict();
    fakeheap_hide(&fake, fakeheap_get(&fake, dict, LAYOUT_PyDictObject_ma_table) + 64, 8,
                  MEMORY_NOT_SAVED);
    expect_unreadable("dict", dict, 0);
}

WORLDS_SINCE(205, masks_that_are_none)
{
    static const uint64_t masks[] = {30,         32,        1 << 20,    0x7fffffff,
                                     0xffffffff, INT64_MAX, UINT64_MAX, (UINT64_C(1) << 61) - 1};
    for (size_t i = 0; i < LENGTH(masks); i++) {
        vaddr dict = make_dict(), set = make_set();
        fakeheap_set(&fake, dict, LAYOUT_PyDictObject_ma_mask, masks[i]);
        fakeheap_set(&fake, set, LAYOUT_PySetObject_mask, masks[i]);
        expect_unreadable("dict", dict, 0);
        expect_unreadable("set", set, 0);
    }
}

// The table inside the object has eight entries, whatever the mask says.
WORLDS(masks_too_large_for_the_small_table)
{
    vaddr dict = fakeheap_dict(&fake);
    fakeheap_dict_set_name(&fake, dict, "key", fake.none);
    fakeheap_set(&fake, dict, LAYOUT_PyDictObject_ma_mask, UINT64_C(0x3fffffff));
    expect_unreadable("dict", dict, 0);
}

// --- frames, deques, tees

static vaddr make_frame(void)
{
    static const char *const locals[] = {"self", NULL};
    vaddr code = fakeheap_code(
        &fake, &(struct fakeheap_code){.name = "f", .file = "f.py", .varnames = locals});
    vaddr frame = fakeheap_frame(&fake, code, 4);
    fakeheap_set_local(&fake, frame, 0, fake.none);
    fakeheap_push(&fake, frame, fake.none);
    return frame;
}

WORLDS(frames_with_stacks_out_of_place)
{
    static const enum layout_member members[] = {LAYOUT_PyFrameObject_f_valuestack,
                                                 LAYOUT_PyFrameObject_f_stacktop};
    for (size_t i = 0; i < LENGTH(bad_pointers); i++) {
        for (size_t j = 0; j < LENGTH(members); j++) {
            if (!bad_pointers[i] && j == 1)
                continue; // a frame that is running
            vaddr frame = make_frame();
            fakeheap_set(&fake, frame, members[j], bad_pointers[i]);
            expect_unreadable("frame", frame, 2); // code and builtins
        }
    }
}

WORLDS(frames_with_stacks_upside_down)
{
    vaddr frame = make_frame();
    fakeheap_set(&fake, frame, LAYOUT_PyFrameObject_f_stacktop,
                 fakeheap_get(&fake, frame, LAYOUT_PyFrameObject_f_valuestack) -
                     fake.memory.format.word_size);
    expect_unreadable("top below bottom", frame, 2);
    frame = make_frame();
    fakeheap_set(&fake, frame, LAYOUT_PyFrameObject_f_stacktop,
                 fakeheap_get(&fake, frame, LAYOUT_PyFrameObject_f_stacktop) + 1);
    expect_unreadable("misaligned", frame, 2);
}

static vaddr make_deque(size_t length)
{
    vaddr deque = fakeheap_deque(&fake, 31);
    for (size_t i = 0; i < length; i++)
        fakeheap_deque_append(&fake, deque, fake.none);
    return deque;
}

WORLDS(deques_with_wrong_indexes)
{
    static const struct {
        enum layout_member member;
        uint64_t value;
    } rows[] = {
        {LAYOUT_dequeobject_leftindex, (uint64_t)-1},
        {LAYOUT_dequeobject_leftindex, 62},
        {LAYOUT_dequeobject_leftindex, 0x7fffffff},
        {LAYOUT_dequeobject_rightindex, 62},
        {LAYOUT_dequeobject_rightindex, 0x7fffffff},
        {LAYOUT_dequeobject_rightindex, (uint64_t)-1},
        {LAYOUT_dequeobject_len, 1},
        {LAYOUT_dequeobject_leftblock, 0},
        {LAYOUT_dequeobject_leftblock, 0x12345678},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        vaddr deque = make_deque(5);
        fakeheap_set(&fake, deque, rows[i].member, rows[i].value);
        expect_unreadable(layout_rows[rows[i].member].path, deque, 0);
    }
}

WORLDS(deques_with_a_broken_chain)
{
    vaddr deque = make_deque(100);
    vaddr block = fakeheap_get(&fake, deque, LAYOUT_dequeobject_leftblock);
    fakeheap_set(&fake, block, LAYOUT_BLOCK_rightlink, 0x12345678);
    expect_unreadable("deque", deque, 31);
}

// Only the length bounds the walk, and the length is damaged as well.
WORLDS(deques_that_bite_their_tail)
{
    vaddr deque = make_deque(100);
    vaddr block = fakeheap_get(&fake, deque, LAYOUT_dequeobject_leftblock);
    fakeheap_set(&fake, block, LAYOUT_BLOCK_rightlink, block);
    fakeheap_set(&fake, deque, LAYOUT_dequeobject_len, UINT64_C(0x3fffffffffffffff));
    if (fake.memory.format.word_size == 4)
        fakeheap_set(&fake, deque, LAYOUT_dequeobject_len, 0x3fffffff);
    cr_assert_eq(traverse(deque).unreadable, 1, "%s", world);
}

WORLDS(tees_with_a_wrong_numread)
{
    static const uint64_t values[] = {58, 0x7fffffff, 0x80000000, (uint64_t)-1};
    vaddr type = fakeheap_type(&fake, &(struct fakeheap_type){.name = "itertools.tee_dataobject",
                                                              .structure = "teedataobject",
                                                              .gc = true,
                                                              .in_module = true});
    for (size_t i = 0; i < LENGTH(values); i++) {
        vaddr tee = fakeheap_new(&fake, type, 0);
        fakeheap_link(&fake, tee, LAYOUT_teedataobject_it, fake.none);
        fakeheap_set(&fake, tee, LAYOUT_teedataobject_numread, values[i]);
        expect_unreadable("tee", tee, 1);
    }
}

WORLDS(handlers_that_are_not_there)
{
    vaddr type = fakeheap_type(&fake, &(struct fakeheap_type){.name = "pyexpat.xmlparser",
                                                              .structure = "xmlparseobject",
                                                              .gc = true,
                                                              .in_module = true});
    expect_unreadable("parser", fakeheap_new(&fake, type, 0), 0);
}

// --- types

static vaddr make_class(const char *const *slots, vaddr base)
{
    return fakeheap_class(&fake,
                          &(struct fakeheap_class){.name = "C", .slots = slots, .base = base});
}

WORLDS(bases_that_are_their_own)
{
    vaddr class = make_class(NULL, 0), object = fakeheap_instance(&fake, class);
    fakeheap_set(&fake, class, LAYOUT_PyTypeObject_tp_base, class);
    struct outcome outcome = traverse(object);
    cr_assert_eq(outcome.status, MEMORY_OK, "%s", world);
    cr_assert(outcome.opaque, "%s", world);
}

WORLDS(bases_in_a_ring)
{
    static const char *const slots[] = {"a", "b", NULL};
    vaddr first = make_class(slots, 0), second = make_class(slots, first);
    vaddr object = fakeheap_instance(&fake, second);
    fakeheap_set_slot(&fake, object, "a", fake.none);
    fakeheap_set(&fake, first, LAYOUT_PyTypeObject_tp_base, second);
    struct outcome outcome = traverse(object);
    cr_assert(outcome.opaque, "%s", world);
    cr_assert_lt(outcome.count, 10000, "%s: %zu references", world, outcome.count);
}

WORLDS(bases_that_are_not_there)
{
    for (size_t i = 0; i < LENGTH(bad_pointers); i++) {
        vaddr class = make_class(NULL, 0), object = fakeheap_instance(&fake, class);
        fakeheap_set(&fake, class, LAYOUT_PyTypeObject_tp_base, bad_pointers[i]);
        cr_assert(traverse(object).opaque, "%s: 0x%llx", world,
                  (unsigned long long)bad_pointers[i]);
    }
}

WORLDS(slots_that_cannot_be)
{
    static const char *const slots[] = {"a", NULL};
    for (size_t i = 0; i < 4; i++) {
        vaddr class = make_class(slots, 0), object = fakeheap_instance(&fake, class);
        uint64_t end = fakeheap_get(&fake, class, LAYOUT_PyTypeObject_tp_basicsize);
        const uint64_t offsets[] = {end, 0x7ffffff8, 0xfffffff8, UINT64_MAX - 7};
        fakeheap_skip(&fake, 256); // room for an ob_size, which such an object has not
        vaddr member = class + fakeheap_get(&fake, fake.type, LAYOUT_PyTypeObject_tp_basicsize);
        fakeheap_set(&fake, member, LAYOUT_PyMemberDef_offset, offsets[i]);
        struct outcome outcome = traverse(object);
        cr_assert(outcome.opaque, "%s: offset 0x%llx", world, (unsigned long long)offsets[i]);
        cr_assert_eq(outcome.count, 1, "%s: offset 0x%llx: %zu references, not only the class",
                     world, (unsigned long long)offsets[i], outcome.count);
    }
}

WORLDS(slots_without_number)
{
    static const uint64_t counts[] = {5000, 0x7fffffff, 0xffffffff, UINT64_MAX};
    static const char *const slots[] = {"a", NULL};
    for (size_t i = 0; i < LENGTH(counts); i++) {
        vaddr class = make_class(slots, 0), object = fakeheap_instance(&fake, class);
        fakeheap_set(&fake, class, LAYOUT_PyVarObject_ob_size, counts[i]);
        cr_assert(traverse(object).opaque, "%s: %llu slots", world, (unsigned long long)counts[i]);
    }
}

WORLDS(slots_that_were_not_saved)
{
    static const char *const slots[] = {"a", NULL};
    vaddr class = make_class(slots, 0), object = fakeheap_instance(&fake, class);
    uint64_t basicsize = fakeheap_get(&fake, fake.type, LAYOUT_PyTypeObject_tp_basicsize);
    fakeheap_hide(&fake, class + basicsize, 16, MEMORY_NOT_SAVED);
    cr_assert(traverse(object).opaque, "%s", world);
}

WORLDS(types_that_are_none)
{
    static const struct {
        enum layout_member member;
        uint64_t value;
    } rows[] = {
        {LAYOUT_PyObject_ob_type, 0},
        {LAYOUT_PyObject_ob_type, 0x12345678},
        {LAYOUT_PyTypeObject_tp_basicsize, (uint64_t)-8},
        {LAYOUT_PyTypeObject_tp_basicsize, 0x7fffffff},
        {LAYOUT_PyTypeObject_tp_itemsize, (uint64_t)-1},
        {LAYOUT_PyTypeObject_tp_itemsize, 0x7fffffff},
        {LAYOUT_PyTypeObject_tp_dictoffset, 0x7fffffff},
        {LAYOUT_PyTypeObject_tp_dictoffset, (uint64_t)INT32_MIN},
        {LAYOUT_PyTypeObject_tp_dictoffset, 2}, // no place for a pointer
        {LAYOUT_PyTypeObject_tp_dictoffset, 17},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        vaddr class = make_class(NULL, 0), object = fakeheap_instance(&fake, class);
        fakeheap_set(&fake, class, rows[i].member, rows[i].value);
        cr_assert_neq(traverse(object).status, MEMORY_OK, "%s: %s = 0x%llx", world,
                      layout_rows[rows[i].member].path, (unsigned long long)rows[i].value);
    }
}

WORLDS(types_of_objects_that_are_no_types)
{
    vaddr object = fakeheap_list(&fake), none = fake.none;
    fakeheap_set(&fake, object, LAYOUT_PyObject_ob_type, none);
    cr_assert_neq(traverse(object).status, MEMORY_OK, "%s", world);
    fakeheap_set(&fake, object, LAYOUT_PyObject_ob_type, object);
    cr_assert_neq(traverse(object).status, MEMORY_OK, "%s", world);
}

WORLDS(dicts_beyond_their_object)
{
    static const int64_t offsets[] = {1 << 23, -(1 << 23)};
    for (size_t i = 0; i < LENGTH(offsets); i++) {
        vaddr base = fakeheap_find_type(&fake, "long");
        vaddr class = fakeheap_class(&fake, &(struct fakeheap_class){.name = "C", .base = base});
        vaddr object = fakeheap_instance(&fake, class);
        fakeheap_set(&fake, class, LAYOUT_PyTypeObject_tp_dictoffset, (uint64_t)offsets[i]);
        expect_unreadable("instance", object, 1); // only the class
    }
}

WORLDS(objects_that_were_not_saved)
{
    vaddr class = make_class(NULL, 0), object = fakeheap_instance(&fake, class);
    vaddr slot = fakeheap_dict_slot(&fake, object);
    fakeheap_hide(&fake, slot, fake.memory.format.word_size, MEMORY_NOT_SAVED);
    expect_unreadable("instance", object, 0);
}

// --- anything

// Random words over an object: no more is promised than an end, and no byte read that is not there.
WORLDS_SINCE(205, objects_of_random_words)
{
    static const char *const types[] = {"dict", "list",  "tuple",     "set",
                                        "type", "frame", "generator", "collections.deque"};
    make_deque(1);
    uint32_t random = 1;
    for (unsigned round = 0; round < 400; round++) {
        vaddr type = fakeheap_find_type(&fake, types[round % LENGTH(types)]);
        vaddr object = fakeheap_new(&fake, type, 4);
        uint64_t size = fakeheap_get(&fake, type, LAYOUT_PyTypeObject_tp_basicsize);
        for (uint64_t at = 0; at < size; at += 4) {
            random = random * 1664525 + 1013904223;
            // Small numbers and addresses of what is there are worse than noise.
            uint32_t word = random >> 30 == 0   ? random >> 12 & 0x7f
                            : random >> 30 == 1 ? (uint32_t)fake.none + (random >> 8 & 0xffff)
                            : random >> 30 == 2 ? 0
                                                : random;
            fakeheap_poke(&fake, object + at, word, 4);
        }
        fakeheap_set(&fake, object, LAYOUT_PyObject_ob_type, type);
        traverse(object);
    }
}
