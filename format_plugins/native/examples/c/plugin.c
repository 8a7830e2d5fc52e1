/* Who this plugin is, and how its formats are made. */
#include "parts.h"

FORMAT_PLUGIN_MANIFEST(manifest,
    "{\"abi\": \"" FORMAT_PLUGIN_ABI_TEXT "\", \"name\": \"npy\", \"version\": \"1.0.0\","
    " \"description\": \"NumPy arrays of one and two dimensions, and of records: numbers and booleans without nulls\","
    " \"extensions\": [\".npy\"], \"media_types\": [\"application/x-npy\"],"
    " \"capabilities\": {\"read\": true, \"write\": true, \"streaming_read\": true, \"streaming_write\": false},"
    " \"options\": ["
    "  {\"name\": \"batch_rows\", \"type\": \"int\", \"default\": 131072, \"minimum\": 1, \"maximum\": 16777216,"
    "   \"doc\": \"the most rows of a record batch that is read\", \"unit\": \"rows\"},"
    "  {\"name\": \"layout\", \"type\": \"str\", \"default\": \"records\", \"choices\": [\"records\", \"array\"],"
    "   \"doc\": \"write an array of records, which keeps names and types, or a plain array of one type\"}]}");

/* Find an option's value. The host writes the object without spaces, and a quote inside a text has a backslash before it,
 * so what looks like a member is one. */
static const char *option(const char *json, const char *member) {
  const char *found = strstr(json, member);
  return found == NULL ? "" : found + strlen(member);
}

static void format_release(struct FormatPluginFormat *self) {
  free(self->private_data);
  self->release = NULL;
}

static int create_format(struct FormatPlugin *self, const struct FormatPluginHost *host, const char *options_json,
                         struct FormatPluginFormat *out, struct FormatPluginError *error) {
  struct FormatPluginFormat format = {0};
  struct Codec *codec = calloc(1, sizeof *codec);
  (void)self;
  if (codec == NULL) return no_memory(error);
  codec->host = host;
  codec->options.batch_rows = strtoll(option(options_json, "\"batch_rows\":"), NULL, 10);
  codec->options.plain = strncmp(option(options_json, "\"layout\":"), "\"array\"", 7) == 0;
  format.private_data = codec;
  format.open_reader = reader_open;
  format.open_writer = writer_open;
  format.release = format_release;
  format_plugin_fill(out, &format, sizeof format);
  return FORMAT_PLUGIN_OK;
}

static const char *metadata_json(struct FormatPlugin *self) {
  (void)self;
  return manifest;
}

int format_plugin_init(const struct FormatPluginHost *host, struct FormatPlugin *plugin, struct FormatPluginError *error) {
  struct FormatPlugin mine = {0};
  int status = format_plugin_agree(host, &mine.abi_version, error);
  if (status != FORMAT_PLUGIN_OK) return status;
  mine.metadata_json = metadata_json;
  mine.create_format = create_format;
  format_plugin_fill(plugin, &mine, sizeof mine);
  return FORMAT_PLUGIN_OK;
}
