/* What the parts of this plugin share: how an array lies in an .npy file, and how to begin reading and writing one. */
#ifndef PARTS_H
#define PARTS_H

#include <stdlib.h>

#include "format_plugin.h"

/* One column: a number of `width` bytes in each record, `offset` bytes from the record's start. */
struct Field {
  char *name;
  char kind; /* b: boolean, i: integer, u: unsigned, f: floating point */
  char arrow[2]; /* Arrow's format string */
  int width;
  int swap; /* whether its bytes are in the other order than this machine's */
  int64_t offset;
};

/* How the records of a file lie. A plain array is records too, of one field, or of a field for each of its columns. */
struct Layout {
  struct Field *fields;
  int64_t field_count;
  int64_t rows;
  int64_t record_size;
};

/* The options, as the manifest in plugin.c describes them. */
struct Options {
  int64_t batch_rows;
  int plain; /* layout "array" */
};

/* The state of one format. */
struct Codec {
  const struct FormatPluginHost *host;
  struct Options options;
};

/* layout.c: from the text of a header to a layout, and back. Both give a FormatPluginStatus. */
int layout_parse(const char *text, struct Layout *layout, struct FormatPluginError *error);
int layout_from_schema(const struct ArrowSchema *schema, int plain, struct Layout *layout, struct FormatPluginError *error);
char *layout_text(const struct Layout *layout, int plain, size_t *length);
void layout_free(struct Layout *layout);

/* batch.c: record batches for Arrow. */
struct Column {
  void *data;           /* to be freed, or */
  struct Chunk *chunk;  /* what holds it */
  const void *values;
};
int schema_make(const struct Layout *layout, struct ArrowSchema *out);
int batch_make(const struct Column *columns, int64_t column_count, int64_t rows, struct ArrowArray *out);

/* A piece of the document, shared by the reader and the record batches that point into it. */
struct Chunk {
  int holders;
  struct ArrowArray keep;
  const uint8_t *data;
  int64_t length;
  int64_t position; /* what was read of it */
};
void chunk_hold(struct Chunk *chunk);
void chunk_drop(struct Chunk *chunk);

/* reader.c, writer.c */
int reader_open(struct FormatPluginFormat *self, const struct ArrowSchema *schema, struct FormatPluginBytes *source,
                struct ArrowArrayStream *out, struct FormatPluginError *error);
int writer_open(struct FormatPluginFormat *self, struct ArrowArrayStream *batches, struct FormatPluginBytes *out,
                struct FormatPluginError *error);

static inline int no_memory(struct FormatPluginError *error) {
  return format_plugin_fail(error, FORMAT_PLUGIN_NO_MEMORY, "there is not enough memory");
}

#endif
