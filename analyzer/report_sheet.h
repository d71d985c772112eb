// Plain words onto a page of some format: a FILE that puts something else for the bytes that mean
// something there.
//
// What the reports say is written once, as plain words (report_sentences.h). Text, Markdown and
// HTML give it different sheets to write on, so that no sentence needs to know where it ends up,
// and nothing in a name from the core can be taken for markup.
#ifndef ANALYZER_REPORT_SHEET_H
#define ANALYZER_REPORT_SHEET_H

#include <stdio.h>

#include "failure.h"

// Sentences put these around names. No name has them: report_clean_name leaves no such byte.
#define NAME_START "\2"
#define NAME_END   "\3"

enum {
    SHEET_BYTES = 128
};

// What stands for a byte; NULL: itself. Bytes of UTF-8 sequences always stand for themselves.
struct sheet_style {
    const char *words[SHEET_BYTES];
    const char *name_start; // around names; an empty name gets nothing. NULL: nothing
    const char *name_end;
    const char *names[SHEET_BYTES]; // within them
};

struct sheet;

// A page on `file`, which stays the caller's; what goes wrong with it shows in its ferror.
// Failures: NO_MEMORY.
struct failure *sheet_create(FILE *file, struct sheet **sheet) __attribute__((warn_unused_result));
void sheet_destroy(struct sheet *sheet);

// Where to write from here on in a style; NULL: as it is, but without the marks of names. The sheet
// keeps the style and the FILE. Everything goes through the sheet until it is destroyed or flushed.
FILE *sheet_use(struct sheet *sheet, const struct sheet_style *style);

#endif
