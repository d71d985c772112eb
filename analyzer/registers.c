#include "registers.h"

#include <elf.h>

static const struct row {
    unsigned machine;
    unsigned thread_pointer; // which word of the registers
} rows[] = {
    {EM_X86_64, 21}, // fs_base (Linux, arch/x86/include/asm/user_64.h)
};

bool registers_find_tls(const struct core *core, vaddr *tls_base)
{
    const struct row *row = NULL;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].machine == core->machine)
            row = &rows[i];
    for (size_t i = 0; row && i < core->thread_count; i++) {
        const struct core_thread *thread = &core->threads[i];
        size_t word = core->format.word_size;
        if (!thread->registers || thread->registers_size < (row->thread_pointer + 1) * word)
            continue;
        vaddr base = format_word(core->format, thread->registers + row->thread_pointer * word);
        if (base) {
            *tls_base = base;
            return true;
        }
    }
    return false;
}
