// Words and numbers of the reports for people.
#ifndef ANALYZER_REPORT_WORDS_H
#define ANALYZER_REPORT_WORDS_H

#include "report.h"
#include "report_sheet.h"

enum {
    NUMBER_MAX = 32
}; // room for any number in words

// 1234567 as 1,234,567.
const char *grouped(uint64_t number, char *buffer);

// Bytes in the largest unit of which there is one.
const char *sized(uint64_t bytes, char *buffer);

// "s" unless there is one.
const char *plural(uint64_t count);

// "3 more findings not shown (--limit)"; noun: of one of them, or "".
void put_rest(uint64_t count, const char *noun, const char *option, FILE *file);

// A name of the dead process, made harmless; NULL is "?".
void put_name(FILE *file, const char *name);

// A file without its directories; NULL is "?".
void put_file(FILE *file, const char *path);

// "file.py:12", without directories; NULL is "?".
void put_place(FILE *file, const char *path, int64_t line);

// The same between NAME_START and NAME_END, for a sheet (report_sheet.h).
void put_marked_name(FILE *file, const char *name);
void put_marked_place(FILE *file, const char *path, int64_t line);

// "MyApiClient" of "app.MyApiClient"; part of its argument.
const char *short_name(const char *type);

// As many of `count` as --limit lets be told.
uint64_t limited(const struct report *report, uint64_t count);

// Was a collection in progress?
bool collecting(const struct report *report);

// Do the lists look like those of a collection that the interpreter knows nothing of?
bool lists_are_odd(const struct report *report);

#endif
