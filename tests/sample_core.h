// A core with everything, made to order, and how the tests of the core reader open it and others.
//
// Cores are written to "core.1234" in the current directory. A core that does not open ends the
// test; one that does is the caller's to close.
#ifndef TESTS_SAMPLE_CORE_H
#define TESTS_SAMPLE_CORE_H

#include "core.h"
#include "fakecore.h"

// A process with everything, as the kernel dumps it: three threads, lines of NT_FILE and segments.
extern const struct fakecore whole;

// Frees the image.
struct core *open_image(struct fakecore_file_image *image);
struct core *open_spec(const struct fakecore *spec);

#endif
