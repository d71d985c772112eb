// Large arrays, one entry per object or edge.
#ifndef ANALYZER_COLUMN_H
#define ANALYZER_COLUMN_H

#include <stddef.h>

// `count` entries of `size` bytes, not cleared; NULL for lack of memory. To be freed with free.
// Large ones ask for huge pages: a page fault for every 4 KiB of them costs more than filling it.
void *column_create(size_t count, size_t size);

#endif
