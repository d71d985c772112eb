// Advice for a finding of a cut core when the names that it would give are lost.
#include <string.h>

#include "report_sentences.h"

// pyabi/object.c (make_type_name) has it of a type whose tp_name cannot be read.
#define LOST_TYPE "<type at 0x"

// "?" (a name that cannot be read) alone or at the end of an edge: ".?", "[?]", ".__dict__[?]".
static bool is_lost(const char *name)
{
    size_t length = name ? strlen(name) : 0;
    if (!length)
        return !name;
    return strstr(name, LOST_TYPE) || name[length - 1] == '?' ||
           (length > 1 && !strcmp(name + length - 2, "?]"));
}

static bool is_step_lost(const struct finding_step *step)
{
    return is_lost(step->type) || is_lost(step->edge);
}

bool is_break_unnamed(const struct report *report, const struct finding *finding)
{
    if (!report->missing.bytes)
        return false;
    for (size_t i = 0; i < finding->set.count; i++)
        if (is_step_lost(finding->set.items[i].step))
            return true;
    return !finding->set.count && finding->break_count &&
           is_step_lost(finding_find_step(finding, finding->breaks[0].step));
}

static void put_known_finalizers(const struct finding *finding, FILE *file)
{
    const char *before = "\nStill known: count and sizes, and the finalizer: ";
    for (size_t i = 0; i < finding->finalizer_count; i++) {
        const struct object_del *del = &finding->finalizers[i].del;
        if (!del->file || del->kind == OBJECT_DEL_SLOT)
            continue;
        fputs(before, file);
        put_marked_place(file, del->file, del->line);
        before = ", ";
    }
    fputs(*before == ',' ? "." : "\nStill known: count and sizes.", file);
}

void put_unnamed_break(const struct finding *finding, FILE *file)
{
    size_t types = 0, edges = 0;
    for (size_t i = 0; i < finding_kept_steps(finding); i++) {
        types += is_lost(finding->steps[i].type);
        edges += is_lost(finding->steps[i].edge);
    }
    fputs("What to break cannot be named. Of ", file);
    if (finding->steps_left_out)
        fprintf(file, "%zu steps of ", finding_kept_steps(finding));
    fprintf(file,
            "the cycle %zu type name%s and %zu name%s of references lay in the part of the core "
            "that is missing.",
            types, plural(types), edges, plural(edges));
    put_known_finalizers(finding, file);
    fputs("\nThe names of classes and attributes need a whole core: raise RLIMIT_CORE (ulimit -c), "
          "with systemd ProcessSizeMax= and ExternalSizeMax= of coredump.conf.\n"
          "Those of types written in C need the process's own executable and libraries at hand.",
          file);
}
