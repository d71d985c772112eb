// The collector's elements, found in memory without any list's head, and the interpreter state.
#include "common.h"

#include <sys/mman.h>

#include "memory.h"
#include "runtime_lost.h"

enum {
    START = 0x10000,
    LOST = 0x20000,
    REACHABLE = -3, // gc_refs, Modules/gcmodule.c
    ELEMENTS = 4,
    WORDS = 4 // from one element to the next: the list's three, and one of an object
};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

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

// ---- The interpreter state

static vaddr wanted; // of is_wanted, 0: none
static vaddr asked[64];
static size_t asked_count;

static bool is_wanted(const struct runtime *runtime, vaddr interp)
{
    cr_assert_eq(runtime->memory, &memory);
    cr_assert_lt(asked_count, LENGTH(asked));
    asked[asked_count++] = interp;
    return interp == wanted;
}

static vaddr scan(vaddr interp)
{
    const struct runtime runtime = {.memory = &memory};
    wanted = interp;
    asked_count = 0;
    return runtime_scan_for_interp(&runtime, is_wanted);
}

// Of a memory with words of that width, which begins at that address.
static void restart(uint8_t word_size, vaddr start, uint64_t size)
{
    memory_deinit(&memory);
    memory_init(&memory, (struct memory_format){.word_size = word_size});
    cr_assert_null(memory_add(&memory, start, size, (const uint8_t *)words));
}

Test(runtime_lost, interp_at_any_word)
{
    for (vaddr at = START; at < START + sizeof(words); at += 8)
        cr_expect_eq(scan(at), at);
    cr_expect_eq(scan(START + 4), 0, "between two words");
    restart(4, START, sizeof(words));
    cr_expect_eq(scan(START + 4), START + 4, "words of 32 bits");
}

Test(runtime_lost, the_first_interp_ends_the_scan)
{
    cr_assert_eq(scan(START + 16), START + 16);
    cr_expect_eq(asked_count, 3);
    cr_expect_eq(asked[0], START);
}

// In words of the process, not of the range.
Test(runtime_lost, no_interp_between_words_of_a_skewed_range)
{
    restart(8, START + 3, 32);
    cr_assert_eq(scan(0), 0);
    cr_assert_eq(asked_count, 4);
    for (size_t i = 0; i < asked_count; i++)
        cr_expect_eq(asked[i], START + 8 + 8 * i);
}

Test(runtime_lost, no_interp_in_what_is_not_saved)
{
    cr_expect_eq(scan(LOST), 0);
    cr_expect_eq(asked_count, LENGTH(words), "asked for what is not there");
}

Test(runtime_lost, interp_at_the_end_of_the_address_space)
{
    restart(8, -(vaddr)16, 16);
    cr_expect_eq(scan(-(vaddr)8), -(vaddr)8);
    cr_expect_eq(scan(0), 0, "went around");
    cr_expect_eq(asked_count, 2);
}

// ---- Holes of the core's file

// Looking at it would be fatal here, and on a sparse core take forever.
Test(runtime_lost, holes_are_not_looked_at)
{
    uint8_t *hole = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq((void *)hole, MAP_FAILED);
    cr_assert_null(memory_add_hole(&memory, LOST + 4096, 4096, hole));
    found_max = ELEMENTS + 1; // to the end of memory
    cr_expect_eq(find(true), ELEMENTS);
    cr_expect_eq(scan(LOST + 4096), 0);
    cr_expect_eq(asked_count, LENGTH(words), "asked for what is a hole");
    munmap(hole, 4096);
}
