// Where the members of CPython's structs lie, as data.
//
// One list of rows names every member that this program reads. From it come the enum below, the
// printable names and the DWARF queries; the columns in layout_tables.c (one per range of releases,
// word size, alignment and Py_TRACE_REFS) are generated from the DWARF of real builds by
// fixtures/generate_layout_tables.py and never typed. Which column is right is decided by evidence
// (runtime.c); DWARF of the very build may then be laid over it.
//
// It does not know ELF, DWARF or files.
#ifndef PYABI_LAYOUT_H
#define PYABI_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"

// X(C type, name in the enum, dotted member path, source file that has the type).
// The path "" stands for the size of the type. A source file that starts with a letter outside
// the interpreter's own Objects/, Python/ and Modules/gcmodule.c may be a module in a file of
// its own.
#define LAYOUT_MEMBERS(X)                                                                          \
    X(PyGC_Head, sizeof, "", "gcmodule.c")                                                         \
    X(PyGC_Head, gc_next, "gc.gc_next", "gcmodule.c")                                              \
    X(PyGC_Head, gc_prev, "gc.gc_prev", "gcmodule.c")                                              \
    X(PyGC_Head, gc_refs, "gc.gc_refs", "gcmodule.c")                                              \
    X(gc_generation, sizeof, "", "gcmodule.c")                                                     \
    X(gc_generation, threshold, "threshold", "gcmodule.c")                                         \
    X(gc_generation, count, "count", "gcmodule.c")                                                 \
    X(pool_header, sizeof, "", "obmalloc.c")                                                       \
    X(pool_header, freeblock, "freeblock", "obmalloc.c")                                           \
    X(pool_header, arenaindex, "arenaindex", "obmalloc.c")                                         \
    X(pool_header, szidx, "szidx", "obmalloc.c")                                                   \
    X(pool_header, nextoffset, "nextoffset", "obmalloc.c")                                         \
    X(pool_header, maxnextoffset, "maxnextoffset", "obmalloc.c")                                   \
    X(PyObject, ob_refcnt, "ob_refcnt", "gcmodule.c")                                              \
    X(PyObject, ob_type, "ob_type", "gcmodule.c")                                                  \
    X(PyVarObject, ob_size, "ob_size", "gcmodule.c")                                               \
    X(PyTypeObject, sizeof, "", "gcmodule.c")                                                      \
    X(PyTypeObject, tp_name, "tp_name", "gcmodule.c")                                              \
    X(PyTypeObject, tp_basicsize, "tp_basicsize", "gcmodule.c")                                    \
    X(PyTypeObject, tp_itemsize, "tp_itemsize", "gcmodule.c")                                      \
    X(PyTypeObject, tp_flags, "tp_flags", "gcmodule.c")                                            \
    X(PyTypeObject, tp_traverse, "tp_traverse", "gcmodule.c")                                      \
    X(PyTypeObject, tp_base, "tp_base", "gcmodule.c")                                              \
    X(PyTypeObject, tp_dict, "tp_dict", "gcmodule.c")                                              \
    X(PyTypeObject, tp_dictoffset, "tp_dictoffset", "gcmodule.c")                                  \
    X(PyTypeObject, tp_is_gc, "tp_is_gc", "gcmodule.c")                                            \
    X(PyTypeObject, tp_bases, "tp_bases", "gcmodule.c")                                            \
    X(PyTypeObject, tp_mro, "tp_mro", "gcmodule.c")                                                \
    X(PyTypeObject, tp_cache, "tp_cache", "gcmodule.c")                                            \
    X(PyTypeObject, tp_subclasses, "tp_subclasses", "gcmodule.c")                                  \
    X(PyTypeObject, tp_del, "tp_del", "gcmodule.c")                                                \
    X(PyHeapTypeObject, sizeof, "", "typeobject.c")                                                \
    X(PyHeapTypeObject, ht_name, "ht_name", "typeobject.c")                                        \
    X(PyHeapTypeObject, ht_slots, "ht_slots", "typeobject.c")                                      \
    X(PyMemberDef, sizeof, "", "typeobject.c")                                                     \
    X(PyMemberDef, name, "name", "typeobject.c")                                                   \
    X(PyMemberDef, type, "type", "typeobject.c")                                                   \
    X(PyMemberDef, offset, "offset", "typeobject.c")                                               \
    X(PyDictObject, sizeof, "", "dictobject.c")                                                    \
    X(PyDictObject, ma_used, "ma_used", "dictobject.c")                                            \
    X(PyDictObject, ma_mask, "ma_mask", "dictobject.c")                                            \
    X(PyDictObject, ma_table, "ma_table", "dictobject.c")                                          \
    X(PyDictObject, ma_smalltable, "ma_smalltable", "dictobject.c")                                \
    X(PyDictEntry, sizeof, "", "dictobject.c")                                                     \
    X(PyDictEntry, me_key, "me_key", "dictobject.c")                                               \
    X(PyDictEntry, me_value, "me_value", "dictobject.c")                                           \
    X(PyListObject, sizeof, "", "listobject.c")                                                    \
    X(PyListObject, ob_item, "ob_item", "listobject.c")                                            \
    X(PyListObject, allocated, "allocated", "listobject.c")                                        \
    X(PyTupleObject, ob_item, "ob_item", "tupleobject.c")                                          \
    X(PySetObject, sizeof, "", "setobject.c")                                                      \
    X(PySetObject, data, "data", "setobject.c")                                                    \
    X(PySetObject, mask, "mask", "setobject.c")                                                    \
    X(PySetObject, table, "table", "setobject.c")                                                  \
    X(PySetObject, smalltable, "smalltable", "setobject.c")                                        \
    X(setentry, sizeof, "", "setobject.c")                                                         \
    X(setentry, key, "key", "setobject.c")                                                         \
    X(PyInstanceObject, sizeof, "", "classobject.c")                                               \
    X(PyInstanceObject, in_class, "in_class", "classobject.c")                                     \
    X(PyInstanceObject, in_dict, "in_dict", "classobject.c")                                       \
    X(PyClassObject, sizeof, "", "classobject.c")                                                  \
    X(PyClassObject, cl_bases, "cl_bases", "classobject.c")                                        \
    X(PyClassObject, cl_dict, "cl_dict", "classobject.c")                                          \
    X(PyClassObject, cl_name, "cl_name", "classobject.c")                                          \
    X(PyClassObject, cl_getattr, "cl_getattr", "classobject.c")                                    \
    X(PyClassObject, cl_setattr, "cl_setattr", "classobject.c")                                    \
    X(PyClassObject, cl_delattr, "cl_delattr", "classobject.c")                                    \
    X(PyMethodObject, im_func, "im_func", "classobject.c")                                         \
    X(PyMethodObject, im_self, "im_self", "classobject.c")                                         \
    X(PyMethodObject, im_class, "im_class", "classobject.c")                                       \
    X(PyFunctionObject, sizeof, "", "funcobject.c")                                                \
    X(PyFunctionObject, func_code, "func_code", "funcobject.c")                                    \
    X(PyFunctionObject, func_globals, "func_globals", "funcobject.c")                              \
    X(PyFunctionObject, func_module, "func_module", "funcobject.c")                                \
    X(PyFunctionObject, func_defaults, "func_defaults", "funcobject.c")                            \
    X(PyFunctionObject, func_doc, "func_doc", "funcobject.c")                                      \
    X(PyFunctionObject, func_name, "func_name", "funcobject.c")                                    \
    X(PyFunctionObject, func_dict, "func_dict", "funcobject.c")                                    \
    X(PyFunctionObject, func_closure, "func_closure", "funcobject.c")                              \
    X(PyCFunctionObject, m_ml, "m_ml", "methodobject.c")                                           \
    X(PyCFunctionObject, m_self, "m_self", "methodobject.c")                                       \
    X(PyCFunctionObject, m_module, "m_module", "methodobject.c")                                   \
    X(PyMethodDef, ml_name, "ml_name", "methodobject.c")                                           \
    X(PyMethodDef, ml_meth, "ml_meth", "methodobject.c")                                           \
    X(PyModuleObject, md_dict, "md_dict", "moduleobject.c")                                        \
    X(PyCellObject, ob_ref, "ob_ref", "cellobject.c")                                              \
    X(PyCodeObject, sizeof, "", "frameobject.c")                                                   \
    X(PyCodeObject, co_nlocals, "co_nlocals", "frameobject.c")                                     \
    X(PyCodeObject, co_code, "co_code", "frameobject.c")                                           \
    X(PyCodeObject, co_consts, "co_consts", "frameobject.c")                                       \
    X(PyCodeObject, co_names, "co_names", "frameobject.c")                                         \
    X(PyCodeObject, co_varnames, "co_varnames", "frameobject.c")                                   \
    X(PyCodeObject, co_freevars, "co_freevars", "frameobject.c")                                   \
    X(PyCodeObject, co_cellvars, "co_cellvars", "frameobject.c")                                   \
    X(PyCodeObject, co_filename, "co_filename", "frameobject.c")                                   \
    X(PyCodeObject, co_name, "co_name", "frameobject.c")                                           \
    X(PyCodeObject, co_firstlineno, "co_firstlineno", "frameobject.c")                             \
    X(PyCodeObject, co_lnotab, "co_lnotab", "frameobject.c")                                       \
    X(PyFrameObject, sizeof, "", "frameobject.c")                                                  \
    X(PyFrameObject, f_back, "f_back", "frameobject.c")                                            \
    X(PyFrameObject, f_code, "f_code", "frameobject.c")                                            \
    X(PyFrameObject, f_builtins, "f_builtins", "frameobject.c")                                    \
    X(PyFrameObject, f_globals, "f_globals", "frameobject.c")                                      \
    X(PyFrameObject, f_locals, "f_locals", "frameobject.c")                                        \
    X(PyFrameObject, f_valuestack, "f_valuestack", "frameobject.c")                                \
    X(PyFrameObject, f_stacktop, "f_stacktop", "frameobject.c")                                    \
    X(PyFrameObject, f_trace, "f_trace", "frameobject.c")                                          \
    X(PyFrameObject, f_exc_type, "f_exc_type", "frameobject.c")                                    \
    X(PyFrameObject, f_exc_value, "f_exc_value", "frameobject.c")                                  \
    X(PyFrameObject, f_exc_traceback, "f_exc_traceback", "frameobject.c")                          \
    X(PyFrameObject, f_lasti, "f_lasti", "frameobject.c")                                          \
    X(PyFrameObject, f_lineno, "f_lineno", "frameobject.c")                                        \
    X(PyFrameObject, f_iblock, "f_iblock", "frameobject.c")                                        \
    X(PyFrameObject, f_blockstack, "f_blockstack", "frameobject.c")                                \
    X(PyFrameObject, f_localsplus, "f_localsplus", "frameobject.c")                                \
    X(PyTryBlock, sizeof, "", "frameobject.c")                                                     \
    X(PyTryBlock, b_type, "b_type", "frameobject.c")                                               \
    X(PyGenObject, gi_frame, "gi_frame", "genobject.c")                                            \
    X(PyGenObject, gi_code, "gi_code", "genobject.c")                                              \
    X(PyTracebackObject, tb_next, "tb_next", "traceback.c")                                        \
    X(PyTracebackObject, tb_frame, "tb_frame", "traceback.c")                                      \
    X(propertyobject, prop_get, "prop_get", "descrobject.c")                                       \
    X(propertyobject, prop_set, "prop_set", "descrobject.c")                                       \
    X(propertyobject, prop_del, "prop_del", "descrobject.c")                                       \
    X(propertyobject, prop_doc, "prop_doc", "descrobject.c")                                       \
    X(classmethod, cm_callable, "cm_callable", "funcobject.c")                                     \
    X(staticmethod, sm_callable, "sm_callable", "funcobject.c")                                    \
    X(PyDescrObject, sizeof, "", "descrobject.c")                                                  \
    X(PyDescrObject, d_type, "d_type", "descrobject.c")                                            \
    X(PyDescrObject, d_name, "d_name", "descrobject.c")                                            \
    X(PyMethodDescrObject, sizeof, "", "descrobject.c")                                            \
    X(PyMemberDescrObject, sizeof, "", "descrobject.c")                                            \
    X(PyGetSetDescrObject, sizeof, "", "descrobject.c")                                            \
    X(PyWrapperDescrObject, sizeof, "", "descrobject.c")                                           \
    X(wrapperobject, sizeof, "", "descrobject.c")                                                  \
    X(wrapperobject, descr, "descr", "descrobject.c")                                              \
    X(wrapperobject, self, "self", "descrobject.c")                                                \
    X(proxyobject, dict, "dict", "descrobject.c")                                                  \
    X(superobject, type, "type", "typeobject.c")                                                   \
    X(superobject, obj, "obj", "typeobject.c")                                                     \
    X(superobject, obj_type, "obj_type", "typeobject.c")                                           \
    X(PyWeakReference, wr_object, "wr_object", "weakrefobject.c")                                  \
    X(PyWeakReference, wr_callback, "wr_callback", "weakrefobject.c")                              \
    X(seqiterobject, it_seq, "it_seq", "iterobject.c")                                             \
    X(calliterobject, it_callable, "it_callable", "iterobject.c")                                  \
    X(calliterobject, it_sentinel, "it_sentinel", "iterobject.c")                                  \
    X(listiterobject, it_seq, "it_seq", "listobject.c")                                            \
    X(listreviterobject, it_seq, "it_seq", "listobject.c")                                         \
    X(tupleiterobject, it_seq, "it_seq", "tupleobject.c")                                          \
    X(bytesiterobject, it_seq, "it_seq", "bytearrayobject.c")                                      \
    X(dictiterobject, sizeof, "", "dictobject.c")                                                  \
    X(dictiterobject, di_dict, "di_dict", "dictobject.c")                                          \
    X(dictiterobject, di_result, "di_result", "dictobject.c")                                      \
    X(dictviewobject, dv_dict, "dv_dict", "dictobject.c")                                          \
    X(setiterobject, sizeof, "", "setobject.c")                                                    \
    X(setiterobject, si_set, "si_set", "setobject.c")                                              \
    X(enumobject, en_sit, "en_sit", "enumobject.c")                                                \
    X(enumobject, en_result, "en_result", "enumobject.c")                                          \
    X(enumobject, en_longindex, "en_longindex", "enumobject.c")                                    \
    X(reversedobject, seq, "seq", "enumobject.c")                                                  \
    X(PySliceObject, start, "start", "sliceobject.c")                                              \
    X(PySliceObject, stop, "stop", "sliceobject.c")                                                \
    X(PySliceObject, step, "step", "sliceobject.c")                                                \
    X(PyMemoryViewObject, base, "base", "memoryobject.c")                                          \
    X(PyMemoryViewObject, view_obj, "view.obj", "memoryobject.c")                                  \
    X(PyBaseExceptionObject, sizeof, "", "exceptions.c")                                           \
    X(PyBaseExceptionObject, dict, "dict", "exceptions.c")                                         \
    X(PyBaseExceptionObject, args, "args", "exceptions.c")                                         \
    X(PyBaseExceptionObject, message, "message", "exceptions.c")                                   \
    X(PySystemExitObject, code, "code", "exceptions.c")                                            \
    X(PyEnvironmentErrorObject, myerrno, "myerrno", "exceptions.c")                                \
    X(PyEnvironmentErrorObject, strerror, "strerror", "exceptions.c")                              \
    X(PyEnvironmentErrorObject, filename, "filename", "exceptions.c")                              \
    X(PySyntaxErrorObject, msg, "msg", "exceptions.c")                                             \
    X(PySyntaxErrorObject, filename, "filename", "exceptions.c")                                   \
    X(PySyntaxErrorObject, lineno, "lineno", "exceptions.c")                                       \
    X(PySyntaxErrorObject, offset, "offset", "exceptions.c")                                       \
    X(PySyntaxErrorObject, text, "text", "exceptions.c")                                           \
    X(PySyntaxErrorObject, print_file_and_line, "print_file_and_line", "exceptions.c")             \
    X(PyUnicodeErrorObject, encoding, "encoding", "exceptions.c")                                  \
    X(PyUnicodeErrorObject, object, "object", "exceptions.c")                                      \
    X(PyUnicodeErrorObject, start, "start", "exceptions.c")                                        \
    X(PyUnicodeErrorObject, end, "end", "exceptions.c")                                            \
    X(PyUnicodeErrorObject, reason, "reason", "exceptions.c")                                      \
    X(PyStringObject, sizeof, "", "stringobject.c")                                                \
    X(PyStringObject, ob_sval, "ob_sval", "stringobject.c")                                        \
    X(PyUnicodeObject, sizeof, "", "unicodeobject.c")                                              \
    X(PyUnicodeObject, length, "length", "unicodeobject.c")                                        \
    X(PyUnicodeObject, str, "str", "unicodeobject.c")                                              \
    X(PyUnicodeObject, defenc, "defenc", "unicodeobject.c")                                        \
    X(PyIntObject, sizeof, "", "intobject.c")                                                      \
    X(PyIntObject, ob_ival, "ob_ival", "intobject.c")                                              \
    X(PyByteArrayObject, ob_alloc, "ob_alloc", "bytearrayobject.c")                                \
    X(PyByteArrayObject, ob_bytes, "ob_bytes", "bytearrayobject.c")                                \
    X(PyInterpreterState, next, "next", "pystate.c")                                               \
    X(PyInterpreterState, tstate_head, "tstate_head", "pystate.c")                                 \
    X(PyInterpreterState, modules, "modules", "pystate.c")                                         \
    X(PyInterpreterState, sysdict, "sysdict", "pystate.c")                                         \
    X(PyInterpreterState, builtins, "builtins", "pystate.c")                                       \
    X(PyInterpreterState, codec_search_path, "codec_search_path", "pystate.c")                     \
    X(PyInterpreterState, codec_search_cache, "codec_search_cache", "pystate.c")                   \
    X(PyInterpreterState, codec_error_registry, "codec_error_registry", "pystate.c")               \
    X(PyThreadState, interp, "interp", "pystate.c")                                                \
    X(PyThreadState, next, "next", "pystate.c")                                                    \
    X(PyThreadState, thread_id, "thread_id", "pystate.c")                                          \
    X(PyThreadState, frame, "frame", "pystate.c")                                                  \
    X(PyThreadState, c_profileobj, "c_profileobj", "pystate.c")                                    \
    X(PyThreadState, c_traceobj, "c_traceobj", "pystate.c")                                        \
    X(PyThreadState, curexc_type, "curexc_type", "pystate.c")                                      \
    X(PyThreadState, curexc_value, "curexc_value", "pystate.c")                                    \
    X(PyThreadState, curexc_traceback, "curexc_traceback", "pystate.c")                            \
    X(PyThreadState, exc_type, "exc_type", "pystate.c")                                            \
    X(PyThreadState, exc_value, "exc_value", "pystate.c")                                          \
    X(PyThreadState, exc_traceback, "exc_traceback", "pystate.c")                                  \
    X(PyThreadState, dict, "dict", "pystate.c")                                                    \
    X(PyThreadState, async_exc, "async_exc", "pystate.c")                                          \
    X(dequeobject, sizeof, "", "_collectionsmodule.c")                                             \
    X(dequeobject, leftblock, "leftblock", "_collectionsmodule.c")                                 \
    X(dequeobject, rightblock, "rightblock", "_collectionsmodule.c")                               \
    X(dequeobject, leftindex, "leftindex", "_collectionsmodule.c")                                 \
    X(dequeobject, rightindex, "rightindex", "_collectionsmodule.c")                               \
    X(dequeobject, len, "len", "_collectionsmodule.c")                                             \
    X(BLOCK, sizeof, "", "_collectionsmodule.c")                                                   \
    X(BLOCK, data, "data", "_collectionsmodule.c")                                                 \
    X(BLOCK, rightlink, "rightlink", "_collectionsmodule.c")                                       \
    X(dequeiterobject, deque, "deque", "_collectionsmodule.c")                                     \
    X(defdictobject, default_factory, "default_factory", "_collectionsmodule.c")                   \
    X(partialobject, fn, "fn", "_functoolsmodule.c")                                               \
    X(partialobject, args, "args", "_functoolsmodule.c")                                           \
    X(partialobject, kw, "kw", "_functoolsmodule.c")                                               \
    X(partialobject, dict, "dict", "_functoolsmodule.c")                                           \
    X(itemgetterobject, item, "item", "operator.c")                                                \
    X(attrgetterobject, attr, "attr", "operator.c")                                                \
    X(methodcallerobject, sizeof, "", "operator.c")                                                \
    X(methodcallerobject, args, "args", "operator.c")                                              \
    X(methodcallerobject, name, "name", "operator.c")                                              \
    X(methodcallerobject, kwds, "kwds", "operator.c")                                              \
    X(localobject, sizeof, "", "threadmodule.c")                                                   \
    X(localobject, args, "args", "threadmodule.c")                                                 \
    X(localobject, key, "key", "threadmodule.c")                                                   \
    X(localobject, wr_callback, "wr_callback", "threadmodule.c")                                   \
    X(localobject, kw, "kw", "threadmodule.c")                                                     \
    X(localobject, dummies, "dummies", "threadmodule.c")                                           \
    X(cycleobject, it, "it", "itertoolsmodule.c")                                                  \
    X(cycleobject, saved, "saved", "itertoolsmodule.c")                                            \
    X(dropwhileobject, func, "func", "itertoolsmodule.c")                                          \
    X(dropwhileobject, it, "it", "itertoolsmodule.c")                                              \
    X(takewhileobject, func, "func", "itertoolsmodule.c")                                          \
    X(takewhileobject, it, "it", "itertoolsmodule.c")                                              \
    X(starmapobject, func, "func", "itertoolsmodule.c")                                            \
    X(starmapobject, it, "it", "itertoolsmodule.c")                                                \
    X(ifilterobject, func, "func", "itertoolsmodule.c")                                            \
    X(ifilterobject, it, "it", "itertoolsmodule.c")                                                \
    X(ifilterfalseobject, func, "func", "itertoolsmodule.c")                                       \
    X(ifilterfalseobject, it, "it", "itertoolsmodule.c")                                           \
    X(imapobject, iters, "iters", "itertoolsmodule.c")                                             \
    X(imapobject, func, "func", "itertoolsmodule.c")                                               \
    X(isliceobject, it, "it", "itertoolsmodule.c")                                                 \
    X(izipobject, ittuple, "ittuple", "itertoolsmodule.c")                                         \
    X(izipobject, result, "result", "itertoolsmodule.c")                                           \
    X(iziplongestobject, ittuple, "ittuple", "itertoolsmodule.c")                                  \
    X(iziplongestobject, result, "result", "itertoolsmodule.c")                                    \
    X(iziplongestobject, fillvalue, "fillvalue", "itertoolsmodule.c")                              \
    X(chainobject, source, "source", "itertoolsmodule.c")                                          \
    X(chainobject, active, "active", "itertoolsmodule.c")                                          \
    X(chainobject, ittuple, "ittuple", "itertoolsmodule.c")                                        \
    X(repeatobject, element, "element", "itertoolsmodule.c")                                       \
    X(groupbyobject, it, "it", "itertoolsmodule.c")                                                \
    X(groupbyobject, keyfunc, "keyfunc", "itertoolsmodule.c")                                      \
    X(groupbyobject, tgtkey, "tgtkey", "itertoolsmodule.c")                                        \
    X(groupbyobject, currkey, "currkey", "itertoolsmodule.c")                                      \
    X(groupbyobject, currvalue, "currvalue", "itertoolsmodule.c")                                  \
    X(_grouperobject, parent, "parent", "itertoolsmodule.c")                                       \
    X(_grouperobject, tgtkey, "tgtkey", "itertoolsmodule.c")                                       \
    X(teeobject, dataobj, "dataobj", "itertoolsmodule.c")                                          \
    X(teedataobject, it, "it", "itertoolsmodule.c")                                                \
    X(teedataobject, numread, "numread", "itertoolsmodule.c")                                      \
    X(teedataobject, nextlink, "nextlink", "itertoolsmodule.c")                                    \
    X(teedataobject, values, "values", "itertoolsmodule.c")                                        \
    X(productobject, pools, "pools", "itertoolsmodule.c")                                          \
    X(productobject, result, "result", "itertoolsmodule.c")                                        \
    X(combinationsobject, pool, "pool", "itertoolsmodule.c")                                       \
    X(combinationsobject, result, "result", "itertoolsmodule.c")                                   \
    X(cwrobject, pool, "pool", "itertoolsmodule.c")                                                \
    X(cwrobject, result, "result", "itertoolsmodule.c")                                            \
    X(permutationsobject, pool, "pool", "itertoolsmodule.c")                                       \
    X(permutationsobject, result, "result", "itertoolsmodule.c")                                   \
    X(compressobject, data, "data", "itertoolsmodule.c")                                           \
    X(compressobject, selectors, "selectors", "itertoolsmodule.c")                                 \
    X(countobject, long_cnt, "long_cnt", "itertoolsmodule.c")                                      \
    X(countobject, long_step, "long_step", "itertoolsmodule.c")                                    \
    X(Picklerobject, write, "write", "cPickle.c")                                                  \
    X(Picklerobject, memo, "memo", "cPickle.c")                                                    \
    X(Picklerobject, fast_memo, "fast_memo", "cPickle.c")                                          \
    X(Picklerobject, arg, "arg", "cPickle.c")                                                      \
    X(Picklerobject, file, "file", "cPickle.c")                                                    \
    X(Picklerobject, pers_func, "pers_func", "cPickle.c")                                          \
    X(Picklerobject, inst_pers_func, "inst_pers_func", "cPickle.c")                                \
    X(Picklerobject, dispatch_table, "dispatch_table", "cPickle.c")                                \
    X(Unpicklerobject, readline, "readline", "cPickle.c")                                          \
    X(Unpicklerobject, read, "read", "cPickle.c")                                                  \
    X(Unpicklerobject, file, "file", "cPickle.c")                                                  \
    X(Unpicklerobject, memo, "memo", "cPickle.c")                                                  \
    X(Unpicklerobject, stack, "stack", "cPickle.c")                                                \
    X(Unpicklerobject, pers_func, "pers_func", "cPickle.c")                                        \
    X(Unpicklerobject, arg, "arg", "cPickle.c")                                                    \
    X(Unpicklerobject, last_string, "last_string", "cPickle.c")                                    \
    X(Unpicklerobject, find_class, "find_class", "cPickle.c")                                      \
    X(xmlparseobject, sizeof, "", "pyexpat.c")                                                     \
    X(xmlparseobject, handlers, "handlers", "pyexpat.c")                                           \
    X(xmlparseobject, intern, "intern", "pyexpat.c")                                               \
    X(ReaderObj, input_iter, "input_iter", "_csv.c")                                               \
    X(ReaderObj, dialect, "dialect", "_csv.c")                                                     \
    X(ReaderObj, fields, "fields", "_csv.c")                                                       \
    X(WriterObj, writeline, "writeline", "_csv.c")                                                 \
    X(WriterObj, dialect, "dialect", "_csv.c")                                                     \
    X(arrayiterobject, ao, "ao", "arraymodule.c")                                                  \
    X(ZipImporter, sizeof, "", "zipimport.c")                                                      \
    X(ZipImporter, files, "files", "zipimport.c")                                                  \
    X(ZipImporter, archive, "archive", "zipimport.c")                                              \
    X(ZipImporter, prefix, "prefix", "zipimport.c")                                                \
    X(fileio, dict, "dict", "fileio.c")                                                            \
    X(buffered, sizeof, "", "bufferedio.c")                                                        \
    X(buffered, buffer, "buffer", "bufferedio.c")                                                  \
    X(buffered, buffer_size, "buffer_size", "bufferedio.c")                                        \
    X(buffered, raw, "raw", "bufferedio.c")                                                        \
    X(buffered, dict, "dict", "bufferedio.c")                                                      \
    X(rwpair, sizeof, "", "bufferedio.c")                                                          \
    X(rwpair, dict, "dict", "bufferedio.c")                                                        \
    X(rwpair, reader, "reader", "bufferedio.c")                                                    \
    X(rwpair, writer, "writer", "bufferedio.c")                                                    \
    X(bytesio, sizeof, "", "bytesio.c")                                                            \
    X(bytesio, dict, "dict", "bytesio.c")                                                          \
    X(bytesio, buf, "buf", "bytesio.c")                                                            \
    X(bytesio, buf_size, "buf_size", "bytesio.c")                                                  \
    X(stringio, sizeof, "", "stringio.c")                                                          \
    X(stringio, dict, "dict", "stringio.c")                                                        \
    X(stringio, buf, "buf", "stringio.c")                                                          \
    X(stringio, buf_size, "buf_size", "stringio.c")                                                \
    X(stringio, decoder, "decoder", "stringio.c")                                                  \
    X(stringio, readnl, "readnl", "stringio.c")                                                    \
    X(stringio, writenl, "writenl", "stringio.c")                                                  \
    X(iobase, dict, "dict", "iobase.c")                                                            \
    X(textio, buffer, "buffer", "textio.c")                                                        \
    X(textio, encoding, "encoding", "textio.c")                                                    \
    X(textio, encoder, "encoder", "textio.c")                                                      \
    X(textio, decoder, "decoder", "textio.c")                                                      \
    X(textio, readnl, "readnl", "textio.c")                                                        \
    X(textio, decoded_chars, "decoded_chars", "textio.c")                                          \
    X(textio, pending_bytes, "pending_bytes", "textio.c")                                          \
    X(textio, snapshot, "snapshot", "textio.c")                                                    \
    X(textio, errors, "errors", "textio.c")                                                        \
    X(textio, raw, "raw", "textio.c")                                                              \
    X(textio, dict, "dict", "textio.c")                                                            \
    X(PyScannerObject, encoding, "encoding", "_json.c")                                            \
    X(PyScannerObject, strict, "strict", "_json.c")                                                \
    X(PyScannerObject, object_hook, "object_hook", "_json.c")                                      \
    X(PyScannerObject, pairs_hook, "pairs_hook", "_json.c")                                        \
    X(PyScannerObject, parse_float, "parse_float", "_json.c")                                      \
    X(PyScannerObject, parse_int, "parse_int", "_json.c")                                          \
    X(PyScannerObject, parse_constant, "parse_constant", "_json.c")                                \
    X(PyEncoderObject, markers, "markers", "_json.c")                                              \
    X(PyEncoderObject, defaultfn, "defaultfn", "_json.c")                                          \
    X(PyEncoderObject, encoder, "encoder", "_json.c")                                              \
    X(PyEncoderObject, indent, "indent", "_json.c")                                                \
    X(PyEncoderObject, key_separator, "key_separator", "_json.c")                                  \
    X(PyEncoderObject, item_separator, "item_separator", "_json.c")                                \
    X(PyEncoderObject, sort_keys, "sort_keys", "_json.c")                                          \
    X(PyEncoderObject, skipkeys, "skipkeys", "_json.c")                                            \
    X(CDataObject, b_objects, "b_objects", "_ctypes.c")                                            \
    X(CDataObject, b_base, "b_base", "_ctypes.c")                                                  \
    X(PyCFuncPtrObject, callable, "callable", "_ctypes.c")                                         \
    X(PyCFuncPtrObject, restype, "restype", "_ctypes.c")                                           \
    X(PyCFuncPtrObject, checker, "checker", "_ctypes.c")                                           \
    X(PyCFuncPtrObject, errcheck, "errcheck", "_ctypes.c")                                         \
    X(PyCFuncPtrObject, argtypes, "argtypes", "_ctypes.c")                                         \
    X(PyCFuncPtrObject, converters, "converters", "_ctypes.c")                                     \
    X(PyCFuncPtrObject, paramflags, "paramflags", "_ctypes.c")                                     \
    X(PyCFuncPtrObject, thunk, "thunk", "_ctypes.c")                                               \
    X(CThunkObject, converters, "converters", "_ctypes.c")                                         \
    X(CThunkObject, callable, "callable", "_ctypes.c")                                             \
    X(CThunkObject, restype, "restype", "_ctypes.c")                                               \
    X(CFieldObject, proto, "proto", "_ctypes.c")                                                   \
    X(StgDictObject, sizeof, "", "_ctypes.c")                                                      \
    X(StgDictObject, proto, "proto", "_ctypes.c")                                                  \
    X(StgDictObject, argtypes, "argtypes", "_ctypes.c")                                            \
    X(StgDictObject, converters, "converters", "_ctypes.c")                                        \
    X(StgDictObject, restype, "restype", "_ctypes.c")                                              \
    X(StgDictObject, checker, "checker", "_ctypes.c")                                              \
    X(PySSLContext, set_hostname, "set_hostname", "_ssl.c")                                        \
    X(MultibyteIncrementalEncoderObject, errors, "errors", "multibytecodec.c")                     \
    X(MultibyteIncrementalDecoderObject, errors, "errors", "multibytecodec.c")                     \
    X(MultibyteStreamReaderObject, errors, "errors", "multibytecodec.c")                           \
    X(MultibyteStreamReaderObject, stream, "stream", "multibytecodec.c")                           \
    X(MultibyteStreamWriterObject, errors, "errors", "multibytecodec.c")                           \
    X(MultibyteStreamWriterObject, stream, "stream", "multibytecodec.c")                           \
    X(PyFileObject, sizeof, "", "fileobject.c")                                                    \
    X(PyFileObject, f_name, "f_name", "fileobject.c")                                              \
    X(PyFileObject, f_mode, "f_mode", "fileobject.c")                                              \
    X(PyFileObject, f_encoding, "f_encoding", "fileobject.c")                                      \
    X(PyFileObject, f_errors, "f_errors", "fileobject.c")                                          \
    X(PyBufferObject, sizeof, "", "bufferobject.c")                                                \
    X(PyBufferObject, b_base, "b_base", "bufferobject.c")                                          \
    X(PyStructSequence, ob_item, "ob_item", "structseq.c")                                         \
    X(PatternObject, sizeof, "", "_sre.c")                                                         \
    X(PatternObject, groupindex, "groupindex", "_sre.c")                                           \
    X(PatternObject, indexgroup, "indexgroup", "_sre.c")                                           \
    X(PatternObject, pattern, "pattern", "_sre.c")                                                 \
    X(MatchObject, sizeof, "", "_sre.c")                                                           \
    X(MatchObject, string, "string", "_sre.c")                                                     \
    X(MatchObject, regs, "regs", "_sre.c")                                                         \
    X(MatchObject, pattern, "pattern", "_sre.c")                                                   \
    X(ScannerObject, sizeof, "", "_sre.c")                                                         \
    X(ScannerObject, pattern, "pattern", "_sre.c")                                                 \
    X(ScannerObject, state_string, "state.string", "_sre.c")                                       \
    X(PyDateTime_DateTime, sizeof, "", "datetimemodule.c")                                         \
    X(PyDateTime_DateTime, hastzinfo, "hastzinfo", "datetimemodule.c")                             \
    X(PyDateTime_DateTime, tzinfo, "tzinfo", "datetimemodule.c")                                   \
    X(PyDateTime_Time, sizeof, "", "datetimemodule.c")                                             \
    X(PyDateTime_Time, tzinfo, "tzinfo", "datetimemodule.c")                                       \
    X(PyStructObject, sizeof, "", "_struct.c")                                                     \
    X(PyStructObject, s_format, "s_format", "_struct.c")                                           \
    X(PyStructObject, s_codes, "s_codes", "_struct.c")                                             \
    X(PyStructObject, s_len, "s_len", "_struct.c")                                                 \
    X(_formatcode, sizeof, "", "_struct.c")                                                        \
    X(Iobject, sizeof, "", "cStringIO.c")                                                          \
    X(Iobject, pbuf_obj, "pbuf.obj", "cStringIO.c")                                                \
    X(Oobject, sizeof, "", "cStringIO.c")                                                          \
    X(Oobject, buf, "buf", "cStringIO.c")                                                          \
    X(Oobject, buf_size, "buf_size", "cStringIO.c")                                                \
    X(ElementObject, sizeof, "", "_elementtree.c")                                                 \
    X(ElementObject, tag, "tag", "_elementtree.c")                                                 \
    X(ElementObject, text, "text", "_elementtree.c")                                               \
    X(ElementObject, tail, "tail", "_elementtree.c")                                               \
    X(ElementObject, extra, "extra", "_elementtree.c")                                             \
    X(ElementObjectExtra, sizeof, "", "_elementtree.c")                                            \
    X(ElementObjectExtra, attrib, "attrib", "_elementtree.c")                                      \
    X(ElementObjectExtra, length, "length", "_elementtree.c")                                      \
    X(ElementObjectExtra, allocated, "allocated", "_elementtree.c")                                \
    X(ElementObjectExtra, children, "children", "_elementtree.c")                                  \
    X(ElementObjectExtra, _children, "_children", "_elementtree.c")                                \
    X(TreeBuilderObject, sizeof, "", "_elementtree.c")                                             \
    X(TreeBuilderObject, root, "root", "_elementtree.c")                                           \
    X(TreeBuilderObject, this, "this", "_elementtree.c")                                           \
    X(TreeBuilderObject, last, "last", "_elementtree.c")                                           \
    X(TreeBuilderObject, data, "data", "_elementtree.c")                                           \
    X(TreeBuilderObject, stack, "stack", "_elementtree.c")                                         \
    X(TreeBuilderObject, events, "events", "_elementtree.c")                                       \
    X(TreeBuilderObject, start_event_obj, "start_event_obj", "_elementtree.c")                     \
    X(TreeBuilderObject, end_event_obj, "end_event_obj", "_elementtree.c")                         \
    X(TreeBuilderObject, start_ns_event_obj, "start_ns_event_obj", "_elementtree.c")               \
    X(TreeBuilderObject, end_ns_event_obj, "end_ns_event_obj", "_elementtree.c")                   \
    X(XMLParserObject, sizeof, "", "_elementtree.c")                                               \
    X(XMLParserObject, target, "target", "_elementtree.c")                                         \
    X(XMLParserObject, entity, "entity", "_elementtree.c")                                         \
    X(XMLParserObject, names, "names", "_elementtree.c")                                           \
    X(XMLParserObject, handle_xml, "handle_xml", "_elementtree.c")                                 \
    X(XMLParserObject, handle_start, "handle_start", "_elementtree.c")                             \
    X(XMLParserObject, handle_data, "handle_data", "_elementtree.c")                               \
    X(XMLParserObject, handle_end, "handle_end", "_elementtree.c")                                 \
    X(XMLParserObject, handle_comment, "handle_comment", "_elementtree.c")                         \
    X(XMLParserObject, handle_pi, "handle_pi", "_elementtree.c")                                   \
    X(XMLParserObject, handle_close, "handle_close", "_elementtree.c")                             \
    X(pysqlite_Connection, sizeof, "", "connection.c")                                             \
    X(pysqlite_Connection, isolation_level, "isolation_level", "connection.c")                     \
    X(pysqlite_Connection, statement_cache, "statement_cache", "connection.c")                     \
    X(pysqlite_Connection, statements, "statements", "connection.c")                               \
    X(pysqlite_Connection, cursors, "cursors", "connection.c")                                     \
    X(pysqlite_Connection, row_factory, "row_factory", "connection.c")                             \
    X(pysqlite_Connection, text_factory, "text_factory", "connection.c")                           \
    X(pysqlite_Connection, function_pinboard, "function_pinboard", "connection.c")                 \
    X(pysqlite_Connection, collations, "collations", "connection.c")                               \
    X(pysqlite_Cursor, sizeof, "", "cursor.c")                                                     \
    X(pysqlite_Cursor, connection, "connection", "cursor.c")                                       \
    X(pysqlite_Cursor, description, "description", "cursor.c")                                     \
    X(pysqlite_Cursor, row_cast_map, "row_cast_map", "cursor.c")                                   \
    X(pysqlite_Cursor, lastrowid, "lastrowid", "cursor.c")                                         \
    X(pysqlite_Cursor, row_factory, "row_factory", "cursor.c")                                     \
    X(pysqlite_Cursor, statement, "statement", "cursor.c")                                         \
    X(pysqlite_Cursor, next_row, "next_row", "cursor.c")                                           \
    X(pysqlite_Row, sizeof, "", "row.c")                                                           \
    X(pysqlite_Row, data, "data", "row.c")                                                         \
    X(pysqlite_Row, description, "description", "row.c")                                           \
    X(pysqlite_Statement, sizeof, "", "statement.c")                                               \
    X(pysqlite_Statement, sql, "sql", "statement.c")                                               \
    X(pysqlite_Cache, sizeof, "", "cache.c")                                                       \
    X(pysqlite_Cache, mapping, "mapping", "cache.c")                                               \
    X(pysqlite_Cache, first, "first", "cache.c")                                                   \
    X(pysqlite_Node, sizeof, "", "cache.c")                                                        \
    X(pysqlite_Node, key, "key", "cache.c")                                                        \
    X(pysqlite_Node, data, "data", "cache.c")                                                      \
    X(pysqlite_Node, next, "next", "cache.c")                                                      \
    X(nldecoder_object, sizeof, "", "textio.c")                                                    \
    X(nldecoder_object, decoder, "decoder", "textio.c")                                            \
    X(nldecoder_object, errors, "errors", "textio.c")                                              \
    X(DialectObj, sizeof, "", "_csv.c")                                                            \
    X(DialectObj, lineterminator, "lineterminator", "_csv.c")                                      \
    X(PySSLSocket, sizeof, "", "_ssl.c")                                                           \
    X(PySSLSocket, Socket, "Socket", "_ssl.c")                                                     \
    X(PySSLSocket, ssl_sock, "ssl_sock", "_ssl.c")                                                 \
    X(PySSLSocket, ctx, "ctx", "_ssl.c")                                                           \
    X(arrayobject, sizeof, "", "arraymodule.c")                                                    \
    X(arrayobject, ob_item, "ob_item", "arraymodule.c")                                            \
    X(arrayobject, allocated, "allocated", "arraymodule.c")                                        \
    X(arrayobject, ob_descr, "ob_descr", "arraymodule.c")                                          \
    X(arraydescr, itemsize, "itemsize", "arraymodule.c")

#define LAYOUT_ENUM(type, name, path, unit) LAYOUT_##type##_##name,
enum layout_member {
    LAYOUT_MEMBERS(LAYOUT_ENUM) LAYOUT_MEMBER_COUNT
};
#undef LAYOUT_ENUM

enum {
    LAYOUT_ABSENT = 0xffff
};

// Where a member lies and how wide it is, in bytes. For a sizeof row both are the size.
struct layout_value {
    uint16_t offset; // LAYOUT_ABSENT: this build has no such member, or it is not known
    uint16_t width;
};

// What a row is called, for messages and for DWARF.
struct layout_row {
    const char *type;
    const char *path;
    const char *unit;
};
extern const struct layout_row layout_rows[LAYOUT_MEMBER_COUNT];

// A built-in column.
struct layout_column {
    const char *name;   // "2.7.18-x86_64"; "-pydebug" for Py_TRACE_REFS
    const char *origin; // of the figures of the interpreter's own types: "DWARF", or how they
                        // were computed from such
    uint32_t hexversion_first; // sys.hexversion of the first and last release that it fits,
    uint32_t hexversion_last;  // release level left out
    uint8_t word_size;
    bool trace_refs;
    struct layout_value values[LAYOUT_MEMBER_COUNT];
};
extern const struct layout_column layout_columns[];
extern const size_t layout_column_count;

// The layout in force: a column, with what DWARF changed.
struct layout {
    const struct layout_column *column;
    struct layout_value values[LAYOUT_MEMBER_COUNT];
    bool from_dwarf[LAYOUT_MEMBER_COUNT]; // the value is DWARF's, be it equal to the column's
    unsigned dwarf_values;                // how many are
    bool differs[LAYOUT_MEMBER_COUNT];    // DWARF's value is another than the one
    struct layout_value replaced[LAYOUT_MEMBER_COUNT]; // that was there before
    unsigned dwarf_differences;                        // how many do
    unsigned dwarf_added;                              // values of members that the column has not
    bool head_by_evidence; // PyGC_Head has another size than the column says
    bool count_allocs;     // COUNT_ALLOCS: types are longer than the column says
    unsigned rivals;       // built-in columns that fit as well, but for the version
    bool by_version;       // sys.hexversion has decided between those
};

void layout_init(struct layout *layout, const struct layout_column *column);

// Lays one value of this very build's DWARF over the column. Where they differ, DWARF's counts.
void layout_overlay(struct layout *layout, enum layout_member member, struct layout_value value);

static inline bool layout_has(const struct layout *layout, enum layout_member member)
{
    return layout->values[member].offset != LAYOUT_ABSENT;
}

// The size of a type, for a sizeof row; the offset of a member, for any other.
static inline uint16_t layout_offset(const struct layout *layout, enum layout_member member)
{
    return layout->values[member].offset;
}

// Reads a number out of an object's bytes; `bytes` must reach to the end of the member.
static inline uint64_t layout_uint(const struct layout *layout, struct memory_format format,
                                   const uint8_t *bytes, enum layout_member member)
{
    struct layout_value value = layout->values[member];
    return format_uint(format, bytes + value.offset, value.width);
}

static inline int64_t layout_int(const struct layout *layout, struct memory_format format,
                                 const uint8_t *bytes, enum layout_member member)
{
    struct layout_value value = layout->values[member];
    return format_int(format, bytes + value.offset, value.width);
}

// The same at an address. MEMORY_NONSENSE when this layout has no such member.
enum memory_status layout_read(const struct layout *layout, struct memory *memory, vaddr object,
                               enum layout_member member, uint64_t *value);

// The same for a number with a sign.
enum memory_status layout_read_int(const struct layout *layout, struct memory *memory, vaddr object,
                                   enum layout_member member, int64_t *value);

#endif
