// Asking debuginfod's servers: a server of the test's own, on this machine, that answers in all the
// ways in which one may.
#include "common.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "debug_file.h"
#include "debug_server.h"
#include "fakecore.h"
#include "image.h"
#include "sample_image.h"
#include "scratch.h"

static const struct build_id wanted = {4, {0xca, 0xfe, 0x00, 0x01}};

// What the server does when it is asked.
enum answer {
    SENDS,    // the file "served"
    HAS_NONE, // 404
    IS_BROKEN,
    IS_SILENT,
    STOPS,    // in the middle
    IS_SLOW,  // a little, again and again, never all
    HANGS_UP, // in the middle
};

static pid_t server;
static char urls[64];

// False: who asked has hung up, which is its right.
static bool send_text(int to, const char *text)
{
    return write(to, text, strlen(text)) >= 0;
}

static void send_file(int to)
{
    char bytes[4096], head[128];
    struct stat status;
    FILE *file = fopen("served", "rb");
    if (!file || fstat(fileno(file), &status) < 0)
        _exit(1);
    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %lld\r\n\r\n",
             (long long)status.st_size);
    send_text(to, head);
    for (size_t size; (size = fread(bytes, 1, sizeof(bytes), file)) > 0;)
        if (write(to, bytes, size) < 0)
            break;
    fclose(file);
}

static void answer(int to, enum answer how)
{
    static const char begin[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nsome bytes";
    char request[4096] = "";
    if (read(to, request, sizeof(request) - 1) <= 0)
        return;
    FILE *log = fopen("asked", "a");
    fprintf(log, "%.*s\n", (int)strcspn(request, "\r"), request);
    fclose(log);
    if (how == SENDS)
        send_file(to);
    else if (how == HAS_NONE)
        send_text(to, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    else if (how == IS_BROKEN)
        send_text(to, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    else if (how != IS_SILENT)
        send_text(to, begin);
    while (how == IS_SLOW && send_text(to, "a few more bytes"))
        usleep(100000);
    if (how == IS_SILENT || how == STOPS)
        sleep(60);
}

// On a port that is free; in a process of its own, which ends with the test's.
static void start(enum answer how)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listening < 0 || bind(listening, (struct sockaddr *)&address, size) < 0 ||
        listen(listening, 8) < 0 || getsockname(listening, (struct sockaddr *)&address, &size) < 0)
        cr_skip_test("no sockets here");
    snprintf(urls, sizeof(urls), "http://127.0.0.1:%d", ntohs(address.sin_port));
    cr_assert_eq(setenv("DEBUGINFOD_URLS", urls, 1), 0);
    server = fork();
    cr_assert_geq(server, 0);
    if (server == 0) {
        signal(SIGPIPE, SIG_IGN);
        alarm(60);
        for (int to; (to = accept(listening, NULL, NULL)) >= 0;) {
            answer(to, how);
            close(to);
        }
        _exit(0);
    }
    close(listening);
}

static void init(void)
{
    static const char *const unset[] = {"http_proxy",
                                        "all_proxy",
                                        "ALL_PROXY",
                                        "DEBUGINFOD_URLS",
                                        "DEBUGINFOD_TIMEOUT",
                                        "DEBUGINFOD_MAXTIME",
                                        "DEBUGINFOD_RETRY_LIMIT",
                                        "DEBUGINFOD_PROGRESS",
                                        "DEBUGINFOD_VERBOSE"};
    fakecore_enter_scratch();
    for (size_t i = 0; i < LENGTH(unset); i++)
        unsetenv(unset[i]);
    char directory[4096];
    cr_assert_not_null(getcwd(directory, sizeof(directory)));
    strcat(directory, "/cache");
    cr_assert_eq(setenv("DEBUGINFOD_CACHE_PATH", directory, 1), 0);
    cr_assert_eq(setenv("DEBUGINFOD_TIMEOUT", "2", 1), 0);
    if (!debug_server_is_built_in())
        cr_skip_test("built without libdebuginfod");
}

static void deinit(void)
{
    if (server > 0) {
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
    }
    fakecore_leave_scratch();
}

TestSuite(debug_server, .init = init, .fini = deinit);

static void expect_file(const char *text)
{
    char *why, *path = debug_server_fetch(&wanted, &why), read[64] = "";
    cr_assert_not_null(path, "%s", why);
    cr_assert_null(why);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    cr_expect_gt(fread(read, 1, sizeof(read) - 1, file), 0);
    fclose(file);
    cr_expect_str_eq(read, text);
    cr_expect_eq(
        strncmp(path, getenv("DEBUGINFOD_CACHE_PATH"), strlen(getenv("DEBUGINFOD_CACHE_PATH"))), 0,
        "%s", path);
    free(path);
}

// Nothing came, for that reason, within so many seconds.
static void expect_none(const char *reason, double least, double most)
{
    char *why = NULL;
    double from = seconds();
    char *path = debug_server_fetch(&wanted, &why);
    double lasted = seconds() - from;
    cr_assert_null(path, "%s", path);
    cr_assert_not_null(why);
    cr_expect_str_eq(why, reason);
    cr_expect(lasted >= least && lasted <= most, "%s: %.1f s", why, lasted);
    free(why);
}

static const char *reason(const char *text)
{
    static char whole[256];
    snprintf(whole, sizeof(whole), "%s%s", urls, text);
    return whole;
}

static unsigned count_questions(const char *id)
{
    char line[256], question[64];
    unsigned count = 0;
    snprintf(question, sizeof(question), "GET /buildid/%s/debuginfo ", id);
    FILE *file = fopen("asked", "r");
    while (file && fgets(line, sizeof(line), file)) {
        cr_expect_eq(strncmp(line, question, strlen(question)), 0, "%s", line);
        count++;
    }
    if (file)
        fclose(file);
    return count;
}

Test(debug_server, file_that_is_there)
{
    write_text("served", "a debug file");
    start(SENDS);
    expect_file("a debug file");
    cr_expect_eq(count_questions("cafe0001"), 1);
    expect_file("a debug file"); // out of the cache
    cr_expect_eq(count_questions("cafe0001"), 1);
}

Test(debug_server, file_that_is_not_there)
{
    start(HAS_NONE);
    expect_none(reason(": no such file there, or no connection"), 0, 5);
    cr_expect_geq(count_questions("cafe0001"), 1);
}

// The second has what the first has not.
Test(debug_server, several_servers)
{
    write_text("served", "a debug file");
    start(HAS_NONE);
    char both[160], first[64];
    pid_t other = server;
    strcpy(first, urls);
    start(SENDS);
    snprintf(both, sizeof(both), "%s %s", first, urls);
    cr_assert_eq(setenv("DEBUGINFOD_URLS", both, 1), 0);
    expect_file("a debug file");
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
}

Test(debug_server, nobody_listens)
{
    start(SENDS);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    server = 0;
    expect_none(reason(": Connection refused"), 0, 5);
}

Test(debug_server, server_that_is_broken)
{
    start(IS_BROKEN);
    expect_none(reason(": no such file there, or no connection"), 0, 5);
}

Test(debug_server, server_that_hangs_up)
{
    start(HANGS_UP);
    expect_none(reason(": no such file there, or no connection"), 0, 5);
    cr_expect_eq(count_questions("cafe0001"), 1);
}

Test(debug_server, no_server_is_named)
{
    static const char *const values[] = {NULL, "", " "};
    for (size_t i = 0; i < LENGTH(values); i++) {
        if (values[i])
            setenv("DEBUGINFOD_URLS", values[i], 1);
        expect_none("DEBUGINFOD_URLS names no server", 0, 1);
    }
}

// ---- Patience

Test(debug_server, server_that_is_silent)
{
    start(IS_SILENT);
    expect_none(reason(" sent nothing for 2 s"), 1, 6);
}

Test(debug_server, server_that_stops)
{
    start(STOPS);
    expect_none(reason(" sent nothing for 2 s"), 1, 6);
}

// It does send, though never so much that it is worth to wait for.
Test(debug_server, server_that_is_slow)
{
    start(IS_SLOW);
    expect_none(reason(" is too slow; DEBUGINFOD_TIMEOUT=SECONDS waits longer"), 1, 6);
    cr_expect_eq(count_questions("cafe0001"), 1, "it is asked again, of freed memory");
}

// ---- By whom it is asked

// The stripped y.so has no debug file but the one that is served.
static struct debug_file search(bool ask_servers)
{
    struct debug_file found;
    struct image *image = open_file("y.so");
    const struct debug_file_options options = {.path = "none", .ask_servers = ask_servers};
    struct failure *failure = debug_file_find(image, "/usr/lib/y.so", &options, &found);
    cr_assert_null(failure, "%s", failure ? failure_text(failure) : "");
    cr_expect_eq(image->detached != NULL, found.source != DEBUG_FILE_NONE);
    image_close(image);
    return found;
}

static void serve_debug_file(const char *other_id)
{
    char command[256];
    image_close(compile_units("-Wl,--build-id=0xcafe0001"));
    run_tool("strip -o y.so x.so");
    if (other_id) {
        snprintf(command, sizeof(command), "-Wl,--build-id=0x%s", other_id);
        image_close(compile_units(command));
    }
    run_tool("objcopy --only-keep-debug x.so served");
    start(SENDS);
}

Test(debug_server, only_who_is_told_to_asks)
{
    serve_debug_file(NULL);
    struct debug_file found = search(false);
    cr_expect_eq(found.source, DEBUG_FILE_NONE);
    cr_expect_eq(count_questions("cafe0001"), 0);
    debug_file_deinit(&found);
    found = search(true);
    cr_expect_eq(found.source, DEBUG_FILE_BY_SERVER, "%s", found.notes[0]);
    cr_expect_eq(found.note_count, 0);
    cr_expect_eq(count_questions("cafe0001"), 1);
    debug_file_deinit(&found);
}

// What comes from a server is looked at as any other file is.
Test(debug_server, another_file_than_was_asked_for)
{
    serve_debug_file("cafe0002");
    struct debug_file found = search(true);
    cr_expect_eq(found.source, DEBUG_FILE_NONE);
    cr_assert_eq(found.note_count, 1);
    cr_expect_not_null(strstr(found.notes[0], "(build-id cafe0002, not cafe0001)"), "%s",
                       found.notes[0]);
    debug_file_deinit(&found);
}

Test(debug_server, why_not_is_told)
{
    serve_debug_file(NULL);
    cr_assert_eq(unsetenv("DEBUGINFOD_URLS"), 0);
    struct debug_file found = search(true);
    cr_expect_eq(found.source, DEBUG_FILE_NONE);
    cr_assert_eq(found.note_count, 1);
    cr_expect_str_eq(found.notes[0], "debuginfod has nothing for y.so (build-id cafe0001): "
                                     "DEBUGINFOD_URLS names no server");
    debug_file_deinit(&found);
}
