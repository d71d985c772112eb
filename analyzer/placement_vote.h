// Where a file lay in the process, by what the process's memory points to.
//
// For a core that lists no files and has lost the file's first page: the variables that most words
// refer to are the same in every process (types, None), and only one bias makes them the file's.
// Private to the files that put a process together (builder.h).
#ifndef ANALYZER_PLACEMENT_VOTE_H
#define ANALYZER_PLACEMENT_VOTE_H

#include <stdbool.h>

#include "image.h"
#include "memory.h"

struct builder;

// The layer of saved bytes must be sorted. False: too few words fit at any one bias, or half as
// many at another; or memory is short.
bool placement_vote_bias(const struct builder *builder, const struct image *image, vaddr *bias);

#endif
