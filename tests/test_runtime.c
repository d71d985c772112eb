// Where an interpreter keeps its things: the lists of the collector, gc.garbage, the interpreter
// state and the rest, with symbols and without.
#include "common.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fakelayout.h"
#include "runtime.h"
#include "scene.h"

#define WORLDS(name)              WORLD_TEST(runtime, name, close_nothing)
#define WORLDS_SINCE(first, name) WORLD_TEST_SINCE(first, runtime, name, close_nothing)

// --- the lists of the collector

static void expect_failure(enum failure_kind kind, const char *expected)
{
    struct runtime runtime;
    fakeheap_map(&fake);
    struct failure *failure = runtime_init(&runtime, &fake.memory, &fake.layout, &fake.source);
    cr_assert_not_null(failure, "%s", world);
    cr_assert_eq(failure_kind(failure), kind, "%s: %s", world, failure_text(failure));
    cr_assert_str_eq(failure_text(failure), expected, "%s: %s", world, failure_text(failure));
    failure_destroy(failure);
}

static void expect_generations(bool by_symbol)
{
    static const int64_t thresholds[] = {700, 10, 10};
    fakeheap_open(&fake);
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++) {
        cr_assert_eq(fake.runtime.generations[i].head, fake.heads[i], "%s: generation %u", world,
                     i);
        cr_assert_eq(fake.runtime.generations[i].threshold, thresholds[i], "%s", world);
        cr_assert_eq(fake.runtime.generations[i].count, (int64_t)i * 3 - 1, "%s", world);
    }
    cr_assert_eq(fake.runtime.generations_by_symbol, by_symbol, "%s", world);
}

static void set_counts(void)
{
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++)
        fakeheap_set(&fake, fake.heads[i], LAYOUT_gc_generation_count, (uint64_t)i * 3 - 1);
}

WORLDS(generations_with_symbols_and_without)
{
    fakeheap_list(&fake);
    set_counts();
    expect_generations(true);
    fakeheap_remove_symbol(&fake, "_PyGC_generation0");
    expect_generations(true);
}

WORLDS(generations_of_a_stripped_file)
{
    fakeheap_list(&fake);
    set_counts();
    fakeheap_strip(&fake);
    expect_generations(false);
}

WORLDS(generations_nowhere)
{
    char text[256];
    vaddr variable = 0;
    fakeheap_strip(&fake);
    cr_assert(fake.source.find_symbol(fake.source.context, SYMBOL_EXPORTED, "_PyGC_generation0",
                                      &variable));
    fakeheap_hide(&fake, variable, 1, MEMORY_NOT_SAVED);
    snprintf(text, sizeof(text),
             "the core has not saved _PyGC_generation0 (0x%" PRIx64
             "), so the lists of the collector cannot be found",
             variable);
    expect_failure(FAILURE_DAMAGED, text);
    fakeheap_remove_symbol(&fake, "_PyGC_generation0");
    expect_failure(FAILURE_MISMATCH,
                   "the interpreter has neither a symbol _PyGC_generation0 nor generations");
}

// 2.7.15 changed the distance of the heads; distributors changed it in other releases.
Test(runtime, generations_at_either_distance)
{
    static const struct {
        const char *column;
        uint64_t stride;
        unsigned objects; // in each
    } rows[] = {{"2.7.5-x86_64", 40, 0},  {"2.7.5-x86_64", 48, 0},  {"2.7.18-x86_64", 40, 0},
                {"2.7.18-x86_64", 48, 0}, {"2.7.5-x86_64", 40, 3},  {"2.7.5-x86_64", 48, 3},
                {"2.7.18-x86_64", 40, 3}, {"2.7.18-x86_64", 48, 3}, {"2.7.18-i386", 20, 3},
                {"2.7.18-armhf", 24, 3},  {"2.7.18-armhf", 32, 3}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        init_world(&(struct fakeheap_spec){.column = fakelayout_column(rows[i].column),
                                           .stride = rows[i].stride});
        for (unsigned j = 0; j < rows[i].objects * RUNTIME_GENERATIONS; j++) {
            fake.generation = (int)(j % RUNTIME_GENERATIONS);
            fakeheap_list(&fake);
        }
        fakeheap_open(&fake);
        for (unsigned j = 0; j < RUNTIME_GENERATIONS; j++)
            cr_assert_eq(fake.runtime.generations[j].head, fake.heads[j], "row %zu, generation %u",
                         i, j);
        fakeheap_deinit(&fake);
    }
}

Test(runtime, generations_at_the_columns_distance_when_damaged)
{
    init_world(&(struct fakeheap_spec){.stride = 40});
    fakeheap_set(&fake, fake.heads[1], LAYOUT_PyGC_Head_gc_prev, 0x12345678);
    fakeheap_open(&fake);
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++)
        cr_assert_eq(fake.runtime.generations[i].head, fake.heads[i], "generation %u", i);
    fakeheap_deinit(&fake);
}

WORLDS(flags_of_the_collector)
{
    fakeheap_poke(&fake, fake.enabled, 0, 4);
    fakeheap_poke(&fake, fake.collecting, 1, 4);
    fakeheap_poke(&fake, fake.debug, (uint32_t)-2, 4);
    fakeheap_open(&fake);
    cr_assert(fake.runtime.enabled.known && fake.runtime.enabled.value == 0, "%s", world);
    cr_assert(fake.runtime.collecting.known && fake.runtime.collecting.value == 1, "%s", world);
    cr_assert(fake.runtime.debug.known && fake.runtime.debug.value == -2, "%s", world);
    fakeheap_hide(&fake, fake.debug, 4, MEMORY_NOT_SAVED);
    fakeheap_open(&fake);
    cr_assert_not(fake.runtime.debug.known, "%s", world);
    fakeheap_strip(&fake);
    fakeheap_open(&fake);
    cr_assert_not(fake.runtime.enabled.known || fake.runtime.collecting.known, "%s", world);
}

// --- gc.garbage

static void expect_garbage(const char *what, enum garbage_source source, vaddr list)
{
    fakeheap_open(&fake);
    cr_assert_eq(fake.runtime.garbage_source, source, "%s, %s: %d", world, what,
                 fake.runtime.garbage_source);
    cr_assert_eq(fake.runtime.garbage, list, "%s, %s", world, what);
}

WORLDS(garbage_by_its_symbol)
{
    expect_garbage("before the first collection", GARBAGE_NONE_YET, 0);
    vaddr list = fakeheap_garbage(&fake);
    expect_garbage("list", GARBAGE_BY_SYMBOL, list);
    fakeheap_keep(&fake, fake.none);
    expect_garbage("list with items", GARBAGE_BY_SYMBOL, list);
    fakeheap_strip(&fake);
    expect_garbage("stripped, gc not imported", GARBAGE_NOT_FOUND, 0);
}

WORLDS(garbage_through_the_module)
{
    vaddr list = fakeheap_garbage(&fake), module = fakeheap_module(&fake, "gc");
    fakeheap_set_attr(&fake, module, "garbage", list);
    expect_garbage("with a symbol", GARBAGE_BY_SYMBOL, list);
    // The symbol may belong to another variable of that name.
    fakeheap_poke_word(&fake, fake.garbage_variable, fake.none);
    expect_garbage("with a wrong symbol", GARBAGE_BY_MODULE, list);
    fakeheap_hide(&fake, fake.garbage_variable, 1, MEMORY_NOT_SAVED);
    expect_garbage("with a symbol whose variable is lost", GARBAGE_BY_MODULE, list);
    fakeheap_strip(&fake);
    expect_garbage("stripped", GARBAGE_BY_MODULE, list);
}

WORLDS(garbage_that_was_rebound)
{
    vaddr list = fakeheap_garbage(&fake), module = fakeheap_module(&fake, "gc");
    vaddr child = fakeheap_class(
        &fake, &(struct fakeheap_class){.name = "L", .base = fakeheap_find_type(&fake, "list")});
    fakeheap_strip(&fake);
    fakeheap_set_attr(&fake, module, "garbage", fake.none);
    expect_garbage("to None", GARBAGE_NOT_FOUND, 0);
    fakeheap_set_attr(&fake, module, "garbage", fakeheap_instance(&fake, child));
    expect_garbage("to a list of another type", GARBAGE_NOT_FOUND, 0);
    fakeheap_dict_set_name(&fake, fake.modules, "gc", list);
    expect_garbage("to what is no module", GARBAGE_NOT_FOUND, 0);
}

static void expect_binding(const char *what, enum garbage_binding binding, vaddr bound)
{
    vaddr object = 1;
    fakeheap_open(&fake);
    cr_assert_eq(runtime_find_garbage_name(&fake.runtime, fake.garbage, &object), binding, "%s, %s",
                 world, what);
    cr_assert_eq(object, bound, "%s, %s", world, what);
}

WORLDS(garbage_by_its_name)
{
    vaddr list = fakeheap_garbage(&fake), other = fakeheap_list(&fake);
    expect_binding("gc not imported", GARBAGE_BINDING_UNKNOWN, 0);
    vaddr module = fakeheap_module(&fake, "gc");
    expect_binding("never set", GARBAGE_BINDING_DELETED, 0);
    fakeheap_set_attr(&fake, module, "garbage", list);
    expect_binding("as gc made it", GARBAGE_BINDING_SAME, list);
    fakeheap_set_attr(&fake, module, "garbage", other);
    expect_binding("another list", GARBAGE_BINDING_LIST, other);
    fakeheap_set_attr(&fake, module, "garbage", fake.none);
    expect_binding("None", GARBAGE_BINDING_OTHER, fake.none);
    fakeheap_dict_delete(&fake, fakeheap_get(&fake, module, LAYOUT_PyModuleObject_md_dict),
                         "garbage");
    expect_binding("deleted", GARBAGE_BINDING_DELETED, 0);
    fakeheap_dict_set_name(&fake, fake.modules, "gc", list);
    expect_binding("no module", GARBAGE_BINDING_UNKNOWN, 0);
}

WORLDS(garbage_candidates)
{
    vaddr first = fakeheap_garbage(&fake), second = fakeheap_list(&fake), list = 0;
    uint64_t cursor = 0;
    fakeheap_poke_word(&fake, fake.debug, fake.none);   // no list
    fakeheap_poke_word(&fake, fake.collecting, second); // a list
    fakeheap_poke_word(&fake, fake.enabled, 0x12345678);
    fakeheap_open(&fake);
    // Twice the same data, as two ranges: both are gone through.
    struct runtime_range ranges[] = {fake.data, fake.data};
    fake.source.data = ranges;
    fake.source.data_count = LENGTH(ranges);
    for (unsigned round = 0; round < LENGTH(ranges); round++) {
        cr_assert(runtime_next_static_list(&fake.runtime, &fake.source, &cursor, &list), "%s",
                  world);
        cr_assert_eq(list, first, "%s", world);
        cr_assert(runtime_next_static_list(&fake.runtime, &fake.source, &cursor, &list), "%s",
                  world);
        cr_assert_eq(list, second, "%s", world);
    }
    cr_assert_not(runtime_next_static_list(&fake.runtime, &fake.source, &cursor, &list), "%s",
                  world);
    cr_assert_not(runtime_next_static_list(&fake.runtime, &fake.source, &cursor, &list), "%s",
                  world);
}

// --- the interpreter state

static void expect_interp(const char *what, vaddr interp)
{
    fakeheap_open(&fake);
    cr_assert_eq(fake.runtime.interp, interp, "%s, %s: 0x%" PRIx64, world, what,
                 fake.runtime.interp);
    cr_assert_eq(fake.runtime.modules, interp ? fake.modules : 0, "%s, %s", world, what);
    cr_assert_eq(fake.runtime.hexversion >> 8, interp ? fake.version : 0, "%s, %s", world, what);
}

WORLDS(interp_by_the_current_thread)
{
    fakeheap_poke_word(&fake, fake.interp_variable, 0);
    fakeheap_strip(&fake);
    expect_interp("by _PyThreadState_Current", fake.interp);
}

WORLDS(interp_by_its_head)
{
    fakeheap_poke_word(&fake, fake.thread_variable, 0); // nobody has the GIL
    expect_interp("by interp_head", fake.interp);
    fakeheap_poke_word(&fake, fake.thread_variable, 0x12345678);
    expect_interp("by interp_head, the thread is lost", fake.interp);
    fakeheap_poke_word(&fake, fake.thread_variable, fake.none);
    expect_interp("by interp_head, the thread is none", fake.interp);
}

WORLDS(interp_by_the_look_of_it)
{
    fakeheap_poke_word(&fake, fake.thread_variable, 0);
    fakeheap_strip(&fake);
    expect_interp("by evidence", fake.interp);
    fakeheap_set(&fake, fake.interp, LAYOUT_PyInterpreterState_builtins, fake.none);
    expect_interp("builtins is no dict", 0);
}

WORLDS(interp_that_is_lost)
{
    fakeheap_hide(&fake, fake.interp, fake.thread - fake.interp, MEMORY_NOT_SAVED);
    expect_interp("not saved", 0);
    cr_assert_str_empty(fake.runtime.version, "%s", world);
    fakeheap_show_all(&fake);
    fakeheap_set(&fake, fake.thread, LAYOUT_PyThreadState_interp, fake.none);
    expect_interp("its thread belongs to another", 0);
}

WORLDS(version_of_python)
{
    static const struct {
        const char *text;
        const char *version;
    } rows[] = {
        {"2.7.18 (default, Apr 20 2020, 20:30:41) \n[GCC 9.3.0]", "2.7.18"},
        {"2.7.15rc1 (default)", "2.7.15rc1"},
        {"2.7.18+ (default)", "2.7.18+"},
        {"2.7.0a1", "2.7.0a1"},
        {"", ""},
        {"no version at all, and long enough to be cut", ""},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        fakeheap_dict_set_name(&fake, fake.sysdict, "version", fakeheap_str(&fake, rows[i].text));
        fakeheap_open(&fake);
        cr_assert_str_eq(fake.runtime.version, rows[i].version, "%s: %s", world,
                         fake.runtime.version);
    }
    fakeheap_dict_set_name(&fake, fake.sysdict, "version", fake.none);
    fakeheap_dict_set_name(&fake, fake.sysdict, "hexversion", fake.none);
    fakeheap_open(&fake);
    cr_assert_str_empty(fake.runtime.version, "%s", world);
    cr_assert_eq(fake.runtime.hexversion, 0, "%s", world);
}

WORLDS(width_of_unicode)
{
    fakeheap_open(&fake);
    cr_assert_eq(fake.runtime.unicode_width, 4, "%s", world);
    fakeheap_dict_set_name(&fake, fake.sysdict, "maxunicode", fakeheap_int(&fake, 0xffff));
    fakeheap_open(&fake);
    cr_assert_eq(fake.runtime.unicode_width, 2, "%s", world);
    fakeheap_dict_delete(&fake, fake.sysdict, "maxunicode");
    fakeheap_open(&fake);
    cr_assert_eq(fake.runtime.unicode_width, 4, "%s: the usual one", world);
    fakeheap_symbol(&fake, SYMBOL_EXPORTED, "PyUnicodeUCS2_FromUnicode", 1);
    fakeheap_open(&fake);
    cr_assert_eq(fake.runtime.unicode_width, 2, "%s: by the names of the functions", world);
}

WORLDS_SINCE(206, types_by_their_symbols)
{
    fakeheap_remove_symbol(&fake, "PyByteArray_Type");
    fakeheap_open(&fake);
    cr_assert_eq(fake.runtime.types[RUNTIME_TYPE_type], fake.type, "%s", world);
    cr_assert_eq(fake.runtime.types[RUNTIME_TYPE_cell], fakeheap_find_type(&fake, "cell"), "%s",
                 world);
    cr_assert_eq(fake.runtime.types[RUNTIME_TYPE_bytearray], 0, "%s", world);
}

// --- subtype_traverse

static vaddr add_class(vaddr traverse)
{
    vaddr class = fakeheap_class(&fake, &(struct fakeheap_class){.name = "C"});
    fakeheap_set(&fake, class, LAYOUT_PyTypeObject_tp_traverse, traverse);
    fakeheap_add_subclass(&fake, fake.object, class);
    return class;
}

static void expect_subtype_traverse(const char *what, vaddr expected)
{
    fakeheap_open(&fake);
    cr_assert_eq(fake.runtime.subtype_traverse, expected, "%s, %s: 0x%" PRIx64, world, what,
                 fake.runtime.subtype_traverse);
}

WORLDS(subtype_traverse_by_vote)
{
    static const char *const none[] = {NULL};
    expect_subtype_traverse("by symbol", fake.subtype_traverse);
    fakeheap_strip(&fake);
    expect_subtype_traverse("no class", 0);
    // Static types and classes without GC have no vote, however many.
    for (unsigned i = 0; i < 5; i++) {
        fakeheap_add_subclass(&fake, fake.object, fakeheap_find_type(&fake, "list"));
        fakeheap_add_subclass(
            &fake, fake.object,
            fakeheap_class(&fake, &(struct fakeheap_class){.name = "B", .slots = none}));
    }
    expect_subtype_traverse("no class that counts", 0);
    add_class(0x7777);
    add_class(fake.subtype_traverse);
    add_class(0x8888);
    add_class(fake.subtype_traverse);
    expect_subtype_traverse("most votes", fake.subtype_traverse);
}

WORLDS(subtype_traverse_of_odd_lists)
{
    fakeheap_strip(&fake);
    vaddr class = add_class(fake.subtype_traverse);
    vaddr list = fakeheap_get(&fake, fake.object, LAYOUT_PyTypeObject_tp_subclasses);
    // Dead references, and what is none.
    fakeheap_append(&fake, list, fakeheap_weakref(&fake, fake.none, 0));
    fakeheap_append(&fake, list, fakeheap_weakref(&fake, 0x12345678, 0));
    fakeheap_append(&fake, list, fake.none);
    expect_subtype_traverse("odd items", fake.subtype_traverse);
    fakeheap_set(&fake, list, LAYOUT_PyVarObject_ob_size, 0x7fffffff);
    expect_subtype_traverse("a list without end", fake.subtype_traverse);
    fakeheap_hide(&fake, class, layout_offset(&fake.layout, LAYOUT_PyTypeObject_sizeof),
                  MEMORY_NOT_SAVED);
    expect_subtype_traverse("the class is lost", 0);
}

// Damaged classes name functions that no other has, in front of the right one and behind it.
WORLDS(subtype_traverse_of_many_functions)
{
    fakeheap_strip(&fake);
    for (unsigned i = 0; i < 20; i++)
        add_class(0x10000 + i);
    for (unsigned i = 0; i < 3; i++)
        add_class(fake.subtype_traverse);
    for (unsigned i = 20; i < 40; i++)
        add_class(0x10000 + i);
    expect_subtype_traverse("three against forty times one", fake.subtype_traverse);
}

WORLDS(no_subtype_traverse_is_no_vote)
{
    fakeheap_strip(&fake);
    for (unsigned i = 0; i < 3; i++)
        add_class(i < 2 ? 0 : fake.subtype_traverse);
    expect_subtype_traverse("one against two without", fake.subtype_traverse);
}

// The classes that `object` knows come first, then all that are tracked.
WORLDS(subtype_traverse_where_static_data_is_lost)
{
    fakeheap_strip(&fake);
    vaddr known = add_class(fake.subtype_traverse);
    for (unsigned i = 0; i < 2; i++)
        fakeheap_set(&fake, fakeheap_class(&fake, &(struct fakeheap_class){.name = "C"}),
                     LAYOUT_PyTypeObject_tp_traverse, 0x7770);
    fake.source.data_lost = true;
    expect_subtype_traverse("what `object` knows", fake.subtype_traverse);
    fakeheap_hide(&fake, known, layout_offset(&fake.layout, LAYOUT_PyTypeObject_sizeof),
                  MEMORY_NOT_SAVED);
    bool usual =
        layout_offset(&fake.layout, LAYOUT_PyGC_Head_gc_next) == 0 &&
        layout_offset(&fake.layout, LAYOUT_PyGC_Head_gc_prev) == fake.memory.format.word_size;
    if (usual)
        expect_subtype_traverse("of what `object` knows nothing is left", 0x7770);
    fake.source.data_lost = false;
    expect_subtype_traverse("nothing else is lost", 0);
}

// --- allocations

Test(runtime, allocation_sizes)
{
    // Fact sheet 7.2. malloc's chunks have 8 bytes of their own, in steps of 16.
    static const struct {
        uint32_t hexversion;
        uint64_t requests[6], sizes[6];
    } rows[] = {
        {0x020700f0, {1, 8, 9, 256, 257, 1000}, {8, 8, 16, 256, 272, 1008}},
        {0x020706f0, {1, 8, 9, 256, 257, 1000}, {8, 8, 16, 256, 272, 1008}},
        {0x020707f0, {1, 8, 9, 257, 512, 513}, {8, 8, 16, 264, 512, 528}},
        {0x020710f0, {1, 8, 9, 257, 512, 513}, {8, 8, 16, 264, 512, 528}},
        {0x020711f0, {1, 8, 17, 257, 512, 513}, {16, 16, 32, 272, 512, 528}},
        {0x020712f0, {1, 16, 17, 504, 520, 521}, {16, 16, 32, 512, 528, 544}},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        init_world(&(struct fakeheap_spec){.hexversion = rows[i].hexversion});
        fakeheap_open(&fake);
        for (size_t j = 0; j < LENGTH(rows[i].requests); j++) {
            uint64_t size = runtime_allocation_size(&fake.runtime, rows[i].requests[j]);
            cr_assert_eq(size, rows[i].sizes[j],
                         "0x%x: %" PRIu64 " takes %" PRIu64 ", not %" PRIu64, rows[i].hexversion,
                         rows[i].requests[j], size, rows[i].sizes[j]);
        }
        fakeheap_deinit(&fake);
    }
}

Test(runtime, allocation_sizes_of_32_bits)
{
    static const uint64_t requests[] = {1, 9, 512, 513, 516, 517};
    static const uint64_t sizes[] = {8, 16, 512, 520, 520, 528};
    struct layout_column column;
    fakelayout_scramble(&layout_columns[layout_column_count - 1], 4, 1, &column);
    init_world(&(struct fakeheap_spec){.column = &column});
    fakeheap_open(&fake);
    for (size_t i = 0; i < LENGTH(requests); i++)
        cr_assert_eq(runtime_allocation_size(&fake.runtime, requests[i]), sizes[i],
                     "%" PRIu64 " takes %" PRIu64, requests[i],
                     runtime_allocation_size(&fake.runtime, requests[i]));
    fakeheap_deinit(&fake);
}

// PYMALLOC_DEBUG puts its pads around what is asked for (fact sheet, section 1.1), and until 2.6
// around what PyMem_Malloc hands out too, which then comes from pymalloc.
Test(runtime, allocation_sizes_of_debug_builds)
{
    static const struct {
        const char *column;
        uint64_t requests[3], sizes[3];
        uint64_t malloc_size; // of 1 byte
    } rows[] = {
        {"2.3.7-x86_64-pydebug", {1, 240, 241}, {24, 256, 272}, 24},
        {"2.4.6-i386-pydebug", {1, 240, 241}, {24, 256, 264}, 24},
        {"2.5.6-x86_64-pydebug", {1, 224, 225}, {40, 256, 272}, 40},
        {"2.6.9-i386-pydebug", {1, 240, 241}, {24, 256, 264}, 24},
        {"2.7.5-x86_64-pydebug", {1, 224, 225}, {40, 256, 272}, 48},
        {"2.7.18-x86_64-pydebug", {1, 480, 481}, {48, 512, 528}, 48},
        {"2.7.18-armhf-pydebug", {1, 496, 497}, {24, 512, 520}, 24},
        {"2.7.18-armhf", {1, 512, 513}, {8, 512, 520}, 16},
        {"2.4.6-x86_64", {1, 256, 257}, {8, 256, 272}, 32},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        init_world(&(struct fakeheap_spec){.column = fakelayout_column(rows[i].column)});
        fakeheap_open(&fake);
        for (size_t j = 0; j < LENGTH(rows[i].requests); j++) {
            uint64_t size = runtime_allocation_size(&fake.runtime, rows[i].requests[j]);
            cr_expect_eq(size, rows[i].sizes[j], "%s: %" PRIu64 " takes %" PRIu64, rows[i].column,
                         rows[i].requests[j], size);
        }
        uint64_t size = runtime_malloc_size(&fake.runtime, 1);
        cr_expect_eq(size, rows[i].malloc_size, "%s: malloc gives %" PRIu64, rows[i].column, size);
        fakeheap_deinit(&fake);
    }
}

// PyLong_Type's tp_itemsize is the width of a digit.
WORLDS(digits)
{
    static const int widths[] = {2, 4};
    vaddr type = fakeheap_find_type(&fake, "long");
    for (size_t i = 0; i < LENGTH(widths); i++) {
        fakeheap_set(&fake, type, LAYOUT_PyTypeObject_tp_itemsize, (uint64_t)widths[i]);
        fakeheap_open(&fake);
        cr_assert_eq(fake.runtime.digit_width, widths[i], "%s", world);
    }
    fakeheap_set(&fake, type, LAYOUT_PyTypeObject_tp_itemsize, 3);
    fakeheap_open(&fake);
    cr_assert_eq(fake.runtime.digit_width, 0, "%s", world);
}

// Static variables with symbols, but none of pymalloc's: there is none.
WORLDS(pymalloc_by_its_variables)
{
    fakeheap_open(&fake);
    cr_assert(fake.runtime.pymalloc.known && !fake.runtime.pymalloc.value, "%s", world);
    fakeheap_symbol(&fake, SYMBOL_STATIC, "usedpools", 1);
    fakeheap_open(&fake);
    cr_assert(fake.runtime.pymalloc.known && fake.runtime.pymalloc.value, "%s", world);
    fakeheap_strip(&fake);
    fakeheap_open(&fake);
    cr_assert_not(fake.runtime.pymalloc.known, "%s: a stripped file says nothing", world);
}
