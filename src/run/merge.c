#include "ntk/run/merge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ntk/base/memory.h"
#include "ntk/run/stack.h"
#include "ntk/store/durable.h"
#include "ntk/store/file.h"
#include "ntk/store/own_folder.h"
#include "ntk/store/provenance.h"

enum { ATTEMPTS = 5 };

/* Which file was read: a job that replaces it makes another one. */
typedef struct identity {
  bool there;
  bool linked; /* under a name of our own, so that it stays */
  dev_t device;
  ino_t number;
  off_t size;
  struct timespec changed;
} identity;

/* What is known of the points, and their groups.  A slot is a point's place in the arrays. */
typedef struct merge {
  const ntk_job *job;
  bool flat;
  ntk_sweep layout; /* of the arrays: that of the job, or the one axis `point` */
  ntk_axis line;
  ntk_merge_link *link;
  char own[NTK_DURABLE_PATH]; /* folder for files and names of our own */
  ntk_point_facts *facts;    /* [slots] */
  identity *file;            /* [slots] of results.h5 */
  bool *skipped;             /* [slots] */
  int64_t stack_count, stack_room;
  ntk_stack *stack;   /* root first */
  ntk_record *record; /* [stack_count] of the merged file */
} merge;

static int64_t slot_of(const merge *m, const ntk_point *point) {
  return m->flat ? point - m->job->point : point->number;
}

/* The point of a slot; there is one wherever something was taken in. */
static const ntk_point *point_of(const merge *m, int64_t slot) {
  int64_t first = 0, last = m->job->point_count - 1;

  if (m->flat) return &m->job->point[slot];
  while (first < last) {
    const int64_t middle = (first + last) / 2;

    if (m->job->point[middle].number < slot) {
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  return &m->job->point[first];
}

static void set_layout(merge *m) {
  m->layout = m->job->sweep;
  if (!m->flat) return;
  m->line = (ntk_axis){.path = "point", .name = "point", .count = m->job->point_count};
  m->layout = (ntk_sweep){.axis_count = 1, .point_count = m->line.count, .axis = &m->line};
}

/* ---- files that change while they are read -------------------------------------------------
 *
 * A job replaces results.h5 by renaming another file to it.  The one that was read first is kept
 * under a second name until the end, where the file system has such (hard) links; where not, it is
 * checked that the file is still the same.  So every point is shown as it was at one moment. */

static ntk_status own_path(const merge *m, const char *name, char path[NTK_PATH_SIZE]) {
  const int length = snprintf(path, NTK_PATH_SIZE, "%s/%s", m->own, name);

  NTK_CHECK(length < NTK_PATH_SIZE, NTK_E_CREATE, "path too long: %s", m->own);
  return NTK_OK;
}

static void link_path(const merge *m, int64_t slot, char path[NTK_PATH_SIZE]) {
  const int length = snprintf(path, NTK_PATH_SIZE, "%s/%lld.h5", m->own, (long long)slot);

  if (length >= NTK_PATH_SIZE) path[0] = '\0'; /* leads nowhere */
}

/* Where the file of a point is read. */
static void path_of(const void *context, int64_t slot, char *path) {
  const merge *m = context;

  if (m->file[slot].linked) {
    link_path(m, slot, path);
  } else {
    ntk_point_path(m->job, point_of(m, slot), "results.h5", path);
  }
}

static identity identify(const char *path) {
  struct stat facts;

  if (stat(path, &facts) != 0) return (identity){0};
  return (identity){.there = true,
                    .device = facts.st_dev,
                    .number = facts.st_ino,
                    .size = facts.st_size,
                    .changed = facts.st_mtim};
}

static identity hold(const merge *m, int64_t slot) {
  char path[NTK_PATH_SIZE], own[NTK_PATH_SIZE];

  ntk_point_path(m->job, point_of(m, slot), "results.h5", path);
  link_path(m, slot, own);
  if (m->link(path, own) == 0) return (identity){.there = true, .linked = true};
  return identify(path);
}

static bool same_file(const identity *a, const identity *b) {
  return a->there == b->there && a->device == b->device && a->number == b->number &&
         a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
         a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Whether a file that was read is another one by now.  Points that were not there may come. */
static bool has_changed(const merge *m) {
  char path[NTK_PATH_SIZE];

  for (int64_t p = 0; m->file && p < m->job->point_count; ++p) {
    const identity *before = &m->file[slot_of(m, &m->job->point[p])];

    if (!before->there || before->linked) continue;
    ntk_point_path(m->job, &m->job->point[p], "results.h5", path);
    const identity now = identify(path);

    if (!same_file(before, &now)) return true;
  }
  return false;
}

static void destroy(merge *m) {
  for (int64_t k = 0; k < m->stack_count; ++k) {
    if (m->record) ntk_record_destroy(&m->record[k]);
    ntk_stack_destroy(&m->stack[k]);
  }
  ntk_own_folder_remove(m->own);
  ntk_free(&m->record);
  ntk_free(&m->stack);
  ntk_free(&m->facts);
  ntk_free(&m->file);
  ntk_free(&m->skipped);
}

/* ---- first pass: all names, shapes and coordinates ----------------------------------------- */

static ntk_stack *find_stack(const merge *m, const char *name) {
  for (int64_t k = 0; k < m->stack_count; ++k) {
    if (strcmp(m->stack[k].name, name) == 0) return &m->stack[k];
  }
  return NULL;
}

static ntk_stack *add_stack(merge *m, const char *name) {
  ntk_stack *stack = find_stack(m, name);

  if (stack) return stack;
  NTK_ASSERT(m->stack_count < m->stack_room);
  stack = &m->stack[m->stack_count++];
  (void)snprintf(stack->name, sizeof(stack->name), "%s", name);
  stack->sweep = &m->layout;
  stack->named = &m->job->sweep;
  return stack;
}

/* Room for every group that any point may have, and the root. */
static ntk_status make_stacks(merge *m) {
  int64_t room = 1;

  for (int64_t p = 0; p < m->job->point_count; ++p) room += m->job->point[p].group_count;
  NTK_TRY(NTK_NEW(room, &m->stack));
  m->stack_room = room;
  (void)add_stack(m, "");
  return NTK_OK;
}

/* Attributes that belong to one point, or that the merged file has as variables. */
static const char *const hidden[] = {"key",     "keys",  "config",      "overrides", "point_id",
                                     "seconds", "title", "Conventions", NULL};
static const char *const hidden_in_groups[] = {"key", NULL};

/* Only groups under the key that the config asks for: a file may hold others, of an older config.
 */
static ntk_status take_groups(merge *m, const ntk_point *point, const char *path,
                              const ntk_record *keys) {
  for (int64_t k = 0; k < point->group_count; ++k) {
    const ntk_group_key *group = &point->group[k];
    const ntk_attribute *found = ntk_record_find_attribute(keys, group->group);

    if (!found || strcmp(found->text, group->key) != 0) continue;
    NTK_TRY(ntk_stack_take(add_stack(m, group->group), slot_of(m, point), path,
                           group->group[0] ? hidden_in_groups : hidden));
  }
  return NTK_OK;
}

static ntk_status take_point(merge *m, const ntk_point *point) {
  const int64_t slot = slot_of(m, point);
  char path[NTK_PATH_SIZE];
  ntk_record keys = {0};

  m->skipped[slot] = false;
  NTK_TRY(ntk_point_look(m->job, point, &m->facts[slot]));
  m->file[slot] = hold(m, slot);
  if (!m->file[slot].there || m->facts[slot].state == NTK_POINT_DAMAGED) return NTK_OK;
  path_of(m, slot, path);
  NTK_TRY(ntk_file_keys(path, &keys));
  const ntk_status status = take_groups(m, point, path, &keys);

  ntk_record_destroy(&keys);
  return status;
}

static ntk_status take_points(merge *m) {
  const int64_t slots = m->layout.point_count;

  NTK_TRY(NTK_NEW(slots, &m->facts));
  NTK_TRY(NTK_NEW(slots, &m->file));
  NTK_TRY(NTK_NEW(slots, &m->skipped));
  for (int64_t p = 0; p < slots; ++p) {
    m->skipped[p] = true;
    m->facts[p].seconds = NAN;
  }
  NTK_TRY(make_stacks(m));
  for (int64_t p = 0; p < m->job->point_count; ++p) NTK_TRY(take_point(m, &m->job->point[p]));
  return NTK_OK;
}

/* ---- coordinates --------------------------------------------------------------------------- */

/* The values of an axis, or of one of its keys. */
typedef struct values {
  const char *name, *path;
  const ntk_axis *axis;
  const ntk_axis_key *key; /* NULL: those of the coordinate */
} values;

static bool number_of(const values *v, int64_t k, double *number) {
  return v->key ? ntk_axis_key_number(v->key, k, number) : ntk_axis_number(v->axis, k, number);
}

/* Words as soon as one value is no number. */
static ntk_kind kind_of(const values *v) {
  ntk_kind kind = NTK_KIND_INT;
  double number = 0;

  for (int64_t k = 0; k < v->axis->count; ++k) {
    if (!number_of(v, k, &number)) return NTK_KIND_TEXT;
    if (number != floor(number) || fabs(number) > 9007199254740992.0) kind = NTK_KIND_REAL;
  }
  return kind;
}

static ntk_status set_label(const values *v, int64_t k, ntk_variable *to, int64_t at) {
  ntk_text label = {0};
  ntk_status status =
      v->key ? ntk_axis_key_label(v->key, k, &label) : ntk_axis_label(v->axis, k, &label);

  if (status == NTK_OK) status = ntk_variable_set_text(to, at, ntk_text_string(&label));
  ntk_text_destroy(&label);
  return status;
}

static ntk_status set_value(const values *v, int64_t k, ntk_variable *to, int64_t at) {
  double number = 0;

  if (to->kind == NTK_KIND_TEXT) return set_label(v, k, to, at);
  (void)number_of(v, k, &number);
  if (to->kind == NTK_KIND_INT)
    ((int64_t *)to->data)[at] = (int64_t)number;
  else
    ((double *)to->data)[at] = number;
  return NTK_OK;
}

/* Over the axis itself, or over the points of the flat form. */
static ntk_status add_values(const merge *m, const values *v, ntk_record *record) {
  const ntk_axis *axis = m->flat ? &m->line : v->axis;
  const ntk_field field = {v->name, axis->name, "1", v->path, "", kind_of(v)};
  const int64_t k = v->axis - m->job->sweep.axis;

  NTK_TRY(ntk_record_add(record, &field, &axis->count, NULL));
  ntk_variable *to = &record->variables[record->variable_count - 1];

  for (int64_t at = 0; at < axis->count; ++at) {
    const int64_t number = m->flat ? m->job->point[at].number : 0;
    const int64_t index = m->flat ? ntk_sweep_index(&m->job->sweep, number, k) : at;

    NTK_TRY(set_value(v, index, to, at));
  }
  return NTK_OK;
}

static ntk_status add_axis(const merge *m, const ntk_axis *axis, ntk_record *record,
                           ntk_text *coordinates) {
  const values own = {axis->name, axis->path, axis, NULL};

  NTK_TRY(add_values(m, &own, record));
  if (m->flat) NTK_TRY(ntk_text_add(coordinates, " %s", own.name));
  for (int64_t i = 0; axis->zipped && i < axis->key_count; ++i) {
    const values v = {axis->key[i].name, axis->key[i].path, axis, &axis->key[i]};

    NTK_TRY(add_values(m, &v, record));
    NTK_TRY(ntk_text_add(coordinates, " %s", v.name));
  }
  return NTK_OK;
}

static ntk_status add_line(const merge *m, ntk_record *record) {
  static const ntk_field field = {"point", "point", "1", "point of the sweep", "", NTK_KIND_INT};
  int64_t *number = NULL;

  NTK_TRY(ntk_record_add(record, &field, &m->line.count, &number));
  for (int64_t p = 0; p < m->line.count; ++p) number[p] = p;
  return NTK_OK;
}

/*   coordinates  names of variables that are coordinates, beside those that are axes */
static ntk_status add_axes(const merge *m, ntk_record *record, ntk_text *coordinates) {
  const ntk_sweep *sweep = &m->job->sweep;

  if (m->flat) NTK_TRY(add_line(m, record));
  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    NTK_TRY(add_axis(m, &sweep->axis[k], record, coordinates));
  }
  return NTK_OK;
}

/* ---- what is known of every point ---------------------------------------------------------- */

static ntk_status add_over_axes(const ntk_sweep *layout, const char *name, const char *units,
                                const char *long_name, ntk_kind kind, ntk_record *record) {
  ntk_variable shape = {.kind = kind, .count = 1};

  NTK_CHECK(layout->axis_count <= NTK_MAX_RANK, NTK_E_SIZE,
            "the sweep has %lld axes; %d can be merged; the flat form (--flat) takes any number",
            (long long)layout->axis_count, NTK_MAX_RANK);
  (void)snprintf(shape.name, sizeof(shape.name), "%s", name);
  (void)snprintf(shape.units, sizeof(shape.units), "%s", units);
  (void)snprintf(shape.long_name, sizeof(shape.long_name), "%s", long_name);
  for (int64_t k = 0; k < layout->axis_count; ++k) {
    (void)snprintf(shape.dimension[k], NTK_NAME_SIZE, "%s", layout->axis[k].name);
    shape.size[shape.rank++] = layout->axis[k].count;
    shape.count *= layout->axis[k].count;
  }
  ntk_variable *added = NULL;

  NTK_TRY(ntk_record_add_shape(record, &shape, &added));
  return ntk_new((size_t)shape.count, ntk_kind_size(kind), &added->data);
}

static ntk_status add_text(const ntk_sweep *layout, const char *name, const char *long_name,
                           ntk_record *record) {
  return add_over_axes(layout, name, "1", long_name, NTK_KIND_TEXT, record);
}

static const char *status_of(const merge *m, int64_t slot) {
  return m->skipped[slot] ? "skipped" : ntk_point_state_name(m->facts[slot].state);
}

static ntk_status set_texts(const merge *m, ntk_record *record) {
  for (int64_t p = 0; p < m->layout.point_count; ++p) {
    const char *id = m->skipped[p] ? "" : point_of(m, p)->id;

    NTK_TRY(ntk_variable_set_text(ntk_record_find(record, "point_id"), p, id));
    NTK_TRY(ntk_variable_set_text(ntk_record_find(record, "status"), p, status_of(m, p)));
    NTK_TRY(ntk_variable_set_text(ntk_record_find(record, "message"), p, m->facts[p].message));
  }
  return NTK_OK;
}

static ntk_status add_facts(const merge *m, ntk_record *record) {
  const ntk_sweep *layout = &m->layout;

  NTK_TRY(add_text(layout, "point_id", "id of the point, its folder below points/", record));
  NTK_TRY(add_text(layout, "status", "done, failed, damaged, running, pending or skipped", record));
  NTK_TRY(add_text(layout, "message", "why the point failed, or where it runs", record));
  NTK_TRY(add_over_axes(layout, "seconds", "s", "wall time of the point", NTK_KIND_REAL, record));
  NTK_TRY(set_texts(m, record));
  double *seconds = ntk_record_find(record, "seconds")->data;

  for (int64_t p = 0; p < layout->point_count; ++p) {
    seconds[p] = m->facts[p].state == NTK_POINT_DONE ? m->facts[p].seconds : NAN;
  }
  NTK_TRY(ntk_record_set_text(record, "config", m->job->yaml));
  NTK_TRY(ntk_record_set_text(record, "merged_by", ntk_program_version()));
  const char *title = m->job->point_count ? m->job->point[0].settings.name : NULL;

  return ntk_record_set_text(record, "title", title ? title : "");
}

/* ---- second pass --------------------------------------------------------------------------- */

static ntk_status describe_group(const merge *m, int64_t k, ntk_text *coordinates) {
  ntk_record *record = &m->record[k];

  (void)snprintf(record->name, sizeof(record->name), "%s", m->stack[k].name);
  NTK_TRY(add_axes(m, record, coordinates));
  if (k == 0) NTK_TRY(add_facts(m, record));
  NTK_TRY(ntk_stack_describe(&m->stack[k], record));
  NTK_TRY(ntk_stack_coordinates(&m->stack[k], coordinates));
  if (!coordinates->length) return NTK_OK;
  return ntk_record_set_text(record, "coordinates", coordinates->data + 1); /* as in CF */
}

static ntk_status describe(merge *m) {
  NTK_TRY(NTK_NEW(m->stack_count, &m->record));
  for (int64_t k = 0; k < m->stack_count; ++k) {
    ntk_text coordinates = {0};
    const ntk_status status = describe_group(m, k, &coordinates);

    ntk_text_destroy(&coordinates);
    NTK_TRY(status);
  }
  return NTK_OK;
}

static ntk_status fill(void *context, const ntk_record *record, ntk_variable *variable) {
  const merge *m = context;

  NTK_TRY(ntk_stack_fill(find_stack(m, record->name), path_of, m, variable));
  NTK_CHECK(!has_changed(m), NTK_E_INPUT,
            "%s: points change while they are merged; wait for the job to end, and merge again",
            m->job->directory);
  return NTK_OK;
}

static ntk_status write_file(merge *m) {
  const char *name = m->flat ? "sweep_flat.h5" : "sweep.h5";
  char path[NTK_PATH_SIZE], own[NTK_PATH_SIZE];
  const int length = snprintf(path, sizeof(path), "%s/%s", m->job->directory, name);

  NTK_CHECK(length < (int)sizeof(path), NTK_E_CREATE, "path too long: %s", m->job->directory);
  NTK_TRY(own_path(m, name, own));
  NTK_TRY(ntk_file_write_filled(own, m->stack_count, m->record, fill, m));
  return ntk_durable_rename(own, path);
}

static ntk_status run(merge *m) {
  set_layout(m);
  NTK_TRY(ntk_own_folder_make(m->job->directory, "merge", m->own));
  NTK_TRY(take_points(m));
  NTK_TRY(describe(m));
  return write_file(m);
}

/* What fails because a job has just replaced a file is tried again. */
ntk_status ntk_merge_with(const ntk_job *job, bool flat, ntk_merge_link *link) {
  ntk_status status = NTK_OK;
  bool again = true;

  for (int k = 0; k < ATTEMPTS && again; ++k) {
    merge m = {.job = job, .flat = flat, .link = link};

    status = run(&m);
    again = status != NTK_OK && has_changed(&m);
    destroy(&m);
  }
  return status;
}

ntk_status ntk_merge(const ntk_job *job, bool flat) { return ntk_merge_with(job, flat, link); }
