// Values of the objects of a cycle, where a report was asked for them.
#include <jansson.h>

#include "report_text.h"

static struct contents_object objects[2];
static struct contents_finding contents_findings[2];
static struct contents contents;

// Two findings, of which the first has values: those of the other were not read.
static void set_contents(void)
{
    set_report();
    items[1] = items[0];
    findings.count = 2;
    objects[0] = (struct contents_object){
        .address = 0x7f34e9520a90,
        .type = (char *)"app.Client\033[31m",
        .attributes = {{(char *)".host", (char *)"'db\xff'"}, {(char *)"['\n']", (char *)"None"}},
        .count = 2,
        .left_out = 1};
    objects[1] = (struct contents_object){.address = 0x10,
                                          .type = (char *)"app.T",
                                          .attributes = {{(char *)".n", (char *)"u'\xe2\x82\xac'"}},
                                          .count = 1};
    contents_findings[0] = (struct contents_finding){objects, 2, 1};
    contents = (struct contents){contents_findings, 1};
    report.contents = &contents;
}

TestSuite(report_contents, .init = set_contents);

static void expect_block(const char *lines, unsigned times)
{
    unsigned count = 0;
    const char *text = text_of_report();
    for (const char *at = text; (at = strstr(at, lines)); at++)
        count++;
    cr_assert_eq(count, times, "%u times '%s' in\n%s", count, lines, text);
}

Test(report_contents, in_text)
{
    expect_block("\n  Values of these objects:\n"
                 "    app.Client\\x1b[31m at 0x7f34e9520a90\n"
                 "      .host = 'db\\xff'\n"
                 "      ['\\x0a'] = None\n"
                 "      ... 1 more ...\n"
                 "    app.T at 0x10\n"
                 "      .n = u'\xe2\x82\xac'\n"
                 "    ... 1 more object ...\n",
                 1);
    expect_block("Values of these objects", 1);
    contents_findings[0].left_out = 2;
    expect_block("\n    ... 2 more objects ...\n", 1);
    contents_findings[0].left_out = 0;
    objects[0].left_out = 0;
    expect_block("more object", 0);
    expect_block("... ", 0);
}

// Read, but no object has an attribute; and not asked for.
Test(report_contents, none_in_text)
{
    contents_findings[0].count = 0;
    expect_block("Values of these", 0);
    contents_findings[0].count = 2;
    report.contents = NULL;
    expect_block("Values of these", 0);
}

// In HTML and Markdown names are made harmless once more: what is text there.
Test(report_contents, in_other_texts)
{
    static struct failure *(*const reports[])(const struct report *, FILE *) = {report_html,
                                                                                report_markdown};
    for (size_t i = 0; i < 2; i++) {
        objects[0].attributes[0].value = (char *)"'<b>```'";
        free(output);
        FILE *file = open_memstream(&output, &output_size);
        cr_assert_null(reports[i](&report, file));
        cr_assert_eq(fclose(file), 0);
        const char *values = strstr(output, "Values of these objects:");
        cr_assert_not_null(values, "%s", output);
        cr_assert_not_null(strstr(values, "app.T at 0x10\n"), "%s", values);
        cr_assert_not_null(strstr(values, i ? "'<b>" : "&#39;&lt;b&gt;"), "%s", values);
        cr_assert_null(strstr(values + 1, "Values of these objects:"), "%s", values);
    }
}

// The member of one finding's "values", of which a copy is to be let go.
static json_t *read_values(size_t finding)
{
    free(output);
    FILE *file = open_memstream(&output, &output_size);
    cr_assert_null(report_json(&report, file));
    cr_assert_eq(fclose(file), 0);
    json_error_t error;
    json_t *root = json_loads(output, JSON_REJECT_DUPLICATES, &error);
    cr_assert_not_null(root, "line %d: %s", error.line, error.text);
    json_t *values =
        json_object_get(json_array_get(json_object_get(root, "findings"), finding), "values");
    cr_assert_not_null(values, "%s", output);
    json_t *copy = json_deep_copy(values);
    json_decref(root);
    return copy;
}

static void expect_values(size_t finding, const char *expected)
{
    json_t *values = read_values(finding);
    char *text = json_dumps(values, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
    cr_expect_str_eq(text, expected, "%s", text);
    free(text);
    json_decref(values);
}

Test(report_contents, in_json)
{
    expect_values(
        0, "{\"objects\":[{\"address\":\"0x7f34e9520a90\",\"attributes\":[{\"name\":\".host\","
           "\"value\":\"'db\\\\xff'\"},{\"name\":\"['\\\\x0a']\",\"value\":\"None\"}],"
           "\"attributes_left_out\":1,\"type\":\"app.Client\\\\x1b[31m\"},{\"address\":\"0x10\","
           "\"attributes\":[{\"name\":\".n\",\"value\":\"u'\xe2\x82\xac'\"}],"
           "\"attributes_left_out\":0,\"type\":\"app.T\"}],\"objects_left_out\":1}");
    expect_values(1, "null");
    contents_findings[0] = (struct contents_finding){0};
    expect_values(0, "{\"objects\":[],\"objects_left_out\":0}");
    report.contents = NULL;
    expect_values(0, "null");
}
