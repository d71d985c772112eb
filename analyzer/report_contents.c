// Values of the dead process, for whoever asked for them (--values).
#include <inttypes.h>

#include "report_sentences.h"
#include "report_values.h"

static const struct contents_finding *find_contents(const struct report *report,
                                                    const struct finding *finding)
{
    size_t i = (size_t)(finding - report->findings->items);
    return report->contents && i < report->contents->count ? &report->contents->findings[i] : NULL;
}

bool has_contents(const struct report *report, const struct finding *finding)
{
    const struct contents_finding *contents = find_contents(report, finding);
    return contents && contents->count;
}

static void put_object(const struct contents_object *object, FILE *file)
{
    fputc('\n', file);
    put_name(file, object->type);
    fprintf(file, " at 0x%" PRIx64, object->address);
    for (size_t i = 0; i < object->count; i++) {
        fputs("\n  ", file);
        put_name(file, object->attributes[i].name);
        fputs(" = ", file);
        put_name(file, object->attributes[i].value);
    }
    if (object->left_out)
        fprintf(file, "\n  ... %" PRIu64 " more ...", object->left_out);
}

void put_contents(const struct report *report, const struct finding *finding, FILE *file)
{
    const struct contents_finding *contents = find_contents(report, finding);
    fputs("Values of these objects:", file);
    for (size_t i = 0; i < contents->count; i++)
        put_object(&contents->objects[i], file);
    if (contents->left_out)
        fprintf(file, "\n... %zu more object%s ...", contents->left_out,
                plural(contents->left_out));
}

// --- JSON

static json_t *make_object(const struct contents_object *object)
{
    json_t *attributes = json_array();
    for (size_t i = 0; i < object->count; i++)
        json_array_append_new(attributes, json_pack("{s:o, s:o}", "name",
                                                    value_name(object->attributes[i].name), "value",
                                                    value_name(object->attributes[i].value)));
    return json_pack("{s:o, s:o, s:o, s:o}", "address", value_address(object->address), "type",
                     value_name(object->type), "attributes", attributes, "attributes_left_out",
                     value_number(object->left_out));
}

json_t *value_contents(const struct report *report, const struct finding *finding)
{
    const struct contents_finding *contents = find_contents(report, finding);
    if (!contents)
        return json_null();
    json_t *objects = json_array();
    for (size_t i = 0; i < contents->count; i++)
        json_array_append_new(objects, make_object(&contents->objects[i]));
    return json_pack("{s:o, s:o}", "objects", objects, "objects_left_out",
                     value_number(contents->left_out));
}
