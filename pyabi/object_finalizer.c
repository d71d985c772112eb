// Which objects the collector refuses to free, and where the reason is written.
#include "object.h"

#include <stdlib.h>

enum {
    OBJECT_NAME_MAX = 256,  // bytes of a function's name that are kept
    OBJECT_BASES_MAX = 256, // classes looked through for an attribute
};

// class_lookup, Objects/classobject.c: the class's own dict, then its bases depth first, left to
// right. `where` may be NULL. Explicit stack: a class graph of a stranger may be deep.
static bool class_find(const struct runtime *runtime, vaddr class, const char *name, vaddr *value,
                       vaddr *where)
{
    vaddr stack[OBJECT_BASES_MAX];
    unsigned depth = 0, looked = 0;
    stack[depth++] = class;
    while (depth && looked++ < OBJECT_BASES_MAX) {
        vaddr current = stack[--depth];
        uint64_t dict, bases, count;
        if (!object_is_exact(runtime, current, RUNTIME_TYPE_classobj) ||
            layout_read(&runtime->layout, runtime->memory, current, LAYOUT_PyClassObject_cl_dict,
                        &dict) != MEMORY_OK)
            continue;
        if (object_dict_find(runtime, dict, name, value) == MEMORY_OK) {
            *where = current;
            return true;
        }
        if (layout_read(&runtime->layout, runtime->memory, current, LAYOUT_PyClassObject_cl_bases,
                        &bases) != MEMORY_OK ||
            layout_read(&runtime->layout, runtime->memory, bases, LAYOUT_PyVarObject_ob_size,
                        &count) != MEMORY_OK ||
            count > OBJECT_BASES_MAX - depth)
            continue;
        vaddr items = bases + layout_offset(&runtime->layout, LAYOUT_PyTupleObject_ob_item);
        for (uint64_t i = count; i-- > 0;)
            if (memory_read_word(runtime->memory, items + i * runtime->memory->format.word_size,
                                 &stack[depth]) == MEMORY_OK)
                depth++;
    }
    return false;
}

static bool instance_find_own_del(const struct runtime *runtime, vaddr object, vaddr *value)
{
    uint64_t dict;
    return layout_read(&runtime->layout, runtime->memory, object, LAYOUT_PyInstanceObject_in_dict,
                       &dict) == MEMORY_OK &&
           object_dict_find(runtime, dict, "__del__", value) == MEMORY_OK;
}

// instance_lookup: the instance's own dict first.
static bool instance_find_del(const struct runtime *runtime, vaddr object, vaddr *value,
                              vaddr *where)
{
    uint64_t class;
    if (instance_find_own_del(runtime, object, value)) {
        *where = 0;
        return true;
    }
    return layout_read(&runtime->layout, runtime->memory, object, LAYOUT_PyInstanceObject_in_class,
                       &class) == MEMORY_OK &&
           class_find(runtime, class, "__del__", value, where);
}

// PyGen_NeedsFinalizing, Objects/genobject.c: suspended inside a block that is not a loop.
static bool generator_needs_finalizing(const struct runtime *runtime, vaddr generator)
{
    const struct layout *layout = &runtime->layout;
    struct memory *memory = runtime->memory;
    enum {
        SETUP_LOOP = 120,
        BLOCKS_MAX = 20
    };
    uint64_t frame, stacktop, iblock, type;
    if (layout_read(layout, memory, generator, LAYOUT_PyGenObject_gi_frame, &frame) != MEMORY_OK ||
        !frame ||
        layout_read(layout, memory, frame, LAYOUT_PyFrameObject_f_stacktop, &stacktop) !=
            MEMORY_OK ||
        !stacktop ||
        layout_read(layout, memory, frame, LAYOUT_PyFrameObject_f_iblock, &iblock) != MEMORY_OK ||
        iblock > BLOCKS_MAX)
        return false;
    vaddr block = frame + layout_offset(layout, LAYOUT_PyFrameObject_f_blockstack);
    for (uint64_t i = 0; i < iblock; i++) {
        if (layout_read(layout, memory, block + i * layout_offset(layout, LAYOUT_PyTryBlock_sizeof),
                        LAYOUT_PyTryBlock_b_type, &type) == MEMORY_OK &&
            type != SETUP_LOOP)
            return true;
    }
    return false;
}

bool object_has_finalizer(struct object_types *types, const struct object_type *type, vaddr object)
{
    vaddr value, where;
    switch (type->finalizer) {
    case FINALIZER_NEVER:
        return false;
    case FINALIZER_ALWAYS:
        return true;
    case FINALIZER_INSTANCE:
        return instance_find_del(types->runtime, object, &value, &where);
    case FINALIZER_GENERATOR:
        return generator_needs_finalizing(types->runtime, object);
    }
    return false;
}

// File and first line of a code object.
static void describe_code(const struct runtime *runtime, vaddr code, struct object_del *del)
{
    char file[4096];
    uint64_t text, line, length;
    if (!object_is_exact(runtime, code, RUNTIME_TYPE_code) ||
        layout_read(&runtime->layout, runtime->memory, code, LAYOUT_PyCodeObject_co_firstlineno,
                    &line) != MEMORY_OK ||
        layout_read(&runtime->layout, runtime->memory, code, LAYOUT_PyCodeObject_co_filename,
                    &text) != MEMORY_OK ||
        object_read_str(runtime, text, file, sizeof(file), &length) != MEMORY_OK)
        return;
    del->file = strdup(file);
    del->line = (int32_t)line;
}

// What was found under the name __del__.
static void describe_value(struct object_types *types, vaddr value, struct object_del *del)
{
    vaddr code;
    del->value = object_describe_callable(types, value, &del->what, &code);
    if (code)
        describe_code(types->runtime, code, del);
}

static void describe_generator(const struct runtime *runtime, vaddr generator,
                               struct object_del *del)
{
    char name[OBJECT_NAME_MAX];
    uint64_t frame, code, text, length;
    del->kind = OBJECT_DEL_GENERATOR;
    if (layout_read(&runtime->layout, runtime->memory, generator, LAYOUT_PyGenObject_gi_frame,
                    &frame) != MEMORY_OK ||
        layout_read(&runtime->layout, runtime->memory, frame, LAYOUT_PyFrameObject_f_code, &code) !=
            MEMORY_OK)
        return;
    describe_code(runtime, code, del);
    if (layout_read(&runtime->layout, runtime->memory, code, LAYOUT_PyCodeObject_co_name, &text) ==
            MEMORY_OK &&
        object_read_str(runtime, text, name, sizeof(name), &length) == MEMORY_OK)
        del->defined_in = strdup(name);
}

// Looks for __del__ in the dict of a class of either kind. MEMORY_UNMAPPED: it is not there.
static enum memory_status find_del_in_class(const struct runtime *runtime, vaddr class,
                                            bool classic, vaddr *value)
{
    enum layout_member member =
        classic ? LAYOUT_PyClassObject_cl_dict : LAYOUT_PyTypeObject_tp_dict;
    uint64_t dict, type;
    if (layout_read(&runtime->layout, runtime->memory, class, member, &dict) != MEMORY_OK)
        return MEMORY_NONSENSE;
    if (!dict)
        return MEMORY_UNMAPPED;
    // That the dict itself is unmapped must not pass for an answer.
    if (layout_read(&runtime->layout, runtime->memory, dict, LAYOUT_PyObject_ob_type, &type) !=
        MEMORY_OK)
        return MEMORY_NONSENSE;
    return object_dict_find(runtime, dict, "__del__", value);
}

// The class of the tp_mro whose dict has __del__. An entry may be an old-style class.
// False: each was looked through, and none has it.
static bool find_del_in_mro(struct object_types *types, vaddr type, struct object_del *del)
{
    const struct runtime *runtime = types->runtime;
    uint64_t mro, count;
    uint32_t index;
    vaddr entry, value;
    if (layout_read(&runtime->layout, runtime->memory, type, LAYOUT_PyTypeObject_tp_mro, &mro) !=
            MEMORY_OK ||
        layout_read(&runtime->layout, runtime->memory, mro, LAYOUT_PyVarObject_ob_size, &count) !=
            MEMORY_OK)
        return true;
    vaddr item = mro + layout_offset(&runtime->layout, LAYOUT_PyTupleObject_ob_item);
    bool unread = count > OBJECT_BASES_MAX;
    for (uint64_t i = 0; i < count && i < OBJECT_BASES_MAX; i++) {
        if (memory_read_word(runtime->memory, item + i * runtime->memory->format.word_size,
                             &entry) != MEMORY_OK)
            return true;
        bool classic = object_is_exact(runtime, entry, RUNTIME_TYPE_classobj);
        enum memory_status status = find_del_in_class(runtime, entry, classic, &value);
        unread |= status != MEMORY_OK && status != MEMORY_UNMAPPED;
        if (status != MEMORY_OK)
            continue;
        del->kind = OBJECT_DEL_CLASS;
        if (classic)
            del->defined_in = object_classic_name(runtime, entry);
        else if (object_types_find(types, entry, &index) == MEMORY_OK)
            del->defined_in = strdup(types->types[index].name);
        describe_value(types, value, del);
        return true;
    }
    return unread;
}

// The slot was filled by C code, or else by a __del__ that has gone since without the interpreter
// noticing: from an old-style base (update_slot in Objects/typeobject.c is for types only).
static void describe_slot(struct object_types *types, uint32_t type, struct object_del *del)
{
    const struct runtime *runtime = types->runtime;
    uint64_t tp_del;
    if (layout_read(&runtime->layout, runtime->memory, types->types[type].address,
                    LAYOUT_PyTypeObject_tp_del, &tp_del) != MEMORY_OK)
        return;
    del->kind = OBJECT_DEL_SLOT;
    del->defined_in = strdup(types->types[type].name);
    del->tp_del = tp_del;
}

void object_find_del(struct object_types *types, vaddr object, struct object_del *del)
{
    const struct runtime *runtime = types->runtime;
    uint32_t type;
    vaddr value, where;
    *del = (struct object_del){0};
    if (object_find_type(types, object, &type) != MEMORY_OK)
        return;
    if (types->types[type].finalizer == FINALIZER_ALWAYS) {
        if (!find_del_in_mro(types, types->types[type].address, del))
            describe_slot(types, type, del);
    } else if (types->types[type].finalizer == FINALIZER_GENERATOR) {
        describe_generator(runtime, object, del);
    } else if (types->types[type].finalizer == FINALIZER_INSTANCE &&
               instance_find_del(runtime, object, &value, &where)) {
        del->kind = where ? OBJECT_DEL_CLASS : OBJECT_DEL_INSTANCE;
        del->defined_in = where ? object_classic_name(runtime, where) : NULL;
        describe_value(types, value, del);
    }
}

vaddr object_find_del_source(const struct runtime *runtime, enum finalizer_rule rule, vaddr object,
                             vaddr class)
{
    uint64_t code;
    vaddr value;
    if (rule == FINALIZER_INSTANCE && instance_find_own_del(runtime, object, &value))
        return value;
    if (rule == FINALIZER_GENERATOR && layout_read(&runtime->layout, runtime->memory, object,
                                                   LAYOUT_PyGenObject_gi_code, &code) == MEMORY_OK)
        return code;
    return class;
}

void object_del_deinit(struct object_del *del)
{
    free(del->defined_in);
    free(del->file);
    free(del->what);
    *del = (struct object_del){0};
}
