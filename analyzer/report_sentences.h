// What the reports for people say, as plain words: sentences and drawings that text, Markdown and
// HTML have in common.
//
// None of these ends its last line. Within, a line ends where a sentence or a row of a drawing
// does. Where NAME_START may be among them (report_sheet.h), it is said: such words go to a sheet.
#ifndef ANALYZER_REPORT_SENTENCES_H
#define ANALYZER_REPORT_SENTENCES_H

#include "report_words.h"

// The first paragraph: what leaked, and what filled the memory. Each line ends, the last one too.
void put_verdict(const struct report *report, FILE *file);

// The part of it that tells what filled the memory; nothing when no census was taken.
void put_memory_verdict(const struct report *report, FILE *file);

// --- findings

enum {
    HEAD_MAX = 128
};

// "5 cycles like this one, 3.4 KiB".
const char *finding_head(const struct report *report, const struct finding *finding,
                         char buffer[HEAD_MAX]);

// The cycle, edge by edge, and the finalizers beside it; for a fixed pitch.
void put_drawing(const struct finding *finding, FILE *file);

// The finalizer of a class, told behind its name: "has __del__: app.C, c.py:7".
void put_finalizer(const struct finding_finalizer *finalizer, FILE *file);

// The finalizer of a step; NULL: none.
const struct finding_finalizer *find_finalizer(const struct finding *finding, size_t step);

// Is the edge from this step the one to break?
bool is_to_break(const struct finding *finding, size_t step);

// A drawing leaves out the middle of a long cycle: the steps from `first` on, `count` of them.
struct drawing_gap {
    size_t first;
    size_t count; // 0: nothing is left out
};
struct drawing_gap find_gap(const struct finding *finding, size_t drawn_max);

// Which reference to break, who sets it, what to do; a sentence each line. Has marked names.
void put_breaks(const struct report *report, const struct finding *finding, FILE *file);

// Of a cut core: is the reference to break told by a type or an attribute whose name is lost?
bool is_break_unnamed(const struct report *report, const struct finding *finding);

// Instead of it: what is lost, what is known still, what to do. For such a finding only.
void put_unnamed_break(const struct finding *finding, FILE *file);

// ".t of MyApiClient, set in cached_property.__get__ (seed_leak.py:21)"; only if there is a break
// or a set, of which it tells two. Has marked names.
void put_first_break(const struct finding *finding, FILE *file);

// How many cycles that frees: "60,000 cycles", "12 of 64 cycles", "about 850 of 1,000 cycles".
void put_freed_cycles(const struct finding *finding, FILE *file);

// "keep 3 other objects alive: 4.0 KiB"; only if held_objects is not 0.
void put_held(const struct finding *finding, FILE *file);

// "objects per cycle: 1 to 30, median 2 (1: 3; 2-3: 90; 16-31: 1)"; only if they differ.
bool differ_in_size(const struct finding *finding);
void put_sizes(const struct finding *finding, FILE *file);

// "e.g. 0x7f34e9520a90; each 4 objects, 704 bytes".
void put_example(const struct finding *finding, FILE *file);

// All of these that there are, a line each.
void put_points(const struct report *report, const struct finding *finding, FILE *file);

// What the objects of the cycle hold, for a fixed pitch; only if there is something to be shown.
bool has_contents(const struct report *report, const struct finding *finding);
void put_contents(const struct report *report, const struct finding *finding, FILE *file);

// What is charged to no finding; only if shared_objects is not 0.
void put_shared(const struct findings *findings, FILE *file);

// --- lists: who holds what, what the threads did

enum holders_list {
    HOLDERS_LISTED,   // items of gc.garbage in use
    HOLDERS_CYCLES,   // cycles in use from outside
    HOLDERS_EVIDENCE, // references from outside
    HOLDERS_LISTS
};

// Is there anything to tell?
bool has_holders(const struct report *report, enum holders_list list);

// What the list is of; ends with a colon or a full stop.
void put_holders_head(const struct report *report, enum holders_list list, FILE *file);
size_t count_holders(const struct report *report, enum holders_list list);

// Some rows, for a fixed pitch.
void put_holder(const struct report *report, enum holders_list list, size_t i, FILE *file);

// What the list lacks, each line ended; may be nothing.
void put_holders_losses(const struct report *report, enum holders_list list, FILE *file);

// Behind the stacks that are not all there are.
#define STACKS_INCOMPLETE "Not all threads or calls could be read."

// "Thread 0x7f34, innermost call first:".
void put_thread_head(const struct stack *stack, FILE *file);

// Its calls, a line each, all ended.
void put_frames(const struct stack *stack, FILE *file);

// --- where the numbers come from

enum fact_kind {
    FACT_MEMORY,
    FACT_CORE,
    FACT_PROCESS,
    FACT_INTERPRETER,
    FACT_LAYOUT,
    FACT_COLLECTOR,
    FACT_GARBAGE,
    FACT_COVERAGE,
    FACT_TICKET,
    FACTS
};

struct fact {
    const char *label;
    // Ends each line, the last too. Further lines begin with the spaces that place them below the
    // first in a block of text.
    void (*put)(const struct report *report, FILE *file);
};

extern const struct fact facts[FACTS];

// The facts of other files.
void put_memory(const struct report *report, FILE *file);        // only when a census was taken
void put_byte_coverage(const struct report *report, FILE *file); // may be nothing

// Is there anything to tell?
bool has_fact(const struct report *report, enum fact_kind kind);

// As part of a block of text: the label in its column, each line ended.
void put_fact(const struct report *report, enum fact_kind kind, FILE *file);

#endif
