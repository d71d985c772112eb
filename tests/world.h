// A process made to order for the tests of process.h: a core, the files that it names, and both
// opened together.
//
// The library of these tests has a page of headers at 0, a page of text at 0x1000 and a page of
// data at 0x2000 with a page of bss behind it. NT_FILE has a line for each of the three; of the
// core's segments the header page and the data are saved, text is not, as the kernel does it.
//
// A world is filled, then opened, then closed, which frees all that it has but not its files: those
// lie in the scratch directory, the core as "core.1". Whatever does not work ends the test.
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "fakecore.h"
#include "process.h"

enum {
    PAGE = 4096,
    TEXT = 0x1000,
    DATA = 0x2000,
    DYNAMIC = 0x2800,
    BSS = 0x3000,
    ENTRY = 0x1040
};

static const vaddr BASE = 0x7f0000000000;

// ---- Libraries

struct library {
    uint8_t id;    // the only byte of a build-id of 20, 0: none
    unsigned type; // 0: ET_DYN
    unsigned machine;
    const char *text; // at TEXT
    size_t text_size; // p_filesz, 0: a page
    size_t size;      // of the file, 0: whole
    vaddr linked_at;  // p_vaddr of its first segment
    uint64_t strings; // DT_STRSZ of a dynamic section at DYNAMIC; 0: it has none
};

extern const struct library id_1, id_2, no_id;

// The first two as text.
#define ID_1 "0100000000000000000000000000000000000000"
#define ID_2 "0200000000000000000000000000000000000000"

// An ELF file with the layout above. Its first segment begins at file offset 0.
struct fakecore_file_image build_library(const struct library *library);

// The dynamic section of a library as the file has it at base 0, else as the linker leaves it
// there, DT_DEBUG with the address.
enum {
    DYNAMIC_WORDS = 8
};
void fill_dynamic(const struct library *library, vaddr base, vaddr debug, uint64_t *words);
void write_library(const char *path, const struct library *library);

// ---- Filling

enum {
    MOST = 16
};

struct world {
    struct fakecore spec;
    struct fakecore_segment segments[MOST];
    struct fakecore_file files[MOST];
    struct fakecore_auxv auxv[MOST];
    char directory[PATH_MAX]; // the current one
    char paths[MOST][PATH_MAX + 64];
    size_t path_count;
    struct fakecore_file_image headers[MOST];
    struct core *core;
    struct process *process;
};

void init_world(struct world *world);
void add_segment(struct world *world, vaddr start, const void *bytes, size_t size,
                 size_t memory_size, uint32_t flags);
void add_auxv(struct world *world, uint64_t type, uint64_t value);

// A line of NT_FILE; a relative path is one in the current directory.
void add_line(struct world *world, vaddr start, vaddr end, uint64_t offset, const char *path);

// A library at its base: its lines, its segments, or both.
void add_lines(struct world *world, vaddr base, const char *path);
void add_segments(struct world *world, vaddr base, const struct library *library);
void map_library(struct world *world, vaddr base, const char *path, const struct library *library);

// A new world with the launcher and its library, of which the user names one.
void map_two(struct world *world, const struct library *launcher, const struct library *library);

// ---- Opening

void write_core(struct world *world);

// Of the core that was written.
struct failure *try_open(struct world *world, const struct process_options *options);

// Writes and opens. NULL: no options.
void open_world(struct world *world, const struct process_options *options);
void close_world(struct world *world);

// Opens the world and looks at its only module.
const struct module *open_module(struct world *world, const struct process_options *options,
                                 enum module_match expected);

// Does not open, for a MISMATCH of that text, and closes.
void assert_failure(struct world *world, const struct process_options *options, const char *format,
                    ...) __attribute__((format(printf, 3, 4)));

void assert_bytes(struct world *world, vaddr at, const char *text);
void assert_status(struct world *world, vaddr at, enum memory_status expected);

#endif
