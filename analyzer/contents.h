// What the objects of the told cycles hold, and under which keys: values of the dead process, for
// reports that were asked to show them (--values).
//
// Neither findings nor signatures depend on any of this: it is read when they are made.
#ifndef ANALYZER_CONTENTS_H
#define ANALYZER_CONTENTS_H

#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "findings.h"
#include "heap.h"
#include "holders.h"

enum {
    CONTENTS_ATTRIBUTES_MAX = 8, // told of an object
    CONTENTS_OBJECTS_MAX = 8,    // told of a finding
};

struct contents_attribute {
    char *name;  // ".host", "['key']"
    char *value; // repr_write's
};

// An object of a cycle, and the first of its attributes or items, in the order of its slots and
// then of its dictionary.
struct contents_object {
    vaddr address;
    char *type;
    struct contents_attribute attributes[CONTENTS_ATTRIBUTES_MAX];
    size_t count;
    uint64_t left_out; // more attributes
};

struct contents_finding {
    struct contents_object *objects; // of its steps, those that have attributes
    size_t count;
    size_t left_out; // more objects that have some
};

struct contents {
    struct contents_finding *findings; // parallel to those of the report
    size_t count;
};

// Reads those of the first findings, at most `limit` (0: all), and names the keys of their steps
// and of the holders' (key_edge). Failures: NO_MEMORY.
struct failure *contents_create(struct heap *heap, struct findings *findings,
                                struct holders *holders, uint64_t limit, struct contents **contents)
    __attribute__((warn_unused_result));
void contents_destroy(struct contents *contents);

// Sets key_edge of the steps that have a key. False: memory is short.
bool contents_name_keys(struct heap *heap, struct finding_step *steps, size_t count);

#endif
