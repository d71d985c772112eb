// Words and numbers of the reports for people.
#ifndef ANALYZER_REPORT_WORDS_H
#define ANALYZER_REPORT_WORDS_H

#include "report.h"
#include "report_sheet.h"

enum {
    NUMBER_MAX = 32,      // room for any number in words
    NAME_TOLD_MAX = 1000, // bytes of a name told to people
    MARKED_NAME_MAX = 200 // and within a sentence
};

// 1234567 as 1,234,567.
const char *grouped(uint64_t number, char *buffer);

// Bytes in the largest unit of which there is one.
const char *sized(uint64_t bytes, char *buffer);

// "s" unless there is one.
const char *plural(uint64_t count);

// "3 more findings not shown (--limit)"; noun: of one of them, or "".
void put_rest(uint64_t count, const char *noun, const char *option, FILE *file);

// How much of a cut core is missing, and what lay there; the line ends. Nothing for a whole one.
void put_missing(const struct missing *missing, FILE *file);

// Where the collector's lists are broken, lines of the coverage; nothing where they are whole.
void put_tears(const struct tears *tears, FILE *file);
// Which objects have no type that can be read; nothing where all have one.
void put_unreadable(const struct heap_losses *losses, FILE *file);

// A name of the dead process, made harmless, "..." for the middle of a very long one; NULL is "?".
void put_name(FILE *file, const char *name);

// A file without its directories; NULL is "?".
void put_file(FILE *file, const char *path);

// "file.py:12", without directories; NULL is "?".
void put_place(FILE *file, const char *path, int64_t line);

// The same between NAME_START and NAME_END, for a sheet (report_sheet.h), and for sentences: of
// MARKED_NAME_MAX bytes at most.
void put_marked_name(FILE *file, const char *name);
void put_marked_place(FILE *file, const char *path, int64_t line);

// "python2.7 app.py (arguments left out)", or with them.
void put_command(FILE *file, const struct core *core, bool with_values);

// "MyApiClient" of "app.MyApiClient"; part of its argument.
const char *short_name(const char *type);

// As many of `count` as --limit lets be told.
uint64_t limited(const struct report *report, uint64_t count);

// Was a collection in progress?
bool collecting(const struct report *report);

// Do the lists look like those of a collection that the interpreter knows nothing of?
bool lists_are_odd(const struct report *report);

// "complete", "DAMAGED" ..., of a core that is not cut.
const char *core_state_words(const struct core *core);

// What the core was taken out of, from the inside out: the end of a line, and one without its end.
void put_unpacked(const struct unpacked *unpacked, FILE *file);

#endif
