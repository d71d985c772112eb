#include "column.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    HUGE_PAGE = 2 << 20, // of x86-64 and arm64; elsewhere it is a multiple that asks for less
};

// Asks for huge pages where whole ones fit. That the kernel has none changes nothing.
static void *prefer_huge_pages(void *memory, size_t size)
{
#ifdef MADV_HUGEPAGE
    uintptr_t start = ((uintptr_t)memory + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
    uintptr_t end = ((uintptr_t)memory + size) & ~(uintptr_t)(HUGE_PAGE - 1);
    if (memory && start < end)
        (void)madvise((void *)start, end - start, MADV_HUGEPAGE);
#endif
    return memory;
}

void *column_create(size_t count, size_t size)
{
    return count < SIZE_MAX / size
               ? prefer_huge_pages(reallocarray(NULL, count + 1, size), (count + 1) * size)
               : NULL;
}

void *column_create_zeroed(size_t count, size_t size)
{
    return count < SIZE_MAX / size ? prefer_huge_pages(calloc(count + 1, size), (count + 1) * size)
                                   : NULL;
}
