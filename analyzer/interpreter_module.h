// Which file of the process is the Python 2 interpreter, by its symbols, and what is said to the
// user where none is.
//
// Private to the interpreter. It reads no Python objects; what an interpreter has done it sees by
// the heads of the collector's lists alone.
#ifndef ANALYZER_INTERPRETER_MODULE_H
#define ANALYZER_INTERPRETER_MODULE_H

#include <stdbool.h>

#include "failure.h"
#include "process.h"

// The main program before the others; of several that have an interpreter one that has run. NULL:
// no file that is here has the symbols, and the core alone must do. Failure: UNSUPPORTED (only a
// Python 3, by symbols or by the name of a file that is not here).
struct failure *interpreter_module_find(struct process *process, const struct module **module)
    __attribute__((warn_unused_result));

// Why there is no report: no file, and what the core alone shows (the evidence) is not enough. A
// MISMATCH.
struct failure *interpreter_module_explain(const struct process *process, const char *evidence)
    __attribute__((warn_unused_result));

// Has its file that symbol? Not without the file.
bool interpreter_module_has(const struct module *module, const char *symbol);

#endif
