// How much of a process's command line is names: the program and, where that is Python, the script.
// What follows are values of the dead process, and may be passwords.
#ifndef ANALYZER_COMMAND_H
#define ANALYZER_COMMAND_H

#include <stddef.h>

// The length of that part of a command line whose arguments have a space between them (pr_psargs).
// A Python is known by its file's name. Its own options, which come before the script, are in that
// part; code (-c) is not, a module's name (-m) is.
size_t command_names_length(const char *command);

#endif
