// Objects that are held in the same way become one row.
#ifndef ANALYZER_HOLDERS_FOLD_H
#define ANALYZER_HOLDERS_FOLD_H

#include "holders.h"
#include "holders_roots.h"
#include "holders_scan.h"
#include "reach.h"
#include "shape.h"

enum {
    HOLDERS_ROWS_MAX = 4096,      // of each kind; what would be one more counts as untraced
    HOLDERS_STEPS_MAX = 64 << 20, // back along all ways together
    HOLDERS_DRAWN_MAX = 64,       // references at the end of a way that is drawn
    HOLDERS_VARIABLES_MAX = 4096, // names of static variables that are looked up
};
#define HOLDERS_NO_ROOT UINT32_MAX // tag of a root that is not among the recognisable ones

// The table of a kind of rows: the key of each, to be looked up.
struct holders_rows {
    uint64_t *keys;
    uint32_t *slots; // of 2 * HOLDERS_ROWS_MAX: row + 1
};

// Of the ways that a row stands for; the first among equals.
struct holders_shortest {
    uint32_t node;
    size_t length;
};

struct holders_fold {
    struct heap *heap;
    const struct holders_source *source;
    const struct holders_roots *roots;
    struct holders *holders;
    struct holders_rows paths;
    struct holders_rows surplus;
    struct shape_link *links; // of the way at hand, from its root
    size_t link_capacity;
    uint64_t steps;                    // taken so far
    unsigned variables;                // looked up so far
    uint32_t *last;                    // per row of surplus: the last object counted there + 1
    uint32_t last_cut;                 // the same of those that got no row
    struct holders_shortest *shortest; // per row of paths
};

// False: memory is short; to be deinited either way.
bool holders_fold_init(struct holders_fold *fold, struct heap *heap,
                       const struct holders_source *source, const struct holders_roots *roots,
                       struct holders *holders);
void holders_fold_deinit(struct holders_fold *fold);

// Adds a node that a way leads to. *root receives the node where it begins, and *tag its tag,
// unless all ways together are too long already. False: memory is short.
bool holders_fold_way(struct holders_fold *fold, const struct reach *reach, uint32_t node,
                      bool listed, uint32_t *root, uint32_t *tag);

// Adds `references` of a target for which a word was found; NULL: for which none was. The words of
// a target come one after the other.
bool holders_fold_word(struct holders_fold *fold, const struct holders_target *target,
                       const struct holders_word *word, uint64_t references);

// Names and orders the rows. False: memory is short.
bool holders_fold_finish(struct holders_fold *fold, const struct reach *reach);

#endif
