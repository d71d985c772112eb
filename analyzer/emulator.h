// Runs a function of the dead process on an emulated processor, to learn what it visits.
//
// A tp_traverse is `int traverse(object, visit, argument)`. It is executed as the process had it,
// from the core's and the files' bytes, with a visit that notes its first argument and returns 0.
// What it was called with, in that order, are the object's references, whatever the object's type
// is. To this module they are addresses: it knows neither Python nor ELF, core or files.
//
// The emulated code reads the bytes of a memory and nothing else. What it writes goes to copies of
// pages and to a stack of its own, thrown away after each object: no backing byte is ever changed.
// It cannot call the system, and it is stopped when it does not end. It does run with all rights
// that the emulated processor has, so code made to deceive can report references that are wrong,
// but it reaches nothing outside of the emulated process.
//
// Only whole pages are there for it: one that the core has in part counts as not saved.
#ifndef ANALYZER_EMULATOR_H
#define ANALYZER_EMULATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "memory.h"

enum {
    // Basic blocks that one object may take: a twentieth of a second for short ones, one or two
    // where they are full of stores. A hash table with two million empty slots stays below.
    EMULATOR_BLOCKS_MAX = 5 * 1000 * 1000,
    // A block has five machine instructions on average, but up to 512: so many bytes of code count
    // as one more.
    EMULATOR_BLOCK_SIZE = 16,
    // And so many more for every visit; the loop around one takes four to ten.
    EMULATOR_BLOCKS_PER_VISIT = 64,
    // No object has so many references (512 MiB of them), nor more than its memory has words. Code
    // that visits in a circle is stopped after 20 or 30 thousand.
    EMULATOR_VISITS_MAX = 1 << 26,
    EMULATOR_STACK_SIZE = 8 << 20, // what Linux gives a thread
    // Basic blocks until a function must have come to the read that is looked for.
    EMULATOR_BLOCKS_TO_READ = 10000,
};

// How the traversal of an object ended. All but the first deliver nothing.
enum emulator_status {
    EMULATOR_OK,
    EMULATOR_INSTRUCTION_LIMIT,   // does not end
    EMULATOR_UNMAPPED_READ,       // of what is in neither core nor files
    EMULATOR_UNMAPPED_CALL,       // of code that is in neither
    EMULATOR_BAD_WRITE,           // the same of a write, or its stack is used up, or too many pages
    EMULATOR_UNKNOWN_INSTRUCTION, // Unicorn 2.0 has no AVX
    EMULATOR_SYSTEM_CALL,
    EMULATOR_ENGINE_ERROR, // any other exception, or no memory
    EMULATOR_STATUS_COUNT
};

struct emulator;

// Was this program built with Unicorn? Without it emulator_create always fails.
bool emulator_is_built_in(void);

// For code of that machine (EM_*). tls_base is the thread pointer that the code is to find (FS base
// on x86-64, where the stack protector reads through it); 0: none. The memory is read through and
// must outlive the emulator. Nothing is shared: one emulator per thread, over a memory_share copy.
// Each reserves a gigabyte of this program's address space, and uses about four megabytes.
// Failures: UNSUPPORTED (a machine without a row in emulator_machines.c, a memory with no room for
// a stack, this program was built without Unicorn), NO_MEMORY.
struct failure *emulator_create(struct memory *memory, unsigned elf_machine, vaddr tls_base,
                                struct emulator **emulator) __attribute__((warn_unused_result));
void emulator_destroy(struct emulator *emulator); // NULL is allowed

// Calls function(object, visit, 0) and then take(context, target) for every visit, in order, those
// of NULL included; nothing unless EMULATOR_OK. `take` must not use the emulator.
enum emulator_status emulator_traverse(struct emulator *emulator, vaddr function, vaddr object,
                                       void (*take)(void *context, vaddr target), void *context);

// Calls function(0, ...) until it reads memory that is `wanted`, and not on from there: nothing of
// what it would do then is done. False: it ends, in whatever way, without. The read's address is in
// *address. `wanted` must not use the emulator. Takes a millisecond, for an engine of its own.
bool emulator_find_read(struct emulator *emulator, vaddr function,
                        bool (*wanted)(void *context, vaddr address, unsigned width), void *context,
                        vaddr *address);

// One who watches what functions do, instruction by instruction.
struct emulator_follower {
    void *context;
    // The function is about to be called: once for each object, or again when it is begun again.
    void (*begin)(void *context);
    // Before that instruction. False: break off, with EMULATOR_ENGINE_ERROR.
    bool (*step)(void *context, vaddr at, unsigned size);
    // Before the first instruction of `visit`.
    bool (*visit)(void *context);
};

// Has all functions followed from here on, which makes them a hundred times slower; what the
// emulator cannot execute by itself is not executed by hand then. The follower must outlive it.
void emulator_set_follower(struct emulator *emulator, const struct emulator_follower *follower);

// For followers: a register, by Unicorn's number, and bytes as the code sees them; false: not all
// of them are there.
uint64_t emulator_read_register(const struct emulator *emulator, int number);
bool emulator_read(const struct emulator *emulator, vaddr at, void *bytes, size_t size);

// How many objects ended so, since the emulator was made.
uint64_t emulator_count(const struct emulator *emulator, enum emulator_status status);

// Why a traversal ended, to follow "its traversal": "does not end".
const char *emulator_status_text(enum emulator_status status);

#endif
