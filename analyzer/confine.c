#include "confine.h"

const char *confinement_text(enum confinement confinement)
{
    static const char *const texts[] = {
        [CONFINED] = "it is",
        [CONFINE_NOT_BUILT] = "this program was built without libseccomp (-Dseccomp=enabled)",
        [CONFINE_SANITIZED] = "this program was built with a sanitizer, which needs files",
        [CONFINE_REFUSED] = "the kernel takes no seccomp filter",
    };
    return texts[confinement];
}

#if defined(__has_feature)
#    if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                     \
        __has_feature(memory_sanitizer)
#        define SANITIZED
#    endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#    define SANITIZED
#endif

#if defined(HAVE_SECCOMP) && !defined(SANITIZED)

#    include <errno.h>
#    include <fcntl.h>
#    include <sched.h>
#    include <seccomp.h>
#    include <stdbool.h>
#    include <stdint.h>
#    include <sys/ioctl.h>
#    include <sys/prctl.h>
#    include <unistd.h>

#    define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

// Not on every architecture is there each of these: those that libseccomp does not know there are
// negative.
static const int killing[] = {
    SCMP_SYS(execve),  SCMP_SYS(execveat),       SCMP_SYS(socket), SCMP_SYS(socketcall),
    SCMP_SYS(connect), SCMP_SYS(bind),           SCMP_SYS(listen), SCMP_SYS(accept),
    SCMP_SYS(accept4), SCMP_SYS(io_uring_setup), SCMP_SYS(ptrace), SCMP_SYS(process_vm_writev),
};

static const int allowed[] = {
    // open files
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(pread64),
    SCMP_SYS(preadv),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(pwrite64),
    SCMP_SYS(lseek),
    SCMP_SYS(_llseek),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(fstat64),
    SCMP_SYS(newfstatat),
    SCMP_SYS(fstatat64),
    SCMP_SYS(statx),
    SCMP_SYS(ftruncate),
    SCMP_SYS(ftruncate64),
    // memory; Unicorn makes code, so PROT_EXEC is needed too
    SCMP_SYS(mmap),
    SCMP_SYS(mmap2),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(mprotect),
    SCMP_SYS(madvise),
    SCMP_SYS(mincore),
    SCMP_SYS(brk),
    // threads
    SCMP_SYS(futex),
    SCMP_SYS(futex_time64),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(gettid),
    SCMP_SYS(getpid),
    SCMP_SYS(membarrier),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    // signals
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    // clocks, and how much memory there is (glibc's qsort asks)
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_gettime64),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(clock_nanosleep_time64),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getrandom),
    SCMP_SYS(sysinfo),
    SCMP_SYS(uname),
    SCMP_SYS(getrlimit),
    SCMP_SYS(ugetrlimit),
};

// To find files, and to make the filter of the last step.
static const int finding[] = {
    SCMP_SYS(stat),       SCMP_SYS(stat64),   SCMP_SYS(lstat),     SCMP_SYS(lstat64),
    SCMP_SYS(access),     SCMP_SYS(statfs),   SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
    SCMP_SYS(readlink),   SCMP_SYS(fstatfs),  SCMP_SYS(statfs64),  SCMP_SYS(fstatfs64),
    SCMP_SYS(readlinkat), SCMP_SYS(getdents), SCMP_SYS(getcwd),    SCMP_SYS(getdents64),
    SCMP_SYS(seccomp),
};

static bool add_all(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (calls[i] >= 0 && seccomp_rule_add(filter, action, calls[i], 0) != 0)
            return false;
    return true;
}

static bool add_special(scmp_filter_ctx filter)
{
    const uint64_t thread = CLONE_THREAD;
    return
        // clone3 has its flags in memory, where no filter sees them: glibc then takes clone, which
        // may make threads and no processes.
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0 &&
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                         SCMP_A0(SCMP_CMP_MASKED_EQ, thread, thread)) == 0 &&
        // Is it a terminal, and how wide?
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                         SCMP_A1(SCMP_CMP_EQ, TCGETS)) == 0 &&
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                         SCMP_A1(SCMP_CMP_EQ, TIOCGWINSZ)) == 0 &&
        // abort() and raise(), not to other processes.
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                         SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid())) == 0 &&
        // Looked at (pthread_getattr_np), not set.
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, SCMP_A2(SCMP_CMP_EQ, 0)) ==
            0;
}

// Not F_SETOWN and what follows it, by which other processes get signals.
static bool add_control(scmp_filter_ctx filter)
{
    static const int calls[] = {SCMP_SYS(fcntl), SCMP_SYS(fcntl64)};
    bool complete = true;
    for (size_t i = 0; i < LENGTH(calls); i++)
        complete = complete &&
                   (calls[i] < 0 || (seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 1,
                                                      SCMP_A1(SCMP_CMP_LT, F_SETOWN)) == 0 &&
                                     seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 1,
                                                      SCMP_A1(SCMP_CMP_EQ, F_DUPFD_CLOEXEC)) == 0));
    return complete;
}

static bool add_opening(scmp_filter_ctx filter)
{
    const uint64_t writing = O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);
    // openat2 has its flags in memory; nothing here calls it.
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
                            SCMP_A1(SCMP_CMP_MASKED_EQ, writing, O_RDONLY)) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
                            SCMP_A2(SCMP_CMP_MASKED_EQ, writing, O_RDONLY)) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
                            SCMP_A0(SCMP_CMP_EQ, PR_SET_NO_NEW_PRIVS)) == 0;
}

static bool add_removable(scmp_filter_ctx filter, const char *path)
{
    scmp_datum_t pointer = (uintptr_t)path;
    return !path || (seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(unlink), 1,
                                      SCMP_A0(SCMP_CMP_EQ, pointer)) == 0 &&
                     seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(unlinkat), 1,
                                      SCMP_A1(SCMP_CMP_EQ, pointer)) == 0);
}

static enum confinement load(scmp_filter_ctx filter, bool complete)
{
    // With TSYNC threads that are there already come under it too.
    bool loaded = complete && seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) == 0 &&
                  seccomp_load(filter) == 0;
    seccomp_release(filter);
    return loaded ? CONFINED : CONFINE_REFUSED;
}

enum confinement confine_network(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    return filter ? load(filter, add_all(filter, SCMP_ACT_KILL_PROCESS, killing, LENGTH(killing)))
                  : CONFINE_REFUSED;
}

// What both of the later steps have. NULL: the filter cannot be made.
static scmp_filter_ctx begin_closed(const char *const *removable, size_t count)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return NULL;
    bool complete = add_all(filter, SCMP_ACT_KILL_PROCESS, killing, LENGTH(killing)) &&
                    add_all(filter, SCMP_ACT_ALLOW, allowed, LENGTH(allowed)) &&
                    add_special(filter) && add_control(filter);
    for (size_t i = 0; i < count; i++)
        complete = complete && add_removable(filter, removable[i]);
    if (complete)
        return filter;
    seccomp_release(filter);
    return NULL;
}

enum confinement confine_writing(const char *const *removable, size_t count)
{
    scmp_filter_ctx filter = begin_closed(removable, count);
    return filter ? load(filter, add_all(filter, SCMP_ACT_ALLOW, finding, LENGTH(finding)) &&
                                     add_opening(filter))
                  : CONFINE_REFUSED;
}

enum confinement confine_files(const char *const *removable, size_t count)
{
    scmp_filter_ctx filter = begin_closed(removable, count);
    return filter ? load(filter, true) : CONFINE_REFUSED;
}

#else

#    ifdef SANITIZED
#        define WHY_NOT CONFINE_SANITIZED
#    else
#        define WHY_NOT CONFINE_NOT_BUILT
#    endif

enum confinement confine_network(void)
{
    return WHY_NOT;
}

enum confinement confine_writing(const char *const *removable, size_t count)
{
    return confine_files(removable, count);
}

enum confinement confine_files(const char *const *removable, size_t count)
{
    (void)removable;
    (void)count;
    return WHY_NOT;
}

#endif
