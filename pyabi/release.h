// What changed between the releases of CPython 2 other than where members lie (that is layout.h):
// one row for each release that changed something, good until the next row's.
#ifndef PYABI_RELEASE_H
#define PYABI_RELEASE_H

#include <stdbool.h>
#include <stdint.h>

struct release {
    uint32_t since; // sys.hexversion without the release level: 0x020707
    // pymalloc, Objects/obmalloc.c: what it serves, in bytes, and the steps of its blocks' sizes
    // where a word has 8 bytes (8 where it has 4).
    uint16_t small_request_limit;
    uint8_t small_alignment;
    // PYMALLOC_DEBUG, _PyObject_DebugMalloc: bytes in front of what is handed out, and as many
    // behind it; 0: two words.
    uint8_t debug_pad;
    bool debug_mem_pooled;     // with PYMALLOC_DEBUG, PyMem_Malloc takes from pymalloc
    bool unicode_pooled;       // the characters of a unicode come from PyObject_Malloc
    bool int_type_counters;    // COUNT_ALLOCS ends a type by three ints and a pointer; else 5 words
    bool generator_finalizers; // a generator may have one (PyGen_NeedsFinalizing)
};

// The row of a release; that of the first for what is older.
const struct release *release_find(uint32_t version);

#endif
