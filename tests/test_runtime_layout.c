// Choosing the layout by evidence.
#include "common.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fakelayout.h"
#include "runtime.h"
#include "scene.h"

// expected NULL: any.
static void expect_column(const char *what, const char *expected)
{
    struct layout layout;
    fakeheap_map(&fake);
    struct failure *failure = runtime_choose_layout(&fake.memory, &fake.source, &layout);
    cr_assert_null(failure, "%s: %s", what, failure_text(failure));
    if (expected)
        cr_assert_str_eq(layout.column->name, expected, "%s: %s", what, layout.column->name);
    cr_assert_eq(layout.dwarf_values, 0, "%s", what);
    cr_assert_eq(memcmp(layout.values, layout.column->values, sizeof(layout.values)), 0, "%s",
                 what);
}

static void expect_no_column(const char *what, enum failure_kind kind, const char *expected)
{
    struct layout layout;
    fakeheap_map(&fake);
    struct failure *failure = runtime_choose_layout(&fake.memory, &fake.source, &layout);
    cr_assert_not_null(failure, "%s", what);
    cr_assert_eq(failure_kind(failure), kind, "%s: %s", what, failure_text(failure));
    cr_assert_str_eq(failure_text(failure), expected, "%s: %s", what, failure_text(failure));
    failure_destroy(failure);
}

// No column fits, and the first evidence against one of them is that (NULL: any).
static void expect_against(const char *what, const char *column, const char *evidence)
{
    static const char start[] = "no built-in object layout fits this interpreter (";
    struct layout layout;
    fakeheap_map(&fake);
    struct failure *failure = runtime_choose_layout(&fake.memory, &fake.source, &layout);
    cr_assert_not_null(failure, "%s", what);
    cr_assert_eq(failure_kind(failure), FAILURE_UNSUPPORTED, "%s: %s", what, failure_text(failure));
    char *text = strdup(failure_text(failure)), *rest = text + strlen(start);
    cr_assert_eq(strncmp(text, start, strlen(start)), 0, "%s: %s", what, text);
    text[strlen(text) - 1] = ';';
    // "name, name: evidence; name: evidence;"
    for (char *clause; (clause = strsep(&rest, ";"));) {
        char *names = strsep(&clause, ":");
        for (char *name; (name = strsep(&names, ","));) {
            name += strspn(name, " ");
            if (strcmp(name, column) != 0)
                continue;
            if (evidence)
                cr_assert_str_eq(clause + 1, evidence, "%s: %s: %s", what, column, clause);
            free(text);
            failure_destroy(failure);
            return;
        }
    }
    cr_assert_fail("%s: %s is not in: %s", what, column, failure_text(failure));
}

// The thresholds stand behind the heads.
static void expect_heads_of_the_spec(size_t row)
{
    fakeheap_open(&fake);
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++) {
        cr_assert_eq(fake.runtime.generations[i].head, fake.heads[i], "row %zu", row);
        cr_assert_eq(fake.runtime.generations[i].threshold, i ? 10 : 700, "row %zu", row);
    }
}

Test(runtime_layout, by_the_version)
{
    static const struct {
        uint32_t hexversion;
        const char *name;
    } rows[] = {
        {0x020700f0, "2.7.1-x86_64"},  {0x020701f0, "2.7.1-x86_64"},
        {0x020702f0, "2.7.5-x86_64"},  {0x020703f0, "2.7.5-x86_64"},
        {0x020705f0, "2.7.5-x86_64"},  {0x020706f0, "2.7.18-x86_64"},
        {0x02070cf0, "2.7.18-x86_64"}, {0x02070fc1, "2.7.18-x86_64"},
        {0x020712f0, "2.7.18-x86_64"}, {0x020710f0, "2.7.16-i386"},
        {0x020711f0, "2.7.18-i386"},   {0x020709f0, "2.7.16-armhf"},
        {0x020304f0, "2.3.7-x86_64"},  {0x020400f0, "2.4.6-x86_64-pydebug"},
        {0x020502f0, "2.5.6-i386"},    {0x020606f0, "2.6.9-x86_64"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        init_world(&(struct fakeheap_spec){.column = fakelayout_column(rows[i].name),
                                           .hexversion = rows[i].hexversion});
        fakeheap_list(&fake);
        expect_column(rows[i].name, rows[i].name);
        fakeheap_deinit(&fake);
    }
}

// Every column is told from all others, in either byte order; the version is needed only among the
// releases of one minor one.
Test(runtime_layout, of_every_column)
{
    for (size_t i = 0; i < 2 * layout_column_count; i++) {
        const struct layout_column *column = &layout_columns[i / 2];
        struct layout layout;
        init_world(&(struct fakeheap_spec){.column = column, .big_endian = i % 2});
        fakeheap_list(&fake); // what stands behind its PyGC_Head is evidence
        expect_column(column->name, column->name);
        fakeheap_map(&fake);
        cr_assert_null(runtime_choose_layout(&fake.memory, &fake.source, &layout));
        cr_assert_not(layout.head_by_evidence, "%s", column->name);
        // The fake sys module tells 2.7's columns apart; of older releases there is one each.
        bool alone = column->hexversion_first < 0x020700;
        cr_assert_eq(layout.rivals == 0, alone, "%s: %u rivals", column->name, layout.rivals);
        cr_assert_eq(layout.by_version, !alone, "%s", column->name);
        fakeheap_deinit(&fake);
    }
}

// PyGC_Head follows the machine's long double: s390x has 24 bytes, a build with
// -mlong-double-64 on x86-64 as well.
Test(runtime_layout, with_another_head)
{
    static const struct {
        const char *column;
        uint16_t size;
        bool known; // as another column
    } rows[] = {{"2.7.18-x86_64", 24, false},
                {"2.4.6-x86_64", 24, false},
                {"2.7.5-i386", 24, false},
                {"2.7.5-i386", 16, true},
                {"2.7.18-armhf-pydebug", 12, true}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct layout_column column = *fakelayout_column(rows[i].column);
        struct layout layout;
        column.values[LAYOUT_PyGC_Head_sizeof] = (struct layout_value){rows[i].size, rows[i].size};
        column.values[LAYOUT_gc_generation_threshold].offset = rows[i].size;
        column.values[LAYOUT_gc_generation_count].offset = rows[i].size + 4;
        column.values[LAYOUT_gc_generation_sizeof].offset = rows[i].size + 8;
        init_world(&(struct fakeheap_spec){.column = &column});
        fakeheap_list(&fake);
        fakeheap_map(&fake);
        struct failure *failure = runtime_choose_layout(&fake.memory, &fake.source, &layout);
        cr_assert_null(failure, "%s: %s", rows[i].column, failure_text(failure));
        cr_assert_eq(layout_offset(&layout, LAYOUT_PyGC_Head_sizeof), rows[i].size, "row %zu: %u",
                     i, layout_offset(&layout, LAYOUT_PyGC_Head_sizeof));
        cr_assert_eq(layout.head_by_evidence, !rows[i].known, "row %zu", i);
        fake.layout = layout;
        expect_heads_of_the_spec(i);
        fakeheap_deinit(&fake);
    }
}

// Of one object alone what stands beside its type may be a type as well: a weak reference to one.
Test(runtime_layout, head_by_several_objects)
{
    init_world(&(struct fakeheap_spec){0});
    fakeheap_weakref(&fake, fakeheap_find_type(&fake, "int"), 0);
    fakeheap_list(&fake);
    fakeheap_open(&fake);
    struct runtime runtime = fake.runtime;
    uint64_t right = layout_offset(&fake.layout, LAYOUT_PyGC_Head_sizeof);
    uint64_t beside = layout_offset(&fake.layout, LAYOUT_PyWeakReference_wr_object) -
                      layout_offset(&fake.layout, LAYOUT_PyObject_ob_type);
    runtime.layout.values[LAYOUT_PyGC_Head_sizeof].offset = (uint16_t)(right + beside);
    cr_assert_eq(runtime_probe_generations(&runtime, fake.heads[0]), right);
    fakeheap_deinit(&fake);
}

// Types end by more members (fact sheet, section 1): Red Hat's debug builds are like that.
Test(runtime_layout, with_count_allocs)
{
    static const struct {
        const char *column;
        unsigned more;
    } rows[] = {{"2.4.6-x86_64", 24},         {"2.3.7-i386", 16},  {"2.6.9-x86_64-pydebug", 40},
                {"2.7.5-x86_64-pydebug", 40}, {"2.7.18-i386", 20}, {"2.4.6-x86_64-pydebug", 24}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct layout_column column = *fakelayout_column(rows[i].column);
        struct layout layout;
        unsigned size = column.values[LAYOUT_PyTypeObject_sizeof].offset + rows[i].more;
        unsigned heap = column.values[LAYOUT_PyHeapTypeObject_sizeof].offset + rows[i].more;
        column.values[LAYOUT_PyTypeObject_sizeof] = (struct layout_value){size, size};
        column.values[LAYOUT_PyHeapTypeObject_sizeof] = (struct layout_value){heap, heap};
        column.values[LAYOUT_PyHeapTypeObject_ht_name].offset += rows[i].more;
        column.values[LAYOUT_PyHeapTypeObject_ht_slots].offset += rows[i].more;
        init_world(&(struct fakeheap_spec){.column = &column});
        fakeheap_list(&fake);
        expect_against(rows[i].column, rows[i].column, NULL);
        fakeheap_symbol(&fake, SYMBOL_EXPORTED, "inc_count", 1);
        fakeheap_map(&fake);
        struct failure *failure = runtime_choose_layout(&fake.memory, &fake.source, &layout);
        cr_assert_null(failure, "%s: %s", rows[i].column, failure_text(failure));
        cr_assert_str_eq(layout.column->name, rows[i].column);
        cr_assert(layout.count_allocs, "%s", rows[i].column);
        cr_assert_eq(memcmp(layout.values, column.values, sizeof(layout.values)), 0, "%s",
                     rows[i].column);
        fakeheap_deinit(&fake);
    }
}

static bool (*find_in_fake)(void *context, enum symbol_scope scope, const char *name,
                            vaddr *address);

static bool find_in_library(void *context, enum symbol_scope scope, const char *name,
                            vaddr *address)
{
    *address = 1;
    return (scope == SYMBOL_EXPORTED && !strcmp(name, "inc_count")) ||
           find_in_fake(context, scope, name, address);
}

// It is no name of Python's alone.
Test(runtime_layout, inc_count_of_another_file)
{
    struct layout layout;
    init_world(&(struct fakeheap_spec){0});
    fakeheap_map(&fake);
    find_in_fake = fake.source.find_symbol;
    fake.source.find_symbol = find_in_library;
    struct failure *failure = runtime_choose_layout(&fake.memory, &fake.source, &layout);
    cr_assert_null(failure, "%s", failure_text(failure));
    cr_assert_not(layout.count_allocs);
    fakeheap_deinit(&fake);
}

// A second piece of evidence is on the lists: heads 40 bytes apart are 2.7.15 or later.
Test(runtime_layout, without_a_version)
{
    struct layout layout;
    init_world(&(struct fakeheap_spec){0});
    fakeheap_dict_delete(&fake, fake.sysdict, "hexversion");
    fakeheap_dict_delete(&fake, fake.sysdict, "version");
    fakeheap_map(&fake);
    struct failure *failure = runtime_choose_layout(&fake.memory, &fake.source, &layout);
    cr_assert(failure || strcmp(layout.column->name, "2.7.5-x86_64") != 0,
              "2.7.18 is taken for 2.7.5 because nothing says what it is");
    cr_assert(!failure && layout.rivals == 2 && !layout.by_version, "what fits as well is told");
    failure_destroy(failure);
    fakeheap_deinit(&fake);
}

Test(runtime_layout, without_names)
{
    // tp_name lies in .rodata, which a core need not have.
    init_world(&(struct fakeheap_spec){0});
    vaddr name = fakeheap_get(&fake, fake.type, LAYOUT_PyTypeObject_tp_name);
    fakeheap_hide(&fake, name, 4, MEMORY_NOT_SAVED);
    expect_column("no names", "2.7.18-x86_64");
    fakeheap_deinit(&fake);
}

Test(runtime_layout, of_what_is_no_python)
{
    char text[256];
    init_world(&(struct fakeheap_spec){0});
    fakeheap_hide(&fake, fake.type, 8, MEMORY_NOT_SAVED);
    snprintf(text, sizeof(text),
             "the core has not saved PyType_Type (0x%" PRIx64 "), so no object can be understood",
             fake.type);
    expect_no_column("not saved", FAILURE_DAMAGED, text);
    fakeheap_remove_symbol(&fake, "PyType_Type");
    expect_no_column("no symbol", FAILURE_MISMATCH, "the interpreter has no symbol PyType_Type");
    fakeheap_deinit(&fake);
}

Test(runtime_layout, with_a_type_of_another_type)
{
    char text[256];
    init_world(&(struct fakeheap_spec){0});
    fakeheap_set(&fake, fake.type, LAYOUT_PyObject_ob_type, fake.none);
    snprintf(text, sizeof(text), "the type of PyType_Type would be 0x%" PRIx64 ", not 0x%" PRIx64,
             fake.none, fake.type);
    expect_against("ob_type", "2.7.18-x86_64", text);
    fakeheap_deinit(&fake);
}

Test(runtime_layout, with_another_name)
{
    static const char *const names[] = {"typo", "typewriter", "typ", ""};
    for (size_t i = 0; i < LENGTH(names); i++) {
        init_world(&(struct fakeheap_spec){0});
        vaddr name = fakeheap_name(&fake, names[i]);
        fakeheap_set(&fake, fake.type, LAYOUT_PyTypeObject_tp_name,
                     name + layout_offset(&fake.layout, LAYOUT_PyStringObject_ob_sval));
        expect_against(names[i], "2.7.18-x86_64", "PyType_Type's tp_name would not be \"type\"");
        fakeheap_deinit(&fake);
    }
}

// The types whose tp_basicsize has to be right, and what it is (fact sheet, section 1).
static const struct {
    const char *type;
    const char *symbol;
    unsigned size;
} witnesses[] = {
    {"type", "PyType_Type", 872},        {"dict", "PyDict_Type", 248},
    {"list", "PyList_Type", 40},         {"set", "PySet_Type", 200},
    {"instance", "PyInstance_Type", 40}, {"classobj", "PyClass_Type", 72},
    {"function", "PyFunction_Type", 88}, {"code", "PyCode_Type", 128},
    {"unicode", "PyUnicode_Type", 48},   {"int", "PyInt_Type", 24},
};

Test(runtime_layout, with_another_size_of_a_type)
{
    for (size_t i = 0; i < LENGTH(witnesses); i++) {
        char text[256];
        init_world(&(struct fakeheap_spec){0});
        vaddr type = fakeheap_find_type(&fake, witnesses[i].type);
        cr_assert_eq(fakeheap_get(&fake, type, LAYOUT_PyTypeObject_tp_basicsize), witnesses[i].size,
                     "%s", witnesses[i].type);
        fakeheap_set(&fake, type, LAYOUT_PyTypeObject_tp_basicsize, witnesses[i].size + 8);
        snprintf(text, sizeof(text), "%s's tp_basicsize would be %u, not %u", witnesses[i].symbol,
                 witnesses[i].size + 8, witnesses[i].size);
        expect_against(witnesses[i].type, "2.7.18-x86_64", text);
        if (i > 0) { // what nobody knows the address of says nothing
            fakeheap_remove_symbol(&fake, witnesses[i].symbol);
            expect_column(witnesses[i].type, NULL);
        }
        fakeheap_deinit(&fake);
    }
}

Test(runtime_layout, of_another_version)
{
    // Nothing but the version tells 2.8 from 2.7.
    init_world(&(struct fakeheap_spec){.hexversion = 0x020801f0});
    expect_against("2.8.1", "2.7.18-x86_64",
                   "sys.version is 2.8.1, which has other extension types");
    fakeheap_deinit(&fake);
}

Test(runtime_layout, of_another_word_size)
{
    struct layout_column column;
    fakelayout_scramble(&layout_columns[layout_column_count - 1], 4, 1, &column);
    init_world(&(struct fakeheap_spec){.column = &column});
    expect_against("32 bits", "2.7.18-x86_64", "its words have 64 bits, the core's 32");
    fakeheap_deinit(&fake);
}
