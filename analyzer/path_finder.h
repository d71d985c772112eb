// Follows an emulated function through one object, and writes down its path (paths.h).
//
// For every register and every word of the stack it is known where the value came from: from
// nothing but what is the same for all objects; or from one word that was read by way of the
// object, plus something that is the same for all; or from before the call. Such a word may be
// copied, kept, visited and used as an address without a question. Where two of them are compared
// for equality, that is a question with two answers. Whatever else is done with a word, the path
// holds for that very value only.
//
// The instructions that are understood are those that a traversal is made of. With any other one,
// and where the function writes to anything but its stack, there is no path. What is not known to
// be harmless is taken for harmful: a path too few costs time, a wrong one would cost the truth.
//
// Private to learned.c. Only x86-64.
#ifndef ANALYZER_PATH_FINDER_H
#define ANALYZER_PATH_FINDER_H

#include <stdbool.h>

#include "emulator.h"
#include "paths.h"

struct path_finder;

// Follows that emulator's functions, which read from the walker's memory, from here on; `tls_base`
// is that of the emulator. Fails without Capstone, and for lack of memory: NULL. Walker and
// emulator must outlive it.
struct path_finder *path_finder_create(struct emulator *emulator, struct path_walker *walker,
                                       vaddr tls_base);
void path_finder_destroy(struct path_finder *finder); // NULL is allowed

// The path of the object that the emulator was just run for, and ended well; NULL: there is none.
// Good until its next run.
const struct path *path_finder_path(struct path_finder *finder);

#endif
