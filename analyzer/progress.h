// How far a long run is, for somebody who waits at a terminal: one line that is written over.
//
// A thread of its own writes the line, so those who work only count. All functions take NULL: then
// nobody looks, and they do nothing.
#ifndef ANALYZER_PROGRESS_H
#define ANALYZER_PROGRESS_H

#include <stdint.h>
#include <stdio.h>

struct progress;

// Writes to `file`, not before `delay` seconds have gone by. NULL: it cannot be done.
struct progress *progress_create(FILE *file, double delay);
// Wipes the line.
void progress_destroy(struct progress *progress);

// What is done from now on ("reading objects"), and of how many (`unit` "objects"); 0: not known.
// phase NULL: nothing that is told; the line is wiped. The strings must live as long as the
// progress.
void progress_phase(struct progress *progress, const char *phase, const char *unit, uint64_t total);

// Says that so many more are done. From any thread; not to be called for each single one.
void progress_add(struct progress *progress, uint64_t count);

// Wipes the line, for something else to be written in its place.
void progress_wipe(struct progress *progress);

#endif
