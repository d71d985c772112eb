// What the registers saved in a core say, by machine: the notes have them as the kernel laid them
// out (elf_gregset_t), the thread pointer perhaps in a note of its own.
#ifndef ANALYZER_REGISTERS_H
#define ANALYZER_REGISTERS_H

#include <stdbool.h>

#include "core.h"
#include "memory.h"

// The thread pointer of the first thread that has one: where its thread-local storage is, as
// emulated code must find it. False: the core does not tell (gdb leaves it out on i386, qemu on
// arm and aarch64; nor does it on a machine that has no row here).
bool registers_find_tls(const struct core *core, vaddr *tls_base);

// Where the stack of a thread (an index into core->threads) ended. False: not known.
bool registers_find_stack(const struct core *core, size_t thread, vaddr *stack_pointer);

#endif
