// How much memory an object takes: its block, and what only it refers to.
#include "object.h"

enum {
    OBJECT_SIZE_MAX = 1 << 24,  // of one item
    OBJECT_BLOCKS_MAX = 1 << 26 // of one deque
};

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
