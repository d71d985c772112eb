// One object's references: exactly those that its tp_traverse visits, in the order of the visits.
//
// What each tp_traverse of CPython does is a row of a table (traverse_rules.c). Which row a type
// has is decided by its tp_traverse pointer. For every type the row is compiled once into a
// program of plain offsets, which is then run over the bytes of each object.
//
// It does not know ELF, files, or what the references are for.
#ifndef PYABI_TRAVERSE_H
#define PYABI_TRAVERSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"
#include "runtime.h"

struct object_types;
struct object_type;

// Which part of an object a reference stands in.
enum visit_kind {
    VISIT_MEMBER, // label says which
    VISIT_INDEX,  // index
    VISIT_KEY,    // as a key of a dict, or an element of a set
    VISIT_VALUE,  // as the value of key
    VISIT_LOCAL,  // frame: index into localsplus
    VISIT_STACK,  // frame: value stack
    VISIT_DICT,   // the instance dictionary
    VISIT_CLASS,  // ob_type
    VISIT_SLOT,   // name: address of the slot's name
    VISIT_CODE,   // visited by the type's own code, which does not say where it looked
};
struct visit_place {
    enum visit_kind kind;
    const char *label; // what leads there, as a person would write it: "im_self"
    int64_t index;
    vaddr key;
};

enum traverse_op {
    TRAVERSE_POINTER,       // one member
    TRAVERSE_LIST,          // ob_item[ob_size - 1 .. 0]
    TRAVERSE_TUPLE,         // the same, inline
    TRAVERSE_DICT,          // keys and values
    TRAVERSE_SET,           // keys
    TRAVERSE_FRAME,         // locals, cells and value stack
    TRAVERSE_DEQUE,         // blocks from left to right
    TRAVERSE_TEE,           // values[0 .. numread)
    TRAVERSE_HANDLERS,      // pyexpat's array of handlers
    TRAVERSE_CODEC_ERRORS,  // error callback of a multibyte codec, unless it is a small number
    TRAVERSE_STGDICT_PROTO, // proto of the ctypes dict of a type
    TRAVERSE_SLOT,          // a __slots__ member
    TRAVERSE_INSTANCE_DICT, // through tp_dictoffset
    TRAVERSE_CLASS,         // ob_type of an object of a heap type
    TRAVERSE_CODE,          // a tp_traverse that no row mirrors in full: it has to be run itself;
                            // what is known of its row follows, for when that cannot be done
    // Of no tp_traverse, but owned (ownership.h)
    TRAVERSE_FIELDS,        // structseq: all words from here to tp_basicsize
    TRAVERSE_TZINFO,        // datetime: there only when hastzinfo is set
    TRAVERSE_TAGGED,        // one member, its lowest bit a flag
    TRAVERSE_ELEMENT_EXTRA, // _elementtree: attributes and children
};

struct traverse_step {
    uint8_t op;
    uint32_t offset;          // of the member, where the op has one
    int64_t extra;            // tp_dictoffset; address of a function
    struct visit_place place; // of what the step finds, where that is one reference
};

struct traverse_program {
    struct traverse_step *steps;
    uint32_t count;
};

// A row of the table.
enum {
    TRAVERSE_RULE_STEPS = 12
};
struct traverse_rule_step {
    uint8_t op;
    uint16_t member;   // enum layout_member
    const char *label; // NULL ends the row
    // Minor releases whose function does this, as 205 for 2.5; 0: from the first, to the last.
    uint16_t first, last;
};
struct traverse_rule {
    const char *type_name; // tp_name of the type that brings the function
    const char *symbol;    // exported symbol of that type, or NULL
    const char *then;      // type_name of the row that follows, or NULL
    struct traverse_rule_step steps[TRAVERSE_RULE_STEPS];
    bool in_module; // tp_name has no module in front, yet the type may be in a file of its own
};
// Does the function do this in the release that the layout is of?
bool traverse_step_is_done(const struct layout *layout, const struct traverse_rule_step *step);
extern const struct traverse_rule traverse_rules[];
extern const size_t traverse_rule_count;

// The row of that name; NULL: there is none.
const struct traverse_rule *traverse_find_rule(const char *type_name);

// tp_traverse pointers of this process and their rows.
struct traverse_map {
    struct {
        vaddr function;
        const struct traverse_rule *rule;
    } * entries;
    size_t count;
    size_t capacity;
};

// Takes the references found. `found` has room for `capacity`, which is 2 at least; where that is
// too little, `full` is called until it has made room by lowering `count`, to 0 if there are
// patterns, or by raising `capacity`.
struct visitor {
    vaddr *found;
    struct visit_place *places; // NULL: not wanted, else room for as many
    // The same without what differs from object to object, the index and the key of a value: much
    // less to write, and equal pointers mean equal places. Of traverse_value the reference before
    // it is the key. NULL: not wanted, nor when there are places.
    const struct visit_place **patterns;
    size_t count;
    size_t capacity;
    void (*full)(struct visitor *visitor);
    uint32_t unreadable; // parts of objects that could not be read, added up
    // Runs a tp_traverse, adding what it visits; false: it could not. NULL: nothing can be run.
    bool (*run_code)(void *code, struct visitor *visitor, vaddr function, vaddr object);
    void *code;
    uint32_t opaque; // tp_traverse functions that were not run, added up
};
extern const struct visit_place traverse_value;

// Takes one reference that a type's own code has visited; NULL is none.
void visitor_add_code(struct visitor *visitor, vaddr target);

// Runs the program of the object's type.
void traverse_object(const struct object_types *types, const struct object_type *type, vaddr object,
                     struct visitor *visitor);

// Runs what ownership.h tells of the object's type: references that no tp_traverse visits.
void traverse_owned(const struct object_types *types, const struct object_type *type, vaddr object,
                    struct visitor *visitor);

// Where the items of a frame's localsplus end, and where its live value stack does, as addresses;
// stack_end equals locals_end when the frame is running or finished.
struct frame_slots {
    vaddr start;
    vaddr locals_end;
    vaddr stack_end;
};
enum memory_status traverse_frame_slots(const struct runtime *runtime, vaddr frame,
                                        struct frame_slots *slots);

// Compiles the program of a type whose plain fields have been read; sets program, opaque and
// view_size. Memory is short: false.
bool traverse_compile(struct object_types *types, struct object_type *type);
void traverse_program_deinit(struct traverse_program *program);

// Adds a step, up to a bound that no real type comes to; its place needs only what the op does not
// say. Memory is short: false.
bool traverse_program_add(struct traverse_program *program, struct traverse_step step);

// Fills the map from the types with an exported symbol.
bool traverse_map_init(struct traverse_map *map, const struct runtime *runtime,
                       const struct runtime_source *source);
void traverse_map_deinit(struct traverse_map *map);

#endif
