// From nothing to an interpreter. Each step uses only what the steps before it have shown, and
// checks it against the column under trial, so that a word that is itself by chance gets nowhere:
//   PyType_Type      its type is itself, its sizes are the column's for `type`
//   object           its tp_base, of that type, without a base
//   tuple            the type of its tp_mro, which holds just these two
//   dict, str        the types of its tp_dict and of the keys in it, one of which reads "__mro__"
//   list             the type of object's tp_subclasses
//   generations      three rings at a distance that the column allows; exactly one such place
//   the rest         interpreter state, modules, sys.hexversion
#include "recognize.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "object.h"
#include "recognize_types.h"

enum {
    EVIDENCE_MAX = 160,
    SENTENCE_MAX = 8192,
    CANDIDATES_MAX = 1 << 16, // words that are themselves: heads of empty lists are such, too
    TRIES_MAX = 64            // of these, objects that look like `type`; an honest core has one
};

// The first evidence against a column, of the candidate that came furthest.
struct evidence {
    unsigned depth;
    char text[EVIDENCE_MAX];
};

static bool __attribute__((format(printf, 3, 4)))
reject(struct evidence *evidence, unsigned depth, const char *format, ...)
{
    va_list list;
    if (evidence->depth > depth)
        return false;
    evidence->depth = depth + 1;
    va_start(list, format);
    vsnprintf(evidence->text, EVIDENCE_MAX, format, list);
    va_end(list);
    return false;
}

// --- PyType_Type and what it leads to

// Objects that could be PyType_Type, by the place of ob_type.
struct candidates {
    vaddr *at;
    size_t count;
};

static bool find_candidates(struct memory *memory, const struct recognize_range *range,
                            uint64_t offset, struct candidates *candidates)
{
    unsigned width = memory->format.word_size;
    vaddr cursor = range->start, start;
    const uint8_t *bytes;
    uint64_t size;
    while (recognize_next_bytes(memory, range, &cursor, &start, &bytes, &size)) {
        for (uint64_t i = 0; i + width <= size; i += width) {
            vaddr object = start + i - offset;
            if (__builtin_expect(format_word(memory->format, bytes + i) != object, 1))
                continue;
            if (candidates->count == CANDIDATES_MAX)
                return false;
            candidates->at[candidates->count++] = object;
        }
    }
    return true;
}

static vaddr type_of(const struct recognition *recognition, vaddr object)
{
    return object ? runtime_read_member(&recognition->runtime, object, LAYOUT_PyObject_ob_type) : 0;
}

static bool is_type_of_size(const struct recognition *recognition, vaddr type,
                            enum layout_member size)
{
    return type_of(recognition, type) == recognition->runtime.types[RUNTIME_TYPE_type] &&
           runtime_read_member(&recognition->runtime, type, LAYOUT_PyTypeObject_tp_basicsize) ==
               layout_offset(&recognition->runtime.layout, size);
}

static bool type_fits(struct recognition *recognition, vaddr type, struct evidence *evidence)
{
    const struct layout *layout = &recognition->runtime.layout;
    uint64_t basicsize =
        runtime_read_member(&recognition->runtime, type, LAYOUT_PyTypeObject_tp_basicsize);
    uint64_t itemsize =
        runtime_read_member(&recognition->runtime, type, LAYOUT_PyTypeObject_tp_itemsize);
    uint64_t flags = runtime_read_member(&recognition->runtime, type, LAYOUT_PyTypeObject_tp_flags);
    unsigned size = layout_offset(layout, LAYOUT_PyHeapTypeObject_sizeof);
    unsigned item = layout_offset(layout, LAYOUT_PyMemberDef_sizeof);
    if (basicsize != size || itemsize != item)
        return reject(evidence, 1, "an object whose type is itself has not the sizes %u/%u", size,
                      item);
    if ((flags & (TPFLAGS_HAVE_GC | TPFLAGS_HEAPTYPE)) != TPFLAGS_HAVE_GC)
        return reject(evidence, 2, "what has the sizes of `type` has flags 0x%llx",
                      (unsigned long long)flags);
    vaddr object = runtime_read_member(&recognition->runtime, type, LAYOUT_PyTypeObject_tp_base);
    recognition->runtime.types[RUNTIME_TYPE_type] = type;
    recognition->runtime.types[RUNTIME_TYPE_object] = object;
    if (type_of(recognition, object) != type ||
        runtime_read_member(&recognition->runtime, object, LAYOUT_PyTypeObject_tp_base))
        return reject(evidence, 3, "the base of `type` is no `object`");
    return true;
}

static bool mro_fits(struct recognition *recognition, struct evidence *evidence)
{
    const struct runtime *runtime = &recognition->runtime;
    vaddr type = runtime->types[RUNTIME_TYPE_type], first = 0, second = 0;
    vaddr mro = runtime_read_member(&recognition->runtime, type, LAYOUT_PyTypeObject_tp_mro);
    vaddr tuple = type_of(recognition, mro);
    vaddr items = mro + layout_offset(&runtime->layout, LAYOUT_PyTupleObject_ob_item);
    memory_read_word(runtime->memory, items, &first);
    memory_read_word(runtime->memory, items + runtime->memory->format.word_size, &second);
    recognition->runtime.types[RUNTIME_TYPE_tuple] = tuple;
    if (is_type_of_size(recognition, tuple, LAYOUT_PyTupleObject_ob_item) &&
        runtime_read_member(&recognition->runtime, mro, LAYOUT_PyVarObject_ob_size) == 2 &&
        first == type && second == runtime->types[RUNTIME_TYPE_object])
        return true;
    return reject(evidence, 4, "the __mro__ of `type` is not (type, object)");
}

// str is what the keys of a type's dictionary are.
static bool dict_fits(struct recognition *recognition, struct evidence *evidence)
{
    struct runtime *runtime = &recognition->runtime;
    vaddr dict = runtime_read_member(&recognition->runtime, runtime->types[RUNTIME_TYPE_type],
                                     LAYOUT_PyTypeObject_tp_dict);
    vaddr key, value;
    enum memory_status status;
    struct dict_items items;
    runtime->types[RUNTIME_TYPE_dict] = type_of(recognition, dict);
    if (!is_type_of_size(recognition, runtime->types[RUNTIME_TYPE_dict],
                         LAYOUT_PyDictObject_sizeof) ||
        dict_items_init(&items, runtime, dict) != MEMORY_OK)
        return reject(evidence, 5, "the __dict__ of `type` is no dict of %u bytes",
                      layout_offset(&runtime->layout, LAYOUT_PyDictObject_sizeof));
    if (dict_items_next(&items, &key, &value, &status))
        runtime->types[RUNTIME_TYPE_str] = type_of(recognition, key);
    if (type_of(recognition, runtime->types[RUNTIME_TYPE_str]) !=
            runtime->types[RUNTIME_TYPE_type] ||
        runtime_read_member(&recognition->runtime, runtime->types[RUNTIME_TYPE_str],
                            LAYOUT_PyTypeObject_tp_itemsize) != 1 ||
        object_dict_find(runtime, dict, "__mro__", &value) != MEMORY_OK)
        return reject(evidence, 6, "the __dict__ of `type` has no key \"__mro__\"");
    vaddr subclasses =
        runtime_read_member(&recognition->runtime, runtime->types[RUNTIME_TYPE_object],
                            LAYOUT_PyTypeObject_tp_subclasses);
    runtime->types[RUNTIME_TYPE_list] = type_of(recognition, subclasses);
    if (!is_type_of_size(recognition, runtime->types[RUNTIME_TYPE_list],
                         LAYOUT_PyListObject_sizeof))
        return reject(evidence, 7, "the subclasses of `object` are in no list");
    return true;
}

// --- the collector's lists and the interpreter

// Where to look, and how closely the column must fit.
struct way {
    bool in_files; // else in all other memory
    bool any_head; // PyGC_Head may have another size than the column says
};

// How many places look like the lists; the last one becomes the recognition's.
static unsigned scan_for_generations(struct recognition *recognition, bool in_files,
                                     uint16_t *head_size)
{
    struct runtime *runtime = &recognition->runtime;
    unsigned width = runtime->memory->format.word_size, hits = 0;
    for (size_t i = 0; i < recognition->range_count; i++) {
        const struct recognize_range *range = &recognition->ranges[i];
        if (!range->file == in_files)
            continue;
        for (vaddr at = range->start; at < range->end; at += width) {
            uint16_t size = runtime_probe_generations(runtime, at);
            if (!size)
                continue;
            *head_size = size;
            recognition->generations = at;
            recognition->file = range->file;
            hits++;
        }
    }
    return hits;
}

static bool find_generations(struct recognition *recognition, const struct way *way,
                             struct evidence *evidence)
{
    struct runtime *runtime = &recognition->runtime;
    uint16_t head_size = 0;
    unsigned hits = scan_for_generations(recognition, true, &head_size);
    if (!hits)
        hits = scan_for_generations(recognition, false, &head_size);
    if (hits != 1)
        return reject(evidence, 8,
                      hits ? "%u places look like the lists of the collector"
                           : "no place looks like the lists of the collector",
                      hits);
    uint16_t own = layout_offset(&runtime->layout, LAYOUT_PyGC_Head_sizeof);
    if (head_size == own)
        return true;
    if (!way->any_head)
        return reject(evidence, 9, "PyGC_Head has %u bytes, not %u", head_size, own);
    runtime_set_head_size(&runtime->layout, head_size);
    return true;
}

bool recognition_next_data(const struct recognition *recognition, size_t *cursor,
                           struct runtime_range *range)
{
    while (*cursor < recognition->range_count) {
        const struct recognize_range *at = &recognition->ranges[(*cursor)++];
        bool holds = recognition->generations - at->start < at->end - at->start;
        if (recognition->file ? at->file == recognition->file : holds) {
            *range = (struct runtime_range){at->start, at->end};
            return true;
        }
    }
    return false;
}

static bool find_recognized(void *context, enum symbol_scope scope, const char *name,
                            vaddr *address)
{
    return recognition_find_symbol(context, scope, name, address);
}

static bool interpreter_fits(struct recognition *recognition, const struct layout_column *column,
                             struct evidence *evidence)
{
    struct runtime *runtime = &recognition->runtime;
    struct runtime_range data;
    for (size_t cursor = 0;
         !runtime->modules && recognition_next_data(recognition, &cursor, &data);) {
        struct runtime_source source = {
            .context = recognition, .find_symbol = find_recognized, .data = &data, .data_count = 1};
        runtime_find_interp(runtime, &source);
    }
    if (!runtime->modules)
        return reject(evidence, 10, "nothing looks like an interpreter state");
    vaddr builtins, dict;
    if (object_dict_find(runtime, runtime->modules, "__builtin__", &builtins) != MEMORY_OK)
        return reject(evidence, 11, "sys.modules has no __builtin__");
    runtime->types[RUNTIME_TYPE_module] = type_of(recognition, builtins);
    dict = runtime_read_member(&recognition->runtime, builtins, LAYOUT_PyModuleObject_md_dict);
    if (!object_is_exact(runtime, dict, RUNTIME_TYPE_dict) ||
        object_dict_find(runtime, dict, "int", &runtime->types[RUNTIME_TYPE_int]) != MEMORY_OK)
        return reject(evidence, 11, "__builtin__ has no int");
    runtime_find_version(runtime);
    uint32_t release = runtime->hexversion >> 8;
    if (release >= column->hexversion_first && release <= column->hexversion_last)
        return true;
    return reject(evidence, 12, "sys.version is %s", *runtime->version ? runtime->version : "?");
}

// --- columns

static bool candidate_fits(struct recognition *recognition, const struct layout_column *column,
                           const struct way *way, struct evidence *evidence)
{
    return mro_fits(recognition, evidence) && dict_fits(recognition, evidence) &&
           find_generations(recognition, way, evidence) &&
           interpreter_fits(recognition, column, evidence);
}

static void begin(struct recognition *recognition, struct memory *memory,
                  const struct layout_column *column)
{
    recognition->runtime = (struct runtime){.memory = memory, .unicode_width = 4};
    layout_init(&recognition->runtime.layout, column);
    recognition->generations = 0;
    recognition->file = NULL;
}

// Candidates in the data of files, or elsewhere; kept for the next column of the same ob_type.
struct search {
    struct candidates candidates;
    uint64_t offset;
    bool in_files;
    bool done;
};

static void search_ranges(struct recognition *recognition, struct memory *memory, uint64_t offset,
                          bool in_files, struct search *search)
{
    if (search->done && search->offset == offset && search->in_files == in_files)
        return;
    *search = (struct search){.candidates.at = search->candidates.at,
                              .offset = offset,
                              .in_files = in_files,
                              .done = true};
    for (size_t i = 0; i < recognition->range_count; i++)
        if (!recognition->ranges[i].file != in_files &&
            !find_candidates(memory, &recognition->ranges[i], offset, &search->candidates))
            break;
}

static bool column_fits(struct recognition *recognition, struct memory *memory,
                        const struct layout_column *column, const struct way *way,
                        struct search *search, struct evidence *evidence)
{
    if (column->word_size != memory->format.word_size)
        return reject(evidence, 0, "its words have %d bits, the core's %d", column->word_size * 8,
                      memory->format.word_size * 8);
    search_ranges(recognition, memory, column->values[LAYOUT_PyObject_ob_type].offset,
                  way->in_files, search);
    for (size_t i = 0, tries = 0; i < search->candidates.count && tries < TRIES_MAX; i++) {
        begin(recognition, memory, column);
        if (!type_fits(recognition, search->candidates.at[i], evidence))
            continue;
        tries++;
        if (candidate_fits(recognition, column, way, evidence))
            return true;
    }
    return reject(evidence, 0, "no object is its own type");
}

// Adds to a sentence; what does not fit is left out.
static void __attribute__((format(printf, 2, 3))) say(char *sentence, const char *format, ...)
{
    size_t used = strlen(sentence);
    va_list list;
    va_start(list, format);
    vsnprintf(sentence + used, SENTENCE_MAX - used, format, list);
    va_end(list);
}

// Columns by the evidence against them, from the newest, each evidence once; uses that up.
static struct failure *no_column_fits(const struct layout_column *columns, size_t count,
                                      struct evidence *against)
{
    char sentence[SENTENCE_MAX] = "";
    for (size_t i = count; i-- > 0;) {
        if (!*against[i].text)
            continue;
        say(sentence, "%s%s", *sentence ? "; " : "", columns[i].name);
        for (size_t j = i; j-- > 0;) {
            if (strcmp(against[i].text, against[j].text) != 0)
                continue;
            say(sentence, ", %s", columns[j].name);
            *against[j].text = '\0';
        }
        say(sentence, ": %s", against[i].text);
    }
    return failure_create(FAILURE_MISMATCH, "%s", sentence);
}

static struct failure *choose_column(struct recognition *recognition, struct memory *memory,
                                     const struct recognize_source *source, struct search *search)
{
    const struct layout_column *columns = source->columns ? source->columns : layout_columns;
    size_t count = source->columns ? source->column_count : layout_column_count;
    struct evidence *against = calloc(count, sizeof(*against));
    // The data of files first: there it lies nearly always.
    static const struct way ways[] = {{true, false}, {true, true}, {false, false}, {false, true}};
    bool fits = false;
    if (!against)
        return failure_no_memory();
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]) && !fits; i++)
        for (size_t j = count; j-- > 0 && !fits;)
            fits = column_fits(recognition, memory, &columns[j], &ways[i], search, &against[j]);
    struct failure *failure = fits ? NULL : no_column_fits(columns, count, against);
    free(against);
    return failure;
}

struct failure *recognition_create(struct memory *memory, const struct recognize_source *source,
                                   struct recognition **recognition)
{
    struct recognition *made = calloc(1, sizeof(*made));
    struct search search = {.candidates.at = calloc(CANDIDATES_MAX, sizeof(vaddr))};
    struct failure *failure = made && search.candidates.at ? NULL : failure_no_memory();
    if (!failure) {
        made->ranges = source->ranges;
        made->range_count = source->range_count;
        failure = choose_column(made, memory, source, &search);
    }
    free(search.candidates.at);
    if (!failure && (!recognize_list_types(made) || !recognize_name_types(made)))
        failure = failure_no_memory();
    if (failure)
        recognition_destroy(made);
    else
        *recognition = made;
    return failure;
}

void recognition_destroy(struct recognition *recognition)
{
    if (!recognition)
        return;
    for (size_t i = 0; i < recognition->type_count; i++)
        free(recognition->types[i].name);
    free(recognition->types);
    free(recognition);
}

// --- what is asked of it

// Exported symbols of types that the traversal table does not have.
static const struct {
    const char *symbol;
    const char *name;
} symbol_names[] = {
    {"PyBaseObject_Type", "object"}, {"PyString_Type", "str"}, {"PyUnicode_Type", "unicode"},
    {"PyInt_Type", "int"},           {"PyLong_Type", "long"},  {"PyByteArray_Type", "bytearray"},
    {"PyCode_Type", "code"},
};

static const char *name_of_symbol(const char *symbol)
{
    for (size_t i = 0; i < sizeof(symbol_names) / sizeof(symbol_names[0]); i++)
        if (strcmp(symbol_names[i].symbol, symbol) == 0)
            return symbol_names[i].name;
    for (size_t i = 0; i < traverse_rule_count; i++)
        if (traverse_rules[i].symbol && strcmp(traverse_rules[i].symbol, symbol) == 0)
            return traverse_rules[i].type_name;
    return NULL;
}

// PYMALLOC_DEBUG (Objects/obmalloc.c) puts bytes of FORBIDDENBYTE in front of what it hands out: at
// the end of the pad, in all releases, at least three.
static bool has_debug_pad(const struct recognition *recognition, vaddr object)
{
    enum {
        FORBIDDEN_BYTES = 3
    };
    static const uint8_t forbidden[FORBIDDEN_BYTES] = {0xfb, 0xfb, 0xfb};
    const struct runtime *runtime = &recognition->runtime;
    enum memory_status status;
    vaddr head = object - layout_offset(&runtime->layout, LAYOUT_PyGC_Head_sizeof);
    const uint8_t *pad =
        memory_view(runtime->memory, head - FORBIDDEN_BYTES, FORBIDDEN_BYTES, &status);
    return pad && memcmp(pad, forbidden, FORBIDDEN_BYTES) == 0;
}

bool recognition_find_symbol(const struct recognition *recognition, enum symbol_scope scope,
                             const char *name, vaddr *address)
{
    if (scope == SYMBOL_EXPORTED && strcmp(name, "_PyObject_DebugMalloc") == 0) {
        *address = 0; // that it is there is all that is known
        return has_debug_pad(recognition, recognition->runtime.modules) &&
               has_debug_pad(recognition,
                             runtime_read_member(&recognition->runtime, recognition->runtime.interp,
                                                 LAYOUT_PyInterpreterState_sysdict));
    }
    if (scope == SYMBOL_STATIC) {
        if (strcmp(name, "generations") != 0)
            return false;
        *address = recognition->generations;
        return true;
    }
    const char *type_name = name_of_symbol(name);
    const struct recognized_type *type =
        type_name ? recognize_find_rule(recognition, type_name) : NULL;
    if (!type)
        return false;
    *address = type->address;
    return true;
}
