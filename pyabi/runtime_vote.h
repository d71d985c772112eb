// Which function subtype_traverse is (Objects/typeobject.c), where no symbol tells: type_new gives
// it to every class that Python code makes, so classes have a vote each, and most votes win.
//
// A vote has a class on the heap, tracked by the collector, that is derived straight from `object`
// and has a tp_traverse. The first 4096 that are looked at are enough; where two functions have as
// many votes, the one with the lower address wins.
//
// These are between the files of runtime.
#ifndef PYABI_RUNTIME_VOTE_H
#define PYABI_RUNTIME_VOTE_H

#include "runtime.h"

// Of the classes that `object` itself knows (tp_subclasses). 0: none has a vote.
vaddr runtime_vote_of_subclasses(const struct runtime *runtime);

// Of all classes in memory, whose metatype is `type`, for where `object` or what it knows is lost:
// reads all that is saved. 0: none has a vote.
vaddr runtime_vote_of_all(const struct runtime *runtime);

#endif
