#include "recognize_types.h"

#include <stdlib.h>
#include <string.h>

#include "object.h"

enum {
    TYPE_SIZE_MAX = 1 << 20, // a static type with a larger tp_basicsize is not believed
    TYPES_MAX = 1 << 13,
    METATYPE_DEPTH = 4, // metatypes of metatypes
    BASES_MAX = 64,
};

bool recognize_next_bytes(struct memory *memory, const struct recognize_range *range, vaddr *cursor,
                          vaddr *start, const uint8_t **bytes, uint64_t *size)
{
    while (*cursor - range->start < range->end - range->start) {
        const struct memory_span *span = memory_find(memory, *cursor);
        enum memory_status status;
        if (!span)
            return false;
        uint64_t left = span->size - (*cursor - span->start);
        *start = *cursor;
        *size = left < range->end - *cursor ? left : range->end - *cursor;
        *cursor += *size;
        *bytes = memory_view(memory, *start, *size, &status);
        if (*bytes)
            return true;
    }
    return false;
}

static inline __attribute__((always_inline)) uint64_t next_word(struct memory_format format,
                                                                const uint8_t *bytes, uint64_t size,
                                                                uint64_t offset, vaddr low,
                                                                vaddr high)
{
    for (; offset + format.word_size <= size; offset += format.word_size)
        if (format_word(format, bytes + offset) - low <= high - low)
            return offset;
    return size;
}

// A constant lets the compiler fold the byte order and the word size out of the loop.
uint64_t recognize_next_word(struct memory_format format, const uint8_t *bytes, uint64_t size,
                             uint64_t offset, vaddr low, vaddr high)
{
    static const struct memory_format usual = {.word_size = 8, .big_endian = false};
    if (format.word_size == 8 && !format.big_endian)
        return next_word(usual, bytes, size, offset, low, high);
    return next_word(format, bytes, size, offset, low, high);
}

static bool is_metatype(const struct recognition *recognition, vaddr type)
{
    const struct runtime *runtime = &recognition->runtime;
    for (unsigned depth = 0; type && depth < BASES_MAX; depth++) {
        uint64_t base;
        if (type == runtime->types[RUNTIME_TYPE_type])
            return true;
        if (layout_read(&runtime->layout, runtime->memory, type, LAYOUT_PyTypeObject_tp_base,
                        &base) != MEMORY_OK)
            return false;
        type = base;
    }
    return false;
}

// A pointer to a type stands in front of other things, too: then sizes, flags and name are
// nonsense.
static bool read_type(const struct recognition *recognition, vaddr address,
                      struct recognized_type *type)
{
    const struct layout *layout = &recognition->runtime.layout;
    struct memory *memory = recognition->runtime.memory;
    enum memory_status status;
    const uint8_t *bytes =
        memory_view(memory, address, layout_offset(layout, LAYOUT_PyTypeObject_sizeof), &status);
    if (!bytes)
        return false;
    uint64_t basicsize =
        layout_uint(layout, memory->format, bytes, LAYOUT_PyTypeObject_tp_basicsize);
    uint64_t itemsize = layout_uint(layout, memory->format, bytes, LAYOUT_PyTypeObject_tp_itemsize);
    uint64_t flags = layout_uint(layout, memory->format, bytes, LAYOUT_PyTypeObject_tp_flags);
    uint64_t name = layout_uint(layout, memory->format, bytes, LAYOUT_PyTypeObject_tp_name);
    *type = (struct recognized_type){
        .address = address, .tp_basicsize = basicsize, .has_gc = flags & TPFLAGS_HAVE_GC};
    return basicsize > layout_offset(layout, LAYOUT_PyObject_ob_type) &&
           basicsize < TYPE_SIZE_MAX && itemsize < TYPE_SIZE_MAX && !(flags & TPFLAGS_HEAPTYPE) &&
           memory_is_mapped(memory, name, 1) &&
           layout_int(layout, memory->format, bytes, LAYOUT_PyObject_ob_refcnt) > 0;
}

static bool add_type(struct recognition *recognition, const struct recognized_type *type)
{
    if (recognition->type_count == recognition->type_capacity) {
        size_t capacity = recognition->type_capacity ? recognition->type_capacity * 2 : 512;
        struct recognized_type *types =
            reallocarray(recognition->types, capacity, sizeof(*recognition->types));
        if (!types)
            return false;
        recognition->types = types;
        recognition->type_capacity = capacity;
    }
    recognition->types[recognition->type_count++] = *type;
    return true;
}

// All objects of one metatype in a range.
static bool list_range(struct recognition *recognition, const struct recognize_range *range,
                       vaddr metatype)
{
    struct memory *memory = recognition->runtime.memory;
    unsigned width = memory->format.word_size;
    unsigned offset = layout_offset(&recognition->runtime.layout, LAYOUT_PyObject_ob_type);
    vaddr cursor = range->start, start;
    const uint8_t *bytes;
    uint64_t size;
    while (recognize_next_bytes(memory, range, &cursor, &start, &bytes, &size)) {
        for (uint64_t i = 0; recognition->type_count < TYPES_MAX; i += width) {
            struct recognized_type type;
            i = recognize_next_word(memory->format, bytes, size, i, metatype, metatype);
            if (i >= size)
                break;
            if (!read_type(recognition, start + i - offset, &type))
                continue;
            type.file = range->file;
            if (!add_type(recognition, &type))
                return false;
        }
    }
    return true;
}

// In the data of files; in all memory where nothing tells which data that is.
static bool list_objects(struct recognition *recognition, vaddr metatype)
{
    for (size_t i = 0; i < recognition->range_count; i++) {
        const struct recognize_range *range = &recognition->ranges[i];
        if ((range->file || !recognition->file) && !list_range(recognition, range, metatype))
            return false;
    }
    return true;
}

static int compare_types(const void *a, const void *b)
{
    const struct recognized_type *x = a, *y = b;
    return x->address < y->address ? -1 : x->address > y->address;
}

bool recognize_list_types(struct recognition *recognition)
{
    vaddr type = recognition->runtime.types[RUNTIME_TYPE_type];
    size_t done = 0;
    if (!list_objects(recognition, type))
        return false;
    for (unsigned depth = 0; depth < METATYPE_DEPTH; depth++) {
        size_t count = recognition->type_count;
        for (; done < count; done++) {
            vaddr address = recognition->types[done].address;
            if (address != type && is_metatype(recognition, address) &&
                !list_objects(recognition, address))
                return false;
        }
    }
    if (recognition->type_count)
        qsort(recognition->types, recognition->type_count, sizeof(*recognition->types),
              compare_types);
    return true;
}

static struct recognized_type *find_address(const struct recognition *recognition, vaddr address)
{
    struct recognized_type key = {.address = address};
    return recognition->type_count ? bsearch(&key, recognition->types, recognition->type_count,
                                             sizeof(key), compare_types)
                                   : NULL;
}

const struct recognized_type *recognition_find_type(const struct recognition *recognition,
                                                    vaddr address)
{
    return find_address(recognition, address);
}

struct recognized_type *recognize_find_address(struct recognition *recognition, vaddr address)
{
    return find_address(recognition, address);
}

const struct recognized_type *recognize_find_rule(const struct recognition *recognition,
                                                  const char *name)
{
    const struct recognized_type *found = NULL;
    for (size_t i = 0; i < recognition->type_count; i++) {
        const struct recognized_type *type = &recognition->types[i];
        if (type->rule && strcmp(type->rule, name) == 0 && (!found || type->rank < found->rank))
            found = type;
    }
    return found;
}
