// Builds of Python 2 whose DWARF was once compared with the built-in columns, by their build-id:
// there is nothing to be learned from it any more.
//
// known_builds.c is generated (fixtures/generate_known_builds.py).
#ifndef ANALYZER_KNOWN_BUILDS_H
#define ANALYZER_KNOWN_BUILDS_H

#include <stddef.h>

struct known_build {
    const char *build_id; // in hexadecimal
    const char *column;   // that its DWARF agrees with in all members that it has
};

extern const struct known_build known_builds[];
extern const size_t known_build_count;

#endif
