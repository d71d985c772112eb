// Numbers as bars, largest first: tables that read as well without them.
#include "report_html.h"
#include "report_sentences.h"

enum {
    BARS_MAX = 10 // findings
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
    fputs(bar->label, sheet_use(sheet, &html_words));
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

// Memory by state. What else is known of the process's memory, by type or by kind, belongs here.
static void put_memory(const struct report *report, struct sheet *sheet)
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
    put_memory(report, sheet);
    if (report->findings->count > 1)
        put_findings(report, sheet);
    put_objects(report, sheet);
    fputs("</section>\n", sheet_use(sheet, NULL));
}
