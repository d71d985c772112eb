// Is a core worth a run? What can be told without reading the heap: headers, notes, the first pages
// of files, and the few words of static data that lead to the interpreter's things.
#ifndef ANALYZER_CHECK_H
#define ANALYZER_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core.h"
#include "failure.h"
#include "interpreter.h"
#include "missing.h"
#include "process.h"

// Kinds of mappings as coredump_filter tells them apart, as far as a core shows them (core(5)).
enum check_memory {
    CHECK_PRIVATE,   // no file: heap, stacks
    CHECK_WRITTEN,   // of a file, writable: its static variables
    CHECK_SHARED,    // shared without a file that can be opened
    CHECK_READ_ONLY, // of a file: code, constants
    CHECK_HEADERS,   // the first page of a file, saved though the rest of the segment is not
    CHECK_MEMORIES
};

struct check_amount {
    uint64_t segments;
    uint64_t memory; // bytes
    uint64_t saved;
};

enum check_loss {
    CHECK_NO_THREADS = 1 << 0,     // no notes of threads
    CHECK_MEMORY_HOLES = 1 << 1,   // private memory that is not saved whole
    CHECK_FILES_ABSENT = 1 << 2,   // files with code
    CHECK_FILE_DIFFERS = 1 << 3,   // used because of --force
    CHECK_COLLECTION = 1 << 4,     // in progress
    CHECK_GARBAGE_UNREAD = 1 << 5, // gc.garbage is known, its length is not saved
    CHECK_STREAM_DAMAGED = 1 << 6, // what the core was packed in
    CHECK_CUT = 1 << 7,            // the headers promise more than the file has
    CHECK_OVERLAP = 1 << 8,        // segments share addresses or bytes of the file
};

struct check {
    struct core *core;
    struct process *process;         // NULL: not so far
    struct interpreter *interpreter; // NULL: not so far
    struct check_amount memory[CHECK_MEMORIES];
    unsigned filter_yes; // bits of coredump_filter that were set, by what is saved
    unsigned filter_no;  // that were not
    size_t matching, unchecked, forced;
    const struct module **absent; // files with code that are not here
    size_t absent_count;
    uint64_t garbage_length;
    struct missing missing;
    unsigned losses;         // of check_loss
    struct failure *refusal; // why there can be no report; NULL: there can
};

// Opens the core. Failures: those of core_open_with.
struct failure *check_init(struct check *check, const char *core,
                           const struct unpack_options *unpack) __attribute__((warn_unused_result));
// Looks at it, once. Failure: NO_MEMORY; all others are the refusal.
struct failure *check_look(struct check *check, const struct process_options *options,
                           const struct debug_file_options *debug)
    __attribute__((warn_unused_result));
void check_deinit(struct check *check);

#endif
