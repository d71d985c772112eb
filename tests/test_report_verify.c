// What --verify found, word for word.
#include "report_text.h"

TestSuite(report_verify, .init = set_report);

static void expect_verify(const char *expected)
{
    free(output);
    FILE *file = open_memstream(&output, &output_size);
    report_verify_text(&report, &verify, file);
    cr_assert_eq(fclose(file), 0);
    cr_assert_str_eq(output, expected, "%s", output);
}

#define VERIFY_HEAD                                                                                \
    "Interpreter  CPython 2.7.18, UCS4, /usr/lib/libpython2.7.so.1.0\n"                            \
    "             build-id deadbeef (matches the core)\n"                                          \
    "Layout       built-in column 2.7.18-x86_64, the file has no DWARF\n\n"

Test(report_verify, verify_clean)
{
    verified[0].different = verified[1].unchecked = 0;
    verify.checked_types = 3;
    verify.checked = 1001;
    expect_verify(VERIFY_HEAD "1,000 objects of 3 types: 3 types checked, at most 1,000 objects "
                              "each (1,001), 0 differ.\n");
    verify.limit = 0;
    verify.coded_types = 1;
    verify.checked_types = 2;
    expect_verify(VERIFY_HEAD "1,000 objects of 3 types: 2 types checked, all objects (1,001), 0 "
                              "differ; 1 type not checked: visited by its own code, there is no "
                              "table.\n");
}

Test(report_verify, verify_with_differences)
{
    verify.checked_types = 2;
    verify.checked = 992;
    verify.different = 3;
    verify.coded_types = verify.different_types = verify.unchecked_types = 1;
    verify.unchecked = 9;
    verify.unreadable_objects = 1;
    expect_verify(
        VERIFY_HEAD
        "collections.deque: 3 of 990 objects differ, e.g. 0x7f34e9520a90: the table has 1,234 "
        "references, the code visits 1,235; visit 1,235 is nothing in the table and app.\\x0aT in "
        "the code\n"
        "zmq.Socket: 9 of 9 objects not checked: their traversal was not tried, after too many "
        "others that did not end (7), cannot be run here (2)\n"
        "\n"
        "1,000 objects of 3 types: 2 types checked, at most 1,000 objects each (992), 3 differ; 1 "
        "type not checked: visited by its own code, there is no table; 9 objects could not be "
        "checked; 1 object without a type that can be read.\n");
}

Test(report_verify, verify_of_few)
{
    verified[0].different = verified[0].checked = verified[0].unchecked = 1;
    verified[0].reasons[HEAP_OPAQUE_CLASS] = 1;
    verified[0].first.table_type = verified[0].first.code_type;
    report.limit = 1;
    verify.limit = 0;
    expect_verify(
        VERIFY_HEAD
        "collections.deque: 1 of 1 object differs, e.g. 0x7f34e9520a90: the table has 1,234 "
        "references, the code visits 1,235; visit 1,235 is app.\\x0aT in the table and app.\\x0aT "
        "in the code; 1 of 2 objects not checked: its traversal depends on classes that cannot be "
        "read (1)\n"
        "1 more type not shown (--limit).\n"
        "\n"
        "1,000 objects of 3 types: 0 types checked, all objects (0), 0 differ.\n");
}
