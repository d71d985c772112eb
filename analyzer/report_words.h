// Words and numbers of the text report.
#ifndef ANALYZER_REPORT_WORDS_H
#define ANALYZER_REPORT_WORDS_H

#include "report.h"

enum {
    NUMBER_MAX = 32
}; // room for any number in words

// 1234567 as 1,234,567.
const char *grouped(uint64_t number, char *buffer);

// Bytes in the largest unit of which there is one.
const char *sized(uint64_t bytes, char *buffer);

// "s" unless there is one.
const char *plural(uint64_t count);

// A name of the dead process, made harmless; NULL is "?".
void put_name(FILE *file, const char *name);

// Was a collection in progress?
bool collecting(const struct report *report);

// Who keeps objects in use that would be garbage; nothing when there are none.
void put_holders(const struct report *report, FILE *file);

// The lower half of the report: the core, the interpreter, the collector, and what could be read.
void put_basis(const struct report *report, FILE *file);

#endif
