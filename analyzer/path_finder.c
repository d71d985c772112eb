// One function for each kind of instruction, called before it is executed: the registers are read
// from the emulator, as they are then. No value is ever computed here but an address, by the rule
// that all operands have; what an instruction did is seen afterwards.
#include "path_finder.h"

#include <stdlib.h>

#include "path_operands.h"

enum {
    CODE_MAX = 15, // bytes of an instruction
    INSTRUCTIONS_MAX = 1 << 15,
};

static const struct value same = {ORIGIN_SAME, 0};

// --- instructions

static bool follow_move(struct path_finder *finder, const cs_x86_op *operands)
{
    struct value value;
    size_t slots = finder->path.slots;
    if (!finder_read_operand(finder, &operands[1], &value) ||
        !finder_write_operand(finder, &operands[0], value))
        return false;
    if (finder->path.slots > slots && value.origin == ORIGIN_SLOT && operands[0].type == X86_OP_REG)
        finder->loaded = finder_find_register(operands[0].reg);
    return true;
}

static bool follow_address(struct path_finder *finder, const cs_x86_op *operands)
{
    vaddr address;
    struct value value;
    if (!finder_find_address(finder, &operands[1], &address, &value))
        return false;
    if (operands[0].size != WORD) {
        if (!finder_settle(finder, value))
            return false;
        value = same;
    }
    return finder_write_operand(finder, &operands[0], value);
}

static bool is_same_register(const cs_x86_op *operands)
{
    return operands[0].type == X86_OP_REG && operands[1].type == X86_OP_REG &&
           operands[0].reg == operands[1].reg;
}

// add and sub, inc and dec: a slot plus what is the same for all stays one. The latter two have one
// operand, and leave the carry alone.
static bool follow_sum(struct path_finder *finder, const cs_x86_op *operands, bool adds)
{
    struct value first, second = same, sum = same;
    bool has_second = finder->detail->op_count == 2;
    if (!finder_read_operand(finder, &operands[0], &first) ||
        (has_second && !finder_read_operand(finder, &operands[1], &second)))
        return false;
    if (first.origin == ORIGIN_SLOT && second.origin == ORIGIN_SAME)
        sum = first;
    else if (second.origin == ORIGIN_SLOT && first.origin == ORIGIN_SAME && adds)
        sum = second;
    else if (!finder_settle(finder, first) || !finder_settle(finder, second))
        return false;
    bool old_carry = !has_second && (finder->flags.kind != FLAGS_SAME || finder->flags.old_carry);
    finder->flags = (struct flags){.kind = FLAGS_SAME, .old_carry = old_carry};
    if (sum.origin == ORIGIN_SLOT) {
        finder->flags.kind = FLAGS_OF_SLOT;
        finder->flags.slot = sum.slot;
    }
    return finder_write_operand(finder, &operands[0], sum);
}

// Everything else that computes: from what is the same for all.
static bool follow_computation(struct path_finder *finder, const cs_x86_op *operands,
                               bool keeps_flags)
{
    unsigned count = finder->detail->op_count;
    bool first_is_read = count != 3; // imul has a form that only writes it
    for (unsigned i = first_is_read ? 0 : 1; i < count; i++)
        if (!finder_settle_operand(finder, &operands[i]))
            return false;
    // A shift by nothing leaves the flags alone.
    if (!keeps_flags || finder->flags.kind != FLAGS_SAME)
        finder->flags = (struct flags){.kind = keeps_flags ? FLAGS_BEFORE : FLAGS_SAME};
    return finder_write_operand(finder, &operands[0], same);
}

// Sets it to zero whatever it was.
static bool follow_clearing(struct path_finder *finder, const cs_x86_op *operands)
{
    finder->flags = (struct flags){.kind = FLAGS_SAME};
    return finder_write_operand(finder, &operands[0], same);
}

// What a value adds to its slot.
static uint64_t addend(const struct path_finder *finder, struct value value, uint64_t word)
{
    return value.origin == ORIGIN_SLOT ? word - finder->words[value.slot] : word;
}

// Of two words: zero is set when they are equal.
static bool follow_comparison(struct path_finder *finder, const cs_x86_op *operands)
{
    struct value values[2];
    uint64_t words[2];
    if (!finder_read_operand(finder, &operands[0], &values[0]) ||
        !finder_read_operand(finder, &operands[1], &values[1]))
        return false;
    finder->flags = (struct flags){.kind = FLAGS_SAME};
    unsigned slots = (values[0].origin == ORIGIN_SLOT) + (values[1].origin == ORIGIN_SLOT);
    if (slots == 0)
        return finder_settle(finder, values[0]) && finder_settle(finder, values[1]);
    if (values[0].origin == ORIGIN_BEFORE || values[1].origin == ORIGIN_BEFORE)
        return finder_fail(finder);
    if (!finder_operand_word(finder, &operands[0], &words[0]) ||
        !finder_operand_word(finder, &operands[1], &words[1]))
        return false;
    uint64_t addends[2] = {addend(finder, values[0], words[0]),
                           addend(finder, values[1], words[1])};
    int first = values[0].origin == ORIGIN_SLOT ? 0 : 1;
    finder->flags = (struct flags){.kind = slots == 2 ? FLAGS_PAIR : FLAGS_EQUAL,
                                   .slot = values[first].slot,
                                   .second = slots == 2 ? values[1].slot : 0,
                                   .value = slots == 2 ? addends[0] - addends[1]
                                                       : addends[1 - first] - addends[first]};
    return true;
}

// test: with itself it is a comparison with zero.
static bool follow_test(struct path_finder *finder, const cs_x86_op *operands)
{
    struct value value;
    if (!is_same_register(operands)) {
        finder->flags = (struct flags){.kind = FLAGS_SAME};
        return finder_settle_operand(finder, &operands[0]) &&
               finder_settle_operand(finder, &operands[1]);
    }
    if (!finder_read_operand(finder, &operands[0], &value))
        return false;
    finder->flags = (struct flags){.kind = FLAGS_SAME};
    if (value.origin != ORIGIN_SLOT)
        return finder_settle(finder, value);
    uint64_t word = finder_register_word(finder, finder_find_register(operands[0].reg));
    finder->flags = (struct flags){
        .kind = FLAGS_EQUAL, .slot = value.slot, .value = finder->words[value.slot] - word};
    return true;
}

// Whether two slots are as far apart as that; of the same slot it is known.
static bool ask_pair(struct path_finder *finder, const struct flags *flags)
{
    bool answer = finder->words[flags->slot] + flags->value == finder->words[flags->second];
    return flags->slot == flags->second ||
           finder_add_step(finder, (struct path_step){.op = PATH_PAIR,
                                                      .answer = answer,
                                                      .slot = flags->slot,
                                                      .second = flags->second,
                                                      .value = flags->value});
}

static bool ask_equal(struct path_finder *finder, const struct flags *flags)
{
    uint16_t slot = flags->slot;
    if (finder->fixed[slot])
        return true;
    finder->fixed[slot] = finder->words[slot] == flags->value;
    return finder_add_step(finder, (struct path_step){.op = PATH_EQUAL,
                                                      .answer = finder->fixed[slot],
                                                      .slot = slot,
                                                      .value = flags->value});
}

static bool ask_flags(struct path_finder *finder, enum question question)
{
    const struct flags *flags = &finder->flags;
    if (flags->kind == FLAGS_BEFORE || (flags->old_carry && question == ASKS_CARRY))
        return finder_fail(finder);
    if (flags->kind == FLAGS_SAME)
        return true;
    if (flags->kind == FLAGS_EQUAL && question == ASKS_ZERO)
        return ask_equal(finder, flags);
    if (flags->kind == FLAGS_PAIR && question == ASKS_ZERO)
        return ask_pair(finder, flags);
    return finder_fix_slot(finder, flags->slot) &&
           (flags->kind != FLAGS_PAIR || finder_fix_slot(finder, flags->second));
}

// cmov: whichever it is, when both are the same for all.
static bool follow_choice(struct path_finder *finder, const cs_x86_op *operands,
                          enum question question)
{
    return ask_flags(finder, question) && finder_settle_operand(finder, &operands[0]) &&
           finder_settle_operand(finder, &operands[1]) &&
           finder_write_operand(finder, &operands[0], same);
}

static bool follow_push(struct path_finder *finder, struct value value)
{
    return finder_write_stack(finder, finder_register_word(finder, RSP) - WORD, WORD, value);
}

static bool follow_pop(struct path_finder *finder, vaddr at, struct value *value)
{
    return finder_load(finder, at, same, WORD, value);
}

// jmp and call.
static bool follow_jump(struct path_finder *finder, const cs_x86_op *operands, bool returns)
{
    return finder_settle_operand(finder, &operands[0]) && (!returns || follow_push(finder, same));
}

static bool follow_return(struct path_finder *finder)
{
    struct value value;
    return follow_pop(finder, finder_register_word(finder, RSP), &value) &&
           finder_settle(finder, value);
}

static bool follow_leave(struct path_finder *finder)
{
    struct value value;
    if (!finder_settle(finder, finder->registers[RBP]) ||
        !follow_pop(finder, finder_register_word(finder, RBP), &value))
        return false;
    finder->registers[RBP] = value;
    return true;
}

// cdqe and its like: from rax to rax and rdx, or to one of them.
static bool follow_extension(struct path_finder *finder, int to)
{
    if (!finder_settle(finder, finder->registers[RAX]))
        return false;
    finder->registers[to] = same;
    return true;
}

static bool follow_stack_operation(struct path_finder *finder, const cs_x86_op *operands)
{
    struct value value;
    if (operands[0].size != WORD)
        return finder_fail(finder);
    if (finder->instruction->id == X86_INS_PUSH)
        return finder_read_operand(finder, &operands[0], &value) && follow_push(finder, value);
    return operands[0].type == X86_OP_REG &&
           follow_pop(finder, finder_register_word(finder, RSP), &value) &&
           finder_write_operand(finder, &operands[0], value);
}

// Instructions without a condition.
static bool follow_plain(struct path_finder *finder, const cs_x86_op *operands)
{
    switch (finder->instruction->id) {
    case X86_INS_NOP:
    case X86_INS_ENDBR64:
        return true;
    case X86_INS_MOV:
    case X86_INS_MOVABS:
        return follow_move(finder, operands);
    case X86_INS_MOVZX:
    case X86_INS_MOVSX:
    case X86_INS_MOVSXD:
        return finder_settle_operand(finder, &operands[1]) &&
               finder_write_operand(finder, &operands[0], same);
    case X86_INS_LEA:
        return follow_address(finder, operands);
    case X86_INS_ADD:
    case X86_INS_INC:
        return follow_sum(finder, operands, true);
    case X86_INS_SUB:
        if (is_same_register(operands))
            return follow_clearing(finder, operands);
        return follow_sum(finder, operands, false);
    case X86_INS_DEC:
        return follow_sum(finder, operands, false);
    case X86_INS_XOR:
        if (is_same_register(operands))
            return follow_clearing(finder, operands);
        return follow_computation(finder, operands, false);
    case X86_INS_AND:
    case X86_INS_OR:
    case X86_INS_NEG:
        return follow_computation(finder, operands, false);
    case X86_INS_IMUL:
        return finder->detail->op_count >= 2 ? follow_computation(finder, operands, false)
                                             : finder_fail(finder);
    case X86_INS_NOT:
    case X86_INS_SHL:
    case X86_INS_SAL:
    case X86_INS_SHR:
    case X86_INS_SAR:
        return follow_computation(finder, operands, true);
    case X86_INS_TEST:
        return follow_test(finder, operands);
    case X86_INS_CMP:
        return follow_comparison(finder, operands);
    case X86_INS_PUSH:
    case X86_INS_POP:
        return follow_stack_operation(finder, operands);
    case X86_INS_CALL:
        return follow_jump(finder, operands, true);
    case X86_INS_JMP:
        return follow_jump(finder, operands, false);
    case X86_INS_RET:
        return follow_return(finder);
    case X86_INS_LEAVE:
        return follow_leave(finder);
    case X86_INS_CWDE:
    case X86_INS_CDQE:
        return follow_extension(finder, RAX);
    case X86_INS_CDQ:
    case X86_INS_CQO:
        return follow_extension(finder, RDX);
    default:
        return finder_fail(finder);
    }
}

// The condition of a jcc, setcc or cmovcc; false: it is none of these, or asks for parity or
// overflow alone.
static bool find_question(unsigned id, enum question *question)
{
    switch (id) {
#define CONDITION(name)                                                                            \
    case X86_INS_J##name:                                                                          \
    case X86_INS_SET##name:                                                                        \
    case X86_INS_CMOV##name
        CONDITION(E) : CONDITION(NE) : *question = ASKS_ZERO;
        return true;
        CONDITION(G)
            : CONDITION(GE)
            : CONDITION(L) : CONDITION(LE) : CONDITION(S) : CONDITION(NS) : *question = ASKS_SIGN;
        return true;
        CONDITION(A) : CONDITION(AE) : CONDITION(B) : CONDITION(BE) : *question = ASKS_CARRY;
        return true;
#undef CONDITION
    default:
        return false;
    }
}

static bool follow_instruction(struct path_finder *finder)
{
    const cs_x86_op *operands = finder->detail->operands;
    enum question question;
    if (!find_question(finder->instruction->id, &question))
        return follow_plain(finder, operands);
    if (finder->detail->op_count == 2)
        return follow_choice(finder, operands, question);
    // A jump has its target, and setcc what it writes.
    return ask_flags(finder, question) &&
           (operands[0].type == X86_OP_IMM || finder_write_operand(finder, &operands[0], same));
}

// --- what the emulator tells

// A prefix that changes what an instruction does. (A jump may have one that changes nothing; with
// another size of its operand it does. Of the half a word that a push of a constant or a leave then
// is of, Capstone's operands say nothing.)
static bool is_prefixed(const struct path_finder *finder)
{
    switch (finder->instruction->id) {
    case X86_INS_RET:
    case X86_INS_JMP:
    case X86_INS_CALL:
        return finder->detail->prefix[2];
    case X86_INS_PUSH:
    case X86_INS_POP:
    case X86_INS_LEAVE:
        return finder->detail->prefix[0] || finder->detail->prefix[2] || finder->detail->prefix[3];
    case X86_INS_NOP:
    case X86_INS_ENDBR64:
        return false;
    default:
        return finder->detail->prefix[0] || finder->detail->prefix[3];
    }
}

static bool leads_elsewhere(const struct path_finder *finder)
{
    return cs_insn_group(finder->capstone, finder->instruction, CS_GRP_JUMP) ||
           cs_insn_group(finder->capstone, finder->instruction, CS_GRP_CALL) ||
           cs_insn_group(finder->capstone, finder->instruction, CS_GRP_RET);
}

// The instructions come one after the other, and a word that was loaded is what it was taken for.
static bool is_as_expected(struct path_finder *finder, vaddr at)
{
    int loaded = finder->loaded;
    finder->loaded = -1;
    if (finder->next && at != finder->next)
        return false;
    return loaded < 0 || finder_register_word(finder, loaded) == finder->words[finder->path.slots];
}

static bool on_step(void *context, vaddr at, unsigned size)
{
    struct path_finder *finder = context;
    uint8_t code[CODE_MAX];
    const uint8_t *bytes = code;
    uint64_t address = at;
    size_t left = size;
    if (finder->failed || finder->left-- == 0 || !is_as_expected(finder, at) ||
        size > sizeof(code) || !emulator_read(finder->emulator, at, code, size) ||
        !cs_disasm_iter(finder->capstone, &bytes, &left, &address, finder->instruction) || left)
        return finder_fail(finder);
    finder->detail = &finder->instruction->detail->x86;
    if (is_prefixed(finder) || !follow_instruction(finder))
        return finder_fail(finder);
    finder->next = leads_elsewhere(finder) ? 0 : at + size;
    return true;
}

static bool on_visit(void *context)
{
    struct path_finder *finder = context;
    struct value value = finder_simplify(finder, finder->registers[RDI]);
    uint64_t word = finder_register_word(finder, RDI);
    if (value.origin == ORIGIN_SLOT)
        return finder_add_step(finder,
                               (struct path_step){.op = PATH_VISIT,
                                                  .slot = value.slot,
                                                  .value = word - finder->words[value.slot]});
    return finder_settle(finder, value) &&
           finder_add_step(finder, (struct path_step){.op = PATH_CONSTANT, .value = word});
}

static void on_begin(void *context)
{
    struct path_finder *finder = context;
    path_clear(&finder->path);
    memset(finder->registers, 0, sizeof(finder->registers));
    memset(finder->stack_origins, 0, sizeof(finder->stack_origins));
    finder->failed = false;
    finder->left = INSTRUCTIONS_MAX;
    finder->next = 0;
    finder->loaded = -1;
    finder->flags = (struct flags){.kind = FLAGS_BEFORE};
    finder->words[0] = finder_register_word(finder, RDI);
    finder->fixed[0] = false;
    finder->registers[RDI] = (struct value){ORIGIN_SLOT, 0};
    finder->registers[RSI] = finder->registers[RDX] = finder->registers[RSP] = same;
    vaddr stack = finder_register_word(finder, RSP);
    finder->stack = stack - STACK_BELOW;
    finder_write_stack(finder, stack, WORD, same); // the return address
}

const struct path *path_finder_path(struct path_finder *finder)
{
    if (finder->failed || !finder_add_step(finder, (struct path_step){.op = PATH_END}))
        return NULL;
    return &finder->path;
}

struct path_finder *path_finder_create(struct emulator *emulator, struct path_walker *walker,
                                       vaddr tls_base)
{
    struct path_finder *finder = calloc(1, sizeof(*finder));
    if (!finder)
        return NULL;
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &finder->capstone) != CS_ERR_OK) {
        free(finder);
        return NULL;
    }
    cs_option(finder->capstone, CS_OPT_DETAIL, CS_OPT_ON);
    finder->instruction = cs_malloc(finder->capstone);
    finder->emulator = emulator;
    finder->walker = walker;
    finder->tls_base = tls_base;
    finder->follower = (struct emulator_follower){finder, on_begin, on_step, on_visit};
    emulator_set_follower(emulator, &finder->follower);
    if (finder->instruction)
        return finder;
    path_finder_destroy(finder);
    return NULL;
}

void path_finder_destroy(struct path_finder *finder)
{
    if (!finder)
        return;
    emulator_set_follower(finder->emulator, NULL);
    if (finder->instruction)
        cs_free(finder->instruction, 1);
    cs_close(&finder->capstone);
    path_deinit(&finder->path);
    free(finder);
}
