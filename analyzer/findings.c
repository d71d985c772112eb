// From components to findings in two rounds. First every component gets a cycle, and a cheap key of
// that cycle made of addresses; components with equal keys form a group. Then one cycle per group
// is described in words, and groups with equal words become one finding. A million components of
// one leak so cost a million keys and a handful of texts.
#include "findings.h"

#include <stdlib.h>
#include <xxhash.h>

#include "changes.h"
#include "cycle.h"
#include "groups.h"
#include "held.h"
#include "parallel.h"
#include "remedy.h"
#include "remedy_check.h"
#include "shape.h"

enum {
    FINALIZERS_MAX = 64, // classes with __del__ told per finding
};

struct folding {
    struct heap *heap;
    const uint8_t *states;
    struct findings *findings;
    struct graph_components components;
    struct cycle_finder finder;
    struct groups groups;
    uint64_t remedy_work;
};

static uint32_t component_size(const struct folding *folding, uint32_t component)
{
    return folding->components.starts[component + 1] - folding->components.starts[component];
}

static const uint32_t *component_members(const struct folding *folding, uint32_t component)
{
    return folding->components.members + folding->components.starts[component];
}

// --- findings

// The shapes of the findings made so far, found by hash.
struct shape_index {
    struct shape *shapes; // per finding
    uint32_t *table;      // finding numbers + 1
    size_t size;          // of the table, a power of two; more than twice the groups
};

static bool shape_index_init(struct shape_index *index, size_t groups)
{
    index->size = 64;
    while (index->size < groups * 2 + 2)
        index->size *= 2;
    index->shapes = calloc(groups + 1, sizeof(*index->shapes));
    index->table = calloc(index->size, sizeof(*index->table));
    return index->shapes && index->table;
}

static void shape_index_deinit(struct shape_index *index, size_t findings)
{
    for (size_t i = 0; i < findings && index->shapes; i++)
        shape_deinit(&index->shapes[i]);
    free(index->shapes);
    free(index->table);
}

static bool same_shape(const struct shape *a, const struct shape *b)
{
    return a->count == b->count && memcmp(a->texts, b->texts, a->count * sizeof(*a->texts)) == 0;
}

// The finding with that state and shape: an older one, or the new one, which takes both.
static uint32_t find_or_add(struct shape_index *index, struct findings *findings,
                            const struct finding *finding, const struct shape *shape)
{
    size_t slot =
        XXH3_64bits_withSeed(shape->texts, shape->count * sizeof(*shape->texts), finding->state) &
        (index->size - 1);
    for (; index->table[slot]; slot = (slot + 1) & (index->size - 1)) {
        uint32_t known = index->table[slot] - 1;
        if (findings->items[known].state == finding->state &&
            same_shape(&index->shapes[known], shape))
            return known;
    }
    index->shapes[findings->count] = *shape;
    findings->items[findings->count++] = *finding;
    index->table[slot] = (uint32_t)findings->count;
    return (uint32_t)findings->count - 1;
}

// Frees what describe_group made.
static void description_deinit(struct finding *finding)
{
    shape_free_steps(finding->steps, finding_kept_steps(finding));
    free(finding->breaks);
    for (size_t i = 0; i < finding->set.count; i++)
        change_deinit(&finding->set.items[i]);
    free(finding->set.items);
    origins_deinit(&finding->origins);
}

static struct failure *describe_group(struct folding *folding, struct group *group,
                                      struct shape_index *index)
{
    struct finding finding = {.state = (enum collect_state)group->words[0]};
    struct cycle_finder *finder = &folding->finder;
    struct shape shape;
    size_t length;
    if (!cycle_find(finder, group->first, &length))
        return failure_no_memory();
    struct failure *failure = shape_describe(folding->heap, &finder->texts, finder->links, length,
                                             &finding, &shape, &folding->findings->unread_edges);
    if (failure)
        return failure;
    size_t before = folding->findings->count;
    group->finding = find_or_add(index, folding->findings, &finding, &shape);
    if (folding->findings->count == before) {
        description_deinit(&finding);
        shape_deinit(&shape);
        return NULL;
    }
    return remedy_find(folding->heap, &folding->components, group->first, &folding->remedy_work,
                       &folding->findings->items[group->finding]);
}

// Post: every group has its finding; findings are told apart by state and text.
static struct failure *describe_groups(struct folding *folding)
{
    struct findings *findings = folding->findings;
    struct shape_index index = {0};
    struct failure *failure = NULL;
    findings->items = calloc(folding->groups.count + 1, sizeof(*findings->items));
    if (!shape_index_init(&index, folding->groups.count) || !findings->items)
        failure = failure_no_memory();
    for (size_t i = 0; i < folding->groups.count && !failure; i++)
        failure = describe_group(folding, &folding->groups.items[i], &index);
    shape_index_deinit(&index, findings->count);
    return failure;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_finalizer(const struct finding_finalizer *a, const struct finding_finalizer *b)
{
    return same_text(a->class, b->class) && same_text(a->del.defined_in, b->del.defined_in) &&
           same_text(a->del.file, b->del.file) && a->del.line == b->del.line &&
           a->del.kind == b->del.kind && same_text(a->del.what, b->del.what);
}

static void finalizer_deinit(struct finding_finalizer *finalizer)
{
    free(finalizer->class);
    object_del_deinit(&finalizer->del);
}

// Notes the finalizer of a member, once per finding: those that read the same (of a class made
// again and again by one function, say) count as one.
static bool note_finalizer(struct folding *folding, struct finding *finding, uint32_t node)
{
    struct object_types *types = &folding->heap->types;
    vaddr class, source = shape_find_del_source(folding->heap, node, &class);
    size_t count = finding->finalizer_count;
    for (size_t i = 0; i < count; i++)
        if (finding->finalizers[i].class_address == class &&
            finding->finalizers[i].del_source == source)
            return true;
    vaddr example = heap_address(folding->heap, node);
    struct finding_finalizer noted = {.class_address = class,
                                      .example = example,
                                      .class = object_class_name(types, example),
                                      .del_source = source};
    if (!noted.class)
        return false;
    object_find_del(types, example, &noted.del);
    bool known = count == FINALIZERS_MAX;
    for (size_t i = 0; i < count && !known; i++)
        known = same_finalizer(&finding->finalizers[i], &noted);
    struct finding_finalizer *grown =
        known ? NULL : realloc(finding->finalizers, (count + 1) * sizeof(*finding->finalizers));
    if (!grown) {
        finalizer_deinit(&noted);
        return known;
    }
    finding->finalizers = grown;
    grown[finding->finalizer_count++] = noted;
    return true;
}

// The finalizers of a component's members.
static bool note_finalizers(struct folding *folding, struct finding *finding, uint32_t component)
{
    const uint32_t *members = component_members(folding, component);
    for (uint32_t i = 0; i < component_size(folding, component); i++)
        if (heap_has_finalizer(folding->heap, members[i]) &&
            !note_finalizer(folding, finding, members[i]))
            return false;
    return true;
}

// The finding's first component is its example.
static void note_example(struct folding *folding, struct finding *finding, uint32_t component)
{
    const uint32_t *members = component_members(folding, component);
    uint32_t size = component_size(folding, component);
    finding->example_objects = size;
    for (uint32_t i = 0; i < size; i++) {
        finding->example_bytes += heap_size(folding->heap, members[i]);
        if (!finding->example && heap_has_finalizer(folding->heap, members[i]))
            finding->example = heap_address(folding->heap, members[i]);
    }
}

// Adds one group to its finding.
static bool count_group(struct folding *folding, const struct group *group)
{
    struct finding *finding = &folding->findings->items[group->finding];
    if (finding->count == 0)
        note_example(folding, finding, group->first);
    finding->count += group->count;
    finding->objects += group->objects;
    finding->bytes += group->bytes;
    groups_add_sizes(&finding->sizes, &group->sizes);
    return group->first_plain == GRAPH_NONE ||
           note_finalizers(folding, finding, group->first_plain);
}

static uint32_t finding_of(const struct folding *folding, uint32_t component)
{
    uint32_t group = folding->groups.of[component];
    return group == GRAPH_NONE ? GRAPH_NONE : folding->groups.items[group].finding;
}

// A component of a finding whose components differ in size.
struct sized_component {
    uint32_t finding;
    uint32_t size;
};

static int by_finding_and_size(const void *a, const void *b)
{
    const struct sized_component *left = a, *right = b;
    if (left->finding != right->finding)
        return left->finding < right->finding ? -1 : 1;
    return (left->size > right->size) - (left->size < right->size);
}

// Post: the findings' medians are set.
static bool find_medians(struct folding *folding)
{
    struct finding *findings = folding->findings->items;
    size_t count = 0, differing = 0;
    for (size_t i = 0; i < folding->findings->count; i++) {
        findings[i].sizes.median = findings[i].sizes.least;
        if (findings[i].sizes.least != findings[i].sizes.most)
            differing += findings[i].count;
    }
    if (!differing)
        return true;
    struct sized_component *components = reallocarray(NULL, differing, sizeof(*components));
    if (!components)
        return false;
    for (uint32_t i = 0; i < folding->components.count; i++) {
        uint32_t finding = finding_of(folding, i);
        if (finding != GRAPH_NONE && findings[finding].sizes.least != findings[finding].sizes.most)
            components[count++] = (struct sized_component){finding, component_size(folding, i)};
    }
    qsort(components, count, sizeof(*components), by_finding_and_size);
    for (size_t i = 0; i < count; i += findings[components[i].finding].count) {
        struct finding *finding = &findings[components[i].finding];
        finding->sizes.median = components[i + (finding->count - 1) / 2].size;
    }
    free(components);
    return true;
}

static bool count_components(struct folding *folding)
{
    const struct groups *groups = &folding->groups;
    for (size_t i = 0; i < groups->count; i++)
        if (!count_group(folding, &groups->items[i]))
            return false;
    for (size_t i = 0; i < groups->single_count; i++) {
        uint32_t finding = finding_of(folding, groups->single[i]);
        if (!note_finalizers(folding, &folding->findings->items[finding], groups->single[i]))
            return false;
    }
    return find_medians(folding);
}

// Post: each finding's answers have been tried on some of its components, evenly from the first to
// the last, but for those of which they are known to free all.
static struct failure *check_breaks(struct folding *folding)
{
    struct findings *findings = folding->findings;
    const struct groups *groups = &folding->groups;
    struct failure *failure = NULL;
    for (size_t i = 0; i < groups->single_count; i++)
        findings->items[finding_of(folding, groups->single[i])].uneven++;
    uint64_t *passed = calloc(findings->count + 1, sizeof(*passed));
    if (!passed)
        return failure_no_memory();
    for (size_t i = 0; i < groups->single_count && !failure; i++) {
        uint32_t number = finding_of(folding, groups->single[i]);
        struct finding *finding = &findings->items[number];
        uint64_t stride = (finding->uneven - 1) / REMEDY_CHECKED_MAX + 1;
        if (finding->count > 1 && passed[number]++ % stride == 0)
            failure = remedy_check(folding->heap, &folding->components, groups->single[i],
                                   &folding->remedy_work, finding);
    }
    free(passed);
    for (size_t i = 0; i < findings->count; i++)
        remedy_choose(&findings->items[i]);
    return failure;
}

// A member's owner is the finding of its component: the component numbers have served.
static void set_owners(void *context, unsigned job)
{
    struct folding *folding = context;
    uint32_t *owners = folding->components.of;
    uint32_t count = folding->heap->count;
    unsigned jobs = graph_jobs(&folding->heap->graph);
    uint32_t end = parallel_first(count, jobs, job + 1);
    for (uint32_t node = parallel_first(count, jobs, job); node < end; node++)
        if (owners[node] != GRAPH_NONE)
            owners[node] = finding_of(folding, owners[node]);
}

static struct failure *measure_held(struct folding *folding)
{
    parallel_run(graph_jobs(&folding->heap->graph), set_owners, folding);
    return held_measure(folding->heap, folding->states, folding->components.of, folding->findings);
}

static int by_bytes(const void *a, const void *b)
{
    const struct finding *left = a, *right = b;
    uint64_t left_bytes = left->bytes + left->held_bytes;
    uint64_t right_bytes = right->bytes + right->held_bytes;
    if (left_bytes != right_bytes)
        return left_bytes > right_bytes ? -1 : 1;
    if (left->count != right->count)
        return left->count > right->count ? -1 : 1;
    int order = strcmp(left->signature, right->signature);
    return order ? order : (left->example > right->example) - (left->example < right->example);
}

static int by_class(const void *a, const void *b)
{
    const struct finding_finalizer *left = a, *right = b;
    int order = strcmp(left->class, right->class);
    return order ? order : (left->example > right->example) - (left->example < right->example);
}

// In memory that has been touched before, if there is some: pages of it need not be made again.
static bool find_components(struct folding *folding)
{
    const uint8_t wanted = COLLECT_UNCOLLECTABLE | COLLECT_PENDING | COLLECT_SUSPECT;
    const struct graph *graph = &folding->heap->graph;
    uint32_t *memory = heap_take_refcounts(folding->heap);
    return memory ? graph_components_create_in(graph, folding->states, wanted, memory,
                                               &folding->components)
                  : graph_components_create(graph, folding->states, wanted, &folding->components);
}

static struct failure *fold(struct folding *folding)
{
    struct heap *heap = folding->heap;
    if (!find_components(folding))
        return failure_no_memory();
    cycle_finder_init(&folding->finder, heap, &folding->components);
    if (!groups_create(&folding->finder, folding->states, &folding->groups))
        return failure_no_memory();
    struct failure *failure = describe_groups(folding);
    // The links of one large cycle are more than what measuring takes.
    cycle_finder_deinit(&folding->finder);
    if (failure)
        return failure;
    if (!count_components(folding))
        return failure_no_memory();
    failure = check_breaks(folding);
    if (failure)
        return failure;
    failure = measure_held(folding);
    if (failure)
        return failure;
    struct findings *findings = folding->findings;
    for (size_t i = 0; i < findings->count; i++)
        findings->items[i].owner = (uint32_t)i;
    qsort(findings->items, findings->count, sizeof(*findings->items), by_bytes);
    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].finalizer_count)
            qsort(findings->items[i].finalizers, findings->items[i].finalizer_count,
                  sizeof(*findings->items[i].finalizers), by_class);
    return NULL;
}

static struct failure *create(struct heap *heap, const uint8_t *states, bool with_owners,
                              struct findings **findings)
{
    struct findings *made = calloc(1, sizeof(*made));
    if (!made)
        return failure_no_memory();
    struct folding folding = {
        .heap = heap, .states = states, .findings = made, .remedy_work = REMEDY_WORK};
    struct failure *failure = fold(&folding);
    cycle_finder_deinit(&folding.finder);
    if (with_owners) {
        made->owners = folding.components.of;
        folding.components.of = NULL;
    }
    graph_components_destroy(&folding.components);
    groups_deinit(&folding.groups);
    if (failure)
        findings_destroy(made);
    else
        *findings = made;
    return failure;
}

struct failure *findings_create(struct heap *heap, const uint8_t *states,
                                struct findings **findings)
{
    return create(heap, states, false, findings);
}

struct failure *findings_create_with_owners(struct heap *heap, const uint8_t *states,
                                            struct findings **findings)
{
    return create(heap, states, true, findings);
}

const struct finding_step *finding_find_step(const struct finding *finding, size_t number)
{
    size_t low = 0, high = finding_kept_steps(finding);
    if (!finding->steps_left_out || number < FINDING_STEPS_FIRST)
        return number < high ? &finding->steps[number] : NULL;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (finding->steps[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < finding_kept_steps(finding) && finding->steps[low].number == number
               ? &finding->steps[low]
               : NULL;
}

static struct failure *find_origins(struct heap *heap, const struct finding_step *step,
                                    struct origins *origins)
{
    return step->attribute ? origins_find(heap, step->object, step->edge + 1, origins) : NULL;
}

struct failure *findings_find_origins(struct findings *findings, struct heap *heap, uint64_t limit)
{
    struct failure *failure = NULL;
    for (size_t i = 0; i < findings->count && (!limit || i < limit) && !failure; i++) {
        struct finding *finding = &findings->items[i];
        if (finding->break_count)
            failure = find_origins(heap, finding_find_step(finding, finding->breaks[0].step),
                                   &finding->origins);
        for (size_t j = 0; j < finding->set.count && !failure; j++)
            failure =
                find_origins(heap, finding->set.items[j].step, &finding->set.items[j].origins);
    }
    return failure;
}

void findings_destroy(struct findings *findings)
{
    if (!findings)
        return;
    for (size_t i = 0; i < findings->count; i++) {
        struct finding *finding = &findings->items[i];
        description_deinit(finding);
        for (size_t j = 0; j < finding->finalizer_count; j++)
            finalizer_deinit(&finding->finalizers[j]);
        free(finding->finalizers);
    }
    free(findings->held_types);
    free(findings->items);
    free(findings->owners);
    free(findings);
}
