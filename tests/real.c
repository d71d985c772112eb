#include "real.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    RUN_SECONDS = 120,
    FIXTURE_SECONDS = 600,
    LIST_SECONDS = 600 // how long a list of interpreters is believed
};

// --- memory that lives as long as the process

static struct kept {
    struct kept *next;
    void *what;
} * all_kept;

static void *keep(void *what)
{
    struct kept *kept = malloc(sizeof(*kept));
    cr_assert(what && kept, "no memory");
    *kept = (struct kept){all_kept, what};
    all_kept = kept;
    return what;
}

char *real_format(const char *format, ...)
{
    char *text = NULL;
    va_list list;
    va_start(list, format);
    cr_assert_geq(vasprintf(&text, format, list), 0);
    va_end(list);
    return keep(text);
}

void real_skip(const char *format, ...)
{
    char *text = NULL;
    const char *ci = getenv("CI");
    va_list list;
    va_start(list, format);
    cr_assert_geq(vasprintf(&text, format, list), 0);
    va_end(list);
    keep(text);
    // TAP has one line for it.
    for (char *at = text; *at; at++)
        if (*at == '\n')
            *at = ' ';
    if (ci && *ci && strcmp(ci, "false") != 0)
        cr_assert_fail("nothing was tested, which in CI is a failure: %s", text);
    cr_skip("%s", text);
}

static const char *need_environment(const char *name)
{
    const char *value = getenv(name);
    cr_assert_not_null(value, "%s is not set: run this by meson test", name);
    return value;
}

// --- running

// In the child: does not return.
static void execute(const char *const arguments[], int output, int errors, unsigned seconds)
{
    struct rlimit none = {0, RLIM_INFINITY};
    int nothing = open("/dev/null", O_RDONLY);
    dup2(nothing, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(errors, STDERR_FILENO);
    setrlimit(RLIMIT_CORE, &none);
    setenv("ASAN_OPTIONS", "abort_on_error=1:detect_leaks=1", 1);
    setenv("UBSAN_OPTIONS", "halt_on_error=1:abort_on_error=1:print_stacktrace=1", 1);
    alarm(seconds);
    execvp(arguments[0], (char *const *)arguments);
    dprintf(STDERR_FILENO, "%s: %s\n", arguments[0], strerror(errno));
    _exit(127);
}

static const char *read_descriptor(int fd)
{
    struct stat stat;
    cr_assert_eq(fstat(fd, &stat), 0);
    char *text = malloc((size_t)stat.st_size + 1);
    cr_assert_not_null(text);
    cr_assert_eq(pread(fd, text, (size_t)stat.st_size, 0), stat.st_size);
    text[stat.st_size] = '\0';
    close(fd);
    return keep(text);
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static struct real_run run_for(const char *const arguments[], unsigned seconds)
{
    int output = memfd_create("stdout", MFD_CLOEXEC), errors = memfd_create("stderr", MFD_CLOEXEC);
    cr_assert(output >= 0 && errors >= 0);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0)
        execute(arguments, output, errors, seconds);
    int status;
    struct rusage usage;
    while (wait4(pid, &status, 0, &usage) < 0)
        cr_assert_eq(errno, EINTR);
    struct real_run run;
    run.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    run.output = read_descriptor(output);
    run.errors = read_descriptor(errors);
    run.seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    run.memory = (uint64_t)usage.ru_maxrss * 1024;
    return run;
}

struct real_run real_command(const char *const arguments[])
{
    return run_for(arguments, RUN_SECONDS);
}

struct real_run real_run(const char *const arguments[])
{
    setenv("LC_ALL", "C.UTF-8", 1); // elsewhere text is ASCII
    const char *all[16] = {need_environment("PYCORE_GARBAGE")};
    for (size_t i = 0; arguments[i]; i++) {
        cr_assert_lt(i + 2, LENGTH(all));
        all[i + 1] = arguments[i];
    }
    return real_command(all);
}

json_t *real_report(const struct real_core *core, int status)
{
    struct real_run run =
        REAL_RUN("--format=json", "--limit=0", real_format("--sysroot=%s", core->sysroot),
                 core->path, core->interpreter);
    cr_assert_eq(run.status, status, "%s: exit status %d: %s", core->name, run.status, run.errors);
    if (status == 0)
        cr_assert_str_empty(run.errors, "%s: %s", core->name, run.errors);
    return real_parse(run.output);
}

json_t *real_bare_report(const struct real_core *core)
{
    struct real_run run = REAL_RUN("-q", "--format=json", "--limit=0", REAL_NO_FILES, core->path);
    cr_assert_eq(run.status, 0, "%s: exit status %d: %s", core->name, run.status, run.errors);
    cr_expect_str_empty(run.errors, "%s: %s", core->name, run.errors);
    return real_parse(run.output);
}

const char *real_build_id(const char *file)
{
    struct real_run run = REAL_COMMAND("readelf", "-n", file);
    const char *found = strstr(run.output, "Build ID: ");
    cr_assert_not_null(found, "%s has no build-id: %s", file, run.errors);
    found += strlen("Build ID: ");
    return real_format("%.*s", (int)strspn(found, "0123456789abcdef"), found);
}

// --- files

static const char *cores_directory(void)
{
    const char *directory = need_environment("CORES");
    cr_assert(mkdir(directory, 0777) == 0 || errno == EEXIST, "%s: %s", directory, strerror(errno));
    return directory;
}

// A file name of any text.
static char *file_name(const char *text)
{
    char *name = real_format("%s", text);
    for (char *at = name; *at; at++)
        if (*at == ' ' || *at == '/' ||
            *at == '=') // env takes a program's name with = for a variable
            *at = '_';
    return name;
}

// Waits until nobody else holds the lock; it ends with the process or with close.
static int lock_file(const char *name, const char *extension, int operation)
{
    char *path = real_format("%s/%s.%s", cores_directory(), file_name(name), extension);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    cr_assert_geq(fd, 0, "%s: %s", path, strerror(errno));
    while (flock(fd, operation) != 0)
        cr_assert_eq(errno, EINTR);
    return fd;
}

static int lock(const char *name)
{
    return lock_file(name, "lock", LOCK_EX);
}

static struct timespec modified(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? status.st_mtim : (struct timespec){0};
}

static bool is_older(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file, "%s: %s", path, strerror(errno));
    fputs(text, file);
    cr_assert_eq(fclose(file), 0, "%s: %s", path, strerror(errno));
}

static const char *read_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    cr_assert_geq(fd, 0, "%s: %s", path, strerror(errno));
    return read_descriptor(fd);
}

static void remove_tree(const char *path)
{
    struct real_run run = REAL_COMMAND("rm", "-rf", path);
    cr_assert_eq(run.status, 0, "%s", run.errors);
}

const char *real_directory(const char *name)
{
    char *path = real_format("%s/%s", cores_directory(), name);
    remove_tree(path);
    cr_assert_eq(mkdir(path, 0777), 0, "%s: %s", path, strerror(errno));
    return path;
}

const char *real_unpack_story(const char *name)
{
    const char *path = real_format("%s/core", real_directory(name));
    struct real_run run = REAL_COMMAND("sh", "-c", "xz -dc \"$1\" >\"$2\"", "sh",
                                       real_format("%s/story.core.xz", getenv("FIXTURES")), path);
    cr_assert_eq(run.status, 0, "%s", run.errors);
    return path;
}

// --- interpreters

// What find-python2 prints; asked once for all tests of a run, since it starts every candidate.
static const char *list_interpreters(void)
{
    char *list = real_format("%s/interpreters", cores_directory());
    char *finder = real_format("%s/find-python2", need_environment("FIXTURES"));
    int held = lock("interpreters");
    struct timespec made = modified(list), now;
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec -= LIST_SECONDS;
    if (is_older(made, now) || is_older(made, modified(finder))) {
        struct real_run run = run_for((const char *const[]){finder, NULL}, FIXTURE_SECONDS);
        write_file(list, run.output);
        write_file(real_format("%s.errors", list), run.errors);
    }
    const char *text = read_file(list);
    close(held);
    return text;
}

const char *real_find_interpreter(const char *name)
{
    const char *path =
        strstr(real_format("\n%s", list_interpreters()), real_format("\n%s\t", name));
    if (!path)
        return NULL;
    path += strlen(name) + 2;
    return real_format("%.*s", (int)strcspn(path, "\n"), path);
}

const char *real_need_interpreter(const char *name)
{
    const char *path = real_find_interpreter(name);
    if (!path)
        real_skip("fixtures/find-python2 finds no Python 2.7 called %s here: %s", name,
                  read_file(real_format("%s/interpreters.errors", cores_directory())));
    return path;
}

const char *real_need_unstripped(void)
{
    const char *debian = real_need_interpreter("debian");
    char *whole = real_format("%s/unstripped", cores_directory());
    int held = lock("unstripped");
    if (is_older(modified(whole), modified(debian))) {
        static const char script[] = "id=$(readelf -n \"$1\" | sed -n 's/.*Build ID: //p') && "
                                     "debug=$(\"$0\"/find-python2 --no-fetch --debug-dir) && "
                                     "rest=${id#??} && first=${id%\"$rest\"} && "
                                     "eu-unstrip -o \"$2\" \"$1\" "
                                     "\"$debug/.build-id/$first/$rest.debug\"";
        struct real_run run =
            REAL_COMMAND("sh", "-c", script, need_environment("FIXTURES"), debian, whole);
        if (run.status != 0)
            real_skip("no interpreter with its symbols can be made of Debian's: %s", run.errors);
    }
    close(held);
    return whole;
}

const char *real_need_embedding(const char *kind, const char *environment)
{
    const char *fixtures = need_environment("FIXTURES");
    char *name = real_format("embed %s %s", kind, environment);
    char *directory = real_format("%s/%s", cores_directory(), file_name(name));
    char *program = real_format("%s/appserver", directory);
    int held = lock(name);
    if (is_older(modified(program), modified(real_format("%s/embed.c", fixtures))) ||
        is_older(modified(program), modified(real_format("%s/build-embed", fixtures)))) {
        struct real_run run =
            run_for((const char *const[]){"sh", "-c", "exec \"$0\"/build-embed \"$1\" \"$2\" $3",
                                          fixtures, kind, directory, environment, NULL},
                    FIXTURE_SECONDS);
        if (run.status == 77)
            real_skip("%s", run.errors);
        cr_assert_eq(run.status, 0, "build-embed %s: %s", kind, run.errors);
    }
    close(held);
    return program;
}

const char *real_other_build(const char *file, const char *directory)
{
    const char *copy = real_format("%s%s", real_directory(directory), strrchr(file, '/'));
    struct real_run run = REAL_COMMAND(
        "python3", "-c",
        "import sys; id = bytes.fromhex(sys.argv[1]); data = open(sys.argv[2], 'rb').read(); "
        "open(sys.argv[3], 'wb').write(data.replace(id, bytes([id[0] ^ 1]) + id[1:]))",
        real_build_id(file), file, copy);
    cr_assert_eq(run.status, 0, "%s", run.errors);
    return copy;
}

bool real_has_symbol(const char *file, const char *name)
{
    struct real_run run = REAL_COMMAND("readelf", "-sW", file);
    return strstr(run.output, real_format(" %s\n", name)) ||
           strstr(run.output, real_format(" %s.", name));
}

// --- cores

// When a core made from the fixtures would be out of date.
static struct timespec fixtures_modified(const char *interpreter)
{
    struct timespec latest = modified(interpreter);
    glob_t found;
    cr_assert_eq(glob(real_format("%s/*", need_environment("FIXTURES")), 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *path = found.gl_pathv[i], *dot = strrchr(path, '.');
        const char *name = strrchr(path, '/') + 1;
        bool matters = strcmp(name, "make-core") == 0 || strcmp(name, "build-awkward") == 0 ||
                       strcmp(name, "awkward.c") == 0 || strcmp(name, "leaky.c") == 0 ||
                       strcmp(name, "shapes.c") == 0 || (dot && strcmp(dot, ".py") == 0);
        if (matters && is_older(latest, modified(path)))
            latest = modified(path);
    }
    globfree(&found);
    return latest;
}

static struct real_run run_make_core(const char *interpreter, const char *kind,
                                     const char *directory, const char *command)
{
    // The shell splits the command into words.
    char *script = real_format("exec \"$1\"/make-core --timeout %d --python \"$2\" --kind $3 "
                               "--out \"$4\" \"$1\"/%s",
                               FIXTURE_SECONDS / 2, command);
    const char *const arguments[] = {
        "sh", "-c", script, "sh", need_environment("FIXTURES"), interpreter, kind, directory, NULL};
    return run_for(arguments, FIXTURE_SECONDS);
}

static void make_core(const struct real_core *core, const char *kind, const char *command,
                      const char *made)
{
    remove_tree(core->directory);
    struct real_run run = run_make_core(core->interpreter, kind, core->directory, command);
    if (run.status == 77)
        real_skip("%s", run.errors);
    cr_assert_eq(run.status, 0, "%s: make-core ends with %d: %s", core->name, run.status,
                 run.errors);
    write_file(made, run.errors);
}

// The last two parts of a path.
static const char *short_path(const char *path)
{
    const char *at = path + strlen(path);
    for (int slashes = 0; at > path && slashes < 2; at--)
        slashes += at[-1] == '/';
    return at + (*at == '/');
}

// What find-python2 fetched for another machine lies in a root directory.
static const char *find_sysroot(const char *interpreter)
{
    const char *end = strstr(interpreter, "/usr/bin/");
    if (!end || access(real_format("%s.start", interpreter), R_OK) != 0)
        return "";
    return real_format("%.*s", (int)(end - interpreter), interpreter);
}

struct real_core real_make_core(const char *interpreter, const char *kind, const char *command)
{
    bool is_path = *interpreter == '/';
    struct real_core core = {.interpreter =
                                 is_path ? interpreter : real_need_interpreter(interpreter)};
    core.name =
        real_format("%s %s %s", is_path ? short_path(interpreter) : interpreter, kind, command);
    core.directory = real_format("%s/%s", cores_directory(), file_name(core.name));
    core.path = real_format("%s/core", core.directory);
    core.sysroot = find_sysroot(core.interpreter);
    char *made = real_format("%s/made", core.directory);
    int held = lock(core.name);
    if (is_older(modified(made), fixtures_modified(core.interpreter)))
        make_core(&core, kind, command, made);
    core.use = lock_file(core.name, "use", LOCK_SH);
    close(held);
    const char *kind_made = read_file(real_format("%s/kind", core.directory));
    if (strncmp(kind_made, kind, strcspn(kind, " ")) != 0)
        real_skip("no %s core can be made here: %s", kind, read_file(made));
    core.truth = real_parse_file(real_format("%s/truth.json", core.directory));
    return core;
}

void real_drop_core(const struct real_core *core)
{
    int held = lock(core->name);
    if (flock(core->use, LOCK_EX | LOCK_NB) == 0)
        remove_tree(core->directory);
    close(core->use);
    close(held);
}

static void dump_by_signal(pid_t pid)
{
    kill(pid, SIGABRT);
    while (waitpid(pid, NULL, 0) < 0)
        cr_assert_eq(errno, EINTR);
}

static void dump_by_gdb(pid_t pid, const char *path)
{
    REAL_COMMAND("gdb", "-nx", "-q", "-batch", "-p", real_format("%d", (int)pid), "-ex",
                 real_format("generate-core-file %s", path));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

// Starts it, waits for the first byte that it prints.
static pid_t start(const char *const arguments[], const char *directory, int *ready)
{
    int ends[2], input[2];
    char byte;
    cr_assert(pipe2(ends, 0) == 0 && pipe2(input, O_CLOEXEC) == 0);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
        setrlimit(RLIMIT_CORE, &all);
        alarm(RUN_SECONDS);
        dup2(input[0], STDIN_FILENO);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        if (chdir(directory) == 0)
            execvp(arguments[0], (char *const *)arguments);
        _exit(127);
    }
    close(ends[1]);
    close(input[0]);
    bool said = read(ends[0], &byte, 1) == 1;
    close(ends[0]);
    *ready = input[1];
    if (!said) {
        waitpid(pid, NULL, 0);
        return -1;
    }
    return pid;
}

const char *real_dump(const char *name, const char *const arguments[])
{
    const char *directory = real_directory(name);
    int input;
    pid_t pid = start(arguments, directory, &input);
    if (pid < 0)
        real_skip("%s cannot be run here", arguments[0]);
    dump_by_signal(pid);
    close(input);
    glob_t found;
    if (glob(real_format("%s/*", directory), 0, NULL, &found) == 0) {
        char *path = real_format("%s", found.gl_pathv[0]);
        globfree(&found);
        return path;
    }
    pid = start(arguments, directory, &input);
    cr_assert_gt(pid, 0, "%s ran once and not again", arguments[0]); // kill(-1) would end all
    char *path = real_format("%s/core", directory);
    dump_by_gdb(pid, path);
    close(input);
    if (access(path, R_OK) != 0)
        real_skip("neither the kernel nor gdb makes a core of %s here", arguments[0]);
    return path;
}

// --- JSON

json_t *real_parse(const char *text)
{
    json_error_t error;
    json_t *root = json_loads(text, 0, &error);
    cr_assert_not_null(root, "not JSON: %s in line %d of %.200s", error.text, error.line, text);
    return keep(root);
}

json_t *real_parse_file(const char *path)
{
    return real_parse(read_file(path));
}

json_t *real_json(const json_t *root, const char *path)
{
    const json_t *at = root;
    for (const char *part = path; at && *part;) {
        size_t length = strcspn(part, ".");
        at = json_object_get(at, real_format("%.*s", (int)length, part));
        part += length + (part[length] == '.');
    }
    cr_assert_not_null(at, "no %s in the JSON", path);
    return (json_t *)at;
}

json_int_t real_number(const json_t *root, const char *path)
{
    json_t *value = real_json(root, path);
    cr_assert(json_is_integer(value), "%s is no whole number", path);
    return json_integer_value(value);
}

const char *real_string(const json_t *root, const char *path)
{
    json_t *value = real_json(root, path);
    cr_assert(json_is_string(value), "%s is no string", path);
    return json_string_value(value);
}

// --- changing a core

const char *real_copy(const char *path, const char *name)
{
    char *copy = real_format("%s/%s", cores_directory(), name);
    struct real_run run = REAL_COMMAND("cp", path, copy);
    cr_assert_eq(run.status, 0, "%s", run.errors);
    return copy;
}

// Where in the file of a 64-bit little-endian core a word is; read without the program's reader.
static off_t find_offset(int fd, uint64_t address)
{
    Elf64_Ehdr header;
    cr_assert_eq(pread(fd, &header, sizeof(header), 0), (ssize_t)sizeof(header));
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        off_t at = (off_t)(header.e_phoff + i * sizeof(segment));
        cr_assert_eq(pread(fd, &segment, sizeof(segment), at), (ssize_t)sizeof(segment));
        if (segment.p_type == PT_LOAD && address - segment.p_vaddr < segment.p_filesz)
            return (off_t)(segment.p_offset + (address - segment.p_vaddr));
    }
    cr_assert_fail("the core has no bytes for %#llx", (unsigned long long)address);
    return -1;
}

void real_patch(const char *core, uint64_t address, uint64_t value)
{
    int fd = open(core, O_RDWR | O_CLOEXEC);
    cr_assert_geq(fd, 0, "%s: %s", core, strerror(errno));
    cr_assert_eq(pwrite(fd, &value, sizeof(value), find_offset(fd, address)),
                 (ssize_t)sizeof(value));
    close(fd);
}

uint64_t real_peek(const char *core, uint64_t address)
{
    uint64_t value;
    int fd = open(core, O_RDONLY | O_CLOEXEC);
    cr_assert_geq(fd, 0, "%s: %s", core, strerror(errno));
    cr_assert_eq(pread(fd, &value, sizeof(value), find_offset(fd, address)),
                 (ssize_t)sizeof(value));
    close(fd);
    return value;
}

uint64_t real_address(const char *text)
{
    return strtoull(text, NULL, 16);
}
