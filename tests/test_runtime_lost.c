// The collector's elements, found in memory without any list's head.
#include "common.h"

#include "memory.h"
#include "runtime_lost.h"

enum {
    START = 0x10000,
    LOST = 0x20000,
    REACHABLE = -3, // gc_refs, Modules/gcmodule.c
    ELEMENTS = 4,
    WORDS = 4 // from one element to the next: the list's three, and one of an object
};

static struct memory memory;
static int64_t words[ELEMENTS * WORDS];
static vaddr found[ELEMENTS];
static size_t found_count, found_max;

static vaddr address_of(unsigned element)
{
    return START + element * WORDS * 8;
}

// A ring of all elements, in the order of their addresses; part of memory is not saved.
static void init(void)
{
    for (unsigned i = 0; i < ELEMENTS; i++) {
        words[i * WORDS] = (int64_t)address_of((i + 1) % ELEMENTS);
        words[i * WORDS + 1] = (int64_t)address_of((i + ELEMENTS - 1) % ELEMENTS);
        words[i * WORDS + 2] = REACHABLE;
    }
    found_max = ELEMENTS;
    memory_init(&memory, (struct memory_format){.word_size = 8});
    cr_assert_null(memory_add(&memory, START, sizeof(words), (const uint8_t *)words));
    cr_assert_null(memory_add(&memory, LOST, 4096, NULL));
}

static void deinit(void)
{
    memory_deinit(&memory);
}

TestSuite(runtime_lost, .init = init, .fini = deinit);

static bool note(void *context, vaddr head)
{
    (void)context;
    found[found_count++] = head;
    return found_count < found_max;
}

static size_t find(bool lost_too)
{
    found_count = 0;
    runtime_each_linked(&memory, lost_too, note, NULL);
    return found_count;
}

Test(runtime_lost, a_whole_ring)
{
    cr_assert_eq(find(false), ELEMENTS);
    for (unsigned i = 0; i < ELEMENTS; i++)
        cr_expect_eq(found[i], address_of(i));
    found_max = 2;
    cr_expect_eq(find(false), 2, "does not end when it is told to");
}

Test(runtime_lost, only_reachable_ones)
{
    words[2] = 0;
    cr_assert_eq(find(true), ELEMENTS - 1);
    cr_expect_eq(found[0], address_of(1));
}

// Up to 2.4 gc_refs is an int, and nobody writes what pads it; it comes first in either order.
Test(runtime_lost, gc_refs_of_32_bits)
{
    for (unsigned i = 0; i < ELEMENTS; i++)
        words[i * WORDS + 2] = (int64_t)0xabababab00000000 | (uint32_t)REACHABLE;
    cr_expect_eq(find(false), ELEMENTS, "little-endian");
    for (unsigned i = 0; i < ELEMENTS * WORDS; i++)
        words[i] = (int64_t)__builtin_bswap64((uint64_t)words[i]);
    int32_t refs = (int32_t)__builtin_bswap32((uint32_t)REACHABLE);
    for (unsigned i = 0; i < ELEMENTS; i++)
        memcpy(&words[i * WORDS + 2], &refs, sizeof(refs));
    memory.format.big_endian = true;
    cr_expect_eq(find(false), ELEMENTS, "big-endian");
}

// Its neighbours say nothing of what leads elsewhere.
Test(runtime_lost, neighbours_must_lead_back)
{
    words[1 * WORDS] = (int64_t)address_of(3); // past element 2
    cr_assert_eq(find(true), 2);
    cr_expect_eq(found[0], address_of(0));
    cr_expect_eq(found[1], address_of(3));
}

Test(runtime_lost, neighbours_that_are_not_saved)
{
    words[3 * WORDS] = LOST;
    words[0 * WORDS + 1] = LOST + 64;
    cr_expect_eq(find(false), 2);
    cr_expect_eq(find(true), ELEMENTS);
    words[3 * WORDS] = 0x7000000; // never mapped
    cr_expect_eq(find(true), ELEMENTS - 1);
}
