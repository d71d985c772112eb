// How a closure stays cheap: nodes are scanned in ascending order, as move_unreachable scans the
// list "young", so that rows are read in order. A target that lies ahead only has to be marked, the
// scan will come to it; one that lies behind is queued. The queue is worked off after the scan; it
// is known far enough ahead to fetch what it will need. On a heap whose numbering has nothing to do
// with its references this took a third of the time of following each reference at once.
//
// Threads scan portions of the nodes, in rounds: what lies ahead in the portion at hand is followed
// at once, what lies elsewhere perhaps in this round and else in the next. There are no locked
// instructions. Whoever marks a node writes the same bits to it as anyone else; what can be lost
// that way is the note that a node has been followed, and then it is followed once more. When a
// round has little left to do, one thread does the rest with the queue.
#include "closure.h"

#include <string.h>

enum {
    PORTION = 1 << 14,  // nodes that a thread takes at a time
    WORTH_A_ROUND = 16, // of so many nodes more than one was followed in the round before
};

// Marks the targets of one node. Those up to `behind` nobody will come across, so they are queued.
// Works on local copies, because for all the compiler knows a store to marks changes *closure.
static inline void closure_follow(struct closure *closure, uint32_t node, uint32_t behind)
{
    const uint32_t *targets = closure->graph->targets;
    uint32_t end = closure->graph->rows[node + 1];
    uint32_t queued = closure->queued;
    uint8_t *marks = closure->marks;
    uint8_t mark = closure->mark;
    uint8_t stop = closure->stop;

    for (uint32_t edge = closure->graph->rows[node]; edge < end; edge++) {
        uint32_t target = targets[edge];

        if (marks[target] & stop)
            continue;
        marks[target] |= mark;
        if (target <= behind)
            closure->queue[queued++] = target;
    }
    closure->queued = queued;
}

// Can one of eight nodes have `from` and not `but`? Of most, no or every one has such marks.
static inline bool may_follow(const uint8_t *marks, uint8_t from, uint8_t but)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t eight;

    memcpy(&eight, marks, sizeof(eight));
    return (eight & ones * from) && (!but || (eight & ones * but) != ones * but);
}

void closure_run(struct closure *closure, uint8_t from, uint8_t but)
{
    const struct graph *graph = closure->graph;
    const uint32_t *queue = closure->queue;

    for (uint32_t first = 0; first < graph->nodes; first += 8) {
        uint32_t end = graph->nodes - first < 8 ? graph->nodes : first + 8;

        if (end - first == 8 && !may_follow(&closure->marks[first], from, but))
            continue;
        for (uint32_t node = first; node < end; node++) {
            if ((closure->marks[node] & (from | but)) == from && node != closure->closed)
                closure_follow(closure, node, node);
        }
    }
    for (uint32_t at = 0; at < closure->queued; at++) {
        if (at + 16 < closure->queued)
            __builtin_prefetch(&graph->rows[queue[at + 16]]);
        if (at + 8 < closure->queued)
            __builtin_prefetch(&graph->targets[graph->rows[queue[at + 8]]]);
        if (queue[at] != closure->closed)
            closure_follow(closure, queue[at], GRAPH_NONE);
    }
}

// --- by threads

struct rounds {
    const struct closure *closure;
    uint8_t from;
    uint8_t followed;
    uint8_t from_shift; // of the bit in a byte
    uint8_t followed_shift;
    uint64_t next;  // portion that nobody has taken
    uint64_t count; // of nodes followed in this round
};

// Eight marks at a time, while other threads write to them.
typedef uint64_t __attribute__((may_alias)) eight_marks;

static inline uint8_t mark_get(const uint8_t *mark)
{
    return __atomic_load_n(mark, __ATOMIC_RELAXED);
}

// Has any of eight nodes `from`, and has not been followed?
static inline bool any_pending(const struct rounds *rounds, uint32_t first)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const eight_marks *marks = (const eight_marks *)&rounds->closure->marks[first];
    uint64_t eight = __atomic_load_n(marks, __ATOMIC_RELAXED);

    return eight >> rounds->from_shift & ~(eight >> rounds->followed_shift) & ones;
}

static inline void follow_shared(const struct closure *closure, uint32_t node)
{
    const uint32_t *targets = closure->graph->targets;
    uint32_t end = closure->graph->rows[node + 1];
    uint8_t *marks = closure->marks;
    uint8_t mark = closure->mark;
    uint8_t stop = closure->stop;

    for (uint32_t edge = closure->graph->rows[node]; edge < end; edge++) {
        uint8_t *at = &marks[targets[edge]];
        uint8_t before = mark_get(at);

        if (!(before & stop))
            __atomic_store_n(at, before | mark, __ATOMIC_RELAXED);
    }
}

static inline uint32_t follow_eight(const struct rounds *rounds, uint32_t first)
{
    const struct closure *closure = rounds->closure;
    uint32_t count = 0;

    for (uint32_t node = first; node < first + 8; node++) {
        uint8_t mark = mark_get(&closure->marks[node]);

        if ((mark & (rounds->from | rounds->followed)) != rounds->from)
            continue;
        __atomic_store_n(&closure->marks[node], mark | rounds->followed, __ATOMIC_RELAXED);
        if (node != closure->closed)
            follow_shared(closure, node);
        count++;
    }
    return count;
}

static void follow_portions(void *context, unsigned job)
{
    struct rounds *rounds = context;
    // What is left over of the last eight is for the end.
    uint64_t whole = rounds->closure->graph->nodes / 8 * 8;
    uint64_t count = 0;
    uint64_t first;

    (void)job;
    while ((first = PORTION * __atomic_fetch_add(&rounds->next, 1, __ATOMIC_RELAXED)) < whole) {
        uint64_t end = whole - first < PORTION ? whole : first + PORTION;

        for (uint64_t node = first; node < end; node += 8)
            count += any_pending(rounds, (uint32_t)node) ? follow_eight(rounds, (uint32_t)node) : 0;
    }
    __atomic_fetch_add(&rounds->count, count, __ATOMIC_RELAXED);
}

void closure_run_shared(struct closure *closure, uint8_t from, uint8_t followed)
{
    struct rounds rounds = {.closure = closure,
                            .from = from,
                            .followed = followed,
                            .from_shift = (uint8_t)__builtin_ctz(from),
                            .followed_shift = (uint8_t)__builtin_ctz(followed)};
    unsigned jobs = graph_jobs(closure->graph);

    do {
        rounds.next = 0;
        rounds.count = 0;
        if (jobs > 1)
            parallel_run(jobs, follow_portions, &rounds);
    } while (rounds.count > closure->graph->nodes / WORTH_A_ROUND);
    closure_run(closure, from, followed);
}
