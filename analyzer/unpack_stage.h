// One layer around a core, taken off while it streams by. Stages stand on each other: the lowest
// reads a file, each other one what the stage below it gives.
#ifndef ANALYZER_UNPACK_STAGE_H
#define ANALYZER_UNPACK_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STAGE_BUFFER = 256 << 10,
    STAGE_HEAD = 1024 // bytes that can be looked at before they are taken
};

struct progress;

enum stage_status {
    STAGE_MORE,
    STAGE_END,
    STAGE_DAMAGED, // `reason` says why; what came before is good
    STAGE_REFUSED, // `reason` says what it is instead of a core
    STAGE_NO_MEMORY
};

struct stage {
    const char *name;    // "zstd"
    struct stage *below; // NULL: reads the input. Not closed with this one
    uint64_t used;       // bytes of the stage below (of the input) that it is through with
    char reason[200];

    // The kind's own. next gives at least one byte with STAGE_MORE, good until the next call; is
    // not called again once it has given something else. close frees the stage.
    enum stage_status (*next)(struct stage *stage, const uint8_t **bytes, size_t *size);
    void (*close)(struct stage *stage);

    // private
    enum stage_status status;
    uint8_t head[STAGE_HEAD];
    size_t head_size;
    size_t head_taken;
    const uint8_t *rest; // of the block that the head ends in
    size_t rest_size;
};

// The next bytes, at least one with STAGE_MORE, good until the next call.
enum stage_status stage_next(struct stage *stage, const uint8_t **bytes, size_t *size);

// The first bytes, fewer than STAGE_HEAD if there are no more. To be called before stage_next.
const uint8_t *stage_peek(struct stage *stage, size_t *size);

// Sets the reason.
enum stage_status stage_say(struct stage *stage, enum stage_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void stage_close(struct stage *stage); // NULL is allowed

// --- kinds. All give NULL for lack of memory.

// The input, each byte counted as progress (NULL: nobody looks); the descriptor stays the caller's.
struct stage *stage_open_file(int fd, struct progress *progress);

// By zlib, which verifies the sum and length at the end of each member; libarchive 3.6 does not.
struct stage *stage_open_gzip(struct stage *below);

// By libarchive: a filter (zstd, lz4, xz, bzip2) or a format (tar, zip), by that name.
struct stage *stage_open_archive(const char *name, struct stage *below);

// The CoreDump of apport's report.
struct stage *stage_open_apport(struct stage *below);

#endif
