#include "debug_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"

#ifdef HAVE_DEBUGINFOD

#    include <dlfcn.h>
#    include <elfutils/debuginfod.h>
#    include <errno.h>
#    include <time.h>
#    include <unistd.h>

// libdebuginfod's functions.
struct client_functions {
    __typeof__(debuginfod_begin) *begin;
    __typeof__(debuginfod_set_progressfn) *set_progress;
    __typeof__(debuginfod_set_user_data) *set_data;
    __typeof__(debuginfod_get_user_data) *get_data;
    __typeof__(debuginfod_find_debuginfo) *find;
    __typeof__(debuginfod_end) *end;
};

struct patience {
    unsigned seconds;
    time_t since; // when something came last
    long received;
    bool lost;
};

bool debug_server_is_built_in(void)
{
    return true;
}

static bool load_functions(struct client_functions *functions)
{
    // Global, so that wait_longer finds it; and it stays, for curl cannot be unloaded cleanly.
    void *library = dlopen(DEBUGINFOD_SONAME, RTLD_LAZY | RTLD_GLOBAL | RTLD_NODELETE);
    if (!library)
        return false;
#    define LOAD(member, name)                                                                     \
        functions->member = (__typeof__(functions->member))(uintptr_t)dlsym(library, name)
    LOAD(begin, "debuginfod_begin");
    LOAD(set_progress, "debuginfod_set_progressfn");
    LOAD(set_data, "debuginfod_set_user_data");
    LOAD(get_data, "debuginfod_get_user_data");
    LOAD(find, "debuginfod_find_debuginfo");
    LOAD(end, "debuginfod_end");
#    undef LOAD
    dlclose(library);
    return functions->begin && functions->set_progress && functions->set_data &&
           functions->get_data && functions->find && functions->end;
}

static time_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec;
}

// Called about once a second. Until a server has begun to send, `count` goes up by one with every
// call; then it is the number of bytes (elfutils, debuginfod-client.c, debuginfod_query_server).
static int wait_longer(debuginfod_client *client, long count, long total)
{
    (void)total;
    __typeof__(debuginfod_get_user_data) *get_data =
        (__typeof__(get_data))(uintptr_t)dlsym(RTLD_DEFAULT, "debuginfod_get_user_data");
    struct patience *patience = get_data ? get_data(client) : NULL;
    if (!patience)
        return 1;
    if (count > patience->received + 1)
        patience->since = now();
    patience->received = count;
    patience->lost = now() - patience->since >= (time_t)patience->seconds;
    return patience->lost;
}

static unsigned patience_seconds(void)
{
    const char *text = getenv(DEBUGINFOD_TIMEOUT_ENV_VAR);
    long seconds = text ? strtol(text, NULL, 10) : 0;
    return seconds > 0 && seconds < INT32_MAX ? (unsigned)seconds : DEBUG_SERVER_PATIENCE;
}

static char *explain(int error, const struct patience *patience)
{
    char *why = NULL;
    int length;
    const char *servers = getenv(DEBUGINFOD_URLS_ENV_VAR);
    bool silent = now() - patience->since >= (time_t)patience->seconds;
    if (!servers || !servers[strspn(servers, " ")])
        length = asprintf(&why, "%s names no server", DEBUGINFOD_URLS_ENV_VAR);
    else if (patience->lost || (error == ETIME && silent))
        length = asprintf(&why, "%s sent nothing for %u s", servers, patience->seconds);
    else if (error == ETIME) // the library's own limit, which is a speed
        length = asprintf(
            &why, "%s is too slow; " DEBUGINFOD_TIMEOUT_ENV_VAR "=SECONDS waits longer", servers);
    else if (error == ENOENT)
        length = asprintf(&why, "%s: no such file there, or no connection", servers);
    else
        length = asprintf(&why, "%s: %s", servers, strerror(error));
    return length < 0 ? NULL : why;
}

char *debug_server_fetch(const struct build_id *id, char **why)
{
    struct client_functions functions;
    struct patience patience = {.seconds = patience_seconds(), .since = now()};
    char *path = NULL;
    *why = NULL;
    if (!load_functions(&functions)) {
        *why = strdup(DEBUGINFOD_SONAME " is not on this machine");
        return NULL;
    }
    // Where it tries again after a file has begun to come, elfutils 0.188 asks curl about a handle
    // that it has freed (debuginfod-client.c, debuginfod_query_server).
    setenv("DEBUGINFOD_RETRY_LIMIT", "0", 1);
    debuginfod_client *client = functions.begin();
    if (!client) {
        *why = explain(errno, &patience);
        return NULL;
    }
    functions.set_data(client, &patience);
    functions.set_progress(client, wait_longer);
    int file = functions.find(client, id->bytes, id->size, &path);
    functions.end(client);
    if (file >= 0) {
        close(file);
        return path;
    }
    *why = explain(-file, &patience);
    return NULL;
}

#else

bool debug_server_is_built_in(void)
{
    return false;
}

char *debug_server_fetch(const struct build_id *id, char **why)
{
    (void)id;
    *why = strdup("this program was built without libdebuginfod");
    return NULL;
}

#endif
