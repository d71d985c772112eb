#include "emulator_guard.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

// Where this thread's abort leads; a handler has no other way to know.
static _Thread_local sigjmp_buf *way_out;
static struct sigaction before;

static void on_abort(int number, siginfo_t *info, void *context)
{
    if (way_out)
        siglongjmp(*way_out, 1);
    if (before.sa_flags & SA_SIGINFO)
        before.sa_sigaction(number, info, context);
    else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
        before.sa_handler(number);
    // With no handler before: abort() itself goes on when this returns.
}

static void install(void)
{
    // Not blocked in the handler, so that jumping out has no mask to put back.
    struct sigaction action = {.sa_sigaction = on_abort, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    sigaction(SIGABRT, &action, &before);
}

bool emulator_guard_run(void (*work)(void *context), void *context)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    sigjmp_buf here;
    pthread_once(&once, install);
    if (sigsetjmp(here, 0) != 0) {
        way_out = NULL;
        return false;
    }
    way_out = &here;
    work(context);
    way_out = NULL;
    return true;
}
