// Built without Graphviz.
#include "picture.h"

bool picture_is_possible(void)
{
    return false;
}

bool picture_lay_out(struct picture *picture)
{
    (void)picture;
    return false;
}

void picture_deinit(struct picture *picture)
{
    (void)picture;
}
