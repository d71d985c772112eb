// Parts of the HTML report.
#ifndef ANALYZER_REPORT_HTML_H
#define ANALYZER_REPORT_HTML_H

#include "report_page.h"

// Text between tags, or of an attribute in double quotes; names in <code>. The latter only between
// tags.
extern const struct sheet_style html_words;

// The cycle as a picture (SVG). False, and nothing is written: there is no Graphviz.
bool html_put_picture(const struct finding *finding, struct sheet *sheet);

// The heads of arrows that all pictures of a page share.
void html_put_picture_heads(FILE *file);

// Bars: memory and objects by state, the largest findings. Of bounded size.
void html_put_bars(const struct report *report, struct sheet *sheet);

#endif
