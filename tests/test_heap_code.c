// Objects whose own code is run: what it visits, why it fails, and when it is given up.
#include "common.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "scene_code.h"
#include "scene_heap.h"

#define WORLDS(name) WORLD_TEST(heap_code, name, close_heap)

enum {
    OBJECTS = 400,
    FUNCTIONS = 40
};

// What the stub does with the object at hand stands where a cell has its contents: the object that
// it visits, or one of the endings.
static atomic_uint endless_runs;

static unsigned stub_run(void *runner, vaddr function, vaddr object,
                         void (*take)(void *context, vaddr target), void *context)
{
    uint64_t word;
    (void)function;
    cr_assert_eq(
        layout_read(&fake.runtime.layout, runner, object, LAYOUT_PyCellObject_ob_ref, &word),
        MEMORY_OK);
    endless_runs += word == ENDLESS;
    if (word == LOST || word == ENDLESS)
        return (unsigned)word;
    take(context, word);
    return 0;
}

static vaddr new_object(vaddr type, uint64_t word)
{
    code.run = stub_run;
    vaddr object = fakeheap_new(&fake, type, 0);
    fakeheap_set(&fake, object, LAYOUT_PyCellObject_ob_ref, word);
    return object;
}

static bool is_opaque(uint32_t number)
{
    return heap->opaque[number / 8] >> (number % 8) & 1;
}

static uint32_t edges_of(uint32_t number)
{
    return heap->graph.rows[number + 1] - heap->graph.rows[number];
}

static void expect_reason(size_t nth, const char *text, uint64_t objects)
{
    struct heap_opaque_reason reasons[HEAP_OPAQUE_REASONS];
    size_t count = heap_list_opaque_reasons(heap, heap->opaque_reasons, reasons);
    cr_assert_lt(nth, count, "%s: %zu reasons, no '%s'", world, count, text);
    cr_assert_str_eq(reasons[nth].text, text, "%s", world);
    cr_assert_eq(reasons[nth].objects, objects, "%s: %s %" PRIu64, world, text,
                 reasons[nth].objects);
}

WORLDS(reasons_are_counted)
{
    vaddr a = coded_type("a.A"), b = coded_type("b.B"), list = fakeheap_list(&fake);
    for (int i = 0; i < 300; i++)
        new_object(i % 2 ? a : b, i % 3 ? list : i % 100 ? LOST : ENDLESS);
    for (unsigned jobs = 1; jobs < 5; jobs++) {
        open_heap(jobs);
        cr_assert_eq(heap->opaque_objects, 100, "%s", world);
        cr_assert_eq(heap->coded_objects, 200, "%s", world);
        expect_reason(0, "is lost", 99);
        expect_reason(1, "does not end", 1);
    }
}

static atomic_uint learned_runs;
static bool learned_erred;

// Visits nothing.
static unsigned stub_run_learned(void *runner, vaddr function, vaddr object,
                                 void (*take)(void *context, vaddr target), void *context)
{
    (void)runner;
    (void)function;
    (void)object;
    (void)take;
    (void)context;
    learned_runs++;
    return 0;
}

static uint64_t stub_check_learned(const void *runner, bool *erred)
{
    (void)runner;
    *erred = learned_erred;
    return 7;
}

// What is learned serves the one who reads the heap; once it has erred, nothing of it is left.
WORLDS(what_is_learned)
{
    vaddr objects[OBJECTS], a = coded_type("a.A"), target = fakeheap_list(&fake);
    for (int i = 0; i < OBJECTS; i++)
        objects[i] = new_object(a, i % 50 == 3 ? ENDLESS : target);
    open_heap(1);
    uint64_t edges = heap->edges, opaque = heap->opaque_objects;
    code.run_learned = stub_run_learned;
    code.check_learned = stub_check_learned;
    for (unsigned jobs = 1; jobs < 8; jobs++) {
        learned_erred = false;
        learned_runs = 0;
        open_heap(jobs);
        cr_assert_eq(learned_runs, OBJECTS, "%s, %u jobs: %u", world, jobs, (unsigned)learned_runs);
        cr_assert_geq(heap->learned_objects, 7, "%s", world);
        cr_assert_eq(edges_of(number_of(objects[0])), 0, "%s", world);
        cr_assert_eq(heap->opaque_objects, 0, "%s", world);
        learned_erred = true;
        open_heap(jobs);
        cr_assert_eq(heap->edges, edges, "%s, %u jobs: %" PRIu64, world, jobs, heap->edges);
        cr_assert_eq(heap->opaque_objects, opaque, "%s, %u jobs", world, jobs);
        cr_assert_eq(heap->coded_objects + opaque, OBJECTS, "%s, %u jobs", world, jobs);
        cr_assert_eq(heap->learned_objects, 0, "%s", world);
        cr_assert_eq(edges_of(number_of(objects[0])), 1, "%s", world);
    }
    code.run_learned = NULL;
    code.check_learned = NULL;
}

WORLDS(no_code_can_be_run)
{
    new_object(coded_type("a.A"), fakeheap_list(&fake));
    struct runtime_code failing = code;
    failing.open = stub_open_fails;
    fake.source.code = &failing;
    open_heap(1);
    expect_reason(0, "cannot be run here", 1);
    fake.source.code = NULL;
    open_heap(2);
    expect_reason(0, "cannot be run here", 1);
}

WORLDS(classes_that_cannot_be_read)
{
    vaddr class = fakeheap_class(&fake, &(struct fakeheap_class){.name = "C"});
    fakeheap_instance(&fake, class);
    fakeheap_set(&fake, class, LAYOUT_PyTypeObject_tp_base, class);
    open_heap(1);
    expect_reason(0, "depends on classes that cannot be read", 1);
}

// Objects of two functions in turn. a.A does not end for every third of its objects.
static void make_many(vaddr *objects, vaddr target)
{
    vaddr a = coded_type("a.A"), b = coded_type("b.B");
    for (int i = 0; i < OBJECTS; i++)
        objects[i] = new_object(i % 2 ? a : b, i % 6 == 1 ? ENDLESS : target);
}

// The first objects of a function that do not end are tried, and what comes before the last of
// them; what comes after it is not, for any number of threads.
WORLDS(endless_functions_are_given_up)
{
    vaddr objects[OBJECTS], target = fakeheap_list(&fake);
    make_many(objects, target);
    for (unsigned jobs = 1; jobs < 8; jobs++) {
        endless_runs = 0;
        open_heap(jobs);
        int last = 1 + 6 * (HEAP_CODE_ENDLESS_MAX - 1);
        for (int i = 0; i < OBJECTS; i++) {
            uint32_t number = number_of(objects[i]);
            bool opaque = i % 2 && (i > last || i % 6 == 1);
            cr_assert_eq(is_opaque(number), opaque, "%s, %u jobs: object %d", world, jobs, i);
            cr_assert_eq(edges_of(number), !opaque, "%s, %u jobs: object %d", world, jobs, i);
            cr_assert_eq(heap_owns_untracked(heap, number), 0, "%s", world);
        }
        expect_reason(0, "was not tried, after too many others that did not end",
                      OBJECTS / 2 - (last + 1) / 2);
        expect_reason(1, "does not end", HEAP_CODE_ENDLESS_MAX);
        cr_assert_leq(endless_runs, jobs * HEAP_CODE_ENDLESS_MAX, "%s", world);
        cr_assert_eq(heap->graph.rows[heap->count], heap->edges, "%s", world);
    }
}

static void take_nothing(void *context, vaddr target)
{
    (void)target;
    ++*(unsigned *)context;
}

// Many functions that do not end, one object each, are given up together.
WORLDS(many_endless_functions)
{
    static char names[FUNCTIONS][8];
    vaddr objects[2 * FUNCTIONS], target = fakeheap_list(&fake);
    for (int i = 0; i < FUNCTIONS; i++) {
        snprintf(names[i], sizeof(names[i]), "a.A%d", i);
        vaddr type = coded_type(names[i]);
        objects[2 * i] = new_object(type, target);
        objects[2 * i + 1] = new_object(type, ENDLESS);
    }
    for (unsigned jobs = 1; jobs < 8; jobs++) {
        endless_runs = 0;
        open_heap(jobs);
        for (int i = 0; i < 2 * FUNCTIONS; i++)
            cr_assert_eq(is_opaque(number_of(objects[i])), i % 2 || i >= 2 * HEAP_CODE_ENDLESS_ALL,
                         "%s, %u jobs: object %d", world, jobs, i);
        cr_assert_leq(endless_runs, jobs * HEAP_CODE_ENDLESS_ALL, "%s: %u", world,
                      (unsigned)endless_runs);
        expect_reason(1, "does not end", HEAP_CODE_ENDLESS_ALL);
    }
}

// Whoever asks for an object's references again does not try more, and gets the same.
WORLDS(given_up_for_later_readers)
{
    vaddr objects[OBJECTS], target = fakeheap_list(&fake);
    make_many(objects, target);
    open_heap(3);
    endless_runs = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < OBJECTS; i++) {
            uint32_t number = number_of(objects[i]);
            unsigned count = 0;
            struct visit_place place;
            heap_each_reference(heap, number, take_nothing, &count);
            cr_assert_eq(count, edges_of(number), "%s: object %d", world, i);
            if (count)
                cr_assert_eq(heap_find_place(heap, number, heap->graph.rows[number], &place),
                             MEMORY_OK, "%s: object %d", world, i);
        }
    }
    cr_assert_eq(endless_runs, 0, "%s: %u", world, (unsigned)endless_runs);
}

// A few that do not end are no reason to give up, however often they are asked for.
WORLDS(few_endless_objects)
{
    vaddr a = coded_type("a.A"), target = fakeheap_list(&fake), objects[100];
    for (int i = 0; i < 100; i++)
        objects[i] = new_object(a, i < HEAP_CODE_ENDLESS_MAX - 1 ? ENDLESS : target);
    open_heap(2);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++) {
            unsigned count = 0;
            heap_each_reference(heap, number_of(objects[i]), take_nothing, &count);
            cr_assert_eq(count, i >= HEAP_CODE_ENDLESS_MAX - 1, "%s: object %d", world, i);
        }
    }
    expect_reason(0, "does not end", HEAP_CODE_ENDLESS_MAX - 1);
}

// The type of an object stays at hand while those of its targets are looked up, wherever these are
// kept: extraction.c has 256 places.
Test(heap_code, types_that_share_a_place)
{
    enum {
        PLACES = 256
    };
    init_world(&(struct fakeheap_spec){0});
    vaddr a = coded_type("a.A"), type = a;
    for (int i = 0; type == a || vaddr_hash(type) % PLACES != vaddr_hash(a) % PLACES; i++) {
        cr_assert_lt(i, 20 * PLACES);
        type = fakeheap_type(&fake,
                             &(struct fakeheap_type){.name = "Leaf", .structure = "PyCellObject"});
    }
    vaddr leaf = fakeheap_new(&fake, type, 0);
    fakeheap_set(&fake, leaf, LAYOUT_PyObject_ob_refcnt, HEAP_COMMON_REFERENCES + 1);
    for (int i = 0; i < 10; i++)
        new_object(a, leaf);
    open_heap(1);
    cr_expect_eq(heap->coded_objects, 10, "%" PRIu64, heap->coded_objects);
    close_heap();
    fakeheap_deinit(&fake);
}
