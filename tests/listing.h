// The whole graph of a heap, as --graph writes it and as fixtures/wide_heap.py does.
#ifndef TESTS_LISTING_H
#define TESTS_LISTING_H

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "real.h"

struct node {
    uint64_t address;
    const char *type;
    const char *refs; // as JSON
};

struct listing {
    struct node *items; // by address
    size_t count;
};

// The lines of a file, but the last one of the truth, which has no address.
struct listing listing_read(const char *path, json_t **last);
void listing_deinit(struct listing *listing);

// One difference per object that differs. `is_lost`: this line of `got` need not have the right
// references; NULL: all do.
void listing_compare(const struct real_core *core, const struct listing *got,
                     const struct listing *truth,
                     bool (*is_lost)(const char *type, const char *refs));

#endif
