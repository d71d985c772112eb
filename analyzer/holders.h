// Who keeps objects in use that would be garbage without it.
//
// Asked about are the items of gc.garbage that are in use (the list alone does not leak them), and
// the cycles with a finalizer that no way from a module, a running frame or a state of the
// interpreter leads to: these can only be in use because of references that no tracked object has.
// For each kind the shortest way there is told, and for the references from outside, where in the
// process's memory their words may stand. A word is evidence and no proof: it may be stale.
//
// When there is nothing of the kind, this costs one look at the finalizer bits. It knows no ELF:
// where stacks and static data lie is handed in. It prints nothing.
#ifndef ANALYZER_HOLDERS_H
#define ANALYZER_HOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collect.h"
#include "failure.h"
#include "findings.h"
#include "heap.h"

// --- what is handed in

struct holders_thread {
    uint32_t tid;
    struct runtime_range stack; // the live part
    vaddr stack_segment;        // where its memory begins; what lies below the live part is dead
    const uint8_t *registers;   // words; NULL: none
    size_t registers_size;
};

// Writable static data of a file.
struct holders_static {
    struct runtime_range range;
    const char *file;
    const void *image; // the context's
};

// Arrays belong to whoever made them, and are only read.
struct holders_source {
    const struct memory_span *ranges; // writable memory, as far as its bytes are saved
    size_t range_count;
    const struct holders_thread *threads;
    size_t thread_count;
    const struct holders_static *statics; // by start, disjoint
    size_t static_count;
    // The name of the variable at an address, and where it starts. False: no symbol says.
    bool (*find_variable)(const struct holders_static *data, vaddr at, char *name, size_t capacity,
                          vaddr *start);
};

// --- what is found

enum holders_root_kind {
    HOLDERS_MODULE,  // of sys.modules
    HOLDERS_FRAME,   // that was running
    HOLDERS_STATE,   // of a thread or of the interpreter
    HOLDERS_OUTSIDE, // an object with more references than tracked objects account for
};

// Objects of one type that are held in the same way.
struct holders_path {
    bool listed; // items of gc.garbage; else cycles with a finalizer, told by one that has it
    char *type;
    uint64_t count;
    vaddr example;
    enum holders_root_kind kind;
    char *root; // name of the module, of the frame's function, of the state's member; the type
    char *file; // of the frame's function, else NULL
    int64_t line;
    struct finding_step *steps; // from the root to the example; none: it is the root itself
    size_t step_count;
    uint64_t steps_left_out; // behind the root, of a path that is too long
};

enum holders_place { // the best evidence first
    HOLDERS_IN_STATIC,
    HOLDERS_IN_UNTRACKED, // an object that the collector does not track
    HOLDERS_IN_UNVISITED, // an object whose tp_traverse does not visit it, or could not be run
    HOLDERS_IN_FRAME,     // the value stack of a running frame
    HOLDERS_IN_STACK,     // of a thread, or its registers
    HOLDERS_IN_MEMORY,    // anything else that is writable
    HOLDERS_NOWHERE,
};

// References from outside of all tracked objects to objects of one type, by where they may be.
struct holders_surplus {
    char *type;
    uint64_t objects;
    uint64_t references;
    vaddr example;
    enum holders_place place;
    char *name;   // variable, function or type; NULL: none
    char *file;   // of static data or of a function
    uint32_t tid; // of a stack
    vaddr at;     // where the example's word stands; 0: in no one place, or in a register
};

// Objects with more references found than ob_refcnt: damage, or a traversal that visits too much.
struct holders_overdrawn {
    char *type;
    uint64_t objects;
    vaddr example;
};

struct holders {
    struct holders_path *paths; // most objects first
    size_t path_count;
    uint64_t listed;   // items of gc.garbage in use, each counted once
    uint64_t cycles;   // with a finalizer, in use only from outside
    uint64_t untraced; // of both, for which the way was not worked out: too many or too long
    struct holders_surplus *surplus;
    size_t surplus_count;
    uint64_t unexplained; // objects with a reference of which no word was found
    uint64_t audited;     // objects whose words were looked for
    uint64_t audit_cut;   // objects for which that would have been too much
    bool words_cut;       // not all words were looked at: what is unexplained may have one
    struct holders_overdrawn *overdrawn;
    size_t overdrawn_count;
};

// states: collect_run's. list: the node of gc.garbage, or GRAPH_NONE. Failures: NO_MEMORY.
struct failure *holders_create(struct heap *heap, const uint8_t *states, uint32_t list,
                               const struct collect_totals *totals,
                               const struct holders_source *source, unsigned jobs,
                               struct holders **holders) __attribute__((warn_unused_result));
void holders_destroy(struct holders *holders);

#endif
