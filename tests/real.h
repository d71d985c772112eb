// Real cores for the tests, and programs run on them.
//
// Cores are made by fixtures/make-core, kept below the build directory and used again until a
// fixture changes. Whatever these functions return stays allocated until the test's process ends.
// Needs the environment that tests/meson.build sets: PYCORE_GARBAGE, FIXTURES, CORES.
#ifndef TESTS_REAL_H
#define TESTS_REAL_H

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

// Ends the calling test: skipped with this sentence. Where CI is set (CI=true) a skip would hide
// that nothing was tested, so there it fails.
void real_skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

// A string like printf's.
char *real_format(const char *format, ...)
    __attribute__((format(printf, 1, 2), returns_nonnull, warn_unused_result));

// --- interpreters and cores

// The ELF file of an interpreter by its name in fixtures/find-python2; NULL: this machine has none.
const char *real_find_interpreter(const char *name);

// The same, but skips the test when there is none.
const char *real_need_interpreter(const char *name);

// Debian's interpreter put together again with its detached symbols and DWARF: the same build-id,
// and static symbols with the suffixes that link-time optimization gives them. Skips the test if it
// cannot be made.
const char *real_need_unstripped(void);

// A program that embeds Debian's interpreter, by its kind in fixtures/build-embed, with
// "VAR=VALUE ..." in its environment (fixtures/embed.c). Skips the test if it cannot be built.
const char *real_need_embedding(const char *kind, const char *environment);

// Does a file have a symbol table with `name` in it (or name.something)?
bool real_has_symbol(const char *file, const char *name);

struct real_core {
    const char *name; // "shared kernel leaks.py closure", for messages
    const char *directory;
    const char *path;
    const char *interpreter;
    const char *sysroot; // where another machine's interpreter has its libraries; "" for this one's
    json_t *truth;
    int use; // locked while any test uses it
};

// The core of `command` ("seed_leak.py 5") under an interpreter, by its name or its path. kind:
// "kernel", "gcore" or "qemu", more options of make-core may follow it. Skips the test if this
// machine cannot make such a core, fails it if the fixture is broken.
struct real_core real_make_core(const char *interpreter, const char *kind, const char *command);

// Removes it, if the test has no complaint about it and no other uses it now: hundreds of cores are
// too many to keep.
void real_drop_core(const struct real_core *core);

// The core of any program that writes a line when it is ready and then waits; its path. `name`
// must differ between callers.
const char *real_dump(const char *name, const char *const arguments[]);

// --- running the program

struct real_run {
    int status;         // exit status; 128 + number of the signal; 14 after two minutes
    const char *output; // what it wrote to standard output
    const char *errors;
    double seconds;  // of processor time
    uint64_t memory; // resident at most, in bytes
};

// Runs pycore-garbage; `arguments` are those after the program's name, ended by NULL.
struct real_run real_run(const char *const arguments[]);
#define REAL_RUN(...) real_run((const char *const[]){__VA_ARGS__, NULL})

// Runs any command, found by PATH.
struct real_run real_command(const char *const arguments[]);
#define REAL_COMMAND(...) real_command((const char *const[]){__VA_ARGS__, NULL})

// The JSON report without limits, with an exit status that is asserted; 0: nothing may go to
// stderr.
json_t *real_report(const struct real_core *core, int status);

// The same, and the exit status 0, with none of the process's files at hand.
#define REAL_NO_FILES "--sysroot=/nonexistent"
json_t *real_bare_report(const struct real_core *core);

// What a build-id note says, as hexadecimal digits.
const char *real_build_id(const char *file);

// A copy of an ELF file that could be of another build: one bit of its build-id differs. In an
// empty directory of that name, below the directory of cores; its path.
const char *real_other_build(const char *file, const char *directory);

// --- JSON

// A member by a path like "heap.states.pending"; asserts that it is there.
json_t *real_json(const json_t *root, const char *path);
json_int_t real_number(const json_t *root, const char *path);
const char *real_string(const json_t *root, const char *path);

json_t *real_parse(const char *text);
json_t *real_parse_file(const char *path);

// --- changing a core

// A writable copy below the directory of cores; its path.
const char *real_copy(const char *path, const char *name);

// Writes a word where a core has the bytes of `address`; asserts that it has them.
void real_patch(const char *core, uint64_t address, uint64_t value);
uint64_t real_peek(const char *core, uint64_t address);

uint64_t real_address(const char *text); // "0x7f..."

// An empty directory below the directory of cores; its path.
const char *real_directory(const char *name);

// The small core that comes with the program (fixtures/story.core.xz), unpacked below such a
// directory; its path.
const char *real_unpack_story(const char *name);

#endif
