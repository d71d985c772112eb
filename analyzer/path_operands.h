// What is known of registers, stack and words while an instruction is looked at.
//
// Private to the path finder.
#ifndef ANALYZER_PATH_OPERANDS_H
#define ANALYZER_PATH_OPERANDS_H

#include <capstone/capstone.h>
#include <stdbool.h>
#include <stdint.h>

#include "path_finder.h"

enum {
    REGISTERS = 16,
    WORD = 8,
    STACK_BELOW = 4096, // of the stack pointer at first, what is kept account of
    STACK_ABOVE = 64,
    STACK_KNOWN = STACK_BELOW + STACK_ABOVE,
};

// Where a value came from.
enum origin {
    ORIGIN_BEFORE,  // left by whoever was there before the call
    ORIGIN_SAME,    // the same for all objects of this path
    ORIGIN_SLOT,    // a slot of the path, plus what is the same for all
    ORIGIN_SLOT_IN, // the same, another byte of it than the first
};

struct value {
    uint8_t origin;
    uint16_t slot;
};

// What the flags say.
enum flags_kind {
    FLAGS_BEFORE,
    FLAGS_SAME,
    FLAGS_EQUAL,   // zero is set when the slot is the value
    FLAGS_PAIR,    // zero is set when slot + value is what the second slot is
    FLAGS_OF_SLOT, // they are set by something of the slot
};

struct flags {
    enum flags_kind kind;
    bool old_carry; // but for the carry, which is as it was before
    uint16_t slot;
    uint16_t second;
    uint64_t value;
};

// What a condition depends on.
enum question {
    ASKS_ZERO,
    ASKS_SIGN, // and perhaps zero and overflow
    ASKS_CARRY // and perhaps zero
};

struct path_finder {
    struct emulator *emulator;
    struct path_walker *walker;
    vaddr tls_base;
    struct emulator_follower follower;
    csh capstone;
    cs_insn *instruction;
    const cs_x86 *detail;
    bool failed;
    unsigned left; // instructions that it may still take
    vaddr next;    // where it must go on; 0: anywhere
    int loaded;    // the register that got the last slot just now; -1: none
    struct value registers[REGISTERS];
    struct flags flags;
    vaddr stack; // where the account begins
    uint8_t stack_origins[STACK_KNOWN];
    uint16_t stack_slots[STACK_KNOWN];
    struct path path;
    uint64_t words[PATHS_SLOTS_MAX]; // what this object has in the slots
    bool fixed[PATHS_SLOTS_MAX];     // the path holds for that value only
};

// Where they stand in path_finder.registers.
enum {
    RAX = 0,
    RDX = 3,
    RSI = 4,
    RDI = 5,
    RBP = 6,
    RSP = 7,
};

// What follows is false when there is no path, which is then noted; it always gives false.
bool finder_fail(struct path_finder *finder);
bool finder_add_step(struct path_finder *finder, struct path_step step);

// From here on the path is that of objects with this very value. One object alone is no use.
bool finder_fix_slot(struct path_finder *finder, uint16_t slot);
// A slot whose value is known is like any number.
struct value finder_simplify(const struct path_finder *finder, struct value value);
// Makes it the same for all. False: it cannot be.
bool finder_settle(struct path_finder *finder, struct value value);

// -1: none that is known.
int finder_find_register(x86_reg name);
uint64_t finder_register_word(const struct path_finder *finder, int at);

// `value` is of a whole word, or the same for all.
bool finder_write_stack(struct path_finder *finder, vaddr at, unsigned width, struct value value);

// What the operand of a memory access comes to, and what from: one slot at most.
bool finder_find_address(struct path_finder *finder, const cs_x86_op *operand, vaddr *address,
                         struct value *value);
bool finder_load(struct path_finder *finder, vaddr at, struct value address, unsigned width,
                 struct value *value);

// Of parts of registers and words only what is the same for all objects.
bool finder_read_operand(struct path_finder *finder, const cs_x86_op *operand, struct value *value);
// The same, and whatever it takes to have it the same for all.
bool finder_settle_operand(struct path_finder *finder, const cs_x86_op *operand);
bool finder_write_operand(struct path_finder *finder, const cs_x86_op *operand, struct value value);
// What this object has there.
bool finder_operand_word(struct path_finder *finder, const cs_x86_op *operand, uint64_t *word);

#endif
