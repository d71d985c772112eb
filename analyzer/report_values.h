// Parts of the JSON report.
#ifndef ANALYZER_REPORT_VALUES_H
#define ANALYZER_REPORT_VALUES_H

#include <jansson.h>

#include "report.h"

// A name of the dead process, made harmless; null for NULL.
json_t *value_name(const char *name);
json_t *value_address(vaddr at);
// What is more than 63 bits is told as the largest number of these.
json_t *value_number(uint64_t value);

// A place in the source: function, file, line.
json_t *value_place(const char *function, const char *file, int64_t line);

// The members "core" and "interpreter".
json_t *value_core(const struct core *core, const struct missing *missing, bool with_values);
json_t *value_interpreter(const struct interpreter *interpreter);

// The member of "core" that tells what a cut one has lost; null for a whole one.
json_t *value_missing(const struct missing *missing);

// An array of the places where the collector's lists are broken.
json_t *value_tears(const struct tears *tears);
// An array of the addresses of objects that have no type that can be read.
json_t *value_unreadable(const struct heap_losses *losses);

// The first members of every JSON document of this program: schema_version, tool.
json_t *value_document(void);

// Writes the document and frees it; NULL is for lack of memory. Failures: NO_MEMORY.
struct failure *value_write(json_t *root, FILE *file) __attribute__((warn_unused_result));

// The member "findings".
json_t *value_findings(const struct report *report);

// The member "holders".
json_t *value_holders(const struct report *report);

// The member "values" of a finding; null when none are to be shown.
json_t *value_contents(const struct report *report, const struct finding *finding);

// The members "memory" and "verdict"; null when no census was taken.
json_t *value_memory(const struct report *report);
json_t *value_verdict(const struct report *report);

#endif
