/* From record batches to the bytes of an .npy file. Its header says how many rows there are, so all have to be there first. */
#include "parts.h"

#define CHUNK_BYTES (1 << 20)

struct Writer {
  const struct Codec *codec;
  struct FormatPluginError *error;
  struct ArrowArrayStream batches;
  struct Layout layout;
  struct ArrowArray *held; /* the record batches, released as they have been written */
  size_t held_count, held_room;
  size_t batch; /* the one that is being written, */
  int64_t row;  /* from this row on */
  char *head;
  uint8_t *chunk;
};

static void writer_free(struct Writer *writer) {
  for (size_t i = 0; i < writer->held_count; i++)
    if (writer->held[i].release != NULL) writer->held[i].release(&writer->held[i]);
  if (writer->batches.release != NULL) writer->batches.release(&writer->batches);
  layout_free(&writer->layout);
  free(writer->held);
  free(writer->head);
  free(writer->chunk);
  free(writer);
}

static int source_failed(struct Writer *writer) {
  const char *reason = writer->batches.get_last_error(&writer->batches);
  return format_plugin_fail(writer->error, FORMAT_PLUGIN_SOURCE, "no record batch could be had: %s",
                            reason == NULL ? "" : reason);
}

/* An .npy file has no nulls. */
static int check_nulls(struct Writer *writer, const struct ArrowArray *batch) {
  for (int64_t i = 0; i < batch->n_children; i++) {
    const struct ArrowArray *column = batch->children[i];
    const uint8_t *validity = column->buffers[0];
    for (int64_t row = 0; validity != NULL && column->null_count != 0 && row < batch->length; row++) {
      int64_t bit = column->offset + batch->offset + row;
      if (validity[bit / 8] >> bit % 8 & 1) continue;
      writer->error->row = writer->layout.rows + row + 1;
      format_plugin_text(writer->error->column, sizeof writer->error->column, writer->layout.fields[i].name);
      return format_plugin_fail(writer->error, FORMAT_PLUGIN_UNSUPPORTED,
                                "row %lld of the column %.80s is null, and the format has no nulls",
                                (long long)writer->error->row, writer->layout.fields[i].name);
    }
  }
  return FORMAT_PLUGIN_OK;
}

static int hold_batch(struct Writer *writer, struct ArrowArray *batch) {
  if (writer->held_count == writer->held_room) {
    size_t room = writer->held_room * 2 + 16;
    struct ArrowArray *grown = realloc(writer->held, room * sizeof *grown);
    if (grown == NULL) {
      batch->release(batch);
      return no_memory(writer->error);
    }
    writer->held = grown;
    writer->held_room = room;
  }
  writer->held[writer->held_count++] = *batch;
  return check_nulls(writer, batch);
}

/* Take all record batches, and make the head of the file. */
static int gather_batches(struct Writer *writer, const uint8_t **data, int64_t *length) {
  size_t size;
  for (;;) {
    struct ArrowArray batch = {0};
    int status;
    if (writer->codec->host->cancelled(writer->codec->host))
      return format_plugin_fail(writer->error, FORMAT_PLUGIN_CANCELLED, "it was cancelled");
    if (writer->batches.get_next(&writer->batches, &batch) != 0) return source_failed(writer);
    if (batch.release == NULL) break;
    if ((status = hold_batch(writer, &batch)) != FORMAT_PLUGIN_OK) return status;
    writer->layout.rows += batch.length;
  }
  writer->head = layout_text(&writer->layout, writer->codec->options.plain, &size);
  writer->chunk = malloc(CHUNK_BYTES > writer->layout.record_size ? CHUNK_BYTES : (size_t)writer->layout.record_size);
  if (writer->head == NULL || writer->chunk == NULL) return no_memory(writer->error);
  *data = (const uint8_t *)writer->head;
  *length = (int64_t)size;
  return FORMAT_PLUGIN_OK;
}

/* Copy `count` values of a column, from `start` on, to their places in records that are `stride` bytes apart. */
#define SCATTER(type) \
  for (int64_t i = 0; i < count; i++) memcpy(to + i * stride, from + i * (int64_t)sizeof(type), sizeof(type))
static void scatter(const struct Field *field, const struct ArrowArray *column, int64_t start, int64_t count, int64_t stride,
                    uint8_t *to) {
  const uint8_t *values = column->buffers[1], *from = values + (column->offset + start) * field->width;
  if (field->kind == 'b') {
    start += column->offset;
    for (int64_t i = start; i < start + count; i++, to += stride) *to = values[i / 8] >> i % 8 & 1;
  } else if (field->width == stride) {
    memcpy(to, from, (size_t)(count * stride));
  } else if (field->width == 1) {
    SCATTER(uint8_t);
  } else if (field->width == 2) {
    SCATTER(uint16_t);
  } else if (field->width == 4) {
    SCATTER(uint32_t);
  } else {
    SCATTER(uint64_t);
  }
}

static int next(struct FormatPluginBytes *self, const uint8_t **data, int64_t *length, struct ArrowArray *keep) {
  struct Writer *writer = self->private_data;
  struct ArrowArray *batch;
  int64_t count, stride = writer->layout.record_size;
  (void)keep; /* the bytes stay until the next call */
  *length = 0;
  if (writer->head == NULL) return gather_batches(writer, data, length);
  while (writer->batch < writer->held_count && writer->row == writer->held[writer->batch].length) {
    writer->held[writer->batch].release(&writer->held[writer->batch]);
    writer->batch++;
    writer->row = 0;
  }
  if (writer->batch == writer->held_count) return FORMAT_PLUGIN_OK;
  batch = &writer->held[writer->batch];
  count = CHUNK_BYTES / stride > 0 ? CHUNK_BYTES / stride : 1;
  if (count > batch->length - writer->row) count = batch->length - writer->row;
  for (int64_t i = 0; i < batch->n_children; i++) {
    const struct Field *field = &writer->layout.fields[i];
    scatter(field, batch->children[i], batch->offset + writer->row, count, stride, writer->chunk + field->offset);
  }
  writer->row += count;
  *data = writer->chunk;
  *length = count * stride;
  return FORMAT_PLUGIN_OK;
}

static const char *get_last_error(struct FormatPluginBytes *self) {
  return ((struct Writer *)self->private_data)->error->message;
}

static void bytes_release(struct FormatPluginBytes *self) {
  writer_free(self->private_data);
  self->release = NULL;
}

int writer_open(struct FormatPluginFormat *self, struct ArrowArrayStream *batches, struct FormatPluginBytes *out,
                struct FormatPluginError *error) {
  struct Writer *writer = calloc(1, sizeof *writer);
  struct FormatPluginBytes bytes = {0};
  struct ArrowSchema schema = {0};
  int status;
  if (writer == NULL) return no_memory(error);
  writer->codec = self->private_data;
  writer->error = error;
  writer->batches = *batches;
  batches->release = NULL; /* moved */
  if (writer->batches.get_schema(&writer->batches, &schema) != 0) {
    status = source_failed(writer);
  } else {
    status = layout_from_schema(&schema, writer->codec->options.plain, &writer->layout, error);
    schema.release(&schema);
  }
  if (status != FORMAT_PLUGIN_OK) {
    writer_free(writer);
    return status;
  }
  bytes.next = next;
  bytes.get_last_error = get_last_error;
  bytes.release = bytes_release;
  bytes.private_data = writer;
  format_plugin_fill(out, &bytes, sizeof bytes);
  return FORMAT_PLUGIN_OK;
}
