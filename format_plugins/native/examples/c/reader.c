/* From the bytes of an .npy file to record batches. */
#include "parts.h"

#define MAX_HEADER_BYTES (1 << 20)
/* A record batch that is copied has at most so many bytes, whatever a header says of its records. */
#define MAX_BATCH_BYTES (16 << 20)

struct Reader {
  const struct Codec *codec;
  struct FormatPluginError *error;
  struct FormatPluginBytes source;
  struct Chunk *chunk;
  struct Layout layout;
  int64_t offset; /* of the next byte in the document */
  int64_t row;    /* records read */
  uint8_t *record; /* one that lies across chunks */
};

static void reader_free(struct Reader *reader) {
  if (reader->source.release != NULL) reader->source.release(&reader->source);
  chunk_drop(reader->chunk);
  layout_free(&reader->layout);
  free(reader->record);
  free(reader);
}

/* Pull the next chunk; at the end there is none. */
static int next_chunk(struct Reader *reader) {
  struct Chunk *chunk = calloc(1, sizeof *chunk);
  int status;
  chunk_drop(reader->chunk);
  reader->chunk = chunk;
  if (chunk == NULL) return no_memory(reader->error);
  chunk->holders = 1;
  status = reader->source.next(&reader->source, &chunk->data, &chunk->length, &chunk->keep);
  if (status == FORMAT_PLUGIN_OK) return status;
  return format_plugin_fail(reader->error, status, "the document could not be read: %s",
                            reader->source.get_last_error(&reader->source));
}

static int64_t left(const struct Reader *reader) {
  return reader->chunk == NULL ? 0 : reader->chunk->length - reader->chunk->position;
}

/* Look at the next `size` bytes, in one piece: in the chunk where they lie there, else in `room`. */
static int next_bytes(struct Reader *reader, void *room, int64_t size, const uint8_t **bytes) {
  int64_t have = 0, part = left(reader);
  if (part >= size) {
    *bytes = reader->chunk->data + reader->chunk->position;
    reader->chunk->position += size;
    reader->offset += size;
    return FORMAT_PLUGIN_OK;
  }
  for (*bytes = room;; part = left(reader)) {
    int status;
    if (part > size - have) part = size - have;
    if (part > 0) {
      memcpy((uint8_t *)room + have, reader->chunk->data + reader->chunk->position, (size_t)part);
      reader->chunk->position += part;
      reader->offset += part;
    }
    if ((have += part) == size) return FORMAT_PLUGIN_OK;
    if ((status = next_chunk(reader)) != FORMAT_PLUGIN_OK) return status;
    if (reader->chunk->length == 0) {
      reader->error->offset = reader->offset;
      return format_plugin_fail(reader->error, FORMAT_PLUGIN_BAD_DATA, "it is cut short: it ends after %lld bytes",
                                (long long)reader->offset);
    }
  }
}

/* Headers of versions 1 and 2 are Latin-1, of which each letter beyond ASCII takes two bytes of UTF-8. */
static void from_latin1(char *text, size_t size) {
  size_t end = size;
  for (size_t i = 0; i < size; i++) end += (unsigned char)text[i] >> 7;
  text[end] = '\0';
  while (size > 0) {
    unsigned char letter = (unsigned char)text[--size];
    text[--end] = (char)(letter < 128 ? letter : 128 | (letter & 63));
    if (letter >= 128) text[--end] = (char)(192 | letter >> 6);
  }
}

/* Whether a text is UTF-8: lead bytes with as many that follow as they say, none longer than need be, no surrogates. */
static int is_utf8(const char *text) {
  for (const uint8_t *at = (const uint8_t *)text; *at != 0;) {
    int more = *at < 0x80 ? 0 : *at >= 0xc2 && *at < 0xe0 ? 1 : (*at & 0xf0) == 0xe0 ? 2 : *at >= 0xf0 && *at < 0xf5 ? 3 : -1;
    uint8_t lead = *at++;
    if (more < 0 || (lead == 0xe0 && *at < 0xa0) || (lead == 0xed && *at >= 0xa0) || (lead == 0xf0 && *at < 0x90) ||
        (lead == 0xf4 && *at >= 0x90))
      return 0;
    for (; more > 0; more--, at++)
      if ((*at & 0xc0) != 0x80) return 0;
  }
  return 1;
}

/* Read the text of the header, of `size` bytes, into the layout. */
static int read_layout(struct Reader *reader, int64_t size, int version) {
  const uint8_t *bytes;
  char *text = malloc(2 * (size_t)size + 1);
  int status = text == NULL ? no_memory(reader->error) : next_bytes(reader, text, size, &bytes);
  if (status == FORMAT_PLUGIN_OK) {
    memmove(text, bytes, (size_t)size);
    text[size] = '\0';
    if (strlen(text) != (size_t)size) {
      status = format_plugin_fail(reader->error, FORMAT_PLUGIN_BAD_DATA, "its header is not valid: it holds a NUL");
    } else if (version == 3 && !is_utf8(text)) {
      status = format_plugin_fail(reader->error, FORMAT_PLUGIN_BAD_DATA, "its header is not valid: it is not UTF-8");
    } else {
      if (version < 3) from_latin1(text, (size_t)size);
      status = layout_parse(text, &reader->layout, reader->error);
    }
  }
  free(text);
  return status;
}

static int read_header(struct Reader *reader) {
  uint8_t prefix[12];
  const uint8_t *bytes;
  int64_t size = 0;
  int status = next_bytes(reader, prefix, 10, &bytes), length_bytes;
  if (status != FORMAT_PLUGIN_OK) return status;
  memmove(prefix, bytes, 10);
  if (memcmp(prefix, "\x93NUMPY", 6) != 0) {
    reader->error->offset = 0;
    return format_plugin_fail(reader->error, FORMAT_PLUGIN_BAD_DATA, "it does not begin as an .npy file does");
  }
  if (prefix[6] < 1 || prefix[6] > 3)
    return format_plugin_fail(reader->error, FORMAT_PLUGIN_UNSUPPORTED, "it is of version %d of the format; 1 to 3 are read",
                              prefix[6]);
  length_bytes = prefix[6] == 1 ? 2 : 4;
  if (length_bytes == 4) {
    if ((status = next_bytes(reader, prefix + 10, 2, &bytes)) != FORMAT_PLUGIN_OK) return status;
    memmove(prefix + 10, bytes, 2);
  }
  for (int i = length_bytes - 1; i >= 0; i--) size = size << 8 | prefix[8 + i];
  if (size > MAX_HEADER_BYTES)
    return format_plugin_fail(reader->error, FORMAT_PLUGIN_BAD_DATA, "its header is longer than %d bytes", MAX_HEADER_BYTES);
  return read_layout(reader, size, prefix[6]);
}

static void swap_bytes(uint8_t *value, int width) {
  for (int i = 0; i < width / 2; i++) {
    uint8_t byte = value[i];
    value[i] = value[width - 1 - i];
    value[width - 1 - i] = byte;
  }
}

/* Copy one field of `count` records, which are `stride` bytes apart, behind the `before` values that are there. */
#define GATHER(type)                                                                                   \
  for (int64_t i = 0; i < count; i++) memcpy((uint8_t *)values + (before + i) * (int64_t)sizeof(type), \
                                             records + i * stride, sizeof(type))
static void gather(const struct Field *field, const uint8_t *records, int64_t stride, int64_t before, int64_t count,
                   void *values) {
  records += field->offset;
  if (field->kind == 'b') {
    for (int64_t i = before; i < before + count; i++, records += stride)
      if (*records != 0) ((uint8_t *)values)[i / 8] |= (uint8_t)(1 << i % 8);
    return;
  }
  if (stride == field->width) {
    memcpy((uint8_t *)values + before * stride, records, (size_t)(count * stride));
  } else if (field->width == 1) {
    GATHER(uint8_t);
  } else if (field->width == 2) {
    GATHER(uint16_t);
  } else if (field->width == 4) {
    GATHER(uint32_t);
  } else {
    GATHER(uint64_t);
  }
  for (int64_t i = before; field->swap && i < before + count; i++)
    swap_bytes((uint8_t *)values + i * field->width, field->width);
}

/* Take records that lie in one piece, up to `most` of them: in the chunk, or one that lies across chunks. */
static int next_records(struct Reader *reader, int64_t most, const uint8_t **records, int64_t *count) {
  int64_t whole = left(reader) / reader->layout.record_size;
  int status;
  if (left(reader) == 0) {
    if ((status = next_chunk(reader)) != FORMAT_PLUGIN_OK) return status;
    whole = left(reader) / reader->layout.record_size;
  }
  *count = whole == 0 ? 1 : whole < most ? whole : most;
  status = next_bytes(reader, reader->record, *count * reader->layout.record_size, records);
  if (status == FORMAT_PLUGIN_OK) reader->row += *count;
  if (status == FORMAT_PLUGIN_BAD_DATA) {
    reader->error->row = reader->row + 1;
    format_plugin_fail(reader->error, status, "it is cut short: its header says %lld rows, and it ends in row %lld",
                       (long long)reader->layout.rows, (long long)reader->row + 1);
  }
  return status;
}

/* Values that lie in the chunk as Arrow has them need not be copied. */
static int can_point_at(const struct Reader *reader, const uint8_t *records) {
  const struct Field *field = reader->layout.fields;
  return reader->layout.field_count == 1 && field->kind != 'b' && !field->swap && records != reader->record &&
         reader->chunk->keep.release != NULL && (uintptr_t)records % (uintptr_t)field->width == 0;
}

static int copy_records(struct Reader *reader, int64_t rows, const uint8_t *records, int64_t count, struct ArrowArray *out) {
  struct Column *columns = calloc((size_t)reader->layout.field_count, sizeof *columns);
  int status = columns == NULL ? no_memory(reader->error) : FORMAT_PLUGIN_OK;
  int64_t done = 0;
  for (int64_t i = 0; status == FORMAT_PLUGIN_OK && i < reader->layout.field_count; i++) {
    const struct Field *field = &reader->layout.fields[i];
    columns[i].data = field->kind == 'b' ? calloc(1, (size_t)rows / 8 + 1) : malloc((size_t)(rows * field->width));
    columns[i].values = columns[i].data;
    if (columns[i].data == NULL) status = no_memory(reader->error);
  }
  while (status == FORMAT_PLUGIN_OK) {
    for (int64_t i = 0; i < reader->layout.field_count; i++)
      gather(&reader->layout.fields[i], records, reader->layout.record_size, done, count, columns[i].data);
    done += count;
    if (done == rows) break;
    status = next_records(reader, rows - done, &records, &count);
  }
  if (status == FORMAT_PLUGIN_OK) {
    if (!batch_make(columns, reader->layout.field_count, rows, out)) status = no_memory(reader->error);
  } else if (columns != NULL) {
    for (int64_t i = 0; i < reader->layout.field_count; i++) free(columns[i].data);
  }
  free(columns);
  return status;
}

static int read_batch(struct Reader *reader, struct ArrowArray *out) {
  int64_t rows = reader->layout.rows - reader->row, count;
  const uint8_t *records;
  int status;
  if (rows > reader->codec->options.batch_rows) rows = reader->codec->options.batch_rows;
  if (rows > MAX_BATCH_BYTES / reader->layout.record_size + 1) rows = MAX_BATCH_BYTES / reader->layout.record_size + 1;
  if ((status = next_records(reader, rows, &records, &count)) != FORMAT_PLUGIN_OK) return status;
  if (can_point_at(reader, records)) {
    struct Column column = {NULL, reader->chunk, records};
    chunk_hold(reader->chunk);
    return batch_make(&column, 1, count, out) ? FORMAT_PLUGIN_OK : no_memory(reader->error);
  }
  return copy_records(reader, rows, records, count, out);
}

/* After the last row nothing may follow. */
static int check_end(struct Reader *reader) {
  int status = left(reader) > 0 ? FORMAT_PLUGIN_OK : next_chunk(reader);
  if (status != FORMAT_PLUGIN_OK || left(reader) == 0) return status;
  reader->error->offset = reader->offset;
  return format_plugin_fail(reader->error, FORMAT_PLUGIN_BAD_DATA, "there are bytes after the end of the array");
}

/* The stream's functions return an errno; the error struct holds what the host goes by. */
static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
  struct Reader *reader = stream->private_data;
  int status;
  out->release = NULL; /* so an end of the stream looks */
  if (reader->codec->host->cancelled(reader->codec->host))
    status = format_plugin_fail(reader->error, FORMAT_PLUGIN_CANCELLED, "it was cancelled");
  else
    status = reader->row == reader->layout.rows ? check_end(reader) : read_batch(reader, out);
  return status == FORMAT_PLUGIN_OK ? 0 : 22 /* EINVAL */;
}

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
  struct Reader *reader = stream->private_data;
  return schema_make(&reader->layout, out) ? 0 : 12 /* ENOMEM */;
}

static const char *get_last_error(struct ArrowArrayStream *stream) {
  return ((struct Reader *)stream->private_data)->error->message;
}

static void stream_release(struct ArrowArrayStream *stream) {
  reader_free(stream->private_data);
  stream->release = NULL;
}

int reader_open(struct FormatPluginFormat *self, const struct ArrowSchema *schema, struct FormatPluginBytes *source,
                struct ArrowArrayStream *out, struct FormatPluginError *error) {
  struct Reader *reader = calloc(1, sizeof *reader);
  int status;
  (void)schema; /* the types are in the file */
  if (reader == NULL) return no_memory(error);
  reader->codec = self->private_data;
  reader->error = error;
  reader->source = *source;
  source->release = NULL; /* moved */
  status = read_header(reader);
  if (status == FORMAT_PLUGIN_OK && (reader->record = malloc((size_t)reader->layout.record_size)) == NULL)
    status = no_memory(error);
  if (status != FORMAT_PLUGIN_OK) {
    reader_free(reader);
    return status;
  }
  out->get_schema = get_schema;
  out->get_next = get_next;
  out->get_last_error = get_last_error;
  out->release = stream_release;
  out->private_data = reader;
  return FORMAT_PLUGIN_OK;
}
