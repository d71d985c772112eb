// Texts by number: what is told of many at a time is what strcmp and XXH64 say of them joined.
#define XXH_INLINE_ALL
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "common.h"
#include "scratch.h"
#include "shape_texts.h"

enum {
    MOST = 6
};

// Each may be the beginning of another: a name can have a line feed.
static const char *const pieces[] = {"a\n", "a\nb\n", "b\n", "a", "ab\n", "\n", "\xc3\xa4\n"};

static size_t make(struct shape_texts *texts, unsigned *seed, uint32_t *numbers, char *joined)
{
    size_t count = (size_t)rand_r(seed) % MOST;
    *joined = '\0';
    for (size_t i = 0; i < count; i++) {
        const char *piece = pieces[(size_t)rand_r(seed) % LENGTH(pieces)];
        strcat(joined, piece);
        cr_assert(shape_texts_add(texts, piece, &numbers[i]));
        cr_assert_str_eq(shape_texts_get(texts, numbers[i]), piece);
    }
    return count;
}

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

Test(shape_texts, many_are_compared_as_if_joined)
{
    struct shape_texts texts = {0};
    unsigned seed = 1;
    int seen[3] = {0};
    for (unsigned i = 0; i < 100000; i++) {
        uint32_t a[MOST], b[MOST];
        char joined_a[64], joined_b[64];
        size_t a_count = make(&texts, &seed, a, joined_a),
               b_count = make(&texts, &seed, b, joined_b);
        int order = sign(strcmp(joined_a, joined_b));
        seen[order + 1]++;
        cr_assert_eq(sign(shape_texts_compare(&texts, a, a_count, b, b_count)), order,
                     "\"%s\", \"%s\"", joined_a, joined_b);
        uint64_t hash;
        cr_assert(shape_texts_hash(&texts, a, a_count, &hash));
        cr_assert_eq(hash, XXH64(joined_a, strlen(joined_a), 0), "\"%s\"", joined_a);
    }
    cr_expect(seen[0] > 1000 && seen[1] > 1000 && seen[2] > 1000);
    cr_expect_eq(texts.count, LENGTH(pieces), "each is kept once");
    shape_texts_deinit(&texts);
}

Test(shape_texts, as_many_as_there_are)
{
    struct shape_texts texts = {0};
    enum {
        COUNT = 100000
    };
    for (unsigned round = 0; round < 2; round++)
        for (uint32_t i = 0; i < COUNT; i++) {
            char text[16];
            uint32_t number;
            snprintf(text, sizeof(text), "%" PRIu32, i);
            cr_assert(shape_texts_add(&texts, text, &number));
            cr_assert_eq(number, i);
        }
    cr_expect_str_eq(shape_texts_get(&texts, 0), "0");
    cr_expect_str_eq(shape_texts_get(&texts, COUNT - 1), "99999");
    shape_texts_deinit(&texts);
}

// What was noted is either known or forgotten, never that of another.
Test(shape_texts, steps_are_recalled_by_all_of_their_key)
{
    struct shape_texts texts = {0};
    uint32_t number;
    unsigned known = 0;
    cr_expect_not(shape_texts_recall(&texts, &(struct shape_step_key){0, 0}, &number));
    for (uint32_t i = 0; i < 1000; i++)
        shape_texts_note(&texts, &(struct shape_step_key){i % 10, i / 10}, i);
    for (uint32_t i = 0; i < 2000; i++) {
        if (!shape_texts_recall(&texts, &(struct shape_step_key){i % 10, i / 10}, &number))
            continue;
        cr_assert_eq(number, i);
        known++;
    }
    cr_expect_gt(known, 100);
    cr_expect_leq(known, SHAPE_TEXTS_KNOWN);
    shape_texts_deinit(&texts);
}
