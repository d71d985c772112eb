// CPython's collector on numbers: the idea.
//
// An object is in use when something outside the tracked objects refers to it: its ob_refcnt is
// larger than the number of references found to it. Everything it leads to is in use as well. What
// is left is what gc.collect() would call unreachable if gc.garbage did not exist; the questions
// after that are what of it the list keeps alive (closure from the list's row), and what of it the
// collector refuses to clear, because a finalizer could still see it (closure from the finalizers).
//
// So there is one operation (closure.h): spread a mark along the edges. Three marks are spread, a
// fourth is for what dies of itself once its holders are cleared, found by counting references
// down; where that befalls a finalizer, the third mark is spread again without it. The combination
// of the three is the state.
#include "collect.h"

#include <string.h>

#include "closure.h"

// What a node has been marked with; becomes its collect_state at the end.
enum mark {
    MARK_IN_USE = 1,    // led to from outside, without the help of gc.garbage
    MARK_LISTED = 2,    // led to from gc.garbage, and not in use
    MARK_REFUSED = 4,   // led to from a finalizer, and not in use
    MARK_LIMIT = 8,     // above every combination of these
    MARK_LENT = 16,     // a reference to it was set aside as the list's; taken off again
    MARK_SPREAD = 32,   // LISTED and REFUSED, and both went on from here; of no account at the end
    MARK_FOLLOWED = 64, // of closure_run_shared; of no account
    MARK_STRIPPED = 8, // refused and not listed, but dies when the rest is cleared; taken off again
};

// State by combination of marks. IN_USE is a wall for all other marks, so it stands alone.
static const uint8_t state_of_marks[MARK_LIMIT] = {
    [0] = COLLECT_TRASH,
    [MARK_IN_USE] = COLLECT_REACHABLE,
    [MARK_LISTED] = COLLECT_KEPT,
    [MARK_LISTED | MARK_REFUSED] = COLLECT_UNCOLLECTABLE,
    [MARK_REFUSED] = COLLECT_PENDING,
};

// Takes every reference found off its target's count. A count never goes below -1, so that no
// number of edges can overflow it, and INT32_MAX stays as it is: it stands for more.
// After it: gc_refs is the number of references from outside; -1 where there were too many inside.
static void subtract_refs(const struct graph *graph, int32_t *gc_refs)
{
    const uint32_t *target = graph->targets;
    uint32_t count = graph->rows[graph->nodes];

    for (uint32_t edge = graph->rows[0]; edge < count; edge++) {
        int32_t refs = gc_refs[target[edge]];

        if (count - edge > 32)
            __builtin_prefetch(&gc_refs[target[edge + 32]], 1);
        // One unsigned comparison leaves out both INT32_MAX and everything negative.
        gc_refs[target[edge]] = refs - ((uint32_t)refs < INT32_MAX);
    }
}

// After it: MARK_IN_USE is on the objects referenced from outside, no other mark is changed, and
// gc_refs is free for other uses. Returns how many counts were overdrawn.
static uint32_t mark_roots(uint32_t nodes, const int32_t *gc_refs, uint8_t *marks)
{
    uint32_t overdrawn = 0;

    for (uint32_t node = 0; node < nodes; node++) {
        marks[node] |= gc_refs[node] > 0 ? MARK_IN_USE : 0;
        overdrawn += gc_refs[node] < 0;
    }
    return overdrawn;
}

// After it: MARK_LENT is on the objects that the list may have and that have one reference from
// outside, and that reference is taken off.
static void lend_references(uint32_t nodes, int32_t *gc_refs, const uint8_t *listable,
                            uint8_t *marks)
{
    for (uint32_t node = 0; node < nodes; node++) {
        bool lent = (listable[node / 8] >> node % 8 & 1) && gc_refs[node] == 1;

        gc_refs[node] -= lent;
        marks[node] = lent ? MARK_LENT : 0;
    }
}

// After it: MARK_LISTED is on those of them that are not in use, and MARK_LENT nowhere.
static void list_lent(uint32_t nodes, uint8_t *marks)
{
    for (uint32_t node = 0; node < nodes; node++) {
        if (marks[node] & MARK_LENT)
            marks[node] = marks[node] & MARK_IN_USE ? MARK_IN_USE : MARK_LISTED;
    }
}

// After it: MARK_IN_USE is on everything to which edges lead from where it was. What the list
// refers to is not led to by it.
static void move_unreachable(const struct graph *graph, uint32_t *queue, uint8_t *marks,
                             uint32_t list)
{
    struct closure closure = {graph, marks, queue, 0, list, MARK_IN_USE, MARK_IN_USE};

    closure_run_shared(&closure, MARK_IN_USE, MARK_FOLLOWED);
}

// gc.garbage is an object like any other until the scan is through; only now its row is followed.
// After it: MARK_LISTED is on what it refers to that is not in use.
static void mark_listed(const struct graph *graph, uint8_t *marks, uint32_t list)
{
    if (list >= graph->nodes || !(marks[list] & MARK_IN_USE))
        return;
    for (uint32_t edge = graph->rows[list]; edge < graph->rows[list + 1]; edge++) {
        if (!(marks[graph->targets[edge]] & MARK_IN_USE))
            marks[graph->targets[edge]] |= MARK_LISTED;
    }
}

// After it: MARK_REFUSED is on the objects with a finalizer that are not in use, and MARK_SPREAD on
// those of them that are listed.
static void move_finalizers(uint32_t nodes, const uint8_t *finalizers, uint8_t *marks)
{
    static const uint8_t more[MARK_IN_USE + MARK_LISTED + 1] = {
        [0] = MARK_REFUSED, [MARK_LISTED] = MARK_REFUSED | MARK_SPREAD};

    for (uint32_t first = 0; first < nodes; first += 8) {
        for (unsigned bits = finalizers[first / 8]; bits; bits &= bits - 1) {
            uint32_t node = first + (uint32_t)__builtin_ctz(bits);

            if (node < nodes)
                marks[node] |= more[marks[node] & (MARK_IN_USE | MARK_LISTED)];
        }
    }
}

// Spreads both marks from where they have been put. The list has little but objects with
// finalizers, so nearly everything that one mark comes to gets the other as well: from where both
// are they go together, which takes half the time, and then each goes alone from where it is alone.
// After it: MARK_LISTED is on everything that is alive and not in use, MARK_REFUSED on everything
// that a finalizer not in use leads to (move_finalizer_reachable).
static void spread_listed_and_refused(const struct graph *graph, uint32_t *queue, uint8_t *marks)
{
    const uint8_t both = MARK_LISTED | MARK_REFUSED;
    struct closure closure = {.graph = graph, .marks = marks, .queue = queue, .closed = GRAPH_NONE};

    closure.mark = both | MARK_SPREAD;
    closure.stop = MARK_SPREAD | MARK_IN_USE;
    closure_run_shared(&closure, MARK_SPREAD, MARK_FOLLOWED);
    for (uint8_t mark = MARK_LISTED; mark <= MARK_REFUSED; mark *= 2) {
        closure.queued = 0;
        closure.mark = mark;
        closure.stop = mark | MARK_IN_USE;
        closure_run(&closure, mark, MARK_SPREAD);
    }
}

// After it: for each candidate (refused and neither listed nor stripped) links holds the number of
// edges to it from candidates. Returns the number of candidates.
static uint32_t count_candidate_refs(const struct graph *graph, uint32_t *links,
                                     const uint8_t *marks)
{
    uint32_t candidates = 0;

    for (uint32_t node = 0; node < graph->nodes; node++)
        candidates += marks[node] == MARK_REFUSED;
    if (candidates == 0)
        return 0;
    memset(links, 0, graph->nodes * sizeof(*links));
    for (uint32_t node = 0; node < graph->nodes; node++) {
        if (marks[node] != MARK_REFUSED)
            continue;
        for (uint32_t edge = graph->rows[node]; edge < graph->rows[node + 1]; edge++)
            links[graph->targets[edge]]++;
    }
    return candidates;
}

// Takes a dying node's references off its targets. Of the targets left without any, those up to
// `behind` go onto the list of the dying, which is linked through `links`; returns its new head.
static uint32_t strip_follow(const struct graph *graph, uint32_t *links, uint8_t *marks,
                             uint32_t node, uint32_t behind, uint32_t dying)
{
    for (uint32_t edge = graph->rows[node]; edge < graph->rows[node + 1]; edge++) {
        uint32_t target = graph->targets[edge];

        if (marks[target] != MARK_REFUSED || --links[target] != 0 || target > behind)
            continue;
        marks[target] |= MARK_STRIPPED;
        links[target] = dying;
        dying = target;
    }
    return dying;
}

// delete_garbage clears the trash first. What the collector refused to clear, but only trash
// referred to, then loses its last reference and dies as any object does, and so on down the line.
// After it: MARK_STRIPPED is on these; every other candidate is referred to by another such.
// Returns whether there are any.
static bool strip_candidates(const struct graph *graph, uint32_t *links, uint8_t *marks)
{
    bool stripped = false;

    if (count_candidate_refs(graph, links, marks) == 0)
        return false;
    for (uint32_t node = 0; node < graph->nodes; node++) {
        uint32_t dying;

        if (marks[node] != MARK_REFUSED || links[node] != 0)
            continue;
        stripped = true;
        marks[node] |= MARK_STRIPPED;
        dying = strip_follow(graph, links, marks, node, node, GRAPH_NONE);
        while (dying != GRAPH_NONE) {
            uint32_t next = links[dying];

            dying = strip_follow(graph, links, marks, dying, node, next);
        }
    }
    return stripped;
}

// A finalizer that dies so has refused nothing for good. A ring that only it led to outlives the
// collection, which has put it aside and does not look again (handle_garbage keeps objects with
// finalizers only), but the next one finds nothing there to refuse.
// After it: MARK_REFUSED is on what lives on because of a finalizer, and MARK_STRIPPED nowhere.
static void refuse_again(const struct graph *graph, uint32_t *links, const uint8_t *finalizers,
                         uint8_t *marks)
{
    struct closure closure = {
        graph, marks, links, 0, GRAPH_NONE, MARK_REFUSED, MARK_REFUSED | MARK_IN_USE};

    for (uint32_t node = 0; node < graph->nodes; node++) {
        bool refuses = (finalizers[node / 8] >> node % 8 & 1) && !(marks[node] & MARK_STRIPPED);

        marks[node] &= refuses ? 0xff : (uint8_t) ~(MARK_REFUSED | MARK_STRIPPED);
    }
    closure_run(&closure, MARK_REFUSED, 0);
}

// After it: states holds exactly one bit of enum collect_state per node, and they are counted.
static void classify(uint32_t nodes, uint8_t *states, struct collect_totals *totals)
{
    // Four tables in turn: an increment need not wait for the one before to have been stored.
    uint32_t counts[4][MARK_LIMIT] = {{0}};

    for (uint32_t node = 0; node < nodes; node++) {
        uint8_t marks = states[node];

        marks %= MARK_LIMIT;
        counts[node % 4][marks]++;
        states[node] = state_of_marks[marks];
    }
    for (uint32_t marks = 0; marks < MARK_LIMIT; marks++) {
        for (uint32_t table = 0; table < 4; table++)
            totals->objects[state_of_marks[marks]] += counts[table][marks];
    }
}

static void run(const struct graph *graph, int32_t *gc_refs, const uint8_t *finalizers,
                const uint8_t *listable, uint32_t garbage_list, uint8_t *states,
                struct collect_totals *totals)
{
    uint32_t *links = (uint32_t *)gc_refs; // signed and unsigned of one type may alias

    *totals = (struct collect_totals){0};
    subtract_refs(graph, gc_refs);
    if (listable)
        lend_references(graph->nodes, gc_refs, listable, states);
    else
        memset(states, 0, graph->nodes);
    totals->overdrawn = mark_roots(graph->nodes, gc_refs, states);
    move_unreachable(graph, links, states, garbage_list);
    if (listable)
        list_lent(graph->nodes, states);
    mark_listed(graph, states, garbage_list);
    move_finalizers(graph->nodes, finalizers, states);
    spread_listed_and_refused(graph, links, states);
    if (strip_candidates(graph, links, states))
        refuse_again(graph, links, finalizers, states);
    classify(graph->nodes, states, totals);
}

void collect_run(const struct graph *graph, int32_t *gc_refs, const uint8_t *finalizers,
                 uint32_t garbage_list, uint8_t *states, struct collect_totals *totals)
{
    run(graph, gc_refs, finalizers, NULL, garbage_list, states, totals);
}

void collect_run_without_list(const struct graph *graph, int32_t *gc_refs,
                              const uint8_t *finalizers, const uint8_t *listable,
                              uint32_t garbage_list, uint8_t *states, struct collect_totals *totals)
{
    run(graph, gc_refs, finalizers, listable, garbage_list, states, totals);
}
