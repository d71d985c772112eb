// All changes are made. Then as many as possible are taken back, beginning with the one that a
// reader would like least; the one at which the collector is stopped again has to stay. So on with
// those before it. As what is enough stays enough with more changes, how many can be taken back is
// found by halving: a set takes as many replays as it has changes, times the logarithm of all.
#include "remedy_set.h"

#include <stdlib.h>
#include <string.h>

struct search {
    const struct changes *changes;
    struct replay *replay;
    uint64_t cost; // of one question
    uint64_t work; // left
    bool stopped;  // for lack of it: what was found since is no answer
    bool *made;    // per change: in the question at hand
    uint32_t *order;
};

// A set of changes, by number.
struct set {
    uint32_t *numbers;
    uint32_t count;
};

// Does the collector free it with the first `count` changes of the order and those of the set made?
static bool is_enough(struct search *search, uint32_t count, const struct set *set)
{
    search->stopped = search->stopped || search->work < search->cost;
    if (search->stopped)
        return false;
    search->work -= search->cost;
    memset(search->made, 0, search->changes->count * sizeof(*search->made));
    for (uint32_t i = 0; i < count; i++)
        search->made[search->order[i]] = true;
    for (uint32_t i = 0; i < set->count; i++)
        search->made[set->numbers[i]] = true;
    return changes_are_enough(search->changes, search->made, search->replay);
}

// Pre: all changes together are enough. Post, unless stopped: those of the set are, and none of
// them can be left out.
static void find_irreducible(struct search *search, struct set *set)
{
    uint32_t low = search->changes->count;
    set->count = 0;
    while (low && !search->stopped) {
        uint32_t high = low;
        for (low = 0; low < high && !search->stopped;) {
            uint32_t middle = low + (high - low) / 2;
            if (is_enough(search, middle, set))
                high = middle;
            else
                low = middle + 1;
        }
        // Without the last of the first `low` it is not: that one stays.
        if (low)
            set->numbers[set->count++] = search->order[--low];
    }
}

// What a reader would change first comes first; or, with a hub that many objects of many classes
// refer back to, what the hub has of them.
static void set_order(struct search *search, bool back_references_last)
{
    const struct changes *changes = search->changes;
    uint32_t count = 0, attributes = 0;
    for (; attributes < changes->count && changes->items[attributes].kind <= BREAK_ATTRIBUTE;)
        attributes++;
    for (uint32_t i = 0; i < attributes; i++)
        if (!back_references_last || changes->items[i].kind != BREAK_BACK_REFERENCE)
            search->order[count++] = i;
    for (uint32_t i = 0; i < attributes; i++)
        if (back_references_last && changes->items[i].kind == BREAK_BACK_REFERENCE)
            search->order[count++] = i;
    for (; count < changes->count; count++)
        search->order[count] = count;
}

// Two that are enough. One of them is drawn: the drawn cycle has to be broken as well.
static bool find_pair(struct search *search, struct set *pair)
{
    const struct changes *changes = search->changes;
    uint32_t tried = 0;
    pair->count = 2;
    for (uint32_t i = 0; i < changes->count; i++) {
        if (changes->items[i].drawn == SIZE_MAX)
            continue;
        for (uint32_t j = 0; j < changes->count; j++) {
            if (search->stopped || tried++ == REMEDY_SET_PAIRS_MAX)
                return false;
            pair->numbers[0] = i;
            pair->numbers[1] = j;
            if (is_enough(search, 0, pair))
                return true;
        }
    }
    return false;
}

static void swap_if_smaller(struct search *search, struct set *best, struct set *other)
{
    struct set kept = *best;
    if (search->stopped || other->count >= best->count)
        return;
    *best = *other;
    *other = kept;
}

// Post: best is the smallest set that was found. Runs out of work only before there is any.
static bool find_best(struct search *search, struct set *best, struct set *other)
{
    find_irreducible(search, best);
    if (search->stopped)
        return false;
    if (best->count > 2) {
        set_order(search, true);
        find_irreducible(search, other);
        swap_if_smaller(search, best, other);
    }
    if (best->count > 2 && find_pair(search, other))
        swap_if_smaller(search, best, other);
    return true;
}

static int by_number(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

// Moves the changes of the set to the finding, by rank.
static bool tell(const struct set *best, struct changes *changes, struct finding_set *set)
{
    set->size = best->count;
    set->state = FINDING_SET_TOO_LARGE;
    if (best->count > REMEDY_SET_MAX)
        return true;
    set->items = calloc(best->count, sizeof(*set->items));
    if (!set->items)
        return false;
    qsort(best->numbers, best->count, sizeof(*best->numbers), by_number);
    for (; set->count < best->count; set->count++) {
        struct finding_change *change = &changes->items[best->numbers[set->count]];
        set->items[set->count] = *change;
        *change = (struct finding_change){0};
    }
    set->state = FINDING_SET_FOUND;
    return true;
}

static bool find_set(struct search *search, struct changes *changes, struct set *best,
                     struct set *other, struct finding_set *set)
{
    set_order(search, false);
    if (is_enough(search, changes->count, best))
        return !find_best(search, best, other) || tell(best, changes, set);
    if (!search->stopped && !changes->too_many)
        set->state = FINDING_SET_NONE;
    return true;
}

struct failure *remedy_set_find(struct changes *changes, struct replay *replay, uint64_t *work,
                                struct finding *finding)
{
    uint64_t share = *work / REMEDY_SET_WORK_SHARE;
    size_t room = (size_t)changes->count + 2;
    struct search search = {.changes = changes,
                            .replay = replay,
                            .cost = replay_cost(replay),
                            .work = share,
                            .made = calloc(room, sizeof(*search.made)),
                            .order = calloc(room, sizeof(*search.order))};
    struct set best = {.numbers = calloc(room, sizeof(*best.numbers))};
    struct set other = {.numbers = calloc(room, sizeof(*other.numbers))};
    bool done = search.made && search.order && best.numbers && other.numbers;
    if (done)
        done = find_set(&search, changes, &best, &other, &finding->set);
    *work -= share - search.work;
    free(search.made);
    free(search.order);
    free(best.numbers);
    free(other.numbers);
    return done ? NULL : failure_no_memory();
}
