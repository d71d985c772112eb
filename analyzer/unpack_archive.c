// Filters and archives, by libarchive. Only the one that is there by its content is enabled, as
// some of libarchive's filters run other programs.
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unpack_stage.h"

static const struct archive_kind {
    const char *name;
    int (*support)(struct archive *archive);
    int filter; // its ARCHIVE_FILTER_*; ARCHIVE_FILTER_NONE: it is an archive
} kinds[] = {
    {"zstd", archive_read_support_filter_zstd, ARCHIVE_FILTER_ZSTD},
    {"lz4", archive_read_support_filter_lz4, ARCHIVE_FILTER_LZ4},
    {"xz", archive_read_support_filter_xz, ARCHIVE_FILTER_XZ},
    {"bzip2", archive_read_support_filter_bzip2, ARCHIVE_FILTER_BZIP2},
    {"tar", archive_read_support_format_tar, ARCHIVE_FILTER_NONE},
    {"zip", archive_read_support_format_zip_streamable, ARCHIVE_FILTER_NONE},
};

struct archive_stage {
    struct stage stage;
    const struct archive_kind *kind;
    struct archive *archive;
    bool open;               // at the data of a member
    enum stage_status below; // what ended the stage below
    int64_t given;           // bytes of the member
    int64_t at;              // where the block begins: before it a sparse member has a hole
    const uint8_t *block;
    size_t block_size;
};

static const uint8_t zeroes[64 << 10];

static la_ssize_t read_below(struct archive *archive, void *context, const void **bytes)
{
    struct archive_stage *stage = context;
    const uint8_t *block;
    size_t size;
    stage->below = stage_next(stage->stage.below, &block, &size);
    *bytes = block;
    if (stage->below == STAGE_MORE)
        return (la_ssize_t)size;
    if (stage->below == STAGE_END)
        return 0;
    archive_set_error(archive, EIO, "%s", stage->stage.below->reason);
    return ARCHIVE_FATAL;
}

// What libarchive says, unless it is only the bearer.
static enum stage_status explain(struct archive_stage *stage)
{
    const char *text = archive_error_string(stage->archive);
    if (stage->below != STAGE_MORE && stage->below != STAGE_END)
        return stage_say(&stage->stage, stage->below, "%s", stage->stage.below->reason);
    if (archive_errno(stage->archive) == ENOMEM)
        return STAGE_NO_MEMORY;
    return stage_say(&stage->stage, STAGE_DAMAGED, "%s", text ? text : "not understood");
}

// A filter that is not for these bytes after all would hand them through as they are.
static bool is_filtered(const struct archive_stage *stage)
{
    return archive_filter_code(stage->archive, 0) == stage->kind->filter;
}

// The next member that is a file; of a filter, all there is.
static enum stage_status open_member(struct archive_stage *stage)
{
    struct archive_entry *entry;
    int status;
    do
        status = archive_read_next_header(stage->archive, &entry);
    while (status == ARCHIVE_OK && stage->kind->filter == ARCHIVE_FILTER_NONE &&
           archive_entry_filetype(entry) != AE_IFREG);
    if (status == ARCHIVE_EOF)
        return STAGE_END;
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
        return explain(stage);
    if (!is_filtered(stage))
        return stage_say(&stage->stage, STAGE_DAMAGED, "the header of %s is damaged",
                         stage->kind->name);
    stage->open = true;
    return STAGE_MORE;
}

// There must be no other member behind the one that was read.
static enum stage_status end_member(struct archive_stage *stage)
{
    stage->open = false;
    if (stage->kind->filter != ARCHIVE_FILTER_NONE)
        return STAGE_END;
    enum stage_status status = open_member(stage);
    return status == STAGE_MORE ? stage_say(&stage->stage, STAGE_REFUSED,
                                            "a %s archive of several files", stage->kind->name)
                                : status;
}

static enum stage_status read_block(struct archive_stage *stage)
{
    const void *block;
    while (!stage->block_size && stage->given == stage->at) {
        int status =
            archive_read_data_block(stage->archive, &block, &stage->block_size, &stage->at);
        if (status != ARCHIVE_OK)
            stage->block_size = 0;
        if (status == ARCHIVE_EOF && stage->at <= stage->given)
            return end_member(stage);
        if (status != ARCHIVE_OK && status != ARCHIVE_EOF)
            return explain(stage);
        if (stage->at < stage->given)
            return stage_say(&stage->stage, STAGE_DAMAGED, "%s: a block lies where another is",
                             stage->kind->name);
        stage->block = block;
    }
    return STAGE_MORE;
}

static enum stage_status archive_next(struct stage *base, const uint8_t **bytes, size_t *size)
{
    struct archive_stage *stage = (struct archive_stage *)base;
    enum stage_status status = stage->open ? STAGE_MORE : open_member(stage);
    if (status == STAGE_MORE)
        status = read_block(stage);
    int64_t used = archive_filter_bytes(stage->archive, -1);
    base->used = used > 0 ? (uint64_t)used : 0;
    if (status != STAGE_MORE)
        return status;
    if (stage->given < stage->at) {
        *bytes = zeroes;
        *size = sizeof(zeroes);
        if ((uint64_t)(stage->at - stage->given) < sizeof(zeroes))
            *size = (size_t)(stage->at - stage->given);
    } else {
        *bytes = stage->block;
        *size = stage->block_size;
        stage->at += (int64_t)stage->block_size;
        stage->block_size = 0;
    }
    stage->given += (int64_t)*size;
    return STAGE_MORE;
}

static void archive_close(struct stage *base)
{
    struct archive_stage *stage = (struct archive_stage *)base;
    archive_read_free(stage->archive);
    free(stage);
}

// Without the library for a filter, libarchive would run a program for it, and warns.
static enum stage_status set_up(struct archive_stage *stage)
{
    struct archive *archive = stage->archive;
    int status = archive ? stage->kind->support(archive) : ARCHIVE_FATAL;
    if (status == ARCHIVE_WARN)
        return stage_say(&stage->stage, STAGE_REFUSED, "%s, which this libarchive does not know",
                         stage->kind->name);
    if (status == ARCHIVE_OK && stage->kind->filter != ARCHIVE_FILTER_NONE &&
        (archive_read_support_format_raw(archive) != ARCHIVE_OK ||
         archive_read_support_format_empty(archive) != ARCHIVE_OK))
        status = ARCHIVE_FATAL;
    return status == ARCHIVE_OK ? STAGE_MORE : STAGE_NO_MEMORY;
}

struct stage *stage_open_archive(const char *name, struct stage *below)
{
    struct archive_stage *stage = calloc(1, sizeof(*stage));
    if (!stage)
        return NULL;
    stage->stage =
        (struct stage){.name = name, .below = below, .next = archive_next, .close = archive_close};
    stage->kind = kinds;
    while (strcmp(stage->kind->name, name) != 0)
        stage->kind++;
    stage->archive = archive_read_new();
    stage->stage.status = set_up(stage);
    if (stage->stage.status == STAGE_MORE &&
        archive_read_open(stage->archive, stage, NULL, read_below, NULL) != ARCHIVE_OK)
        stage->stage.status = explain(stage);
    return &stage->stage;
}
