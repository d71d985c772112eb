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

// Answers what it can and leaves the rest not found. True when the file has DWARF at all.
// Reads only units whose base name some query gives, then others until all is found; stops when
// all is found. Only the DWARF in the file itself: no other file is opened, no network is used.
bool image_read_members(const struct image *image, struct image_member_query *queries,
                        size_t count);

#endif
