// The program on whole synthetic processes, a core and an interpreter's file each: of every column
// of member offsets, in both byte orders, with symbols and stripped. The same leaks must be told in
// the same words, whatever the machine; only addresses and bytes may differ.
#include "common.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fakelayout.h"
#include "fakeprocess.h"
#include "object.h"
#include "proof.h"
#include "real.h"

static struct fakeheap fake;

enum {
    SETUP_LOOP = 120,
    SETUP_FINALLY = 122
};

static unsigned minor_release(const struct fakeheap *heap)
{
    return 200 + (heap->version >> 8 & 0xff);
}

// --- the leaks: each leaves one object in gc.garbage, and nothing else refers to it

static vaddr module_dict;

// A class that its module holds.
static vaddr make_class(const char *name, vaddr base, bool del, const char *const *slots)
{
    vaddr class = fakeheap_class(&fake, &(struct fakeheap_class){.name = name,
                                                                 .module = "__main__",
                                                                 .base = base,
                                                                 .slots = slots,
                                                                 .del_file = del ? "leak.py" : NULL,
                                                                 .del_line = 35});
    fakeheap_dict_set_name(&fake, module_dict, name, class);
    // What leads to the classes, and so to their tp_traverse, in a stripped file.
    fakeheap_add_subclass(&fake, base ? base : fake.object, class);
    return class;
}

static vaddr find_class(const char *name, vaddr base, bool del, const char *const *slots)
{
    vaddr class;
    fakeheap_map(&fake);
    struct runtime runtime = {.memory = &fake.memory, .layout = fake.layout};
    runtime.types[RUNTIME_TYPE_str] = fakeheap_find_type(&fake, "str");
    return object_dict_find(&runtime, module_dict, name, &class) == MEMORY_OK
               ? class
               : make_class(name, base, del, slots);
}

// The story: a client, whose __del__ is a base's, and what its cached property made.
static vaddr leak_story(void)
{
    vaddr base = find_class("ApiClient", 0, true, NULL);
    vaddr client = fakeheap_instance(&fake, find_class("MyApiClient", base, false, NULL));
    vaddr t = fakeheap_instance(&fake, find_class("T", 0, false, NULL));
    fakeheap_set_attr(&fake, client, "t", t);
    fakeheap_set_attr(&fake, t, "_api_client", client);
    fakeheap_set_attr(&fake, t, "number", fakeheap_int(&fake, 1234567));
    return client;
}

static vaddr leak_old_style(void)
{
    vaddr class = fakeheap_old_class(&fake, "__main__", "Old", 0);
    vaddr code = fakeheap_code(&fake, &(struct fakeheap_code){"__del__", "old.py", 7});
    fakeheap_set_attr(&fake, class, "__del__", fakeheap_function(&fake, code));
    fakeheap_dict_set_name(&fake, module_dict, "Old", class);
    vaddr object = fakeheap_old_instance(&fake, class), list = fakeheap_list(&fake);
    fakeheap_set_attr(&fake, object, "items", list);
    for (int i = 0; i < 9; i++)
        fakeheap_append(&fake, list, i < 8 ? fake.none : object);
    return object;
}

static vaddr leak_slots(void)
{
    static const char *const slots[] = {"first", "other", NULL};
    vaddr object = fakeheap_instance(&fake, find_class("Slotted", 0, true, slots));
    fakeheap_set_slot(&fake, object, "other", fakeheap_tuple_of(&fake, fake.none, object));
    return object;
}

static vaddr leak_closure(void)
{
    static const char *const frees[] = {"self", NULL};
    vaddr object = fakeheap_instance(&fake, find_class("Closed", 0, true, NULL));
    vaddr code = fakeheap_code(
        &fake, &(struct fakeheap_code){.name = "f", .file = "leak.py", .freevars = frees});
    vaddr cell = fakeheap_cell(&fake, object);
    fakeheap_set_attr(&fake, object, "callback", fakeheap_closure(&fake, code, &cell, 1));
    return object;
}

static vaddr leak_method(void)
{
    vaddr class = find_class("Bound", 0, true, NULL);
    vaddr object = fakeheap_instance(&fake, class);
    vaddr code = fakeheap_code(&fake, &(struct fakeheap_code){"run", "leak.py", 3});
    fakeheap_set_attr(&fake, object, "run",
                      fakeheap_method(&fake, fakeheap_function(&fake, code), object, class));
    return object;
}

static vaddr leak_deque(void)
{
    vaddr object = fakeheap_instance(&fake, find_class("Queued", 0, true, NULL));
    vaddr deque = fakeheap_deque(&fake, 60); // goes on in a second block
    fakeheap_set_attr(&fake, object, "queue", deque);
    for (int i = 0; i < 4; i++)
        fakeheap_deque_append(&fake, deque, i < 3 ? fake.none : object);
    return object;
}

static vaddr leak_set(void)
{
    vaddr object = fakeheap_instance(&fake, find_class("Member", 0, true, NULL));
    vaddr set = fakeheap_set_object(&fake, "set");
    fakeheap_set_attr(&fake, object, "peers", set);
    fakeheap_set_add(&fake, set, object);
    return object;
}

// Suspended in a try block, a local of its frame leads back to it.
static vaddr leak_generator(void)
{
    static const char *const locals[] = {"me", NULL};
    vaddr code = fakeheap_code(
        &fake, &(struct fakeheap_code){
                   .name = "produce", .file = "produce.py", .line = 12, .varnames = locals});
    vaddr frame = fakeheap_frame(&fake, code, 4), generator = fakeheap_generator(&fake, frame);
    fakeheap_set_local(&fake, frame, 0, generator);
    fakeheap_push_block(&fake, frame, SETUP_LOOP);
    fakeheap_push_block(&fake, frame, SETUP_FINALLY);
    fakeheap_suspend(&fake, frame);
    return generator;
}

static const struct {
    vaddr (*leak)(void);
    unsigned count;
    unsigned objects;      // of each
    unsigned first, last;  // minor releases that leak so
    const char *cycle;     // "type* edge > ..." from the smallest
    const char *finalizer; // "class defined_in file:line"
} leaks[] = {
    {leak_story, 5, 4, 203, 207, "__main__.MyApiClient* .t > __main__.T ._api_client",
     "__main__.MyApiClient __main__.ApiClient leak.py:35"},
    {leak_old_style, 2, 3, 203, 207, "__main__.Old* .items > list [8]",
     "__main__.Old __main__.Old old.py:7"},
    {leak_slots, 3, 2, 203, 207, "__main__.Slotted* .other > tuple [1]",
     "__main__.Slotted __main__.Slotted leak.py:35"},
    {leak_closure, 1, 5, 203, 207, "__main__.Closed* .callback > function cell self",
     "__main__.Closed __main__.Closed leak.py:35"},
    {leak_method, 2, 3, 203, 207, "__main__.Bound* .run > instancemethod .im_self",
     "__main__.Bound __main__.Bound leak.py:35"},
    {leak_deque, 1, 3, 204, 207, "__main__.Queued* .queue > collections.deque [3]",
     "__main__.Queued __main__.Queued leak.py:35"},
    {leak_set, 2, 4, 204, 204, "__main__.Member* .peers > set .data > dict [key]",
     "__main__.Member __main__.Member leak.py:35"},
    {leak_set, 2, 3, 205, 207, "__main__.Member* .peers > set [item]",
     "__main__.Member __main__.Member leak.py:35"},
    {leak_generator, 3, 2, 205, 207, "generator* .gi_frame > frame local me",
     "generator produce produce.py:12"},
};

static bool leaks_so(size_t i)
{
    unsigned minor = minor_release(&fake);
    return minor >= leaks[i].first && minor <= leaks[i].last;
}

static void make_leaks(void)
{
    vaddr module = fakeheap_module(&fake, "__main__"), gc = fakeheap_module(&fake, "gc");
    module_dict = fakeheap_peek_word(&fake, fakeheap_dict_slot(&fake, module));
    fake.globals = module_dict;
    for (size_t i = 0; i < LENGTH(leaks); i++)
        for (unsigned j = 0; leaks_so(i) && j < leaks[i].count; j++)
            fakeheap_keep(&fake, leaks[i].leak());
    // 2.3 and 2.4 free it: no generator has a finalizer there.
    if (minor_release(&fake) < 205)
        leak_generator();
    fakeheap_set_attr(&fake, gc, "garbage", fakeheap_garbage(&fake));
    fakeheap_furnish(&fake);
    fakeheap_furnish_types(&fake);
    // (2.4 has it there, too.)
    if (fakeheap_has_type(&fake, "collections.deque"))
        fakeheap_set_attr(&fake, fakeheap_module(&fake, "_collections"), "deque",
                          fakeheap_find_type(&fake, "collections.deque"));
}

// --- what the program says of them

static const char *cycle_text(const json_t *finding)
{
    const char *text = "";
    size_t i;
    json_t *step;
    json_array_foreach(real_json(finding, "cycle"), i, step) text = real_format(
        "%s%s%s%s %s", text, i ? " > " : "", real_string(step, "type"),
        json_is_true(real_json(step, "finalizer")) ? "*" : "", real_string(step, "edge"));
    return text;
}

static const char *finalizer_text(const json_t *finding)
{
    const json_t *first = json_array_get(real_json(finding, "finalizers"), 0);
    return real_format("%s %s %s:%lld", real_string(first, "class"),
                       real_string(first, "defined_in"), real_string(first, "file"),
                       real_number(first, "line"));
}

static void expect_finding(const char *what, const json_t *report, size_t row)
{
    size_t i;
    json_t *finding;
    json_array_foreach(real_json(report, "findings"), i, finding)
    {
        if (strcmp(cycle_text(finding), leaks[row].cycle) != 0)
            continue;
        cr_expect_str_eq(real_string(finding, "state"), "uncollectable", "%s", what);
        cr_expect_eq(real_number(finding, "count"), leaks[row].count, "%s: %s", what,
                     leaks[row].cycle);
        cr_expect_eq(real_number(finding, "objects"), leaks[row].count * leaks[row].objects,
                     "%s: %s: %lld objects", what, leaks[row].cycle,
                     real_number(finding, "objects"));
        cr_expect_str_eq(finalizer_text(finding), leaks[row].finalizer, "%s", what);
        return;
    }
    cr_expect_fail("%s: no finding \"%s\" in %s", what, leaks[row].cycle,
                   json_dumps(real_json(report, "findings"), JSON_COMPACT));
}

// The signature of a cycle is the same in all.
static void expect_signatures(const char *what, const json_t *report)
{
    static const char *signatures[LENGTH(leaks)];
    size_t i;
    json_t *finding;
    json_array_foreach(real_json(report, "findings"), i, finding)
    {
        for (size_t row = 0; row < LENGTH(leaks); row++) {
            if (strcmp(cycle_text(finding), leaks[row].cycle) != 0)
                continue;
            if (!signatures[row])
                signatures[row] = real_string(finding, "signature");
            cr_expect_str_eq(real_string(finding, "signature"), signatures[row], "%s: %s", what,
                             leaks[row].cycle);
        }
    }
}

static void expect_interpreter(const char *what, const json_t *report)
{
    const struct layout_column *column = fake.layout.column;
    cr_expect_str_eq(real_string(report, "interpreter.layout_column"), column->name, "%s", what);
    cr_expect_eq(json_is_true(real_json(report, "interpreter.trace_refs")), column->trace_refs,
                 "%s", what);
    cr_expect_eq(json_is_true(real_json(report, "interpreter.pymalloc_debug")), column->trace_refs,
                 "%s", what);
    cr_expect(json_is_true(real_json(report, "interpreter.pymalloc")),
              "%s: not found in pools, but along the rings", what);
    bool usual = column->values[LAYOUT_PyGC_Head_sizeof].offset != 24;
    cr_expect_eq(json_is_false(real_json(report, "interpreter.gc_head_by_evidence")), usual, "%s",
                 what);
    cr_expect_eq(real_number(report, "heap.opaque_objects"), 0, "%s", what);
    cr_expect_eq(real_number(report, "heap.overdrawn_objects"), 0, "%s", what);
}

static json_t *run_program(const char *what, struct real_run run)
{
    cr_assert_eq(run.status, 0, "%s: exit status %d: %s", what, run.status, run.errors);
    cr_expect_str_empty(run.errors, "%s: %s", what, run.errors);
    return real_parse(run.output);
}

static const char *byte_order(void)
{
    return fake.memory.format.big_endian ? "big" : "little";
}

// With the interpreter's file.
static json_t *check_process(const char *what, const char *core)
{
    json_t *report = run_program(what, REAL_RUN("--format=json", "--limit=0", core));
    expect_interpreter(what, report);
    expect_signatures(what, report);
    size_t expected = 0;
    for (size_t i = 0; i < LENGTH(leaks); i++) {
        if (!leaks_so(i))
            continue;
        expect_finding(what, report, i);
        expected++;
    }
    cr_expect_eq(json_array_size(real_json(report, "findings")), expected, "%s: %s", what,
                 json_dumps(real_json(report, "findings"), JSON_COMPACT));
    proof_note_synthetic(report, byte_order(), "leaks");
    return report;
}

// And without it: the same to the last byte.
static void check_bare(const char *what, const char *core, const json_t *full)
{
    static const char *const paths[] = {"findings", "garbage.objects", "heap.objects", "heap.edges",
                                        "heap.bytes"};
    json_t *bare = run_program(
        what, REAL_RUN("-q", "--format=json", "--limit=0", "--sysroot=/nonexistent", core));
    expect_interpreter(what, bare);
    cr_expect_str_eq(real_string(bare, "interpreter.recognized_from"), "core", "%s", what);
    for (size_t i = 0; i < LENGTH(paths); i++) {
        const json_t *found = real_json(bare, paths[i]), *expected = real_json(full, paths[i]);
        cr_expect(json_equal(found, expected), "%s: without the file %s is %s, not %s", what,
                  paths[i], json_dumps(found, JSON_COMPACT | JSON_ENCODE_ANY),
                  json_dumps(expected, JSON_COMPACT | JSON_ENCODE_ANY));
    }
    proof_note_synthetic(bare, byte_order(), "leaks");
}

static void check_both(const char *directory, unsigned machine, bool stripped)
{
    const char *what = real_format("%s, %s-endian%s", fake.layout.column->name, byte_order(),
                                   stripped ? ", stripped" : "");
    const char *core = real_format("%s/core", directory);
    fakeprocess_write(&fake, &(struct fakeprocess){machine, stripped}, directory);
    json_t *full = check_process(what, core);
    // What the core has is the same with symbols and without.
    if (stripped)
        check_bare(what, core, full);
}

static unsigned machine_of(const struct layout_column *column, bool big_endian)
{
    if (column->word_size == 8)
        return big_endian ? EM_PPC64 : EM_X86_64;
    if (big_endian)
        return EM_PPC;
    return strstr(column->name, "armhf") ? EM_ARM : EM_386;
}

static void check_columns(bool big_endian, bool stripped)
{
    const char *directory = real_directory(real_format("synthetic-%d-%d", big_endian, stripped));
    for (size_t i = 0; i < layout_column_count; i++) {
        const struct layout_column *column = &layout_columns[i];
        fakeheap_init(&fake, &(struct fakeheap_spec){.column = column, .big_endian = big_endian});
        fakeheap_use_pools(&fake);
        make_leaks();
        check_both(directory, machine_of(column, big_endian), stripped);
        fakeheap_deinit(&fake);
    }
}

Test(synthetic, little_endian)
{
    check_columns(false, false);
}

Test(synthetic, little_endian_stripped)
{
    check_columns(false, true);
}

Test(synthetic, big_endian)
{
    check_columns(true, false);
}

Test(synthetic, big_endian_stripped)
{
    check_columns(true, true);
}

// s390x: a PyGC_Head of 24 bytes, which no column has.
Test(synthetic, s390x)
{
    const char *directory = real_directory("synthetic-s390x");
    for (size_t i = 0; i < layout_column_count; i++) {
        struct layout_column column = layout_columns[i];
        if (column.word_size != 8)
            continue;
        column.values[LAYOUT_PyGC_Head_sizeof] = (struct layout_value){24, 24};
        column.values[LAYOUT_gc_generation_sizeof] = (struct layout_value){32, 32};
        column.values[LAYOUT_gc_generation_threshold].offset = 24;
        column.values[LAYOUT_gc_generation_count].offset = 28;
        fakeheap_init(&fake, &(struct fakeheap_spec){.column = &column, .big_endian = true});
        fakeheap_use_pools(&fake);
        make_leaks();
        check_both(directory, EM_S390, true);
        fakeheap_deinit(&fake);
    }
}
