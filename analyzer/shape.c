// A cycle in the graph goes through objects that nobody would draw: the instance dictionary between
// an object and its attribute, the tuple and the cell between a function and a variable of its
// closure. Folding takes them out and gives their owner an edge with the name that a reader of the
// source knows. What is left is written twice: with indexes for the report, without for the shape.
#include "shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

enum {
    NAME_MAX_BYTES = 256
};

// --- classes and keys

// Of an object at an address; without one it is found out, where it matters.
static vaddr find_class(struct heap *heap, uint32_t node, vaddr object)
{
    const struct runtime *runtime = heap->runtime;
    uint64_t class;
    if (heap->type[node] == HEAP_NO_TYPE)
        return 0;
    const struct object_type *type = &heap->types.types[heap->type[node]];
    if (type->finalizer == FINALIZER_INSTANCE &&
        layout_read(&runtime->layout, runtime->memory, object ? object : heap_address(heap, node),
                    LAYOUT_PyInstanceObject_in_class, &class) == MEMORY_OK)
        return class;
    return type->address;
}

vaddr shape_find_class(struct heap *heap, uint32_t node)
{
    return find_class(heap, node, 0);
}

// Is the class of an object all that says where its __del__ comes from?
static bool is_del_of_class(enum finalizer_rule rule)
{
    return rule == FINALIZER_ALWAYS || rule == FINALIZER_NEVER;
}

vaddr shape_find_del_source(struct heap *heap, uint32_t node, vaddr *class)
{
    enum finalizer_rule rule = heap->type[node] == HEAP_NO_TYPE
                                   ? FINALIZER_NEVER
                                   : heap->types.types[heap->type[node]].finalizer;
    bool by_class = is_del_of_class(rule);
    vaddr object = by_class ? 0 : heap_address(heap, node);
    *class = find_class(heap, node, object);
    return by_class ? *class : object_find_del_source(heap->runtime, rule, object, *class);
}

static bool is_label(const struct visit_place *place, const char *label)
{
    return place->kind == VISIT_MEMBER && strcmp(place->label, label) == 0;
}

bool shape_is_own_namespace(const struct visit_place *place)
{
    return place->kind == VISIT_DICT || is_label(place, "__dict__");
}

bool shape_is_namespace(const struct visit_place *place)
{
    return shape_is_own_namespace(place) || is_label(place, "func_globals") ||
           is_label(place, "f_globals") || is_label(place, "f_locals");
}

static uint64_t read_member(const struct heap *heap, uint32_t node, enum layout_member member)
{
    return runtime_read_member(heap->runtime, heap_address(heap, node), member);
}

static vaddr type_of(struct heap *heap, vaddr object)
{
    uint64_t type = 0;
    layout_read(&heap->runtime->layout, heap->runtime->memory, object, LAYOUT_PyObject_ob_type,
                &type);
    return type;
}

static void find_place(struct heap *heap, const struct shape_link *link, struct visit_place *place)
{
    if (heap_find_place(heap, link->node, link->edge, place) != MEMORY_OK)
        *place = (struct visit_place){.kind = VISIT_STACK};
}

// What tells an edge without a label from others of its kind.
static uint64_t unlabelled_key(struct heap *heap, const struct shape_link *link,
                               const struct shape_link *before)
{
    struct visit_place place, place_before;
    find_place(heap, link, &place);
    find_place(heap, before, &place_before);
    switch (place.kind) {
    case VISIT_MEMBER:
        // The names of a closure's cells are in the code.
        if (is_label(&place, "func_closure"))
            return read_member(heap, link->node, LAYOUT_PyFunctionObject_func_code);
        return (uintptr_t)place.label;
    case VISIT_INDEX:
        return is_label(&place_before, "func_closure") ? (uint64_t)place.index : 0;
    case VISIT_VALUE:
        return shape_is_namespace(&place_before) ? place.key : type_of(heap, place.key);
    case VISIT_LOCAL:
        return read_member(heap, link->node, LAYOUT_PyFrameObject_f_code) ^ (uint64_t)place.index
                                                                                << 48;
    case VISIT_SLOT:
        return place.key;
    case VISIT_KEY:
    case VISIT_STACK:
    case VISIT_DICT:
    case VISIT_CLASS:
    case VISIT_CODE:
        break;
    }
    return 0;
}

// A label says all but the index into a closure.
static uint64_t edge_key(struct heap *heap, const struct shape_link *link,
                         const struct shape_link *before)
{
    uint16_t label = heap->edge_labels[link->edge];
    if (label != HEAP_NO_LABEL && heap->edge_labels[before->edge] != HEAP_NO_LABEL)
        return label;
    return XXH64(&(uint64_t){unlabelled_key(heap, link, before)}, sizeof(uint64_t), 0) | UINT64_C(1)
                                                                                             << 63;
}

bool shape_make_plain_key(const struct heap *heap, const struct shape_link *links, size_t count,
                          uint64_t *words)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t node = links[i].node;
        int32_t type = heap->type[node];
        uint16_t label = heap->edge_labels[links[i].edge];
        bool has_finalizer = heap_has_finalizer(heap, node);
        enum finalizer_rule rule =
            type == HEAP_NO_TYPE ? FINALIZER_NEVER : heap->types.types[type].finalizer;
        if (label == HEAP_NO_LABEL || rule == FINALIZER_INSTANCE ||
            (has_finalizer && !is_del_of_class(rule)))
            return false;
        words[i * SHAPE_KEY_WORDS] = (type == HEAP_NO_TYPE ? 0 : heap->types.types[type].address) ^
                                     (uint64_t)has_finalizer << 63;
        words[i * SHAPE_KEY_WORDS + 1] = label;
    }
    return true;
}

void shape_make_key(struct heap *heap, const struct shape_link *links, size_t count,
                    uint64_t *words)
{
    for (size_t i = 0; i < count; i++) {
        words[i * SHAPE_KEY_WORDS] = shape_find_class(heap, links[i].node) ^
                                     (uint64_t)heap_has_finalizer(heap, links[i].node) << 63;
        words[i * SHAPE_KEY_WORDS + 1] = edge_key(heap, &links[i], &links[(i + count - 1) % count]);
    }
}

// --- names

// What a cycle is told by is a live object: where it is none, its bytes are damaged.
static void note_lost_name(struct heap *heap)
{
    heap->runtime->memory->lost_reads++;
}

static void read_name(struct heap *heap, vaddr str, char *name)
{
    uint64_t length;
    if (object_read_str(heap->runtime, str, name, NAME_MAX_BYTES, &length) == MEMORY_OK)
        return;
    snprintf(name, NAME_MAX_BYTES, "?");
    note_lost_name(heap);
}

// Item `index` of a tuple of names.
static void read_name_in(struct heap *heap, vaddr tuple, uint64_t index, char *name)
{
    const struct runtime *runtime = heap->runtime;
    uint64_t count;
    vaddr str = 0;
    if (layout_read(&runtime->layout, runtime->memory, tuple, LAYOUT_PyVarObject_ob_size, &count) ==
            MEMORY_OK &&
        index < count)
        memory_read_word(runtime->memory,
                         tuple + layout_offset(&runtime->layout, LAYOUT_PyTupleObject_ob_item) +
                             index * runtime->memory->format.word_size,
                         &str);
    read_name(heap, str, name);
}

// A slot of f_localsplus: fast locals, then cells, then free variables.
static void read_local_name(struct heap *heap, uint32_t frame, uint64_t index, char *name)
{
    const struct runtime *runtime = heap->runtime;
    vaddr code = read_member(heap, frame, LAYOUT_PyFrameObject_f_code);
    uint64_t locals = runtime_read_member(heap->runtime, code, LAYOUT_PyCodeObject_co_nlocals),
             cells = 0;
    vaddr cellvars = runtime_read_member(heap->runtime, code, LAYOUT_PyCodeObject_co_cellvars);
    layout_read(&runtime->layout, runtime->memory, cellvars, LAYOUT_PyVarObject_ob_size, &cells);
    if (index < locals)
        read_name_in(heap,
                     runtime_read_member(heap->runtime, code, LAYOUT_PyCodeObject_co_varnames),
                     index, name);
    else if (index - locals < cells)
        read_name_in(heap, cellvars, index - locals, name);
    else
        read_name_in(heap,
                     runtime_read_member(heap->runtime, code, LAYOUT_PyCodeObject_co_freevars),
                     index - locals - cells, name);
}

// "[str]": keys of dictionaries are values of the process, only their type is shown.
static char *redacted_key(struct heap *heap, const char *before, vaddr key)
{
    uint32_t type;
    char *text;
    const char *name = "?";
    if (object_find_type(&heap->types, key, &type) == MEMORY_OK)
        name = heap->types.types[type].name;
    else
        note_lost_name(heap);
    return asprintf(&text, "%s[%s]", before, name) < 0 ? NULL : text;
}

// Is the edge told without the key that it stands under? It is a name only among attributes, and if
// it could be written as one. (A str that cannot be read could.)
static bool hides_key(struct heap *heap, const struct shape_link *link,
                      const struct shape_link *before)
{
    char name[NAME_MAX_BYTES];
    if (link->place.kind != VISIT_VALUE)
        return false;
    return !shape_is_namespace(&before->place) ||
           object_read_identifier(heap->runtime, link->place.key, name, sizeof(name)) ==
               MEMORY_NONSENSE;
}

static char *join(const char *before, const char *name)
{
    char *text;
    return asprintf(&text, "%s%s", before, name) < 0 ? NULL : text;
}

// The text of one edge; `before` is the edge that leads to its source. with_index: as a report
// shows it; else as the shape has it.
static char *edge_text(struct heap *heap, const struct shape_link *link,
                       const struct shape_link *before, bool with_index)
{
    char name[NAME_MAX_BYTES];
    switch (link->place.kind) {
    case VISIT_MEMBER:
        return join(".", link->place.label);
    case VISIT_INDEX:
        snprintf(name, sizeof(name), "[%lld]", (long long)link->place.index);
        return failure_copy_text(with_index ? name : "[]");
    case VISIT_KEY:
        return failure_copy_text(link->place.label);
    case VISIT_VALUE:
        if (hides_key(heap, link, before))
            return redacted_key(heap, shape_is_namespace(&before->place) ? ".__dict__" : "",
                                link->place.key);
        read_name(heap, link->place.key, name);
        return join(".", name);
    case VISIT_LOCAL:
        read_local_name(heap, link->node, (uint64_t)link->place.index, name);
        return join("local ", name);
    case VISIT_STACK:
        return failure_copy_text("stack");
    case VISIT_CODE:
        return failure_copy_text("C reference");
    case VISIT_DICT:
        return failure_copy_text(".__dict__");
    case VISIT_CLASS:
        return failure_copy_text(".__class__");
    case VISIT_SLOT:
        if (memory_read_string(heap->runtime->memory, link->place.key, name, sizeof(name)) ==
            MEMORY_UNMAPPED)
            snprintf(name, sizeof(name), "?");
        return join(".", name);
    }
    return NULL;
}

// "cell NAME": the free variable of a function whose closure has it at an index.
static char *cell_text(struct heap *heap, const struct shape_link *function,
                       const struct shape_link *tuple)
{
    char name[NAME_MAX_BYTES];
    vaddr code = read_member(heap, function->node, LAYOUT_PyFunctionObject_func_code);
    read_name_in(heap, runtime_read_member(heap->runtime, code, LAYOUT_PyCodeObject_co_freevars),
                 (uint64_t)tuple->place.index, name);
    return join("cell ", name);
}

// --- folding

// How many links the edge that starts at links[i] takes with those that are folded into it.
static size_t fold_length(const struct shape_link *links, size_t count, size_t i)
{
    const struct visit_place *first = &links[i].place;
    const struct visit_place *second = &links[(i + 1) % count].place;
    const struct visit_place *third = &links[(i + 2) % count].place;
    if (count > 1 && shape_is_namespace(first) && second->kind == VISIT_VALUE)
        return 2;
    if (count > 2 && is_label(first, "func_closure") && second->kind == VISIT_INDEX &&
        is_label(third, "cell_contents"))
        return 3;
    if (count > 1 && first->kind == VISIT_LOCAL && is_label(second, "cell_contents"))
        return 2;
    return 1;
}

// The text of the edge that starts at links[i], with what is folded into it.
static char *folded_text(struct heap *heap, const struct shape_link *links, size_t count, size_t i,
                         bool with_index)
{
    size_t length = fold_length(links, count, i);
    const struct shape_link *link = &links[i], *next = &links[(i + 1) % count];
    if (length == 3)
        return cell_text(heap, link, next);
    if (length == 2 && shape_is_namespace(&link->place))
        return edge_text(heap, next, link, with_index);
    return edge_text(heap, link, &links[(i + count - 1) % count], with_index);
}

// The key that the text of that edge does not tell; 0: none.
static vaddr hidden_key(struct heap *heap, const struct shape_link *links, size_t count, size_t i)
{
    size_t last = (i + fold_length(links, count, i) - 1) % count;
    return hides_key(heap, &links[last], &links[(last + count - 1) % count]) ? links[last].place.key
                                                                             : 0;
}

// The first link that is not folded into the one before it. A cycle in which every link is has
// none: then 0.
static size_t first_unfolded(const struct shape_link *links, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool folded = false;
        for (size_t back = 1; back <= 2 && back < count && !folded; back++)
            folded = fold_length(links, count, (i + count - back) % count) > back;
        if (!folded)
            return i;
    }
    return 0;
}

// --- rotation

// The smallest rotation of a cyclic sequence of strings, in linear time (Booth's algorithm, in
// the two-pointer form of Shiloach).
static size_t smallest_rotation(char *const *texts, size_t count)
{
    size_t a = 0, b = 1, same = 0;
    while (a < count && b < count && same < count) {
        int order = strcmp(texts[(a + same) % count], texts[(b + same) % count]);
        if (order == 0) {
            same++;
            continue;
        }
        if (order > 0)
            a += same + 1;
        else
            b += same + 1;
        b += a == b;
        same = 0;
    }
    return a < b ? a : b;
}

struct drawing {
    struct finding_step *steps;
    // Type and edge of each step as the shape has them. What has a finalizer sorts before what has
    // none, so that the smallest rotation starts there: a reader wants to begin with the __del__.
    char **texts;
    size_t count;
};

static void drawing_deinit(struct drawing *drawing)
{
    for (size_t i = 0; i < drawing->count; i++) {
        free(drawing->steps[i].type);
        free(drawing->steps[i].edge);
        free(drawing->texts[i]);
    }
    free(drawing->steps);
    free(drawing->texts);
}

static bool draw_step(struct heap *heap, const struct shape_link *links, size_t count, size_t i,
                      struct drawing *drawing)
{
    struct finding_step *step = &drawing->steps[drawing->count];
    char **text = &drawing->texts[drawing->count];
    vaddr class;
    drawing->count++;
    step->object = heap_address(heap, links[i].node);
    step->finalizer = heap_has_finalizer(heap, links[i].node);
    if (step->finalizer)
        step->del_source = shape_find_del_source(heap, links[i].node, &class);
    step->type = object_class_name(&heap->types, step->object);
    step->edge = folded_text(heap, links, count, i, true);
    step->cut = links[(i + fold_length(links, count, i) - 1) % count].edge;
    step->attribute = links[i].place.kind == VISIT_SLOT ||
                      (shape_is_namespace(&links[i].place) && fold_length(links, count, i) == 2);
    step->key = hidden_key(heap, links, count, i);
    step->attribute = step->attribute && !step->key;
    char *plain = folded_text(heap, links, count, i, false);
    if (!step->type || !step->edge || !plain ||
        asprintf(text, "%c%s %s\n", step->finalizer ? '!' : '.', step->type, plain) < 0)
        *text = NULL;
    free(plain);
    return *text;
}

// Draws from `start` on, all the way round, but for the last `left_out` links.
static bool draw(struct heap *heap, const struct shape_link *links, size_t count, size_t start,
                 size_t left_out, struct drawing *drawing)
{
    drawing->steps = calloc(count, sizeof(*drawing->steps));
    drawing->texts = calloc(count, sizeof(*drawing->texts));
    if (!drawing->steps || !drawing->texts)
        return false;
    for (size_t done = 0; done + left_out < count;) {
        size_t i = (start + done) % count;
        if (!draw_step(heap, links, count, i, drawing))
            return false;
        done += fold_length(links, count, i);
    }
    return true;
}

// Rotated to the smallest start, in one string.
static char *join_rotated(const struct drawing *drawing, size_t start)
{
    size_t length = 1;
    for (size_t i = 0; i < drawing->count; i++)
        length += strlen(drawing->texts[i]);
    char *text = malloc(length), *end = text;
    for (size_t i = 0; text && i < drawing->count; i++)
        end = stpcpy(end, drawing->texts[(start + i) % drawing->count]);
    if (text)
        *end = '\0';
    return text;
}

static void find_places(struct heap *heap, struct shape_link *links, size_t count, uint64_t *unread)
{
    for (size_t i = 0; i < count; i++) {
        links[i].place = (struct visit_place){.kind = VISIT_STACK};
        *unread +=
            heap_find_place(heap, links[i].node, links[i].edge, &links[i].place) != MEMORY_OK;
    }
}

// Draws a cycle whose places are not known yet; NULL for lack of memory, else the canonical text.
static char *draw_links(struct heap *heap, struct shape_link *links, size_t count,
                        struct drawing *drawing, size_t *start, uint64_t *unread)
{
    find_places(heap, links, count, unread);
    if (!draw(heap, links, count, first_unfolded(links, count), 0, drawing))
        return NULL;
    *start = smallest_rotation(drawing->texts, drawing->count);
    return join_rotated(drawing, *start);
}

char *shape_text(struct heap *heap, struct shape_link *links, size_t count)
{
    struct drawing drawing = {0};
    size_t start;
    uint64_t unread = 0;
    char *text = draw_links(heap, links, count, &drawing, &start, &unread);
    drawing_deinit(&drawing);
    return text;
}

struct failure *shape_describe(struct heap *heap, struct shape_link *links, size_t count,
                               struct finding *finding, char **text, uint64_t *unread)
{
    struct drawing drawing = {0};
    size_t start;
    struct finding_step *rotated = calloc(count, sizeof(*rotated));
    char *joined = rotated ? draw_links(heap, links, count, &drawing, &start, unread) : NULL;
    if (!joined) {
        drawing_deinit(&drawing);
        free(rotated);
        return failure_no_memory();
    }
    for (size_t i = 0; i < drawing.count; i++) {
        rotated[i] = drawing.steps[(start + i) % drawing.count];
        free(drawing.texts[i]);
    }
    free(drawing.texts);
    free(drawing.steps);
    snprintf(finding->signature, SIGNATURE_SIZE, "%08x",
             (unsigned)(XXH64(joined, strlen(joined), 0) >> 32));
    finding->steps = rotated;
    finding->step_count = drawing.count;
    *text = joined;
    return NULL;
}

bool shape_draw_path(struct heap *heap, struct shape_link *links, size_t count,
                     struct finding_step **steps, size_t *step_count, uint64_t *unread)
{
    struct drawing drawing = {0};
    find_places(heap, links, count, unread);
    // Nothing is folded into or over this one, so that the ends of the path do not meet.
    links[count] = (struct shape_link){.place = {.kind = VISIT_STACK}};
    bool drawn = draw(heap, links, count + 1, 0, 1, &drawing);
    if (drawn) {
        for (size_t i = 0; i < drawing.count; i++)
            free(drawing.texts[i]);
        free(drawing.texts);
        *steps = drawing.steps;
        *step_count = drawing.count;
    } else {
        drawing_deinit(&drawing);
    }
    return drawn;
}

void shape_free_steps(struct finding_step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(steps[i].type);
        free(steps[i].edge);
        free(steps[i].key_edge);
    }
    free(steps);
}
