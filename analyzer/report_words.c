#include "report_words.h"

#include <inttypes.h>
#include <stdlib.h>

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

void put_name(FILE *file, const char *name)
{
    char *clean = report_clean_name(name ? name : "?");
    fputs(clean ? clean : "?", file);
    free(clean);
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
    put_name(file, name);
    fputs(NAME_END, file);
}

void put_marked_place(FILE *file, const char *path, int64_t line)
{
    fputs(NAME_START, file);
    put_place(file, path, line);
    fputs(NAME_END, file);
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
