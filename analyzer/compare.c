#include "compare.h"

#include <stdlib.h>
#include <string.h>

static enum comparison_kind find_kind(const struct ledger_entry *old,
                                      const struct ledger_entry *now)
{
    if (!old)
        return COMPARISON_NEW;
    if (!now)
        return COMPARISON_GONE;
    if (now->count != old->count)
        return now->count > old->count ? COMPARISON_GROWN : COMPARISON_SHRUNK;
    if (now->bytes != old->bytes)
        return now->bytes > old->bytes ? COMPARISON_GROWN : COMPARISON_SHRUNK;
    return COMPARISON_SAME;
}

static int by_signature(const void *a, const void *b)
{
    const struct ledger_entry *const *left = a, *const *right = b;
    return strcmp((*left)->signature, (*right)->signature);
}

static const struct ledger_entry *shown_entry(const struct comparison_row *row)
{
    return row->now ? row->now : row->old;
}

static int by_kind(const void *a, const void *b)
{
    const struct comparison_row *left = a, *right = b;
    const struct ledger_entry *x = shown_entry(left), *y = shown_entry(right);
    if (left->kind != right->kind)
        return left->kind < right->kind ? -1 : 1;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return strcmp(x->signature, y->signature);
}

// The entries of a ledger in the order of their signatures. NULL: memory is short.
static const struct ledger_entry **sort_entries(const struct ledger *ledger)
{
    const struct ledger_entry **entries = calloc(ledger->count + 1, sizeof(*entries));
    for (size_t i = 0; entries && i < ledger->count; i++)
        entries[i] = &ledger->items[i];
    if (entries)
        qsort(entries, ledger->count, sizeof(*entries), by_signature);
    return entries;
}

static void add_row(struct comparison *comparison, const struct ledger_entry *old,
                    const struct ledger_entry *now)
{
    enum comparison_kind kind = find_kind(old, now);
    comparison->rows[comparison->count++] = (struct comparison_row){kind, old, now};
    comparison->counts[kind]++;
}

// Both in the order of signatures, ended by NULL.
static void join(struct comparison *comparison, const struct ledger_entry **old,
                 const struct ledger_entry **now)
{
    while (*old || *now) {
        int order = !*old ? 1 : !*now ? -1 : by_signature(old, now);
        add_row(comparison, order <= 0 ? *old : NULL, order >= 0 ? *now : NULL);
        old += order <= 0;
        now += order >= 0;
    }
}

struct failure *comparison_init(struct comparison *comparison, const struct ledger *old,
                                const struct ledger *now)
{
    const struct ledger_entry **olds = sort_entries(old), **nows = sort_entries(now);
    *comparison = (struct comparison){.old = old, .now = now};
    comparison->rows = calloc(old->count + now->count + 1, sizeof(*comparison->rows));
    bool done = olds && nows && comparison->rows;
    if (done) {
        join(comparison, olds, nows);
        qsort(comparison->rows, comparison->count, sizeof(*comparison->rows), by_kind);
    }
    free(olds);
    free(nows);
    return done ? NULL : failure_no_memory();
}

void comparison_deinit(struct comparison *comparison)
{
    free(comparison->rows);
}
