// Two ledgers side by side: which findings are new, grown, gone.
#ifndef ANALYZER_COMPARE_H
#define ANALYZER_COMPARE_H

#include <stddef.h>

#include "ledger.h"

// In the order in which they are told.
enum comparison_kind {
    COMPARISON_NEW,
    COMPARISON_GROWN,  // more cycles, or as many with more bytes
    COMPARISON_SHRUNK, // fewer, or as many with fewer bytes
    COMPARISON_GONE,
    COMPARISON_SAME,
    COMPARISON_KINDS
};

struct comparison_row {
    enum comparison_kind kind;
    const struct ledger_entry *old; // NULL: new
    const struct ledger_entry *now; // NULL: gone
};

struct comparison {
    const struct ledger *old, *now;
    struct comparison_row *rows; // by kind, within one most bytes first
    size_t count;
    size_t counts[COMPARISON_KINDS];
};

// Both must be folded, and outlive the comparison. Failures: NO_MEMORY.
struct failure *comparison_init(struct comparison *comparison, const struct ledger *old,
                                const struct ledger *now) __attribute__((warn_unused_result));
void comparison_deinit(struct comparison *comparison);

#endif
