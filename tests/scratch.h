// Files that a test writes into its scratch directory (fakecore_enter_scratch), and a clock. They
// know nothing of what is tested; a file that cannot be written ends the test.
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

#include <stddef.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

void write_file(const char *path, const void *bytes, size_t size);
void write_text(const char *path, const char *text);

// Of a clock that only goes forward.
double seconds(void);

#endif
