// Rows become programs: those of all types written in C that a type is derived from.
#include "ownership.h"

#include <stdio.h>

#include "object.h"

enum {
    OWNERSHIP_BASES_MAX = 256, // of one type
};

// What is asked of one type of the chain.
struct base {
    vaddr address;
    uint64_t flags;
    int64_t basicsize;
    vaddr next; // tp_base
    char name[64];
};

// False: it cannot be read, which ends the chain.
static bool read_base(const struct runtime *runtime, vaddr address, struct base *base)
{
    const struct layout *layout = &runtime->layout;
    char name[sizeof(base->name)];
    const char *rule;
    *base = (struct base){.address = address};
    if (layout_read(layout, runtime->memory, address, LAYOUT_PyTypeObject_tp_flags, &base->flags) !=
            MEMORY_OK ||
        layout_read_int(layout, runtime->memory, address, LAYOUT_PyTypeObject_tp_basicsize,
                        &base->basicsize) != MEMORY_OK ||
        layout_read(layout, runtime->memory, address, LAYOUT_PyTypeObject_tp_base, &base->next) !=
            MEMORY_OK)
        return false;
    // The name of a class made by Python code proves nothing.
    if (!(base->flags & TPFLAGS_HEAPTYPE) &&
        object_type_name(runtime, address, name, sizeof(name), &rule) && rule)
        snprintf(base->name, sizeof(base->name), "%s", rule);
    return true;
}

// A builtin type's name has no module in front; such a name elsewhere is a stranger's.
static bool is_in_place(const struct runtime *runtime, const struct base *base, bool in_module)
{
    return in_module || strchr(base->name, '.') ||
           base->address - runtime->image.start < runtime->image.end - runtime->image.start;
}

static const struct ownership_rule *find_rule(const struct runtime *runtime,
                                              const struct base *base)
{
    for (size_t i = 0; i < ownership_rule_count; i++) {
        const struct ownership_rule *rule = &ownership_rules[i];
        if (strcmp(rule->type_name, base->name) == 0 &&
            layout_has(&runtime->layout, rule->basicsize) &&
            layout_offset(&runtime->layout, rule->basicsize) == base->basicsize &&
            is_in_place(runtime, base, rule->in_module))
            return rule;
    }
    return NULL;
}

// How far an object must be readable for a step.
static void reach(const struct runtime *runtime, struct object_type *type,
                  const struct traverse_step *step)
{
    uint32_t end = step->offset + runtime->memory->format.word_size;
    if (step->op == TRAVERSE_FIELDS)
        end = (uint32_t)type->tp_basicsize;
    else if (step->op == TRAVERSE_TZINFO)
        end = layout_offset(&runtime->layout, LAYOUT_PyDateTime_DateTime_hastzinfo) + 1u;
    if (end > type->owned_view_size)
        type->owned_view_size = end;
}

static bool add_step(const struct runtime *runtime, struct object_type *type,
                     struct traverse_step step)
{
    reach(runtime, type, &step);
    return traverse_program_add(&type->owned, step);
}

static bool add_steps(const struct runtime *runtime, struct object_type *type,
                      const struct traverse_rule_step *steps)
{
    for (const struct traverse_rule_step *row = steps; row->label; row++) {
        if (!layout_has(&runtime->layout, row->member))
            continue;
        struct traverse_step step = {.op = row->op,
                                     .offset = layout_offset(&runtime->layout, row->member),
                                     .place.label = row->label};
        if (!add_step(runtime, type, step))
            return false;
    }
    return true;
}

static bool is_size_known(const struct layout *layout, const struct ownership_rule *rule)
{
    switch ((enum size_rule)rule->size) {
    case SIZE_ARRAY:
        return layout_has(layout, LAYOUT_arrayobject_allocated) &&
               layout_has(layout, LAYOUT_arraydescr_itemsize);
    case SIZE_ELEMENT:
        return layout_has(layout, LAYOUT_ElementObject_extra) &&
               layout_has(layout, LAYOUT_ElementObjectExtra_allocated);
    case SIZE_BUFFER:
        return layout_has(layout, rule->buffer.pointer) && layout_has(layout, rule->buffer.count) &&
               (rule->buffer.unit == OWNERSHIP_UNICODE || layout_has(layout, rule->buffer.unit));
    default:
        return true;
    }
}

static bool add_base(const struct runtime *runtime, struct object_type *type,
                     const struct base *base)
{
    const struct ownership_rule *rule = find_rule(runtime, base);
    if (rule && rule->size != SIZE_PLAIN && is_size_known(&runtime->layout, rule))
        type->ownership = rule;
    if (rule)
        return add_steps(runtime, type, rule->steps);
    // Types that a later release visits and this one does not track (slice before 2.7.12).
    const struct traverse_rule *visited = traverse_find_rule(base->name);
    if (!type->has_gc && visited && !visited->then && visited->steps[0].op == TRAVERSE_POINTER &&
        is_in_place(runtime, base, visited->in_module))
        return add_steps(runtime, type, visited->steps);
    return true;
}

// structseq types have no common base; PyStructSequence_InitType (Objects/structseq.c) puts the
// number of all fields, hidden ones included, into the type's dictionary.
static bool is_structseq(const struct runtime *runtime, const struct object_type *type)
{
    vaddr value;
    uint64_t dict;
    int64_t fields;
    uint64_t width = runtime->memory->format.word_size;
    return !type->heap_type && !type->has_gc && !type->tp_itemsize &&
           layout_has(&runtime->layout, LAYOUT_PyStructSequence_ob_item) &&
           layout_read(&runtime->layout, runtime->memory, type->address,
                       LAYOUT_PyTypeObject_tp_dict, &dict) == MEMORY_OK &&
           object_dict_find(runtime, dict, "n_sequence_fields", &value) == MEMORY_OK &&
           object_dict_find(runtime, dict, "n_fields", &value) == MEMORY_OK &&
           object_read_int(runtime, value, &fields) == MEMORY_OK && fields > 0 &&
           (uint64_t)fields < (uint64_t)type->tp_basicsize / width &&
           layout_offset(&runtime->layout, LAYOUT_PyStructSequence_ob_item) +
                   (uint64_t)fields * width ==
               (uint64_t)type->tp_basicsize;
}

bool ownership_compile(struct object_types *types, struct object_type *type)
{
    const struct runtime *runtime = types->runtime;
    const struct layout *layout = &runtime->layout;
    struct base base = {.next = type->address};
    type->owned = (struct traverse_program){0};
    type->ownership = NULL;
    type->owned_view_size = layout_offset(layout, LAYOUT_PyObject_ob_type) +
                            layout->values[LAYOUT_PyObject_ob_type].width;
    for (unsigned depth = 0; base.next && depth < OWNERSHIP_BASES_MAX; depth++)
        if (!read_base(runtime, base.next, &base))
            break;
        else if (!add_base(runtime, type, &base))
            return false;
    if (is_structseq(runtime, type))
        return add_step(runtime, type,
                        (struct traverse_step){
                            .op = TRAVERSE_FIELDS,
                            .offset = layout_offset(layout, LAYOUT_PyStructSequence_ob_item)});
    // PyType_GenericAlloc, Objects/typeobject.c; subtype_traverse visits the class.
    if (type->heap_type && !type->has_gc)
        return add_step(runtime, type, (struct traverse_step){.op = TRAVERSE_CLASS});
    return true;
}
