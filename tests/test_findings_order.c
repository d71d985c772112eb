// The cycle that stands for a component does not depend on where its objects lie, nor on the order
// in which a process made them: random graphs, each built in several orders.
#include "common.h"

#include "scene_findings.h"

enum {
    NODES = 12,
    EDGES = 20,
    GRAPHS = 400,
    ORDERS = 4,
    CLASSES = 4, // of which the first two have a __del__
    FINDINGS = 16,
    TOLD_MAX = 4096
};

struct edge {
    unsigned from, to;
    unsigned name; // of an attribute; ITEM: an item of the list that the node has
};

enum {
    NAMES = 3,
    ITEM = NAMES
};

static struct edge edges[EDGES];
static unsigned class_of_node[NODES];
static uint64_t state;

static unsigned choose(unsigned count)
{
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (unsigned)(state >> 33) % count;
}

static void shuffle(unsigned *order, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        order[i] = i;
    for (unsigned i = count; i-- > 1;) {
        unsigned j = choose(i + 1), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}

// An attribute has one value; the others are items of a list.
static void make_graph(void)
{
    for (unsigned i = 0; i < NODES; i++)
        class_of_node[i] = choose(CLASSES);
    for (unsigned i = 0; i < EDGES; i++) {
        unsigned name = choose(2 * NAMES);
        edges[i] = (struct edge){choose(NODES), choose(NODES), name < NAMES ? name : ITEM};
        for (unsigned j = 0; j < i; j++)
            if (edges[j].from == edges[i].from && edges[j].name == edges[i].name)
                edges[i].name = ITEM;
    }
}

// Classes, nodes and references in random orders.
static void build(void)
{
    static const char *const class_names[] = {"A", "B", "C", "D"}, *const names[] = {"x", "y", "z"};
    unsigned order[EDGES];
    vaddr classes[CLASSES], nodes[NODES], lists[NODES] = {0};
    shuffle(order, CLASSES);
    for (unsigned i = 0; i < CLASSES; i++)
        classes[order[i]] = make_class(class_names[order[i]], 0, order[i] < 2);
    shuffle(order, NODES);
    for (unsigned i = 0; i < NODES; i++)
        nodes[order[i]] = fakeheap_instance(&fake, classes[class_of_node[order[i]]]);
    shuffle(order, EDGES);
    for (unsigned i = 0; i < EDGES; i++) {
        const struct edge *edge = &edges[order[i]];
        if (edge->name != ITEM) {
            fakeheap_set_attr(&fake, nodes[edge->from], names[edge->name], nodes[edge->to]);
            continue;
        }
        if (!lists[edge->from]) {
            lists[edge->from] = fakeheap_list(&fake);
            fakeheap_set_attr(&fake, nodes[edge->from], "items", lists[edge->from]);
        }
        fakeheap_append(&fake, lists[edge->from], nodes[edge->to]);
    }
}

// What a finding is told by: its cycle, what to break, who has a finalizer. The indexes of items
// depend on the order in which they came.
struct told {
    char words[TOLD_MAX];
    size_t steps;
};

static void put_edge(FILE *file, const struct finding_step *step)
{
    fprintf(file, "%s %s", step->type, *step->edge == '[' ? "[...]" : step->edge);
}

static void put_finding(FILE *file, const struct finding *finding)
{
    fprintf(file,
            "%s, %" PRIu64 " cycles of %" PRIu64 " objects, %" PRIu64 " held:", finding->signature,
            finding->count, finding->objects, finding->held_objects);
    for (size_t i = 0; i < finding->step_count; i++) {
        fputs(finding->steps[i].finalizer ? " > *" : " > ", file);
        put_edge(file, &finding->steps[i]);
    }
    // That is told of one component, an example, which need not be like the others.
    for (size_t i = 0; i < finding->break_count && finding->count == 1; i++) {
        fprintf(file, ", break as %d%s: ", (int)finding->breaks[i].kind,
                finding->breaks[i].every ? " of every" : "");
        put_edge(file, finding_find_step(finding, finding->breaks[i].step));
    }
    if (finding->count == 1)
        fprintf(file, ", tried %zu, set %d", finding->breaks_tried, (int)finding->set.state);
    for (size_t i = 0; i < finding->finalizer_count; i++)
        fprintf(file, ", __del__ of %s", finding->finalizers[i].class);
}

static int compare_told(const void *a, const void *b)
{
    return strcmp(((const struct told *)a)->words, ((const struct told *)b)->words);
}

static size_t tell(struct told told[FINDINGS])
{
    init_world(&(struct fakeheap_spec){0});
    build();
    analyse();
    cr_assert_lt(findings->count, FINDINGS);
    size_t count = findings->count;
    for (size_t i = 0; i < count; i++) {
        FILE *file = fmemopen(told[i].words, TOLD_MAX, "w");
        put_finding(file, &findings->items[i]);
        fclose(file);
        told[i].steps = findings->items[i].step_count;
    }
    qsort(told, count, sizeof(*told), compare_told);
    close_findings();
    fakeheap_deinit(&fake);
    return count;
}

Test(findings_order, one_graph_has_the_same_findings, .timeout = 110)
{
    size_t found = 0, longer = 0;
    for (unsigned graph = 0; graph < GRAPHS; graph++) {
        static struct told first[FINDINGS], other[FINDINGS];
        state = graph;
        make_graph();
        size_t count = tell(first);
        for (unsigned order = 1; order < ORDERS; order++) {
            cr_assert_eq(tell(other), count, "graph %u, order %u", graph, order);
            for (size_t i = 0; i < count; i++)
                cr_assert_str_eq(first[i].words, other[i].words, "graph %u, order %u:\n%s\n%s",
                                 graph, order, first[i].words, other[i].words);
        }
        found += count;
        for (size_t i = 0; i < count; i++)
            longer += first[i].steps > 2;
    }
    // They are no trivial ones.
    cr_assert_geq(found, GRAPHS / 2, "%zu", found);
    cr_assert_geq(longer, GRAPHS / 10, "%zu", longer);
}

// --- by hand

// An object of a class of that name, in a cycle with so many others, each of a class P.
static vaddr make_start(const char *name, unsigned others, vaddr peer_class)
{
    vaddr start = fakeheap_instance(&fake, make_class(name, 0, true)), last = start;
    for (unsigned i = 0; i < others; i++) {
        vaddr peer = fakeheap_instance(&fake, peer_class);
        fakeheap_set_attr(&fake, last, "x", peer);
        last = peer;
    }
    fakeheap_set_attr(&fake, last, "x", start);
    return start;
}

// A component of four such cycles, which long chains hold together: the first two are as long, the
// others shorter. What the first were compared by is no longer the best.
static const char *shortest_of(const char *const names[4])
{
    vaddr starts[4];
    init_world(&(struct fakeheap_spec){0});
    vaddr peer_class = make_class("P", 0, false);
    for (unsigned i = 0; i < 4; i++)
        starts[i] = make_start(names[i], i < 2 ? 2 : 1, peer_class);
    for (unsigned i = 0; i < 4; i++) {
        vaddr chain = starts[(i + 1) % 4];
        for (unsigned j = 0; j < 8; j++) {
            vaddr list = fakeheap_list(&fake);
            fakeheap_append(&fake, list, chain);
            chain = list;
        }
        fakeheap_set_attr(&fake, starts[i], "chain", chain);
    }
    analyse();
    cr_assert_eq(findings->count, 1);
    const char *text = cycle_text(&findings->items[0]); // not of the findings
    close_findings();
    fakeheap_deinit(&fake);
    return text;
}

Test(findings_order, the_smallest_text_of_the_shortest)
{
    static const char *const names[][4] = {
        {"A", "B", "D", "C"}, {"A", "B", "C", "D"}, {"F", "E", "C", "D"}, {"F", "E", "D", "C"}};
    for (unsigned i = 0; i < LENGTH(names); i++)
        cr_expect_str_eq(shortest_of(names[i]), "app.C* .x > app.P .x >", "%u: %s", i,
                         shortest_of(names[i]));
}
