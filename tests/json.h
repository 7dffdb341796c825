/* json.h -- reads numbers out of a JSON file of oracles.
 *
 * A value is a pointer to its first character; nothing is copied or built.  Files are trusted to
 * be JSON: a broken one ends the test.
 *
 *   char *file = json_load("tests/cases/golden/x.json");
 *   const char *expected = json_find(file, "expected");
 *   int64_t n = json_reals(json_find(expected, "layers/0/W"), capacity, values); // row-major
 *   free(file); */
#ifndef NTK_TESTS_JSON_H
#define NTK_TESTS_JSON_H

#include <ctype.h>
#include <errno.h>
#include <stdint.h>

#include "test.h"

/* The file as text, to be freed; `relative` to the root of the repository. */
static inline char *json_load(const char *relative) {
  FILE *file = fopen(source_path(relative), "rb");
  char *text = NULL;
  size_t used = 0, room = 0;

  if (!file) FAIL("%s: cannot open", source_path(relative));
  do {
    room = 2 * room + 65536;
    char *grown = realloc(text, room);
    EXPECT(grown);
    text = grown;
    used += fread(text + used, 1, room - used - 1, file);
  } while (used == room - 1);
  (void)fclose(file);
  text[used] = '\0';
  return text;
}

static inline const char *json_blank(const char *at) {
  while (isspace((unsigned char)*at)) ++at;
  return at;
}

/* The end of a string that begins at `at`. */
static inline const char *json_string_end(const char *at) {
  EXPECT(*at == '"');
  for (++at; *at != '"'; ++at) {
    if (*at == '\\') ++at;
    EXPECT(*at);
  }
  return at + 1;
}

/* Behind the value at `at`. */
static inline const char *json_skip(const char *at) {
  int depth = 0;

  at = json_blank(at);
  do {
    at = json_blank(at);
    EXPECT(*at);
    if (*at == '"') {
      at = json_string_end(at);
    } else if (*at == '[' || *at == '{') {
      ++depth, ++at;
    } else if (*at == ']' || *at == '}') {
      --depth, ++at;
    } else if (*at == ',' || *at == ':') {
      ++at;
    } else {
      at += strcspn(at, ",:]} \t\r\n");
    }
  } while (depth > 0);
  return at;
}

/* The first child of an array or object (an object's key), NULL if it has none. */
static inline const char *json_first(const char *value) {
  value = json_blank(value);
  if (*value != '[' && *value != '{') return NULL;
  value = json_blank(value + 1);
  return *value == ']' || *value == '}' ? NULL : value;
}

/* The next child of the same parent, NULL behind the last. */
static inline const char *json_next(const char *child) {
  const char *at = json_blank(json_skip(child));

  if (*at == ':') at = json_blank(json_skip(at + 1)); /* the child was a key */
  return *at == ',' ? json_blank(at + 1) : NULL;
}

/* The member of that name of an object, or the element of that index of an array. */
static inline const char *json_member(const char *value, const char *name, size_t length) {
  const int is_array = *json_blank(value) == '[';
  long index = is_array && isdigit((unsigned char)*name) ? strtol(name, NULL, 10) : -1;

  for (const char *child = json_first(value); child; child = json_next(child)) {
    if (is_array) {
      if (index-- == 0) return child;
      continue;
    }
    const char *end = json_string_end(child);

    if ((size_t)(end - child) == length + 2 && strncmp(child + 1, name, length) == 0) {
      return json_blank(json_blank(end) + 1);
    }
  }
  return NULL;
}

/* The value at a path such as "expected/layers/0/W"; NULL if there is none. */
static inline const char *json_look(const char *value, const char *path) {
  while (value && *path) {
    const size_t length = strcspn(path, "/");

    value = json_member(value, path, length);
    path += length + (path[length] == '/');
  }
  return value;
}

/* The same; the test fails if there is none. */
static inline const char *json_find(const char *value, const char *path) {
  const char *found = json_look(value, path);

  if (!found) FAIL("no '%s' in the file", path);
  return found;
}

/* Children of an array or object. */
static inline int64_t json_count(const char *value) {
  int64_t count = 0;

  for (const char *child = json_first(value); child; child = json_next(child)) ++count;
  return count;
}

/* All numbers of a (nested) array, or one number, in order; "inf" is infinity.  Returns how many;
 * more than `capacity` fails the test. */
static inline int64_t json_reals(const char *value, int64_t capacity, double *reals) {
  int64_t count = 0;

  value = json_blank(value);
  if (*value == '[') {
    for (const char *child = json_first(value); child; child = json_next(child)) {
      count += json_reals(child, capacity - count, reals + count);
    }
    return count;
  }
  char *end = NULL;

  EXPECT(capacity > 0);
  *reals = strtod(value + (*value == '"'), &end);
  if (end == value) FAIL("not a number: %.20s", value);
  return 1;
}

/* Likewise whole numbers, without loss. */
static inline int64_t json_words(const char *value, int64_t capacity, uint64_t *words) {
  int64_t count = 0;

  value = json_blank(value);
  if (*value == '[') {
    for (const char *child = json_first(value); child; child = json_next(child)) {
      count += json_words(child, capacity - count, words + count);
    }
    return count;
  }
  char *end = NULL;

  EXPECT(capacity > 0);
  errno = 0;
  *words = strtoull(value, &end, 10);
  if (end == value || errno || strchr(".eE", *end)) FAIL("not a whole number: %.20s", value);
  return 1;
}

/* One number; one string without its quotes, escapes as they stand. */
static inline double json_real(const char *value) {
  double real = 0;

  EXPECT(json_reals(value, 1, &real) == 1);
  return real;
}

static inline const char *json_text(const char *value, size_t size, char *text) {
  const char *end = json_string_end(value);
  const size_t length = (size_t)(end - value) - 2;

  EXPECT(length < size);
  memcpy(text, value + 1, length);
  text[length] = '\0';
  return text;
}

#endif
