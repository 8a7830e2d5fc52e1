/* A plugin that numbers its rows, and does wrong what its option `fault` or its macros say. Its releases are in the log. */
#include <errno.h>
#include <stdlib.h>

#include "format_plugin.h"

#ifndef ABI
#define ABI "1.0"
#endif
#ifndef VERSION
#define VERSION "1.0.0"
#endif
/* What it writes for a record batch, and the number of its first row: two builds can be told apart by what they make. */
#ifndef WRITTEN
#define WRITTEN "batch\n"
#endif
#ifndef FIRST
#define FIRST 0
#endif
/* What it does, as statements, when its library is opened, in format_plugin_init and in metadata_json. */
#ifndef AT_OPEN
#define AT_OPEN
#endif
#ifndef AT_INIT
#define AT_INIT
#endif
#ifndef AT_METADATA
#define AT_METADATA
#endif
#ifndef CAPABILITIES
#define CAPABILITIES "{\"read\": true, \"write\": true}"
#endif
#define JSON(name) \
  "{\"abi\": \"" ABI "\", \"name\": \"" name "\", \"version\": \"" VERSION "\", \"capabilities\": " CAPABILITIES ", \"options\": [" \
  "{\"name\": \"fault\", \"type\": \"str\", \"default\": \"\", \"doc\": \"what goes wrong\"}," \
  "{\"name\": \"batches\", \"type\": \"int\", \"default\": 3, \"minimum\": 0}," \
  "{\"name\": \"words\", \"type\": \"list[str] | null\", \"default\": null}," \
  "{\"name\": \"ratio\", \"type\": \"float\", \"default\": 0.5}, {\"name\": \"flag\", \"type\": \"bool\", \"default\": false}]}"
#ifndef NO_MANIFEST
FORMAT_PLUGIN_MANIFEST(manifest, JSON("numbers"));
#endif

/* Whether this process serves streams, and is no trial: it has its ring mapped. */
static int serves(void) {
  char line[512];
  int found = 0;
  FILE *maps = fopen("/proc/self/maps", "r");
  while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
    if (strstr(line, "flight-ring") != NULL) found = 1;
  if (maps != NULL) fclose(maps);
  return found;
}

static int is(const char *fault, const char *what) { return strcmp(fault, what) == 0; }

struct State {
  const struct FormatPluginHost *host;
  struct FormatPluginError *error;
  struct FormatPluginBytes source;
  struct ArrowArrayStream batches;
  char fault[32];
  int64_t left, row;
};

static void say(const struct FormatPluginHost *host, const char *line) { host->log(host, FORMAT_PLUGIN_INFO, line); }

static void array_release(struct ArrowArray *array) {
  for (int64_t i = 0; i < array->n_children; i++)
    if (array->children[i]->release != NULL) array->children[i]->release(array->children[i]);
  if (array->n_children > 0) free(array->children[0]);
  free(array->children);
  if (array->n_buffers > 1) free((void *)array->buffers[1]);
  if (array->n_buffers > 2) free((void *)array->buffers[2]);
  free(array->buffers);
  array->release = NULL;
}

static void array_make(struct ArrowArray *array, int64_t buffers, int64_t children) {
  memset(array, 0, sizeof *array);
  array->length = 2;
  array->n_buffers = buffers;
  array->buffers = calloc((size_t)buffers, sizeof *array->buffers);
  array->n_children = children;
  array->release = array_release;
  if (children == 0) return;
  array->children = malloc(sizeof *array->children);
  array->children[0] = malloc(sizeof **array->children);
}

/* Two rows of int64, or of strings whose offsets lead out of their data. */
static void batch_make(struct State *state, struct ArrowArray *out) {
  array_make(out, 1, 1);
  if (is(state->fault, "offsets")) {
    int32_t *offsets = calloc(3, sizeof *offsets);
    offsets[1] = 1 << 30;
    offsets[2] = 1;
    array_make(out->children[0], 3, 0);
    out->children[0]->buffers[1] = offsets;
    out->children[0]->buffers[2] = calloc(1, 1);
  } else {
    int64_t *values = malloc(2 * sizeof *values);
    values[0] = FIRST + state->row++;
    values[1] = FIRST + state->row++;
    array_make(out->children[0], 2, 0);
    out->children[0]->buffers[1] = values;
  }
}

static void schema_release(struct ArrowSchema *schema) {
  if (schema->n_children > 0) free(schema->children[0]);
  free(schema->children);
  schema->release = NULL;
}

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
  struct State *state = stream->private_data;
  if (is(state->fault, "schema")) {
    format_plugin_fail(state->error, FORMAT_PLUGIN_BAD_DATA, "no schema to be had");
    return EINVAL;
  }
  memset(out, 0, sizeof *out);
  out->format = "+s";
  out->name = "";
  out->release = schema_release;
  out->n_children = 1;
  out->children = malloc(sizeof *out->children);
  out->children[0] = calloc(1, sizeof **out->children);
  out->children[0]->format = is(state->fault, "offsets") ? "u" : "l";
  out->children[0]->name = "n";
  out->children[0]->flags = ARROW_FLAG_NULLABLE;
  out->children[0]->release = schema_release;
  return 0;
}

/* What goes wrong in the middle of a stream; 0 when nothing does. */
static int wrong(struct State *state) {
  if (is(state->fault, "place")) {
    state->error->offset = 17;
    state->error->row = 3;
    format_plugin_text(state->error->column, sizeof state->error->column, "n");
    format_plugin_text(state->error->value, sizeof state->error->value, "x");
    format_plugin_text(state->error->option, sizeof state->error->option, "batches");
    return format_plugin_fail(state->error, FORMAT_PLUGIN_BAD_DATA, "row %d is wrong", 3);
  }
  if (is(state->fault, "silent")) return FORMAT_PLUGIN_FAILED;
  if (is(state->fault, "own")) return format_plugin_fail(state->error, FORMAT_PLUGIN_FAILED, "it is my fault");
  if (is(state->fault, "memory")) return format_plugin_fail(state->error, FORMAT_PLUGIN_NO_MEMORY, "no memory");
  if (is(state->fault, "long")) return format_plugin_fail(state->error, FORMAT_PLUGIN_BAD_DATA, "%02000d \xff", 1);
  if (is(state->fault, "segfault")) *(volatile int *)8 = 1;
  if (is(state->fault, "abort")) abort();
  if (is(state->fault, "exit")) _Exit(0);
  if (is(state->fault, "loop")) for (;;) continue;
  while (is(state->fault, "flood")) memset(malloc(1 << 20), 1, 1 << 20);
  if (is(state->fault, "cancel")) {
    while (!state->host->cancelled(state->host)) continue;
    return format_plugin_fail(state->error, FORMAT_PLUGIN_CANCELLED, "cancelled");
  }
  return 0;
}

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
  struct State *state = stream->private_data;
  const uint8_t *data;
  int64_t length = 1;
  out->release = NULL;
  if (is(state->fault, "errno_invalid")) return EINVAL;
  if (is(state->fault, "errno_unsupported")) return ENOSYS;
  if (is(state->fault, "errno_io")) return EIO;
  if (state->row > 0 && wrong(state)) return EINVAL;
  while (is(state->fault, "pull") && length > 0)
    if (state->source.next(&state->source, &data, &length, NULL) != 0) {
      format_plugin_fail(state->error, FORMAT_PLUGIN_SOURCE, "%s", state->source.get_last_error(&state->source));
      return EIO;
    }
  if (is(state->fault, "echo")) { /* none: a batch for each chunk of the document */
    if (state->source.next(&state->source, &data, &length, NULL) != 0) return EIO;
    state->left = length > 0;
  }
  if (state->left-- > 0) batch_make(state, out);
  return 0;
}

static const char *get_last_error(struct ArrowArrayStream *stream) {
  return is(((struct State *)stream->private_data)->fault, "errno_io") ? NULL : "in the stream's own words";
}

static void stream_release(struct ArrowArrayStream *stream) {
  struct State *state = stream->private_data;
  say(state->host, "stream released");
  if (state->source.release != NULL) state->source.release(&state->source);
  free(state);
  stream->release = NULL;
}

static struct State *state_new(struct FormatPluginFormat *self, struct FormatPluginError *error) {
  struct State *state = malloc(sizeof *state);
  *state = *(struct State *)self->private_data;
  state->error = error;
  return state;
}

static int open_reader(struct FormatPluginFormat *self, const struct ArrowSchema *schema, struct FormatPluginBytes *source,
                       struct ArrowArrayStream *out, struct FormatPluginError *error) {
  struct State *state = state_new(self, error);
  (void)schema;
  if (is(state->fault, "open") || is(state->fault, "open_moved") || is(state->fault, "twice")) {
    void (*release)(struct FormatPluginBytes *) = source->release;
    if (!is(state->fault, "open")) release(source);
    if (is(state->fault, "twice")) release(source);
    free(state);
    return format_plugin_fail(error, FORMAT_PLUGIN_BAD_DATA, "no reader to be had");
  }
  if (is(state->fault, "nothing")) {
    free(state);
    return FORMAT_PLUGIN_OK;
  }
  state->source = *source;
  source->release = NULL;
  out->get_schema = get_schema;
  out->get_next = get_next;
  out->get_last_error = get_last_error;
  out->release = stream_release;
  out->private_data = state;
  if (is(state->fault, "no_schema")) out->get_schema = NULL;
  if (is(state->fault, "no_next")) out->get_next = NULL;
  return FORMAT_PLUGIN_OK;
}

static int next(struct FormatPluginBytes *self, const uint8_t **data, int64_t *length, struct ArrowArray *keep) {
  struct State *state = self->private_data;
  struct ArrowArray batch;
  int status;
  (void)keep;
  *length = 0;
  if (state->row > 0 && (status = wrong(state)) != 0) return status;
  if (state->batches.get_next(&state->batches, &batch) != 0)
    return format_plugin_fail(state->error, FORMAT_PLUGIN_SOURCE, "%s", state->batches.get_last_error(&state->batches));
  if (batch.release == NULL) return FORMAT_PLUGIN_OK;
  state->row += batch.length;
  batch.release(&batch);
  *data = (const uint8_t *)WRITTEN;
  *length = sizeof WRITTEN - 1;
  return FORMAT_PLUGIN_OK;
}

static void bytes_release(struct FormatPluginBytes *self) {
  struct State *state = self->private_data;
  say(state->host, "bytes released");
  state->batches.release(&state->batches);
  free(state);
  self->release = NULL;
}

static const char *last_words(struct FormatPluginBytes *self) {
  (void)self;
  return "the last words";
}

static int open_writer(struct FormatPluginFormat *self, struct ArrowArrayStream *batches, struct FormatPluginBytes *out,
                       struct FormatPluginError *error) {
  struct FormatPluginBytes bytes = {0};
  struct State *state = state_new(self, error);
  if (is(state->fault, "open") || is(state->fault, "open_moved")) {
    if (is(state->fault, "open_moved")) batches->release(batches);
    free(state);
    return format_plugin_fail(error, FORMAT_PLUGIN_UNSUPPORTED, "no writer to be had");
  }
  if (is(state->fault, "nothing")) {
    free(state);
    return FORMAT_PLUGIN_OK;
  }
  state->batches = *batches;
  batches->release = NULL;
  bytes.next = next;
  bytes.get_last_error = last_words;
  bytes.release = bytes_release;
  bytes.private_data = state;
  if (is(state->fault, "no_next")) bytes.next = NULL;
  format_plugin_fill(out, &bytes, sizeof bytes);
  return FORMAT_PLUGIN_OK;
}

static void format_release(struct FormatPluginFormat *self) {
  struct State *state = self->private_data;
  say(state->host, "format released");
  free(state);
  self->release = NULL;
}

static int create_format(struct FormatPlugin *self, const struct FormatPluginHost *host, const char *options_json,
                         struct FormatPluginFormat *out, struct FormatPluginError *error) {
  struct FormatPluginFormat format = {0};
  struct State *state = calloc(1, sizeof *state);
  (void)self;
  say(host, options_json);
  state->host = host;
  sscanf(strstr(options_json, "\"fault\":\"") + 9, "%31[a-z_]", state->fault);
  state->left = strtoll(strstr(options_json, "\"batches\":") + 10, NULL, 10);
  if (is(state->fault, "option")) {
    format_plugin_text(error->option, sizeof error->option, "fault");
    free(state);
    return format_plugin_fail(error, FORMAT_PLUGIN_BAD_OPTION, "no such fault");
  }
  format.private_data = state;
  format.open_reader = open_reader;
#ifndef NO_WRITER
  format.open_writer = open_writer;
#endif
  format.release = format_release;
#ifdef SMALL_FORMAT
  /* As a plugin of a time when the struct ended here: what follows is not the host's to read. */
  format_plugin_fill(out, &format, offsetof(struct FormatPluginFormat, open_writer));
  out->open_writer = (int (*)(struct FormatPluginFormat *, struct ArrowArrayStream *, struct FormatPluginBytes *,
                              struct FormatPluginError *))(uintptr_t)16;
  out->release = (void (*)(struct FormatPluginFormat *))(uintptr_t)16;
#else
  format_plugin_fill(out, &format, sizeof format);
#endif
  return FORMAT_PLUGIN_OK;
}

#ifndef METADATA
#define METADATA JSON("numbers")
#endif
static const char *metadata_json(struct FormatPlugin *self) {
  (void)self;
  AT_METADATA;
  return METADATA;
}

__attribute__((constructor)) static void opened(void) { AT_OPEN; }

static const struct FormatPluginHost *init_host;

static void plugin_release(struct FormatPlugin *self) {
  say(init_host, "plugin released");
  self->release = NULL;
}

/* A struct of a later version, larger than the host's. */
struct Later {
  struct FormatPlugin plugin;
  char more[64];
};

int format_plugin_init(const struct FormatPluginHost *host, struct FormatPlugin *plugin, struct FormatPluginError *error) {
  struct Later mine = {0};
  int status = format_plugin_agree(host, &mine.plugin.abi_version, error);
  AT_INIT;
  if (status != FORMAT_PLUGIN_OK) return status;
  init_host = host;
  memset(mine.more, 1, sizeof mine.more);
#ifdef ANSWER
  mine.plugin.abi_version = ANSWER;
#endif
#ifndef NO_METADATA
  mine.plugin.metadata_json = metadata_json;
#endif
  mine.plugin.create_format = create_format;
  mine.plugin.release = plugin_release;
#if defined(SMALL_PLUGIN)
  format_plugin_fill(plugin, &mine, SMALL_PLUGIN);
#elif defined(GREEDY)
  memcpy(plugin, &mine, sizeof mine);
  plugin->struct_size = sizeof mine;
#else
  format_plugin_fill(plugin, &mine, sizeof mine);
#endif
  return FORMAT_PLUGIN_OK;
}
