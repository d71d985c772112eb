// One finding in words: the cycle as a drawing, its finalizers, its numbers.
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "report_sentences.h"

enum {
    DRAWN_STEPS_MAX = 40
};

static_assert(FINDING_STEPS_LAST >= DRAWN_STEPS_MAX / 2 &&
                  FINDING_STEPS_FIRST > DRAWN_STEPS_MAX / 2,
              "what is drawn is kept");

static const char *del_words(const struct object_del *del)
{
    switch (del->kind) {
    case OBJECT_DEL_CLASS:
        return "has __del__: ";
    case OBJECT_DEL_INSTANCE:
        return "has __del__ as an attribute of its own";
    case OBJECT_DEL_GENERATOR:
        return "suspended inside try or with: ";
    case OBJECT_DEL_SLOT:
        return "has a finalizer in C, tp_del of ";
    case OBJECT_DEL_UNKNOWN:
        break;
    }
    return "has a finalizer, which could not be found";
}

void put_finalizer(const struct finding_finalizer *finalizer, FILE *file)
{
    const struct object_del *del = &finalizer->del;
    fputs(del_words(del), file);
    if (del->defined_in)
        put_name(file, del->defined_in);
    if (del->what && del->value != OBJECT_DEL_FUNCTION) {
        fputs(", ", file);
        put_name(file, del->what);
    }
    if (del->file) {
        fputs(", ", file);
        if (del->kind == OBJECT_DEL_SLOT)
            put_file(file, del->file);
        else
            put_place(file, del->file, del->line);
    }
}

const struct finding_finalizer *find_finalizer(const struct finding *finding, size_t i)
{
    const struct finding_step *step = finding_find_step(finding, i);
    const struct finding_finalizer *of_class = NULL;
    for (size_t j = 0; j < finding->finalizer_count; j++) {
        const struct finding_finalizer *finalizer = &finding->finalizers[j];
        if (!step->finalizer || strcmp(finalizer->class, step->type) != 0)
            continue;
        if (finalizer->del_source == step->del_source)
            return finalizer;
        of_class = of_class ? of_class : finalizer; // one that reads the same
    }
    return of_class;
}

bool is_to_break(const struct finding *finding, size_t step)
{
    for (size_t i = 0; i < finding->set.count; i++)
        if (finding->set.items[i].drawn == step)
            return true;
    return !finding->set.count && finding->break_count && finding->breaks[0].step == step;
}

struct drawing_gap find_gap(const struct finding *finding, size_t drawn_max)
{
    size_t count = finding->step_count > drawn_max ? finding->step_count - drawn_max : 0;
    return (struct drawing_gap){.first = drawn_max / 2, .count = count};
}

// The end of the line that the edge to step i is on, and the edge from there.
static void put_step(const struct finding *finding, size_t i, FILE *file)
{
    const struct finding_finalizer *finalizer = find_finalizer(finding, i);
    if (finalizer) {
        fputs("     ", file);
        put_finalizer(finalizer, file);
    }
    if (i && is_to_break(finding, i - 1))
        fputs("     ◀ break here", file);
    fputs("\n  ", file);
    put_name(file, finding_step_edge(finding_find_step(finding, i)));
    fputs(" ─▶ ", file);
    if (i + 1 < finding->step_count)
        put_name(file, finding_find_step(finding, i + 1)->type);
}

// Finalizers of the components that are not drawn with the cycle.
static void put_other_finalizers(const struct finding *finding, const struct drawing_gap *gap,
                                 FILE *file)
{
    for (size_t i = 0; i < finding->finalizer_count; i++) {
        bool drawn = false;
        for (size_t j = 0; j < finding->step_count && !drawn; j++) {
            if (gap->count && j == gap->first)
                j += gap->count;
            drawn = find_finalizer(finding, j) == &finding->finalizers[i];
        }
        if (drawn)
            continue;
        fputs("\nalso ", file);
        put_name(file, finding->finalizers[i].class);
        fputs("     ", file);
        put_finalizer(&finding->finalizers[i], file);
    }
}

void put_drawing(const struct finding *finding, FILE *file)
{
    struct drawing_gap gap = find_gap(finding, DRAWN_STEPS_MAX);
    put_name(file, finding->steps[0].type);
    for (size_t i = 0; i < finding->step_count; i++) {
        if (gap.count && i == gap.first) {
            fprintf(file, "\n  ... %zu more ...", gap.count);
            i += gap.count;
        }
        put_step(finding, i, file);
    }
    fputs("back to ", file);
    put_name(file, short_name(finding->steps[0].type));
    if (is_to_break(finding, finding->step_count - 1))
        fputs("     ◀ break here", file);
    put_other_finalizers(finding, &gap, file);
}

static const char *certainty_words(enum collect_state state)
{
    return state == COLLECT_PENDING         ? " certainly uncollectable"
           : state == COLLECT_UNCOLLECTABLE ? " likely uncollectable"
                                            : " perhaps uncollectable";
}

const char *finding_head(const struct report *report, const struct finding *finding,
                         char buffer[HEAD_MAX])
{
    char count[NUMBER_MAX], bytes[NUMBER_MAX];
    const char *certainty = report_certainty(report, finding->state);
    const char *pending = certainty                           ? certainty_words(finding->state)
                          : finding->state == COLLECT_PENDING ? " pending"
                                                              : "";
    const char *at_least = report_is_complete(report) ? "" : "At least ";
    sized(finding->bytes, bytes);
    if (finding->count == 1)
        snprintf(buffer, HEAD_MAX, "%s%s%s cycle, %s", at_least, *at_least ? "one" : "One", pending,
                 bytes);
    else
        snprintf(buffer, HEAD_MAX, "%s%s%s cycle%s like this one, %s", at_least,
                 grouped(finding->count, count), pending, plural(finding->count), bytes);
    return buffer;
}

void put_held(const struct finding *finding, FILE *file)
{
    char count[NUMBER_MAX], bytes[NUMBER_MAX];
    fprintf(file, "keep%s %s other object%s alive: %s", finding->count == 1 ? "s" : "",
            grouped(finding->held_objects, count), plural(finding->held_objects),
            sized(finding->held_bytes, bytes));
}

bool differ_in_size(const struct finding *finding)
{
    return finding->sizes.least != finding->sizes.most;
}

void put_sizes(const struct finding *finding, FILE *file)
{
    const struct finding_sizes *sizes = &finding->sizes;
    char least[NUMBER_MAX], median[NUMBER_MAX], most[NUMBER_MAX], cycles[NUMBER_MAX];
    fprintf(file, "objects per cycle: %s to %s, median %s", grouped(sizes->least, least),
            grouped(sizes->most, most), grouped(sizes->median, median));
    const char *before = " (";
    for (unsigned i = 0; i < FINDING_SIZES; i++) {
        if (!sizes->counts[i])
            continue;
        uint64_t from = UINT64_C(1) << i, to = (UINT64_C(1) << (i + 1)) - 1;
        fprintf(file, "%s%s", before, grouped(from, least));
        if (to > from)
            fprintf(file, "-%s", grouped(to, most));
        fprintf(file, ": %s", grouped(sizes->counts[i], cycles));
        before = "; ";
    }
    fputc(')', file);
}

// Are all components as large as the one that is shown?
static const char *example_words(const struct finding *finding)
{
    if (finding->count == 1)
        return "";
    return finding->objects == finding->count * finding->example_objects &&
                   finding->bytes == finding->count * finding->example_bytes
               ? "each "
               : "this one ";
}

void put_example(const struct finding *finding, FILE *file)
{
    char count[NUMBER_MAX];
    fprintf(file, "e.g. 0x%" PRIx64 "; %s%s object%s, %" PRIu64 " bytes", finding->example,
            example_words(finding), grouped(finding->example_objects, count),
            plural(finding->example_objects), finding->example_bytes);
}

void put_points(const struct report *report, const struct finding *finding, FILE *file)
{
    put_breaks(report, finding, file);
    if (finding->held_objects) {
        fputc('\n', file);
        put_held(finding, file);
    }
    if (differ_in_size(finding)) {
        fputc('\n', file);
        put_sizes(finding, file);
    }
    fputc('\n', file);
    put_example(finding, file);
}

void put_shared(const struct findings *findings, FILE *file)
{
    char count[NUMBER_MAX], bytes[NUMBER_MAX];
    fprintf(file,
            "Kept alive by several of these together, or by finalizer objects outside of any "
            "cycle:\n%s object%s, %s.",
            grouped(findings->shared_objects, count), plural(findings->shared_objects),
            sized(findings->shared_bytes, bytes));
}
