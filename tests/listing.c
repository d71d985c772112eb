#include "listing.h"

#include <stdlib.h>
#include <string.h>

static int compare_nodes(const void *a, const void *b)
{
    const struct node *x = a, *y = b;
    return x->address < y->address ? -1 : x->address > y->address;
}

struct listing listing_read(const char *path, json_t **last)
{
    struct listing nodes = {0};
    size_t room = 0;
    char *line = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    while (getline(&line, &size, file) > 0) {
        json_error_t error;
        json_t *object = json_loads(line, 0, &error);
        cr_assert_not_null(object, "%s: not JSON: %s", path, line);
        if (!json_object_get(object, "address")) {
            *last = object;
            continue;
        }
        if (nodes.count == room) {
            room = 2 * room + 1000;
            nodes.items = realloc(nodes.items, room * sizeof(*nodes.items));
            cr_assert_not_null(nodes.items);
        }
        const char *type = json_string_value(json_object_get(object, "type"));
        nodes.items[nodes.count++] =
            (struct node){.address = real_address(real_string(object, "address")),
                          .type = strdup(type ? type : "null"),
                          .refs = json_dumps(real_json(object, "refs"), JSON_COMPACT)};
        json_decref(object);
    }
    free(line);
    fclose(file);
    qsort(nodes.items, nodes.count, sizeof(*nodes.items), compare_nodes);
    return nodes;
}

void listing_deinit(struct listing *nodes)
{
    for (size_t i = 0; i < nodes->count; i++) {
        free((char *)nodes->items[i].type);
        free((char *)nodes->items[i].refs);
    }
    free(nodes->items);
}

void listing_compare(const struct real_core *core, const struct listing *got,
                     const struct listing *truth,
                     bool (*is_lost)(const char *type, const char *refs))
{
    size_t i = 0, j = 0;
    while (i < got->count || j < truth->count) {
        const struct node *a = i < got->count ? &got->items[i] : NULL;
        const struct node *b = j < truth->count ? &truth->items[j] : NULL;
        int order = !a ? 1 : !b ? -1 : compare_nodes(a, b);
        cr_expect_leq(order, 0, "%s: %s at %#llx is not in the graph", core->name, b ? b->type : "",
                      b ? (unsigned long long)b->address : 0);
        cr_expect_geq(order, 0, "%s: %s at %#llx is no object", core->name, a ? a->type : "",
                      a ? (unsigned long long)a->address : 0);
        if (order == 0) {
            unsigned long long at = a->address;
            cr_expect_str_eq(a->type, b->type, "%s: %#llx is a %s, not %s", core->name, at, b->type,
                             a->type);
            if (!is_lost || !is_lost(a->type, a->refs))
                cr_expect_str_eq(a->refs, b->refs, "%s: %s at %#llx refers to %s, not %s",
                                 core->name, b->type, at, b->refs, a->refs);
        }
        i += order <= 0;
        j += order >= 0;
    }
}
