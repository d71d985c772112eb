#include "tears.h"

unsigned tears_told(const struct tears *tears)
{
    return tears->count < TEARS_TOLD ? (unsigned)tears->count : TEARS_TOLD;
}

// The link itself, or the one that should lead back.
static bool is_same(const struct tear *one, const struct tear *other)
{
    return one->forward == other->forward ? one->at == other->at
                                          : one->target == other->at || one->at == other->target;
}

void tears_add(struct tears *tears, const struct tear *place)
{
    for (uint64_t i = 0; i < tears->count && i < TEARS_KEPT; i++)
        if (is_same(&tears->kept[i], place))
            return;
    if (tears->count < TEARS_KEPT)
        tears->kept[tears->count] = *place;
    tears->count++;
}

const char *tear_kind_name(enum tear_kind kind)
{
    switch (kind) {
    case TEAR_NOWHERE:
        return "no element";
    case TEAR_DISAGREE:
        return "leads elsewhere";
    case TEAR_TWICE:
        return "counted already";
    case TEAR_HEAD:
        return "head of another list";
    case TEAR_NO_HEAD:
        break;
    }
    return "head not readable";
}
