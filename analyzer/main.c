// Options, order of steps, exit status.
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
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
#include "progress.h"
#include "report.h"
#include "slot_files.h"
#include "text_stream.h"
#include "version.h"

enum {
    EXIT_COMPLETE = 0,
    EXIT_INCOMPLETE = 1,
    EXIT_NO_REPORT = 2,
    EXIT_WRONG_USAGE = 64
};

enum {
    DIFFERENCES_TOLD = 10,
    PROGRESS_DELAY = 1, // second
    VERIFY_LIMIT = 1000,
    WIDTH_DEFAULT = 100,
    WIDTH_MAX = 10000
};

enum color_choice {
    COLOR_AUTO, // on a terminal, unless NO_COLOR is set
    COLOR_ALWAYS,
    COLOR_NEVER
};

enum format {
    FORMAT_TEXT,
    FORMAT_JSON,
    FORMAT_DOT,
    FORMAT_FOLDED,
    FORMAT_COUNT
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
    OPTION_TMPDIR,
    OPTION_MAX_UNPACKED,
    OPTION_COMPARE,
    OPTION_MERGE,
    OPTION_CHECK,
    OPTION_USAGE,
    OPTION_FINDING,
    OPTION_ASCII,
    OPTION_COLOR,
    OPTION_WIDTH,
};

struct options {
    const char *core;
    const char *executable;
    const char *core_by_option; // -c
    char **arguments;
    size_t argument_count;
    struct process_options process;
    struct debug_file_options debug;
    struct unpack_options unpack;
    enum format format;
    const char *output;
    const char *graph;
    uint64_t limit;
    int error_exitcode;
    unsigned jobs;
    bool verify;
    uint32_t verify_limit;
    const char *finding; // to be drawn; NULL: the first
    bool ascii;
    enum color_choice color;
    size_t width;
    const char *compare; // an older JSON report
    bool check;          // no report, only whether there could be one
    bool merge;          // the arguments are JSON reports
    bool verbose;
    bool quiet;
};

// --- options

static const struct argp_option option_table[] = {
    {"core", 'c', "CORE", 0, "The core file (gdb's order: EXECUTABLE -c CORE)", 0},
    {"output", 'o', "FILE", 0, "Write the report to FILE", 0},
    {"format", OPTION_FORMAT, "FORMAT", 0,
     "text (default), json, dot (a graph of one finding) or folded (stacks for flame graphs)", 0},
    {"ascii", OPTION_ASCII, NULL, 0,
     "Text in plain ASCII, as it is wherever the locale is not a UTF-8 one", 0},
    {"color", OPTION_COLOR, "WHEN", 0,
     "auto (default: on a terminal, unless NO_COLOR is set), always or never", 0},
    {"width", OPTION_WIDTH, "N", 0,
     "Let the text report's lines have at most N columns where they can (default 100; 0: any)", 0},
    {"finding", OPTION_FINDING, "SIGNATURE", 0, "The finding that --format=dot draws (the first)",
     0},
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
    {"tmpdir", OPTION_TMPDIR, "DIR", 0,
     "Unpack a core that is compressed or comes from a pipe in DIR (default: $TMPDIR, then "
     "/var/tmp, neither of them if it is a tmpfs)",
     0},
    {"max-unpacked", OPTION_MAX_UNPACKED, "SIZE", 0,
     "Do not unpack more than SIZE bytes, or with a suffix K, M, G or T (default 256G)", 0},
    {"force", OPTION_FORCE, NULL, 0, "Use EXECUTABLE even if its build-id differs", 0},
    {"jobs", OPTION_JOBS, "N", 0, "Use N threads (default: as many as there are processors)", 0},
    {"verify", OPTION_VERIFY, "N", OPTION_ARG_OPTIONAL,
     "Instead of the report, compare the references of N objects of every type (default 1000; 0: "
     "all) with what the interpreter's own code visits, run in an emulator",
     0},
    {"check", OPTION_CHECK, NULL, 0,
     "Instead of a report, say in no time whether the core is good for one, and what is missing",
     0},
    {"compare", OPTION_COMPARE, "OLD", 0,
     "Instead of the report, say what is new, grown, shrunk and gone since the JSON report OLD, by "
     "signature; CORE may be a JSON report too",
     0},
    {"merge", OPTION_MERGE, NULL, 0,
     "Instead of a report, the findings of all these JSON reports by signature, a line each", 0},
    {"verbose", 'v', NULL, 0, "Say on stderr what is found, how, and in what time", 0},
    {"quiet", 'q', NULL, 0, "No notes on stderr, only failures", 0},
    {"help", '?', NULL, 0, "Give the help text", 0},
    {"usage", OPTION_USAGE, NULL, 0, "Give a short usage message", 0},
    {"version", 'V', NULL, 0, "Print the program's version", 0},
    {0},
};

// Fits a screen of 80 columns and 24 lines; the manual page has the rest.
static const char help_text[] =
    "Usage: " PROGRAM_NAME " [OPTION...] CORE [EXECUTABLE]\n"
    "  or:  " PROGRAM_NAME " [OPTION...] EXECUTABLE -c CORE\n"
    "  or:  " PROGRAM_NAME " --merge [OPTION...] REPORT...\n"
    "Says which reference cycles with __del__ leaked in a Python 2 process.\n\n"
    "Files    -c, --core=CORE  -o, --output=FILE  --graph=FILE (all objects as JSON)\n"
    "         --sysroot=DIR  --library-path=DIR[:DIR] (where the process's files are)\n"
    "         --debug-path=DIR[:DIR]  --debuginfod (where debug files are)\n"
    "         --force (use EXECUTABLE though its build-id differs)\n"
    "         --tmpdir=DIR  --max-unpacked=SIZE (for a core that is packed)\n"
    "Report   --format=text|json|dot|folded  --finding=SIGNATURE (for dot)\n"
    "         --limit=N (findings and items; 100, 0: all)  --width=N (of text)\n"
    "         --ascii  --color=auto|always|never\n"
    "Instead  --check (is the core good for a report?)  --merge (many JSON reports)\n"
    "         --compare=OLD (what has changed since that JSON report)\n"
    "         --verify[=N] (tables against the interpreter's own code)\n"
    "Running  --jobs=N (threads)  --error-exitcode=N (when cycles were found)\n"
    "         -v, --verbose  -q, --quiet  --usage  -?, --help  -V, --version\n\n"
    "Exit status: 0 the report is complete, 1 something could not be read, 2 no\n"
    "report, 64 wrong usage. With --check: 0 usable, 1 with losses, 2 not. With\n"
    "--verify: 0 all is as it should be, 1 not all, 2 nothing could be checked.\n"
    "More: man " PROGRAM_NAME "\n";

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

// A number of bytes with a suffix or without.
static uint64_t parse_size(const char *text, const char *option, struct argp_state *state)
{
    static const char suffixes[] = "KMGT";
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    const char *suffix = *end ? strchr(suffixes, *end) : NULL;
    unsigned shift = suffix ? 10 * (unsigned)(suffix - suffixes + 1) : 0;
    if (errno || end == text || !(*text >= '0' && *text <= '9') || end[suffix ? 1 : 0] || !value ||
        value > (uint64_t)INT64_MAX >> shift)
        argp_error(state, "%s takes a number of bytes, or one with K, M, G or T, not \"%s\"",
                   option, text);
    return value << shift;
}

static enum format parse_format(const char *text, struct argp_state *state)
{
    static const char *const names[FORMAT_COUNT] = {[FORMAT_TEXT] = "text",
                                                    [FORMAT_JSON] = "json",
                                                    [FORMAT_DOT] = "dot",
                                                    [FORMAT_FOLDED] = "folded"};
    for (enum format format = 0; format < FORMAT_COUNT; format++)
        if (strcmp(text, names[format]) == 0)
            return format;
    argp_error(state, "--format takes text, json, dot or folded, not \"%s\"", text);
    return FORMAT_TEXT;
}

static enum color_choice parse_color(const char *text, struct argp_state *state)
{
    if (strcmp(text, "always") == 0)
        return COLOR_ALWAYS;
    if (strcmp(text, "never") == 0)
        return COLOR_NEVER;
    if (strcmp(text, "auto") != 0)
        argp_error(state, "--color takes auto, always or never, not \"%s\"", text);
    return COLOR_AUTO;
}

static void check_modes(const struct options *options, struct argp_state *state)
{
    unsigned modes = options->check + options->merge + options->verify + !!options->compare;
    if (modes > 1)
        argp_error(state, "only one of --check, --compare, --merge and --verify");
    if (options->merge && options->core_by_option)
        argp_error(state, "--merge reads JSON reports, no core");
    if (options->merge && options->argument_count == 0)
        argp_error(state, "which reports? usage: " PROGRAM_NAME " --merge FILE...");
    if (modes && (options->format == FORMAT_DOT || options->format == FORMAT_FOLDED))
        argp_error(state, "--format=dot and --format=folded are of a report");
    if (options->finding && options->format != FORMAT_DOT)
        argp_error(state, "--finding goes with --format=dot");
    if (options->graph && modes)
        argp_error(state, "--graph goes with the report of a core");
}

static void sort_arguments(struct options *options, struct argp_state *state)
{
    unsigned most = options->core_by_option ? 1 : 2;
    check_modes(options, state);
    if (options->merge)
        return;
    if (options->argument_count > most)
        argp_error(state, "too many arguments");
    const char *first = options->argument_count > 0 ? options->arguments[0] : NULL;
    options->core = options->core_by_option ? options->core_by_option : first;
    if (options->core_by_option)
        options->executable = first;
    else if (options->argument_count > 1)
        options->executable = options->arguments[1];
    if (!options->core)
        argp_error(state, "which core? usage: " PROGRAM_NAME " CORE [EXECUTABLE]");
    options->process.executable = options->executable;
}

// Those of the text, and those that want something else than a report.
static error_t parse_other_option(int key, char *argument, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case '?':
        fputs(help_text, stdout);
        exit(EXIT_COMPLETE);
    case 'V':
        puts(PROGRAM_NAME " " PYCORE_GARBAGE_VERSION);
        exit(EXIT_COMPLETE);
    case OPTION_USAGE:
        argp_state_help(state, stdout, ARGP_HELP_USAGE | ARGP_HELP_EXIT_OK);
        break;
    case OPTION_FINDING:
        options->finding = argument;
        break;
    case OPTION_CHECK:
        options->check = true;
        break;
    case OPTION_MERGE:
        options->merge = true;
        break;
    case OPTION_TMPDIR:
        options->unpack.directory = argument;
        break;
    case OPTION_MAX_UNPACKED:
        options->unpack.limit = parse_size(argument, "--max-unpacked", state);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
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
    case OPTION_COMPARE:
        options->compare = argument;
        break;
    case OPTION_ASCII:
        options->ascii = true;
        break;
    case OPTION_COLOR:
        options->color = parse_color(argument, state);
        break;
    case OPTION_WIDTH:
        options->width = (size_t)parse_number(argument, "--width", WIDTH_MAX, state);
        break;
    case ARGP_KEY_ARGS: // by now getopt has put all of them behind the options
        options->arguments = state->argv + state->next;
        options->argument_count = (size_t)(state->argc - state->next);
        break;
    case ARGP_KEY_END:
        sort_arguments(options, state);
        break;
    default:
        return parse_other_option(key, argument, state);
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
    progress_wipe(run->progress);
    va_start(list, format);
    fprintf(stderr, PROGRAM_NAME ": %.3f s: ", seconds);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
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
    return read_garbage(run);
}

static struct failure *draw(struct run *run)
{
    const struct options *options = run->options;
    const struct findings *findings = run->findings;
    for (size_t i = 0; i < findings->count; i++)
        if (!options->finding || strcmp(findings->items[i].signature, options->finding) == 0)
            return drawing_init(&run->drawing, run->heap, run->states, &findings->items[i],
                                options->limit);
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
    bool known = core && (strcmp(core, "-") == 0 ? fstat(STDIN_FILENO, &input) == 0
                                                 : stat(core, &input) == 0);
    if (fstat(fd, &there) == 0 && known && there.st_dev == input.st_dev &&
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

static void write_text(struct run *run, FILE *file)
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
        report_text(&run->report, file);
}

static bool wants_color(const struct options *options, FILE *file)
{
    const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");
    if (options->color != COLOR_AUTO)
        return options->color == COLOR_ALWAYS;
    return isatty(fileno(file)) && !(no && *no) && terminal && strcmp(terminal, "dumb") != 0;
}

static struct failure *write_report(struct run *run, FILE *file)
{
    const struct options *options = run->options;
    if (options->format == FORMAT_JSON)
        return write_json(run, file);
    if (options->format == FORMAT_DOT)
        report_dot(&run->drawing, file);
    if (options->format == FORMAT_FOLDED)
        report_folded(&run->flame, run->findings, options->limit, file);
    if (options->format != FORMAT_TEXT)
        return NULL;
    // What has a line for each thing, to be searched by other programs, keeps it.
    bool wraps = !options->check && !options->merge && !options->compare && !options->verify;
    struct text_style style = {.ascii =
                                   options->ascii || strcmp(nl_langinfo(CODESET), "UTF-8") != 0,
                               .color = wants_color(options, file),
                               .width = wraps ? options->width : 0};
    FILE *stream = text_stream_open(file, &style);
    if (!stream)
        return failure_no_memory();
    write_text(run, stream);
    bool lost = ferror(stream);
    return fclose(stream) != 0 || lost ? failure_no_memory() : NULL;
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
        fprintf(stderr, PROGRAM_NAME ": %s\n", failure_text(failure));
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
    static const struct argp argp = {
        .options = option_table,
        .parser = parse_option,
        .args_doc = "CORE [EXECUTABLE]\nEXECUTABLE -c CORE\n--merge REPORT..."};
    struct options options = {.limit = 100, .width = WIDTH_DEFAULT, .jobs = parallel_processors()};
    struct run run = {.options = &options};
    struct output output = {0}, graph = {0};
    argp_err_exit_status = EXIT_WRONG_USAGE;
    setlocale(LC_CTYPE, ""); // for CODESET alone
    // Large arrays come and go. Memory that was given back must be cleared before it comes again.
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, -1);
    argp_parse(&argp, argc, argv, ARGP_NO_HELP, NULL, &options);
    clock_gettime(CLOCK_MONOTONIC, &run.started);
    if (isatty(STDERR_FILENO) && !options.quiet)
        run.progress = options.unpack.progress = progress_create(stderr, PROGRESS_DELAY);
    // The outputs are opened first: hours later is too late to find out.
    struct failure *failure = open_output(options.output, options.core, &output);
    if (!failure && options.graph)
        failure = open_output(options.graph, options.core, &graph);
    if (!failure)
        failure = run_steps(&run, &output, &graph);
    progress_destroy(run.progress);
    run.progress = NULL;
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
