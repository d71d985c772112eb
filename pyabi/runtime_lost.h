// What a process looks like whose interpreter's static data is lost: nothing leads to the
// collector's lists, to the interpreter state or to the classes, so all of that is looked for in
// memory.
//
// The scan for the interpreter state is between the files of runtime.
#ifndef PYABI_RUNTIME_LOST_H
#define PYABI_RUNTIME_LOST_H

#include "runtime.h"

// Calls `visit` with the PyGC_Heads, in address order, that say they are reachable and whose
// neighbours in a list point back to them (or, with lost_too, are not saved), until it returns
// false. (The places of the three words do not differ between layouts.)
void runtime_each_linked(struct memory *memory, bool lost_too,
                         bool (*visit)(void *context, vaddr head), void *context);

// The interpreter state, by what is_interp(runtime, address) says; 0: none.
vaddr runtime_scan_for_interp(const struct runtime *runtime,
                              bool (*is_interp)(const struct runtime *runtime, vaddr interp));

#endif
