// Debian's stripped interpreter with the debug file of its package: members, static symbols, what
// is not used, and debuginfod.
#include "common.h"

#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "compare.h"
#include "real.h"

// Debian's directory of detached files, by build-id.
static const char *debug_directory(void)
{
    struct real_run run =
        REAL_COMMAND("sh", "-c", "exec \"$FIXTURES\"/find-python2 --no-fetch --debug-dir");
    if (run.status != 0)
        real_skip("Debian's debug files are not here: %s", run.errors);
    return real_format("%.*s", (int)strcspn(run.output, "\n"), run.output);
}

// "75/4738eb...": where a file's debug file is below .build-id.
static const char *by_build_id(const char *file)
{
    const char *id = real_build_id(file);
    return real_format("%.2s/%s", id, id + 2);
}

static struct real_core leak(void)
{
    return real_make_core("debian", "kernel", "seed_leak.py 5");
}

// A directory that has `file` as the interpreter's debug file.
static const char *directory_with(const char *name, const char *interpreter, const char *file)
{
    const char *directory = real_directory(name);
    struct real_run run =
        REAL_COMMAND("sh", "-c", "mkdir -p \"${1%/*}\" && cp \"$0\" \"$1\"", file,
                     real_format("%s/.build-id/%s.debug", directory, by_build_id(interpreter)));
    cr_assert_eq(run.status, 0, "%s", run.errors);
    return directory;
}

static struct real_run run_json(const struct real_core *core, const char *option)
{
    return REAL_RUN("--format=json", option, core->path, core->interpreter);
}

static void expect_match(const char *text, const char *pattern)
{
    cr_expect_eq(fnmatch(pattern, text, 0), 0, "expected\n%s\nnot\n%s", pattern, text);
}

// ---- What it is used for

static void expect_used(const struct real_core *core, const char *option, const char *found)
{
    struct real_run run = run_json(core, option);
    cr_assert_eq(run.status, 0, "%s: %s", core->name, run.errors);
    cr_expect_str_empty(run.errors, "%s: %s", core->name, run.errors);
    json_t *report = real_parse(run.output);
    compare_report(core, report);
    cr_expect_str_eq(real_string(report, "interpreter.layout_source"), "dwarf");
    cr_expect_str_eq(real_string(report, "interpreter.layout_dwarf_found"), found);
    cr_expect_gt(real_number(report, "interpreter.layout_dwarf_members"), 200, "%s", core->name);
    cr_expect_eq(real_number(report, "interpreter.layout_dwarf_differences"), 0, "%s", core->name);
    cr_expect_str_eq(real_string(report, "collector.flags_source"), "symbol", "%s", core->name);
    cr_expect_str_eq(real_string(report, "garbage.source"), "symbol", "%s", core->name);
}

Test(real_debug_file, by_build_id)
{
    static const char *const commands[] = {"seed_leak.py 5", "leaks.py saveall --pending",
                                           "leaks.py pending_gc_disabled", "no_gc_module.py",
                                           "wide_heap.py"};
    const char *option = real_format("--debug-path=/nonexistent:%s", debug_directory());
    for (size_t i = 0; i < LENGTH(commands); i++) {
        struct real_core core = real_make_core("debian", i % 2 ? "gcore" : "kernel", commands[i]);
        expect_used(&core, option, "build-id");
    }
}

// Beside the file, as on a machine where the package was unpacked by hand.
Test(real_debug_file, by_debuglink)
{
    struct real_core core = leak();
    const char *directory = real_directory("debuglink");
    struct real_run run = REAL_COMMAND(
        "sh", "-c",
        "mkdir \"$2/.debug\" && cp \"$0\" \"$2/python2.7\" && cp \"$1\" \"$2/.debug/$3\"",
        core.interpreter,
        real_format("%s/.build-id/%s.debug", debug_directory(), by_build_id(core.interpreter)),
        directory, real_format("%s.debug", strchr(by_build_id(core.interpreter), '/') + 1));
    cr_assert_eq(run.status, 0, "%s", run.errors);
    core.interpreter = real_format("%s/python2.7", directory);
    expect_used(&core, "--debug-path=/nonexistent", "debuglink");
}

// A build whose DWARF says what the column says: it is not read, unless someone says where it is.
Test(real_debug_file, known_builds)
{
    static const char *const names[] = {"debian", "debian-dbg"};
    for (size_t i = 0; i < LENGTH(names); i++) {
        struct real_core core = real_make_core(names[i], "kernel", "seed_leak.py 5");
        struct real_run run = REAL_RUN("-v", "--format=json", core.path, core.interpreter);
        json_t *report = real_parse(run.output);
        compare_report(&core, report);
        cr_expect_str_eq(real_string(report, "interpreter.layout_source"), "builtin");
        cr_expect_eq(real_number(report, "interpreter.layout_dwarf_members"), 0, "%s", names[i]);
        cr_expect(json_is_true(real_json(report, "interpreter.layout_known_build")), "%s",
                  names[i]);
        expect_match(run.errors, real_format("*: no DWARF needed, the build-id of %s is known\n*",
                                             core.interpreter));
        run = REAL_RUN("--width=0", core.path, core.interpreter);
        expect_match(run.output, "*\nLayout       built-in column 2.7.18-x86_64*, which fits this "
                                 "build, a known one\n*");
        report =
            real_parse(run_json(&core, real_format("--debug-path=%s", debug_directory())).output);
        cr_expect_str_eq(real_string(report, "interpreter.layout_source"), "dwarf", "%s", names[i]);
        cr_expect_not(json_is_true(real_json(report, "interpreter.layout_known_build")));
        cr_expect_gt(real_number(report, "interpreter.layout_dwarf_members"), 200, "%s", names[i]);
        cr_expect_eq(real_number(report, "interpreter.layout_dwarf_differences"), 0, "%s",
                     names[i]);
        cr_expect_eq(real_number(report, "interpreter.layout_dwarf_added"), 0, "%s", names[i]);
    }
}

Test(real_debug_file, text)
{
    struct real_core core = leak();
    const char *debug = debug_directory();
    struct real_run run =
        REAL_RUN("--width=0", real_format("--debug-path=%s", debug), core.path, core.interpreter);
    cr_expect_eq(run.status, 0, "%s", run.errors);
    expect_match(run.output, "*\nLayout       built-in column 2.7.18-x86_64, checked by detached "
                             "DWARF: [2-9][0-9][0-9] members, 0 differ\n*");
    expect_match(run.output, real_format("*\n             %s/.build-id/%s.debug (by build-id)\n*",
                                         debug, by_build_id(core.interpreter)));
}

// ---- What is not used

static void expect_not_used(const struct real_core *core, const char *directory, const char *note)
{
    const char *option = real_format("--debug-path=%s", directory);
    struct real_run run = run_json(core, option);
    cr_assert_eq(run.status, 0, "%s", run.errors);
    expect_match(run.errors, real_format("pycore-garbage: %s\n", note));
    json_t *report = real_parse(run.output);
    compare_report(core, report);
    cr_expect_str_eq(real_string(report, "interpreter.layout_source"), "builtin");
    cr_expect(json_is_null(real_json(report, "interpreter.layout_dwarf_file")));
    cr_expect_eq(json_array_size(real_json(report, "interpreter.debug_file_notes")), 1);
    cr_expect_str_empty(REAL_RUN("-q", option, core->path, core->interpreter).errors);
}

Test(real_debug_file, of_another_build)
{
    struct real_core core = leak();
    const char *library = real_format(
        "%.*s/lib/x86_64-linux-gnu/libpython2.7.so.1.0",
        (int)(strstr(core.interpreter, "/bin/python2.7") - core.interpreter), core.interpreter);
    const char *other =
        real_format("%s/.build-id/%s.debug", debug_directory(), by_build_id(library));
    const char *directory = directory_with("other_debug", core.interpreter, other);
    expect_not_used(&core, directory,
                    real_format("%s/.build-id/%s.debug is not used: it is not the debug file of %s "
                                "(build-id %s, not %s)",
                                directory, by_build_id(core.interpreter), core.interpreter,
                                real_build_id(library), real_build_id(core.interpreter)));
}

Test(real_debug_file, absent)
{
    struct real_core core = leak();
    const char *directory = real_directory("no_debug");
    expect_not_used(
        &core, directory,
        real_format("no debug file of %s (build-id %s) is in %s, so the built-in column "
                    "alone tells where members lie",
                    core.interpreter, real_build_id(core.interpreter), directory));
}

// ---- What differs

// A debug file that is right by its build-id and has a member of lists elsewhere.
Test(real_debug_file, differs)
{
    static const char source[] = "typedef struct { long ob_refcnt; void *ob_type; long ob_size; "
                                 "void **ob_item; long skip; long allocated; } PyListObject; "
                                 "PyListObject list;";
    struct real_core core = leak();
    const char *directory = real_directory("differs");
    struct real_run made = REAL_COMMAND(
        "sh", "-c",
        "echo \"$0\" >\"$1/a.c\" && cc -g -shared -fPIC -Wl,--build-id=0x\"$2\" -o \"$1/a\" \"$1/a.c\"",
        source, directory, real_build_id(core.interpreter));
    if (made.status != 0)
        real_skip("cc cannot make such a file: %s", made.errors);
    const char *file = real_format("%s/a", directory);
    const char *option =
        real_format("--debug-path=%s", directory_with("differs_dir", core.interpreter, file));
    json_t *report = real_parse(run_json(&core, option).output);
    const json_t *list = real_json(report, "interpreter.layout_dwarf_different");
    cr_expect_eq(real_number(report, "interpreter.layout_dwarf_differences"), 2);
    cr_assert_eq(json_array_size(list), 2);
    cr_expect_str_eq(real_string(json_array_get(list, 0), "member"), ""); // the size
    const json_t *member = json_array_get(list, 1);
    cr_expect_str_eq(real_string(member, "type"), "PyListObject");
    cr_expect_str_eq(real_string(member, "member"), "allocated");
    cr_expect_eq(real_number(member, "column.offset"), 32);
    cr_expect_eq(real_number(member, "dwarf.offset"), 40);
    struct real_run run = REAL_RUN("-v", option, core.path, core.interpreter);
    expect_match(
        run.output,
        "*not as in the column: PyListObject (size), PyListObject.allocated; DWARF's are used\n*");
    expect_match(run.errors, "*: PyListObject.allocated: at 40, 8 bytes wide, not at 32, 8 bytes; "
                             "DWARF's is used\n*");
}

// ---- debuginfod

#ifdef HAVE_DEBUGINFOD

struct server {
    FILE *words;
    long pid;
    const char *directory; // what it serves; `requests` there has a line for each
};

enum server_kind {
    SERVES,
    TAKES,   // connections, and says nothing
    IGNORES, // even these: its queue is full, as behind a firewall that drops packets
};

// A server on the loopback for half a minute.
static struct server start_server(const char *name, enum server_kind kind)
{
    static const char program[] =
        "import http.server, os, signal, socket, sys\n"
        "os.chdir(sys.argv[1])\n"
        "signal.alarm(30)\n"
        "class Handler(http.server.SimpleHTTPRequestHandler):\n"
        "    def log_message(self, form, *words):\n"
        "        open('requests', 'a').write(form % words + '\\n')\n"
        "kind = int(sys.argv[2])\n"
        "silent = kind > 0\n"
        "if silent: server = socket.create_server(('127.0.0.1', 0), backlog=0)\n"
        "clients = [socket.socket() for i in range(4 if kind == 2 else 0)]\n"
        "for client in clients: client.setblocking(False)\n"
        "for client in clients: client.connect_ex(server.getsockname())\n"
        "if not silent: server = http.server.HTTPServer(('127.0.0.1', 0), Handler)\n"
        "port = (server if silent else server.socket).getsockname()[1]\n"
        "print(os.getpid(), port, flush=True)\n"
        "signal.pause() if silent else server.serve_forever()\n";
    struct server server = {.directory = real_directory(name)};
    int port;
    cr_assert_eq(setenv("SERVER_PROGRAM", program, 1), 0);
    server.words = popen(
        real_format("exec python3 -c \"$SERVER_PROGRAM\" '%s' %d", server.directory, kind), "r");
    cr_assert_not_null(server.words);
    if (fscanf(server.words, "%ld %d", &server.pid, &port) != 2)
        real_skip("no HTTP server can be started here");
    cr_assert_eq(setenv("DEBUGINFOD_URLS", real_format("http://127.0.0.1:%d", port), 1), 0);
    cr_assert_eq(setenv("DEBUGINFOD_CACHE_PATH", real_directory(real_format("%s_cache", name)), 1),
                 0);
    cr_assert_eq(unsetenv("DEBUGINFOD_TIMEOUT"), 0);
    return server;
}

static void stop_server(const struct server *server)
{
    kill((pid_t)server->pid, SIGKILL);
    pclose(server->words);
}

static void serve_debug_file(const struct server *server, const char *interpreter)
{
    struct real_run run = REAL_COMMAND(
        "sh", "-c", "mkdir -p \"$1\" && cp \"$0\" \"$1/debuginfo\"",
        real_format("%s/.build-id/%s.debug", debug_directory(), by_build_id(interpreter)),
        real_format("%s/buildid/%s", server->directory, real_build_id(interpreter)));
    cr_assert_eq(run.status, 0, "%s", run.errors);
}

static bool was_asked(const struct server *server)
{
    return access(real_format("%s/requests", server->directory), F_OK) == 0;
}

// The servers that the environment names are asked only if the user says so.
Test(real_debug_file, debuginfod)
{
    struct real_core core = leak();
    struct server server = start_server("debuginfod", SERVES);
    serve_debug_file(&server, core.interpreter);
    json_t *report = real_parse(run_json(&core, "--limit=0").output);
    cr_expect_str_eq(real_string(report, "interpreter.layout_source"), "builtin");
    cr_expect_not(was_asked(&server), "asked without --debuginfod");
    run_json(&core, real_format("--debug-path=%s", real_directory("debuginfod_none")));
    cr_expect_not(was_asked(&server), "asked without --debuginfod");
    expect_used(&core, "--debuginfod", "debuginfod");
    cr_expect(was_asked(&server));
    stop_server(&server);
}

Test(real_debug_file, debuginfod_without_the_file)
{
    struct real_core core = leak();
    struct server server = start_server("debuginfod_404", SERVES);
    struct real_run run = run_json(&core, "--debuginfod");
    cr_expect_eq(run.status, 0);
    expect_match(run.errors, real_format("pycore-garbage: debuginfod has nothing for %s (build-id "
                                         "%s): http://127.0.0.1:*: no such file there*\n",
                                         core.interpreter, real_build_id(core.interpreter)));
    cr_expect(was_asked(&server));
    stop_server(&server);
}

// What a server sends is checked like any other file.
Test(real_debug_file, debuginfod_with_another_file)
{
    struct real_core core = leak();
    struct server server = start_server("debuginfod_other", SERVES);
    serve_debug_file(&server, core.interpreter);
    struct real_run run = REAL_COMMAND(
        "sh", "-c", "cp \"$0\" \"$1\"", getenv("PYCORE_GARBAGE"),
        real_format("%s/buildid/%s/debuginfo", server.directory, real_build_id(core.interpreter)));
    cr_assert_eq(run.status, 0, "%s", run.errors);
    run = run_json(&core, "--debuginfod");
    cr_expect_eq(run.status, 0);
    expect_match(run.errors, "pycore-garbage: */debuginfo is not used: *\n");
    stop_server(&server);
}

static void expect_given_up(const char *name, enum server_kind kind)
{
    struct real_core core = leak();
    struct server server = start_server(name, kind);
    cr_assert_eq(setenv("DEBUGINFOD_TIMEOUT", "2", 1), 0);
    time_t start = time(NULL);
    struct real_run run = run_json(&core, "--debuginfod");
    cr_expect_lt(time(NULL) - start, 15);
    cr_expect_eq(run.status, 0);
    expect_match(run.errors, "pycore-garbage: debuginfod has nothing for *: http://127.0.0.1:* "
                             "sent nothing for 2 s\n");
    stop_server(&server);
}

Test(real_debug_file, debuginfod_that_does_not_answer)
{
    expect_given_up("debuginfod_takes", TAKES);
    expect_given_up("debuginfod_ignores", IGNORES);
}

#else

Test(real_debug_file, debuginfod)
{
    struct real_run run = REAL_RUN("--debuginfod", "core");
    cr_expect_eq(run.status, 64);
    cr_expect_not_null(strstr(run.errors, "this program was built without libdebuginfod"));
    real_skip("built without libdebuginfod");
}

#endif
