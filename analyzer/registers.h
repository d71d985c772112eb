// What the registers saved in a core say, by machine: the notes have them as the kernel laid them
// out (struct user_regs_struct).
#ifndef ANALYZER_REGISTERS_H
#define ANALYZER_REGISTERS_H

#include <stdbool.h>

#include "core.h"
#include "memory.h"

// The thread pointer of the first thread that has one: where its thread-local storage is, as
// emulated code must find it. False: this machine's registers do not tell (on aarch64 and arm it
// is in a note of its own, on i386 in the kernel).
bool registers_find_tls(const struct core *core, vaddr *tls_base);

// Where the stack of a thread (an index into core->threads) ended. False: not known.
bool registers_find_stack(const struct core *core, size_t thread, vaddr *stack_pointer);

#endif
