#include "unpack_stage.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "progress.h"

// ---- Any stage

enum stage_status stage_next(struct stage *stage, const uint8_t **bytes, size_t *size)
{
    if (stage->head_taken < stage->head_size) {
        *bytes = stage->head + stage->head_taken;
        *size = stage->head_size - stage->head_taken;
        stage->head_taken = stage->head_size;
        return STAGE_MORE;
    }
    if (stage->rest_size) {
        *bytes = stage->rest;
        *size = stage->rest_size;
        stage->rest_size = 0;
        return STAGE_MORE;
    }
    if (stage->status == STAGE_MORE)
        stage->status = stage->next(stage, bytes, size);
    return stage->status;
}

const uint8_t *stage_peek(struct stage *stage, size_t *size)
{
    while (stage->head_size < STAGE_HEAD && stage->status == STAGE_MORE) {
        const uint8_t *bytes;
        size_t count, room = STAGE_HEAD - stage->head_size;
        stage->status = stage->next(stage, &bytes, &count);
        if (stage->status != STAGE_MORE)
            break;
        if (room > count)
            room = count;
        memcpy(stage->head + stage->head_size, bytes, room);
        stage->head_size += room;
        stage->rest = bytes + room;
        stage->rest_size = count - room;
    }
    *size = stage->head_size;
    return stage->head;
}

enum stage_status stage_say(struct stage *stage, enum stage_status status, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(stage->reason, sizeof(stage->reason), format, list);
    va_end(list);
    return status;
}

void stage_close(struct stage *stage)
{
    if (stage)
        stage->close(stage);
}

// ---- The input

struct file_stage {
    struct stage stage;
    int fd;
    struct progress *progress;
    uint8_t buffer[STAGE_BUFFER];
};

// Fills the buffer, as a pipe gives little at a time.
static enum stage_status file_next(struct stage *stage, const uint8_t **bytes, size_t *size)
{
    struct file_stage *file = (struct file_stage *)stage;
    size_t filled = 0;
    ssize_t count = 1;
    while (filled < sizeof(file->buffer) && count != 0) {
        count = read(file->fd, file->buffer + filled, sizeof(file->buffer) - filled);
        if (count < 0 && errno != EINTR)
            break;
        filled += count > 0 ? (size_t)count : 0;
    }
    stage->used += filled;
    progress_add(file->progress, filled);
    *bytes = file->buffer;
    *size = filled;
    if (filled) // an error will come again
        return STAGE_MORE;
    return count < 0 ? stage_say(stage, STAGE_DAMAGED, "cannot be read: %s", strerror(errno))
                     : STAGE_END;
}

static void file_close(struct stage *stage)
{
    free((struct file_stage *)stage);
}

struct stage *stage_open_file(int fd, struct progress *progress)
{
    struct file_stage *file = calloc(1, sizeof(*file));
    if (!file)
        return NULL;
    file->stage = (struct stage){.name = "file", .next = file_next, .close = file_close};
    file->fd = fd;
    file->progress = progress;
    return &file->stage;
}

// ---- gzip

struct gzip_stage {
    struct stage stage;
    enum stage_status end; // what comes after the bytes that are there; STAGE_MORE: not known yet
    bool between;          // behind a member: the input may end
    z_stream stream;
    uint8_t buffer[STAGE_BUFFER];
};

// Sees to it that there is input.
static bool gzip_feed(struct gzip_stage *gzip)
{
    struct stage *stage = &gzip->stage;
    const uint8_t *bytes;
    size_t size;
    if (gzip->stream.avail_in)
        return true;
    gzip->end = stage_next(stage->below, &bytes, &size);
    if (gzip->end == STAGE_MORE) {
        gzip->stream.next_in = (uint8_t *)bytes;
        gzip->stream.avail_in = (unsigned)size;
        return true;
    }
    if (gzip->end != STAGE_END)
        stage_say(stage, gzip->end, "%s", stage->below->reason);
    else if (!gzip->between)
        gzip->end = stage_say(stage, STAGE_DAMAGED, "truncated gzip input");
    return false;
}

// Members may follow each other (RFC 1952, 2.2). Anything else behind one is no part of it, as
// gzip(1) has it.
static void gzip_begin_member(struct gzip_stage *gzip)
{
    gzip->between = true;
    if (!gzip_feed(gzip))
        return;
    if (gzip->stream.next_in[0] != 0x1f)
        gzip->end = STAGE_END;
    else
        inflateReset(&gzip->stream);
    gzip->between = false;
}

static void gzip_inflate(struct gzip_stage *gzip)
{
    unsigned before = gzip->stream.avail_in;
    int status = inflate(&gzip->stream, Z_NO_FLUSH);
    gzip->stage.used += before - gzip->stream.avail_in;
    if (status == Z_STREAM_END)
        gzip_begin_member(gzip);
    else if (status == Z_MEM_ERROR)
        gzip->end = STAGE_NO_MEMORY;
    else if (status != Z_OK && status != Z_BUF_ERROR)
        gzip->end = stage_say(&gzip->stage, STAGE_DAMAGED, "gzip: %s",
                              gzip->stream.msg ? gzip->stream.msg : "not understood");
}

static enum stage_status gzip_next(struct stage *stage, const uint8_t **bytes, size_t *size)
{
    struct gzip_stage *gzip = (struct gzip_stage *)stage;
    gzip->stream.next_out = gzip->buffer;
    gzip->stream.avail_out = sizeof(gzip->buffer);
    while (gzip->stream.avail_out && gzip->end == STAGE_MORE && gzip_feed(gzip))
        gzip_inflate(gzip);
    *bytes = gzip->buffer;
    *size = sizeof(gzip->buffer) - gzip->stream.avail_out;
    return *size ? STAGE_MORE : gzip->end;
}

static void gzip_close(struct stage *stage)
{
    struct gzip_stage *gzip = (struct gzip_stage *)stage;
    inflateEnd(&gzip->stream);
    free(gzip);
}

struct stage *stage_open_gzip(struct stage *below)
{
    struct gzip_stage *gzip = calloc(1, sizeof(*gzip));
    if (!gzip)
        return NULL;
    gzip->stage =
        (struct stage){.name = "gzip", .below = below, .next = gzip_next, .close = gzip_close};
    if (inflateInit2(&gzip->stream, 16 + MAX_WBITS) == Z_OK)
        return &gzip->stage;
    free(gzip);
    return NULL;
}
