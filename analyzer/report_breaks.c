// The answer to "what do I change": the reference to break, who sets it, and the
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

static void put_reference(const struct finding *finding, const struct finding_break *reference,
                          FILE *file)
{
    put_marked_name(file, finding->steps[reference->step].edge);
    fputs(reference->every ? " of every " : " of ", file);
    put_marked_name(file, short_name(finding->steps[reference->step].type));
}

static void put_origins(const struct origins *origins, FILE *file)
{
    for (size_t i = 0; i < origins->count; i++) {
        fputs(i == 0 ? "\nSet in " : i + 1 < origins->count || origins->more ? ", " : " or ", file);
        put_marked_name(file, origins->items[i].function);
        fputs(" (", file);
        put_marked_place(file, origins->items[i].file, origins->items[i].line);
        fputc(')', file);
    }
    if (origins->count)
        fputs(origins->more ? " or elsewhere." : ".", file);
}

static void put_none(const struct finding *finding, FILE *file)
{
    if (finding->breaks_tried == 0)
        fputs("Which reference to break was not tried: too large.", file);
    else if (finding->breaks_tried < finding->step_count)
        fprintf(file, "None of the %zu references that were tried is enough to break.",
                finding->breaks_tried);
    else
        fputs("No single reference of it is enough to break, nor any of its attributes for all "
              "objects.\nThere are other cycles through it.",
              file);
}

void put_breaks(const struct finding *finding, FILE *file)
{
    if (finding->break_count == 0) {
        put_none(finding, file);
        return;
    }
    fputs("Without ", file);
    put_reference(finding, &finding->breaks[0], file);
    fputs(" the collector frees it (replayed).", file);
    put_origins(&finding->origins, file);
    fprintf(file, "\n%s.", remedy_words(finding->breaks[0].kind));
    size_t others = finding->break_count - 1;
    for (size_t i = 1; i <= others && i <= OTHERS_MAX; i++) {
        fputs(i == 1 ? "\nAlso enough: " : ", ", file);
        put_reference(finding, &finding->breaks[i], file);
    }
    if (others)
        fputs(others > OTHERS_MAX ? " ..." : ".", file);
}
