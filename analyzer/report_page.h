// A report in sections of items, kept below a size: what Markdown and HTML have in common.
//
// A format says how a section begins, how one item of it reads, and how the section ends. Which
// sections there are, in which order, and how many items of each fit into --max-size is decided
// here. An item is told whole or not at all, and each section says how many of its items are not
// told.
#ifndef ANALYZER_REPORT_PAGE_H
#define ANALYZER_REPORT_PAGE_H

#include "report.h"
#include "report_sheet.h"

enum page_section {
    PAGE_FINDINGS,
    PAGE_LISTED,   // who keeps items of gc.garbage in use
    PAGE_CYCLES,   // who keeps cycles in use
    PAGE_EVIDENCE, // references from outside
    PAGE_FACTS,    // items are enum fact_kind
    PAGE_THREADS,
    PAGE_SECTIONS
};

struct page_format {
    // What comes before the sections and behind them, of bounded size.
    void (*put_top)(const struct report *report, struct sheet *sheet);
    void (*put_bottom)(const struct report *report, struct sheet *sheet);
    void (*put_head)(const struct report *report, enum page_section section, struct sheet *sheet);
    // Failures: NO_MEMORY.
    struct failure *(*put_item)(const struct report *report, enum page_section section, size_t i,
                                struct sheet *sheet);
    // rest: "3 more findings not shown (--limit)"; NULL: all are.
    void (*put_tail)(const struct report *report, enum page_section section, const char *rest,
                     struct sheet *sheet);
};

// Writes the report, of at most report->max_size bytes if that is not 0. Failures: NO_MEMORY.
struct failure *page_write(const struct report *report, const struct page_format *format,
                           FILE *file) __attribute__((warn_unused_result));

#endif
