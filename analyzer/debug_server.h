// Asks debuginfod's servers for the debug file of a build-id, through elfutils' libdebuginfod.
//
// This is the only place that uses the network, and only when it is called: that the environment
// names servers (DEBUGINFOD_URLS) is not enough. The library is loaded by the first call, since it
// brings all of libcurl along. What it fetches stays in its cache ($DEBUGINFOD_CACHE_PATH, else
// ~/.cache/debuginfod_client).
#ifndef ANALYZER_DEBUG_SERVER_H
#define ANALYZER_DEBUG_SERVER_H

#include <stdbool.h>

struct build_id;

enum {
    // A server that sends nothing for so many seconds is given up; $DEBUGINFOD_TIMEOUT, if that is
    // a number, is used instead.
    DEBUG_SERVER_PATIENCE = 20
};

bool debug_server_is_built_in(void);

// The path of the file in the cache, the caller's to free. NULL: *why (the caller's to free too,
// NULL when there was no memory) is a clause that says why there is none.
char *debug_server_fetch(const struct build_id *id, char **why);

#endif
