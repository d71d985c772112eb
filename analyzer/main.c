// Options, order of steps, exit status.
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "census_process.h"
#include "collect.h"
#include "core.h"
#include "debug_server.h"
#include "findings.h"
#include "heap.h"
#include "holders.h"
#include "holders_process.h"
#include "interpreter.h"
#include "parallel.h"
#include "process.h"
#include "report.h"
#include "slot_files.h"
#include "version.h"

enum {
    EXIT_COMPLETE = 0,
    EXIT_INCOMPLETE = 1,
    EXIT_NO_REPORT = 2,
    EXIT_WRONG_USAGE = 64
};

enum {
    VERIFY_LIMIT = 1000,
    DIFFERENCES_TOLD = 10
};

enum format {
    FORMAT_TEXT,
    FORMAT_JSON
};

enum option_key {
    OPTION_FORMAT = 256,
    OPTION_GRAPH,
    OPTION_LIMIT,
    OPTION_ERROR_EXITCODE,
    OPTION_SYSROOT,
    OPTION_LIBRARY_PATH,
    OPTION_FORCE,
    OPTION_JOBS,
    OPTION_VERIFY,
    OPTION_DEBUG_PATH,
    OPTION_DEBUGINFOD,
};

struct options {
    const char *core;
    const char *executable;
    const char *core_by_option; // -c
    const char *arguments[2];
    unsigned argument_count;
    struct process_options process;
    struct debug_file_options debug;
    enum format format;
    const char *output;
    const char *graph;
    uint64_t limit;
    int error_exitcode;
    unsigned jobs;
    bool verify;
    uint32_t verify_limit;
    bool verbose;
    bool quiet;
};

// --- options

const char *argp_program_version = PROGRAM_NAME " " PYCORE_GARBAGE_VERSION;

static const struct argp_option option_table[] = {
    {"core", 'c', "CORE", 0, "The core file (gdb's order: EXECUTABLE -c CORE)", 0},
    {"output", 'o', "FILE", 0, "Write the report to FILE", 0},
    {"format", OPTION_FORMAT, "FORMAT", 0, "text (default) or json", 0},
    {"graph", OPTION_GRAPH, "FILE", 0,
     "Write every tracked object and its references to FILE, one JSON line each", 0},
    {"limit", OPTION_LIMIT, "N", 0,
     "Print at most N findings and N items of any array (default 100; 0: all)", 0},
    {"error-exitcode", OPTION_ERROR_EXITCODE, "N", 0, "Exit with N when cycles were found", 0},
    {"sysroot", OPTION_SYSROOT, "DIR", 0, "Look for the files that the core names below DIR", 0},
    {"library-path", OPTION_LIBRARY_PATH, "DIR[:DIR]", 0,
     "Look for them in these directories first, by base name", 0},
    {"debug-path", OPTION_DEBUG_PATH, "DIR[:DIR]", 0,
     "Look for the interpreter's detached debug file in these directories (default: " DEBUG_FILE_PATH
     ")",
     0},
    {"debuginfod", OPTION_DEBUGINFOD, NULL, 0,
     "Ask the servers of $DEBUGINFOD_URLS for it, if it is not there; without this option the "
     "network is never used",
     0},
    {"force", OPTION_FORCE, NULL, 0, "Use EXECUTABLE even if its build-id differs", 0},
    {"jobs", OPTION_JOBS, "N", 0, "Use N threads (default: as many as there are processors)", 0},
    {"verify", OPTION_VERIFY, "N", OPTION_ARG_OPTIONAL,
     "Instead of the report, compare the references of N objects of every type (default 1000; 0: "
     "all) with what the interpreter's own code visits, run in an emulator",
     0},
    {"verbose", 'v', NULL, 0, "Say on stderr what is found, how, and in what time", 0},
    {"quiet", 'q', NULL, 0, "No notes on stderr, only failures", 0},
    {0},
};

static const char documentation[] =
    "Says which reference cycles with __del__ leaked in a Python 2 process, from its core.\v"
    "EXECUTABLE is the Python interpreter of the process; it may be left out when the file "
    "that the core names is on this machine and has the same build-id.\n\n"
    "Exit status: 0 the report is complete, 1 a report was printed but something could not be "
    "read, 2 no report, 64 wrong usage. With --verify: 0 all objects were checked and none "
    "differs, 1 some differ or could not be checked, 2 nothing could be checked.";

static uint64_t parse_number(const char *text, const char *option, uint64_t most,
                             struct argp_state *state)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || *end || end == text || *text == '-' || value > most)
        argp_error(state, "%s takes a number from 0 to %" PRIu64 ", not \"%s\"", option, most,
                   text);
    return value;
}

static enum format parse_format(const char *text, struct argp_state *state)
{
    if (strcmp(text, "json") == 0)
        return FORMAT_JSON;
    if (strcmp(text, "text") != 0)
        argp_error(state, "--format takes text or json, not \"%s\"", text);
    return FORMAT_TEXT;
}

static void sort_arguments(struct options *options, struct argp_state *state)
{
    unsigned most = options->core_by_option ? 1 : 2;
    if (options->argument_count > most)
        argp_error(state, "too many arguments");
    if (options->core_by_option) {
        options->core = options->core_by_option;
        options->executable = options->arguments[0];
    } else {
        options->core = options->arguments[0];
        options->executable = options->arguments[1];
    }
    if (!options->core)
        argp_error(state, "which core? usage: " PROGRAM_NAME " CORE [EXECUTABLE]");
    options->process.executable = options->executable;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 'c':
        options->core_by_option = argument;
        break;
    case 'o':
        options->output = argument;
        break;
    case 'v':
        options->verbose = true;
        break;
    case 'q':
        options->quiet = true;
        break;
    case OPTION_FORMAT:
        options->format = parse_format(argument, state);
        break;
    case OPTION_GRAPH:
        options->graph = argument;
        break;
    case OPTION_LIMIT:
        options->limit = parse_number(argument, "--limit", SIZE_MAX / 2, state);
        break;
    case OPTION_ERROR_EXITCODE:
        options->error_exitcode = (int)parse_number(argument, "--error-exitcode", 255, state);
        break;
    case OPTION_JOBS:
        options->jobs = (unsigned)parse_number(argument, "--jobs", PARALLEL_JOBS_MAX, state);
        break;
    case OPTION_VERIFY:
        options->verify = true;
        options->verify_limit =
            argument ? (uint32_t)parse_number(argument, "--verify", UINT32_MAX, state)
                     : VERIFY_LIMIT;
        break;
    case OPTION_SYSROOT:
        options->process.sysroot = options->debug.sysroot = argument;
        break;
    case OPTION_LIBRARY_PATH:
        options->process.library_path = argument;
        break;
    case OPTION_DEBUG_PATH:
        options->debug.path = argument;
        break;
    case OPTION_DEBUGINFOD:
        options->debug.ask_servers = true;
        if (!debug_server_is_built_in())
            argp_error(state, "--debuginfod: this program was built without libdebuginfod");
        break;
    case OPTION_FORCE:
        options->process.force = true;
        break;
    case ARGP_KEY_ARG:
        if (options->argument_count < 2)
            options->arguments[options->argument_count] = argument;
        options->argument_count++;
        break;
    case ARGP_KEY_END:
        sort_arguments(options, state);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

// --- the steps

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
    vaddr *garbage_objects;
    struct heap_opaque_type *opaque_types;
    struct stacks stacks;
    struct heap_opaque_reason opaque_reasons[HEAP_OPAQUE_REASONS];
    struct report report;
    struct verify *verify; // NULL: not asked for
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
    va_start(list, format);
    fprintf(stderr, PROGRAM_NAME ": %.3f s: ", seconds);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
}

// Some steps try addresses that may be no pointers at all, and count for themselves what of the
// heap they could not read: what they have missed at others' addresses is no loss.
static void forget_lost_reads(struct run *run, uint64_t before)
{
    run->process->memory.lost_reads = before;
}

static struct failure *open_process(struct run *run)
{
    struct failure *failure = core_open(run->options->core, &run->core);
    if (failure)
        return failure;
    const struct core *core = run->core;
    if (core->bytes_missing)
        return failure_create(FAILURE_UNSUPPORTED,
                              "%s: the core is cut: its headers promise %" PRIu64 " bytes beyond "
                              "its end at %" PRIu64 "; cut cores are not supported yet, take a "
                              "whole one (ulimit -c unlimited, space on the disk)",
                              core->path, core->bytes_missing, core->size);
    failure = process_open(core, &run->options->process, &run->process);
    if (!failure && run->process->script && !run->options->quiet)
        fprintf(stderr,
                PROGRAM_NAME ": %s: not an ELF executable but a script (#!%s), so the files that "
                             "the core names are used\n",
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
    fprintf(stderr,
            PROGRAM_NAME ": %s%s; the interpreter was recognized in the core alone; with its file "
                         "as EXECUTABLE types and references are surer\n",
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
        fprintf(stderr, PROGRAM_NAME ": %s\n", found->notes[i]);
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
    // A recognition looks at anything; but what it could not read of the version is missed.
    bool tried_all = run->interpreter->recognition && *runtime->version;
    uint64_t lost = tried_all ? 0 : run->process->memory.lost_reads;
    failure = heap_create(runtime, &run->interpreter->source, run->options->jobs, &run->heap);
    if (failure)
        return failure;
    struct report *report = &run->report;
    choose_garbage(run);
    forget_lost_reads(run, lost);
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
    collect_run(&heap->graph, heap->gc_refs, heap->finalizers, list, run->states, &run->totals);
    heap_release_refcounts(heap);
    tell(run, "%u uncollectable, %u pending, %u trash, %u kept by gc.garbage",
         run->totals.objects[COLLECT_UNCOLLECTABLE], run->totals.objects[COLLECT_PENDING],
         run->totals.objects[COLLECT_TRASH], run->totals.objects[COLLECT_KEPT]);
    struct failure *failure = findings_create(heap, run->states, &run->findings);
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
    struct failure *failure = holders_source_init(&source, run->interpreter);
    if (failure)
        return failure;
    uint64_t lost = run->process->memory.lost_reads;
    failure = holders_create(heap, run->states, list, &run->totals, &source, run->options->jobs,
                             &run->holders);
    holders_source_deinit(&source);
    forget_lost_reads(run, lost);
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
    uint64_t lost = run->process->memory.lost_reads;
    failure = census_create(run->heap, run->states, run->findings, &source, run->options->jobs,
                            &run->census);
    census_source_deinit(&source);
    forget_lost_reads(run, lost);
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
    sum_states(run);
    struct failure *failure = findings_find_origins(run->findings, run->heap, run->options->limit);
    if (!failure)
        failure = stacks_read(run->heap->runtime, run->options->limit, &run->stacks);
    report->stacks = &run->stacks;
    if (!failure)
        failure = heap_list_opaque(run->heap, &run->opaque_types, &report->opaque_type_count);
    if (failure)
        return failure;
    report->opaque_types = run->opaque_types;
    report->opaque_reasons = run->opaque_reasons;
    report->opaque_reason_count =
        heap_list_opaque_reasons(run->heap, run->heap->opaque_reasons, run->opaque_reasons);
    failure = read_garbage(run);
    report->lost_reads = run->process->memory.lost_reads;
    return failure;
}

// A file of the user's choice, or standard output.
struct output {
    const char *path; // NULL: standard output
    FILE *file;
    bool created; // was not there before
};

static struct failure *explain_output(const char *path)
{
    return failure_create(FAILURE_IO, "%s: cannot be written: %s; choose another name or directory",
                          path, strerror(errno));
}

// Nothing that is in the file is touched yet: it could be the core.
static struct failure *open_output(const char *path, const char *core, struct output *output)
{
    struct stat there, input;
    *output = (struct output){.path = path, .file = stdout};
    if (!path)
        return NULL;
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC, fd = open(path, flags | O_EXCL, 0666);
    output->created = fd >= 0;
    if (fd < 0)
        fd = open(path, flags, 0666);
    output->file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!output->file) {
        struct failure *failure = explain_output(path);
        if (fd >= 0)
            close(fd);
        return failure;
    }
    if (fstat(fd, &there) == 0 && stat(core, &input) == 0 && there.st_dev == input.st_dev &&
        there.st_ino == input.st_ino)
        return failure_create(FAILURE_USAGE, "%s: is the core itself; choose another name", path);
    return NULL;
}

// What an output had before goes only when there is something to put in its place.
static void empty_output(struct output *output)
{
    struct stat stat;
    if (output->path && fstat(fileno(output->file), &stat) == 0 && S_ISREG(stat.st_mode))
        (void)!ftruncate(fileno(output->file), 0);
}

// Ends an output; one that no report was written to goes again if it was not there before.
static struct failure *close_output(struct output *output, bool written)
{
    if (!output->file)
        return NULL;
    bool failed = fflush(output->file) != 0 || ferror(output->file);
    if (output->path && fclose(output->file) != 0)
        failed = true;
    output->file = NULL;
    if (!written && output->created)
        unlink(output->path);
    return failed && written
               ? failure_create(FAILURE_IO, "%s: could not be written whole: %s",
                                output->path ? output->path : "standard output", strerror(errno))
               : NULL;
}

static struct failure *write_report(struct run *run, FILE *file)
{
    bool json = run->options->format == FORMAT_JSON;
    if (json)
        return run->verify ? report_verify_json(&run->report, run->verify, file)
                           : report_json(&run->report, file);
    if (run->verify)
        report_verify_text(&run->report, run->verify, file);
    else
        report_text(&run->report, file);
    return NULL;
}

static struct failure *write_outputs(struct run *run, struct output *output, struct output *graph)
{
    struct failure *failure = NULL;
    run->report.garbage_objects = run->garbage_objects;
    empty_output(output);
    if (graph->path) {
        empty_output(graph);
        failure = report_graph(run->heap, run->states, graph->file);
    }
    return failure ? failure : write_report(run, output->file);
}

static struct failure *run_steps(struct run *run, struct output *output, struct output *graph)
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
    if (!failure)
        failure = write_outputs(run, output, graph);
    return failure;
}

static void run_deinit(struct run *run)
{
    census_destroy(run->census);
    holders_destroy(run->holders);
    findings_destroy(run->findings);
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

static int finish(struct run *run, struct failure *failure)
{
    if (failure) {
        fprintf(stderr, PROGRAM_NAME ": %s\n", failure_text(failure));
        int status = failure_kind(failure) == FAILURE_USAGE ? EXIT_WRONG_USAGE : EXIT_NO_REPORT;
        failure_destroy(failure);
        return status;
    }
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
    static const struct argp argp = {.options = option_table,
                                     .parser = parse_option,
                                     .args_doc = "CORE [EXECUTABLE]\nEXECUTABLE -c CORE",
                                     .doc = documentation};
    struct options options = {.limit = 100, .jobs = parallel_processors()};
    struct run run = {.options = &options};
    struct output output = {0}, graph = {0};
    argp_err_exit_status = EXIT_WRONG_USAGE;
    // Large arrays come and go. Memory that was given back must be cleared before it comes again.
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, -1);
    argp_parse(&argp, argc, argv, 0, NULL, &options);
    clock_gettime(CLOCK_MONOTONIC, &run.started);
    // The outputs are opened first: hours later is too late to find out.
    struct failure *failure = open_output(options.output, options.core, &output);
    if (!failure && options.graph)
        failure = open_output(options.graph, options.core, &graph);
    if (!failure)
        failure = run_steps(&run, &output, &graph);
    bool written = !failure;
    struct failure *lost = close_output(&graph, written);
    if (!lost)
        lost = close_output(&output, written);
    failure = failure ? failure : lost;
    if (!failure)
        tell(&run, "report written");
    int status = finish(&run, failure);
    run_deinit(&run);
    return status;
}
