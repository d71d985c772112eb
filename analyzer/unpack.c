#include "unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "progress.h"
#include "unpack_file.h"
#include "unpack_stage.h"

// What a core may be wrapped in, by content.
static const struct layer {
    const char *name;
    const char *words;
    const char *command; // that unpacks it to standard output, for a build without libarchive
    uint16_t offset;
    uint8_t size;
    uint8_t magic[12];
} layers[] = {
    {"zstd", "compressed with zstd", "zstd -dc", 0, 4, {0x28, 0xb5, 0x2f, 0xfd}},
    {"lz4", "compressed with lz4", "lz4 -dc", 0, 4, {0x04, 0x22, 0x4d, 0x18}},
    {"xz", "compressed with xz", "xz -dc", 0, 6, {0xfd, '7', 'z', 'X', 'Z', 0}},
    {"gzip", "compressed with gzip", "gzip -dc", 0, 3, {0x1f, 0x8b, 0x08}},
    {"bzip2", "compressed with bzip2", "bzip2 -dc", 0, 3, {'B', 'Z', 'h'}},
    {"tar", "a tar archive", "tar -xO", 257, 5, {'u', 's', 't', 'a', 'r'}},
    {"zip", "a zip archive", "funzip", 0, 4, {'P', 'K', 3, 4}},
    {"apport", "apport's report", "apport-unpack", 0, 12, "ProblemType:"},
};

static const struct layer *find_layer(const uint8_t *head, size_t size)
{
    for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++)
        if (size >= (size_t)layers[i].offset + layers[i].size &&
            !memcmp(head + layers[i].offset, layers[i].magic, layers[i].size))
            return &layers[i];
    return NULL;
}

static bool is_elf(const uint8_t *head, size_t size)
{
    return size >= 4 && !memcmp(head,
                                "\x7f"
                                "ELF",
                                4);
}

// ---- The input

static struct failure *explain_open(int error)
{
    const char *advice = "check the name";
    if (error == EACCES || error == EPERM)
        advice = "run this as the core's owner";
    return failure_create(FAILURE_IO, "cannot open the core: %s; %s", strerror(error), advice);
}

static struct failure *explain_empty(void)
{
    return failure_create(FAILURE_IO,
                          "empty file (0 bytes), the core was never written; check ulimit "
                          "-c and the free space where it was made");
}

static bool is_pipe(const struct stat *stat)
{
    return S_ISFIFO(stat->st_mode) || S_ISSOCK(stat->st_mode);
}

static struct failure *check_kind_of_file(int fd, const struct stat *stat)
{
    if (S_ISDIR(stat->st_mode))
        return failure_create(FAILURE_IO, "a directory, not a core; pass the core file in it");
    if (isatty(fd))
        return failure_create(FAILURE_IO, "a terminal, not a core; use a pipe or a file");
    if (!S_ISREG(stat->st_mode) && !is_pipe(stat))
        return failure_create(FAILURE_IO,
                              "neither a regular file nor a pipe (st_mode 0%o); save the core "
                              "to a file first",
                              (unsigned)stat->st_mode);
    if (S_ISREG(stat->st_mode) && stat->st_size == 0)
        return explain_empty();
    return NULL;
}

// A pipe's writer is waited for, as everybody does. Opening anything else must not block.
static int open_path(const char *path)
{
    struct stat there;
    if (strcmp(path, "-") == 0)
        return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
    bool fifo = stat(path, &there) == 0 && S_ISFIFO(there.st_mode);
    return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (fifo ? 0 : O_NONBLOCK));
}

static struct failure *open_input(const char *path, int *fd, struct stat *stat)
{
    *fd = open_path(path);
    if (*fd < 0 || fstat(*fd, stat) < 0)
        return explain_open(errno);
    return check_kind_of_file(*fd, stat);
}

// Standard input that somebody has read from already begins where that one ended.
static bool is_at_beginning(int fd, const struct stat *stat)
{
    return S_ISREG(stat->st_mode) && lseek(fd, 0, SEEK_CUR) == 0;
}

static bool is_plain(int fd, const struct stat *stat)
{
    uint8_t head[STAGE_HEAD];
    if (!is_at_beginning(fd, stat))
        return false;
    ssize_t size = pread(fd, head, sizeof(head), 0);
    return size >= 0 && (is_elf(head, (size_t)size) || !find_layer(head, (size_t)size));
}

// ---- The layers

struct stack {
    struct stage *stages[UNPACK_LAYERS_MAX + 1]; // the first reads the input
    size_t count;
};

static struct stage *top(const struct stack *stack)
{
    return stack->stages[stack->count - 1];
}

static bool push(struct stack *stack, struct stage *stage)
{
    if (stage)
        stack->stages[stack->count++] = stage;
    return stage;
}

static void close_stack(struct stack *stack)
{
    while (stack->count)
        stage_close(stack->stages[--stack->count]);
}

static struct failure *push_layer(struct stack *stack, const struct layer *layer)
{
    if (stack->count > UNPACK_LAYERS_MAX)
        return failure_create(FAILURE_NOT_A_CORE, "packed more than %d times over; unpack it first",
                              UNPACK_LAYERS_MAX);
    if (strcmp(layer->name, "gzip") == 0)
        return push(stack, stage_open_gzip(top(stack))) ? NULL : failure_no_memory();
#ifdef HAVE_LIBARCHIVE
    struct stage *stage = strcmp(layer->name, "apport") == 0
                              ? stage_open_apport(top(stack))
                              : stage_open_archive(layer->name, top(stack));
    return push(stack, stage) ? NULL : failure_no_memory();
#else
    return failure_create(FAILURE_UNSUPPORTED,
                          "%s, and this program was built without libarchive; unpack it with "
                          "%s and pipe it here (- is standard input)",
                          layer->words, layer->command);
#endif
}

static bool is_text(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((bytes[i] < ' ' || bytes[i] == 0x7f) && !strchr("\t\n\r\f", bytes[i]))
            return false;
    return size > 0;
}

static struct failure *explain_contents(const struct stack *stack, const uint8_t *head, size_t size)
{
    const struct stage *stage = top(stack);
    char first[4 * 3 + 1] = "";
    if (stage->status == STAGE_NO_MEMORY)
        return failure_no_memory();
    if (stage->status == STAGE_REFUSED)
        return failure_create(FAILURE_NOT_A_CORE,
                              "%s, not a core; pass the core itself, or pipe it here (- is "
                              "standard input)",
                              stage->reason);
    if (stage->status == STAGE_DAMAGED && size == 0)
        return failure_create(FAILURE_DAMAGED, "nothing of it can be unpacked: %s; copy it again",
                              stage->reason);
    if (size == 0 && stack->count == 1)
        return explain_empty();
    for (size_t i = 0; i < 4 && i < size; i++)
        snprintf(first + 3 * i, sizeof(first) - 3 * i, " %02x", head[i]);
    return failure_create(FAILURE_NOT_A_CORE, "what %s%s is %s%s, not an ELF core; pass the core",
                          stack->count > 1 ? "is packed in it by " : "came",
                          stack->count > 1 ? stage->name : "",
                          size == 0             ? "nothing"
                          : is_text(head, size) ? "text"
                                                : "something that begins with",
                          is_text(head, size) ? "" : first);
}

// Takes off layers until there is ELF.
static struct failure *open_layers(struct stack *stack)
{
    for (;;) {
        size_t size;
        const uint8_t *head = stage_peek(top(stack), &size);
        if (is_elf(head, size))
            return NULL;
        const struct layer *layer = find_layer(head, size);
        if (!layer)
            return explain_contents(stack, head, size);
        struct failure *failure = push_layer(stack, layer);
        if (failure)
            return failure;
    }
}

// ---- All of it

static struct failure *note_damage(const struct stack *stack, const struct stage *damaged,
                                   struct unpacked *unpacked)
{
    unpacked->damage = strdup(damaged->reason);
    unpacked->damage_at = stack->stages[stack->count > 1]->used;
    return unpacked->damage ? NULL : failure_no_memory();
}

// Reads what a layer has behind the core, for the sum at its end: an archive ends before that.
static struct failure *drain(const struct stack *stack, struct stage *stage, uint64_t limit,
                             struct unpacked *unpacked)
{
    enum stage_status status;
    const uint8_t *bytes;
    size_t size;
    while ((status = stage_next(stage, &bytes, &size)) == STAGE_MORE) {
        if (size > limit)
            return unpack_file_explain_limit(limit);
        limit -= size;
    }
    if (status == STAGE_NO_MEMORY)
        return failure_no_memory();
    return status == STAGE_DAMAGED ? note_damage(stack, stage, unpacked) : NULL;
}

static struct failure *copy(const struct stack *stack, uint64_t limit, struct unpack_file *file,
                            struct unpacked *unpacked)
{
    struct failure *failure = NULL;
    enum stage_status status = STAGE_MORE;
    while (status == STAGE_MORE && !failure) {
        const uint8_t *bytes;
        size_t size;
        status = stage_next(top(stack), &bytes, &size);
        if (status == STAGE_MORE)
            failure = unpack_file_write(file, bytes, size);
    }
    if (!failure && status == STAGE_DAMAGED)
        failure = note_damage(stack, top(stack), unpacked);
    else if (!failure && status != STAGE_END)
        failure = explain_contents(stack, NULL, 0);
    // Not the input itself, which may be a pipe that goes on.
    for (size_t i = stack->count - 1; i > 1 && !failure && !unpacked->damage; i--)
        failure = drain(stack, stack->stages[i - 1], limit, unpacked);
    return failure;
}

static struct failure *unpack(struct stack *stack, const struct unpack_options *options,
                              struct unpacked *unpacked, int *fd)
{
    struct unpack_file *file;
    struct failure *failure = open_layers(stack);
    if (failure)
        return failure;
    for (size_t i = 1; i < stack->count; i++)
        unpacked->layers[unpacked->layer_count++] = stack->stages[i]->name;
    // What is no hole takes about as much as it was packed into, or more; base64 a quarter less.
    uint64_t least = unpacked->packed_size / 4 * 3;
    failure = unpack_file_create(options, least, unpacked, &file);
    if (failure)
        return failure;
    uint64_t limit = options->limit ? options->limit : UNPACK_LIMIT_DEFAULT;
    failure = copy(stack, limit, file, unpacked);
    if (!failure)
        failure = unpack_file_finish(file, unpacked, fd);
    unpack_file_destroy(file);
    if (unpacked->piped)
        unpacked->packed_size = stack->stages[0]->used;
    return failure;
}

static struct failure *unpack_input(const struct unpack_options *options, int input,
                                    const struct stat *stat, int *fd, struct unpacked **made)
{
    struct stack stack = {.count = 0};
    struct unpacked *unpacked = calloc(1, sizeof(*unpacked));
    if (!unpacked)
        return failure_no_memory();
    unpacked->piped = !is_at_beginning(input, stat);
    unpacked->packed_size = unpacked->piped ? 0 : (uint64_t)stat->st_size;
    progress_phase(options->progress, "unpacking the core", "bytes", unpacked->packed_size);
    struct failure *failure =
        push(&stack, stage_open_file(input, options->progress)) ? NULL : failure_no_memory();
    if (!failure)
        failure = unpack(&stack, options, unpacked, fd);
    close_stack(&stack);
    progress_phase(options->progress, NULL, NULL, 0);
    if (failure)
        unpacked_destroy(unpacked);
    else
        *made = unpacked;
    return failure;
}

struct failure *unpack_open(const char *path, const struct unpack_options *options, int *fd,
                            struct unpacked **unpacked)
{
    static const struct unpack_options defaults;
    struct stat stat;
    int input;
    struct failure *failure = open_input(path, &input, &stat);
    if (!failure && is_plain(input, &stat)) {
        *fd = input;
        *unpacked = NULL;
        return NULL;
    }
    if (!failure)
        failure = unpack_input(options ? options : &defaults, input, &stat, fd, unpacked);
    if (input >= 0)
        close(input);
    return failure ? failure_prefix(failure, "%s", path) : NULL;
}

void unpacked_destroy(struct unpacked *unpacked)
{
    if (!unpacked)
        return;
    for (size_t i = 0; i < unpacked->note_count; i++)
        free(unpacked->notes[i]);
    free(unpacked->damage);
    free(unpacked->directory);
    free(unpacked);
}

struct failure *unpacked_explain(const struct unpacked *unpacked, struct failure *failure)
{
    if (!failure || !unpacked || !unpacked->damage)
        return failure;
    return failure_prefix(failure, "unpacked up to byte %llu, then damaged (%s)",
                          (unsigned long long)unpacked->damage_at, unpacked->damage);
}
