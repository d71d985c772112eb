// Who set an attribute: found in all that a class or its module may keep functions in.
#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "origin.h"
#include "scene_heap.h"
#include "scene_setters.h"

#define WORLDS(name) WORLD_TEST(origin, name, close_heap)

static vaddr class, object; // of app

static void start(void)
{
    class = fakeheap_class(&fake, &(struct fakeheap_class){.name = "T", .module = "app"});
    object = fakeheap_instance(&fake, class);
}

static struct origins find(vaddr of)
{
    struct origins origins;
    open_heap(1);
    struct failure *failure = origins_find(heap, of, "back", &origins);
    cr_assert_null(failure, "%s", world);
    return origins;
}

// "function file:line, function file:line", and " ..." if there are more.
static void expect_origins_of(vaddr of, const char *expected)
{
    char text[512] = "";
    struct origins origins = find(of);
    for (size_t i = 0; i < origins.count; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof(text) - used, "%s%s %s:%lld", i ? ", " : "",
                 origins.items[i].function, origins.items[i].file ? origins.items[i].file : "?",
                 (long long)origins.items[i].line);
    }
    strcat(text, origins.more ? " ..." : "");
    cr_expect_str_eq(text, expected, "%s: %s, not %s", world, text, expected);
    origins_deinit(&origins);
    cr_expect_eq(origins.count, 0);
}

static void expect_origins(const char *expected)
{
    expect_origins_of(object, expected);
}

// --- what may hold a function

// A code object among so many constants of another, as the first, the middle one and the last.
WORLDS(inner_function_among_many_constants)
{
    static const unsigned counts[] = {1, 63, 64, 65, 66, 200};
    start();
    vaddr outer = make_code("outer", 1, NULL);
    vaddr inner = make_setting_code("/srv/app.py", "inner", "back", 20);
    fakeheap_set_attr(&fake, class, "outer", fakeheap_function(&fake, outer));
    for (size_t i = 0; i < LENGTH(counts); i++) {
        for (unsigned place = 0; place < 3; place++) {
            vaddr constants = fakeheap_tuple(&fake, counts[i]);
            for (unsigned j = 0; j < counts[i]; j++)
                fakeheap_set_item(&fake, constants, j, fake.none);
            fakeheap_set_item(&fake, constants, place * (counts[i] - 1) / 2, inner);
            fakeheap_link(&fake, outer, LAYOUT_PyCodeObject_co_consts, constants);
            expect_origins("T.inner /srv/app.py:21");
        }
    }
}

// Two functions that refer to each other and to themselves, and one to the next of a long chain.
WORLDS(functions_that_refer_to_each_other)
{
    static const char *const frees[] = {"first", "second", "next", NULL};
    start();
    vaddr next = make_setter("last", "back", 70), cells[3];
    for (unsigned i = 0; i < 20; i++) {
        cells[0] = fakeheap_cell(&fake, 0);
        cells[1] = fakeheap_cell(&fake, 0);
        cells[2] = fakeheap_cell(&fake, next);
        for (unsigned j = 0; j < 2; j++) {
            next = fakeheap_closure(&fake, make_code("helper", 3, frees), cells, 3);
            fakeheap_link(&fake, cells[j], LAYOUT_PyCellObject_ob_ref, next);
        }
    }
    fakeheap_set_attr(&fake, class, "helper", next);
    expect_origins("T.last /srv/app.py:71");
}

// A decorator that is a class: the function is in the instance's __dict__, and what else is there
// is not the class's.
WORLDS(decorated_by_an_object)
{
    start();
    vaddr wrap = fakeheap_class(&fake, &(struct fakeheap_class){.name = "wrap", .module = "lib"});
    vaddr wrapper = fakeheap_instance(&fake, wrap), other = fakeheap_instance(&fake, wrap);
    fakeheap_set_attr(&fake, other, "function", make_setter("unrelated", "back", 70));
    fakeheap_set_attr(&fake, wrapper, "next", other);
    fakeheap_set_attr(&fake, wrapper, "function", make_setter("connect", "back", 50));
    fakeheap_set_attr(&fake, wrapper, "other", make_setter("close", "other", 60));
    fakeheap_set_attr(&fake, class, "connect", wrapper);
    expect_origins("T.connect /srv/app.py:51");
}

// What a list, a dict or another class of the class has is not the class's own.
WORLDS(what_leads_elsewhere)
{
    start();
    vaddr setter = make_setter("connect", "back", 50), list = fakeheap_list(&fake);
    vaddr dict = fakeheap_dict(&fake);
    vaddr other = fakeheap_class(&fake, &(struct fakeheap_class){.name = "Other", .module = "lib"});
    vaddr old = fakeheap_old_class(&fake, "lib", "Old", 0);
    fakeheap_append(&fake, list, setter);
    fakeheap_dict_set_name(&fake, dict, "connect", setter);
    fakeheap_set_attr(&fake, other, "connect", setter);
    fakeheap_set_attr(&fake, old, "connect", setter);
    fakeheap_set_attr(&fake, class, "list", list);
    fakeheap_set_attr(&fake, class, "dict", dict);
    fakeheap_set_attr(&fake, class, "tuple", fakeheap_tuple_of(&fake, setter));
    fakeheap_set_attr(&fake, class, "other", other);
    fakeheap_set_attr(&fake, class, "old", old);
    expect_origins("");
}

// --- where it is looked for

WORLDS(functions_and_other_classes_of_the_module)
{
    start();
    vaddr module = fakeheap_module(&fake, "app");
    vaddr other = fakeheap_class(&fake, &(struct fakeheap_class){.name = "Other", .module = "app"});
    vaddr old = fakeheap_old_class(&fake, "app", "Old", 0);
    fakeheap_set_attr(&fake, module, "T", class);
    fakeheap_set_attr(&fake, module, "Other", other);
    fakeheap_set_attr(&fake, module, "Old", old);
    fakeheap_set_attr(&fake, other, "link", make_setter("link", "back", 30));
    expect_origins("Other.link /srv/app.py:31");
    fakeheap_set_attr(&fake, other, "link", make_setter("link", "other", 30));
    fakeheap_set_attr(&fake, old, "link", make_setter("link", "back", 40));
    expect_origins("Old.link /srv/app.py:41");
    fakeheap_set_attr(&fake, module, "connect", make_setter("connect", "back", 50));
    expect_origins("connect /srv/app.py:51, Old.link /srv/app.py:41");
    fakeheap_set_attr(&fake, class, "close", make_setter("close", "back", 60));
    expect_origins("T.close /srv/app.py:61");
}

// Another module is not looked through, and one that cannot be had is none.
WORLDS(modules_that_are_not_its_own)
{
    static const char long_name[] =
        "m123456789m123456789m123456789m123456789m123456789m123456789m123456789m123456789m123456789"
        "m123456789m123456789m123456789m123456789m123456789m123456789m123456789m123456789m123456789"
        "m123456789m123456789m123456789m123456789m123456789m123456789m123456789m123456789m123456789";
    start();
    vaddr module = fakeheap_module(&fake, "lib");
    fakeheap_set_attr(&fake, module, "connect", make_setter("connect", "back", 50));
    expect_origins("");
    fakeheap_set_attr(&fake, class, "__module__", fake.none);
    expect_origins("");
    fakeheap_set_attr(&fake, class, "__module__", fakeheap_str(&fake, long_name));
    expect_origins("");
    fakeheap_dict_set_name(&fake, fake.modules, "odd", fakeheap_dict(&fake));
    fakeheap_set_attr(&fake, class, "__module__", fakeheap_str(&fake, "odd"));
    expect_origins("");
    fakeheap_set_attr(&fake, class, "__module__", fakeheap_str(&fake, "lib"));
    expect_origins("connect /srv/app.py:51");
}

WORLDS(old_classes)
{
    vaddr base = fakeheap_old_class(&fake, "app", "Base", 0);
    vaddr derived = fakeheap_old_class(&fake, "app", "Derived", fakeheap_tuple_of(&fake, base));
    vaddr instance = fakeheap_old_instance(&fake, derived);
    fakeheap_set_attr(&fake, base, "connect", make_setter("connect", "back", 40));
    expect_origins_of(instance, "Base.connect /srv/app.py:41");
    fakeheap_set_attr(&fake, derived, "connect", make_setter("connect", "back", 50));
    expect_origins_of(instance, "Derived.connect /srv/app.py:51, Base.connect /srv/app.py:41");
}

// --- what is told

// A class and its base may have one name, and their methods one line, each in its file.
WORLDS(same_name_and_line_in_two_files)
{
    vaddr base = fakeheap_class(&fake, &(struct fakeheap_class){.name = "T", .module = "lib"});
    class =
        fakeheap_class(&fake, &(struct fakeheap_class){.name = "T", .module = "app", .base = base});
    object = fakeheap_instance(&fake, class);
    vaddr own = make_setting_code("/srv/app.py", "__init__", "back", 20);
    vaddr other = make_setting_code("/srv/lib.py", "__init__", "back", 20);
    fakeheap_set_attr(&fake, class, "__init__", fakeheap_function(&fake, own));
    fakeheap_set_attr(&fake, base, "__init__", fakeheap_function(&fake, other));
    expect_origins("T.__init__ /srv/app.py:21, T.__init__ /srv/lib.py:21");
    fakeheap_set(&fake, other, LAYOUT_PyCodeObject_co_filename, 0);
    expect_origins("T.__init__ /srv/app.py:21, T.__init__ ?:21");
    fakeheap_set(&fake, own, LAYOUT_PyCodeObject_co_filename, 0);
    expect_origins("T.__init__ ?:21");
}

// One place, whatever the number of names that it goes by.
WORLDS(same_place_twice)
{
    start();
    vaddr setter = make_setter("connect", "back", 50);
    for (unsigned i = 0; i < ORIGINS_MAX + 2; i++) {
        char name[16];
        snprintf(name, sizeof(name), "name%u", i);
        fakeheap_set_attr(&fake, class, name, setter);
    }
    expect_origins("T.connect /srv/app.py:51");
}

WORLDS(names_that_cannot_be_read)
{
    start();
    vaddr code = make_setting_code("/srv/app.py", "connect", "back", 50);
    fakeheap_set_attr(&fake, class, "connect", fakeheap_function(&fake, code));
    fakeheap_set(&fake, code, LAYOUT_PyCodeObject_co_name, 0x12345678);
    fakeheap_set(&fake, code, LAYOUT_PyCodeObject_co_filename, fake.none);
    expect_origins("T.? ?:51");
}

// --- damage

// Whatever a function, its code and its class have for a member: there is an answer or none.
WORLDS(damaged_members)
{
    start();
    vaddr code = make_setting_code("/srv/app.py", "connect", "back", 50);
    vaddr function = fakeheap_function(&fake, code);
    fakeheap_set_attr(&fake, class, "connect", function);
    const struct {
        vaddr object;
        enum layout_member member;
    } rows[] = {
        {function, LAYOUT_PyFunctionObject_func_code},
        {function, LAYOUT_PyFunctionObject_func_closure},
        {code, LAYOUT_PyCodeObject_co_consts},
        {code, LAYOUT_PyCodeObject_co_names},
        {code, LAYOUT_PyCodeObject_co_code},
        {class, LAYOUT_PyTypeObject_tp_dict},
        {class, LAYOUT_PyTypeObject_tp_mro},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        vaddr right = fakeheap_get(&fake, rows[i].object, rows[i].member);
        const vaddr wrong[] = {0, ~(vaddr)0, 0x12345678, rows[i].object, code, class, fake.none};
        for (size_t j = 0; j < LENGTH(wrong); j++) {
            fakeheap_set(&fake, rows[i].object, rows[i].member, wrong[j]);
            struct origins origins = find(object);
            cr_expect_leq(origins.count, 1, "%s", world);
            origins_deinit(&origins);
        }
        fakeheap_set(&fake, rows[i].object, rows[i].member, right);
    }
    expect_origins("T.connect /srv/app.py:51");
}

// --- bounds

static vaddr dict_of_slots(uint64_t slots)
{
    vaddr dict = fakeheap_dict(&fake);
    fakeheap_set(&fake, dict, LAYOUT_PyDictObject_ma_mask, slots - 1);
    fakeheap_set(&fake, dict, LAYOUT_PyDictObject_ma_table, 0x12345678);
    return dict;
}

// Classes before the one with the method have dictionaries of so many slots.
static void expect_after(uint64_t slots, unsigned count, const char *expected)
{
    vaddr above = fakeheap_class(&fake, &(struct fakeheap_class){.name = "Base", .module = "app"});
    fakeheap_set_attr(&fake, above, "connect", make_setter("connect", "back", 50));
    for (unsigned i = 0; i < count; i++) {
        above = fakeheap_class(
            &fake, &(struct fakeheap_class){.name = "T", .module = "app", .base = above});
        fakeheap_link(&fake, above, LAYOUT_PyTypeObject_tp_dict, dict_of_slots(slots));
    }
    expect_origins_of(fakeheap_instance(&fake, above), expected);
}

// Sixteen million slots are gone through, whoever has them; one dictionary with more is damaged.
WORLDS(large_dictionaries)
{
    expect_after(1 << 22, 3, "Base.connect /srv/app.py:51");
    expect_after(1 << 22, 4, "");
    expect_after(1 << 25, 4, "Base.connect /srv/app.py:51");
}

// A tuple of a million that many share.
Test(origin, large_tuples)
{
    enum {
        ITEMS = 1 << 20,
        SHARED_BY = 70
    };
    init_world(&(struct fakeheap_spec){0});
    fakeheap_arena(&fake, 0x600000000000, 64 << 20);
    vaddr constants = fakeheap_tuple(&fake, ITEMS);
    for (unsigned i = 0; i < ITEMS; i++)
        fakeheap_poke_word(&fake,
                           constants + layout_offset(&fake.layout, LAYOUT_PyTupleObject_ob_item) +
                               8 * (vaddr)i,
                           fake.none);
    vaddr base = fakeheap_class(&fake, &(struct fakeheap_class){.name = "Base", .module = "app"});
    vaddr inner = make_setting_code("/srv/app.py", "inner", "back", 20);
    vaddr outer = make_code("outer", 1, NULL);
    fakeheap_link(&fake, outer, LAYOUT_PyCodeObject_co_consts, fakeheap_tuple_of(&fake, inner));
    fakeheap_set_attr(&fake, base, "connect", fakeheap_function(&fake, outer));
    class =
        fakeheap_class(&fake, &(struct fakeheap_class){.name = "T", .module = "app", .base = base});
    object = fakeheap_instance(&fake, class);
    for (unsigned i = 0; i < SHARED_BY; i++) {
        char name[16];
        snprintf(name, sizeof(name), "method%u", i);
        vaddr code = make_code(name, 1, NULL);
        fakeheap_set_attr(&fake, class, name, fakeheap_function(&fake, code));
        if (i == SHARED_BY / 2)
            expect_origins("Base.inner /srv/app.py:21");
        fakeheap_link(&fake, code, LAYOUT_PyCodeObject_co_consts, constants);
    }
    expect_origins("");
    close_heap();
    fakeheap_deinit(&fake);
}
