// The text report: the verdict first, so that ten lines of it say what matters.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

enum {
    DRAWN_STEPS_MAX = 40,
    NUMBER_MAX = 32
};

// --- words and numbers

// 1234567 as 1,234,567.
static const char *grouped(uint64_t number, char *buffer)
{
    char digits[NUMBER_MAX];
    int length = snprintf(digits, sizeof(digits), "%" PRIu64, number);
    char *end = buffer;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            *end++ = ',';
        *end++ = digits[i];
    }
    *end = '\0';
    return buffer;
}

// Bytes in the largest unit of which there is one.
static const char *sized(uint64_t bytes, char *buffer)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes / 1024;
    size_t unit = 0;
    if (bytes < 1024) {
        snprintf(buffer, NUMBER_MAX, "%" PRIu64 " bytes", bytes);
        return buffer;
    }
    for (; value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        value /= 1024;
    snprintf(buffer, NUMBER_MAX, value < 10 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return buffer;
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void put_name(FILE *file, const char *name)
{
    char *clean = report_clean_name(name ? name : "?");
    fputs(clean ? clean : "?", file);
    free(clean);
}

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

static bool collecting(const struct report *report)
{
    const struct runtime_flag *flag = &report->interpreter->runtime.collecting;
    return flag->known && flag->value;
}

bool report_is_complete(const struct report *report)
{
    const struct heap_losses *losses = &report->heap->losses;
    return !losses->broken_links && !losses->objects_in_flux && !collecting(report) &&
           !losses->unreadable_objects && !losses->unreadable_parts && !losses->unreadable_sizes &&
           !report->findings->unread_edges && report->garbage_read == report->garbage_length &&
           !report->totals->overdrawn && report->core->complete;
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
    char looked[NUMBER_MAX];
    grouped(report->heap->count, looked);
    if (report->garbage_source == GARBAGE_NOT_FOUND)
        fprintf(file,
                "gc.garbage was not found, so what it keeps shows as in use (%s tracked objects "
                "looked at).\n",
                looked);
    else if (report->garbage_length)
        fprintf(file,
                "gc.garbage lists %" PRIu64 " object%s, but keeps none alive by itself "
                "(%s tracked objects looked at).\n",
                report->garbage_length, plural(report->garbage_length), looked);
    else
        fprintf(file,
                "No garbage: no cycle with __del__ is kept in gc.garbage (%s tracked objects "
                "looked at).\n",
                looked);
}

static void put_pending_verdict(const struct report *report, FILE *file)
{
    char count[NUMBER_MAX], listed[NUMBER_MAX];
    uint64_t pending = report->totals->objects[COLLECT_PENDING];
    if (pending)
        fprintf(file,
                "Pending: the next full collection would add %s object%s to it, and keep %s in "
                "all for them.\n",
                grouped(report->pending_finalizers, listed), plural(report->pending_finalizers),
                grouped(pending, count));
    else if (!kept_objects(report))
        fprintf(file, "None is pending: the next full collection would add nothing to it.\n");
}

static void put_kept_verdict(const struct report *report, FILE *file)
{
    char count[NUMBER_MAX];
    uint32_t kept = report->totals->objects[COLLECT_KEPT];
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
    if (del->file) {
        const char *base = strrchr(del->file, '/');
        fputs(", ", file);
        put_name(file, base ? base + 1 : del->file);
        fprintf(file, ":%" PRId64, del->line);
    }
}

static const struct finding_finalizer *find_finalizer(const struct finding *finding,
                                                      const struct finding_step *step)
{
    for (size_t i = 0; i < finding->finalizer_count; i++)
        if (strcmp(finding->finalizers[i].class, step->type) == 0)
            return &finding->finalizers[i];
    return NULL;
}

static const char *short_name(const char *type)
{
    const char *dot = strrchr(type, '.');
    return dot ? dot + 1 : type;
}

static void put_step(const struct finding *finding, size_t i, FILE *file)
{
    const struct finding_step *step = &finding->steps[i];
    const struct finding_finalizer *finalizer =
        step->finalizer ? find_finalizer(finding, step) : NULL;
    if (finalizer) {
        fputs("     ", file);
        put_finalizer(finalizer, file);
    }
    fputs("\n      ", file);
    put_name(file, step->edge);
    fputs(" ─▶ ", file);
    if (i + 1 < finding->step_count) {
        put_name(file, finding->steps[i + 1].type);
    } else {
        fputs("back to ", file);
        put_name(file, short_name(finding->steps[0].type));
        fputc('\n', file);
    }
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
}

// Finalizer classes of the components that the drawn cycle does not pass.
static void put_other_finalizers(const struct finding *finding, FILE *file)
{
    for (size_t i = 0; i < finding->finalizer_count; i++) {
        bool drawn = false;
        for (size_t j = 0; j < finding->step_count && !drawn; j++)
            drawn = finding->steps[j].finalizer &&
                    strcmp(finding->steps[j].type, finding->finalizers[i].class) == 0;
        if (drawn)
            continue;
        fputs("    also ", file);
        put_name(file, finding->finalizers[i].class);
        fputs("     ", file);
        put_finalizer(&finding->finalizers[i], file);
        fputc('\n', file);
    }
}

static void put_finding(const struct finding *finding, FILE *file)
{
    char count[NUMBER_MAX], bytes[NUMBER_MAX], head[256];
    int width = snprintf(head, sizeof(head), "%s%s cycle%s like this one, %s",
                         grouped(finding->count, count),
                         finding->state == COLLECT_PENDING ? " pending" : "",
                         plural(finding->count), sized(finding->bytes, bytes));
    if (finding->count == 1)
        width = snprintf(head, sizeof(head), "One%s cycle, %s",
                         finding->state == COLLECT_PENDING ? " pending" : "",
                         sized(finding->bytes, bytes));
    fprintf(file, "\n%s%*ssignature %s\n", head, width < 70 ? 72 - width : 2, "",
            finding->signature);
    put_cycle(finding, file);
    put_other_finalizers(finding, file);
    if (finding->held_objects)
        fprintf(file, "  keep%s %s other object%s alive: %s\n", finding->count == 1 ? "s" : "",
                grouped(finding->held_objects, count), plural(finding->held_objects),
                sized(finding->held_bytes, bytes));
    fprintf(file, "  e.g. 0x%" PRIx64 "; %s%s object%s, %" PRIu64 " bytes\n", finding->example,
            finding->count == 1                                             ? ""
            : finding->objects == finding->count * finding->example_objects ? "each "
                                                                            : "this one ",
            grouped(finding->example_objects, count), plural(finding->example_objects),
            finding->example_bytes);
}

static void put_findings(const struct report *report, FILE *file)
{
    const struct findings *findings = report->findings;
    char count[NUMBER_MAX], bytes[NUMBER_MAX];
    size_t shown = findings->count;
    if (report->limit && shown > report->limit)
        shown = report->limit;
    for (size_t i = 0; i < shown; i++)
        put_finding(&findings->items[i], file);
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

// --- where the numbers come from

static void put_core(const struct report *report, FILE *file)
{
    const struct core *core = report->core;
    char size[NUMBER_MAX], missing[NUMBER_MAX];
    fputs("\nCore         ", file);
    put_name(file, core->path);
    fprintf(file, ", %s, %s", sized(core->size, size), core->architecture);
    if (core->bytes_missing)
        fprintf(file, ", CUT: %s missing", sized(core->bytes_missing, missing));
    else
        fprintf(file, ", %s", core->complete ? "complete" : "without thread notes");
    fputs("\nProcess      ", file);
    if (core->has_prpsinfo)
        fprintf(file, "pid %" PRIu32 ", ", core->pid);
    put_name(file, *core->command ? core->command : "(command not known)");
    const char *signal = core_signal_name(core->signal);
    if (signal)
        fprintf(file, ", %s", signal);
    else if (core->signal)
        fprintf(file, ", signal %d", core->signal);
    else
        fputs(", no signal: dumped while it ran", file);
    fprintf(file, ", %zu thread%s\n", core->thread_count, plural(core->thread_count));
}

static const char *match_words(const struct module *module)
{
    switch (module->match) {
    case MODULE_MATCHES:
        return "matches the core";
    case MODULE_UNCHECKED:
        return module->image->build_id.size ? "not checked, the core has none"
                                            : "not checked, the file has none";
    case MODULE_FORCED:
        return "DIFFERS from the core's, used because of --force";
    case MODULE_FROM_CORE:
        return "no file here, read from the core";
    case MODULE_ABSENT:
        break;
    }
    return "absent";
}

static void put_interpreter_file(const struct interpreter *interpreter, FILE *file)
{
    const struct module *module = interpreter->module;
    const struct image *image = module ? module->image : NULL;
    char id[2 * BUILD_ID_MAX + 1] = "";
    if (image)
        build_id_format(&image->build_id, id, sizeof(id));
    else if (module)
        build_id_format(&module->core_build_id, id, sizeof(id));
    put_name(file, interpreter_file(interpreter));
    if (image)
        fprintf(file, "\n             build-id %s (%s)", id, match_words(module));
    else
        fprintf(file, "\n             build-id %s (the core's; the file was not at hand)",
                *id ? id : "none");
    if (interpreter->recognition)
        fputs("\n             RECOGNIZED IN THE CORE: types are named by the modules that hold them"
              "\n             and by their structure; the file would be surer",
              file);
}

// What the interpreter was built with, as far as it shows.
static void put_build(const struct report *report, FILE *file)
{
    const struct runtime *runtime = &report->interpreter->runtime;
    const char *before = "\n             built with ";
    if (runtime->digit_width) {
        fprintf(file, "%s%d-bit digits", before, runtime->digit_width == 2 ? 15 : 30);
        before = ", ";
    }
    if (report->heap->by_pools || runtime->pymalloc.known) {
        bool there = report->heap->by_pools || runtime->pymalloc.value;
        fprintf(file, "%s%spymalloc", before, there ? "" : "no ");
        before = ", ";
    }
    if (runtime->debug_malloc) {
        fprintf(file, "%sPYMALLOC_DEBUG", before);
        before = ", ";
    }
    if (runtime->layout.count_allocs) {
        fprintf(file, "%sCOUNT_ALLOCS", before);
        before = ", ";
    }
    if (runtime->layout.column->trace_refs)
        fprintf(file, "%sPy_TRACE_REFS", before);
}

// How sure the column is.
static void put_layout(const struct interpreter *interpreter, FILE *file)
{
    const struct layout *layout = &interpreter->runtime.layout;
    fprintf(file, "Layout       built-in column %s", layout->column->name);
    if (interpreter->has_dwarf)
        fprintf(file, ", checked by the file's DWARF: %u members, %u differ", layout->dwarf_values,
                layout->dwarf_differences);
    else if (interpreter->recognition)
        fputs(", the one that fits what the core has", file);
    else
        fputs(", the file has no DWARF", file);
    if (layout->head_by_evidence)
        fprintf(file, "\n             PyGC_Head has %u bytes, to judge by the collector's lists",
                layout_offset(layout, LAYOUT_PyGC_Head_sizeof));
    if (layout->rivals && !layout->by_version)
        fprintf(file,
                "\n             DOUBT: no version could be read, and %u other column%s as well",
                layout->rivals, layout->rivals == 1 ? " fits" : "s fit");
    fputc('\n', file);
}

static void put_interpreter(const struct report *report, FILE *file)
{
    const struct interpreter *interpreter = report->interpreter;
    const struct runtime *runtime = &interpreter->runtime;
    fputs("Interpreter  CPython ", file);
    if (*runtime->version)
        fputs(runtime->version, file);
    else // of the column at least
        fprintf(file, "2.%u", runtime->layout.column->hexversion_first >> 8 & 0xff);
    fprintf(file, ", UCS%d, ", runtime->unicode_width);
    put_interpreter_file(interpreter, file);
    put_build(report, file);
    fputc('\n', file);
    put_layout(interpreter, file);
}

static const char *garbage_words(const struct report *report)
{
    switch (report->garbage_source) {
    case GARBAGE_BY_SYMBOL:
        return "found by symbol";
    case GARBAGE_BY_MODULE:
        return "found through the gc module";
    case GARBAGE_BY_EVIDENCE:
        return "found by evidence";
    case GARBAGE_EMPTY:
        return "empty or not made yet, by evidence: nothing else in the interpreter's data fits";
    case GARBAGE_NONE_YET:
        return "not made yet: no collection ever ran";
    case GARBAGE_NOT_FOUND:
        break;
    }
    return "NOT FOUND: what it lists shows as in use";
}

static void put_collector(const struct report *report, FILE *file)
{
    const struct runtime *runtime = &report->interpreter->runtime;
    char count[NUMBER_MAX];
    fprintf(file, "Collector    %s%sgenerations ",
            !runtime->enabled.known  ? ""
            : runtime->enabled.value ? "enabled, "
                                     : "DISABLED, ",
            collecting(report) ? "A COLLECTION WAS IN PROGRESS, " : "");
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++)
        fprintf(file, "%s%s", i ? " / " : "", grouped(report->heap->generation_objects[i], count));
    fputs(" objects, thresholds ", file);
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++)
        fprintf(file, "%s%" PRId64, i ? "/" : "", runtime->generations[i].threshold);
    if (runtime->debug.known && runtime->debug.value)
        fprintf(file, ", debug flags %" PRId64, runtime->debug.value);
    fprintf(file, "\ngc.garbage   ");
    if (report->garbage)
        fprintf(file, "0x%" PRIx64 ", %s item%s, ", report->garbage,
                grouped(report->garbage_length, count), plural(report->garbage_length));
    fprintf(file, "%s\n", garbage_words(report));
}

static void put_coverage(const struct report *report, FILE *file)
{
    const struct heap *heap = report->heap;
    const struct heap_losses *losses = &heap->losses;
    char count[NUMBER_MAX], bytes[NUMBER_MAX];
    fprintf(file, "Coverage     %s objects read, ",
            grouped(heap->count - losses->unreadable_objects, count));
    fprintf(file, "%s references, %s; ", grouped(heap->edges, count), sized(heap->bytes, bytes));
    fprintf(file, "%" PRIu64 " opaque, %" PRIu64 " unreadable\n", heap->opaque_objects,
            losses->unreadable_objects);
    if (heap->coded_objects)
        fprintf(file, "             %s object%s of extension types visited by their own code\n",
                grouped(heap->coded_objects, count), plural(heap->coded_objects));
    if (losses->broken_links)
        fprintf(file,
                "             LOSS: %" PRIu64 " broken link%s in the collector's lists, the first "
                "after 0x%" PRIx64 "\n",
                losses->broken_links, plural(losses->broken_links), losses->first_broken_link);
    if (losses->objects_in_flux || collecting(report)) {
        fprintf(file,
                "             DOUBT: a collection was in progress (%" PRIu64 " object%s in flux): ",
                losses->objects_in_flux, plural(losses->objects_in_flux));
        if (heap->listed_on_stacks)
            fprintf(file, "%s found on lists of its own\n", grouped(heap->listed_on_stacks, count));
        else
            fputs("objects on its own lists are missing\n", file);
    }
    if (losses->unreadable_parts || losses->unreadable_sizes)
        fprintf(file,
                "             LOSS: %" PRIu64 " table%s or item array%s and %" PRIu64
                " size%s could not be read\n",
                losses->unreadable_parts, plural(losses->unreadable_parts),
                plural(losses->unreadable_parts), losses->unreadable_sizes,
                plural(losses->unreadable_sizes));
    if (report->totals->overdrawn)
        fprintf(file,
                "             DOUBT: %" PRIu32 " object%s with more references than ob_refcnt\n",
                report->totals->overdrawn, plural(report->totals->overdrawn));
    if (report->findings->unread_edges)
        fprintf(file, "             LOSS: %" PRIu64 " edge%s could not be named\n",
                report->findings->unread_edges, plural(report->findings->unread_edges));
    if (report->garbage_read != report->garbage_length)
        fprintf(file, "             LOSS: only %" PRIu64 " item%s of gc.garbage could be read\n",
                report->garbage_read, plural(report->garbage_read));
    size_t shown = report->opaque_type_count;
    if (report->limit && shown > report->limit)
        shown = report->limit;
    for (size_t i = 0; i < shown; i++) {
        fputs("             opaque: ", file);
        put_name(file, report->opaque_types[i].name);
        fprintf(file, ", %s object%s (what it holds counts as held from outside)\n",
                grouped(report->opaque_types[i].objects, count),
                plural(report->opaque_types[i].objects));
    }
    if (shown && !report->interpreter->runs_code)
        fputs("             (this program was built without Unicorn, which could visit them)\n",
              file);
    if (shown < report->opaque_type_count)
        fprintf(file, "             opaque: %zu more type%s (--limit)\n",
                report->opaque_type_count - shown, plural(report->opaque_type_count - shown));
}

void report_text(const struct report *report, FILE *file)
{
    put_verdict(report, file);
    put_findings(report, file);
    put_core(report, file);
    put_interpreter(report, file);
    put_collector(report, file);
    put_coverage(report, file);
}
