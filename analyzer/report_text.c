// The text report: the verdict first, so that ten lines of it say what matters.
#include <inttypes.h>
#include <string.h>

#include "report_sentences.h"
#include "report_sheet.h"

const char *report_state_name(enum collect_state state)
{
    switch (state) {
    case COLLECT_REACHABLE:
        return "reachable";
    case COLLECT_UNCOLLECTABLE:
        return "uncollectable";
    case COLLECT_PENDING:
        return "pending";
    case COLLECT_TRASH:
        return "trash";
    case COLLECT_KEPT:
        return "kept";
    case COLLECT_SUSPECT:
        return "suspect";
    }
    return "unknown";
}

const char *report_certainty(const struct report *report, enum collect_state state)
{
    if (!report->garbage_lost)
        return NULL;
    return state == COLLECT_PENDING         ? "certain"
           : state == COLLECT_UNCOLLECTABLE ? "likely"
                                            : "perhaps";
}

bool report_saves_all(const struct report *report)
{
    const struct runtime_flag *debug = &report->interpreter->runtime.debug;
    return debug->known && (debug->value & RUNTIME_DEBUG_SAVEALL);
}

bool report_is_complete(const struct report *report)
{
    const struct heap_losses *losses = &report->heap->losses;
    return !tears_any(&losses->tears) && !losses->lists_unknown && !lists_are_odd(report) &&
           !losses->unreadable_objects && !losses->unreadable_parts && !losses->unreadable_sizes &&
           !report->findings->unread_edges && report->garbage_read == report->garbage_length &&
           report->garbage_source != GARBAGE_NOT_FOUND && !report->garbage_lost &&
           !report->totals->overdrawn && !report->interpreter->source.data_missing &&
           !report->lost_reads && report->core->complete;
}

// --- the verdict

static uint64_t kept_objects(const struct report *report)
{
    return (uint64_t)report->totals->objects[COLLECT_UNCOLLECTABLE] +
           report->totals->objects[COLLECT_KEPT];
}

static void put_garbage_verdict(const struct report *report, FILE *file)
{
    char count[NUMBER_MAX], bytes[NUMBER_MAX];
    uint64_t kept = kept_objects(report);
    uint64_t percent = report->heap->count ? kept * 100 / report->heap->count : 0;
    const char *at_least = report_is_complete(report) ? "" : "at least ";
    fprintf(file, "gc.garbage keeps %s%s object%s alive: %s, ", at_least, grouped(kept, count),
            plural(kept), sized(report->kept_bytes, bytes));
    if (percent)
        fprintf(file, "%" PRIu64 " %% of all tracked objects.\n", percent);
    else
        fprintf(file, "less than 1 %% of all tracked objects.\n");
}

static void put_clean_verdict(const struct report *report, FILE *file)
{
    char looked[NUMBER_MAX], length[NUMBER_MAX];
    grouped(report->heap->count, looked);
    if (report->garbage_source == GARBAGE_NOT_FOUND)
        fprintf(file,
                "gc.garbage was not found, so what it keeps shows as in use (%s tracked objects "
                "looked at).\n",
                looked);
    else if (report->garbage_length)
        fprintf(file,
                "gc.garbage lists %s object%s, but keeps none alive by itself "
                "(%s tracked objects looked at).\n",
                grouped(report->garbage_length, length), plural(report->garbage_length), looked);
    else
        fprintf(file,
                "No garbage: no cycle with __del__ is kept in gc.garbage (%s tracked objects "
                "looked at).\n",
                looked);
}

// What the next full collection would do to gc.garbage.
static void put_pending_verdict(const struct report *report, FILE *file)
{
    char count[NUMBER_MAX], listed[NUMBER_MAX];
    uint64_t pending = report->totals->objects[COLLECT_PENDING];
    uint64_t unreachable = pending + report->totals->objects[COLLECT_TRASH];
    if (unreachable && report_saves_all(report))
        fprintf(file,
                "Pending: the next full collection would add all %s unreachable object%s to it, of "
                "which %s %s uncollectable.\n",
                grouped(unreachable, count), plural(unreachable), grouped(pending, listed),
                pending == 1 ? "is" : "are");
    else if (pending)
        fprintf(file,
                "Pending: the next full collection would add %s object%s to it, and keep %s in "
                "all for them.\n",
                grouped(report->pending_finalizers, listed), plural(report->pending_finalizers),
                grouped(pending, count));
    else if (!kept_objects(report))
        fprintf(file, "None is pending: the next full collection would add nothing to it.\n");
}

static void put_saveall_verdict(const struct report *report, FILE *file)
{
    const struct report_items *items = &report->garbage_items;
    char length[NUMBER_MAX], uncollectable[NUMBER_MAX], kept[NUMBER_MAX];
    fputs("gc.DEBUG_SAVEALL is set: collections put all that they find unreachable into "
          "gc.garbage.\n",
          file);
    if (!report->garbage_length)
        return;
    fprintf(file,
            "Of its %s item%s %s %s uncollectable; without that flag %s would have been freed.\n",
            grouped(report->garbage_length, length), plural(report->garbage_length),
            grouped(items->uncollectable, uncollectable), items->uncollectable == 1 ? "is" : "are",
            grouped(items->kept, kept));
}

static void put_kept_verdict(const struct report *report, FILE *file)
{
    char count[NUMBER_MAX];
    uint32_t kept = report->totals->objects[COLLECT_KEPT];
    if (report_saves_all(report))
        put_saveall_verdict(report, file);
    if (kept)
        fprintf(file, "%s of them ha%s no finalizer in sight: emptying gc.garbage would free %s.\n",
                grouped(kept, count), kept == 1 ? "s" : "ve", kept == 1 ? "it" : "them");
}

// What to change first, for those who read no further.
static void put_largest(const struct report *report, FILE *file)
{
    const struct findings *findings = report->findings;
    const struct finding *largest = findings->items;
    char count[NUMBER_MAX];
    if (!findings->count || !(largest->break_count || largest->set.count))
        return;
    bool unnamed = is_break_unnamed(report, largest);
    if (unnamed) {
        fputs("What to break cannot be named, for its name is in what is missing", file);
    } else {
        fputs("Break ", file);
        put_first_break(largest, file);
    }
    fputs(unnamed ? "; it would free " : ", to free ", file);
    put_freed_cycles(largest, file);
    if (findings->count > 1)
        fprintf(file, " (the largest of %s findings)", grouped(findings->count, count));
    fputs(".\n", file);
}

// Where it cannot be read, references alone tell what it keeps.
static void put_lost_verdict(const struct report *report, FILE *file)
{
    static const struct {
        enum collect_state state;
        const char *evidence;
    } rows[] = {
        {COLLECT_PENDING, "for certain: all references to them are explained"},
        {COLLECT_UNCOLLECTABLE,
         "likely: all references are explained, but for one to each object with a finalizer, as "
         "gc.garbage has; a holder that is lost would look the same"},
        {COLLECT_SUSPECT, "perhaps: there are more references, and nothing that is left has them"},
    };
    char count[NUMBER_MAX];
    const uint32_t *objects = report->totals->objects;
    if (objects[COLLECT_PENDING] + objects[COLLECT_UNCOLLECTABLE] + objects[COLLECT_SUSPECT] == 0) {
        fprintf(file,
                "Garbage list not readable, and no cycle with __del__ lies wholly in what is left "
                "(%s tracked objects looked at).\n",
                grouped(report->heap->count, count));
        return;
    }
    fputs("Garbage list not readable. Uncollectable, to judge by ob_refcnt of what is left:\n",
          file);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (objects[rows[i].state])
            fprintf(file, "at least %s object%s %s.\n", grouped(objects[rows[i].state], count),
                    plural(objects[rows[i].state]), rows[i].evidence);
}

static void put_found_verdict(const struct report *report, FILE *file)
{
    if (kept_objects(report))
        put_garbage_verdict(report, file);
    else
        put_clean_verdict(report, file);
    put_kept_verdict(report, file);
    put_pending_verdict(report, file);
}

void put_verdict(const struct report *report, FILE *file)
{
    char count[NUMBER_MAX], bytes[NUMBER_MAX];
    uint64_t trash = report->totals->objects[COLLECT_TRASH];
    put_missing(&report->missing, file);
    if (report->garbage_lost)
        put_lost_verdict(report, file);
    else
        put_found_verdict(report, file);
    if (trash)
        fprintf(file, "Collectable trash waiting for a collection: %s object%s, %s.\n",
                grouped(trash, count), plural(trash), sized(report->trash_bytes, bytes));
    put_largest(report, file);
    put_memory_verdict(report, file);
    if (report->contents)
        fputs("Values of the dead process are shown (--values): see to it who gets this.\n", file);
}

// --- the layout: columns of fixed pitch

static const struct sheet_style indented = {.words = {['\n'] = "\n    "}};

static void put_finding(const struct report *report, const struct finding *finding,
                        struct sheet *sheet)
{
    char head[HEAD_MAX];
    FILE *file = sheet_use(sheet, NULL);
    int width = fprintf(file, "\n%s", finding_head(report, finding, head)) - 1;
    fprintf(file, "%*ssignature %s\n    ", width < 70 ? 72 - width : 2, "", finding->signature);
    put_drawing(finding, sheet_use(sheet, &indented));
    fputs("\n  ", sheet_use(sheet, NULL));
    put_breaks(report, finding, sheet_use(sheet, &indented));
    sheet_use(sheet, NULL);
    fputc('\n', file);
    if (finding->held_objects) {
        fputs("  ", file);
        put_held(finding, file);
        fputc('\n', file);
    }
    if (differ_in_size(finding)) {
        fputs("  ", file);
        put_sizes(finding, file);
        fputc('\n', file);
    }
    fputs("  ", file);
    put_example(finding, file);
    if (has_contents(report, finding)) {
        fputs("\n  ", file);
        put_contents(report, finding, sheet_use(sheet, &indented));
        sheet_use(sheet, NULL);
    }
    fputc('\n', file);
}

static void put_findings(const struct report *report, struct sheet *sheet)
{
    const struct findings *findings = report->findings;
    uint64_t shown = limited(report, findings->count);
    for (size_t i = 0; i < shown; i++)
        put_finding(report, &findings->items[i], sheet);
    FILE *file = sheet_use(sheet, NULL);
    if (shown < findings->count) {
        fputc('\n', file);
        put_rest(findings->count - shown, "finding", "--limit", file);
        fputs(".\n", file);
    }
    if (findings->shared_objects) {
        fputc('\n', file);
        put_shared(findings, file);
        fputc('\n', file);
    }
}

static void put_holders(const struct report *report, enum holders_list list, struct sheet *sheet)
{
    if (!has_holders(report, list))
        return;
    size_t count = count_holders(report, list);
    uint64_t shown = limited(report, count);
    FILE *file = sheet_use(sheet, NULL);
    fputc('\n', file);
    put_holders_head(report, list, file);
    for (size_t i = 0; i < shown; i++) {
        fputs("\n    ", sheet_use(sheet, NULL));
        put_holder(report, list, i, sheet_use(sheet, &indented));
    }
    sheet_use(sheet, NULL);
    fputc('\n', file);
    if (shown < count) {
        fputs("    ", file);
        put_rest(count - shown, list == HOLDERS_EVIDENCE ? "" : "way", "--limit", file);
        fputc('\n', file);
    }
    put_holders_losses(report, list, file);
}

static void put_stacks(const struct report *report, FILE *file)
{
    const struct stacks *stacks = report->stacks;
    uint64_t shown = limited(report, stacks->distinct);
    for (size_t i = 0; i < shown; i++) {
        fputc('\n', file);
        put_thread_head(&stacks->items[i], file);
        fputc('\n', file);
        put_frames(&stacks->items[i], file);
    }
    if (shown < stacks->distinct) {
        fputc('\n', file);
        put_rest(stacks->distinct - shown, "stack", "--limit", file);
        fputs(".\n", file);
    }
    if (!stacks->complete)
        fprintf(file, "\n%s\n", STACKS_INCOMPLETE);
}

struct failure *report_text(const struct report *report, FILE *file)
{
    struct sheet *sheet;
    struct failure *failure = sheet_create(file, &sheet);
    if (failure)
        return failure;
    put_verdict(report, sheet_use(sheet, NULL));
    put_findings(report, sheet);
    for (enum holders_list list = 0; list < HOLDERS_LISTS; list++)
        put_holders(report, list, sheet);
    FILE *words = sheet_use(sheet, NULL);
    fputc('\n', words);
    for (enum fact_kind kind = 0; kind < FACTS; kind++) {
        if (!has_fact(report, kind) || kind == FACT_TICKET)
            continue;
        put_fact(report, kind, words);
        if (kind == FACT_MEMORY)
            fputc('\n', words);
    }
    put_stacks(report, words);
    fputc('\n', words);
    put_fact(report, FACT_TICKET, words); // where one looks for it: at the end
    sheet_destroy(sheet);
    return NULL;
}
