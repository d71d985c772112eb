#include "report_words.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char *grouped(uint64_t number, char *buffer)
{
    char digits[NUMBER_MAX];
    int length = snprintf(digits, sizeof(digits), "%" PRIu64, number);
    char *end = buffer;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            *end++ = ',';
        *end++ = digits[i];
    }
    *end = '\0';
    return buffer;
}

const char *sized(uint64_t bytes, char *buffer)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes / 1024;
    size_t unit = 0;
    if (bytes < 1024) {
        snprintf(buffer, NUMBER_MAX, "%" PRIu64 " bytes", bytes);
        return buffer;
    }
    for (; value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        value /= 1024;
    snprintf(buffer, NUMBER_MAX, value < 10 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return buffer;
}

const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

void put_rest(uint64_t count, const char *noun, const char *option, FILE *file)
{
    char number[NUMBER_MAX];
    fprintf(file, "%s more%s%s%s not shown (%s)", grouped(count, number), *noun ? " " : "", noun,
            *noun ? plural(count) : "", option);
}

static bool is_within_character(const char *at)
{
    return ((unsigned char)*at & 0xc0) == 0x80;
}

// At most so many bytes of it. Both ends of a name say more than its middle.
static void put_cut_name(FILE *file, const char *name, size_t most)
{
    char *clean = report_clean_name(name ? name : "?");
    const char *text = clean ? clean : "?";
    size_t length = strlen(text), head = length, tail = length;
    if (length > most) {
        head = most / 3;
        tail = length - (most - head - strlen("..."));
    }
    while (head < length && is_within_character(text + head))
        head--;
    while (tail < length && is_within_character(text + tail))
        tail++;
    fprintf(file, "%.*s%s%s", (int)head, text, tail < length ? "..." : "", text + tail);
    free(clean);
}

void put_name(FILE *file, const char *name)
{
    put_cut_name(file, name, NAME_TOLD_MAX);
}

void put_file(FILE *file, const char *path)
{
    const char *base = path ? strrchr(path, '/') : NULL;
    put_name(file, base ? base + 1 : path);
}

void put_place(FILE *file, const char *path, int64_t line)
{
    put_file(file, path);
    fprintf(file, ":%" PRId64, line);
}

void put_marked_name(FILE *file, const char *name)
{
    fputs(NAME_START, file);
    put_cut_name(file, name, MARKED_NAME_MAX);
    fputs(NAME_END, file);
}

void put_marked_place(FILE *file, const char *path, int64_t line)
{
    const char *base = path ? strrchr(path, '/') : NULL;
    fputs(NAME_START, file);
    put_cut_name(file, base ? base + 1 : path, MARKED_NAME_MAX);
    fprintf(file, ":%" PRId64 NAME_END, line);
}

void put_command(FILE *file, const struct core *core, bool with_values)
{
    bool has_more = core->arguments && *core->arguments;
    put_name(file, *core->command ? core->command : "(command not known)");
    if (has_more && with_values) {
        fputc(' ', file);
        put_name(file, core->arguments);
    } else if (has_more) {
        fputs(" (arguments left out)", file);
    }
}

const char *short_name(const char *type)
{
    const char *dot = strrchr(type, '.');
    return dot ? dot + 1 : type;
}

uint64_t limited(const struct report *report, uint64_t count)
{
    return report->limit && count > report->limit ? report->limit : count;
}

// Where nothing leads to the interpreter's flag, the lists tell.
bool collecting(const struct report *report)
{
    const struct runtime_flag *flag = &report->interpreter->runtime.collecting;
    return flag->known ? flag->value : heap_shows_collection(report->heap);
}

bool lists_are_odd(const struct report *report)
{
    return !collecting(report) && heap_shows_collection(report->heap);
}

const char *core_state_words(const struct core *core)
{
    if (core->complete)
        return "complete";
    if (core->bytes_overlapping || (core->unpacked && core->unpacked->damage))
        return "DAMAGED";
    return core->lines_contradict ? "its list of files contradicts its segments"
                                  : "without thread notes";
}

void put_unpacked(const struct unpacked *unpacked, FILE *file)
{
    char size[NUMBER_MAX];
    fputs("\n             ", file);
    if (!unpacked->layer_count)
        fprintf(file, "read from a pipe, %s", sized(unpacked->packed_size, size));
    for (size_t i = unpacked->layer_count; i > 0; i--)
        fprintf(file, "%s%s", i == unpacked->layer_count ? "unpacked from " : " in ",
                unpacked->layers[i - 1]);
    if (unpacked->layer_count)
        fprintf(file, ", %s%s", sized(unpacked->packed_size, size),
                unpacked->piped ? " from a pipe" : "");
}
