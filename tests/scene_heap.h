// The heap of the process of a test.
#ifndef TESTS_SCENE_HEAP_H
#define TESTS_SCENE_HEAP_H

#include <inttypes.h>

#include "heap.h"
#include "scene.h"

static struct heap *heap;

static inline void close_heap(void)
{
    heap_destroy(heap);
    heap = NULL;
}

// What was built so far is read by so many threads.
static inline void open_heap(unsigned jobs)
{
    close_heap();
    fakeheap_open(&fake);
    struct failure *failure = heap_create(&fake.runtime, &fake.source, jobs, NULL, &heap);
    cr_assert_null(failure, "%s: %s", world, failure_text(failure));
}

static inline void expect_no_losses(void)
{
    cr_assert_eq(heap->losses.tears.count, 0, "%s", world);
    cr_assert_eq(heap->losses.unreadable_objects, 0, "%s", world);
    cr_assert_eq(heap->losses.unreadable_parts, 0, "%s", world);
    cr_assert_eq(heap->losses.unreadable_sizes, 0, "%s", world);
}

static inline bool is_found(vaddr object)
{
    uint32_t number;
    return heap_find(heap, object, &number);
}

static inline uint32_t number_of(vaddr object)
{
    uint32_t number;
    cr_assert(heap_find(heap, object, &number), "%s: 0x%" PRIx64 " has no number", world, object);
    cr_assert_eq(heap_address(heap, number), object, "%s", world);
    return number;
}

#endif
