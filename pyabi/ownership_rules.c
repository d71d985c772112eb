// The table: what objects own and no tp_traverse visits.
//
// The source of a row is what tp_dealloc of the type that it names gives back (Objects/*.c,
// Modules/*.c) less what its tp_traverse visits; sys.getsizeof and the reference counts of the real
// interpreter are what it is tested against.
#include "ownership.h"

#include "object.h"

// clang-format off
#define P(type, member, label) {TRAVERSE_POINTER, LAYOUT_##type##_##member, label}
#define OP(op, member, label)  {TRAVERSE_##op, LAYOUT_##member, label}
#define SIZE(type)             LAYOUT_##type##_sizeof

const struct ownership_rule ownership_rules[] = {
    // Types without tp_traverse
    {"code", SIZE(PyCodeObject),
     {P(PyCodeObject, co_code, "co_code"), P(PyCodeObject, co_consts, "co_consts"),
      P(PyCodeObject, co_names, "co_names"), P(PyCodeObject, co_varnames, "co_varnames"),
      P(PyCodeObject, co_freevars, "co_freevars"), P(PyCodeObject, co_cellvars, "co_cellvars"),
      P(PyCodeObject, co_filename, "co_filename"), P(PyCodeObject, co_name, "co_name"),
      P(PyCodeObject, co_lnotab, "co_lnotab")}},
    {"unicode", SIZE(PyUnicodeObject), {P(PyUnicodeObject, defenc, "default encoding")}},
    {"file", SIZE(PyFileObject),
     {P(PyFileObject, f_name, "name"), P(PyFileObject, f_mode, "mode"),
      P(PyFileObject, f_encoding, "encoding"), P(PyFileObject, f_errors, "errors")}},
    {"buffer", SIZE(PyBufferObject), {P(PyBufferObject, b_base, "base")}},
    {"_sre.SRE_Pattern", SIZE(PatternObject),
     {P(PatternObject, pattern, "pattern"), P(PatternObject, groupindex, "groupindex"),
      P(PatternObject, indexgroup, "indexgroup")}},
    {"_sre.SRE_Match", SIZE(MatchObject),
     {P(MatchObject, string, "string"), P(MatchObject, regs, "regs"),
      P(MatchObject, pattern, "re")}},
    {"_sre.SRE_Scanner", SIZE(ScannerObject),
     {P(ScannerObject, pattern, "pattern"), P(ScannerObject, state_string, "string")}},
    {"datetime.datetime", SIZE(PyDateTime_DateTime),
     {OP(TZINFO, PyDateTime_DateTime_tzinfo, "tzinfo")}},
    {"datetime.time", SIZE(PyDateTime_Time), {OP(TZINFO, PyDateTime_Time_tzinfo, "tzinfo")}},
    {"Struct", SIZE(PyStructObject), {P(PyStructObject, s_format, "format")}, SIZE_BUFFER,
     {LAYOUT_PyStructObject_s_codes, LAYOUT_PyStructObject_s_len, SIZE(_formatcode), 1},
     .in_module = true},
    {"cStringIO.StringI", SIZE(Iobject), {P(Iobject, pbuf_obj, "string")}},
    {"cStringIO.StringO", SIZE(Oobject), {{0}}, SIZE_BUFFER,
     {LAYOUT_Oobject_buf, LAYOUT_Oobject_buf_size}},
    {"Element", SIZE(ElementObject),
     {P(ElementObject, tag, "tag"), OP(TAGGED, ElementObject_text, "text"),
      OP(TAGGED, ElementObject_tail, "tail"), OP(ELEMENT_EXTRA, ElementObject_extra, "")},
     SIZE_ELEMENT, .in_module = true},
    {"array.array", SIZE(arrayobject), {{0}}, SIZE_ARRAY},
    {"TreeBuilder", SIZE(TreeBuilderObject),
     {P(TreeBuilderObject, root, "root"), P(TreeBuilderObject, this, "this"),
      P(TreeBuilderObject, last, "last"), P(TreeBuilderObject, data, "data"),
      P(TreeBuilderObject, stack, "stack"), P(TreeBuilderObject, events, "events"),
      P(TreeBuilderObject, start_event_obj, "start event"),
      P(TreeBuilderObject, end_event_obj, "end event"),
      P(TreeBuilderObject, start_ns_event_obj, "start-ns event"),
      P(TreeBuilderObject, end_ns_event_obj, "end-ns event")}, .in_module = true},
    {"XMLParser", SIZE(XMLParserObject),
     {P(XMLParserObject, target, "target"), P(XMLParserObject, entity, "entity"),
      P(XMLParserObject, names, "names"), P(XMLParserObject, handle_xml, "xml"),
      P(XMLParserObject, handle_start, "start"), P(XMLParserObject, handle_data, "data"),
      P(XMLParserObject, handle_end, "end"), P(XMLParserObject, handle_comment, "comment"),
      P(XMLParserObject, handle_pi, "pi"), P(XMLParserObject, handle_close, "close")},
     .in_module = true},
    {"sqlite3.Connection", SIZE(pysqlite_Connection),
     {P(pysqlite_Connection, statement_cache, "statement cache"),
      P(pysqlite_Connection, isolation_level, "isolation_level"),
      P(pysqlite_Connection, function_pinboard, "functions"),
      P(pysqlite_Connection, row_factory, "row_factory"),
      P(pysqlite_Connection, text_factory, "text_factory"),
      P(pysqlite_Connection, collations, "collations"),
      P(pysqlite_Connection, statements, "statements"),
      P(pysqlite_Connection, cursors, "cursors")}},
    {"sqlite3.Cursor", SIZE(pysqlite_Cursor),
     {P(pysqlite_Cursor, connection, "connection"), P(pysqlite_Cursor, description, "description"),
      P(pysqlite_Cursor, row_cast_map, "row cast map"), P(pysqlite_Cursor, lastrowid, "lastrowid"),
      P(pysqlite_Cursor, row_factory, "row_factory"), P(pysqlite_Cursor, statement, "statement"),
      P(pysqlite_Cursor, next_row, "next row")}},
    {"sqlite3.Row", SIZE(pysqlite_Row),
     {P(pysqlite_Row, data, "data"), P(pysqlite_Row, description, "description")}},
    {"sqlite3.Statement", SIZE(pysqlite_Statement), {P(pysqlite_Statement, sql, "sql")}},
    // Its factory is the connection, which it does not own. Nodes belong to the mapping, and once
    // more to their list.
    {"sqlite3.Cache", SIZE(pysqlite_Cache), {P(pysqlite_Cache, mapping, "mapping"), P(pysqlite_Cache, first, "first")}},
    {"sqlite3Node", SIZE(pysqlite_Node),
     {P(pysqlite_Node, key, "key"), P(pysqlite_Node, data, "data"),
      P(pysqlite_Node, next, "next")}, .in_module = true},
    {"_io.IncrementalNewlineDecoder", SIZE(nldecoder_object),
     {P(nldecoder_object, decoder, "decoder"), P(nldecoder_object, errors, "errors")}},
    {"_csv.Dialect", SIZE(DialectObj), {P(DialectObj, lineterminator, "lineterminator")}},
    {"_ssl._SSLSocket", SIZE(PySSLSocket),
     {P(PySSLSocket, Socket, "socket"), P(PySSLSocket, ssl_sock, "wrapper"),
      P(PySSLSocket, ctx, "context")}},

    // What tp_traverse leaves out
    {"type", SIZE(PyHeapTypeObject),
     {P(PyHeapTypeObject, ht_name, "__name__"), P(PyHeapTypeObject, ht_slots, "__slots__"),
      P(PyTypeObject, tp_subclasses, "__subclasses__()")}},
    {"wrapper_descriptor", SIZE(PyWrapperDescrObject), {P(PyDescrObject, d_name, "__name__")}},
    {"getset_descriptor", SIZE(PyGetSetDescrObject), {P(PyDescrObject, d_name, "__name__")}},
    {"member_descriptor", SIZE(PyMemberDescrObject), {P(PyDescrObject, d_name, "__name__")}},
    {"method_descriptor", SIZE(PyMethodDescrObject), {P(PyDescrObject, d_name, "__name__")}},
    {"classmethod_descriptor", SIZE(PyMethodDescrObject), {P(PyDescrObject, d_name, "__name__")}},
    {"operator.methodcaller", SIZE(methodcallerobject), {P(methodcallerobject, name, "name")}},
    {"thread._local", SIZE(localobject),
     {P(localobject, key, "key"), P(localobject, wr_callback, "callback")}},
    {"pyexpat.xmlparser", SIZE(xmlparseobject), {P(xmlparseobject, intern, "intern")}},
    {"zipimport.zipimporter", SIZE(ZipImporter),
     {P(ZipImporter, archive, "archive"), P(ZipImporter, prefix, "prefix")}},
    {"StgDict", SIZE(StgDictObject),
     {P(StgDictObject, argtypes, "argtypes"), P(StgDictObject, converters, "converters"),
      P(StgDictObject, restype, "restype"), P(StgDictObject, checker, "checker")},
     .in_module = true},
    {"_io.BytesIO", SIZE(bytesio), {{0}}, SIZE_BUFFER,
     {LAYOUT_bytesio_buf, LAYOUT_bytesio_buf_size}},
    {"_io.StringIO", SIZE(stringio),
     {P(stringio, decoder, "decoder"), P(stringio, readnl, "readnl"),
      P(stringio, writenl, "writenl")},
     SIZE_BUFFER, {LAYOUT_stringio_buf, LAYOUT_stringio_buf_size, OWNERSHIP_UNICODE}},
    {"_io.BufferedRWPair", SIZE(rwpair),
     {P(rwpair, reader, "reader"), P(rwpair, writer, "writer")}},
#define BUFFERED(name)                                                                             \
    {name, SIZE(buffered), {{0}}, SIZE_BUFFER,                                                     \
     {LAYOUT_buffered_buffer, LAYOUT_buffered_buffer_size}}
    BUFFERED("_io.BufferedReader"),
    BUFFERED("_io.BufferedWriter"),
    BUFFERED("_io.BufferedRandom"),
};
// clang-format on

const size_t ownership_rule_count = sizeof(ownership_rules) / sizeof(ownership_rules[0]);
