// Traversals that are run for some objects, and known from there for the others.
//
// To emulate a traversal takes a microsecond or more, and there may be millions of objects of one
// extension type, nearly all of which their function goes through in one of a few ways. After some
// objects of a function its next ones are followed (path_finder.h), and their paths kept. An object
// that one of the paths fits is read by it, in a twentieth of the time; any other one is emulated.
//
// What is read so is not a guess: it is what the emulation comes to, for the reasons that paths.h
// gives. So it does not matter which objects were followed, nor which thread did. Even so the
// emulation of one object in a few hundred is compared with what its path says. Should they ever
// differ, then something that all rests upon is wrong, and learned_has_erred tells the caller to
// read everything again in the slow way.
//
// Objects whose traversal ends badly have no path. Code of other machines than x86-64 is emulated
// for every object, and so is all code when this program was built without Capstone.
#ifndef ANALYZER_LEARNED_H
#define ANALYZER_LEARNED_H

#include <stdbool.h>
#include <stdint.h>

#include "emulator.h"
#include "failure.h"

enum {
    LEARNED_FUNCTIONS_MAX = 64,     // those after them are emulated
    LEARNED_OBJECTS_BEFORE = 32,    // emulated objects of a function before the first is followed
    LEARNED_FOLLOWED_FIRST = 64,    // objects of a function that may be followed at first
    LEARNED_PATHLESS_FIRST = 16,    // and that may turn out to have no path
    LEARNED_OBJECTS_FOLLOWED = 64,  // of both one more for so many that were read by paths
    LEARNED_OBJECTS_COMPARED = 256, // one in so many, by its address
};

struct learned;

// How objects were read.
struct learned_counts {
    uint64_t by_path;
    uint64_t emulated;
    uint64_t followed; // of these
    uint64_t compared; // of these
};

// As emulator_create; has an emulator of its own, and another one when an object is followed.
struct failure *learned_create(struct memory *memory, unsigned elf_machine, vaddr tls_base,
                               struct learned **learned) __attribute__((warn_unused_result));
void learned_destroy(struct learned *learned); // NULL is allowed

// As emulator_traverse, and with the same result.
enum emulator_status learned_traverse(struct learned *learned, vaddr function, vaddr object,
                                      void (*take)(void *context, vaddr target), void *context);

// Did a path ever say something else than the emulation?
bool learned_has_erred(const struct learned *learned);

struct emulator *learned_emulator(struct learned *learned);
struct learned_counts learned_count(const struct learned *learned);

#endif
