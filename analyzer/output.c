#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct failure *explain_output(const char *path)
{
    return failure_create(FAILURE_IO, "%s: cannot be written: %s; choose another name or directory",
                          path, strerror(errno));
}

struct failure *output_open(const char *path, const char *core, struct output *output)
{
    struct stat there, input;
    *output = (struct output){.path = path, .file = stdout};
    if (!path)
        return NULL;
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC, fd = open(path, flags | O_EXCL, 0666);
    output->created = fd >= 0;
    if (fd < 0)
        fd = open(path, flags, 0666);
    output->file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!output->file) {
        struct failure *failure = explain_output(path);
        if (fd >= 0)
            close(fd);
        return failure;
    }
    bool known = core && (strcmp(core, "-") == 0 ? fstat(STDIN_FILENO, &input) == 0
                                                 : stat(core, &input) == 0);
    if (fstat(fd, &there) == 0 && known && there.st_dev == input.st_dev &&
        there.st_ino == input.st_ino)
        return failure_create(FAILURE_USAGE, "%s: is the core itself; choose another name", path);
    return NULL;
}

void output_empty(struct output *output)
{
    struct stat stat;
    if (output->path && fstat(fileno(output->file), &stat) == 0 && S_ISREG(stat.st_mode))
        (void)!ftruncate(fileno(output->file), 0);
}

struct failure *output_close(struct output *output, bool written)
{
    if (!output->file)
        return NULL;
    bool failed = fflush(output->file) != 0 || ferror(output->file);
    if (output->path && fclose(output->file) != 0)
        failed = true;
    output->file = NULL;
    if (!written && output->created)
        unlink(output->path);
    return failed && written
               ? failure_create(FAILURE_IO, "%s: could not be written whole: %s",
                                output->path ? output->path : "standard output", strerror(errno))
               : NULL;
}
