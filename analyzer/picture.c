// Graphviz's "dot" ranks boxes by the way of the arrows. It is linked with its one plugin that is
// needed and told to load no others: not those that measure fonts, not what a file of the machine
// lists.
#include "picture.h"

#include <gvc.h>
#include <stdlib.h>

enum {
    MARGIN = 8 // pixels around the whole
};

static const double points_per_inch = 72;

extern gvplugin_library_t gvplugin_dot_layout_LTX_library;

bool picture_is_possible(void)
{
    return true;
}

static void set_number(void *object, const char *name, double value)
{
    char text[32];
    snprintf(text, sizeof(text), "%.4f", value);
    agset(object, (char *)name, text);
}

// Boxes of fixed size without text, arrows without heads.
static void set_defaults(Agraph_t *graph)
{
    static const struct {
        int kind;
        const char *name, *value;
    } rows[] = {
        {AGRAPH, "ranksep", "0.25"},   {AGRAPH, "nodesep", "0.3"}, {AGNODE, "shape", "box"},
        {AGNODE, "fixedsize", "true"}, {AGNODE, "label", ""},      {AGNODE, "width", "1"},
        {AGNODE, "height", "1"},       {AGEDGE, "dir", "none"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        agattr(graph, rows[i].kind, (char *)rows[i].name, (char *)rows[i].value);
}

static void add_boxes(const struct picture *picture, Agraph_t *graph, Agnode_t **nodes)
{
    for (size_t i = 0; i < picture->box_count; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%zu", i);
        nodes[i] = agnode(graph, name, true);
        set_number(nodes[i], "width", picture->boxes[i].width / points_per_inch);
        set_number(nodes[i], "height", picture->boxes[i].height / points_per_inch);
    }
}

static void add_arrows(const struct picture *picture, Agraph_t *graph, Agnode_t **nodes,
                       Agedge_t **edges)
{
    for (size_t i = 0; i < picture->arrow_count; i++) {
        const struct picture_arrow *arrow = &picture->arrows[i];
        Agnode_t *from = nodes[arrow->from], *to = nodes[arrow->to];
        edges[i] = agedge(graph, arrow->upward ? to : from, arrow->upward ? from : to, NULL, true);
    }
}

// Graphviz counts upwards from the lower left.
static struct picture_point turned(const struct picture *picture, pointf at)
{
    return (struct picture_point){at.x + MARGIN, picture->height - MARGIN - at.y};
}

static bool read_arrow(const struct picture *picture, Agedge_t *edge, struct picture_arrow *arrow)
{
    const splines *found = ED_spl(edge);
    if (!found || found->size != 1 || found->list[0].size < 4)
        return false;
    size_t count = (size_t)found->list[0].size;
    arrow->points = reallocarray(NULL, count, sizeof(*arrow->points));
    if (!arrow->points)
        return false;
    arrow->point_count = count;
    for (size_t i = 0; i < count; i++)
        arrow->points[i] = turned(picture, found->list[0].list[arrow->upward ? count - 1 - i : i]);
    return true;
}

static bool read_places(struct picture *picture, Agraph_t *graph, Agnode_t **nodes,
                        Agedge_t **edges)
{
    bool whole = true;
    picture->width = GD_bb(graph).UR.x + 2 * MARGIN;
    picture->height = GD_bb(graph).UR.y + 2 * MARGIN;
    for (size_t i = 0; i < picture->box_count; i++)
        picture->boxes[i].centre = turned(picture, ND_coord(nodes[i]));
    for (size_t i = 0; i < picture->arrow_count && whole; i++)
        whole = read_arrow(picture, edges[i], &picture->arrows[i]);
    return whole;
}

static bool lay_out(struct picture *picture, GVC_t *context, Agraph_t *graph)
{
    Agnode_t **nodes = calloc(picture->box_count, sizeof(*nodes));
    Agedge_t **edges = calloc(picture->arrow_count, sizeof(*edges));
    bool placed = nodes && edges;
    if (placed) {
        set_defaults(graph);
        add_boxes(picture, graph, nodes);
        add_arrows(picture, graph, nodes, edges);
        placed = gvLayout(context, graph, "dot") == 0;
    }
    if (placed) {
        placed = read_places(picture, graph, nodes, edges);
        gvFreeLayout(context, graph);
    }
    free(nodes);
    free(edges);
    return placed;
}

bool picture_lay_out(struct picture *picture)
{
    const lt_symlist_t plugins[] = {
        {"gvplugin_dot_layout_LTX_library", &gvplugin_dot_layout_LTX_library}, {0, 0}};
    GVC_t *context = gvContextPlugins(plugins, false);
    Agraph_t *graph = context ? agopen((char *)"cycle", Agdirected, NULL) : NULL;
    bool placed = graph && lay_out(picture, context, graph);
    if (graph)
        agclose(graph);
    if (context)
        gvFreeContext(context);
    return placed;
}

void picture_deinit(struct picture *picture)
{
    for (size_t i = 0; i < picture->arrow_count; i++)
        free(picture->arrows[i].points);
}
