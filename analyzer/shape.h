// What a cycle is called: its edges by name, folded, rotated, hashed.
#ifndef ANALYZER_SHAPE_H
#define ANALYZER_SHAPE_H

#include "findings.h"

// One edge of a cycle as the graph has it.
struct shape_link {
    uint32_t node;
    uint32_t edge;
    struct visit_place place; // filled by shape_describe
};

enum {
    SHAPE_KEY_WORDS = 2
};

// A cheap key: equal keys mean equal shapes; the reverse does not hold (rotations, keys that are
// equal but not the same str). Writes SHAPE_KEY_WORDS words per link.
void shape_make_key(struct heap *heap, const struct shape_link *links, size_t count,
                    uint64_t *words);

// The same key, of the heap's columns alone, so that threads may make keys at a time. False: an
// object or a place has to be looked at, or the class of an object does not say where its __del__
// comes from.
bool shape_make_plain_key(const struct heap *heap, const struct shape_link *links, size_t count,
                          uint64_t *words);

// The class that an object shows to Python code: in_class of an old-style instance, else its type.
vaddr shape_find_class(struct heap *heap, uint32_t node);

// Does the edge lead to the dictionary in which its source keeps its attributes?
bool shape_is_own_namespace(const struct visit_place *place);
// Or to one of the names that its code uses?
bool shape_is_namespace(const struct visit_place *place);

// object_find_del_source of an object with a finalizer, and its class on the way. Does not look at
// the object where its class is the answer.
vaddr shape_find_del_source(struct heap *heap, uint32_t node, vaddr *class);

// The canonical text of a cycle alone, to be freed; NULL for lack of memory.
char *shape_text(struct heap *heap, struct shape_link *links, size_t count);

// A path, drawn as cycles are: `count` links, each from its node to that of the next one, and the
// last to a node that is not among them. links has room for one more. The steps are to be freed
// with shape_free_steps; edges are counted in *unread as there. False: memory is short.
bool shape_draw_path(struct heap *heap, struct shape_link *links, size_t count,
                     struct finding_step **steps, size_t *step_count, uint64_t *unread);
void shape_free_steps(struct finding_step *steps, size_t count);

// Finds the places of the links, reads names, folds instance dictionaries, closures and locals,
// rotates; fills steps and signature of a finding. *text receives the canonical text of the shape,
// by which equal shapes are known; to be freed. *unread grows by the edges whose place could not be
// found.
struct failure *shape_describe(struct heap *heap, struct shape_link *links, size_t count,
                               struct finding *finding, char **text, uint64_t *unread)
    __attribute__((warn_unused_result));

#endif
