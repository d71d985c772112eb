// Which file of the process is the Python 2 interpreter, and what its symbols and DWARF tell.
//
// Joins the two halves: process knows files but not Python, pyabi knows Python but not files.
#ifndef ANALYZER_INTERPRETER_H
#define ANALYZER_INTERPRETER_H

#include <stdbool.h>

#include "debug_file.h"
#include "failure.h"
#include "process.h"
#include "recognize.h"
#include "restored.h"
#include "runtime.h"

struct interpreter {
    const struct process *process;
    // The executable or libpython that has the interpreter. Without an image when no file has its
    // symbols; NULL when the core does not even name one.
    const struct module *module;
    struct recognition *recognition; // without symbols: what the core alone shows; else NULL
    struct recognize_range *ranges;  // its
    struct runtime_names names;
    bool debug_build; // made with Py_DEBUG or at least Py_TRACE_REFS
    bool has_dwarf;   // and it was read
    bool known_build; // its DWARF was not read: it says what the column says (known_builds.h)
    bool wants_dwarf; // the caller said where debug files are: even then it is read
    struct debug_file debug_file;
    bool runs_code;               // traversals of extension types can be run
    struct runtime_range *data;   // its writable segments, as far as anybody has their bytes
    struct runtime_range *stacks; // of the threads, from the stack pointer up; sorted, disjoint
    struct runtime_code code;
    struct restored restored; // where static data is lost: types from the files
    struct runtime_source source;
    struct runtime runtime;
};

// Where no file has the symbols of a Python 2, it is recognised in the core (recognize.h).
// Failures: MISMATCH (no Python in the process, or its file is not here and the core does not show
// it), UNSUPPORTED (Python 3, a layout or machine that is not known), DAMAGED. The process must
// outlive the interpreter, whose runtime reads through the process's memory.
// What its file lacks of DWARF and symbols comes from its debug file, if one is found.
struct failure *interpreter_open(struct process *process, const struct debug_file_options *options,
                                 struct interpreter **interpreter)
    __attribute__((warn_unused_result));
void interpreter_close(struct interpreter *interpreter);

// The path of its file here, else the one that the core names, else words for neither.
const char *interpreter_file(const struct interpreter *interpreter);

// Of its file here; without the file, as the core has it. NULL: that has none.
const struct build_id *interpreter_build_id(const struct interpreter *interpreter);

// The path of the file whose DWARF was laid over the layout; NULL: none was.
const char *interpreter_dwarf_file(const struct interpreter *interpreter);

#endif
