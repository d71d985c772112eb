// What --verify found: a line for every type that differs or could not be checked, then the sum.
#include <inttypes.h>

#include "report_sentences.h"

static void put_side(const char *type, const char *side, FILE *file)
{
    if (type)
        put_name(file, type);
    else
        fputs("nothing", file);
    fprintf(file, " in the %s", side);
}

static void put_difference(const struct verify_type *type, FILE *file)
{
    const struct verify_difference *first = &type->first;
    char different[NUMBER_MAX], checked[NUMBER_MAX], table[NUMBER_MAX], code[NUMBER_MAX];
    char position[NUMBER_MAX];
    fprintf(file, "%s of %s object%s differ%s, e.g. 0x%" PRIx64 ": the table has %s reference%s, ",
            grouped(type->different, different), grouped(type->checked, checked),
            plural(type->checked), type->different == 1 ? "s" : "", first->object,
            grouped(first->table_visits, table), plural(first->table_visits));
    fprintf(file, "the code visits %s; visit %s is ", grouped(first->code_visits, code),
            grouped(first->position + 1, position));
    put_side(first->table_type, "table", file);
    fputs(" and ", file);
    put_side(first->code_type, "code", file);
}

static void put_unchecked(const struct verify *verify, const struct verify_type *type, FILE *file)
{
    struct heap_opaque_reason reasons[HEAP_OPAQUE_REASONS];
    char count[NUMBER_MAX], all[NUMBER_MAX];
    size_t reason_count = verify_list_reasons(verify, type, reasons);
    fprintf(file, "%s of %s object%s not checked: %s traversal", grouped(type->unchecked, count),
            grouped(type->unchecked + type->checked, all), plural(type->unchecked + type->checked),
            type->unchecked == 1 ? "its" : "their");
    for (size_t i = 0; i < reason_count; i++)
        fprintf(file, "%s %s (%s)", i ? "," : "", reasons[i].text,
                grouped(reasons[i].objects, count));
}

static void put_type(const struct verify *verify, const struct verify_type *type, FILE *file)
{
    put_name(file, type->name);
    fputs(": ", file);
    if (type->different)
        put_difference(type, file);
    if (type->different && type->unchecked)
        fputs("; ", file);
    if (type->unchecked)
        put_unchecked(verify, type, file);
    fputc('\n', file);
}

static void put_types(const struct report *report, const struct verify *verify, FILE *file)
{
    char count[NUMBER_MAX];
    uint64_t told = 0;
    fputc('\n', file);
    for (size_t i = 0; i < verify->count; i++)
        if (verify_type_is_told(&verify->types[i]) && (++told <= report->limit || !report->limit))
            put_type(verify, &verify->types[i], file);
    if (report->limit && told > report->limit)
        fprintf(file, "%s more type%s not shown (--limit).\n", grouped(told - report->limit, count),
                plural(told - report->limit));
    if (told)
        fputc('\n', file);
}

static void put_sum(const struct verify *verify, FILE *file)
{
    char objects[NUMBER_MAX], types[NUMBER_MAX], checked[NUMBER_MAX], limit[NUMBER_MAX];
    char count[NUMBER_MAX];
    fprintf(file, "%s object%s of %s type%s: %s type%s checked, ",
            grouped(verify->heap->count, objects), plural(verify->heap->count),
            grouped(verify->count, types), plural(verify->count),
            grouped(verify->checked_types, checked), plural(verify->checked_types));
    if (verify->limit)
        fprintf(file, "at most %s objects each", grouped(verify->limit, limit));
    else
        fputs("all objects", file);
    fprintf(file, " (%s), ", grouped(verify->checked, count));
    fprintf(file, "%s differ", grouped(verify->different, count));
    if (verify->coded_types)
        fprintf(file, "; %s type%s not checked: visited by %s own code, there is no table",
                grouped(verify->coded_types, count), plural(verify->coded_types),
                verify->coded_types == 1 ? "its" : "their");
    if (verify->unchecked)
        fprintf(file, "; %s object%s could not be checked", grouped(verify->unchecked, count),
                plural(verify->unchecked));
    if (verify->unreadable_objects)
        fprintf(file, "; %s object%s without a type that can be read",
                grouped(verify->unreadable_objects, count), plural(verify->unreadable_objects));
    fputs(".\n", file);
}

void report_verify_text(const struct report *report, const struct verify *verify, FILE *file)
{
    put_fact(report, FACT_INTERPRETER, file);
    put_fact(report, FACT_LAYOUT, file);
    put_types(report, verify, file);
    put_sum(verify, file);
}
