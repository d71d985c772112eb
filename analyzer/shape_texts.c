#include "shape_texts.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct shape_known_step {
    struct shape_step_key key;
    uint32_t number; // + 1; 0: nothing is noted here
};

void shape_texts_deinit(struct shape_texts *texts)
{
    free(texts->bytes);
    free(texts->starts);
    free(texts->slots);
    free(texts->known);
    *texts = (struct shape_texts){0};
}

// Where the text is in the table, or would be.
static size_t find_slot(const struct shape_texts *texts, const char *text, size_t length)
{
    size_t slot = XXH3_64bits(text, length) & (texts->slot_count - 1);
    while (texts->slots[slot] && strcmp(shape_texts_get(texts, texts->slots[slot] - 1), text) != 0)
        slot = (slot + 1) & (texts->slot_count - 1);
    return slot;
}

// Room for one more number.
static bool grow(struct shape_texts *texts)
{
    if (texts->slot_count > 2 * (size_t)texts->count + 2)
        return true;
    size_t count = texts->slot_count ? texts->slot_count * 2 : 64;
    size_t *starts = reallocarray(texts->starts, count / 2, sizeof(*starts));
    if (starts)
        texts->starts = starts;
    uint32_t *slots = calloc(count, sizeof(*slots));
    if (!starts || !slots) {
        free(slots);
        return false;
    }
    free(texts->slots);
    texts->slots = slots;
    texts->slot_count = count;
    for (uint32_t i = 0; i < texts->count; i++) {
        const char *text = shape_texts_get(texts, i);
        texts->slots[find_slot(texts, text, strlen(text))] = i + 1;
    }
    return true;
}

static bool append(struct shape_texts *texts, const char *text, size_t length)
{
    if (texts->capacity - texts->size <= length) {
        size_t capacity = (texts->size + length + 1) * 2;
        char *bytes = realloc(texts->bytes, capacity);
        if (!bytes)
            return false;
        texts->bytes = bytes;
        texts->capacity = capacity;
    }
    memcpy(texts->bytes + texts->size, text, length + 1);
    texts->starts[texts->count++] = texts->size;
    texts->size += length + 1;
    return true;
}

bool shape_texts_add(struct shape_texts *texts, const char *text, uint32_t *number)
{
    size_t length = strlen(text);
    if (!grow(texts))
        return false;
    size_t slot = find_slot(texts, text, length);
    if (!texts->slots[slot]) {
        if (!append(texts, text, length))
            return false;
        texts->slots[slot] = texts->count;
    }
    *number = texts->slots[slot] - 1;
    return true;
}

static size_t known_place(const struct shape_step_key *key)
{
    return XXH3_64bits(key, sizeof(*key)) % SHAPE_TEXTS_KNOWN;
}

bool shape_texts_recall(const struct shape_texts *texts, const struct shape_step_key *key,
                        uint32_t *number)
{
    if (!texts->known)
        return false;
    const struct shape_known_step *known = &texts->known[known_place(key)];
    if (!known->number || known->key.class != key->class || known->key.labels != key->labels)
        return false;
    *number = known->number - 1;
    return true;
}

void shape_texts_note(struct shape_texts *texts, const struct shape_step_key *key, uint32_t number)
{
    if (!texts->known)
        texts->known = calloc(SHAPE_TEXTS_KNOWN, sizeof(*texts->known));
    // Without memory for it every text is made anew.
    if (texts->known)
        texts->known[known_place(key)] = (struct shape_known_step){*key, number + 1};
}

int shape_texts_order(const struct shape_texts *texts, uint32_t a, uint32_t b)
{
    return a == b ? 0 : strcmp(shape_texts_get(texts, a), shape_texts_get(texts, b));
}

// Where the joined text goes on, once that of `*at` has come to its end; "" after the last.
static const char *go_on(const struct shape_texts *texts, const uint32_t *numbers, size_t count,
                         size_t *at, const char *text)
{
    while (*at < count && !*text)
        text = ++*at < count ? shape_texts_get(texts, numbers[*at]) : "";
    return text;
}

int shape_texts_compare(const struct shape_texts *texts, const uint32_t *a, size_t a_count,
                        const uint32_t *b, size_t b_count)
{
    size_t at_a = 0;
    while (at_a < a_count && at_a < b_count && a[at_a] == b[at_a])
        at_a++;
    size_t at_b = at_a;
    const char *text_a = at_a < a_count ? shape_texts_get(texts, a[at_a]) : "";
    const char *text_b = at_b < b_count ? shape_texts_get(texts, b[at_b]) : "";
    while (*text_a && *text_a == *text_b) {
        // One may be the beginning of the other: names are made of anything.
        text_a = go_on(texts, a, a_count, &at_a, text_a + 1);
        text_b = go_on(texts, b, b_count, &at_b, text_b + 1);
    }
    return (unsigned char)*text_a - (unsigned char)*text_b;
}

bool shape_texts_hash(const struct shape_texts *texts, const uint32_t *numbers, size_t count,
                      uint64_t *hash)
{
    XXH64_state_t *state = XXH64_createState();
    if (!state)
        return false;
    XXH64_reset(state, 0);
    for (size_t i = 0; i < count; i++) {
        const char *text = shape_texts_get(texts, numbers[i]);
        XXH64_update(state, text, strlen(text));
    }
    *hash = XXH64_digest(state);
    XXH64_freeState(state);
    return true;
}
