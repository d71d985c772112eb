#include "contents.h"

#include <stdlib.h>
#include <string.h>

#include "repr.h"
#include "shape.h"

enum {
    REFERENCES_MAX = 128, // of an object that are looked through for its slots and dictionary
    NAME_MAX_BYTES = 256
};

// --- keys

// "['job 17']".
static char *bracket_key(struct heap *heap, const char *before, vaddr key)
{
    char words[REPR_SIZE], *text;
    repr_write(&heap->types, key, words);
    return asprintf(&text, "%s[%s]", before, words) < 0 ? NULL : text;
}

bool contents_name_keys(struct heap *heap, struct finding_step *steps, size_t count)
{
    bool done = true;
    for (size_t i = 0; i < count && done; i++) {
        if (!steps[i].key || !steps[i].edge)
            continue;
        char *before = strndup(steps[i].edge, strcspn(steps[i].edge, "["));
        steps[i].key_edge = before ? bracket_key(heap, before, steps[i].key) : NULL;
        done = steps[i].key_edge;
        free(before);
    }
    return done;
}

// --- attributes

struct reading {
    struct heap *heap;
    struct contents_object *object;
    bool no_memory;
};

// Takes the name.
static void add_attribute(struct reading *reading, char *name, vaddr value)
{
    struct contents_object *object = reading->object;
    char words[REPR_SIZE];
    repr_write(&reading->heap->types, value, words);
    char *copy = strdup(words);
    object->attributes[object->count++] = (struct contents_attribute){name, copy};
    reading->no_memory = reading->no_memory || !name || !copy;
}

static char *name_attribute(struct heap *heap, vaddr key)
{
    char name[NAME_MAX_BYTES], *text;
    if (object_read_identifier(heap->runtime, key, name, sizeof(name)) != MEMORY_OK)
        return bracket_key(heap, ".__dict__", key);
    return asprintf(&text, ".%s", name) < 0 ? NULL : text;
}

// Attributes, or the items of an object that is a dictionary itself.
static void read_dict(struct reading *reading, vaddr dict, bool is_namespace)
{
    struct contents_object *object = reading->object;
    struct dict_items items;
    enum memory_status status;
    vaddr key, value;
    uint64_t used = runtime_read_member(reading->heap->runtime, dict, LAYOUT_PyDictObject_ma_used);
    size_t before = object->count;
    if (dict_items_init(&items, reading->heap->runtime, dict) != MEMORY_OK)
        return;
    while (object->count < CONTENTS_ATTRIBUTES_MAX &&
           dict_items_next(&items, &key, &value, &status))
        add_attribute(reading,
                      is_namespace ? name_attribute(reading->heap, key)
                                   : bracket_key(reading->heap, "", key),
                      value);
    size_t told = object->count - before;
    object->left_out += used > told ? used - told : 0;
}

static void read_slot(struct reading *reading, vaddr name_at, vaddr value)
{
    char name[NAME_MAX_BYTES], *text;
    if (reading->object->count == CONTENTS_ATTRIBUTES_MAX) {
        reading->object->left_out++;
        return;
    }
    memory_read_string(reading->heap->runtime->memory, name_at, name, sizeof(name));
    if (asprintf(&text, ".%s", name) < 0)
        text = NULL;
    add_attribute(reading, text, value);
}

// Keeps the first ones.
static void drop_last(struct visitor *visitor)
{
    visitor->count--;
}

static void read_attributes(struct reading *reading, const struct object_type *type)
{
    vaddr found[REFERENCES_MAX];
    struct visit_place places[REFERENCES_MAX];
    struct visitor visitor = {
        .found = found, .places = places, .capacity = REFERENCES_MAX, .full = drop_last};
    traverse_object(&reading->heap->types, type, reading->object->address, &visitor);
    for (size_t i = 0; i < visitor.count; i++) {
        if (places[i].kind == VISIT_SLOT)
            read_slot(reading, places[i].key, found[i]);
        else if (shape_is_own_namespace(&places[i]))
            read_dict(reading, found[i], true);
    }
}

// An object without attributes has a count of 0.
static bool read_object(struct heap *heap, const struct finding_step *step,
                        struct contents_object *object)
{
    struct reading reading = {.heap = heap, .object = object};
    uint32_t index;
    *object = (struct contents_object){.address = step->object};
    if (object_find_type(&heap->types, step->object, &index) != MEMORY_OK)
        return true;
    struct object_type type = heap->types.types[index]; // the table of types may move
    if (type.address == heap->runtime->types[RUNTIME_TYPE_dict])
        read_dict(&reading, step->object, false);
    else
        read_attributes(&reading, &type);
    object->type = strdup(step->type);
    return object->type && !reading.no_memory;
}

static void free_object(struct contents_object *object)
{
    free(object->type);
    for (size_t i = 0; i < object->count; i++) {
        free(object->attributes[i].name);
        free(object->attributes[i].value);
    }
}

// --- findings

static bool read_finding(struct heap *heap, const struct finding *finding,
                         struct contents_finding *contents)
{
    bool done = true;
    contents->left_out = finding->steps_left_out;
    contents->objects = calloc(CONTENTS_OBJECTS_MAX, sizeof(*contents->objects));
    for (size_t i = 0; i < finding_kept_steps(finding) && done && contents->objects; i++) {
        struct contents_object object;
        done = read_object(heap, &finding->steps[i], &object);
        if (object.count && contents->count < CONTENTS_OBJECTS_MAX) {
            contents->objects[contents->count++] = object;
            continue;
        }
        contents->left_out += object.count > 0;
        free_object(&object);
    }
    return contents->objects && done;
}

struct failure *contents_create(struct heap *heap, struct findings *findings,
                                struct holders *holders, uint64_t limit, struct contents **contents)
{
    size_t count = limit && findings->count > limit ? limit : findings->count;
    struct contents *made = calloc(1, sizeof(*made));
    bool done = made;
    if (made)
        made->findings = calloc(count + 1, sizeof(*made->findings));
    done = done && made->findings;
    for (size_t i = 0; i < count && done; i++) {
        struct finding *finding = &findings->items[i];
        done = contents_name_keys(heap, finding->steps, finding_kept_steps(finding)) &&
               read_finding(heap, finding, &made->findings[made->count++]);
    }
    for (size_t i = 0; holders && i < holders->path_count && done; i++)
        done = contents_name_keys(heap, holders->paths[i].steps, holders->paths[i].step_count);
    if (!done) {
        contents_destroy(made);
        return failure_no_memory();
    }
    *contents = made;
    return NULL;
}

void contents_destroy(struct contents *contents)
{
    if (!contents)
        return;
    for (size_t i = 0; i < contents->count; i++) {
        for (size_t j = 0; j < contents->findings[i].count; j++)
            free_object(&contents->findings[i].objects[j]);
        free(contents->findings[i].objects);
    }
    free(contents->findings);
    free(contents);
}
