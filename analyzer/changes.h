// What a reader of the source could change about a component: the references that one line of a
// program makes, taken together.
//
// An object's attribute is set in one place of the source for all objects of its class. So all
// references of one name, out of objects of one class, are one change: the same attribute, the
// items of one kind of container, a variable of one name. What an object needs to be what it is
// (im_self, gi_frame, ob_type) is nobody's to change.
#ifndef ANALYZER_CHANGES_H
#define ANALYZER_CHANGES_H

#include "findings.h"
#include "graph.h"
#include "heap.h"
#include "replay.h"

enum {
    CHANGES_MAX = 2048,  // before those that read the same become one
    CHANGES_WORK = 1000, // what naming one takes, in such units as replay_cost
};

#define CHANGES_NONE UINT32_MAX

struct changes {
    struct finding_change *items; // by rank: what a reader would change first; their origins empty
    uint32_t count;
    uint32_t *of;  // per edge of replay_edges: its change, or CHANGES_NONE
    bool too_many; // more than CHANGES_MAX: some references are of none
};

// All changes of a component. The finding's steps, which are known, tell what is drawn. Takes time
// in proportion to the component, and some more for each change. Failures: NO_MEMORY.
struct failure *changes_create(struct heap *heap, const struct graph_components *components,
                               uint32_t component, const struct replay *replay,
                               const struct finding *finding, struct changes *changes)
    __attribute__((warn_unused_result));
void changes_destroy(struct changes *changes);

// The change of that class and reference (of any index "[...]"), or CHANGES_NONE.
uint32_t changes_find(const struct changes *changes, const char *type, const char *edge);

// Would the collector free the component, had all references of the changes never been there for
// which `made`, an entry per change, is true? The replay is that of the component.
bool changes_are_enough(const struct changes *changes, const bool *made, struct replay *replay);

// Frees what an item has, and empties it.
void change_deinit(struct finding_change *change);

// What a reference was made for. `next` is what it leads to: its type and finalizer count.
enum break_kind change_find_kind(const struct heap *heap, const struct finding_step *step,
                                 const struct finding_step *next);

#endif
