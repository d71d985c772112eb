// The texts of steps, each kept once and known by its number: a cycle of a million objects is a
// million numbers of a handful of texts.
#ifndef ANALYZER_SHAPE_TEXTS_H
#define ANALYZER_SHAPE_TEXTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SHAPE_TEXTS_KNOWN = 256
};

// What a step is, in numbers: equal ones have the same text.
struct shape_step_key {
    uint64_t class;  // and whether the object has a finalizer
    uint64_t labels; // of the edges that make the text
};

// All zeroes: there are none yet.
struct shape_texts {
    char *bytes; // one text after the other, each with its NUL
    size_t size;
    size_t capacity;
    size_t *starts; // per number
    uint32_t count;
    uint32_t *slots; // hash table of numbers + 1
    size_t slot_count;
    struct shape_known_step *known; // numbers of steps seen last, by their key
};

void shape_texts_deinit(struct shape_texts *texts);

// The number of a text, which may be a new one. False: memory is short.
bool shape_texts_add(struct shape_texts *texts, const char *text, uint32_t *number);

// Until the next one is added.
static inline const char *shape_texts_get(const struct shape_texts *texts, uint32_t number)
{
    return texts->bytes + texts->starts[number];
}

// The number that was noted for a step. Forgets most of them in time.
bool shape_texts_recall(const struct shape_texts *texts, const struct shape_step_key *key,
                        uint32_t *number);
void shape_texts_note(struct shape_texts *texts, const struct shape_step_key *key, uint32_t number);

// As strcmp of all texts of `a`, joined, with those of `b`.
int shape_texts_compare(const struct shape_texts *texts, const uint32_t *a, size_t a_count,
                        const uint32_t *b, size_t b_count);

// As strcmp of two texts.
int shape_texts_order(const struct shape_texts *texts, uint32_t a, uint32_t b);

// XXH64 of all texts, joined. False: memory is short.
bool shape_texts_hash(const struct shape_texts *texts, const uint32_t *numbers, size_t count,
                      uint64_t *hash);

#endif
