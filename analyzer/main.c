// What is asked for, where it goes to, exit status.
#include <langinfo.h>
#include <locale.h>
#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bus_error.h"
#include "confine.h"
#include "note.h"
#include "options.h"
#include "output.h"
#include "picture.h"
#include "report.h"
#include "run.h"
#include "text_stream.h"

enum {
    PROGRESS_DELAY = 1 // second
};

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
    bool is_report = options->compare && ledger_is_report(options->core);
    if (options->merge || is_report) // no core is to be unpacked
        run_confine_writing(run);
    for (size_t i = 0; options->merge && i < options->argument_count && !failure; i++)
        failure = ledger_add_file(&run->now, options->arguments[i]);
    if (options->compare)
        failure = ledger_add_file(&run->old, options->compare);
    if (is_report && !failure)
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
    if (failure_memory_was_short())
        return failure_no_memory();
    output_empty(output);
    if (graph->path) {
        output_empty(graph);
        failure = report_graph(run->heap, run->states, graph->file);
    }
    progress_phase(run->progress, NULL, NULL, 0); // the report may go to the same terminal
    return failure ? failure : write_report(run, output->file);
}

// The first step is skipped where servers are to be asked, and programs that they need may run.
static void confine_before_files(struct run *run)
{
    if (!run->options->debug.ask_servers)
        confine_network();
}

static struct failure *check(struct run *run)
{
    const struct options *options = run->options;
    struct failure *failure = check_init(&run->check, options->core, &options->unpack);
    if (failure)
        return failure;
    run_note_unpacking(run, run->check.core);
    run_confine_writing(run);
    return check_look(&run->check, &options->process, &options->debug);
}

static struct failure *run_steps(struct run *run, struct output *output, struct output *graph)
{
    confine_before_files(run);
    if (run->options->check) {
        struct failure *failure = check(run);
        return failure ? failure : write_outputs(run, output, graph);
    }
    struct failure *failure = read_reports(run);
    if (!failure && run->now.processes == 0) // no report stands for the core
        failure = run_analyze(run);
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

static void *allocate_json(size_t size)
{
    void *bytes = malloc(size);
    if (!bytes)
        failure_note_no_memory();
    return bytes;
}

static struct failure *catch_bus_errors(const struct options *options, const struct output *output,
                                        const struct output *graph, char **sentence)
{
    const char *const removed[BUS_ERROR_REMOVED_MAX] = {output->created ? output->path : NULL,
                                                        graph->created ? graph->path : NULL};
    if (asprintf(sentence,
                 PROGRAM_NAME ": %s: this file, or another of the process, became shorter or could "
                              "not be read while it was looked at (SIGBUS); wait until it is "
                              "written, or copy it to another disk, and try again\n",
                 options->core ? options->core : "a report") < 0) {
        *sentence = NULL;
        return failure_no_memory();
    }
    bus_error_catch(*sentence, removed, EXIT_NO_REPORT);
    return NULL;
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
    json_set_alloc_funcs(allocate_json, free);
    options_parse(argc, argv, &options);
    clock_gettime(CLOCK_MONOTONIC, &run.started);
    if (isatty(STDERR_FILENO) && !options.quiet)
        run.progress = options.unpack.progress = progress_create(stderr, PROGRESS_DELAY);
    // The outputs are opened first: hours later is too late to find out.
    struct failure *failure = output_open(options.output, options.core, &output);
    if (!failure && options.graph)
        failure = output_open(options.graph, options.core, &graph);
    char *sentence = NULL;
    if (!failure)
        failure = catch_bus_errors(&options, &output, &graph, &sentence);
    if (!failure)
        failure = run_steps(&run, &output, &graph);
    progress_destroy(run.progress);
    run.progress = NULL;
    bool written = !failure;
    struct failure *lost = output_close(&graph, written);
    if (!lost)
        lost = output_close(&output, written);
    failure = failure ? failure : lost;
    if (!failure && failure_memory_was_short())
        failure = failure_prefix(failure_no_memory(), "the report is not whole");
    if (!failure)
        run_tell(&run, "report written");
    int status = finish(&run, failure);
    run_deinit(&run);
    free(sentence);
    return status;
}
