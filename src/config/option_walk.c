#include "ntk/config/walk.h"

#include <stdio.h>
#include <string.h>

typedef struct walk {
  ntk_walk_visit *visit;
  void *context;
} walk;

/* A table that is being visited. */
typedef struct scope {
  const ntk_walk_key *up;
  const ntk_row *row;
  const ntk_option *table;
  const char *path;
} scope;

static ntk_status visit_table(const walk *w, const scope *s);

static bool is_inside(const ntk_walk_key *key, const ntk_option *table) {
  for (; key; key = key->up) {
    if (key->table == table) return true;
  }
  return false;
}

/* Layers in a block of layers are told of once. */
static bool is_inside_itself(const ntk_walk_key *key) {
  for (const ntk_walk_key *up = key->up; up; up = up->up) {
    if (up->option->rows == key->option->rows) return true;
  }
  return false;
}

static void join(const char *path, const char *key, char joined[NTK_WALK_PATH]) {
  (void)snprintf(joined, NTK_WALK_PATH, "%.200s%s%.100s", path, *path ? "." : "", key);
}

/* The options of a variant's rows stand beside it. */
static ntk_status visit_rows(const walk *w, const scope *s, const ntk_walk_key *key) {
  if (is_inside_itself(key)) return NTK_OK;
  for (const ntk_row *const *row = key->option->rows; *row; ++row) {
    char path[NTK_WALK_PATH];
    const scope inner = {key, *row, (*row)->options,
                         key->option->type == NTK_VARIANT ? s->path : path};

    if (!(*row)->options || is_inside(key, (*row)->options)) continue;
    join(key->path, (*row)->name, path);
    NTK_TRY(visit_table(w, &inner));
  }
  return NTK_OK;
}

static ntk_status visit_key(const walk *w, const scope *s, const ntk_option *o) {
  ntk_walk_key key = {.up = s->up, .row = s->row, .option = o, .table = s->table};

  join(s->path, o->key, key.path);
  NTK_TRY(w->visit(w->context, &key));
  if (o->type == NTK_SECTION && !is_inside(&key, o->section->options)) {
    const scope inner = {&key, NULL, o->section->options, key.path};

    return visit_table(w, &inner);
  }
  return o->rows && o->type != NTK_WORD && o->type != NTK_PADDING ? visit_rows(w, s, &key) : NTK_OK;
}

static ntk_status visit_table(const walk *w, const scope *s) {
  for (const ntk_option *o = s->table; o->key; ++o) NTK_TRY(visit_key(w, s, o));
  return NTK_OK;
}

ntk_status ntk_option_walk(const ntk_section *section, ntk_walk_visit *visit, void *context) {
  const walk w = {visit, context};
  const scope root = {.table = section->options, .path = ""};

  return visit_table(&w, &root);
}
