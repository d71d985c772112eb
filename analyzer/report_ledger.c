// Findings of many processes, or of an old and a new report: a line each.
#include <inttypes.h>

#include "report_values.h"
#include "report_words.h"

static size_t shown(size_t count, uint64_t limit)
{
    return limit && count > limit ? limit : count;
}

static void put_more(size_t count, uint64_t limit, FILE *file)
{
    size_t more = count - shown(count, limit);
    char number[NUMBER_MAX];
    if (more)
        fprintf(file, "%s more finding%s not shown (--limit).\n", grouped(more, number),
                plural(more));
}

// What makes the numbers doubtful. `which`: "", "old ", "new ".
static void put_doubts(const struct ledger *ledger, const char *which, FILE *file)
{
    char count[NUMBER_MAX];
    if (ledger->incomplete)
        fprintf(file, "LOSS: %s %sreport%s incomplete: the numbers are lower bounds.\n",
                grouped(ledger->incomplete, count), which,
                ledger->incomplete == 1 ? " is" : "s are");
    if (ledger->cut)
        fprintf(file,
                "LOSS: %s %sreport%s cut by --limit and may have other findings; make %s with "
                "--limit=0.\n",
                grouped(ledger->cut, count), which, ledger->cut == 1 ? " was" : "s were",
                ledger->cut == 1 ? "it" : "them");
}

// The cycle in short form, and what to break.
static void put_cycle(const struct ledger_entry *entry, FILE *file)
{
    fputs(entry->cycle ? entry->cycle : "(cycle not told)", file);
    if (entry->edge)
        fprintf(file, "; break %s", entry->edge);
    fputc('\n', file);
}

static json_t *string_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

// --- many processes

void report_ledger_text(const struct ledger *ledger, uint64_t limit, FILE *file)
{
    char first[NUMBER_MAX], second[NUMBER_MAX], third[NUMBER_MAX];
    if (ledger->count == 0)
        fprintf(file, "No finding in %s report%s.\n", grouped(ledger->processes, first),
                plural(ledger->processes));
    else
        fprintf(file,
                "%s finding%s by signature in %s report%s, most bytes first.\n\n"
                "signature  processes     cycles      bytes  cycle, and the reference to break\n",
                grouped(ledger->count, first), plural(ledger->count),
                grouped(ledger->processes, second), plural(ledger->processes));
    for (size_t i = 0; i < shown(ledger->count, limit); i++) {
        const struct ledger_entry *entry = &ledger->items[i];
        fprintf(file, "%-9s  %9s  %9s  %9s  ", entry->signature, grouped(entry->processes, first),
                grouped(entry->count, second), sized(entry->bytes, third));
        put_cycle(entry, file);
    }
    put_more(ledger->count, limit, file);
    put_doubts(ledger, "", file);
}

static json_t *make_doubts(const struct ledger *ledger)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "processes", value_number(ledger->processes),
                     "incomplete", value_number(ledger->incomplete), "cut",
                     value_number(ledger->cut), "findings_total", value_number(ledger->count));
}

static json_t *make_entry(const struct ledger_entry *entry)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "signature", entry->signature,
                     "processes", value_number(entry->processes), "count",
                     value_number(entry->count), "bytes", value_number(entry->bytes), "cycle",
                     string_or_null(entry->cycle), "break", string_or_null(entry->edge), "source",
                     value_name(entry->source));
}

struct failure *report_ledger_json(const struct ledger *ledger, uint64_t limit, FILE *file)
{
    json_t *findings = json_array(), *root = value_document();
    for (size_t i = 0; i < shown(ledger->count, limit); i++)
        json_array_append_new(findings, make_entry(&ledger->items[i]));
    json_object_set_new(root, "merge",
                        json_pack("{s:o, s:o}", "of", make_doubts(ledger), "findings", findings));
    return value_write(root, file);
}

// --- an old and a new one

static const char *kind_word(enum comparison_kind kind)
{
    static const char *const words[COMPARISON_KINDS] = {
        [COMPARISON_NEW] = "new",   [COMPARISON_GROWN] = "grown", [COMPARISON_SHRUNK] = "shrunk",
        [COMPARISON_GONE] = "gone", [COMPARISON_SAME] = "same",
    };
    return words[kind];
}

// "5 -> 9 cycles, 3.4 KiB -> 6.2 KiB"
static void put_change(const struct comparison_row *row, FILE *file)
{
    char count[NUMBER_MAX], bytes[NUMBER_MAX];
    const struct ledger_entry *last = row->now ? row->now : row->old;
    bool both = row->old && row->now;
    if (both && row->old->count != row->now->count)
        fprintf(file, "%s -> ", grouped(row->old->count, count));
    fprintf(file, "%s cycle%s, ", grouped(last->count, count), plural(last->count));
    if (both && row->old->bytes != row->now->bytes)
        fprintf(file, "%s -> ", sized(row->old->bytes, bytes));
    fprintf(file, "%s: ", sized(last->bytes, bytes));
}

void report_comparison_text(const struct comparison *comparison, uint64_t limit, FILE *file)
{
    char count[NUMBER_MAX];
    for (enum comparison_kind kind = 0; kind < COMPARISON_KINDS; kind++)
        fprintf(file, "%s %s%s", grouped(comparison->counts[kind], count), kind_word(kind),
                kind + 1 < COMPARISON_KINDS ? ", " : ", by signature.\n");
    if (comparison->count)
        fputc('\n', file);
    for (size_t i = 0; i < shown(comparison->count, limit); i++) {
        const struct comparison_row *row = &comparison->rows[i];
        const struct ledger_entry *entry = row->now ? row->now : row->old;
        fprintf(file, "%-6s  %s  ", kind_word(row->kind), entry->signature);
        put_change(row, file);
        put_cycle(entry, file);
    }
    put_more(comparison->count, limit, file);
    put_doubts(comparison->old, "old ", file);
    put_doubts(comparison->now, "new ", file);
}

static json_t *make_side(const struct ledger_entry *entry)
{
    return entry ? json_pack("{s:o, s:o}", "count", value_number(entry->count), "bytes",
                             value_number(entry->bytes))
                 : json_null();
}

static json_t *make_row(const struct comparison_row *row)
{
    const struct ledger_entry *entry = row->now ? row->now : row->old;
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "signature", entry->signature, "change",
                     kind_word(row->kind), "old", make_side(row->old), "new", make_side(row->now),
                     "cycle", string_or_null(entry->cycle), "break", string_or_null(entry->edge));
}

struct failure *report_comparison_json(const struct comparison *comparison, uint64_t limit,
                                       FILE *file)
{
    json_t *findings = json_array(), *counts = json_object(), *root = value_document();
    for (enum comparison_kind kind = 0; kind < COMPARISON_KINDS; kind++)
        json_object_set_new(counts, kind_word(kind), value_number(comparison->counts[kind]));
    for (size_t i = 0; i < shown(comparison->count, limit); i++)
        json_array_append_new(findings, make_row(&comparison->rows[i]));
    json_object_set_new(root, "compare",
                        json_pack("{s:o, s:o, s:o, s:o}", "old", make_doubts(comparison->old),
                                  "new", make_doubts(comparison->now), "counts", counts, "findings",
                                  findings));
    return value_write(root, file);
}
