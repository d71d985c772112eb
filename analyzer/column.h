// Memory for arrays with an entry per object or reference, freed with free().
//
// They are read at random, and a heap of millions has hundreds of megabytes of them: with pages of
// 4 KiB nearly every access asks for a page table entry besides, and a run spends a tenth of its
// time on the faults of their first touch. So the kernel is asked for huge pages.
#ifndef ANALYZER_COLUMN_H
#define ANALYZER_COLUMN_H

#include <stddef.h>

// `count` entries of `size` bytes and one more, so that no count is too small; NULL: memory is
// short. The contents are anything, or zeroes.
void *column_create(size_t count, size_t size) __attribute__((warn_unused_result));
void *column_create_zeroed(size_t count, size_t size) __attribute__((warn_unused_result));

#endif
