// A cycle as a picture. Types are boxes; what an edge is called is a box without a border on it.
//
// What stands in the boxes is measured in columns of a fixed pitch, as the style sheet has it.
#include <stdlib.h>
#include <string.h>

#include "picture.h"
#include "report_html.h"
#include "report_sentences.h"

enum {
    PICTURED_STEPS_MAX = 12,
    COLUMNS_MAX = 36, // of a line in a box; more is cut
    CAPTION_MAX = 4 * COLUMNS_MAX + 8,
    BOXES_MAX = 2 * (PICTURED_STEPS_MAX + 1),
    LINE_HEIGHT = 18,
    PADDING = 8
};

static const double column_width = 7.9; // of 13 px

enum caption_kind {
    CAPTION_TYPE,
    CAPTION_FINALIZER, // a type with a finalizer
    CAPTION_EDGE,
    CAPTION_BREAK, // the edge to break
    CAPTION_GAP    // steps left out
};

struct caption {
    enum caption_kind kind;
    const char *name; // in full; NULL: of a gap
    char line[CAPTION_MAX];
    char note[CAPTION_MAX]; // a second line; empty: none
};

struct cycle_picture {
    struct caption captions[BOXES_MAX];
    struct picture_box boxes[BOXES_MAX];
    struct picture_arrow arrows[BOXES_MAX];
    struct picture picture;
};

// --- lines

// Characters beyond Latin, Greek and Cyrillic may be wide.
static size_t columns_of(unsigned char first)
{
    return (first & 0xc0) == 0x80 ? 0 : first >= 0xe0 ? 2 : 1;
}

static size_t count_columns(const char *text)
{
    size_t columns = 0;
    for (; *text; text++)
        columns += columns_of((unsigned char)*text);
    return columns;
}

// As much of the end of a name as fits: the class says more than the module.
static void set_line(char line[CAPTION_MAX], const char *name)
{
    char *clean = report_clean_name(name);
    const char *at = clean ? clean : "?";
    size_t columns = count_columns(at);
    const size_t most = columns > COLUMNS_MAX ? COLUMNS_MAX - 1 : COLUMNS_MAX;
    bool cut = columns > most;
    while (columns > most || ((unsigned char)*at & 0xc0) == 0x80)
        columns -= columns_of((unsigned char)*at++);
    snprintf(line, CAPTION_MAX, "%s%s", cut ? "…" : "", at);
    free(clean);
}

static void set_note(char note[CAPTION_MAX], const struct finding_finalizer *finalizer)
{
    const struct object_del *del = &finalizer->del;
    const char *words = del->kind == OBJECT_DEL_GENERATOR ? "try or with" : "__del__";
    const char *base = del->file ? strrchr(del->file, '/') : NULL;
    char *place;
    if (!del->file || del->kind == OBJECT_DEL_SLOT) {
        snprintf(note, CAPTION_MAX, "%s", del->kind == OBJECT_DEL_SLOT ? "tp_del" : words);
        return;
    }
    if (asprintf(&place, "%s in %s:%lld", words, base ? base + 1 : del->file,
                 (long long)del->line) < 0)
        return;
    set_line(note, place);
    free(place);
}

// --- boxes

static size_t add_box(struct cycle_picture *cycle, enum caption_kind kind, const char *name)
{
    size_t i = cycle->picture.box_count++;
    cycle->captions[i].kind = kind;
    cycle->captions[i].name = name;
    if (name)
        set_line(cycle->captions[i].line, name);
    return i;
}

static void size_boxes(struct cycle_picture *cycle)
{
    for (size_t i = 0; i < cycle->picture.box_count; i++) {
        const struct caption *caption = &cycle->captions[i];
        size_t line = count_columns(caption->line), note = count_columns(caption->note);
        double columns = (double)(line > note ? line : note);
        cycle->boxes[i].width = columns * column_width + 2 * PADDING;
        cycle->boxes[i].height = (*caption->note ? 2 : 1) * LINE_HEIGHT + PADDING;
    }
}

static void add_arrow(struct cycle_picture *cycle, size_t from, size_t to, bool upward)
{
    cycle->arrows[cycle->picture.arrow_count++] =
        (struct picture_arrow){.from = from, .to = to, .upward = upward};
}

static size_t add_type(struct cycle_picture *cycle, const struct finding *finding, size_t step)
{
    const struct finding_finalizer *finalizer = find_finalizer(finding, step);
    size_t box = add_box(cycle, finalizer ? CAPTION_FINALIZER : CAPTION_TYPE,
                         finding_find_step(finding, step)->type);
    if (finalizer)
        set_note(cycle->captions[box].note, finalizer);
    return box;
}

static size_t add_edge(struct cycle_picture *cycle, const struct finding *finding, size_t step)
{
    bool broken = is_to_break(finding, step);
    size_t box = add_box(cycle, broken ? CAPTION_BREAK : CAPTION_EDGE,
                         finding_step_edge(finding_find_step(finding, step)));
    if (broken)
        strcpy(cycle->captions[box].note, "break here");
    return box;
}

// From the first type down; the last edge goes up again.
static void add_steps(struct cycle_picture *cycle, const struct finding *finding)
{
    struct drawing_gap gap = find_gap(finding, PICTURED_STEPS_MAX);
    size_t first = add_type(cycle, finding, 0), at = first;
    for (size_t i = 0; i < finding->step_count; i++) {
        if (gap.count && i == gap.first) {
            size_t box = add_box(cycle, CAPTION_GAP, NULL);
            snprintf(cycle->captions[box].line, CAPTION_MAX, "... %zu more ...", gap.count);
            add_arrow(cycle, at, box, false);
            at = box;
            i += gap.count;
        }
        bool last = i + 1 == finding->step_count;
        size_t edge = add_edge(cycle, finding, i);
        size_t next = last ? first : add_type(cycle, finding, i + 1);
        add_arrow(cycle, at, edge, last && at != first);
        add_arrow(cycle, edge, next, last);
        at = next;
    }
}

// --- as SVG

static void put_line(const struct picture_box *box, double up, const char *class, const char *words,
                     struct sheet *sheet)
{
    fprintf(sheet_use(sheet, NULL), "<text x=\"%.1f\" y=\"%.1f\"%s>", box->centre.x,
            box->centre.y - up, class);
    fputs(words, sheet_use(sheet, &html_words));
    fputs("</text>\n", sheet_use(sheet, NULL));
}

static void put_box(const struct caption *caption, const struct picture_box *box,
                    struct sheet *sheet)
{
    static const char *const classes[] = {[CAPTION_TYPE] = "box",
                                          [CAPTION_FINALIZER] = "box finalizer",
                                          [CAPTION_EDGE] = "edge",
                                          [CAPTION_BREAK] = "break",
                                          [CAPTION_GAP] = "edge"};
    FILE *file = sheet_use(sheet, NULL);
    fprintf(file, "<g class=\"%s\">\n", classes[caption->kind]);
    if (caption->name) {
        fputs("<title>", file);
        put_name(sheet_use(sheet, &html_words), caption->name);
        fputs("</title>\n", sheet_use(sheet, NULL));
    }
    if (caption->kind <= CAPTION_FINALIZER)
        fprintf(file, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"6\"/>\n",
                box->centre.x - box->width / 2, box->centre.y - box->height / 2, box->width,
                box->height);
    double up = *caption->note ? LINE_HEIGHT / 2. : 0;
    put_line(box, up, "", caption->line, sheet);
    if (*caption->note)
        put_line(box, -up, " class=\"note\"", caption->note, sheet);
    fputs("</g>\n", sheet_use(sheet, NULL));
}

// The head of an arrow stands where it comes to a type.
static void put_arrow(const struct cycle_picture *cycle, const struct picture_arrow *arrow,
                      FILE *file)
{
    bool broken = cycle->captions[arrow->from].kind == CAPTION_BREAK ||
                  cycle->captions[arrow->to].kind == CAPTION_BREAK;
    bool ends = cycle->captions[arrow->to].kind <= CAPTION_FINALIZER;
    fprintf(file, "<g%s><path%s d=\"M%.1f %.1fC", broken ? " class=\"break\"" : "",
            !ends    ? ""
            : broken ? " marker-end=\"url(#head-to-break)\""
                     : " marker-end=\"url(#head)\"",
            arrow->points[0].x, arrow->points[0].y);
    for (size_t i = 1; i < arrow->point_count; i++)
        fprintf(file, "%s%.1f %.1f", i > 1 ? " " : "", arrow->points[i].x, arrow->points[i].y);
    fputs("\"/></g>\n", file);
}

static void put_svg(const struct cycle_picture *cycle, struct sheet *sheet)
{
    const struct picture *picture = &cycle->picture;
    FILE *file = sheet_use(sheet, NULL);
    fprintf(file,
            "<svg class=\"cycle\" role=\"img\" aria-label=\"The cycle; below as text\" "
            "width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\">\n",
            picture->width, picture->height, picture->width, picture->height);
    for (size_t i = 0; i < picture->arrow_count; i++)
        put_arrow(cycle, &picture->arrows[i], file);
    for (size_t i = 0; i < picture->box_count; i++)
        put_box(&cycle->captions[i], &picture->boxes[i], sheet);
    fputs("</svg>\n", sheet_use(sheet, NULL));
}

void html_put_picture_heads(FILE *file)
{
    static const char *const ids[] = {"head", "head-to-break"};
    fputs("<svg class=\"cycle\" width=\"0\" height=\"0\" aria-hidden=\"true\"><defs>", file);
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        fprintf(file,
                "<marker id=\"%s\" markerWidth=\"9\" markerHeight=\"8\" refX=\"9\" refY=\"4\" "
                "orient=\"auto\" markerUnits=\"userSpaceOnUse\"><path d=\"M0 0L9 4L0 8z\"/>"
                "</marker>",
                ids[i]);
    fputs("</defs></svg>\n", file);
}

bool html_put_picture(const struct finding *finding, struct sheet *sheet)
{
    struct cycle_picture cycle = {.captions = {{0}}};
    cycle.picture.boxes = cycle.boxes;
    cycle.picture.arrows = cycle.arrows;
    if (!picture_is_possible() || !finding->step_count)
        return false;
    add_steps(&cycle, finding);
    size_boxes(&cycle);
    bool placed = picture_lay_out(&cycle.picture);
    if (placed)
        put_svg(&cycle, sheet);
    picture_deinit(&cycle.picture);
    return placed;
}
