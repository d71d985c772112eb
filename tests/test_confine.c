// What is forbidden fails, or kills who tries; what a report needs does not. Each in a child.
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

enum {
    KILLED = 1000,
};

static int opened; // read-only, before the lock-down
static pid_t parent;
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
    return kill(parent, 0);
}

// raise() and abort() do it to their own process.
static int try_kill_thread(void)
{
    return (int)syscall(SYS_tgkill, parent, parent, 0);
}

static int try_own(void)
{
    return fcntl(opened, F_SETOWN, parent);
}

static int try_own_thread(void)
{
    struct f_owner_ex owner = {F_OWNER_PID, parent};
    return fcntl(opened, F_SETOWN_EX, &owner);
}

static int try_control(void)
{
    int copy = fcntl(opened, F_DUPFD_CLOEXEC, 0);
    return copy >= 0 && fcntl(copy, F_GETFL) >= 0 ? fcntl(copy, F_SETFD, FD_CLOEXEC) : -1;
}

static int try_abort(void)
{
    abort();
}

static int try_signal(void)
{
    return signal(SIGUSR1, SIG_IGN) == SIG_ERR ? -1 : raise(SIGUSR1);
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

// It is none, which only the kernel can say.
static int try_terminal(void)
{
    struct winsize size;
    return isatty(opened) || errno != ENOTTY ? -1 : ioctl(opened, TIOCGWINSZ, &size);
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
    parent = getpid();
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
        {"kill by thread", try_kill_thread, EPERM},
        {"signals of a file", try_own, EPERM},
        {"signals of a file to a thread", try_own_thread, EPERM},
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
        {"read", try_read, 0},          {"map", try_map, 0},
        {"memory", try_memory, 0},      {"code", try_code, 0},
        {"thread", try_thread, 0},      {"write", try_write, 0},
        {"unlink", try_unlink, 0},      {"signal", try_signal, 0},
        {"abort", try_abort, -SIGABRT}, {"terminal", try_terminal, ENOTTY},
        {"control", try_control, 0},
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
        {"kill by thread", try_kill_thread, EPERM},
        {"signals of a file", try_own, EPERM},
        {"signals of a file to a thread", try_own_thread, EPERM},
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

// ---- Calls by their number

struct call {
    const char *name;
    long number;
    long arguments[4]; // that no kernel would take, so that EPERM is the filter's
};

static const struct call killing[] = {
    {"execve", SYS_execve, {0}},
    {"execveat", SYS_execveat, {-1}},
    {"socket", SYS_socket, {-1, -1, -1}},
    {"connect", SYS_connect, {-1}},
    {"bind", SYS_bind, {-1}},
    {"listen", SYS_listen, {-1}},
    {"accept4", SYS_accept4, {-1}},
    {"io_uring_setup", 425, {0}},
    {"ptrace", SYS_ptrace, {-1, -1}},
    {"process_vm_writev", SYS_process_vm_writev, {-1}},
#ifdef SYS_accept
    {"accept", SYS_accept, {-1}},
#endif
#ifdef SYS_socketcall
    {"socketcall", SYS_socketcall, {-1}},
#endif
};

static const struct call refused[] = {
    {"vfork and posix_spawn", SYS_clone, {CLONE_VM | CLONE_VFORK | SIGCHLD, -1}},
    {"namespaces", SYS_unshare, {-1}},
    {"namespaces of others", SYS_setns, {-1, -1}},
    {"mount", SYS_mount, {0}},
    {"openat2", 437, {-1}},
    {"pidfd_open", 434, {-1, -1}},
    {"pidfd_getfd", 438, {-1, -1}},
    {"pidfd_send_signal", 424, {-1, -1}},
    {"process_vm_readv", SYS_process_vm_readv, {-1}},
    {"tkill", SYS_tkill, {-1, -1}},
    {"rt_sigqueueinfo", SYS_rt_sigqueueinfo, {-1, -1}},
    {"link", SYS_linkat, {-1}},
    {"symbolic link", SYS_symlinkat, {0, -1}},
    {"device", SYS_mknodat, {-1}},
    {"truncate", SYS_truncate, {0}},
    {"owner", SYS_fchownat, {-1}},
    {"times", SYS_utimensat, {-1, 0, -1, -1}},
    {"change of directory", SYS_chdir, {0}},
    {"limits that are set", SYS_prlimit64, {-1, 0, 1}},
    {"limits of old", SYS_setrlimit, {-1}},
    {"input for the terminal", SYS_ioctl, {-1, TIOCSTI}},
    {"another prctl", SYS_prctl, {-1}},
    {"sockets in pairs", SYS_socketpair, {-1, -1, -1}},
    {"sendto", SYS_sendto, {-1}},
    {"sendmsg", SYS_sendmsg, {-1}},
    {"BPF", SYS_bpf, {-1}},
    {"performance counters", SYS_perf_event_open, {0}},
    {"keys", SYS_keyctl, {-1}},
    {"shared memory", SYS_shmget, {-1, -1, -1}},
    {"unlink nothing", SYS_unlinkat, {-1, 0}},
    {"no such call", 100000, {0}},
};

static const struct call *calling;

static int try_call(void)
{
    const long *arguments = calling->arguments;
    return (int)syscall(calling->number, arguments[0], arguments[1], arguments[2], arguments[3]);
}

static void expect_calls(const char *step, enum confinement (*confine)(void),
                         const struct call *calls, size_t count, int expected)
{
    for (size_t i = 0; i < count; i++) {
        calling = &calls[i];
        int ending = attempt(confine, try_call);
        cr_expect_eq(ending, expected, "%s: %s: %d, not %d", step, calls[i].name, ending, expected);
    }
}

Test(confine, what_kills)
{
    if (!is_possible())
        return;
    expect_calls("network", confine_network, killing, LENGTH(killing), KILLED);
    expect_calls("writing", by_writing, killing, LENGTH(killing), KILLED);
    expect_calls("files", by_files, killing, LENGTH(killing), KILLED);
}

Test(confine, what_is_refused)
{
    if (!is_possible())
        return;
    expect_calls("writing", by_writing, refused, LENGTH(refused), EPERM);
    expect_calls("files", by_files, refused, LENGTH(refused), EPERM);
}

// glibc makes threads by clone() then.
Test(confine, clone3_is_as_on_an_old_kernel)
{
    static const struct call clone3 = {"clone3", 435, {0}};
    if (!is_possible())
        return;
    expect_calls("writing", by_writing, &clone3, 1, ENOSYS);
    expect_calls("files", by_files, &clone3, 1, ENOSYS);
}

#ifdef __x86_64__
// By the numbers of 32-bit programs, where 11 is execve.
static int try_narrow(void)
{
    int result = 11;
    __asm__ volatile("int $0x80" : "+a"(result) : "b"(0), "c"(0), "d"(0) : "memory");
    errno = -result;
    return -1;
}

Test(confine, calls_of_32_bit)
{
    static const struct row row = {"execve", try_narrow, KILLED};
    if (!is_possible())
        return;
    expect_rows(confine_network, &row, 1);
    expect_rows(by_writing, &row, 1);
    expect_rows(by_files, &row, 1);
}
#endif

// ---- More than one thread, more than one time

static int pipes[2][2];

// Answers with what came of an attempt in this thread.
static void *open_when_told(void *argument)
{
    char byte;
    if (read(pipes[0][0], &byte, 1) == 1) {
        byte = open("/etc/passwd", O_RDONLY) < 0 ? (char)errno : 0;
        if (write(pipes[1][1], &byte, 1) != 1)
            abort();
    }
    return argument;
}

static enum confinement by_files_with_a_thread(void)
{
    pthread_t thread;
    if (pipe(pipes[0]) < 0 || pipe(pipes[1]) < 0 ||
        pthread_create(&thread, NULL, open_when_told, NULL) != 0)
        abort();
    return by_files();
}

static int try_in_old_thread(void)
{
    char byte = 0;
    if (write(pipes[0][1], &byte, 1) != 1 || read(pipes[1][0], &byte, 1) != 1)
        abort();
    errno = byte;
    return byte ? -1 : 0;
}

Test(confine, threads_that_are_there_already)
{
    static const struct row row = {"open in an older thread", try_in_old_thread, EPERM};
    if (is_possible())
        expect_rows(by_files_with_a_thread, &row, 1);
}

static int try_again(void)
{
    return confine_files(NULL, 0) == CONFINE_REFUSED ? 0 : -1;
}

// Nothing can take the last step back, or make another one.
Test(confine, last_step_is_the_last)
{
    static const struct row row = {"confine_files", try_again, 0};
    if (is_possible())
        expect_rows(by_files, &row, 1);
}

static enum confinement by_files_for_nobody(void)
{
    return confine_files(NULL, 0);
}

Test(confine, nothing_to_remove)
{
    static const struct row row = {"unlink", try_unlink, EPERM};
    if (is_possible())
        expect_rows(by_files_for_nobody, &row, 1);
}

Test(confine, every_outcome_has_its_words)
{
    static const enum confinement all[] = {CONFINED, CONFINE_NOT_BUILT, CONFINE_SANITIZED,
                                           CONFINE_REFUSED};
    for (size_t i = 0; i < LENGTH(all); i++)
        cr_expect(confinement_text(all[i]) && *confinement_text(all[i]), "%zu", i);
}
