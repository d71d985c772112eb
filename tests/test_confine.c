// What is forbidden fails, or kills who tries; what a report needs does not. Each in a child.
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

enum {
    KILLED = 1000,
};

static int opened; // read-only, before the lock-down
static char path[] = "/tmp/confine.XXXXXX";

static int try_read_path(void)
{
    return open("/etc/passwd", O_RDONLY);
}

static int try_write_path(void)
{
    return open(path, O_WRONLY);
}

static int try_update_path(void)
{
    return open(path, O_RDWR);
}

static int try_empty(void)
{
    return open(path, O_RDONLY | O_TRUNC);
}

static int try_find(void)
{
    struct stat found;
    char text[PATH_MAX];
    return stat(path, &found) == 0 && access(path, R_OK) == 0 && realpath(path, text) ? 0 : -1;
}

static int try_create(void)
{
    return open("/tmp/confine.new", O_CREAT | O_WRONLY, 0600);
}

static int try_temporary(void)
{
    return open("/tmp", O_TMPFILE | O_RDWR, 0600);
}

static int try_memfd(void)
{
    return memfd_create("confine", 0);
}

static int try_directory(void)
{
    return mkdir("/tmp/confine.dir", 0700);
}

static int try_rename(void)
{
    return rename(path, "/tmp/confine.other");
}

static int try_unlink_other(void)
{
    char copy[sizeof(path)];
    memcpy(copy, path, sizeof(path));
    return unlink(copy);
}

static int try_chmod(void)
{
    return chmod(path, 0777);
}

static int try_fork(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid;
}

static int try_kill(void)
{
    return kill(getppid(), 0);
}

static int try_exec(void)
{
    return execl("/bin/true", "true", NULL);
}

static int try_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}

static int try_local_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int try_read(void)
{
    char bytes[4];
    return pread(opened, bytes, sizeof(bytes), 0) == 4 ? 0 : -1;
}

static int try_map(void)
{
    return mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, opened, 0) == MAP_FAILED ? -1 : 0;
}

static int try_memory(void)
{
    char *bytes = malloc(64 << 20);
    if (!bytes)
        return -1;
    memset(bytes, 1, 64 << 20);
    free(bytes);
    return 0;
}

static int try_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) == MAP_FAILED
               ? -1
               : 0;
}

static void *run_thread(void *argument)
{
    return argument;
}

static int try_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_thread, NULL) != 0)
        return -1;
    return pthread_join(thread, NULL);
}

static int try_write(void)
{
    return printf("%s", "") == 0 && fflush(stdout) == 0 && isatty(1) >= 0 ? 0 : -1;
}

static int try_unlink(void)
{
    return unlink(path);
}

// 0, an error number, or KILLED.
static int attempt(enum confinement (*confine)(void), int (*what)(void))
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        errno = 0;
        if (confine() != CONFINED)
            _exit(255);
        _exit(what() < 0 ? errno : 0);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS ? KILLED : -WTERMSIG(status);
    return WEXITSTATUS(status);
}

static enum confinement by_files(void)
{
    const char *const removable[] = {NULL, path};
    return confine_files(removable, LENGTH(removable));
}

static enum confinement by_writing(void)
{
    const char *const removable[] = {path, NULL};
    return confine_writing(removable, LENGTH(removable));
}

// Every step adds to the one before.
static enum confinement by_all(void)
{
    enum confinement (*const steps[])(void) = {confine_network, by_writing, by_files};
    enum confinement confinement = CONFINED;
    for (size_t i = 0; i < LENGTH(steps) && confinement == CONFINED; i++)
        confinement = steps[i]();
    return confinement;
}

struct row {
    const char *name;
    int (*what)(void);
    int expected;
};

static void expect_rows(enum confinement (*confine)(void), const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int ending = attempt(confine, rows[i].what);
        cr_expect_eq(ending, rows[i].expected, "%s: %d, not %d", rows[i].name, ending,
                     rows[i].expected);
    }
}

// Sanitizers and builds without libseccomp must say so.
static bool is_possible(void)
{
    enum confinement found = CONFINED;
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit((int)by_all());
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    found = (enum confinement)WEXITSTATUS(status);
    cr_assert(WIFEXITED(status));
#if defined(HAVE_SECCOMP) && !defined(__SANITIZE_ADDRESS__)
#    if defined(__has_feature)
#        if !__has_feature(address_sanitizer)
    cr_assert_eq(found, CONFINED, "%s", confinement_text(found));
#        endif
#    else
    cr_assert_eq(found, CONFINED, "%s", confinement_text(found));
#    endif
#endif
    cr_assert_neq(found, CONFINE_REFUSED);
    return found == CONFINED;
}

// Some of the tries remove it.
static void make_file(void)
{
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, "\177ELF", 4), 4);
    close(fd);
}

static void init(void)
{
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    make_file();
    opened = open(path, O_RDONLY);
    cr_assert_geq(opened, 0);
}

static void deinit(void)
{
    close(opened);
    unlink(path);
}

TestSuite(confine, .init = init, .fini = deinit);

Test(confine, nothing_that_has_a_path)
{
    static const struct row rows[] = {
        {"open to read", try_read_path, EPERM},
        {"open to write", try_write_path, EPERM},
        {"create", try_create, EPERM},
        {"temporary file", try_temporary, EPERM},
        {"file in memory", try_memfd, EPERM},
        {"directory", try_directory, EPERM},
        {"rename", try_rename, EPERM},
        {"unlink another", try_unlink_other, EPERM},
        {"chmod", try_chmod, EPERM},
        {"fork", try_fork, EPERM},
        {"kill", try_kill, EPERM},
        {"exec", try_exec, KILLED},
        {"socket", try_socket, KILLED},
        {"local socket", try_local_socket, KILLED},
    };
    if (!is_possible())
        return;
    expect_rows(by_files, rows, LENGTH(rows));
    expect_rows(by_all, rows, LENGTH(rows));
}

Test(confine, what_a_report_needs)
{
    static const struct row rows[] = {
        {"read", try_read, 0},     {"map", try_map, 0},       {"memory", try_memory, 0},
        {"code", try_code, 0},     {"thread", try_thread, 0}, {"write", try_write, 0},
        {"unlink", try_unlink, 0},
    };
    if (is_possible())
        expect_rows(by_all, rows, LENGTH(rows));
}

Test(confine, files_are_only_read)
{
    static const struct row rows[] = {
        {"open to read", try_read_path, 0},
        {"find", try_find, 0},
        {"open to write", try_write_path, EPERM},
        {"open for both", try_update_path, EPERM},
        {"open to empty", try_empty, EPERM},
        {"create", try_create, EPERM},
        {"temporary file", try_temporary, EPERM},
        {"file in memory", try_memfd, EPERM},
        {"directory", try_directory, EPERM},
        {"rename", try_rename, EPERM},
        {"unlink another", try_unlink_other, EPERM},
        {"chmod", try_chmod, EPERM},
        {"fork", try_fork, EPERM},
        {"kill", try_kill, EPERM},
        {"exec", try_exec, KILLED},
        {"socket", try_socket, KILLED},
        {"read", try_read, 0},
        {"map", try_map, 0},
        {"memory", try_memory, 0},
        {"thread", try_thread, 0},
        {"write", try_write, 0},
        {"unlink", try_unlink, 0},
    };
    if (!is_possible())
        return;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        make_file();
        expect_rows(by_writing, &rows[i], 1);
    }
}

Test(confine, files_are_still_found_before)
{
    static const struct row rows[] = {
        {"open to read", try_read_path, 0}, {"open to write", try_write_path, 0},
        {"exec", try_exec, KILLED},         {"socket", try_socket, KILLED},
        {"thread", try_thread, 0},
    };
    if (is_possible())
        expect_rows(confine_network, rows, LENGTH(rows));
}
