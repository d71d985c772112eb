// Which of the built-in columns fits a process.
//
// Every column of the core's word size is tried: it must make sense of PyType_Type, give the known
// types their tp_basicsize, and find an object of a sane type behind each PyGC_Head. Releases that
// cannot be told apart in this way differ in types of extension modules only; there sys.hexversion,
// read by means of the column, has the last word.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime.h"
#include "runtime_lost.h"

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

// Sizes that PyGC_Head has somewhere: it follows long double (fact sheet, section 2).
static const uint16_t head_sizes[] = {12, 16, 24, 32};

enum {
    EVIDENCE_MAX = 160,
    SENTENCE_MAX = 8192,
    HEADS_LOOKED_AT = 64,
};

enum verdict {
    VERDICT_FITS,
    VERDICT_FITS_NOT,
    VERDICT_OTHER_VERSION, // all else fits
};

// A layout under trial: enough of a runtime to read objects with.
struct trial {
    struct runtime runtime;
    const struct runtime_source *source;
    char against[EVIDENCE_MAX]; // the first evidence against it
    // Where the heads of the lists are lost: elements of them.
    vaddr linked[HEADS_LOOKED_AT];
    size_t linked_count;
};

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
    const struct runtime_source *source = trial->source;
    for (size_t i = 0; i < sizeof(witnesses) / sizeof(witnesses[0]); i++) {
        vaddr type;
        uint64_t basicsize;
        if (!layout_has(&runtime->layout, witnesses[i].size) ||
            !source->find_symbol(source->context, SYMBOL_EXPORTED, witnesses[i].symbol, &type) ||
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

// Does a type stand where the object's would? Its own type is `type`, or derived from it at once.
static bool has_sane_type(const struct runtime *runtime, vaddr object)
{
    uint64_t type, metatype, base;
    vaddr known = runtime->types[RUNTIME_TYPE_type];
    const struct layout *layout = &runtime->layout;
    return layout_read(layout, runtime->memory, object, LAYOUT_PyObject_ob_type, &type) ==
               MEMORY_OK &&
           layout_read(layout, runtime->memory, type, LAYOUT_PyObject_ob_type, &metatype) ==
               MEMORY_OK &&
           (metatype == known || (layout_read(layout, runtime->memory, metatype,
                                              LAYOUT_PyTypeObject_tp_base, &base) == MEMORY_OK &&
                                  base == known));
}

static bool note_linked(void *context, vaddr head)
{
    struct trial *trial = context;
    trial->linked[trial->linked_count++] = head;
    return trial->linked_count < HEADS_LOOKED_AT;
}

static unsigned count_sane_linked(const struct trial *trial, uint16_t size)
{
    unsigned sane = 0;
    for (size_t i = 0; i < trial->linked_count; i++)
        sane += has_sane_type(&trial->runtime, trial->linked[i] + size);
    return sane;
}

// How many of the first objects on the lists have a type, if a PyGC_Head has `size` bytes.
static unsigned count_sane(const struct trial *trial, uint16_t size)
{
    const struct runtime *runtime = &trial->runtime;
    unsigned sane = 0;
    if (trial->source->data_lost)
        return count_sane_linked(trial, size);
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++) {
        uint64_t at = runtime->generations[i].head;
        for (unsigned j = 0; j < HEADS_LOOKED_AT; j++) {
            if (layout_read(&runtime->layout, runtime->memory, at, LAYOUT_PyGC_Head_gc_next, &at) !=
                    MEMORY_OK ||
                at == runtime->generations[i].head)
                break;
            sane += has_sane_type(runtime, at + size);
        }
    }
    return sane;
}

// No other size may do better: of lists that cannot be read, none does.
static bool heads_fit(struct trial *trial)
{
    struct runtime *runtime = &trial->runtime;
    struct failure *failure = runtime_find_heads(runtime, trial->source);
    failure_destroy(failure);
    if (failure)
        return true;
    uint16_t own = layout_offset(&runtime->layout, LAYOUT_PyGC_Head_sizeof);
    unsigned sane = count_sane(trial, own);
    for (size_t i = 0; i < sizeof(head_sizes) / sizeof(head_sizes[0]); i++) {
        unsigned other = count_sane(trial, head_sizes[i]);
        if (other <= sane)
            continue;
        snprintf(trial->against, EVIDENCE_MAX,
                 "%u tracked objects would have a type behind a PyGC_Head of %u bytes, %u behind "
                 "one of %u",
                 sane, own, other, head_sizes[i]);
        return false;
    }
    return true;
}

static bool version_fits(struct trial *trial, const struct layout_column *column)
{
    uint32_t release = trial->runtime.hexversion >> 8;
    if (release == 0 || (release >= column->hexversion_first && release <= column->hexversion_last))
        return true;
    snprintf(trial->against, EVIDENCE_MAX, "sys.version is %s, which has other extension types",
             trial->runtime.version);
    return false;
}

void runtime_set_head_size(struct layout *layout, uint16_t size)
{
    layout->values[LAYOUT_PyGC_Head_sizeof] = (struct layout_value){size, size};
    layout->values[LAYOUT_gc_generation_threshold].offset = size;
    layout->values[LAYOUT_gc_generation_count].offset = (uint16_t)(size + 4);
    layout->values[LAYOUT_gc_generation_sizeof] =
        (struct layout_value){(uint16_t)(size + 8), (uint16_t)(size + 8)};
    layout->head_by_evidence = true;
}

// COUNT_ALLOCS (Include/object.h) ends PyTypeObject by more members, so what a heap type adds
// stands farther behind (fact sheet, section 1).
static void add_type_counters(struct layout *layout)
{
    static const enum layout_member moved[] = {
        LAYOUT_PyTypeObject_sizeof, LAYOUT_PyHeapTypeObject_sizeof, LAYOUT_PyHeapTypeObject_ht_name,
        LAYOUT_PyHeapTypeObject_ht_slots};
    unsigned word = layout->column->word_size;
    bool ints = release_find(layout->column->hexversion_first)->int_type_counters;
    unsigned more = ints ? (3 * 4 + word - 1) / word * word + word : 5 * word;
    for (size_t i = 0; i < sizeof(moved) / sizeof(moved[0]); i++) {
        struct layout_value *value = &layout->values[moved[i]];
        if (value->offset == value->width) // a size
            value->width = (uint16_t)(value->width + more);
        value->offset = (uint16_t)(value->offset + more);
    }
    layout->count_allocs = true;
}

// head_size 0: the column's own.
static enum verdict try_column(struct trial *trial, const struct layout_column *column,
                               uint16_t head_size)
{
    struct runtime *runtime = &trial->runtime;
    vaddr symbol;
    if (column->word_size != runtime->memory->format.word_size) {
        snprintf(trial->against, EVIDENCE_MAX, "its words have %d bits, the core's %d",
                 column->word_size * 8, runtime->memory->format.word_size * 8);
        return VERDICT_FITS_NOT;
    }
    layout_init(&runtime->layout, column);
    if (head_size)
        runtime_set_head_size(&runtime->layout, head_size);
    if (trial->source->find_symbol(trial->source->context, SYMBOL_STATIC, "inc_count", &symbol))
        add_type_counters(&runtime->layout);
    if (!type_type_fits(trial) || !witnesses_fit(trial) || !heads_fit(trial))
        return VERDICT_FITS_NOT;
    runtime->hexversion = trial->source->hexversion;
    runtime->version[0] = '\0';
    runtime_find_interp(runtime, trial->source);
    runtime_find_version(runtime);
    return version_fits(trial, column) ? VERDICT_FITS : VERDICT_OTHER_VERSION;
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

// Columns by the evidence against them, each evidence once.
static struct failure *no_column_fits(struct trial *trial)
{
    char(*against)[EVIDENCE_MAX] = calloc(layout_column_count, EVIDENCE_MAX);
    char evidence[SENTENCE_MAX] = "";
    if (!against)
        return failure_no_memory();
    for (size_t i = 0; i < layout_column_count; i++) {
        try_column(trial, &layout_columns[i], 0);
        memcpy(against[i], trial->against, EVIDENCE_MAX);
    }
    for (size_t i = 0; i < layout_column_count; i++) {
        if (!*against[i])
            continue;
        say(evidence, "%s%s", *evidence ? "; " : "", layout_columns[i].name);
        for (size_t j = i + 1; j < layout_column_count; j++) {
            if (strcmp(against[i], against[j]) != 0)
                continue;
            say(evidence, ", %s", layout_columns[j].name);
            *against[j] = '\0';
        }
        say(evidence, ": %s", against[i]);
    }
    free(against);
    return failure_create(FAILURE_UNSUPPORTED,
                          "no built-in object layout fits this interpreter (%s)", evidence);
}

// From the newest: where no version can be read, the last releases are the likeliest.
static bool choose(struct trial *trial, uint16_t head_size, struct layout *layout)
{
    unsigned fitting = 0, structures = 0;
    for (size_t i = layout_column_count; i-- > 0;) {
        enum verdict verdict = try_column(trial, &layout_columns[i], head_size);
        structures += verdict != VERDICT_FITS_NOT;
        if (verdict == VERDICT_FITS && fitting++ == 0)
            *layout = trial->runtime.layout;
    }
    layout->rivals = structures ? structures - 1 : 0;
    layout->by_version = fitting == 1 && structures > 1;
    return fitting > 0;
}

struct failure *runtime_choose_layout(struct memory *memory, const struct runtime_source *source,
                                      struct layout *layout)
{
    vaddr type;
    enum memory_status status;
    struct layout chosen = {0};
    struct trial trial = {.runtime = {.memory = memory, .image = source->image}, .source = source};
    if (!source->find_symbol(source->context, SYMBOL_EXPORTED, "PyType_Type", &type))
        return failure_create(FAILURE_MISMATCH, "the interpreter has no symbol PyType_Type");
    if (!memory_view(memory, type, memory->format.word_size, &status))
        return failure_create(FAILURE_DAMAGED,
                              "the core has not saved PyType_Type (0x%llx), so no object can be "
                              "understood",
                              (unsigned long long)type);
    runtime_find_types(&trial.runtime, source);
    if (source->data_lost)
        runtime_each_linked(memory, false, note_linked, &trial);
    bool found = choose(&trial, 0, &chosen);
    for (size_t i = 0; i < sizeof(head_sizes) / sizeof(head_sizes[0]) && !found; i++)
        found = choose(&trial, head_sizes[i], &chosen);
    if (!found)
        return no_column_fits(&trial);
    *layout = chosen;
    return NULL;
}
