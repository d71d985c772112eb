// A census to be changed and printed: a hundred megabytes of which the story's garbage has ninety.
#ifndef TESTS_SCENE_CENSUS_H
#define TESTS_SCENE_CENSUS_H

#include "scene_report.h"

enum {
    MIB = 1 << 20
};

static struct census_type census_types[4];
static struct census_mapping census_mappings[5];
static struct census census;

static inline void set_census_types(void)
{
    census_types[0] = (struct census_type){"dict", {1000, 1 * MIB}, {400000, 80 * MIB}};
    census_types[1] = (struct census_type){"app.T", {0}, {200000, 10 * MIB}};
    census_types[2] = (struct census_type){"str", {30000, 2 * MIB}};
    census_types[3] = (struct census_type){"list", {1, 4096}, {0}, {1, 2048}};
    census.types = census_types;
    census.type_count = 4;
}

static inline void set_census_mappings(void)
{
    census_mappings[0] = (struct census_mapping){CENSUS_BRK, NULL,    0x55d0a000, 5 * MIB,
                                                 5 * MIB,    5 * MIB, 0,          2 * MIB};
    census_mappings[1] = (struct census_mapping){CENSUS_ANONYMOUS, NULL,     0x7f100000, 95 * MIB,
                                                 95 * MIB,         92 * MIB, 91 * MIB,   0};
    census_mappings[2] =
        (struct census_mapping){CENSUS_FILE, "/usr/lib/lib\nx.so", 0x7f900000, 65536, 65536, 65536};
    census_mappings[3] =
        (struct census_mapping){CENSUS_STACK, NULL, 0x7ff00000, 139264, 139264, 32768};
    census.mappings = census_mappings;
    census.mapping_count = 4;
    for (size_t i = 0; i < census.mapping_count; i++) {
        census.other_kinds[census_mappings[i].kind] += census_other(&census_mappings[i]);
        census.other_bytes += census_other(&census_mappings[i]);
    }
}

static inline void set_census(void)
{
    set_report();
    census = (struct census){.untracked = {30000, 2 * MIB},
                             .parts = {12, 3456},
                             .cached = {7, 890},
                             .python_bytes = 93 * MIB,
                             .pools = {364, 23000, 10, 90 * MIB, 300000, 40960, 1000000},
                             .used_bytes = 100 * MIB,
                             .has_holes = true,
                             .coverage = {100 * MIB, 4 * MIB, 0}};
    census.states[COLLECT_REACHABLE] = (struct census_count){1001, 1 * MIB};
    census.states[COLLECT_UNCOLLECTABLE] = (struct census_count){600000, 90 * MIB};
    set_census_types();
    set_census_mappings();
    core.size = 120 * MIB;
    items[0].objects = 600000;
    items[0].bytes = 88 * MIB;
    items[0].held_objects = 10;
    items[0].held_bytes = 1 * MIB;
    findings.shared_objects = 3;
    findings.shared_bytes = 1 * MIB;
    report.census = &census;
    report.verdict = verdict_make(&census, &findings);
}

#endif
