// Who keeps objects in use, and which references nothing explains.
#include <inttypes.h>
#include <string.h>

#include "report_sentences.h"

static void put_root(const struct holders_path *path, FILE *file)
{
    static const char *const words[] = {
        [HOLDERS_MODULE] = "module ",
        [HOLDERS_FRAME] = "running frame of ",
        [HOLDERS_STATE] = "the interpreter: ",
        [HOLDERS_OUTSIDE] = "referred to from outside of the heap: ",
    };
    fputs("\n  ", file);
    fputs(words[path->kind], file);
    put_name(file, path->root);
    if (path->file) {
        fputs(", ", file);
        put_place(file, path->file, path->line);
    }
}

static void put_steps(const struct holders_path *path, FILE *file)
{
    if (path->steps_left_out)
        fprintf(file, "\n    ... %" PRIu64 " more ...", path->steps_left_out);
    for (size_t i = 0; i < path->step_count; i++) {
        fputs("\n    ", file);
        put_name(file, path->steps[i].edge);
        fputs(" ─▶ ", file);
        put_name(file, i + 1 < path->step_count ? path->steps[i + 1].type : path->type);
    }
}

static void put_path(const struct holders_path *path, FILE *file)
{
    char count[NUMBER_MAX];
    fprintf(file, "%s ", grouped(path->count, count));
    fputs(path->listed ? "" : path->count == 1 ? "cycle with " : "cycles with ", file);
    put_name(file, path->type);
    fprintf(file, ", e.g. 0x%" PRIx64, path->example);
    put_root(path, file);
    put_steps(path, file);
}

static void put_found_in(const struct holders_surplus *surplus, FILE *file)
{
    static const char *const words[] = {
        [HOLDERS_IN_UNTRACKED] = "an untracked object, ",
        [HOLDERS_IN_UNVISITED] = "an object that does not visit it, ",
        [HOLDERS_IN_FRAME] = "the value stack of a running frame of ",
    };
    switch (surplus->place) {
    case HOLDERS_IN_STATIC:
        fputs("static data of ", file);
        put_file(file, surplus->file);
        if (surplus->name) {
            fputs(": ", file);
            put_name(file, surplus->name);
        }
        break;
    case HOLDERS_IN_UNTRACKED:
    case HOLDERS_IN_UNVISITED:
    case HOLDERS_IN_FRAME:
        fputs(words[surplus->place], file);
        put_name(file, surplus->name);
        break;
    case HOLDERS_IN_STACK:
        fprintf(file, "the %s of thread %" PRIu32, surplus->at ? "stack" : "registers",
                surplus->tid);
        break;
    case HOLDERS_IN_MEMORY:
        fputs("other memory, as C code has it", file);
        break;
    case HOLDERS_NOWHERE:
        break;
    }
}

// What nothing explains.
static void put_unexplained(const struct holders_surplus *surplus, FILE *file)
{
    char references[NUMBER_MAX];
    bool one = surplus->objects == 1, one_each = surplus->references == surplus->objects;
    grouped(surplus->references, references);
    fprintf(file, " ha%s %s reference%s more%s than the heap explains: an extension may leak %s",
            one ? "s" : "ve", one_each ? "one" : references, one_each ? "" : "s",
            one || one_each ? "" : " in all", one ? "it" : "them");
}

static void put_surplus(const struct holders_surplus *surplus, FILE *file)
{
    char count[NUMBER_MAX];
    bool one_each = surplus->references == surplus->objects;
    fprintf(file, "%s object%s of ", grouped(surplus->objects, count), plural(surplus->objects));
    put_name(file, surplus->type);
    if (surplus->place == HOLDERS_NOWHERE) {
        put_unexplained(surplus, file);
    } else {
        fputs(": ", file);
        if (!one_each)
            fprintf(file, "%s words in ", grouped(surplus->references, count));
        put_found_in(surplus, file);
        if (surplus->at && surplus->objects == 1 && one_each)
            fprintf(file, " at 0x%" PRIx64, surplus->at);
    }
    fprintf(file, ", e.g. 0x%" PRIx64, surplus->example);
}

// The rows of items of gc.garbage come first.
static size_t count_listed(const struct holders *holders)
{
    size_t count = 0;
    while (count < holders->path_count && holders->paths[count].listed)
        count++;
    return count;
}

size_t count_holders(const struct report *report, enum holders_list list)
{
    const struct holders *holders = report->holders;
    if (list == HOLDERS_EVIDENCE)
        return holders->surplus_count;
    size_t listed = count_listed(holders);
    return list == HOLDERS_LISTED ? listed : holders->path_count - listed;
}

void put_holder(const struct report *report, enum holders_list list, size_t i, FILE *file)
{
    const struct holders *holders = report->holders;
    if (list == HOLDERS_EVIDENCE)
        put_surplus(&holders->surplus[i], file);
    else
        put_path(&holders->paths[list == HOLDERS_LISTED ? i : count_listed(holders) + i], file);
}

bool has_holders(const struct report *report, enum holders_list list)
{
    const struct holders *holders = report->holders;
    if (!holders)
        return false;
    switch (list) {
    case HOLDERS_LISTED:
        return holders->listed;
    case HOLDERS_CYCLES:
        return holders->cycles;
    case HOLDERS_EVIDENCE:
    case HOLDERS_LISTS:
        break;
    }
    return holders->surplus_count;
}

static void put_listed_head(const struct holders *holders, FILE *file)
{
    char count[NUMBER_MAX];
    bool one = holders->listed == 1;
    fprintf(file,
            "%s object%s of gc.garbage %s in use: the list alone does not leak %s. The shortest "
            "ways to %s:",
            grouped(holders->listed, count), plural(holders->listed), one ? "is" : "are",
            one ? "it" : "them", one ? "it" : "them");
}

static void put_cycles_head(const struct holders *holders, FILE *file)
{
    char count[NUMBER_MAX];
    fprintf(file,
            "%s cycle%s with a finalizer %s in use, though no module, running frame or state of "
            "the\ninterpreter leads there:",
            grouped(holders->cycles, count), plural(holders->cycles),
            holders->cycles == 1 ? "is" : "are");
}

void put_holders_head(const struct report *report, enum holders_list list, FILE *file)
{
    if (list == HOLDERS_LISTED)
        put_listed_head(report->holders, file);
    else if (list == HOLDERS_CYCLES)
        put_cycles_head(report->holders, file);
    else
        fputs("References to these that no tracked object has, and where a word with the address\n"
              "stands. A word is evidence, no proof: it may be stale.",
              file);
}

void put_holders_losses(const struct report *report, enum holders_list list, FILE *file)
{
    const struct holders *holders = report->holders;
    char count[NUMBER_MAX];
    enum holders_list last_of_ways = holders->cycles   ? HOLDERS_CYCLES
                                     : holders->listed ? HOLDERS_LISTED
                                                       : HOLDERS_EVIDENCE;
    if (list == last_of_ways && holders->untraced)
        fprintf(file, "    the ways to %s more were not worked out\n",
                grouped(holders->untraced, count));
    if (list != HOLDERS_EVIDENCE)
        return;
    if (holders->words_cut)
        fputs("    there were too many such words to look at all of them\n", file);
    if (holders->audit_cut)
        fprintf(file, "    %s more object%s not looked at\n", grouped(holders->audit_cut, count),
                plural(holders->audit_cut));
}
