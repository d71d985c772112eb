// The table: how types are recognised that no symbol and no tp_name tells.
//
// Names are tp_names of CPython (Objects/*.c, Modules/*.c), which the keys of a module's
// dictionary need not be. What __builtin__, exceptions and the extension modules have under
// the very name needs no row.
#include "recognize_types.h"

// clang-format off
const struct recognize_path recognize_paths[] = {
    {"str", "__builtin__.str"}, // `bytes` is another key of it
    {"NoneType", "__builtin__.None!"},
    {"NotImplementedType", "__builtin__.NotImplemented!"},
    {"ellipsis", "__builtin__.Ellipsis!"},
    {"builtin_function_or_method", "__builtin__.len!"},
    {"module", "sys!"},
    {"method_descriptor", "__builtin__.str.join!"},
    {"wrapper_descriptor", "__builtin__.object.__init__!"},
    {"getset_descriptor", "__builtin__.object.__class__!"},
    {"member_descriptor", "__builtin__.type.__mro__!"},
    {"classmethod_descriptor", "__builtin__.dict.fromkeys!"},
    {"function", "types.FunctionType"},
    {"code", "types.CodeType"},
    {"frame", "types.FrameType"},
    {"frame", "@frame!"},
    {"generator", "types.GeneratorType"},
    {"traceback", "types.TracebackType"},
    {"classobj", "types.ClassType"},
    {"instance", "types.InstanceType"},
    {"instancemethod", "types.MethodType"},
    {"dictproxy", "types.DictProxyType"},
    {"weakref", "@weakref!"},
    {"weakproxy", "_weakref.ProxyType"},
    {"weakcallableproxy", "_weakref.CallableProxyType"},
    {"sys.flags", "sys.flags!"},
    {"sys.float_info", "sys.float_info!"},
    {"sys.long_info", "sys.long_info!"},
    {"sys.version_info", "sys.version_info!"},
    {"collections.deque", "_collections.deque"},
    {"collections.defaultdict", "_collections.defaultdict"},
    {"functools.partial", "_functools.partial"},
    {"thread.lock", "thread.LockType"},
    {"array.array", "array.array"}, // ArrayType
    {"_socket.socket", "_socket.socket"}, // SocketType
    {"cStringIO.StringO", "cStringIO.OutputType"},
    {"cStringIO.StringI", "cStringIO.InputType"},
    {"pyexpat.xmlparser", "pyexpat.XMLParserType"},
    {"_json.Scanner", "_json.make_scanner"},
    {"_json.Encoder", "_json.make_encoder"},
    {"_ctypes.PyCFuncPtr", "_ctypes.CFuncPtr"},
    {"_ctypes._CData", "_ctypes.Structure^"},
    {"_ctypes.PyCStructType", "_ctypes.Structure!"},
    {"_ctypes.UnionType", "_ctypes.Union!"},
    {"_ctypes.PyCPointerType", "_ctypes._Pointer!"},
    {"_ctypes.PyCArrayType", "_ctypes.Array!"},
    {"_ctypes.PyCSimpleType", "_ctypes._SimpleCData!"},
    {"_ctypes.PyCFuncPtrType", "_ctypes.CFuncPtr!"},
    {"MultibyteIncrementalEncoder", "_multibytecodec.MultibyteIncrementalEncoder"},
    {"MultibyteIncrementalDecoder", "_multibytecodec.MultibyteIncrementalDecoder"},
    {"MultibyteStreamReader", "_multibytecodec.MultibyteStreamReader"},
    {"MultibyteStreamWriter", "_multibytecodec.MultibyteStreamWriter"},
    {"BlockingIOError", "_io.BlockingIOError"},
};

#define SIZEOF(type) LAYOUT_##type##_sizeof, RECOGNIZE_SIZEOF
#define TO(member, more) LAYOUT_##member, more
#define F(member, type) {LAYOUT_##member, type}

const struct recognize_look recognize_looks[] = {
    // What `types` names, should nobody have imported it.
    {"function", NULL, SIZEOF(PyFunctionObject),
     {F(PyFunctionObject_func_globals, "dict"), F(PyFunctionObject_func_name, "str"),
      F(PyFunctionObject_func_code, "*")}},
    {"classobj", NULL, SIZEOF(PyClassObject),
     {F(PyClassObject_cl_bases, "tuple"), F(PyClassObject_cl_dict, "dict"),
      F(PyClassObject_cl_name, "str")}},
    {"instance", NULL, SIZEOF(PyInstanceObject),
     {F(PyInstanceObject_in_class, "classobj"), F(PyInstanceObject_in_dict, "dict")}},
    {"instancemethod", NULL, TO(PyMethodObject_im_class, 1),
     {F(PyMethodObject_im_func, "function"), F(PyMethodObject_im_class, "*")}},
    {"generator", NULL, TO(PyGenObject_gi_code, 1),
     {F(PyGenObject_gi_code, "code"), F(PyGenObject_gi_frame, "?frame")}},
    {"generator", NULL, TO(PyGenObject_gi_frame, 2), {F(PyGenObject_gi_frame, "frame")}},
    {"traceback", NULL, TO(PyTracebackObject_tb_frame, 2),
     {F(PyTracebackObject_tb_frame, "frame")}},
    {"method-wrapper", NULL, SIZEOF(wrapperobject),
     {F(wrapperobject_descr, "wrapper_descriptor"), F(wrapperobject_self, "*")}},

    // Types that their modules do not show
    {"deque_iterator", "deque iterator", TO(dequeiterobject_deque, 3),
     {F(dequeiterobject_deque, "collections.deque")}, true, true},
    {"arrayiterator", NULL, TO(arrayiterobject_ao, 1), {F(arrayiterobject_ao, "array.array")},
     true},
    {"itertools._grouper", NULL, TO(_grouperobject_tgtkey, 0),
     {F(_grouperobject_parent, "itertools.groupby"), F(_grouperobject_tgtkey, "*")}, true},
    {"itertools.tee_dataobject", NULL, TO(teedataobject_values, 0),
     {F(teedataobject_it, "*")}, true},
    {"itertools.tee", NULL, TO(teeobject_dataobj, 2),
     {F(teeobject_dataobj, "itertools.tee_dataobject")}, true},
    {"cPickle.Pickler", NULL, TO(Picklerobject_dispatch_table, 4),
     {F(Picklerobject_dispatch_table, "dict"), F(Picklerobject_memo, "dict"),
      F(Picklerobject_write, "?*")}, true},
    {"cPickle.Unpickler", NULL, TO(Unpicklerobject_find_class, 0),
     {F(Unpicklerobject_memo, "dict"), F(Unpicklerobject_stack, "*"),
      F(Unpicklerobject_read, "?*")}, true},
    {"_csv.reader", NULL, TO(ReaderObj_fields, 7),
     {F(ReaderObj_dialect, "_csv.Dialect"), F(ReaderObj_input_iter, "*"),
      F(ReaderObj_fields, "?list")}, true},
    {"_csv.writer", NULL, TO(WriterObj_dialect, 7),
     {F(WriterObj_dialect, "_csv.Dialect"), F(WriterObj_writeline, "*")}, true},
    {"_ctypes.CField", NULL, TO(CFieldObject_proto, 4),
     {F(CFieldObject_proto, "_ctypes.PyCSimpleType|_ctypes.PyCStructType|_ctypes.UnionType|"
                            "_ctypes.PyCPointerType|_ctypes.PyCArrayType|_ctypes.PyCFuncPtrType")},
     true},
    {"_ctypes.CThunkObject", NULL, TO(CThunkObject_restype, 16),
     {F(CThunkObject_converters, "tuple"),
      F(CThunkObject_callable, "function|instancemethod|builtin_function_or_method")}, true},

    // Iterators and views
    {"setiterator", NULL, SIZEOF(setiterobject), {F(setiterobject_si_set, "?set|frozenset")}},
    {"dictionary-itemiterator", NULL, SIZEOF(dictiterobject),
     {F(dictiterobject_di_dict, "?dict"), F(dictiterobject_di_result, "tuple")}},
    {"dictionary-keyiterator", "dictionary iterator", SIZEOF(dictiterobject),
     {F(dictiterobject_di_dict, "?dict")}},
    {"dict_keys", "dictionary view", TO(dictviewobject_dv_dict, 0),
     {F(dictviewobject_dv_dict, "dict")}},
    {"listiterator", "list iterator", TO(listiterobject_it_seq, 0),
     {F(listiterobject_it_seq, "?list")}, false, true},
    {"tupleiterator", NULL, TO(tupleiterobject_it_seq, 0),
     {F(tupleiterobject_it_seq, "?tuple")}},
    {"bytearray_iterator", NULL, TO(bytesiterobject_it_seq, 0),
     {F(bytesiterobject_it_seq, "?bytearray")}},
    {"callable-iterator", NULL, TO(calliterobject_it_sentinel, 0),
     {F(calliterobject_it_callable, "?*"), F(calliterobject_it_sentinel, "?*")}},
    {"iterator", NULL, TO(seqiterobject_it_seq, 0), {F(seqiterobject_it_seq, "?*")}},
};

const struct recognize_member recognize_members[] = {
    {"code", "function", LAYOUT_PyFunctionObject_func_code, false},
    {"frame", "generator", LAYOUT_PyGenObject_gi_frame, false},
    {"cell", "function", LAYOUT_PyFunctionObject_func_closure, true},
    {"StgDict", "_ctypes.PyCSimpleType", LAYOUT_PyTypeObject_tp_dict, false},
};
// clang-format on

const size_t recognize_path_count = sizeof(recognize_paths) / sizeof(recognize_paths[0]);
const size_t recognize_look_count = sizeof(recognize_looks) / sizeof(recognize_looks[0]);
const size_t recognize_member_count = sizeof(recognize_members) / sizeof(recognize_members[0]);
