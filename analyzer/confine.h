// Gives up what the program needs no more: a core is data from a stranger, and so are the files
// that fit to it.
//
// A seccomp filter (libseccomp) for all threads, in three steps, each only ever adding to the one
// before. It does not undo what happened before it, and does not keep the program from its own
// memory and its open files. What is forbidden fails with EPERM, so that a report is still made,
// but the attempt to run another program or to reach a network kills the program: nothing here does
// that by accident.
#ifndef ANALYZER_CONFINE_H
#define ANALYZER_CONFINE_H

#include <stddef.h>

enum confinement {
    CONFINED,
    CONFINE_NOT_BUILT, // without libseccomp
    CONFINE_SANITIZED, // AddressSanitizer opens files and attaches to the program to report leaks
    CONFINE_REFUSED,   // by the kernel, or by another filter that is in force already
};

// First step, before the core is opened: no other programs, no network. Not to be called when a
// server is to be asked.
enum confinement confine_network(void);

// Second step, when the core is open and other files are still looked for: as the last one, but
// files may be found, and opened to be read. Not to be called when a server is to be asked.
enum confinement confine_writing(const char *const *removable, size_t count);

// Last step, when all files are open: reading and writing what is open, memory, threads, signals to
// itself and clocks are left, nothing that has a path, but for whether there is such a file (fstat
// is made of the same call). Of the `count` strings at `removable` (each may be
// NULL) the file may still be removed, by this very pointer.
enum confinement confine_files(const char *const *removable, size_t count);

// Why it is not, to follow "not confined: ".
const char *confinement_text(enum confinement confinement);

#endif
