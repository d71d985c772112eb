#include "registers.h"

#include <elf.h>

enum {
    USER_DESC_SIZE = 16, // struct user_desc: entry number, base, limit, flags
    NOT_THERE = 0,       // no machine has either register in word 0
};

static const struct row {
    unsigned machine;
    unsigned word_size;
    unsigned stack_pointer;  // which word of the registers
    unsigned thread_pointer; // likewise
    unsigned segment;        // likewise: selects the entry of NT_386_TLS that is the thread's
    bool in_note;            // the thread pointer is what NT_ARM_TLS begins with
} rows[] = {
    // struct user_regs_struct: rsp, fs_base (Linux, arch/x86/include/asm/user_64.h)
    {EM_X86_64, 8, .stack_pointer = 19, .thread_pointer = 21},
    // struct user_regs_struct: esp, gs (arch/x86/include/asm/user_32.h)
    {EM_386, 4, .stack_pointer = 15, .segment = 10},
    // struct user_pt_regs: sp (arch/arm64/include/uapi/asm/ptrace.h)
    {EM_AARCH64, 8, .stack_pointer = 31, .in_note = true},
    // struct pt_regs: r13 (arch/arm/include/uapi/asm/ptrace.h); in the note only if a 64-bit kernel
    // wrote it
    {EM_ARM, 4, .stack_pointer = 13, .in_note = true},
    // struct pt_regs: gpr[1], gpr[13] and gpr[2] (arch/powerpc/include/uapi/asm/ptrace.h; ELF ABI)
    {EM_PPC64, 8, .stack_pointer = 1, .thread_pointer = 13},
    {EM_PPC, 4, .stack_pointer = 1, .thread_pointer = 2},
    // s390_regs: psw of two words, gprs[15] (arch/s390/include/uapi/asm/ptrace.h)
    {EM_S390, 8, .stack_pointer = 17},
};

static const struct row *find_row(const struct core *core)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].machine == core->machine && rows[i].word_size == core->format.word_size)
            return &rows[i];
    return NULL;
}

static bool read_word(const struct core *core, const struct core_thread *thread, unsigned index,
                      vaddr *word)
{
    size_t width = core->format.word_size;
    if (!thread->registers || thread->registers_size < (index + 1) * width)
        return false;
    *word = format_word(core->format, thread->registers + index * width);
    return true;
}

// The base of the segment that the selector in a register means (Linux, arch/x86/kernel/tls.c).
static bool read_segment(const struct core *core, const struct core_thread *thread, unsigned index,
                         vaddr *base)
{
    vaddr selector;
    if (!read_word(core, thread, index, &selector))
        return false;
    for (size_t at = 0; at + USER_DESC_SIZE <= thread->tls_size; at += USER_DESC_SIZE) {
        if (format_uint(core->format, thread->tls + at, 4) != (selector & 0xffff) >> 3)
            continue;
        *base = format_uint(core->format, thread->tls + at + 4, 4);
        return true;
    }
    return false;
}

static bool read_thread_pointer(const struct core *core, const struct row *row,
                                const struct core_thread *thread, vaddr *base)
{
    if (row->thread_pointer != NOT_THERE)
        return read_word(core, thread, row->thread_pointer, base);
    if (row->segment != NOT_THERE)
        return read_segment(core, thread, row->segment, base);
    if (!row->in_note || thread->tls_size < core->format.word_size)
        return false;
    *base = format_word(core->format, thread->tls);
    return true;
}

bool registers_find_tls(const struct core *core, vaddr *tls_base)
{
    const struct row *row = find_row(core);
    for (size_t i = 0; row && i < core->thread_count; i++) {
        vaddr base;
        if (read_thread_pointer(core, row, &core->threads[i], &base) && base) {
            *tls_base = base;
            return true;
        }
    }
    return false;
}

bool registers_find_stack(const struct core *core, size_t thread, vaddr *stack_pointer)
{
    const struct row *row = find_row(core);
    return row && read_word(core, &core->threads[thread], row->stack_pointer, stack_pointer);
}
