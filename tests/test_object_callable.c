// What stands under the name __del__, in words. In a real layout and in scrambled ones.
#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scene_types.h"

#define WORLDS(name) WORLD_TEST(callable, name, close_types)

static void expect(vaddr value, enum object_del_value kind, const char *words, vaddr code)
{
    char *what;
    vaddr found;
    enum object_del_value got = object_describe_callable(&types, value, &what, &found);
    cr_assert_eq(got, kind, "%s, %s: %d", world, words, got);
    cr_assert_eq(!what, !words, "%s, %s: %s", world, words, what);
    if (words)
        cr_assert_str_eq(what, words, "%s: %s", world, what);
    cr_assert_eq(found, code, "%s, %s: code %#llx", world, words, (unsigned long long)found);
    free(what);
}

static vaddr make_code(const char *name)
{
    return fakeheap_code(&fake, &(struct fakeheap_code){.name = name, .file = "del.py", .line = 8});
}

static vaddr make_type(const char *name, const char *structure)
{
    return fakeheap_type(&fake, &(struct fakeheap_type){.name = name, .structure = structure});
}

// An object of a type of its own whose member is `target`.
static vaddr make_holder(const char *type, const char *structure, enum layout_member member,
                         vaddr target)
{
    vaddr object = fakeheap_new(&fake, make_type(type, structure), 0);
    fakeheap_link(&fake, object, member, target);
    return object;
}

static vaddr make_builtin(const char *name, vaddr self)
{
    vaddr function =
        fakeheap_new(&fake, fakeheap_find_type(&fake, "builtin_function_or_method"), 0);
    // Any object has a name where tp_name is: of a type of that name.
    vaddr named = make_type(name, NULL), method = fakeheap_allocate(&fake, 64);
    fakeheap_set(&fake, method, LAYOUT_PyMethodDef_ml_name,
                 fakeheap_get(&fake, named, LAYOUT_PyTypeObject_tp_name));
    fakeheap_set(&fake, function, LAYOUT_PyCFunctionObject_m_ml, method);
    if (self)
        fakeheap_link(&fake, function, LAYOUT_PyCFunctionObject_m_self, self);
    return function;
}

WORLDS(plain)
{
    vaddr code = make_code("close"), function = fakeheap_function(&fake, code);
    fakeheap_link(&fake, function, LAYOUT_PyFunctionObject_func_name, fakeheap_str(&fake, "close"));
    vaddr length = make_builtin("len", 0), append = make_builtin("append", fakeheap_list(&fake));
    vaddr class = fakeheap_class(&fake, &(struct fakeheap_class){.name = "C", .module = "app"});
    vaddr instance = fakeheap_instance(&fake, class);
    vaddr old = fakeheap_old_class(&fake, "legacy", "Old", 0);
    vaddr old_instance = fakeheap_old_instance(&fake, old);
    vaddr text = fakeheap_str(&fake, "secret");
    open_types();
    expect(function, OBJECT_DEL_FUNCTION, "function close", code);
    expect(length, OBJECT_DEL_BUILTIN, "builtin function len", 0);
    expect(append, OBJECT_DEL_BUILTIN, "builtin method append of list", 0);
    expect(class, OBJECT_DEL_TYPE, "class app.C", 0);
    expect(fake.object, OBJECT_DEL_TYPE, "class object", 0);
    expect(old, OBJECT_DEL_TYPE, "class legacy.Old", 0);
    expect(instance, OBJECT_DEL_OBJECT, "instance of app.C", 0);
    expect(old_instance, OBJECT_DEL_OBJECT, "instance of legacy.Old", 0);
    expect(fake.none, OBJECT_DEL_OBJECT, "None", 0);
    expect(text, OBJECT_DEL_OBJECT, "instance of str", 0); // and not which one
}

WORLDS(descriptors)
{
    static const char *const names[] = {"method_descriptor", "classmethod_descriptor",
                                        "wrapper_descriptor", "member_descriptor",
                                        "getset_descriptor"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char words[64];
        vaddr object = make_holder(names[i], "PyDescrObject", LAYOUT_PyDescrObject_d_type,
                                   fakeheap_find_type(&fake, "dict"));
        fakeheap_link(&fake, object, LAYOUT_PyDescrObject_d_name, fakeheap_str(&fake, "clear"));
        open_types();
        snprintf(words, sizeof(words), "%s clear of dict", names[i]);
        expect(object, OBJECT_DEL_DESCRIPTOR, words, 0);
    }
}

WORLDS(wrappers)
{
    static const struct {
        const char *type;
        const char *structure;
        enum layout_member member;
    } rows[] = {
        {"staticmethod", "staticmethod", LAYOUT_staticmethod_sm_callable},
        {"classmethod", "classmethod", LAYOUT_classmethod_cm_callable},
        {"property", "propertyobject", LAYOUT_propertyobject_prop_get},
        {"functools.partial", "partialobject", LAYOUT_partialobject_fn},
        {"method-wrapper", "wrapperobject", LAYOUT_wrapperobject_descr},
    };
    vaddr code = make_code("close"), function = fakeheap_function(&fake, code), inner = function;
    char words[256] = "function close";
    fakeheap_link(&fake, function, LAYOUT_PyFunctionObject_func_name, fakeheap_str(&fake, "close"));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char longer[256];
        if (!layout_has(&fake.layout, rows[i].member))
            continue; // of a later release
        inner = make_holder(rows[i].type, rows[i].structure, rows[i].member, inner);
        snprintf(longer, sizeof(longer), "%s of %s", rows[i].type, words);
        memcpy(words, longer, sizeof(words));
        open_types();
        expect(inner, OBJECT_DEL_WRAPPER, words, code);
    }
    vaddr method = fakeheap_method(&fake, function, fake.none, 0);
    open_types();
    expect(method, OBJECT_DEL_WRAPPER, "instancemethod of function close", code);
}

// A class of Python code that has such a name is no such type.
WORLDS(classes_of_that_name)
{
    vaddr class = fakeheap_class(&fake, &(struct fakeheap_class){.name = "staticmethod"});
    vaddr object = fakeheap_instance(&fake, class);
    open_types();
    expect(object, OBJECT_DEL_OBJECT, "instance of staticmethod", 0);
}

WORLDS(damage)
{
    vaddr holder = make_holder("staticmethod", "staticmethod", LAYOUT_staticmethod_sm_callable, 0);
    vaddr function = fakeheap_new(&fake, fakeheap_find_type(&fake, "function"), 0);
    vaddr builtin = make_builtin("len", 0);
    open_types();
    expect(0, OBJECT_DEL_UNREADABLE, NULL, 0);
    expect(0x1234, OBJECT_DEL_UNREADABLE, NULL, 0);
    expect(holder, OBJECT_DEL_WRAPPER, "staticmethod", 0);
    expect(function, OBJECT_DEL_FUNCTION, "function", 0);
    fakeheap_set(&fake, holder, LAYOUT_staticmethod_sm_callable, 0x1234);
    fakeheap_set(&fake, builtin, LAYOUT_PyCFunctionObject_m_ml, 0x1234);
    open_types();
    expect(holder, OBJECT_DEL_WRAPPER, "staticmethod", 0);
    expect(builtin, OBJECT_DEL_BUILTIN, "builtin function", 0);
    // One that wraps itself.
    fakeheap_set(&fake, holder, LAYOUT_staticmethod_sm_callable, holder);
    open_types();
    expect(holder, OBJECT_DEL_WRAPPER,
           "staticmethod of staticmethod of staticmethod of staticmethod of staticmethod of "
           "staticmethod of staticmethod of staticmethod",
           0);
}
