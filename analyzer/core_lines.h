// Whether the core's list of mapped files can be true.
#ifndef ANALYZER_CORE_LINES_H
#define ANALYZER_CORE_LINES_H

#include <stdbool.h>

#include "core.h"

// Does NT_FILE contradict the segments? Kernel, gdb and qemu write both from one list of mappings,
// so that lines begin where segments do, but for read-only ones that gdb leaves out. A core without
// lines or segments contradicts nothing.
bool core_lines_contradict(const struct core *core);

#endif
