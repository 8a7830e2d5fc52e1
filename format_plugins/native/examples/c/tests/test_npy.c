/* Loads the library as a host does, writes an array, and reads it back in chunks of every size. */
#undef NDEBUG
#include <assert.h>
#include <dlfcn.h>

#include "format_plugin.h"

typedef int (*Entry)(const struct FormatPluginHost *, struct FormatPlugin *, struct FormatPluginError *);

static void log_line(const struct FormatPluginHost *host, int level, const char *message) {
  (void)host;
  fprintf(stderr, "%d %s\n", level, message);
}

static int cancelled(const struct FormatPluginHost *host) {
  (void)host;
  return 0;
}

static const struct FormatPluginHost HOST = {sizeof HOST, FORMAT_PLUGIN_ABI_VERSION, NULL, log_line, cancelled};

/* A document that is handed out in chunks of one size, and whether it was given back. */
struct Document {
  const uint8_t *data;
  int64_t length, position, chunk;
  int released;
};

static int document_next(struct FormatPluginBytes *self, const uint8_t **data, int64_t *length, struct ArrowArray *keep) {
  struct Document *document = self->private_data;
  (void)keep; /* left alone: a plugin must do without */
  *length = document->length - document->position < document->chunk ? document->length - document->position : document->chunk;
  *data = document->data + document->position;
  document->position += *length;
  return FORMAT_PLUGIN_OK;
}

static const char *document_error(struct FormatPluginBytes *self) {
  (void)self;
  return NULL;
}

static void document_release(struct FormatPluginBytes *self) {
  ((struct Document *)self->private_data)->released++;
  self->release = NULL;
}

static const char OPTIONS[] = "{\"batch_rows\":131072,\"layout\":\"records\"}";

/* Begin to read a document with all rows in one batch; returns the status. */
static int opened(struct FormatPluginFormat *format, struct Document *document, struct ArrowArrayStream *stream,
                  struct FormatPluginError *error) {
  struct FormatPluginBytes source = {sizeof source, 0, document_next, document_error, document_release, document};
  int status;
  memset(stream, 0, sizeof *stream);
  memset(error, 0, sizeof *error);
  error->struct_size = sizeof *error;
  status = format->open_reader(format, NULL, &source, stream, error);
  if (source.release != NULL) source.release(&source);
  return status;
}

static const char RECORDS[] =
    "{'descr': [('id', '<i4'), ('ok', '|b1'), ('x', '>f8')], 'fortran_order': False, 'shape': (3,), }\n";

/* Three records of a 4 byte number, a boolean, and a double in the other byte order. */
static int64_t make_document(uint8_t *room) {
  static const uint8_t rows[] = {1, 0, 0, 0, 1, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0,
                                 0, 0, 3, 0, 0, 0, 1, 0xc0, 0, 0, 0, 0, 0, 0, 0};
  memcpy(room, "\x93NUMPY\x01\x00", 8);
  room[8] = sizeof RECORDS - 1;
  room[9] = 0;
  memcpy(room + 10, RECORDS, sizeof RECORDS - 1);
  memcpy(room + 10 + sizeof RECORDS - 1, rows, sizeof rows);
  return (int64_t)(10 + sizeof RECORDS - 1 + sizeof rows);
}

static void test_records_are_read_in_chunks_of_every_size(struct FormatPluginFormat *format) {
  uint8_t room[256];
  int64_t length = make_document(room);
  for (int64_t chunk = 1; chunk <= length; chunk++) {
    struct Document document = {room, length, 0, chunk, 0};
    struct ArrowArrayStream stream;
    struct FormatPluginError error;
    struct ArrowSchema schema;
    struct ArrowArray batch;
    assert(opened(format, &document, &stream, &error) == FORMAT_PLUGIN_OK);
    assert(stream.get_schema(&stream, &schema) == 0);
    assert(schema.n_children == 3 && strcmp(schema.children[2]->name, "x") == 0);
    assert(strcmp(schema.children[2]->format, "g") == 0);
    schema.release(&schema);
    assert(stream.get_next(&stream, &batch) == 0 && batch.length == 3);
    assert(((const int32_t *)batch.children[0]->buffers[1])[2] == 3);
    assert(*(const uint8_t *)batch.children[1]->buffers[1] == 5);
    assert(((const double *)batch.children[2]->buffers[1])[1] == 2.0);
    batch.release(&batch);
    assert(stream.get_next(&stream, &batch) == 0 && batch.release == NULL);
    assert(document.released == 0);
    stream.release(&stream);
    assert(document.released == 1);
  }
}

static void test_a_document_that_is_cut_short_is_refused_wherever_it_is_cut(struct FormatPluginFormat *format) {
  uint8_t room[256];
  int64_t length = make_document(room);
  for (int64_t end = 0; end < length; end++) {
    struct Document document = {room, end, 0, 16, 0};
    struct ArrowArrayStream stream;
    struct FormatPluginError error;
    struct ArrowArray batch;
    if (opened(format, &document, &stream, &error) == FORMAT_PLUGIN_OK) {
      assert(stream.get_next(&stream, &batch) != 0);
      assert(error.row >= 1);
      stream.release(&stream);
    }
    assert(error.code == FORMAT_PLUGIN_BAD_DATA && *error.message != '\0');
    assert(document.released == 1);
  }
}

static void test_another_major_version_is_refused(Entry entry) {
  struct FormatPluginHost host = HOST;
  struct FormatPlugin plugin = {0};
  struct FormatPluginError error = {0};
  host.abi_version = 99u << 16;
  plugin.struct_size = sizeof plugin;
  assert(entry(&host, &plugin, &error) == FORMAT_PLUGIN_WRONG_ABI && strstr(error.message, "99") != NULL);
}

int main(int count, char **arguments) {
  void *library = count == 2 ? dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL) : NULL;
  void *symbol = library == NULL ? NULL : dlsym(library, "format_plugin_init");
  struct FormatPlugin plugin = {0};
  struct FormatPluginFormat format = {0};
  struct FormatPluginError error = {0};
  Entry entry;
  if (symbol == NULL) {
    fprintf(stderr, "usage: %s LIBRARY; %s\n", arguments[0], count == 2 ? dlerror() : "which library?");
    return 2;
  }
  memcpy(&entry, &symbol, sizeof entry); /* ISO C knows no cast from data to functions */
  plugin.struct_size = sizeof plugin;
  format.struct_size = sizeof format;
  error.struct_size = sizeof error;
  assert(entry(&HOST, &plugin, &error) == FORMAT_PLUGIN_OK);
  assert(plugin.abi_version == FORMAT_PLUGIN_ABI_VERSION);
  assert(strstr(plugin.metadata_json(&plugin), "\"npy\"") != NULL);
  assert(plugin.create_format(&plugin, &HOST, OPTIONS, &format, &error) == FORMAT_PLUGIN_OK);
  test_another_major_version_is_refused(entry);
  test_records_are_read_in_chunks_of_every_size(&format);
  test_a_document_that_is_cut_short_is_refused_wherever_it_is_cut(&format);
  format.release(&format);
  if (plugin.release != NULL) plugin.release(&plugin);
  puts("3 passed, 0 failed");
  return 0;
}
