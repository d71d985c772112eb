// What tells cycles apart without a word: classes, labels and places as numbers.
#include "shape.h"

#include <stdlib.h>
#include <xxhash.h>

// --- classes

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

bool shape_is_member(const struct visit_place *place, const char *label)
{
    return place->kind == VISIT_MEMBER && strcmp(place->label, label) == 0;
}

bool shape_is_own_namespace(const struct visit_place *place)
{
    return place->kind == VISIT_DICT || shape_is_member(place, "__dict__");
}

bool shape_is_namespace(const struct visit_place *place)
{
    return shape_is_own_namespace(place) || shape_is_member(place, "func_globals") ||
           shape_is_member(place, "f_globals") || shape_is_member(place, "f_locals");
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
        if (shape_is_member(&place, "func_closure"))
            return read_member(heap, link->node, LAYOUT_PyFunctionObject_func_code);
        return (uintptr_t)place.label;
    case VISIT_INDEX:
        return shape_is_member(&place_before, "func_closure") ? (uint64_t)place.index : 0;
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

// The words of links whose classes and labels say all; false: there is another.
static bool write_plain_words(const struct heap *heap, const struct shape_link *links, size_t count,
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

static void write_words(struct heap *heap, const struct shape_link *links, size_t count,
                        const struct shape_link *before, uint64_t *words)
{
    for (size_t i = 0; i < count; before = &links[i++]) {
        words[i * SHAPE_KEY_WORDS] = shape_find_class(heap, links[i].node) ^
                                     (uint64_t)heap_has_finalizer(heap, links[i].node) << 63;
        words[i * SHAPE_KEY_WORDS + 1] = edge_key(heap, &links[i], before);
    }
}

// --- digests

// Some links of a long cycle.
struct key_block {
    uint64_t before[SHAPE_KEY_DIGEST_WORDS]; // the digest of those before
    uint64_t words[SHAPE_KEY_LINKS_MAX * SHAPE_KEY_WORDS];
};

static size_t block_size(size_t count, size_t i)
{
    return count - i < SHAPE_KEY_LINKS_MAX ? count - i : SHAPE_KEY_LINKS_MAX;
}

static void start_digest(size_t count, uint64_t *words)
{
    words[0] = words[1] = 0;
    words[2] = count;
}

static void add_to_digest(struct key_block *block, size_t links, uint64_t *words)
{
    memcpy(block->before, words, sizeof(block->before));
    XXH128_hash_t hash = XXH3_128bits(block, sizeof(block->before) +
                                                 links * SHAPE_KEY_WORDS * sizeof(*block->words));
    words[0] = hash.low64;
    words[1] = hash.high64;
}

bool shape_make_plain_key(const struct heap *heap, const struct shape_link *links, size_t count,
                          uint64_t *words)
{
    if (count <= SHAPE_KEY_LINKS_MAX)
        return write_plain_words(heap, links, count, words);
    struct key_block block;
    start_digest(count, words);
    for (size_t i = 0, size; i < count; i += size) {
        size = block_size(count, i);
        if (!write_plain_words(heap, links + i, size, block.words))
            return false;
        add_to_digest(&block, size, words);
    }
    return true;
}

void shape_make_key(struct heap *heap, const struct shape_link *links, size_t count,
                    uint64_t *words)
{
    const struct shape_link *before = &links[(count ? count : 1) - 1];
    if (count <= SHAPE_KEY_LINKS_MAX) {
        write_words(heap, links, count, before, words);
        return;
    }
    struct key_block block;
    start_digest(count, words);
    for (size_t i = 0, size; i < count; i += size) {
        size = block_size(count, i);
        write_words(heap, links + i, size, before, block.words);
        add_to_digest(&block, size, words);
        before = &links[i + size - 1];
    }
}
