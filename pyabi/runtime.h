// Where this interpreter keeps its things: the layout of its structs, the three generation lists,
// gc.garbage, the interpreter state, the basic types.
//
// It does not know ELF, DWARF or files: symbols come through a callback, bytes through a memory.
// A runtime borrows its memory, which must outlive it.
#ifndef PYABI_RUNTIME_H
#define PYABI_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "layout.h"
#include "memory.h"
#include "release.h"

enum symbol_scope {
    SYMBOL_EXPORTED, // what the dynamic linker would find: main program first
    SYMBOL_STATIC,   // the interpreter's own file alone, static ones where it has a symbol table
};

struct runtime_range {
    vaddr start;
    vaddr end;
};

enum {
    RUNTIME_CODE_ENDINGS = 16
};

// Runs a function of the process, int function(object, visit, argument), and gives what it calls
// visit with. A runner is for one thread and one memory, which must outlive it.
struct runtime_code {
    void *context;
    // Failures: UNSUPPORTED (it cannot be done), NO_MEMORY.
    struct failure *(*open)(void *context, struct memory *memory, void **runner);
    // How the function ended: 0 is well; any other number is the runner's own, below
    // RUNTIME_CODE_ENDINGS, and nothing was given.
    unsigned (*run)(void *runner, vaddr function, vaddr object,
                    void (*take)(void *context, vaddr target), void *context);
    // As run, and with the same result, for one who has many objects of each function: what is
    // learned from the first ones serves the others. NULL: there is only run.
    unsigned (*run_learned)(void *runner, vaddr function, vaddr object,
                            void (*take)(void *context, vaddr target), void *context);
    // How many objects needed no run; *erred: nothing that run_learned gave is to be trusted.
    uint64_t (*check_learned)(const void *runner, bool *erred);
    // Calls a function with NULL until it reads `width` bytes within one of the ranges, and not on
    // from there. False: it never did.
    bool (*find_read)(void *runner, vaddr function, const struct runtime_range *ranges,
                      size_t range_count, unsigned width, vaddr *address);
    void (*close)(void *runner);
    const char *(*ending_text)(unsigned ending); // to follow "its traversal": "does not end"
    unsigned endless; // the ending of what was stopped after a long time; 0: there is none
};

// Names of static types whose own tp_name cannot be read.
struct runtime_names {
    void *context;
    // `name` is what to show; `rule` what the traversal table may call it, or NULL. Both stay as
    // they are while the source is in use. False: no name is known.
    bool (*find)(void *context, vaddr type, const char **name, const char **rule);
};

// What the runtime is told about the files of the process.
struct runtime_source {
    void *context;
    bool (*find_symbol)(void *context, enum symbol_scope scope, const char *name, vaddr *address);
    // Where the interpreter's file was mapped, and where its static variables lie (.data and .bss,
    // possibly with more around them).
    struct runtime_range image;
    const struct runtime_range *data;
    size_t data_count;
    uint64_t data_missing; // bytes of static data that the process had and nobody has now
    // The live part of each thread's stack. A collection in progress has list heads there.
    const struct runtime_range *stacks;
    size_t stack_count;
    const struct runtime_code *code;   // NULL: nothing can be run
    const struct runtime_names *names; // NULL: there are none but in memory
    bool memory_lost; // the core was cut: what is mapped and not saved may have been anything
    // Not all of the interpreter's static data is saved: what is there of it are types (and what
    // else no program changes) as its file has them.
    bool data_lost;
    uint32_t hexversion; // where data_lost: what an earlier try has found out; else 0
};

// Types that the code asks for by name. X(name in the enum, exported symbol)
#define RUNTIME_TYPES(X)                                                                           \
    X(type, "PyType_Type")                                                                         \
    X(object, "PyBaseObject_Type")                                                                 \
    X(dict, "PyDict_Type")                                                                         \
    X(list, "PyList_Type")                                                                         \
    X(tuple, "PyTuple_Type")                                                                       \
    X(str, "PyString_Type")                                                                        \
    X(unicode, "PyUnicode_Type")                                                                   \
    X(int, "PyInt_Type")                                                                           \
    X(long, "PyLong_Type")                                                                         \
    X(bytearray, "PyByteArray_Type")                                                               \
    X(instance, "PyInstance_Type")                                                                 \
    X(classobj, "PyClass_Type")                                                                    \
    X(generator, "PyGen_Type")                                                                     \
    X(frame, "PyFrame_Type")                                                                       \
    X(code, "PyCode_Type")                                                                         \
    X(builtin, "PyCFunction_Type")                                                                 \
    X(function, "PyFunction_Type")                                                                 \
    X(cell, "PyCell_Type")                                                                         \
    X(module, "PyModule_Type")

#define RUNTIME_TYPE_ENUM(name, symbol) RUNTIME_TYPE_##name,
enum runtime_type {
    RUNTIME_TYPES(RUNTIME_TYPE_ENUM) RUNTIME_TYPE_COUNT
};
#undef RUNTIME_TYPE_ENUM

enum {
    RUNTIME_GENERATIONS = 3
};

struct runtime_generation {
    vaddr head;
    int64_t threshold;
    int64_t count;
};

enum garbage_source {
    GARBAGE_NOT_FOUND,
    GARBAGE_BY_SYMBOL,
    GARBAGE_BY_MODULE,   // sys.modules['gc'].__dict__['garbage']
    GARBAGE_BY_EVIDENCE, // a list that only the interpreter's data refers to
    GARBAGE_EMPTY,       // no such list holds objects with finalizers: empty or not made
    GARBAGE_NONE_YET,    // by symbol: NULL, no collection ever ran
    GARBAGE_LOST,        // what would lead to it is lost
    GARBAGE_BY_ITEMS,    // likewise, but a list is left that has the right items
};

// What the gc module has under the name `garbage`: a program can put another list there, and then
// the collector goes on with its own.
enum garbage_binding {
    GARBAGE_BINDING_UNKNOWN, // there is no gc module to ask (not imported), or it is not readable
    GARBAGE_BINDING_SAME,    // the collector's own list
    GARBAGE_BINDING_LIST,    // another list
    GARBAGE_BINDING_OTHER,   // something that is no list
    GARBAGE_BINDING_DELETED, // nothing
};

// Flags of gc.set_debug (Modules/gcmodule.c).
enum {
    RUNTIME_DEBUG_SAVEALL = 1 << 5,
    RUNTIME_DEBUG_FLAGS = 6, // how many there are, from bit 0
};

// A variable that may be out of reach in a stripped file.
struct runtime_flag {
    bool known;
    int64_t value;
    bool by_code; // no symbol leads to it: found by running the function that reads it
};

struct runtime {
    struct memory *memory;
    struct layout layout;
    struct runtime_range image;
    const struct runtime_names *names; // the source's
    vaddr types[RUNTIME_TYPE_COUNT];   // 0: this interpreter has no such symbol
    struct runtime_generation generations[RUNTIME_GENERATIONS];
    bool data_lost;             // the source's
    bool memory_lost;           // the source's
    bool generations_by_symbol; // `generations` itself, else through _PyGC_generation0
    vaddr garbage;              // the list object; 0 unless garbage_source says found
    enum garbage_source garbage_source;
    struct runtime_flag enabled, collecting, debug;
    vaddr interp;           // PyInterpreterState; 0: not found
    vaddr interp_head;      // the first of the list that it is in; 0 without interp
    vaddr current_thread;   // PyThreadState that held the interpreter lock; 0: none, or not known
    vaddr modules;          // its dicts; 0 without interp
    vaddr subtype_traverse; // tp_traverse of classes made by Python code; 0: there is no such class
    uint32_t hexversion;    // sys.hexversion; 0: not readable
    char version[32];       // "2.7.18" from sys.version, "" if not readable
    int unicode_width;      // sizeof(Py_UNICODE): 2 or 4
    int digit_width;        // of a digit of a long, in bytes: 2 or 4; 0: not readable
    const struct release *release;
    // pymalloc (Objects/obmalloc.c): requests up to the limit are rounded up to the alignment.
    unsigned small_request_limit;
    unsigned small_alignment;
    struct runtime_flag pymalloc; // is it there? known where variables have symbols
    bool debug_malloc;            // PYMALLOC_DEBUG
    unsigned debug_pad;           // its bytes in front of what is handed out, and behind it
};

// Decides which built-in column fits: PyType_Type's type is itself, its tp_name reads "type", the
// known types have the basicsizes of the column, and objects with types stand behind the PyGC_Heads
// of the lists; the version (sys.hexversion read by means of the column) decides between columns
// that differ only in what this cannot show. Where all fits but PyGC_Head's size, which depends on
// the machine's long double, that is taken from the lists.
// Failures: UNSUPPORTED (none fits: each column with the first evidence against it), DAMAGED
// (PyType_Type is not saved), MISMATCH (no PyType_Type).
struct failure *runtime_choose_layout(struct memory *memory, const struct runtime_source *source,
                                      struct layout *layout) __attribute__((warn_unused_result));

// Finds the rest by means of a layout. Failures: MISMATCH (no generation lists), DAMAGED.
struct failure *runtime_init(struct runtime *runtime, struct memory *memory,
                             const struct layout *layout, const struct runtime_source *source)
    __attribute__((warn_unused_result));

// "DEBUG_STATS" ... by the number of the bit, below RUNTIME_DEBUG_FLAGS.
const char *runtime_debug_flag_name(unsigned bit);

// What the module that sys.modules has as `gc` calls `garbage`. `own` is the collector's list, 0
// when it is not known: then a list that the module has is another one (or else it would be known).
// *object is 0 when there is none.
enum garbage_binding runtime_find_garbage_name(const struct runtime *runtime, vaddr own,
                                               vaddr *object);

// Steps through the words of the interpreter's static data that point to an exact list: what
// gc.garbage must be when no symbol and no module leads to it. *cursor starts at 0. False: no more.
bool runtime_next_static_list(const struct runtime *runtime, const struct runtime_source *source,
                              uint64_t *cursor, vaddr *list);

// Does the interpreter's static data point to that list? gc.garbage it does; a list that the
// program has put in its place in the gc module it does not.
bool runtime_is_static_list(const struct runtime *runtime, const struct runtime_source *source,
                            vaddr list);

// What PyMem_Malloc takes for `size` bytes: from malloc (glibc's: a word of its own, chunks of two
// words).
uint64_t runtime_malloc_size(const struct runtime *runtime, uint64_t size);

// What an object of `size` bytes takes: from pymalloc if it is small, else from malloc.
uint64_t runtime_allocation_size(const struct runtime *runtime, uint64_t size);

// --- between the files of runtime and recognize: each finds a part by means of runtime->layout

void runtime_find_types(struct runtime *runtime, const struct runtime_source *source);
// interp and modules, which needs the type dict; 0: not found. interp_head only by its symbol.
void runtime_find_interp(struct runtime *runtime, const struct runtime_source *source);
// hexversion, version and unicode_width, which needs interp and the types dict, int, str.
void runtime_find_version(struct runtime *runtime);
// The heads of the lists; 0 when they are not known because static data is lost. Failures:
// MISMATCH, DAMAGED.
struct failure *runtime_find_heads(struct runtime *runtime, const struct runtime_source *source)
    __attribute__((warn_unused_result));

// Could three generation lists start there: rings at a distance that is possible, sane thresholds
// and counts, and not all of them empty? The size that PyGC_Head has then; 0: no. Needs `type`.
uint16_t runtime_probe_generations(const struct runtime *runtime, vaddr first);
// Gives PyGC_Head another size than the column says.
void runtime_set_head_size(struct layout *layout, uint16_t size);

// A member of a struct of the process; 0 when it cannot be read, when this layout has none, and of
// NULL.
static inline uint64_t runtime_read_member(const struct runtime *runtime, vaddr at,
                                           enum layout_member member)
{
    uint64_t value = 0;
    if (at)
        layout_read(&runtime->layout, runtime->memory, at, member, &value);
    return value;
}

#endif
