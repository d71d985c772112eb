// One ELF file of the process (executable or library), as it lies on this machine's disk, or what
// its core has of it: build-id, segments, symbols, bytes. It does not know Python: symbol names are
// strings to it. It does not know where the process had it: addresses are the file's own. Types and
// members are image_dwarf.h's.
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

struct Elf; // libelf's
struct image_symbols;

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
    const uint8_t *bytes; // the whole file, mapped privately (libelf unpacks sections in place)
    vaddr moved_by;       // what a linker may have added to addresses in the dynamic section
    unsigned machine;
    struct memory_format format;
    bool position_independent; // ET_DYN
    vaddr entry;
    uint64_t program_headers_offset; // e_phoff
    vaddr dynamic;                   // PT_DYNAMIC: its address,
    uint64_t dynamic_offset;         // where it is in the file,
    uint64_t dynamic_size;           // and its size there; 0: none
    struct build_id build_id;
    struct image_segment *segments;
    size_t segment_count;
    struct image *detached;   // the debug file that was stripped off it; NULL: none is known
    struct image *supplement; // what dwz moved out of its DWARF (.gnu_debugaltlink); NULL: likewise
    // private
    bool only_debug; // need not have code or segments
    int fd;
    struct Elf *elf;
    struct image_symbols *symbols;
};

// Failures: IO, MISMATCH (not an ELF executable or shared object: says what it is instead),
// NO_MEMORY. Only regular files are opened (a FIFO or device named by a core must not
// block); O_CLOEXEC|O_NONBLOCK, then fstat.
struct failure *image_open(const char *path, struct image **image)
    __attribute__((warn_unused_result));
// The same of bytes that lie as in the file, a private mapping that becomes the image's if it
// succeeds. Its section headers are not read. moved_by: see above.
struct failure *image_open_bytes(const char *path, uint8_t *bytes, uint64_t size, vaddr moved_by,
                                 struct image **image) __attribute__((warn_unused_result));
// The same as image_open of a file with DWARF and symbols alone, which image_open refuses: one that
// `objcopy --only-keep-debug` or dwz made. Where its segments say that their bytes are lies
// something else.
struct failure *image_open_debug(const char *path, struct image **image)
    __attribute__((warn_unused_result));
// Its detached file and supplement are closed with it.
void image_close(struct image *image);

// Makes `debug` the detached file of the image, which had none; it becomes the image's. From now on
// its symbols are looked at where the image has none of a name.
void image_attach_debug(struct image *image, struct image *debug);

enum {
    SCRIPT_MAX = 256 // what Linux reads of a script's first line (BINPRM_BUF_SIZE)
};

// Is the file a script? Then its first line without "#!" and the spaces behind it, as far as it is
// printable; of SCRIPT_MAX bytes.
bool image_read_script(const char *path, char *line);

// libelf's handle, for other files that read images. It stays the image's.
struct Elf *image_elf(const struct image *image);

// The value of a defined symbol, from .symtab when there is one, else .dynsym, and where there are
// no sections, the table that the dynamic section names; what is in none of these, from the
// detached file (whose addresses are changed to those of a prelinked image). A name of LTO's
// making (NAME.lto_priv.N) counts as NAME when NAME itself is absent; static ones too. When several
// local symbols share the name (two `delstr`, or `garbage` twice) the first defined OBJECT with
// st_size > 0 wins, and *ambiguous (if not NULL) is set.
// size may be NULL. False: none.
// The first lookup in a file reads its table, and must not race with another in the same file:
// let one thread look something up first, after that any number may.
bool image_find_symbol(const struct image *image, const char *name, vaddr *value, uint64_t *size,
                       bool *ambiguous);

// The value of a symbol that other files of the process may refer to: one of .dynsym, or of the
// table that the dynamic section names, that is not local. False: none. Races as image_find_symbol
// does.
bool image_find_exported(const struct image *image, const char *name, vaddr *value);

// The variable that holds an address of the file: its name (not terminated: *length bytes of it,
// which the image keeps) and how far into it. NULL: no symbol says. Goes through the whole table.
const char *image_find_object_at(const struct image *image, vaddr value, size_t *length,
                                 uint64_t *offset);

// Calls `visit` with the address in the file and the size of each variable that the file exports.
void image_each_exported(const struct image *image,
                         void (*visit)(void *context, vaddr value, uint64_t size), void *context);

#endif
