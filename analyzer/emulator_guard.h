// Survives an abort() of the library that does the work.
//
// Unicorn ends the whole program over some instructions that no compiler makes (2.0.1: a far call
// through a register, FF /3 and FF /5 with mod 3, "tcg fatal error"), and a damaged function
// pointer leads to any bytes. C lets a handler of SIGABRT jump out of abort() (C11 7.22.4.1); what
// the library had in its hands is then in no state to be used again.
//
// The handler is the process's, and stays: other aborts go on as before.
//
// Private to the emulator.
#ifndef ANALYZER_EMULATOR_GUARD_H
#define ANALYZER_EMULATOR_GUARD_H

#include <stdbool.h>

// Calls work(context). False: it was left by an abort() of this thread. Not to be nested.
bool emulator_guard_run(void (*work)(void *context), void *context);

#endif
