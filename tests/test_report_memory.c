// What filled the memory, word for word: the verdict's paragraph, the section, and JSON.
#include "report_text.h"
#include "scene_census.h"

#include <jansson.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

TestSuite(report_memory, .init = set_census);

// The text from a line on, to the end of what is expected.
static void expect_from(const char *first, const char *expected)
{
    const char *at = strstr(text_of_report(), first);
    cr_assert_not_null(at, "no '%s' in\n%s", first, output);
    cr_expect(strncmp(at, expected, strlen(expected)) == 0, "%s", at);
}

// After what the census was changed to.
static void judge(void)
{
    report.verdict = verdict_make(&census, &findings);
}

static void set_no_garbage(void)
{
    findings.count = 0;
    findings.shared_objects = findings.shared_bytes = 0;
    census.states[COLLECT_UNCOLLECTABLE] = (struct census_count){0};
    totals.objects[COLLECT_UNCOLLECTABLE] = 0;
    report.garbage_length = report.garbage_read = 0;
}

// --- the verdict

Test(report_memory, garbage_is_the_cause)
{
    expect_from(
        "With all",
        "With all that only it keeps, garbage is 90 MiB: 96 % of the Python heap (93 MiB),\n"
        "75 % of the core (120 MiB) and 90 % of the memory in use (100 MiB).\n"
        "Breaking these cycles would have prevented the growth: 10 MiB would be in use.\n"
        "\n"
        "2 cycles like this one");
    cr_expect_eq(report.verdict.garbage_objects, 600013);
}

// It has the most, but not half of all: nothing would have been prevented.
Test(report_memory, garbage_is_a_part)
{
    census.used_bytes = 200 * MIB;
    census.other_bytes = 60 * MIB;
    judge();
    expect_from("75 %", "75 % of the core (120 MiB) and 45 % of the memory in use (200 MiB).\n"
                        "That explains a part of the growth.\n"
                        "The garbage has the most of the 200 MiB in use, 45 % (90 MiB).\n"
                        "\n");
    expect_no("prevented");
    census.used_bytes = 180 * MIB;
    judge();
    expect_from("Breaking",
                "Breaking these cycles would have prevented the growth: 90 MiB would be in use.\n");
}

Test(report_memory, live_objects_are_the_cause)
{
    items[0].bytes = 200;
    items[0].held_bytes = 0;
    findings.shared_bytes = 0;
    census_types[0].live = (struct census_count){400000, 85 * MIB};
    census_types[0].garbage = (struct census_count){1, 200};
    judge();
    expect_from("With all",
                "With all that only it keeps, garbage is 200 bytes: less than 1 % of the Python "
                "heap (93 MiB),\n"
                "of the core (120 MiB) and of the memory in use (100 MiB).\n"
                "Garbage is NOT what filled the memory.\n"
                "Live objects have most of the 100 MiB in use, 92 % (93 MiB):\n"
                "dict 85 MiB (400,000), str 2.0 MiB (30,000), list 4.0 KiB (1).\n"
                "\n");
    expect_no("prevented");
    set_no_garbage();
    judge();
    expect_from("None is pending",
                "None is pending: the next full collection would add nothing to it.\n"
                "Garbage is NOT what filled the memory.\n"
                "Live objects have most of");
    expect_no("With all");
}

Test(report_memory, trash_is_the_cause)
{
    set_no_garbage();
    census.states[COLLECT_TRASH] = (struct census_count){1000, 80 * MIB};
    totals.objects[COLLECT_TRASH] = 1000;
    census_types[2].trash = (struct census_count){1000, 80 * MIB};
    judge();
    expect_from("Garbage is NOT",
                "Garbage is NOT what filled the memory.\n"
                "Collectable trash, for which no collection came, has most of the 100 MiB in use, "
                "80 % (80 MiB):\n"
                "str 80 MiB (1,000), list 2.0 KiB (1).\n");
}

Test(report_memory, fragmentation_is_the_cause)
{
    set_no_garbage();
    census.python_bytes = 20 * MIB;
    census.pools.free_bytes = 50 * MIB;
    census.pools.free_pool_bytes = 20 * MIB;
    judge();
    expect_from("Garbage is NOT",
                "Garbage is NOT what filled the memory.\n"
                "Free memory of pymalloc has most of the 100 MiB in use, 70 % (70 MiB):\n"
                "50 MiB in free blocks of pools and 20 MiB in free pools, kept by live objects in "
                "364 arenas (fragmentation).\n");
}

Test(report_memory, other_memory_is_the_cause)
{
    set_no_garbage();
    census.python_bytes = 20 * MIB;
    census.other_bytes = 75 * MIB;
    census.other_kinds[CENSUS_SHARED] = 70 * MIB;
    judge();
    expect_from("Garbage is NOT",
                "Garbage is NOT what filled the memory.\n"
                "Memory that is not Python's has most of the 100 MiB in use, 75 % (75 MiB):\n"
                "70 MiB shared anonymous memory, 3.0 MiB malloc's main heap, 1.0 MiB anonymous "
                "mappings, 64 KiB written pages of files, 32 KiB stacks.\n");
    census.other_bytes = 40 * MIB;
    judge();
    expect_from("Memory that is",
                "Memory that is not Python's has the most of the 100 MiB in use, 40 % (40 MiB):\n");
}

Test(report_memory, what_a_loss_could_change)
{
    heap.losses.unreadable_parts = 1;
    expect_from("With all",
                "With all that only it keeps, garbage is at least 90 MiB: at least 96 % of the "
                "Python heap (93 MiB),\n"
                "at least 75 % of the core (120 MiB) and at least 90 % of the memory in use (100 "
                "MiB).\n"
                "Breaking these cycles would have prevented the growth:");
    expect_from("\nMemory ", "\nMemory       at least 100 MiB in use: Python objects 93 MiB,");
    expect_from("At least 2 cycles", "At least 2 cycles like this one, 88 MiB ");
    items[0].count = 1;
    expect_from("At least one", "At least one cycle, 88 MiB ");
    items[0].bytes = items[0].held_bytes = findings.shared_bytes = 0;
    judge();
    expect_from("As far", "As far as could be read, garbage is NOT what filled the memory.\n");
    heap.losses.unreadable_parts = 0;
    report.garbage_source = GARBAGE_NOT_FOUND;
    expect_from("As far", "As far as could be read, garbage is NOT what filled the memory.\n");
}

// --- the section

Test(report_memory, section)
{
    expect_from("\nMemory ",
                "\nMemory       100 MiB in use: Python objects 93 MiB, pymalloc's free memory 333 "
                "KiB, other 4.1 MiB\n"
                "  by state   1,001 in use 1.0 MiB, 600,000 uncollectable 90 MiB, 30,000 untracked "
                "2.0 MiB\n"
                "  by type    dict: 401,000 objects, 81 MiB, 400,000 of them garbage\n"
                "             app.T: 200,000 objects, 10 MiB, all garbage\n"
                "             str: 30,000 objects, 2.0 MiB\n"
                "             list: 2 objects, 6.0 KiB, 1 of them garbage\n"
                "  pymalloc   364 arenas, 23,000 pools: 90 MiB in blocks in use, 293 KiB in free "
                "blocks; 10 free pools, 40 KiB\n"
                "  other      3.0 MiB malloc's main heap, 1.0 MiB anonymous mappings, 64 KiB "
                "written pages of files, 32 KiB stacks\n"
                "             the largest: 3.0 MiB at 0x55d0a000\n"
                "\n"
                "Core         core.1234");
    expect_line(
        "             memory: 100 MiB from the core, 4.0 MiB from files, 0 bytes in neither");
}

Test(report_memory, section_of_a_core_without_holes)
{
    census.has_holes = false;
    census.mappings = &census_mappings[2];
    census.types[0].name = "app.\nT";
    report.limit = 1;
    expect_line("             (pages of zeroes do not count: the core does not tell if they were "
                "written)");
    expect_line("             the largest: 64 KiB at 0x7f900000, lib\\x0ax.so");
    expect_line("  by type    app.\\x0aT: 401,000 objects, 81 MiB, 400,000 of them garbage");
    expect_no("app.T:");
}

// --- JSON

static void expect_json(const char *path, const char *expected)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    cr_assert_null(report_json(&report, file));
    fclose(file);
    json_t *root = json_loads(text, 0, NULL), *value = root;
    char names[64];
    snprintf(names, sizeof(names), "%s", path);
    for (char *name = strtok(names, "."); name; name = strtok(NULL, "."))
        value = json_is_array(value) ? json_array_get(value, (size_t)atoi(name))
                                     : json_object_get(value, name);
    char *found = json_dumps(value, JSON_ENCODE_ANY);
    cr_expect_str_eq(found ? found : "", expected, "%s", path);
    free(found);
    json_decref(root);
    free(text);
}

Test(report_memory, json)
{
    static const char *const rows[][2] = {
        {"verdict", "{\"cause\": \"garbage\", \"explains\": true, \"bytes\": {\"garbage\": "
                    "94371840, \"trash\": 0, \"live\": 3145728, \"free\": 340960, \"other\": "
                    "4292608}, \"used_bytes\": 104857600, \"garbage_objects\": 600013, "
                    "\"lower_bounds\": false}"},
        {"memory.used_bytes", "104857600"},
        {"memory.python_bytes", "97517568"},
        {"memory.unwritten_by", "\"holes\""},
        {"memory.states.uncollectable", "{\"objects\": 600000, \"bytes\": 94371840}"},
        {"memory.states.untracked", "{\"objects\": 30000, \"bytes\": 2097152}"},
        {"memory.types.0",
         "{\"type\": \"dict\", \"live\": {\"objects\": 1000, \"bytes\": 1048576}, "
         "\"garbage\": {\"objects\": 400000, \"bytes\": 83886080}, \"trash\": "
         "{\"objects\": 0, \"bytes\": 0}}"},
        {"memory.types_total", "4"},
        {"memory.pymalloc",
         "{\"arenas\": 364, \"pools\": 23000, \"free_pools\": 10, \"live_bytes\": 94371840, "
         "\"free_bytes\": 300000, \"free_pool_bytes\": 40960, \"lost_bytes\": 1000000, \"parts\": "
         "{\"objects\": 12, \"bytes\": 3456}, \"free_lists\": {\"objects\": 7, \"bytes\": 890}}"},
        {"memory.other", "{\"bytes\": 4292608, \"brk\": 3145728, \"anonymous\": 1048576, "
                         "\"shared\": 0, \"file\": 65536, \"stack\": 32768}"},
        {"memory.mappings.2",
         "{\"address\": \"0x7f900000\", \"kind\": \"file\", \"path\": \"/usr/lib/lib\\\\x0ax.so\", "
         "\"size\": 65536, \"saved\": 65536, \"used\": 65536, \"pools\": 0, \"objects\": 0, "
         "\"other\": 65536}"},
        {"memory.coverage",
         "{\"core_bytes\": 104857600, \"file_bytes\": 4194304, \"missing_bytes\": 0}"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++)
        expect_json(rows[i][0], rows[i][1]);
    report.limit = 1;
    expect_json("memory.types.1", "");
    expect_json("memory.mappings.1", "");
    expect_json("memory.mappings_total", "4");
}

Test(report_memory, json_without_a_census)
{
    report.census = NULL;
    report.verdict = verdict_make(NULL, &findings);
    expect_json("memory", "null");
    expect_json("verdict", "null");
    expect_no("Memory ");
    expect_no("With all");
}
