// The tables against the process's own code: two ways to an object's references, compared.
//
// Objects of every type, evenly spread over the heap, are visited by what the tables made of their
// type, and by running the type's very own tp_traverse. Both must come to the same references in
// the same order; visits of NULL do not count. Where no table mirrors the function of a base in C,
// that base's part is run both times, and what the classes add to it is still compared.
//
// A type whose tp_traverse no table mirrors has nothing to be compared with: its objects are only
// run, to see that they can be.
//
// What it takes does not grow with the heap but for one pass over the numbers of types. It does not
// print.
#ifndef ANALYZER_VERIFY_H
#define ANALYZER_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "heap.h"

enum {
    // References visited, times the limit of objects: when a type's objects have had so many, no
    // more of them are taken. For a limit of a thousand that is half a second.
    VERIFY_VISITS_EACH = 1000
};

// The first object of a type that differs.
struct verify_difference {
    vaddr object;
    uint64_t table_visits;
    uint64_t code_visits;
    uint64_t position; // of the first visit that differs, from 0
    char *table_type;  // of the target there, as object_class_name says; NULL: there is no visit
    char *code_type;
};

struct verify_type {
    const char *name; // the heap's
    vaddr address;
    bool by_code;                          // there is no table
    uint64_t objects;                      // that the heap has
    uint64_t checked;                      // visited both ways, or run
    uint64_t different;                    // how many of them are
    uint64_t unchecked;                    // could not be
    uint64_t reasons[HEAP_OPAQUE_REASONS]; // why
    struct verify_difference first;
};

struct verify {
    const struct heap *heap;
    uint32_t limit;            // objects of a type; 0: all
    struct verify_type *types; // those that have objects, by name
    size_t count;
    uint64_t unreadable_objects; // of which not even the type is known
    // Sums. A type that was checked in part is both checked and unchecked.
    size_t checked_types, different_types, unchecked_types, coded_types;
    uint64_t checked, different, unchecked;
};

// Compares `limit` objects of every type, or all. The heap must outlive it. Failures: UNSUPPORTED
// (code cannot be run), NO_MEMORY.
struct failure *verify_create(struct heap *heap, uint32_t limit, struct verify **verify)
    __attribute__((warn_unused_result));
void verify_destroy(struct verify *verify);

// Nothing differs, and there is nothing that could not be checked.
bool verify_is_clean(const struct verify *verify);

// Is there anything to tell of the type?
static inline bool verify_type_is_told(const struct verify_type *type)
{
    return type->different || type->unchecked;
}

// Why objects of a type could not be checked.
size_t verify_list_reasons(const struct verify *verify, const struct verify_type *type,
                           struct heap_opaque_reason reasons[HEAP_OPAQUE_REASONS]);

#endif
