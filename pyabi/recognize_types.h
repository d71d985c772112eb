// The static types of a recognised interpreter: where they are and what they are called.
// Private to recognize.c and its parts.
#ifndef PYABI_RECOGNIZE_TYPES_H
#define PYABI_RECOGNIZE_TYPES_H

#include "recognize.h"

// A name for what lies at the end of a path. A path starts at a module of sys.modules, or at
// "@weakref" (an element of object.__subclasses__()) or "@frame" (of a thread), and goes on
// through dictionaries of modules and types by ".key". A sign at its end: "!" the type of the
// object, "^" the base of the type. The first path of
// a name that leads to a static type wins.
struct recognize_path {
    const char *name;
    const char *path;
};
extern const struct recognize_path recognize_paths[];
extern const size_t recognize_path_count;

// A name for a type of which nothing but its objects can tell: its size, and what their members
// refer to. The size is that of a sizeof row, or ends at most `more` words behind a member. Every
// field must be there in each object looked at. The first row that fits wins.
enum {
    RECOGNIZE_FIELDS = 3,
    RECOGNIZE_SIZEOF = UINT16_MAX, // for `more`: `size` is a sizeof row
};
struct recognize_look {
    const char *name;  // of the row of the traversal table
    const char *shown; // where several types look the same: what they have in common, else NULL
    enum layout_member size;
    unsigned more;
    struct {
        enum layout_member member;
        // Names of types, with "|" between; "*": any object; a "?" in front: not in every object,
        // but in one of those looked at; NULL: no more fields.
        const char *type;
    } fields[RECOGNIZE_FIELDS];
    bool in_module; // may lie in another file than the interpreter's
    bool common;    // of the types that look the same, the one with most objects goes by `name`
};
extern const struct recognize_look recognize_looks[];
extern const size_t recognize_look_count;

// A name for the type of what a member of a named type's objects refers to.
struct recognize_member {
    const char *name;
    const char *owner;
    enum layout_member member;
    bool item; // the first item of the tuple there
};
extern const struct recognize_member recognize_members[];
extern const size_t recognize_member_count;

// The bytes that the core saved of a range, piece by piece; *cursor starts at the range's start.
// False: no more.
bool recognize_next_bytes(struct memory *memory, const struct recognize_range *range, vaddr *cursor,
                          vaddr *start, const uint8_t **bytes, uint64_t *size);

// The first offset from `offset` on, in steps of a word, with a word in [low, high]; `size`: none.
uint64_t recognize_next_word(struct memory_format format, const uint8_t *bytes, uint64_t size,
                             uint64_t offset, vaddr low, vaddr high);

// Lists the static type objects, among them those of metatypes. False: memory is short.
bool recognize_list_types(struct recognition *recognition);

// Gives every type a name: its own tp_name where that can be read; by a path; the key of a
// module's dictionary; what its objects look like; else a placeholder that is the same in every
// core of that build. False: memory is short.
bool recognize_name_types(struct recognition *recognition);

// The type that goes by that name in the traversal table, the surest if there are several; NULL:
// none.
const struct recognized_type *recognize_find_rule(const struct recognition *recognition,
                                                  const char *name);

// recognition_find_type, to be changed.
struct recognized_type *recognize_find_address(struct recognition *recognition, vaddr address);

#endif
