#include "note.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "report.h"

void note_print(const char *format, ...)
{
    va_list list;
    char *text = NULL;
    va_start(list, format);
    char *clean = vasprintf(&text, format, list) < 0 ? NULL : report_clean_name(text);
    va_end(list);
    fprintf(stderr, PROGRAM_NAME ": %s\n", clean ? clean : "out of memory");
    free(text);
    free(clean);
}
