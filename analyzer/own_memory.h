// How much memory this program itself takes: what is its own (RssAnon of proc(5)), not the pages of
// the files that it has mapped.
//
// The file is opened once, as later nothing can be opened (confine.h).
#ifndef ANALYZER_OWN_MEMORY_H
#define ANALYZER_OWN_MEMORY_H

#include <stdint.h>

struct own_memory;

// NULL: it cannot be told here.
struct own_memory *own_memory_open(void);
void own_memory_close(struct own_memory *memory);

// Bytes, now; 0 when they cannot be told. NULL is let pass.
uint64_t own_memory_read(const struct own_memory *memory);

#endif
