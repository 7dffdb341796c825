#include "ntk/base/record.h"

#include <stdbool.h>
#include <string.h>

#include "ntk/base/memory.h"

size_t ntk_kind_size(ntk_kind kind) {
  switch (kind) {
    case NTK_KIND_REAL:
      return sizeof(double);
    case NTK_KIND_SINGLE:
      return sizeof(float);
    case NTK_KIND_INT:
      return sizeof(int64_t);
    case NTK_KIND_FLAG:
      return sizeof(int8_t);
    case NTK_KIND_TEXT:
      return sizeof(char *);
  }
  return 0;
}

/* Texts come from tables of this program; only names can come from a file. */
static void put(char *target, size_t size, const char *text) {
  const size_t length = text ? strlen(text) : 0;

  NTK_ASSERT(length < size);
  if (length > 0) memcpy(target, text, length);
  target[length] = '\0';
}

static ntk_status check_name(const char *name) {
  NTK_CHECK(name[0] && strlen(name) < NTK_NAME_SIZE, NTK_E_INPUT,
            "the name '%.200s' must have 1 to %d characters", name, NTK_NAME_SIZE - 1);
  return NTK_OK;
}

static ntk_status copy_text(const char *text, char **copy) {
  const size_t size = strlen(text) + 1;

  NTK_TRY(NTK_NEW(size, copy));
  memcpy(*copy, text, size);
  return NTK_OK;
}

/* Makes room for one more element of `size` bytes in an array that doubles. */
static ntk_status reserve(size_t size, int64_t count, int64_t *capacity, void *address) {
  if (count < *capacity) return NTK_OK;
  const int64_t wanted = 2 * count + 4;
  void *old = NULL, *grown = NULL;

  NTK_TRY(ntk_new((size_t)wanted, size, &grown));
  memcpy(&old, address, sizeof(old));
  if (count > 0) memcpy(grown, old, (size_t)count * size);
  ntk_free(&old);
  memcpy(address, &grown, sizeof(grown));
  *capacity = wanted;
  return NTK_OK;
}

/* The names separated by spaces in `dimensions`. */
static void split_dimensions(const char *dimensions, ntk_variable *variable) {
  const char *at = dimensions ? dimensions : "";

  for (at += strspn(at, " "); *at; at += strspn(at, " ")) {
    const size_t length = strcspn(at, " ");

    NTK_ASSERT(variable->rank < NTK_MAX_RANK && length < NTK_NAME_SIZE);
    memcpy(variable->dimension[variable->rank], at, length);
    variable->dimension[variable->rank++][length] = '\0';
    at += length;
  }
}

static ntk_status set_sizes(const int64_t *sizes, ntk_variable *variable) {
  variable->count = 1;
  for (int k = 0; k < variable->rank; ++k) {
    NTK_ASSERT(sizes && sizes[k] >= 0);
    NTK_CHECK(sizes[k] == 0 || variable->count <= INT64_MAX / sizes[k], NTK_E_MEMORY,
              "out of memory: '%s' has more than 2^63 entries", variable->name);
    variable->size[k] = sizes[k];
    variable->count *= sizes[k];
  }
  return NTK_OK;
}

static ntk_status describe(const ntk_field *field, const int64_t *sizes, ntk_variable *variable) {
  NTK_TRY(check_name(field->name));
  put(variable->name, sizeof(variable->name), field->name);
  put(variable->units, sizeof(variable->units), field->units ? field->units : "1");
  put(variable->long_name, sizeof(variable->long_name), field->long_name);
  put(variable->source, sizeof(variable->source), field->source);
  variable->kind = field->kind;
  split_dimensions(field->dimensions, variable);
  return set_sizes(sizes, variable);
}

ntk_status ntk_record_add(ntk_record *record, const ntk_field *field, const int64_t *sizes,
                          void *data) {
  ntk_variable variable = {0};

  NTK_ASSERT(!ntk_record_find(record, field->name));
  NTK_TRY(describe(field, sizes, &variable));
  NTK_TRY(reserve(sizeof(variable), record->variable_count, &record->variable_capacity,
                  &record->variables));
  NTK_TRY(ntk_new((size_t)variable.count, ntk_kind_size(variable.kind), &variable.data));
  record->variables[record->variable_count++] = variable;
  if (data) memcpy(data, &variable.data, sizeof(variable.data));
  return NTK_OK;
}

ntk_status ntk_record_add_real(ntk_record *record, const ntk_field *field, double value) {
  double *data = NULL;

  NTK_ASSERT(field->kind == NTK_KIND_REAL && (!field->dimensions || !field->dimensions[0]));
  NTK_TRY(ntk_record_add(record, field, NULL, &data));
  *data = value;
  return NTK_OK;
}

ntk_status ntk_record_add_int(ntk_record *record, const ntk_field *field, int64_t value) {
  int64_t *data = NULL;

  NTK_ASSERT(field->kind == NTK_KIND_INT && (!field->dimensions || !field->dimensions[0]));
  NTK_TRY(ntk_record_add(record, field, NULL, &data));
  *data = value;
  return NTK_OK;
}

ntk_status ntk_variable_set_text(ntk_variable *variable, int64_t k, const char *text) {
  char *copy = NULL;

  NTK_ASSERT(variable->kind == NTK_KIND_TEXT && k >= 0 && k < variable->count);
  NTK_TRY(copy_text(text, &copy));
  char **entry = (char **)variable->data + k;

  ntk_free(entry);
  *entry = copy;
  return NTK_OK;
}

/* The attribute of that name, or else a new one. */
static ntk_status attribute(ntk_record *record, const char *name, ntk_attribute **slot) {
  for (int64_t k = 0; k < record->attribute_count; ++k) {
    *slot = &record->attributes[k];
    if (strcmp((*slot)->name, name) == 0) return NTK_OK;
  }
  NTK_TRY(check_name(name));
  NTK_TRY(reserve(sizeof(ntk_attribute), record->attribute_count, &record->attribute_capacity,
                  &record->attributes));
  *slot = &record->attributes[record->attribute_count++];
  put((*slot)->name, sizeof((*slot)->name), name);
  return NTK_OK;
}

static void replace(ntk_attribute *slot, ntk_kind kind, double real, int64_t integer, char *text) {
  ntk_free(&slot->text);
  slot->kind = kind;
  slot->real = real;
  slot->integer = integer;
  slot->text = text;
}

ntk_status ntk_record_set_text(ntk_record *record, const char *name, const char *text) {
  ntk_attribute *slot = NULL;
  char *copy = NULL;

  NTK_TRY(copy_text(text, &copy));
  const ntk_status status = attribute(record, name, &slot);

  if (status == NTK_OK) {
    replace(slot, NTK_KIND_TEXT, 0, 0, copy);
  } else {
    ntk_free(&copy);
  }
  return status;
}

ntk_status ntk_record_set_real(ntk_record *record, const char *name, double value) {
  ntk_attribute *slot = NULL;

  NTK_TRY(attribute(record, name, &slot));
  replace(slot, NTK_KIND_REAL, value, 0, NULL);
  return NTK_OK;
}

ntk_status ntk_record_set_int(ntk_record *record, const char *name, int64_t value) {
  ntk_attribute *slot = NULL;

  NTK_TRY(attribute(record, name, &slot));
  replace(slot, NTK_KIND_INT, 0, value, NULL);
  return NTK_OK;
}

static ntk_status copy_attribute(const ntk_attribute *a, ntk_record *to) {
  if (a->kind == NTK_KIND_TEXT) return ntk_record_set_text(to, a->name, a->text);
  if (a->kind == NTK_KIND_INT) return ntk_record_set_int(to, a->name, a->integer);
  return ntk_record_set_real(to, a->name, a->real);
}

ntk_status ntk_record_copy_attributes(const ntk_record *from, ntk_record *to) {
  for (int64_t k = 0; k < from->attribute_count; ++k) {
    NTK_TRY(copy_attribute(&from->attributes[k], to));
  }
  return NTK_OK;
}

ntk_variable *ntk_record_find(const ntk_record *record, const char *name) {
  for (int64_t k = 0; k < record->variable_count; ++k) {
    if (strcmp(record->variables[k].name, name) == 0) return &record->variables[k];
  }
  return NULL;
}

const ntk_attribute *ntk_record_find_attribute(const ntk_record *record, const char *name) {
  for (int64_t k = 0; k < record->attribute_count; ++k) {
    if (strcmp(record->attributes[k].name, name) == 0) return &record->attributes[k];
  }
  return NULL;
}

static void destroy_variable(ntk_variable *variable) {
  char **text = variable->data;

  for (int64_t k = 0; text && variable->kind == NTK_KIND_TEXT && k < variable->count; ++k) {
    ntk_free(&text[k]);
  }
  ntk_free(&variable->data);
}

void ntk_record_destroy(ntk_record *record) {
  for (int64_t k = 0; k < record->variable_count; ++k) destroy_variable(&record->variables[k]);
  for (int64_t k = 0; k < record->attribute_count; ++k) ntk_free(&record->attributes[k].text);
  ntk_free(&record->variables);
  ntk_free(&record->attributes);
  *record = (ntk_record){0};
}
