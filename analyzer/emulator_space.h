// The address space of emulated code: pages of a memory as they are, copies of those that were
// written, and a stack.
//
// Nothing is there at first; a page comes when the code stumbles over its absence. A whole span
// becomes one region on the bytes that back it, since every region makes Unicorn slower. Such
// regions are read-only, so that no backing byte is ever written.
//
// A page that was written is a copy, and after each object its bytes are again what they were. To
// lay it into a region takes a new engine (far cheaper than Unicorn's way of cutting up a region),
// but there it stays: code that writes usually writes to the same few pages again (a slot of its
// GOT, the thread's control block).
//
// Private to the emulator.
#ifndef ANALYZER_EMULATOR_SPACE_H
#define ANALYZER_EMULATOR_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unicorn/unicorn.h>

#include "emulator_machines.h"
#include "failure.h"
#include "memory.h"

enum {
    EMULATOR_PAGE = 4096, // Unicorn's smallest
    // What one more region costs grows with the square of their number (Unicorn's find_ram_offset):
    // 0.1 ms at 128, 1.5 ms at 512.
    EMULATOR_REGIONS_MAX = 512,
    EMULATOR_COPIES_MAX = 64,
};

struct emulator_copy {
    vaddr page;
    uint8_t *bytes; // the page as the code sees it, and behind that as it was
};

struct emulator_space {
    struct memory *memory;
    const struct emulator_machine *machine;
    uc_engine *engine;
    size_t regions; // in this engine
    struct emulator_copy copies[EMULATOR_COPIES_MAX];
    size_t copy_count;
    // The stack and above it, not touching, a page of code.
    struct emulator_stack stack;
    uint8_t *code_bytes;
    vaddr code;
};

// Looks for room where the memory has nothing. Failures: UNSUPPORTED (there is none), NO_MEMORY.
struct failure *emulator_space_init(struct emulator_space *space, struct memory *memory,
                                    const struct emulator_machine *machine, uint64_t stack_size)
    __attribute__((warn_unused_result));
void emulator_space_deinit(struct emulator_space *space);

// From here on in that engine, which gets the stack, the code and all copies. The engine stays the
// caller's, to be closed before the space is deinited or its copies forgotten. False: no memory.
bool emulator_space_enter(struct emulator_space *space, uc_engine *engine);

// The engine can take no more regions: time for a new one.
bool emulator_space_is_full(const struct emulator_space *space);

// Gives the engine the page that holds `at`, and what lies around it. False: not all of the page is
// saved, or it is there already.
bool emulator_space_map(struct emulator_space *space, vaddr at);

// Makes a copy of the page that holds `at`, for the next engine. False: not all of it is saved,
// there is a copy already, or there are too many.
bool emulator_space_copy(struct emulator_space *space, vaddr at);

// All copies are what they were.
void emulator_space_restore(struct emulator_space *space);

// No copies any more. The engine must be closed.
void emulator_space_forget_copies(struct emulator_space *space);

#endif
