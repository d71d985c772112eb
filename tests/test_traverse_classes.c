// References of instances of classes that Python code made (subtype_traverse), and which types are
// known at all.
#include "common.h"

#include <stdio.h>
#include <stdlib.h>

#include "traversal.h"

#define WORLDS(name)              WORLD_TEST(traverse_classes, name, close_nothing)
#define WORLDS_SINCE(first, name) WORLD_TEST_SINCE(first, traverse_classes, name, close_nothing)

WORLDS(instance_of_a_class)
{
    vaddr class = fakeheap_class(&fake, &(struct fakeheap_class){.name = "C"});
    vaddr object = fakeheap_instance(&fake, class);
    vaddr dict = fakeheap_peek_word(&fake, fakeheap_dict_slot(&fake, object));
    EXPECT("instance", object, dict, class);
    expect_place(0, VISIT_DICT, NULL, 0, 0);
    expect_place(1, VISIT_CLASS, NULL, 0, 0);
    fakeheap_link_word(&fake, fakeheap_dict_slot(&fake, object), 0);
    EXPECT("instance without its dict", object, class);
}

WORLDS(instance_with_slots_of_several_classes)
{
    static const char *const one[] = {"a", "b", NULL}, *const two[] = {"c", NULL};
    vaddr base = fakeheap_class(&fake, &(struct fakeheap_class){.name = "B", .slots = one});
    vaddr middle =
        fakeheap_class(&fake, &(struct fakeheap_class){.name = "M", .base = base, .slots = two});
    vaddr class = fakeheap_class(&fake, &(struct fakeheap_class){.name = "C", .base = middle});
    vaddr object = fakeheap_instance(&fake, class), a = something(), c = something();
    vaddr dict = fakeheap_peek_word(&fake, fakeheap_dict_slot(&fake, object));
    fakeheap_set_slot(&fake, object, "a", a); // b stays unset
    fakeheap_set_slot(&fake, object, "c", c);
    EXPECT("slots", object, c, a, dict, class);
    cr_assert_eq(places[0].kind, VISIT_SLOT, "%s", world);
    char name[8];
    cr_assert_eq(memory_read_string(&fake.memory, places[0].key, name, sizeof(name)), MEMORY_OK);
    cr_assert_str_eq(name, "c", "%s", world);
    cr_assert_eq(memory_read_string(&fake.memory, places[1].key, name, sizeof(name)), MEMORY_OK);
    cr_assert_str_eq(name, "a", "%s", world);
}

WORLDS(instance_with_members_that_are_no_slots)
{
    enum {
        T_OBJECT = 6
    };
    static const char *const names[] = {"a", "b", NULL};
    vaddr class = fakeheap_class(&fake, &(struct fakeheap_class){.name = "C", .slots = names});
    vaddr object = fakeheap_instance(&fake, class), b = something();
    fakeheap_set_slot(&fake, object, "a", something());
    fakeheap_set_slot(&fake, object, "b", b);
    vaddr first = class + fakeheap_get(&fake, fake.type, LAYOUT_PyTypeObject_tp_basicsize);
    fakeheap_set(&fake, first, LAYOUT_PyMemberDef_type, T_OBJECT);
    EXPECT("slots", object, b, class);
}

WORLDS(instance_of_a_class_with_a_metaclass)
{
    static const char *const names[] = {"slot", NULL};
    vaddr meta = fakeheap_class(&fake, &(struct fakeheap_class){.name = "Meta", .base = fake.type});
    // The metaclass grows, and the slots of its classes move.
    fakeheap_set(&fake, meta, LAYOUT_PyTypeObject_tp_basicsize,
                 fakeheap_get(&fake, meta, LAYOUT_PyTypeObject_tp_basicsize) + 16);
    vaddr class = fakeheap_class(
        &fake, &(struct fakeheap_class){.name = "C", .metatype = meta, .slots = names});
    vaddr object = fakeheap_instance(&fake, class), value = something();
    fakeheap_set_slot(&fake, object, "slot", value);
    EXPECT("instance", object, value, class);
    EXPECT("class", class, meta, fakeheap_get(&fake, class, LAYOUT_PyTypeObject_tp_dict),
           fakeheap_get(&fake, class, LAYOUT_PyTypeObject_tp_mro),
           fakeheap_get(&fake, class, LAYOUT_PyTypeObject_tp_bases), fake.object);
}

WORLDS(instance_with_a_dict_at_its_end)
{
    static const struct {
        const char *base;
        int64_t sizes[6];
    } rows[] = {{"long", {0, 1, -1, 2, -3, 100}}, {"str", {0, 1, 3, 4, 7, 100}}};
    for (size_t row = 0; row < LENGTH(rows); row++) {
        vaddr class = fakeheap_class(
            &fake, &(struct fakeheap_class){.name = "C",
                                            .base = fakeheap_find_type(&fake, rows[row].base)});
        for (size_t i = 0; i < LENGTH(rows[row].sizes); i++) {
            char what[64];
            snprintf(what, sizeof(what), "%s of size %" PRId64, rows[row].base, rows[row].sizes[i]);
            vaddr object = fakeheap_var_instance(&fake, class, rows[row].sizes[i]);
            EXPECT(what, object, fakeheap_peek_word(&fake, fakeheap_dict_slot(&fake, object)),
                   class);
            expect_place(0, VISIT_DICT, NULL, 0, 0);
        }
    }
}

WORLDS(instance_of_a_builtin_container)
{
    vaddr list_class = fakeheap_class(
        &fake, &(struct fakeheap_class){.name = "L", .base = fakeheap_find_type(&fake, "list")});
    vaddr list = fakeheap_instance(&fake, list_class), item = something();
    fakeheap_append(&fake, list, item);
    EXPECT("list", list, fakeheap_peek_word(&fake, fakeheap_dict_slot(&fake, list)), list_class,
           item);
    vaddr tuple_class = fakeheap_class(
        &fake, &(struct fakeheap_class){.name = "T", .base = fakeheap_find_type(&fake, "tuple")});
    vaddr tuple = fakeheap_var_instance(&fake, tuple_class, 2);
    fakeheap_set_item(&fake, tuple, 1, item);
    EXPECT("tuple", tuple, fakeheap_peek_word(&fake, fakeheap_dict_slot(&fake, tuple)), tuple_class,
           item);
}

WORLDS_SINCE(205, instance_dict_that_the_base_visits)
{
    vaddr class = fakeheap_class(
        &fake, &(struct fakeheap_class){
                   .name = "Error", .base = fakeheap_find_type(&fake, "exceptions.BaseException")});
    vaddr object = fakeheap_instance(&fake, class);
    vaddr dict = fakeheap_peek_word(&fake, fakeheap_dict_slot(&fake, object));
    EXPECT("exception", object, class, dict);
    expect_place(1, VISIT_MEMBER, "__dict__", 0, 0);
}

// --- which types are known

static void expect_opaque(const char *what, vaddr object, bool opaque, size_t count)
{
    cr_assert_eq(traverse(object), 0, "%s, %s", world, what);
    cr_assert_eq(found_opaque, opaque, "%s, %s", world, what);
    cr_assert_eq(found_count, count, "%s, %s: %zu references", world, what, found_count);
}

static vaddr new_of(const struct fakeheap_type *spec)
{
    return fakeheap_new(&fake, fakeheap_type(&fake, spec), 0);
}

WORLDS(types_that_are_not_known_are_opaque)
{
    expect_opaque("unknown type",
                  new_of(&(struct fakeheap_type){
                      .name = "lxml._Element", .structure = "PyCellObject", .gc = true}),
                  true, 0);
    expect_opaque(
        "no GC",
        new_of(&(struct fakeheap_type){.name = "time.struct", .structure = "PyCellObject"}), false,
        0);
    // The names of the interpreter's own types prove nothing in a file of another.
    expect_opaque("stranger named super",
                  new_of(&(struct fakeheap_type){
                      .name = "super", .structure = "superobject", .gc = true, .in_module = true}),
                  true, 0);
    expect_opaque(
        "super itself",
        new_of(&(struct fakeheap_type){.name = "super", .structure = "superobject", .gc = true}),
        false, 0);
    // Nor does the name of a class, which anybody can choose.
    vaddr chain = fakeheap_class(&fake, &(struct fakeheap_class){.name = "itertools.chain"});
    fakeheap_set(&fake, chain, LAYOUT_PyTypeObject_tp_traverse, fakeheap_function_address(&fake));
    expect_opaque("class named itertools.chain", fakeheap_instance(&fake, chain), true, 0);
    vaddr unknown = fakeheap_find_type(&fake, "lxml._Element");
    vaddr class = fakeheap_class(&fake, &(struct fakeheap_class){.name = "C", .base = unknown});
    expect_opaque("class of an unknown base", fakeheap_instance(&fake, class), true, 2);
}

WORLDS_SINCE(205, functions_are_inherited)
{
    vaddr base = fakeheap_find_type(&fake, "exceptions.BaseException");
    vaddr function = fakeheap_get(&fake, base, LAYOUT_PyTypeObject_tp_traverse);
    vaddr error = new_of(&(struct fakeheap_type){.name = "exceptions.KeyError",
                                                 .structure = "PyBaseExceptionObject",
                                                 .gc = true,
                                                 .base = base,
                                                 .traverse = function});
    vaddr args = something();
    fakeheap_link(&fake, error, LAYOUT_PyBaseExceptionObject_args, args);
    EXPECT("KeyError", error, args);
}

// --- layouts that do not have all members

static void forget(enum layout_member member)
{
    fake.layout.values[member].offset = LAYOUT_ABSENT;
}

// Other members of the struct are there: this one came later, and there is nothing to visit.
// Which releases visit a member is the row's to say; one that they visit and that has no offset
// makes the type unknown.
WORLDS(members_of_later_releases)
{
    vaddr object =
        new_of(&(struct fakeheap_type){.name = "enumerate", .structure = "enumobject", .gc = true});
    vaddr sit = something(), result = something(), index = something();
    fakeheap_link(&fake, object, LAYOUT_enumobject_en_sit, sit);
    fakeheap_link(&fake, object, LAYOUT_enumobject_en_result, result);
    if (!layout_has(&fake.layout, LAYOUT_enumobject_en_longindex)) {
        EXPECT("enumerate", object, sit, result);
        return;
    }
    fakeheap_link(&fake, object, LAYOUT_enumobject_en_longindex, index);
    EXPECT("enumerate", object, sit, result, index);
    forget(LAYOUT_enumobject_en_longindex);
    expect_opaque("enumerate", object, true, 2);
}

static bool run_stub(void *code, struct visitor *visitor, vaddr function, vaddr object)
{
    cr_expect_eq(function, *(vaddr *)code, "%s: another function", world);
    visitor_add_code(visitor, object);
    return true;
}

static void expect_run(vaddr object, vaddr function)
{
    struct object_types types;
    uint32_t index;
    fakeheap_open(&fake);
    cr_assert_null(object_types_init(&types, &fake.runtime, &fake.source));
    cr_assert_eq(object_find_type(&types, object, &index), MEMORY_OK, "%s", world);
    struct visitor visitor = {.found = found,
                              .capacity = FOUND_MAX,
                              .full = no_room,
                              .run_code = run_stub,
                              .code = &function};
    traverse_object(&types, &types.types[index], object, &visitor);
    cr_assert(types.types[index].coded, "%s", world);
    cr_assert_eq(types.types[index].size, SIZE_DICT, "%s", world);
    cr_assert_eq(visitor.count, 1, "%s: %zu references", world, visitor.count);
    cr_assert_eq(found[0], object, "%s", world);
    cr_assert_eq(visitor.opaque, 0, "%s", world);
    object_types_deinit(&types);
}

// No member of the struct is known: the function is run, and the rest of the row is for when it
// cannot be.
WORLDS_SINCE(205, structs_that_are_not_known)
{
    vaddr function = fakeheap_function_address(&fake);
    vaddr type =
        fakeheap_type(&fake, &(struct fakeheap_type){.name = "collections.defaultdict",
                                                     .structure = "defdictobject",
                                                     .gc = true,
                                                     .base = fakeheap_find_type(&fake, "dict"),
                                                     .traverse = function});
    vaddr object = fakeheap_new(&fake, type, 0), factory = something();
    fakeheap_link(&fake, object, LAYOUT_defdictobject_default_factory, factory);
    vaddr table = object + layout_offset(&fake.layout, LAYOUT_PyDictObject_ma_smalltable);
    fakeheap_set(&fake, object, LAYOUT_PyDictObject_ma_table, table);
    fakeheap_set(&fake, object, LAYOUT_PyDictObject_ma_mask, 7);
    vaddr key = fakeheap_name(&fake, "key"), value = something();
    fakeheap_dict_set(&fake, object, key, value);
    EXPECT("defaultdict", object, factory, key, value);
    forget(LAYOUT_defdictobject_default_factory);
    expect_opaque("defaultdict", object, true, 2);
    expect_run(object, function);
}
