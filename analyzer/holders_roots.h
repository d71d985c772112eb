// Where ways begin that a person recognises: modules, running frames, states.
#ifndef ANALYZER_HOLDERS_ROOTS_H
#define ANALYZER_HOLDERS_ROOTS_H

#include "holders.h"

struct holders_root {
    uint32_t node;
    enum holders_root_kind kind;
    vaddr named;        // the str of a module's name, the code of a frame
    const char *member; // of a state
};

struct holders_roots {
    struct holders_root
        *items; // modules, then frames from the innermost of each thread, then states
    size_t count;
    size_t capacity;
    vaddr *frames; // running, ascending
    size_t frame_count;
};

// False: memory is short. Init makes it fit for deinit either way.
bool holders_roots_init(struct holders_roots *roots, struct heap *heap);
void holders_roots_deinit(struct holders_roots *roots);

bool holders_is_running(const struct holders_roots *roots, vaddr frame);

// Heap strings, NULL where there is none, or memory is short.
struct holders_root_name {
    char *name;
    char *file;
    int64_t line;
};
void holders_root_describe(struct heap *heap, const struct holders_root *root,
                           struct holders_root_name *name);
// Of the function of a code object.
void holders_code_describe(struct heap *heap, vaddr code, struct holders_root_name *name);

#endif
