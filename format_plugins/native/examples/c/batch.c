/* Record batches and their schema, laid out for the Arrow C data interface. */
#include "parts.h"

/* A chunk is dropped by whichever thread drops the last record batch that points into it. */
void chunk_hold(struct Chunk *chunk) { __atomic_add_fetch(&chunk->holders, 1, __ATOMIC_RELAXED); }

void chunk_drop(struct Chunk *chunk) {
  if (chunk == NULL || __atomic_sub_fetch(&chunk->holders, 1, __ATOMIC_ACQ_REL) > 0) return;
  if (chunk->keep.release != NULL) chunk->keep.release(&chunk->keep);
  free(chunk);
}

/* What a column's array owns. */
struct Owned {
  const void *buffers[2];
  void *data;
  struct Chunk *chunk;
};

static void column_release(struct ArrowArray *array) {
  struct Owned *owned = array->private_data;
  free(owned->data);
  chunk_drop(owned->chunk);
  free(owned);
  array->release = NULL;
}

static int column_make(const struct Column *column, int64_t rows, struct ArrowArray *out) {
  struct Owned *owned = malloc(sizeof *owned);
  if (owned == NULL) return 0;
  owned->buffers[0] = NULL; /* no nulls */
  owned->buffers[1] = column->values;
  owned->data = column->data;
  owned->chunk = column->chunk;
  memset(out, 0, sizeof *out);
  out->length = rows;
  out->n_buffers = 2;
  out->buffers = owned->buffers;
  out->release = column_release;
  out->private_data = owned;
  return 1;
}

/* A parent and its children in one piece of memory. */
struct ArrayFamily {
  const void *validity;
  struct ArrowArray **pointers;
  struct ArrowArray *children;
};

static void batch_release(struct ArrowArray *array) {
  struct ArrayFamily *family = array->private_data;
  for (int64_t i = 0; i < array->n_children; i++)
    if (family->children[i].release != NULL) family->children[i].release(&family->children[i]);
  free(family->pointers);
  free(family->children);
  free(family);
  array->release = NULL;
}

/* The record batch owns the columns from here, whether it can be made or not. */
int batch_make(const struct Column *columns, int64_t column_count, int64_t rows, struct ArrowArray *out) {
  struct ArrayFamily *family = calloc(1, sizeof *family);
  int made = family != NULL;
  if (made) {
    family->pointers = malloc((size_t)column_count * sizeof *family->pointers);
    family->children = calloc((size_t)column_count, sizeof *family->children);
    made = family->pointers != NULL && family->children != NULL;
  }
  for (int64_t i = 0; i < column_count; i++) {
    if (made && column_make(&columns[i], rows, &family->children[i])) {
      family->pointers[i] = &family->children[i];
    } else {
      made = 0;
      free(columns[i].data);
      chunk_drop(columns[i].chunk);
    }
  }
  if (family == NULL) return 0;
  memset(out, 0, sizeof *out);
  out->length = rows;
  out->n_buffers = 1;
  out->n_children = family->children == NULL ? 0 : column_count;
  out->buffers = &family->validity;
  out->children = family->pointers;
  out->release = batch_release;
  out->private_data = family;
  if (!made) batch_release(out);
  return made;
}

static void field_release(struct ArrowSchema *schema) {
  free((void *)schema->name);
  free(schema->private_data);
  schema->release = NULL;
}

static void schema_release(struct ArrowSchema *schema) {
  for (int64_t i = 0; i < schema->n_children; i++) {
    struct ArrowSchema *child = schema->children[i];
    if (child->release != NULL) child->release(child);
  }
  if (schema->children != NULL) free(schema->children[0]);
  free(schema->children);
  schema->release = NULL;
}

int schema_make(const struct Layout *layout, struct ArrowSchema *out) {
  size_t count = (size_t)layout->field_count;
  struct ArrowSchema *children = calloc(count, sizeof *children);
  memset(out, 0, sizeof *out);
  out->format = "+s";
  out->name = "";
  out->release = schema_release;
  out->children = malloc(count * sizeof *out->children);
  if (children == NULL || out->children == NULL) {
    free(children);
    free(out->children);
    out->release = NULL;
    return 0;
  }
  out->children[0] = children;
  for (size_t i = 0; i < count; i++) {
    struct ArrowSchema *child = out->children[i] = &children[i];
    char *format = malloc(sizeof layout->fields[i].arrow), *name = malloc(strlen(layout->fields[i].name) + 1);
    child->format = format;
    child->name = name;
    child->private_data = format;
    child->flags = ARROW_FLAG_NULLABLE; /* as most tables have it, so that rows of others can follow */
    child->release = field_release;
    out->n_children++;
    if (format == NULL || name == NULL) {
      schema_release(out);
      return 0;
    }
    memcpy(format, layout->fields[i].arrow, sizeof layout->fields[i].arrow);
    strcpy(name, layout->fields[i].name);
  }
  return 1;
}
