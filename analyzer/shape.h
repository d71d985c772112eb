// What a cycle is called: its edges by name, folded, rotated, hashed.
#ifndef ANALYZER_SHAPE_H
#define ANALYZER_SHAPE_H

#include "findings.h"
#include "shape_texts.h"

// One edge of a cycle as the graph has it.
struct shape_link {
    uint32_t node;
    uint32_t edge;
};

enum {
    SHAPE_KEY_WORDS = 2,        // per link
    SHAPE_KEY_LINKS_MAX = 64,   // of a longer cycle the key is a digest
    SHAPE_KEY_DIGEST_WORDS = 3, // an odd number: no other key has so many
};

// Words of the key of a cycle.
static inline size_t shape_key_size(size_t count)
{
    return count <= SHAPE_KEY_LINKS_MAX ? count * SHAPE_KEY_WORDS : SHAPE_KEY_DIGEST_WORDS;
}

// A cheap key: equal keys mean equal shapes; the reverse does not hold (rotations, keys that are
// equal but not the same str). Writes shape_key_size words. (A digest has 128 bits, and
// the number of links.)
void shape_make_key(struct heap *heap, const struct shape_link *links, size_t count,
                    uint64_t *words);

// The same key, of the heap's columns alone, so that threads may make keys at a time. False: an
// object or a place has to be looked at, or the class of an object does not say where its __del__
// comes from.
bool shape_make_plain_key(const struct heap *heap, const struct shape_link *links, size_t count,
                          uint64_t *words);

// The class that an object shows to Python code: in_class of an old-style instance, else its type.
vaddr shape_find_class(struct heap *heap, uint32_t node);

// Is it that member of an object written in C?
bool shape_is_member(const struct visit_place *place, const char *label);
// Does the edge lead to the dictionary in which its source keeps its attributes?
bool shape_is_own_namespace(const struct visit_place *place);
// Or to one of the names that its code uses?
bool shape_is_namespace(const struct visit_place *place);

// object_find_del_source of an object with a finalizer, and its class on the way. Does not look at
// the object where its class is the answer.
vaddr shape_find_del_source(struct heap *heap, uint32_t node, vaddr *class);

// The canonical form of a cycle: equal shapes have equal ones.
struct shape {
    uint32_t *texts; // numbers in a shape_texts: type and edge of each step, from the smallest
                     // rotation on
    size_t count;
    size_t first; // the link that the first step starts with
};

// Reads names, folds instance dictionaries, closures and locals, rotates. False: memory is short.
bool shape_read(struct heap *heap, struct shape_texts *texts, const struct shape_link *links,
                size_t count, struct shape *shape);
void shape_deinit(struct shape *shape);

// A path, drawn as cycles are: `count` links, each from its node to that of the next one, and the
// last to a node that is not among them. The steps are to be freed with shape_free_steps; edges
// whose place could not be found are counted in *unread. False: memory is short.
bool shape_draw_path(struct heap *heap, const struct shape_link *links, size_t count,
                     struct finding_step **steps, size_t *step_count, uint64_t *unread);
void shape_free_steps(struct finding_step *steps, size_t count);

// shape_read, and fills steps and signature of a finding. *unread grows by the edges whose place
// could not be found. Takes 4 bytes a link, and as much as FINDING_STEPS_MAX allows.
struct failure *shape_describe(struct heap *heap, struct shape_texts *texts,
                               const struct shape_link *links, size_t count,
                               struct finding *finding, struct shape *shape, uint64_t *unread)
    __attribute__((warn_unused_result));

#endif
