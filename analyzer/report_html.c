// The report as one page that needs nothing else: no network, no script.
//
// Its security policy lets in nothing but the one style sheet, by its hash.
#include "report_html.h"

#include <inttypes.h>
#include <string.h>

#include "picture.h"
#include "report_html_style.h"
#include "report_sentences.h"
#include "version.h"

// clang-format off
#define ESCAPED                                                                                    \
    ['<'] = "&lt;", ['>'] = "&gt;", ['&'] = "&amp;", ['"'] = "&quot;", ['\''] = "&#39;"
// clang-format on

const struct sheet_style html_words = {
    .words = {ESCAPED}, .name_start = "<code>", .name_end = "</code>", .names = {ESCAPED}};
static const struct sheet_style html_list = {.words = {ESCAPED, ['\n'] = "</li>\n<li>"},
                                             .name_start = "<code>",
                                             .name_end = "</code>",
                                             .names = {ESCAPED}};
static const struct sheet_style html_code = {.words = {ESCAPED}, .names = {ESCAPED}};

static void put_top(const struct report *report, struct sheet *sheet)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
          "style-src '" STYLE_HASH "'; base-uri 'none'; form-action 'none'\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"referrer\" content=\"no-referrer\">\n"
          "<title>What leaked: ",
          sheet_use(sheet, NULL));
    put_file(sheet_use(sheet, &html_code), report->core->path);
    fputs("</title>\n<style>" STYLE_SHEET "</style>\n</head>\n<body>\n<header>\n<h1>What leaked: ",
          sheet_use(sheet, NULL));
    put_file(sheet_use(sheet, &html_code), report->core->path);
    fputs("</h1>\n<p class=\"verdict\">", sheet_use(sheet, NULL));
    put_verdict(report, sheet_use(sheet, &html_words));
    fputs("</p>\n</header>\n<main>\n", sheet_use(sheet, NULL));
    if (picture_is_possible())
        html_put_picture_heads(sheet_use(sheet, NULL));
}

static void put_bottom(const struct report *report, struct sheet *sheet)
{
    html_put_bars(report, sheet);
    FILE *file = sheet_use(sheet, NULL);
    fputs("</main>\n<footer>\n<p class=\"soft\">Made by " PROGRAM_NAME " " PYCORE_GARBAGE_VERSION
          ".",
          file);
    if (!picture_is_possible())
        fputs(" Cycles are drawn as text: it was built without Graphviz.", file);
    fputs("</p>\n</footer>\n</body>\n</html>\n", file);
}

static bool is_of_holders(enum page_section section)
{
    return section >= PAGE_LISTED && section <= PAGE_EVIDENCE;
}

static void put_head(const struct report *report, enum page_section section, struct sheet *sheet)
{
    static const char *const titles[PAGE_SECTIONS] = {
        [PAGE_FINDINGS] = "Findings",
        [PAGE_LISTED] = "Who keeps objects of gc.garbage in use",
        [PAGE_CYCLES] = "Cycles in use from outside",
        [PAGE_EVIDENCE] = "References from outside",
        [PAGE_FACTS] = "Where the numbers come from",
        [PAGE_THREADS] = "Threads of Python",
    };
    fprintf(sheet_use(sheet, NULL), "<section>\n<h2>%s</h2>\n", titles[section]);
    if (is_of_holders(section)) {
        fputs("<p>", sheet_use(sheet, NULL));
        put_holders_head(report, HOLDERS_LISTED + (section - PAGE_LISTED),
                         sheet_use(sheet, &html_words));
        fputs("</p>\n<details open>\n<summary>Ways and places</summary>\n<pre>",
              sheet_use(sheet, NULL));
    } else if (section == PAGE_FACTS) {
        fputs("<dl>\n", sheet_use(sheet, NULL));
    }
}

static void put_drawn(const struct finding *finding, struct sheet *sheet)
{
    fputs("<figure>\n", sheet_use(sheet, NULL));
    bool pictured = html_put_picture(finding, sheet);
    if (pictured)
        // Finalizers off the cycle are not in the picture.
        fprintf(sheet_use(sheet, NULL), "<details%s>\n<summary>The cycle as text</summary>\n",
                finding->finalizer_count > 1 ? " open" : "");
    fputs("<pre>", sheet_use(sheet, NULL));
    put_drawing(finding, sheet_use(sheet, &html_code));
    fprintf(sheet_use(sheet, NULL), "</pre>\n%s</figure>\n", pictured ? "</details>\n" : "");
}

static void put_finding(const struct report *report, const struct finding *finding, size_t number,
                        struct sheet *sheet)
{
    char head[HEAD_MAX];
    fprintf(sheet_use(sheet, NULL),
            "<article id=\"finding-%zu\">\n<h3>%s</h3>\n<p class=\"soft\">signature "
            "<code>%s</code></p>\n",
            number, finding_head(report, finding, head), finding->signature);
    put_drawn(finding, sheet);
    fputs("<ul>\n<li>", sheet_use(sheet, NULL));
    put_points(report, finding, sheet_use(sheet, &html_list));
    fputs("</li>\n</ul>\n", sheet_use(sheet, NULL));
    if (has_contents(report, finding)) {
        fputs("<details>\n<summary>Values</summary>\n<pre>", sheet_use(sheet, NULL));
        put_contents(report, finding, sheet_use(sheet, &html_code));
        fputs("</pre>\n</details>\n", sheet_use(sheet, NULL));
    }
    fputs("</article>\n", sheet_use(sheet, NULL));
}

static void put_plain_fact(const struct report *report, enum fact_kind kind, struct sheet *sheet)
{
    fprintf(sheet_use(sheet, NULL), "<dt>%s</dt>\n<dd>", facts[kind].label);
    facts[kind].put(report, sheet_use(sheet, &html_code));
    fputs("</dd>\n", sheet_use(sheet, NULL));
}

static void put_thread(const struct report *report, size_t i, struct sheet *sheet)
{
    const struct stack *stack = &report->stacks->items[i];
    fputs("<details>\n<summary>", sheet_use(sheet, NULL));
    put_thread_head(stack, sheet_use(sheet, &html_words));
    fputs("</summary>\n", sheet_use(sheet, NULL));
    if (stack->depth) {
        fputs("<pre>", sheet_use(sheet, NULL));
        put_frames(stack, sheet_use(sheet, &html_code));
        fputs("</pre>\n", sheet_use(sheet, NULL));
    }
    fputs("</details>\n", sheet_use(sheet, NULL));
}

static struct failure *put_item(const struct report *report, enum page_section section, size_t i,
                                struct sheet *sheet)
{
    switch (section) {
    case PAGE_FINDINGS:
        put_finding(report, &report->findings->items[i], i + 1, sheet);
        break;
    case PAGE_LISTED:
    case PAGE_CYCLES:
    case PAGE_EVIDENCE:
        put_holder(report, HOLDERS_LISTED + (section - PAGE_LISTED), i,
                   sheet_use(sheet, &html_code));
        fputc('\n', sheet_use(sheet, NULL));
        break;
    case PAGE_FACTS:
        if (has_fact(report, (enum fact_kind)i))
            put_plain_fact(report, (enum fact_kind)i, sheet);
        break;
    case PAGE_THREADS:
        put_thread(report, i, sheet);
        break;
    case PAGE_SECTIONS:
        break;
    }
    return NULL;
}

static void put_tail(const struct report *report, enum page_section section, const char *rest,
                     struct sheet *sheet)
{
    if (is_of_holders(section)) {
        put_holders_losses(report, HOLDERS_LISTED + (section - PAGE_LISTED),
                           sheet_use(sheet, &html_code));
        fputs("</pre>\n</details>\n", sheet_use(sheet, NULL));
    }
    FILE *file = sheet_use(sheet, NULL);
    if (section == PAGE_FACTS)
        fputs("</dl>\n", file);
    if (rest)
        fprintf(file, "<p class=\"rest\">%s.</p>\n", rest);
    if (section == PAGE_FINDINGS && report->findings->shared_objects) {
        fputs("<p>", file);
        put_shared(report->findings, file);
        fputs("</p>\n", file);
    }
    if (section == PAGE_THREADS && !report->stacks->complete)
        fputs("<p>" STACKS_INCOMPLETE "</p>\n", file);
    fputs("</section>\n", file);
}

struct failure *report_html(const struct report *report, FILE *file)
{
    static const struct page_format format = {put_top, put_bottom, put_head, put_item, put_tail};
    return page_write(report, &format, file);
}
