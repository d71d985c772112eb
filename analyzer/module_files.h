// Which file of this machine each module gets: the one that the user names, then those that the
// core names, looked for where the user says.
//
// What fits where is placement.h's to say. Here is decided what is tried, what --force extends to,
// and what the user is told about a file of his that is not the right one. Images that are used
// become the modules', the others are closed. Private to the files that put a process together
// (builder.h).
#ifndef ANALYZER_MODULE_FILES_H
#define ANALYZER_MODULE_FILES_H

#include "failure.h"

struct builder;

// The user's executable, if there is one: for the module with its build-id, of its name, else for
// the main program. Of a script the interpreter is tried. Where the core lists no modules it
// becomes the first, unless nothing tells where it was, and the link map is looked for through it.
// Failures: those of image_open, MISMATCH, NO_MEMORY.
struct failure *module_files_open_executable(struct builder *builder)
    __attribute__((warn_unused_result));

// Files for the modules that have none yet: from the library path, then below the sysroot, else
// what the core itself has (module_memory.h). One that is not there or not the right one is no
// failure: the module's stays absent. Failure: NO_MEMORY.
struct failure *module_files_find(const struct builder *builder)
    __attribute__((warn_unused_result));

#endif
