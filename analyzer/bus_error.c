#include "bus_error.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

// A signal handler has no context of its own.
static struct {
    const char *sentence;
    const char *removed[BUS_ERROR_REMOVED_MAX];
    int status;
} ending;

static void on_bus_error(int number)
{
    (void)number;
    (void)!write(STDERR_FILENO, ending.sentence, strlen(ending.sentence));
    for (size_t i = 0; i < BUS_ERROR_REMOVED_MAX; i++)
        if (ending.removed[i])
            unlink(ending.removed[i]);
    _exit(ending.status);
}

void bus_error_catch(const char *sentence, const char *const removed[BUS_ERROR_REMOVED_MAX],
                     int status)
{
    struct sigaction action = {.sa_handler = on_bus_error};
    ending.sentence = sentence;
    ending.status = status;
    memcpy(ending.removed, removed, sizeof(ending.removed));
    sigaction(SIGBUS, &action, NULL);
}
