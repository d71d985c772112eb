#include "scratch.h"

#include <stdint.h>
#include <string.h>
#include <time.h>

#include "fakecore.h"

void write_file(const char *path, const void *bytes, size_t size)
{
    const struct fakecore_file_image image = {.bytes = (uint8_t *)bytes, .size = size};
    fakecore_write(&image, path);
}

void write_text(const char *path, const char *text)
{
    write_file(path, text, strlen(text));
}

double seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}
