// Where a file lies in the process, and whether it is the one that was mapped there.
//
// It opens nothing, and does not know where a file came from, who asked for it, or what becomes of
// one that is not the right one (--force): only what core and file say of each other. Private to
// the files that put a process together (builder.h).
#ifndef ANALYZER_PLACEMENT_H
#define ANALYZER_PLACEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core.h"
#include "image.h"
#include "process.h"

struct builder;

// AT_PAGESZ, or 4096 where the core has none that can be.
uint64_t placement_find_page_size(const struct core *core);
uint64_t placement_page_down(const struct builder *builder, uint64_t at);
uint64_t placement_page_up(const struct builder *builder, uint64_t at);

bool placement_is_same_machine(const struct core *core, const struct image *image);

// Address in the process less address in the file. False: the file has no PT_LOAD for the module's
// base line, or no dynamic section that could lie where the module's link says.
bool placement_find_bias(const struct builder *builder, const struct module *module,
                         const struct image *image, vaddr *bias);

// Whether the file is the one that the core's module was; MODULE_ABSENT: it is not. By build-id,
// or when one side has no build-id (MODULE_UNCHECKED) by segments and saved bytes, and for a module
// of the link map by its dynamic section, entry by entry. The bias is valid unless absent.
enum module_match placement_compare(const struct builder *builder, const struct module *module,
                                    const struct image *image, vaddr *bias);

// The same for an executable alone, when the core lists no modules: by its saved header, as linked,
// or by AT_PHDR or AT_ENTRY, or for a core that was cut by what its words point to. False: nothing
// tells.
bool placement_find_lone_bias(const struct builder *builder, const struct image *image, vaddr *bias,
                              enum module_match *match);

// Makes the image the module's, which owns it from here on, and says how far it goes.
void placement_attach(const struct builder *builder, struct module *module, struct image *image,
                      vaddr bias, enum module_match match);

#endif
