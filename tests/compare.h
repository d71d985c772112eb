// Is a JSON report what the interpreter and the fixture say (truth.json, see fixtures/truth.py)?
//
// Each function checks one thing for one core with cr_expect, so that a loop over many cores tells
// of all that differ.
#ifndef TESTS_COMPARE_H
#define TESTS_COMPARE_H

#include "real.h"

// Everything below.
void compare_report(const struct real_core *core, const json_t *report);

// gc.garbage: length, and the same addresses in the same order.
void compare_garbage(const struct real_core *core, const json_t *report);

// The findings by state, count, objects, cycle (wherever it begins) and finalizers; what they hold,
// where the truth says it; types that must not be told.
void compare_findings(const struct real_core *core, const json_t *report);

// Each drawn cycle runs inside one of the interpreter's own components.
void compare_components(const struct real_core *core, const json_t *report);

// How many objects are uncollectable, kept, pending and trash.
void compare_states(const struct real_core *core, const json_t *report);

// The collector's switches, where a symbol leads to them, and its thresholds.
void compare_collector(const struct real_core *core, const json_t *report);

// Nothing opaque, unreadable, broken or overdrawn.
void compare_coverage(const struct real_core *core, const json_t *report);

// One member, by its path, is the same in two reports.
void compare_member(const struct real_core *core, const json_t *report, const json_t *expected,
                    const char *path);

// A report made without any file says the same as one made with them, to the last byte and
// signature, but for how gc.garbage was found.
void compare_bare(const struct real_core *core, const json_t *bare, const json_t *full);

#endif
