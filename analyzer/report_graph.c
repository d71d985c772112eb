// The heap as JSON lines, to be asked again by other programs.
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "report.h"

struct line {
    FILE *file;
    bool first;
};

static void put_reference(void *context, vaddr target)
{
    struct line *line = context;
    fprintf(line->file, "%s\"0x%" PRIx64 "\"", line->first ? "" : ", ", target);
    line->first = false;
}

static void put_object(struct heap *heap, uint32_t number, unsigned generation,
                       enum collect_state state, const char *type, FILE *file)
{
    fprintf(file,
            "{\"address\": \"0x%" PRIx64 "\", \"type\": %s, \"refcount\": %" PRId64
            ", \"generation\": %u, \"state\": \"%s\", \"finalizer\": %s, \"size\": %" PRIu64
            ", \"refs\": [",
            heap_address(heap, number), type, heap_read_refcnt(heap, number), generation,
            report_state_name(state), heap_has_finalizer(heap, number) ? "true" : "false",
            heap_size(heap, number));
    struct line line = {file, true};
    heap_each_reference(heap, number, put_reference, &line);
    fputs("]}\n", file);
}

// Every type's name as a JSON string, once.
static char **quote_names(const struct heap *heap)
{
    char **names = calloc(heap->types.count + 1, sizeof(*names));
    for (uint32_t i = 0; names && i < heap->types.count; i++) {
        char *clean = report_clean_name(heap->types.types[i].name);
        json_t *string = clean ? json_string(clean) : NULL;
        names[i] = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
        json_decref(string);
        free(clean);
    }
    return names;
}

struct failure *report_graph(struct heap *heap, const uint8_t *states, FILE *file)
{
    uint8_t *generations = malloc((size_t)heap->count + 1);
    uint32_t type_count = heap->types.count; // names are quoted for these; no more will come
    char **names = quote_names(heap);
    bool done = generations && names;
    if (done)
        heap_read_generations(heap, generations);
    progress_phase(heap->progress, "writing the graph", "objects", heap->count);
    for (uint32_t i = 0; i < heap->count && done; i++) {
        progress_add(heap->progress, 1);
        int32_t type = heap->type[i];
        put_object(heap, i, generations[i], states[i],
                   type != HEAP_NO_TYPE && names[type] ? names[type] : "null", file);
    }
    for (uint32_t i = 0; names && i < type_count; i++)
        free(names[i]);
    free(names);
    free(generations);
    return done ? NULL : failure_no_memory();
}
