// Order of steps, exit status.
#include <langinfo.h>
#include <locale.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "census_process.h"
#include "collect.h"
#include "core.h"
#include "findings.h"
#include "heap.h"
#include "holders.h"
#include "holders_process.h"
#include "interpreter.h"
#include "note.h"
#include "options.h"
#include "output.h"
#include "picture.h"
#include "process.h"
#include "progress.h"
#include "report.h"
#include "slot_files.h"
#include "text_stream.h"

enum {
    DIFFERENCES_TOLD = 10,
    PROGRESS_DELAY = 1 // second
};

struct run {
    const struct options *options;
    struct core *core;
    struct process *process;
    struct interpreter *interpreter;
    struct heap *heap;
    uint8_t *states;
    struct collect_totals totals;
    struct findings *findings;
    struct holders *holders;
    struct census *census;
    struct contents *contents;
    vaddr *garbage_objects;
    struct heap_opaque_type *opaque_types;
    struct stacks stacks;
    struct heap_opaque_reason opaque_reasons[HEAP_OPAQUE_REASONS];
    struct report report;
    struct verify *verify; // NULL: not asked for
    struct drawing drawing;
    struct flame flame;
    struct check check;
    struct ledger old, now;
    struct comparison comparison;
    struct progress *progress; // NULL: nobody looks
    struct timespec started;
};

// Says with -v what a step found and how long it took since the last word.
static void __attribute__((format(printf, 2, 3))) tell(struct run *run, const char *format, ...)
{
    if (!run->options->verbose)
        return;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double seconds = (double)(now.tv_sec - run->started.tv_sec) +
                     (double)(now.tv_nsec - run->started.tv_nsec) / 1e9;
    run->started = now;
    va_list list;
    char *text = NULL;
    progress_wipe(run->progress);
    va_start(list, format);
    if (vasprintf(&text, format, list) >= 0)
        note_print("%.3f s: %s", seconds, text);
    free(text);
    va_end(list);
}

// What the machine has to do with it; the report has the rest.
static void note_unpacking(struct run *run, const struct core *core)
{
    const struct unpacked *unpacked = core->unpacked;
    if (!unpacked)
        return;
    progress_wipe(run->progress);
    for (size_t i = 0; i < unpacked->note_count && !run->options->quiet; i++)
        fprintf(stderr, PROGRAM_NAME ": %s; unpacked in %s (--tmpdir=DIR has another)\n",
                unpacked->notes[i], unpacked->directory);
    tell(run, "unpacked %" PRIu64 " bytes into %" PRIu64 " in %s, %" PRIu64 " on disk",
         unpacked->packed_size, unpacked->size, unpacked->directory, unpacked->on_disk);
}

static struct failure *open_process(struct run *run)
{
    struct failure *failure = core_open_with(run->options->core, &run->options->unpack, &run->core);
    if (failure)
        return failure;
    const struct core *core = run->core;
    note_unpacking(run, core);
    failure = check_core(core);
    if (failure)
        return failure;
    progress_phase(run->progress, "reading the core", NULL, 0);
    core_read_ahead(core);
    failure = process_open(core, &run->options->process, &run->process);
    if (!failure && run->process->script && !run->options->quiet)
        note_print("%s: not an ELF executable but a script (#!%s), so the files that the core "
                   "names are used",
                   run->options->executable, run->process->script);
    if (!failure)
        tell(run, "%zu segments, %zu threads, %zu files mapped", core->segment_count,
             core->thread_count, run->process->module_count);
    return failure;
}

static const char *garbage_source_words(enum garbage_source source)
{
    static const char *const words[] = {
        [GARBAGE_NOT_FOUND] = "not found",
        [GARBAGE_BY_SYMBOL] = "by its symbol",
        [GARBAGE_BY_MODULE] = "through the gc module's dictionary",
        [GARBAGE_BY_EVIDENCE] =
            "by evidence: the one list of finalizer objects that static data holds",
        [GARBAGE_EMPTY] = "by evidence: empty or not made, no list in static data fits",
        [GARBAGE_NONE_YET] = "by its symbol: NULL, no collection ever ran",
    };
    return words[source];
}

// The collector's own list. What the gc module has under that name may be another one by now: the
// collector goes on with the one that its static variable points to.
static void choose_garbage(struct run *run)
{
    const struct runtime *runtime = &run->interpreter->runtime;
    const struct runtime_source *source = &run->interpreter->source;
    struct report *report = &run->report;
    report->garbage = runtime->garbage;
    report->garbage_source = runtime->garbage_source;
    if (report->garbage_source == GARBAGE_BY_MODULE &&
        !heap_is_static_list(run->heap, source, report->garbage)) {
        report->garbage = 0;
        report->garbage_source = GARBAGE_NOT_FOUND;
    }
    if (report->garbage_source == GARBAGE_NOT_FOUND)
        report->garbage_source = heap_find_garbage(run->heap, source, &report->garbage);
}

static void note_recognition(const struct run *run)
{
    const struct interpreter *interpreter = run->interpreter;
    if (!interpreter->recognition || run->options->quiet)
        return;
    const struct module *module = interpreter->module;
    note_print("%s%s; the interpreter was recognized in the core alone; with its file as "
               "EXECUTABLE types and references are surer",
               module ? interpreter_file(interpreter) : "the core does not name its files",
               !module         ? ""
               : module->image ? " has no symbols"
                               : " is not on this machine");
}

static void note_debug_file(struct run *run)
{
    const struct interpreter *interpreter = run->interpreter;
    const struct layout *layout = &interpreter->runtime.layout;
    const struct debug_file *found = &interpreter->debug_file;
    for (size_t i = 0; i < found->note_count && !run->options->quiet; i++)
        note_print("%s", found->notes[i]);
    if (interpreter->has_dwarf)
        tell(run, "DWARF of %s%s%s, %u members, %u of them not where the built-in column has them",
             interpreter_dwarf_file(interpreter), found->source ? ", found by " : "",
             found->source ? debug_file_source_text(found->source) : "", layout->dwarf_values,
             layout->dwarf_differences);
    for (unsigned i = 0, told = 0; i < LAYOUT_MEMBER_COUNT && told < DIFFERENCES_TOLD; i++) {
        if (!layout->differs[i])
            continue;
        tell(run, "%s%s%s: at %u, %u bytes wide, not at %u, %u bytes; DWARF's is used",
             layout_rows[i].type, *layout_rows[i].path ? "." : " (size)", layout_rows[i].path,
             layout->values[i].offset, layout->values[i].width, layout->replaced[i].offset,
             layout->replaced[i].width);
        told++;
    }
}

static struct failure *read_heap(struct run *run)
{
    struct failure *failure =
        interpreter_open(run->process, &run->options->debug, &run->interpreter);
    if (failure)
        return failure;
    const struct runtime *runtime = &run->interpreter->runtime;
    const struct layout *layout = &runtime->layout;
    note_recognition(run);
    tell(run, "interpreter %s in %s, layout %s (%s; %u others fit%s%s), generations %s",
         runtime->version, interpreter_file(run->interpreter), layout->column->name,
         layout->column->origin, layout->rivals, layout->by_version ? " but for the version" : "",
         layout->head_by_evidence ? "; the size of PyGC_Head by the lists" : "",
         run->interpreter->recognition    ? "by their rings"
         : runtime->generations_by_symbol ? "by their symbol"
                                          : "through _PyGC_generation0");
    note_debug_file(run);
    progress_phase(run->progress, "looking for objects", NULL, 0);
    failure = heap_create(runtime, &run->interpreter->source, run->options->jobs, run->progress,
                          &run->heap);
    if (failure)
        return failure;
    struct report *report = &run->report;
    choose_garbage(run);
    tell(run, "%u objects %s, %" PRIu64 " references, %u types; gc.garbage %s", run->heap->count,
         run->heap->by_pools ? "in the pools of pymalloc, proved to be all" : "along the rings",
         run->heap->edges, run->heap->types.count, garbage_source_words(report->garbage_source));
    return NULL;
}

static struct failure *collect(struct run *run)
{
    struct heap *heap = run->heap;
    uint32_t list;
    run->states = reallocarray(NULL, (size_t)heap->count + 1, sizeof(*run->states));
    if (!run->states)
        return failure_no_memory();
    if (!run->report.garbage || !heap_find(heap, run->report.garbage, &list))
        list = GRAPH_NONE;
    progress_phase(run->progress, "replaying the collector", NULL, 0);
    collect_run(&heap->graph, heap->gc_refs, heap->finalizers, list, run->states, &run->totals);
    heap_release_refcounts(heap);
    tell(run, "%u uncollectable, %u pending, %u trash, %u kept by gc.garbage",
         run->totals.objects[COLLECT_UNCOLLECTABLE], run->totals.objects[COLLECT_PENDING],
         run->totals.objects[COLLECT_TRASH], run->totals.objects[COLLECT_KEPT]);
    progress_phase(run->progress, "folding cycles into findings", NULL, 0);
    struct failure *failure = run->options->format == FORMAT_FOLDED
                                  ? findings_create_with_owners(heap, run->states, &run->findings)
                                  : findings_create(heap, run->states, &run->findings);
    if (!failure)
        failure = slot_files_find(run->process, run->findings);
    if (!failure)
        tell(run, "%zu findings", run->findings->count);
    return failure;
}

static struct failure *verify(struct run *run)
{
    struct report *report = &run->report;
    report->core = run->core;
    report->interpreter = run->interpreter;
    report->heap = run->heap;
    report->limit = run->options->limit;
    progress_phase(run->progress, "running traversals", NULL, 0);
    struct failure *failure = verify_create(run->heap, run->options->verify_limit, &run->verify);
    if (failure)
        return failure_prefix(failure, "--verify runs the process's code in an emulator");
    tell(run, "%" PRIu64 " objects of %zu types visited both ways, %" PRIu64 " differ",
         run->verify->checked, run->verify->checked_types, run->verify->different);
    return NULL;
}

// Who keeps in use what would be garbage.
static struct failure *find_holders(struct run *run)
{
    struct heap *heap = run->heap;
    struct holders_source source;
    uint32_t list;
    if (!run->report.garbage || !heap_find(heap, run->report.garbage, &list))
        list = GRAPH_NONE;
    progress_phase(run->progress, "looking for who holds objects", NULL, 0);
    struct failure *failure = holders_source_init(&source, run->interpreter);
    if (failure)
        return failure;
    failure = holders_create(heap, run->states, list, &run->totals, &source, run->options->jobs,
                             &run->holders);
    holders_source_deinit(&source);
    if (!failure)
        tell(run,
             "%" PRIu64 " items of gc.garbage and %" PRIu64 " more cycles in use, %" PRIu64
             " objects with references from outside",
             run->holders->listed, run->holders->cycles, run->holders->audited);
    return failure;
}

// What the memory was used for.
static struct failure *take_census(struct run *run)
{
    struct census_source source;
    struct failure *failure = census_source_init(&source, run->interpreter);
    if (failure)
        return failure;
    failure = census_create(run->heap, run->states, run->findings, &source, run->options->jobs,
                            &run->census);
    census_source_deinit(&source);
    if (!failure)
        tell(run,
             "%" PRIu64 " bytes of written memory: %" PRIu64 " of Python objects, %" PRIu64
             " of the rest",
             run->census->used_bytes, run->census->python_bytes, run->census->other_bytes);
    return failure;
}

static void sum_states(struct run *run)
{
    for (uint32_t i = 0; i < run->heap->count; i++) {
        uint64_t size = heap_size(run->heap, i);
        run->report.pending_finalizers +=
            run->states[i] == COLLECT_PENDING && heap_has_finalizer(run->heap, i);
        if (run->states[i] & (COLLECT_UNCOLLECTABLE | COLLECT_KEPT))
            run->report.kept_bytes += size;
        else if (run->states[i] == COLLECT_TRASH)
            run->report.trash_bytes += size;
    }
}

static void count_items(struct run *run)
{
    const struct graph *graph = &run->heap->graph;
    struct report *report = &run->report;
    struct report_items *items = &report->garbage_items;
    uint32_t list;
    if (!report->garbage || !heap_find(run->heap, report->garbage, &list))
        return;
    for (uint32_t edge = graph->rows[list]; edge < graph->rows[list + 1]; edge++) {
        uint8_t state = run->states[graph->targets[edge]];
        items->uncollectable += state == COLLECT_UNCOLLECTABLE;
        items->kept += state == COLLECT_KEPT;
        items->in_use += state == COLLECT_REACHABLE;
    }
    uint32_t tracked = graph->rows[list + 1] - graph->rows[list];
    items->untracked = report->garbage_read > tracked ? report->garbage_read - tracked : 0;
}

// What became of the collector's list in the hands of the program.
static struct failure *read_garbage(struct run *run)
{
    struct report *report = &run->report;
    const struct runtime *runtime = &run->interpreter->runtime;
    report->garbage_binding =
        runtime_find_garbage_name(runtime, report->garbage, &report->garbage_bound);
    if (report->garbage_binding == GARBAGE_BINDING_LIST)
        report->garbage_bound_length = heap_list_length(run->heap, report->garbage_bound);
    if (!report->garbage)
        return NULL;
    report->garbage_emptied = heap_list_was_emptied(run->heap, report->garbage);
    struct failure *failure =
        heap_read_list(run->heap, report->garbage, report->limit, &run->garbage_objects,
                       &report->garbage_read, &report->garbage_length);
    if (!failure)
        count_items(run);
    return failure;
}

static struct failure *make_report(struct run *run)
{
    struct report *report = &run->report;
    report->core = run->core;
    report->interpreter = run->interpreter;
    report->heap = run->heap;
    report->totals = &run->totals;
    report->findings = run->findings;
    report->holders = run->holders;
    report->census = run->census;
    report->verdict = verdict_make(run->census, run->findings);
    report->limit = run->options->limit;
    report->max_size = run->options->max_size;
    sum_states(run);
    struct failure *failure = findings_find_origins(run->findings, run->heap, run->options->limit);
    if (!failure)
        failure = stacks_read(run->heap->runtime, run->options->limit, &run->stacks);
    report->stacks = &run->stacks;
    if (!failure && run->options->values)
        failure = contents_create(run->heap, run->findings, run->holders, run->options->limit,
                                  &run->contents);
    report->contents = run->contents;
    if (!failure)
        failure = heap_list_opaque(run->heap, &run->opaque_types, &report->opaque_type_count);
    if (failure)
        return failure;
    report->opaque_types = run->opaque_types;
    report->opaque_reasons = run->opaque_reasons;
    report->opaque_reason_count =
        heap_list_opaque_reasons(run->heap, run->heap->opaque_reasons, run->opaque_reasons);
    return read_garbage(run);
}

static struct failure *draw(struct run *run)
{
    const struct options *options = run->options;
    const struct findings *findings = run->findings;
    for (size_t i = 0; i < findings->count; i++)
        if (!options->finding || strcmp(findings->items[i].signature, options->finding) == 0)
            return drawing_init(&run->drawing, run->heap, run->states, &findings->items[i],
                                options->limit, options->values);
    if (!options->finding)
        return NULL;
    return failure_create(FAILURE_USAGE,
                          "--finding=%s: no finding has that signature; they are in "
                          "the report, --format=text",
                          options->finding);
}

// --merge and --compare: the reports that were made before.
static struct failure *read_reports(struct run *run)
{
    const struct options *options = run->options;
    struct failure *failure = NULL;
    for (size_t i = 0; options->merge && i < options->argument_count && !failure; i++)
        failure = ledger_add_file(&run->now, options->arguments[i]);
    if (options->compare)
        failure = ledger_add_file(&run->old, options->compare);
    if (options->compare && !failure && ledger_is_report(options->core))
        failure = ledger_add_file(&run->now, options->core);
    return failure;
}

// The findings of the core at hand, unless a report has told already.
static struct failure *compare(struct run *run)
{
    struct failure *failure = NULL;
    if (run->findings)
        failure = ledger_add_findings(&run->now, run->findings, report_is_complete(&run->report),
                                      run->core->path);
    if (failure)
        return failure;
    ledger_fold(&run->old);
    ledger_fold(&run->now);
    return comparison_init(&run->comparison, &run->old, &run->now);
}

static struct failure *write_json(struct run *run, FILE *file)
{
    const struct options *options = run->options;
    if (options->check)
        return report_check_json(&run->check, file);
    if (options->merge)
        return report_ledger_json(&run->now, options->limit, file);
    if (options->compare)
        return report_comparison_json(&run->comparison, options->limit, file);
    if (run->verify)
        return report_verify_json(&run->report, run->verify, file);
    return report_json(&run->report, file);
}

static struct failure *write_plain_text(struct run *run, FILE *file)
{
    const struct options *options = run->options;
    if (options->check)
        report_check_text(&run->check, file);
    else if (options->merge)
        report_ledger_text(&run->now, options->limit, file);
    else if (options->compare)
        report_comparison_text(&run->comparison, options->limit, file);
    else if (run->verify)
        report_verify_text(&run->report, run->verify, file);
    else
        return report_text(&run->report, file);
    return NULL;
}

static bool wants_color(const struct options *options, FILE *file)
{
    const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");
    if (options->color != COLOR_AUTO)
        return options->color == COLOR_ALWAYS;
    return isatty(fileno(file)) && !(no && *no) && terminal && strcmp(terminal, "dumb") != 0;
}

static struct failure *write_text(struct run *run, FILE *file)
{
    const struct options *options = run->options;
    // What has a line for each thing, to be searched by other programs, keeps it.
    bool wraps = !options->check && !options->merge && !options->compare && !options->verify;
    struct text_style style = {.ascii =
                                   options->ascii || strcmp(nl_langinfo(CODESET), "UTF-8") != 0,
                               .color = wants_color(options, file),
                               .width = wraps ? options->width : 0};
    FILE *stream = text_stream_open(file, &style);
    if (!stream)
        return failure_no_memory();
    struct failure *failure = write_plain_text(run, stream);
    bool lost = ferror(stream);
    lost = fclose(stream) != 0 || lost;
    return failure ? failure : lost ? failure_no_memory() : NULL;
}

static struct failure *write_report(struct run *run, FILE *file)
{
    const struct options *options = run->options;
    switch (options->format) {
    case FORMAT_JSON:
        return write_json(run, file);
    case FORMAT_MARKDOWN:
        return report_markdown(&run->report, file);
    case FORMAT_HTML:
        if (!picture_is_possible() && !options->quiet)
            fputs(PROGRAM_NAME ": built without Graphviz: cycles are drawn as text\n", stderr);
        return report_html(&run->report, file);
    case FORMAT_DOT:
        report_dot(&run->drawing, file);
        return NULL;
    case FORMAT_FOLDED:
        report_folded(&run->flame, run->findings, options->limit, file);
        return NULL;
    case FORMAT_TEXT:
    case FORMAT_COUNT:
        break;
    }
    return write_text(run, file);
}

static struct failure *write_outputs(struct run *run, struct output *output, struct output *graph)
{
    struct failure *failure = NULL;
    run->report.garbage_objects = run->garbage_objects;
    output_empty(output);
    if (graph->path) {
        output_empty(graph);
        failure = report_graph(run->heap, run->states, graph->file);
    }
    progress_phase(run->progress, NULL, NULL, 0); // the report may go to the same terminal
    return failure ? failure : write_report(run, output->file);
}

// From the core to what there is to report.
static struct failure *analyze(struct run *run)
{
    struct failure *failure = open_process(run);
    if (!failure)
        failure = read_heap(run);
    if (!failure && run->options->verify)
        failure = verify(run);
    else if (!failure)
        failure = collect(run);
    if (!failure && !run->options->verify)
        failure = find_holders(run);
    if (!failure && !run->options->verify)
        failure = take_census(run);
    if (!failure && !run->options->verify)
        failure = make_report(run);
    return failure;
}

static struct failure *run_steps(struct run *run, struct output *output, struct output *graph)
{
    if (run->options->check) {
        struct failure *failure = check_init(&run->check, run->options->core, &run->options->unpack,
                                             &run->options->process, &run->options->debug);
        if (failure)
            return failure;
        note_unpacking(run, run->check.core);
        return write_outputs(run, output, graph);
    }
    struct failure *failure = read_reports(run);
    if (!failure && run->now.processes == 0) // no report stands for the core
        failure = analyze(run);
    if (!failure && run->options->merge)
        ledger_fold(&run->now);
    if (!failure && run->options->compare)
        failure = compare(run);
    if (!failure && run->options->format == FORMAT_DOT)
        failure = draw(run);
    if (!failure && run->options->format == FORMAT_FOLDED)
        failure = flame_init(&run->flame, run->heap, run->states, run->findings);
    return failure ? failure : write_outputs(run, output, graph);
}

static void run_deinit(struct run *run)
{
    contents_destroy(run->contents);
    census_destroy(run->census);
    holders_destroy(run->holders);
    findings_destroy(run->findings);
    check_deinit(&run->check);
    drawing_deinit(&run->drawing);
    flame_deinit(&run->flame);
    comparison_deinit(&run->comparison);
    ledger_deinit(&run->old);
    ledger_deinit(&run->now);
    verify_destroy(run->verify);
    free(run->states);
    free(run->garbage_objects);
    free(run->opaque_types);
    stacks_deinit(&run->stacks);
    heap_destroy(run->heap);
    interpreter_close(run->interpreter);
    process_close(run->process);
    core_close(run->core);
}

static int finish_ledgers(const struct run *run)
{
    const size_t *counts = run->comparison.counts;
    bool worse = run->options->merge ? run->now.count
                                     : counts[COMPARISON_NEW] + counts[COMPARISON_GROWN] > 0;
    if (run->options->error_exitcode && worse)
        return run->options->error_exitcode;
    return ledger_is_whole(&run->old) && ledger_is_whole(&run->now) ? EXIT_COMPLETE
                                                                    : EXIT_INCOMPLETE;
}

static int finish(struct run *run, struct failure *failure)
{
    if (failure) {
        note_print("%s", failure_text(failure));
        int status = failure_kind(failure) == FAILURE_USAGE ? EXIT_WRONG_USAGE : EXIT_NO_REPORT;
        failure_destroy(failure);
        return status;
    }
    if (run->options->check)
        return run->check.refusal  ? EXIT_NO_REPORT
               : run->check.losses ? EXIT_INCOMPLETE
                                   : EXIT_COMPLETE;
    if (run->options->merge || run->options->compare)
        return finish_ledgers(run);
    if (run->verify)
        return verify_is_clean(run->verify) ? EXIT_COMPLETE : EXIT_INCOMPLETE;
    if (run->options->error_exitcode && run->findings->count)
        return run->options->error_exitcode;
    if (report_is_complete(&run->report))
        return EXIT_COMPLETE;
    if (!run->options->quiet)
        fprintf(stderr, PROGRAM_NAME ": something could not be read, so numbers are lower bounds; "
                                     "the report's Coverage says what\n");
    return EXIT_INCOMPLETE;
}

int main(int argc, char **argv)
{
    struct options options;
    struct run run = {.options = &options};
    struct output output = {0}, graph = {0};
    setlocale(LC_CTYPE, ""); // for CODESET alone
    // Large arrays come and go. Memory that was given back must be cleared before it comes again.
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, -1);
    options_parse(argc, argv, &options);
    clock_gettime(CLOCK_MONOTONIC, &run.started);
    if (isatty(STDERR_FILENO) && !options.quiet)
        run.progress = options.unpack.progress = progress_create(stderr, PROGRESS_DELAY);
    // The outputs are opened first: hours later is too late to find out.
    struct failure *failure = output_open(options.output, options.core, &output);
    if (!failure && options.graph)
        failure = output_open(options.graph, options.core, &graph);
    if (!failure)
        failure = run_steps(&run, &output, &graph);
    progress_destroy(run.progress);
    run.progress = NULL;
    bool written = !failure;
    struct failure *lost = output_close(&graph, written);
    if (!lost)
        lost = output_close(&output, written);
    failure = failure ? failure : lost;
    if (!failure)
        tell(&run, "report written");
    int status = finish(&run, failure);
    run_deinit(&run);
    return status;
}
