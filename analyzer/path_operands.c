#include "path_operands.h"

#include <unicorn/x86.h>

static const struct value same = {ORIGIN_SAME, 0};

bool finder_fail(struct path_finder *finder)
{
    finder->failed = true;
    return false;
}

// --- the path

bool finder_add_step(struct path_finder *finder, struct path_step step)
{
    return path_add(&finder->path, step) || finder_fail(finder);
}

bool finder_fix_slot(struct path_finder *finder, uint16_t slot)
{
    if (finder->fixed[slot])
        return true;
    if (slot == 0)
        return finder_fail(finder);
    finder->fixed[slot] = true;
    return finder_add_step(
        finder, (struct path_step){.op = PATH_VALUE, .slot = slot, .value = finder->words[slot]});
}

struct value finder_simplify(const struct path_finder *finder, struct value value)
{
    return value.origin == ORIGIN_SLOT && finder->fixed[value.slot] ? same : value;
}

bool finder_settle(struct path_finder *finder, struct value value)
{
    if (value.origin == ORIGIN_SLOT)
        return finder_fix_slot(finder, value.slot);
    return value.origin == ORIGIN_SAME || finder_fail(finder);
}

// A word in the process's memory.
static bool read_slot(struct path_finder *finder, uint16_t base, vaddr at, unsigned width,
                      struct value *value)
{
    size_t slot = finder->path.slots + 1;
    uint64_t word;
    if (slot >= PATHS_SLOTS_MAX || !path_walker_read(finder->walker, at, width, &word))
        return finder_fail(finder);
    finder->words[slot] = word;
    finder->fixed[slot] = false;
    *value = (struct value){ORIGIN_SLOT, (uint16_t)slot};
    return finder_add_step(finder, (struct path_step){.op = PATH_READ,
                                                      .width = (uint8_t)width,
                                                      .slot = base,
                                                      .value = at - finder->words[base]}) &&
           // Of half a word only the value is of interest.
           (width == WORD || finder_fix_slot(finder, (uint16_t)slot));
}

// --- registers

static const struct {
    x86_reg names[5]; // of 8, 4, 2, 1 bytes, and the second byte
    int number;       // Unicorn's
} registers[REGISTERS] = {
    {{X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL, X86_REG_AH}, UC_X86_REG_RAX},
    {{X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL, X86_REG_BH}, UC_X86_REG_RBX},
    {{X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL, X86_REG_CH}, UC_X86_REG_RCX},
    {{X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL, X86_REG_DH}, UC_X86_REG_RDX},
    {{X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL}, UC_X86_REG_RSI},
    {{X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL}, UC_X86_REG_RDI},
    {{X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL}, UC_X86_REG_RBP},
    {{X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL}, UC_X86_REG_RSP},
    {{X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B}, UC_X86_REG_R8},
    {{X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B}, UC_X86_REG_R9},
    {{X86_REG_R10, X86_REG_R10D, X86_REG_R10W, X86_REG_R10B}, UC_X86_REG_R10},
    {{X86_REG_R11, X86_REG_R11D, X86_REG_R11W, X86_REG_R11B}, UC_X86_REG_R11},
    {{X86_REG_R12, X86_REG_R12D, X86_REG_R12W, X86_REG_R12B}, UC_X86_REG_R12},
    {{X86_REG_R13, X86_REG_R13D, X86_REG_R13W, X86_REG_R13B}, UC_X86_REG_R13},
    {{X86_REG_R14, X86_REG_R14D, X86_REG_R14W, X86_REG_R14B}, UC_X86_REG_R14},
    {{X86_REG_R15, X86_REG_R15D, X86_REG_R15W, X86_REG_R15B}, UC_X86_REG_R15},
};

int finder_find_register(x86_reg name)
{
    for (int i = 0; i < REGISTERS && name != X86_REG_INVALID; i++)
        for (int part = 0; part < 5; part++)
            if (registers[i].names[part] == name)
                return i;
    return -1;
}

uint64_t finder_register_word(const struct path_finder *finder, int at)
{
    return emulator_read_register(finder->emulator, registers[at].number);
}

// --- the stack

static bool is_on_stack(const struct path_finder *finder, vaddr at, unsigned width)
{
    uint64_t offset = at - finder->stack;
    return offset < STACK_KNOWN && STACK_KNOWN - offset >= width;
}

// A slot is found only where all of it is read that was written. Everything else that is not the
// same for all is as good as unknown.
static struct value read_stack(const struct path_finder *finder, vaddr at, unsigned width)
{
    const uint8_t *origins = &finder->stack_origins[at - finder->stack];
    uint16_t slot = finder->stack_slots[at - finder->stack];
    bool whole = width == WORD && origins[0] == ORIGIN_SLOT, equal = true;
    for (unsigned i = 0; i < width; i++) {
        equal = equal && origins[i] == ORIGIN_SAME;
        whole = whole && (i == 0 || origins[i] == ORIGIN_SLOT_IN);
    }
    if (whole)
        return finder_simplify(finder, (struct value){ORIGIN_SLOT, slot});
    return equal ? same : (struct value){ORIGIN_BEFORE, 0};
}

bool finder_write_stack(struct path_finder *finder, vaddr at, unsigned width, struct value value)
{
    if (!is_on_stack(finder, at, width))
        return finder_fail(finder);
    uint64_t offset = at - finder->stack;
    for (unsigned i = 0; i < width; i++)
        finder->stack_origins[offset + i] =
            i && value.origin == ORIGIN_SLOT ? ORIGIN_SLOT_IN : value.origin;
    finder->stack_slots[offset] = value.slot;
    return true;
}

// --- operands

// The value of a whole register; of X86_REG_INVALID too.
static bool address_part(struct path_finder *finder, x86_reg name, struct value *value,
                         uint64_t *word)
{
    *value = same;
    *word = 0;
    if (name == X86_REG_INVALID)
        return true;
    if (name == X86_REG_RIP) {
        *word = finder->instruction->address + finder->instruction->size;
        return true;
    }
    int at = finder_find_register(name);
    if (at < 0 || registers[at].names[0] != name)
        return finder_fail(finder);
    *value = finder_simplify(finder, finder->registers[at]);
    *word = finder_register_word(finder, at);
    return value->origin != ORIGIN_BEFORE || finder_fail(finder);
}

bool finder_find_address(struct path_finder *finder, const cs_x86_op *operand, vaddr *address,
                         struct value *value)
{
    struct value base, index;
    uint64_t base_word, index_word;
    const x86_op_mem *memory = &operand->mem;
    if (!address_part(finder, memory->base, &base, &base_word) ||
        !address_part(finder, memory->index, &index, &index_word))
        return false;
    *address = base_word + index_word * (uint64_t)memory->scale + (uint64_t)memory->disp;
    if (memory->segment == X86_REG_FS)
        *address += finder->tls_base;
    else if (memory->segment != X86_REG_INVALID)
        return finder_fail(finder);
    *value = base;
    if (index.origin != ORIGIN_SLOT)
        return true;
    if (memory->scale == 1 && base.origin == ORIGIN_SAME) {
        *value = index;
        return true;
    }
    return finder_settle(finder, index);
}

bool finder_load(struct path_finder *finder, vaddr at, struct value address, unsigned width,
                 struct value *value)
{
    address = finder_simplify(finder, address);
    if (is_on_stack(finder, at, width)) {
        // What only happens to lie there for this object is no good.
        *value = read_stack(finder, at, width);
        return address.origin == ORIGIN_SAME || finder_fail(finder);
    }
    if (address.origin == ORIGIN_SLOT)
        return read_slot(finder, address.slot, at, width, value);
    // The process's memory is what it is; of the stack beyond the account nothing is known.
    uint64_t word;
    *value = same;
    return (width <= WORD && path_walker_read(finder->walker, at, width, &word)) ||
           finder_fail(finder);
}

static bool is_width(unsigned width)
{
    return width == 1 || width == 2 || width == 4 || width == WORD;
}

bool finder_read_operand(struct path_finder *finder, const cs_x86_op *operand, struct value *value)
{
    vaddr address;
    struct value from;
    int at;
    *value = same;
    if (!is_width(operand->size))
        return finder_fail(finder);
    switch (operand->type) {
    case X86_OP_IMM:
        return true;
    case X86_OP_REG:
        at = finder_find_register(operand->reg);
        if (at < 0)
            return finder_fail(finder);
        *value = finder_simplify(finder, finder->registers[at]);
        break;
    case X86_OP_MEM:
        if (!finder_find_address(finder, operand, &address, &from) ||
            !finder_load(finder, address, from, operand->size, value))
            return false;
        *value = finder_simplify(finder, *value);
        break;
    default:
        return finder_fail(finder);
    }
    if (operand->size == WORD)
        return true;
    return finder_settle(finder, *value) && ((*value = same), true);
}

bool finder_settle_operand(struct path_finder *finder, const cs_x86_op *operand)
{
    struct value value;
    return finder_read_operand(finder, operand, &value) && finder_settle(finder, value);
}

bool finder_write_operand(struct path_finder *finder, const cs_x86_op *operand, struct value value)
{
    vaddr address;
    struct value from;
    if (operand->type == X86_OP_MEM)
        return is_width(operand->size) && finder_find_address(finder, operand, &address, &from) &&
               (from.origin == ORIGIN_SAME || finder_fail(finder)) &&
               finder_write_stack(finder, address, operand->size, value);
    int at = operand->type == X86_OP_REG ? finder_find_register(operand->reg) : -1;
    if (at < 0 || (at == RSP && value.origin != ORIGIN_SAME))
        return finder_fail(finder);
    // Four bytes set the upper ones to zero; fewer leave the others as they are.
    if (operand->size < 4 && !finder_settle(finder, finder->registers[at]))
        return false;
    finder->registers[at] = value;
    return true;
}

bool finder_operand_word(struct path_finder *finder, const cs_x86_op *operand, uint64_t *word)
{
    vaddr address;
    struct value from;
    if (operand->type == X86_OP_IMM) {
        *word = (uint64_t)operand->imm;
        return true;
    }
    if (operand->type == X86_OP_REG) {
        *word = finder_register_word(finder, finder_find_register(operand->reg));
        return true;
    }
    if (!finder_find_address(finder, operand, &address, &from))
        return false;
    if (is_on_stack(finder, address, WORD))
        return emulator_read(finder->emulator, address, word, WORD) || finder_fail(finder);
    return path_walker_read(finder->walker, address, WORD, word) || finder_fail(finder);
}
