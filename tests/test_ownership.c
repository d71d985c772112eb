// What objects own and no tp_traverse visits: every row, and the steps of their own kind.
#include "common.h"

#include "ownership.h"
#include "traversal.h"

// The types of the process as it was last looked at.
static struct object_types known;

static void close_known(void)
{
    object_types_deinit(&known);
}

static void open_known(void)
{
    close_known();
    fakeheap_open(&fake);
    cr_assert_null(object_types_init(&known, &fake.runtime, &fake.source));
}

#define WORLDS(name) WORLD_TEST(ownership, name, close_known)

static vaddr rule_type(const struct ownership_rule *rule)
{
    for (size_t i = 0; i < fake.type_count; i++)
        if (strcmp(fake.types[i].name, rule->type_name) == 0)
            return fake.types[i].address;
    return fakeheap_type(&fake,
                         &(struct fakeheap_type){.name = rule->type_name,
                                                 .structure = layout_rows[rule->basicsize].type,
                                                 .gc = traverse_find_rule(rule->type_name) != NULL,
                                                 .in_module = rule->in_module});
}

// Are all offsets of a row known? Those of modules are only in columns of later releases.
static bool is_known(const struct ownership_rule *rule)
{
    bool known_all = layout_has(&fake.layout, rule->basicsize);
    for (size_t i = 0; rule->steps[i].label; i++)
        known_all = known_all && layout_has(&fake.layout, rule->steps[i].member);
    return known_all && (!rule->buffer.pointer || (layout_has(&fake.layout, rule->buffer.pointer) &&
                                                   layout_has(&fake.layout, rule->buffer.count)));
}

static const struct ownership_rule *rule_named(const char *name)
{
    for (size_t i = 0; i < ownership_rule_count; i++)
        if (strcmp(ownership_rules[i].type_name, name) == 0)
            return &ownership_rules[i];
    cr_assert_fail("no row %s", name);
    return NULL;
}

static const struct object_type *type_of(vaddr object)
{
    uint32_t index;
    cr_assert_eq(object_find_type(&known, object, &index), MEMORY_OK, "%s", world);
    return &known.types[index];
}

// Takes what the object owns into found and places; returns how many parts were unreadable.
static uint32_t find_owned(vaddr object)
{
    struct visitor visitor = {
        .found = found, .places = places, .capacity = FOUND_MAX, .full = no_room};
    open_known();
    traverse_owned(&known, type_of(object), object, &visitor);
    found_count = visitor.count;
    return visitor.unreadable;
}

static void expect_owned(const char *what, vaddr object, const vaddr *expected, size_t count)
{
    cr_assert_eq(find_owned(object), 0, "%s, %s", world, what);
    cr_assert_eq(found_count, count, "%s, %s: %zu references, not %zu", world, what, found_count,
                 count);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(found[i], expected[i], "%s, %s: reference %zu", world, what, i);
}
#define EXPECT_OWNED(what, object, ...)                                                            \
    expect_owned(what, object, (const vaddr[]){__VA_ARGS__}, LENGTH(((const vaddr[]){__VA_ARGS__})))

// --- rows

// A reference that is both visited and owned would be counted twice.
Test(ownership, nothing_is_visited_as_well)
{
    for (size_t i = 0; i < ownership_rule_count; i++) {
        const struct ownership_rule *owned = &ownership_rules[i];
        cr_assert_str_empty(layout_rows[owned->basicsize].path, "%s", owned->type_name);
        const struct traverse_rule *visited = traverse_find_rule(owned->type_name);
        for (; visited; visited = visited->then ? traverse_find_rule(visited->then) : NULL)
            for (size_t a = 0; owned->steps[a].label; a++)
                for (size_t b = 0; visited->steps[b].label; b++)
                    cr_assert_neq(owned->steps[a].member, visited->steps[b].member, "%s: %s",
                                  owned->type_name, owned->steps[a].label);
    }
}

WORLDS(members_of_every_row)
{
    size_t rows = 0;
    for (size_t i = 0; i < ownership_rule_count; i++) {
        const struct ownership_rule *rule = &ownership_rules[i];
        if (!is_known(rule))
            continue;
        vaddr object = fakeheap_new(&fake, rule_type(rule), 0), expected[TRAVERSE_RULE_STEPS];
        size_t count = 0;
        for (; rule->steps[count].label && rule->steps[count].op == TRAVERSE_POINTER; count++) {
            expected[count] = something();
            fakeheap_link(&fake, object, rule->steps[count].member, expected[count]);
        }
        if (rule->steps[count].label)
            continue; // of another kind
        expect_owned(rule->type_name, object, expected, count);
        for (size_t j = 0; j < count; j++)
            expect_place(j, VISIT_MEMBER, rule->steps[j].label, 0, 0);
        rows++;
    }
    bool newest = layout_has(&fake.layout, LAYOUT_ElementObject_sizeof);
    cr_assert_gt(rows, newest ? 30 : 5, "%s: only %zu rows looked at", world, rows);
}

WORLDS(strangers_with_the_name_of_a_row)
{
    // Another size; builtin by its name, but in a module; made by Python code.
    vaddr text = something();
    vaddr type = fakeheap_type(
        &fake, &(struct fakeheap_type){.name = "buffer", .structure = "PyTypeObject"});
    vaddr object = fakeheap_new(&fake, type, 0);
    fakeheap_link(&fake, object, LAYOUT_PyBufferObject_b_base, text);
    expect_owned("another size", object, NULL, 0);
    type = fakeheap_type(
        &fake,
        &(struct fakeheap_type){.name = "file", .structure = "PyFileObject", .in_module = true});
    object = fakeheap_new(&fake, type, 0);
    fakeheap_link(&fake, object, LAYOUT_PyFileObject_f_name, text);
    expect_owned("a module's own file", object, NULL, 0);
    type = fakeheap_class(&fake, &(struct fakeheap_class){.name = "Struct", .module = "app"});
    expect_owned("a class", fakeheap_instance(&fake, type), NULL, 0);
}

WORLDS(a_class_derived_from_a_row)
{
    if (!is_known(rule_named("_csv.Dialect")))
        return;
    vaddr base = rule_type(rule_named("_csv.Dialect")), text = something();
    vaddr class = fakeheap_class(
        &fake, &(struct fakeheap_class){.name = "Mine", .module = "app", .base = base});
    vaddr object = fakeheap_instance(&fake, class);
    fakeheap_link(&fake, object, LAYOUT_DialectObj_lineterminator, text);
    // The class itself is visited.
    EXPECT_OWNED("an instance", object, text);
}

WORLDS(an_untracked_instance_owns_its_class)
{
    static const char *const none[] = {NULL};
    vaddr class = fakeheap_class(
        &fake, &(struct fakeheap_class){.name = "Text", .module = "app", .slots = none});
    vaddr object = fakeheap_new(&fake, class, 0);
    EXPECT_OWNED("an instance without anything", object, class);
}

WORLDS(types_that_were_not_always_tracked)
{
    vaddr type = fakeheap_type(&fake, &(struct fakeheap_type){.name = "slice",
                                                              .symbol = "PySlice_Type",
                                                              .structure = "PySliceObject"});
    vaddr object = fakeheap_new(&fake, type, 0), start = something(), stop = something();
    fakeheap_link(&fake, object, LAYOUT_PySliceObject_start, start);
    fakeheap_link(&fake, object, LAYOUT_PySliceObject_stop, stop);
    EXPECT_OWNED("a slice of 2.7.11", object, start, stop);
    expect_none("no traversal", object);
}

WORLDS(tracked_types_own_only_the_rest)
{
    vaddr class = fakeheap_class(&fake, &(struct fakeheap_class){.name = "C", .module = "app"});
    vaddr name = fakeheap_get(&fake, class, LAYOUT_PyHeapTypeObject_ht_name), list = something();
    fakeheap_link(&fake, class, LAYOUT_PyTypeObject_tp_subclasses, list);
    if (!name) {
        name = something();
        fakeheap_link(&fake, class, LAYOUT_PyHeapTypeObject_ht_name, name);
    }
    EXPECT_OWNED("a class", class, name, list);
    expect_owned("a dict", fakeheap_dict(&fake), NULL, 0);
}

// --- steps of other kinds

// A structseq type of `fields` fields, two of them to be seen; `told` says how many there are.
static vaddr make_structseq(unsigned fields, int64_t told)
{
    vaddr type = fakeheap_type(&fake, &(struct fakeheap_type){.name = "posix.stat_result"});
    vaddr dict = fakeheap_dict(&fake);
    unsigned items = layout_offset(&fake.layout, LAYOUT_PyStructSequence_ob_item);
    fakeheap_set(&fake, type, LAYOUT_PyTypeObject_tp_basicsize,
                 items + fields * fake.memory.format.word_size);
    fakeheap_dict_set_name(&fake, dict, "n_sequence_fields", fakeheap_int(&fake, 2));
    fakeheap_dict_set_name(&fake, dict, "n_fields", fakeheap_int(&fake, told));
    fakeheap_link(&fake, type, LAYOUT_PyTypeObject_tp_dict, dict);
    return type;
}

WORLDS(all_fields_of_a_structseq)
{
    if (!layout_has(&fake.layout, LAYOUT_PyStructSequence_ob_item))
        return;
    vaddr expected[5], object = fakeheap_new(&fake, make_structseq(5, 5), 0);
    vaddr items = object + layout_offset(&fake.layout, LAYOUT_PyStructSequence_ob_item);
    fakeheap_set(&fake, object, LAYOUT_PyVarObject_ob_size, 2);
    for (size_t i = 0; i < 5; i++) {
        expected[i] = something();
        fakeheap_link_word(&fake, items + i * fake.memory.format.word_size, expected[i]);
    }
    expect_owned("hidden ones, too", object, expected, 5);
    expect_place(4, VISIT_INDEX, NULL, 4, 0);
}

WORLDS(a_structseq_whose_size_does_not_fit)
{
    if (!layout_has(&fake.layout, LAYOUT_PyStructSequence_ob_item))
        return;
    static const int64_t told[] = {4, 6, 0, -5, INT64_C(0x20000005)};
    for (size_t i = 0; i < LENGTH(told); i++) {
        vaddr object = fakeheap_new(&fake, make_structseq(5, told[i]), 0);
        fakeheap_link_word(&fake,
                           object + layout_offset(&fake.layout, LAYOUT_PyStructSequence_ob_item),
                           something());
        expect_owned("told wrong", object, NULL, 0);
    }
}

WORLDS(the_time_zone_of_a_datetime)
{
    if (!is_known(rule_named("datetime.datetime")))
        return;
    vaddr object = fakeheap_new(&fake, rule_type(rule_named("datetime.datetime")), 0);
    vaddr zone = something();
    fakeheap_link(&fake, object, LAYOUT_PyDateTime_DateTime_tzinfo, zone);
    fakeheap_set(&fake, object, LAYOUT_PyDateTime_DateTime_hastzinfo, 0);
    expect_owned("without", object, NULL, 0); // what stands there is another object's
    fakeheap_set(&fake, object, LAYOUT_PyDateTime_DateTime_hastzinfo, 1);
    EXPECT_OWNED("with", object, zone);
}

// An Element with an extra part for so many children at `children`; 0: in the extra part itself.
static vaddr make_element(vaddr children, unsigned length, unsigned allocated)
{
    vaddr object = fakeheap_new(&fake, rule_type(rule_named("Element")), 0);
    vaddr extra =
        fakeheap_allocate(&fake, layout_offset(&fake.layout, LAYOUT_ElementObjectExtra_sizeof));
    if (!children)
        children = extra + layout_offset(&fake.layout, LAYOUT_ElementObjectExtra__children);
    fakeheap_set(&fake, extra, LAYOUT_ElementObjectExtra_children, children);
    fakeheap_set(&fake, extra, LAYOUT_ElementObjectExtra_length, length);
    fakeheap_set(&fake, extra, LAYOUT_ElementObjectExtra_allocated, allocated);
    fakeheap_set(&fake, object, LAYOUT_ElementObject_extra, extra);
    return object;
}

WORLDS(parts_of_an_element)
{
    if (!is_known(rule_named("Element")))
        return;
    vaddr array = fakeheap_allocate(&fake, 64), tag = something(), text = something();
    vaddr child = something(), attributes = something();
    vaddr object = make_element(array, 1, 4);
    fakeheap_link(&fake, object, LAYOUT_ElementObject_tag, tag);
    fakeheap_set(&fake, object, LAYOUT_ElementObject_text, text | 1); // to be joined
    fakeheap_link(&fake, fakeheap_get(&fake, object, LAYOUT_ElementObject_extra),
                  LAYOUT_ElementObjectExtra_attrib, attributes);
    fakeheap_link_word(&fake, array, child);
    EXPECT_OWNED("all parts", object, tag, text, attributes, child);
    fakeheap_set(&fake, object, LAYOUT_ElementObject_extra, 0);
    EXPECT_OWNED("no extra", object, tag, text);
}

WORLDS(elements_that_make_no_sense)
{
    if (!is_known(rule_named("Element")))
        return;
    vaddr array = fakeheap_allocate(&fake, 64);
    cr_expect_eq(find_owned(make_element(array, 0x7fffffff, 4)), 1, "%s", world);
    cr_expect_eq(find_owned(make_element(array, 0x80000000, 4)), 1, "%s", world);
    vaddr object = make_element(array, 1, 4);
    fakeheap_set(&fake, object, LAYOUT_ElementObject_extra, 0x10);
    cr_expect_eq(find_owned(object), 1, "%s", world);
}

// --- memory aside

static uint64_t size_of(vaddr object, bool *partial)
{
    *partial = false;
    open_known();
    return object_size(&known, type_of(object), object, partial);
}

// How much the object takes over one that has nothing aside.
static uint64_t size_aside(vaddr object, vaddr empty)
{
    bool partial, other;
    uint64_t size = size_of(object, &partial) - size_of(empty, &other);
    cr_assert_not(partial || other, "%s", world);
    return size;
}

WORLDS(buffers)
{
    static const char *const names[] = {"cStringIO.StringO", "_io.BytesIO", "_io.StringIO",
                                        "_io.BufferedReader", "Struct"};
    for (size_t i = 0; i < LENGTH(names); i++) {
        const struct ownership_rule *rule = rule_named(names[i]);
        if (!is_known(rule))
            continue;
        vaddr type = rule_type(rule), object = fakeheap_new(&fake, type, 0);
        vaddr empty = fakeheap_new(&fake, type, 0), bytes = fakeheap_allocate(&fake, 32768);
        fakeheap_set(&fake, object, rule->buffer.pointer, bytes);
        fakeheap_set(&fake, object, rule->buffer.count, 100);
        uint64_t got = size_aside(object, empty), size = 100;
        if (strcmp(names[i], "_io.StringIO") == 0)
            size = 100 * (uint64_t)fake.runtime.unicode_width;
        if (strcmp(names[i], "Struct") == 0)
            size = 101 * layout_offset(&fake.layout, LAYOUT__formatcode_sizeof);
        cr_expect_eq(got, runtime_malloc_size(&fake.runtime, size), "%s: %s has %" PRIu64, world,
                     names[i], got);
        bool partial;
        fakeheap_set(&fake, object, rule->buffer.count, UINT64_C(0x7fffffffffffffff));
        size_of(object, &partial);
        cr_expect(partial, "%s: %s", world, names[i]);
    }
}

WORLDS(arrays_and_elements)
{
    if (!is_known(rule_named("Element")) || !is_known(rule_named("array.array")))
        return;
    vaddr type = rule_type(rule_named("array.array")), object = fakeheap_new(&fake, type, 0);
    vaddr description = fakeheap_allocate(&fake, 64), bytes = fakeheap_allocate(&fake, 4096);
    fakeheap_set(&fake, description, LAYOUT_arraydescr_itemsize, 8);
    vaddr empty = fakeheap_new(&fake, type, 0);
    fakeheap_set(&fake, empty, LAYOUT_arrayobject_ob_descr, description);
    fakeheap_set(&fake, object, LAYOUT_arrayobject_ob_descr, description);
    fakeheap_set(&fake, object, LAYOUT_arrayobject_ob_item, bytes);
    fakeheap_set(&fake, object, LAYOUT_arrayobject_allocated, 50);
    cr_expect_eq(size_aside(object, empty), runtime_malloc_size(&fake.runtime, 400), "%s", world);
    vaddr bare = fakeheap_new(&fake, rule_type(rule_named("Element")), 0);
    uint64_t extra = layout_offset(&fake.layout, LAYOUT_ElementObjectExtra_sizeof);
    uint64_t word = fake.memory.format.word_size;
    cr_expect_eq(size_aside(make_element(0, 2, 4), bare), runtime_malloc_size(&fake.runtime, extra),
                 "%s", world);
    cr_expect_eq(size_aside(make_element(bytes, 2, 9), bare),
                 runtime_malloc_size(&fake.runtime, extra) +
                     runtime_malloc_size(&fake.runtime, 9 * word),
                 "%s", world);
}
