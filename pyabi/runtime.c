#include "runtime.h"

#include <stdio.h>

#include "object.h"
#include "runtime_lost.h"
#include "runtime_vote.h"

static const char *const type_symbols[RUNTIME_TYPE_COUNT] = {
#define RUNTIME_TYPE_SYMBOL(name, symbol) [RUNTIME_TYPE_##name] = symbol,
    RUNTIME_TYPES(RUNTIME_TYPE_SYMBOL)
#undef RUNTIME_TYPE_SYMBOL
};

enum {
    FLAG_WIDTH = 4, // sizeof(int)
    PROBED_OBJECTS = 4,
    INTERPRETERS_MAX = 1 << 12,
};

static bool find_exported(const struct runtime_source *source, const char *symbol, vaddr *address)
{
    return source->find_symbol(source->context, SYMBOL_EXPORTED, symbol, address);
}

void runtime_find_types(struct runtime *runtime, const struct runtime_source *source)
{
    for (unsigned i = 0; i < RUNTIME_TYPE_COUNT; i++)
        if (!find_exported(source, type_symbols[i], &runtime->types[i]))
            runtime->types[i] = 0;
}

// --- the interpreter state and the version

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

// How many interpreter states there are from one to another, both counted; 0: it does not lead
// there.
static unsigned count_interps(const struct runtime *runtime, vaddr first, vaddr last)
{
    for (unsigned count = 1; first && count <= INTERPRETERS_MAX; count++) {
        if (first == last)
            return count;
        if (layout_read(&runtime->layout, runtime->memory, first, LAYOUT_PyInterpreterState_next,
                        &first) != MEMORY_OK)
            return 0;
    }
    return 0;
}

// The static variable that refers to an interpreter state: to the first of all, or, where `known`
// is one already, to that from which it is the farthest (a new one comes to the front of the list).
static vaddr scan_for_interp(const struct runtime *runtime, const struct runtime_source *source,
                             vaddr known)
{
    unsigned width = runtime->memory->format.word_size, farthest = 1;
    vaddr found = known;
    for (size_t i = 0; i < source->data_count; i++) {
        for (vaddr at = source->data[i].start; at < source->data[i].end; at += width) {
            vaddr candidate;
            if (memory_read_word(runtime->memory, at, &candidate) != MEMORY_OK || !candidate ||
                candidate == found || !is_interp(runtime, candidate))
                continue;
            if (!known)
                return candidate;
            unsigned count = count_interps(runtime, candidate, known);
            if (count <= farthest)
                continue;
            farthest = count;
            found = candidate;
        }
    }
    return found;
}

void runtime_find_interp(struct runtime *runtime, const struct runtime_source *source)
{
    vaddr variable, state, interp;
    runtime->interp = runtime->interp_head = runtime->current_thread = 0;
    if (source->find_symbol(source->context, SYMBOL_STATIC, "interp_head", &variable) &&
        memory_read_word(runtime->memory, variable, &interp) == MEMORY_OK &&
        is_interp(runtime, interp))
        runtime->interp = runtime->interp_head = interp;
    if (find_exported(source, "_PyThreadState_Current", &variable) &&
        memory_read_word(runtime->memory, variable, &state) == MEMORY_OK && state &&
        layout_read(&runtime->layout, runtime->memory, state, LAYOUT_PyThreadState_interp,
                    &interp) == MEMORY_OK &&
        is_interp(runtime, interp)) {
        runtime->interp = interp;
        runtime->current_thread = state;
    }
    if (!runtime->interp)
        runtime->interp = scan_for_interp(runtime, source, 0);
    uint64_t modules;
    if (runtime->interp && layout_read(&runtime->layout, runtime->memory, runtime->interp,
                                       LAYOUT_PyInterpreterState_modules, &modules) == MEMORY_OK)
        runtime->modules = modules;
}

// By the look of it, anywhere in memory.
static void find_lost_interp(struct runtime *runtime)
{
    runtime->interp = runtime->interp_head = runtime_scan_for_interp(runtime, is_interp);
    runtime->modules =
        runtime_read_member(runtime, runtime->interp, LAYOUT_PyInterpreterState_modules);
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
    // Those of other machines are for a layout on trial, whose PyGC_Head may be wrong.
    uint64_t candidates[] = {column, packed, (packed + 15) & ~UINT64_C(15), 20, 24, 32, 40, 48};
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

static struct failure *forget_heads(struct runtime *runtime)
{
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++)
        runtime->generations[i].head = 0;
    return NULL;
}

struct failure *runtime_find_heads(struct runtime *runtime, const struct runtime_source *source)
{
    vaddr first, variable;
    bool found = source->find_symbol(source->context, SYMBOL_STATIC, "generations", &first);
    // Who knows names that cannot be read has recognised them, and the lists as well.
    runtime->generations_by_symbol = found && !source->names;
    if (find_exported(source, "_PyGC_generation0", &variable)) {
        vaddr through;
        enum memory_status status = memory_read_word(runtime->memory, variable, &through);
        if (status != MEMORY_OK && !found && source->data_lost)
            return forget_heads(runtime);
        if (status != MEMORY_OK && !found)
            return failure_create(FAILURE_DAMAGED,
                                  "the core has not saved _PyGC_generation0 (0x%llx), so the lists "
                                  "of the collector cannot be found",
                                  (unsigned long long)variable);
        if (status == MEMORY_OK && !found)
            first = through;
    } else if (!found) {
        return failure_create(FAILURE_MISMATCH,
                              "the interpreter has neither a symbol _PyGC_generation0 nor "
                              "generations");
    }
    uint64_t stride = probe_stride(runtime, first);
    if (!stride) // damage hides it
        stride = layout_offset(&runtime->layout, LAYOUT_gc_generation_sizeof);
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++)
        runtime->generations[i].head = first + i * stride;
    return NULL;
}

static void find_thresholds(struct runtime *runtime)
{
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++)
        runtime->generations[i] = read_generation(runtime, runtime->generations[i].head);
}

static bool is_object(const struct runtime *runtime, vaddr at)
{
    for (unsigned i = 0; i < 3; i++)
        if (layout_read(&runtime->layout, runtime->memory, at, LAYOUT_PyObject_ob_type, &at) !=
            MEMORY_OK)
            return false;
    return at == runtime->types[RUNTIME_TYPE_type];
}

// A ring that is not empty has objects: the type of the type of their type is `type`. Of one alone,
// what stands beside its type may be a type as well.
static bool has_objects(const struct runtime *runtime, vaddr head, uint16_t head_size)
{
    uint64_t at = head;
    unsigned seen = 0;
    while (seen < PROBED_OBJECTS &&
           layout_read(&runtime->layout, runtime->memory, at, LAYOUT_PyGC_Head_gc_next, &at) ==
               MEMORY_OK &&
           at != head) {
        if (!is_object(runtime, at + head_size))
            return false;
        seen++;
    }
    return seen;
}

uint16_t runtime_probe_generations(const struct runtime *runtime, vaddr first)
{
    uint64_t stride = is_ring_head(runtime, first) ? probe_stride(runtime, first) : 0;
    // The column's, then those that PyGC_Head has on other machines (fact sheet, section 2).
    const uint16_t sizes[] = {layout_offset(&runtime->layout, LAYOUT_PyGC_Head_sizeof), 12, 16, 24,
                              32};
    for (unsigned i = 0; stride && i < RUNTIME_GENERATIONS; i++) {
        struct runtime_generation generation = read_generation(runtime, first + i * stride);
        uint64_t gc_refs;
        // GEN_HEAD in Modules/gcmodule.c leaves gc_refs 0; that of an object on a list is not.
        if (generation.threshold < 0 || generation.count < 0 ||
            layout_read(&runtime->layout, runtime->memory, generation.head,
                        LAYOUT_PyGC_Head_gc_refs, &gc_refs) != MEMORY_OK ||
            gc_refs)
            return 0;
    }
    for (size_t i = 0; stride && i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (unsigned j = 0; j < RUNTIME_GENERATIONS; j++)
            if (has_objects(runtime, first + j * stride, sizes[i]))
                return sizes[i];
    return 0;
}

static void read_flag(const struct runtime *runtime, vaddr variable, struct runtime_flag *flag)
{
    enum memory_status status;
    const uint8_t *bytes = memory_view(runtime->memory, variable, FLAG_WIDTH, &status);
    if (bytes) {
        flag->known = true;
        flag->value = format_int(runtime->memory->format, bytes, FLAG_WIDTH);
    }
}

static bool find_flag(const struct runtime *runtime, const struct runtime_source *source,
                      const char *symbol, struct runtime_flag *flag)
{
    vaddr variable;
    *flag = (struct runtime_flag){0};
    if (!source->find_symbol(source->context, SYMBOL_STATIC, symbol, &variable))
        return false;
    read_flag(runtime, variable, flag);
    return true;
}

// What sys.modules['gc'] has under a name. MEMORY_UNMAPPED: there is such a module, without the
// name.
static enum memory_status find_gc_item(const struct runtime *runtime, const char *name, vaddr *item)
{
    vaddr module;
    uint64_t dict;
    if (!runtime->modules ||
        object_dict_find(runtime, runtime->modules, "gc", &module) != MEMORY_OK ||
        !object_is_exact(runtime, module, RUNTIME_TYPE_module) ||
        layout_read(&runtime->layout, runtime->memory, module, LAYOUT_PyModuleObject_md_dict,
                    &dict) != MEMORY_OK)
        return MEMORY_NONSENSE;
    return object_dict_find(runtime, dict, name, item);
}

// The code of a function of the gc module, unless the program has put another in its place.
static bool find_gc_function(const struct runtime *runtime, const char *name, vaddr *function)
{
    vaddr object;
    uint64_t method, text;
    char known_as[32];
    return find_gc_item(runtime, name, &object) == MEMORY_OK &&
           object_is_exact(runtime, object, RUNTIME_TYPE_builtin) &&
           layout_read(&runtime->layout, runtime->memory, object, LAYOUT_PyCFunctionObject_m_ml,
                       &method) == MEMORY_OK &&
           layout_read(&runtime->layout, runtime->memory, method, LAYOUT_PyMethodDef_ml_name,
                       &text) == MEMORY_OK &&
           memory_read_string(runtime->memory, text, known_as, sizeof(known_as)) == MEMORY_OK &&
           strcmp(known_as, name) == 0 &&
           layout_read(&runtime->layout, runtime->memory, method, LAYOUT_PyMethodDef_ml_meth,
                       function) == MEMORY_OK &&
           *function - runtime->image.start < runtime->image.end - runtime->image.start;
}

enum garbage_binding runtime_find_garbage_name(const struct runtime *runtime, vaddr own,
                                               vaddr *object)
{
    *object = 0;
    enum memory_status status = find_gc_item(runtime, "garbage", object);
    if (status == MEMORY_UNMAPPED)
        return GARBAGE_BINDING_DELETED;
    if (status != MEMORY_OK)
        return GARBAGE_BINDING_UNKNOWN;
    if (*object == own)
        return GARBAGE_BINDING_SAME;
    return object_is_exact(runtime, *object, RUNTIME_TYPE_list) ? GARBAGE_BINDING_LIST
                                                                : GARBAGE_BINDING_OTHER;
}

const char *runtime_debug_flag_name(unsigned bit)
{
    static const char *const names[RUNTIME_DEBUG_FLAGS] = {
        "DEBUG_STATS",     "DEBUG_COLLECTABLE", "DEBUG_UNCOLLECTABLE",
        "DEBUG_INSTANCES", "DEBUG_OBJECTS",     "DEBUG_SAVEALL"};
    return names[bit];
}

static void find_garbage(struct runtime *runtime, const struct runtime_source *source)
{
    vaddr variable, list;
    runtime->garbage_source = GARBAGE_NOT_FOUND;
    if (source->find_symbol(source->context, SYMBOL_STATIC, "garbage", &variable) &&
        memory_read_word(runtime->memory, variable, &list) == MEMORY_OK &&
        (!list || object_is_exact(runtime, list, RUNTIME_TYPE_list))) {
        runtime->garbage = list;
        runtime->garbage_source = list ? GARBAGE_BY_SYMBOL : GARBAGE_NONE_YET;
    } else if (find_gc_item(runtime, "garbage", &list) == MEMORY_OK &&
               object_is_exact(runtime, list, RUNTIME_TYPE_list)) {
        runtime->garbage = list;
        runtime->garbage_source = GARBAGE_BY_MODULE;
    }
}

static void find_subtype_traverse(struct runtime *runtime, const struct runtime_source *source)
{
    if (source->find_symbol(source->context, SYMBOL_STATIC, "subtype_traverse",
                            &runtime->subtype_traverse))
        return;
    runtime->subtype_traverse = runtime_vote_of_subclasses(runtime);
    if (!runtime->subtype_traverse && source->data_lost)
        runtime->subtype_traverse = runtime_vote_of_all(runtime);
}

// Objects/obmalloc.c. Where no version can be read, the column's last release is the likeliest.
static void find_allocator(struct runtime *runtime, const struct runtime_source *source)
{
    uint32_t version = runtime->hexversion >> 8;
    unsigned word = runtime->memory->format.word_size;
    vaddr symbol;
    const struct release *release =
        release_find(version ? version : runtime->layout.column->hexversion_last);
    runtime->release = release;
    runtime->small_request_limit = release->small_request_limit;
    runtime->small_alignment = word == 8 ? release->small_alignment : 8;
    runtime->debug_malloc = find_exported(source, "_PyObject_DebugMalloc", &symbol);
    if (runtime->debug_malloc)
        runtime->debug_pad = release->debug_pad ? release->debug_pad : 2 * word;
    // `generations` shows that static variables have symbols, unless it was recognised without.
    runtime->pymalloc.value =
        source->find_symbol(source->context, SYMBOL_STATIC, "usedpools", &symbol) ||
        source->find_symbol(source->context, SYMBOL_STATIC, "arenas", &symbol);
    runtime->pymalloc.known = runtime->pymalloc.value || runtime->generations_by_symbol;
}

static void find_digits(struct runtime *runtime)
{
    uint64_t size;
    if (layout_read(&runtime->layout, runtime->memory, runtime->types[RUNTIME_TYPE_long],
                    LAYOUT_PyTypeObject_tp_itemsize, &size) == MEMORY_OK &&
        (size == 2 || size == 4))
        runtime->digit_width = (int)size;
}

// The int that a function reads first of the interpreter's static data. Pointers (in the GOT, in
// objects) are read as words; where an int is as wide as these, they cannot be told apart.
static void find_flag_by_code(const struct runtime *runtime, const struct runtime_source *source,
                              void *runner, vaddr function, vaddr *variable)
{
    *variable = 0;
    if (runtime->memory->format.word_size != FLAG_WIDTH)
        source->code->find_read(runner, function, source->data, source->data_count, FLAG_WIDTH,
                                variable);
}

// In a file without a symbol table: gc_isenabled returns `enabled`, gc_get_debug `debug`, and
// PyGC_Collect looks at `collecting` before all else (Modules/gcmodule.c). What does not look like
// three different variables, two of them 0 or 1, stays unknown.
static void find_flags_by_code(struct runtime *runtime, const struct runtime_source *source)
{
    struct runtime_flag enabled = {.by_code = true}, collecting = enabled, debug = enabled;
    vaddr isenabled, get_debug, collect, at[3];
    if (!source->code || !find_gc_function(runtime, "isenabled", &isenabled) ||
        !find_gc_function(runtime, "get_debug", &get_debug) ||
        !find_exported(source, "PyGC_Collect", &collect))
        return;
    void *runner;
    struct failure *failure = source->code->open(source->code->context, runtime->memory, &runner);
    if (failure) {
        failure_destroy(failure);
        return;
    }
    find_flag_by_code(runtime, source, runner, isenabled, &at[0]);
    find_flag_by_code(runtime, source, runner, collect, &at[1]);
    find_flag_by_code(runtime, source, runner, get_debug, &at[2]);
    source->code->close(runner);
    if (!at[0] || !at[1] || !at[2] || at[0] == at[1] || at[0] == at[2] || at[1] == at[2])
        return;
    read_flag(runtime, at[0], &enabled);
    read_flag(runtime, at[1], &collecting);
    read_flag(runtime, at[2], &debug);
    if ((uint64_t)enabled.value > 1 || (uint64_t)collecting.value > 1)
        return;
    runtime->enabled = enabled;
    runtime->collecting = collecting;
    runtime->debug = debug;
}

struct failure *runtime_init(struct runtime *runtime, struct memory *memory,
                             const struct layout *layout, const struct runtime_source *source)
{
    *runtime = (struct runtime){.memory = memory,
                                .layout = *layout,
                                .image = source->image,
                                .names = source->names,
                                .data_lost = source->data_lost,
                                .memory_lost = source->memory_lost,
                                .unicode_width = 4};
    runtime_find_types(runtime, source);
    struct failure *failure = runtime_find_heads(runtime, source);
    if (failure)
        return failure;
    find_thresholds(runtime);
    runtime_find_interp(runtime, source);
    if (!runtime->interp && source->data_lost)
        find_lost_interp(runtime);
    if (runtime->interp && !runtime->interp_head)
        runtime->interp_head = scan_for_interp(runtime, source, runtime->interp);
    // Include/unicodeobject.h: the names of the functions say which width they are for.
    if (find_exported(source, "PyUnicodeUCS2_FromUnicode", &(vaddr){0}))
        runtime->unicode_width = 2;
    runtime_find_version(runtime);
    find_allocator(runtime, source);
    find_digits(runtime);
    find_subtype_traverse(runtime, source);
    find_garbage(runtime, source);
    bool have_symbols = find_flag(runtime, source, "enabled", &runtime->enabled);
    have_symbols &= find_flag(runtime, source, "collecting", &runtime->collecting);
    have_symbols &= find_flag(runtime, source, "debug", &runtime->debug);
    if (!have_symbols)
        find_flags_by_code(runtime, source);
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
    unsigned width = runtime->memory->format.word_size;
    vaddr word;
    if (!object_is_exact(runtime, list, RUNTIME_TYPE_list))
        return false;
    for (size_t i = 0; i < source->data_count; i++)
        for (vaddr at = source->data[i].start; source->data[i].end - at >= width; at += width)
            if (memory_read_word(runtime->memory, at, &word) == MEMORY_OK && word == list)
                return true;
    return false;
}

// glibc's: a word of its own, chunks of two words.
static uint64_t chunk_size(const struct runtime *runtime, uint64_t size)
{
    uint64_t word = runtime->memory->format.word_size;
    uint64_t chunk = (size + word + 2 * word - 1) & ~(2 * word - 1);
    return chunk < 4 * word ? 4 * word : chunk;
}

uint64_t runtime_malloc_size(const struct runtime *runtime, uint64_t size)
{
    if (runtime->debug_malloc && runtime->release->debug_mem_pooled)
        return runtime_allocation_size(runtime, size);
    return chunk_size(runtime, size + 2 * runtime->debug_pad);
}

uint64_t runtime_allocation_size(const struct runtime *runtime, uint64_t size)
{
    uint64_t alignment = runtime->small_alignment;
    size += 2 * runtime->debug_pad;
    if (size <= runtime->small_request_limit)
        return (size + alignment - 1) & ~(alignment - 1);
    return chunk_size(runtime, size);
}
