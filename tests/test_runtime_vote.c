// The tp_traverse of Python's classes, by what all classes in memory say, or the first ones of
// `object`'s own list of them.
#include "common.h"

#include <inttypes.h>

#include "object.h"
#include "runtime_vote.h"
#include "scene.h"

enum {
    RIGHT = 0x7770, // addresses of functions
    WRONG = 0x8880,
    CLASSES_MAX = 4096 // that have a vote, pyabi/runtime_vote.c
};

// No build has the words of PyGC_Head in another order; scrambled layouts do.
static bool has_usual_head(void)
{
    return layout_offset(&fake.layout, LAYOUT_PyGC_Head_gc_next) == 0 &&
           layout_offset(&fake.layout, LAYOUT_PyGC_Head_gc_prev) == fake.memory.format.word_size &&
           layout_offset(&fake.layout, LAYOUT_PyGC_Head_gc_refs) ==
               2 * fake.memory.format.word_size;
}

static vaddr add_class(vaddr traverse)
{
    vaddr class = fakeheap_class(&fake, &(struct fakeheap_class){.name = "C"});
    fakeheap_set(&fake, class, LAYOUT_PyTypeObject_tp_traverse, traverse);
    return class;
}

static void expect_winner(const char *what, vaddr expected)
{
    fakeheap_open(&fake);
    vaddr winner = runtime_vote_of_all(&fake.runtime);
    cr_assert_eq(winner, expected, "%s, %s: 0x%" PRIx64, world, what, winner);
}

WORLD_TEST(runtime_vote, most_classes_decide, close_nothing)
{
    if (!has_usual_head())
        return;
    expect_winner("no class", 0);
    add_class(WRONG);
    expect_winner("one class", WRONG);
    add_class(RIGHT);
    expect_winner("one against one: the lower address", RIGHT);
    add_class(RIGHT);
    expect_winner("two against one", RIGHT);
    for (unsigned i = 0; i < 2; i++)
        add_class(WRONG);
    expect_winner("two against three", WRONG);
}

// Whatever says RIGHT here must not count.
WORLD_TEST(runtime_vote, who_has_no_vote, close_nothing)
{
    if (!has_usual_head())
        return;
    static const char *const no_slots[] = {NULL};
    vaddr base = add_class(WRONG);
    vaddr metatype =
        fakeheap_class(&fake, &(struct fakeheap_class){.name = "T", .base = fake.type});
    const struct {
        const char *what;
        struct fakeheap_class spec;
        uint64_t without; // flags
        bool untracked;
    } rows[] = {
        {"derived from another class", {.name = "D", .base = base}, 0, false},
        {"of a metatype", {.name = "M", .metatype = metatype}, 0, false},
        {"without GC", {.name = "S", .slots = no_slots}, TPFLAGS_HAVE_GC, false},
        {"not of the heap", {.name = "H"}, TPFLAGS_HEAPTYPE, false},
        {"not tracked", {.name = "U"}, 0, true},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        for (unsigned j = 0; j < 3; j++) {
            vaddr class = fakeheap_class(&fake, &rows[i].spec);
            uint64_t flags = fakeheap_get(&fake, class, LAYOUT_PyTypeObject_tp_flags);
            fakeheap_set(&fake, class, LAYOUT_PyTypeObject_tp_flags, flags & ~rows[i].without);
            fakeheap_set(&fake, class, LAYOUT_PyTypeObject_tp_traverse, RIGHT);
            if (rows[i].untracked)
                fakeheap_untrack(&fake, class);
        }
        expect_winner(rows[i].what, WRONG);
    }
}

// Its neighbours in the list are not saved.
WORLD_TEST(runtime_vote, class_between_what_is_lost, close_nothing)
{
    if (!has_usual_head())
        return;
    unsigned width = fake.memory.format.word_size;
    vaddr head = fakeheap_head(&fake, add_class(RIGHT));
    for (unsigned i = 0; i < 2; i++)
        fakeheap_hide(&fake, fakeheap_peek_word(&fake, head + i * width), 3 * width,
                      MEMORY_NOT_SAVED);
    expect_winner("neighbours lost", RIGHT);
}

// The classes that are left know the function.
WORLD_TEST(runtime_vote, classes_beside_what_is_lost, close_nothing)
{
    if (!has_usual_head())
        return;
    vaddr classes[3];
    for (unsigned i = 0; i < 3; i++)
        classes[i] = add_class(i < 2 ? WRONG : RIGHT);
    for (unsigned i = 0; i < 2; i++)
        fakeheap_hide(&fake, fakeheap_head(&fake, classes[i]),
                      classes[i] - fakeheap_head(&fake, classes[i]) +
                          layout_offset(&fake.layout, LAYOUT_PyHeapTypeObject_sizeof),
                      MEMORY_NOT_SAVED);
    expect_winner("classes lost", RIGHT);
    fakeheap_show_all(&fake);
    // tp_traverse alone is lost, of those that would win.
    unsigned width = fake.memory.format.word_size;
    for (unsigned i = 0; i < 2; i++)
        fakeheap_hide(&fake,
                      classes[i] + layout_offset(&fake.layout, LAYOUT_PyTypeObject_tp_traverse),
                      width, MEMORY_NOT_SAVED);
    expect_winner("one member lost", RIGHT);
}

// Damaged classes name functions that no other has, in front of the right one and behind it.
WORLD_TEST(runtime_vote, many_candidates, close_nothing)
{
    if (!has_usual_head())
        return;
    for (unsigned i = 0; i < 20; i++)
        add_class(WRONG + 16 * i);
    add_class(RIGHT);
    add_class(RIGHT);
    for (unsigned i = 20; i < 40; i++)
        add_class(WRONG + 16 * i);
    expect_winner("two against forty times one", RIGHT);
}

WORLD_TEST(runtime_vote, no_function_is_no_vote, close_nothing)
{
    if (!has_usual_head())
        return;
    for (unsigned i = 0; i < 3; i++)
        add_class(i < 2 ? 0 : RIGHT);
    expect_winner("one against two without", RIGHT);
}

// In the order of their addresses.
Test(runtime_vote, first_classes_are_enough)
{
    init_world(&(struct fakeheap_spec){0});
    fakeheap_arena(&fake, 0x7e0000000000, UINT64_C(1) << 26);
    for (unsigned i = 0; i < CLASSES_MAX; i++)
        add_class(i % 2 ? RIGHT : WRONG + 16 * i);
    for (unsigned i = 0; i < CLASSES_MAX; i++)
        add_class(WRONG);
    expect_winner("the others came too late", RIGHT);
    fakeheap_deinit(&fake);
}

// --- of the classes that `object` knows

// A damaged list may be of any length, and name one class many times.
WORLD_TEST(runtime_vote, first_subclasses_are_enough, close_nothing)
{
    enum {
        MORE = 3 * CLASSES_MAX
    };
    vaddr right = fakeheap_weakref(&fake, add_class(RIGHT), 0);
    vaddr wrong = fakeheap_weakref(&fake, add_class(WRONG), 0);
    unsigned width = fake.memory.format.word_size;
    fakeheap_arena(&fake, width == 8 ? UINT64_C(0x570000000000) : 0x24000000, 1 << 20);
    vaddr list = fakeheap_list(&fake), items = fakeheap_allocate(&fake, MORE * width);
    for (unsigned i = 0; i < MORE; i++)
        fakeheap_poke_word(&fake, items + i * width,
                           i < CLASSES_MAX / 2 || i >= CLASSES_MAX ? wrong : right);
    fakeheap_poke_word(&fake, items, right);
    fakeheap_set(&fake, list, LAYOUT_PyListObject_ob_item, items);
    fakeheap_set(&fake, list, LAYOUT_PyVarObject_ob_size, MORE);
    fakeheap_set(&fake, fake.object, LAYOUT_PyTypeObject_tp_subclasses, list);
    fakeheap_open(&fake);
    vaddr winner = runtime_vote_of_subclasses(&fake.runtime);
    cr_assert_eq(winner, RIGHT, "%s: 0x%" PRIx64, world, winner);
}
