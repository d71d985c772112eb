// Static types of which a core has lost the bytes, out of the file that brought them.
//
// A file has a type as its author wrote it. Before its first use PyType_Ready
// (Objects/typeobject.c) fills in what it inherits: its own type, its base, sizes, the offsets of
// __dict__ and weak references, and with the collector's flag its traversal. That is done here as
// well. What a module sets while it is imported (a base or a metatype from another file) is not
// known: such a type counts as derived from `object`. Nor is what a running program puts in:
// tp_dict, tp_mro, tp_subclasses stay empty. It does not know ELF.
#ifndef PYABI_STATIC_TYPES_H
#define PYABI_STATIC_TYPES_H

#include "layout.h"
#include "memory.h"

// Variables of a file as the process began with them.
struct static_types_data {
    vaddr start;
    uint64_t size;
    uint8_t *bytes; // types in them are made ready in place
};

struct static_types_source {
    struct memory *memory; // holds `data` and the files' constants
    const struct layout *layout;
    vaddr type, object; // PyType_Type, PyBaseObject_Type
    const struct static_types_data *data;
    size_t data_count;
};

// Makes the types ready, and calls `found` with each.
void static_types_find(const struct static_types_source *source,
                       void (*found)(void *context, vaddr type, uint64_t size,
                                     const uint8_t *bytes),
                       void *context);

#endif
