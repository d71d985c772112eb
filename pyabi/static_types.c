#include "static_types.h"

#include "object.h"

enum {
    NAME_MAX_LENGTH = 128,
    BASICSIZE_MAX = 1 << 16,
    READY_PASSES = 16, // longest chain of bases that is followed
    // Include/object.h: the struct reaches to tp_traverse; tp_dictoffset is set.
    TPFLAGS_HAVE_RICHCOMPARE = 1 << 5,
};

struct search {
    const struct static_types_source *source;
    struct memory_format format;
};

static uint64_t read_member(const struct search *search, const uint8_t *bytes,
                            enum layout_member member)
{
    return layout_uint(search->source->layout, search->format, bytes, member);
}

static void write_member(const struct search *search, uint8_t *bytes, enum layout_member member,
                         uint64_t value)
{
    struct layout_value place = search->source->layout->values[member];
    for (unsigned i = 0; i < place.width; i++)
        bytes[place.offset + (search->format.big_endian ? place.width - 1u - i : i)] =
            (uint8_t)(value >> (8 * i));
}

// "list", "collections.deque", "dictionary-keyiterator".
static bool is_type_name(const struct search *search, vaddr text)
{
    char name[NAME_MAX_LENGTH];
    if (memory_read_string(search->source->memory, text, name, sizeof(name)) != MEMORY_OK || !*name)
        return false;
    for (const char *at = name; *at; at++) {
        bool letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || *at == '_';
        if (!letter &&
            (at == name || !((*at >= '0' && *at <= '9') || *at == '.' || *at == '-' || *at == ' ')))
            return false;
    }
    return true;
}

// PyVarObject_HEAD_INIT, a name, sizes and flags of a type that no class statement made.
static bool is_type(const struct search *search, const uint8_t *bytes)
{
    uint64_t metatype = read_member(search, bytes, LAYOUT_PyObject_ob_type);
    uint64_t flags = read_member(search, bytes, LAYOUT_PyTypeObject_tp_flags);
    return read_member(search, bytes, LAYOUT_PyObject_ob_refcnt) == 1 &&
           (metatype == 0 || metatype == search->source->type) &&
           read_member(search, bytes, LAYOUT_PyVarObject_ob_size) == 0 &&
           read_member(search, bytes, LAYOUT_PyTypeObject_tp_basicsize) < BASICSIZE_MAX &&
           read_member(search, bytes, LAYOUT_PyTypeObject_tp_itemsize) < BASICSIZE_MAX &&
           flags < UINT32_MAX && !(flags & TPFLAGS_HEAPTYPE) &&
           is_type_name(search, read_member(search, bytes, LAYOUT_PyTypeObject_tp_name));
}

static bool inherit(const struct search *search, uint8_t *bytes, const uint8_t *base,
                    enum layout_member member)
{
    uint64_t inherited = read_member(search, base, member);
    if (read_member(search, bytes, member) || !inherited)
        return false;
    write_member(search, bytes, member, inherited);
    return true;
}

// inherit_special and PyType_Ready (Objects/typeobject.c). True: something changed.
static bool make_ready(const struct search *search, vaddr address, uint8_t *bytes)
{
    const struct static_types_source *source = search->source;
    enum memory_status status;
    bool changed = false;
    if (!read_member(search, bytes, LAYOUT_PyObject_ob_type)) {
        write_member(search, bytes, LAYOUT_PyObject_ob_type, source->type);
        changed = true;
    }
    if (!read_member(search, bytes, LAYOUT_PyTypeObject_tp_base) && address != source->object) {
        write_member(search, bytes, LAYOUT_PyTypeObject_tp_base, source->object);
        changed = true;
    }
    vaddr at = read_member(search, bytes, LAYOUT_PyTypeObject_tp_base);
    const uint8_t *base =
        at ? memory_view(source->memory, at,
                         layout_offset(source->layout, LAYOUT_PyTypeObject_sizeof), &status)
           : NULL;
    if (!base || at == address)
        return changed;
    uint64_t flags = read_member(search, bytes, LAYOUT_PyTypeObject_tp_flags);
    bool collected = read_member(search, base, LAYOUT_PyTypeObject_tp_flags) & TPFLAGS_HAVE_GC;
    if (collected && !(flags & TPFLAGS_HAVE_GC) && (flags & TPFLAGS_HAVE_RICHCOMPARE) &&
        inherit(search, bytes, base, LAYOUT_PyTypeObject_tp_traverse)) {
        write_member(search, bytes, LAYOUT_PyTypeObject_tp_flags, flags | TPFLAGS_HAVE_GC);
        changed = true;
    }
    changed |= inherit(search, bytes, base, LAYOUT_PyTypeObject_tp_basicsize);
    changed |= inherit(search, bytes, base, LAYOUT_PyTypeObject_tp_itemsize);
    changed |= inherit(search, bytes, base, LAYOUT_PyTypeObject_tp_dictoffset);
    return changed;
}

// Calls `visit` with each type, until it says that it has seen enough.
static bool each_type(const struct search *search,
                      bool (*visit)(const struct search *search, vaddr address, uint8_t *bytes,
                                    void *context),
                      void *context)
{
    const struct static_types_source *source = search->source;
    uint64_t size = layout_offset(source->layout, LAYOUT_PyTypeObject_sizeof);
    unsigned word = search->format.word_size;
    bool any = false;
    for (size_t i = 0; i < source->data_count; i++) {
        const struct static_types_data *data = &source->data[i];
        uint64_t at = (word - data->start % word) % word;
        while (at < data->size && size <= data->size - at) {
            bool found = is_type(search, data->bytes + at);
            if (found)
                any |= visit(search, data->start + at, data->bytes + at, context);
            at += found ? size : word;
        }
    }
    return any;
}

static bool ready_one(const struct search *search, vaddr address, uint8_t *bytes, void *context)
{
    (void)context;
    return make_ready(search, address, bytes);
}

struct found {
    void (*call)(void *context, vaddr type, uint64_t size, const uint8_t *bytes);
    void *context;
};

static bool tell_one(const struct search *search, vaddr address, uint8_t *bytes, void *context)
{
    const struct found *found = context;
    found->call(found->context, address,
                layout_offset(search->source->layout, LAYOUT_PyTypeObject_sizeof), bytes);
    return false;
}

void static_types_find(const struct static_types_source *source,
                       void (*found)(void *context, vaddr type, uint64_t size,
                                     const uint8_t *bytes),
                       void *context)
{
    struct search search = {source, source->memory->format};
    struct found taker = {found, context};
    // A base may stand behind what is derived from it.
    for (unsigned pass = 0; pass < READY_PASSES; pass++)
        if (!each_type(&search, ready_one, NULL))
            break;
    each_type(&search, tell_one, &taker);
}
