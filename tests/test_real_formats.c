// Markdown and HTML of real cores: well-formed, with the numbers of the JSON report.
#include "common.h"

#include <string.h>

#include "real.h"

static const char *const commands[] = {"seed_leak.py 5", "leaks.py mixed 3", "seed_leak.py 0",
                                       "holders.py nested", "threads.py 5"};

static const char *report_as(const struct real_core *core, const char *format)
{
    struct real_run run = REAL_RUN(format, "--limit=0", core->path, core->interpreter);
    cr_assert_leq(run.status, 1, "%s: %s", core->name, run.errors);
    return run.output;
}

static size_t count(const char *text, const char *words)
{
    size_t found = 0;
    for (const char *at = text; (at = strstr(at, words)); at += strlen(words))
        found++;
    return found;
}

// Each finding with its signature, in the same order; its count and its example in between.
static void expect_findings(const struct real_core *core, const char *format, const char *signature,
                            const char *text)
{
    json_t *report = real_parse(report_as(core, "--format=json"));
    const json_t *findings = real_json(report, "findings"), *finding;
    size_t i;
    cr_expect_eq(count(text, signature), json_array_size(findings), "%s %s", core->name, format);
    json_array_foreach(findings, i, finding)
    {
        long long cycles = real_number(finding, "count");
        const char *head = cycles == 1 ? "One" : real_format("%lld ", cycles);
        const char *found =
            strstr(text, real_format("%s%s", signature, real_string(finding, "signature")));
        cr_assert(found, "%s: %s has no %s", core->name, format, real_string(finding, "signature"));
        cr_expect(strstr(text, head) && strstr(text, head) < found, "%s: no %s in %s", core->name,
                  head, format);
        text = found;
    }
}

Test(formats, same_numbers)
{
    for (size_t i = 0; i < LENGTH(commands); i++) {
        struct real_core core = real_make_core("shared", "kernel", commands[i]);
        const char *markdown = report_as(&core, "--format=markdown");
        const char *html = report_as(&core, "--format=html");
        expect_findings(&core, "markdown", "Signature `", markdown);
        expect_findings(&core, "html", "<p class=\"soft\">signature <code>", html);
        cr_expect_str_eq(html, report_as(&core, "--format=html"), "%s", core.name);
        cr_expect_eq(count(markdown, "```") % 2, 0, "%s", core.name);
    }
}

static const char *write_page(const struct real_core *core, const char *name)
{
    const char *page = real_format("%s/page.html", real_directory(name));
    struct real_run run = REAL_RUN("--format=html", "-o", page, core->path, core->interpreter);
    cr_assert_leq(run.status, 1, "%s: %s", core->name, run.errors);
    return page;
}

Test(formats, valid_html)
{
    if (REAL_COMMAND("tidy", "--version").status)
        real_skip("there is no tidy to check HTML with: apt-get install tidy");
    for (size_t i = 0; i < LENGTH(commands); i++) {
        struct real_core core = real_make_core("shared", "kernel", commands[i]);
        struct real_run tidy = REAL_COMMAND("tidy", "-q", "-e", write_page(&core, "valid"));
        cr_expect_eq(tidy.status, 0, "%s: %s", core.name, tidy.errors);
        cr_expect_str_empty(tidy.errors, "%s: %s", core.name, tidy.errors);
    }
}

// Tags by a real parser: nothing that could be fetched or run; the policy lets in just this style.
static const char checker[] =
    "import sys, re, html.parser, hashlib, base64\n"
    "text = open(sys.argv[1], encoding='utf-8').read()\n"
    "class P(html.parser.HTMLParser):\n"
    "    def __init__(self):\n"
    "        super().__init__(); self.stack = []; self.ids = set()\n"
    "    def handle_starttag(self, tag, attrs):\n"
    "        assert tag not in ('script', 'link', 'img', 'iframe', 'object', 'embed', 'base'), tag\n"
    "        for name, value in attrs:\n"
    "            assert not name.startswith('on') and name not in ('src', 'style'), name\n"
    "            assert name != 'href' or re.match(r'#finding-\\d+$', value), value\n"
    "            assert name != 'id' or value not in self.ids, value\n"
    "            self.ids.add(value) if name == 'id' else None\n"
    "        if tag not in ('meta', 'rect', 'path'): self.stack.append(tag)\n"
    "    def handle_startendtag(self, tag, attrs):\n"
    "        n = len(self.stack); self.handle_starttag(tag, attrs); del self.stack[n:]\n"
    "    def handle_endtag(self, tag):\n"
    "        assert self.stack.pop() == tag, tag\n"
    "p = P(); p.feed(text); p.close(); assert not p.stack, p.stack\n"
    "style = re.search(r'<style>(.*?)</style>', text, re.S).group(1)\n"
    "digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()\n"
    "assert \"default-src 'none'; style-src 'sha256-%s'\" % digest in text\n"
    "assert 'url(http' not in style and '@import' not in style\n";

Test(formats, self_contained_html)
{
    for (size_t i = 0; i < LENGTH(commands); i++) {
        struct real_core core = real_make_core("shared", "kernel", commands[i]);
        struct real_run python =
            REAL_COMMAND("python3", "-c", checker, write_page(&core, "contained"));
        cr_expect_eq(python.status, 0, "%s: %s", core.name, python.errors);
    }
}

Test(formats, at_most_max_size)
{
    struct real_core core = real_make_core("shared", "kernel", "leaks.py mixed 3");
    static const char *const formats[] = {"--format=markdown", "--format=html"};
    for (size_t i = 0; i < LENGTH(formats); i++) {
        struct real_run run = REAL_RUN(formats[i], "--max-size=16000", core.path, core.interpreter);
        cr_expect_eq(run.status, 0, "%s", run.errors);
        cr_expect_leq(strlen(run.output), 16000);
    }
}
