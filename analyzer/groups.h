// Components with a finalizer, put into groups by a cheap key of their cycle: the first round of
// findings.c. A million components of one leak so cost a million keys and one text.
//
// Nearly all components are rings whose edges have labels. Their keys are made of the heap's
// columns alone, by several threads; all others are looked at one by one afterwards.
#ifndef ANALYZER_GROUPS_H
#define ANALYZER_GROUPS_H

#include "cycle.h"
#include "findings.h"

// Components with equal keys.
struct group {
    uint64_t hash;
    uint64_t *words; // the key, and the state in front of it
    size_t word_count;
    uint32_t first;       // component
    uint32_t first_plain; // of those that are not among groups.single, or GRAPH_NONE
    uint32_t finding;     // the caller's
    uint64_t count;       // components
    uint64_t objects;     // their members
    uint64_t bytes;
    struct finding_sizes sizes; // without median
};

struct groups {
    struct group *items; // by first component
    size_t count;
    uint32_t *of; // per component: its group, or GRAPH_NONE: no finalizer in it
    // Components whose finalizers need not be those of the group's first, ascending.
    uint32_t *single;
    size_t single_count;
};

// `finder` is of these components. The groups do not depend on the number of threads. False: memory
// is short.
bool groups_create(struct cycle_finder *finder, const uint8_t *states, struct groups *groups);
void groups_deinit(struct groups *groups);

// Adds sizes to others, or to none (all zeroes); medians stay as they are.
void groups_add_sizes(struct finding_sizes *to, const struct finding_sizes *from);

#endif
