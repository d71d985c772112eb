// What the static types are called, from the surest evidence to none.
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "object.h"
#include "recognize_types.h"

enum {
    NAME_MAX_LENGTH = 128,
    PATH_MAX_LENGTH = 64,
    PASSES = 3, // over looks that need other looks
    // a hash table with room for half as many types
    SAMPLED_SLOTS = 4096,
    SAMPLED_MAX = SAMPLED_SLOTS / 2,
    // of the dictionaries of modules that are gone through: what an honest process does not come
    // near to, so that one that many share is not gone through for each of them
    MODULE_SLOTS_MAX = 1 << 24
};

// How a name was found; the lowest wins, then the first in the alphabet.
enum rank {
    RANK_TP_NAME,
    RANK_PATH,
    RANK_EXCEPTIONS,
    RANK_BUILTIN,
    RANK_KNOWN,     // the module of the file that has the type; the traversal table knows the name
    RANK_EXTENSION, // the module of the file that has the type
    RANK_LOOK,
    RANK_FOREIGN, // any other module
    RANK_NONE,
};

static const struct traverse_rule *find_rule(const char *name)
{
    for (size_t i = 0; i < traverse_rule_count; i++)
        if (strcmp(traverse_rules[i].type_name, name) == 0)
            return &traverse_rules[i];
    return NULL;
}

// Do the members of the rule lie inside of objects of that type?
static bool rule_fits(const struct recognition *recognition, const struct recognized_type *type,
                      const char *name)
{
    const struct layout *layout = &recognition->runtime.layout;
    unsigned width = recognition->runtime.memory->format.word_size;
    const struct traverse_rule *rule = find_rule(name);
    for (unsigned i = 0; rule && i < TRAVERSE_RULE_STEPS && rule->steps[i].label; i++) {
        const struct traverse_rule_step *step = &rule->steps[i];
        bool is_inline = step->op == TRAVERSE_TUPLE || step->op == TRAVERSE_FRAME;
        // The member of a StgDict is not the type's own.
        if (step->op != TRAVERSE_STGDICT_PROTO && layout_has(layout, step->member) &&
            layout_offset(layout, step->member) + (is_inline ? 0 : width) > type->tp_basicsize)
            return false;
    }
    return true;
}

static bool set_name(const struct recognition *recognition, struct recognized_type *type,
                     enum rank rank, const char *name)
{
    if (type->name && (type->rank < rank || (type->rank == rank && strcmp(type->name, name) <= 0)))
        return true;
    char *copy = strdup(name);
    if (!copy)
        return false;
    free(type->name);
    type->name = copy;
    type->rule = rule_fits(recognition, type, name) ? copy : NULL;
    type->rank = rank;
    return true;
}

// Would the looks of its objects tell more?
static bool has_weak_name(const struct recognized_type *type)
{
    return !type->name || type->rank > RANK_LOOK;
}

// --- tp_name, where the file or the core has it

static bool read_own_names(struct recognition *recognition)
{
    for (size_t i = 0; i < recognition->type_count; i++) {
        struct recognized_type *type = &recognition->types[i];
        char name[NAME_MAX_LENGTH];
        vaddr text =
            runtime_read_member(&recognition->runtime, type->address, LAYOUT_PyTypeObject_tp_name);
        if (memory_read_string(recognition->runtime.memory, text, name, sizeof(name)) ==
                MEMORY_OK &&
            *name && !set_name(recognition, type, RANK_TP_NAME, name))
            return false;
    }
    return true;
}

// --- paths

// An element of object.tp_subclasses, a list of weak references.
static vaddr find_weakref(const struct recognition *recognition)
{
    vaddr object = recognition->runtime.types[RUNTIME_TYPE_object], reference = 0;
    vaddr list =
        runtime_read_member(&recognition->runtime, object, LAYOUT_PyTypeObject_tp_subclasses);
    vaddr items = runtime_read_member(&recognition->runtime, list, LAYOUT_PyListObject_ob_item);
    memory_read_word(recognition->runtime.memory, items, &reference);
    return reference;
}

static vaddr find_frame(const struct recognition *recognition)
{
    vaddr thread = runtime_read_member(&recognition->runtime, recognition->runtime.interp,
                                       LAYOUT_PyInterpreterState_tstate_head);
    return runtime_read_member(&recognition->runtime, thread, LAYOUT_PyThreadState_frame);
}

// One attribute of a module or a static type; 0: there is none.
static vaddr follow(const struct recognition *recognition, vaddr object, const char *key)
{
    const struct runtime *runtime = &recognition->runtime;
    vaddr dict, value;
    if (object_is_exact(runtime, object, RUNTIME_TYPE_module))
        dict = runtime_read_member(&recognition->runtime, object, LAYOUT_PyModuleObject_md_dict);
    else if (recognition_find_type(recognition, object))
        dict = runtime_read_member(&recognition->runtime, object, LAYOUT_PyTypeObject_tp_dict);
    else
        return 0;
    return object_is_exact(runtime, dict, RUNTIME_TYPE_dict) &&
                   object_dict_find(runtime, dict, key, &value) == MEMORY_OK
               ? value
               : 0;
}

static vaddr resolve_path(const struct recognition *recognition, const char *path)
{
    const struct runtime *runtime = &recognition->runtime;
    char copy[PATH_MAX_LENGTH], *rest = copy;
    snprintf(copy, sizeof(copy), "%s", path);
    char *end = copy + strcspn(copy, "!^"), sign = *end;
    *end = '\0';
    const char *first = strsep(&rest, ".");
    vaddr object = 0;
    if (strcmp(first, "@weakref") == 0)
        object = find_weakref(recognition);
    else if (strcmp(first, "@frame") == 0)
        object = find_frame(recognition);
    else if (object_dict_find(runtime, runtime->modules, first, &object) != MEMORY_OK)
        return 0;
    while (object && rest)
        object = follow(recognition, object, strsep(&rest, "."));
    if (sign == '^')
        return runtime_read_member(&recognition->runtime, object, LAYOUT_PyTypeObject_tp_base);
    return sign ? runtime_read_member(&recognition->runtime, object, LAYOUT_PyObject_ob_type)
                : object;
}

static bool name_by_paths(struct recognition *recognition)
{
    for (size_t i = 0; i < recognize_path_count; i++) {
        const struct recognize_path *row = &recognize_paths[i];
        vaddr address = resolve_path(recognition, row->path);
        struct recognized_type *type = recognize_find_address(recognition, address);
        if (type && !recognize_find_rule(recognition, row->name) &&
            !set_name(recognition, type, RANK_PATH, row->name))
            return false;
    }
    return true;
}

// --- objects

// Is the object on a list of the collector?
static bool is_tracked(const struct recognition *recognition, vaddr object)
{
    vaddr head = object - layout_offset(&recognition->runtime.layout, LAYOUT_PyGC_Head_sizeof);
    vaddr next = runtime_read_member(&recognition->runtime, head, LAYOUT_PyGC_Head_gc_next);
    return next &&
           runtime_read_member(&recognition->runtime, next, LAYOUT_PyGC_Head_gc_prev) == head;
}

// Goes through the tracked objects of a type; starts as zeroes.
struct object_cursor {
    size_t range;
    vaddr at; // of the range: what has been taken
    vaddr start;
    const uint8_t *bytes;
    uint64_t size, offset;
};

static bool next_piece(const struct recognition *recognition, struct object_cursor *cursor)
{
    for (; cursor->range < recognition->range_count; cursor->range++, cursor->at = 0) {
        const struct recognize_range *range = &recognition->ranges[cursor->range];
        if (cursor->at < range->start)
            cursor->at = range->start;
        cursor->offset = 0;
        if (recognize_next_bytes(recognition->runtime.memory, range, &cursor->at, &cursor->start,
                                 &cursor->bytes, &cursor->size))
            return true;
    }
    return false;
}

static bool next_object(const struct recognition *recognition, struct object_cursor *cursor,
                        vaddr type, vaddr *object)
{
    struct memory_format format = recognition->runtime.memory->format;
    unsigned ob_type = layout_offset(&recognition->runtime.layout, LAYOUT_PyObject_ob_type);
    do {
        for (;;) {
            uint64_t offset = recognize_next_word(format, cursor->bytes, cursor->size,
                                                  cursor->offset, type, type);
            if (offset >= cursor->size)
                break;
            cursor->offset = offset + format.word_size;
            *object = cursor->start + offset - ob_type;
            if (is_tracked(recognition, *object))
                return true;
        }
    } while (next_piece(recognition, cursor));
    return false;
}

// --- dictionaries of modules

// Base name of the file that has a module's own types: of the .so, or the interpreter's. NULL: it
// is Python code, which shows the types of others under its own name.
static const char *find_module_file(const struct recognition *recognition, vaddr dict,
                                    const char *module, char *buffer, size_t capacity)
{
    vaddr value;
    uint64_t length;
    if (object_dict_find(&recognition->runtime, dict, "__file__", &value) != MEMORY_OK)
        return strcmp(module, "__main__") == 0 ? NULL : recognition->file;
    if (object_read_str(&recognition->runtime, value, buffer, capacity, &length) != MEMORY_OK ||
        length >= capacity)
        return NULL;
    const char *slash = strrchr(buffer, '/');
    return slash ? slash + 1 : buffer;
}

static enum rank rank_name(const char *module, const char *file, const struct recognized_type *type,
                           const char *name)
{
    if (strcmp(module, "exceptions") == 0)
        return RANK_EXCEPTIONS;
    if (strcmp(module, "__builtin__") == 0)
        return RANK_BUILTIN;
    // Where nothing tells files apart, a name that the table knows is believed.
    if (type->file ? !file || strcmp(file, type->file) != 0 : !find_rule(name))
        return RANK_FOREIGN;
    return find_rule(name) ? RANK_KNOWN : RANK_EXTENSION;
}

static bool name_by_module(struct recognition *recognition, vaddr dict, const char *module)
{
    const struct runtime *runtime = &recognition->runtime;
    char path[PATH_MAX];
    const char *file = find_module_file(recognition, dict, module, path, sizeof(path));
    struct dict_items items;
    vaddr key, value;
    enum memory_status status = dict_items_init(&items, runtime, dict);
    while (status == MEMORY_OK && dict_items_next(&items, &key, &value, &status)) {
        char text[NAME_MAX_LENGTH], name[2 * NAME_MAX_LENGTH];
        uint64_t length;
        struct recognized_type *type = recognize_find_address(recognition, value);
        if (!type || object_read_str(runtime, key, text, sizeof(text), &length) != MEMORY_OK)
            continue;
        snprintf(name, sizeof(name), "%s.%s", module, text);
        enum rank rank = rank_name(module, file, type, name);
        if (!set_name(recognition, type, rank, rank == RANK_BUILTIN ? text : name))
            return false;
    }
    return true;
}

// All modules there are: another interpreter of the process has its own sys.modules.
static bool name_by_modules(struct recognition *recognition)
{
    const struct runtime *runtime = &recognition->runtime;
    struct object_cursor cursor = {0};
    uint64_t slots_left = MODULE_SLOTS_MAX;
    vaddr module, value;
    while (next_object(recognition, &cursor, runtime->types[RUNTIME_TYPE_module], &module)) {
        char name[NAME_MAX_LENGTH];
        uint64_t length;
        struct dict_items items;
        vaddr dict =
            runtime_read_member(&recognition->runtime, module, LAYOUT_PyModuleObject_md_dict);
        if (!object_is_exact(runtime, dict, RUNTIME_TYPE_dict) ||
            dict_items_init(&items, runtime, dict) != MEMORY_OK || items.mask >= slots_left)
            continue;
        slots_left -= items.mask + 1;
        if (object_dict_find(runtime, dict, "__name__", &value) == MEMORY_OK &&
            object_read_str(runtime, value, name, sizeof(name), &length) == MEMORY_OK &&
            !name_by_module(recognition, dict, name))
            return false;
    }
    return true;
}

// --- what objects look like, for the types that nothing else names

// Types with tracked objects, by address.
struct sampled {
    struct recognized_type *slots[SAMPLED_SLOTS];
    vaddr lowest, highest;
    size_t count;
};

static void list_sampled(struct recognition *recognition, struct sampled *sampled)
{
    *sampled = (struct sampled){.lowest = UINT64_MAX};
    for (size_t i = 0; i < recognition->type_count && sampled->count < SAMPLED_MAX; i++) {
        struct recognized_type *type = &recognition->types[i];
        if (!type->has_gc)
            continue;
        uint32_t slot = vaddr_hash(type->address) % SAMPLED_SLOTS;
        while (sampled->slots[slot])
            slot = (slot + 1) % SAMPLED_SLOTS;
        sampled->slots[slot] = type;
        sampled->count++;
        if (type->address < sampled->lowest)
            sampled->lowest = type->address;
        sampled->highest = type->address;
    }
}

static struct recognized_type *find_sampled(const struct sampled *sampled, vaddr address)
{
    uint32_t slot = vaddr_hash(address) % SAMPLED_SLOTS;
    while (sampled->slots[slot] && sampled->slots[slot]->address != address)
        slot = (slot + 1) % SAMPLED_SLOTS;
    return sampled->slots[slot];
}

static void sample_range(struct recognition *recognition, const struct recognize_range *range,
                         const struct sampled *sampled)
{
    struct memory *memory = recognition->runtime.memory;
    unsigned width = memory->format.word_size;
    unsigned offset = layout_offset(&recognition->runtime.layout, LAYOUT_PyObject_ob_type);
    vaddr cursor = range->start, start;
    const uint8_t *bytes;
    uint64_t size;
    while (recognize_next_bytes(memory, range, &cursor, &start, &bytes, &size)) {
        for (uint64_t i = 0;; i += width) {
            i = recognize_next_word(memory->format, bytes, size, i, sampled->lowest,
                                    sampled->highest);
            if (i >= size)
                break;
            struct recognized_type *type =
                find_sampled(sampled, format_word(memory->format, bytes + i));
            bool counted = type && has_weak_name(type);
            if (!type || (!counted && type->sample_count == RECOGNIZED_SAMPLES) ||
                !is_tracked(recognition, start + i - offset))
                continue;
            if (type->sample_count < RECOGNIZED_SAMPLES)
                type->samples[type->sample_count++] = start + i - offset;
            type->object_count += counted;
        }
    }
}

static bool take_samples(struct recognition *recognition)
{
    struct sampled *sampled = malloc(sizeof(*sampled));
    if (!sampled)
        return false;
    list_sampled(recognition, sampled);
    for (size_t i = 0; i < recognition->range_count && sampled->count; i++)
        sample_range(recognition, &recognition->ranges[i], sampled);
    free(sampled);
    return true;
}

// Is it one of the names that "|" separates?
static bool is_among(const char *name, const char *names)
{
    size_t length = strlen(name);
    for (; names; names = strchr(names, '|')) {
        names += *names == '|';
        if (strncmp(names, name, length) == 0 && (names[length] == '|' || !names[length]))
            return true;
    }
    return false;
}

static bool is_object_of(const struct recognition *recognition, vaddr object, const char *names)
{
    vaddr address = runtime_read_member(&recognition->runtime, object, LAYOUT_PyObject_ob_type);
    const struct recognized_type *type = recognition_find_type(recognition, address);
    if (*names != '*')
        return type && type->rule && is_among(type->rule, names);
    // Of a static type, or of a class: whose type is a static one, in turn.
    return type ||
           recognition_find_type(recognition, runtime_read_member(&recognition->runtime, address,
                                                                  LAYOUT_PyObject_ob_type));
}

static bool field_looks(const struct recognition *recognition, const struct recognized_type *type,
                        enum layout_member member, const char *names)
{
    bool optional = *names == '?', seen = false;
    for (unsigned i = 0; i < type->sample_count; i++) {
        vaddr value = runtime_read_member(&recognition->runtime, type->samples[i], member);
        if (!value && optional)
            continue;
        if (!value || !is_object_of(recognition, value, names + optional))
            return false;
        seen = true;
    }
    return seen;
}

static bool size_looks(const struct recognition *recognition, const struct recognize_look *look,
                       const struct recognized_type *type)
{
    const struct layout *layout = &recognition->runtime.layout;
    struct layout_value value = layout->values[look->size];
    uint64_t end = (uint64_t)value.offset + value.width;
    if (!layout_has(layout, look->size))
        return false;
    if (look->more == RECOGNIZE_SIZEOF)
        return type->tp_basicsize == value.offset;
    return type->tp_basicsize >= end &&
           type->tp_basicsize - end <=
               (uint64_t)look->more * recognition->runtime.memory->format.word_size;
}

static bool type_looks(const struct recognition *recognition, const struct recognize_look *look,
                       const struct recognized_type *type)
{
    if (!size_looks(recognition, look, type) ||
        (!look->in_module && type->file != recognition->file))
        return false;
    for (unsigned i = 0; i < RECOGNIZE_FIELDS && look->fields[i].type; i++)
        if (!field_looks(recognition, type, look->fields[i].member, look->fields[i].type))
            return false;
    return true;
}

static bool name_by_look(struct recognition *recognition, struct recognized_type *type)
{
    for (size_t i = 0; i < recognize_look_count; i++) {
        const struct recognize_look *look = &recognize_looks[i];
        if (!type_looks(recognition, look, type) ||
            (!look->shown && recognize_find_rule(recognition, look->name)))
            continue;
        if (!set_name(recognition, type, RANK_LOOK, look->shown ? look->shown : look->name))
            return false;
        type->rule = rule_fits(recognition, type, look->name) ? look->name : NULL;
        return true;
    }
    return true;
}

// What the member of an object refers to, or the first item of the tuple there.
static vaddr read_target(const struct recognition *recognition, const struct recognize_member *row,
                         vaddr object)
{
    vaddr target = runtime_read_member(&recognition->runtime, object, row->member);
    if (!row->item)
        return target;
    return object_is_exact(&recognition->runtime, target, RUNTIME_TYPE_tuple)
               ? runtime_read_member(&recognition->runtime, target, LAYOUT_PyTupleObject_ob_item)
               : 0;
}

static bool name_by_member(struct recognition *recognition, const struct recognize_member *row)
{
    const struct recognized_type *owner = recognize_find_rule(recognition, row->owner);
    struct recognized_type *type = NULL;
    struct object_cursor cursor = {0};
    vaddr object;
    if (!owner || recognize_find_rule(recognition, row->name))
        return true;
    while (!type && next_object(recognition, &cursor, owner->address, &object))
        type = recognize_find_address(recognition,
                                      runtime_read_member(&recognition->runtime,
                                                          read_target(recognition, row, object),
                                                          LAYOUT_PyObject_ob_type));
    return !type || set_name(recognition, type, RANK_LOOK, row->name);
}

// Of the types that look the same, the one with most objects.
static bool name_common(struct recognition *recognition, const struct recognize_look *look)
{
    struct recognized_type *most = NULL;
    for (size_t i = 0; look->common && i < recognition->type_count; i++) {
        struct recognized_type *type = &recognition->types[i];
        if (type->rank == RANK_LOOK && type->rule && strcmp(type->rule, look->name) == 0 &&
            (!most || type->object_count > most->object_count))
            most = type;
    }
    char *name = most ? strdup(look->name) : NULL;
    if (!name)
        return !most;
    free(most->name);
    most->name = name;
    return true;
}

static bool name_by_looks(struct recognition *recognition)
{
    for (unsigned pass = 0; pass < PASSES; pass++) {
        for (size_t i = 0; i < recognition->type_count; i++) {
            struct recognized_type *type = &recognition->types[i];
            if (has_weak_name(type) && type->sample_count && !name_by_look(recognition, type))
                return false;
        }
        for (size_t i = 0; i < recognize_member_count; i++)
            if (!name_by_member(recognition, &recognize_members[i]))
                return false;
    }
    for (size_t i = 0; i < recognize_look_count; i++)
        if (!name_common(recognition, &recognize_looks[i]))
            return false;
    return true;
}

// --- no name

// Types of one size in one file are counted in the order of their addresses, which is that of the
// file: it is the same in every core of that build.
static bool name_rest(struct recognition *recognition)
{
    for (size_t i = 0; i < recognition->type_count; i++) {
        struct recognized_type *type = &recognition->types[i];
        unsigned number = 1;
        if (type->name)
            continue;
        for (size_t j = 0; j < i; j++)
            number += recognition->types[j].file == type->file &&
                      recognition->types[j].tp_basicsize == type->tp_basicsize;
        if (asprintf(&type->name, "<type %u of %llu bytes in %s>", number,
                     (unsigned long long)type->tp_basicsize,
                     type->file ? type->file : "the interpreter") < 0) {
            type->name = NULL;
            return false;
        }
        type->rank = RANK_NONE;
    }
    return true;
}

bool recognize_name_types(struct recognition *recognition)
{
    return read_own_names(recognition) && name_by_paths(recognition) &&
           name_by_modules(recognition) && take_samples(recognition) &&
           name_by_looks(recognition) && name_rest(recognition);
}
