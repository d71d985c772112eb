// An interpreter recognised in the memory of its process alone, when none of its files is at hand:
// what the files' symbols and read-only bytes would have told.
//
// A core has what the process wrote: all static type objects, the collector's list heads, the
// modules' dictionaries. It has no symbols and no .rodata, so no tp_name of a static type. The way
// in is PyType_Type: the object whose type is itself, of the size that a layout column has for it.
// From there on everything follows by structure (type objects, generations by their rings, the
// interpreter state) and by name (sys.modules and the dictionaries of its modules). Each column
// is tried; what does not fit says why.
//
// It knows memory and layout columns; it does not know ELF, files or the graph.
#ifndef PYABI_RECOGNIZE_H
#define PYABI_RECOGNIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "layout.h"
#include "memory.h"
#include "runtime.h"

// Writable memory. Start and end are multiples of the word size.
struct recognize_range {
    vaddr start;
    vaddr end;
    // Base name of the file whose .data or .bss this is, equal pointers for the ranges of one
    // file; NULL: memory of no file (heap, stacks). The caller's, to outlive the recognition.
    const char *file;
};

struct recognize_source {
    const struct recognize_range *ranges; // sorted, disjoint
    size_t range_count;
    const struct layout_column *columns; // NULL: the built-in ones
    size_t column_count;
};

enum {
    RECOGNIZED_SAMPLES = 8
};

// A static type object.
struct recognized_type {
    vaddr address;
    const char *file;
    uint64_t tp_basicsize;
    bool has_gc;
    char *name;       // as its tp_name would read, or a placeholder
    const char *rule; // the name that the traversal table may have for it; NULL: none is known
    // private
    unsigned rank;                     // how the name was found; the lowest wins
    vaddr samples[RECOGNIZED_SAMPLES]; // tracked objects
    unsigned sample_count;
    uint64_t object_count; // tracked objects, if nothing but their looks names the type
};

struct recognition {
    struct runtime runtime; // memory, layout, basic types, interpreter state and version
    const struct recognize_range *ranges;
    size_t range_count;
    const char *file; // of the collector's lists: the interpreter's; NULL: of no file
    vaddr generations;
    struct recognized_type *types; // by address
    size_t type_count;
    size_t type_capacity;
};

// What the source points to must outlive the recognition, as the memory must.
// Failures: MISMATCH (nothing there is a CPython 2; the sentence is only the evidence, for each
// column), NO_MEMORY.
struct failure *recognition_create(struct memory *memory, const struct recognize_source *source,
                                   struct recognition **recognition)
    __attribute__((warn_unused_result));
void recognition_destroy(struct recognition *recognition);

// What runtime_source.find_symbol asks for, of the types and variables that were recognised.
bool recognition_find_symbol(const struct recognition *recognition, enum symbol_scope scope,
                             const char *name, vaddr *address);

// The ranges of the interpreter's static data: the file's, or the one that holds the generations;
// at least one. *cursor starts at 0. False: there are no more.
bool recognition_next_data(const struct recognition *recognition, size_t *cursor,
                           struct runtime_range *range);

// The static type at an address; NULL: not one that was found.
const struct recognized_type *recognition_find_type(const struct recognition *recognition,
                                                    vaddr address);

#endif
