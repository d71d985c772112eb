// A value of the dead process in a few words, like Python's repr: '%s', 42, <dict, 3 items>.
//
// Reports show no values unless they are asked to. What is written here is plain ASCII without
// control characters, whatever the process had.
#ifndef PYABI_REPR_H
#define PYABI_REPR_H

#include "object.h"

enum {
    REPR_MAX = 60,
    REPR_SIZE = REPR_MAX + 1
};

// str, unicode, int, long, float, bool and None by their value, a long of more than 64 bits by how
// many it has; what is longer is cut and ends in "...". Containers by their type and length, all
// others by their type and address, as what cannot be read.
void repr_write(struct object_types *types, vaddr object, char buffer[REPR_SIZE]);

#endif
