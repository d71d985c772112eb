#include "emulator_machines.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>

// ---- x86-64: XSAVE, XSAVEC and XRSTOR
//
// Unicorn 2.0 does not have them. The dynamic linker does, around the work of binding a slot that
// was never called (glibc, sysdeps/x86_64/dl-trampoline.h), always with an area on its stack.

enum {
    AREA_VECTORS = 160, // Intel SDM 1, 13.4.1: where the XMM registers are
    VECTORS = 16,
    VECTOR_SIZE = 16,
};

// Size of an instruction 0F xx /n with an operand disp8(%rsp) or disp32(%rsp), and that
// displacement; 0: it is another form.
static unsigned read_stack_operand(const uint8_t *code, int32_t *displacement)
{
    unsigned mod = code[2] >> 6;
    if ((code[2] & 7) != 4 || code[3] != 0x24)
        return 0;
    if (mod == 1) {
        *displacement = (int8_t)code[4];
        return 5;
    }
    if (mod != 2)
        return 0;
    memcpy(displacement, code + 4, sizeof(*displacement));
    return 8;
}

// The registers of other kinds are left alone: the emulator has none that they would not fit.
static uint64_t step_x86_64(uc_engine *engine, const struct emulator_stack *stack,
                            const uint8_t *code)
{
    unsigned which = code[2] >> 3 & 7;
    bool save = code[0] == 0x0f && which == 4 && (code[1] == 0xae || code[1] == 0xc7);
    bool restore = code[0] == 0x0f && which == 5 && code[1] == 0xae;
    int32_t displacement;
    unsigned size = save || restore ? read_stack_operand(code, &displacement) : 0;
    if (!size)
        return 0;
    uint64_t pointer, counter;
    if (uc_reg_read(engine, UC_X86_REG_RSP, &pointer) != UC_ERR_OK ||
        uc_reg_read(engine, UC_X86_REG_RIP, &counter) != UC_ERR_OK)
        return 0;
    uint64_t offset = pointer + (uint64_t)displacement + AREA_VECTORS - stack->start;
    if (offset >= stack->size || stack->size - offset < VECTORS * VECTOR_SIZE)
        return 0;
    for (int i = 0; i < VECTORS; i++) {
        uint8_t *vector = stack->bytes + offset + i * VECTOR_SIZE;
        if (save)
            uc_reg_read(engine, UC_X86_REG_XMM0 + i, vector);
        else
            uc_reg_write(engine, UC_X86_REG_XMM0 + i, vector);
    }
    return counter + size;
}

// ---- The table

static const struct emulator_machine machines[] = {
    {
        .elf_machine = EM_X86_64,
        .arch = UC_ARCH_X86,
        .mode = UC_MODE_64,
        .word_size = 8,
        .address_bits = 47,
        .arguments = {UC_X86_REG_RDI, UC_X86_REG_RSI, UC_X86_REG_RDX},
        .stack_pointer = UC_X86_REG_RSP,
        .thread_pointer = UC_X86_REG_FS_BASE,
        .system_calls = {UC_X86_INS_SYSCALL, UC_X86_INS_SYSENTER},
        .visit_code = {0x31, 0xc0, 0xc3}, // xor %eax, %eax; ret
        .step = step_x86_64,
        .program_counter = UC_X86_REG_RIP,
    },
    {
        .elf_machine = EM_386,
        .arch = UC_ARCH_X86,
        .mode = UC_MODE_32,
        .word_size = 4,
        .address_bits = 32,
        .stack_pointer = UC_X86_REG_ESP,
        .thread_msr = 0xc0000101, // GS base
        .system_calls = {UC_X86_INS_SYSCALL, UC_X86_INS_SYSENTER},
        .visit_code = {0x31, 0xc0, 0xc3},
    },
    {
        .elf_machine = EM_AARCH64,
        .arch = UC_ARCH_ARM64,
        .mode = UC_MODE_ARM,
        .word_size = 8,
        .address_bits = 48,
        .arguments = {UC_ARM64_REG_X0, UC_ARM64_REG_X1, UC_ARM64_REG_X2},
        .stack_pointer = UC_ARM64_REG_SP,
        .return_address = UC_ARM64_REG_X30,
        .thread_pointer = UC_ARM64_REG_TPIDR_EL0,
        .visit_code = {0x00, 0x00, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6}, // mov w0, #0; ret
    },
    {
        .elf_machine = EM_ARM,
        .arch = UC_ARCH_ARM,
        .mode = UC_MODE_ARM,
        .word_size = 4,
        .address_bits = 32,
        .arguments = {UC_ARM_REG_R0, UC_ARM_REG_R1, UC_ARM_REG_R2},
        .stack_pointer = UC_ARM_REG_SP,
        .return_address = UC_ARM_REG_LR,
        .thread_pointer = UC_ARM_REG_C13_C0_3,
        .visit_code = {0x00, 0x00, 0xa0, 0xe3, 0x1e, 0xff, 0x2f, 0xe1}, // mov r0, #0; bx lr
    },
};

const struct emulator_machine *emulator_machine_find(unsigned elf_machine)
{
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
        if (machines[i].elf_machine == elf_machine)
            return &machines[i];
    return NULL;
}
