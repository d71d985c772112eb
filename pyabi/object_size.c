// How much memory an object takes: its block, and what only it refers to.
//
// A size from a core is believed when the process had that much there.
#include "object.h"

#include "ownership.h"

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

// A measurement: whose, whether a part of it could not be had, and where that part is which is
// allocated aside.
struct measure {
    const struct runtime *runtime;
    vaddr object;
    const uint8_t *bytes; // the object's tp_basicsize, or NULL: not all of them can be read
    uint64_t size;        // of them
    bool partial;
    vaddr aside;
};

static int64_t read_number_at(struct measure *measure, vaddr at, enum layout_member member)
{
    int64_t value = 0;
    const struct runtime *runtime = measure->runtime;
    if (layout_read_int(&runtime->layout, runtime->memory, at, member, &value) != MEMORY_OK)
        measure->partial = true;
    return value;
}

// Does a member of the object lie in measure->bytes?
static bool is_viewed(const struct measure *measure, enum layout_member member)
{
    struct layout_value value = measure->runtime->layout.values[member];
    return measure->bytes && (uint64_t)value.offset + value.width <= measure->size;
}

static int64_t read_number(struct measure *measure, enum layout_member member)
{
    const struct runtime *runtime = measure->runtime;
    if (is_viewed(measure, member))
        return layout_int(&runtime->layout, runtime->memory->format, measure->bytes, member);
    return read_number_at(measure, measure->object, member);
}

static vaddr read_pointer(struct measure *measure, enum layout_member member)
{
    uint64_t value = 0;
    const struct runtime *runtime = measure->runtime;
    if (is_viewed(measure, member))
        return layout_uint(&runtime->layout, runtime->memory->format, measure->bytes, member);
    if (layout_read(&runtime->layout, runtime->memory, measure->object, member, &value) !=
        MEMORY_OK)
        measure->partial = true;
    return value;
}

// `count` items of `size` bytes at `at`; 0 and partial when the process had no such thing.
static uint64_t array_size(struct measure *measure, vaddr at, int64_t count, uint64_t size)
{
    uint64_t bytes;
    if (count < 0 || __builtin_mul_overflow((uint64_t)count, size, &bytes) ||
        (bytes && !memory_is_mapped(measure->runtime->memory, at, bytes))) {
        measure->partial = true;
        return 0;
    }
    if (!measure->aside)
        measure->aside = at;
    return bytes;
}

// PyMem_Malloc is malloc (Include/pymem.h); nothing is owned where nothing was asked for.
static uint64_t malloc_size(const struct measure *measure, uint64_t bytes)
{
    return bytes ? runtime_malloc_size(measure->runtime, bytes) : 0;
}

// A hash table, unless it is the small one inside the object.
static uint64_t table_size(struct measure *measure, enum layout_member table,
                           enum layout_member small, enum layout_member mask,
                           enum layout_member entry)
{
    const struct layout *layout = &measure->runtime->layout;
    vaddr at = read_pointer(measure, table);
    int64_t last = read_number(measure, mask);
    if (at == measure->object + layout_offset(layout, small))
        return 0;
    if (last < 0 || last == INT64_MAX || !at) {
        measure->partial = true;
        return 0;
    }
    return malloc_size(measure, array_size(measure, at, last + 1, layout_offset(layout, entry)));
}

static uint64_t deque_size(struct measure *measure)
{
    const struct runtime *runtime = measure->runtime;
    uint64_t size = layout_offset(&runtime->layout, LAYOUT_BLOCK_sizeof), count = 1;
    vaddr block = read_pointer(measure, LAYOUT_dequeobject_leftblock);
    vaddr last = read_pointer(measure, LAYOUT_dequeobject_rightblock);
    uint64_t most = runtime->memory->saved / size + 1;
    measure->aside = block;
    while (block != last && count <= most && !measure->partial) {
        uint64_t next = 0;
        if (layout_read(&runtime->layout, runtime->memory, block, LAYOUT_BLOCK_rightlink, &next) !=
            MEMORY_OK)
            measure->partial = true;
        block = next;
        count++;
    }
    if (count > most) { // the blocks bite their tail
        measure->partial = true;
        return 0;
    }
    return count * runtime_malloc_size(runtime, size);
}

static uint64_t buffer_size(struct measure *measure, const struct ownership_rule *rule)
{
    uint64_t unit = 1;
    if (rule->buffer.unit == OWNERSHIP_UNICODE)
        unit = (uint64_t)measure->runtime->unicode_width;
    else if (rule->buffer.unit)
        unit = layout_offset(&measure->runtime->layout, rule->buffer.unit);
    vaddr at = read_pointer(measure, rule->buffer.pointer);
    int64_t count = read_number(measure, rule->buffer.count);
    if (count >= 0 && count < INT64_MAX - rule->buffer.more)
        count += rule->buffer.more;
    return at ? malloc_size(measure, array_size(measure, at, count, unit)) : 0;
}

static uint64_t array_object_size(struct measure *measure)
{
    vaddr description = read_pointer(measure, LAYOUT_arrayobject_ob_descr);
    int64_t unit = read_number_at(measure, description, LAYOUT_arraydescr_itemsize);
    int64_t count = read_number(measure, LAYOUT_arrayobject_allocated);
    vaddr at = read_pointer(measure, LAYOUT_arrayobject_ob_item);
    if (unit < 0 || unit > 16) {
        measure->partial = true;
        return 0;
    }
    return malloc_size(measure, array_size(measure, at, count, (uint64_t)unit));
}

// Attributes and children, which have room for a few inside (element_resize, _elementtree.c).
static uint64_t element_size(struct measure *measure)
{
    const struct runtime *runtime = measure->runtime;
    const struct layout *layout = &runtime->layout;
    vaddr extra = read_pointer(measure, LAYOUT_ElementObject_extra);
    if (!extra)
        return 0;
    uint64_t size =
        runtime_malloc_size(runtime, layout_offset(layout, LAYOUT_ElementObjectExtra_sizeof));
    measure->aside = extra;
    int64_t children = read_number_at(measure, extra, LAYOUT_ElementObjectExtra_children);
    int64_t allocated = read_number_at(measure, extra, LAYOUT_ElementObjectExtra_allocated);
    if ((vaddr)children == extra + layout_offset(layout, LAYOUT_ElementObjectExtra__children))
        return size;
    return size + malloc_size(measure, array_size(measure, (vaddr)children, allocated,
                                                  runtime->memory->format.word_size));
}

// roundupsize, Objects/listobject.c of 2.3, which has no `allocated`: in steps of 8 items below
// 256, of 64 below 2048 and so on.
static int64_t round_up_items(int64_t count)
{
    unsigned bits = 3;
    for (int64_t rest = count >> 8; rest > 0; rest >>= 3)
        bits += 3;
    return ((count >> bits) + 1) << bits;
}

static uint64_t list_size(struct measure *measure)
{
    const struct runtime *runtime = measure->runtime;
    vaddr items = read_pointer(measure, LAYOUT_PyListObject_ob_item);
    int64_t count;
    if (layout_has(&runtime->layout, LAYOUT_PyListObject_allocated)) {
        count = read_number(measure, LAYOUT_PyListObject_allocated);
    } else {
        count = read_number(measure, LAYOUT_PyVarObject_ob_size);
        if (items && count >= 0 && count < INT32_MAX)
            count = round_up_items(count);
    }
    return malloc_size(measure,
                       array_size(measure, items, count, runtime->memory->format.word_size));
}

// Memory that only this object refers to, outside of its block.
static uint64_t owned_size(struct measure *measure, const struct object_type *type)
{
    const struct runtime *runtime = measure->runtime;
    enum memory_status status;
    uint64_t bytes;
    measure->size = (uint64_t)type->tp_basicsize;
    if (measure->size)
        measure->bytes = memory_view(runtime->memory, measure->object, measure->size, &status);
    switch (type->size) {
    case SIZE_PLAIN:
        return 0;
    case SIZE_DICT:
        return table_size(measure, LAYOUT_PyDictObject_ma_table, LAYOUT_PyDictObject_ma_smalltable,
                          LAYOUT_PyDictObject_ma_mask, LAYOUT_PyDictEntry_sizeof);
    case SIZE_SET:
        return table_size(measure, LAYOUT_PySetObject_table, LAYOUT_PySetObject_smalltable,
                          LAYOUT_PySetObject_mask, LAYOUT_setentry_sizeof);
    case SIZE_LIST:
        return list_size(measure);
    case SIZE_DEQUE:
        return deque_size(measure);
    case SIZE_UNICODE:
        // The terminating character is not in the length.
        bytes = array_size(measure, read_pointer(measure, LAYOUT_PyUnicodeObject_str),
                           read_number(measure, LAYOUT_PyUnicodeObject_length),
                           (uint64_t)runtime->unicode_width);
        bytes += (uint64_t)runtime->unicode_width;
        return runtime->release->unicode_pooled ? runtime_allocation_size(runtime, bytes)
                                                : runtime_malloc_size(runtime, bytes);
    case SIZE_BYTEARRAY:
        return malloc_size(
            measure, array_size(measure, read_pointer(measure, LAYOUT_PyByteArrayObject_ob_bytes),
                                read_number(measure, LAYOUT_PyByteArrayObject_ob_alloc), 1));
    case SIZE_ARRAY:
        return array_object_size(measure);
    case SIZE_ELEMENT:
        return element_size(measure);
    case SIZE_BUFFER:
        return buffer_size(measure, type->ownership);
    }
    return 0;
}

// The items of a variable-size object, which lie in its block.
static uint64_t items_size(struct measure *measure, const struct object_type *type)
{
    int64_t count = read_number(measure, LAYOUT_PyVarObject_ob_size);
    if (count < 0 && count != INT64_MIN) // the sign of a long
        count = -count;
    // PyType_GenericAlloc makes room for one item more (Objects/typeobject.c).
    uint64_t items = array_size(measure, measure->object, count, (uint64_t)type->tp_itemsize);
    return items + (type->heap_type || type->is_metatype ? (uint64_t)type->tp_itemsize : 0);
}

// The object itself, without its PyGC_Head.
static uint64_t measure_block(struct measure *measure, const struct object_type *type)
{
    uint64_t word = measure->runtime->memory->format.word_size;
    uint64_t size = (uint64_t)type->tp_basicsize;
    if (type->tp_itemsize)
        size = (size + items_size(measure, type) + word - 1) & ~(word - 1);
    return size;
}

uint64_t object_block_size(const struct object_types *types, const struct object_type *type,
                           vaddr object)
{
    struct measure measure = {.runtime = types->runtime, .object = object};
    return measure_block(&measure, type);
}

// What the allocators give for the block, with the PyGC_Head.
static uint64_t measure_allocation(const struct object_types *types, struct measure *measure,
                                   const struct object_type *type)
{
    uint64_t size = measure_block(measure, type);
    if (object_has_gc_head(types, type, measure->object))
        size += layout_offset(&types->runtime->layout, LAYOUT_PyGC_Head_sizeof);
    return runtime_allocation_size(types->runtime, size);
}

uint64_t object_fixed_size(const struct object_types *types, const struct object_type *type)
{
    struct measure measure = {.runtime = types->runtime};
    // Of types some have a PyGC_Head and some have not.
    bool fixed = !type->tp_itemsize && !type->is_metatype;
    return fixed ? measure_allocation(types, &measure, type) : 0;
}

// Is a dict's table the small one inside of it, as those of most instances are?
static bool has_small_table(const struct runtime *runtime, vaddr dict)
{
    const struct layout *layout = &runtime->layout;
    struct layout_value table = layout->values[LAYOUT_PyDictObject_ma_table];
    enum memory_status status;
    const uint8_t *bytes = memory_view(runtime->memory, dict + table.offset, table.width, &status);
    return bytes && format_word(runtime->memory->format, bytes) ==
                        dict + layout_offset(layout, LAYOUT_PyDictObject_ma_smalltable);
}

uint64_t object_size_of_parts(const struct object_types *types, const struct object_type *type,
                              vaddr object, bool *partial)
{
    if (type->size == SIZE_DICT && type->fixed_size && has_small_table(types->runtime, object))
        return type->fixed_size;
    struct measure measure = {.runtime = types->runtime, .object = object};
    uint64_t size = type->fixed_size ? type->fixed_size : measure_allocation(types, &measure, type);
    if (type->size != SIZE_PLAIN)
        size += owned_size(&measure, type);
    *partial = *partial || measure.partial;
    return size;
}

bool object_find_aside(const struct object_types *types, const struct object_type *type,
                       vaddr object, vaddr *at, uint64_t *size)
{
    struct measure measure = {.runtime = types->runtime, .object = object};
    uint64_t bytes = type->size == SIZE_PLAIN ? 0 : owned_size(&measure, type);
    if (!bytes)
        return false;
    *at = measure.aside;
    *size = bytes;
    return true;
}
