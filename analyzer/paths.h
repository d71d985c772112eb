// The ways that one function went through its objects, put together to a tree.
//
// A path is all that a function did with one object that could have been otherwise with another
// one: the words it read, in turn, starting from the object's address, what it asked of them, and
// what it visited. The function goes by nothing else. So for an object that gives the same answers
// to all questions of a path, it visits the same words: those of that object.
//
// Which words are read at addresses that do not depend on the object is of no interest: they are
// the same for all, since the process is dead. Two paths are the same up to the first question that
// was answered differently.
//
// This module knows no machine code and no emulator.
#ifndef ANALYZER_PATHS_H
#define ANALYZER_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"

enum {
    PATHS_SLOTS_MAX = 4096,  // words that one path reads, and the object's address
    PATHS_VISITS_MAX = 4096, // of one path
    PATHS_STEPS_MAX = 16384,
    PATHS_NODES_MAX = 1 << 16, // of one function: 2.5 MiB
    PATHS_VALUES_MAX = 256,    // answers to one question for a value
    // Spans that one object may lead through. Emulated code can see no more than some hundred.
    PATHS_SPANS_MAX = 64,
    PATHS_PAGE = 4096, // what the core has of a page in part, emulated code does not see
};

enum path_op {
    PATH_READ,     // `width` bytes at slot + value, into the next slot; the first one is the object
    PATH_EQUAL,    // is the slot that value? `answer`
    PATH_PAIR,     // is slot + value what `second` is? `answer`
    PATH_VALUE,    // the slot is that value
    PATH_VISIT,    // slot + value
    PATH_CONSTANT, // visits the value
    PATH_END,
};

struct path_step {
    uint8_t op;
    uint8_t width;
    bool answer;
    uint16_t slot;
    uint16_t second;
    uint64_t value;
};

struct path {
    struct path_step *steps;
    size_t count;
    size_t capacity;
    size_t slots; // words read
    size_t visits;
};

// Adds a step. False: no memory, or there are too many; the path is then of no use.
bool path_add(struct path *path, struct path_step step);
void path_clear(struct path *path); // keeps its memory
void path_deinit(struct path *path);

struct path_node;

struct paths {
    struct path_node *nodes; // the first stands for nothing, the second is where all begin
    uint32_t count;
    uint32_t capacity;
};

enum paths_outcome {
    PATHS_ADDED,
    PATHS_FULL,          // or no memory; nothing is added
    PATHS_CONTRADICTION, // another path does something else here after the same answers
};

// Adds a path, which must end with PATH_END and nowhere else.
enum paths_outcome paths_add(struct paths *paths, const struct path *path);
void paths_deinit(struct paths *paths);

// Goes the paths of objects, one after the other; large.
struct path_walker {
    struct memory *memory;
    uint64_t limit; // addresses from there on are none
    // Whole pages of two spans, the last one first.
    struct {
        vaddr start, end;
        const uint8_t *bytes;
    } spans[2];
    uint64_t slots[PATHS_SLOTS_MAX];
    vaddr visits[PATHS_VISITS_MAX];
    size_t visit_count;
};

// The memory must outlive the walker. Words are little-endian.
void path_walker_init(struct path_walker *walker, struct memory *memory, unsigned address_bits);

// Goes from the object. True: it came to the end of a path, and walker->visits are all visits, in
// order, those of NULL included. False: no path is this object's, or a word cannot be read.
bool paths_walk(const struct paths *paths, struct path_walker *walker, vaddr object);

// What a PATH_READ gives; false: it cannot be read.
bool path_walker_read(struct path_walker *walker, vaddr at, unsigned width, uint64_t *value);

#endif
