#include "repr.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHARACTERS_MAX = REPR_MAX, // of a string that are read: each takes at least one
    ESCAPE_MAX = 11,           // "\U0010ffff"
    LONG_DIGITS_MAX = 5,       // have more than 64 bits
    FLOAT_DIGITS_MAX = 17,     // are enough for any double
    DOUBLE_SIZE = 32           // of its text
};

// What is being described. Readers return false when there is nothing to be read.
struct subject {
    struct object_types *types;
    const struct runtime *runtime;
    vaddr object;
    char *buffer;
};

// Cut to REPR_MAX.
static void __attribute__((format(printf, 2, 3)))
write_words(const struct subject *subject, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int length = vsnprintf(subject->buffer, REPR_SIZE, format, list);
    va_end(list);
    if (length > REPR_MAX)
        strcpy(subject->buffer + REPR_MAX - 3, "...");
}

// Did the process have memory for as many items? Where it had not, the count is damaged.
static bool has_room(const struct subject *subject, vaddr at, uint64_t count, unsigned width)
{
    return !count || (count <= UINT64_MAX / width &&
                      memory_is_mapped(subject->runtime->memory, at, count * width));
}

// --- strings

// A character as Python 2 writes it (PyString_Repr, unicodeescape_string); `quote` is around it.
static void escape(uint32_t character, char quote, char escaped[ESCAPE_MAX])
{
    static const char plain[] = "\t\n\r", letters[] = "tnr";
    const char *found = character ? memchr(plain, (int)character, sizeof(plain) - 1) : NULL;
    if (character > 0xff)
        snprintf(escaped, ESCAPE_MAX, character > 0xffff ? "\\U%08x" : "\\u%04x",
                 (unsigned)character);
    else if (character < 0x80 && found)
        snprintf(escaped, ESCAPE_MAX, "\\%c", letters[found - plain]);
    else if (character < 0x20 || character >= 0x7f)
        snprintf(escaped, ESCAPE_MAX, "\\x%02x", (unsigned)character);
    else
        snprintf(escaped, ESCAPE_MAX, "%s%c",
                 character == (unsigned char)quote || character == '\\' ? "\\" : "",
                 (char)character);
}

// Characters of `width` bytes each.
struct characters {
    struct memory_format format;
    const uint8_t *bytes;
    size_t count;
    unsigned width;
};

// How many it takes: a pair of surrogates is one character where Py_UNICODE is two bytes
// (unicodeescape_string without Py_UNICODE_WIDE).
static size_t take_character(const struct characters *characters, size_t at, uint32_t *character)
{
    unsigned width = characters->width;
    const uint8_t *bytes = characters->bytes + at * width;
    *character = (uint32_t)format_uint(characters->format, bytes, width);
    if (width != 2 || *character >> 10 != 0xd800 >> 10 || at + 1 >= characters->count)
        return 1;
    uint32_t second = (uint32_t)format_uint(characters->format, bytes + width, width);
    if (second >> 10 != 0xdc00 >> 10)
        return 1;
    *character = 0x10000 + ((*character & 0x3ff) << 10 | (second & 0x3ff));
    return 2;
}

// Of a string that has `length`.
static void write_string(const struct subject *subject, const struct characters *characters,
                         uint64_t length)
{
    char *end = subject->buffer, escaped[ESCAPE_MAX];
    bool has_single = false, has_double = false;
    uint32_t character;
    size_t done, taken;
    for (size_t i = 0; i < characters->count; i += taken) {
        taken = take_character(characters, i, &character);
        has_single = has_single || character == '\'';
        has_double = has_double || character == '"';
    }
    char quote = has_single && !has_double ? '"' : '\'';
    end += sprintf(end, "%s%c", characters->width > 1 ? "u" : "", quote);
    for (done = 0; done < characters->count; done += taken) {
        taken = take_character(characters, done, &character);
        escape(character, quote, escaped);
        if ((size_t)(end - subject->buffer) + strlen(escaped) + strlen("'...") > REPR_MAX)
            break;
        end = stpcpy(end, escaped);
    }
    sprintf(end, "%c%s", quote, done < length ? "..." : "");
}

static bool write_str(const struct subject *subject)
{
    char text[CHARACTERS_MAX + 1];
    uint64_t length;
    vaddr at =
        subject->object + layout_offset(&subject->runtime->layout, LAYOUT_PyStringObject_ob_sval);
    if (object_read_str(subject->runtime, subject->object, text, sizeof(text), &length) !=
            MEMORY_OK ||
        !has_room(subject, at, length, 1))
        return false;
    const struct characters characters = {
        .bytes = (const uint8_t *)text,
        .count = length < CHARACTERS_MAX ? (size_t)length : CHARACTERS_MAX,
        .width = 1,
    };
    write_string(subject, &characters, length);
    return true;
}

static bool write_unicode(const struct subject *subject)
{
    const struct runtime *runtime = subject->runtime;
    uint64_t length, str;
    enum memory_status status;
    unsigned width = (unsigned)runtime->unicode_width;
    if (layout_read(&runtime->layout, runtime->memory, subject->object,
                    LAYOUT_PyUnicodeObject_length, &length) != MEMORY_OK ||
        layout_read(&runtime->layout, runtime->memory, subject->object, LAYOUT_PyUnicodeObject_str,
                    &str) != MEMORY_OK ||
        !has_room(subject, str, length, width))
        return false;
    size_t count = length < CHARACTERS_MAX ? (size_t)length : CHARACTERS_MAX;
    const struct characters characters = {
        .format = runtime->memory->format,
        .bytes =
            count ? memory_view(runtime->memory, str, count * width, &status) : (const uint8_t *)"",
        .count = count,
        .width = width,
    };
    if (characters.bytes)
        write_string(subject, &characters, length);
    return characters.bytes;
}

// --- numbers

static bool write_int(const struct subject *subject)
{
    int64_t value;
    if (object_read_int(subject->runtime, subject->object, &value) != MEMORY_OK)
        return false;
    write_words(subject, "%" PRId64, value);
    return true;
}

// struct _intblock's ob_ival is that of a bool, too (Include/boolobject.h).
static bool write_bool(const struct subject *subject)
{
    uint64_t value;
    const struct runtime *runtime = subject->runtime;
    if (layout_read(&runtime->layout, runtime->memory, subject->object, LAYOUT_PyIntObject_ob_ival,
                    &value) != MEMORY_OK)
        return false;
    write_words(subject, "%s", value ? "True" : "False");
    return true;
}

// Where a member ends: what a struct has next, where nothing is to be aligned.
static vaddr member_end(const struct subject *subject, enum layout_member member)
{
    const struct layout_value *value = &subject->runtime->layout.values[member];
    return subject->object + value->offset + value->width;
}

// An int up to 2.4, then a Py_ssize_t.
static bool read_ob_size(const struct subject *subject, int64_t *size)
{
    const struct runtime *runtime = subject->runtime;
    enum memory_status status;
    const uint8_t *bytes =
        memory_view(runtime->memory, subject->object,
                    member_end(subject, LAYOUT_PyVarObject_ob_size) - subject->object, &status);
    if (bytes)
        *size = layout_int(&runtime->layout, runtime->memory->format, bytes,
                           LAYOUT_PyVarObject_ob_size);
    return bytes;
}

// Digits of 15 or 30 bits, the lowest first (Include/longintrepr.h). False: it does not fit.
static bool join_digits(const struct subject *subject, const uint8_t *bytes, uint64_t count,
                        unsigned width, uint64_t *value)
{
    unsigned shift = width == 2 ? 15 : 30;
    *value = 0;
    for (uint64_t i = count; i > 0; i--) {
        if (*value >> (64 - shift))
            return false;
        *value = *value << shift |
                 (format_uint(subject->runtime->memory->format, bytes + (i - 1) * width, width) &
                  ((1u << shift) - 1));
    }
    return true;
}

// The digits stand behind ob_size.
static bool write_long(const struct subject *subject)
{
    unsigned width = (unsigned)subject->runtime->digit_width;
    vaddr at = member_end(subject, LAYOUT_PyVarObject_ob_size);
    int64_t size;
    uint64_t value;
    enum memory_status status;
    if (!width || !read_ob_size(subject, &size))
        return false;
    uint64_t count = size < 0 ? -(uint64_t)size : (uint64_t)size;
    const uint8_t *bytes = (const uint8_t *)"";
    if (!has_room(subject, at, count, width))
        return false;
    if (count && count <= LONG_DIGITS_MAX)
        bytes = memory_view(subject->runtime->memory, at, count * width, &status);
    if (!bytes)
        return false;
    if (count <= LONG_DIGITS_MAX && join_digits(subject, bytes, count, width, &value))
        write_words(subject, "%s%" PRIu64 "L", size < 0 ? "-" : "", value);
    else
        write_words(subject, "<long, up to %" PRIu64 " bits>", count * (width == 2 ? 15 : 30));
    return true;
}

// Writes a number of so many digits that reads back as the value. False: there is none.
static bool write_digits(double value, int digits, char text[DOUBLE_SIZE])
{
    snprintf(text, DOUBLE_SIZE, "%.*e", digits - 1, value);
    if (strtod(text, NULL) == value)
        return true;
    // Below a power of two the next double is half as far away as above it: what is nearest to it
    // may be another one's, and what is nearest to the middle of its own numbers is not.
    uint64_t bits;
    double farther; // from zero, the next one
    memcpy(&bits, &value, sizeof(bits));
    bits++;
    memcpy(&farther, &bits, sizeof(bits));
    snprintf(text, DOUBLE_SIZE, "%.*Le", digits - 1, value + ((long double)farther - value) / 8);
    return strtod(text, NULL) == value;
}

// As few digits as lead back to the value (float_repr_style "short").
static void write_double(const struct subject *subject, double value)
{
    char text[DOUBLE_SIZE];
    int digits = 1;
    if (!isfinite(value)) {
        write_words(subject, "%s", isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
        return;
    }
    while (!write_digits(value, digits, text) && digits < FLOAT_DIGITS_MAX)
        digits++;
    int exponent = atoi(strchr(text, 'e') + 1);
    if (exponent < -4 || exponent >= 16)
        write_words(subject, "%s", text);
    else
        write_words(subject, "%.*f", digits - 1 > exponent + 1 ? digits - 1 - exponent : 1, value);
}

// A double behind ob_type (Include/floatobject.h): no padding on any machine, as objects begin with
// two words or four.
static bool write_float(const struct subject *subject)
{
    const struct runtime *runtime = subject->runtime;
    enum memory_status status;
    vaddr at = member_end(subject, LAYOUT_PyObject_ob_type);
    const uint8_t *bytes = memory_view(runtime->memory, at, sizeof(double), &status);
    double value;
    if (!bytes)
        return false;
    uint64_t bits = format_uint(runtime->memory->format, bytes, sizeof(bits));
    memcpy(&value, &bits, sizeof(value));
    write_double(subject, value);
    return true;
}

// --- all others

static bool write_none(const struct subject *subject)
{
    write_words(subject, "None");
    return true;
}

static bool write_count(const struct subject *subject, uint64_t count)
{
    uint32_t type;
    if (object_find_type(subject->types, subject->object, &type) != MEMORY_OK)
        return false;
    write_words(subject, "<%s, %" PRIu64 " item%s>", subject->types->types[type].name, count,
                count == 1 ? "" : "s");
    return true;
}

static bool write_tuple(const struct subject *subject)
{
    const struct runtime *runtime = subject->runtime;
    vaddr items = subject->object + layout_offset(&runtime->layout, LAYOUT_PyTupleObject_ob_item);
    int64_t size;
    return read_ob_size(subject, &size) &&
           has_room(subject, items, (uint64_t)size, runtime->memory->format.word_size) &&
           write_count(subject, (uint64_t)size);
}

static bool write_list(const struct subject *subject)
{
    const struct runtime *runtime = subject->runtime;
    uint64_t items;
    int64_t size;
    return read_ob_size(subject, &size) &&
           layout_read(&runtime->layout, runtime->memory, subject->object,
                       LAYOUT_PyListObject_ob_item, &items) == MEMORY_OK &&
           has_room(subject, items, (uint64_t)size, runtime->memory->format.word_size) &&
           write_count(subject, (uint64_t)size);
}

// As many as a dict has. A table is never full.
static bool write_used(const struct subject *subject, vaddr dict)
{
    const struct runtime *runtime = subject->runtime;
    uint64_t used, mask;
    return layout_read(&runtime->layout, runtime->memory, dict, LAYOUT_PyDictObject_ma_used,
                       &used) == MEMORY_OK &&
           layout_read(&runtime->layout, runtime->memory, dict, LAYOUT_PyDictObject_ma_mask,
                       &mask) == MEMORY_OK &&
           used <= mask && write_count(subject, used);
}

static bool write_dict(const struct subject *subject)
{
    return write_used(subject, subject->object);
}

// `used` comes before `mask`, and is as wide (Include/setobject.h). In 2.4 there is a dict instead.
static bool write_set(const struct subject *subject)
{
    const struct runtime *runtime = subject->runtime;
    const struct layout_value *mask = &runtime->layout.values[LAYOUT_PySetObject_mask];
    unsigned width = mask->width;
    enum memory_status status;
    if (layout_has(&runtime->layout, LAYOUT_PySetObject_data))
        return write_used(subject,
                          runtime_read_member(runtime, subject->object, LAYOUT_PySetObject_data));
    const uint8_t *bytes =
        width ? memory_view(runtime->memory, subject->object + mask->offset - width, 2 * width,
                            &status)
              : NULL;
    if (!bytes)
        return false;
    uint64_t used = format_uint(runtime->memory->format, bytes, width);
    return used <= format_uint(runtime->memory->format, bytes + width, width) &&
           write_count(subject, used);
}

static const struct {
    const char *type; // of the interpreter's own
    bool (*write)(const struct subject *subject);
} writers[] = {
    {"str", write_str},       {"unicode", write_unicode}, {"int", write_int},
    {"long", write_long},     {"float", write_float},     {"bool", write_bool},
    {"NoneType", write_none}, {"tuple", write_tuple},     {"list", write_list},
    {"dict", write_dict},     {"set", write_set},         {"frozenset", write_set},
};

static bool write_known(const struct subject *subject)
{
    uint32_t index;
    if (object_find_type(subject->types, subject->object, &index) != MEMORY_OK)
        return false;
    const struct object_type *type = &subject->types->types[index];
    for (size_t i = 0; i < sizeof(writers) / sizeof(writers[0]) && !type->heap_type; i++)
        if (strcmp(type->name, writers[i].type) == 0)
            return writers[i].write(subject);
    return false;
}

// A class's name may hold anything.
static void make_plain(char *text)
{
    for (; *text; text++)
        if (*text < 0x20 || *text > 0x7e)
            *text = '?';
}

void repr_write(struct object_types *types, vaddr object, char buffer[REPR_SIZE])
{
    const struct subject subject = {types, types->runtime, object, buffer};
    if (write_known(&subject))
        return;
    char *name = object_class_name(types, object);
    write_words(&subject, "<%s at 0x%" PRIx64 ">", name ? name : "?", object);
    free(name);
    make_plain(buffer);
}
