// What of a command line is a name and may be told.
#include "common.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "command.h"

#define NUMBER_OF(array) (sizeof(array) / sizeof((array)[0]))

Test(command, names_of_program_and_script_and_no_more)
{
    static const struct {
        const char *names, *rest;
    } rows[] = {
        {"python2.7 app.py", " --password hunter2"},
        {"/usr/bin/python app.py", ""},
        {"/opt/x/python2.7-dbg app.py", " x"},
        {"pypy app.py", " x"},
        {"python2.7", ""},
        {"python2.7", "  "},
        {"", ""},
        // Python's own options, and arguments of theirs.
        {"python2.7 -u -OO -B app.py", " -c x"},
        {"python2.7 -W ignore -Qnew app.py", " hunter2"},
        {"python2.7 -Wignore app.py", " hunter2"},
        {"python2.7 -EW ignore app.py", " hunter2"},
        {"python2.7 -m app.server", " --token hunter2"},
        {"python2.7 -mapp.server", " --token hunter2"},
        {"python2.7 -um app.server", " --token hunter2"},
        {"python2.7 -u -m", ""},
        // Code, standard input.
        {"python2.7", " -c password='hunter2'"},
        {"python2.7", " -cpassword='hunter2'"},
        {"python2.7 -u", " -uc password='hunter2'"},
        {"python2.7", " - hunter2"},
        {"python2.7", " --help hunter2"},
        // The arguments of other programs are theirs; a title may say anything.
        {"uwsgi", " --http :80 hunter2"},
        {"./server", " hunter2"},
        {"/srv/python/server", " hunter2"},
        {"python:", " serving hunter2"},
        {"pythonic", " hunter2"},
        {"gunicorn:", " worker [hunter2]"},
    };
    for (size_t i = 0; i < NUMBER_OF(rows); i++) {
        char command[128];
        snprintf(command, sizeof(command), "%s%s", rows[i].names, rows[i].rest);
        size_t length = command_names_length(command);
        cr_expect_eq(length, strlen(rows[i].names), "%s: %zu", command, length);
    }
}
