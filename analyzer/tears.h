// Places where the collector's lists do not hold together.
//
// A list is whole where the gc_next of each element leads to one whose gc_prev leads back. The
// first places where that is not so are kept; all are counted. It reads nothing, and knows neither
// objects nor heap.
#ifndef ANALYZER_TEARS_H
#define ANALYZER_TEARS_H

#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

enum {
    TEARS_KEPT = 64,
    TEARS_TOLD = 8,
};

enum tear_kind {
    TEAR_NOWHERE,  // no element can stand at the target
    TEAR_DISAGREE, // the target's link does not lead back, but to `back`
    TEAR_TWICE,    // the target belongs to what was counted already: another list, or its own
    TEAR_HEAD,     // the target is the head of another list
    TEAR_NO_HEAD,  // the list's own head, at `at`, cannot be read
};

struct tear {
    vaddr at;     // the element, or head, whose link this is
    vaddr target; // where that leads
    vaddr back;   // of TEAR_DISAGREE: where the target's link in the other direction leads
    bool forward; // the link is gc_next, not gc_prev
    enum tear_kind kind;
};

struct tears {
    uint64_t count;
    struct tear kept[TEARS_KEPT]; // as many as there are
    // Links that lead to what the process had, but the core has not saved: that is memory that is
    // missing, and says nothing of the lists.
    uint64_t lost;
};

// A damaged link is met from both sides: what shares a link with a break that is kept is the same.
void tears_add(struct tears *tears, const struct tear *place);

// Is any list not whole, or not to be seen whole?
static inline bool tears_any(const struct tears *tears)
{
    return tears->count || tears->lost;
}

// How many of those kept a report tells.
unsigned tears_told(const struct tears *tears);

// "no element" ..., for programs.
const char *tear_kind_name(enum tear_kind kind);

#endif
