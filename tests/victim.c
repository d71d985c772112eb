// A program with an error that a sanitizer must catch: which one, its argument says.
#include <limits.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    const char *error = argc > 1 ? argv[1] : "";
    volatile char *volatile block = malloc(16);
    volatile int number = INT_MAX;
    if (strcmp(error, "overflow") == 0)
        number = number + argc;
    if (strcmp(error, "leak") == 0)
        block = NULL;
    if (strcmp(error, "overrun") == 0)
        block[15 + argc] = 'x';
    free((char *)block);
    return 0;
}
