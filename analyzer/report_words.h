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

// A file without its directories; NULL is "?".
void put_file(FILE *file, const char *path);

// "file.py:12", without directories; NULL is "?".
void put_place(FILE *file, const char *path, int64_t line);

// "MyApiClient" of "app.MyApiClient"; part of its argument.
const char *short_name(const char *type);

// Which reference of a finding to break, who sets it, and how.
void put_breaks(const struct finding *finding, FILE *file);

// What filled the memory: of the verdict, a section of its own, a line of the coverage. Nothing
// when no census was taken.
void put_memory_verdict(const struct report *report, FILE *file);
void put_memory(const struct report *report, FILE *file);
void put_byte_coverage(const struct report *report, FILE *file);

// What the threads were doing.
void put_stacks(const struct report *report, FILE *file);

// Was a collection in progress?
bool collecting(const struct report *report);

// Do the lists look like those of a collection that the interpreter knows nothing of?
bool lists_are_odd(const struct report *report);

// The interpreter's file and the layout.
void put_interpreter(const struct report *report, FILE *file);

// Who keeps objects in use that would be garbage; nothing when there are none.
void put_holders(const struct report *report, FILE *file);

// The lower half of the report: the core, the interpreter, the collector, and what could be read.
void put_basis(const struct report *report, FILE *file);

#endif
