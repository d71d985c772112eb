// Where the heap is damaged, as words and as JSON.
#include <inttypes.h>

#include "report_values.h"
#include "report_words.h"

static const char *link_name(bool forward)
{
    return forward ? "gc_next" : "gc_prev";
}

static void put_tear(const struct tear *place, FILE *file)
{
    fputs("             ", file);
    if (place->kind == TEAR_NO_HEAD) {
        fprintf(file, "the head of a list at 0x%" PRIx64 " cannot be read\n", place->at);
        return;
    }
    fprintf(file, "%s of 0x%" PRIx64 " leads to 0x%" PRIx64 ", ", link_name(place->forward),
            place->at, place->target);
    switch (place->kind) {
    case TEAR_DISAGREE:
        fprintf(file, "whose %s leads to 0x%" PRIx64 "\n", link_name(!place->forward), place->back);
        break;
    case TEAR_TWICE:
        fputs("which was counted already\n", file);
        break;
    case TEAR_HEAD:
        fputs("the head of another list\n", file);
        break;
    case TEAR_NOWHERE:
    case TEAR_NO_HEAD:
        fputs("where no element can be\n", file);
        break;
    }
}

void put_tears(const struct tears *tears, FILE *file)
{
    char count[NUMBER_MAX];
    unsigned told = tears_told(tears);
    if (tears->lost)
        fprintf(file,
                "             LOSS: %s link%s of the collector's lists lead%s into memory that is "
                "missing\n",
                grouped(tears->lost, count), plural(tears->lost), tears->lost == 1 ? "s" : "");
    if (!tears->count)
        return;
    fprintf(file, "             LOSS: %s broken link%s in the collector's lists:\n",
            grouped(tears->count, count), plural(tears->count));
    for (unsigned i = 0; i < told; i++)
        put_tear(&tears->kept[i], file);
    if (tears->count > told)
        fprintf(file, "             and %s more\n", grouped(tears->count - told, count));
}

void put_unreadable(const struct heap_losses *losses, FILE *file)
{
    char count[NUMBER_MAX];
    uint64_t objects = losses->unreadable_objects;
    if (!objects)
        return;
    fprintf(file, "             LOSS: %s object%s cannot be read, %s", grouped(objects, count),
            plural(objects), objects == 1 ? "at" : "the first at");
    for (unsigned i = 0; i < HEAP_UNREADABLE_TOLD && i < objects; i++)
        fprintf(file, "%s 0x%" PRIx64, i ? "," : "", losses->unreadable_at[i]);
    fputc('\n', file);
}

json_t *value_unreadable(const struct heap_losses *losses)
{
    json_t *array = json_array();
    for (unsigned i = 0; i < HEAP_UNREADABLE_TOLD && i < losses->unreadable_objects; i++)
        json_array_append_new(array, value_address(losses->unreadable_at[i]));
    return array;
}

json_t *value_tears(const struct tears *tears)
{
    json_t *array = json_array();
    for (unsigned i = 0; i < tears_told(tears); i++) {
        const struct tear *place = &tears->kept[i];
        bool head = place->kind == TEAR_NO_HEAD;
        json_array_append_new(
            array,
            json_pack("{s:o, s:o, s:o, s:s, s:o}", "address", value_address(place->at), "link",
                      head ? json_null() : json_string(link_name(place->forward)), "target",
                      head ? json_null() : value_address(place->target), "found",
                      tear_kind_name(place->kind), "back",
                      place->kind == TEAR_DISAGREE ? value_address(place->back) : json_null()));
    }
    return array;
}
