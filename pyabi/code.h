// What a code object tells: which function it is, which line an instruction belongs to, where an
// attribute is stored.
#ifndef PYABI_CODE_H
#define PYABI_CODE_H

#include <stdbool.h>
#include <stdint.h>

#include "memory.h"
#include "runtime.h"

// A place in the source. Heap strings; NULL: could not be read.
struct code_place {
    char *function; // co_name
    char *file;     // co_filename
    int64_t line;
};

enum {
    CODE_FIRST_LINE = -1, // instead of an instruction: the line of the `def`
};

// The place of the instruction at an offset into co_code (f_lasti), by co_lnotab as
// PyCode_Addr2Line reads it (Objects/codeobject.c). MEMORY_NONSENSE: not a code object.
enum memory_status code_find_place(const struct runtime *runtime, vaddr code, int64_t instruction,
                                   struct code_place *place);
void code_place_deinit(struct code_place *place);

// The first instruction of the code that stores an attribute of that name (STORE_ATTR). False: none
// does, or the code cannot be read.
bool code_find_store(const struct runtime *runtime, vaddr code, const char *attribute,
                     int64_t *instruction);

#endif
