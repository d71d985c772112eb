#include "core_lines.h"

enum {
    LINES_LEAST = 8,  // fewer prove nothing
    LINES_MAX = 1024, // looked at
};

bool core_lines_contradict(const struct core *core)
{
    size_t count = core->mapping_count < LINES_MAX ? core->mapping_count : LINES_MAX;
    size_t beginnings = 0, insides = 0;
    if (count < LINES_LEAST || !core->segment_count)
        return false;
    for (size_t i = 0; i < count; i++) {
        bool begins = false, inside = false;
        for (size_t j = 0; j < core->segment_count && !begins; j++) {
            uint64_t offset = core->mappings[i].start - core->segments[j].start;
            begins = offset == 0;
            inside |= offset < core->segments[j].memory_size;
        }
        beginnings += begins;
        insides += inside && !begins;
    }
    return beginnings == 0 || insides > beginnings;
}
