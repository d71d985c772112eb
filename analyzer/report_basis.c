// Where the numbers come from.
#include <inttypes.h>

#include "report_sentences.h"
#include "version.h"

enum {
    DIFFERENCES_MAX = 3 // named
};

static void put_core(const struct report *report, FILE *file)
{
    const struct core *core = report->core;
    char size[NUMBER_MAX], missing[NUMBER_MAX];
    put_name(file, core->path);
    fprintf(file, ", %s, %s", sized(core->size, size), core->architecture);
    if (core->bytes_missing)
        fprintf(file, ", CUT: %s missing", sized(core->bytes_missing, missing));
    else
        fprintf(file, ", %s", core_state_words(core));
    if (core->unpacked)
        put_unpacked(core->unpacked, file);
    fputc('\n', file);
}

static void put_process(const struct report *report, FILE *file)
{
    const struct core *core = report->core;
    if (core->has_prpsinfo)
        fprintf(file, "pid %" PRIu32 ", ", core->pid);
    put_command(file, core, report->contents);
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

static void put_other_build(const struct module *module, const char *id, FILE *file)
{
    char other[2 * BUILD_ID_MAX + 1];
    build_id_format(&module->other_build, other, sizeof(other));
    fprintf(file,
            "\n             build-id %s (the core's; the file of that name at hand is of another "
            "build: %s)",
            id, other);
}

static void put_interpreter_file(const struct interpreter *interpreter, FILE *file)
{
    const struct module *module = interpreter->module;
    const struct image *image = module ? module->image : NULL;
    const struct build_id *build_id = interpreter_build_id(interpreter);
    char id[2 * BUILD_ID_MAX + 1] = "none";
    if (build_id)
        build_id_format(build_id, id, sizeof(id));
    put_name(file, interpreter_file(interpreter));
    if (image)
        fprintf(file, "\n             build-id %s (%s)", id, match_words(module));
    else if (module && module->other_build.size)
        put_other_build(module, id, file);
    else
        fprintf(file, "\n             build-id %s (the core's; the file was not at hand)", id);
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
    if (report->stacks && report->stacks->interpreters > 1)
        fprintf(file, "\n             %u interpreters in one process, with one collector",
                report->stacks->interpreters);
}

// Which members are not where the column has them.
static void put_differences(const struct layout *layout, FILE *file)
{
    unsigned told = 0;
    for (unsigned i = 0; i < LAYOUT_MEMBER_COUNT && told < DIFFERENCES_MAX; i++) {
        if (!layout->differs[i])
            continue;
        fprintf(file, "%s%s%s%s",
                told++ ? ", " : "\n             not as in the column: ", layout_rows[i].type,
                *layout_rows[i].path ? "." : " (size)", layout_rows[i].path);
    }
    if (told && layout->dwarf_differences > told)
        fprintf(file, " and %u more", layout->dwarf_differences - told);
    if (told)
        fputs("; DWARF's are used", file);
}

static void put_dwarf(const struct interpreter *interpreter, FILE *file)
{
    const struct layout *layout = &interpreter->runtime.layout;
    const struct debug_file *debug_file = &interpreter->debug_file;
    fprintf(file, ", checked by %s DWARF: %u members, %u differ",
            debug_file->source ? "detached" : "the file's", layout->dwarf_values,
            layout->dwarf_differences);
    if (debug_file->source) {
        fputs("\n             ", file);
        put_name(file, interpreter_dwarf_file(interpreter));
        fprintf(file, " (by %s)", debug_file_source_text(debug_file->source));
    }
    put_differences(layout, file);
}

// How sure the column is.
static void put_layout(const struct report *report, FILE *file)
{
    const struct interpreter *interpreter = report->interpreter;
    const struct layout *layout = &interpreter->runtime.layout;
    fprintf(file, "built-in column %s", layout->column->name);
    if (interpreter->has_dwarf)
        put_dwarf(interpreter, file);
    else if (interpreter->known_build)
        fputs(", which fits this build, a known one", file);
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
    fputs("CPython ", file);
    if (*runtime->version)
        fputs(runtime->version, file);
    else // of the column at least
        fprintf(file, "2.%u", runtime->layout.column->hexversion_first >> 8 & 0xff);
    fprintf(file, ", UCS%d, ", runtime->unicode_width);
    put_interpreter_file(interpreter, file);
    put_build(report, file);
    fputc('\n', file);
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
    case GARBAGE_LOST:
        return "LOST with what is missing: what it keeps is told by references alone";
    case GARBAGE_BY_ITEMS:
        return "the only list left that may be it, by its items";
    case GARBAGE_NOT_FOUND:
        break;
    }
    return "NOT FOUND: what it lists shows as in use";
}

// A collection in progress keeps objects on lists of its own, and may have moved them to older
// generations.
static void put_collection(const struct report *report, FILE *file)
{
    const struct heap *heap = report->heap;
    uint64_t listed = heap->listed_on_stacks + heap->listed_elsewhere;
    char count[NUMBER_MAX];
    if (!collecting(report))
        return;
    fputs("A COLLECTION WAS IN PROGRESS", file);
    if (listed)
        fprintf(file, " (%s object%s on its own lists)", grouped(listed, count), plural(listed));
    fputs(", ", file);
}

static void put_debug_flags(const struct runtime_flag *debug, FILE *file)
{
    int64_t unknown = debug->value;
    const char *before = ", debug flags ";
    if (!debug->known) {
        fputs(", debug flags not known (stripped file)", file);
        return;
    }
    for (unsigned bit = 0; bit < RUNTIME_DEBUG_FLAGS; bit++) {
        if (!(debug->value >> bit & 1))
            continue;
        fprintf(file, "%s%s", before, runtime_debug_flag_name(bit));
        unknown &= ~(INT64_C(1) << bit);
        before = " + ";
    }
    if (unknown)
        fprintf(file, "%s%" PRId64, before, unknown);
}

static void put_collector(const struct report *report, FILE *file)
{
    const struct runtime *runtime = &report->interpreter->runtime;
    char count[NUMBER_MAX];
    if (runtime->data_lost) {
        fputs("its variables are lost with what is missing\n", file);
        return;
    }
    fprintf(file, "%s",
            !runtime->enabled.known  ? "enabled or not is not known (stripped file), "
            : runtime->enabled.value ? "enabled, "
                                     : "DISABLED, ");
    put_collection(report, file);
    fputs("generations ", file);
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++)
        fprintf(file, "%s%s", i ? " / " : "", grouped(report->heap->generation_objects[i], count));
    fputs(" objects, thresholds ", file);
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++)
        fprintf(file, "%s%" PRId64, i ? "/" : "", runtime->generations[i].threshold);
    fputs(", counts ", file);
    for (unsigned i = 0; i < RUNTIME_GENERATIONS; i++)
        fprintf(file, "%s%" PRId64, i ? "/" : "", runtime->generations[i].count);
    put_debug_flags(&runtime->debug, file);
    fputc('\n', file);
}

// What the gc module calls garbage, when that is not the collector's list.
static void put_garbage_binding(const struct report *report, FILE *file)
{
    char count[NUMBER_MAX];
    switch (report->garbage_binding) {
    case GARBAGE_BINDING_LIST:
        fprintf(file,
                "             gc.garbage in the gc module is another list now, 0x%" PRIx64
                ", %s item%s: the program replaced it;\n",
                report->garbage_bound, grouped(report->garbage_bound_length, count),
                plural(report->garbage_bound_length));
        break;
    case GARBAGE_BINDING_OTHER:
        fprintf(file,
                "             gc.garbage in the gc module is no list now (0x%" PRIx64
                "): the program replaced it;\n",
                report->garbage_bound);
        break;
    case GARBAGE_BINDING_DELETED:
        fputs("             the gc module has no gc.garbage any more: the program deleted it;\n",
              file);
        break;
    case GARBAGE_BINDING_SAME:
    case GARBAGE_BINDING_UNKNOWN:
        return;
    }
    fputs("             the collector goes on with its own list\n", file);
}

static void put_garbage(const struct report *report, FILE *file)
{
    const struct report_items *items = &report->garbage_items;
    char count[NUMBER_MAX], kept[NUMBER_MAX];
    if (report->garbage)
        fprintf(file, "0x%" PRIx64 ", %s item%s, ", report->garbage,
                grouped(report->garbage_length, count), plural(report->garbage_length));
    if (report_saves_all(report) && report->garbage)
        fprintf(file, "with DEBUG_SAVEALL: %s uncollectable, %s only saved, ",
                grouped(items->uncollectable, count), grouped(items->kept, kept));
    if (items->in_use)
        fprintf(file, "%s in use elsewhere, ", grouped(items->in_use, count));
    fprintf(file, "%s\n", garbage_words(report));
    if (report->garbage_emptied)
        fputs("             it held items before: the program took them out\n", file);
    else if (report->garbage && !report->garbage_length && report->pending_finalizers)
        fputs("             no collection has come to the pending ones yet, or the program took "
              "them out\n",
              file);
    put_garbage_binding(report, file);
}

static void put_overdrawn(const struct report *report, FILE *file)
{
    const struct holders *holders = report->holders;
    char count[NUMBER_MAX];
    size_t shown = holders ? limited(report, holders->overdrawn_count) : 0;
    for (size_t i = 0; i < shown; i++) {
        fprintf(file, "             %s of ", grouped(holders->overdrawn[i].objects, count));
        put_name(file, holders->overdrawn[i].type);
        fprintf(file, ", e.g. 0x%" PRIx64 "\n", holders->overdrawn[i].example);
    }
    if (shown)
        fputs("             (the core is damaged, or a traversal visits what the object does not "
              "own)\n",
              file);
}

// Why objects are opaque.
static void put_opaque_reasons(const struct report *report, FILE *file)
{
    char count[NUMBER_MAX];
    uint64_t objects = report->heap->opaque_objects;
    if (!report->opaque_reason_count)
        return;
    fprintf(file, "             %s object%s opaque: %s traversal", grouped(objects, count),
            plural(objects), objects == 1 ? "its" : "their");
    for (size_t i = 0; i < report->opaque_reason_count; i++)
        fprintf(file, "%s %s (%s)", i ? "," : "", report->opaque_reasons[i].text,
                grouped(report->opaque_reasons[i].objects, count));
    fputc('\n', file);
}

static void put_stream_damage(const struct core *core, FILE *file)
{
    const struct unpacked *unpacked = core->unpacked;
    if (!unpacked || !unpacked->damage)
        return;
    fprintf(file,
            "             LOSS: the packed core is damaged at byte %" PRIu64
            " of it, behind %" PRIu64 " bytes of the core: ",
            unpacked->damage_at, unpacked->size);
    put_name(file, unpacked->damage);
    fputc('\n', file);
}

static void put_coverage(const struct report *report, FILE *file)
{
    const struct heap *heap = report->heap;
    const struct heap_losses *losses = &heap->losses;
    char count[NUMBER_MAX], bytes[NUMBER_MAX];
    fprintf(file, "%s objects read, ", grouped(heap->count - losses->unreadable_objects, count));
    fprintf(file, "%s references, %s; ", grouped(heap->edges, count), sized(heap->bytes, bytes));
    fprintf(file, "%" PRIu64 " opaque, %" PRIu64 " unreadable\n", heap->opaque_objects,
            losses->unreadable_objects);
    put_byte_coverage(report, file);
    if (heap->coded_objects)
        fprintf(file, "             %s object%s of extension types visited by their own code\n",
                grouped(heap->coded_objects, count), plural(heap->coded_objects));
    put_stream_damage(report->core, file);
    if (report->core->bytes_overlapping)
        fprintf(
            file,
            "             LOSS: the core's headers are damaged: %s of it are in two segments at "
            "once\n",
            sized(report->core->bytes_overlapping, bytes));
    if (report->interpreter->source.data_missing)
        fprintf(file,
                "             LOSS: %s of the interpreter's static data not saved in the core\n",
                sized(report->interpreter->source.data_missing, bytes));
    if (report->lost_reads)
        fprintf(
            file,
            "             LOSS: names, lines or what else the cycles are told by could not be read, "
            "%" PRIu64 " time%s: not saved in the core, or damaged\n",
            report->lost_reads, plural(report->lost_reads));
    put_tears(&losses->tears, file);
    put_unreadable(losses, file);
    if (losses->lists_unknown)
        fputs("             DOUBT: a collection was in progress, and neither pools nor stacks show "
              "what it has set aside\n",
              file);
    if (lists_are_odd(report))
        fputs("             DOUBT: the lists look like those of a collection, but none was in "
              "progress\n",
              file);
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
    put_overdrawn(report, file);
    if (report->interpreter->restored.types)
        fprintf(file,
                "             LOSS: %" PRIu64 " static types were not saved, and are told by what "
                "their files have\n",
                report->interpreter->restored.types);
    if (report->findings->unread_edges)
        fprintf(file, "             LOSS: %" PRIu64 " edge%s could not be named\n",
                report->findings->unread_edges, plural(report->findings->unread_edges));
    if (report->garbage_read != report->garbage_length)
        fprintf(file, "             LOSS: only %" PRIu64 " item%s of gc.garbage could be read\n",
                report->garbage_read, plural(report->garbage_read));
    put_opaque_reasons(report, file);
    size_t shown = limited(report, report->opaque_type_count);
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

// What to find the report by: one line, however long.
static void put_ticket(const struct report *report, FILE *file)
{
    const struct findings *findings = report->findings;
    const struct build_id *build_id = interpreter_build_id(report->interpreter);
    char id[2 * BUILD_ID_MAX + 1] = "none";
    uint64_t shown = limited(report, findings->count);
    if (build_id)
        build_id_format(build_id, id, sizeof(id));
    fputs(PROGRAM_NAME " " PYCORE_GARBAGE_VERSION ", ", file);
    put_file(file, report->core->path);
    fprintf(file, ", %" PRIu64 " bytes, build-id %s, ", report->core->size, id);
    fputs(shown ? "signatures" : "no signature", file);
    for (size_t i = 0; i < shown; i++)
        fprintf(file, " %s", findings->items[i].signature);
    if (shown < findings->count)
        fprintf(file, " and %" PRIu64 " more (--limit)", findings->count - shown);
    fputc('\n', file);
}

const struct fact facts[FACTS] = {
    [FACT_MEMORY] = {"Memory", put_memory},
    [FACT_CORE] = {"Core", put_core},
    [FACT_PROCESS] = {"Process", put_process},
    [FACT_INTERPRETER] = {"Interpreter", put_interpreter},
    [FACT_LAYOUT] = {"Layout", put_layout},
    [FACT_COLLECTOR] = {"Collector", put_collector},
    [FACT_GARBAGE] = {"gc.garbage", put_garbage},
    [FACT_COVERAGE] = {"Coverage", put_coverage},
    [FACT_TICKET] = {"Ticket", put_ticket},
};

bool has_fact(const struct report *report, enum fact_kind kind)
{
    return kind != FACT_MEMORY || report->census;
}

void put_fact(const struct report *report, enum fact_kind kind, FILE *file)
{
    fprintf(file, "%-13s", facts[kind].label);
    facts[kind].put(report, file);
}
