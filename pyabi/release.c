#include "release.h"

#include <stddef.h>

// Fact sheet, sections 0, 1.1, 4.2 and 7.
static const struct release releases[] = {
    {.since = 0x020300,
     .small_request_limit = 256,
     .small_alignment = 8,
     .debug_pad = 8,
     .int_type_counters = true,
     .debug_mem_pooled = true},
    {.since = 0x020500,
     .small_request_limit = 256,
     .small_alignment = 8,
     .debug_mem_pooled = true,
     .unicode_pooled = true,
     .generator_finalizers = true},
    {.since = 0x020700,
     .small_request_limit = 256,
     .small_alignment = 8,
     .unicode_pooled = true,
     .generator_finalizers = true},
    {.since = 0x020707,
     .small_request_limit = 512,
     .small_alignment = 8,
     .unicode_pooled = true,
     .generator_finalizers = true},
    {.since = 0x020711,
     .small_request_limit = 512,
     .small_alignment = 16,
     .unicode_pooled = true,
     .generator_finalizers = true},
};

const struct release *release_find(uint32_t version)
{
    size_t i = sizeof(releases) / sizeof(releases[0]) - 1;
    while (i > 0 && version < releases[i].since)
        i--;
    return &releases[i];
}
