// Code that visits in a circle: noticed long before the limit of visits is reached.
//
// A chain that leads back to itself is followed for ever, a visit at every turn, and no limit on
// blocks can tell that from a very long one. But a processor that is where it was before, with the
// same registers, the same stack and nothing else written, goes the same way again. After some
// thousand visits its state is kept, and compared with that of the visits of the same target that
// follow; after twice as many it is kept again, and so on (R. P. Brent, 1980). That costs less than
// can be measured in a list of a million references to one object; a circle costs ten milliseconds.
//
// Private to the emulator.
#ifndef ANALYZER_EMULATOR_LOOP_H
#define ANALYZER_EMULATOR_LOOP_H

#include "emulator_space.h"

enum {
    EMULATOR_LOOP_VISITS = 1 << 14 // before that nothing is looked at
};

struct emulator_loop {
    uc_context *then, *now; // of one engine
    uint8_t *stack;         // what was in use of it
    uint64_t stack_used;    // 0: nothing is kept
    vaddr target;           // of the visit
};

// Is this visit, of `target` with that stack pointer, the very state of an earlier one? `visit` is
// its number, in turn from 0. Asked at each visit from EMULATOR_LOOP_VISITS on.
bool emulator_loop_is_closed(struct emulator_loop *loop, const struct emulator_space *space,
                             uint64_t visit, vaddr target, vaddr stack_pointer);

// To be called before the engine is closed.
void emulator_loop_deinit(struct emulator_loop *loop);

#endif
