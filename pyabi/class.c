#include "class.h"

#include "object.h"

vaddr class_of(const struct runtime *runtime, vaddr object)
{
    uint64_t class = 0;
    if (object_is_exact(runtime, object, RUNTIME_TYPE_instance) &&
        layout_read(&runtime->layout, runtime->memory, object, LAYOUT_PyInstanceObject_in_class,
                    &class) == MEMORY_OK &&
        object_is_exact(runtime, class, RUNTIME_TYPE_classobj))
        return class;
    class = 0;
    layout_read(&runtime->layout, runtime->memory, object, LAYOUT_PyObject_ob_type, &class);
    return class;
}

// Puts the items of a tuple on the stack, the first on top, as many as there is room for.
static void push_items(struct class_cursor *cursor, vaddr tuple)
{
    const struct runtime *runtime = cursor->runtime;
    uint64_t count = 0, room = CLASS_BASES_MAX - cursor->depth;
    vaddr items = tuple + layout_offset(&runtime->layout, LAYOUT_PyTupleObject_ob_item);
    if (layout_read(&runtime->layout, runtime->memory, tuple, LAYOUT_PyVarObject_ob_size, &count) !=
            MEMORY_OK ||
        count > room)
        cursor->unread = true;
    for (uint64_t i = count < room ? count : room; i-- > 0;) {
        if (memory_read_word(runtime->memory, items + i * runtime->memory->format.word_size,
                             &cursor->stack[cursor->depth]) == MEMORY_OK)
            cursor->depth++;
        else
            cursor->unread = true;
    }
}

void class_cursor_init(struct class_cursor *cursor, const struct runtime *runtime, vaddr class)
{
    uint64_t mro;
    cursor->runtime = runtime;
    cursor->depth = cursor->looked = 0;
    cursor->unread = false;
    cursor->classic = object_is_exact(runtime, class, RUNTIME_TYPE_classobj);
    if (cursor->classic)
        cursor->stack[cursor->depth++] = class;
    else if (layout_read(&runtime->layout, runtime->memory, class, LAYOUT_PyTypeObject_tp_mro,
                         &mro) == MEMORY_OK)
        push_items(cursor, mro);
    else
        cursor->unread = true;
}

bool class_next(struct class_cursor *cursor, vaddr *class, vaddr *dict)
{
    const struct runtime *runtime = cursor->runtime;
    uint64_t bases;
    while (cursor->depth && cursor->looked++ < CLASS_BASES_MAX) {
        vaddr current = cursor->stack[--cursor->depth];
        bool classic = object_is_exact(runtime, current, RUNTIME_TYPE_classobj);
        bool read =
            layout_read(&runtime->layout, runtime->memory, current,
                        classic ? LAYOUT_PyClassObject_cl_dict : LAYOUT_PyTypeObject_tp_dict,
                        dict) == MEMORY_OK;
        if (read && cursor->classic &&
            layout_read(&runtime->layout, runtime->memory, current, LAYOUT_PyClassObject_cl_bases,
                        &bases) == MEMORY_OK)
            push_items(cursor, bases);
        cursor->unread |= !read;
        // A type that was never made ready has none.
        if (!read || !*dict)
            continue;
        *class = current;
        return true;
    }
    cursor->unread |= cursor->depth > 0;
    return false;
}

enum memory_status class_find(const struct runtime *runtime, vaddr class, const char *name,
                              vaddr *value, vaddr *where)
{
    struct class_cursor cursor;
    vaddr dict;
    uint64_t type;
    class_cursor_init(&cursor, runtime, class);
    while (class_next(&cursor, where, &dict)) {
        enum memory_status status = object_dict_find(runtime, dict, name, value);
        if (status == MEMORY_OK)
            return MEMORY_OK;
        // That the dict itself is unmapped must not pass for an answer.
        if (status != MEMORY_UNMAPPED || layout_read(&runtime->layout, runtime->memory, dict,
                                                     LAYOUT_PyObject_ob_type, &type) != MEMORY_OK) {
            cursor.unread = true;
            runtime->memory->lost_reads++; // also where it is no dict: what it had is lost
        }
    }
    return cursor.unread ? MEMORY_NONSENSE : MEMORY_UNMAPPED;
}
