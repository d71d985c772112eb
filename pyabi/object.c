#include "object.h"

#include <stdio.h>
#include <stdlib.h>

#include "class.h"
#include "ownership.h"

enum {
    OBJECT_SIZE_MAX = 1 << 24, // a type with a larger tp_basicsize is not believed
    OBJECT_NAME_MAX = 256,     // bytes of a name that are kept
    OBJECT_BASES_MAX = 256,    // length of a chain of tp_base
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

// "identifier", Python 2's Language Reference, 2.3.
enum memory_status object_read_identifier(const struct runtime *runtime, vaddr object, char *buffer,
                                          size_t capacity)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    uint64_t length;
    enum memory_status status = object_read_str(runtime, object, buffer, capacity, &length);
    if (status != MEMORY_OK)
        return status;
    size_t kept = length < capacity - 1 ? (size_t)length : capacity - 1;
    bool begins_well = kept && !(*buffer >= '0' && *buffer <= '9');
    return begins_well && strspn(buffer, letters) == kept ? MEMORY_OK : MEMORY_NONSENSE;
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
        traverse_program_deinit(&types->types[i].owned);
        free(types->types[i].name);
    }
    traverse_map_deinit(&types->map);
    free(types->types);
    free(types->slots);
    *types = (struct object_types){0};
}

static bool grow_slots(struct object_types *types)
{
    uint32_t slot_count = types->slot_count ? types->slot_count * 2 : 1024;
    uint32_t *slots = calloc(slot_count, sizeof(*slots));
    if (!slots)
        return failure_note_no_memory();
    for (uint32_t i = 0; i < types->count; i++) {
        uint32_t slot = vaddr_hash(types->types[i].address) & (slot_count - 1);
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
            return failure_note_no_memory();
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
    if (asprintf(&joined, "%s%s%s", module, *module ? "." : "", name) < 0) {
        failure_note_no_memory();
        return NULL;
    }
    return joined;
}

bool object_type_name(const struct runtime *runtime, vaddr type, char *buffer, size_t capacity,
                      const char **rule)
{
    const struct runtime_names *names = runtime->names;
    const char *name = NULL;
    uint64_t text;
    *rule = buffer;
    if (layout_read(&runtime->layout, runtime->memory, type, LAYOUT_PyTypeObject_tp_name, &text) ==
            MEMORY_OK &&
        (memory_read_string(runtime->memory, text, buffer, capacity) == MEMORY_OK ||
         strlen(buffer) == capacity - 1))
        return true;
    // tp_name of a static type lies in .rodata of a file that is not here.
    *rule = NULL;
    if (!names || !names->find(names->context, type, &name, rule))
        return false;
    snprintf(buffer, capacity, "%s", name);
    return true;
}

static char *make_type_name(const struct runtime *runtime, const struct object_type *type)
{
    char name[OBJECT_NAME_MAX], module[OBJECT_NAME_MAX] = "";
    const char *rule;
    uint64_t dict;
    if (!object_type_name(runtime, type->address, name, sizeof(name), &rule)) {
        snprintf(name, sizeof(name), "<type at 0x%llx>", (unsigned long long)type->address);
        return failure_copy_text(name);
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
    else if (type->address == runtime->types[RUNTIME_TYPE_generator] &&
             runtime->release->generator_finalizers)
        type->finalizer = FINALIZER_GENERATOR;
    type->size = find_size_rule(type);
    if (type->ownership)
        type->size = type->ownership->size;
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
                type->tp_dictoffset > -OBJECT_SIZE_MAX && type->tp_dictoffset < OBJECT_SIZE_MAX &&
                type->tp_dictoffset % format.word_size == 0;
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
    if (!type.name || !traverse_compile(types, &type) || !ownership_compile(types, &type)) {
        free(type.name);
        traverse_program_deinit(&type.program);
        traverse_program_deinit(&type.owned);
        return MEMORY_NOT_SAVED;
    }
    decide_rules(types->runtime, &type, tp_del);
    type.fixed_size = object_fixed_size(types, &type);
    uint32_t slot = vaddr_hash(address) & (types->slot_count - 1);
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
        uint32_t slot = vaddr_hash(type) & (types->slot_count - 1);
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

// --- names

char *object_classic_name(const struct runtime *runtime, vaddr class)
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
    vaddr class = class_of(runtime, object);
    if (object_is_exact(runtime, class, RUNTIME_TYPE_classobj))
        return object_classic_name(runtime, class);
    if (object_find_type(types, object, &type) != MEMORY_OK)
        return failure_copy_text("<unreadable type>");
    return failure_copy_text(types->types[type].name);
}
