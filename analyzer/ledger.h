// Findings by signature, of one process or of many: what comparing reports and merging them needs.
//
// A ledger is filled from JSON reports, which may come from strangers (another machine, another
// release of this program, a ticket), or from the findings of the core at hand. Reports print it.
#ifndef ANALYZER_LEDGER_H
#define ANALYZER_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "findings.h"

enum {
    LEDGER_FILE_MAX = 64 << 20,  // bytes of a JSON report
    LEDGER_VALUES_MAX = 4 << 20, // values in it
    LEDGER_STEPS_MAX = 4,        // of a cycle that are told
};

struct ledger_entry {
    char signature[SIGNATURE_SIZE];
    uint64_t processes; // that have it
    uint64_t count;     // cycles
    uint64_t bytes;     // of their members and what they hold
    char *cycle; // "MyApiClient.t ─▶ T._api_client ─▶ MyApiClient", harmless; NULL: none told
    char *edge;         // to break: ".t of MyApiClient", harmless; NULL: none known
    const char *source; // the first report that has it, the caller's
};

struct ledger {
    struct ledger_entry *items; // after ledger_fold: one per signature, most bytes first
    size_t count;
    size_t capacity;
    uint64_t processes;  // reports added
    uint64_t incomplete; // those whose numbers are lower bounds
    uint64_t cut;        // those that do not tell all of their findings (--limit)
};

// An empty one is all zeros.
void ledger_deinit(struct ledger *ledger);

// Adds what a JSON report says. `path` is kept, not copied. Failures: IO (not readable), MISMATCH
// (not such a report: what is wrong with it, and where), NO_MEMORY.
struct failure *ledger_add_file(struct ledger *ledger, const char *path)
    __attribute__((warn_unused_result));

// Adds the findings of a process. `source` is its core. Failures: NO_MEMORY.
struct failure *ledger_add_findings(struct ledger *ledger, const struct findings *findings,
                                    bool complete, const char *source)
    __attribute__((warn_unused_result));

// One entry per signature, most bytes first. To be called once, after all is added.
void ledger_fold(struct ledger *ledger);

// May there be more than it tells?
static inline bool ledger_is_whole(const struct ledger *ledger)
{
    return !ledger->incomplete && !ledger->cut;
}

// Does a file begin as a JSON report does? A core never does.
bool ledger_is_report(const char *path);

#endif
