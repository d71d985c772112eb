// Names of a stranger made harmless, the JSON report, and the graph.
#include "common.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fakeheap.h"
#include "scene_report.h"
#include "version.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

// --- names

Test(report_names, made_harmless)
{
    static const struct {
        const char *name;
        const char *clean;
    } rows[] = {
        {"", ""},
        {"module.Class", "module.Class"},
        {"with space", "with space"},
        {"back\\slash \"quoted\"", "back\\slash \"quoted\""},
        // Control characters
        {"\n\r\t\033[2J\007\177", "\\x0a\\x0d\\x09\\x1b[2J\\x07\\x7f"},
        {"\xc2\x80\xc2\x9f", "\\xc2\\x80\\xc2\\x9f"},
        {"\xc2\xa0", "\xc2\xa0"},
        // Letters of one to four bytes
        {"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x8d", "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x8d"},
        // Not UTF-8: stray and missing continuations, cut short, bytes that never occur
        {"\x80", "\\x80"},
        {"\xff\xfe", "\\xff\\xfe"},
        {"\xc3", "\\xc3"},
        {"\xc3(", "\\xc3("},
        {"\xe2\x82", "\\xe2\\x82"},
        {"\xe2\x82x", "\\xe2\\x82x"},
        {"\xf0\x9f\x90", "\\xf0\\x9f\\x90"},
        {"\xc3\xc3\xa9", "\\xc3\xc3\xa9"},
        // Too long for what they say, surrogates, beyond the end
        {"\xc0\x80", "\\xc0\\x80"},
        {"\xc1\xbf", "\\xc1\\xbf"},
        {"\xe0\x80\xaf", "\\xe0\\x80\\xaf"},
        {"\xe0\x9f\xbf", "\\xe0\\x9f\\xbf"},
        {"\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf"},
        {"\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
        {"\xed\xbf\xbf", "\\xed\\xbf\\xbf"},
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
        {"\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80"},
        {"\xf4\x8f\xbf\xbd", "\xf4\x8f\xbf\xbd"},
        {"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80", "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80"},
        // Marks of direction, separators of lines, what cannot be seen
        {"a\xe2\x80\xae"
         "b",
         "a\\xe2\\x80\\xaeb"},
        {"\xe2\x80\x8e\xe2\x80\x8f", "\\xe2\\x80\\x8e\\xe2\\x80\\x8f"},
        {"\xe2\x80\xaa\xe2\x80\xac", "\\xe2\\x80\\xaa\\xe2\\x80\\xac"},
        {"\xe2\x81\xa6\xe2\x81\xa9", "\\xe2\\x81\\xa6\\xe2\\x81\\xa9"},
        {"\xd8\x9c", "\\xd8\\x9c"},
        {"\xe2\x80\xa8\xe2\x80\xa9", "\\xe2\\x80\\xa8\\xe2\\x80\\xa9"},
        {"\xe2\x80\x8b\xef\xbb\xbf\xc2\xad", "\\xe2\\x80\\x8b\\xef\\xbb\\xbf\\xc2\\xad"},
        {"\xf3\xa0\x81\x81", "\\xf3\\xa0\\x81\\x81"},
        {"\xe3\x85\xa4\xcd\x8f", "\\xe3\\x85\\xa4\\xcd\\x8f"},
        {"\xef\xb8\x8f\xe1\xa0\x8e", "\\xef\\xb8\\x8f\\xe1\\xa0\\x8e"},
        {"\xf0\x9f\xbf\xbe", "\\xf0\\x9f\\xbf\\xbe"},
        // Spaces at the ends, which markup would take away
        {" a b ", "\\x20a b\\x20"},
        {" ", "\\x20"},
        {"", ""},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char *clean = report_clean_name(rows[i].name);
        cr_expect_str_eq(clean, rows[i].clean, "row %zu: '%s', not '%s'", i, clean, rows[i].clean);
        free(clean);
    }
}

Test(report_names, of_ten_thousand_bytes)
{
    enum {
        LONG = 10000
    };
    char *name = malloc(LONG + 1);
    memset(name, '\n', LONG);
    name[LONG] = '\0';
    char *clean = report_clean_name(name);
    cr_assert_eq(strlen(clean), 4 * LONG);
    for (size_t i = 0; i < LONG; i++)
        cr_assert_eq(memcmp(clean + 4 * i, "\\x0a", 4), 0);
    free(clean);
    free(name);
}

// Every string of two bytes comes out as valid UTF-8 (jansson checks) without a control character.
Test(report_names, of_any_two_bytes)
{
    for (unsigned i = 0; i < 1 << 16; i++) {
        const char name[3] = {(char)(i >> 8), (char)(i & 0xff), '\0'};
        char *clean = report_clean_name(name);
        json_t *string = json_string(clean);
        cr_assert_not_null(string, "0x%04x: '%s'", i, clean);
        for (const char *at = clean; *at; at++)
            cr_assert_not((unsigned char)*at < 0x20 || *at == 0x7f, "0x%04x", i);
        json_decref(string);
        free(clean);
    }
}

// --- JSON

TestSuite(report_json, .init = set_report);

static bool verifying; // what --verify found, instead

// The report as bytes, to be freed.
static char *text_of_report(void)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    cr_assert_null(verifying ? report_verify_json(&report, &verify, file)
                             : report_json(&report, file));
    cr_assert_eq(fclose(file), 0);
    return text;
}

// The report read again; and it must be the same bytes a second time.
static json_t *read_report(void)
{
    char *text = text_of_report(), *again = text_of_report();
    json_error_t error;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    cr_assert_not_null(root, "%s, line %d:\n%s", error.text, error.line, text);
    cr_assert_str_eq(text, again);
    free(text);
    free(again);
    return root;
}

// A value by its path, "findings.0.count".
static json_t *at(json_t *value, const char *path)
{
    char *words = strdup(path), *rest = NULL;
    for (char *word = strtok_r(words, ".", &rest); word && value; word = strtok_r(NULL, ".", &rest))
        value = json_is_array(value) ? json_array_get(value, strtoul(word, NULL, 10))
                                     : json_object_get(value, word);
    free(words);
    cr_assert_not_null(value, "no %s", path);
    return value;
}

static void expect_json(const char *path, const char *expected)
{
    json_t *root = read_report();
    char *text = json_dumps(at(root, path), JSON_ENCODE_ANY | JSON_COMPACT);
    cr_expect_str_eq(text, expected, "%s: %s", path, text);
    free(text);
    json_decref(root);
}

Test(report_json, the_whole)
{
    static const char expected[] =
        "{\"schema_version\": 1, \"tool\": {\"name\": \"pycore-garbage\", \"version\": "
        "\"" PYCORE_GARBAGE_VERSION "\"}, "
        "\"core\": {\"file\": \"core.1234\", \"size\": 5242880, \"pid\": 1234, \"command\": "
        "\"python2.7 app.py\", \"arguments\": null, \"arguments_hidden\": false, \"signal\": "
        "\"SIGABRT\", \"architecture\": \"x86_64\", \"threads\": "
        "1, \"complete\": true, \"bytes_missing\": 0, \"bytes_overlapping\": 0, \"missing\": null, \"unpacked\": null}, "
        "\"interpreter\": {\"version\": \"2.7.18\", \"unicode\": \"ucs4\", \"debug_build\": false, "
        "\"file\": \"/usr/lib/libpython2.7.so.1.0\", \"build_id\": \"deadbeef\", \"build_id_match\": true, "
        "\"recognized_from\": \"file\", \"file_in_core\": \"/usr/lib/libpython2.7.so.1.0\", "
        "\"layout_source\": \"builtin\", \"layout_column\": \"2.7.18-x86_64\", "
        "\"layout_dwarf_members\": 0, \"layout_dwarf_differences\": 0, \"layout_origin\": \"DWARF\", "
        "\"layout_rivals\": 0, \"layout_by_version\": false, \"gc_head_by_evidence\": false, "
        "\"trace_refs\": false, \"count_allocs\": false, \"pymalloc\": null, \"pymalloc_debug\": false, "
        "\"digit_bits\": null, \"read_from_core\": false, \"interpreters\": 1, \"static_data_missing\": 0, \"layout_dwarf_file\": null, "
        "\"layout_dwarf_added\": 0, \"layout_known_build\": false, \"layout_dwarf_found\": null, \"debug_file_notes\": [], \"layout_dwarf_different\": []}, "
        "\"collector\": {\"enabled\": true, \"collecting\": false, \"debug_flags\": 0, "
        "\"debug_flag_names\": [], \"flags_source\": \"symbol\", \"listed_aside\": 0, "
        "\"generations\": [{\"threshold\": 700, \"count\": 0, \"objects\": 3}, {\"threshold\": 10, "
        "\"count\": 1, \"objects\": 97}, {\"threshold\": 10, \"count\": 2, \"objects\": 900}]}, "
        "\"heap\": {\"objects\": 1000, \"edges\": 4321, \"bytes\": 123456, \"opaque_objects\": 0, "
        "\"emulated_objects\": 0, "
        "\"opaque_types\": [], \"opaque_reasons\": [], \"unreadable_objects\": "
        "0, \"unreadable_objects_at\": [], \"unreadable_parts\": 0, \"lost_reads\": 0, \"broken_links\": 0, \"broken_links_at\": [], "
        "\"lost_links\": 0, \"objects_in_flux\": 0, "
        "\"overdrawn_objects\": 0, \"states\": {\"reachable\": 992, \"uncollectable\": 8, "
        "\"pending\": 0, \"trash\": 0, \"kept\": 0, \"suspect\": 0}, \"complete\": true}, "
        "\"garbage\": {\"address\": \"0x7f34e9500000\", \"source\": \"symbol\", \"length\": 2, "
        "\"pending\": 0, \"kept_bytes\": 1408, "
        "\"items\": {\"uncollectable\": 2, \"kept\": 0, \"in_use\": 0, \"untracked\": 0}, "
        "\"saveall\": false, \"emptied\": false, \"in_gc_module\": {\"is\": \"same\", "
        "\"address\": null, \"length\": null}, "
        "\"objects_cut\": false, \"objects\": [\"0x7f34e9520a90\", "
        "\"0x7f34e9520c90\"]}, "
        "\"findings\": [{\"signature\": \"5f3c2a91\", \"state\": \"uncollectable\", "
        "\"certainty\": null, \"count\": 2, "
        "\"objects\": 8, \"bytes\": 1408, \"held_objects\": 0, \"held_bytes\": 0, \"cycle\": "
        "[{\"address\": \"0x7f34e9520a90\", \"type\": \"__main__.MyApiClient\", \"edge\": \".t\", "
        "\"key_edge\": null, \"finalizer\": true}, {\"address\": \"0x7f34e9520b10\", \"type\": \"__main__.T\", \"edge\": "
        "\"._api_client\", \"key_edge\": null, \"finalizer\": false}], \"cycle_cut\": false, \"cycle_length\": 2, \"finalizers\": [{\"class\": "
        "\"__main__.MyApiClient\", \"defined_in\": \"__main__.ApiClient\", \"file\": \"/srv/app/seed_leak.py\", \"line\": "
        "35, \"kind\": \"function\", \"what\": \"function __del__\"}], \"breaks\": [{\"step\": 0, \"type\": \"__main__.MyApiClient\", \"edge\": \".t\", "
        "\"kind\": \"cached attribute\", \"every\": false, \"set_in\": [{\"function\": "
        "\"cached_property.__get__\", \"file\": \"/srv/app/seed_leak.py\", \"line\": 21}]}, "
        "{\"step\": 1, \"type\": \"__main__.T\", \"edge\": \"._api_client\", \"kind\": \"back "
        "reference\", \"every\": false}], \"breaks_tried\": 2, \"breaks_check\": {\"uneven\": 0, \"replayed\": 0, \"freed\": 0}, \"break_set\": "
        "{\"state\": \"not tried\", \"size\": 0, \"changes\": []}, \"objects_per_cycle\": "
        "{\"min\": 0, \"median\": 0, \"max\": 0, \"histogram\": []}, \"values\": null, \"break_name_lost\": false}], "
        "\"findings_total\": 1, \"shared\": {\"objects\": 0, \"bytes\": 0}, "
        "\"holders\": {\"listed\": 0, \"cycles\": 0, \"untraced\": 0, \"paths_total\": 0, \"paths\": "
        "[], \"audited\": 0, \"unexplained\": 0, \"surplus_total\": 0, \"surplus\": [], "
        "\"audit_cut\": 0, \"words_cut\": false, \"overdrawn\": []}, "
        "\"threads\": [{\"thread_id\": \"0x7f34\", \"holds_lock\": true, \"alike\": 1, \"depth\": 2, "
        "\"frames\": [{\"function\": \"ping\", \"file\": \"/srv/app/seed_leak.py\", \"line\": "
        "63}, {\"function\": \"<module>\", \"file\": \"/srv/app/seed_leak.py\", \"line\": "
        "140}]}], \"threads_total\": 1, \"memory\": null, \"verdict\": null, "
        "\"values_shown\": false}";
    json_t *root = read_report();
    char *text = json_dumps(root, 0);
    cr_assert_str_eq(text, expected, "%s", text);
    free(text);
    json_decref(root);
}

// How the file looks: indented by one, one newline at its end.
Test(report_json, its_bytes)
{
    char *text = text_of_report();
    static const char start[] = "{\n \"schema_version\": 1,\n \"tool\": {\n  \"name\": ";
    cr_assert_eq(strncmp(text, start, sizeof(start) - 1), 0, "%s", text);
    size_t length = strlen(text);
    cr_assert_str_eq(text + length - 3, "\n}\n");
    free(text);
}

Test(report_json, interpreter_without_a_file)
{
    struct recognition recognition = {0};
    interpreter.recognition = &recognition;
    module.image = NULL;
    module.core_build_id = (struct build_id){2, {0xca, 0xfe}};
    expect_json("interpreter.file", "null");
    expect_json("interpreter.build_id", "\"cafe\"");
    expect_json("interpreter.build_id_match", "null");
    expect_json("interpreter.recognized_from", "\"core\"");
    expect_json("interpreter.file_in_core", "\"/usr/lib/libpython2.7.so.1.0\"");
    interpreter.module = NULL;
    expect_json("interpreter.file_in_core", "null");
    expect_json("interpreter.build_id", "null");
}

Test(report_json, what_is_not_known_is_null)
{
    core.has_prpsinfo = false;
    core.signal = 0;
    module.match = MODULE_UNCHECKED;
    image.build_id.size = 0;
    interpreter.runtime.version[0] = '\0';
    interpreter.runtime.enabled.known = interpreter.runtime.debug.known = false;
    report.garbage = 0;
    report.garbage_source = GARBAGE_NOT_FOUND;
    report.garbage_length = report.garbage_read = 0;
    finalizers[0].del = (struct object_del){0};
    static const char *const paths[] = {"core.pid",
                                        "core.signal",
                                        "interpreter.build_id",
                                        "interpreter.version",
                                        "collector.enabled",
                                        "interpreter.build_id_match",
                                        "collector.debug_flags",
                                        "collector.debug_flag_names",
                                        "garbage.address",
                                        "findings.0.finalizers.0.defined_in",
                                        "findings.0.finalizers.0.file",
                                        "findings.0.finalizers.0.line",
                                        "findings.0.finalizers.0.kind",
                                        "findings.0.finalizers.0.what"};
    for (size_t i = 0; i < LENGTH(paths); i++)
        expect_json(paths[i], "null");
    expect_json("garbage.source", "\"not found\"");
    expect_json("collector.flags_source", "\"symbol\""); // of `collecting`
    interpreter.runtime.collecting.by_code = true;
    expect_json("collector.flags_source", "\"code\"");
    interpreter.runtime.collecting.known = false;
    expect_json("collector.flags_source", "null");
    module.match = MODULE_FORCED;
    expect_json("interpreter.build_id_match", "false");
    module.match = MODULE_FROM_CORE;
    expect_json("interpreter.build_id_match", "null");
    expect_json("interpreter.read_from_core", "true");
    core.signal = 77;
    expect_json("core.signal", "\"signal 77\"");
    finalizers[0].del.file = (char *)"c.py";
    expect_json("findings.0.finalizers.0.line", "0");
}

Test(report_json, kinds_of_finalizers)
{
    static const char *const kinds[] = {
        [OBJECT_DEL_UNREADABLE] = "null",     [OBJECT_DEL_FUNCTION] = "\"function\"",
        [OBJECT_DEL_BUILTIN] = "\"builtin\"", [OBJECT_DEL_DESCRIPTOR] = "\"descriptor\"",
        [OBJECT_DEL_WRAPPER] = "\"wrapper\"", [OBJECT_DEL_TYPE] = "\"class\"",
        [OBJECT_DEL_OBJECT] = "\"object\"",
    };
    struct object_del *del = &finalizers[0].del;
    del->what = (char *)"instance of \x7f";
    expect_json("findings.0.finalizers.0.what", "\"instance of \\\\x7f\"");
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        del->value = (enum object_del_value)i;
        expect_json("findings.0.finalizers.0.kind", kinds[i]);
    }
    del->kind = OBJECT_DEL_GENERATOR;
    expect_json("findings.0.finalizers.0.kind", "\"generator\"");
    expect_json("findings.0.finalizers.0.line", "35");
    del->kind = OBJECT_DEL_SLOT;
    expect_json("findings.0.finalizers.0.kind", "\"slot\"");
    expect_json("findings.0.finalizers.0.line", "null");
}

Test(report_json, losses)
{
    expect_json("heap.complete", "true");
    heap.losses.unreadable_objects = 2;
    heap.losses.unreadable_at[0] = 0x1000;
    heap.losses.unreadable_at[1] = 0x2000;
    expect_json("heap.unreadable_objects_at", "[\"0x1000\",\"0x2000\"]");
    heap.losses.unreadable_parts = 3;
    heap.losses.unreadable_sizes = 4;
    expect_json("heap.unreadable_parts", "7");
    expect_json("heap.complete", "false");
    heap.losses.tears.count = 3;
    heap.losses.tears.lost = 5;
    heap.losses.tears.kept[0] = (struct tear){0x1000, 0x2000, 0x3000, false, TEAR_DISAGREE};
    heap.losses.tears.kept[1] = (struct tear){0x1000, 0x2000, 0, true, TEAR_TWICE};
    heap.losses.tears.kept[2] = (struct tear){0x4000, 0x4000, 0, false, TEAR_NO_HEAD};
    expect_json("heap.broken_links", "3");
    expect_json("heap.lost_links", "5");
    expect_json("heap.broken_links_at.0",
                "{\"address\":\"0x1000\",\"link\":\"gc_prev\",\"target\":\"0x2000\","
                "\"found\":\"leads elsewhere\",\"back\":\"0x3000\"}");
    expect_json("heap.broken_links_at.1",
                "{\"address\":\"0x1000\",\"link\":\"gc_next\",\"target\":\"0x2000\","
                "\"found\":\"counted already\",\"back\":null}");
    expect_json("heap.broken_links_at.2", "{\"address\":\"0x4000\",\"link\":null,\"target\":null,"
                                          "\"found\":\"head not readable\",\"back\":null}");
    report.garbage_length = 10;
    expect_json("garbage.length", "10");
    report.pending_finalizers = 7;
    expect_json("garbage.pending", "7");
    expect_json("garbage.objects_cut", "true");
}

Test(report_json, garbage_in_the_hands_of_the_program)
{
    static const struct {
        enum garbage_binding binding;
        const char *json;
    } rows[] = {
        {GARBAGE_BINDING_LIST, "{\"is\":\"another list\",\"address\":\"0x2000\",\"length\":3}"},
        {GARBAGE_BINDING_OTHER, "{\"is\":\"no list\",\"address\":\"0x2000\",\"length\":null}"},
    };
    report.garbage_bound = 0x2000;
    report.garbage_bound_length = 3;
    for (size_t i = 0; i < LENGTH(rows); i++) {
        report.garbage_binding = rows[i].binding;
        expect_json("garbage.in_gc_module", rows[i].json);
    }
    report.garbage_bound = 0;
    report.garbage_binding = GARBAGE_BINDING_DELETED;
    expect_json("garbage.in_gc_module.is", "\"deleted\"");
    report.garbage_binding = GARBAGE_BINDING_UNKNOWN;
    expect_json("garbage.in_gc_module.is", "\"not known\"");
    report.garbage_emptied = true;
    expect_json("garbage.emptied", "true");
    interpreter.runtime.debug.value = 1 | 4 | 32 | 64;
    expect_json("collector.debug_flags", "101");
    expect_json("collector.debug_flag_names",
                "[\"DEBUG_STATS\",\"DEBUG_UNCOLLECTABLE\",\"DEBUG_SAVEALL\"]");
    expect_json("garbage.saveall", "true");
}

Test(report_json, who_holds_what)
{
    set_holders();
    expect_json("holders.listed", "1234");
    expect_json("holders.cycles", "1");
    expect_json("holders.paths_total", "3");
    expect_json(
        "holders.paths.0",
        "{\"listed\":true,\"type\":\"app.Client\",\"count\":1233,\"example\":"
        "\"0x7000\",\"root\":{\"kind\":\"module\",\"name\":\"app.registry\",\"file\":"
        "null,\"line\":null},\"steps_left_out\":7,\"steps\":[{\"address\":\"0x100\","
        "\"type\":\"module\",\"edge\":\".clients\",\"key_edge\":null},{\"address\":\"0x200\",\"type\":"
        "\"dict\",\"edge\":\"[str]\",\"key_edge\":null}]}");
    expect_json("holders.paths.1.root", "{\"kind\":\"frame\",\"name\":\"serve\",\"file\":"
                                        "\"/srv/app/main.py\",\"line\":12}");
    expect_json("holders.paths.2.root.kind", "\"outside\"");
    expect_json("holders.unexplained", "12");
    expect_json("holders.surplus.0",
                "{\"type\":\"mod.X\",\"objects\":12,\"references\":12,\"example\":\"0x9000\","
                "\"place\":\"nowhere\",\"name\":null,\"file\":null,\"thread\":null,\"at\":null}");
    expect_json("holders.surplus.1.place", "\"static data\"");
    expect_json("holders.surplus.1.file", "\"/usr/lib/awk\\\\x0a.so\"");
    expect_json("holders.surplus.4.thread", "4321");
    expect_json("holders.overdrawn",
                "[{\"type\":\"mod.Greedy\",\"objects\":2,\"example\":\"0xa000\"}]");
    report.limit = 1;
    json_t *root = read_report();
    cr_assert_eq(json_array_size(at(root, "holders.paths")), 1);
    cr_assert_eq(json_array_size(at(root, "holders.surplus")), 1);
    json_decref(root);
}

Test(report_json, opaque_types_and_what_is_held)
{
    report.opaque_type_count = report.opaque_reason_count = 2;
    items[0].held_objects = 3;
    items[0].sizes =
        (struct finding_sizes){.least = 1, .median = 4, .most = 5, .counts = {[0] = 3, [2] = 9}};
    items[0].held_bytes = 333;
    findings.shared_objects = 4;
    findings.shared_bytes = UINT64_MAX;
    expect_json("heap.opaque_reasons", "[{\"traversal\":\"does not end\",\"objects\":1231},"
                                       "{\"traversal\":\"calls the system\",\"objects\":4}]");
    expect_json("heap.opaque_types", "[{\"type\":\"lxml.etree._Element\",\"objects\":1},"
                                     "{\"type\":\"zmq.Socket\",\"objects\":1234}]");
    expect_json("findings.0.held_objects", "3");
    expect_json(
        "findings.0.objects_per_cycle",
        "{\"min\":1,\"median\":4,\"max\":5,\"histogram\":[{\"from\":1,\"to\":1,\"cycles\":3},{"
        "\"from\":4,\"to\":7,\"cycles\":9}]}");
    expect_json("findings.0.held_bytes", "333");
    expect_json("shared", "{\"objects\":4,\"bytes\":9223372036854775807}");
}

// Not all steps of a long cycle are kept: those that are told are its first.
Test(report_json, a_cycle_of_which_steps_are_left_out)
{
    static struct finding_step many[FINDING_STEPS_FIRST + FINDING_STEPS_LAST + 1];
    static struct finding_break far_break = {.step = 1500000, .kind = BREAK_METHOD};
    for (size_t i = 0; i < LENGTH(many); i++)
        many[i] = (struct finding_step){i, (char *)"app.Link", (char *)".next", .number = i};
    struct finding_step *odd = &many[FINDING_STEPS_FIRST];
    *odd = (struct finding_step){7, (char *)"app.Odd", (char *)".call", .number = 1500000};
    for (size_t i = 0; i < FINDING_STEPS_LAST; i++)
        odd[1 + i].number = 2000000 - FINDING_STEPS_LAST + i;
    items[0].steps = many;
    items[0].step_count = 2000000;
    items[0].steps_left_out = 2000000 - LENGTH(many);
    items[0].breaks = &far_break;
    items[0].break_count = 1;
    report.limit = 0;
    expect_json("findings.0.cycle_cut", "true");
    expect_json("findings.0.cycle_length", "2000000");
    expect_json("findings.0.cycle.999.address", "\"0x3e7\"");
    expect_json("findings.0.breaks.0.step", "1500000");
    expect_json("findings.0.breaks.0.type", "\"app.Odd\"");
    json_t *root = read_report();
    cr_assert_eq(json_array_size(at(root, "findings.0.cycle")), FINDING_STEPS_FIRST);
    json_decref(root);
    report.limit = 10;
    root = read_report();
    cr_assert_eq(json_array_size(at(root, "findings.0.cycle")), 10);
    json_decref(root);
}

Test(report_json, arrays_are_cut_by_the_limit)
{
    findings.count = 2;
    report.opaque_type_count = 2;
    report.limit = 1;
    expect_json("garbage.objects", "[\"0x7f34e9520a90\"]");
    expect_json("garbage.objects_cut", "true");
    expect_json("garbage.length", "2");
    expect_json("findings_total", "2");
    expect_json("findings.0.cycle_cut", "true");
    expect_json("findings.0.cycle_length", "2");
    expect_json("findings.0.count", "2");
    json_t *root = read_report();
    cr_assert_eq(json_array_size(at(root, "findings")), 1);
    cr_assert_eq(json_array_size(at(root, "findings.0.cycle")), 1);
    cr_assert_eq(json_array_size(at(root, "heap.opaque_types")), 1);
    json_decref(root);
    report.limit = 2;
    expect_json("findings.0.cycle_cut", "false");
    expect_json("garbage.objects_cut", "false");
    report.limit = 0;
    root = read_report();
    cr_assert_eq(json_array_size(at(root, "findings")), 2);
    cr_assert_eq(json_array_size(at(root, "findings.1.cycle")), 2);
    cr_assert_eq(json_array_size(at(root, "heap.opaque_types")), 2);
    json_decref(root);
}

Test(report_json, other_states_and_sources)
{
    static const struct {
        enum garbage_source source;
        const char *name;
    } rows[] = {{GARBAGE_BY_MODULE, "\"module\""},
                {GARBAGE_BY_EVIDENCE, "\"evidence\""},
                {GARBAGE_EMPTY, "\"empty\""},
                {GARBAGE_NONE_YET, "\"not made yet\""}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        report.garbage_source = rows[i].source;
        expect_json("garbage.source", rows[i].name);
    }
    items[0].state = COLLECT_PENDING;
    expect_json("findings.0.state", "\"pending\"");
    interpreter.has_dwarf = interpreter.debug_build = true;
    interpreter.runtime.unicode_width = 2;
    expect_json("interpreter.layout_source", "\"dwarf\"");
    expect_json("interpreter.layout_dwarf_file", "\"/usr/lib/libpython2.7.so.1.0\"");
    expect_json("interpreter.debug_build", "true");
    expect_json("interpreter.unicode", "\"ucs2\"");
}

// What the interpreter was built with, and how sure its layout is.
Test(report_json, builds)
{
    struct runtime *runtime = &interpreter.runtime;
    struct layout_column column = *runtime->layout.column;
    column.trace_refs = true;
    column.origin = "DWARF of another";
    runtime->layout.column = &column;
    runtime->layout.rivals = 2;
    runtime->layout.by_version = runtime->layout.head_by_evidence = true;
    runtime->debug_malloc = runtime->layout.count_allocs = true;
    runtime->digit_width = 2;
    runtime->pymalloc = (struct runtime_flag){.known = true};
    expect_json("interpreter.trace_refs", "true");
    expect_json("interpreter.layout_origin", "\"DWARF of another\"");
    expect_json("interpreter.layout_rivals", "2");
    expect_json("interpreter.layout_by_version", "true");
    expect_json("interpreter.gc_head_by_evidence", "true");
    expect_json("interpreter.pymalloc_debug", "true");
    expect_json("interpreter.count_allocs", "true");
    expect_json("interpreter.pymalloc", "false");
    expect_json("interpreter.digit_bits", "15");
    // Objects found in its pools say more than a symbol that is not there.
    heap.by_pools = true;
    runtime->digit_width = 4;
    expect_json("interpreter.pymalloc", "true");
    expect_json("interpreter.digit_bits", "30");
}

Test(report_json, hostile_names)
{
    char *name = malloc(10001);
    memset(name, '\xfe', 10000);
    name[10000] = '\0';
    steps[0].type = name;
    steps[0].edge = (char *)".\033]0;\"\\";
    finalizers[0].class = (char *)"\xe2\x80\xae";
    finalizers[0].del.file = (char *)"\xed\xa0\x80.py";
    core.path = (char *)"core\n";
    core.command = (char *)"\x80";
    image.path = (char *)"\x7f";
    opaque[0].name = "\xff\n";
    report.opaque_type_count = 1;
    expect_json("findings.0.cycle.0.edge", "\".\\\\x1b]0;\\\"\\\\\"");
    expect_json("findings.0.finalizers.0.class", "\"\\\\xe2\\\\x80\\\\xae\"");
    expect_json("findings.0.finalizers.0.file", "\"\\\\xed\\\\xa0\\\\x80.py\"");
    expect_json("core.file", "\"core\\\\x0a\"");
    expect_json("core.command", "\"\\\\x80\"");
    expect_json("interpreter.file", "\"\\\\x7f\"");
    expect_json("heap.opaque_types.0.type", "\"\\\\xff\\\\x0a\"");
    json_t *root = read_report();
    cr_assert_eq(json_string_length(at(root, "findings.0.cycle.0.type")), 40000);
    json_decref(root);
    free(name);
}

Test(report_json, verify)
{
    verifying = true;
    verify.checked_types = 2;
    verify.checked = 992;
    verify.different = 3;
    verify.coded_types = verify.different_types = verify.unchecked_types = 1;
    verify.unchecked = 9;
    verify.unreadable_objects = 4;
    expect_json("interpreter.version", "\"2.7.18\"");
    expect_json(
        "verify",
        "{\"limit\":1000,\"objects\":1000,\"types\":3,\"types_checked\":2,\"types_different\":1,"
        "\"types_unchecked\":1,\"types_without_table\":1,\"objects_checked\":992,"
        "\"objects_different\":3,\"objects_unchecked\":9,\"unreadable_objects\":4,"
        "\"clean\":false,\"problems_cut\":false,\"problems\":["
        "{\"type\":\"collections.deque\",\"objects\":5000,\"table\":true,\"checked\":990,"
        "\"different\":3,\"example\":{\"address\":\"0x7f34e9520a90\",\"table_visits\":1234,"
        "\"code_visits\":1235,\"position\":1234,\"table_type\":null,\"code_type\":"
        "\"app.\\\\x0aT\"},\"unchecked\":0,\"reasons\":[]},"
        "{\"type\":\"zmq.Socket\",\"objects\":9,\"table\":false,\"checked\":0,\"different\":0,"
        "\"example\":null,\"unchecked\":9,\"reasons\":[{\"traversal\":\"was not tried, after "
        "too many others that did not end\",\"objects\":7},{\"traversal\":\"cannot be "
        "run here\",\"objects\":2}]}]}");
    report.limit = 1;
    expect_json("verify.problems_cut", "true");
    verified[0].different = verify.different_types = verify.unreadable_objects = 0;
    expect_json("verify.problems_cut", "false");
    expect_json("verify.problems.0.type", "\"zmq.Socket\"");
    verify.unchecked_types = 0;
    expect_json("verify.clean", "true");
}

// --- the graph

Test(report_graph, one_line_an_object)
{
    struct fakeheap fake;
    struct heap *made;
    char *text = NULL, expected[1024];
    size_t size;
    fakeheap_init(&fake, &(struct fakeheap_spec){0});
    vaddr list = fakeheap_list(&fake), str = fakeheap_str(&fake, "s");
    fake.generation = 0;
    vaddr class = fakeheap_type(&fake, &(struct fakeheap_type){.name = "odd.\n\"T",
                                                               .structure = "PyCellObject",
                                                               .gc = true,
                                                               .in_module = true});
    vaddr odd = fakeheap_new(&fake, class, 0), lost = fakeheap_list(&fake);
    fakeheap_append(&fake, list, str);
    fakeheap_append(&fake, list, list);
    fakeheap_append(&fake, list, odd);
    fakeheap_set(&fake, lost, LAYOUT_PyObject_ob_type, 0x1234);
    fakeheap_open(&fake);
    cr_assert_null(heap_create(&fake.runtime, &fake.source, 1, NULL, &made));
    FILE *file = open_memstream(&text, &size);
    static const uint8_t states[] = {COLLECT_REACHABLE, COLLECT_PENDING, COLLECT_TRASH};
    made->finalizers[0] |= 1 << 1;
    cr_assert_null(report_graph(made, states, file));
    cr_assert_eq(fclose(file), 0);
    snprintf(
        expected, sizeof(expected),
        "{\"address\": \"0x%" PRIx64 "\", \"type\": \"list\", \"refcount\": 1, "
        "\"generation\": 2, \"state\": \"reachable\", \"finalizer\": false, \"size\": %" PRIu64
        ", \"refs\": [\"0x%" PRIx64 "\", \"0x%" PRIx64 "\", \"0x%" PRIx64 "\"]}\n"
        "{\"address\": \"0x%" PRIx64 "\", \"type\": \"odd.\\\\x0a\\\"T\", \"refcount\": 1, "
        "\"generation\": 0, \"state\": \"pending\", \"finalizer\": true, \"size\": 64, \"refs\": []}\n"
        "{\"address\": \"0x%" PRIx64 "\", \"type\": null, \"refcount\": 0, \"generation\": 0, "
        "\"state\": \"trash\", \"finalizer\": false, \"size\": 0, \"refs\": []}\n",
        list, heap_size(made, 0), odd, list, str, odd, lost);
    cr_assert_str_eq(text, expected, "%s", text);
    free(text);
    heap_destroy(made);
    fakeheap_deinit(&fake);
}

Test(report_json, dwarf_of_a_detached_file)
{
    struct layout *layout = &interpreter.runtime.layout;
    struct image debug = {.path = "/usr/lib/debug/.build-id/de/adbeef.debug"};
    image.detached = &debug;
    interpreter.has_dwarf = true;
    interpreter.debug_file = (struct debug_file){
        .source = DEBUG_FILE_BY_LINK, .notes = {"x.debug is not used: why"}, .note_count = 1};
    layout->values[LAYOUT_PyObject_ob_type] = (struct layout_value){8, 8};
    layout_overlay(layout, LAYOUT_PyObject_ob_type, (struct layout_value){16, 4});
    expect_json("interpreter.layout_dwarf_file", "\"/usr/lib/debug/.build-id/de/adbeef.debug\"");
    expect_json("interpreter.layout_dwarf_found", "\"debuglink\"");
    expect_json("interpreter.debug_file_notes", "[\"x.debug is not used: why\"]");
    expect_json("interpreter.layout_dwarf_differences", "1");
    expect_json("interpreter.layout_dwarf_different",
                "[{\"type\":\"PyObject\",\"member\":\"ob_type\",\"column\":{\"offset\":8,\"width\":"
                "8},\"dwarf\":{\"offset\":16,\"width\":4}}]");
    // However many there are, a few are named.
    for (unsigned i = 0; i < 100; i++) {
        layout->values[i] = (struct layout_value){8, 8};
        layout_overlay(layout, i, (struct layout_value){24, 8});
    }
    json_t *root = read_report();
    cr_expect_eq(json_array_size(at(root, "interpreter.layout_dwarf_different")), 20);
    json_decref(root);
    image.detached = NULL;
}
