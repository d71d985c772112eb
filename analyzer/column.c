#include "column.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum {
    HUGE_PAGE = 2 << 20,
    LARGE = 2 * HUGE_PAGE,
};

void *column_create(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - HUGE_PAGE)
        return NULL;
    if (bytes < LARGE)
        return malloc(bytes ? bytes : 1);
    bytes = (bytes + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
    void *column = aligned_alloc(HUGE_PAGE, bytes);
    if (column)
        madvise(column, bytes, MADV_HUGEPAGE); // only advice: a refusal changes nothing
    return column;
}
