// For other programs: one finding as a graph for Graphviz, all of them as stacks for flame graphs.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report_words.h"

// A name inside of a string of DOT, where " and \ have a meaning.
static void put_quoted(const char *name, FILE *file)
{
    char *clean = report_clean_name(name ? name : "?");
    for (const char *at = clean; at && *at; at++) {
        if (*at == '"' || *at == '\\')
            fputc('\\', file);
        fputc(*at, file);
    }
    free(clean);
}

void report_dot(const struct drawing *drawing, FILE *file)
{
    fputs("digraph finding {\n  node [shape=box fontname=\"sans-serif\"];\n"
          "  edge [fontname=\"sans-serif\"];\n",
          file);
    if (drawing->finding)
        fprintf(file, "  label=\"%s: %" PRIu64 " cycle%s%s\";\n", drawing->finding->signature,
                drawing->finding->count, plural(drawing->finding->count),
                drawing->cut ? ", one of them in part (--limit)" : ", one of them drawn");
    else
        fputs("  label=\"no finding\";\n", file);
    for (size_t i = 0; i < drawing->node_count; i++) {
        const struct drawing_node *node = &drawing->nodes[i];
        fprintf(file, "  n%zu [label=\"", i);
        put_quoted(node->type, file);
        fprintf(file, "\\n0x%" PRIx64 "\"%s];\n", node->object,
                node->finalizer ? " peripheries=2 tooltip=\"has a finalizer\"" : "");
    }
    for (size_t i = 0; i < drawing->edge_count; i++) {
        const struct drawing_edge *edge = &drawing->edges[i];
        fprintf(file, "  n%zu -> n%zu [label=\"", edge->from, edge->to);
        put_quoted(edge->label, file);
        fputs(edge->to_break ? "\\nbreak here\" color=red fontcolor=red penwidth=2];\n" : "\"];\n",
              file);
    }
    fputs("}\n", file);
}

// A frame's name, in which ; would begin the next one.
static void put_frame_name(const char *name, FILE *file)
{
    char *clean = report_clean_name(name ? name : "?");
    for (const char *at = clean; at && *at; at++)
        fputc(*at == ';' ? ':' : *at, file);
    free(clean);
}

static void put_frame(const struct flame_frame *frame, FILE *file)
{
    if (frame->edge) {
        fputc(';', file);
        put_frame_name(frame->edge, file);
    }
    fputc(';', file);
    put_frame_name(frame->type, file);
}

static void put_stack(const struct flame *flame, size_t last, const char *signature, FILE *file)
{
    size_t stack[FLAME_DEPTH_MAX + 1], depth = 0;
    for (size_t at = last; at != FLAME_NO_PARENT && depth <= FLAME_DEPTH_MAX;
         at = flame->frames[at].parent)
        stack[depth++] = at;
    fputs(signature, file);
    while (depth)
        put_frame(&flame->frames[stack[--depth]], file);
    fprintf(file, " %" PRIu64 "\n", flame->frames[last].bytes);
}

void report_folded(const struct flame *flame, const struct findings *findings, uint64_t limit,
                   FILE *file)
{
    size_t shown = limit && findings->count > limit ? limit : findings->count;
    for (size_t i = 0; i < flame->count; i++)
        if (flame->frames[i].finding < shown && flame->frames[i].bytes)
            put_stack(flame, i, findings->items[flame->frames[i].finding].signature, file);
    for (size_t i = 0; i < shown; i++)
        if (flame->untracked[i])
            fprintf(file, "%s;(strings, numbers and other untracked objects) %" PRIu64 "\n",
                    findings->items[i].signature, flame->untracked[i]);
}
