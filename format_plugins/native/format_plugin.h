/*
 * The interface between a host and a format plugin that is a native library, in any language that can export a C function.
 *
 * A plugin turns the bytes of a document into Arrow record batches, and back. It is one shared library, lib<name>.so, that
 * exports ONE symbol:
 *
 *     int format_plugin_init(const struct FormatPluginHost *host, struct FormatPlugin *plugin,
 *                            struct FormatPluginError *error);
 *
 * Bytes come in through a FormatPluginBytes that the plugin pulls, and record batches go out through an ArrowArrayStream
 * that the host pulls; for writing it is the other way around. Whoever pulls sets the pace, so memory stays bounded.
 *
 * This file needs C99 or C++11 and nothing else. Copy it into your project. README.md, beside it, is the guide.
 *
 * THE LAW
 *
 *  1. Sizes. Each struct of this file begins with struct_size. Before a call the host zeroes the struct that a plugin shall
 *     fill, and sets struct_size to the room that there is. The plugin writes no further than that, and sets struct_size
 *     to what it has filled. The host reads no further than that: what is missing counts as NULL. Structs only ever grow at
 *     their end, so format_plugin_fill() below does this right for all versions.
 *  2. Versions. An ABI version is major << 16 | minor. Another major is refused with a message. Of two minors the lower one
 *     holds: the plugin sets abi_version to it, which is never above the host's. format_plugin_agree() does both.
 *  3. Missing functions. A function pointer may be NULL where its comment says what then happens.
 *  4. Errors. A function that returns int returns a FormatPluginStatus: 0, or the kind of failure. Before it returns a failure
 *     it fills the FormatPluginError that it was given. That struct is the host's own memory: nothing in it is ever freed by
 *     either side, and what it says outlives the plugin.
 *  5. Moving. A struct may be moved in memory with memcpy; whoever moves one out of its place sets `release` in the old place
 *     to NULL. State therefore belongs in private_data, and never in pointers to a struct of this file. The same holds for the
 *     structs of Arrow.
 *  6. Release. Whoever owns a struct calls its release exactly once, and then reads it no more. release() sets `release` in
 *     the struct to NULL. A NULL release means that there is nothing to release.
 *  7. Threads. Calls on one struct never overlap, but may come from different threads. Calls on different formats may overlap.
 *     What a record batch holds may be released by any thread, after everything else has been released: libraries are
 *     never unloaded.
 *  8. Manners. No C++ exception, Rust panic or longjmp leaves a function. A plugin does not fork, install signal handlers,
 *     change the locale or the working folder, or write to standard output. Strings are UTF-8 and end with NUL.
 *  9. Lifetimes nest: streams end before their format, formats before their plugin. Record batches may outlive all of them.
 */
#ifndef FORMAT_PLUGIN_H
#define FORMAT_PLUGIN_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FORMAT_PLUGIN_ABI_MAJOR 1
#define FORMAT_PLUGIN_ABI_MINOR 0
/* The same as a member of the manifest: "abi": "1.0". */
#define FORMAT_PLUGIN_ABI_TEXT "1.0"
#define FORMAT_PLUGIN_ABI_VERSION (((uint32_t)FORMAT_PLUGIN_ABI_MAJOR << 16) | (uint32_t)FORMAT_PLUGIN_ABI_MINOR)

#if defined(__GNUC__)
#define FORMAT_PLUGIN_EXPORT __attribute__((visibility("default")))
#define FORMAT_PLUGIN_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define FORMAT_PLUGIN_EXPORT
#define FORMAT_PLUGIN_PRINTF(text, first)
#endif

/*
 * The Arrow C data and stream interfaces, as Arrow publishes them; the guards let them be defined elsewhere too.
 * https://arrow.apache.org/docs/format/CDataInterface.html and CStreamInterface.html
 */
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
  const char *format;
  const char *name;
  const char *metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema **children;
  struct ArrowSchema *dictionary;
  void (*release)(struct ArrowSchema *);
  void *private_data;
};

struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void **buffers;
  struct ArrowArray **children;
  struct ArrowArray *dictionary;
  void (*release)(struct ArrowArray *);
  void *private_data;
};

#endif /* ARROW_C_DATA_INTERFACE */

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
  int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
  int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
  const char *(*get_last_error)(struct ArrowArrayStream *);
  void (*release)(struct ArrowArrayStream *);
  void *private_data;
};

#endif /* ARROW_C_STREAM_INTERFACE */

/* What a function returns: whose fault it is decides what the client and the operator are told. */
enum FormatPluginStatus {
  FORMAT_PLUGIN_OK = 0,
  FORMAT_PLUGIN_BAD_DATA = 1,    /* the document is wrong; say where, as far as it is known */
  FORMAT_PLUGIN_UNSUPPORTED = 2, /* the format cannot carry it: a type, a null, a combination of options */
  FORMAT_PLUGIN_BAD_OPTION = 3,  /* an option cannot have its value; name it in `option` */
  FORMAT_PLUGIN_FAILED = 4,      /* the plugin's own fault */
  FORMAT_PLUGIN_SOURCE = 5,      /* what was pulled from has failed: pass it on, the host knows why */
  FORMAT_PLUGIN_CANCELLED = 6,   /* host->cancelled() said so */
  FORMAT_PLUGIN_NO_MEMORY = 7,
  FORMAT_PLUGIN_WRONG_ABI = 8 /* format_plugin_init only: another major version */
};

/* The levels of host->log(). */
enum FormatPluginLevel {
  FORMAT_PLUGIN_DEBUG = 10,
  FORMAT_PLUGIN_INFO = 20,
  FORMAT_PLUGIN_WARNING = 30,
  FORMAT_PLUGIN_ERROR = 40
};

/*
 * What went wrong: the host's memory, zeroed but for struct_size and the numbers, which are -1. All but code and message
 * may be left as they are. The texts are cut to their arrays and end with NUL.
 */
struct FormatPluginError {
  uint32_t struct_size;
  int32_t code;       /* FormatPluginStatus */
  int64_t offset;     /* bytes from the start of the document, from 0 */
  int64_t row;        /* records, from 1 */
  char column[128];   /* the column's name */
  char value[64];     /* the offending text */
  char option[64];    /* the option that is wrong, or that cures it */
  char message[1024]; /* a sentence for who sent the document; no full stop at its end */
};

/* What the host offers. Given to format_plugin_init, where it stays valid for good, and to create_format, where it stays valid
 * until the format's release. The plugin never changes or releases it. */
struct FormatPluginHost {
  uint32_t struct_size;
  uint32_t abi_version; /* the highest that the host speaks */
  void *context;        /* the host's own */

  /* Put one line into the host's log. The text is copied. Never NULL. */
  void (*log)(const struct FormatPluginHost *host, int level, const char *message);

  /* 1 when nobody wants the result any more, else 0. Worth asking about ten times a second in work that is long; the plugin
   * then returns FORMAT_PLUGIN_CANCELLED. At init nothing can be cancelled: 0. Never NULL. */
  int (*cancelled)(const struct FormatPluginHost *host);
};

/* A document as it is pulled, in chunks. */
struct FormatPluginBytes {
  uint32_t struct_size;
  uint32_t reserved;

  /* Set *data and *length to the next chunk; *length 0 is the end, and stays the end. Chunks have any size; the host's are of
   * 1 MiB and more but for the last one. They are read only.
   *
   * How long the bytes stay: until the next call of next() or release(), when keep is NULL or is left alone. When keep is
   * not NULL, it is a zeroed struct of the caller's, which the owner of the bytes may fill: then they stay until
   * keep->release(keep) is called, by whoever then owns keep, at any time, in any thread. The host always fills it. So a
   * plugin can make arrays that point into the document instead of copying it.
   *
   * What keep is filled with is an array of uint8 whose buffers[1] holds the chunk, offset 0, without nulls.
   *
   * Returns 0, or the kind of failure; for the host's that is FORMAT_PLUGIN_SOURCE. After a failure only release() may be
   * called. */
  int (*next)(struct FormatPluginBytes *self, const uint8_t **data, int64_t *length, struct ArrowArray *keep);

  /* Say why next() failed; valid until release(). NULL or returning NULL: there is nothing to say. */
  const char *(*get_last_error)(struct FormatPluginBytes *self);

  /* Give back all that belongs to the stream. NULL: there is nothing to give back. */
  void (*release)(struct FormatPluginBytes *self);

  void *private_data; /* of who made the stream */
};

/* The codec of one stream, with that stream's options. */
struct FormatPluginFormat {
  uint32_t struct_size;
  uint32_t reserved;
  void *private_data; /* the plugin's */

  /* Begin to read a document.
   *
   * schema  borrowed, for this call only; NULL when the client has not asked for a schema. A format whose bytes carry no types
   *         gives the columns these types. Whatever comes out is made to fit afterwards, or refused, by the host.
   * source  the document. It belongs to the plugin from here: move it (law 5) and release it at the latest in the release of
   *         out. After a failure the host releases what was not moved.
   * out     zeroed; filled with a stream of struct arrays, which are the record batches. Its schema is known before its
   *         first batch and never changes, and there is one for an empty document too. A few thousand to a few hundred
   *         thousand rows make a good batch. Read the head of the document here rather than in get_schema, since here the
   *         error can be told in full.
   * error   stays valid until out is released. When get_next or get_schema fail, fill it too, and return EINVAL; without it the
   *         host goes by the errno (EINVAL bad data, ENOSYS unsupported, ENOMEM, all else the plugin's fault) and the text
   *         of get_last_error.
   *
   * Bytes after the end of the document are FORMAT_PLUGIN_BAD_DATA. NULL: the format cannot be read. */
  int (*open_reader)(struct FormatPluginFormat *self, const struct ArrowSchema *schema, struct FormatPluginBytes *source,
                     struct ArrowArrayStream *out, struct FormatPluginError *error);

  /* Begin to write a document.
   *
   * batches the record batches, struct arrays without nulls of their own. The stream belongs to the plugin from here, as
   *         `source` does above. Arrays may have an offset: the struct's own has to be added to those of its children. A
   *         failure of get_next is FORMAT_PLUGIN_SOURCE.
   * out     zeroed but for struct_size; filled with the stream of the document's bytes. Zero rows make a complete document.
   * error   stays valid until out is released, and is filled also when out->next fails.
   *
   * A type that the format has no way to carry is FORMAT_PLUGIN_UNSUPPORTED, named by its column, and is refused here.
   * NULL: the format cannot be written. */
  int (*open_writer)(struct FormatPluginFormat *self, struct ArrowArrayStream *batches, struct FormatPluginBytes *out,
                     struct FormatPluginError *error);

  /* Give back what belongs to the format. NULL: there is nothing. */
  void (*release)(struct FormatPluginFormat *self);
};

/* A plugin: who it is, and how to make its formats. */
struct FormatPlugin {
  uint32_t struct_size;
  uint32_t abi_version; /* the one that both sides speak, see law 2 */
  void *private_data;   /* the plugin's */

  /* The manifest, valid until release(): see FORMAT_PLUGIN_MANIFEST. NULL: the one in the file holds. */
  const char *(*metadata_json)(struct FormatPlugin *self);

  /* Make the codec of one stream. options_json is borrowed for this call: an object with a value for each option of the
   * manifest, in its order and without spaces. Types have been checked, and `choices`, `minimum` and `maximum`; what else
   * there is to check is checked here. No I/O. Never NULL. */
  int (*create_format)(struct FormatPlugin *self, const struct FormatPluginHost *host, const char *options_json,
                       struct FormatPluginFormat *out, struct FormatPluginError *error);

  /* Give back what belongs to the plugin. NULL: there is nothing. It is not called when the process just ends. */
  void (*release)(struct FormatPlugin *self);
};

/* The one export. Called once a load, before anything else; fills plugin. No I/O. */
FORMAT_PLUGIN_EXPORT int format_plugin_init(const struct FormatPluginHost *host, struct FormatPlugin *plugin,
                                            struct FormatPluginError *error);

/*
 * The manifest: a JSON object that says who the plugin is. It lies in a section of the file, where the host reads it before
 * any code of the plugin runs. Without it the host first learns of the plugin's name from metadata_json.
 *
 *   {"abi": "1.0", "name": "npy", "version": "1.0.0", "description": "...", "extensions": [".npy"], "media_types": ["..."],
 *    "capabilities": {"read": true, "write": true, "streaming_read": true, "streaming_write": true, "infers_schema": false},
 *    "api": ">=1,<2",
 *    "options": [{"name": "batch_rows", "type": "int", "default": 65536, "doc": "...", "unit": "rows", "minimum": 1}]}
 *
 * Only name and version are required. The type of an option is str, int, float, bool or list[str]; "| null" behind it lets it
 * be null. An option without a default must be given. `choices` lists the values that a str may have.
 */
#define FORMAT_PLUGIN_MANIFEST_SECTION ".format_plugin"
#if defined(__GNUC__)
#define FORMAT_PLUGIN_MANIFEST(name, json) \
  __attribute__((section(FORMAT_PLUGIN_MANIFEST_SECTION), used)) static const char name[] = json
#else
#define FORMAT_PLUGIN_MANIFEST(name, json) static const char name[] = json
#endif

/* Helpers. No host needs them; they make plugins shorter. */

/* Move `mine`, of `size` bytes, into the struct that the host wants filled (law 1). Both begin with struct_size. */
static inline void format_plugin_fill(void *out, const void *mine, uint32_t size) {
  uint32_t room;
  memcpy(&room, out, sizeof room);
  if (size > room) size = room;
  memcpy(out, mine, size);
  memcpy(out, &size, sizeof size);
}

/* Describe a failure and return its code. The message is a printf format. */
FORMAT_PLUGIN_PRINTF(3, 4)
static inline int format_plugin_fail(struct FormatPluginError *error, int code, const char *message, ...) {
  va_list arguments;
  va_start(arguments, message);
  error->code = code;
  vsnprintf(error->message, sizeof error->message, message, arguments);
  va_end(arguments);
  return code;
}

/* Copy a text into one of an error's arrays, cut to its size. */
static inline void format_plugin_text(char *array, size_t size, const char *text) {
  if (text != NULL) snprintf(array, size, "%s", text);
}

/* Agree on a version with the host (law 2). */
static inline int format_plugin_agree(const struct FormatPluginHost *host, uint32_t *agreed, struct FormatPluginError *error) {
  if (host->abi_version >> 16 != FORMAT_PLUGIN_ABI_MAJOR)
    return format_plugin_fail(error, FORMAT_PLUGIN_WRONG_ABI,
                              "it was built for version %d of the native interface, and the host has %d",
                              FORMAT_PLUGIN_ABI_MAJOR, (int)(host->abi_version >> 16));
  *agreed = host->abi_version < FORMAT_PLUGIN_ABI_VERSION ? host->abi_version : FORMAT_PLUGIN_ABI_VERSION;
  return FORMAT_PLUGIN_OK;
}

#ifdef __cplusplus
}
#endif

#endif /* FORMAT_PLUGIN_H */
