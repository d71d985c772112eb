// The text report: the verdict first, so that ten lines of it say what matters.
#include <inttypes.h>
#include <string.h>

#include "report_words.h"
#include "version.h"

enum {
    DRAWN_STEPS_MAX = 40
};

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
    }
    return "unknown";
}

bool report_saves_all(const struct report *report)
{
    const struct runtime_flag *debug = &report->interpreter->runtime.debug;
    return debug->known && (debug->value & RUNTIME_DEBUG_SAVEALL);
}

bool report_is_complete(const struct report *report)
{
    const struct heap_losses *losses = &report->heap->losses;
    return !losses->broken_links && !losses->lists_unknown && !lists_are_odd(report) &&
           !losses->unreadable_objects && !losses->unreadable_parts && !losses->unreadable_sizes &&
           !report->findings->unread_edges && report->garbage_read == report->garbage_length &&
           report->garbage_source != GARBAGE_NOT_FOUND && !report->totals->overdrawn &&
           !report->interpreter->source.data_missing && !report->lost_reads &&
           report->core->complete;
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

static void put_verdict(const struct report *report, FILE *file)
{
    char count[NUMBER_MAX], bytes[NUMBER_MAX];
    uint64_t trash = report->totals->objects[COLLECT_TRASH];
    if (kept_objects(report))
        put_garbage_verdict(report, file);
    else
        put_clean_verdict(report, file);
    put_kept_verdict(report, file);
    put_pending_verdict(report, file);
    if (trash)
        fprintf(file, "Collectable trash waiting for a collection: %s object%s, %s.\n",
                grouped(trash, count), plural(trash), sized(report->trash_bytes, bytes));
    put_memory_verdict(report, file);
}

// --- findings

static const char *del_words(const struct object_del *del)
{
    switch (del->kind) {
    case OBJECT_DEL_CLASS:
        return "has __del__: ";
    case OBJECT_DEL_INSTANCE:
        return "has __del__ as an attribute of its own";
    case OBJECT_DEL_GENERATOR:
        return "suspended inside try or with: ";
    case OBJECT_DEL_SLOT:
        return "has a finalizer in C, tp_del of ";
    case OBJECT_DEL_UNKNOWN:
        break;
    }
    return "has a finalizer that is not written in Python";
}

static void put_finalizer(const struct finding_finalizer *finalizer, FILE *file)
{
    const struct object_del *del = &finalizer->del;
    fputs(del_words(del), file);
    if (del->defined_in)
        put_name(file, del->defined_in);
    if (del->what && del->value != OBJECT_DEL_FUNCTION) {
        fputs(", ", file);
        put_name(file, del->what);
    }
    if (del->file) {
        fputs(", ", file);
        if (del->kind == OBJECT_DEL_SLOT)
            put_file(file, del->file);
        else
            put_place(file, del->file, del->line);
    }
}

static const struct finding_finalizer *find_finalizer(const struct finding *finding,
                                                      const struct finding_step *step)
{
    const struct finding_finalizer *of_class = NULL;
    for (size_t i = 0; i < finding->finalizer_count; i++) {
        const struct finding_finalizer *finalizer = &finding->finalizers[i];
        if (!step->finalizer || strcmp(finalizer->class, step->type) != 0)
            continue;
        if (finalizer->del_source == step->del_source)
            return finalizer;
        of_class = of_class ? of_class : finalizer; // one that reads the same
    }
    return of_class;
}

static bool is_to_break(const struct finding *finding, size_t step)
{
    return finding->break_count && finding->breaks[0].step == step;
}

// The end of the line that the edge to step i is on, and the edge from there.
static void put_step(const struct finding *finding, size_t i, FILE *file)
{
    const struct finding_step *step = &finding->steps[i];
    const struct finding_finalizer *finalizer = find_finalizer(finding, step);
    if (finalizer) {
        fputs("     ", file);
        put_finalizer(finalizer, file);
    }
    if (i && is_to_break(finding, i - 1))
        fputs("     ◀ break here", file);
    fputs("\n      ", file);
    put_name(file, step->edge);
    fputs(" ─▶ ", file);
    if (i + 1 < finding->step_count)
        put_name(file, finding->steps[i + 1].type);
}

static void put_cycle(const struct finding *finding, FILE *file)
{
    fputs("    ", file);
    put_name(file, finding->steps[0].type);
    size_t skipped =
        finding->step_count > DRAWN_STEPS_MAX ? finding->step_count - DRAWN_STEPS_MAX : 0;
    for (size_t i = 0; i < finding->step_count; i++) {
        if (skipped && i == DRAWN_STEPS_MAX / 2) {
            fprintf(file, "\n      ... %zu more ...", skipped);
            i += skipped;
        }
        put_step(finding, i, file);
    }
    fputs("back to ", file);
    put_name(file, short_name(finding->steps[0].type));
    if (is_to_break(finding, finding->step_count - 1))
        fputs("     ◀ break here", file);
    fputc('\n', file);
}

// Finalizers of the components that the drawn cycle does not pass.
static void put_other_finalizers(const struct finding *finding, FILE *file)
{
    for (size_t i = 0; i < finding->finalizer_count; i++) {
        bool drawn = false;
        for (size_t j = 0; j < finding->step_count && !drawn; j++)
            drawn = find_finalizer(finding, &finding->steps[j]) == &finding->finalizers[i];
        if (drawn)
            continue;
        fputs("    also ", file);
        put_name(file, finding->finalizers[i].class);
        fputs("     ", file);
        put_finalizer(&finding->finalizers[i], file);
        fputc('\n', file);
    }
}

// Are all components as large as the one that is shown?
static const char *example_words(const struct finding *finding)
{
    if (finding->count == 1)
        return "";
    return finding->objects == finding->count * finding->example_objects &&
                   finding->bytes == finding->count * finding->example_bytes
               ? "each "
               : "this one ";
}

// How many objects the cycles have, when they differ.
static void put_sizes(const struct finding_sizes *sizes, FILE *file)
{
    char least[NUMBER_MAX], median[NUMBER_MAX], most[NUMBER_MAX], cycles[NUMBER_MAX];
    if (sizes->least == sizes->most)
        return;
    fprintf(file, "  objects per cycle: %s to %s, median %s", grouped(sizes->least, least),
            grouped(sizes->most, most), grouped(sizes->median, median));
    const char *before = " (";
    for (unsigned i = 0; i < FINDING_SIZES; i++) {
        if (!sizes->counts[i])
            continue;
        uint64_t from = UINT64_C(1) << i, to = (UINT64_C(1) << (i + 1)) - 1;
        fprintf(file, "%s%s", before, grouped(from, least));
        if (to > from)
            fprintf(file, "-%s", grouped(to, most));
        fprintf(file, ": %s", grouped(sizes->counts[i], cycles));
        before = "; ";
    }
    fputs(")\n", file);
}

static void put_finding(const struct report *report, const struct finding *finding, FILE *file)
{
    char count[NUMBER_MAX], bytes[NUMBER_MAX], head[256];
    const char *pending = finding->state == COLLECT_PENDING ? " pending" : "";
    const char *at_least = report_is_complete(report) ? "" : "At least ";
    int width = snprintf(head, sizeof(head), "%s%s%s cycle%s like this one, %s", at_least,
                         grouped(finding->count, count), pending, plural(finding->count),
                         sized(finding->bytes, bytes));
    if (finding->count == 1)
        width = snprintf(head, sizeof(head), "%s%s%s cycle, %s", at_least,
                         *at_least ? "one" : "One", pending, sized(finding->bytes, bytes));
    fprintf(file, "\n%s%*ssignature %s\n", head, width < 70 ? 72 - width : 2, "",
            finding->signature);
    put_cycle(finding, file);
    put_other_finalizers(finding, file);
    put_breaks(finding, file);
    if (finding->held_objects)
        fprintf(file, "  keep%s %s other object%s alive: %s\n", finding->count == 1 ? "s" : "",
                grouped(finding->held_objects, count), plural(finding->held_objects),
                sized(finding->held_bytes, bytes));
    put_sizes(&finding->sizes, file);
    fprintf(file, "  e.g. 0x%" PRIx64 "; %s%s object%s, %" PRIu64 " bytes\n", finding->example,
            example_words(finding), grouped(finding->example_objects, count),
            plural(finding->example_objects), finding->example_bytes);
}

static void put_findings(const struct report *report, FILE *file)
{
    const struct findings *findings = report->findings;
    char count[NUMBER_MAX], bytes[NUMBER_MAX];
    size_t shown = findings->count;
    if (report->limit && shown > report->limit)
        shown = report->limit;
    for (size_t i = 0; i < shown; i++)
        put_finding(report, &findings->items[i], file);
    if (shown < findings->count)
        fprintf(file, "\n%s more finding%s not shown (--limit).\n",
                grouped(findings->count - shown, count), plural(findings->count - shown));
    if (findings->shared_objects)
        fprintf(file,
                "\nKept alive by several of these together, or by finalizer objects outside of "
                "any cycle:\n%s object%s, %s.\n",
                grouped(findings->shared_objects, count), plural(findings->shared_objects),
                sized(findings->shared_bytes, bytes));
}

// What to find the report by: one line, however long.
static void put_ticket(const struct report *report, FILE *file)
{
    const struct findings *findings = report->findings;
    char id[2 * BUILD_ID_MAX + 1] = "none";
    const struct build_id *build_id = interpreter_build_id(report->interpreter);
    size_t shown = findings->count;
    if (report->limit && shown > report->limit)
        shown = report->limit;
    if (build_id)
        build_id_format(build_id, id, sizeof(id));
    fputs("\nTicket       " PROGRAM_NAME " " PYCORE_GARBAGE_VERSION ", ", file);
    put_file(file, report->core->path);
    fprintf(file, ", %" PRIu64 " bytes, build-id %s, ", report->core->size, id);
    fputs(shown ? "signatures" : "no signature", file);
    for (size_t i = 0; i < shown; i++)
        fprintf(file, " %s", findings->items[i].signature);
    if (shown < findings->count)
        fprintf(file, " and %zu more (--limit)", findings->count - shown);
    fputc('\n', file);
}

void report_text(const struct report *report, FILE *file)
{
    put_verdict(report, file);
    put_findings(report, file);
    put_holders(report, file);
    put_memory(report, file);
    put_basis(report, file);
    put_stacks(report, file);
    put_ticket(report, file);
}
