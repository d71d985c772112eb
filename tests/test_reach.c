// Shortest ways from several sources, through a part of a graph.
#include "common.h"

#include <stdio.h>
#include <string.h>

#include "reach.h"

// 0 -> 1 -> 2 -> 3, 0 -> 4 -> 3, 5 -> 3, 6 (no edges), 7 -> 7, 7 -> 6
static const uint32_t rows[] = {0, 2, 3, 4, 4, 5, 6, 6, 8};
static const uint32_t targets[] = {1, 4, 2, 3, 3, 3, 7, 6};
static const struct graph graph = {8, rows, targets};
static uint8_t marks[8];
static struct reach reach;

static void open_all(uint32_t closed)
{
    memset(marks, 1, sizeof(marks));
    cr_assert(reach_init(&reach, &graph, marks, 1, closed));
}

static void want(uint32_t node)
{
    reach.wanted[0] |= UINT64_C(1) << node;
}

// The way back as text: "3 4 0:tag".
static const char *way_to(uint32_t node)
{
    static char text[64];
    uint32_t before, edge, tag;
    char *end = text + sprintf(text, "%u", node);
    while (reach_step_back(&reach, node, &before, &edge, &tag)) {
        cr_assert_eq(targets[edge], node);
        cr_assert(rows[before] <= edge && edge < rows[before + 1]);
        node = before;
        end += sprintf(end, " %u", node);
    }
    sprintf(end, ":%u", tag);
    return text;
}

Test(reach, the_shortest_way)
{
    open_all(GRAPH_NONE);
    reach_add(&reach, 0, 77);
    want(3);
    cr_assert_eq(reach_run(&reach, 1), 0);
    cr_assert_str_eq(way_to(3), "3 4 0:77");
    cr_assert_not(reach_bit(reach.wanted, 3));
    reach_deinit(&reach);
}

Test(reach, the_first_of_equally_near_sources)
{
    open_all(GRAPH_NONE);
    reach_add(&reach, 4, 1);
    reach_add(&reach, 5, 2);
    reach_add(&reach, 4, 3); // again: the first tag stays
    want(3);
    cr_assert_eq(reach_run(&reach, 1), 0);
    cr_assert_str_eq(way_to(3), "3 4:1");
    reach_deinit(&reach);
}

Test(reach, not_out_of_the_closed_node)
{
    open_all(4);
    reach_add(&reach, 0, 0);
    want(3);
    cr_assert_eq(reach_run(&reach, 1), 0);
    cr_assert_str_eq(way_to(3), "3 2 1 0:0");
    reach_deinit(&reach);
}

Test(reach, not_through_other_marks)
{
    open_all(GRAPH_NONE);
    marks[4] = 2;
    reach_add(&reach, 4, 0); // may not be entered
    reach_add(&reach, 0, 9);
    want(3);
    cr_assert_eq(reach_run(&reach, 1), 0);
    cr_assert_str_eq(way_to(3), "3 2 1 0:9");
    cr_assert_not(reach_bit(reach.seen, 4));
    reach_deinit(&reach);
}

Test(reach, more_sources_later)
{
    open_all(GRAPH_NONE);
    reach_add(&reach, 0, 1);
    want(3);
    want(6);
    want(7);
    cr_assert_eq(reach_run(&reach, 3), 2);
    cr_assert(reach_bit(reach.wanted, 6) && reach_bit(reach.wanted, 7));
    reach_add(&reach, 3, 2); // seen already
    reach_add(&reach, 7, 3);
    cr_assert_eq(reach_run(&reach, 2), 0);
    cr_assert_str_eq(way_to(3), "3 4 0:1");
    cr_assert_str_eq(way_to(6), "6 7:3");
    reach_deinit(&reach);
}

Test(reach, it_stops_when_all_are_reached)
{
    open_all(GRAPH_NONE);
    reach_add(&reach, 0, 1);
    want(0);
    cr_assert_eq(reach_run(&reach, 1), 0);
    cr_assert_not(reach_bit(reach.seen, 3));
    reach_deinit(&reach);
}
