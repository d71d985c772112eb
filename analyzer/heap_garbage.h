// Which list is gc.garbage, where neither a symbol nor the gc module tells, or what they tell is to
// be checked: by what refers to a list and what it holds.
//
// All of this needs ob_refcnt, which gc_refs has until collect_run uses it up.
#ifndef ANALYZER_HEAP_GARBAGE_H
#define ANALYZER_HEAP_GARBAGE_H

#include "heap.h"

// Has an object references that no tracked object accounts for? Not after heap_take_refcounts.
bool heap_is_held_outside(struct heap *heap, vaddr object);

// Can the list that the gc module names be the collector's own? A list that the program has put in
// its place is not: the interpreter's static data holds no reference to it.
bool heap_is_static_list(struct heap *heap, const struct runtime_source *source, vaddr list);

// The list that must be gc.garbage, when neither a symbol nor the gc module told: the interpreter's
// static data points to it, no other reference to it exists, and all its items have finalizers, or
// some have and all the others were tracked once (gc.DEBUG_SAVEALL); the former is taken first.
// GARBAGE_BY_EVIDENCE: *list is the one; GARBAGE_EMPTY: there is none; GARBAGE_NOT_FOUND: several,
// or static data is missing, or memory is short.
enum garbage_source heap_find_garbage(struct heap *heap, const struct runtime_source *source,
                                      vaddr *list);

// The list that must be gc.garbage where static data is lost: a single reference to it comes from
// nowhere, and all its items, some of which can be read, have finalizers. Read but once: gc_refs
// must still have ob_refcnt. GARBAGE_BY_ITEMS: *list is the only such; GARBAGE_LOST: there is none,
// or several.
enum garbage_source heap_find_lost_garbage(struct heap *heap, vaddr *list);

#endif
