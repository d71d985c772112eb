// The processors that code can be emulated for: one row says all that differs between them.
//
// Private to the emulator.
#ifndef ANALYZER_EMULATOR_MACHINES_H
#define ANALYZER_EMULATOR_MACHINES_H

#include <stddef.h>
#include <stdint.h>
#include <unicorn/unicorn.h>

enum {
    EMULATOR_ARGUMENTS = 3
};

// The emulated stack.
struct emulator_stack {
    uint64_t start;
    uint64_t size;
    uint8_t *bytes;
};

// Registers are Unicorn's numbers; 0 is none.
struct emulator_machine {
    unsigned elf_machine;
    uc_arch arch;
    uc_mode mode;
    uint8_t word_size;
    uint8_t address_bits;              // of the addresses that a process can have
    int arguments[EMULATOR_ARGUMENTS]; // 0: they lie on the stack, above the return address
    int stack_pointer;
    int return_address; // 0: it lies on the stack
    int thread_pointer;
    uint32_t thread_msr; // where no register is the thread pointer: the number of one of x86's MSRs
    int system_calls[2]; // instructions that Unicorn would ignore: UC_X86_INS_*
    // return 0
    uint8_t visit_code[8];
    // Does what the instruction does that Unicorn has just refused; `code` is its bytes, as many as
    // the longest instruction has. The address of the next one, or 0: not known here either. NULL:
    // there is no such instruction.
    uint64_t (*step)(uc_engine *engine, const struct emulator_stack *stack, const uint8_t *code);
    int program_counter; // for step
};

enum {
    EMULATOR_INSTRUCTION_MAX = 15
};

// NULL: there is none.
const struct emulator_machine *emulator_machine_find(unsigned elf_machine);

#endif
