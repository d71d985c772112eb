// A cycle in the graph goes through objects that nobody would draw: the instance dictionary between
// an object and its attribute, the tuple and the cell between a function and a variable of its
// closure. Folding takes them out and gives their owner an edge with the name that a reader of the
// source knows. What is left is written twice: with indexes for the report, without for the shape.
#include "shape.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    NAME_MAX_BYTES = 256,
    NEAR_LINKS = 8,        // whose places are kept: more than are looked at for one step
    REMEMBERED_STEPS = 64, // in longer cycles steps are likely to be alike
};

// --- places

// Links about to be drawn: a cycle, or a path with an end that is not a link.
struct sketch {
    struct heap *heap;
    const struct shape_link *links;
    size_t link_count;
    size_t count; // of the links and the end
    struct {
        size_t link; // + 1; 0: none
        struct visit_place place;
        bool lost;      // it could not be found
    } near[NEAR_LINKS]; // of edges without a label
};

static size_t link_after(const struct sketch *sketch, size_t i, size_t distance)
{
    i += distance;
    return i < sketch->count ? i : i % sketch->count;
}

static size_t link_before(const struct sketch *sketch, size_t i, size_t distance)
{
    return i >= distance ? i - distance : (i + sketch->count - distance) % sketch->count;
}

// Where a link stands; without its index where a label tells the rest.
static struct visit_place place_of(struct sketch *sketch, size_t i)
{
    struct heap *heap = sketch->heap;
    const struct shape_link *link = &sketch->links[i];
    // Nothing is folded into or over the end, so that the ends of a path do not meet.
    if (i == sketch->link_count)
        return (struct visit_place){.kind = VISIT_STACK};
    uint16_t label = heap->edge_labels[link->edge];
    if (label != HEAP_NO_LABEL)
        return *heap_label_place(heap, label);
    size_t slot = i % NEAR_LINKS;
    if (sketch->near[slot].link != i + 1) {
        struct visit_place *place = &sketch->near[slot].place;
        *place = (struct visit_place){.kind = VISIT_STACK};
        sketch->near[slot].lost = heap_find_place(heap, link->node, link->edge, place) != MEMORY_OK;
        sketch->near[slot].link = i + 1;
    }
    return sketch->near[slot].place;
}

static bool is_place_lost(struct sketch *sketch, size_t i)
{
    if (sketch->heap->edge_labels[sketch->links[i].edge] != HEAP_NO_LABEL)
        return false;
    place_of(sketch, i);
    return sketch->near[i % NEAR_LINKS].lost;
}

// The index of a link that stands at one; -1: it cannot be read.
static int64_t read_index(struct sketch *sketch, size_t i)
{
    const struct shape_link *link = &sketch->links[i];
    struct visit_place place;
    if (heap_find_place(sketch->heap, link->node, link->edge, &place) != MEMORY_OK)
        return -1;
    return place.index;
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
    vaddr code =
        runtime_read_member(heap->runtime, heap_address(heap, frame), LAYOUT_PyFrameObject_f_code);
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
static bool hides_key(struct sketch *sketch, size_t i)
{
    char name[NAME_MAX_BYTES];
    struct visit_place place = place_of(sketch, i);
    if (place.kind != VISIT_VALUE)
        return false;
    struct visit_place before = place_of(sketch, link_before(sketch, i, 1));
    return !shape_is_namespace(&before) ||
           object_read_identifier(sketch->heap->runtime, place.key, name, sizeof(name)) ==
               MEMORY_NONSENSE;
}

static char *join(const char *before, const char *name)
{
    char *text;
    return asprintf(&text, "%s%s", before, name) < 0 ? NULL : text;
}

static char *index_text(struct sketch *sketch, size_t i, bool with_index)
{
    char text[32] = "[]";
    int64_t index = with_index ? read_index(sketch, i) : 0;
    if (with_index)
        snprintf(text, sizeof(text), index < 0 ? "[?]" : "[%lld]", (long long)index);
    return failure_copy_text(text);
}

static char *value_text(struct sketch *sketch, size_t i, vaddr key)
{
    char name[NAME_MAX_BYTES];
    struct visit_place before = place_of(sketch, link_before(sketch, i, 1));
    if (hides_key(sketch, i))
        return redacted_key(sketch->heap, shape_is_namespace(&before) ? ".__dict__" : "", key);
    read_name(sketch->heap, key, name);
    return join(".", name);
}

// The text of one edge. with_index: as a report shows it; else as the shape has it.
static char *edge_text(struct sketch *sketch, size_t i, bool with_index)
{
    struct visit_place place = place_of(sketch, i);
    char name[NAME_MAX_BYTES];
    switch (place.kind) {
    case VISIT_MEMBER:
        return join(".", place.label);
    case VISIT_INDEX:
        return index_text(sketch, i, with_index);
    case VISIT_KEY:
        return failure_copy_text(place.label);
    case VISIT_VALUE:
        return value_text(sketch, i, place.key);
    case VISIT_LOCAL:
        read_local_name(sketch->heap, sketch->links[i].node, (uint64_t)place.index, name);
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
        if (memory_read_string(sketch->heap->runtime->memory, place.key, name, sizeof(name)) ==
            MEMORY_UNMAPPED)
            snprintf(name, sizeof(name), "?");
        return join(".", name);
    }
    return NULL;
}

// "cell NAME": the free variable of the function at links[i], whose closure has it at an index.
static char *cell_text(struct sketch *sketch, size_t i)
{
    struct heap *heap = sketch->heap;
    char name[NAME_MAX_BYTES];
    vaddr code = runtime_read_member(heap->runtime, heap_address(heap, sketch->links[i].node),
                                     LAYOUT_PyFunctionObject_func_code);
    read_name_in(heap, runtime_read_member(heap->runtime, code, LAYOUT_PyCodeObject_co_freevars),
                 (uint64_t)read_index(sketch, link_after(sketch, i, 1)), name);
    return join("cell ", name);
}

// --- folding

// How many links the edge that starts at links[i] takes with those that are folded into it.
static size_t fold_length(struct sketch *sketch, size_t i)
{
    struct visit_place first = place_of(sketch, i);
    if (sketch->count == 1 ||
        (first.kind != VISIT_MEMBER && first.kind != VISIT_DICT && first.kind != VISIT_LOCAL))
        return 1;
    struct visit_place second = place_of(sketch, link_after(sketch, i, 1));
    if (shape_is_namespace(&first) && second.kind == VISIT_VALUE)
        return 2;
    if (first.kind == VISIT_LOCAL && shape_is_member(&second, "cell_contents"))
        return 2;
    if (sketch->count == 2 || second.kind != VISIT_INDEX ||
        !shape_is_member(&first, "func_closure"))
        return 1;
    struct visit_place third = place_of(sketch, link_after(sketch, i, 2));
    return shape_is_member(&third, "cell_contents") ? 3 : 1;
}

static size_t last_folded(struct sketch *sketch, size_t i)
{
    return link_after(sketch, i, fold_length(sketch, i) - 1);
}

// The text of the edge that starts at links[i], with what is folded into it.
static char *folded_text(struct sketch *sketch, size_t i, bool with_index)
{
    size_t length = fold_length(sketch, i);
    struct visit_place place = place_of(sketch, i);
    if (length == 3)
        return cell_text(sketch, i);
    if (length == 2 && shape_is_namespace(&place))
        return edge_text(sketch, link_after(sketch, i, 1), with_index);
    return edge_text(sketch, i, with_index);
}

// The first link that is not folded into the one before it. A cycle in which every link is has
// none: then 0.
static size_t first_unfolded(struct sketch *sketch)
{
    for (size_t i = 0; i < sketch->count; i++) {
        bool folded = false;
        for (size_t back = 1; back <= 2 && back < sketch->count && !folded; back++)
            folded = fold_length(sketch, link_before(sketch, i, back)) > back;
        if (!folded)
            return i;
    }
    return 0;
}

// --- steps

static bool is_attribute(struct sketch *sketch, size_t i)
{
    struct visit_place place = place_of(sketch, i);
    return place.kind == VISIT_SLOT || (shape_is_namespace(&place) && fold_length(sketch, i) == 2);
}

// The step that starts at links[i]. False: memory is short; what it has is then to be freed too.
static bool draw_step(struct sketch *sketch, size_t i, struct finding_step *step)
{
    struct heap *heap = sketch->heap;
    uint32_t node = sketch->links[i].node;
    size_t last = last_folded(sketch, i);
    vaddr class, object = heap_address(heap, node);
    *step = (struct finding_step){
        .object = object,
        .type = object_class_name(&heap->types, object),
        .edge = folded_text(sketch, i, true),
        .finalizer = heap_has_finalizer(heap, node),
        .cut = sketch->links[last].edge,
        .key = hides_key(sketch, last) ? place_of(sketch, last).key : 0,
    };
    step->attribute = !step->key && is_attribute(sketch, i);
    if (step->finalizer)
        step->del_source = shape_find_del_source(heap, node, &class);
    return step->type && step->edge;
}

// What has a finalizer sorts before what has none, so that the smallest rotation starts there: a
// reader wants to begin with the __del__.
static char *step_text(struct sketch *sketch, size_t i)
{
    struct heap *heap = sketch->heap;
    uint32_t node = sketch->links[i].node;
    char *type = object_class_name(&heap->types, heap_address(heap, node));
    char *edge = folded_text(sketch, i, false), *text = NULL;
    if (type && edge &&
        asprintf(&text, "%c%s %s\n", heap_has_finalizer(heap, node) ? '!' : '.', type, edge) < 0)
        text = NULL;
    free(type);
    free(edge);
    return text;
}

// False: the text depends on more than that.
static bool make_step_key(struct sketch *sketch, size_t i, struct shape_step_key *key)
{
    struct heap *heap = sketch->heap;
    int32_t type = heap->type[sketch->links[i].node];
    if (sketch->count < REMEMBERED_STEPS || type == HEAP_NO_TYPE ||
        heap->types.types[type].finalizer == FINALIZER_INSTANCE)
        return false;
    key->class = (uint64_t)type << 1 | heap_has_finalizer(heap, sketch->links[i].node);
    key->labels = 0;
    for (size_t distance = 0; distance < 4; distance++) {
        const struct shape_link *link =
            &sketch->links[link_before(sketch, link_after(sketch, i, distance), 1)];
        if (heap->edge_labels[link->edge] == HEAP_NO_LABEL)
            return false;
        key->labels = key->labels << 16 | heap->edge_labels[link->edge];
    }
    return true;
}

static bool number_step(struct sketch *sketch, struct shape_texts *texts, size_t i,
                        uint32_t *number)
{
    const struct memory *memory = sketch->heap->runtime->memory;
    struct shape_step_key key;
    bool has_key = make_step_key(sketch, i, &key);
    if (has_key && shape_texts_recall(texts, &key, number))
        return true;
    uint64_t lost = memory->lost_reads;
    char *text = step_text(sketch, i);
    bool done = text && shape_texts_add(texts, text, number);
    free(text);
    // Each name that is lost counts.
    if (done && has_key && memory->lost_reads == lost)
        shape_texts_note(texts, &key, *number);
    return done;
}

// --- shapes

// The smallest rotation of a cyclic sequence of texts, in linear time (Booth's algorithm, in the
// two-pointer form of Shiloach).
static size_t smallest_rotation(const struct shape_texts *texts, const uint32_t *numbers,
                                size_t count)
{
    size_t a = 0, b = 1, same = 0;
    while (a < count && b < count && same < count) {
        size_t in_a = a + same < count ? a + same : a + same - count;
        size_t in_b = b + same < count ? b + same : b + same - count;
        int order = shape_texts_order(texts, numbers[in_a], numbers[in_b]);
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

static void turn_round(uint32_t *numbers, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        uint32_t number = numbers[i];
        numbers[i] = numbers[count - 1 - i];
        numbers[count - 1 - i] = number;
    }
}

// In place.
static void rotate(uint32_t *numbers, size_t count, size_t start)
{
    turn_round(numbers, start);
    turn_round(numbers + start, count - start);
    turn_round(numbers, count);
}

// The numbers of the steps' texts, from links[start] on all the way round.
static bool number_steps(struct sketch *sketch, struct shape_texts *texts, size_t start,
                         struct shape *shape, uint64_t *unread)
{
    for (size_t done = 0; done < sketch->count;) {
        size_t i = link_after(sketch, start, done), length = fold_length(sketch, i);
        if (!number_step(sketch, texts, i, &shape->texts[shape->count++]))
            return false;
        for (; length && done < sketch->count; length--, done++)
            *unread += is_place_lost(sketch, link_after(sketch, start, done));
    }
    return true;
}

static bool read_shape(struct sketch *sketch, struct shape_texts *texts, struct shape *shape,
                       uint64_t *unread)
{
    *shape = (struct shape){.first = first_unfolded(sketch)};
    shape->texts = reallocarray(NULL, sketch->count + 1, sizeof(*shape->texts));
    if (!shape->texts || !number_steps(sketch, texts, shape->first, shape, unread)) {
        shape_deinit(shape);
        return false;
    }
    uint32_t *fitting = reallocarray(shape->texts, shape->count, sizeof(*shape->texts));
    if (fitting)
        shape->texts = fitting;
    size_t start = smallest_rotation(texts, shape->texts, shape->count);
    rotate(shape->texts, shape->count, start);
    for (size_t i = 0; i < start; i++)
        shape->first = link_after(sketch, shape->first, fold_length(sketch, shape->first));
    return true;
}

bool shape_read(struct heap *heap, struct shape_texts *texts, const struct shape_link *links,
                size_t count, struct shape *shape)
{
    struct sketch sketch = {.heap = heap, .links = links, .link_count = count, .count = count};
    uint64_t unread = 0;
    return read_shape(&sketch, texts, shape, &unread);
}

void shape_deinit(struct shape *shape)
{
    free(shape->texts);
    *shape = (struct shape){0};
}

// --- findings

// Which steps of a long cycle are kept.
struct keeping {
    size_t count;  // of the cycle
    uint8_t *seen; // one bit per text
    size_t more;   // steps kept for their text
    bool next;     // the next one shows what the last one leads to
};

static bool is_kept(struct keeping *keeping, uint32_t text, size_t i)
{
    bool is_new = !(keeping->seen[text / 8] >> text % 8 & 1), is_next = keeping->next;
    keeping->next = false;
    keeping->seen[text / 8] |= (uint8_t)(1 << text % 8);
    if (keeping->count <= FINDING_STEPS_MAX || i < FINDING_STEPS_FIRST ||
        keeping->count - i <= FINDING_STEPS_LAST)
        return true;
    keeping->next = is_new && keeping->more < FINDING_STEPS_MORE;
    keeping->more += keeping->next;
    return keeping->next || is_next;
}

static bool draw_kept(struct sketch *sketch, const struct shape *shape, struct keeping *keeping,
                      struct finding *finding)
{
    size_t kept = 0, link = shape->first;
    finding->step_count = shape->count;
    finding->steps_left_out = shape->count;
    for (size_t i = 0; i < shape->count; i++) {
        if (is_kept(keeping, shape->texts[i], i)) {
            struct finding_step *step = &finding->steps[kept++];
            finding->steps_left_out--;
            if (!draw_step(sketch, link, step))
                return false;
            step->number = i;
        }
        link = link_after(sketch, link, fold_length(sketch, link));
    }
    return true;
}

static bool keep_steps(struct sketch *sketch, const struct shape_texts *texts,
                       const struct shape *shape, struct finding *finding)
{
    struct keeping keeping = {.count = shape->count, .seen = calloc(texts->count / 8 + 1, 1)};
    size_t most = FINDING_STEPS_FIRST + FINDING_STEPS_LAST + 2 * FINDING_STEPS_MORE;
    finding->steps = calloc(shape->count < most ? shape->count : most, sizeof(*finding->steps));
    bool done = keeping.seen && finding->steps && draw_kept(sketch, shape, &keeping, finding);
    free(keeping.seen);
    return done;
}

struct failure *shape_describe(struct heap *heap, struct shape_texts *texts,
                               const struct shape_link *links, size_t count,
                               struct finding *finding, struct shape *shape, uint64_t *unread)
{
    struct sketch sketch = {.heap = heap, .links = links, .link_count = count, .count = count};
    uint64_t hash;
    if (!read_shape(&sketch, texts, shape, unread))
        return failure_no_memory();
    if (!shape_texts_hash(texts, shape->texts, shape->count, &hash) ||
        !keep_steps(&sketch, texts, shape, finding)) {
        shape_free_steps(finding->steps, finding_kept_steps(finding));
        shape_deinit(shape);
        return failure_no_memory();
    }
    snprintf(finding->signature, SIGNATURE_SIZE, "%08x", (unsigned)(hash >> 32));
    return NULL;
}

bool shape_draw_path(struct heap *heap, const struct shape_link *links, size_t count,
                     struct finding_step **steps, size_t *step_count, uint64_t *unread)
{
    struct sketch sketch = {.heap = heap, .links = links, .link_count = count, .count = count + 1};
    *step_count = 0;
    *steps = calloc(count + 1, sizeof(**steps));
    bool drawn = *steps;
    for (size_t i = 0; i < count && drawn; i += fold_length(&sketch, i))
        drawn = draw_step(&sketch, i, &(*steps)[(*step_count)++]);
    for (size_t i = 0; i < count && drawn; i++)
        *unread += is_place_lost(&sketch, i);
    if (!drawn)
        shape_free_steps(*steps, *step_count);
    return drawn;
}

void shape_free_steps(struct finding_step *steps, size_t count)
{
    for (size_t i = 0; i < count && steps; i++) {
        free(steps[i].type);
        free(steps[i].edge);
        free(steps[i].key_edge);
    }
    free(steps);
}
