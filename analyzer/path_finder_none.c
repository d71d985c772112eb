// Nothing is followed: built without Capstone, or without Unicorn.
#include "path_finder.h"

#include <stddef.h>

struct path_finder *path_finder_create(struct emulator *emulator, struct path_walker *walker,
                                       vaddr tls_base)
{
    (void)emulator;
    (void)walker;
    (void)tls_base;
    return NULL;
}

void path_finder_destroy(struct path_finder *finder)
{
    (void)finder;
}

const struct path *path_finder_path(struct path_finder *finder)
{
    (void)finder;
    return NULL;
}
