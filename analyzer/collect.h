// CPython's cycle collector replayed on numbers.
//
// The passes carry the names of Modules/gcmodule.c: update_refs is the caller's (it fills gc_refs
// with ob_refcnt), then subtract_refs, move_unreachable, move_finalizers and
// move_finalizer_reachable. All generations are collected at once.
//
// gc.garbage keeps what it lists alive, and the real collector therefore finds it reachable. Here
// the edges out of that list are followed only after everything else is known, so an object that
// is alive only because of the list can be told from one that is in use.
//
// A real collection does otherwise than the states say in three cases, for which edges are too
// little to go by:
// - Python code that it runs, __del__ of what dies and callbacks of weak references, may change
//   anything.
// - An object that dies by its reference count takes the callbacks from its weak references
//   (PyObject_ClearWeakRefs, Objects/weakrefobject.c). When a refused weak reference refers to an
//   object with a finalizer that dies with the trash, what only its callback kept dies too, and
//   with it a cycle through that callback: told as pending, yet it is freed. (Weak references to
//   trash proper are cleared first and keep their callbacks: handle_weakrefs.)
// - A cycle in which no type has a tp_clear (a partial whose __setstate__ gave it itself, or a
//   property or super initialized with itself) is told as trash, yet no collection can free it.
//
// It does not know addresses, Python, or where the numbers came from.
#ifndef ANALYZER_COLLECT_H
#define ANALYZER_COLLECT_H

#include <stdbool.h>
#include <stdint.h>

#include "graph.h"

enum collect_state {
    // In use: referenced from outside the tracked objects, or from such an object.
    COLLECT_REACHABLE = 1,
    // Alive only because of gc.garbage, and with a finalizer or reachable from one: the collector
    // will not free it. In a cycle, not even when the list is emptied; off any cycle (its cycle was
    // broken since), emptying the list is enough.
    COLLECT_UNCOLLECTABLE = 2,
    // Unreachable, not looked at yet; the next full collection would make it uncollectable.
    COLLECT_PENDING = 4,
    // Unreachable, and the next full collection would free it. Includes finalizer objects that only
    // hang off such trash: they die when it is cleared (handle_garbage comes after delete_garbage).
    // And cycles that only such a finalizer object leads to: these the next collection leaves alone
    // for its sake, and the one after that frees them.
    COLLECT_TRASH = 8,
    // Alive only because of gc.garbage, but without a finalizer in sight: an emptied list would
    // let the next collection free it (gc.DEBUG_SAVEALL puts such objects there).
    COLLECT_KEPT = 16,
    // In a cycle with a finalizer, and kept in use by nothing but references from nowhere: only
    // where part of the heap is lost (suspects.h), never by collect_run.
    COLLECT_SUSPECT = 32,
};

enum {
    COLLECT_STATE_LIMIT = COLLECT_SUSPECT + 1
};

struct collect_totals {
    uint32_t objects[COLLECT_STATE_LIMIT]; // by state
    uint32_t overdrawn;                    // more references found than ob_refcnt says
};

// gc_refs: per node ob_refcnt on entry (INT32_MAX stands for that or more and is never used up);
// overwritten. After subtract_refs a negative value is counted as overdrawn and taken for 0.
// finalizers: bit n (finalizers[n / 8] >> n % 8) is set when node n has a finalizer.
// garbage_list: the node of gc.garbage, or GRAPH_NONE.
// states: one byte per node, written: exactly one bit of enum collect_state.
// Allocates nothing: gc_refs doubles as the work list once its value is used up.
void collect_run(const struct graph *graph, int32_t *gc_refs, const uint8_t *finalizers,
                 uint32_t garbage_list, uint8_t *states, struct collect_totals *totals);

// The same where gc.garbage, or part of it, is lost: each node of `listable` (bits as of
// finalizers) that has exactly one reference from nowhere is taken for one that the list holds. So
// the states are what they would be if all of these references were the list's: COLLECT_PENDING
// then says that no reference at all is missing, COLLECT_UNCOLLECTABLE that only such are.
void collect_run_without_list(const struct graph *graph, int32_t *gc_refs,
                              const uint8_t *finalizers, const uint8_t *listable,
                              uint32_t garbage_list, uint8_t *states,
                              struct collect_totals *totals);

#endif
