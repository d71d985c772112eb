// Finds the file that the DWARF and the static symbols of an ELF file were stripped into.
//
// Distributions put it in a package of its own. It is looked for where gdb and libdwfl look: by
// build-id as DIR/.build-id/xx/yyyy.debug; by the name in .gnu_debuglink beside the file, in
// .debug/ there, and in DIR/path; and, only if asked to, on debuginfod's servers. One that dwz made
// smaller names a supplementary file, which is looked for in the same way.
//
// A file counts only when its build-id is that of the file it is for; where one of them has none,
// when the CRC in .gnu_debuglink fits (as libdwfl does: with equal build-ids the CRC is not looked
// at). What was found and not taken is told in notes. It does not know Python, nor read DWARF
// (image_dwarf.h).
#ifndef ANALYZER_DEBUG_FILE_H
#define ANALYZER_DEBUG_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "failure.h"

struct image;

#define DEBUG_FILE_PATH "/usr/lib/debug"

enum {
    DEBUG_FILE_NOTES_MAX = 4
};

struct debug_file_options {
    const char *path;    // DIR[:DIR]; NULL: DEBUG_FILE_PATH. An empty one: no directory
    const char *sysroot; // NULL: none; each DIR is looked for below it first
    bool ask_servers;    // of debuginfod
};

enum debug_file_source {
    DEBUG_FILE_NONE, // none was found, or none was needed: the file has DWARF itself
    DEBUG_FILE_BY_BUILD_ID,
    DEBUG_FILE_BY_LINK,
    DEBUG_FILE_BY_SERVER,
};

struct debug_file {
    enum debug_file_source source;
    char *notes[DEBUG_FILE_NOTES_MAX]; // sentences without an end, for the user
    size_t note_count;
};

// Attaches what it finds to the image: a detached file if it has no DWARF itself, and the
// supplement of the DWARF. `mapped_as` is the image's path in the process. Failure: NO_MEMORY.
struct failure *debug_file_find(struct image *image, const char *mapped_as,
                                const struct debug_file_options *options, struct debug_file *found)
    __attribute__((warn_unused_result));
void debug_file_deinit(struct debug_file *found);

// "build-id", "debuginfod" ...; NULL for DEBUG_FILE_NONE.
const char *debug_file_source_text(enum debug_file_source source);

#endif
