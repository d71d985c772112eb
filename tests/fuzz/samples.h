// Cores that a target damages: a file in memory each, changed in place and put right again.
//
// They are the synthetic processes of fixtures/fakeleaks.h, a few hundred objects, one for every
// built-in column in both byte orders: in the directory FUZZ_DIRECTORY, with the interpreters'
// files. Where FUZZ_CORE names a core it is that one alone.
#ifndef FUZZ_SAMPLES_H
#define FUZZ_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SAMPLE_PATCH_SIZE = 12,
    SAMPLE_PATCHES_MAX = 64,
};

struct sample {
    uint8_t *bytes;
    size_t size;
    uint8_t word_size;
    bool big_endian;
    int fd;
    char path[64]; // of the file in memory
};

// Ends the program where that cannot be done.
void samples_init(void);

// The sample that a number stands for.
const struct sample *samples_find(uint8_t number);

// Writes the patches, of 12 bytes each, to the file: place (4 bytes, in words, modulo the core's
// size), kind (1: another word, a flipped bit, a word of the core, a sum), operand (7).
void sample_damage(const struct sample *sample, const uint8_t *patches, size_t size);

// Undoes these patches.
void sample_restore(const struct sample *sample, const uint8_t *patches, size_t size);

#endif
