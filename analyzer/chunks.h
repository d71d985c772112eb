// Blocks of glibc's malloc: what a freed one holds is no evidence of anything.
//
// Only the main heap (brk) is known: chunks one behind the other, from its beginning to the top.
// What lies elsewhere, or where that does not work out, stays unknown. (malloc/malloc.c)
#ifndef ANALYZER_CHUNKS_H
#define ANALYZER_CHUNKS_H

#include "holders.h"

struct chunk_question {
    vaddr at;     // asked
    vaddr start;  // of the block, as malloc returned it; 0: not known
    bool is_free; // was given back
};

// Answers questions that stand in the order of their addresses. False: memory is short.
bool chunks_ask(struct memory *memory, const struct holders_source *source,
                struct chunk_question *questions, size_t count);

#endif
