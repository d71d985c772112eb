// An interpreter recognised in memory alone: no symbols, no tp_name of a static type; in real and
// scrambled layouts.
#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "object.h"
#include "recognize.h"
#include "scene.h"

static struct recognition *recognition;
static struct recognize_range ranges[FAKEHEAP_ARENAS];

static const struct layout_column *tried; // NULL: the process's own column

static void close_recognition(void)
{
    tried = NULL;
    recognition_destroy(recognition);
    recognition = NULL;
}

#define WORLDS(name) WORLD_TEST(recognize, name, close_recognition)

static void furnish(void)
{
    fakeheap_furnish(&fake);
}

// Older releases lack some types.
static bool has_type(const char *name)
{
    return fakeheap_has_type(&fake, name);
}

static int compare_ranges(const void *a, const void *b)
{
    const struct recognize_range *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

// As a core without files: .rodata was mapped, and is not saved.
static struct failure *try_recognition(void)
{
    static const char *const files[] = {
        [FAKEHEAP_ARENA_STATIC] = "libpython2.7.so.1.0", [FAKEHEAP_ARENA_MODULE] = "thing.so"};
    struct recognize_source source = {
        .ranges = ranges, .columns = tried ? tried : fake.layout.column, .column_count = 1};
    for (size_t i = 0; i < fake.arena_count; i++) {
        vaddr start = fake.arenas[i].start, size = (fake.arenas[i].used + 15) & ~UINT64_C(15);
        if (i == FAKEHEAP_ARENA_NAMES)
            fakeheap_hide(&fake, start, size, MEMORY_NOT_SAVED);
        else if (size)
            ranges[source.range_count++] =
                (struct recognize_range){start, start + size, i < LENGTH(files) ? files[i] : NULL};
    }
    qsort(ranges, source.range_count, sizeof(*ranges), compare_ranges);
    fakeheap_map(&fake);
    return recognition_create(&fake.memory, &source, &recognition);
}

static void recognize(void)
{
    struct failure *failure = try_recognition();
    cr_assert_null(failure, "%s: %s", world, failure_text(failure));
}

static const char *name_of(const char *type)
{
    const struct recognized_type *found =
        recognition_find_type(recognition, fakeheap_find_type(&fake, type));
    return found ? found->name : "(not found)";
}

static void expect_name(const char *type, const char *name)
{
    if (!has_type(type))
        return;
    cr_expect_str_eq(name_of(type), name, "%s: %s is called %s", world, type, name_of(type));
}

// --- what is found

WORLDS(symbols)
{
    static const char *const symbols[] = {
        "PyType_Type",      "PyBaseObject_Type", "PyDict_Type",     "PyList_Type",
        "PyTuple_Type",     "PySet_Type",        "PyString_Type",   "PyUnicode_Type",
        "PyInt_Type",       "PyLong_Type",       "PyInstance_Type", "PyClass_Type",
        "PyMethod_Type",    "PyFunction_Type",   "PyCode_Type",     "PyFrame_Type",
        "PyGen_Type",       "PyCFunction_Type",  "PyModule_Type",   "PyFrozenSet_Type",
        "PyByteArray_Type", "_PyWeakref_RefType"};
    furnish();
    fakeheap_furnish_types(&fake);
    recognize();
    for (size_t i = 0; i < LENGTH(symbols); i++) {
        vaddr expected, found = 0;
        if (!fake.source.find_symbol(fake.source.context, SYMBOL_EXPORTED, symbols[i], &expected))
            continue; // of a later release
        cr_expect(recognition_find_symbol(recognition, SYMBOL_EXPORTED, symbols[i], &found),
                  "%s: no %s", world, symbols[i]);
        cr_expect_eq(found, expected, "%s: %s", world, symbols[i]);
    }
    vaddr none;
    cr_expect_not(recognition_find_symbol(recognition, SYMBOL_EXPORTED, "PyTraceBack_Type", &none));
    cr_expect_not(recognition_find_symbol(recognition, SYMBOL_STATIC, "garbage", &none));
}

// The lists of the collector, the interpreter state and the version.
WORLDS(interpreter)
{
    vaddr generations = 0;
    furnish();
    recognize();
    cr_expect(recognition_find_symbol(recognition, SYMBOL_STATIC, "generations", &generations));
    cr_expect_eq(generations, fake.heads[0], "%s", world);
    cr_expect_str_eq(recognition->file, "libpython2.7.so.1.0", "%s", world);
    cr_expect_eq(recognition->runtime.interp, fake.interp, "%s", world);
    cr_expect_eq(recognition->runtime.modules, fake.modules, "%s", world);
    cr_expect_eq(recognition->runtime.hexversion >> 8, fake.version, "%s", world);
}

// PyGC_Head has another size on other machines: if everything else fits, it may.
WORLDS(head_of_another_size)
{
    static const uint16_t sizes[] = {12, 16, 24, 32};
    struct layout_column column = *fake.layout.column;
    uint16_t own = layout_offset(&fake.layout, LAYOUT_PyGC_Head_sizeof);
    bool listed = false;
    furnish();
    for (size_t i = 0; i < LENGTH(sizes); i++)
        listed = listed || sizes[i] == own;
    for (size_t i = 0; i < LENGTH(sizes) && listed; i++) {
        column.values[LAYOUT_PyGC_Head_sizeof].offset = sizes[i];
        tried = &column;
        recognize();
        cr_expect_eq(layout_offset(&recognition->runtime.layout, LAYOUT_PyGC_Head_sizeof), own,
                     "%s: %u", world, sizes[i]);
        close_recognition();
    }
}

// The static data of the interpreter, and nothing else.
WORLDS(data)
{
    struct runtime_range data;
    size_t cursor = 0;
    furnish();
    recognize();
    cr_assert(recognition_next_data(recognition, &cursor, &data));
    cr_expect_eq(data.start, fake.arenas[FAKEHEAP_ARENA_STATIC].start, "%s", world);
    cr_expect_not(recognition_next_data(recognition, &cursor, &data), "%s", world);
}

// Names come from paths and dictionaries; `bytes` is another key of str.
WORLDS(names)
{
    static const char *const types[] = {"type",
                                        "object",
                                        "dict",
                                        "str",
                                        "NoneType",
                                        "module",
                                        "function",
                                        "instance",
                                        "classobj",
                                        "generator",
                                        "weakref",
                                        "method_descriptor",
                                        "exceptions.BaseException"};
    furnish();
    fakeheap_furnish_types(&fake);
    recognize();
    for (size_t i = 0; i < LENGTH(types); i++)
        expect_name(types[i], types[i]);
}

static vaddr extension_type(const char *name, const char *structure)
{
    return fakeheap_type(&fake,
                         &(struct fakeheap_type){
                             .name = name, .structure = structure, .gc = true, .in_module = true});
}

static vaddr extension_module(const char *name, const char *file)
{
    vaddr module = fakeheap_module(&fake, name);
    fakeheap_set_attr(&fake, module, "__file__", fakeheap_str(&fake, file));
    return module;
}

// The module of the file that has the type names it, not one that only shows it; not even where
// nothing better is known than what the type's objects look like.
WORLDS(names_of_extensions)
{
    furnish();
    fakeheap_furnish_types(&fake);
    vaddr chain = extension_type("itertools.chain", "chainobject");
    vaddr other = extension_type("thing.Other", "PyListObject");
    vaddr thing = extension_module("itertools", "/usr/lib/python2.7/lib-dynload/thing.so");
    vaddr foreign = extension_module("future_builtins", "/usr/lib/future_builtins.so");
    fakeheap_set_attr(&fake, foreign, "chain", chain);
    fakeheap_set_attr(&fake, foreign, "other", other);
    fakeheap_set_attr(&fake, foreign, "Cell", fakeheap_find_type(&fake, "cell"));
    fakeheap_set_attr(&fake, thing, "chain", chain);
    vaddr cell = fakeheap_cell(&fake, fake.none);
    fakeheap_closure(&fake,
                     fakeheap_code(&fake, &(struct fakeheap_code){.name = "f", .file = "f.py"}),
                     &cell, 1);
    recognize();
    expect_name("itertools.chain", "itertools.chain");
    expect_name("thing.Other", "future_builtins.other");
    expect_name("cell", "cell");
}

// A program that was typed in has no file, and is none of the interpreter's own modules.
WORLDS(names_of_the_main_module)
{
    furnish();
    fakeheap_furnish_types(&fake);
    fakeheap_type(&fake,
                  &(struct fakeheap_type){.name = "operator.unheard", .structure = "PyListObject"});
    vaddr unheard = fakeheap_find_type(&fake, "operator.unheard");
    fakeheap_set_attr(&fake, fakeheap_module(&fake, "__main__"), "getter", unheard);
    recognize();
    expect_name("operator.unheard", "__main__.getter");
    close_recognition();
    fakeheap_set_attr(&fake, fakeheap_module(&fake, "operator"), "unheard", unheard);
    recognize();
    expect_name("operator.unheard", "operator.unheard");
}

// A dictionary with room for a million.
static vaddr large_dict(void)
{
    uint64_t slots = 1 << 20;
    vaddr dict = fakeheap_dict(&fake);
    fakeheap_set(&fake, dict, LAYOUT_PyDictObject_ma_mask, slots - 1);
    fakeheap_set(
        &fake, dict, LAYOUT_PyDictObject_ma_table,
        fakeheap_allocate(&fake, slots * layout_offset(&fake.layout, LAYOUT_PyDictEntry_sizeof)));
    return dict;
}

// Sixteen million slots are gone through, whoever has them, and the small ones behind them.
Test(recognize, large_modules)
{
    init_world(&(struct fakeheap_spec){0});
    furnish();
    fakeheap_arena(&fake, 0x600000000000, 64 << 20);
    vaddr shared = large_dict(), other = large_dict(), small;
    vaddr first = extension_type("thing.First", "PyListObject");
    vaddr second = extension_type("thing.Second", "PyListObject");
    vaddr third = extension_type("thing.Third", "PyListObject");
    fakeheap_dict_set_name(&fake, shared, "__name__", fakeheap_str(&fake, "large"));
    fakeheap_dict_set_name(&fake, shared, "First", first);
    fakeheap_dict_set_name(&fake, other, "__name__", fakeheap_str(&fake, "other"));
    fakeheap_dict_set_name(&fake, other, "Second", second);
    for (unsigned i = 0; i < 16; i++)
        fakeheap_link(&fake, extension_module("large", ""), LAYOUT_PyModuleObject_md_dict,
                      i < 15 ? shared : other);
    small = extension_module("small", "/lib/thing.so");
    fakeheap_set_attr(&fake, small, "Third", third);
    recognize();
    expect_name("thing.First", "large.First");
    cr_expect_eq(strncmp(name_of("thing.Second"), "<type ", 6), 0, "%s", name_of("thing.Second"));
    expect_name("thing.Third", "small.Third");
    close_recognition();
    fakeheap_deinit(&fake);
}

// Where a name cannot be had, it is at least the same in the next core.
WORLDS(placeholders)
{
    furnish();
    vaddr first = extension_type("thing.A", "PyListObject");
    extension_type("thing.B", "PyListObject");
    extension_type("thing.C", "PyDictObject");
    unsigned size = (unsigned)fakeheap_get(&fake, first, LAYOUT_PyTypeObject_tp_basicsize);
    recognize();
    char text[64];
    snprintf(text, sizeof(text), "<type 1 of %u bytes in thing.so>", size);
    expect_name("thing.A", text);
    snprintf(text, sizeof(text), "<type 2 of %u bytes in thing.so>", size);
    expect_name("thing.B", text);
    cr_expect_null(recognition_find_type(recognition, first)->rule, "%s", world);
    cr_expect_null(recognition_find_type(recognition, first + 8), "%s", world);
}

// A name that the traversal table has, for objects that are too small for what it visits there.
WORLDS(name_of_another_size)
{
    furnish();
    vaddr chain = extension_type("itertools.chain", NULL);
    fakeheap_set_attr(&fake, extension_module("itertools", "thing.so"), "chain", chain);
    recognize();
    expect_name("itertools.chain", "itertools.chain");
    cr_expect_null(recognition_find_type(recognition, chain)->rule, "%s", world);
}

// --- types that only their objects can tell

WORLDS(looks)
{
    static const char *const types[] = {"function", "classobj", "instance", "code", "cell"};
    furnish();
    fake.globals = fakeheap_dict(&fake);
    vaddr code = fakeheap_code(&fake, &(struct fakeheap_code){.name = "f", .file = "f.py"});
    vaddr cell = fakeheap_cell(&fake, fake.none);
    fakeheap_function(&fake, code);
    fakeheap_closure(&fake, code, &cell, 1);
    vaddr class = fakeheap_old_class(&fake, "__main__", "Old", 0);
    if (!fakeheap_get(&fake, class, LAYOUT_PyClassObject_cl_bases))
        fakeheap_link(&fake, class, LAYOUT_PyClassObject_cl_bases, fakeheap_tuple(&fake, 0));
    fakeheap_old_instance(&fake, class);
    vaddr frame = fakeheap_frame(&fake, code, 1);
    fakeheap_generator(&fake, frame);
    fakeheap_set(&fake, fake.thread, LAYOUT_PyThreadState_frame, frame);
    recognize();
    for (size_t i = 0; i < LENGTH(types); i++)
        expect_name(types[i], types[i]);
    if (strcmp(fake.layout.column->name, "scrambled") != 0)
        expect_name("generator", "generator"); // elsewhere other members are its last ones
}

// Two types of iterators over lists: which is which, their objects do not say.
WORLDS(looks_of_twins)
{
    furnish();
    vaddr types[2], list = fakeheap_list(&fake);
    static const char *const names[] = {"listreverseiterator", "listiterator"};
    for (size_t i = 0; i < 2; i++)
        types[i] = fakeheap_type(
            &fake,
            &(struct fakeheap_type){.name = names[i], .structure = "listiterobject", .gc = true});
    for (size_t i = 0; i < 4; i++)
        fakeheap_link(&fake, fakeheap_new(&fake, types[i > 0], 0), LAYOUT_listiterobject_it_seq,
                      list);
    if (fakeheap_get(&fake, types[0], LAYOUT_PyTypeObject_tp_basicsize) !=
        layout_offset(&fake.layout, LAYOUT_listiterobject_it_seq) +
            (unsigned)fake.layout.values[LAYOUT_listiterobject_it_seq].width)
        return; // this layout has more behind it
    recognize();
    expect_name("listiterator", "listiterator");
    expect_name("listreverseiterator", "list iterator");
    for (size_t i = 0; i < 2; i++)
        cr_expect_str_eq(recognition_find_type(recognition, types[i])->rule, "listiterator", "%s",
                         world);
}

// Iterators that came to their end have no list; where none has one, they could be of any kind.
WORLDS(looks_of_what_has_ended)
{
    furnish();
    vaddr type = fakeheap_type(
        &fake,
        &(struct fakeheap_type){.name = "listiterator", .structure = "listiterobject", .gc = true});
    vaddr list = fakeheap_list(&fake), iterators[3];
    for (size_t i = 0; i < LENGTH(iterators); i++)
        iterators[i] = fakeheap_new(&fake, type, 0);
    if (fakeheap_get(&fake, type, LAYOUT_PyTypeObject_tp_basicsize) !=
        layout_offset(&fake.layout, LAYOUT_listiterobject_it_seq) +
            (unsigned)fake.layout.values[LAYOUT_listiterobject_it_seq].width)
        return; // this layout has more behind it
    recognize();
    cr_expect_str_neq(name_of("listiterator"), "listiterator", "%s", world);
    close_recognition();
    fakeheap_link(&fake, iterators[1], LAYOUT_listiterobject_it_seq, list);
    recognize();
    expect_name("listiterator", "listiterator");
    close_recognition();
    fakeheap_link(&fake, iterators[2], LAYOUT_listiterobject_it_seq, fakeheap_dict(&fake));
    recognize();
    cr_expect_str_neq(name_of("listiterator"), "listiterator", "%s", world);
}

// --- what is not there

static void expect_nothing(const char *what, const char *evidence)
{
    struct failure *failure = try_recognition();
    char text[256];
    snprintf(text, sizeof(text), "%s: %s", fake.layout.column->name, evidence ? evidence : "");
    cr_assert_not_null(failure, "%s: %s", world, what);
    cr_expect_eq(failure_kind(failure), FAILURE_MISMATCH);
    if (evidence)
        cr_expect_str_eq(failure_text(failure), text, "%s: %s: %s", world, what,
                         failure_text(failure));
    failure_destroy(failure);
}

WORLDS(no_type)
{
    furnish();
    fakeheap_set(&fake, fake.type, LAYOUT_PyObject_ob_type, fake.object);
    expect_nothing("no type", NULL);
}

// Nothing at all is there.
Test(recognize, empty)
{
    struct memory memory;
    struct recognize_source source = {0};
    memory_init(&memory, (struct memory_format){8, false});
    struct failure *failure = recognition_create(&memory, &source, &recognition);
    cr_assert_not_null(failure);
    cr_expect(strstr(failure_text(failure), "2.7.18-x86_64"), "%s", failure_text(failure));
    cr_expect(strstr(failure_text(failure), ": no object is its own type"), "%s",
              failure_text(failure));
    failure_destroy(failure);
    memory_deinit(&memory);
}

WORLDS(sizes)
{
    char text[128];
    furnish();
    fakeheap_set(&fake, fake.type, LAYOUT_PyTypeObject_tp_basicsize, 4001);
    snprintf(text, sizeof(text), "an object whose type is itself has not the sizes %u/%u",
             layout_offset(&fake.layout, LAYOUT_PyHeapTypeObject_sizeof),
             layout_offset(&fake.layout, LAYOUT_PyMemberDef_sizeof));
    expect_nothing("another size", text);
}

// What is nearly `type` says how far it comes.
WORLDS(flags_and_base)
{
    char text[128];
    furnish();
    uint64_t flags = fakeheap_get(&fake, fake.type, LAYOUT_PyTypeObject_tp_flags);
    static const uint64_t wrong[] = {0, TPFLAGS_HEAPTYPE, TPFLAGS_HEAPTYPE | TPFLAGS_HAVE_GC};
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        fakeheap_set(&fake, fake.type, LAYOUT_PyTypeObject_tp_flags, wrong[i]);
        snprintf(text, sizeof(text), "what has the sizes of `type` has flags 0x%llx",
                 (unsigned long long)wrong[i]);
        expect_nothing("flags", text);
    }
    fakeheap_set(&fake, fake.type, LAYOUT_PyTypeObject_tp_flags, flags);
    static const char base[] = "the base of `type` is no `object`";
    const vaddr bases[] = {0, 0x12345678, fake.none, fake.type};
    for (size_t i = 0; i < LENGTH(bases); i++) {
        fakeheap_set(&fake, fake.type, LAYOUT_PyTypeObject_tp_base, bases[i]);
        expect_nothing("base", base);
    }
    fakeheap_set(&fake, fake.type, LAYOUT_PyTypeObject_tp_base, fake.object);
    fakeheap_set(&fake, fake.object, LAYOUT_PyTypeObject_tp_base, fake.type);
    expect_nothing("base of the base", base);
}

WORLDS(no_dict)
{
    char text[128];
    furnish();
    snprintf(text, sizeof(text), "the __dict__ of `type` is no dict of %u bytes",
             layout_offset(&fake.layout, LAYOUT_PyDictObject_sizeof));
    vaddr right = fakeheap_get(&fake, fake.type, LAYOUT_PyTypeObject_tp_dict);
    const vaddr wrong[] = {0, 0x12345678, fakeheap_list(&fake), fake.type};
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        fakeheap_set(&fake, fake.type, LAYOUT_PyTypeObject_tp_dict, wrong[i]);
        expect_nothing("dict", text);
    }
    fakeheap_set(&fake, fake.type, LAYOUT_PyTypeObject_tp_dict, right);
    fakeheap_set(&fake, right, LAYOUT_PyDictObject_ma_mask, 6);
    expect_nothing("mask", text);
}

WORLDS(no_subclasses)
{
    furnish();
    const vaddr wrong[] = {0, 0x12345678, fakeheap_dict(&fake), fake.type};
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        fakeheap_set(&fake, fake.object, LAYOUT_PyTypeObject_tp_subclasses, wrong[i]);
        expect_nothing("subclasses", "the subclasses of `object` are in no list");
    }
}

WORLDS(no_builtins)
{
    furnish();
    vaddr builtin = 0;
    fakeheap_open(&fake);
    cr_assert_eq(object_dict_find(&fake.runtime, fake.modules, "__builtin__", &builtin), MEMORY_OK);
    fakeheap_dict_delete(&fake, fakeheap_get(&fake, builtin, LAYOUT_PyModuleObject_md_dict), "int");
    expect_nothing("int", "__builtin__ has no int");
    fakeheap_dict_delete(&fake, fake.modules, "__builtin__");
    expect_nothing("builtin", "sys.modules has no __builtin__");
}

// Which are they?
WORLDS(lists_in_two_places)
{
    furnish();
    uint64_t stride = fake.heads[1] - fake.heads[0];
    vaddr copy = fakeheap_allocate_in(&fake, FAKEHEAP_ARENA_STATIC, 3 * stride);
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++) {
        vaddr head = copy + i * stride, tuple = fakeheap_tuple(&fake, 1);
        vaddr own = fakeheap_head(&fake, tuple);
        fakeheap_untrack(&fake, tuple);
        fakeheap_set(&fake, own, LAYOUT_PyGC_Head_gc_next, head);
        fakeheap_set(&fake, own, LAYOUT_PyGC_Head_gc_prev, head);
        fakeheap_set(
            &fake, own, LAYOUT_PyGC_Head_gc_refs,
            fakeheap_get(&fake, fakeheap_head(&fake, fake.modules), LAYOUT_PyGC_Head_gc_refs));
        fakeheap_set(&fake, head, LAYOUT_PyGC_Head_gc_next, own);
        fakeheap_set(&fake, head, LAYOUT_PyGC_Head_gc_prev, own);
    }
    expect_nothing("copy", "2 places look like the lists of the collector");
}

WORLDS(mro)
{
    furnish();
    fakeheap_link(&fake, fake.type, LAYOUT_PyTypeObject_tp_mro,
                  fakeheap_tuple_of(&fake, fake.object, fake.type));
    expect_nothing("mro", "the __mro__ of `type` is not (type, object)");
}

// Python 3 has a dictionary there as well, but no str of bytes in it.
WORLDS(keys)
{
    furnish();
    fakeheap_dict_delete(&fake, fakeheap_get(&fake, fake.type, LAYOUT_PyTypeObject_tp_dict),
                         "__mro__");
    expect_nothing("keys", "the __dict__ of `type` has no key \"__mro__\"");
}

WORLDS(no_lists)
{
    furnish();
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++)
        fakeheap_set(&fake, fake.heads[i], LAYOUT_PyGC_Head_gc_next, 0);
    expect_nothing("no lists", "no place looks like the lists of the collector");
}

// Objects of one size side by side are rings at one distance, too.
WORLDS(no_lists_but_objects)
{
    furnish();
    for (unsigned i = 0; i < 3; i++)
        fakeheap_tuple(&fake, 1);
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++)
        fakeheap_set(&fake, fake.heads[i], LAYOUT_PyGC_Head_gc_next, 0);
    expect_nothing("objects", "no place looks like the lists of the collector");
}

WORLDS(no_interpreter)
{
    furnish();
    fakeheap_set(&fake, fake.thread, LAYOUT_PyThreadState_interp, fake.thread);
    expect_nothing("no interpreter", "nothing looks like an interpreter state");
}

WORLDS(another_version)
{
    furnish();
    fakeheap_dict_set_name(&fake, fake.sysdict, "hexversion", fakeheap_int(&fake, 0x03030000));
    fakeheap_dict_set_name(&fake, fake.sysdict, "version", fakeheap_str(&fake, "3.3.0 (default)"));
    expect_nothing("another version", "sys.version is 3.3.0");
}

// Words that are themselves, and three empty rings: C programs are full of both.
WORLDS(lookalikes)
{
    furnish();
    uint64_t stride = fake.heads[1] - fake.heads[0], word = fake.memory.format.word_size;
    vaddr rings = fakeheap_allocate_in(&fake, FAKEHEAP_ARENA_STATIC, 8 * stride);
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++) {
        vaddr head = rings + i * stride;
        fakeheap_set(&fake, head, LAYOUT_PyGC_Head_gc_next, head);
        fakeheap_set(&fake, head, LAYOUT_PyGC_Head_gc_prev, head);
    }
    vaddr words = fakeheap_allocate_in(&fake, FAKEHEAP_ARENA_STATIC, 64 * word);
    for (unsigned i = 0; i < 64; i++)
        fakeheap_poke_word(&fake, words + i * word,
                           words + i * word - layout_offset(&fake.layout, LAYOUT_PyObject_ob_type));
    recognize();
    cr_expect_eq(recognition->generations, fake.heads[0], "%s", world);
    cr_expect_eq(recognition->runtime.types[RUNTIME_TYPE_type], fake.type, "%s", world);
}
