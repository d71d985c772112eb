#include "runtime.h"

#include <stdio.h>

#include "object.h"

static const char *const type_symbols[RUNTIME_TYPE_COUNT] = {
#define RUNTIME_TYPE_SYMBOL(name, symbol) [RUNTIME_TYPE_##name] = symbol,
    RUNTIME_TYPES(RUNTIME_TYPE_SYMBOL)
#undef RUNTIME_TYPE_SYMBOL
};

// --- choosing the layout

// Types whose tp_basicsize a column must reproduce.
static const struct {
    const char *symbol;
    enum layout_member size;
} witnesses[] = {
    {"PyType_Type", LAYOUT_PyHeapTypeObject_sizeof},
    {"PyDict_Type", LAYOUT_PyDictObject_sizeof},
    {"PyList_Type", LAYOUT_PyListObject_sizeof},
    {"PySet_Type", LAYOUT_PySetObject_sizeof},
    {"PyInstance_Type", LAYOUT_PyInstanceObject_sizeof},
    {"PyClass_Type", LAYOUT_PyClassObject_sizeof},
    {"PyFunction_Type", LAYOUT_PyFunctionObject_sizeof},
    {"PyCode_Type", LAYOUT_PyCodeObject_sizeof},
    {"PyUnicode_Type", LAYOUT_PyUnicodeObject_sizeof},
    {"PyInt_Type", LAYOUT_PyIntObject_sizeof},
};

enum {
    EVIDENCE_MAX = 160
};

// A layout under trial: enough of a runtime to read objects with.
struct trial {
    struct runtime runtime;
    const struct runtime_source *source;
    char against[EVIDENCE_MAX]; // the first evidence against it
};

static bool find_exported(const struct runtime_source *source, const char *symbol, vaddr *address)
{
    return source->find_symbol(source->context, SYMBOL_EXPORTED, symbol, address);
}

static void find_types(struct runtime *runtime, const struct runtime_source *source)
{
    for (unsigned i = 0; i < RUNTIME_TYPE_COUNT; i++)
        if (!find_exported(source, type_symbols[i], &runtime->types[i]))
            runtime->types[i] = 0;
}

static bool type_type_fits(struct trial *trial)
{
    struct runtime *runtime = &trial->runtime;
    vaddr type = runtime->types[RUNTIME_TYPE_type];
    uint64_t ob_type = 0, name = 0;
    char text[8] = "";
    layout_read(&runtime->layout, runtime->memory, type, LAYOUT_PyObject_ob_type, &ob_type);
    if (ob_type != type) {
        snprintf(trial->against, EVIDENCE_MAX,
                 "the type of PyType_Type would be 0x%llx, not 0x%llx", (unsigned long long)ob_type,
                 (unsigned long long)type);
        return false;
    }
    layout_read(&runtime->layout, runtime->memory, type, LAYOUT_PyTypeObject_tp_name, &name);
    enum memory_status status = memory_read_string(runtime->memory, name, text, sizeof(text));
    // tp_name lies in .rodata: it is there only when the file is.
    if ((status == MEMORY_OK || status == MEMORY_NONSENSE) && strcmp(text, "type") != 0) {
        snprintf(trial->against, EVIDENCE_MAX, "PyType_Type's tp_name would not be \"type\"");
        return false;
    }
    return true;
}

static bool witnesses_fit(struct trial *trial)
{
    struct runtime *runtime = &trial->runtime;
    for (size_t i = 0; i < sizeof(witnesses) / sizeof(witnesses[0]); i++) {
        vaddr type;
        uint64_t basicsize;
        if (!find_exported(trial->source, witnesses[i].symbol, &type) ||
            layout_read(&runtime->layout, runtime->memory, type, LAYOUT_PyTypeObject_tp_basicsize,
                        &basicsize) != MEMORY_OK)
            continue;
        unsigned expected = layout_offset(&runtime->layout, witnesses[i].size);
        if (basicsize == expected)
            continue;
        snprintf(trial->against, EVIDENCE_MAX, "%s's tp_basicsize would be %llu, not %u",
                 witnesses[i].symbol, (unsigned long long)basicsize, expected);
        return false;
    }
    return true;
}

// The interpreter state: through the current thread, or the static interp_head, or by the look of
// it among the static data: a pointer to a struct whose words 2, 3 and 4 are dicts and whose
// tstate_head points back to it.
static bool is_interp(const struct runtime *runtime, vaddr interp)
{
    static const enum layout_member dicts[] = {LAYOUT_PyInterpreterState_modules,
                                               LAYOUT_PyInterpreterState_sysdict,
                                               LAYOUT_PyInterpreterState_builtins};
    uint64_t thread, back, dict;
    for (unsigned i = 0; i < sizeof(dicts) / sizeof(dicts[0]); i++)
        if (layout_read(&runtime->layout, runtime->memory, interp, dicts[i], &dict) != MEMORY_OK ||
            !object_is_exact(runtime, dict, RUNTIME_TYPE_dict))
            return false;
    return layout_read(&runtime->layout, runtime->memory, interp,
                       LAYOUT_PyInterpreterState_tstate_head, &thread) == MEMORY_OK &&
           layout_read(&runtime->layout, runtime->memory, thread, LAYOUT_PyThreadState_interp,
                       &back) == MEMORY_OK &&
           back == interp;
}

static bool scan_for_interp(const struct runtime *runtime, const struct runtime_source *source,
                            vaddr *interp)
{
    unsigned width = runtime->memory->format.word_size;
    for (size_t i = 0; i < source->data_count; i++) {
        for (vaddr at = source->data[i].start; at < source->data[i].end; at += width) {
            vaddr candidate;
            if (memory_read_word(runtime->memory, at, &candidate) == MEMORY_OK && candidate &&
                is_interp(runtime, candidate)) {
                *interp = candidate;
                return true;
            }
        }
    }
    return false;
}

void runtime_find_modules(struct runtime *runtime, const struct runtime_source *source)
{
    vaddr variable, state, interp;
    runtime->interp = 0;
    if (find_exported(source, "_PyThreadState_Current", &variable) &&
        memory_read_word(runtime->memory, variable, &state) == MEMORY_OK && state &&
        layout_read(&runtime->layout, runtime->memory, state, LAYOUT_PyThreadState_interp,
                    &interp) == MEMORY_OK &&
        is_interp(runtime, interp))
        runtime->interp = interp;
    else if (source->find_symbol(source->context, SYMBOL_STATIC, "interp_head", &variable) &&
             memory_read_word(runtime->memory, variable, &interp) == MEMORY_OK &&
             is_interp(runtime, interp))
        runtime->interp = interp;
    else if (scan_for_interp(runtime, source, &interp))
        runtime->interp = interp;
    uint64_t modules;
    if (runtime->interp && layout_read(&runtime->layout, runtime->memory, runtime->interp,
                                       LAYOUT_PyInterpreterState_modules, &modules) == MEMORY_OK)
        runtime->modules = modules;
}

// sys.hexversion, sys.version and sys.maxunicode.
void runtime_find_version(struct runtime *runtime)
{
    uint64_t sysdict, length;
    vaddr value;
    int64_t number;
    if (!runtime->interp || layout_read(&runtime->layout, runtime->memory, runtime->interp,
                                        LAYOUT_PyInterpreterState_sysdict, &sysdict) != MEMORY_OK)
        return;
    if (object_dict_find(runtime, sysdict, "hexversion", &value) == MEMORY_OK &&
        object_read_int(runtime, value, &number) == MEMORY_OK)
        runtime->hexversion = (uint32_t)number;
    if (object_dict_find(runtime, sysdict, "version", &value) == MEMORY_OK &&
        object_read_str(runtime, value, runtime->version, sizeof(runtime->version), &length) ==
            MEMORY_OK)
        runtime->version[strspn(runtime->version, "0123456789.abcr+")] = '\0';
    if (object_dict_find(runtime, sysdict, "maxunicode", &value) == MEMORY_OK &&
        object_read_int(runtime, value, &number) == MEMORY_OK)
        runtime->unicode_width = number > 0xffff ? 4 : 2;
}

// The version decides only between columns that everything else lets through.
static bool version_fits(struct trial *trial, const struct layout_column *column)
{
    uint32_t release = trial->runtime.hexversion >> 8;
    if (release == 0 || (release >= column->hexversion_first && release <= column->hexversion_last))
        return true;
    snprintf(trial->against, EVIDENCE_MAX, "sys.version is %s, which has other extension types",
             trial->runtime.version);
    return false;
}

static bool column_fits(struct trial *trial, struct memory *memory,
                        const struct layout_column *column)
{
    trial->runtime = (struct runtime){.memory = memory, .image = trial->source->image};
    if (column->word_size != memory->format.word_size) {
        snprintf(trial->against, EVIDENCE_MAX, "its words have %d bits, the core's %d",
                 column->word_size * 8, memory->format.word_size * 8);
        return false;
    }
    layout_init(&trial->runtime.layout, column);
    find_types(&trial->runtime, trial->source);
    if (!type_type_fits(trial) || !witnesses_fit(trial))
        return false;
    runtime_find_modules(&trial->runtime, trial->source);
    runtime_find_version(&trial->runtime);
    return version_fits(trial, column);
}

static struct failure *no_column_fits(struct memory *memory, const struct runtime_source *source)
{
    struct trial trial = {.source = source};
    char evidence[2048] = "";
    size_t used = 0;
    for (size_t i = 0; i < layout_column_count && used < sizeof(evidence); i++) {
        column_fits(&trial, memory, &layout_columns[i]);
        used += (size_t)snprintf(evidence + used, sizeof(evidence) - used, "%s%s: %s",
                                 i ? "; " : "", layout_columns[i].name, trial.against);
    }
    vaddr address;
    // Objects/object.c: Py_TRACE_REFS renames the init symbol on purpose.
    bool trace_refs = find_exported(source, "Py_InitModule4TraceRefs_64", &address) ||
                      find_exported(source, "Py_InitModule4TraceRefs", &address);
    return failure_create(
        FAILURE_UNSUPPORTED, "no built-in object layout fits this interpreter%s (%s)",
        trace_refs ? ", a --with-pydebug build, which is not supported yet" : "", evidence);
}

struct failure *runtime_choose_layout(struct memory *memory, const struct runtime_source *source,
                                      struct layout *layout)
{
    vaddr type;
    enum memory_status status;
    if (!find_exported(source, "PyType_Type", &type))
        return failure_create(FAILURE_MISMATCH, "the interpreter has no symbol PyType_Type");
    if (!memory_view(memory, type, 8, &status))
        return failure_create(FAILURE_DAMAGED,
                              "the core has not saved PyType_Type (0x%llx), so no object can be "
                              "understood",
                              (unsigned long long)type);
    // From the newest: where no version can be read, the last releases are the likeliest.
    for (size_t i = layout_column_count; i-- > 0;) {
        struct trial trial = {.source = source};
        if (column_fits(&trial, memory, &layout_columns[i])) {
            *layout = trial.runtime.layout;
            return NULL;
        }
    }
    return no_column_fits(memory, source);
}

// --- the collector's variables

// A list head whose neighbours point back to it; an empty list points to itself.
static bool is_ring_head(const struct runtime *runtime, vaddr head)
{
    const struct layout *layout = &runtime->layout;
    uint64_t next, previous, back;
    return layout_read(layout, runtime->memory, head, LAYOUT_PyGC_Head_gc_next, &next) ==
               MEMORY_OK &&
           layout_read(layout, runtime->memory, head, LAYOUT_PyGC_Head_gc_prev, &previous) ==
               MEMORY_OK &&
           layout_read(layout, runtime->memory, next, LAYOUT_PyGC_Head_gc_prev, &back) ==
               MEMORY_OK &&
           back == head &&
           layout_read(layout, runtime->memory, previous, LAYOUT_PyGC_Head_gc_next, &back) ==
               MEMORY_OK &&
           back == head;
}

// The distance between the heads: sizeof(struct gc_generation) depends on the alignment of
// PyGC_Head, which 2.7.15 changed and distributors patch. The first distance at which the next
// two heads are rings is right; 0: none is.
static uint64_t probe_stride(const struct runtime *runtime, vaddr first)
{
    uint64_t column = layout_offset(&runtime->layout, LAYOUT_gc_generation_sizeof);
    uint64_t packed = layout_offset(&runtime->layout, LAYOUT_PyGC_Head_sizeof) + 8u;
    uint64_t candidates[] = {column, packed, (packed + 15) & ~UINT64_C(15)};
    for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++)
        if (is_ring_head(runtime, first + candidates[i]) &&
            is_ring_head(runtime, first + 2 * candidates[i]))
            return candidates[i];
    return 0;
}

static struct runtime_generation read_generation(const struct runtime *runtime, vaddr head)
{
    uint64_t threshold = 0, count = 0;
    layout_read(&runtime->layout, runtime->memory, head, LAYOUT_gc_generation_threshold,
                &threshold);
    layout_read(&runtime->layout, runtime->memory, head, LAYOUT_gc_generation_count, &count);
    return (struct runtime_generation){head, (int32_t)threshold, (int32_t)count};
}

static struct failure *find_generations(struct runtime *runtime,
                                        const struct runtime_source *source)
{
    vaddr first, variable;
    runtime->generations_by_symbol =
        source->find_symbol(source->context, SYMBOL_STATIC, "generations", &first);
    if (find_exported(source, "_PyGC_generation0", &variable)) {
        vaddr through;
        enum memory_status status = memory_read_word(runtime->memory, variable, &through);
        if (status != MEMORY_OK && !runtime->generations_by_symbol)
            return failure_create(FAILURE_DAMAGED,
                                  "the core has not saved _PyGC_generation0 (0x%llx), so the lists "
                                  "of the collector cannot be found",
                                  (unsigned long long)variable);
        if (status == MEMORY_OK && !runtime->generations_by_symbol)
            first = through;
    } else if (!runtime->generations_by_symbol) {
        return failure_create(FAILURE_MISMATCH,
                              "the interpreter has neither a symbol _PyGC_generation0 nor "
                              "generations");
    }
    uint64_t stride = probe_stride(runtime, first);
    if (!stride) // damage hides it
        stride = layout_offset(&runtime->layout, LAYOUT_gc_generation_sizeof);
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++)
        runtime->generations[i] = read_generation(runtime, first + i * stride);
    return NULL;
}

// A ring that is not empty begins with an object: the type of the type of its type is `type`.
static bool has_object(const struct runtime *runtime, vaddr head)
{
    const struct layout *layout = &runtime->layout;
    uint64_t next, at;
    if (layout_read(layout, runtime->memory, head, LAYOUT_PyGC_Head_gc_next, &next) != MEMORY_OK ||
        next == head)
        return false;
    at = next + layout_offset(layout, LAYOUT_PyGC_Head_sizeof);
    for (unsigned i = 0; i < 3; i++)
        if (layout_read(layout, runtime->memory, at, LAYOUT_PyObject_ob_type, &at) != MEMORY_OK)
            return false;
    return at == runtime->types[RUNTIME_TYPE_type];
}

bool runtime_is_generations(const struct runtime *runtime, vaddr first)
{
    uint64_t stride = is_ring_head(runtime, first) ? probe_stride(runtime, first) : 0;
    unsigned with_objects = 0;
    for (unsigned i = 0; stride && i < RUNTIME_GENERATIONS; i++) {
        struct runtime_generation generation = read_generation(runtime, first + i * stride);
        if (generation.threshold < 0 || generation.count < 0)
            return false;
        with_objects += has_object(runtime, generation.head);
    }
    return with_objects > 0;
}

static void find_flag(const struct runtime *runtime, const struct runtime_source *source,
                      const char *symbol, struct runtime_flag *flag)
{
    vaddr variable;
    enum memory_status status;
    *flag = (struct runtime_flag){0};
    if (!source->find_symbol(source->context, SYMBOL_STATIC, symbol, &variable))
        return;
    const uint8_t *bytes = memory_view(runtime->memory, variable, 4, &status);
    if (bytes)
        *flag = (struct runtime_flag){true, format_int(runtime->memory->format, bytes, 4)};
}

static void find_garbage(struct runtime *runtime, const struct runtime_source *source)
{
    vaddr variable, list, module;
    uint64_t dict;
    runtime->garbage_source = GARBAGE_NOT_FOUND;
    if (source->find_symbol(source->context, SYMBOL_STATIC, "garbage", &variable) &&
        memory_read_word(runtime->memory, variable, &list) == MEMORY_OK &&
        (!list || object_is_exact(runtime, list, RUNTIME_TYPE_list))) {
        runtime->garbage = list;
        runtime->garbage_source = list ? GARBAGE_BY_SYMBOL : GARBAGE_NONE_YET;
    } else if (runtime->modules &&
               object_dict_find(runtime, runtime->modules, "gc", &module) == MEMORY_OK &&
               object_is_exact(runtime, module, RUNTIME_TYPE_module) &&
               layout_read(&runtime->layout, runtime->memory, module, LAYOUT_PyModuleObject_md_dict,
                           &dict) == MEMORY_OK &&
               object_dict_find(runtime, dict, "garbage", &list) == MEMORY_OK &&
               object_is_exact(runtime, list, RUNTIME_TYPE_list)) {
        runtime->garbage = list;
        runtime->garbage_source = GARBAGE_BY_MODULE;
    }
}

// The tp_traverse that most classes derived straight from `object` have, of those made by Python
// code (tp_subclasses is a list of weak references).
static void find_subtype_traverse(struct runtime *runtime, const struct runtime_source *source)
{
    enum {
        CANDIDATES = 8,
        CLASSES_MAX = 4096
    };
    struct {
        vaddr function;
        unsigned votes;
    } candidates[CANDIDATES] = {0};
    const struct layout *layout = &runtime->layout;
    struct memory *memory = runtime->memory;
    uint64_t list = 0, items = 0, count = 0;
    if (source->find_symbol(source->context, SYMBOL_STATIC, "subtype_traverse",
                            &runtime->subtype_traverse))
        return;
    vaddr object = runtime->types[RUNTIME_TYPE_object];
    if (layout_read(layout, memory, object, LAYOUT_PyTypeObject_tp_subclasses, &list) !=
            MEMORY_OK ||
        layout_read(layout, memory, list, LAYOUT_PyVarObject_ob_size, &count) != MEMORY_OK ||
        layout_read(layout, memory, list, LAYOUT_PyListObject_ob_item, &items) != MEMORY_OK)
        return;
    for (uint64_t i = 0; i < count && i < CLASSES_MAX; i++) {
        vaddr reference;
        uint64_t class, flags, function;
        if (memory_read_word(memory, items + i * memory->format.word_size, &reference) !=
                MEMORY_OK ||
            layout_read(layout, memory, reference, LAYOUT_PyWeakReference_wr_object, &class) !=
                MEMORY_OK ||
            layout_read(layout, memory, class, LAYOUT_PyTypeObject_tp_flags, &flags) != MEMORY_OK ||
            (flags & (TPFLAGS_HEAPTYPE | TPFLAGS_HAVE_GC)) !=
                (TPFLAGS_HEAPTYPE | TPFLAGS_HAVE_GC) ||
            layout_read(layout, memory, class, LAYOUT_PyTypeObject_tp_traverse, &function) !=
                MEMORY_OK)
            continue;
        unsigned slot = 0;
        while (slot < CANDIDATES - 1 && candidates[slot].votes &&
               candidates[slot].function != function)
            slot++;
        candidates[slot].function = function;
        candidates[slot].votes++;
    }
    unsigned best = 0;
    for (unsigned i = 1; i < CANDIDATES; i++)
        if (candidates[i].votes > candidates[best].votes)
            best = i;
    runtime->subtype_traverse = candidates[best].function;
}

// Objects/obmalloc.c: 2.7.7 doubled the limit, 2.7.17 the alignment on 64 bits.
static void find_allocator(struct runtime *runtime)
{
    uint32_t release = runtime->hexversion >> 8;
    bool wide = runtime->memory->format.word_size == 8;
    runtime->small_request_limit = release && release < 0x020707 ? 256 : 512;
    runtime->small_alignment = wide && (!release || release >= 0x020711) ? 16 : 8;
}

struct failure *runtime_init(struct runtime *runtime, struct memory *memory,
                             const struct layout *layout, const struct runtime_source *source)
{
    *runtime = (struct runtime){.memory = memory,
                                .layout = *layout,
                                .image = source->image,
                                .names = source->names,
                                .unicode_width = 4};
    find_types(runtime, source);
    struct failure *failure = find_generations(runtime, source);
    if (failure)
        return failure;
    runtime_find_modules(runtime, source);
    runtime_find_version(runtime);
    find_allocator(runtime);
    find_subtype_traverse(runtime, source);
    find_garbage(runtime, source);
    find_flag(runtime, source, "enabled", &runtime->enabled);
    find_flag(runtime, source, "collecting", &runtime->collecting);
    find_flag(runtime, source, "debug", &runtime->debug);
    return NULL;
}

bool runtime_next_static_list(const struct runtime *runtime, const struct runtime_source *source,
                              uint64_t *cursor, vaddr *list)
{
    unsigned width = runtime->memory->format.word_size;
    uint64_t skipped = 0;
    for (size_t i = 0; i < source->data_count; i++) {
        uint64_t words = (source->data[i].end - source->data[i].start) / width;
        while (*cursor - skipped < words) {
            vaddr at = source->data[i].start + (*cursor - skipped) * width;
            (*cursor)++;
            if (memory_read_word(runtime->memory, at, list) == MEMORY_OK && *list &&
                object_is_exact(runtime, *list, RUNTIME_TYPE_list))
                return true;
        }
        skipped += words;
    }
    return false;
}

bool runtime_is_static_list(const struct runtime *runtime, const struct runtime_source *source,
                            vaddr list)
{
    uint64_t cursor = 0;
    vaddr candidate;
    while (runtime_next_static_list(runtime, source, &cursor, &candidate))
        if (candidate == list)
            return true;
    return false;
}

uint64_t runtime_malloc_size(const struct runtime *runtime, uint64_t size)
{
    uint64_t word = runtime->memory->format.word_size;
    uint64_t chunk = (size + word + 2 * word - 1) & ~(2 * word - 1);
    return chunk < 4 * word ? 4 * word : chunk;
}

uint64_t runtime_allocation_size(const struct runtime *runtime, uint64_t size)
{
    uint64_t alignment = runtime->small_alignment;
    if (size <= runtime->small_request_limit)
        return (size + alignment - 1) & ~(alignment - 1);
    return runtime_malloc_size(runtime, size);
}
