#include "registers.h"

#include <elf.h>

static const struct row {
    unsigned machine;
    unsigned stack_pointer;  // which word of the registers
    unsigned thread_pointer; // likewise; 0: not among them
} rows[] = {
    // struct user_regs_struct: rsp, fs_base (Linux, arch/x86/include/asm/user_64.h)
    {EM_X86_64, 19, 21},
};

static const struct row *find_row(const struct core *core)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].machine == core->machine)
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

bool registers_find_tls(const struct core *core, vaddr *tls_base)
{
    const struct row *row = find_row(core);
    for (size_t i = 0; row && row->thread_pointer && i < core->thread_count; i++) {
        vaddr base;
        if (read_word(core, &core->threads[i], row->thread_pointer, &base) && base) {
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
