// Where the boxes and arrows of a drawing lie, worked out by Graphviz.
//
// It knows sizes and connections only: no names, no format, no font. Graphviz gets no text and
// loads nothing, so the same boxes always come to lie in the same places.
#ifndef ANALYZER_PICTURE_H
#define ANALYZER_PICTURE_H

#include <stdbool.h>
#include <stddef.h>

struct picture_point {
    double x, y; // to the right and down from the upper left corner
};

struct picture_box {
    double width, height;        // in pixels
    struct picture_point centre; // written
};

struct picture_arrow {
    size_t from, to; // boxes
    bool upward;     // `to` is to lie above
    // Written: of a path of cubic curves, the start and then three for each curve. Heap; NULL: none
    struct picture_point *points;
    size_t point_count;
};

struct picture {
    struct picture_box *boxes; // the caller's, as are the arrows
    size_t box_count;
    struct picture_arrow *arrows;
    size_t arrow_count;
    double width, height; // written
};

// Was this program built with Graphviz?
bool picture_is_possible(void);

// Places everything, the first box on top. False: there is no Graphviz, or it cannot.
bool picture_lay_out(struct picture *picture);

// Frees the points of all arrows.
void picture_deinit(struct picture *picture);

#endif
