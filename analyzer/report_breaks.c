// The answer to "what do I change": the reference to break, or several, who sets it, and the
// usual remedy for its kind.
#include <inttypes.h>
#include <string.h>

#include "report_sentences.h"

enum {
    OTHERS_MAX = 3 // further answers named
};

const char *report_break_name(enum break_kind kind)
{
    switch (kind) {
    case BREAK_CACHED:
        return "cached attribute";
    case BREAK_METHOD:
        return "bound method";
    case BREAK_CLOSURE:
        return "function";
    case BREAK_GENERATOR:
        return "generator";
    case BREAK_BACK_REFERENCE:
        return "back reference";
    case BREAK_ATTRIBUTE:
        return "attribute";
    case BREAK_ITEM:
        return "item";
    case BREAK_LOCAL:
        return "local variable";
    case BREAK_CELL:
        return "closure variable";
    case BREAK_STRUCTURE:
        break;
    }
    return "structure";
}

static const char *remedy_words(enum break_kind kind)
{
    switch (kind) {
    case BREAK_CACHED:
        return "A descriptor of the class caches it: let what it caches refer back by a weakref";
    case BREAK_METHOD:
        return "A bound method kept as an attribute: keep the method's name, or look it up when "
               "it is called";
    case BREAK_CLOSURE:
        return "A function kept as an attribute that knows the object: give it a weakref instead";
    case BREAK_GENERATOR:
        return "A generator kept as an attribute: close() it and drop it when it is done with";
    case BREAK_BACK_REFERENCE:
        return "A reference back: make it a weakref (weakref.ref, weakref.proxy)";
    case BREAK_ATTRIBUTE:
        return "Make one of the two a weakref, or delete the attribute when it is done with";
    case BREAK_ITEM:
        return "Keep weak references in it (weakref.WeakValueDictionary), or take the item out";
    case BREAK_LOCAL:
        return "A frame is kept with its variables (by a traceback, a generator): del what keeps it";
    case BREAK_CELL:
        return "A variable of a closure: pass the object as an argument, or a weakref to it";
    case BREAK_STRUCTURE:
        break;
    }
    return "It cannot be taken out alone: drop the object that has it";
}

static void put_reference(const struct finding_step *step, bool every, FILE *file)
{
    put_marked_name(file, finding_step_edge(step));
    fputs(every ? " of every " : " of ", file);
    put_marked_name(file, short_name(step->type));
}

// Who sets the attribute; the candidates if it is not sure.
static void put_origins(const struct origins *origins, FILE *file)
{
    for (size_t i = 0; i < origins->count; i++) {
        fputs(i == 0 ? "et in " : i + 1 < origins->count || origins->more ? ", " : " or ", file);
        put_marked_name(file, origins->items[i].function);
        fputs(" (", file);
        put_marked_place(file, origins->items[i].file, origins->items[i].line);
        fputc(')', file);
    }
    if (origins->count && origins->more)
        fputs(" or elsewhere", file);
}

static void put_reference_and_origins(const struct finding_step *step, bool every,
                                      const struct origins *origins, FILE *file)
{
    put_reference(step, every, file);
    if (origins->count) {
        fputs(", s", file);
        put_origins(origins, file);
    }
}

static void put_change(const struct finding_change *change, FILE *file)
{
    put_reference_and_origins(change->step, true, &change->origins, file);
}

static bool is_new_kind(const struct finding_set *set, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (set->items[j].kind == set->items[i].kind)
            return false;
    return true;
}

static void put_set(const struct finding *finding, FILE *file)
{
    const struct finding_set *set = &finding->set;
    fprintf(file, "%s %s gone the collector frees it (replayed):",
            finding->break_count ? "With" : "No single reference is enough; with",
            set->count == 1 ? "this" : "all of these");
    for (size_t i = 0; i < set->count; i++) {
        fputc('\n', file);
        put_change(&set->items[i], file);
        fputc('.', file);
    }
    for (size_t i = 0; i < set->count; i++)
        if (is_new_kind(set, i))
            fprintf(file, "\n%s.", remedy_words(set->items[i].kind));
}

// Where nothing that is short enough to be told breaks it.
#define WITHOUT_DEL                                                                                \
    "\nDo without the __del__: try/finally, a context manager, a callback of a weakref."

static void put_none(const struct finding *finding, FILE *file)
{
    if (finding->breaks_tried == 0)
        fputs("Which reference to break was not tried: too large.", file);
    else if (finding->set.state == FINDING_SET_NONE)
        fputs("No single reference is enough, nor are all attributes, items and variables "
              "together (replayed)." WITHOUT_DEL,
              file);
    else if (finding->set.state == FINDING_SET_TOO_LARGE)
        fprintf(file,
                "No single reference is enough; it takes %zu attributes, items or variables "
                "together (replayed)." WITHOUT_DEL,
                finding->set.size);
    else if (finding->breaks_tried < finding->step_count)
        fprintf(file, "None of the %zu references that were tried is enough to break.",
                finding->breaks_tried);
    else
        fputs("No single reference of it is enough to break, nor any of its attributes for all "
              "objects.\nThere are other cycles through it.",
              file);
}

static void put_first(const struct finding *finding, FILE *file)
{
    const struct finding_break *first = &finding->breaks[0];
    fputs("Without ", file);
    put_reference(finding_find_step(finding, first->step), first->every, file);
    fputs(" the collector frees it (replayed).", file);
    if (finding->origins.count) {
        fputs("\nS", file);
        put_origins(&finding->origins, file);
        fputc('.', file);
    }
    fprintf(file, "\n%s.", remedy_words(first->kind));
}

// The answers from `start` on, up to those that free less than the first.
static void put_others(const struct finding *finding, size_t start, FILE *file)
{
    uint32_t freed = finding_first_tally(finding).freed;
    size_t end =
        finding->break_count < start + OTHERS_MAX ? finding->break_count : start + OTHERS_MAX;
    while (end > start && finding->breaks[end - 1].tally.freed < freed)
        end--;
    for (size_t i = start; i < end; i++) {
        const struct finding_break *other = &finding->breaks[i];
        fputs(i == start ? "\nAlso enough: " : ", ", file);
        put_reference(finding_find_step(finding, other->step), other->every, file);
    }
    if (start < end)
        fputs(end < finding->break_count ? " ..." : ".", file);
}

// Where the finding's cycles turned out not to be alike.
static void put_tally(struct finding_tally tally, FILE *file)
{
    char freed[NUMBER_MAX], replayed[NUMBER_MAX];
    if (tally.freed < tally.replayed)
        fprintf(file,
                "\nNot all these cycles are alike: of %s that were replayed without it, %s %s "
                "freed. The others hold together by more.",
                grouped(tally.replayed, replayed), grouped(tally.freed, freed),
                tally.freed == 1 ? "is" : "are");
}

void put_breaks(const struct report *report, const struct finding *finding, FILE *file)
{
    if (is_break_unnamed(report, finding)) {
        put_unnamed_break(finding, file);
        return;
    }
    if (finding->set.count)
        put_set(finding, file);
    else if (finding->break_count)
        put_first(finding, file);
    else
        put_none(finding, file);
    put_others(finding, finding->set.count ? 0 : 1, file);
    put_tally(finding_first_tally(finding), file);
}

void put_freed_cycles(const struct finding *finding, FILE *file)
{
    struct finding_tally tally = finding_first_tally(finding);
    uint64_t stay = tally.replayed - tally.freed;
    char count[NUMBER_MAX], freed[NUMBER_MAX];
    if (stay) {
        bool all_replayed = tally.replayed == finding->uneven;
        stay = all_replayed ? stay : finding->uneven * stay / tally.replayed;
        fprintf(file, "%s%s of ", all_replayed ? "" : "about ",
                grouped(finding->count - stay, freed));
    }
    fprintf(file, "%s cycle%s", grouped(finding->count, count), plural(finding->count));
}

void put_first_break(const struct finding *finding, FILE *file)
{
    const struct finding_set *set = &finding->set;
    if (!set->count) {
        const struct finding_break *first = &finding->breaks[0];
        put_reference_and_origins(finding_find_step(finding, first->step), first->every,
                                  &finding->origins, file);
        return;
    }
    put_change(&set->items[0], file);
    if (set->count > 1) {
        fputs(", and ", file);
        put_change(&set->items[1], file);
    }
    if (set->count > 2)
        fprintf(file, ", and %zu more", set->count - 2);
}
