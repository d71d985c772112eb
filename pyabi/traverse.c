// Programs run over objects.
//
// A program is a list of steps with plain offsets (traverse_compile.c makes it). What nearly all
// objects of nearly all cores need is one function, instantiated for what the visitor keeps; the
// steps of rare types, and other byte orders and word sizes, take a slower way through the same
// code.
#include "traverse.h"

#include "object.h"

enum {
    EXPAT_HANDLERS = 22,       // handler_info[], Modules/pyexpat.c
    FRAME_STACK_MAX = 1 << 20, // slots of one frame
    CODEC_ERROR_MAX = 3,       // ERROR_REPLACE, Modules/cjkcodecs/multibytecodec.h
};

// What a visitor wants to have of each reference.
enum keep {
    KEEP_TARGETS,
    KEEP_PATTERNS,
    KEEP_PLACES
};

const struct visit_place traverse_value = {.kind = VISIT_VALUE, .label = "[key]"};
static const struct visit_place item_pattern = {.kind = VISIT_INDEX};
static const struct visit_place key_pattern = {.kind = VISIT_KEY, .label = "[key]"};
static const struct visit_place element_pattern = {.kind = VISIT_KEY, .label = "[item]"};
static const struct visit_place local_pattern = {.kind = VISIT_LOCAL};
static const struct visit_place stack_pattern = {.kind = VISIT_STACK};
static const struct visit_place attrib_pattern = {.kind = VISIT_MEMBER, .label = "attrib"};
static const struct visit_place code_pattern = {.kind = VISIT_CODE};
static const struct visit_place unnamed_pattern = {.kind = VISIT_VALUE, .label = "[key]"};

struct run {
    const struct runtime *runtime;
    const struct object_type *type;
    struct memory_format format;
    vaddr object;
    const uint8_t *bytes; // as many of it as the fixed steps reach
    struct visitor *visitor;
};

// Takes one reference; NULL is none. The index and the key are for places only.
static inline __attribute__((always_inline)) void visitor_add(struct visitor *visitor, vaddr target,
                                                              const struct visit_place *pattern,
                                                              int64_t index, enum keep keep)
{
    if (!target)
        return;
    if (visitor->count == visitor->capacity)
        visitor->full(visitor);
    if (keep == KEEP_PATTERNS)
        visitor->patterns[visitor->count] = pattern;
    if (keep == KEEP_PLACES) {
        visitor->places[visitor->count] = *pattern;
        visitor->places[visitor->count].index = index;
    }
    visitor->found[visitor->count++] = target;
}

static enum keep visitor_keeps(const struct visitor *visitor)
{
    return visitor->places ? KEEP_PLACES : visitor->patterns ? KEEP_PATTERNS : KEEP_TARGETS;
}

void visitor_add_code(struct visitor *visitor, vaddr target)
{
    visitor_add(visitor, target, &code_pattern, 0, visitor_keeps(visitor));
}

// ob_size of the object; -1 when it cannot be.
static inline int64_t run_ob_size(const struct run *run)
{
    return layout_int(&run->runtime->layout, run->format, run->bytes, LAYOUT_PyVarObject_ob_size);
}

static inline __attribute__((always_inline)) void
run_items(const struct run *run, vaddr items, int64_t count, bool backwards, enum keep keep)
{
    unsigned width = run->format.word_size;
    if (count == 0)
        return;
    enum memory_status status = MEMORY_NONSENSE;
    const uint8_t *bytes = NULL;
    if (count > 0 && (uint64_t)count < UINT64_MAX / width / 2)
        bytes = memory_view(run->runtime->memory, items, (uint64_t)count * width, &status);
    if (!bytes) {
        run->visitor->unreadable++;
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t index = backwards ? count - 1 - i : i;
        visitor_add(run->visitor, format_word(run->format, bytes + index * width), &item_pattern,
                    index, keep);
    }
}

// The entries of a hash table: inside the object, or elsewhere. NULL counts as unreadable.
static inline __attribute__((always_inline)) const uint8_t *
run_table(const struct run *run, enum layout_member table_member, enum layout_member small_member,
          enum layout_member mask_member, unsigned entry_size, uint64_t *mask)
{
    const struct layout *layout = &run->runtime->layout;
    vaddr table = layout_uint(layout, run->format, run->bytes, table_member);
    *mask = layout_uint(layout, run->format, run->bytes, mask_member);
    if (table == run->object + layout_offset(layout, small_member) && *mask <= 7)
        return run->bytes + layout_offset(layout, small_member);
    enum memory_status status = MEMORY_NONSENSE;
    const uint8_t *entries = NULL;
    if (((*mask + 1) & *mask) == 0 && *mask < UINT64_MAX / entry_size / 2)
        entries = memory_view(run->runtime->memory, table, (*mask + 1) * entry_size, &status);
    if (!entries)
        run->visitor->unreadable++;
    return entries;
}

// Takes a key of a dict and its value, which is not NULL.
static inline __attribute__((always_inline)) void add_item(struct visitor *visitor, vaddr key,
                                                           vaddr value, enum keep keep)
{
    if (!key) { // no dict of Python's has that
        visitor_add(visitor, value, &unnamed_pattern, 0, keep);
        return;
    }
    // The value's pattern says that the key is before it: nothing may come between them.
    while (visitor->capacity - visitor->count < 2)
        visitor->full(visitor);
    size_t count = visitor->count;
    visitor->found[count] = key;
    visitor->found[count + 1] = value;
    if (keep == KEEP_PATTERNS) {
        visitor->patterns[count] = &key_pattern;
        visitor->patterns[count + 1] = &traverse_value;
    }
    if (keep == KEEP_PLACES) {
        visitor->places[count] = key_pattern;
        visitor->places[count].key = key;
        visitor->places[count + 1] = traverse_value;
        visitor->places[count + 1].key = key;
    }
    visitor->count = count + 2;
}

static inline __attribute__((always_inline)) void run_dict(const struct run *run, enum keep keep)
{
    const struct layout *layout = &run->runtime->layout;
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
        add_item(run->visitor, format_word(run->format, entry + key_at), value, keep);
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

static void run_set(const struct run *run, enum keep keep)
{
    const struct layout *layout = &run->runtime->layout;
    unsigned size = layout_offset(layout, LAYOUT_setentry_sizeof);
    unsigned key_at = layout_offset(layout, LAYOUT_setentry_key);
    uint64_t mask;
    const uint8_t *entry = run_table(run, LAYOUT_PySetObject_table, LAYOUT_PySetObject_smalltable,
                                     LAYOUT_PySetObject_mask, size, &mask);
    if (!entry)
        return;
    for (uint64_t i = 0; i <= mask; i++, entry += size) {
        vaddr key = format_word(run->format, entry + key_at);
        if (key && !is_set_dummy(run->runtime, key))
            visitor_add(run->visitor, key, &element_pattern, 0, keep);
    }
}

static void run_frame(const struct run *run, enum keep keep)
{
    struct frame_slots slots;
    enum memory_status status = traverse_frame_slots(run->runtime, run->object, &slots);
    unsigned width = run->format.word_size;
    const uint8_t *bytes = NULL;
    uint64_t size = slots.stack_end - slots.start;
    if (status == MEMORY_OK && size)
        bytes = memory_view(run->runtime->memory, slots.start, size, &status);
    if (status != MEMORY_OK)
        run->visitor->unreadable++;
    if (!bytes)
        return;
    for (uint64_t offset = 0; offset < size; offset += width) {
        bool local = slots.start + offset < slots.locals_end;
        visitor_add(run->visitor, format_word(run->format, bytes + offset),
                    local ? &local_pattern : &stack_pattern, (int64_t)(offset / width), keep);
    }
}

// Blocks from left to right (deque_traverse, Modules/_collectionsmodule.c): the first from
// leftindex, the last to rightindex.
static void run_deque(const struct run *run, enum keep keep)
{
    const struct layout *layout = &run->runtime->layout;
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
    if (left < 0 || (uint64_t)left > run->runtime->memory->saved / format.word_size) {
        run->visitor->unreadable++;
        return;
    }
    for (int64_t position = 0; left > 0;) {
        int64_t stop = block == last ? end + 1 : length;
        enum memory_status status;
        const uint8_t *bytes = memory_view(run->runtime->memory, block,
                                           layout_offset(layout, LAYOUT_BLOCK_sizeof), &status);
        if (!bytes || index < 0 || stop > length || index >= stop || stop - index > left) {
            run->visitor->unreadable++;
            return;
        }
        left -= stop - index;
        for (; index < stop; index++)
            visitor_add(run->visitor, format_word(format, bytes + data + index * format.word_size),
                        &item_pattern, position++, keep);
        index = 0;
        block = layout_uint(layout, format, bytes, LAYOUT_BLOCK_rightlink);
    }
}

static void run_tee(const struct run *run, const struct traverse_step *step, enum keep keep)
{
    int64_t count =
        layout_int(&run->runtime->layout, run->format, run->bytes, LAYOUT_teedataobject_numread);
    int64_t room = run->runtime->layout.values[LAYOUT_teedataobject_values].width;
    if (count > room / run->format.word_size)
        run->visitor->unreadable++;
    else
        run_items(run, run->object + step->offset, count, false, keep);
}

// ERROR_ISCUSTOM, Modules/cjkcodecs/multibytecodec.h
static void run_codec_errors(const struct run *run, const struct traverse_step *step,
                             enum keep keep)
{
    vaddr errors = format_word(run->format, run->bytes + step->offset);
    if (errors > CODEC_ERROR_MAX)
        visitor_add(run->visitor, errors, &step->place, 0, keep);
}

static void run_stgdict_proto(const struct run *run, const struct traverse_step *step,
                              enum keep keep)
{
    // PyType_stgdict: the type's tp_dict, if that is a StgDict.
    vaddr dict =
        layout_uint(&run->runtime->layout, run->format, run->bytes, LAYOUT_PyTypeObject_tp_dict);
    enum memory_status status;
    uint64_t type, size, proto;
    status = layout_read(&run->runtime->layout, run->runtime->memory, dict, LAYOUT_PyObject_ob_type,
                         &type);
    if (status == MEMORY_OK)
        status = layout_read(&run->runtime->layout, run->runtime->memory, type,
                             LAYOUT_PyTypeObject_tp_basicsize, &size);
    if (status != MEMORY_OK ||
        size != layout_offset(&run->runtime->layout, LAYOUT_StgDictObject_sizeof))
        return;
    if (memory_read_word(run->runtime->memory, dict + step->offset, &proto) == MEMORY_OK)
        visitor_add(run->visitor, proto, &step->place, 0, keep);
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

static inline __attribute__((always_inline)) void
run_instance_dict(const struct run *run, const struct traverse_step *step, enum keep keep)
{
    vaddr dict = 0;
    if (step->offset)
        dict = format_word(run->format, run->bytes + step->offset);
    else if (memory_read_word(run->runtime->memory, instance_dict_slot(run, step->extra), &dict) !=
             MEMORY_OK)
        run->visitor->unreadable++;
    visitor_add(run->visitor, dict, &step->place, 0, keep);
}

// Behind hastzinfo, which all of them have in the same place (_PyTZINFO_HEAD in
// Modules/datetime.h); without it, the object ends before tzinfo.
static void run_tzinfo(const struct run *run, const struct traverse_step *step, enum keep keep)
{
    vaddr tzinfo;
    if (!layout_uint(&run->runtime->layout, run->format, run->bytes,
                     LAYOUT_PyDateTime_DateTime_hastzinfo))
        return;
    if (memory_read_word(run->runtime->memory, run->object + step->offset, &tzinfo) == MEMORY_OK)
        visitor_add(run->visitor, tzinfo, &step->place, 0, keep);
    else
        run->visitor->unreadable++;
}

static void run_element_extra(const struct run *run, vaddr extra, enum keep keep)
{
    const struct layout *layout = &run->runtime->layout;
    enum memory_status status = MEMORY_NONSENSE;
    const uint8_t *bytes = NULL;
    if (!extra)
        return;
    if (layout_has(layout, LAYOUT_ElementObjectExtra_sizeof))
        bytes = memory_view(run->runtime->memory, extra,
                            layout_offset(layout, LAYOUT_ElementObjectExtra_sizeof), &status);
    if (!bytes) {
        run->visitor->unreadable++;
        return;
    }
    visitor_add(run->visitor,
                layout_uint(layout, run->format, bytes, LAYOUT_ElementObjectExtra_attrib),
                &attrib_pattern, 0, keep);
    run_items(run, layout_uint(layout, run->format, bytes, LAYOUT_ElementObjectExtra_children),
              layout_int(layout, run->format, bytes, LAYOUT_ElementObjectExtra_length), false,
              keep);
}

// A step of few types. True: that was all of the object, the steps that follow stand in for what
// has been done.
static __attribute__((noinline)) bool run_rare_step(const struct run *run,
                                                    const struct traverse_step *step)
{
    enum keep keep = visitor_keeps(run->visitor);
    switch ((enum traverse_op)step->op) {
    case TRAVERSE_SET:
        run_set(run, keep);
        break;
    case TRAVERSE_FRAME:
        run_frame(run, keep);
        break;
    case TRAVERSE_DEQUE:
        run_deque(run, keep);
        break;
    case TRAVERSE_TEE:
        run_tee(run, step, keep);
        break;
    case TRAVERSE_HANDLERS:
        run_items(run, format_word(run->format, run->bytes + step->offset), EXPAT_HANDLERS, false,
                  keep);
        break;
    case TRAVERSE_CODEC_ERRORS:
        run_codec_errors(run, step, keep);
        break;
    case TRAVERSE_STGDICT_PROTO:
        run_stgdict_proto(run, step, keep);
        break;
    case TRAVERSE_CODE:
        if (run->visitor->run_code && run->visitor->run_code(run->visitor->code, run->visitor,
                                                             (vaddr)step->extra, run->object))
            return true;
        run->visitor->opaque++;
        break;
    case TRAVERSE_FIELDS:
        run_items(run, run->object + step->offset,
                  (run->type->tp_basicsize - step->offset) / run->format.word_size, false, keep);
        break;
    case TRAVERSE_TZINFO:
        run_tzinfo(run, step, keep);
        break;
    case TRAVERSE_TAGGED: // JOIN_OBJ, Modules/_elementtree.c
        visitor_add(run->visitor, format_word(run->format, run->bytes + step->offset) & ~(vaddr)1,
                    &step->place, 0, keep);
        break;
    case TRAVERSE_ELEMENT_EXTRA:
        run_element_extra(run, format_word(run->format, run->bytes + step->offset), keep);
        break;
    case TRAVERSE_SLOT:
    case TRAVERSE_POINTER:
    case TRAVERSE_LIST:
    case TRAVERSE_TUPLE:
    case TRAVERSE_DICT:
    case TRAVERSE_INSTANCE_DICT:
    case TRAVERSE_CLASS:
        break; // run_step does these
    }
    return false;
}

// True: as above.
static inline __attribute__((always_inline)) bool
run_step(const struct run *run, const struct traverse_step *step, enum keep keep)
{
    struct run copy; // so that the compiler can keep *run in registers
    switch ((enum traverse_op)step->op) {
    case TRAVERSE_SLOT:
    case TRAVERSE_POINTER:
        visitor_add(run->visitor, format_word(run->format, run->bytes + step->offset), &step->place,
                    0, keep);
        return false;
    case TRAVERSE_LIST:
        run_items(run, format_word(run->format, run->bytes + step->offset), run_ob_size(run), true,
                  keep);
        return false;
    case TRAVERSE_TUPLE:
        run_items(run, run->object + step->offset, run_ob_size(run), true, keep);
        return false;
    case TRAVERSE_DICT:
        run_dict(run, keep);
        return false;
    case TRAVERSE_INSTANCE_DICT:
        run_instance_dict(run, step, keep);
        return false;
    case TRAVERSE_CLASS:
        visitor_add(run->visitor, run->type->address, &step->place, 0, keep);
        return false;
    default:
        copy = *run;
        return run_rare_step(&copy, step);
    }
}

static inline __attribute__((always_inline)) void
run_program(const struct traverse_program *program, const struct run *run, enum keep keep)
{
    const struct traverse_step *step = program->steps;
    for (uint32_t left = program->count; left; left--, step++)
        if (run_step(run, step, keep))
            break;
}

// Constants let the compiler fold the byte order and the word size out of the inner loops.
static const struct memory_format usual = {.word_size = 8, .big_endian = false};

static inline __attribute__((always_inline)) void
run_program_usual(const struct traverse_program *program, struct run run)
{
    run.format = usual;
    if (run.visitor->patterns)
        run_program(program, &run, KEEP_PATTERNS);
    else
        run_program(program, &run, KEEP_TARGETS);
}

static __attribute__((noinline)) void run_program_any(const struct traverse_program *program,
                                                      const struct run *run)
{
    run_program(program, run, visitor_keeps(run->visitor));
}

static inline __attribute__((always_inline)) void run_object(const struct object_types *types,
                                                             const struct object_type *type,
                                                             const struct traverse_program *program,
                                                             uint32_t view_size, vaddr object,
                                                             struct visitor *visitor)
{
    const struct runtime *runtime = types->runtime;
    struct memory_format format = runtime->memory->format;
    enum memory_status status;
    const struct run run = {
        .runtime = runtime,
        .type = type,
        .format = format,
        .object = object,
        .bytes = memory_view(runtime->memory, object, view_size, &status),
        .visitor = visitor,
    };
    if (!run.bytes) {
        visitor->unreadable++;
    } else if (format.word_size == usual.word_size && !format.big_endian && !visitor->places) {
        run_program_usual(program, run);
    } else {
        struct run copy = run; // so that the compiler can keep the other one in registers
        run_program_any(program, &copy);
    }
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
