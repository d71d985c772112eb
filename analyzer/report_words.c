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

void put_name(FILE *file, const char *name)
{
    char *clean = report_clean_name(name ? name : "?");
    fputs(clean ? clean : "?", file);
    free(clean);
}

bool collecting(const struct report *report)
{
    const struct runtime_flag *flag = &report->interpreter->runtime.collecting;
    return flag->known && flag->value;
}
