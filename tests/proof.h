// What the tests have shown of which builds, for the table in README: fixtures/support-table makes
// it of these notes, less those of tests that did not pass in the end.
//
// A note is a line of CORES/../proofs.tsv: test, release, machine, byte order, build, file,
// symbols, kind of core, check.
#ifndef TESTS_PROOF_H
#define TESTS_PROOF_H

#include "real.h"

// A check ("story", "leaks", "graph", "code") of a real core held; `report` says of which build,
// and whether its file was at hand.
void proof_note(const struct real_core *core, const json_t *report, const char *check);

// The same for a synthetic one. Byte order: "little" or "big".
void proof_note_synthetic(const json_t *report, const char *byte_order, const char *check);

// EXECUTABLE was the file of another build, and that was refused.
void proof_note_wrong_file(const struct real_core *core, const json_t *report);

// What is refused always, with a sentence: "Python 3", "x32". `advice`: what that sentence says.
void proof_note_refusal(const char *what, const char *machine, const char *advice);

#endif
