// One address space over the core and the files of the process, and the list of those files.
//
// Memory comes from the core first. Ranges for which the core has no bytes, or lost them when it
// was cut, and which the process could not write are filled from the file that NT_FILE, or else the
// linker's own list, says was mapped there, once that file is known to be the right one. It does
// not know Python.
#ifndef ANALYZER_PROCESS_H
#define ANALYZER_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core.h"
#include "failure.h"
#include "image.h"
#include "memory.h"

enum module_match {
    MODULE_ABSENT,    // no file found (image is NULL)
    MODULE_MATCHES,   // build-ids equal
    MODULE_UNCHECKED, // one side has no build-id
    MODULE_FORCED,    // build-ids differ, used because the user said --force
    MODULE_FROM_CORE, // no file found, but the core has all of it that a process cannot write
};

// A file mapped into the process.
struct module {
    const char *path; // NT_FILE's or the link map's; never NULL
    vaddr start;      // of its lowest mapping
    vaddr end;        // of its highest mapping (bss that follows belongs to it up to the next
                      // mapping of another file: see data_end)
    vaddr data_end;   // end of its last PT_LOAD's memory, page aligned; start if no image
    vaddr bias;       // address in the process less address in the file; valid with an image
    struct build_id core_build_id; // size 0: the core has not saved that page
    struct build_id other_build;   // of a file that has its name here; size 0: of none
    struct image *image;           // NULL when absent
    enum module_match match;
    bool is_main; // holds AT_PHDR or AT_ENTRY, or is what the linker was told to load
};

struct process_options {
    const char *executable;   // NULL: the path in the core
    const char *sysroot;      // NULL: none; put in front of paths named in the core
    const char *library_path; // NULL: none; DIR[:DIR], searched by base name, before the sysroot
    bool force;               // use a file whose build-id differs
};

struct process {
    const struct core *core;
    struct memory memory;
    struct module *modules; // by start address; anonymous and device mappings are not among them
    size_t module_count;
    bool main_absent; // the main program's file was not found
    char *script;     // the first line of the executable that the user named, which is a script and
                      // not used; NULL: it is none
};

// Opens the files, checks build-ids, builds the memory. The core must outlive the process.
// A file named only in the core that does not match is left out (MODULE_ABSENT), one that the user
// named is a MISMATCH with both ids, what it was compared with, and what to do. The file that the
// user names may belong to any module (a libpython given instead of the launcher), decided by
// build-id; with no build-id in the core: by base name, else the main program. A script is not
// used, but the file that its first line names is, where that is the right one.
struct failure *process_open(const struct core *core, const struct process_options *options,
                             struct process **process) __attribute__((warn_unused_result));
void process_close(struct process *process);

// What the dynamic linker finds for a name that the module `from` (NULL: none) refers to: an
// exported symbol of the main program (copy relocations put libpython's exported data into a
// non-PIC executable), of the module itself (what dlopen loads is not looked at for others), or of
// the first other one. address is where the process had it. `in` may be NULL.
bool process_find_exported(const struct process *process, const struct module *from,
                           const char *name, vaddr *address, const struct module **in);

// The same for a name in the source of `from`: a symbol that it has and does not export (static,
// hidden, or of a program that was not linked with -rdynamic) is its own, whoever else has one.
bool process_find_symbol(const struct process *process, const struct module *from, const char *name,
                         vaddr *address, const struct module **in);

// To follow "is not on this machine": which other build of it is; "" if none is.
struct module_other {
    char text[2 * BUILD_ID_MAX + 80];
};
struct module_other module_explain_other(const struct module *module);

// The module that starts last at or before the address, wherever it ends, or NULL.
const struct module *process_last_module(const struct process *process, vaddr address);

// The module whose range (start to data_end) holds the address, or NULL.
const struct module *process_find_module(const struct process *process, vaddr address);

#endif
