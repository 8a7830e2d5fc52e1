/* The header of an .npy file, which is the text of a Python dictionary, and the layout that it describes.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#include "parts.h"

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define NATIVE_ORDER '>'
#else
#define NATIVE_ORDER '<'
#endif
#define MAX_FIELDS 16384

/* NumPy's kind and width, and Arrow's name for the same. */
static const struct {
  char kind;
  int width;
  char arrow;
} TYPES[] = {{'b', 1, 'b'}, {'i', 1, 'c'}, {'i', 2, 's'}, {'i', 4, 'i'}, {'i', 8, 'l'}, {'u', 1, 'C'},
             {'u', 2, 'S'}, {'u', 4, 'I'}, {'u', 8, 'L'}, {'f', 2, 'e'}, {'f', 4, 'f'}, {'f', 8, 'g'}};
#define TYPE_COUNT (sizeof TYPES / sizeof *TYPES)

/* What is being parsed: `at` moves over `start`. */
struct Cursor {
  const char *start;
  const char *at;
  struct FormatPluginError *error;
};

static int wrong(struct Cursor *cursor, const char *wanted) {
  format_plugin_text(cursor->error->value, sizeof cursor->error->value, cursor->at);
  return format_plugin_fail(cursor->error, FORMAT_PLUGIN_BAD_DATA, "its header is not valid: %s expected at character %d",
                            wanted, (int)(cursor->at - cursor->start));
}

static void skip_spaces(struct Cursor *cursor) { cursor->at += strspn(cursor->at, " \n\t"); }

static int taken(struct Cursor *cursor, char character) {
  skip_spaces(cursor);
  if (*cursor->at != character) return 0;
  cursor->at++;
  return 1;
}

/* A text in quotes of either kind; *text has to be freed. */
static int parse_text(struct Cursor *cursor, char **text) {
  char quote, *end;
  skip_spaces(cursor);
  quote = *cursor->at;
  if (quote != '\'' && quote != '"') return wrong(cursor, "a text in quotes");
  cursor->at++;
  end = *text = malloc(strlen(cursor->at) + 1);
  if (end == NULL) return no_memory(cursor->error);
  for (; *cursor->at != quote; cursor->at++) {
    if (*cursor->at == '\\' && (cursor->at[1] == '\\' || cursor->at[1] == quote)) {
      cursor->at++;
    } else if (*cursor->at == '\\' || *cursor->at == '\0') {
      free(*text);
      *text = NULL;
      return wrong(cursor, "the end of a text, without escapes");
    }
    *end++ = *cursor->at;
  }
  *end = '\0';
  cursor->at++;
  return FORMAT_PLUGIN_OK;
}

/* A type such as "<f8": byte order, kind, width. */
static int set_type(struct Cursor *cursor, struct Field *field, const char *type) {
  char order = *type, expected[16];
  for (size_t i = 0; order != '\0' && strchr("<>|=", order) != NULL && i < TYPE_COUNT; i++) {
    snprintf(expected, sizeof expected, "%c%d", TYPES[i].kind, TYPES[i].width);
    if (strcmp(type + 1, expected) != 0) continue;
    field->kind = TYPES[i].kind;
    field->width = TYPES[i].width;
    field->arrow[0] = TYPES[i].arrow;
    field->swap = field->width > 1 && (order == '<' || order == '>') && order != NATIVE_ORDER;
    return FORMAT_PLUGIN_OK;
  }
  format_plugin_text(cursor->error->column, sizeof cursor->error->column, field->name);
  format_plugin_text(cursor->error->value, sizeof cursor->error->value, type);
  return format_plugin_fail(cursor->error, FORMAT_PLUGIN_UNSUPPORTED,
                            "its type %.40s is no boolean, integer or floating point number", type);
}

static struct Field *add_field(struct Layout *layout) {
  size_t size = (size_t)(layout->field_count + 1) * sizeof *layout->fields;
  struct Field *grown = realloc(layout->fields, size);
  if (grown == NULL) return NULL;
  layout->fields = grown;
  memset(&grown[layout->field_count], 0, sizeof *grown);
  grown[layout->field_count].offset = layout->record_size;
  return &grown[layout->field_count++];
}

static int parse_field(struct Cursor *cursor, struct Layout *layout) {
  struct Field *field = add_field(layout);
  char *type = NULL;
  int status;
  if (field == NULL) return no_memory(cursor->error);
  if (layout->field_count > MAX_FIELDS)
    return format_plugin_fail(cursor->error, FORMAT_PLUGIN_UNSUPPORTED, "it has more than %d columns", MAX_FIELDS);
  if ((status = parse_text(cursor, &field->name)) != FORMAT_PLUGIN_OK) return status;
  if (!taken(cursor, ',')) return wrong(cursor, "a comma");
  if ((status = parse_text(cursor, &type)) == FORMAT_PLUGIN_OK) status = set_type(cursor, field, type);
  free(type);
  if (status != FORMAT_PLUGIN_OK) return status;
  layout->record_size += field->width;
  if (taken(cursor, ','))
    return format_plugin_fail(cursor->error, FORMAT_PLUGIN_UNSUPPORTED, "its field %.80s is an array in itself", field->name);
  return taken(cursor, ')') ? FORMAT_PLUGIN_OK : wrong(cursor, "a closing parenthesis");
}

/* One type for all, or a list of (name, type). */
static int parse_descr(struct Cursor *cursor, struct Layout *layout, int *is_records) {
  char *type = NULL;
  int status = FORMAT_PLUGIN_OK;
  *is_records = taken(cursor, '[');
  if (!*is_records) {
    struct Field *field = add_field(layout);
    if (field == NULL) return no_memory(cursor->error);
    if ((status = parse_text(cursor, &type)) == FORMAT_PLUGIN_OK) status = set_type(cursor, field, type);
    free(type);
    layout->record_size = field->width;
    return status;
  }
  while (status == FORMAT_PLUGIN_OK && taken(cursor, '(')) {
    status = parse_field(cursor, layout);
    if (!taken(cursor, ',')) break;
  }
  if (status == FORMAT_PLUGIN_OK && layout->field_count == 0) return wrong(cursor, "a field");
  return status != FORMAT_PLUGIN_OK || taken(cursor, ']') ? status : wrong(cursor, "a closing bracket");
}

/* Up to three lengths; *dimensions counts all of them. */
static int parse_shape(struct Cursor *cursor, int64_t lengths[3], int *dimensions) {
  if (!taken(cursor, '(')) return wrong(cursor, "a shape in parentheses");
  for (*dimensions = 0; !taken(cursor, ')'); ++*dimensions) {
    int64_t length = 0;
    skip_spaces(cursor);
    if (*cursor->at < '0' || *cursor->at > '9') return wrong(cursor, "a length");
    for (; *cursor->at >= '0' && *cursor->at <= '9'; cursor->at++) {
      if (length > INT64_MAX / 10 - 1) return wrong(cursor, "a smaller length");
      length = length * 10 + (*cursor->at - '0');
    }
    if (*dimensions < 3) lengths[*dimensions] = length;
    taken(cursor, 'L'); /* Python 2 wrote it behind long integers */
    if (!taken(cursor, ',') && *cursor->at != ')') return wrong(cursor, "a comma");
  }
  return FORMAT_PLUGIN_OK;
}

/* The columns of a plain array are named by their numbers, its only one "value". */
static int spread(struct Layout *layout, int64_t columns, struct FormatPluginError *error) {
  struct Field first = layout->fields[0];
  if (columns > MAX_FIELDS)
    return format_plugin_fail(error, FORMAT_PLUGIN_UNSUPPORTED, "it has more than %d columns", MAX_FIELDS);
  for (int64_t i = 0; i < columns; i++) {
    struct Field *field = i == 0 ? layout->fields : add_field(layout);
    if (field == NULL) return no_memory(error);
    *field = first;
    field->offset = i * first.width;
    if ((field->name = malloc(12)) == NULL) return no_memory(error);
    snprintf(field->name, 12, "%d", (int)i);
  }
  layout->record_size = columns * first.width;
  return FORMAT_PLUGIN_OK;
}

static int apply_shape(struct Layout *layout, int is_records, const int64_t lengths[3], int dimensions, int fortran,
                       struct FormatPluginError *error) {
  int status = FORMAT_PLUGIN_OK;
  if (dimensions > 2 || (is_records && dimensions > 1))
    return format_plugin_fail(error, FORMAT_PLUGIN_UNSUPPORTED, "it has %d dimensions; %s", dimensions,
                              is_records ? "records may have one" : "an array may have two");
  if (dimensions == 2 && lengths[1] == 0)
    return format_plugin_fail(error, FORMAT_PLUGIN_UNSUPPORTED, "its rows have no columns");
  if (fortran && dimensions == 2 && lengths[0] > 1 && lengths[1] > 1)
    return format_plugin_fail(error, FORMAT_PLUGIN_UNSUPPORTED,
                              "it is in Fortran order, one column after the other; save numpy.ascontiguousarray() of it");
  layout->rows = dimensions == 0 ? 1 : lengths[0];
  if (!is_records && dimensions == 2) {
    status = spread(layout, lengths[1], error);
  } else if (!is_records && (layout->fields[0].name = malloc(6)) != NULL) {
    strcpy(layout->fields[0].name, "value");
  } else if (!is_records) {
    status = no_memory(error);
  }
  if (status == FORMAT_PLUGIN_OK && layout->rows > INT64_MAX / layout->record_size)
    status = format_plugin_fail(error, FORMAT_PLUGIN_BAD_DATA, "its header is not valid: the array is larger than any file");
  return status;
}

static int parse_order(struct Cursor *cursor, int *fortran) {
  skip_spaces(cursor);
  *fortran = strncmp(cursor->at, "True", 4) == 0;
  if (!*fortran && strncmp(cursor->at, "False", 5) != 0) return wrong(cursor, "True or False");
  cursor->at += *fortran ? 4 : 5;
  return FORMAT_PLUGIN_OK;
}

/* On failure too, the layout has to be freed. */
int layout_parse(const char *text, struct Layout *layout, struct FormatPluginError *error) {
  struct Cursor cursor = {text, text, error};
  int64_t lengths[3] = {0};
  int is_records = 0, dimensions = 0, fortran = 0, seen = 0, status = FORMAT_PLUGIN_OK;
  memset(layout, 0, sizeof *layout);
  if (!taken(&cursor, '{')) return wrong(&cursor, "a dictionary");
  while (!taken(&cursor, '}')) {
    char *key = NULL;
    int bit;
    if ((status = parse_text(&cursor, &key)) != FORMAT_PLUGIN_OK) return status;
    bit = strcmp(key, "descr") == 0 ? 1 : strcmp(key, "fortran_order") == 0 ? 2 : strcmp(key, "shape") == 0 ? 4 : 8;
    free(key);
    if (bit == 8 || seen & bit) return wrong(&cursor, "one each of 'descr', 'fortran_order' and 'shape'");
    seen |= bit;
    if (!taken(&cursor, ':')) return wrong(&cursor, "a colon");
    if (bit == 1) status = parse_descr(&cursor, layout, &is_records);
    if (bit == 2) status = parse_order(&cursor, &fortran);
    if (bit == 4) status = parse_shape(&cursor, lengths, &dimensions);
    if (status != FORMAT_PLUGIN_OK) return status;
    if (!taken(&cursor, ',') && *cursor.at != '}') return wrong(&cursor, "a comma");
  }
  skip_spaces(&cursor);
  if (seen != 7) return wrong(&cursor, "one each of 'descr', 'fortran_order' and 'shape'");
  if (*cursor.at != '\0') return wrong(&cursor, "the end");
  return apply_shape(layout, is_records, lengths, dimensions, fortran, error);
}

static int field_from_schema(const struct ArrowSchema *schema, struct Field *field, struct FormatPluginError *error) {
  const char *name = schema->name == NULL ? "" : schema->name;
  format_plugin_text(error->column, sizeof error->column, name);
  for (size_t i = 0; schema->dictionary == NULL && i < TYPE_COUNT; i++) {
    if (schema->format[0] != TYPES[i].arrow || schema->format[1] != '\0') continue;
    field->kind = TYPES[i].kind;
    field->width = TYPES[i].width;
    field->arrow[0] = TYPES[i].arrow;
    field->name = malloc(strlen(name) + 1);
    if (field->name == NULL) return no_memory(error);
    strcpy(field->name, name);
    error->column[0] = '\0';
    return FORMAT_PLUGIN_OK;
  }
  return format_plugin_fail(error, FORMAT_PLUGIN_UNSUPPORTED,
                            "the column %.80s is of no boolean, integer or floating point type", name);
}

/* Records need names that differ, and that Python's quotes can hold; a plain array needs one type. */
static int check_field(const struct Layout *layout, int64_t index, int plain, struct FormatPluginError *error) {
  const struct Field *field = &layout->fields[index], *first = layout->fields;
  int status = FORMAT_PLUGIN_OK;
  if (plain && (field->kind != first->kind || field->width != first->width))
    status = format_plugin_fail(error, FORMAT_PLUGIN_UNSUPPORTED,
                                "the column %.80s has another type than the first, and an array has one type", field->name);
  if (!plain && *field->name == '\0')
    status = format_plugin_fail(error, FORMAT_PLUGIN_UNSUPPORTED, "the column '' has no name");
  for (const char *at = field->name; !plain && *at != '\0'; at++)
    if ((unsigned char)*at < ' ' || *at == 127)
      status = format_plugin_fail(error, FORMAT_PLUGIN_UNSUPPORTED, "the name of the column %d has a control character",
                                  (int)index);
  for (int64_t i = 0; !plain && i < index; i++)
    if (strcmp(layout->fields[i].name, field->name) == 0)
      status = format_plugin_fail(error, FORMAT_PLUGIN_UNSUPPORTED, "there are two columns %.80s", field->name);
  if (status != FORMAT_PLUGIN_OK) format_plugin_text(error->column, sizeof error->column, field->name);
  return status;
}

int layout_from_schema(const struct ArrowSchema *schema, int plain, struct Layout *layout, struct FormatPluginError *error) {
  int status = FORMAT_PLUGIN_OK;
  memset(layout, 0, sizeof *layout);
  if (schema->n_children == 0) return format_plugin_fail(error, FORMAT_PLUGIN_UNSUPPORTED, "there are no columns to write");
  if (schema->n_children > MAX_FIELDS)
    return format_plugin_fail(error, FORMAT_PLUGIN_UNSUPPORTED, "there are more than %d columns", MAX_FIELDS);
  for (int64_t i = 0; status == FORMAT_PLUGIN_OK && i < schema->n_children; i++) {
    struct Field *field = add_field(layout);
    if (field == NULL) return no_memory(error);
    status = field_from_schema(schema->children[i], field, error);
    if (status == FORMAT_PLUGIN_OK) status = check_field(layout, i, plain, error);
    layout->record_size += field->width;
  }
  return status;
}

static char *append_type(char *end, const struct Field *field) {
  return end + sprintf(end, "'%c%c%d'", field->width == 1 ? '|' : NATIVE_ORDER, field->kind, field->width);
}

static char *append_name(char *end, const char *name) {
  *end++ = '\'';
  for (; *name != '\0'; name++) {
    if (*name == '\'' || *name == '\\') *end++ = '\\';
    *end++ = *name;
  }
  *end++ = '\'';
  return end;
}

static char *append_records(char *end, const struct Layout *layout) {
  *end++ = '[';
  for (int64_t i = 0; i < layout->field_count; i++) {
    end += sprintf(end, "(");
    end = append_name(end, layout->fields[i].name);
    end += sprintf(end, ", ");
    end = append_type(end, &layout->fields[i]);
    end += sprintf(end, i + 1 < layout->field_count ? "), " : ")]");
  }
  return end;
}

/* The head of the file, magic and padding included, to be freed; NULL without memory. */
char *layout_text(const struct Layout *layout, int plain, size_t *length) {
  size_t room = 256, prefix;
  unsigned size, is_ascii = 1, major;
  char *text, *end;
  for (int64_t i = 0; i < layout->field_count; i++) {
    room += 2 * strlen(layout->fields[i].name) + 32;
    for (const char *at = layout->fields[i].name; *at != '\0'; at++) is_ascii &= (unsigned char)*at < 128;
  }
  if ((text = malloc(room)) == NULL) return NULL;
  /* Version 3 has UTF-8, version 2 long headers; the texts are moved behind the prefix when its size is known. */
  end = text + sprintf(text, "{'descr': ");
  end = plain ? append_type(end, layout->fields) : append_records(end, layout);
  end += sprintf(end, ", 'fortran_order': False, 'shape': (%lld,", (long long)layout->rows);
  if (plain && layout->field_count > 1) end += sprintf(end, " %lld", (long long)layout->field_count);
  end += sprintf(end, "), }");
  major = !plain && !is_ascii ? 3 : end - text > 65000 ? 2 : 1;
  prefix = major == 1 ? 10 : 12;
  *length = (prefix + (size_t)(end - text) + 1 + 63) / 64 * 64; /* the numbers begin at a multiple of 64 */
  memmove(text + prefix, text, (size_t)(end - text));
  memset(end + prefix, ' ', (size_t)(text + *length - 1 - (end + prefix)));
  text[*length - 1] = '\n';
  memcpy(text, "\x93NUMPY", 6);
  text[6] = (char)major;
  text[7] = 0;
  size = (unsigned)(*length - prefix);
  for (size_t i = 8; i < prefix; i++, size >>= 8) text[i] = (char)(size & 255);
  return text;
}

void layout_free(struct Layout *layout) {
  for (int64_t i = 0; i < layout->field_count; i++) free(layout->fields[i].name);
  free(layout->fields);
  memset(layout, 0, sizeof *layout);
}
