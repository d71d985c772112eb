// The columns of member offsets: complete, sane, and what the fact sheet says; laying values over
// them, and reading by them. And that a scrambled column is as sane as a real one.
#include "common.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>

#include "fakelayout.h"
#include "layout.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static const struct layout_column *newest(void)
{
    return &layout_columns[layout_column_count - 1];
}

static bool is_size(unsigned row)
{
    return *layout_rows[row].path == '\0';
}

static bool same_type(unsigned a, unsigned b)
{
    return strcmp(layout_rows[a].type, layout_rows[b].type) == 0;
}

// --- rows

Test(layout, rows_are_told_apart)
{
    for (unsigned i = 0; i < LAYOUT_MEMBER_COUNT; i++) {
        cr_assert_str_not_empty(layout_rows[i].type, "row %u", i);
        size_t length = strlen(layout_rows[i].unit);
        cr_assert(length > 2 && strcmp(layout_rows[i].unit + length - 2, ".c") == 0, "%s",
                  layout_rows[i].unit);
        for (unsigned j = 0; j < i; j++)
            cr_assert_not(same_type(i, j) && strcmp(layout_rows[i].path, layout_rows[j].path) == 0,
                          "%s.%s twice", layout_rows[i].type, layout_rows[i].path);
    }
}

// The rows of one struct stand together, its size first, and all have one source file.
Test(layout, rows_of_a_struct_stand_together)
{
    for (unsigned i = 1; i < LAYOUT_MEMBER_COUNT; i++) {
        if (same_type(i, i - 1)) {
            cr_assert_not(is_size(i), "%s: size in the middle", layout_rows[i].type);
            cr_assert_str_eq(layout_rows[i].unit, layout_rows[i - 1].unit, "%s",
                             layout_rows[i].type);
            continue;
        }
        for (unsigned j = 0; j < i; j++)
            cr_assert_not(same_type(i, j), "%s in two places", layout_rows[i].type);
    }
}

// --- columns

static void expect_sane_member(const struct layout_column *column, unsigned row)
{
    struct layout_value value = column->values[row];
    const char *type = layout_rows[row].type, *path = layout_rows[row].path;
    if (is_size(row)) {
        cr_assert_eq(value.offset, value.width, "%s: %s", column->name, type);
        cr_assert_gt(value.offset, 0, "%s: %s", column->name, type);
        cr_assert_eq(value.offset % 4, 0, "%s: %s", column->name, type);
        return;
    }
    unsigned alignment = value.width < column->word_size ? value.width : column->word_size;
    cr_assert_gt(value.width, 0, "%s: %s.%s", column->name, type, path);
    // Arrays of structs of ints are aligned as ints are.
    cr_assert_eq(value.offset % (value.width > 8 ? 4 : alignment), 0, "%s: %s.%s at %u",
                 column->name, type, path, value.offset);
    // f_localsplus[1] is in PyFrameObject; what is allocated behind it is not.
    uint64_t size = fakelayout_struct_size(column->values, type);
    cr_assert_leq(value.offset + value.width, size, "%s: %s.%s ends at %u of %" PRIu64,
                  column->name, type, path, value.offset + value.width, size);
}

static void expect_apart(const struct layout_column *column, unsigned a, unsigned b)
{
    struct layout_value first = column->values[a], second = column->values[b];
    cr_assert(first.offset + first.width <= second.offset ||
                  second.offset + second.width <= first.offset,
              "%s: %s.%s (%u) and %s (%u) overlap", column->name, layout_rows[a].type,
              layout_rows[a].path, first.offset, layout_rows[b].path, second.offset);
}

static void expect_sane(const struct layout_column *column)
{
    for (unsigned i = 0; i < LAYOUT_MEMBER_COUNT; i++) {
        if (column->values[i].offset == LAYOUT_ABSENT)
            continue;
        expect_sane_member(column, i);
        for (unsigned j = 0; j < i; j++)
            if (same_type(i, j) && !is_size(i) && !is_size(j) &&
                column->values[j].offset != LAYOUT_ABSENT)
                expect_apart(column, i, j);
    }
}

// A struct that extends another one begins behind it.
static void expect_extended(const struct layout_column *column)
{
    for (unsigned i = 0; i < LAYOUT_MEMBER_COUNT; i++) {
        const char *parent = fakelayout_parent(layout_rows[i].type);
        if (!parent || column->values[i].offset == LAYOUT_ABSENT)
            continue;
        // Most objects extend PyObject only: their first member stands where ob_size would.
        if (strcmp(parent, "PyVarObject") == 0)
            parent = "PyObject";
        cr_assert_geq(column->values[i].offset, fakelayout_struct_size(column->values, parent),
                      "%s: %s.%s", column->name, layout_rows[i].type, layout_rows[i].path);
    }
}

Test(layout, columns_are_sane)
{
    cr_assert_geq(layout_column_count, 46);
    for (size_t i = 0; i < layout_column_count; i++) {
        expect_sane(&layout_columns[i]);
        expect_extended(&layout_columns[i]);
    }
}

static unsigned head_size(const struct layout_column *column)
{
    return column->values[LAYOUT_PyGC_Head_sizeof].offset;
}

Test(layout, columns_have_names_and_releases_of_their_own)
{
    for (size_t i = 0; i < layout_column_count; i++) {
        const struct layout_column *column = &layout_columns[i];
        cr_assert_str_not_empty(column->name);
        cr_assert_eq(strncmp(column->origin, "DWARF", 5), 0, "%s: %s", column->name,
                     column->origin);
        cr_assert_eq(strstr(column->name, "-pydebug") != NULL, column->trace_refs, "%s",
                     column->name);
        cr_assert(column->word_size == 4 || column->word_size == 8, "%s", column->name);
        cr_assert_leq(column->hexversion_first, column->hexversion_last, "%s", column->name);
        cr_assert_geq(column->hexversion_first, 0x020300, "%s", column->name);
        for (size_t j = 0; j < i; j++) {
            const struct layout_column *other = &layout_columns[j];
            cr_assert_str_neq(column->name, other->name);
            cr_assert(column->word_size != other->word_size ||
                          column->trace_refs != other->trace_refs ||
                          head_size(column) != head_size(other) ||
                          column->hexversion_first > other->hexversion_last ||
                          column->hexversion_last < other->hexversion_first,
                      "%s and %s fit the same releases", column->name, other->name);
        }
    }
}

// Source files of the interpreter itself; what is in others may be missing from a column.
static const char *const own_units[] = {
    "bytearrayobject.c", "classobject.c",   "descrobject.c", "dictobject.c",   "enumobject.c",
    "exceptions.c",      "frameobject.c",   "funcobject.c",  "gcmodule.c",     "genobject.c",
    "intobject.c",       "iterobject.c",    "listobject.c",  "memoryobject.c", "methodobject.c",
    "moduleobject.c",    "obmalloc.c",      "cellobject.c",  "pystate.c",      "setobject.c",
    "sliceobject.c",     "stringobject.c",  "traceback.c",   "tupleobject.c",  "typeobject.c",
    "unicodeobject.c",   "weakrefobject.c",
};

static bool is_own(const char *unit)
{
    for (size_t i = 0; i < LENGTH(own_units); i++)
        if (strcmp(own_units[i], unit) == 0)
            return true;
    return false;
}

// The interpreter's own that came or went (fact sheet, sections 0 and 5): minor releases that have
// it. An empty path is all of the type.
static const struct {
    const char *type, *path;
    unsigned first, last;
} changes[] = {
    {"PyListObject", "allocated", 204, 207},
    {"PySetObject", "data", 204, 204},
    {"PySetObject", "mask", 205, 207},
    {"PySetObject", "table", 205, 207},
    {"PySetObject", "smalltable", 205, 207},
    {"PySetObject", "", 204, 207},
    {"setentry", "", 205, 207},
    {"PyGenObject", "gi_code", 206, 207},
    {"listreviterobject", "", 204, 207},
    {"bytesiterobject", "", 206, 207},
    {"dictiterobject", "di_result", 204, 207},
    {"dictviewobject", "", 207, 207},
    {"setiterobject", "", 205, 207},
    {"enumobject", "en_longindex", 206, 207},
    {"reversedobject", "", 204, 207},
    {"PyMemoryViewObject", "", 207, 207},
    {"PyBaseExceptionObject", "", 205, 207},
    {"PySystemExitObject", "", 205, 207},
    {"PyEnvironmentErrorObject", "", 205, 207},
    {"PySyntaxErrorObject", "", 205, 207},
    {"PyUnicodeErrorObject", "", 205, 207},
    {"PyByteArrayObject", "", 206, 207},
};

static bool has_release(const struct layout_column *column, unsigned row)
{
    unsigned minor = 200 + (column->hexversion_first >> 8 & 0xff);
    for (size_t i = 0; i < LENGTH(changes); i++)
        if (strcmp(changes[i].type, layout_rows[row].type) == 0 &&
            (!*changes[i].path || strcmp(changes[i].path, layout_rows[row].path) == 0))
            return minor >= changes[i].first && minor <= changes[i].last;
    return true;
}

// What a release has not is absent, what it has is there.
Test(layout, columns_are_complete)
{
    for (size_t i = 0; i < layout_column_count; i++)
        for (unsigned row = 0; row < LAYOUT_MEMBER_COUNT; row++)
            if (is_own(layout_rows[row].unit))
                cr_assert_eq(layout_columns[i].values[row].offset != LAYOUT_ABSENT,
                             has_release(&layout_columns[i], row), "%s: %s.%s",
                             layout_columns[i].name, layout_rows[row].type, layout_rows[row].path);
    const struct layout_column *last = newest();
    for (unsigned row = 0; row < LAYOUT_MEMBER_COUNT; row++)
        cr_assert(last->values[row].offset != LAYOUT_ABSENT || !has_release(last, row) ||
                      row == LAYOUT_chainobject_ittuple,
                  "%s has no %s.%s", last->name, layout_rows[row].type, layout_rows[row].path);
}

// --- the fact sheet (sections 2, 3.3 and 5), 64 bits, 2.7

static const struct {
    enum layout_member member;
    unsigned offset;
} figures[] = {
    {LAYOUT_PyGC_Head_sizeof, 32},
    {LAYOUT_PyGC_Head_gc_next, 0},
    {LAYOUT_PyGC_Head_gc_prev, 8},
    {LAYOUT_PyGC_Head_gc_refs, 16},
    {LAYOUT_gc_generation_threshold, 32},
    {LAYOUT_gc_generation_count, 36},
    {LAYOUT_PyObject_ob_refcnt, 0},
    {LAYOUT_PyObject_ob_type, 8},
    {LAYOUT_PyVarObject_ob_size, 16},
    {LAYOUT_PyTypeObject_sizeof, 392},
    {LAYOUT_PyTypeObject_tp_name, 24},
    {LAYOUT_PyTypeObject_tp_basicsize, 32},
    {LAYOUT_PyTypeObject_tp_itemsize, 40},
    {LAYOUT_PyTypeObject_tp_flags, 168},
    {LAYOUT_PyTypeObject_tp_traverse, 184},
    {LAYOUT_PyTypeObject_tp_base, 256},
    {LAYOUT_PyTypeObject_tp_dict, 264},
    {LAYOUT_PyTypeObject_tp_dictoffset, 288},
    {LAYOUT_PyTypeObject_tp_is_gc, 328},
    {LAYOUT_PyTypeObject_tp_mro, 344},
    {LAYOUT_PyTypeObject_tp_subclasses, 360},
    {LAYOUT_PyTypeObject_tp_del, 376},
    {LAYOUT_PyHeapTypeObject_sizeof, 872},
    {LAYOUT_PyHeapTypeObject_ht_name, 856},
    {LAYOUT_PyHeapTypeObject_ht_slots, 864},
    {LAYOUT_PyMemberDef_sizeof, 40},
    {LAYOUT_PyMemberDef_offset, 16},
    {LAYOUT_PyDictObject_ma_mask, 32},
    {LAYOUT_PyDictObject_ma_table, 40},
    {LAYOUT_PyDictObject_ma_smalltable, 56},
    {LAYOUT_PyDictEntry_sizeof, 24},
    {LAYOUT_PyListObject_ob_item, 24},
    {LAYOUT_PyListObject_allocated, 32},
    {LAYOUT_PyTupleObject_ob_item, 24},
    {LAYOUT_PySetObject_table, 40},
    {LAYOUT_setentry_sizeof, 16},
    {LAYOUT_PyClassObject_cl_name, 32},
    {LAYOUT_PyFunctionObject_func_closure, 40},
    {LAYOUT_PyFunctionObject_func_module, 80},
    {LAYOUT_PyCodeObject_co_nlocals, 20},
    {LAYOUT_PyCodeObject_co_filename, 80},
    {LAYOUT_PyCodeObject_co_firstlineno, 96},
    {LAYOUT_PyFrameObject_f_valuestack, 64},
    {LAYOUT_PyFrameObject_f_stacktop, 72},
    {LAYOUT_PyFrameObject_f_iblock, 128},
    {LAYOUT_PyFrameObject_f_blockstack, 132},
    {LAYOUT_PyFrameObject_f_localsplus, 376},
    {LAYOUT_PyGenObject_gi_frame, 16},
    {LAYOUT_PyStringObject_ob_sval, 36},
    {LAYOUT_PyUnicodeObject_length, 16},
    {LAYOUT_PyInterpreterState_modules, 16},
    {LAYOUT_PyInterpreterState_sysdict, 24},
    {LAYOUT_PyThreadState_interp, 8},
    {LAYOUT_PyThreadState_frame, 16},
    {LAYOUT_pool_header_sizeof, 48},
    {LAYOUT_pool_header_szidx, 36},
    {LAYOUT_pool_header_nextoffset, 40},
};

Test(layout, columns_have_the_figures_of_the_fact_sheet)
{
    for (size_t i = 0; i < layout_column_count; i++) {
        if (layout_columns[i].word_size != 8 || layout_columns[i].trace_refs ||
            layout_columns[i].hexversion_first < 0x020700)
            continue;
        for (size_t j = 0; j < LENGTH(figures); j++)
            cr_assert_eq(layout_columns[i].values[figures[j].member].offset, figures[j].offset,
                         "%s: %s.%s", layout_columns[i].name, layout_rows[figures[j].member].type,
                         layout_rows[figures[j].member].path);
    }
}

// What the fact sheet says of single releases: sections 0, 1, 2 and 5.
static const struct {
    const char *column;
    enum layout_member member;
    unsigned offset, width;
} differences[] = {
    {"2.7.5-x86_64", LAYOUT_gc_generation_sizeof, 48, 48},
    {"2.7.18-x86_64", LAYOUT_gc_generation_sizeof, 40, 40},
    {"2.7.5-x86_64", LAYOUT_BLOCK_data, 16, 62 * 8},
    {"2.7.5-x86_64", LAYOUT_BLOCK_rightlink, 8, 8},
    {"2.7.18-x86_64", LAYOUT_BLOCK_data, 0, 62 * 8},
    {"2.7.18-x86_64", LAYOUT_BLOCK_rightlink, 62 * 8, 8},
    {"2.7.18-i386", LAYOUT_BLOCK_rightlink, 62 * 4, 4},
    {"2.7.18-i386", LAYOUT_PyGC_Head_sizeof, 12, 12},
    {"2.7.18-armhf", LAYOUT_PyGC_Head_sizeof, 16, 16},
    {"2.3.7-armhf", LAYOUT_gc_generation_threshold, 16, 4},
    {"2.3.7-x86_64", LAYOUT_PyGC_Head_gc_refs, 16, 4},
    {"2.4.6-x86_64", LAYOUT_PyGC_Head_gc_refs, 16, 4},
    {"2.5.6-x86_64", LAYOUT_PyGC_Head_gc_refs, 16, 8},
    {"2.4.6-x86_64", LAYOUT_PyObject_ob_refcnt, 0, 4},
    {"2.4.6-x86_64", LAYOUT_PyTypeObject_tp_itemsize, 36, 4},
    {"2.4.6-x86_64", LAYOUT_PyTypeObject_tp_traverse, 176, 8},
    {"2.4.6-x86_64", LAYOUT_PyHeapTypeObject_ht_name, 816, 8},
    {"2.5.6-x86_64", LAYOUT_PyHeapTypeObject_ht_name, 832, 8},
    {"2.3.7-i386", LAYOUT_PyHeapTypeObject_ht_slots, 416, 4},
    {"2.7.18-i386", LAYOUT_PyHeapTypeObject_sizeof, 436, 436},
    {"2.4.6-x86_64", LAYOUT_PyDictObject_ma_table, 32, 8},
    {"2.4.6-x86_64", LAYOUT_PySetObject_data, 16, 8},
    {"2.4.6-i386", LAYOUT_PyFrameObject_f_localsplus, 332, 4},
    {"2.5.6-i386", LAYOUT_PyFrameObject_f_localsplus, 312, 4},
    {"2.3.7-x86_64", LAYOUT_PyGenObject_gi_frame, 16, 8},
    {"2.3.7-x86_64-pydebug", LAYOUT_PyGenObject_gi_frame, 32, 8},
    {"2.3.7-i386-pydebug", LAYOUT_PyTracebackObject_tb_frame, 20, 4},
    {"2.7.18-x86_64-pydebug", LAYOUT_PyObject_ob_type, 24, 8},
    {"2.7.18-x86_64-pydebug", LAYOUT_PyDictEntry_me_key, 8, 8},
    {"2.7.18-x86_64-pydebug", LAYOUT_PyTypeObject_sizeof, 408, 408},
    {"2.7.18-i386-pydebug", LAYOUT_PyTypeObject_sizeof, 204, 204},
    {"2.7.18-armhf-pydebug", LAYOUT_PyHeapTypeObject_sizeof, 444, 444},
    {"2.5.6-x86_64", LAYOUT_dequeobject_leftindex, 32, 4},
    {"2.5.6-x86_64", LAYOUT_dequeobject_len, 40, 4},
    {"2.5.6-i386-pydebug", LAYOUT_dequeobject_len, 32, 4},
    {"2.6.9-x86_64", LAYOUT_dequeobject_len, 48, 8},
    {"2.4.6-x86_64", LAYOUT_itemgetterobject_item, 16, 8},
    {"2.5.6-x86_64", LAYOUT_itemgetterobject_item, 24, 8},
    {"2.5.6-x86_64", LAYOUT_chainobject_ittuple, 32, 8},
    {"2.7.16-i386", LAYOUT_teedataobject_nextlink, 16, 4},
    {"2.7.18-i386", LAYOUT_teedataobject_nextlink, 20, 4},
    {"2.7.5-x86_64", LAYOUT_teedataobject_values, 40, 57 * 8},
    {"2.7.5-x86_64", LAYOUT_buffered_dict, 136, 8},
    {"2.7.1-x86_64", LAYOUT_buffered_dict, LAYOUT_ABSENT, 0},
    {"2.5.6-x86_64", LAYOUT_chainobject_source, LAYOUT_ABSENT, 0},
    {"2.7.5-x86_64", LAYOUT_Unpicklerobject_find_class, LAYOUT_ABSENT, 0},
    {"2.7.5-armhf", LAYOUT_buffered_dict, 104, 4},
};

Test(layout, columns_differ_where_releases_do)
{
    for (size_t i = 0; i < LENGTH(differences); i++) {
        const struct layout_column *column = fakelayout_column(differences[i].column);
        cr_assert_not_null(column, "%s", differences[i].column);
        struct layout_value value = column->values[differences[i].member];
        cr_expect(value.offset == differences[i].offset && value.width == differences[i].width,
                  "%s: %s.%s is at %u, %u wide", column->name,
                  layout_rows[differences[i].member].type, layout_rows[differences[i].member].path,
                  value.offset, value.width);
    }
}

// --- laying over, and reading

Test(layout, begins_as_its_column)
{
    struct layout layout;
    layout_init(&layout, newest());
    cr_assert_eq(layout.column, newest());
    cr_assert_eq(memcmp(layout.values, newest()->values, sizeof(layout.values)), 0);
    cr_assert_eq(layout.dwarf_values, 0);
    cr_assert_eq(layout.dwarf_differences, 0);
    for (unsigned i = 0; i < LAYOUT_MEMBER_COUNT; i++)
        cr_assert_not(layout.from_dwarf[i]);
}

Test(layout, counts_what_is_laid_over_it)
{
    struct layout layout;
    const enum layout_member same = LAYOUT_PyObject_ob_type, other = LAYOUT_PyObject_ob_refcnt;
    layout_init(&layout, newest());
    layout_overlay(&layout, same, layout.values[same]);
    cr_assert(layout.from_dwarf[same]);
    cr_assert_eq(layout.dwarf_values, 1);
    cr_assert_eq(layout.dwarf_differences, 0);
    layout_overlay(&layout, other, (struct layout_value){24, 8});
    cr_assert_eq(layout_offset(&layout, other), 24);
    cr_assert_eq(layout.dwarf_values, 2);
    cr_assert_eq(layout.dwarf_differences, 1);
    cr_assert_not(layout.differs[same]);
    cr_assert(layout.differs[other]);
    cr_assert_eq(layout.replaced[other].offset, newest()->values[other].offset);
    // The same value again is not a second one.
    layout_overlay(&layout, same, layout.values[same]);
    cr_assert_eq(layout.dwarf_values, 2);
    cr_assert_eq(layout.dwarf_differences, 1);
}

Test(layout, gains_what_its_column_has_not)
{
    struct layout layout;
    const enum layout_member member = LAYOUT_PySSLContext_set_hostname;
    layout_init(&layout, fakelayout_column("2.7.5-x86_64"));
    cr_assert_not(layout_has(&layout, member));
    layout_overlay(&layout, member, (struct layout_value){16, 8});
    cr_assert(layout_has(&layout, member));
    cr_assert_eq(layout.dwarf_values, 1);
    cr_assert_eq(layout.dwarf_added, 1);
    layout_overlay(&layout, member, (struct layout_value){16, 8});
    cr_assert_eq(layout.dwarf_added, 1);
    cr_assert_eq(layout.dwarf_differences, 0, "what is new contradicts nothing");
}

// A member that stands where it did but is wider is another one.
Test(layout, counts_other_widths_as_differences)
{
    struct layout layout;
    layout_init(&layout, newest());
    layout_overlay(&layout, LAYOUT_PyVarObject_ob_size, (struct layout_value){16, 4});
    cr_assert_eq(layout.dwarf_differences, 1);
}

Test(layout, reads_numbers_of_any_width)
{
    static const uint8_t bytes[] = {0x01, 0x82, 0x03, 0x84, 0x05, 0x86, 0x07, 0x88};
    static const struct {
        uint16_t offset, width;
        bool big_endian;
        uint64_t number;
    } rows[] = {
        {0, 1, false, 0x01},
        {1, 1, true, 0x82},
        {0, 2, false, 0x8201},
        {0, 2, true, 0x0182},
        {2, 4, false, 0x86058403},
        {2, 4, true, 0x03840586},
        {0, 8, false, 0x8807860584038201},
        {0, 8, true, 0x0182038405860788},
    };
    struct layout layout;
    struct memory memory;
    const enum layout_member member = LAYOUT_PyIntObject_ob_ival;
    layout_init(&layout, newest());
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct memory_format format = {8, rows[i].big_endian};
        unsigned shift = 64 - 8u * rows[i].width;
        int64_t negative = (int64_t)(rows[i].number << shift) >> shift;
        uint64_t number;
        layout_overlay(&layout, member, (struct layout_value){rows[i].offset, rows[i].width});
        cr_assert_eq(layout_uint(&layout, format, bytes, member), rows[i].number, "row %zu", i);
        cr_assert_eq(layout_int(&layout, format, bytes, member), negative, "row %zu", i);
        memory_init(&memory, format);
        cr_assert_null(memory_add(&memory, 0x1000, sizeof(bytes), bytes));
        cr_assert_eq(layout_read(&layout, &memory, 0x1000, member, &number), MEMORY_OK);
        cr_assert_eq(number, rows[i].number, "row %zu", i);
        memory_deinit(&memory);
    }
}

Test(layout, reads_only_what_is_there)
{
    static const uint8_t bytes[24] = {0};
    struct layout layout;
    struct memory memory;
    uint64_t number = 77;
    layout_init(&layout, fakelayout_column("2.7.5-x86_64"));
    memory_init(&memory, (struct memory_format){8, false});
    cr_assert_null(memory_add(&memory, 0x1000, sizeof(bytes), bytes));
    cr_assert_null(memory_add(&memory, 0x1018, 8, NULL));
    cr_assert_eq(layout_read(&layout, &memory, 0x1000, LAYOUT_PySSLContext_set_hostname, &number),
                 MEMORY_NONSENSE, "no such member");
    cr_assert_eq(layout_read(&layout, &memory, 0x1000, LAYOUT_PyListObject_ob_item, &number),
                 MEMORY_NOT_SAVED);
    cr_assert_eq(layout_read(&layout, &memory, 0x1000, LAYOUT_PyListObject_allocated, &number),
                 MEMORY_UNMAPPED);
    cr_assert_eq(number, 77, "written only on success");
    cr_assert_eq(layout_read(&layout, &memory, 0x1000, LAYOUT_PyVarObject_ob_size, &number),
                 MEMORY_OK);
    cr_assert_eq(number, 0);
    memory_deinit(&memory);
}

// --- scrambled columns

Test(layout, scrambled_columns_are_sane)
{
    for (size_t i = 0; i < layout_column_count; i++) {
        for (unsigned seed = 0; seed < 4; seed++) {
            struct layout_column column;
            fakelayout_scramble(&layout_columns[i], seed % 2 ? 4 : 8, seed, &column);
            expect_sane(&column);
            expect_extended(&column);
            for (unsigned row = 0; row < LAYOUT_MEMBER_COUNT; row++) {
                bool absent = layout_columns[i].values[row].offset == LAYOUT_ABSENT;
                cr_assert_eq(column.values[row].offset == LAYOUT_ABSENT, absent);
                cr_assert(
                    absent || column.values[row].offset != layout_columns[i].values[row].offset,
                    "%s.%s stands where it did", layout_rows[row].type, layout_rows[row].path);
            }
        }
    }
}

Test(layout, scrambled_columns_differ_by_seed_only)
{
    struct layout_column first, again, other;
    fakelayout_scramble(newest(), 8, 1, &first);
    fakelayout_scramble(newest(), 8, 1, &again);
    fakelayout_scramble(newest(), 8, 2, &other);
    cr_assert_eq(memcmp(first.values, again.values, sizeof(first.values)), 0);
    cr_assert_neq(memcmp(first.values, other.values, sizeof(first.values)), 0);
}
