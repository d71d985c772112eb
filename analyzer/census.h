// What the memory of the process was used for: the Python heap by state and by type, pymalloc's
// free blocks, and what is no Python object.
//
// Tracked objects are known. Untracked ones are found where they can stand: at the beginning of a
// block of pymalloc that is handed out, and, those that are or were too large for that and the
// numbers that the interpreter keeps in blocks of its own (Objects/intobject.c, floatobject.c),
// anywhere in memory of malloc, by a word that is the address of a type of the interpreter's and a
// plausible ob_refcnt before it (that of a freed object is 0). A block with no object in it is a
// part of one: the characters of a unicode object, say.
//
// It knows neither ELF nor files: the ranges are the caller's (census_process.h). It prints
// nothing.
#ifndef ANALYZER_CENSUS_H
#define ANALYZER_CENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collect.h"
#include "failure.h"
#include "findings.h"
#include "heap.h"

enum census_kind {
    CENSUS_BRK,       // malloc's main heap
    CENSUS_ANONYMOUS, // mmap: arenas of pymalloc, large blocks of malloc, whatever C code asked for
    CENSUS_SHARED,    // anonymous, shared with other processes
    CENSUS_FILE,      // written pages of a mapped file: static variables of libraries
    CENSUS_STACK,
    CENSUS_KINDS
};

// A writable mapping of the process.
struct census_mapping {
    enum census_kind kind;
    const char *path; // of CENSUS_FILE, else NULL; the source's
    vaddr start;
    uint64_t size;  // as the process had it
    uint64_t saved; // bytes that the core has
    // Filled by census_create.
    uint64_t used;    // of these, pages that were ever written, as far as the core tells
    uint64_t pools;   // of these, pages of pymalloc
    uint64_t objects; // of these, objects too large for pymalloc, tables, item arrays, numbers
};

// A span of bytes of a mapping that may have been written.
struct census_range {
    vaddr start; // by address
    uint64_t size;
    const uint8_t *bytes;
    size_t mapping;
};

// Where the bytes of the process are known from.
struct census_coverage {
    uint64_t core;    // saved in the core
    uint64_t files;   // read-only, from files of the process
    uint64_t missing; // mapped, and neither has them
};

struct census_source {
    struct census_mapping *mappings; // by address
    size_t mapping_count;
    struct census_range *ranges; // pages that are not among them were never written
    size_t range_count;
    // Does the core's file have holes for pages that were never written, as the kernel makes it? If
    // not, pages of nothing but zeroes are taken for such.
    bool has_holes;
    struct census_coverage coverage;
};

struct census_count {
    uint64_t objects;
    uint64_t bytes; // object_size: with tables and items
};

struct census_type {
    const char *name; // "module.Class"; the heap's
    struct census_count live;
    struct census_count garbage; // kept by gc.garbage, pending, or held by what is
    struct census_count trash;
};

struct census_pools {
    uint64_t arenas;
    uint64_t pools; // in use
    uint64_t free_pools;
    uint64_t live_bytes; // blocks that are handed out
    uint64_t free_bytes; // the other blocks of pools in use
    uint64_t free_pool_bytes;
    uint64_t lost_bytes; // headers, and what is left behind the last block
};

struct census {
    struct census_count states[COLLECT_KEPT + 1]; // tracked objects by state
    struct census_count untracked;                // live or held by garbage: see held in findings
    struct census_count parts;                    // live blocks that begin with no object
    struct census_count cached;                   // objects on the interpreter's free lists
    uint64_t python_bytes;     // of all objects: the Python heap. Without pymalloc's free blocks
    struct census_type *types; // most bytes first
    size_t type_count;
    struct census_pools pools;
    struct census_mapping *mappings; // most bytes of other than Python first
    size_t mapping_count;
    uint64_t used_bytes;                // private memory that was written
    uint64_t other_bytes;               // of that, neither pools nor objects
    uint64_t other_kinds[CENSUS_KINDS]; // the same by kind
    bool has_holes;
    struct census_coverage coverage;
};

// states: collect_run's; findings: what untracked objects these hold counts as garbage of its type.
// The result keeps the source's paths. `jobs` threads share the work; the
// result does not depend on their number. Failures: NO_MEMORY.
struct failure *census_create(struct heap *heap, const uint8_t *states,
                              const struct findings *findings, const struct census_source *source,
                              unsigned jobs, struct census **census)
    __attribute__((warn_unused_result));
void census_destroy(struct census *census);

// What a mapping has that is neither pymalloc's nor a Python object.
static inline uint64_t census_other(const struct census_mapping *mapping)
{
    uint64_t python = mapping->pools + mapping->objects;
    return mapping->used > python ? mapping->used - python : 0;
}

#endif
