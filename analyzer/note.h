// Words for standard error. They have names of files and other strings out of cores in them, and go
// to terminals: what could do something there is told as \xNN.
#ifndef ANALYZER_NOTE_H
#define ANALYZER_NOTE_H

// Writes a line, the program's name in front.
void note_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
