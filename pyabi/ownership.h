// What an object owns that its tp_traverse does not visit: the strong references of types that the
// collector does not track (code, slices, structseqs, datetime), and those that a tracked type
// keeps to itself (the name of a class). And memory allocated aside.
//
// For what is held and how much that takes, never for the collector's graph: there, what is not
// visited comes from outside.
#ifndef PYABI_OWNERSHIP_H
#define PYABI_OWNERSHIP_H

#include <stdbool.h>
#include <stdint.h>

#include "traverse.h"

enum {
    OWNERSHIP_UNICODE = LAYOUT_ABSENT // the item is a Py_UNICODE
};

// A row of the table (ownership_rules.c): what the objects of one type, written in C, own besides
// what those of its tp_base do.
struct ownership_rule {
    const char *type_name; // tp_name
    uint16_t basicsize;    // enum layout_member: a sizeof row, which tp_basicsize has to equal
    struct traverse_rule_step steps[TRAVERSE_RULE_STEPS];
    uint8_t size; // enum size_rule: what is allocated aside
    // For SIZE_BUFFER: `count` items, and `more` behind them, at `pointer`, both members. The size
    // of an item: a sizeof row, 0 for bytes, or OWNERSHIP_UNICODE.
    struct {
        uint16_t pointer;
        uint16_t count;
        uint16_t unit;
        uint8_t more;
    } buffer;
    bool in_module; // tp_name has no module in front, yet the type may be in a file of its own
};
extern const struct ownership_rule ownership_rules[];
extern const size_t ownership_rule_count;

// Compiles type->owned (traverse_owned runs it) and finds type->ownership; the plain fields and the
// program have been made. Members that the layout in force does not have are left out. Memory is
// short: false.
bool ownership_compile(struct object_types *types, struct object_type *type);

#endif
