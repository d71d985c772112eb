#include "slot_files.h"

#include <string.h>

struct failure *slot_files_find(const struct process *process, struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        for (size_t j = 0; j < findings->items[i].finalizer_count; j++) {
            struct object_del *del = &findings->items[i].finalizers[j].del;
            const struct module *module =
                del->kind == OBJECT_DEL_SLOT ? process_find_module(process, del->tp_del) : NULL;
            if (module && !(del->file = strdup(module->path)))
                return failure_no_memory();
        }
    }
    return NULL;
}
