// Classes, old and new: in which order an attribute is looked for, and where it is found.
#ifndef PYABI_CLASS_H
#define PYABI_CLASS_H

#include <stdbool.h>
#include <stdint.h>

#include "memory.h"
#include "runtime.h"

enum {
    CLASS_BASES_MAX = 256, // classes looked through
};

// The class that an object shows to Python code: in_class of an old-style instance, else its type.
// 0: it cannot be read.
vaddr class_of(const struct runtime *runtime, vaddr object);

// A class and its bases in the order of look-up: tp_mro of a type (whose entries may be old-style
// classes), or the old-style classes depth first, left to right (class_lookup,
// Objects/classobject.c).
struct class_cursor {
    const struct runtime *runtime;
    vaddr stack[CLASS_BASES_MAX]; // to come, the last first
    unsigned depth;
    unsigned looked;
    bool unread;  // some class, or its dict, could not be read, or there are too many
    bool classic; // bases are still to be looked up; an mro has them all
};
void class_cursor_init(struct class_cursor *cursor, const struct runtime *runtime, vaddr class);
// `dict` is where the class keeps its attributes. False: no more.
bool class_next(struct class_cursor *cursor, vaddr *class, vaddr *dict);

// The value that a class or its bases have under a name, and which of them has it. No descriptor is
// called. MEMORY_UNMAPPED: all were looked through, and none has it; MEMORY_NONSENSE: none of those
// that could be read.
enum memory_status class_find(const struct runtime *runtime, vaddr class, const char *name,
                              vaddr *value, vaddr *where);

#endif
