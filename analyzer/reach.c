#include "reach.h"

#include <stdlib.h>

bool reach_init(struct reach *reach, const struct graph *graph, const uint8_t *marks,
                uint8_t through, uint32_t closed)
{
    size_t words = (size_t)graph->nodes / 64 + 1;
    *reach = (struct reach){.graph = graph, .marks = marks, .through = through, .closed = closed};
    reach->wanted = calloc(words, sizeof(*reach->wanted));
    reach->seen = calloc(words, sizeof(*reach->seen));
    reach->sources = calloc(words, sizeof(*reach->sources));
    reach->from = reallocarray(NULL, (size_t)graph->nodes + 1, sizeof(*reach->from));
    reach->queue = reallocarray(NULL, (size_t)graph->nodes + 1, sizeof(*reach->queue));
    if (reach->wanted && reach->seen && reach->sources && reach->from && reach->queue)
        return true;
    reach_deinit(reach);
    return false;
}

void reach_deinit(struct reach *reach)
{
    free(reach->wanted);
    free(reach->seen);
    free(reach->sources);
    free(reach->from);
    free(reach->queue);
    *reach = (struct reach){0};
}

static void set_bit(uint64_t *bits, uint32_t node)
{
    bits[node / 64] |= UINT64_C(1) << (node % 64);
}

static bool enter(struct reach *reach, uint32_t node, uint32_t from)
{
    if (reach_bit(reach->seen, node) || !(reach->marks[node] & reach->through))
        return false;
    set_bit(reach->seen, node);
    reach->from[node] = from;
    reach->queue[reach->end++] = node;
    return true;
}

void reach_add(struct reach *reach, uint32_t node, uint32_t tag)
{
    if (enter(reach, node, tag))
        set_bit(reach->sources, node);
}

uint32_t reach_run(struct reach *reach, uint32_t left)
{
    const struct graph *graph = reach->graph;
    while (left && reach->next < reach->end) {
        uint32_t node = reach->queue[reach->next++];
        if (reach_bit(reach->wanted, node)) {
            reach->wanted[node / 64] &= ~(UINT64_C(1) << (node % 64));
            left--;
        }
        if (node == reach->closed)
            continue;
        for (uint32_t edge = graph->rows[node]; edge < graph->rows[node + 1]; edge++)
            enter(reach, graph->targets[edge], edge);
    }
    return left;
}

// The last row that begins at or before the edge: rows without edges begin where the next one does.
static uint32_t find_source(const struct graph *graph, uint32_t edge)
{
    uint32_t low = 0, high = graph->nodes;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (graph->rows[middle] <= edge)
            low = middle;
        else
            high = middle;
    }
    return low;
}

bool reach_step_back(const struct reach *reach, uint32_t node, uint32_t *before, uint32_t *edge,
                     uint32_t *tag)
{
    if (reach_bit(reach->sources, node)) {
        *tag = reach->from[node];
        return false;
    }
    *edge = reach->from[node];
    *before = find_source(reach->graph, *edge);
    return true;
}
