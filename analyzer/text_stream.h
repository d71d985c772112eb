// What a text report goes through on its way out: lines that are not too long, plain ASCII where
// that is all there is, colour where somebody looks.
//
// It knows a few things of the text: that arrows and the mark of the edge to break are made of
// three characters that no name has (report_clean_name), and what its first line is.
#ifndef ANALYZER_TEXT_STREAM_H
#define ANALYZER_TEXT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct text_style {
    bool ascii;   // arrows as -->, the mark as <-- break here, other bytes beyond ASCII as \xNN
    bool color;   // the first line, the mark, LOSS: and DOUBT:
    size_t width; // columns; longer lines go on in the next, where they have a space. 0: any
};

// A stream to be closed by fclose, which leaves `out` open. What goes wrong with `out` shows in its
// ferror. NULL: memory is short.
FILE *text_stream_open(FILE *out, const struct text_style *style);

#endif
