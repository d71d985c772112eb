// Where a report goes to.
#ifndef ANALYZER_OUTPUT_H
#define ANALYZER_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "failure.h"

// A file of the user's choice, or standard output.
struct output {
    const char *path; // NULL: standard output
    FILE *file;
    bool created; // was not there before
};

// Nothing that is in the file is touched yet: it could be the core, which fails with USAGE.
// path: NULL for standard output. Other failures: IO.
struct failure *output_open(const char *path, const char *core, struct output *output)
    __attribute__((warn_unused_result));

// What it had before goes only when there is something to put in its place.
void output_empty(struct output *output);

// One that no report was written to goes again if it was not there before. Failures: IO, only if
// one was written.
struct failure *output_close(struct output *output, bool written)
    __attribute__((warn_unused_result));

#endif
