// Where in the program's source an attribute is set: which function stores it.
//
// It is looked for in the code of the class and its bases, then in that of the module which
// defines the class. What sets attributes by setattr or through __dict__ is not found, but for a
// descriptor of the class: that is one which keeps its value in the instance.
#ifndef ANALYZER_ORIGIN_H
#define ANALYZER_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "heap.h"

enum {
    ORIGINS_MAX = 4,            // told
    ORIGIN_CODES_MAX = 1 << 14, // code objects looked into
};

// Heap strings.
struct origin {
    char *function; // "cached_property.__get__", "T.__init__", "connect"
    char *file;     // NULL: could not be read
    int64_t line;   // of the store; of the def for a descriptor
};

struct origins {
    struct origin items[ORIGINS_MAX]; // one: the place; several: any of these
    size_t count;
    bool more; // than fit
};

// Where the attribute of that name came to the object. Failures: NO_MEMORY.
struct failure *origins_find(struct heap *heap, vaddr object, const char *attribute,
                             struct origins *origins) __attribute__((warn_unused_result));
void origins_deinit(struct origins *origins);

#endif
