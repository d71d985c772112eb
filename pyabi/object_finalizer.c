// Which objects the collector refuses to free, and where the reason is written.
#include "object.h"

#include <stdlib.h>

#include "class.h"
#include "code.h"

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
           class_find(runtime, class, "__del__", value, where) == MEMORY_OK;
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

// Takes file and line of a code object, and gives its function's name, to be freed.
static char *describe_code(const struct runtime *runtime, vaddr code, struct object_del *del)
{
    struct code_place place;
    if (code_find_place(runtime, code, CODE_FIRST_LINE, &place) != MEMORY_OK)
        return NULL;
    del->file = place.file;
    del->line = place.line;
    return place.function;
}

// What was found under the name __del__.
static void describe_value(struct object_types *types, vaddr value, struct object_del *del)
{
    vaddr code;
    del->value = object_describe_callable(types, value, &del->what, &code);
    if (code)
        free(describe_code(types->runtime, code, del));
}

static void describe_generator(const struct runtime *runtime, vaddr generator,
                               struct object_del *del)
{
    uint64_t frame, code;
    del->kind = OBJECT_DEL_GENERATOR;
    if (layout_read(&runtime->layout, runtime->memory, generator, LAYOUT_PyGenObject_gi_frame,
                    &frame) == MEMORY_OK &&
        layout_read(&runtime->layout, runtime->memory, frame, LAYOUT_PyFrameObject_f_code, &code) ==
            MEMORY_OK)
        del->defined_in = describe_code(runtime, code, del);
}

// The class of the tp_mro whose dict has __del__. An entry may be an old-style class.
// False: each was looked through, and none has it.
static bool find_del_in_mro(struct object_types *types, vaddr type, struct object_del *del)
{
    const struct runtime *runtime = types->runtime;
    vaddr value, where;
    uint32_t index;
    enum memory_status status = class_find(runtime, type, "__del__", &value, &where);
    if (status != MEMORY_OK)
        return status != MEMORY_UNMAPPED;
    del->kind = OBJECT_DEL_CLASS;
    if (object_is_exact(runtime, where, RUNTIME_TYPE_classobj))
        del->defined_in = object_classic_name(runtime, where);
    else if (object_types_find(types, where, &index) == MEMORY_OK)
        del->defined_in = failure_copy_text(types->types[index].name);
    describe_value(types, value, del);
    return true;
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
    del->defined_in = failure_copy_text(types->types[type].name);
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
        // Static types that were put back have no dict: what these lost is not told.
        if (!find_del_in_mro(types, types->types[type].address, del) && !runtime->data_lost)
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
