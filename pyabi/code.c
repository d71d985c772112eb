#include "code.h"

#include <stdlib.h>

#include "object.h"

enum {
    NAME_MAX_BYTES = 4096,
    // Include/opcode.h, the same in 2.3 to 2.7
    HAVE_ARGUMENT = 90,
    STORE_ATTR = 95,
    // An argument of two bytes names no more; for code with more names it would take an
    // EXTENDED_ARG.
    NAMES_MAX = 1 << 16,
};

static char *read_text(const struct runtime *runtime, vaddr str)
{
    char text[NAME_MAX_BYTES];
    uint64_t length;
    return object_read_str(runtime, str, text, sizeof(text), &length) == MEMORY_OK
               ? failure_copy_text(text)
               : NULL;
}

// The bytes of a str; NULL: not one, or not saved.
static const uint8_t *view_str(const struct runtime *runtime, vaddr str, uint64_t *length)
{
    const struct layout *layout = &runtime->layout;
    enum memory_status status;
    if (!object_is_exact(runtime, str, RUNTIME_TYPE_str) ||
        layout_read(layout, runtime->memory, str, LAYOUT_PyVarObject_ob_size, length) != MEMORY_OK)
        return NULL;
    return memory_view(runtime->memory, str + layout_offset(layout, LAYOUT_PyStringObject_ob_sval),
                       *length, &status);
}

// Pairs of bytes: how many instructions on, how many lines on.
static int64_t find_line(const struct runtime *runtime, vaddr code, int64_t instruction)
{
    uint64_t length, address = 0;
    int64_t line = (int32_t)runtime_read_member(runtime, code, LAYOUT_PyCodeObject_co_firstlineno);
    const uint8_t *table = view_str(
        runtime, runtime_read_member(runtime, code, LAYOUT_PyCodeObject_co_lnotab), &length);
    if (!table || instruction < 0)
        return line;
    for (uint64_t i = 0; i + 1 < length; i += 2) {
        address += table[i];
        if (address > (uint64_t)instruction)
            break;
        line += table[i + 1];
    }
    return line;
}

enum memory_status code_find_place(const struct runtime *runtime, vaddr code, int64_t instruction,
                                   struct code_place *place)
{
    *place = (struct code_place){0};
    if (!object_is_exact(runtime, code, RUNTIME_TYPE_code))
        return MEMORY_NONSENSE;
    place->function =
        read_text(runtime, runtime_read_member(runtime, code, LAYOUT_PyCodeObject_co_name));
    place->file =
        read_text(runtime, runtime_read_member(runtime, code, LAYOUT_PyCodeObject_co_filename));
    place->line = find_line(runtime, code, instruction);
    return MEMORY_OK;
}

void code_place_deinit(struct code_place *place)
{
    free(place->function);
    free(place->file);
    *place = (struct code_place){0};
}

// The index of a name in co_names.
static bool find_name(const struct runtime *runtime, vaddr code, const char *name, uint64_t *index)
{
    const struct layout *layout = &runtime->layout;
    vaddr names = runtime_read_member(runtime, code, LAYOUT_PyCodeObject_co_names), str;
    vaddr items = names + layout_offset(layout, LAYOUT_PyTupleObject_ob_item);
    uint64_t count, length;
    if (!object_is_exact(runtime, names, RUNTIME_TYPE_tuple) ||
        layout_read(layout, runtime->memory, names, LAYOUT_PyVarObject_ob_size, &count) !=
            MEMORY_OK ||
        count > NAMES_MAX)
        return false;
    for (*index = 0; *index < count; ++*index) {
        if (memory_read_word(runtime->memory, items + *index * runtime->memory->format.word_size,
                             &str) != MEMORY_OK)
            return false;
        const uint8_t *text = view_str(runtime, str, &length);
        if (text && length == strlen(name) && memcmp(text, name, length) == 0)
            return true;
    }
    return false;
}

bool code_find_store(const struct runtime *runtime, vaddr code, const char *attribute,
                     int64_t *instruction)
{
    uint64_t length, name;
    if (!object_is_exact(runtime, code, RUNTIME_TYPE_code) ||
        !find_name(runtime, code, attribute, &name))
        return false;
    const uint8_t *bytes =
        view_str(runtime, runtime_read_member(runtime, code, LAYOUT_PyCodeObject_co_code), &length);
    for (uint64_t i = 0; bytes && i < length; i += bytes[i] < HAVE_ARGUMENT ? 1 : 3) {
        if (bytes[i] != STORE_ATTR || length - i < 3 ||
            (bytes[i + 1] | (uint64_t)bytes[i + 2] << 8) != name)
            continue;
        *instruction = (int64_t)i;
        return true;
    }
    return false;
}
