// Numbers for objects, edges for references: places, generations, gc.garbage by evidence. Several
// threads, pools and rings are in test_heap_ways.c, what is damaged is in test_heap_damage.c.
#include "common.h"

#include <stdlib.h>

#include "heap_garbage.h"
#include "scene_heap.h"

#define WORLDS(name)              WORLD_TEST(heap, name, close_heap)
#define WORLDS_SINCE(first, name) WORLD_TEST_SINCE(first, heap, name, close_heap)

static void expect_edges(vaddr source, const vaddr *targets, size_t count)
{
    uint32_t number = number_of(source), first = heap->graph.rows[number];
    cr_assert_eq(heap->graph.rows[number + 1] - first, count, "%s: %u edges, not %zu", world,
                 heap->graph.rows[number + 1] - first, count);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(heap->graph.targets[first + i], number_of(targets[i]), "%s: edge %zu", world,
                     i);
}
#define EXPECT_EDGES(source, ...)                                                                  \
    expect_edges(source, (const vaddr[]){__VA_ARGS__}, LENGTH(((const vaddr[]){__VA_ARGS__})))

static vaddr make_class(const char *name, bool del)
{
    return fakeheap_class(&fake, &(struct fakeheap_class){.name = name,
                                                          .module = "app",
                                                          .del_file = del ? "app.py" : NULL,
                                                          .del_line = 3});
}

// --- numbers

WORLDS_SINCE(207, no_objects)
{
    open_heap(1);
    cr_assert_eq(heap->count, 0, "%s", world);
    cr_assert_eq(heap->edges, 0, "%s", world);
    cr_assert_eq(heap->bytes, 0, "%s", world);
    uint32_t number;
    cr_assert_not(heap_find(heap, fake.none, &number), "%s", world);
    expect_no_losses();
}

WORLDS_SINCE(207, one_object)
{
    vaddr list = fakeheap_list(&fake);
    open_heap(1);
    cr_assert_eq(heap->count, 1, "%s", world);
    cr_assert_eq(number_of(list), 0, "%s", world);
    cr_assert_eq(heap->generation_objects[2], 1, "%s", world);
    expect_no_losses();
}

WORLDS_SINCE(207, numbers_go_by_address)
{
    enum {
        OBJECTS = 300
    };
    vaddr objects[OBJECTS];
    // Made in order of address, tracked in another one and in three generations.
    fake.generation = FAKEHEAP_UNTRACKED;
    for (size_t i = 0; i < OBJECTS; i++)
        objects[i] = i % 3 ? fakeheap_list(&fake) : fakeheap_tuple(&fake, i);
    for (size_t i = 0; i < OBJECTS; i++)
        fakeheap_track(&fake, objects[i * 7 % OBJECTS], i % 7 == 0 ? 0 : i % 7 == 1 ? 1 : 2);
    open_heap(1);
    cr_assert_eq(heap->count, OBJECTS, "%s", world);
    for (uint32_t i = 0; i < OBJECTS; i++)
        cr_assert_eq(number_of(objects[i]), i, "%s", world);
    cr_assert_eq(heap->generation_objects[0], 43, "%s", world);
    cr_assert_eq(heap->generation_objects[1], 43, "%s", world);
    cr_assert_eq(heap->generation_objects[2], 214, "%s", world);
    expect_no_losses();
}

// A cursor goes the same way from any number on, over the gaps between the arenas.
WORLDS(cursors_go_through_all_objects)
{
    vaddr base = fake.memory.format.word_size == 8 ? UINT64_C(0x7e0000000000) : 0x40000000;
    for (size_t i = 0; i < 200; i++) {
        if (i % 50 == 49)
            fakeheap_arena(&fake, base + i * 0x100000, 1 << 16);
        fakeheap_list(&fake);
        fakeheap_skip(&fake, i % 5 * 100);
    }
    open_heap(1);
    for (uint32_t first = 0; first < heap->count; first += 33) {
        struct heap_cursor cursor;
        heap_cursor_init(&cursor, heap, first);
        for (uint32_t i = first; i < heap->count; i++)
            cr_assert_eq(heap_cursor_next(&cursor), heap_address(heap, i), "%s: %u from %u", world,
                         i, first);
    }
}

WORLDS_SINCE(207, numbers_are_for_tracked_objects_only)
{
    vaddr list = fakeheap_list(&fake), loose = fakeheap_list(&fake), str = fakeheap_str(&fake, "s");
    fakeheap_untrack(&fake, loose);
    open_heap(1);
    uint32_t number = 77;
    const vaddr others[] = {loose,         str,        fake.none,
                            fake.type,     0,          list + 8,
                            list - 8,      list + 1,   fakeheap_head(&fake, list),
                            fake.heads[0], 0x12345678, UINT64_MAX};
    for (size_t i = 0; i < LENGTH(others); i++)
        cr_assert_not(heap_find(heap, others[i], &number), "%s: %zu", world, i);
    cr_assert_eq(number, 77, "%s: written only on success", world);
    cr_assert_eq(heap->count, 1, "%s", world);
}

// In several arenas far apart, as mmap's are.
WORLDS_SINCE(207, numbers_over_several_arenas)
{
    vaddr objects[6],
        base = fake.memory.format.word_size == 8 ? UINT64_C(0x7e0000000000) : 0x40000000;
    for (size_t i = 0; i < LENGTH(objects); i++) {
        if (i)
            fakeheap_arena(&fake, base + i * 0x1000000, 4096);
        objects[i] = fakeheap_list(&fake);
        fakeheap_append(&fake, objects[i], objects[i ? i - 1 : 0]);
    }
    open_heap(1);
    for (uint32_t i = 0; i < LENGTH(objects); i++) {
        cr_assert_eq(number_of(objects[i]), i, "%s", world);
        EXPECT_EDGES(objects[i], objects[i ? i - 1 : 0]);
    }
}

WORLDS_SINCE(207, generations_of_objects)
{
    vaddr objects[9];
    uint8_t generations[9];
    for (size_t i = 0; i < LENGTH(objects); i++) {
        fake.generation = (int)(i % RUNTIME_GENERATIONS);
        objects[i] = fakeheap_list(&fake);
    }
    open_heap(1);
    heap_read_generations(heap, generations);
    for (size_t i = 0; i < LENGTH(objects); i++)
        cr_assert_eq(generations[number_of(objects[i])], i % RUNTIME_GENERATIONS, "%s", world);
}

// --- edges

WORLDS(edges_in_the_order_of_the_visits)
{
    vaddr a = fakeheap_list(&fake), b = fakeheap_list(&fake), loose = fakeheap_list(&fake);
    vaddr dict = fakeheap_dict(&fake), list = fakeheap_list(&fake);
    fakeheap_untrack(&fake, loose);
    fakeheap_append(&fake, list, a);
    fakeheap_append(&fake, list, loose);
    fakeheap_append(&fake, list, b);
    fakeheap_append(&fake, list, fake.none);
    fakeheap_append(&fake, list, b);
    fakeheap_append(&fake, list, list);
    fakeheap_dict_set_name(&fake, dict, "x", a);
    fakeheap_dict_set(&fake, dict, fakeheap_tuple_of(&fake, b), fake.none);
    open_heap(1);
    EXPECT_EDGES(list, list, b, b, a);
    EXPECT_EDGES(
        dict, a,
        fakeheap_peek_word(&fake, fakeheap_get(&fake, dict, LAYOUT_PyDictObject_ma_table) +
                                      layout_offset(&fake.layout, LAYOUT_PyDictEntry_sizeof) +
                                      layout_offset(&fake.layout, LAYOUT_PyDictEntry_me_key)));
    cr_assert_eq(heap->edges, 7, "%s", world);
    cr_assert_eq(heap->graph.nodes, heap->count, "%s", world);
    cr_assert_eq(heap->graph.rows[heap->count], heap->edges, "%s", world);
}

static void collect_reference(void *context, vaddr target)
{
    vaddr **next = context;
    *(*next)++ = target;
}

WORLDS(references_with_untracked_targets)
{
    vaddr list = fakeheap_list(&fake), found[4] = {0}, *next = found;
    vaddr str = fakeheap_str(&fake, "s");
    fakeheap_append(&fake, list, str);
    fakeheap_append(&fake, list, list);
    fakeheap_append(&fake, list, fake.none);
    open_heap(1);
    heap_each_reference(heap, number_of(list), collect_reference, &next);
    cr_assert_eq(next - found, 3, "%s", world);
    cr_assert_eq(found[0], fake.none, "%s", world);
    cr_assert_eq(found[1], list, "%s", world);
    cr_assert_eq(found[2], str, "%s", world);
}

// More references than are taken at a time.
WORLDS_SINCE(204, references_by_the_thousand)
{
    enum {
        ITEMS = 3000
    };
    vaddr list = fakeheap_list(&fake), other = fakeheap_list(&fake);
    for (size_t i = 0; i < ITEMS; i++)
        fakeheap_append(&fake, list, i % 2 ? list : other);
    open_heap(1);
    uint32_t number = number_of(list), first = heap->graph.rows[number];
    cr_assert_eq(heap->graph.rows[number + 1] - first, ITEMS, "%s", world);
    uint32_t numbers[] = {number_of(list), number_of(other)}, wrong = 0;
    for (uint32_t i = 0; i < ITEMS; i++)
        wrong += heap->graph.targets[first + i] != numbers[i % 2];
    cr_assert_eq(wrong, 0, "%s: %u of %d", world, wrong, ITEMS);
    // Each is looked for from the first on: not all of them.
    for (uint32_t i = 0; i < ITEMS; i += 97) {
        struct visit_place place;
        cr_assert_eq(heap_find_place(heap, number, first + i, &place), MEMORY_OK, "%s", world);
        cr_assert_eq(place.index, ITEMS - 1 - i, "%s", world);
    }
}

WORLDS(places_of_edges)
{
    vaddr class = make_class("C", false), object = fakeheap_instance(&fake, class);
    vaddr list = fakeheap_list(&fake);
    fakeheap_set_attr(&fake, object, "text", fakeheap_str(&fake, "untracked"));
    fakeheap_set_attr(&fake, object, "items", list);
    vaddr dict = fakeheap_peek_word(&fake, fakeheap_dict_slot(&fake, object));
    open_heap(1);
    struct visit_place place;
    uint32_t number = number_of(object), first = heap->graph.rows[number];
    EXPECT_EDGES(object, dict, class);
    cr_assert_eq(heap_find_place(heap, number, first, &place), MEMORY_OK, "%s", world);
    cr_assert_eq(place.kind, VISIT_DICT, "%s", world);
    cr_assert_eq(heap_find_place(heap, number, first + 1, &place), MEMORY_OK, "%s", world);
    cr_assert_eq(place.kind, VISIT_CLASS, "%s", world);
    cr_assert_eq(heap_find_place(heap, number, first + 2, &place), MEMORY_NONSENSE, "%s", world);
    number = number_of(dict);
    first = heap->graph.rows[number];
    EXPECT_EDGES(dict, list);
    cr_assert_eq(heap_find_place(heap, number, first, &place), MEMORY_OK, "%s", world);
    cr_assert_eq(place.kind, VISIT_VALUE, "%s", world);
    cr_assert_eq(place.key, fakeheap_name(&fake, "items"), "%s", world);
}

// Labels are numbers that are equal for equal places, whatever their index.
WORLDS(labels_of_edges)
{
    vaddr class = make_class("C", false), a = fakeheap_instance(&fake, class);
    vaddr b = fakeheap_instance(&fake, class), list = fakeheap_list(&fake);
    fakeheap_append(&fake, list, a);
    fakeheap_append(&fake, list, b);
    fakeheap_set_attr(&fake, a, "same", list);
    fakeheap_set_attr(&fake, b, "same", list);
    fakeheap_set_attr(&fake, b, "other", list);
    open_heap(1);
    const uint16_t *labels = heap->edge_labels;
    const uint32_t *rows = heap->graph.rows;
    uint32_t dict_a = heap->graph.targets[rows[number_of(a)]];
    uint32_t dict_b = heap->graph.targets[rows[number_of(b)]];
    uint32_t items = rows[number_of(list)];
    cr_assert_eq(labels[rows[dict_a]], labels[rows[dict_b]], "%s", world);
    cr_assert_neq(labels[rows[dict_b]], labels[rows[dict_b] + 1], "%s", world);
    cr_assert_eq(labels[items], labels[items + 1], "%s", world);
    cr_assert_neq(labels[items], labels[rows[dict_a]], "%s", world);
    const struct visit_place *place = heap_label_place(heap, labels[rows[dict_a]]);
    cr_assert_eq(place->kind, VISIT_VALUE, "%s", world);
    cr_assert_eq(place->key, fakeheap_name(&fake, "same"), "%s", world);
}

// --- columns

WORLDS(columns_of_objects)
{
    vaddr class = make_class("C", true), object = fakeheap_instance(&fake, class);
    vaddr list = fakeheap_list(&fake);
    fakeheap_hold(&fake, object, 41);
    fakeheap_append(&fake, list, object);
    open_heap(1);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < heap->count; i++) {
        uint32_t type;
        bool partial = false;
        cr_assert_eq(object_find_type(&heap->types, heap_address(heap, i), &type), MEMORY_OK);
        cr_assert_eq(heap->type[i], (int32_t)type, "%s", world);
        uint64_t size =
            object_size(&heap->types, &heap->types.types[type], heap_address(heap, i), &partial);
        cr_assert_eq(heap_size(heap, i), size, "%s", world);
        bytes += size;
        cr_assert_eq(heap_has_finalizer(heap, i), heap_address(heap, i) == object, "%s", world);
    }
    cr_assert_eq(heap->bytes, bytes, "%s", world);
    cr_assert_eq(heap->gc_refs[number_of(object)], 42, "%s", world);
    cr_assert_eq(heap->gc_refs[number_of(list)], 0, "%s", world);
    cr_assert_eq(heap_read_refcnt(heap, number_of(object)), 42, "%s", world);
    cr_assert_eq(heap->opaque_objects, 0, "%s", world);
}

// A list with many items: about as much as the column of sizes can say, and more.
static void expect_list_size(uint64_t items, uint64_t size)
{
    init_world(&(struct fakeheap_spec){0});
    vaddr list = fakeheap_list(&fake);
    fakeheap_set(&fake, list, LAYOUT_PyListObject_allocated, items);
    fakeheap_set(&fake, list, LAYOUT_PyListObject_ob_item, UINT64_C(0x100000000));
    fakeheap_hide(&fake, UINT64_C(0x100000000), UINT64_C(1) << 33, MEMORY_NOT_SAVED);
    open_heap(1);
    cr_assert_eq(heap_size(heap, 0), size, "%" PRIu64 " items: %" PRIu64, items,
                 heap_size(heap, 0));
    cr_assert_eq(heap->bytes, size);
    close_heap();
    fakeheap_deinit(&fake);
}

Test(heap, sizes_beyond_16_bits)
{
    expect_list_size(65521, 80 + 65521 * 8 + 8);
    expect_list_size(65523, 80 + 65523 * 8 + 8);
    expect_list_size(65525, 80 + 65525 * 8 + 8);
    expect_list_size(65527, 80 + 65527 * 8 + 8);
    expect_list_size(UINT64_C(1) << 30, 80 + (UINT64_C(1) << 33) + 16);
}

WORLDS(opaque_objects_are_counted_and_named)
{
    vaddr b = fakeheap_type(
        &fake, &(struct fakeheap_type){
                   .name = "b.B", .structure = "PyCellObject", .gc = true, .in_module = true});
    vaddr a = fakeheap_type(
        &fake, &(struct fakeheap_type){
                   .name = "a.A", .structure = "PyCellObject", .gc = true, .in_module = true});
    struct heap_opaque_type *list;
    size_t count;
    fakeheap_new(&fake, b, 0);
    fakeheap_new(&fake, a, 0);
    fakeheap_new(&fake, b, 0);
    fakeheap_list(&fake);
    open_heap(1);
    cr_assert_eq(heap->opaque_objects, 3, "%s", world);
    cr_assert_null(heap_list_opaque(heap, &list, &count));
    cr_assert_eq(count, 2, "%s", world);
    cr_assert_str_eq(list[0].name, "a.A", "%s", world);
    cr_assert_eq(list[0].objects, 1, "%s", world);
    cr_assert_str_eq(list[1].name, "b.B", "%s", world);
    cr_assert_eq(list[1].objects, 2, "%s", world);
    free(list);
    expect_no_losses();
}

// An untracked object that everybody has is nobody's; whoever has another one is an owner.
WORLDS(owners_of_untracked_objects)
{
    vaddr own = fakeheap_list(&fake), shared = fakeheap_list(&fake), none = fakeheap_list(&fake);
    vaddr large = fakeheap_list(&fake), common = fakeheap_str(&fake, "common");
    vaddr common_large = fakeheap_str(&fake, "common, but larger than what may be charged to "
                                             "nobody: there is a limit to that, and it is 256 "
                                             "bytes with all that belongs to the object, so that "
                                             "this text has to go on for some time until it can "
                                             "be sure to be on the far side of the limit, now it "
                                             "is, and a little more");
    fakeheap_append(&fake, own, fakeheap_str(&fake, "own"));
    fakeheap_append(&fake, shared, common);
    fakeheap_append(&fake, large, common_large);
    fakeheap_append(&fake, none, own);
    fakeheap_hold(&fake, common, HEAP_COMMON_REFERENCES);
    fakeheap_hold(&fake, common_large, HEAP_COMMON_REFERENCES);
    open_heap(1);
    cr_assert(heap_owns_untracked(heap, number_of(own)), "%s", world);
    cr_assert_not(heap_owns_untracked(heap, number_of(shared)), "%s", world);
    cr_assert(heap_owns_untracked(heap, number_of(large)), "%s", world);
    cr_assert_not(heap_owns_untracked(heap, number_of(none)), "%s", world);
}

WORLDS(lists_are_read)
{
    vaddr list = fakeheap_list(&fake), *items;
    uint64_t read, length;
    for (int i = 0; i < 5; i++)
        fakeheap_append(&fake, list, fakeheap_int(&fake, i));
    open_heap(1);
    cr_assert_null(heap_read_list(heap, list, 0, &items, &read, &length));
    cr_assert_eq(length, 5, "%s", world);
    cr_assert_eq(read, 5, "%s", world);
    for (int64_t i = 0; i < 5; i++) {
        int64_t value;
        cr_assert_eq(object_read_int(&fake.runtime, items[i], &value), MEMORY_OK, "%s", world);
        cr_assert_eq(value, i, "%s", world);
    }
    free(items);
    fakeheap_hide(&fake, fakeheap_get(&fake, list, LAYOUT_PyListObject_ob_item), 1,
                  MEMORY_NOT_SAVED);
    open_heap(1);
    cr_assert_null(heap_read_list(heap, list, 0, &items, &read, &length));
    cr_assert_eq(length, 5, "%s", world);
    cr_assert_eq(read, 0, "%s", world);
    free(items);
}

// --- gc.garbage by evidence

static vaddr make_finalizer(void)
{
    return fakeheap_instance(&fake, make_class("Client", true));
}

static void expect_evidence(const char *what, enum garbage_source source, vaddr expected)
{
    vaddr list = 0;
    open_heap(1);
    enum garbage_source evidence = heap_find_garbage(heap, &fake.source, &list);
    cr_assert_eq(evidence, source, "%s, %s: %d", world, what, evidence);
    cr_assert_eq(list, expected, "%s, %s", world, what);
}

WORLDS(garbage_by_evidence)
{
    vaddr list = fakeheap_garbage(&fake);
    fakeheap_strip(&fake);
    expect_evidence("empty", GARBAGE_EMPTY, 0);
    fakeheap_keep(&fake, make_finalizer());
    fakeheap_keep(&fake, make_finalizer());
    expect_evidence("two", GARBAGE_BY_EVIDENCE, list);
    // Twice in the data is still one list, but not one reference.
    fakeheap_poke_word(&fake, fake.debug, list);
    expect_evidence("two pointers, one reference", GARBAGE_BY_EVIDENCE, list);
}

WORLDS(garbage_among_look_alikes)
{
    vaddr list = fakeheap_garbage(&fake), stale = fakeheap_list(&fake),
          holder = fakeheap_list(&fake);
    vaddr others = fakeheap_list(&fake);
    fakeheap_strip(&fake);
    fakeheap_keep(&fake, make_finalizer());
    // A slot of the list free list: a stale pointer to a list that lives elsewhere.
    fakeheap_append(&fake, stale, make_finalizer());
    fakeheap_append(&fake, holder, stale);
    fakeheap_poke_word(&fake, fake.debug, stale);
    // The codec search path: its items have no finalizers.
    fakeheap_append(&fake, others, fakeheap_list(&fake));
    fakeheap_hold(&fake, others, 1);
    fakeheap_poke_word(&fake, fake.collecting, others);
    expect_evidence("look-alikes", GARBAGE_BY_EVIDENCE, list);
    vaddr mixed = fakeheap_list(&fake);
    fakeheap_append(&fake, mixed, make_finalizer());
    fakeheap_append(&fake, mixed, fakeheap_str(&fake, "no finalizer"));
    fakeheap_hold(&fake, mixed, 1);
    fakeheap_poke_word(&fake, fake.enabled, mixed);
    expect_evidence("with an item that is not tracked", GARBAGE_BY_EVIDENCE, list);
}

// gc.DEBUG_SAVEALL: objects without finalizers are there too, and some are not tracked any more.
WORLDS(garbage_with_all_that_was_saved)
{
    vaddr list = fakeheap_garbage(&fake), only = fakeheap_list(&fake), saved = fakeheap_list(&fake);
    vaddr dict = fakeheap_dict(&fake);
    fakeheap_strip(&fake);
    fakeheap_keep(&fake, saved);
    expect_evidence("no finalizer", GARBAGE_EMPTY, 0);
    fakeheap_keep(&fake, make_finalizer());
    expect_evidence("one of two", GARBAGE_BY_EVIDENCE, list);
    fakeheap_keep(&fake, dict);
    expect_evidence("an untracked dict", GARBAGE_BY_EVIDENCE, list);
    fakeheap_append(&fake, only, make_finalizer());
    fakeheap_hold(&fake, only, 1);
    fakeheap_poke_word(&fake, fake.debug, only);
    expect_evidence("finalizers alone come first", GARBAGE_BY_EVIDENCE, only);
    fakeheap_append(&fake, only, saved);
    expect_evidence("two of them", GARBAGE_NOT_FOUND, 0);
}

WORLDS(garbage_that_could_be_two)
{
    vaddr other = fakeheap_list(&fake);
    fakeheap_strip(&fake);
    fakeheap_keep(&fake, make_finalizer());
    fakeheap_append(&fake, other, make_finalizer());
    fakeheap_hold(&fake, other, 1);
    fakeheap_poke_word(&fake, fake.debug, other);
    expect_evidence("two candidates", GARBAGE_NOT_FOUND, 0);
}

WORLDS(garbage_that_somebody_else_has)
{
    vaddr list = fakeheap_garbage(&fake);
    fakeheap_strip(&fake);
    fakeheap_keep(&fake, make_finalizer());
    fakeheap_hold(&fake, list, 1); // from the C stack
    expect_evidence("two references from outside", GARBAGE_EMPTY, 0);
    fakeheap_hold(&fake, list, -1);
    expect_evidence("one", GARBAGE_BY_EVIDENCE, list);
    fakeheap_untrack(&fake, list);
    expect_evidence("not tracked", GARBAGE_EMPTY, 0);
}

// The list that the gc module names is the collector's own only if the static data has it, and
// holds a reference to it.
WORLDS(garbage_that_the_program_has_replaced)
{
    vaddr list = fakeheap_garbage(&fake), other = fakeheap_list(&fake),
          stale = fakeheap_list(&fake);
    vaddr holder = fakeheap_list(&fake);
    fakeheap_append(&fake, holder, stale);
    fakeheap_hold(&fake, other, 1);
    fakeheap_poke_word(&fake, fake.debug, stale);
    open_heap(1);
    cr_assert(heap_is_static_list(heap, &fake.source, list), "%s", world);
    cr_assert_not(heap_is_static_list(heap, &fake.source, other), "%s", world);
    cr_assert_not(heap_is_static_list(heap, &fake.source, stale), "%s: a stale pointer", world);
    cr_assert_not(heap_is_static_list(heap, &fake.source, fake.none), "%s", world);
    cr_assert_not(heap_is_static_list(heap, &fake.source, 0), "%s", world);
}

WORLDS(lists_that_were_emptied)
{
    vaddr fresh = fakeheap_list(&fake), emptied = fakeheap_list(&fake), full = fakeheap_list(&fake);
    fakeheap_append(&fake, emptied, fresh);
    fakeheap_append(&fake, full, fresh);
    fakeheap_set(&fake, emptied, LAYOUT_PyVarObject_ob_size, 0);
    open_heap(1);
    cr_expect_not(heap_list_was_emptied(heap, fresh), "%s", world);
    cr_expect(heap_list_was_emptied(heap, emptied), "%s", world);
    cr_expect_not(heap_list_was_emptied(heap, full), "%s", world);
    cr_expect_not(heap_list_was_emptied(heap, 1), "%s", world);
    cr_expect_eq(heap_list_length(heap, full), 1, "%s", world);
    cr_expect_eq(heap_list_length(heap, 1), 0, "%s", world);
}
