// Rules become programs.
//
// Which row of the table a type has is decided by its tp_traverse pointer: known from the types
// with an exported symbol, or from the name of the type that brought the function. The row is then
// turned into steps with plain offsets, once per type.
#include "traverse.h"

#include <stdlib.h>

#include "object.h"

enum {
    TRAVERSE_STEPS_MAX = 4096, // of one type; more slots than that are not believed
    TRAVERSE_BASES_MAX = 256,  // of one type
    MEMBER_T_OBJECT_EX = 16,   // Include/structmember.h
};

// --- rules and the functions that they stand for

const struct traverse_rule *traverse_find_rule(const char *type_name)
{
    for (size_t i = 0; i < traverse_rule_count; i++)
        if (strcmp(traverse_rules[i].type_name, type_name) == 0)
            return &traverse_rules[i];
    return NULL;
}

static const struct traverse_rule *map_find(const struct traverse_map *map, vaddr function)
{
    for (size_t i = 0; i < map->count; i++)
        if (map->entries[i].function == function)
            return map->entries[i].rule;
    return NULL;
}

static bool map_add(struct traverse_map *map, vaddr function, const struct traverse_rule *rule)
{
    if (map->count == map->capacity) {
        size_t capacity = map->capacity ? map->capacity * 2 : 64;
        void *entries = realloc(map->entries, capacity * sizeof(*map->entries));
        if (!entries)
            return failure_note_no_memory();
        map->entries = entries;
        map->capacity = capacity;
    }
    map->entries[map->count].function = function;
    map->entries[map->count++].rule = rule;
    return true;
}

bool traverse_map_init(struct traverse_map *map, const struct runtime *runtime,
                       const struct runtime_source *source)
{
    *map = (struct traverse_map){0};
    for (size_t i = 0; i < traverse_rule_count; i++) {
        const struct traverse_rule *rule = &traverse_rules[i];
        vaddr type, function;
        if (!rule->symbol ||
            !source->find_symbol(source->context, SYMBOL_EXPORTED, rule->symbol, &type) ||
            layout_read(&runtime->layout, runtime->memory, type, LAYOUT_PyTypeObject_tp_traverse,
                        &function) != MEMORY_OK ||
            !function || map_find(map, function))
            continue;
        if (!map_add(map, function, rule)) {
            traverse_map_deinit(map);
            return false;
        }
    }
    return true;
}

void traverse_map_deinit(struct traverse_map *map)
{
    free(map->entries);
    *map = (struct traverse_map){0};
}

// --- compiling

static enum visit_kind kind_of_step(enum traverse_op op)
{
    switch (op) {
    case TRAVERSE_SLOT:
        return VISIT_SLOT;
    case TRAVERSE_INSTANCE_DICT:
        return VISIT_DICT;
    case TRAVERSE_CLASS:
        return VISIT_CLASS;
    default:
        return VISIT_MEMBER;
    }
}

bool traverse_program_add(struct traverse_program *program, struct traverse_step step)
{
    step.place.kind = kind_of_step(step.op);
    if (program->count >= TRAVERSE_STEPS_MAX)
        return true; // the surplus is not believed; the type becomes opaque in its caller
    // Grown by doubling: the count is a power of two whenever the steps are full.
    if ((program->count & (program->count - 1)) == 0) {
        uint32_t capacity = program->count ? program->count * 2 : 1;
        struct traverse_step *steps = realloc(program->steps, capacity * sizeof(*steps));
        if (!steps)
            return failure_note_no_memory();
        program->steps = steps;
    }
    program->steps[program->count++] = step;
    return true;
}

void traverse_program_deinit(struct traverse_program *program)
{
    free(program->steps);
    *program = (struct traverse_program){0};
}

// Behind the members that the step for a deque reads.
static uint32_t deque_end(const struct layout *layout)
{
    static const enum layout_member members[] = {
        LAYOUT_dequeobject_leftblock, LAYOUT_dequeobject_rightblock, LAYOUT_dequeobject_leftindex,
        LAYOUT_dequeobject_rightindex, LAYOUT_dequeobject_len};
    uint32_t end = 0;
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        struct layout_value value = layout->values[members[i]];
        if ((uint32_t)value.offset + value.width > end)
            end = (uint32_t)value.offset + value.width;
    }
    return end;
}

// How far the fixed part of the object must be readable for this step.
static void reach(const struct object_types *types, struct object_type *type,
                  const struct traverse_step *step, enum layout_member member)
{
    const struct layout *layout = &types->runtime->layout;
    uint32_t end = step->offset + types->runtime->memory->format.word_size;
    if (step->op == TRAVERSE_DICT)
        end = layout_offset(layout, LAYOUT_PyDictObject_sizeof);
    else if (step->op == TRAVERSE_SET)
        end = layout_offset(layout, LAYOUT_PySetObject_sizeof);
    else if (step->op == TRAVERSE_DEQUE)
        end = deque_end(layout);
    else if (step->op == TRAVERSE_TUPLE)
        end = step->offset;
    else if (step->op == TRAVERSE_STGDICT_PROTO)
        end = layout_offset(layout, LAYOUT_PyTypeObject_sizeof);
    else if (step->op == TRAVERSE_TEE)
        end = step->offset + layout->values[member].width;
    if (end > type->view_size)
        type->view_size = end;
}

bool traverse_step_is_done(const struct layout *layout, const struct traverse_rule_step *row)
{
    unsigned first = layout->column->hexversion_first;
    unsigned minor = (first >> 16) * 100 + (first >> 8 & 0xff);
    return minor >= row->first && (!row->last || minor <= row->last);
}

static bool is_whole(const struct layout *layout, const struct traverse_rule *rule)
{
    for (; rule; rule = rule->then ? traverse_find_rule(rule->then) : NULL)
        for (const struct traverse_rule_step *row = rule->steps; row->label; row++)
            if (traverse_step_is_done(layout, row) && !layout_has(layout, row->member))
                return false;
    return true;
}

static bool compile_rule(const struct object_types *types, const struct traverse_rule *rule,
                         struct object_type *type)
{
    const struct layout *layout = &types->runtime->layout;
    for (; rule; rule = rule->then ? traverse_find_rule(rule->then) : NULL) {
        for (const struct traverse_rule_step *row = rule->steps; row->label; row++) {
            if (!traverse_step_is_done(layout, row) || !layout_has(layout, row->member))
                continue;
            struct traverse_step step = {.op = row->op,
                                         .offset = layout_offset(layout, row->member),
                                         .place.label = row->label};
            if (!traverse_program_add(&type->program, step))
                return false;
            reach(types, type, &step, row->member);
        }
    }
    return true;
}

// The __slots__ that one class adds: PyMemberDefs behind its type object
// (PyHeapType_GET_MEMBERS; traverse_slots, Objects/typeobject.c).
static bool compile_slots(const struct object_types *types, vaddr class, struct object_type *type)
{
    const struct layout *layout = &types->runtime->layout;
    struct memory *memory = types->runtime->memory;
    uint64_t count, metatype, basicsize;
    if (layout_read(layout, memory, class, LAYOUT_PyVarObject_ob_size, &count) != MEMORY_OK ||
        layout_read(layout, memory, class, LAYOUT_PyObject_ob_type, &metatype) != MEMORY_OK ||
        layout_read(layout, memory, metatype, LAYOUT_PyTypeObject_tp_basicsize, &basicsize) !=
            MEMORY_OK ||
        count > TRAVERSE_STEPS_MAX) {
        type->opaque = true;
        return true;
    }
    unsigned size = layout_offset(layout, LAYOUT_PyMemberDef_sizeof);
    for (uint64_t i = 0; i < count; i++) {
        enum memory_status status;
        const uint8_t *member = memory_view(memory, class + basicsize + i * size, size, &status);
        if (!member) {
            type->opaque = true;
            return true;
        }
        uint64_t offset = layout_uint(layout, memory->format, member, LAYOUT_PyMemberDef_offset);
        if (layout_int(layout, memory->format, member, LAYOUT_PyMemberDef_type) !=
            MEMBER_T_OBJECT_EX)
            continue;
        if (offset > (uint64_t)type->tp_basicsize ||
            (uint64_t)type->tp_basicsize - offset < memory->format.word_size) {
            type->opaque = true;
            continue;
        }
        struct traverse_step step = {
            .op = TRAVERSE_SLOT,
            .offset = (uint32_t)offset,
            .place.key = layout_uint(layout, memory->format, member, LAYOUT_PyMemberDef_name)};
        if (!traverse_program_add(&type->program, step))
            return false;
        reach(types, type, &step, 0);
    }
    return true;
}

// The row of a function: known already, or the type that brought it (the last of the bases that
// have the same function) has the name of a row.
static const struct traverse_rule *identify(struct object_types *types, vaddr type, vaddr function)
{
    const struct traverse_rule *rule = map_find(&types->map, function);
    const struct runtime *runtime = types->runtime;
    for (unsigned depth = 0; !rule && type && depth < TRAVERSE_BASES_MAX; depth++) {
        uint64_t inherited, base, flags;
        const char *name = NULL;
        char text[64];
        if (layout_read(&runtime->layout, runtime->memory, type, LAYOUT_PyTypeObject_tp_traverse,
                        &inherited) != MEMORY_OK ||
            inherited != function ||
            layout_read(&runtime->layout, runtime->memory, type, LAYOUT_PyTypeObject_tp_flags,
                        &flags) != MEMORY_OK)
            break;
        // The name of a class made by Python code proves nothing.
        if (!(flags & TPFLAGS_HEAPTYPE) &&
            object_type_name(runtime, type, text, sizeof(text), &name) && name)
            rule = traverse_find_rule(name);
        if (rule && !rule->in_module && !strchr(name, '.') &&
            type - runtime->image.start >= runtime->image.end - runtime->image.start)
            rule = NULL; // a stranger with the name of a builtin type
        if (layout_read(&runtime->layout, runtime->memory, type, LAYOUT_PyTypeObject_tp_base,
                        &base) != MEMORY_OK)
            break;
        type = base;
    }
    if (rule && !map_find(&types->map, function) && !map_add(&types->map, function, rule))
        return NULL;
    return rule;
}

// A function by its row, or, where it has none that is known in full, by itself.
static bool compile_function(struct object_types *types, vaddr owner, vaddr function,
                             struct object_type *type)
{
    const struct traverse_rule *rule = identify(types, owner, function);
    if (rule && is_whole(&types->runtime->layout, rule))
        return compile_rule(types, rule, type);
    type->coded = !type->opaque;
    type->opaque = true;
    struct traverse_step code = {.op = TRAVERSE_CODE, .extra = (int64_t)function};
    return traverse_program_add(&type->program, code) && compile_rule(types, rule, type);
}

// subtype_traverse, Objects/typeobject.c: slots of each class down to the first base that has
// another function, the instance dictionary unless that base has it, the class, then the base's
// own.
static bool compile_heap_type(struct object_types *types, struct object_type *type)
{
    const struct runtime *runtime = types->runtime;
    vaddr base = type->address;
    uint64_t function = type->tp_traverse;
    int64_t dictoffset = 0;
    for (unsigned depth = 0; function == runtime->subtype_traverse; depth++) {
        uint64_t next;
        if (!compile_slots(types, base, type))
            return false;
        if (depth == TRAVERSE_BASES_MAX ||
            layout_read(&runtime->layout, runtime->memory, base, LAYOUT_PyTypeObject_tp_base,
                        &next) != MEMORY_OK ||
            layout_read(&runtime->layout, runtime->memory, next, LAYOUT_PyTypeObject_tp_traverse,
                        &function) != MEMORY_OK ||
            layout_read_int(&runtime->layout, runtime->memory, next,
                            LAYOUT_PyTypeObject_tp_dictoffset, &dictoffset) != MEMORY_OK) {
            type->opaque = true;
            return true;
        }
        base = next;
    }
    if (type->tp_dictoffset != dictoffset) {
        int64_t offset = type->tp_dictoffset;
        bool fixed = offset > 0 && offset <= type->tp_basicsize;
        struct traverse_step step = {
            .op = TRAVERSE_INSTANCE_DICT, .offset = fixed ? (uint32_t)offset : 0, .extra = offset};
        if (!traverse_program_add(&type->program, step))
            return false;
        reach(types, type, &step, 0);
    }
    if (!traverse_program_add(&type->program, (struct traverse_step){.op = TRAVERSE_CLASS}))
        return false;
    if (!function)
        return true;
    return compile_function(types, base, function, type);
}

bool traverse_compile(struct object_types *types, struct object_type *type)
{
    const struct layout *layout = &types->runtime->layout;
    type->program = (struct traverse_program){0};
    type->opaque = type->coded = false;
    type->view_size = layout_offset(layout, LAYOUT_PyVarObject_ob_size) +
                      layout->values[LAYOUT_PyVarObject_ob_size].width;
    if (!type->tp_traverse || !type->has_gc)
        return true;
    if (type->heap_type && type->tp_traverse == types->runtime->subtype_traverse)
        return compile_heap_type(types, type);
    return compile_function(types, type->address, type->tp_traverse, type);
}
