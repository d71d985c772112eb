// What filled the memory: the verdict's paragraph, and the part of the report that it rests on.
#include <inttypes.h>
#include <string.h>

#include "report_sentences.h"

enum {
    SHARE_MAX = 48,
    TYPES_IN_VERDICT = 3,
    TYPES_IN_SECTION = 10,
};

static const char *at_least(const struct report *report)
{
    return report_is_complete(report) ? "" : "at least ";
}

// "12 %", "less than 1 %", "at least 12 %"; never more than all: objects may have room that was
// never written.
static const char *share(uint64_t part, uint64_t whole, const char *least, char *buffer)
{
    uint64_t percent = whole ? (uint64_t)((double)part * 100 / (double)whole) : 0;
    if (percent > 100)
        percent = 100;
    if (part && !percent && !*least)
        snprintf(buffer, SHARE_MAX, "less than 1 %%");
    else
        snprintf(buffer, SHARE_MAX, "%s%" PRIu64 " %%", least, percent);
    return buffer;
}

// --- the verdict

// Of which wholes the garbage is how much; a share that all three have is told once.
static void put_garbage_shares(const struct report *report, FILE *file)
{
    const struct verdict *verdict = &report->verdict;
    uint64_t garbage = verdict->bytes[VERDICT_GARBAGE];
    const struct {
        uint64_t bytes;
        const char *name;
    } wholes[] = {{verdict->python_bytes, "of the Python heap"},
                  {report->core->size, "of the core"},
                  {verdict->used_bytes, "of the memory in use"}};
    char bytes[NUMBER_MAX], shares[3][SHARE_MAX];
    for (size_t i = 0; i < 3; i++)
        share(garbage, wholes[i].bytes, at_least(report), shares[i]);
    bool same = strcmp(shares[0], shares[1]) == 0 && strcmp(shares[0], shares[2]) == 0;
    fprintf(file, "With all that only it keeps, garbage is %s%s:", at_least(report),
            sized(garbage, bytes));
    for (size_t i = 0; i < 3; i++)
        fprintf(file, "%s%s%s%s (%s)",
                i == 1   ? ",\n"
                : i == 2 ? " and "
                         : " ",
                same && i ? "" : shares[i], same && i ? "" : " ", wholes[i].name,
                sized(wholes[i].bytes, bytes));
    fputs(".\n", file);
}

static uint64_t live_bytes(const struct census_type *type)
{
    return type->live.bytes;
}

static uint64_t dead_bytes(const struct census_type *type)
{
    return type->trash.bytes;
}

// Of the types with the most bytes by a measure the first few, without an order of their own.
static void put_types(const struct census *census,
                      uint64_t (*measure)(const struct census_type *type), FILE *file)
{
    const struct census_type *last = NULL;
    char objects[NUMBER_MAX], bytes[NUMBER_MAX];
    for (unsigned shown = 0; shown < TYPES_IN_VERDICT; shown++) {
        const struct census_type *best = NULL;
        for (size_t i = 0; i < census->type_count; i++) {
            const struct census_type *type = &census->types[i];
            bool before = last && (measure(type) > measure(last) ||
                                   (measure(type) == measure(last) && type <= last));
            if (!before && measure(type) && (!best || measure(type) > measure(best)))
                best = type;
        }
        if (!best)
            return;
        fputs(shown ? ", " : ":\n", file);
        put_marked_name(file, best->name);
        fprintf(file, " %s (%s)", sized(measure(best), bytes),
                grouped(measure == live_bytes ? best->live.objects : best->trash.objects, objects));
        last = best;
    }
}

static const char *const kind_words[CENSUS_KINDS] = {
    [CENSUS_BRK] = "malloc's main heap",
    [CENSUS_ANONYMOUS] = "anonymous mappings",
    [CENSUS_SHARED] = "shared anonymous memory",
    [CENSUS_FILE] = "written pages of files",
    [CENSUS_STACK] = "stacks",
};

// Most bytes first.
static void put_kinds(const struct census *census, FILE *file)
{
    bool told[CENSUS_KINDS] = {false};
    char bytes[NUMBER_MAX];
    for (int i = 0; i < CENSUS_KINDS; i++) {
        int best = -1;
        for (int kind = 0; kind < CENSUS_KINDS; kind++)
            if (!told[kind] && census->other_kinds[kind] &&
                (best < 0 || census->other_kinds[kind] > census->other_kinds[best]))
                best = kind;
        if (best < 0)
            return;
        told[best] = true;
        fprintf(file, "%s%s %s", i ? ", " : "", sized(census->other_kinds[best], bytes),
                kind_words[best]);
    }
}

static void put_free(const struct census_pools *pools, FILE *file)
{
    char blocks[NUMBER_MAX], free_pools[NUMBER_MAX], arenas[NUMBER_MAX];
    fprintf(file,
            ":\n%s in free blocks of pools and %s in free pools, kept by live objects in %s arenas "
            "(fragmentation)",
            sized(pools->free_bytes, blocks), sized(pools->free_pool_bytes, free_pools),
            grouped(pools->arenas, arenas));
}

// What is said of a cause, to follow its name and bytes.
static void put_details(const struct report *report, FILE *file)
{
    switch (report->verdict.cause) {
    case VERDICT_LIVE:
        put_types(report->census, live_bytes, file);
        break;
    case VERDICT_TRASH:
        put_types(report->census, dead_bytes, file);
        break;
    case VERDICT_FREE:
        put_free(&report->census->pools, file);
        break;
    case VERDICT_OTHER:
        fputs(":\n", file);
        put_kinds(report->census, file);
        break;
    case VERDICT_GARBAGE:
    case VERDICT_UNKNOWN:
    case VERDICT_CAUSES:
        break;
    }
    fputs(".\n", file);
}

static void put_cause(const struct report *report, FILE *file)
{
    static const char *const names[] = {
        [VERDICT_UNKNOWN] = "",
        [VERDICT_GARBAGE] = "The garbage has",
        [VERDICT_TRASH] = "Collectable trash, for which no collection came, has",
        [VERDICT_LIVE] = "Live objects have",
        [VERDICT_FREE] = "Free memory of pymalloc has",
        [VERDICT_OTHER] = "Memory that is not Python's has",
    };
    const struct verdict *verdict = &report->verdict;
    char bytes[NUMBER_MAX], of_used[SHARE_MAX], used[NUMBER_MAX];
    uint64_t most = verdict->bytes[verdict->cause];
    fprintf(file, "%s %smost of the %s in use, %s (%s)", names[verdict->cause],
            verdict->explains ? "" : "the ", sized(verdict->used_bytes, used),
            share(most, verdict->used_bytes, "", of_used), sized(most, bytes));
    put_details(report, file);
}

// Is there garbage that may show as in use?
static bool may_have_missed_garbage(const struct report *report)
{
    return !report_is_complete(report) || report->garbage_source == GARBAGE_NOT_FOUND;
}

void put_memory_verdict(const struct report *report, FILE *file)
{
    const struct verdict *verdict = &report->verdict;
    uint64_t garbage = verdict->bytes[VERDICT_GARBAGE];
    char bytes[NUMBER_MAX];
    if (verdict->cause == VERDICT_UNKNOWN)
        return;
    if (garbage)
        put_garbage_shares(report, file);
    if (verdict->cause == VERDICT_GARBAGE && verdict->explains) {
        fprintf(file,
                "Breaking these cycles would have prevented the growth: %s would be in use.\n",
                sized(verdict->used_bytes -
                          (garbage < verdict->used_bytes ? garbage : verdict->used_bytes),
                      bytes));
        return;
    }
    if (garbage * 10 >= verdict->used_bytes)
        fputs("That explains a part of the growth.\n", file);
    else
        fputs(may_have_missed_garbage(report)
                  ? "As far as could be read, garbage is NOT what filled the memory.\n"
                  : "Garbage is NOT what filled the memory.\n",
              file);
    put_cause(report, file);
}

// --- the section

static void put_states(const struct report *report, FILE *file)
{
    static const struct {
        enum collect_state state;
        const char *words;
    } rows[] = {
        {COLLECT_REACHABLE, "in use"}, {COLLECT_UNCOLLECTABLE, "uncollectable"},
        {COLLECT_PENDING, "pending"},  {COLLECT_TRASH, "trash"},
        {COLLECT_KEPT, "kept"},
    };
    const struct census *census = report->census;
    char objects[NUMBER_MAX], bytes[NUMBER_MAX];
    fputs("  by state   ", file);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (census->states[rows[i].state].objects)
            fprintf(file, "%s %s %s, ", grouped(census->states[rows[i].state].objects, objects),
                    rows[i].words, sized(census->states[rows[i].state].bytes, bytes));
    fprintf(file, "%s untracked %s\n", grouped(census->untracked.objects, objects),
            sized(census->untracked.bytes, bytes));
}

static void put_type(const struct census_type *type, bool first, FILE *file)
{
    uint64_t garbage = type->garbage.objects + type->trash.objects;
    uint64_t count = type->live.objects + garbage;
    char objects[NUMBER_MAX], bytes[NUMBER_MAX];
    fputs(first ? "  by type    " : "             ", file);
    put_name(file, type->name);
    fprintf(file, ": %s object%s, %s", grouped(count, objects), plural(count),
            sized(type->live.bytes + type->garbage.bytes + type->trash.bytes, bytes));
    if (garbage == count)
        fputs(", all garbage", file);
    else if (garbage)
        fprintf(file, ", %s of them garbage", grouped(garbage, objects));
    fputc('\n', file);
}

static void put_pools(const struct census *census, FILE *file)
{
    const struct census_pools *pools = &census->pools;
    char arenas[NUMBER_MAX], count[NUMBER_MAX], live[NUMBER_MAX], blocks[NUMBER_MAX];
    char free_pools[NUMBER_MAX], bytes[NUMBER_MAX];
    fprintf(file, "  pymalloc   %s arena%s, %s pool%s: %s in blocks in use, %s in free blocks; ",
            grouped(pools->arenas, arenas), plural(pools->arenas), grouped(pools->pools, count),
            plural(pools->pools), sized(pools->live_bytes, live), sized(pools->free_bytes, blocks));
    fprintf(file, "%s free pool%s, %s\n", grouped(pools->free_pools, free_pools),
            plural(pools->free_pools), sized(pools->free_pool_bytes, bytes));
}

static void put_largest(const struct census *census, FILE *file)
{
    char bytes[NUMBER_MAX];
    if (!census->mapping_count || !census_other(&census->mappings[0]))
        return;
    const struct census_mapping *largest = &census->mappings[0];
    fprintf(file, "             the largest: %s at 0x%" PRIx64, sized(census_other(largest), bytes),
            largest->start);
    if (largest->path) {
        fputs(", ", file);
        put_file(file, largest->path);
    }
    fputc('\n', file);
}

void put_memory(const struct report *report, FILE *file)
{
    const struct census *census = report->census;
    char used[NUMBER_MAX], python[NUMBER_MAX], free_bytes[NUMBER_MAX], other[NUMBER_MAX];
    uint64_t shown = census->type_count < TYPES_IN_SECTION ? census->type_count : TYPES_IN_SECTION;
    shown = limited(report, shown);
    fprintf(file, "%s%s in use: Python objects %s, pymalloc's free memory %s, other %s\n",
            at_least(report), sized(census->used_bytes, used), sized(census->python_bytes, python),
            sized(report->verdict.bytes[VERDICT_FREE], free_bytes),
            sized(census->other_bytes, other));
    put_states(report, file);
    for (size_t i = 0; i < shown; i++)
        put_type(&census->types[i], i == 0, file);
    put_pools(census, file);
    fputs("  other      ", file);
    put_kinds(census, file);
    fputc('\n', file);
    put_largest(census, file);
    if (!census->has_holes)
        fputs("             (pages of zeroes do not count: the core does not tell if they were "
              "written)\n",
              file);
}

void put_byte_coverage(const struct report *report, FILE *file)
{
    char core[NUMBER_MAX], files[NUMBER_MAX], missing[NUMBER_MAX];
    if (!report->census)
        return;
    const struct census_coverage *coverage = &report->census->coverage;
    fprintf(file, "             memory: %s from the core, %s from files, %s in neither\n",
            sized(coverage->core, core), sized(coverage->files, files),
            sized(coverage->missing, missing));
}
