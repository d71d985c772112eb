// Programs run over objects.
//
// A program is a list of steps with plain offsets (traverse_compile.c makes it). The executor is
// one function, instantiated four times: with places (what leads to each reference) and without,
// for the byte order and word size that nearly all cores have and for any other.
#include "traverse.h"

#include "object.h"

enum {
    EXPAT_HANDLERS = 22,       // handler_info[], Modules/pyexpat.c
    FRAME_STACK_MAX = 1 << 20, // slots of one frame
    CODEC_ERROR_MAX = 3,       // ERROR_REPLACE, Modules/cjkcodecs/multibytecodec.h
};

struct run {
    const struct object_types *types;
    const struct runtime *runtime;
    const struct object_type *type;
    const struct traverse_program *program; // of the type: what it visits, or what it owns
    struct memory *memory;
    struct memory_format format;
    const struct layout *layout;
    vaddr object;
    const uint8_t *bytes; // as many of it as the fixed steps reach
    struct visitor *visitor;
};

// ob_size of the object; -1 when it cannot be.
static inline int64_t run_ob_size(const struct run *run)
{
    return layout_int(run->layout, run->format, run->bytes, LAYOUT_PyVarObject_ob_size);
}

static inline __attribute__((always_inline)) void
run_items(const struct run *run, vaddr items, int64_t count, bool backwards, bool labelled)
{
    unsigned width = run->format.word_size;
    if (count == 0)
        return;
    enum memory_status status = MEMORY_NONSENSE;
    const uint8_t *bytes = NULL;
    if (count > 0 && (uint64_t)count < UINT64_MAX / width / 2)
        bytes = memory_view(run->memory, items, (uint64_t)count * width, &status);
    if (!bytes) {
        run->visitor->unreadable++;
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t index = backwards ? count - 1 - i : i;
        struct visit_place place = {.kind = VISIT_INDEX, .index = index};
        visitor_add(run->visitor, format_word(run->format, bytes + index * width),
                    labelled ? &place : NULL);
    }
}

// The entries of a hash table: inside the object, or elsewhere. NULL counts as unreadable.
static inline const uint8_t *run_table(const struct run *run, enum layout_member table_member,
                                       enum layout_member small_member,
                                       enum layout_member mask_member, unsigned entry_size,
                                       uint64_t *mask)
{
    const struct layout *layout = run->layout;
    vaddr table = layout_uint(layout, run->format, run->bytes, table_member);
    *mask = layout_uint(layout, run->format, run->bytes, mask_member);
    enum memory_status status = MEMORY_NONSENSE;
    const uint8_t *entries = NULL;
    bool power_of_two = ((*mask + 1) & *mask) == 0 && *mask < UINT64_MAX / entry_size / 2;
    if (table == run->object + layout_offset(layout, small_member) && *mask <= 7)
        return run->bytes + layout_offset(layout, small_member);
    if (power_of_two)
        entries = memory_view(run->memory, table, (*mask + 1) * entry_size, &status);
    if (!entries)
        run->visitor->unreadable++;
    return entries;
}

static inline __attribute__((always_inline)) void run_dict(const struct run *run, bool labelled)
{
    const struct layout *layout = run->layout;
    unsigned size = layout_offset(layout, LAYOUT_PyDictEntry_sizeof);
    unsigned key_at = layout_offset(layout, LAYOUT_PyDictEntry_me_key);
    unsigned value_at = layout_offset(layout, LAYOUT_PyDictEntry_me_value);
    uint64_t mask, used = 0;
    const uint8_t *entry =
        run_table(run, LAYOUT_PyDictObject_ma_table, LAYOUT_PyDictObject_ma_smalltable,
                  LAYOUT_PyDictObject_ma_mask, size, &mask);
    if (!entry)
        return;
    for (uint64_t i = 0; i <= mask; i++, entry += size) {
        vaddr value = format_word(run->format, entry + value_at);
        if (!value)
            continue; // empty, or deleted: a dummy key without a value
        used++;
        vaddr key = format_word(run->format, entry + key_at);
        struct visit_place place = {.kind = VISIT_KEY, .label = "[key]", .key = key};
        visitor_add(run->visitor, key, labelled ? &place : NULL);
        place.kind = VISIT_VALUE;
        visitor_add(run->visitor, value, labelled ? &place : NULL);
    }
    // Such as a page of zeroes in the middle of it.
    if (used != layout_uint(layout, run->format, run->bytes, LAYOUT_PyDictObject_ma_used))
        run->visitor->unreadable++;
}

// setobject.c marks deleted entries by a str "<dummy key>" of its own.
static bool is_set_dummy(const struct runtime *runtime, vaddr key)
{
    char text[16];
    uint64_t length;
    return object_is_exact(runtime, key, RUNTIME_TYPE_str) &&
           object_read_str(runtime, key, text, sizeof(text), &length) == MEMORY_OK &&
           length == 11 && memcmp(text, "<dummy key>", 11) == 0;
}

static inline __attribute__((always_inline)) void run_set(const struct run *run, bool labelled)
{
    const struct layout *layout = run->layout;
    unsigned size = layout_offset(layout, LAYOUT_setentry_sizeof);
    unsigned key_at = layout_offset(layout, LAYOUT_setentry_key);
    uint64_t mask;
    const uint8_t *entry = run_table(run, LAYOUT_PySetObject_table, LAYOUT_PySetObject_smalltable,
                                     LAYOUT_PySetObject_mask, size, &mask);
    if (!entry)
        return;
    for (uint64_t i = 0; i <= mask; i++, entry += size) {
        vaddr key = format_word(run->format, entry + key_at);
        struct visit_place place = {.kind = VISIT_KEY, .label = "[item]"};
        if (key && !is_set_dummy(run->runtime, key))
            visitor_add(run->visitor, key, labelled ? &place : NULL);
    }
}

static inline __attribute__((always_inline)) void run_frame(const struct run *run, bool labelled)
{
    struct frame_slots slots;
    enum memory_status status = traverse_frame_slots(run->runtime, run->object, &slots);
    unsigned width = run->format.word_size;
    const uint8_t *bytes = NULL;
    uint64_t size = slots.stack_end - slots.start;
    if (status == MEMORY_OK && size)
        bytes = memory_view(run->memory, slots.start, size, &status);
    if (status != MEMORY_OK)
        run->visitor->unreadable++;
    if (!bytes)
        return;
    for (uint64_t offset = 0; offset < size; offset += width) {
        bool local = slots.start + offset < slots.locals_end;
        struct visit_place place = {.kind = local ? VISIT_LOCAL : VISIT_STACK,
                                    .index = (int64_t)(offset / width)};
        visitor_add(run->visitor, format_word(run->format, bytes + offset),
                    labelled ? &place : NULL);
    }
}

// Blocks from left to right (deque_traverse, Modules/_collectionsmodule.c): the first from
// leftindex, the last to rightindex.
static inline __attribute__((always_inline)) void run_deque(const struct run *run, bool labelled)
{
    const struct layout *layout = run->layout;
    struct memory_format format = run->format;
    vaddr block = layout_uint(layout, format, run->bytes, LAYOUT_dequeobject_leftblock);
    vaddr last = layout_uint(layout, format, run->bytes, LAYOUT_dequeobject_rightblock);
    int64_t index = layout_int(layout, format, run->bytes, LAYOUT_dequeobject_leftindex);
    int64_t end = layout_int(layout, format, run->bytes, LAYOUT_dequeobject_rightindex);
    int64_t left = layout_int(layout, format, run->bytes, LAYOUT_dequeobject_len);
    unsigned data = layout_offset(layout, LAYOUT_BLOCK_data);
    int64_t length = layout->values[LAYOUT_BLOCK_data].width / format.word_size;
    // `left` bounds the walk, and is itself no more than what can be there: a block that holds no
    // item ends it.
    if (left < 0 || (uint64_t)left > run->memory->saved / format.word_size) {
        run->visitor->unreadable++;
        return;
    }
    for (int64_t position = 0; left > 0;) {
        int64_t stop = block == last ? end + 1 : length;
        enum memory_status status;
        const uint8_t *bytes =
            memory_view(run->memory, block, layout_offset(layout, LAYOUT_BLOCK_sizeof), &status);
        if (!bytes || index < 0 || stop > length || index >= stop || stop - index > left) {
            run->visitor->unreadable++;
            return;
        }
        left -= stop - index;
        for (; index < stop; index++) {
            struct visit_place place = {.kind = VISIT_INDEX, .index = position++};
            visitor_add(run->visitor, format_word(format, bytes + data + index * format.word_size),
                        labelled ? &place : NULL);
        }
        index = 0;
        block = layout_uint(layout, format, bytes, LAYOUT_BLOCK_rightlink);
    }
}

static void run_tee(const struct run *run, const struct traverse_step *step, bool labelled)
{
    int64_t count = layout_int(run->layout, run->format, run->bytes, LAYOUT_teedataobject_numread);
    int64_t room = run->layout->values[LAYOUT_teedataobject_values].width;
    if (count > room / run->format.word_size)
        run->visitor->unreadable++;
    else
        run_items(run, run->object + step->offset, count, false, labelled);
}

// ERROR_ISCUSTOM, Modules/cjkcodecs/multibytecodec.h
static void run_codec_errors(const struct run *run, const struct traverse_step *step,
                             struct visit_place *place)
{
    vaddr errors = format_word(run->format, run->bytes + step->offset);
    if (errors > CODEC_ERROR_MAX)
        visitor_add(run->visitor, errors, place);
}

static void run_stgdict_proto(const struct run *run, const struct traverse_step *step,
                              struct visit_place *place)
{
    // PyType_stgdict: the type's tp_dict, if that is a StgDict.
    vaddr dict = layout_uint(run->layout, run->format, run->bytes, LAYOUT_PyTypeObject_tp_dict);
    enum memory_status status;
    uint64_t type, size, proto;
    status = layout_read(run->layout, run->memory, dict, LAYOUT_PyObject_ob_type, &type);
    if (status == MEMORY_OK)
        status =
            layout_read(run->layout, run->memory, type, LAYOUT_PyTypeObject_tp_basicsize, &size);
    if (status != MEMORY_OK || size != layout_offset(run->layout, LAYOUT_StgDictObject_sizeof))
        return;
    if (memory_read_word(run->memory, dict + step->offset, &proto) == MEMORY_OK)
        visitor_add(run->visitor, proto, place);
    else
        run->visitor->unreadable++;
}

// _PyObject_GetDictPtr, Objects/object.c: a negative offset counts from the end of the object.
static vaddr instance_dict_slot(const struct run *run, int64_t offset)
{
    if (offset > 0)
        return run->object + (uint64_t)offset;
    int64_t count = run_ob_size(run);
    uint64_t width = run->format.word_size;
    uint64_t items = count < 0 ? 0 - (uint64_t)count : (uint64_t)count;
    uint64_t size = (uint64_t)run->type->tp_basicsize + items * (uint64_t)run->type->tp_itemsize;
    return run->object + ((size + width - 1) & ~(width - 1)) + (uint64_t)offset;
}

static inline void run_instance_dict(const struct run *run, const struct traverse_step *step,
                                     struct visit_place *place)
{
    vaddr dict = 0;
    if (step->extra > 0 && (uint64_t)step->extra + run->format.word_size <= run->type->view_size)
        dict = format_word(run->format, run->bytes + step->extra);
    else if (memory_read_word(run->memory, instance_dict_slot(run, step->extra), &dict) !=
             MEMORY_OK)
        run->visitor->unreadable++;
    visitor_add(run->visitor, dict, place);
}

// Behind hastzinfo, which all of them have in the same place (_PyTZINFO_HEAD in
// Modules/datetime.h); without it, the object ends before tzinfo.
static void run_tzinfo(const struct run *run, const struct traverse_step *step,
                       struct visit_place *place)
{
    vaddr tzinfo;
    if (!layout_uint(run->layout, run->format, run->bytes, LAYOUT_PyDateTime_DateTime_hastzinfo))
        return;
    if (memory_read_word(run->memory, run->object + step->offset, &tzinfo) == MEMORY_OK)
        visitor_add(run->visitor, tzinfo, place);
    else
        run->visitor->unreadable++;
}

static void run_element_extra(const struct run *run, vaddr extra, bool labelled)
{
    const struct layout *layout = run->layout;
    enum memory_status status = MEMORY_NONSENSE;
    const uint8_t *bytes = NULL;
    if (!extra)
        return;
    if (layout_has(layout, LAYOUT_ElementObjectExtra_sizeof))
        bytes = memory_view(run->memory, extra,
                            layout_offset(layout, LAYOUT_ElementObjectExtra_sizeof), &status);
    if (!bytes) {
        run->visitor->unreadable++;
        return;
    }
    struct visit_place place = {.kind = VISIT_MEMBER, .label = "attrib"};
    visitor_add(run->visitor,
                layout_uint(layout, run->format, bytes, LAYOUT_ElementObjectExtra_attrib),
                labelled ? &place : NULL);
    run_items(run, layout_uint(layout, run->format, bytes, LAYOUT_ElementObjectExtra_children),
              layout_int(layout, run->format, bytes, LAYOUT_ElementObjectExtra_length), false,
              labelled);
}

// True: that was all of the object, the steps that follow stand in for what has been done.
static inline __attribute__((always_inline)) bool
run_step(const struct run *run, const struct traverse_step *step, bool labelled)
{
    struct visit_place place = {.kind = VISIT_MEMBER, .label = step->label};
    struct visit_place *wanted = labelled ? &place : NULL;
    switch ((enum traverse_op)step->op) {
    case TRAVERSE_SLOT:
        place.kind = VISIT_SLOT;
        place.key = (vaddr)step->extra;
        // fall through
    case TRAVERSE_POINTER:
        visitor_add(run->visitor, format_word(run->format, run->bytes + step->offset), wanted);
        break;
    case TRAVERSE_LIST:
        run_items(run, format_word(run->format, run->bytes + step->offset), run_ob_size(run), true,
                  labelled);
        break;
    case TRAVERSE_TUPLE:
        run_items(run, run->object + step->offset, run_ob_size(run), true, labelled);
        break;
    case TRAVERSE_DICT:
        run_dict(run, labelled);
        break;
    case TRAVERSE_SET:
        run_set(run, labelled);
        break;
    case TRAVERSE_FRAME:
        run_frame(run, labelled);
        break;
    case TRAVERSE_DEQUE:
        run_deque(run, labelled);
        break;
    case TRAVERSE_TEE:
        run_tee(run, step, labelled);
        break;
    case TRAVERSE_HANDLERS:
        run_items(run, format_word(run->format, run->bytes + step->offset), EXPAT_HANDLERS, false,
                  labelled);
        break;
    case TRAVERSE_CODEC_ERRORS:
        run_codec_errors(run, step, wanted);
        break;
    case TRAVERSE_STGDICT_PROTO:
        run_stgdict_proto(run, step, wanted);
        break;
    case TRAVERSE_INSTANCE_DICT:
        place.kind = VISIT_DICT;
        run_instance_dict(run, step, wanted);
        break;
    case TRAVERSE_CODE:
        if (run->visitor->run_code && run->visitor->run_code(run->visitor->code, run->visitor,
                                                             (vaddr)step->extra, run->object))
            return true;
        run->visitor->opaque++;
        break;
    case TRAVERSE_CLASS:
        place.kind = VISIT_CLASS;
        visitor_add(run->visitor, run->type->address, wanted);
        break;
    case TRAVERSE_FIELDS:
        run_items(run, run->object + step->offset,
                  (run->type->tp_basicsize - step->offset) / run->format.word_size, false,
                  labelled);
        break;
    case TRAVERSE_TZINFO:
        run_tzinfo(run, step, wanted);
        break;
    case TRAVERSE_TAGGED: // JOIN_OBJ, Modules/_elementtree.c
        visitor_add(run->visitor, format_word(run->format, run->bytes + step->offset) & ~(vaddr)1,
                    wanted);
        break;
    case TRAVERSE_ELEMENT_EXTRA:
        run_element_extra(run, format_word(run->format, run->bytes + step->offset), labelled);
        break;
    }
    return false;
}

static inline __attribute__((always_inline)) void run_program(const struct run *run, bool labelled)
{
    for (uint32_t i = 0; i < run->program->count; i++)
        if (run_step(run, &run->program->steps[i], labelled))
            break;
}

// Constants let the compiler fold the byte order and the word size out of the inner loops.
static inline __attribute__((always_inline)) void run_program_usual(const struct run *given,
                                                                    bool labelled)
{
    struct run run = *given;
    run.format = (struct memory_format){.word_size = 8, .big_endian = false};
    run_program(&run, labelled);
}

static void run_plain(const struct run *run)
{
    if (run->format.word_size == 8 && !run->format.big_endian)
        run_program_usual(run, false);
    else
        run_program(run, false);
}

static void run_labelled(const struct run *run)
{
    if (run->format.word_size == 8 && !run->format.big_endian)
        run_program_usual(run, true);
    else
        run_program(run, true);
}

static void run_object(const struct object_types *types, const struct object_type *type,
                       const struct traverse_program *program, uint32_t view_size, vaddr object,
                       struct visitor *visitor)
{
    const struct runtime *runtime = types->runtime;
    enum memory_status status;
    struct run run = {
        .types = types,
        .runtime = runtime,
        .type = type,
        .program = program,
        .memory = runtime->memory,
        .format = runtime->memory->format,
        .layout = &runtime->layout,
        .object = object,
        .bytes = memory_view(runtime->memory, object, view_size, &status),
        .visitor = visitor,
    };
    if (!run.bytes)
        visitor->unreadable++;
    else if (visitor->places)
        run_labelled(&run);
    else
        run_plain(&run);
}

void traverse_object(const struct object_types *types, const struct object_type *type, vaddr object,
                     struct visitor *visitor)
{
    run_object(types, type, &type->program, type->view_size, object, visitor);
}

void traverse_owned(const struct object_types *types, const struct object_type *type, vaddr object,
                    struct visitor *visitor)
{
    if (type->owned.count)
        run_object(types, type, &type->owned, type->owned_view_size, object, visitor);
}

// frame_traverse, Objects/frameobject.c: locals up to f_valuestack; the value stack only while
// f_stacktop is set, which it is not in a frame that is running.
enum memory_status traverse_frame_slots(const struct runtime *runtime, vaddr frame,
                                        struct frame_slots *slots)
{
    const struct layout *layout = &runtime->layout;
    uint64_t valuestack, stacktop;
    enum memory_status status =
        layout_read(layout, runtime->memory, frame, LAYOUT_PyFrameObject_f_valuestack, &valuestack);
    if (status == MEMORY_OK)
        status =
            layout_read(layout, runtime->memory, frame, LAYOUT_PyFrameObject_f_stacktop, &stacktop);
    if (status != MEMORY_OK)
        return status;
    vaddr start = frame + layout_offset(layout, LAYOUT_PyFrameObject_f_localsplus);
    uint64_t limit = FRAME_STACK_MAX * (uint64_t)runtime->memory->format.word_size;
    vaddr end = stacktop ? stacktop : valuestack;
    uint64_t mask = runtime->memory->format.word_size - 1;
    if (valuestack - start > limit || end - valuestack > limit || ((valuestack | end) & mask) ||
        (start & mask))
        return MEMORY_NONSENSE;
    *slots = (struct frame_slots){start, valuestack, end};
    return MEMORY_OK;
}
