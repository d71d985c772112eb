// Numbers as bars, largest first: tables that read as well without them.
#include "report_html.h"
#include "report_sentences.h"

enum {
    BARS_MAX = 10 // findings, types
};

struct bar {
    const char *label;
    uint64_t value;
    bool bytes;     // else a number of things
    size_t finding; // to link to, from 1; 0: none
};

static void put_label(const struct bar *bar, struct sheet *sheet)
{
    FILE *file = sheet_use(sheet, NULL);
    fputs("<tr><th scope=\"row\">", file);
    if (bar->finding)
        fprintf(file, "<a href=\"#finding-%zu\">", bar->finding);
    put_name(sheet_use(sheet, &html_words), bar->label);
    fputs(bar->finding ? "</a></th>" : "</th>", sheet_use(sheet, NULL));
}

// whole: what a full bar stands for.
static void put_bar(const struct bar *bar, uint64_t whole, struct sheet *sheet)
{
    char number[NUMBER_MAX];
    double percent = whole ? 100. * (double)bar->value / (double)whole : 0;
    put_label(bar, sheet);
    fprintf(sheet_use(sheet, NULL),
            "<td><svg class=\"bar\" aria-hidden=\"true\"><rect width=\"%.1f%%\" "
            "height=\"100%%\"/></svg></td><td class=\"number\">%s</td></tr>\n",
            percent > 100 ? 100 : percent,
            bar->bytes ? sized(bar->value, number) : grouped(bar->value, number));
}

static void begin_bars(const char *caption, struct sheet *sheet)
{
    fprintf(sheet_use(sheet, NULL), "<table>\n<caption>%s</caption>\n<tbody>\n", caption);
}

static void end_bars(struct sheet *sheet)
{
    fputs("</tbody>\n</table>\n", sheet_use(sheet, NULL));
}

// Tracked objects by state, of what was found of each.
static void put_tracked(const struct report *report, struct sheet *sheet)
{
    uint64_t all = report->heap->bytes, dead = report->kept_bytes + report->trash_bytes;
    const struct bar bars[] = {
        {"in use or pending", all > dead ? all - dead : 0, true, 0},
        {"kept by gc.garbage", report->kept_bytes, true, 0},
        {"trash", report->trash_bytes, true, 0},
    };
    begin_bars("Memory of the tracked objects", sheet);
    for (size_t i = 0; i < sizeof(bars) / sizeof(bars[0]); i++)
        put_bar(&bars[i], all, sheet);
    end_bars(sheet);
}

// What the memory in use is of.
static void put_causes(const struct report *report, struct sheet *sheet)
{
    static const char *const labels[VERDICT_CAUSES] = {
        [VERDICT_GARBAGE] = "garbage",    [VERDICT_TRASH] = "collectable trash",
        [VERDICT_LIVE] = "live objects",  [VERDICT_FREE] = "free memory of pymalloc",
        [VERDICT_OTHER] = "not Python's",
    };
    const struct verdict *verdict = &report->verdict;
    begin_bars("Memory in use", sheet);
    for (int cause = VERDICT_GARBAGE; cause < VERDICT_CAUSES; cause++) {
        const struct bar bar = {labels[cause], verdict->bytes[cause], true, 0};
        put_bar(&bar, verdict->used_bytes, sheet);
    }
    end_bars(sheet);
}

static void put_types(const struct report *report, struct sheet *sheet)
{
    const struct census *census = report->census;
    begin_bars("Python objects by type", sheet);
    for (size_t i = 0; i < census->type_count && i < BARS_MAX; i++) {
        const struct census_type *type = &census->types[i];
        const struct bar bar = {type->name ? type->name : "?",
                                type->live.bytes + type->garbage.bytes + type->trash.bytes, true,
                                0};
        put_bar(&bar, census->python_bytes, sheet);
    }
    end_bars(sheet);
}

static void put_objects(const struct report *report, struct sheet *sheet)
{
    begin_bars("Tracked objects by state", sheet);
    for (unsigned state = COLLECT_REACHABLE; state <= COLLECT_KEPT; state <<= 1) {
        const struct bar bar = {report_state_name((enum collect_state)state),
                                report->totals->objects[state], false, 0};
        put_bar(&bar, report->heap->count, sheet);
    }
    end_bars(sheet);
}

static void put_findings(const struct report *report, struct sheet *sheet)
{
    const struct findings *findings = report->findings;
    uint64_t most = 0;
    begin_bars("The largest findings, with what they keep alive", sheet);
    for (size_t i = 0; i < findings->count && i < BARS_MAX; i++) {
        const struct finding *finding = &findings->items[i];
        const struct bar bar = {finding->signature, finding->bytes + finding->held_bytes, true,
                                i + 1};
        most = most > bar.value ? most : bar.value;
        put_bar(&bar, most, sheet);
    }
    end_bars(sheet);
}

void html_put_bars(const struct report *report, struct sheet *sheet)
{
    fputs("<section>\n<h2>Memory</h2>\n", sheet_use(sheet, NULL));
    if (report->verdict.cause != VERDICT_UNKNOWN)
        put_causes(report, sheet);
    if (report->census)
        put_types(report, sheet);
    put_tracked(report, sheet);
    if (report->findings->count > 1)
        put_findings(report, sheet);
    put_objects(report, sheet);
    fputs("</section>\n", sheet_use(sheet, NULL));
}
