// The file that a core is unpacked into: without a name, pages of zeroes left as holes.
#ifndef ANALYZER_UNPACK_FILE_H
#define ANALYZER_UNPACK_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "unpack.h"

struct unpack_file;

// In options->directory, or where unpack.h says. `least` bytes must fit there. The directory and
// those that were left out are noted in `unpacked`. Failures: IO, NO_MEMORY.
struct failure *unpack_file_create(const struct unpack_options *options, uint64_t least,
                                   struct unpacked *unpacked, struct unpack_file **file)
    __attribute__((warn_unused_result));
void unpack_file_destroy(struct unpack_file *file);

// Failures: IO (no room), UNSUPPORTED (more than the limit).
struct failure *unpack_file_write(struct unpack_file *file, const uint8_t *bytes, size_t size)
    __attribute__((warn_unused_result));

// Writes what is left, notes the sizes; *fd is the caller's.
struct failure *unpack_file_finish(struct unpack_file *file, struct unpacked *unpacked, int *fd)
    __attribute__((warn_unused_result));

// More than the limit.
struct failure *unpack_file_explain_limit(uint64_t limit) __attribute__((warn_unused_result));

#endif
