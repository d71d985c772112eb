// The command line.
#ifndef ANALYZER_OPTIONS_H
#define ANALYZER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "debug_file.h"
#include "process.h"
#include "unpack.h"

enum {
    EXIT_COMPLETE = 0,
    EXIT_INCOMPLETE = 1,
    EXIT_NO_REPORT = 2,
    EXIT_WRONG_USAGE = 64
};

enum color_choice {
    COLOR_AUTO, // on a terminal, unless NO_COLOR is set
    COLOR_ALWAYS,
    COLOR_NEVER
};

enum format {
    FORMAT_TEXT,
    FORMAT_JSON,
    FORMAT_MARKDOWN,
    FORMAT_HTML,
    FORMAT_DOT,
    FORMAT_FOLDED,
    FORMAT_COUNT
};

struct options {
    const char *core;
    const char *executable;
    const char *core_by_option; // -c
    char **arguments;
    size_t argument_count;
    struct process_options process;
    struct debug_file_options debug;
    struct unpack_options unpack;
    enum format format;
    const char *output;
    const char *graph;
    uint64_t limit;
    uint64_t max_size; // of markdown and html, bytes; 0: any
    int error_exitcode;
    unsigned jobs;
    bool verify;
    uint32_t verify_limit;
    const char *finding; // to be drawn; NULL: the first
    bool values;         // show some of the dead process
    bool ascii;
    enum color_choice color;
    size_t width;
    const char *compare; // an older JSON report
    bool check;          // no report, only whether there could be one
    bool merge;          // the arguments are JSON reports
    bool verbose;
    bool quiet;
};

// Strings are those of argv. Ends the process when there is nothing more to do: --help, --version,
// wrong usage.
void options_parse(int argc, char **argv, struct options *options);

#endif
