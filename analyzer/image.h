// One ELF file of the process (executable or library), as it lies on this machine's disk:
// build-id, symbols, bytes, DWARF member offsets. It does not know Python: symbol and member names
// are strings to it. It does not know where the process had it: addresses are the file's own.
#ifndef ANALYZER_IMAGE_H
#define ANALYZER_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "memory.h"

enum {
    BUILD_ID_MAX = 64
};

struct build_id {
    uint8_t size; // 0: none
    uint8_t bytes[BUILD_ID_MAX];
};

bool build_id_equal(const struct build_id *a, const struct build_id *b);
// Lower-case hex; "none" when there is none. Capacity 2 * BUILD_ID_MAX + 1 is always enough.
void build_id_format(const struct build_id *id, char *buffer, size_t capacity);
// Finds NT_GNU_BUILD_ID in the first bytes of an ELF file as a process maps it (a page saved in a
// core, or a whole file): follows its program headers as far as `size` reaches. False: none found.
bool build_id_find(const uint8_t *bytes, size_t size, struct build_id *id);

struct image_segment { // PT_LOAD
    vaddr start;       // p_vaddr
    uint64_t memory_size;
    uint64_t file_offset;
    uint64_t file_size;
    uint32_t flags;
};

struct image {
    char *path;
    uint64_t size;
    const uint8_t *bytes; // the whole file, mapped read-only
    unsigned machine;
    struct memory_format format;
    bool position_independent; // ET_DYN
    vaddr entry;
    uint64_t program_headers_offset; // e_phoff
    struct build_id build_id;
    struct image_segment *segments;
    size_t segment_count;
    // private
    int fd;
    void *elf;
};

// Failures: IO, MISMATCH (not an ELF executable or shared object: says what it is instead, e.g. a
// script), NO_MEMORY. Only regular files are opened (a FIFO or device named by a core must not
// block); O_CLOEXEC|O_NONBLOCK, then fstat.
struct failure *image_open(const char *path, struct image **image)
    __attribute__((warn_unused_result));
void image_close(struct image *image);

// The value of a defined symbol, from .symtab when there is one, else .dynsym. A name of LTO's
// making (NAME.lto_priv.N) counts as NAME when NAME itself is absent; static ones too. When several
// local symbols share the name (two `delstr`, or `garbage` twice) the first defined OBJECT with
// st_size > 0 wins, and *ambiguous (if not NULL) is set.
// size may be NULL. False: none.
bool image_find_symbol(const struct image *image, const char *name, vaddr *value, uint64_t *size,
                       bool *ambiguous);

// DWARF: where a member lies. `type` is a struct tag or typedef name, `member` a dotted path
// ("ob_base.ob_type" style; anonymous members are looked into); "" asks for the size of the type.
struct image_member_query {
    const char *type;
    const char *member;
    const char *unit; // base name of a compilation unit that has it ("dictobject.c"), NULL: any
    // answers
    bool found;
    uint64_t offset; // bytes; the size when member is ""
    uint64_t width;  // bytes of the member's type; the size when member is ""
};

// Answers what it can and leaves the rest not found. True when the file has DWARF at all.
// Reads only units whose base name some query gives, then others until all is found; stops when
// all is found. Only the DWARF in the file itself: no other file is opened, no network is used.
bool image_read_members(const struct image *image, struct image_member_query *queries,
                        size_t count);

#endif
