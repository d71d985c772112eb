#include "object.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    OBJECT_SIZE_MAX = 1 << 24,  // a type with a larger tp_basicsize is not believed
    OBJECT_NAME_MAX = 256,      // bytes of a type name that are kept
    OBJECT_BASES_MAX = 256,     // classes looked through for an attribute
    OBJECT_BLOCKS_MAX = 1 << 26 // blocks of one deque
};

// --- strings, numbers, dictionaries

bool object_is_exact(const struct runtime *runtime, vaddr object, enum runtime_type type)
{
    uint64_t ob_type;
    return layout_read(&runtime->layout, runtime->memory, object, LAYOUT_PyObject_ob_type,
                       &ob_type) == MEMORY_OK &&
           ob_type == runtime->types[type] && ob_type;
}

enum memory_status object_read_str(const struct runtime *runtime, vaddr object, char *buffer,
                                   size_t capacity, uint64_t *length)
{
    const struct layout *layout = &runtime->layout;
    if (!object_is_exact(runtime, object, RUNTIME_TYPE_str))
        return MEMORY_NONSENSE;
    enum memory_status status =
        layout_read(layout, runtime->memory, object, LAYOUT_PyVarObject_ob_size, length);
    if (status != MEMORY_OK)
        return status;
    size_t wanted = *length < capacity - 1 ? (size_t)*length : capacity - 1;
    if (wanted) {
        vaddr text = object + layout_offset(layout, LAYOUT_PyStringObject_ob_sval);
        const uint8_t *bytes = memory_view(runtime->memory, text, wanted, &status);
        if (!bytes)
            return status;
        memcpy(buffer, bytes, wanted);
    }
    buffer[wanted] = '\0';
    return MEMORY_OK;
}

enum memory_status object_read_int(const struct runtime *runtime, vaddr object, int64_t *value)
{
    if (!object_is_exact(runtime, object, RUNTIME_TYPE_int))
        return MEMORY_NONSENSE;
    uint64_t word;
    enum memory_status status =
        layout_read(&runtime->layout, runtime->memory, object, LAYOUT_PyIntObject_ob_ival, &word);
    if (status == MEMORY_OK)
        *value = runtime->memory->format.word_size == 4 ? (int32_t)word : (int64_t)word;
    return status;
}

enum memory_status dict_items_init(struct dict_items *items, const struct runtime *runtime,
                                   vaddr dict)
{
    *items = (struct dict_items){.memory = runtime->memory, .layout = &runtime->layout};
    enum memory_status status =
        layout_read(items->layout, items->memory, dict, LAYOUT_PyDictObject_ma_mask, &items->mask);
    if (status == MEMORY_OK)
        status = layout_read(items->layout, items->memory, dict, LAYOUT_PyDictObject_ma_table,
                             &items->table);
    if (status == MEMORY_OK && (items->mask & (items->mask + 1)))
        status = MEMORY_NONSENSE;
    return status;
}

bool dict_items_next(struct dict_items *items, vaddr *key, vaddr *value, enum memory_status *status)
{
    unsigned size = layout_offset(items->layout, LAYOUT_PyDictEntry_sizeof);
    *status = MEMORY_OK;
    while (items->next <= items->mask) {
        const uint8_t *entry =
            memory_view(items->memory, items->table + items->next * size, size, status);
        if (!entry)
            return false;
        items->next++;
        *value =
            layout_uint(items->layout, items->memory->format, entry, LAYOUT_PyDictEntry_me_value);
        *key = layout_uint(items->layout, items->memory->format, entry, LAYOUT_PyDictEntry_me_key);
        if (*value)
            return true;
    }
    return false;
}

static bool str_equals(const struct runtime *runtime, vaddr object, const char *text)
{
    char buffer[64];
    uint64_t length;
    return object_read_str(runtime, object, buffer, sizeof(buffer), &length) == MEMORY_OK &&
           length == strlen(text) && memcmp(buffer, text, length) == 0;
}

enum memory_status object_dict_find(const struct runtime *runtime, vaddr dict, const char *key,
                                    vaddr *value)
{
    struct dict_items items;
    vaddr candidate, found;
    enum memory_status status = dict_items_init(&items, runtime, dict);
    if (status != MEMORY_OK)
        return status;
    while (dict_items_next(&items, &candidate, &found, &status)) {
        if (str_equals(runtime, candidate, key)) {
            *value = found;
            return MEMORY_OK;
        }
    }
    return status == MEMORY_OK ? MEMORY_UNMAPPED : status;
}

// --- types

struct failure *object_types_init(struct object_types *types, const struct runtime *runtime,
                                  const struct runtime_source *source)
{
    *types = (struct object_types){.runtime = runtime};
    if (!traverse_map_init(&types->map, runtime, source))
        return failure_no_memory();
    return NULL;
}

void object_types_deinit(struct object_types *types)
{
    for (uint32_t i = 0; i < types->count; i++) {
        traverse_program_deinit(&types->types[i].program);
        free(types->types[i].name);
    }
    traverse_map_deinit(&types->map);
    free(types->types);
    free(types->slots);
    *types = (struct object_types){0};
}

static uint32_t hash_address(vaddr address)
{
    return (uint32_t)((address * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

static bool grow_slots(struct object_types *types)
{
    uint32_t slot_count = types->slot_count ? types->slot_count * 2 : 1024;
    uint32_t *slots = calloc(slot_count, sizeof(*slots));
    if (!slots)
        return false;
    for (uint32_t i = 0; i < types->count; i++) {
        uint32_t slot = hash_address(types->types[i].address) & (slot_count - 1);
        while (slots[slot])
            slot = (slot + 1) & (slot_count - 1);
        slots[slot] = i + 1;
    }
    free(types->slots);
    types->slots = slots;
    types->slot_count = slot_count;
    return true;
}

static bool grow_types(struct object_types *types)
{
    if (types->count == types->capacity) {
        uint32_t capacity = types->capacity ? types->capacity * 2 : 512;
        struct object_type *grown = realloc(types->types, capacity * sizeof(*grown));
        if (!grown)
            return false;
        types->types = grown;
        types->capacity = capacity;
    }
    return types->count * 2 < types->slot_count || grow_slots(types);
}

// "module" of a class made by Python code; false when its dict does not say.
static bool read_module(const struct runtime *runtime, vaddr dict, char *buffer, size_t capacity)
{
    vaddr module;
    uint64_t length;
    return dict && object_dict_find(runtime, dict, "__module__", &module) == MEMORY_OK &&
           object_read_str(runtime, module, buffer, capacity, &length) == MEMORY_OK;
}

static char *join_name(const char *module, const char *name)
{
    char *joined = NULL;
    if (asprintf(&joined, "%s%s%s", module, *module ? "." : "", name) < 0)
        return NULL;
    return joined;
}

static char *make_type_name(const struct runtime *runtime, const struct object_type *type)
{
    char name[OBJECT_NAME_MAX], module[OBJECT_NAME_MAX] = "";
    uint64_t text, dict;
    if (layout_read(&runtime->layout, runtime->memory, type->address, LAYOUT_PyTypeObject_tp_name,
                    &text) != MEMORY_OK ||
        (memory_read_string(runtime->memory, text, name, sizeof(name)) != MEMORY_OK &&
         strlen(name) < sizeof(name) - 1)) {
        // tp_name of a static type lies in .rodata of a file that is not here.
        char *placeholder = NULL;
        return asprintf(&placeholder, "<type at 0x%llx>", (unsigned long long)type->address) < 0
                   ? NULL
                   : placeholder;
    }
    if (type->heap_type && layout_read(&runtime->layout, runtime->memory, type->address,
                                       LAYOUT_PyTypeObject_tp_dict, &dict) == MEMORY_OK)
        read_module(runtime, dict, module, sizeof(module));
    return join_name(module, name);
}

static bool is_subtype(const struct runtime *runtime, vaddr type, vaddr of)
{
    for (unsigned depth = 0; type && of && depth < OBJECT_BASES_MAX; depth++) {
        if (type == of)
            return true;
        uint64_t base;
        if (layout_read(&runtime->layout, runtime->memory, type, LAYOUT_PyTypeObject_tp_base,
                        &base) != MEMORY_OK)
            return false;
        type = base;
    }
    return false;
}

static enum size_rule find_size_rule(const struct object_type *type)
{
    for (uint32_t i = 0; i < type->program.count; i++) {
        switch (type->program.steps[i].op) {
        case TRAVERSE_DICT:
            return SIZE_DICT;
        case TRAVERSE_LIST:
            return SIZE_LIST;
        case TRAVERSE_SET:
            return SIZE_SET;
        case TRAVERSE_DEQUE:
            return SIZE_DEQUE;
        }
    }
    return SIZE_PLAIN;
}

static void decide_rules(const struct runtime *runtime, struct object_type *type, vaddr tp_del)
{
    type->finalizer = FINALIZER_NEVER;
    if (type->heap_type)
        type->finalizer = tp_del ? FINALIZER_ALWAYS : FINALIZER_NEVER;
    else if (type->address == runtime->types[RUNTIME_TYPE_instance])
        type->finalizer = FINALIZER_INSTANCE;
    else if (type->address == runtime->types[RUNTIME_TYPE_generator])
        type->finalizer = FINALIZER_GENERATOR;
    type->size = find_size_rule(type);
    if (is_subtype(runtime, type->address, runtime->types[RUNTIME_TYPE_unicode]))
        type->size = SIZE_UNICODE;
    else if (is_subtype(runtime, type->address, runtime->types[RUNTIME_TYPE_bytearray]))
        type->size = SIZE_BYTEARRAY;
    type->is_metatype = is_subtype(runtime, type->address, runtime->types[RUNTIME_TYPE_type]);
}

// Reads the plain fields. NONSENSE when no type object can look like this.
static enum memory_status read_type(const struct runtime *runtime, vaddr address,
                                    struct object_type *type, vaddr *tp_del)
{
    const struct layout *layout = &runtime->layout;
    struct memory_format format = runtime->memory->format;
    enum memory_status status;
    const uint8_t *bytes = memory_view(runtime->memory, address,
                                       layout_offset(layout, LAYOUT_PyTypeObject_sizeof), &status);
    if (!bytes)
        return status;
    *type = (struct object_type){
        .address = address,
        .tp_flags = layout_uint(layout, format, bytes, LAYOUT_PyTypeObject_tp_flags),
        .tp_basicsize = layout_int(layout, format, bytes, LAYOUT_PyTypeObject_tp_basicsize),
        .tp_itemsize = layout_int(layout, format, bytes, LAYOUT_PyTypeObject_tp_itemsize),
        .tp_dictoffset = layout_int(layout, format, bytes, LAYOUT_PyTypeObject_tp_dictoffset),
        .tp_traverse = layout_uint(layout, format, bytes, LAYOUT_PyTypeObject_tp_traverse),
        .tp_base = layout_uint(layout, format, bytes, LAYOUT_PyTypeObject_tp_base),
    };
    *tp_del = layout_uint(layout, format, bytes, LAYOUT_PyTypeObject_tp_del);
    type->heap_type = type->tp_flags & TPFLAGS_HEAPTYPE;
    type->has_gc = type->tp_flags & TPFLAGS_HAVE_GC;
    bool sane = type->tp_basicsize >= 0 && type->tp_basicsize < OBJECT_SIZE_MAX &&
                type->tp_itemsize >= 0 && type->tp_itemsize < OBJECT_SIZE_MAX &&
                type->tp_dictoffset > -OBJECT_SIZE_MAX && type->tp_dictoffset < OBJECT_SIZE_MAX;
    // A type is an object whose type is a type: `type` itself, or a class derived from it.
    return sane && is_subtype(runtime, object_ob_type(runtime, bytes),
                              runtime->types[RUNTIME_TYPE_type])
               ? MEMORY_OK
               : MEMORY_NONSENSE;
}

static enum memory_status add_type(struct object_types *types, vaddr address, uint32_t *index)
{
    struct object_type type;
    vaddr tp_del = 0;
    enum memory_status status = read_type(types->runtime, address, &type, &tp_del);
    if (status != MEMORY_OK)
        return status;
    if (!grow_types(types))
        return MEMORY_NOT_SAVED;
    type.name = make_type_name(types->runtime, &type);
    if (!type.name || !traverse_compile(types, &type)) {
        free(type.name);
        traverse_program_deinit(&type.program);
        return MEMORY_NOT_SAVED;
    }
    decide_rules(types->runtime, &type, tp_del);
    uint32_t slot = hash_address(address) & (types->slot_count - 1);
    while (types->slots[slot])
        slot = (slot + 1) & (types->slot_count - 1);
    types->types[types->count] = type;
    types->slots[slot] = ++types->count;
    *index = types->count - 1;
    return MEMORY_OK;
}

enum memory_status object_types_find(struct object_types *types, vaddr type, uint32_t *index)
{
    if (types->slot_count) {
        uint32_t slot = hash_address(type) & (types->slot_count - 1);
        for (; types->slots[slot]; slot = (slot + 1) & (types->slot_count - 1)) {
            if (types->types[types->slots[slot] - 1].address == type) {
                *index = types->slots[slot] - 1;
                return MEMORY_OK;
            }
        }
    }
    return add_type(types, type, index);
}

enum memory_status object_find_type(struct object_types *types, vaddr object, uint32_t *index)
{
    uint64_t type;
    enum memory_status status = layout_read(&types->runtime->layout, types->runtime->memory, object,
                                            LAYOUT_PyObject_ob_type, &type);
    return status == MEMORY_OK ? object_types_find(types, type, index) : status;
}

// --- finalizers

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

// instance_lookup: the instance's own dict first.
static bool instance_find_del(const struct runtime *runtime, vaddr object, vaddr *value,
                              vaddr *where)
{
    uint64_t dict, class;
    if (layout_read(&runtime->layout, runtime->memory, object, LAYOUT_PyInstanceObject_in_dict,
                    &dict) == MEMORY_OK &&
        object_dict_find(runtime, dict, "__del__", value) == MEMORY_OK) {
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

bool object_has_gc_head(const struct object_types *types, const struct object_type *type,
                        vaddr object)
{
    // type_is_gc, Objects/typeobject.c: static type objects have none.
    uint64_t flags;
    if (!type->has_gc || !type->is_metatype)
        return type->has_gc;
    return layout_read(&types->runtime->layout, types->runtime->memory, object,
                       LAYOUT_PyTypeObject_tp_flags, &flags) == MEMORY_OK &&
           (flags & TPFLAGS_HEAPTYPE);
}

// --- sizes

static uint64_t read_or_zero(struct object_types *types, vaddr object, enum layout_member member,
                             bool *partial)
{
    uint64_t value = 0;
    if (layout_read(&types->runtime->layout, types->runtime->memory, object, member, &value) !=
        MEMORY_OK)
        *partial = true;
    return value;
}

static uint64_t table_size(struct object_types *types, vaddr object, enum layout_member table,
                           enum layout_member small, enum layout_member mask,
                           enum layout_member entry, bool *partial)
{
    const struct layout *layout = &types->runtime->layout;
    if (read_or_zero(types, object, table, partial) == object + layout_offset(layout, small))
        return 0;
    return (read_or_zero(types, object, mask, partial) + 1) * layout_offset(layout, entry);
}

static uint64_t deque_size(struct object_types *types, vaddr object, bool *partial)
{
    const struct layout *layout = &types->runtime->layout;
    uint64_t size = layout_offset(layout, LAYOUT_BLOCK_sizeof), count = 1;
    uint64_t block = read_or_zero(types, object, LAYOUT_dequeobject_leftblock, partial);
    uint64_t last = read_or_zero(types, object, LAYOUT_dequeobject_rightblock, partial);
    uint64_t length = read_or_zero(types, object, LAYOUT_dequeobject_len, partial);
    for (; block && block != last && count <= length && count < OBJECT_BLOCKS_MAX; count++)
        block = read_or_zero(types, block, LAYOUT_BLOCK_rightlink, partial);
    return count * runtime_allocation_size(types->runtime, size);
}

// Memory that only this object refers to, outside of its block.
static uint64_t owned_size(struct object_types *types, const struct object_type *type, vaddr object,
                           bool *partial)
{
    const struct runtime *runtime = types->runtime;
    unsigned width = runtime->memory->format.word_size;
    switch (type->size) {
    case SIZE_PLAIN:
        return 0;
    case SIZE_DICT:
        return table_size(types, object, LAYOUT_PyDictObject_ma_table,
                          LAYOUT_PyDictObject_ma_smalltable, LAYOUT_PyDictObject_ma_mask,
                          LAYOUT_PyDictEntry_sizeof, partial);
    case SIZE_SET:
        return table_size(types, object, LAYOUT_PySetObject_table, LAYOUT_PySetObject_smalltable,
                          LAYOUT_PySetObject_mask, LAYOUT_setentry_sizeof, partial);
    case SIZE_LIST:
        return read_or_zero(types, object, LAYOUT_PyListObject_allocated, partial) * width;
    case SIZE_DEQUE:
        return deque_size(types, object, partial);
    case SIZE_UNICODE:
        return (read_or_zero(types, object, LAYOUT_PyUnicodeObject_length, partial) + 1) *
               (uint64_t)runtime->unicode_width;
    case SIZE_BYTEARRAY:
        return read_or_zero(types, object, LAYOUT_PyByteArrayObject_ob_alloc, partial);
    }
    return 0;
}

uint64_t object_size(struct object_types *types, const struct object_type *type, vaddr object,
                     bool *partial)
{
    const struct runtime *runtime = types->runtime;
    uint64_t word = runtime->memory->format.word_size, size = (uint64_t)type->tp_basicsize;
    if (type->tp_itemsize) {
        int64_t count = (int64_t)read_or_zero(types, object, LAYOUT_PyVarObject_ob_size, partial);
        uint64_t items = count < 0 ? 0 - (uint64_t)count : (uint64_t)count;
        // PyType_GenericAlloc makes room for one item more (Objects/typeobject.c).
        items += type->heap_type || type->is_metatype;
        if (items > UINT32_MAX * (uint64_t)OBJECT_SIZE_MAX / (uint64_t)type->tp_itemsize) {
            *partial = true;
            items = 0;
        }
        size = (size + items * (uint64_t)type->tp_itemsize + word - 1) & ~(word - 1);
    }
    if (object_has_gc_head(types, type, object))
        size += layout_offset(&runtime->layout, LAYOUT_PyGC_Head_sizeof);
    uint64_t owned = owned_size(types, type, object, partial);
    // More than the address space of any machine: damage, not size.
    if (owned >= UINT64_C(1) << 47) {
        *partial = true;
        owned = 0;
    }
    return runtime_allocation_size(runtime, size) +
           (owned ? type->size == SIZE_DEQUE ? owned : runtime_allocation_size(runtime, owned) : 0);
}

// --- names

// cl_name of an old-style class, with its module.
static char *classic_name(const struct runtime *runtime, vaddr class)
{
    char name[OBJECT_NAME_MAX] = "?", module[OBJECT_NAME_MAX] = "";
    uint64_t text, dict, length;
    if (layout_read(&runtime->layout, runtime->memory, class, LAYOUT_PyClassObject_cl_name,
                    &text) == MEMORY_OK)
        object_read_str(runtime, text, name, sizeof(name), &length);
    if (layout_read(&runtime->layout, runtime->memory, class, LAYOUT_PyClassObject_cl_dict,
                    &dict) == MEMORY_OK)
        read_module(runtime, dict, module, sizeof(module));
    return join_name(module, name);
}

char *object_class_name(struct object_types *types, vaddr object)
{
    const struct runtime *runtime = types->runtime;
    uint32_t type;
    uint64_t class;
    if (object_is_exact(runtime, object, RUNTIME_TYPE_instance) &&
        layout_read(&runtime->layout, runtime->memory, object, LAYOUT_PyInstanceObject_in_class,
                    &class) == MEMORY_OK &&
        object_is_exact(runtime, class, RUNTIME_TYPE_classobj))
        return classic_name(runtime, class);
    if (object_find_type(types, object, &type) != MEMORY_OK)
        return strdup("<unreadable type>");
    return strdup(types->types[type].name);
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

// The function behind a value found in a class dict.
static void describe_function(const struct runtime *runtime, vaddr function, struct object_del *del)
{
    uint64_t code;
    if (object_is_exact(runtime, function, RUNTIME_TYPE_function) &&
        layout_read(&runtime->layout, runtime->memory, function, LAYOUT_PyFunctionObject_func_code,
                    &code) == MEMORY_OK)
        describe_code(runtime, code, del);
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

// The class of the tp_mro whose dict has __del__. An entry may be an old-style class.
static void find_del_in_mro(struct object_types *types, vaddr type, struct object_del *del)
{
    const struct runtime *runtime = types->runtime;
    uint64_t mro, count, dict;
    vaddr entry, value;
    if (layout_read(&runtime->layout, runtime->memory, type, LAYOUT_PyTypeObject_tp_mro, &mro) !=
            MEMORY_OK ||
        layout_read(&runtime->layout, runtime->memory, mro, LAYOUT_PyVarObject_ob_size, &count) !=
            MEMORY_OK)
        return;
    vaddr item = mro + layout_offset(&runtime->layout, LAYOUT_PyTupleObject_ob_item);
    for (uint64_t i = 0; i < count && i < OBJECT_BASES_MAX; i++) {
        if (memory_read_word(runtime->memory, item + i * runtime->memory->format.word_size,
                             &entry) != MEMORY_OK)
            return;
        bool classic = object_is_exact(runtime, entry, RUNTIME_TYPE_classobj);
        if (layout_read(&runtime->layout, runtime->memory, entry,
                        classic ? LAYOUT_PyClassObject_cl_dict : LAYOUT_PyTypeObject_tp_dict,
                        &dict) != MEMORY_OK ||
            object_dict_find(runtime, dict, "__del__", &value) != MEMORY_OK)
            continue;
        uint32_t index;
        del->kind = OBJECT_DEL_CLASS;
        if (classic)
            del->defined_in = classic_name(runtime, entry);
        else if (object_types_find(types, entry, &index) == MEMORY_OK)
            del->defined_in = strdup(types->types[index].name);
        describe_function(runtime, value, del);
        return;
    }
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
        find_del_in_mro(types, types->types[type].address, del);
    } else if (types->types[type].finalizer == FINALIZER_GENERATOR) {
        describe_generator(runtime, object, del);
    } else if (types->types[type].finalizer == FINALIZER_INSTANCE &&
               instance_find_del(runtime, object, &value, &where)) {
        del->kind = where ? OBJECT_DEL_CLASS : OBJECT_DEL_INSTANCE;
        del->defined_in = where ? classic_name(runtime, where) : NULL;
        describe_function(runtime, value, del);
    }
}

void object_del_deinit(struct object_del *del)
{
    free(del->defined_in);
    free(del->file);
    *del = (struct object_del){0};
}
