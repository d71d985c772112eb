// Functions that set an attribute.
#ifndef TESTS_SCENE_SETTERS_H
#define TESTS_SCENE_SETTERS_H

#include "scene.h"

static inline vaddr make_code_of(const char *file, const char *name, unsigned line,
                                 const char *const *frees)
{
    return fakeheap_code(&fake, &(struct fakeheap_code){
                                    .name = name, .file = file, .line = line, .freevars = frees});
}

static inline vaddr make_code(const char *name, unsigned line, const char *const *frees)
{
    return make_code_of("/srv/app.py", name, line, frees);
}

// Code that does nothing but X.attribute = Y, in its second line.
static inline vaddr make_setting_code(const char *file, const char *name, const char *attribute,
                                      unsigned line)
{
    static const char bytecode[] = "d\0\0|\0\0_\1\0"; // LOAD_CONST, LOAD_FAST, STORE_ATTR 1
    const char *const names[] = {"other", attribute, NULL};
    vaddr code = make_code_of(file, name, line, NULL);
    fakeheap_link(&fake, code, LAYOUT_PyCodeObject_co_names, fakeheap_names(&fake, names));
    fakeheap_link(&fake, code, LAYOUT_PyCodeObject_co_code,
                  fakeheap_str_of(&fake, bytecode, sizeof(bytecode) - 1));
    fakeheap_link(&fake, code, LAYOUT_PyCodeObject_co_lnotab, fakeheap_str_of(&fake, "\0\1", 2));
    return code;
}

static inline vaddr make_setter(const char *name, const char *attribute, unsigned line)
{
    return fakeheap_function(&fake, make_setting_code("/srv/app.py", name, attribute, line));
}

#endif
