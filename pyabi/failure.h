// How a run ends badly: a kind, and one sentence made where the trouble was seen.
//
// A function that can end the run returns `struct failure *`: NULL is success, anything else is
// owned by whoever receives it, to be passed up (with one clause put in front, if the caller
// knows more) or destroyed. Trouble that does not end the run has no failure: it is an
// enum memory_status, counted where it is met.
#ifndef PYABI_FAILURE_H
#define PYABI_FAILURE_H

#include <stdbool.h>

enum failure_kind {
    FAILURE_USAGE,       // the command line is wrong
    FAILURE_IO,          // a file could not be opened, mapped, written
    FAILURE_NOT_A_CORE,  // the input is something else
    FAILURE_MISMATCH,    // core and file, or core and layout, do not belong together
    FAILURE_UNSUPPORTED, // understood, but this program cannot do it
    FAILURE_DAMAGED,     // the core lacks what nothing can replace
    FAILURE_NO_MEMORY,
};

struct failure;

// A new failure; never NULL. When memory is short, the one static "out of memory" failure.
struct failure *failure_create(enum failure_kind kind, const char *format, ...)
    __attribute__((format(printf, 2, 3), returns_nonnull, warn_unused_result));

// The failure for an allocation that did not succeed. Allocates nothing.
struct failure *failure_no_memory(void) __attribute__((returns_nonnull, warn_unused_result));

// Where an allocation did not succeed and the caller goes on with less: what it finds is not all
// there is. Returns false. failure_no_memory notes it too.
bool failure_note_no_memory(void);

// strdup, noted so.
char *failure_copy_text(const char *text);

// Was it noted, anywhere in this process? Then no report can be trusted.
bool failure_memory_was_short(void);

// Puts "clause: " in front of the sentence. Takes `failure`, returns what replaces it.
struct failure *failure_prefix(struct failure *failure, const char *format, ...)
    __attribute__((format(printf, 2, 3), returns_nonnull, warn_unused_result));

// Frees it; NULL is allowed.
void failure_destroy(struct failure *failure);

enum failure_kind failure_kind(const struct failure *failure);

// The sentence, without a newline; good until the failure is destroyed.
const char *failure_text(const struct failure *failure);

#endif
