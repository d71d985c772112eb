// One object of the dead process: its type, whether it has a finalizer, what to call it, how big it
// is. And what the rest of pyabi needs to read strings, numbers and dictionaries.
//
// It does not know files, the graph, or who asks.
#ifndef PYABI_OBJECT_H
#define PYABI_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"
#include "runtime.h"
#include "traverse.h"

// Include/object.h
enum {
    TPFLAGS_HEAPTYPE = 1 << 9,
    TPFLAGS_HAVE_GC = 1 << 14,
};

// How a type's objects are finalized (has_finalizer in Modules/gcmodule.c).
enum finalizer_rule {
    FINALIZER_NEVER,
    FINALIZER_ALWAYS,    // tp_del of a heap type
    FINALIZER_INSTANCE,  // __del__ of an old-style instance or its class
    FINALIZER_GENERATOR, // suspended inside try or with
};

// What an object owns besides its own block.
enum size_rule {
    SIZE_PLAIN,
    SIZE_DICT,
    SIZE_LIST,
    SIZE_SET,
    SIZE_DEQUE,
    SIZE_UNICODE,
    SIZE_BYTEARRAY,
    SIZE_ARRAY,
    SIZE_ELEMENT,
    SIZE_BUFFER, // as type->ownership says
};

struct ownership_rule;

struct object_type {
    vaddr address;
    uint64_t tp_flags;
    int64_t tp_basicsize;
    int64_t tp_itemsize;
    int64_t tp_dictoffset;
    vaddr tp_traverse;
    vaddr tp_base;
    bool heap_type;
    bool has_gc;      // HAVE_GC and a traversal; says nothing about tp_is_gc
    bool opaque;      // has a tp_traverse of which some part is not known
    bool coded;       // that part is a function that can be run instead
    bool is_metatype; // its objects are types
    enum finalizer_rule finalizer;
    enum size_rule size;
    uint64_t fixed_size; // object_fixed_size
    uint32_t view_size;  // bytes of an object that the fixed steps of its program reach
    struct traverse_program program;
    struct traverse_program owned; // references that no tp_traverse visits (ownership.h)
    uint32_t owned_view_size;
    const struct ownership_rule *ownership; // the row that tells of memory allocated aside
    char *name; // "module.Class" of a class made by Python code, tp_name of any other
};

// Types met so far, each read once. Its memory is the runtime's, to be outlived by it.
struct object_types {
    const struct runtime *runtime;
    struct object_type *types; // may move when a type is added
    uint32_t count;
    uint32_t capacity;
    uint32_t *slots; // hash table of indexes + 1
    uint32_t slot_count;
    struct traverse_map map; // tp_traverse -> rule
};

struct failure *object_types_init(struct object_types *types, const struct runtime *runtime,
                                  const struct runtime_source *source)
    __attribute__((warn_unused_result));
void object_types_deinit(struct object_types *types);

// The number of a type. MEMORY_NONSENSE: it cannot be a type object (its own type is none, its
// sizes are absurd). MEMORY_NOT_SAVED also when memory is short.
enum memory_status object_types_find(struct object_types *types, vaddr type, uint32_t *index);

// The type of an object, by number.
enum memory_status object_find_type(struct object_types *types, vaddr object, uint32_t *index);

// ob_refcnt and ob_type from an object's bytes.
static inline int64_t object_refcnt(const struct runtime *runtime, const uint8_t *bytes)
{
    return layout_int(&runtime->layout, runtime->memory->format, bytes, LAYOUT_PyObject_ob_refcnt);
}

static inline vaddr object_ob_type(const struct runtime *runtime, const uint8_t *bytes)
{
    return format_word(runtime->memory->format,
                       bytes + layout_offset(&runtime->layout, LAYOUT_PyObject_ob_type));
}

// tp_name of a type, or the name that the runtime's source has for a static type whose own cannot
// be read. `rule` is what the traversal table may call it, in the buffer or the source's; NULL:
// nothing is known. False: there is no name.
bool object_type_name(const struct runtime *runtime, vaddr type, char *buffer, size_t capacity,
                      const char **rule);

// Is the object's type exactly that one?
bool object_is_exact(const struct runtime *runtime, vaddr object, enum runtime_type type);

// Does the collector refuse to free the object (has_finalizer, Modules/gcmodule.c)?
bool object_has_finalizer(struct object_types *types, const struct object_type *type, vaddr object);

// Does an object of that type have a PyGC_Head (PyObject_IS_GC)?
bool object_has_gc_head(const struct object_types *types, const struct object_type *type,
                        vaddr object);

// Bytes that the allocators give for an object's block, with the PyGC_Head, where that is the same
// for all objects of the type; else 0. Needs the type's plain fields and is_metatype.
uint64_t object_fixed_size(const struct object_types *types, const struct object_type *type);

// object_size, where it has to look at the object.
uint64_t object_size_of_parts(const struct object_types *types, const struct object_type *type,
                              vaddr object, bool *partial);

// Bytes that the object takes from the allocators: its block with the PyGC_Head, and the table,
// items or blocks that only it owns. What cannot be read counts as nothing and sets *partial.
static inline uint64_t object_size(const struct object_types *types, const struct object_type *type,
                                   vaddr object, bool *partial)
{
    if (type->fixed_size && type->size == SIZE_PLAIN)
        return type->fixed_size;
    return object_size_of_parts(types, type, object, partial);
}

// Bytes from the object's address to the end of its block: its head and what is not in the block
// left out, as far as the object itself goes.
uint64_t object_block_size(const struct object_types *types, const struct object_type *type,
                           vaddr object);

// Where the table, items or characters that only the object owns lie, and what they take: the part
// of object_size outside of its block. (Of several blocks the first.) False: it has none.
bool object_find_aside(const struct object_types *types, const struct object_type *type,
                       vaddr object, vaddr *at, uint64_t *size);

// The items of a dict, in table order.
struct dict_items {
    struct memory *memory;
    const struct layout *layout;
    vaddr table;
    uint64_t mask;
    uint64_t next;
};
enum memory_status dict_items_init(struct dict_items *items, const struct runtime *runtime,
                                   vaddr dict);
// False: no more. An entry that cannot be read ends the items and sets *status.
bool dict_items_next(struct dict_items *items, vaddr *key, vaddr *value,
                     enum memory_status *status);

// The value of a str key; MEMORY_UNMAPPED when there is none.
enum memory_status object_dict_find(const struct runtime *runtime, vaddr dict, const char *key,
                                    vaddr *value);

// A str into a buffer: its length in *length, cut to capacity - 1, always terminated (and as it
// is: may hold any byte). MEMORY_NONSENSE: no str.
enum memory_status object_read_str(const struct runtime *runtime, vaddr object, char *buffer,
                                   size_t capacity, uint64_t *length);

// The same, of a str that Python code could have after a dot: letters, digits and underscores.
// MEMORY_NONSENSE: it is no such thing. What does not fit is judged by what does.
enum memory_status object_read_identifier(const struct runtime *runtime, vaddr object, char *buffer,
                                          size_t capacity);

// The value of an int.
enum memory_status object_read_int(const struct runtime *runtime, vaddr object, int64_t *value);

// Name of the class that an object shows to Python code: "module.Class", for old-style instances
// too. Heap string, to be freed; never NULL but for lack of memory.
char *object_class_name(struct object_types *types, vaddr object);

// "module.Class" of an old-style class. Heap string, to be freed; NULL only for lack of memory.
char *object_classic_name(const struct runtime *runtime, vaddr class);

// What stands under the name __del__.
enum object_del_value {
    OBJECT_DEL_UNREADABLE, // or there is no such name: a generator, a slot
    OBJECT_DEL_FUNCTION,   // written in Python
    OBJECT_DEL_BUILTIN,    // a function or bound method written in C
    OBJECT_DEL_DESCRIPTOR, // method, slot or member of a type written in C
    OBJECT_DEL_WRAPPER,    // bound method, partial, staticmethod, classmethod, property
    OBJECT_DEL_TYPE,       // a class of either kind
    OBJECT_DEL_OBJECT,     // any other object: the collector does not ask whether it can be called
};

// Says what a value is, in names of types and functions: "function close", "builtin function len",
// "staticmethod of function close", "instance of app.Handler", "None". Wrappers of the
// interpreter's own types are looked into. *what: heap string, to be freed; NULL when nothing could
// be read. *code: the code object of the Python function at the bottom, or 0.
enum object_del_value object_describe_callable(struct object_types *types, vaddr value, char **what,
                                               vaddr *code);

// Why an object has a finalizer, and where that is written.
enum object_del_kind {
    OBJECT_DEL_UNKNOWN,
    OBJECT_DEL_CLASS,     // a class has it: defined_in is "module.Class"
    OBJECT_DEL_INSTANCE,  // the old-style instance itself has it: defined_in is NULL
    OBJECT_DEL_GENERATOR, // suspended in a block: defined_in is the generator function's name
    OBJECT_DEL_SLOT,      // tp_del is set, yet no class has __del__: defined_in is "module.Class"
};
struct object_del {
    enum object_del_kind kind;
    char *defined_in;
    char *file;   // co_filename; NULL: no Python function is at the bottom of it
    int64_t line; // co_firstlineno
    enum object_del_value value;
    char *what;   // the value in words, or NULL
    vaddr tp_del; // of OBJECT_DEL_SLOT: where that function is
};
void object_find_del(struct object_types *types, vaddr object, struct object_del *del);

// What that depends on: of two objects of a class with the same source object_find_del says the
// same. `class` is the object's, in_class for an old-style instance, and it is the answer but for
// generators, whose code is, and for an old-style instance with a __del__ of its own, which is.
vaddr object_find_del_source(const struct runtime *runtime, enum finalizer_rule rule, vaddr object,
                             vaddr class);
void object_del_deinit(struct object_del *del);

#endif
