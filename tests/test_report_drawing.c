// Graphs and stacks of what is made up: names that would end a string or a frame.
#include "common.h"

#include <stdio.h>
#include <stdlib.h>

#include "report.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static char *text;
static size_t size;

static void expect(FILE *file, const char *expected)
{
    fclose(file);
    cr_expect_str_eq(text, expected, "expected\n%s\nnot\n%s", expected, text);
    free(text);
}

Test(report_drawing, dot)
{
    struct finding finding = {.signature = "0123abcd", .count = 2};
    struct drawing_node nodes[] = {{0, 0x1000, (char *)"a.\"];evil [x=\"", true},
                                   {1, 0x2000, (char *)"b\\\n\33<b>", false}};
    struct drawing_edge edges[] = {{0, 1, (char *)".x\"\\", true}, {1, 0, (char *)".y", false}};
    struct drawing drawing = {.finding = &finding,
                              .nodes = nodes,
                              .node_count = LENGTH(nodes),
                              .edges = edges,
                              .edge_count = LENGTH(edges),
                              .cut = true};
    FILE *file = open_memstream(&text, &size);
    report_dot(&drawing, file);
    expect(file, "digraph finding {\n  node [shape=box fontname=\"sans-serif\"];\n"
                 "  edge [fontname=\"sans-serif\"];\n"
                 "  label=\"0123abcd: 2 cycles, one of them in part (--limit)\";\n"
                 "  n0 [label=\"a.\\\"];evil [x=\\\"\\n0x1000\" peripheries=2 tooltip=\"has a "
                 "finalizer\"];\n"
                 "  n1 [label=\"b\\\\\\\\x0a\\\\x1b<b>\\n0x2000\"];\n"
                 "  n0 -> n1 [label=\".x\\\"\\\\\\nbreak here\" color=red fontcolor=red "
                 "penwidth=2];\n"
                 "  n1 -> n0 [label=\".y\"];\n}\n");
}

Test(report_drawing, no_finding)
{
    struct drawing drawing = {0};
    FILE *file = open_memstream(&text, &size);
    report_dot(&drawing, file);
    expect(file, "digraph finding {\n  node [shape=box fontname=\"sans-serif\"];\n"
                 "  edge [fontname=\"sans-serif\"];\n  label=\"no finding\";\n}\n");
}

Test(report_drawing, folded)
{
    struct finding items[] = {{.signature = "0000000a"}, {.signature = "0000000b"}};
    struct findings findings = {.items = items, .count = LENGTH(items)};
    struct flame_frame frames[] = {
        {FLAME_NO_PARENT, 0, 0, 100, NULL, (char *)"a;b\n9"},
        {0, 0, 1, 0, (char *)".x;", (char *)"c"},
        {1, 0, 2, 7, (char *)"[3]", (char *)"d"},
        {FLAME_NO_PARENT, 1, 0, 5, NULL, (char *)"e"},
    };
    uint64_t untracked[] = {0, 11};
    struct flame flame = {.frames = frames, .count = LENGTH(frames), .untracked = untracked};
    FILE *file = open_memstream(&text, &size);
    report_folded(&flame, &findings, 0, file);
    expect(file, "0000000a;a:b\\x0a9 100\n0000000a;a:b\\x0a9;.x:;c;[3];d 7\n0000000b;e 5\n"
                 "0000000b;(strings, numbers and other untracked objects) 11\n");
    file = open_memstream(&text, &size);
    report_folded(&flame, &findings, 1, file);
    expect(file, "0000000a;a:b\\x0a9 100\n0000000a;a:b\\x0a9;.x:;c;[3];d 7\n");
}
