// Two ways to the references of objects, compared: what is taken, what is told. What visits by code
// is a stub that does as the tables do, but where the test says otherwise.
#include "common.h"

#include <stdlib.h>

#include "scene_code.h"
#include "scene_heap.h"
#include "verify.h"

enum {
    OBJECTS = 1000,
    VISITS_MAX = 8
};

// What the code of one object does.
struct deed {
    vaddr object;
    unsigned ending;
    vaddr visits[VISITS_MAX];
    size_t count;
};

static struct deed deeds[OBJECTS];
static size_t deed_count;
static vaddr runs[4 * OBJECTS]; // objects that were run, in order
static size_t run_count;
static struct verify *verify;

static void close_all(void)
{
    verify_destroy(verify);
    verify = NULL;
    deed_count = run_count = 0;
    close_heap();
}

#define WORLDS(name)              WORLD_TEST(verify, name, close_all)
#define WORLDS_SINCE(first, name) WORLD_TEST_SINCE(first, verify, name, close_all)

struct taker {
    struct visitor visitor;
    vaddr room[2];
    void (*take)(void *context, vaddr target);
    void *context;
};

static void pass_on(struct visitor *visitor)
{
    struct taker *taker = (struct taker *)visitor;
    for (size_t i = 0; i < visitor->count; i++)
        taker->take(taker->context, taker->room[i]);
    visitor->count = 0;
}

static unsigned run_as_table(vaddr object, void (*take)(void *context, vaddr target), void *context)
{
    uint32_t index;
    struct taker taker = {
        .visitor = {.capacity = 2, .full = pass_on}, .take = take, .context = context};
    taker.visitor.found = taker.room;
    cr_assert_eq(object_find_type(&heap->types, object, &index), MEMORY_OK);
    traverse_object(&heap->types, &heap->types.types[index], object, &taker.visitor);
    pass_on(&taker.visitor);
    return 0;
}

static unsigned run_deed(void *runner, vaddr function, vaddr object,
                         void (*take)(void *context, vaddr target), void *context)
{
    (void)runner;
    (void)function;
    if (!heap)
        return 0; // it is being made
    cr_assert_lt(run_count, LENGTH(runs));
    runs[run_count++] = object;
    for (size_t i = 0; i < deed_count; i++) {
        if (deeds[i].object != object)
            continue;
        for (size_t j = 0; j < deeds[i].count && !deeds[i].ending; j++)
            take(context, deeds[i].visits[j]);
        return deeds[i].ending;
    }
    return run_as_table(object, take, context);
}

static void add_deed(vaddr object, unsigned ending, const vaddr *visits, size_t count)
{
    cr_assert(deed_count < LENGTH(deeds) && count <= VISITS_MAX);
    struct deed *deed = &deeds[deed_count++];
    *deed = (struct deed){.object = object, .ending = ending, .count = count};
    for (size_t i = 0; i < count; i++)
        deed->visits[i] = visits[i];
}
#define VISITS(object, ...)                                                                        \
    add_deed(object, 0, (const vaddr[]){__VA_ARGS__}, LENGTH(((const vaddr[]){__VA_ARGS__})))

static void run(uint32_t limit)
{
    code.run = run_deed;
    fake.source.code = &code;
    open_heap(1);
    struct failure *failure = verify_create(heap, limit, &verify);
    cr_assert_null(failure, "%s: %s", world, failure_text(failure));
}

static const struct verify_type *find(const char *name)
{
    for (size_t i = 0; i < verify->count; i++)
        if (strcmp(verify->types[i].name, name) == 0)
            return &verify->types[i];
    cr_assert_fail("%s: no type %s", world, name);
    return NULL;
}

static vaddr pair(vaddr first, vaddr second)
{
    vaddr list = fakeheap_list(&fake);
    fakeheap_append(&fake, list, second); // lists are visited from their ends
    fakeheap_append(&fake, list, first);
    return list;
}

WORLDS(nothing_differs)
{
    static const char *const slots[] = {"a", NULL};
    vaddr class = fakeheap_class(&fake, &(struct fakeheap_class){.name = "C", .slots = slots});
    vaddr object = fakeheap_instance(&fake, class), dict = fakeheap_dict(&fake);
    fakeheap_set_slot(&fake, object, "a", dict);
    fakeheap_dict_set_name(&fake, dict, "key", object);
    pair(object, dict);
    run(0);
    cr_assert(verify_is_clean(verify), "%s", world);
    cr_assert_eq(verify->checked, heap->count, "%s", world);
    cr_assert_eq(verify->checked_types, verify->count, "%s", world);
    cr_assert_eq(find("C")->checked, 1, "%s", world);
    for (size_t i = 1; i < verify->count; i++)
        cr_assert_lt(strcmp(verify->types[i - 1].name, verify->types[i].name), 0, "%s", world);
}

static void expect_difference(const char *what, const struct verify_difference *expected)
{
    const struct verify_type *type = find("list");
    cr_assert_not(verify_is_clean(verify), "%s, %s", world, what);
    cr_assert_eq(verify->different_types, 1, "%s, %s", world, what);
    cr_assert_eq(type->different, 1, "%s, %s", world, what);
    cr_assert_eq(type->first.object, expected->object, "%s, %s", world, what);
    cr_assert_eq(type->first.table_visits, expected->table_visits, "%s, %s", world, what);
    cr_assert_eq(type->first.code_visits, expected->code_visits, "%s, %s", world, what);
    cr_assert_eq(type->first.position, expected->position, "%s, %s", world, what);
    cr_assert_eq(!type->first.table_type, !expected->table_type, "%s, %s", world, what);
    cr_assert_eq(!type->first.code_type, !expected->code_type, "%s, %s", world, what);
    if (expected->table_type)
        cr_assert_str_eq(type->first.table_type, expected->table_type, "%s, %s", world, what);
    if (expected->code_type)
        cr_assert_str_eq(type->first.code_type, expected->code_type, "%s, %s", world, what);
}

WORLDS(more_visits_than_the_table_has)
{
    vaddr dict = fakeheap_dict(&fake), list = pair(dict, fake.none);
    VISITS(list, dict, fake.none, dict);
    run(10);
    expect_difference("more", &(struct verify_difference){.object = list,
                                                          .table_visits = 2,
                                                          .code_visits = 3,
                                                          .position = 2,
                                                          .code_type = (char *)"dict"});
}

WORLDS(fewer_visits_than_the_table_has)
{
    vaddr dict = fakeheap_dict(&fake), list = pair(dict, dict);
    VISITS(list, dict);
    run(10);
    expect_difference("fewer", &(struct verify_difference){.object = list,
                                                           .table_visits = 2,
                                                           .code_visits = 1,
                                                           .position = 1,
                                                           .table_type = (char *)"dict"});
}

// The order matters, NULL does not.
WORLDS(other_order)
{
    vaddr dict = fakeheap_dict(&fake), tuple = fakeheap_tuple(&fake, 0);
    vaddr list = pair(dict, tuple), same = pair(dict, tuple);
    VISITS(list, 0, tuple, 0, dict);
    VISITS(same, 0, dict, 0, 0, tuple, 0);
    run(10);
    expect_difference("order", &(struct verify_difference){.object = list,
                                                           .table_visits = 2,
                                                           .code_visits = 2,
                                                           .table_type = (char *)"dict",
                                                           .code_type = (char *)"tuple"});
}

// What the code visits need not be an object.
WORLDS(visit_of_no_object)
{
    vaddr list = pair(fake.none, fake.none);
    VISITS(list, fake.none, 12345);
    run(10);
    expect_difference("no object",
                      &(struct verify_difference){.object = list,
                                                  .table_visits = 2,
                                                  .code_visits = 2,
                                                  .position = 1,
                                                  .table_type = (char *)"NoneType",
                                                  .code_type = (char *)"<unreadable type>"});
}

static size_t find_list(const vaddr *lists, vaddr object)
{
    for (size_t i = 0; i < OBJECTS; i++)
        if (lists[i] == object)
            return i;
    return OBJECTS;
}

// As many as were asked for, from all over the heap.
WORLDS(objects_are_spread_evenly)
{
    vaddr lists[OBJECTS];
    for (size_t i = 0; i < OBJECTS; i++)
        lists[i] = fakeheap_list(&fake);
    static const uint32_t limits[] = {1, 7, 100, OBJECTS - 1, OBJECTS, OBJECTS + 1, 0};
    for (size_t i = 0; i < LENGTH(limits); i++) {
        size_t wanted = limits[i] && limits[i] < OBJECTS ? limits[i] : OBJECTS, before = 0;
        close_all();
        run(limits[i]);
        cr_assert_eq(find("list")->checked, wanted, "%s: limit %u", world, limits[i]);
        cr_assert_eq(find("list")->objects, OBJECTS, "%s", world);
        for (size_t j = 0, met = 0; j < run_count; j++) {
            size_t at = find_list(lists, runs[j]);
            if (at == OBJECTS)
                continue;
            if (met++)
                cr_assert(at - before >= OBJECTS / wanted && at - before <= OBJECTS / wanted + 1,
                          "%s: limit %u: %zu after %zu", world, limits[i], at, before);
            before = at;
        }
    }
}

// Objects with many references count for several.
WORLDS_SINCE(204, large_objects_are_few)
{
    vaddr item = fakeheap_dict(&fake);
    for (int i = 0; i < 10; i++) {
        vaddr list = fakeheap_list(&fake);
        for (int j = 0; j < VERIFY_VISITS_EACH; j++)
            fakeheap_append(&fake, list, item);
    }
    run(3);
    cr_assert_eq(find("list")->checked, 3, "%s: %u", world, (unsigned)find("list")->checked);
    close_all();
    vaddr large = fakeheap_list(&fake);
    for (int j = 0; j < 5 * VERIFY_VISITS_EACH; j++)
        fakeheap_append(&fake, large, item);
    run(11);
    cr_assert_eq(find("list")->checked, 11, "%s", world);
    close_all();
    run(5);
    cr_assert_leq(find("list")->checked, 5, "%s", world);
    cr_assert(verify_is_clean(verify), "%s", world);
    close_all();
    run(0);
    cr_assert_eq(find("list")->checked, 11, "%s", world);
}

WORLDS(code_that_fails)
{
    for (int i = 0; i < 100; i++)
        add_deed(fakeheap_list(&fake), i % 10 ? i % 3 ? 0 : LOST : ENDLESS, NULL, 0);
    run(0);
    struct heap_opaque_reason reasons[HEAP_OPAQUE_REASONS];
    const struct verify_type *list = find("list");
    size_t count = verify_list_reasons(verify, list, reasons);
    // 0, 10, 20, 30, 40 do not end, then no more are tried.
    cr_assert_eq(list->unchecked + list->checked, 100, "%s", world);
    cr_assert_eq(list->different, 0, "%s", world);
    cr_assert_eq(count, 3, "%s", world);
    cr_assert_str_eq(reasons[0].text, "was not tried, after too many others that did not end");
    cr_assert_eq(reasons[0].objects, 59, "%s", world);
    cr_assert_str_eq(reasons[1].text, "is lost");
    cr_assert_eq(reasons[1].objects, 12, "%s", world);
    cr_assert_str_eq(reasons[2].text, "does not end");
    cr_assert_eq(reasons[2].objects, HEAP_CODE_ENDLESS_MAX, "%s", world);
    cr_assert_not(verify_is_clean(verify), "%s", world);
    cr_assert_eq(verify->unchecked_types, 1, "%s", world);
    cr_assert_eq(verify->different_types, 0, "%s", world);
}

// Of a type without a table it is only seen whether its code can be run.
WORLDS(types_without_a_table)
{
    vaddr a = coded_type("a.A"), b = coded_type("b.B");
    for (int i = 0; i < 10; i++) {
        VISITS(fakeheap_new(&fake, a, 0), fake.none);
        add_deed(fakeheap_new(&fake, b, 0), i ? 0 : LOST, NULL, 0);
    }
    run(0);
    cr_assert_eq(verify->coded_types, 2, "%s", world);
    cr_assert_eq(verify->checked_types, verify->count - 2, "%s", world);
    cr_assert(find("a.A")->by_code && find("b.B")->by_code, "%s", world);
    cr_assert_eq(find("a.A")->checked, 10, "%s", world);
    cr_assert_eq(find("b.B")->checked, 9, "%s", world);
    cr_assert_eq(find("b.B")->unchecked, 1, "%s", world);
    cr_assert_eq(verify->different, 0, "%s", world);
    cr_assert_eq(verify->unchecked, 1, "%s", world);
}

// A class derived from such a type: its base's part is run, its own is compared.
WORLDS(classes_of_a_base_without_a_table)
{
    vaddr class =
        fakeheap_class(&fake, &(struct fakeheap_class){.name = "C", .base = coded_type("a.A")});
    vaddr object = fakeheap_instance(&fake, class);
    vaddr dict = fakeheap_peek_word(&fake, fakeheap_dict_slot(&fake, object));
    VISITS(object, dict, class);
    run(0);
    // The stub does not know which function it runs: it visits the same for the base's part.
    cr_assert_not(find("C")->by_code, "%s", world);
    cr_assert_eq(find("C")->different, 1, "%s", world);
    cr_assert_eq(find("C")->first.table_visits, 4, "%s", world);
    cr_assert_eq(find("C")->first.position, 2, "%s", world);
}

WORLDS(classes_that_cannot_be_read)
{
    struct heap_opaque_reason reasons[HEAP_OPAQUE_REASONS];
    vaddr class = fakeheap_class(&fake, &(struct fakeheap_class){.name = "C"});
    VISITS(fakeheap_instance(&fake, class), class);
    fakeheap_set(&fake, class, LAYOUT_PyTypeObject_tp_base, class);
    run(0);
    cr_assert_eq(verify_list_reasons(verify, find("C"), reasons), 1, "%s", world);
    cr_assert_str_eq(reasons[0].text, "depends on classes that cannot be read", "%s", world);
    cr_assert_eq(find("C")->different, 0, "%s", world);
}

WORLDS(objects_without_a_type)
{
    vaddr object = fakeheap_list(&fake);
    fakeheap_list(&fake);
    fakeheap_set(&fake, object, LAYOUT_PyObject_ob_type, fake.none);
    run(0);
    cr_assert_eq(verify->unreadable_objects, 1, "%s", world);
    cr_assert_not(verify_is_clean(verify), "%s", world);
}

WORLDS(no_code_can_be_run)
{
    fakeheap_list(&fake);
    struct runtime_code failing = code;
    failing.open = stub_open_fails;
    const struct runtime_code *const codes[] = {&failing, NULL};
    static const char *const texts[] = {"no such machine", "the process's code cannot be run"};
    for (size_t i = 0; i < LENGTH(codes); i++) {
        fake.source.code = codes[i];
        open_heap(1);
        struct failure *failure = verify_create(heap, 0, &verify);
        cr_assert_eq(failure_kind(failure), FAILURE_UNSUPPORTED, "%s", world);
        cr_assert_str_eq(failure_text(failure), texts[i], "%s", world);
        failure_destroy(failure);
    }
}
