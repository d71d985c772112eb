// References of single objects: every op of traverse.h, in a real layout and in scrambled ones of
// either word size and byte order. Classes made by Python code are in test_traverse_classes.c, what
// is damaged is in test_traverse_damage.c.
#include "common.h"

#include <stdio.h>
#include <stdlib.h>

#include "traversal.h"

#define WORLDS(name)              WORLD_TEST(traverse, name, close_nothing)
#define WORLDS_SINCE(first, name) WORLD_TEST_SINCE(first, traverse, name, close_nothing)

static vaddr deque_block(vaddr deque)
{
    return fakeheap_get(&fake, deque, LAYOUT_dequeobject_leftblock);
}

// --- members

static bool is_known(const char *name)
{
    for (size_t i = 0; i < fake.type_count; i++)
        if (strcmp(fake.types[i].name, name) == 0)
            return true;
    return false;
}

static const struct traverse_rule *rule_named(const char *name)
{
    for (size_t i = 0; name && i < traverse_rule_count; i++)
        if (strcmp(traverse_rules[i].type_name, name) == 0)
            return &traverse_rules[i];
    return NULL;
}

// Does this layout know all that the function visits in its release?
static bool is_whole(const struct traverse_rule *rule)
{
    // The one row without a step of its own.
    if (!rule->steps[0].label && !layout_has(&fake.layout, LAYOUT_StgDictObject_sizeof))
        return false;
    for (; rule; rule = rule_named(rule->then))
        for (const struct traverse_rule_step *step = rule->steps; step->label; step++)
            if (traverse_step_is_done(&fake.layout, step) &&
                !layout_has(&fake.layout, step->member))
                return false;
    return true;
}

// The type of a row, made like the real one: in the interpreter or in a module.
static vaddr type_of_rule(const struct traverse_rule *rule)
{
    if (is_known(rule->type_name))
        return fakeheap_find_type(&fake, rule->type_name);
    const struct traverse_rule *then = rule_named(rule->then);
    const char *structure = "StgDictObject";
    if (rule->steps[0].label)
        structure = layout_rows[rule->steps[0].member].type;
    if (strcmp(structure, "StgDictObject") == 0 && then && strcmp(then->type_name, "type") == 0)
        structure = "PyHeapTypeObject"; // metatypes of ctypes: proto is in the dict of the type
    return fakeheap_type(&fake, &(struct fakeheap_type){.name = rule->type_name,
                                                        .symbol = rule->symbol,
                                                        .structure = structure,
                                                        .gc = true,
                                                        .base = then ? type_of_rule(then) : 0,
                                                        .in_module = rule->in_module});
}

// Fills all plain members of a row, and says in which order they must be found. False: the row has
// steps of another kind, which have tests of their own.
static bool fill_members(const struct traverse_rule *rule, vaddr object, vaddr *expected,
                         const char **labels, size_t *count)
{
    for (; rule; rule = rule_named(rule->then)) {
        for (const struct traverse_rule_step *step = rule->steps; step->label; step++) {
            if (!traverse_step_is_done(&fake.layout, step))
                continue;
            if (step->op != TRAVERSE_POINTER)
                return false;
            expected[*count] = something();
            labels[*count] = step->label;
            fakeheap_link(&fake, object, step->member, expected[(*count)++]);
        }
    }
    return *count > 0;
}

WORLDS(members_of_every_row)
{
    size_t rows = 0;
    for (size_t i = 0; i < traverse_rule_count; i++) {
        const struct traverse_rule *rule = &traverse_rules[i];
        if (!is_whole(rule))
            continue;
        vaddr expected[32], object = fakeheap_new(&fake, type_of_rule(rule), 0);
        const char *labels[32];
        size_t count = 0;
        if (!fill_members(rule, object, expected, labels, &count))
            continue;
        expect(rule->type_name, object, expected, count);
        for (size_t j = 0; j < count; j++)
            expect_place(j, VISIT_MEMBER, labels[j], 0, 0);
        rows++;
    }
    size_t least = fake.version >= 0x020700 ? 66 : fake.version >= 0x020500 ? 50 : 40;
    cr_assert_gt(rows, least, "%s: only %zu rows looked at", world, rows);
}

WORLDS(members_that_are_null)
{
    for (size_t i = 0; i < traverse_rule_count; i++) {
        const struct traverse_rule *rule = &traverse_rules[i];
        if (rule->steps[0].op == TRAVERSE_POINTER && rule->steps[0].label && !rule->then &&
            is_whole(rule))
            if (strcmp(rule->type_name, "frame") != 0)
                expect_none(rule->type_name, fakeheap_new(&fake, type_of_rule(rule), 0));
    }
}

// What the fact sheet (6.2) says of the types without which no cycle can be read.
static const struct {
    const char *type;
    enum layout_member members[8];
} visited[] = {
    {"instance", {LAYOUT_PyInstanceObject_in_class, LAYOUT_PyInstanceObject_in_dict}},
    {"classobj",
     {LAYOUT_PyClassObject_cl_bases, LAYOUT_PyClassObject_cl_dict, LAYOUT_PyClassObject_cl_name,
      LAYOUT_PyClassObject_cl_getattr, LAYOUT_PyClassObject_cl_setattr,
      LAYOUT_PyClassObject_cl_delattr}},
    {"instancemethod",
     {LAYOUT_PyMethodObject_im_func, LAYOUT_PyMethodObject_im_self,
      LAYOUT_PyMethodObject_im_class}},
    {"function",
     {LAYOUT_PyFunctionObject_func_code, LAYOUT_PyFunctionObject_func_globals,
      LAYOUT_PyFunctionObject_func_module, LAYOUT_PyFunctionObject_func_defaults,
      LAYOUT_PyFunctionObject_func_doc, LAYOUT_PyFunctionObject_func_name,
      LAYOUT_PyFunctionObject_func_dict, LAYOUT_PyFunctionObject_func_closure}},
    {"builtin_function_or_method",
     {LAYOUT_PyCFunctionObject_m_self, LAYOUT_PyCFunctionObject_m_module}},
    {"module", {LAYOUT_PyModuleObject_md_dict}},
    {"cell", {LAYOUT_PyCellObject_ob_ref}},
    {"generator", {LAYOUT_PyGenObject_gi_frame, LAYOUT_PyGenObject_gi_code}},
    {"weakref", {LAYOUT_PyWeakReference_wr_callback}},
    {"exceptions.BaseException",
     {LAYOUT_PyBaseExceptionObject_dict, LAYOUT_PyBaseExceptionObject_args,
      LAYOUT_PyBaseExceptionObject_message}},
};

WORLDS(members_of_the_fact_sheet)
{
    for (size_t i = 0; i < LENGTH(visited); i++) {
        if (!is_known(visited[i].type))
            continue;
        vaddr object = fakeheap_new(&fake, fakeheap_find_type(&fake, visited[i].type), 0);
        vaddr expected[8];
        size_t count = 0;
        for (size_t j = 0; j < 8 && visited[i].members[j]; j++) {
            if (!layout_has(&fake.layout, visited[i].members[j]))
                continue;
            expected[count] = something();
            fakeheap_link(&fake, object, visited[i].members[j], expected[count++]);
        }
        expect(visited[i].type, object, expected, count);
    }
}

WORLDS(weakref_does_not_refer_to_its_referent)
{
    vaddr callback = something();
    EXPECT("weakref", fakeheap_weakref(&fake, something(), callback), callback);
}

// --- sequences

WORLDS(list_is_visited_backwards)
{
    vaddr list = fakeheap_list(&fake), a = something(), b = something();
    expect_none("empty list", list);
    fakeheap_append(&fake, list, a);
    fakeheap_append(&fake, list, b);
    fakeheap_append(&fake, list, a);
    EXPECT("list", list, a, b, a);
    expect_place(0, VISIT_INDEX, NULL, 2, 0);
    expect_place(1, VISIT_INDEX, NULL, 1, 0);
    expect_place(2, VISIT_INDEX, NULL, 0, 0);
}

WORLDS(list_longer_than_its_first_table)
{
    vaddr list = fakeheap_list(&fake), expected[100];
    for (size_t i = LENGTH(expected); i-- > 0;)
        fakeheap_append(&fake, list, expected[i] = something());
    expect("list", list, expected, LENGTH(expected));
}

WORLDS(tuple_may_have_null_items)
{
    vaddr a = something(), b = something(), tuple = fakeheap_tuple(&fake, 4);
    fakeheap_set_item(&fake, tuple, 1, a);
    fakeheap_set_item(&fake, tuple, 3, b);
    EXPECT("tuple", tuple, b, a);
    expect_place(0, VISIT_INDEX, NULL, 3, 0);
    expect_place(1, VISIT_INDEX, NULL, 1, 0);
    expect_none("empty tuple", fakeheap_tuple(&fake, 0));
}

WORLDS(deque_with_one_part_of_a_block)
{
    vaddr deque = fakeheap_deque(&fake, 30), a = something(), b = something();
    expect_none("empty deque", deque);
    fakeheap_deque_append(&fake, deque, a);
    fakeheap_deque_append(&fake, deque, b);
    // Stale pointers on either side of the live ones.
    uint64_t word = fake.memory.format.word_size;
    vaddr data = deque_block(deque) + layout_offset(&fake.layout, LAYOUT_BLOCK_data);
    fakeheap_poke_word(&fake, data + 29 * word, something());
    fakeheap_poke_word(&fake, data + 32 * word, something());
    EXPECT("deque", deque, a, b);
    expect_place(0, VISIT_INDEX, NULL, 0, 0);
    expect_place(1, VISIT_INDEX, NULL, 1, 0);
}

WORLDS(deque_of_several_blocks)
{
    static const struct {
        unsigned leftindex;
        size_t length;
    } rows[] = {{0, 61}, {0, 62}, {0, 63}, {61, 1}, {61, 2}, {61, 63}, {61, 64}, {3, 200}};
    for (size_t row = 0; row < LENGTH(rows); row++) {
        vaddr deque = fakeheap_deque(&fake, rows[row].leftindex), expected[200];
        char what[64];
        snprintf(what, sizeof(what), "deque of %zu from %u", rows[row].length, rows[row].leftindex);
        for (size_t i = 0; i < rows[row].length; i++)
            fakeheap_deque_append(&fake, deque, expected[i] = something());
        expect(what, deque, expected, rows[row].length);
        expect_place(rows[row].length - 1, VISIT_INDEX, NULL, (int64_t)rows[row].length - 1, 0);
    }
}

static vaddr make_tee(uint64_t numread, vaddr it, vaddr next)
{
    vaddr tee = fakeheap_new(&fake, type_of_rule(rule_named("itertools.tee_dataobject")), 0);
    fakeheap_set(&fake, tee, LAYOUT_teedataobject_numread, numread);
    fakeheap_link(&fake, tee, LAYOUT_teedataobject_it, it);
    fakeheap_link(&fake, tee, LAYOUT_teedataobject_nextlink, next);
    return tee;
}

static void set_tee_value(vaddr tee, uint64_t index, vaddr value)
{
    fakeheap_link_word(&fake,
                       tee + layout_offset(&fake.layout, LAYOUT_teedataobject_values) +
                           index * fake.memory.format.word_size,
                       value);
}

WORLDS(tee_has_values_up_to_numread)
{
    vaddr it = something(), next = something(), a = something(), b = something();
    vaddr tee = make_tee(2, it, next);
    set_tee_value(tee, 0, a);
    set_tee_value(tee, 1, b);
    set_tee_value(tee, 2, something());
    EXPECT("tee", tee, it, a, b, next);
    expect_place(2, VISIT_INDEX, NULL, 1, 0);
    vaddr full = make_tee(57, it, 0);
    set_tee_value(full, 56, a);
    EXPECT("full tee", full, it, a);
    EXPECT("unread tee", make_tee(0, it, 0), it);
}

WORLDS(handlers_of_a_parser)
{
    vaddr parser = fakeheap_new(&fake, type_of_rule(rule_named("pyexpat.xmlparser")), 0);
    uint64_t word = fake.memory.format.word_size;
    vaddr table = fakeheap_allocate(&fake, 23 * word), first = something(), last = something();
    fakeheap_set(&fake, parser, LAYOUT_xmlparseobject_handlers, table);
    fakeheap_link_word(&fake, table, first);
    fakeheap_link_word(&fake, table + 21 * word, last);
    fakeheap_link_word(&fake, table + 22 * word, something());
    EXPECT("handlers", parser, first, last);
    expect_place(1, VISIT_INDEX, NULL, 21, 0);
}

// --- hash tables

WORLDS(dict_in_its_small_table)
{
    vaddr dict = fakeheap_dict(&fake), a = something(), b = something(), c = something();
    vaddr x = fakeheap_name(&fake, "x"), z = fakeheap_name(&fake, "z");
    expect_none("empty dict", dict);
    fakeheap_dict_set_name(&fake, dict, "x", a);
    fakeheap_dict_set_name(&fake, dict, "y", b);
    fakeheap_dict_set_name(&fake, dict, "z", c);
    fakeheap_dict_delete(&fake, dict, "y");
    EXPECT("dict", dict, x, a, z, c);
    expect_place(0, VISIT_KEY, "[key]", 0, x);
    expect_place(1, VISIT_VALUE, "[key]", 0, x);
    expect_place(3, VISIT_VALUE, "[key]", 0, z);
}

WORLDS(dict_in_a_table_of_its_own)
{
    vaddr dict = fakeheap_dict(&fake), expected[200];
    for (size_t i = 0; i < LENGTH(expected); i += 2) {
        expected[i] = fakeheap_int(&fake, (int64_t)i);
        expected[i + 1] = something();
        fakeheap_dict_set(&fake, dict, expected[i], expected[i + 1]);
    }
    expect("dict", dict, expected, LENGTH(expected));
}

WORLDS_SINCE(205, set_without_its_dummies)
{
    static const char *const types[] = {"set", "frozenset"};
    for (size_t i = 0; i < LENGTH(types); i++) {
        vaddr set = fakeheap_set_object(&fake, types[i]), a = something(), c = something();
        // Not dummies: of other lengths or another type.
        vaddr shorter = fakeheap_str(&fake, "<dummy key"),
              longer = fakeheap_str(&fake, "<dummy key>>");
        expect_none("empty set", set);
        fakeheap_set_add(&fake, set, a);
        fakeheap_set_add(&fake, set, something());
        fakeheap_set_add(&fake, set, c);
        fakeheap_set_add(&fake, set, shorter);
        fakeheap_set_add(&fake, set, longer);
        fakeheap_set_discard(&fake, set, 1);
        EXPECT(types[i], set, a, c, shorter, longer);
        expect_place(1, VISIT_KEY, "[item]", 0, 0);
    }
}

// Until 2.4 a set has a dict.
WORLDS_SINCE(204, set_that_wraps_a_dict)
{
    if (fake.version >= 0x020500)
        return;
    vaddr set = fakeheap_set_object(&fake, "frozenset"), item = something();
    fakeheap_set_add(&fake, set, item);
    vaddr dict = fakeheap_get(&fake, set, LAYOUT_PySetObject_data);
    EXPECT("set", set, dict);
    expect_place(0, VISIT_MEMBER, "data", 0, 0);
    EXPECT("data", dict, item, fake.none);
}

WORLDS_SINCE(205, set_in_a_table_of_its_own)
{
    vaddr set = fakeheap_set_object(&fake, "set"), expected[40];
    for (size_t i = 0; i < LENGTH(expected); i++)
        fakeheap_set_add(&fake, set, expected[i] = something());
    expect("set", set, expected, LENGTH(expected));
}

// --- frames

static vaddr make_frame(vaddr *code)
{
    static const char *const locals[] = {"self", "other", NULL}, *const cells[] = {"c", NULL},
                             *const frees[] = {"f", NULL};
    *code = fakeheap_code(&fake, &(struct fakeheap_code){.name = "run",
                                                         .file = "run.py",
                                                         .line = 3,
                                                         .varnames = locals,
                                                         .cellvars = cells,
                                                         .freevars = frees});
    return fakeheap_frame(&fake, *code, 4);
}

WORLDS(frame_that_runs_hides_its_stack)
{
    vaddr code, frame = make_frame(&code), self = something(), cell = something();
    fakeheap_set_local(&fake, frame, 0, self);
    fakeheap_set_local(&fake, frame, 3, cell);
    fakeheap_set_local(&fake, frame, 4, something()); // first of the value stack
    EXPECT("running frame", frame, code, fake.builtins, self, cell);
    expect_place(2, VISIT_LOCAL, NULL, 0, 0);
    expect_place(3, VISIT_LOCAL, NULL, 3, 0);
}

WORLDS(frame_that_is_suspended_shows_its_stack)
{
    vaddr code, frame = make_frame(&code), self = something(), a = something(), b = something();
    fakeheap_set_local(&fake, frame, 0, self);
    fakeheap_suspend(&fake, frame);
    EXPECT("suspended frame, empty stack", frame, code, fake.builtins, self);
    fakeheap_push(&fake, frame, a);
    fakeheap_push(&fake, frame, 0);
    fakeheap_push(&fake, frame, b);
    EXPECT("suspended frame", frame, code, fake.builtins, self, a, b);
    expect_place(3, VISIT_STACK, NULL, 4, 0);
    expect_place(4, VISIT_STACK, NULL, 6, 0);
    struct frame_slots slots;
    uint64_t word = fake.memory.format.word_size;
    cr_assert_eq(traverse_frame_slots(&fake.runtime, frame, &slots), MEMORY_OK);
    cr_assert_eq(slots.start,
                 frame + layout_offset(&fake.layout, LAYOUT_PyFrameObject_f_localsplus));
    cr_assert_eq(slots.locals_end - slots.start, 4 * word);
    cr_assert_eq(slots.stack_end - slots.start, 7 * word);
}

WORLDS(frame_without_locals)
{
    vaddr code = fakeheap_code(&fake, &(struct fakeheap_code){.name = "f", .file = "f.py"});
    EXPECT("frame", fakeheap_frame(&fake, code, 0), code, fake.builtins);
}

// --- odd ones

WORLDS(errors_of_a_codec_may_be_a_number)
{
    if (!is_whole(rule_named("MultibyteStreamReader")))
        return;
    vaddr type = type_of_rule(rule_named("MultibyteStreamReader"));
    vaddr stream = something(), errors = something();
    for (uint64_t number = 0; number <= 3; number++) {
        vaddr reader = fakeheap_new(&fake, type, 0);
        fakeheap_link(&fake, reader, LAYOUT_MultibyteStreamReaderObject_stream, stream);
        fakeheap_set(&fake, reader, LAYOUT_MultibyteStreamReaderObject_errors, number);
        EXPECT("number", reader, stream);
    }
    vaddr reader = fakeheap_new(&fake, type, 0);
    fakeheap_link(&fake, reader, LAYOUT_MultibyteStreamReaderObject_stream, stream);
    fakeheap_link(&fake, reader, LAYOUT_MultibyteStreamReaderObject_errors, errors);
    EXPECT("callback", reader, errors, stream);
}

WORLDS(proto_of_a_ctypes_class)
{
    if (!is_whole(rule_named("_ctypes.PyCPointerType")))
        return;
    vaddr meta = type_of_rule(rule_named("_ctypes.PyCPointerType"));
    vaddr dict = fakeheap_new(&fake, type_of_rule(rule_named("StgDict")), 0);
    vaddr class = fakeheap_new(&fake, meta, 0), proto = something(), plain = fakeheap_dict(&fake);
    fakeheap_link(&fake, dict, LAYOUT_StgDictObject_proto, proto);
    fakeheap_link(&fake, class, LAYOUT_PyTypeObject_tp_dict, dict);
    EXPECT("with a StgDict", class, proto, dict);
    expect_place(0, VISIT_MEMBER, "proto", 0, 0);
    fakeheap_link(&fake, class, LAYOUT_PyTypeObject_tp_dict, plain);
    EXPECT("with a dict", class, plain);
}
