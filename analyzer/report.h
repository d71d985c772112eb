// The same findings as text, as JSON, and the whole heap as a graph.
//
// Reports print what they are given: they read neither memory nor ELF. Names come from a dead
// process and may hold anything: what is not printable is made harmless here.
#ifndef ANALYZER_REPORT_H
#define ANALYZER_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "census.h"
#include "check.h"
#include "collect.h"
#include "compare.h"
#include "contents.h"
#include "core.h"
#include "drawing.h"
#include "failure.h"
#include "findings.h"
#include "flame.h"
#include "heap.h"
#include "holders.h"
#include "interpreter.h"
#include "ledger.h"
#include "stacks.h"
#include "verdict.h"
#include "verify.h"

#define PROGRAM_NAME "pycore-garbage"

// The items of gc.garbage by what they are, each counted as often as it is listed.
struct report_items {
    uint64_t uncollectable;
    uint64_t kept;   // would have been freed, had the list not kept them
    uint64_t in_use; // held by something else as well
    uint64_t untracked;
};

struct report {
    const struct core *core;
    const struct interpreter *interpreter;
    const struct heap *heap;
    const struct collect_totals *totals;
    const struct findings *findings;
    const struct stacks *stacks;     // NULL: not read
    const struct holders *holders;   // NULL: none
    const struct census *census;     // NULL: not taken
    const struct contents *contents; // NULL: no values are to be shown
    struct verdict verdict;
    vaddr garbage; // the list, 0: not found or not made yet
    enum garbage_source garbage_source;
    const vaddr *garbage_objects; // its items, as many as could be read
    uint64_t garbage_length;      // its ob_size
    uint64_t garbage_read;
    struct report_items garbage_items;
    bool garbage_emptied; // has no items, and had some
    enum garbage_binding garbage_binding;
    vaddr garbage_bound;           // what the gc module calls garbage; 0: nothing
    uint64_t garbage_bound_length; // of that list
    const struct heap_opaque_type *opaque_types;
    size_t opaque_type_count;
    const struct heap_opaque_reason *opaque_reasons;
    size_t opaque_reason_count;
    uint64_t pending_finalizers; // pending objects that gc.garbage would list
    uint64_t kept_bytes;         // of all objects that only gc.garbage keeps alive
    uint64_t trash_bytes;
    uint64_t max_size; // bytes of Markdown or HTML; 0: no limit
    uint64_t limit;    // longest array or list of findings to print; 0: no limit
};

// Could everything that the numbers rest on be read?
bool report_is_complete(const struct report *report);

// Was gc.DEBUG_SAVEALL set, by which all that is unreachable is put into gc.garbage?
bool report_saves_all(const struct report *report);

// "reachable", "uncollectable" ...
const char *report_state_name(enum collect_state state);

// "cached attribute", "bound method" ...
const char *report_break_name(enum break_kind kind);

// Writes to `file`; what goes wrong with the file shows in ferror. Failures: NO_MEMORY.
struct failure *report_text(const struct report *report, FILE *file)
    __attribute__((warn_unused_result));

struct failure *report_markdown(const struct report *report, FILE *file)
    __attribute__((warn_unused_result));
struct failure *report_html(const struct report *report, FILE *file)
    __attribute__((warn_unused_result));
struct failure *report_json(const struct report *report, FILE *file)
    __attribute__((warn_unused_result));

// What --verify found, instead of a report. Of the latter only core, interpreter, heap and limit
// are used. Failures: NO_MEMORY.
void report_verify_text(const struct report *report, const struct verify *verify, FILE *file);
struct failure *report_verify_json(const struct report *report, const struct verify *verify,
                                   FILE *file) __attribute__((warn_unused_result));

// One finding as a graph in Graphviz's language; without a finding, one that says so.
void report_dot(const struct drawing *drawing, FILE *file);

// The findings' bytes as stacks, "finding;type;edge;type ... bytes", one a line; of the first
// `limit` findings (0: all).
void report_folded(const struct flame *flame, const struct findings *findings, uint64_t limit,
                   FILE *file);

// What --check found. Failures: NO_MEMORY.
void report_check_text(const struct check *check, FILE *file);
struct failure *report_check_json(const struct check *check, FILE *file)
    __attribute__((warn_unused_result));

// Instead of a report: a line per finding of many processes, or per finding of an old and a new
// report. At most `limit` lines (0: all). Failures: NO_MEMORY.
void report_ledger_text(const struct ledger *ledger, uint64_t limit, FILE *file);
struct failure *report_ledger_json(const struct ledger *ledger, uint64_t limit, FILE *file)
    __attribute__((warn_unused_result));
void report_comparison_text(const struct comparison *comparison, uint64_t limit, FILE *file);
struct failure *report_comparison_json(const struct comparison *comparison, uint64_t limit,
                                       FILE *file) __attribute__((warn_unused_result));

// One JSON line per tracked object, in address order. Reads the heap, object by object. states:
// collect_run's. Failures: NO_MEMORY.
struct failure *report_graph(struct heap *heap, const uint8_t *states, FILE *file)
    __attribute__((warn_unused_result));

// A name of the dead process, fit for a report: valid UTF-8 without control characters, direction
// marks, what is not seen and the signs of the report's own drawings, these as \xNN. Heap string,
// NULL for lack of memory.
char *report_clean_name(const char *name);

#endif
