// The report as a page, word for word but for the style sheet and the places in pictures.
#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "picture.h"
#include "scene_census.h"
#include "version.h"

TestSuite(report_html, .init = set_report);

static char *output;
static size_t output_size;

static const char *html(void)
{
    free(output);
    FILE *file = open_memstream(&output, &output_size);
    cr_assert_null(report_html(&report, file));
    cr_assert_eq(fclose(file), 0);
    return output;
}

// Leaves out what is between two marks, the first time behind `from`.
static void leave_out(char *from, const char *start, const char *end)
{
    char *first = strstr(from, start);
    cr_assert_not_null(first, "no %s in %s", start, from);
    char *last = strstr(first + strlen(start), end);
    cr_assert_not_null(last, "no %s in %s", end, from);
    memmove(first + strlen(start), last, strlen(last) + 1);
}

static void expect(const char *words)
{
    cr_expect_not_null(strstr(html(), words), "no '%s' in\n%s", words, output);
}

static void expect_no(const char *words)
{
    cr_expect_null(strstr(html(), words), "'%s' in\n%s", words, output);
}

static size_t count(const char *text, const char *words)
{
    size_t found = 0;
    for (const char *at = text; (at = strstr(at, words)); at += strlen(words))
        found++;
    return found;
}

#define HEAD                                                                                       \
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"                      \
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "        \
    "'sha256-'; base-uri 'none'; form-action 'none'\">\n"                                          \
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"                   \
    "<meta name=\"referrer\" content=\"no-referrer\">\n"                                           \
    "<title>What leaked: core.1234</title>\n<style></style>\n</head>\n<body>\n<header>\n"          \
    "<h1>What leaked: core.1234</h1>\n"                                                            \
    "<p class=\"verdict\">gc.garbage keeps 8 objects alive: 1.4 KiB, less than 1 % of all "        \
    "tracked objects.\n</p>\n</header>\n<main>\n"
#define DRAWING                                                                                    \
    "<pre>__main__.MyApiClient     has __del__: __main__.ApiClient, seed_leak.py:35\n"             \
    "  .t ─▶ __main__.T     ◀ break here\n"                                                  \
    "  ._api_client ─▶ back to MyApiClient</pre>\n"
#define REST                                                                                       \
    "<ul>\n<li>Without <code>.t</code> of <code>MyApiClient</code> the collector frees it "        \
    "(replayed).</li>\n"                                                                           \
    "<li>Set in <code>cached_property.__get__</code> (<code>seed_leak.py:21</code>).</li>\n"       \
    "<li>A descriptor of the class caches it: let what it caches refer back by a "                 \
    "weakref.</li>\n"                                                                              \
    "<li>Also enough: <code>._api_client</code> of <code>T</code>.</li>\n"                         \
    "<li>e.g. 0x7f34e9520a90; each 4 objects, 704 bytes</li>\n</ul>\n</article>\n</section>\n"     \
    "<section>\n<h2>Where the numbers come from</h2>\n<dl>\n"                                      \
    "<dt>Core</dt>\n<dd>core.1234, 5.0 MiB, x86_64, complete\n</dd>\n"                             \
    "<dt>Process</dt>\n<dd>pid 1234, python2.7 app.py, SIGABRT, 1 thread\n</dd>\n"                 \
    "<dt>Interpreter</dt>\n<dd>CPython 2.7.18, UCS4, /usr/lib/libpython2.7.so.1.0\n"               \
    "             build-id deadbeef (matches the core)\n</dd>\n"                                   \
    "<dt>Layout</dt>\n<dd>built-in column 2.7.18-x86_64, the file has no DWARF\n</dd>\n"           \
    "<dt>Collector</dt>\n<dd>enabled, generations 3 / 97 / 900 objects, thresholds 700/10/10, "    \
    "counts 0/1/2\n</dd>\n"                                                                        \
    "<dt>gc.garbage</dt>\n<dd>0x7f34e9500000, 2 items, found by symbol\n</dd>\n"                   \
    "<dt>Coverage</dt>\n<dd>1,000 objects read, 4,321 references, 121 KiB; 0 opaque, 0 "           \
    "unreadable\n</dd>\n"                                                                          \
    "<dt>Ticket</dt>\n<dd>" PROGRAM_NAME " " PYCORE_GARBAGE_VERSION ", core.1234, 5242880 bytes, " \
    "build-id deadbeef, signatures 5f3c2a91\n</dd>\n</dl>\n</section>\n"                           \
    "<section>\n<h2>Threads of Python</h2>\n<details>\n"                                           \
    "<summary>Thread 0x7f34, which held the interpreter lock, innermost call first:</summary>\n"   \
    "<pre>    ping, seed_leak.py:63\n    &lt;module&gt;, seed_leak.py:140\n</pre>\n</details>\n"   \
    "</section>\n<section>\n<h2>Memory</h2>\n"
#define BAR(label, percent, number)                                                                \
    "<tr><th scope=\"row\">" label "</th><td><svg class=\"bar\" aria-hidden=\"true\"><rect "       \
    "width=\"" percent "%\" height=\"100%\"/></svg></td><td class=\"number\">" number              \
    "</td></tr>\n"
#define BARS                                                                                       \
    "<table>\n<caption>Memory of the tracked objects</caption>\n<tbody>\n" BAR(                    \
        "in use or pending", "98.9", "119 KiB") BAR("kept by gc.garbage", "1.1", "1.4 KiB")        \
        BAR("trash", "0.0", "0 bytes") "</tbody>\n</table>\n"                                      \
                                       "<table>\n<caption>Tracked objects by state</caption>\n"    \
                                       "<tbody>\n" BAR("reachable", "99.2", "992")                 \
                                           BAR("uncollectable", "0.8", "8")                        \
                                               BAR("pending", "0.0", "0") BAR("trash", "0.0", "0") \
                                                   BAR("kept", "0.0",                              \
                                                       "0") "</tbody>\n</table>\n</section>\n"

Test(report_html, the_story)
{
    const char *pictured =
        HEAD "<svg class=\"cycle\" width=\"0\"</svg>\n"
             "<section>\n<h2>Findings</h2>\n<article id=\"finding-1\">\n"
             "<h3>2 cycles like this one, 1.4 KiB</h3>\n"
             "<p class=\"soft\">signature <code>5f3c2a91</code></p>\n<figure>\n"
             "<svg class=\"cycle\" role=\"img\"</svg>\n<details>\n<summary>The cycle as "
             "text</summary>\n" DRAWING "</details>\n</figure>\n" REST BARS
             "</main>\n<footer>\n<p class=\"soft\">Made by pycore-garbage " PYCORE_GARBAGE_VERSION
             ".</p>\n</footer>\n</body>\n</html>\n";
    const char *as_text =
        HEAD "<section>\n<h2>Findings</h2>\n<article id=\"finding-1\">\n"
             "<h3>2 cycles like this one, 1.4 KiB</h3>\n"
             "<p class=\"soft\">signature <code>5f3c2a91</code></p>\n<figure>\n" DRAWING
             "</figure>\n" REST BARS
             "</main>\n<footer>\n<p class=\"soft\">Made by pycore-garbage " PYCORE_GARBAGE_VERSION
             ". Cycles are drawn as text: it was built without Graphviz.</p>\n</footer>\n</body>\n"
             "</html>\n";
    html();
    leave_out(output, "'sha256-", "'");
    leave_out(output, "<style>", "</style>");
    if (picture_is_possible()) {
        leave_out(output, "<svg class=\"cycle\" width=\"0\"", "</svg>");
        leave_out(output, "<svg class=\"cycle\" role=\"img\"", "</svg>");
    }
    cr_assert_str_eq(output, picture_is_possible() ? pictured : as_text, "%s", output);
}

static void need_pictures(void)
{
    if (!picture_is_possible())
        cr_skip_test("built without Graphviz\n");
}

Test(report_html, the_picture)
{
    need_pictures();
    expect("<g class=\"box finalizer\">\n<title>__main__.MyApiClient</title>\n<rect ");
    expect(">__main__.MyApiClient</text>\n<text ");
    expect(" class=\"note\">__del__ in seed_leak.py:35</text>\n</g>\n");
    expect("<g class=\"box\">\n<title>__main__.T</title>\n<rect ");
    expect("<g class=\"break\">\n<title>.t</title>\n<text ");
    expect(" class=\"note\">break here</text>\n</g>\n");
    expect("<g class=\"edge\">\n<title>._api_client</title>\n<text ");
    // Two halves each of two edges; those that come to a type have heads.
    cr_expect_eq(count(output, "<g class=\"break\"><path "), 2);
    cr_expect_eq(count(output, "marker-end=\"url(#head-to-break)\""), 1);
    cr_expect_eq(count(output, "marker-end=\"url(#head)\""), 1);
    char *first = strdup(output);
    cr_expect_str_eq(html(), first, "the same picture twice");
    free(first);
}

Test(report_html, pictures_of_one_and_of_many_steps)
{
    struct finding_step many[1000];
    need_pictures();
    items[0].step_count = items[0].break_count = 1;
    cr_expect_eq(count(html(), "<g class=\"box"), 1);
    cr_expect_eq(count(output, "marker-end=\"url(#head-to-break)\""), 1);
    for (size_t i = 0; i < 1000; i++)
        many[i] = (struct finding_step){i, (char *)"app.Link", (char *)".next", i == 0};
    items[0].steps = many;
    items[0].step_count = 1000;
    items[0].break_count = 0;
    expect(">... 988 more ...</text>");
    cr_expect_eq(count(output, "<g class=\"box"), 12);
    items[0].step_count = 12;
    cr_expect_eq(count(html(), "<g class=\"box"), 12);
    expect_no(" more ...</text>");
}

Test(report_html, pictures_of_long_names)
{
    char name[10001];
    need_pictures();
    memset(name, 'n', 10000);
    name[10000] = '\0';
    steps[1].type = name;
    expect(">…nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn</text>");
    // Wide characters, none of them cut.
    for (size_t i = 0; i + 3 <= 10000; i += 3)
        memcpy(name + i, "\xe6\xbc\xa2", 3);
    name[9999] = '\0';
    expect(">…\xe6\xbc\xa2\xe6\xbc\xa2\xe6\xbc\xa2");
}

Test(report_html, who_holds_what)
{
    set_holders();
    expect("<h2>Who keeps objects of gc.garbage in use</h2>\n<p>1,234 objects of gc.garbage are in "
           "use: the list alone does not leak them. The shortest ways to them:</p>\n");
    expect("<pre>1,233 app.Client, e.g. 0x7000\n  module app.registry\n    ... 7 more ...\n"
           "    .clients ─▶ dict\n");
    expect("<h2>Cycles in use from outside</h2>\n");
    expect("<h2>References from outside</h2>\n");
    report.limit = 1;
    expect("</pre>\n</details>\n<p class=\"rest\">1 more way not shown (--limit).</p>\n");
}

Test(report_html, bars_of_findings)
{
    expect_no("The largest findings");
    findings.count = 2;
    items[1].bytes = 352;
    memcpy(items[1].signature, "00c0ffee", 9);
    expect("<caption>The largest findings, with what they keep alive</caption>\n<tbody>\n"
           "<tr><th scope=\"row\"><a href=\"#finding-1\">5f3c2a91</a></th><td><svg class=\"bar\" "
           "aria-hidden=\"true\"><rect width=\"100.0%\" ");
    expect("<a href=\"#finding-2\">00c0ffee</a></th><td><svg class=\"bar\" aria-hidden=\"true\">"
           "<rect width=\"25.0%\" ");
}

// --- names of strangers

Test(report_html, hostile_names)
{
    static const char *const evil[] = {"<script", "<img",    "\"onload",    "'onload",
                                       "\033",    "</pre><", "\xe2\x80\xae"};
    char hostile[] = "</pre><script>alert(1)</script><img src=x>\" \"onload='onload=\n&lt;\033[1m"
                     "\xe2\x80\xae";
    char *plain = strdup(html());
    steps[0].type = steps[1].type = finalizers[0].class = hostile;
    steps[0].edge = steps[1].edge = hostile;
    finalizers[0].del.defined_in = finalizers[0].del.file = hostile;
    items[0].origins.items[0] = (struct origin){hostile, hostile, 3};
    core.command = core.path = image.path = hostile;
    opaque[0].name = frames[0].function = frames[1].file = hostile;
    report.opaque_type_count = 1;
    html();
    for (size_t i = 0; i < sizeof(evil) / sizeof(evil[0]); i++)
        cr_expect_eq(count(output, evil[i]), 0, "%s in\n%s", evil[i], output);
    cr_expect_gt(count(output, "&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;"), 10);
    cr_expect_gt(count(output, "\\x0a&amp;lt;\\x1b[1m\\xe2\\x80\\xae"), 10);
    cr_expect_eq(count(output, "<"), count(plain, "<"), "no name made a tag");
    free(plain);
}

// --- size

Test(report_html, sizes)
{
    static const uint64_t sizes[] = {16000, 60000, 400000};
    static struct finding many[1000];
    for (size_t i = 0; i < 1000; i++)
        many[i] = items[0];
    findings.items = many;
    findings.count = 1000;
    report.limit = 0;
    set_holders();
    for (size_t i = 0; i < 3; i++) {
        char rest[64];
        report.max_size = sizes[i];
        size_t told = count(html(), "<article ");
        snprintf(rest, sizeof(rest), "<p class=\"rest\">%zu more findings not shown (--max-size).",
                 1000 - told);
        cr_expect_leq(output_size, sizes[i]);
        cr_expect_gt(told, 0);
        cr_expect_eq(count(output, "</article>"), told);
        cr_expect_eq(count(output, rest), 1, "no %s", rest);
        cr_expect_eq(count(output, "</html>\n"), 1);
    }
    report.limit = 3;
    cr_expect_eq(count(html(), "<article "), 3);
    cr_expect_eq(count(output, "997 more findings not shown (--limit)."), 1);
}

// --- what filled the memory

Test(report_html, memory)
{
    set_census();
    expect("Breaking these cycles would have prevented the growth: 10 MiB would be in use.\n</p>");
    expect("<dt>Memory</dt>\n<dd>100 MiB in use: Python objects 93 MiB, ");
    expect("<caption>Memory in use</caption>\n<tbody>\n<tr><th scope=\"row\">garbage</th>"
           "<td><svg class=\"bar\" aria-hidden=\"true\"><rect width=\"90.0%\" "
           "height=\"100%\"/></svg></td><td class=\"number\">90 MiB</td></tr>\n");
    expect("<caption>Python objects by type</caption>\n<tbody>\n<tr><th scope=\"row\">dict</th>");
    census_types[0].name = "<b>\x1b[31m";
    census.states[COLLECT_UNCOLLECTABLE] = (struct census_count){0};
    findings.count = 0;
    report.verdict = verdict_make(&census, &findings);
    expect("<tr><th scope=\"row\">&lt;b&gt;\\x1b[31m</th>");
    expect("<code>&lt;b&gt;\\x1b[31m</code> 1.0 MiB (1,000)");
    expect_no("<b>");
}
