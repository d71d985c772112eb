// Rows of what holds objects: what is one row and what is not, how many there may be, their order.
#include "common.h"

#include <stdio.h>

#include "holders_fold.h"
#include "scene_heap.h"

#define WORLDS(name) WORLD_TEST(holders_fold, name, close_fold)

enum {
    DATA = 0x400000, // addresses of static data
    DATA_SIZE = 0x1000,
    UNNAMED = DATA + 0x800, // from here on no symbol tells
    VARIABLE_SIZE = 64,
    ROOTS = HOLDERS_ROWS_MAX + 2
};

static struct holders holders;
static struct holders_fold fold;
static struct holders_source source;
static struct holders_roots roots;
static struct holders_static statics[1];
static struct holders_thread threads[ROOTS];

static void close_rows(void)
{
    holders_fold_deinit(&fold);
    for (size_t i = 0; i < holders.path_count; i++) {
        shape_free_steps(holders.paths[i].steps, holders.paths[i].step_count);
        free(holders.paths[i].type);
        free(holders.paths[i].root);
        free(holders.paths[i].file);
    }
    for (size_t i = 0; i < holders.surplus_count; i++) {
        free(holders.surplus[i].type);
        free(holders.surplus[i].name);
        free(holders.surplus[i].file);
    }
    free(holders.paths);
    free(holders.surplus);
    holders = (struct holders){0};
    fold = (struct holders_fold){0};
}

static void close_fold(void)
{
    close_rows();
    roots = (struct holders_roots){0};
    close_heap();
}

// A variable every 64 bytes in the first half.
static bool find_variable(const struct holders_static *data, vaddr at, char *name, size_t capacity,
                          vaddr *start)
{
    uint64_t number = (at - data->range.start) / VARIABLE_SIZE;
    if (at >= UNNAMED)
        return false;
    snprintf(name, capacity, "variable %u", (unsigned)number);
    *start = data->range.start + number * VARIABLE_SIZE;
    return true;
}

// Rows of the heap as it is now.
static void open_fold(void)
{
    close_rows();
    open_heap(1);
    statics[0] = (struct holders_static){{DATA, DATA + DATA_SIZE}, "/usr/lib/libx.so", NULL};
    source = (struct holders_source){.threads = threads,
                                     .thread_count = ROOTS,
                                     .statics = statics,
                                     .static_count = 1,
                                     .find_variable = find_variable};
    cr_assert(holders_fold_init(&fold, heap, &source, &roots, &holders), "%s", world);
}

static struct holders_target target_of(vaddr object)
{
    return (struct holders_target){.object = object, .node = number_of(object)};
}

static void add_word(vaddr object, enum holders_place place, vaddr at, uint64_t where)
{
    struct holders_target target = target_of(object);
    struct holders_word word = {.place = place, .at = at, .where = where};
    cr_assert(holders_fold_word(&fold, &target, &word, 1), "%s", world);
}

static void add_nowhere(vaddr object, uint64_t references)
{
    struct holders_target target = target_of(object);
    cr_assert(holders_fold_word(&fold, &target, NULL, references), "%s", world);
}

static void expect_row(size_t row, enum holders_place place, const char *name, uint64_t objects,
                       uint64_t references)
{
    const struct holders_surplus *surplus = &holders.surplus[row];
    cr_assert_lt(row, holders.surplus_count, "%s: %zu rows", world, holders.surplus_count);
    cr_assert_eq(surplus->place, place, "%s, row %zu: %d", world, row, surplus->place);
    cr_assert_str_eq(surplus->name ? surplus->name : "", name, "%s, row %zu: %s", world, row,
                     surplus->name);
    cr_assert_eq(surplus->objects, objects, "%s, row %zu: %" PRIu64, world, row, surplus->objects);
    cr_assert_eq(surplus->references, references, "%s, row %zu", world, row);
}

// Of words that no symbol names, the row is not that of the first variable of the data, whichever
// comes first.
WORLDS(variables_of_static_data)
{
    for (unsigned named_first = 0; named_first < 2; named_first++) {
        vaddr a = fakeheap_list(&fake), b = fakeheap_list(&fake);
        open_fold();
        add_word(a, HOLDERS_IN_STATIC, named_first ? DATA : UNNAMED, 0);
        add_word(a, HOLDERS_IN_STATIC, named_first ? UNNAMED : DATA, 0);
        add_word(a, HOLDERS_IN_STATIC, DATA + 2 * VARIABLE_SIZE + 8, 0);
        add_word(b, HOLDERS_IN_STATIC, DATA + 2 * VARIABLE_SIZE + 16, 0);
        add_word(b, HOLDERS_IN_STATIC, UNNAMED + 8, 0);
        cr_assert_eq(holders.surplus_count, 3, "%s: %zu", world, holders.surplus_count);
        expect_row(named_first, HOLDERS_IN_STATIC, "", 2, 2);
        expect_row(!named_first, HOLDERS_IN_STATIC, "variable 0", 1, 1);
        expect_row(2, HOLDERS_IN_STATIC, "variable 2", 2, 2);
        for (size_t i = 0; i < 3; i++)
            cr_assert_str_eq(holders.surplus[i].file, "/usr/lib/libx.so", "%s", world);
    }
}

// An object is counted once in a row, its references each; other types and places have their own.
WORLDS(references_of_one_place)
{
    vaddr a = fakeheap_list(&fake), b = fakeheap_list(&fake), tuple = fakeheap_tuple_of(&fake, a);
    open_fold();
    add_word(a, HOLDERS_IN_STACK, 0x100, 7);
    add_word(a, HOLDERS_IN_STACK, 0x108, 7);
    add_word(a, HOLDERS_IN_STACK, 0x110, 8);
    add_nowhere(a, 5);
    add_word(b, HOLDERS_IN_STACK, 0x118, 7);
    add_nowhere(b, 6);
    cr_assert_eq(holders.surplus_count, 3, "%s: %zu", world, holders.surplus_count);
    expect_row(0, HOLDERS_IN_STACK, "", 2, 3);
    expect_row(1, HOLDERS_IN_STACK, "", 1, 1);
    expect_row(2, HOLDERS_NOWHERE, "", 2, 11);
    cr_assert_eq(holders.surplus[0].example, a, "%s", world);
    cr_assert_eq(holders.surplus[0].at, 0x100, "%s", world);
    add_word(tuple, HOLDERS_IN_STACK, 0x120, 7);
    expect_row(3, HOLDERS_IN_STACK, "", 1, 1);
}

// What nothing explains first, then most objects, then by address.
WORLDS(the_order_of_evidence)
{
    vaddr a = fakeheap_list(&fake), b = fakeheap_list(&fake);
    struct reach reach = {0};
    open_fold();
    add_word(a, HOLDERS_IN_MEMORY, 0x300, 0);
    add_word(a, HOLDERS_IN_STACK, 0x208, 2);
    add_word(a, HOLDERS_IN_STACK, 0x200, 1);
    add_word(b, HOLDERS_IN_STACK, 0x100, 3);
    add_word(a, HOLDERS_IN_STATIC, DATA, 0);
    add_word(b, HOLDERS_IN_STATIC, DATA, 0);
    add_nowhere(b, 1);
    cr_assert(holders_fold_finish(&fold, &reach), "%s", world);
    const vaddr order[] = {0, DATA, 0x200, 0x208, 0x300, 0x100};
    cr_assert_eq(holders.surplus_count, LENGTH(order), "%s", world);
    for (size_t i = 0; i < LENGTH(order); i++)
        cr_assert_eq(holders.surplus[i].at, order[i], "%s, row %zu: 0x%" PRIx64, world, i,
                     holders.surplus[i].at);
}

// There is no row more; an object whose words get none is told, once.
Test(holders_fold, rows_of_words_have_an_end)
{
    init_world(&(struct fakeheap_spec){0});
    vaddr a = fakeheap_list(&fake), b = fakeheap_list(&fake);
    open_fold();
    for (unsigned i = 0; i < ROOTS; i++)
        add_word(a, HOLDERS_IN_STACK, 0x100, i);
    add_word(b, HOLDERS_IN_STACK, 0x100, ROOTS - 1);
    add_word(b, HOLDERS_IN_STACK, 0x108, ROOTS - 1);
    add_word(b, HOLDERS_IN_STACK, 0x110, 0); // its row is there
    cr_assert_eq(holders.surplus_count, HOLDERS_ROWS_MAX);
    cr_assert_eq(holders.audit_cut, 2, "%" PRIu64, holders.audit_cut);
    expect_row(0, HOLDERS_IN_STACK, "", 2, 2);
    close_fold();
    fakeheap_deinit(&fake);
}

// --- ways

// The reach of the heap with these roots, by their tags.
static void open_reach(struct reach *reach, uint8_t *marks, const vaddr *from, size_t count,
                       uint32_t tag)
{
    memset(marks, 1, heap->count);
    cr_assert(reach_init(reach, &heap->graph, marks, 1, GRAPH_NONE), "%s", world);
    for (size_t i = 0; i < count; i++)
        reach_add(reach, number_of(from[i]), tag == HOLDERS_NO_ROOT ? tag : tag + (uint32_t)i);
    reach_run(reach, 1);
}

static void add_way(const struct reach *reach, vaddr object, bool listed)
{
    uint32_t root = GRAPH_NONE, tag = 0;
    cr_assert(holders_fold_way(&fold, reach, number_of(object), listed, &root, &tag), "%s", world);
    cr_assert_neq(root, GRAPH_NONE, "%s", world);
}

static vaddr list_of(vaddr item)
{
    vaddr list = fakeheap_list(&fake);
    fakeheap_append(&fake, list, item);
    return list;
}

// By the class that the way begins at, whether the object is asked about as an item of gc.garbage,
// and the classes and labels between.
WORLDS(ways_that_are_not_the_same)
{
    uint8_t marks[64];
    vaddr leaf[5], from[5];
    struct reach reach;
    for (unsigned i = 0; i < 5; i++)
        leaf[i] = fakeheap_list(&fake);
    from[0] = list_of(leaf[0]);
    from[1] = list_of(leaf[1]);
    from[2] = fakeheap_tuple_of(&fake, leaf[2]);
    from[3] = list_of(fakeheap_tuple_of(&fake, leaf[3]));
    from[4] = list_of(list_of(leaf[4])); // the second step is like the first
    open_fold();
    cr_assert_lt(heap->count, sizeof(marks), "%s", world);
    open_reach(&reach, marks, from, LENGTH(from), HOLDERS_NO_ROOT);
    for (unsigned i = 5; i-- > 0;)
        add_way(&reach, leaf[i], false);
    add_way(&reach, leaf[0], true);
    cr_assert(holders_fold_finish(&fold, &reach), "%s", world);
    cr_assert_eq(holders.path_count, 4, "%s: %zu", world, holders.path_count);
    cr_assert(holders.paths[0].listed, "%s: these first", world);
    cr_assert_eq(holders.paths[1].count, 3, "%s: most of them", world);
    cr_assert_eq(holders.paths[1].step_count, 1, "%s: the shortest", world);
    cr_assert_eq(holders.paths[1].example, leaf[1], "%s: the first of equals", world);
    for (unsigned i = 2; i < 4; i++)
        cr_assert_eq(holders.paths[i].example, leaf[i], "%s: then by address", world);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(holders.paths[i].kind, HOLDERS_OUTSIDE, "%s", world);
        cr_assert_str_eq(holders.paths[i].root, i == 2 ? "tuple" : "list", "%s", world);
    }
    reach_deinit(&reach);
}

// Beyond so many rows, or so many steps, nothing is made up: the ways are told as not worked out.
Test(holders_fold, ways_have_an_end)
{
    enum {
        HEAP = ROOTS + 64
    };
    static vaddr from[ROOTS];
    static struct holders_root items[ROOTS];
    uint8_t *marks = malloc(HEAP);
    struct reach reach;
    uint32_t root = GRAPH_NONE, tag = 0;
    init_world(&(struct fakeheap_spec){0});
    fakeheap_arena(&fake, 0x7e0000000000, UINT64_C(1) << 24);
    for (unsigned i = 0; i < ROOTS; i++) {
        from[i] = fakeheap_list(&fake);
        items[i] = (struct holders_root){.kind = HOLDERS_STATE, .member = "state"};
    }
    roots = (struct holders_roots){.items = items, .count = ROOTS};
    open_fold();
    cr_assert_leq(heap->count, HEAP);
    open_reach(&reach, marks, from, ROOTS, 0);
    for (unsigned i = 0; i < ROOTS; i++)
        add_way(&reach, from[i], false);
    cr_assert_eq(holders.path_count, HOLDERS_ROWS_MAX);
    cr_assert_eq(holders.untraced, ROOTS - HOLDERS_ROWS_MAX);
    add_way(&reach, from[0], false);
    cr_assert_eq(holders.paths[0].count, 2);
    fold.steps = HOLDERS_STEPS_MAX + UINT64_C(1);
    cr_assert(holders_fold_way(&fold, &reach, number_of(from[0]), false, &root, &tag));
    cr_assert_eq(holders.untraced, ROOTS - HOLDERS_ROWS_MAX + 1);
    cr_assert_eq(root, GRAPH_NONE);
    cr_assert(holders_fold_finish(&fold, &reach));
    cr_assert_str_eq(holders.paths[0].root, "state");
    reach_deinit(&reach);
    free(marks);
    close_fold();
    fakeheap_deinit(&fake);
}
