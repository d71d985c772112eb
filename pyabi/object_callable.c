// What stands under the name __del__, when that need not be a function: names only, never values.
#include "object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CALLABLE_NAME_MAX = 256, // bytes of a function's name that are kept
    CALLABLE_WORDS_MAX = 1024,
    CALLABLE_DEPTH_MAX = 8, // wrappers that are looked into
};

// The interpreter's own types that only pass a call on, and the member that has the real thing.
static const struct {
    const char *type;
    uint16_t member;
} wrappers[] = {
    {"staticmethod", LAYOUT_staticmethod_sm_callable},
    {"classmethod", LAYOUT_classmethod_cm_callable},
    {"property", LAYOUT_propertyobject_prop_get},
    {"instancemethod", LAYOUT_PyMethodObject_im_func},
    {"functools.partial", LAYOUT_partialobject_fn},
    {"method-wrapper", LAYOUT_wrapperobject_descr},
};

// Those that begin with a PyDescrObject.
static const char *const descriptors[] = {"method_descriptor", "classmethod_descriptor",
                                          "wrapper_descriptor", "member_descriptor",
                                          "getset_descriptor"};

struct words {
    char text[CALLABLE_WORDS_MAX];
    size_t length;
};

static void add_words(struct words *words, const char *text)
{
    size_t length = strnlen(text, sizeof(words->text) - 1 - words->length);
    memcpy(words->text + words->length, text, length);
    words->length += length;
}

// " NAME" of a str; nothing when it cannot be read.
static void add_str(const struct runtime *runtime, struct words *words, vaddr text)
{
    char name[CALLABLE_NAME_MAX];
    uint64_t length;
    if (object_read_str(runtime, text, name, sizeof(name), &length) != MEMORY_OK)
        return;
    add_words(words, " ");
    add_words(words, name);
}

// `before`, then the name of the class that an object shows to Python code.
static void add_class(struct object_types *types, struct words *words, const char *before,
                      vaddr object)
{
    char *name = object_class_name(types, object);
    add_words(words, before);
    add_words(words, name ? name : "?");
    free(name);
}

static void describe_function(const struct runtime *runtime, vaddr function, struct words *words,
                              vaddr *code)
{
    add_words(words, "function");
    add_str(runtime, words,
            runtime_read_member(runtime, function, LAYOUT_PyFunctionObject_func_name));
    *code = runtime_read_member(runtime, function, LAYOUT_PyFunctionObject_func_code);
}

// m_self is what a method is bound to; a function of a module has none.
static void describe_builtin(struct object_types *types, vaddr function, struct words *words)
{
    const struct runtime *runtime = types->runtime;
    char name[CALLABLE_NAME_MAX];
    vaddr self = runtime_read_member(runtime, function, LAYOUT_PyCFunctionObject_m_self);
    vaddr method = runtime_read_member(runtime, function, LAYOUT_PyCFunctionObject_m_ml);
    vaddr text = runtime_read_member(runtime, method, LAYOUT_PyMethodDef_ml_name);
    add_words(words, self ? "builtin method" : "builtin function");
    if (memory_read_string(runtime->memory, text, name, sizeof(name)) == MEMORY_OK) {
        add_words(words, " ");
        add_words(words, name);
    }
    if (self)
        add_class(types, words, " of ", self);
}

static void describe_descriptor(struct object_types *types, vaddr descriptor, struct words *words)
{
    uint32_t index;
    vaddr type = runtime_read_member(types->runtime, descriptor, LAYOUT_PyDescrObject_d_type);
    add_str(types->runtime, words,
            runtime_read_member(types->runtime, descriptor, LAYOUT_PyDescrObject_d_name));
    if (!type || object_types_find(types, type, &index) != MEMORY_OK)
        return;
    add_words(words, " of ");
    add_words(words, types->types[index].name);
}

static void describe_classic(const struct runtime *runtime, vaddr class, struct words *words)
{
    char *name = object_classic_name(runtime, class);
    add_words(words, "class ");
    add_words(words, name ? name : "?");
    free(name);
}

static bool is_descriptor(const char *name)
{
    for (size_t i = 0; i < sizeof(descriptors) / sizeof(descriptors[0]); i++)
        if (strcmp(name, descriptors[i]) == 0)
            return true;
    return false;
}

// The member that a wrapper of that type passes calls on to, or 0: it is none.
static enum layout_member find_wrapped(const char *name)
{
    for (size_t i = 0; i < sizeof(wrappers) / sizeof(wrappers[0]); i++)
        if (strcmp(name, wrappers[i].type) == 0)
            return wrappers[i].member;
    return 0;
}

// Anything that is no wrapper.
static enum object_del_value describe_plain(struct object_types *types,
                                            const struct object_type *type, vaddr value,
                                            struct words *words, vaddr *code)
{
    const struct runtime *runtime = types->runtime;
    uint32_t index;
    if (type->address == runtime->types[RUNTIME_TYPE_function]) {
        describe_function(runtime, value, words, code);
        return OBJECT_DEL_FUNCTION;
    }
    if (type->address == runtime->types[RUNTIME_TYPE_classobj]) {
        describe_classic(runtime, value, words);
        return OBJECT_DEL_TYPE;
    }
    if (type->is_metatype && object_types_find(types, value, &index) == MEMORY_OK) {
        add_words(words, "class ");
        add_words(words, types->types[index].name);
        return OBJECT_DEL_TYPE;
    }
    if (!type->heap_type && strcmp(type->name, "builtin_function_or_method") == 0) {
        describe_builtin(types, value, words);
        return OBJECT_DEL_BUILTIN;
    }
    if (!type->heap_type && is_descriptor(type->name)) {
        add_words(words, type->name);
        describe_descriptor(types, value, words);
        return OBJECT_DEL_DESCRIPTOR;
    }
    if (!type->heap_type && strcmp(type->name, "NoneType") == 0)
        add_words(words, "None");
    else
        add_class(types, words, "instance of ", value);
    return OBJECT_DEL_OBJECT;
}

enum object_del_value object_describe_callable(struct object_types *types, vaddr value, char **what,
                                               vaddr *code)
{
    struct words words = {.length = 0};
    enum object_del_value found = OBJECT_DEL_UNREADABLE;
    *code = 0;
    for (unsigned depth = 0; value && depth < CALLABLE_DEPTH_MAX; depth++) {
        uint32_t index;
        if (object_find_type(types, value, &index) != MEMORY_OK)
            break;
        // A copy: to find another type may move them. The name stays where it is.
        struct object_type type = types->types[index];
        enum layout_member member = type.heap_type ? 0 : find_wrapped(type.name);
        if (depth)
            add_words(&words, " of ");
        if (!member) {
            enum object_del_value plain = describe_plain(types, &type, value, &words, code);
            found = depth ? found : plain;
            break;
        }
        found = OBJECT_DEL_WRAPPER;
        add_words(&words, type.name);
        value = runtime_read_member(types->runtime, value, member);
    }
    words.text[words.length] = '\0';
    *what = words.length ? failure_copy_text(words.text) : NULL;
    return found;
}
