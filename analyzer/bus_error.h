// A file that is read through a mapping can become shorter meanwhile, or its disk can fail: that is
// a SIGBUS, and without this the end of the program without a word.
//
// The numbers so far rest on what is gone, so there is no report: one sentence on standard error,
// and the exit status of a run without a report.
#ifndef ANALYZER_BUS_ERROR_H
#define ANALYZER_BUS_ERROR_H

#include <stddef.h>

enum {
    BUS_ERROR_REMOVED_MAX = 2
};

// From now on SIGBUS ends the program so: `sentence` (which is to end with a newline) is written to
// standard error, the files at `removed` (each may be NULL) are removed, exit status `status`. The
// strings are kept. Other handlers of SIGBUS are replaced.
void bus_error_catch(const char *sentence, const char *const removed[BUS_ERROR_REMOVED_MAX],
                     int status);

#endif
