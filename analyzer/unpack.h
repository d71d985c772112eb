// A core as it is kept: plain, compressed, in an archive or an apport report, or coming from a
// pipe.
//
// What it is wrapped in is seen by its content, not by its name. A plain file is used where it
// lies. Everything else is streamed into a file without a name on disk, where pages of zeroes are
// holes, so that the reader of cores finds a plain file in any case. Layers are taken off until
// there is ELF: zstd, lz4, xz, gzip, bzip2, a tar or zip archive with one member, and apport's
// .crash files (their CoreDump). It does not know what is in a core.
//
// zstd, lz4, xz, bzip2, tar, zip and apport need libarchive and nettle, which are a feature of the
// build; gzip and plain pipes do not.
#ifndef ANALYZER_UNPACK_H
#define ANALYZER_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"

struct progress;

#define UNPACK_LIMIT_DEFAULT (UINT64_C(256) << 30)

enum {
    UNPACK_NOTES_MAX = 2,
    UNPACK_LAYERS_MAX = 4
};

struct unpack_options {
    // Where the plain core is put. NULL: $TMPDIR, then /var/tmp, those with too little room and
    // those on a tmpfs left out, because memory is what a machine with such cores is short of.
    const char *directory;
    uint64_t limit;            // most bytes of plain core; 0: UNPACK_LIMIT_DEFAULT
    struct progress *progress; // NULL: nobody looks
};

// How a core was made plain, for the report. Same input, same contents.
struct unpacked {
    const char *layers[UNPACK_LAYERS_MAX]; // "zstd", from the outside in; none: only from a pipe
    size_t layer_count;
    bool piped;           // the input was no regular file
    uint64_t packed_size; // bytes of the input; of what was read of it, if it is no regular file
    uint64_t size;        // of the plain core; where it ends, if it was damaged
    char *damage;         // why the stream ends there ("Truncated zstd input"); NULL: undamaged
    uint64_t damage_at;   // the offset in the input up to which it was understood
    // Not of the input, but of this machine: for the user, not for the report.
    char *directory;
    uint64_t on_disk;              // bytes that the plain core takes there
    char *notes[UNPACK_NOTES_MAX]; // sentences without an end: directories that were left out
    size_t note_count;
};

// Opens `path`, "-" being standard input. *fd is a regular file to be mapped from its beginning,
// which need not be a core; *unpacked is NULL if it is the very file of that name. Waits for the
// writer of a pipe. options NULL: the defaults.
// Failures: IO (cannot be opened, empty, neither a regular file nor a pipe; no room, no directory),
// NOT_A_CORE (no ELF in it, an archive of several members), UNSUPPORTED (not in this build; larger
// than the limit), DAMAGED (nothing of it can be unpacked), NO_MEMORY.
struct failure *unpack_open(const char *path, const struct unpack_options *options, int *fd,
                            struct unpacked **unpacked) __attribute__((warn_unused_result));
void unpacked_destroy(struct unpacked *unpacked);

// Puts the damage in front of a failure that it may be the cause of, if there is any. unpacked and
// failure may be NULL. Takes `failure`, returns what replaces it.
struct failure *unpacked_explain(const struct unpacked *unpacked, struct failure *failure)
    __attribute__((warn_unused_result));

#endif
