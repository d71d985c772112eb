#include "paths.h"

#include <stdlib.h>

enum {
    NOTHING = 0,
    ROOT = 1,
    NODES_FIRST = 64,
};

struct path_node {
    uint8_t op;
    uint8_t width;
    uint16_t slot;
    uint16_t second; // PATH_READ: the slot that it fills
    uint32_t next;
    uint32_t other; // the answer is no; PATH_VALUE: the next value
    uint64_t value;
};

bool path_add(struct path *path, struct path_step step)
{
    path->slots += step.op == PATH_READ;
    path->visits += step.op == PATH_VISIT || step.op == PATH_CONSTANT;
    if (path->count == PATHS_STEPS_MAX || path->slots >= PATHS_SLOTS_MAX ||
        path->visits > PATHS_VISITS_MAX)
        return false;
    if (path->count == path->capacity) {
        size_t capacity = path->capacity ? path->capacity * 2 : NODES_FIRST;
        struct path_step *steps = reallocarray(path->steps, capacity, sizeof(*steps));
        if (!steps)
            return false;
        path->steps = steps;
        path->capacity = capacity;
    }
    path->steps[path->count++] = step;
    return true;
}

void path_clear(struct path *path)
{
    path->count = path->slots = path->visits = 0;
}

void path_deinit(struct path *path)
{
    free(path->steps);
    *path = (struct path){0};
}

// --- adding

// Room for the whole path at once, so that half of one is never there.
static bool reserve_nodes(struct paths *paths, size_t more)
{
    size_t wanted = paths->count + more + ROOT;
    if (wanted > PATHS_NODES_MAX)
        return false;
    if (wanted <= paths->capacity)
        return true;
    size_t capacity = paths->capacity * 2 > wanted ? paths->capacity * 2 : wanted;
    struct path_node *nodes = reallocarray(paths->nodes, capacity, sizeof(*nodes));
    if (!nodes)
        return false;
    paths->nodes = nodes;
    paths->capacity = (uint32_t)capacity;
    if (!paths->count)
        paths->nodes[paths->count++] = (struct path_node){0};
    return true;
}

// Is that what the node does? The answer to a question is not part of it.
static bool is_same(const struct path_node *node, const struct path_step *step)
{
    return node->op == step->op && node->slot == step->slot && node->width == step->width &&
           (node->second == step->second || step->op == PATH_READ) &&
           (node->value == step->value || step->op == PATH_VALUE);
}

static bool is_denied(const struct path_step *step)
{
    return (step->op == PATH_EQUAL || step->op == PATH_PAIR) && !step->answer;
}

static bool has_too_many_values(const struct paths *paths, uint32_t at)
{
    unsigned count = 0;
    for (; at != NOTHING; at = paths->nodes[at].other)
        count++;
    return count >= PATHS_VALUES_MAX;
}

// The nodes of steps that no path had before, the first of which replaces *link.
static void append(struct paths *paths, uint32_t *link, const struct path *path, size_t from,
                   uint16_t slots)
{
    *link = paths->count; // (the nodes do not move: room is reserved)
    for (size_t i = from; i < path->count; i++) {
        const struct path_step *step = &path->steps[i];
        struct path_node *node = &paths->nodes[paths->count++];
        *node = (struct path_node){.op = step->op,
                                   .width = step->width,
                                   .slot = step->slot,
                                   .second = step->second,
                                   .value = step->value};
        if (step->op == PATH_READ)
            node->second = slots++;
        if (is_denied(step))
            node->other = paths->count;
        else if (step->op != PATH_END)
            node->next = paths->count;
    }
}

// The link that a step leads on by; for PATH_VALUE, where another value would be put, if there is
// none that fits.
static uint32_t *find_link(struct paths *paths, uint32_t at, const struct path_step *step,
                           bool *found)
{
    struct path_node *node = &paths->nodes[at];
    *found = true;
    if (is_denied(step))
        return &node->other;
    if (step->op != PATH_VALUE)
        return &node->next;
    while (node->value != step->value) {
        if (node->other == NOTHING) {
            *found = false;
            return &node->other;
        }
        node = &paths->nodes[node->other];
    }
    return &node->next;
}

enum paths_outcome paths_add(struct paths *paths, const struct path *path)
{
    if (!reserve_nodes(paths, path->count))
        return PATHS_FULL;
    uint32_t root = paths->count > ROOT ? ROOT : NOTHING, *link = &root;
    uint16_t slots = 1;
    for (size_t i = 0; i < path->count; i++) {
        const struct path_step *step = &path->steps[i];
        bool found;
        uint32_t at = *link;
        if (at == NOTHING) {
            append(paths, link, path, i, slots);
            return PATHS_ADDED;
        }
        if (!is_same(&paths->nodes[at], step))
            return PATHS_CONTRADICTION;
        link = find_link(paths, at, step, &found);
        if (!found && has_too_many_values(paths, at))
            return PATHS_FULL;
        if (!found) {
            append(paths, link, path, i, slots);
            return PATHS_ADDED;
        }
        slots += step->op == PATH_READ;
    }
    return PATHS_ADDED; // it was there
}

void paths_deinit(struct paths *paths)
{
    free(paths->nodes);
    *paths = (struct paths){0};
}

// --- going

void path_walker_init(struct path_walker *walker, struct memory *memory, unsigned address_bits)
{
    walker->memory = memory;
    walker->limit = (uint64_t)1 << address_bits;
    memset(walker->spans, 0, sizeof(walker->spans));
}

static void swap_spans(struct path_walker *walker)
{
    __typeof__(walker->spans[0]) first = walker->spans[0];
    walker->spans[0] = walker->spans[1];
    walker->spans[1] = first;
}

// The whole pages of the span around that address become the first. False: it is in none.
static bool find_pages(struct path_walker *walker, vaddr at)
{
    const struct memory_span *span = at < walker->limit ? memory_find(walker->memory, at) : NULL;
    if (!span || !span->bytes)
        return false;
    vaddr start = (span->start + PATHS_PAGE - 1) & ~(vaddr)(PATHS_PAGE - 1);
    vaddr end = (span->start + span->size) & ~(vaddr)(PATHS_PAGE - 1);
    if (end > walker->limit)
        end = walker->limit;
    if (at < start || at >= end)
        return false;
    walker->spans[0].start = start;
    walker->spans[0].end = end;
    walker->spans[0].bytes = span->bytes + (start - span->start);
    return true;
}

// `width` bytes; NULL: they cannot be had, or *spans is used up.
static inline const uint8_t *view(struct path_walker *walker, vaddr at, unsigned width,
                                  unsigned *spans)
{
    for (unsigned turn = 0;; turn++) {
        vaddr offset = at - walker->spans[0].start;
        vaddr size = walker->spans[0].end - walker->spans[0].start;
        if (offset < size && size - offset >= width)
            return walker->spans[0].bytes + offset;
        if (turn == 2)
            return NULL;
        if (turn == 0)
            swap_spans(walker);
        else if (*spans == 0 || !find_pages(walker, at))
            return NULL;
        else
            --*spans;
    }
}

static inline uint64_t read_word(const uint8_t *bytes, unsigned width)
{
    return format_uint((struct memory_format){.word_size = 8}, bytes, width);
}

bool path_walker_read(struct path_walker *walker, vaddr at, unsigned width, uint64_t *value)
{
    unsigned spans = 1;
    const uint8_t *bytes = view(walker, at, width, &spans);
    if (bytes)
        *value = read_word(bytes, width);
    return bytes;
}

bool paths_walk(const struct paths *paths, struct path_walker *walker, vaddr object)
{
    const struct path_node *nodes = paths->nodes, *node;
    unsigned spans = PATHS_SPANS_MAX;
    walker->visit_count = 0;
    walker->slots[0] = object;
    for (uint32_t at = paths->count > ROOT ? ROOT : NOTHING; at != NOTHING;) {
        node = &nodes[at];
        uint64_t word = walker->slots[node->slot];
        const uint8_t *bytes;
        at = node->next;
        switch ((enum path_op)node->op) {
        case PATH_READ:
            bytes = view(walker, word + node->value, node->width, &spans);
            if (!bytes)
                return false;
            walker->slots[node->second] = read_word(bytes, node->width);
            break;
        case PATH_EQUAL:
        case PATH_VALUE:
            if (word != node->value)
                at = node->other;
            break;
        case PATH_PAIR:
            if (word + node->value != walker->slots[node->second])
                at = node->other;
            break;
        case PATH_VISIT:
            walker->visits[walker->visit_count++] = word + node->value;
            break;
        case PATH_CONSTANT:
            walker->visits[walker->visit_count++] = node->value;
            break;
        case PATH_END:
            return true;
        }
    }
    return false;
}
