// The symbols of one image, hashed by name. Private to image.c, which keeps them with the image;
// what they are asked is in image.h.
#ifndef ANALYZER_IMAGE_SYMBOLS_H
#define ANALYZER_IMAGE_SYMBOLS_H

struct image_symbols;

// NULL: no memory. The table is read by the first question.
struct image_symbols *image_symbols_create(void);
void image_symbols_destroy(struct image_symbols *symbols);

#endif
