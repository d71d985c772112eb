// What the DWARF of one ELF file says about types of C: where members lie, how wide they are.
//
// It does not know Python: types, members and units are strings to it. Nothing is kept between two
// calls; queries and their strings are the caller's. libdw unpacks sections in the image itself, so
// one thread at a time reads members of an image, while no other uses that image.
// (Not called dwarf.h, which is elfutils'.)
#ifndef ANALYZER_IMAGE_DWARF_H
#define ANALYZER_IMAGE_DWARF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct build_id;
struct image;

// `type` is a struct tag or typedef name, `member` a dotted path ("ob_base.ob_type" style;
// anonymous members are looked into); "" asks for the size of the type.
struct image_member_query {
    const char *type;
    const char *member;
    const char *unit; // base name of a compilation unit that has it ("dictobject.c"), NULL: any
    // answers
    bool found;
    uint64_t offset; // bytes; the size when member is ""
    uint64_t width;  // bytes of the member's type; the size when member is ""
};

// Does the file itself have DWARF?
bool image_has_dwarf(const struct image *image);

// dwz moves what the DWARF of several files has in common into a supplementary one, which
// .gnu_debugaltlink names by path (the caller's to free) and build-id. False: none is named.
bool image_find_supplement(const struct image *image, char **path, struct build_id *id);

// Answers what it can and leaves the rest not found. True when the file or its detached one has
// DWARF at all. Reads only units whose base name some query gives, then others until all is found,
// then those of the supplement; stops when all is found. Only what the image has in `detached` and
// `supplement` (of the one that has the DWARF): no other file is opened, no network is used.
bool image_read_members(const struct image *image, struct image_member_query *queries,
                        size_t count);

#endif
