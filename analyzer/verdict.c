#include "verdict.h"

// What the findings have, tracked or not, and what DEBUG_SAVEALL alone keeps.
static struct census_count sum_garbage(const struct census *census, const struct findings *findings)
{
    struct census_count sum = census->states[COLLECT_KEPT];
    sum.objects += findings->shared_objects;
    sum.bytes += findings->shared_bytes;
    for (size_t i = 0; i < findings->count; i++) {
        sum.objects += findings->items[i].objects + findings->items[i].held_objects;
        sum.bytes += findings->items[i].bytes + findings->items[i].held_bytes;
    }
    return sum;
}

struct verdict verdict_make(const struct census *census, const struct findings *findings)
{
    struct verdict verdict = {0};
    if (!census || !census->used_bytes)
        return verdict;
    struct census_count garbage = sum_garbage(census, findings);
    const struct census_pools *pools = &census->pools;
    uint64_t dead = garbage.bytes + census->states[COLLECT_TRASH].bytes;
    verdict.used_bytes = census->used_bytes;
    verdict.python_bytes = census->python_bytes;
    verdict.garbage_objects = garbage.objects;
    verdict.bytes[VERDICT_GARBAGE] = garbage.bytes;
    verdict.bytes[VERDICT_TRASH] = census->states[COLLECT_TRASH].bytes;
    verdict.bytes[VERDICT_LIVE] = census->python_bytes > dead ? census->python_bytes - dead : 0;
    verdict.bytes[VERDICT_FREE] = pools->free_bytes + pools->free_pool_bytes;
    verdict.bytes[VERDICT_OTHER] = census->other_bytes;
    verdict.cause = VERDICT_GARBAGE;
    for (int cause = VERDICT_GARBAGE; cause < VERDICT_CAUSES; cause++)
        if (verdict.bytes[cause] > verdict.bytes[verdict.cause])
            verdict.cause = (enum verdict_cause)cause;
    verdict.explains = verdict.bytes[verdict.cause] >= verdict.used_bytes - verdict.used_bytes / 2;
    return verdict;
}

const char *verdict_cause_name(enum verdict_cause cause)
{
    static const char *const names[] = {
        [VERDICT_UNKNOWN] = "unknown", [VERDICT_GARBAGE] = "garbage", [VERDICT_TRASH] = "trash",
        [VERDICT_LIVE] = "live",       [VERDICT_FREE] = "free",       [VERDICT_OTHER] = "other",
    };
    return cause < VERDICT_CAUSES ? names[cause] : names[VERDICT_UNKNOWN];
}
