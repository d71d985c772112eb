// gc.garbage of an interpreter whose static data is lost, and how long looking for it may take.
#include "common.h"

#include "heap_garbage.h"
#include "scene_heap.h"

#define WORLDS(name) WORLD_TEST(heap_garbage, name, close_heap)

static vaddr make_finalizer(void)
{
    return fakeheap_instance(&fake, fakeheap_class(&fake, &(struct fakeheap_class){
                                                              .name = "Client",
                                                              .module = "app",
                                                              .del_file = "app.py",
                                                          }));
}

// A list that nothing known refers to.
static vaddr make_list(vaddr item)
{
    vaddr list = fakeheap_list(&fake);
    fakeheap_hold(&fake, list, 1);
    fakeheap_append(&fake, list, item);
    return list;
}

static void expect_lost_garbage(const char *what, enum garbage_source expected, vaddr expected_list)
{
    vaddr list = 0;
    open_heap(1);
    enum garbage_source found = heap_find_lost_garbage(heap, &list);
    cr_assert_eq(found, expected, "%s, %s: %d", world, what, found);
    cr_assert_eq(list, expected_list, "%s, %s: 0x%" PRIx64, world, what, list);
}

static void hide_type(vaddr object)
{
    fakeheap_hide(&fake, object + layout_offset(&fake.layout, LAYOUT_PyObject_ob_type),
                  fake.memory.format.word_size, MEMORY_NOT_SAVED);
}

WORLDS(a_list_by_its_items)
{
    expect_lost_garbage("no list", GARBAGE_LOST, 0);
    vaddr list = make_list(make_finalizer());
    expect_lost_garbage("one item", GARBAGE_BY_ITEMS, list);
    fakeheap_append(&fake, list, make_finalizer());
    expect_lost_garbage("two items", GARBAGE_BY_ITEMS, list);
    make_list(make_finalizer());
    expect_lost_garbage("two lists", GARBAGE_LOST, 0);
}

// Each row by itself beside a list that it is: were it one too, there would be two.
WORLDS(lists_that_it_is_not)
{
    vaddr list = make_list(make_finalizer());
    vaddr tuple = fakeheap_tuple_of(&fake, make_finalizer());
    fakeheap_hold(&fake, tuple, 1);
    expect_lost_garbage("a tuple", GARBAGE_BY_ITEMS, list);
    fakeheap_hold(&fake, make_list(make_finalizer()), 1);
    expect_lost_garbage("two references from nowhere", GARBAGE_BY_ITEMS, list);
    vaddr held = make_list(make_finalizer());
    vaddr holder = fakeheap_list(&fake);
    fakeheap_hold(&fake, held, -1);
    fakeheap_append(&fake, holder, held);
    fakeheap_hold(&fake, holder, 1);
    expect_lost_garbage("a reference from a list", GARBAGE_BY_ITEMS, list);
    fakeheap_append(&fake, make_list(make_finalizer()), fakeheap_list(&fake));
    expect_lost_garbage("an item without a finalizer", GARBAGE_BY_ITEMS, list);
    fakeheap_append(&fake, make_list(make_finalizer()), fakeheap_str(&fake, "untracked"));
    expect_lost_garbage("an item that is not tracked", GARBAGE_BY_ITEMS, list);
    vaddr sub = fakeheap_class(
        &fake, &(struct fakeheap_class){.name = "List", .base = fakeheap_find_type(&fake, "list")});
    vaddr items = fakeheap_get(&fake, list, LAYOUT_PyListObject_ob_item);
    vaddr other = fakeheap_instance(&fake, sub);
    fakeheap_hold(&fake, other, 1);
    fakeheap_set(&fake, other, LAYOUT_PyListObject_ob_item, items);
    fakeheap_set(&fake, other, LAYOUT_PyVarObject_ob_size, 1);
    expect_lost_garbage("of a class derived from list", GARBAGE_BY_ITEMS, list);
}

// Items whose own bytes are lost, or those of their class: nothing says if they have finalizers.
WORLDS(items_that_are_lost)
{
    vaddr first = make_finalizer(), second = make_finalizer(), list = make_list(first);
    fakeheap_append(&fake, list, second);
    fakeheap_untrack(&fake, second);
    hide_type(second);
    expect_lost_garbage("an item, which is on no list that is left", GARBAGE_BY_ITEMS, list);
    fakeheap_track(&fake, second, 2);
    expect_lost_garbage("an item that is on a list", GARBAGE_BY_ITEMS, list);
    hide_type(first);
    expect_lost_garbage("both", GARBAGE_LOST, 0);
    fakeheap_show_all(&fake);
    hide_type(fakeheap_get(&fake, second, LAYOUT_PyObject_ob_type));
    expect_lost_garbage("the class of one", GARBAGE_BY_ITEMS, list);
    fakeheap_show_all(&fake);
    fakeheap_hide(&fake, fakeheap_get(&fake, list, LAYOUT_PyListObject_ob_item), 1,
                  MEMORY_NOT_SAVED);
    expect_lost_garbage("the items' addresses", GARBAGE_LOST, 0);
}

// A hostile core: words of static data that point to two lists in turn, of many items each, neither
// of which is gc.garbage.
Test(heap_garbage, many_words_of_static_data, .timeout = 60)
{
    enum {
        WORDS = 1 << 18,
        ITEMS = 1 << 16
    };
    init_world(&(struct fakeheap_spec){0});
    fakeheap_arena(&fake, 0x7e0000000000, UINT64_C(1) << 26);
    vaddr client = make_finalizer(), lists[2];
    for (unsigned i = 0; i < 2; i++) {
        lists[i] = make_list(client);
        vaddr items = fakeheap_allocate(&fake, ITEMS * 8);
        for (unsigned j = 0; j < ITEMS; j++)
            fakeheap_poke_word(&fake, items + j * UINT64_C(8), client);
        fakeheap_set(&fake, lists[i], LAYOUT_PyListObject_ob_item, items);
        fakeheap_set(&fake, lists[i], LAYOUT_PyVarObject_ob_size, ITEMS);
        fakeheap_hold(&fake, lists[i], 1);
    }
    vaddr words = fakeheap_allocate(&fake, WORDS * 8);
    for (unsigned i = 0; i < WORDS; i++)
        fakeheap_poke_word(&fake, words + i * UINT64_C(8), lists[i % 2]);
    const struct runtime_range data = {words, words + WORDS * UINT64_C(8)};
    open_heap(1);
    fake.source.data = &data;
    fake.source.data_count = 1;
    vaddr list = 0;
    cr_assert_eq(heap_find_garbage(heap, &fake.source, &list), GARBAGE_EMPTY);
    // Once it may be, it is found among them.
    heap->gc_refs[number_of(lists[1])]--;
    cr_assert_eq(heap_find_garbage(heap, &fake.source, &list), GARBAGE_BY_EVIDENCE);
    cr_assert_eq(list, lists[1]);
    heap->gc_refs[number_of(lists[0])]--;
    cr_assert_eq(heap_find_garbage(heap, &fake.source, &list), GARBAGE_NOT_FOUND);
    close_heap();
    fakeheap_deinit(&fake);
}
