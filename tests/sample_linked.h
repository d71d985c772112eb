// ELF libraries with what the dynamic linker goes by (symbols, relocations, the dynamic section),
// for any word size and byte order, and without section headers.
//
// A library is filled, then opened: bytes by their address in it, whatever else by the functions
// here. Files are written to the current directory. What does not open or fit ends the test.
#ifndef TESTS_SAMPLE_LINKED_H
#define TESTS_SAMPLE_LINKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image.h"

enum {
    LINKED_SIZE = 0x4000,             // of each segment
    LINKED_TABLES = 0,                // read-only
    LINKED_STRINGS = 0x200,           // in it
    LINKED_SYMBOLS = 0x1000,          // likewise
    LINKED_RELOCATIONS = 0x3000,      // likewise; the test's to fill
    LINKED_RELOCATIONS_SIZE = 0x1000, // up to the end of the segment
    LINKED_DATA = 0x10000,            // writable; what is not filled in reads LINKED_FILLER
    LINKED_BSS = LINKED_DATA + LINKED_SIZE,
    LINKED_BSS_SIZE = 0x1000,
    LINKED_FILLER = 0x5a,
    LINKED_DYNAMIC_MAX = 16 // entries
};

struct linked {
    unsigned machine; // EM_*
    struct memory_format format;
    uint8_t tables[LINKED_SIZE], data[LINKED_SIZE];
    // private
    unsigned symbol_count, dynamic_count;
    size_t strings_size;
    uint64_t dynamic[LINKED_DYNAMIC_MAX][2];
};

void linked_init(struct linked *linked, unsigned machine, uint8_t word_size, bool big_endian);
void linked_put(struct linked *linked, vaddr at, uint64_t value, unsigned width);

// An exported variable; value 0: another file has it. The number of the symbol.
unsigned linked_add_symbol(struct linked *linked, const char *name, vaddr value, uint64_t size);

// An entry of the dynamic section, instead of the one that had the tag or at the end.
void linked_set_dynamic(struct linked *linked, uint64_t tag, uint64_t value);

// The caller's to close. Its segments are that of the tables and the writable one.
struct image *linked_open(const struct linked *linked, const char *path);

#endif
