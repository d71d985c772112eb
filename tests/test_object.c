// Single objects: types and their names, finalizers and where they are written, sizes, strings,
// numbers, dictionaries. In a real layout and in scrambled ones.
#include "common.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "scene_types.h"

#define WORLDS(name)              WORLD_TEST(object, name, close_types)
#define WORLDS_SINCE(first, name) WORLD_TEST_SINCE(first, object, name, close_types)

static const struct object_type *type_of(vaddr object)
{
    uint32_t index;
    cr_assert_eq(object_find_type(&types, object, &index), MEMORY_OK, "%s", world);
    return &types.types[index];
}

static bool has_finalizer(vaddr object)
{
    const struct object_type *type = type_of(object);
    return object_has_finalizer(&types, type, object);
}

static vaddr make_class(const char *name, vaddr base)
{
    return fakeheap_class(&fake,
                          &(struct fakeheap_class){.name = name, .module = "app", .base = base});
}

static vaddr make_del(const char *file, unsigned line)
{
    return fakeheap_function(
        &fake, fakeheap_code(
                   &fake, &(struct fakeheap_code){.name = "__del__", .file = file, .line = line}));
}

// --- types

WORLDS(types_are_read_once)
{
    vaddr class = make_class("C", 0), object = fakeheap_instance(&fake, class);
    vaddr other = fakeheap_instance(&fake, class), list = fakeheap_list(&fake);
    uint32_t first, second, third;
    open_types();
    cr_assert_eq(object_find_type(&types, object, &first), MEMORY_OK, "%s", world);
    cr_assert_eq(object_find_type(&types, list, &second), MEMORY_OK, "%s", world);
    cr_assert_eq(object_find_type(&types, other, &third), MEMORY_OK, "%s", world);
    cr_assert_eq(first, third, "%s", world);
    cr_assert_neq(first, second, "%s", world);
    cr_assert_eq(types.count, 2, "%s", world);
    cr_assert_eq(object_types_find(&types, class, &second), MEMORY_OK, "%s", world);
    cr_assert_eq(first, second, "%s", world);
    cr_assert_eq(types.types[first].address, class, "%s", world);
    cr_assert(types.types[first].heap_type, "%s", world);
    cr_assert(types.types[first].has_gc, "%s", world);
    cr_assert_not(types.types[first].is_metatype, "%s", world);
    cr_assert_eq(types.types[first].tp_base, fake.object, "%s", world);
}

WORLDS(types_may_be_many)
{
    enum {
        MANY = 600
    };
    vaddr classes[MANY];
    char name[32];
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "C%u", i);
        classes[i] = make_class(name, 0);
    }
    open_types();
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            uint32_t index;
            cr_assert_eq(object_types_find(&types, classes[i], &index), MEMORY_OK, "%s", world);
            cr_assert_eq(index, i, "%s", world);
            snprintf(name, sizeof(name), "app.C%u", i);
            cr_assert_str_eq(types.types[index].name, name, "%s", world);
        }
    }
    cr_assert_eq(types.count, MANY, "%s", world);
}

WORLDS(types_must_look_like_types)
{
    vaddr class = make_class("C", 0), object = fakeheap_instance(&fake, class);
    uint32_t index;
    fakeheap_skip(&fake, 4096); // a type object would fit
    open_types();
    cr_assert_eq(object_types_find(&types, object, &index), MEMORY_NONSENSE, "%s", world);
    cr_assert_eq(object_types_find(&types, fake.none, &index), MEMORY_NONSENSE, "%s", world);
    cr_assert_eq(object_types_find(&types, 0x12345678, &index), MEMORY_UNMAPPED, "%s", world);
    cr_assert_eq(types.count, 0, "%s", world);
    fakeheap_hide(&fake, class, 64, MEMORY_NOT_SAVED);
    fakeheap_map(&fake);
    cr_assert_eq(object_types_find(&types, class, &index), MEMORY_NOT_SAVED, "%s", world);
}

WORLDS(metatypes_are_known_by_their_base)
{
    vaddr meta = fakeheap_class(&fake, &(struct fakeheap_class){.name = "M", .base = fake.type});
    vaddr class = fakeheap_class(&fake, &(struct fakeheap_class){.name = "C", .metatype = meta});
    vaddr object = fakeheap_instance(&fake, class);
    open_types();
    cr_assert(type_of(class)->is_metatype, "%s", world);
    cr_assert(type_of(fake.object)->is_metatype, "%s", world);
    cr_assert_not(type_of(object)->is_metatype, "%s", world);
}

WORLDS(heads_of_the_collector)
{
    static const char *const none[] = {NULL};
    vaddr meta = fakeheap_class(&fake, &(struct fakeheap_class){.name = "M", .base = fake.type});
    vaddr bare = fakeheap_class(&fake, &(struct fakeheap_class){.name = "B", .slots = none});
    const struct {
        const char *what;
        vaddr object;
        bool has;
    } rows[] = {
        {"list", fakeheap_list(&fake), true},
        {"str", fakeheap_str(&fake, "s"), false},
        {"class", make_class("C", 0), true},
        {"class of a metaclass",
         fakeheap_class(&fake, &(struct fakeheap_class){.name = "D", .metatype = meta}), true},
        {"metaclass", meta, true},
        {"static type", fakeheap_find_type(&fake, "list"), false},
        {"type", fake.type, false},
        {"instance without any member", fakeheap_instance(&fake, bare), false},
    };
    open_types();
    for (size_t i = 0; i < LENGTH(rows); i++) {
        const struct object_type *type = type_of(rows[i].object);
        cr_assert_eq(object_has_gc_head(&types, type, rows[i].object), rows[i].has, "%s: %s", world,
                     rows[i].what);
    }
}

// --- names

static void expect_type_name(vaddr type, const char *expected)
{
    uint32_t index;
    cr_assert_eq(object_types_find(&types, type, &index), MEMORY_OK, "%s", world);
    cr_assert_str_eq(types.types[index].name, expected, "%s", world);
}

static void expect_class_name(vaddr object, const char *expected)
{
    char *name = object_class_name(&types, object);
    cr_assert_str_eq(name, expected, "%s: %s", world, name);
    free(name);
}

WORLDS(names_of_types)
{
    vaddr lone = fakeheap_class(&fake, &(struct fakeheap_class){.name = "Lone"});
    vaddr class = make_class("C", 0), odd = make_class("Odd", 0);
    fakeheap_dict_set_name(&fake, fakeheap_get(&fake, odd, LAYOUT_PyTypeObject_tp_dict),
                           "__module__", fake.none);
    fakeheap_deque(&fake, 0);
    open_types();
    expect_type_name(fakeheap_find_type(&fake, "list"), "list");
    expect_type_name(fakeheap_find_type(&fake, "collections.deque"), "collections.deque");
    expect_type_name(class, "app.C");
    expect_type_name(lone, "Lone");
    expect_type_name(odd, "Odd");
}

WORLDS(names_that_were_not_saved)
{
    vaddr list = fakeheap_find_type(&fake, "list");
    char expected[64];
    fakeheap_hide(&fake, fakeheap_get(&fake, list, LAYOUT_PyTypeObject_tp_name), 1,
                  MEMORY_NOT_SAVED);
    open_types();
    snprintf(expected, sizeof(expected), "<type at 0x%" PRIx64 ">", list);
    expect_type_name(list, expected);
}

static bool find_known_name(void *context, vaddr type, const char **name, const char **rule)
{
    *name = "deques, shown";
    *rule = context;
    return type == fakeheap_find_type(&fake, "collections.deque");
}

// The source may know a name that the core has not saved: what to show, and what to go by.
static void expect_known_name(const char *rule, bool opaque)
{
    struct runtime_names names = {(void *)(uintptr_t)rule, find_known_name};
    vaddr deque = fakeheap_find_type(&fake, "collections.deque");
    vaddr list = fakeheap_find_type(&fake, "list");
    char expected[64];
    uint32_t index;
    fake.source.names = &names;
    fakeheap_hide(&fake, fakeheap_get(&fake, deque, LAYOUT_PyTypeObject_tp_name), 1,
                  MEMORY_NOT_SAVED);
    fakeheap_hide(&fake, fakeheap_get(&fake, list, LAYOUT_PyTypeObject_tp_name), 1,
                  MEMORY_NOT_SAVED);
    open_types();
    snprintf(expected, sizeof(expected), "<type at 0x%" PRIx64 ">", list);
    expect_type_name(deque, "deques, shown");
    expect_type_name(list, expected);
    cr_assert_eq(object_types_find(&types, deque, &index), MEMORY_OK, "%s", world);
    cr_expect_eq(types.types[index].opaque, opaque, "%s", world);
}

WORLDS(names_that_the_source_knows)
{
    fakeheap_deque(&fake, 0);
    expect_known_name("collections.deque", false);
}

WORLDS(names_that_say_no_rule)
{
    fakeheap_deque(&fake, 0);
    expect_known_name(NULL, true);
}

WORLDS(names_that_are_long)
{
    char name[1001], expected[256];
    memset(name, 'x', 1000);
    name[1000] = '\0';
    memset(expected, 'x', 255);
    expected[255] = '\0';
    vaddr class = fakeheap_class(&fake, &(struct fakeheap_class){.name = name});
    vaddr old = fakeheap_old_instance(&fake, fakeheap_old_class(&fake, NULL, name, 0));
    open_types();
    expect_type_name(class, expected);
    expect_class_name(old, expected);
}

WORLDS(names_of_classes_of_objects)
{
    vaddr old = fakeheap_old_class(&fake, "app", "Old", 0);
    vaddr nameless = fakeheap_old_class(&fake, NULL, "Old", 0);
    vaddr lost = fakeheap_old_instance(&fake, old), odd = fakeheap_old_instance(&fake, old);
    const struct {
        vaddr object;
        const char *name;
    } rows[] = {
        {fakeheap_instance(&fake, make_class("C", 0)), "app.C"},
        {fakeheap_list(&fake), "list"},
        {fakeheap_old_instance(&fake, old), "app.Old"},
        {fakeheap_old_instance(&fake, nameless), "Old"},
        {old, "classobj"},
        {lost, "instance"},
        {odd, "instance"},
        {0x12345678, "<unreadable type>"},
    };
    fakeheap_set(&fake, lost, LAYOUT_PyInstanceObject_in_class, 0x12345678);
    fakeheap_set(&fake, odd, LAYOUT_PyInstanceObject_in_class, fake.none);
    open_types();
    for (size_t i = 0; i < LENGTH(rows); i++)
        expect_class_name(rows[i].object, rows[i].name);
    char *name = object_classic_name(&fake.runtime, old);
    cr_assert_str_eq(name, "app.Old", "%s", world);
    free(name);
}

WORLDS(names_of_old_classes_that_have_none)
{
    vaddr class = fakeheap_old_class(&fake, "app", "Old", 0);
    fakeheap_link(&fake, class, LAYOUT_PyClassObject_cl_name, fake.none);
    vaddr object = fakeheap_old_instance(&fake, class);
    open_types();
    expect_class_name(object, "app.?");
}

// --- finalizers

WORLDS(finalizers_of_new_classes)
{
    vaddr plain = make_class("Plain", 0);
    vaddr with =
        fakeheap_class(&fake, &(struct fakeheap_class){.name = "With", .del_file = "w.py"});
    vaddr child = make_class("Child", with);
    vaddr of_none = fakeheap_class(&fake, &(struct fakeheap_class){.name = "N", .del = fake.none});
    vaddr object = fakeheap_instance(&fake, plain);
    // An attribute of the instance does not count.
    fakeheap_set_attr(&fake, object, "__del__", make_del("p.py", 1));
    const struct {
        const char *what;
        vaddr object;
        bool has;
    } rows[] = {
        {"none", object, false},
        {"__del__", fakeheap_instance(&fake, with), true},
        {"inherited", fakeheap_instance(&fake, child), true},
        {"__del__ = None", fakeheap_instance(&fake, of_none), true},
        {"the class itself", with, false},
        {"list", fakeheap_list(&fake), false},
        {"generator type, which has tp_del", fakeheap_generator(&fake, 0), false},
    };
    open_types();
    for (size_t i = 0; i < LENGTH(rows); i++)
        cr_assert_eq(has_finalizer(rows[i].object), rows[i].has, "%s: %s", world, rows[i].what);
}

WORLDS(finalizers_of_a_class_with_tp_del_of_a_static_base)
{
    // A class made by Python code counts by its tp_del, a static type never does.
    vaddr type = fakeheap_type(
        &fake, &(struct fakeheap_type){.name = "static", .gc = true, .structure = "PyCellObject"});
    fakeheap_set(&fake, type, LAYOUT_PyTypeObject_tp_del, fakeheap_function_address(&fake));
    vaddr object = fakeheap_new(&fake, type, 0);
    open_types();
    cr_assert_not(has_finalizer(object), "%s", world);
}

WORLDS(finalizers_of_old_instances)
{
    vaddr del = make_del("o.py", 1);
    vaddr plain = fakeheap_old_class(&fake, "app", "Plain", 0);
    vaddr with = fakeheap_old_class(&fake, "app", "With", 0);
    vaddr middle =
        fakeheap_old_class(&fake, "app", "Middle", fakeheap_tuple_of(&fake, plain, with));
    vaddr child =
        fakeheap_old_class(&fake, "app", "Child", fakeheap_tuple_of(&fake, plain, middle));
    vaddr of_none = fakeheap_old_class(&fake, "app", "None", 0);
    vaddr own = fakeheap_old_instance(&fake, plain), orphan = fakeheap_old_instance(&fake, plain);
    fakeheap_set_attr(&fake, with, "__del__", del);
    fakeheap_set_attr(&fake, of_none, "__del__", fake.none);
    fakeheap_set_attr(&fake, own, "__del__", del);
    fakeheap_set(&fake, orphan, LAYOUT_PyInstanceObject_in_class, fake.none);
    const struct {
        const char *what;
        vaddr object;
        bool has;
    } rows[] = {
        {"none", fakeheap_old_instance(&fake, plain), false},
        {"of its class", fakeheap_old_instance(&fake, with), true},
        {"of a base of a base", fakeheap_old_instance(&fake, child), true},
        {"__del__ = None", fakeheap_old_instance(&fake, of_none), true},
        {"of its own", own, true},
        {"without a class", orphan, false},
        {"the class itself", with, false},
    };
    open_types();
    for (size_t i = 0; i < LENGTH(rows); i++)
        cr_assert_eq(has_finalizer(rows[i].object), rows[i].has, "%s: %s", world, rows[i].what);
}

static vaddr make_generator(const int *blocks, size_t count, bool suspended)
{
    static const char *const locals[] = {"self", NULL};
    vaddr code = fakeheap_code(&fake, &(struct fakeheap_code){.name = "numbers",
                                                              .file = "/srv/app/numbers.py",
                                                              .line = 12,
                                                              .varnames = locals});
    vaddr frame = fakeheap_frame(&fake, code, 3);
    for (size_t i = 0; i < count; i++)
        fakeheap_push_block(&fake, frame, blocks[i]);
    if (suspended)
        fakeheap_suspend(&fake, frame);
    return fakeheap_generator(&fake, frame);
}

WORLDS(finalizers_of_generators)
{
    enum {
        LOOP = 120,
        EXCEPT = 121,
        FINALLY = 122,
        WITH = 143
    };
    static const struct {
        const char *what;
        int blocks[20];
        size_t count;
        bool suspended, has;
    } rows[] = {
        {"no block", {0}, 0, true, false},
        {"a loop", {LOOP}, 1, true, false},
        {"two loops", {LOOP, LOOP}, 2, true, false},
        {"try/finally", {FINALLY}, 1, true, true},
        {"try/except", {EXCEPT}, 1, true, true},
        {"with", {WITH}, 1, true, true},
        {"try in a loop", {LOOP, EXCEPT}, 2, true, true},
        {"a loop in try", {FINALLY, LOOP}, 2, true, true},
        {"running inside try", {FINALLY}, 1, false, false},
        {"as deep as can be",
         {LOOP, LOOP, LOOP, LOOP, LOOP, LOOP, LOOP, LOOP, LOOP, LOOP,
          LOOP, LOOP, LOOP, LOOP, LOOP, LOOP, LOOP, LOOP, LOOP, WITH},
         20,
         true,
         true},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        vaddr generator = make_generator(rows[i].blocks, rows[i].count, rows[i].suspended);
        open_types();
        // Since 2.5.
        cr_assert_eq(has_finalizer(generator), rows[i].has && fake.version >= 0x020500, "%s: %s",
                     world, rows[i].what);
    }
    vaddr finished = fakeheap_generator(&fake, 0);
    // Left over from a block that was left.
    vaddr left = make_generator((const int[]){FINALLY}, 1, true);
    fakeheap_set(&fake, fakeheap_get(&fake, left, LAYOUT_PyGenObject_gi_frame),
                 LAYOUT_PyFrameObject_f_iblock, 0);
    open_types();
    cr_assert_not(has_finalizer(finished), "%s", world);
    cr_assert_not(has_finalizer(left), "%s", world);
}

WORLDS(finalizers_of_damaged_generators)
{
    vaddr deep = make_generator((const int[]){122}, 1, true);
    fakeheap_set(&fake, fakeheap_get(&fake, deep, LAYOUT_PyGenObject_gi_frame),
                 LAYOUT_PyFrameObject_f_iblock, 0x7fffffff);
    vaddr lost = make_generator((const int[]){122}, 1, true);
    fakeheap_set(&fake, lost, LAYOUT_PyGenObject_gi_frame, 0x12345678);
    open_types();
    cr_assert_not(has_finalizer(deep), "%s", world);
    cr_assert_not(has_finalizer(lost), "%s", world);
}

WORLDS(finalizers_of_old_classes_in_a_ring)
{
    vaddr bases = fakeheap_tuple(&fake, 2);
    vaddr class = fakeheap_old_class(&fake, "app", "Ring", bases);
    fakeheap_set_item(&fake, bases, 0, class);
    fakeheap_set_item(&fake, bases, 1, class);
    vaddr object = fakeheap_old_instance(&fake, class);
    open_types();
    cr_assert_not(has_finalizer(object), "%s", world);
}

// --- where __del__ is written

static void expect_del(const char *what, vaddr object, enum object_del_kind kind,
                       const char *defined_in, const char *file, int64_t line)
{
    struct object_del del;
    object_find_del(&types, object, &del);
    cr_assert_eq(del.kind, kind, "%s, %s: kind %d", world, what, del.kind);
    cr_assert_eq(!del.defined_in, !defined_in, "%s, %s: %s", world, what, del.defined_in);
    if (defined_in)
        cr_assert_str_eq(del.defined_in, defined_in, "%s, %s: %s", world, what, del.defined_in);
    cr_assert_eq(!del.file, !file, "%s, %s: %s", world, what, del.file);
    if (file) {
        cr_assert_str_eq(del.file, file, "%s, %s: %s", world, what, del.file);
        cr_assert_eq(del.line, line, "%s, %s: line %" PRId64, world, what, del.line);
    }
    object_del_deinit(&del);
}

WORLDS(del_of_new_classes)
{
    vaddr base = fakeheap_class(
        &fake, &(struct fakeheap_class){
                   .name = "Base", .module = "lib", .del_file = "/srv/lib.py", .del_line = 35});
    vaddr child = make_class("Child", base);
    vaddr both = fakeheap_class(
        &fake,
        &(struct fakeheap_class){
            .name = "Both", .module = "app", .base = base, .del_file = "app.py", .del_line = 7});
    vaddr of_none = fakeheap_class(
        &fake, &(struct fakeheap_class){.name = "OfNone", .module = "app", .del = fake.none});
    vaddr builtin = fakeheap_class(
        &fake, &(struct fakeheap_class){
                   .name = "OfC",
                   .module = "app",
                   .del = fakeheap_new(
                       &fake, fakeheap_find_type(&fake, "builtin_function_or_method"), 0)});
    vaddr objects[] = {fakeheap_instance(&fake, base), fakeheap_instance(&fake, child),
                       fakeheap_instance(&fake, both), fakeheap_instance(&fake, of_none),
                       fakeheap_instance(&fake, builtin)};
    open_types();
    expect_del("own", objects[0], OBJECT_DEL_CLASS, "lib.Base", "/srv/lib.py", 35);
    expect_del("inherited", objects[1], OBJECT_DEL_CLASS, "lib.Base", "/srv/lib.py", 35);
    expect_del("overridden", objects[2], OBJECT_DEL_CLASS, "app.Both", "app.py", 7);
    expect_del("None", objects[3], OBJECT_DEL_CLASS, "app.OfNone", NULL, 0);
    expect_del("builtin", objects[4], OBJECT_DEL_CLASS, "app.OfC", NULL, 0);
    expect_del("no finalizer", fakeheap_find_type(&fake, "list"), OBJECT_DEL_UNKNOWN, NULL, NULL,
               0);
}

WORLDS(del_of_an_old_class_in_the_mro)
{
    vaddr old = fakeheap_old_class(&fake, "legacy", "Old", 0);
    fakeheap_set_attr(&fake, old, "__del__", make_del("legacy.py", 4));
    vaddr class = make_class("Mixed", 0), object = fakeheap_instance(&fake, class);
    fakeheap_link(&fake, class, LAYOUT_PyTypeObject_tp_mro,
                  fakeheap_tuple_of(&fake, class, old, fake.object));
    fakeheap_set(&fake, class, LAYOUT_PyTypeObject_tp_del, fakeheap_function_address(&fake));
    open_types();
    expect_del("old class", object, OBJECT_DEL_CLASS, "legacy.Old", "legacy.py", 4);
}

WORLDS(del_of_old_instances)
{
    vaddr base = fakeheap_old_class(&fake, "legacy", "Base", 0);
    vaddr class = fakeheap_old_class(&fake, "legacy", "Child", fakeheap_tuple_of(&fake, base));
    vaddr object = fakeheap_old_instance(&fake, class), own = fakeheap_old_instance(&fake, class);
    fakeheap_set_attr(&fake, base, "__del__", make_del("legacy.py", 9));
    fakeheap_set_attr(&fake, own, "__del__", make_del("own.py", 2));
    open_types();
    expect_del("of a base", object, OBJECT_DEL_CLASS, "legacy.Base", "legacy.py", 9);
    expect_del("of its own", own, OBJECT_DEL_INSTANCE, NULL, "own.py", 2);
}

// Depth first, left to right; a new class would have found Right's.
WORLDS(del_of_old_bases_depth_first)
{
    vaddr top = fakeheap_old_class(&fake, "m", "Top", 0);
    vaddr left = fakeheap_old_class(&fake, "m", "Left", fakeheap_tuple_of(&fake, top));
    vaddr right = fakeheap_old_class(&fake, "m", "Right", fakeheap_tuple_of(&fake, top));
    vaddr class = fakeheap_old_class(&fake, "m", "C", fakeheap_tuple_of(&fake, left, right));
    fakeheap_set_attr(&fake, top, "__del__", make_del("top.py", 1));
    fakeheap_set_attr(&fake, right, "__del__", make_del("right.py", 1));
    vaddr object = fakeheap_old_instance(&fake, class);
    open_types();
    expect_del("diamond", object, OBJECT_DEL_CLASS, "m.Top", "top.py", 1);
}

WORLDS_SINCE(205, del_of_generators)
{
    vaddr generator = make_generator((const int[]){122}, 1, true);
    open_types();
    expect_del("generator", generator, OBJECT_DEL_GENERATOR, "numbers", "/srv/app/numbers.py", 12);
}

WORLDS(del_of_a_slot)
{
    vaddr class = make_class("C", 0), object = fakeheap_instance(&fake, class);
    vaddr function = fakeheap_function_address(&fake);
    struct object_del del;
    fakeheap_set(&fake, class, LAYOUT_PyTypeObject_tp_del, function);
    open_types();
    expect_del("slot", object, OBJECT_DEL_SLOT, "app.C", NULL, 0);
    object_find_del(&types, object, &del);
    cr_assert_eq(del.tp_del, function, "%s", world);
    cr_assert_null(del.what, "%s: %s", world, del.what);
    object_del_deinit(&del);
}

WORLDS(del_in_words)
{
    vaddr class = fakeheap_class(&fake, &(struct fakeheap_class){.name = "C", .del = fake.none});
    vaddr old = fakeheap_old_class(&fake, "legacy", "Old", 0);
    vaddr objects[] = {fakeheap_instance(&fake, class), fakeheap_old_instance(&fake, old)};
    fakeheap_set_attr(&fake, old, "__del__", fake.none);
    open_types();
    for (size_t i = 0; i < 2; i++) {
        struct object_del del;
        object_find_del(&types, objects[i], &del);
        cr_assert_eq(del.value, OBJECT_DEL_OBJECT, "%s", world);
        cr_assert_str_eq(del.what, "None", "%s: %s", world, del.what);
        object_del_deinit(&del);
    }
}

WORLDS(del_that_cannot_be_read)
{
    vaddr class = fakeheap_class(
        &fake,
        &(struct fakeheap_class){.name = "C", .module = "app", .del_file = "c.py", .del_line = 3});
    vaddr object = fakeheap_instance(&fake, class);
    vaddr mro = fakeheap_get(&fake, class, LAYOUT_PyTypeObject_tp_mro);
    fakeheap_set(&fake, mro, LAYOUT_PyVarObject_ob_size, 0x7fffffff);
    open_types();
    expect_del("mro without end", object, OBJECT_DEL_CLASS, "app.C", "c.py", 3);
    fakeheap_set(&fake, class, LAYOUT_PyTypeObject_tp_mro, 0x12345678);
    open_types();
    expect_del("no mro", object, OBJECT_DEL_UNKNOWN, NULL, NULL, 0);
    fakeheap_set(&fake, mro, LAYOUT_PyVarObject_ob_size, 2);
    fakeheap_set(&fake, class, LAYOUT_PyTypeObject_tp_mro, mro);
    fakeheap_set(&fake, class, LAYOUT_PyTypeObject_tp_dict, 0x12345678);
    open_types();
    expect_del("no dict", object, OBJECT_DEL_UNKNOWN, NULL, NULL, 0);
}
