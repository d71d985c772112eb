// What a cut core has lost: the first words of every report on it.
#include <inttypes.h>

#include "report_values.h"
#include "report_words.h"

static const char *const kinds[MISSING_KINDS] = {
    [MISSING_HEAP] = "of the heap and stacks",
    [MISSING_INTERPRETER] = "of the interpreter's data",
    [MISSING_VARIABLES] = "of other files' data",
    [MISSING_FILES] = "of code and constants",
    [MISSING_NOTES] = "of the notes",
    [MISSING_OTHER] = "of section headers",
};

void put_missing(const struct missing *missing, FILE *file)
{
    char size[NUMBER_MAX];
    const char *before = ": ";
    if (!missing->bytes)
        return;
    fprintf(file, "CUT: %s ", sized(missing->bytes, size));
    fprintf(file, "of the core %s missing, in %" PRIu64 " segment%s",
            missing->bytes == 1 ? "is" : "are", missing->segments, plural(missing->segments));
    for (enum missing_kind kind = 0; kind < MISSING_KINDS; kind++) {
        if (!missing->kinds[kind])
            continue;
        fprintf(file, "%s%s %s", before, sized(missing->kinds[kind], size), kinds[kind]);
        before = ", ";
    }
    if (missing->filled)
        fprintf(file, "%s%s that files here have, no loss", before, sized(missing->filled, size));
    fputs(".\nEvery number is a lower bound.\n", file);
}

json_t *value_missing(const struct missing *missing)
{
    if (!missing->bytes)
        return json_null();
    json_t *value = json_pack("{s:o, s:o, s:o}", "bytes", value_number(missing->bytes), "segments",
                              value_number(missing->segments), "filled_by_files",
                              value_number(missing->filled));
    for (enum missing_kind kind = 0; kind < MISSING_KINDS; kind++)
        json_object_set_new(value, missing_kind_name(kind), value_number(missing->kinds[kind]));
    return value;
}
