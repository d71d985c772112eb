#include "options.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "debug_server.h"
#include "parallel.h"
#include "report.h"
#include "version.h"

enum {
    VERIFY_LIMIT = 1000,
    WIDTH_DEFAULT = 100,
    WIDTH_MAX = 10000
};

// --max-size, bytes: less has no room for what every report says; tickets take 64 KiB.
#define MAX_SIZE_LEAST    UINT64_C(16000)
#define MAX_SIZE_MARKDOWN UINT64_C(60000)
#define MAX_SIZE_HTML     UINT64_C(4000000)
#define MAX_SIZE_DEFAULT  UINT64_MAX

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
    OPTION_MAX_SIZE,
    OPTION_VALUES,
};

static const struct argp_option option_table[] = {
    {"core", 'c', "CORE", 0, "The core file (gdb's order: EXECUTABLE -c CORE)", 0},
    {"output", 'o', "FILE", 0, "Write the report to FILE", 0},
    {"format", OPTION_FORMAT, "FORMAT", 0,
     "text (default), json, markdown, html, dot (a graph of one finding) or folded (stacks for "
     "flame graphs)",
     0},
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
    {"max-size", OPTION_MAX_SIZE, "BYTES", 0,
     "Keep a report in markdown (default 60000) or html (4000000) below this size by leaving out "
     "whole findings; 0: no limit",
     0},
    {"values", OPTION_VALUES, NULL, 0,
     "Show values of the dead process too: keys of dictionaries, attributes of the objects in the "
     "cycles, the arguments of the command line; the report says that it does",
     0},
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
    {"verbose", 'v', NULL, 0, "Say on stderr what is found, how, in what time and memory", 0},
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
    "Report   --format=text|json|markdown|html|dot|folded\n"
    "         --finding=SIGNATURE (for dot)  --max-size=BYTES (of markdown and html)\n"
    "         --limit=N (findings and items; 100, 0: all)  --width=N (of text)\n"
    "         --ascii  --color=auto|always|never  --values (show some values)\n"
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
    static const char *const names[FORMAT_COUNT] = {
        [FORMAT_TEXT] = "text", [FORMAT_JSON] = "json", [FORMAT_MARKDOWN] = "markdown",
        [FORMAT_HTML] = "html", [FORMAT_DOT] = "dot",   [FORMAT_FOLDED] = "folded"};
    for (enum format format = 0; format < FORMAT_COUNT; format++)
        if (strcmp(text, names[format]) == 0)
            return format;
    argp_error(state, "--format takes text, json, markdown, html, dot or folded, not \"%s\"", text);
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

static uint64_t parse_max_size(const char *text, struct argp_state *state)
{
    uint64_t size = parse_number(text, "--max-size", SIZE_MAX / 2, state);
    if (size && size < MAX_SIZE_LEAST)
        argp_error(state, "--max-size takes 0 or at least %" PRIu64, MAX_SIZE_LEAST);
    return size;
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
    if (modes && options->format != FORMAT_TEXT && options->format != FORMAT_JSON)
        argp_error(state, "--check, --compare, --merge and --verify have text and json only");
    if (options->finding && options->format != FORMAT_DOT)
        argp_error(state, "--finding goes with --format=dot");
    if (options->values && (modes || options->format == FORMAT_FOLDED))
        argp_error(state, "--values goes with the report of a core; --check, --compare, --merge, "
                          "--verify and --format=folded have no values");
    if (options->graph && modes)
        argp_error(state, "--graph goes with the report of a core");
}

// What a report that is cut by its size may have.
static void set_max_size(struct options *options, struct argp_state *state)
{
    bool sized = options->format == FORMAT_MARKDOWN || options->format == FORMAT_HTML;
    if (!sized && options->max_size != MAX_SIZE_DEFAULT)
        argp_error(
            state,
            "--max-size is for --format=markdown and --format=html; --limit cuts the others");
    if (options->max_size == MAX_SIZE_DEFAULT)
        options->max_size = options->format == FORMAT_HTML ? MAX_SIZE_HTML : MAX_SIZE_MARKDOWN;
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
    case OPTION_VALUES:
        options->values = true;
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
    case OPTION_MAX_SIZE:
        options->max_size = parse_max_size(argument, state);
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
        set_max_size(options, state);
        break;
    default:
        return parse_other_option(key, argument, state);
    }
    return 0;
}

void options_parse(int argc, char **argv, struct options *options)
{
    static const struct argp argp = {
        .options = option_table,
        .parser = parse_option,
        .args_doc = "CORE [EXECUTABLE]\nEXECUTABLE -c CORE\n--merge REPORT..."};
    *options = (struct options){.limit = 100,
                                .max_size = MAX_SIZE_DEFAULT,
                                .width = WIDTH_DEFAULT,
                                .jobs = parallel_processors()};
    argp_err_exit_status = EXIT_WRONG_USAGE;
    argp_parse(&argp, argc, argv, ARGP_NO_HELP, NULL, options);
}
