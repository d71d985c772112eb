// What a cut core has lost, and what lay there.
//
// Headers promise bytes that the file no longer has. Of these, pages of files that the process
// could not write are no loss where the file is at hand: process.h has filled them.
#ifndef ANALYZER_MISSING_H
#define ANALYZER_MISSING_H

#include <stdint.h>

#include "core.h"
#include "interpreter.h"
#include "process.h"

enum missing_kind {
    MISSING_HEAP,        // writable and of no file: heap, arenas, stacks
    MISSING_INTERPRETER, // writable, of the interpreter's file (core_data_module_end): types, heads
                         // of the lists
    MISSING_VARIABLES,   // writable, of any other file
    MISSING_FILES,       // not writable: code, constants, build-ids
    MISSING_NOTES,       // threads, files' names
    MISSING_OTHER,       // section headers, which nobody needs
    MISSING_KINDS
};

struct missing {
    uint64_t bytes;    // of all kinds, and what files have filled
    uint64_t segments; // with bytes missing
    uint64_t kinds[MISSING_KINDS];
    uint64_t filled; // by files that are here
};

// process and interpreter may be NULL: then variables of files count as heap.
void missing_sum(const struct core *core, struct process *process,
                 const struct interpreter *interpreter, struct missing *missing);

// "heap" ..., names for programs.
const char *missing_kind_name(enum missing_kind kind);

#endif
