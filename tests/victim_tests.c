// Tests with errors that the sanitizers must turn into failures. None of them may pass.
#include "common.h"

#include <limits.h>
#include <stdlib.h>

// Many, so that not every one of them is still known to a register or a dead part of the stack.
Test(victim, leak)
{
    for (int i = 0; i < 100; i++) {
        char *volatile block = malloc(16);
        block[0] = 'x';
    }
}

Test(victim, overflow)
{
    volatile int number = INT_MAX;
    number = number + 1;
}

Test(victim, overrun)
{
    volatile char *block = malloc(16);
    volatile size_t at = 16;
    block[at] = 'x';
    free((char *)block);
}

Test(victim, misaligned)
{
    // Not through a pointer to volatile, which clang does not check.
    static int words[4];
    volatile size_t at = 1;
    int *number = (int *)(void *)((char *)words + at);
    *number = 1;
    cr_assert_eq(words[0], 256);
}
