// The ELF core file: what it saved, what its notes say, whether it is whole.
//
// Headers and notes are read through libelf, bytes through one mapping of the file that never goes
// past the size taken when it was opened. Segments count by p_filesz; what lies between p_filesz
// and p_memsz is not saved, and never zeroes (ELF specification, core(5)).
// It does not know Python. Strings and arrays belong to the core and live until core_close.
#ifndef ANALYZER_CORE_H
#define ANALYZER_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "memory.h"
#include "unpack.h"

struct core_segment {
    vaddr start;
    uint64_t memory_size; // p_memsz
    uint64_t saved_size;  // p_filesz, less what the file is too short for
    uint64_t missing;     // bytes of p_filesz that the file is too short for
    const uint8_t *bytes; // saved_size bytes; NULL when there are none
    uint32_t flags;       // PF_R, PF_W, PF_X
};

// A line of NT_FILE.
struct core_mapping {
    vaddr start;
    vaddr end;
    uint64_t file_offset; // bytes; NT_FILE counts in its own page size
    const char *path;     // as the core has it, " (deleted)" included
};

struct core_thread {
    uint32_t tid;
    int signal;               // pr_cursig
    const uint8_t *registers; // pr_reg as it stands in the note; NULL if the note is too short
    size_t registers_size;
    const uint8_t *tls; // its NT_386_TLS or NT_ARM_TLS; NULL: none
    size_t tls_size;
};

struct core_auxv {
    uint64_t type;
    uint64_t value;
};

struct core {
    char *path;                // as given
    struct unpacked *unpacked; // NULL: the file is the core
    uint64_t size;             // of the plain core
    unsigned machine;          // EM_*
    struct memory_format format;
    const char *architecture; // "x86_64", "i386", "aarch64", "arm", ..., or "machine N"

    struct core_segment *segments; // PT_LOAD, in file order
    size_t segment_count;
    struct core_mapping *mappings; // in the note's order; none without NT_FILE
    size_t mapping_count;
    bool lines_contradict;       // NT_FILE is not true (core_lines.h), and left out
    struct core_thread *threads; // in the notes' order: the first is the one that died
    size_t thread_count;
    struct core_auxv *auxv;
    size_t auxv_count;

    bool has_prpsinfo;
    uint32_t pid;
    char *command; // what pr_psargs says of program and script, or pr_fname when that is empty;
                   // control characters made '?'; "" if unknown
    const char *arguments;  // what pr_psargs has besides: values of the process; "" if nothing
    int signal;             // si_signo, else the first thread's; 0: none (a dump of a live process)
    uint64_t bytes_missing; // that headers promise beyond the end of the file
    uint64_t notes_missing; // of these, in notes
    uint64_t bytes_overlapping; // of segments at an address, or a place of the file, of another one
    bool complete; // none missing or overlapping, the notes are there, and what it was packed in
                   // was good

    // private
    int fd;
    const uint8_t *map;
    struct readahead *readahead;
};

// Opens and reads everything but memory. The core may be packed or come from a pipe (unpack.h).
// Failures: unpack_open's, NOT_A_CORE (no ELF, ELF of another kind, damaged headers), UNSUPPORTED
// (x32), NO_MEMORY. A short file is not a failure here.
struct failure *core_open(const char *path, struct core **core) __attribute__((warn_unused_result));
// options NULL: the defaults, as core_open has them.
struct failure *core_open_with(const char *path, const struct unpack_options *options,
                               struct core **core) __attribute__((warn_unused_result));
void core_close(struct core *core);

// Nearly every page is about to be looked at, in several orders: has them brought in from front to
// back meanwhile, by a thread of its own (readahead.h) that ends with the core.
void core_read_ahead(struct core *core);

// The value of an auxv entry (AT_PHDR ...), false when there is none.
bool core_find_auxv(const struct core *core, uint64_t type, uint64_t *value);

// Does the file have holes, as the kernel leaves them for pages that were never written? Not after
// a copy that filled them, nor in a file of gcore's.
bool core_has_holes(const struct core *core);

// Are the holes so large that it is worth while to look where they are?
bool core_is_sparse(const struct core *core);

// The next part of `size` saved bytes at `bytes` that is no hole, from *from on: *from and
// *data_size are set. False: there is none.
bool core_find_data(const struct core *core, const uint8_t *bytes, uint64_t size, uint64_t *from,
                    uint64_t *data_size);

// Do bytes lie in the core's file?
bool core_has_bytes(const struct core *core, const uint8_t *bytes);

// "SIGSEGV", or NULL for a number without a name. The number is the dead machine's, Linux generic.
const char *core_signal_name(int signal);

#endif
