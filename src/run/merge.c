#include "ntk/run/merge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/run/stack.h"
#include "ntk/store/file.h"
#include "ntk/store/provenance.h"

/* What is known of the points, and their groups. */
typedef struct merge {
  const ntk_job *job;
  ntk_point_facts *facts; /* [points] */
  int64_t stack_count, stack_room;
  ntk_stack *stack;   /* root first */
  ntk_record *record; /* [stack_count] of sweep.h5 */
} merge;

static void destroy(merge *m) {
  for (int64_t k = 0; k < m->stack_count; ++k) {
    if (m->record) ntk_record_destroy(&m->record[k]);
    ntk_stack_destroy(&m->stack[k]);
  }
  ntk_free(&m->record);
  ntk_free(&m->stack);
  ntk_free(&m->facts);
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
  stack->sweep = &m->job->sweep;
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
    NTK_TRY(ntk_stack_take(add_stack(m, group->group), point->number, path,
                           group->group[0] ? hidden_in_groups : hidden));
  }
  return NTK_OK;
}

static ntk_status take_point(merge *m, const ntk_point *point) {
  char path[NTK_PATH_SIZE];
  ntk_record keys = {0};

  NTK_TRY(ntk_point_look(m->job, point, &m->facts[point->number]));
  ntk_point_path(m->job, point, "results.h5", path);
  NTK_TRY(ntk_file_keys(path, &keys));
  const ntk_status status = take_groups(m, point, path, &keys);

  ntk_record_destroy(&keys);
  return status;
}

/* ---- coordinates --------------------------------------------------------------------------- */

/* The kind of an axis: words as soon as one value is no number. */
static ntk_kind axis_kind(const ntk_axis *axis) {
  ntk_kind kind = NTK_KIND_INT;
  double number = 0;

  for (int64_t k = 0; k < axis->count; ++k) {
    if (!ntk_axis_number(axis, k, &number)) return NTK_KIND_TEXT;
    if (number != floor(number) || fabs(number) > 9007199254740992.0) kind = NTK_KIND_REAL;
  }
  return kind;
}

static ntk_status set_label(const ntk_axis *axis, int64_t k, ntk_variable *v) {
  ntk_text label = {0};
  ntk_status status = ntk_axis_label(axis, k, &label);

  if (status == NTK_OK) status = ntk_variable_set_text(v, k, ntk_text_string(&label));
  ntk_text_destroy(&label);
  return status;
}

static ntk_status set_value(const ntk_axis *axis, int64_t k, ntk_variable *v) {
  double number = 0;

  if (v->kind == NTK_KIND_TEXT) return set_label(axis, k, v);
  (void)ntk_axis_number(axis, k, &number);
  if (v->kind == NTK_KIND_INT)
    ((int64_t *)v->data)[k] = (int64_t)number;
  else
    ((double *)v->data)[k] = number;
  return NTK_OK;
}

static ntk_status add_axis(const ntk_axis *axis, ntk_record *record) {
  const ntk_field field = {axis->name, axis->name, "1", axis->path, "", axis_kind(axis)};

  NTK_TRY(ntk_record_add(record, &field, &axis->count, NULL));
  for (int64_t k = 0; k < axis->count; ++k) {
    NTK_TRY(set_value(axis, k, &record->variables[record->variable_count - 1]));
  }
  return NTK_OK;
}

static ntk_status add_axes(const ntk_sweep *sweep, ntk_record *record) {
  for (int64_t k = 0; k < sweep->axis_count; ++k) NTK_TRY(add_axis(&sweep->axis[k], record));
  return NTK_OK;
}

/* ---- what is known of every point ---------------------------------------------------------- */

static const char *const states[] = {
    [NTK_POINT_PENDING] = "pending", [NTK_POINT_DONE] = "done", [NTK_POINT_FAILED] = "failed"};

static ntk_status add_over_axes(const ntk_sweep *sweep, const char *name, const char *units,
                                const char *long_name, ntk_kind kind, ntk_record *record) {
  ntk_variable shape = {.kind = kind, .count = 1};

  NTK_CHECK(sweep->axis_count <= NTK_MAX_RANK, NTK_E_SIZE,
            "the sweep has %lld axes; %d can be "
            "merged",
            (long long)sweep->axis_count, NTK_MAX_RANK);
  (void)snprintf(shape.name, sizeof(shape.name), "%s", name);
  (void)snprintf(shape.units, sizeof(shape.units), "%s", units);
  (void)snprintf(shape.long_name, sizeof(shape.long_name), "%s", long_name);
  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    (void)snprintf(shape.dimension[k], NTK_NAME_SIZE, "%s", sweep->axis[k].name);
    shape.size[shape.rank++] = sweep->axis[k].count;
    shape.count *= sweep->axis[k].count;
  }
  ntk_variable *added = NULL;

  NTK_TRY(ntk_record_add_shape(record, &shape, &added));
  return ntk_new((size_t)shape.count, ntk_kind_size(kind), &added->data);
}

static ntk_status add_text(const ntk_sweep *sweep, const char *name, const char *long_name,
                           ntk_record *record) {
  return add_over_axes(sweep, name, "1", long_name, NTK_KIND_TEXT, record);
}

static ntk_status set_texts(const merge *m, ntk_record *record) {
  for (int64_t p = 0; p < m->job->point_count; ++p) {
    const ntk_point_facts *facts = &m->facts[p];

    NTK_TRY(ntk_variable_set_text(ntk_record_find(record, "point_id"), p, m->job->point[p].id));
    NTK_TRY(ntk_variable_set_text(ntk_record_find(record, "status"), p, states[facts->state]));
    NTK_TRY(ntk_variable_set_text(ntk_record_find(record, "message"), p, facts->message));
  }
  return NTK_OK;
}

static ntk_status add_facts(const merge *m, ntk_record *record) {
  const ntk_sweep *sweep = &m->job->sweep;

  NTK_TRY(add_text(sweep, "point_id", "id of the point, its folder below points/", record));
  NTK_TRY(add_text(sweep, "status", "done, failed or pending", record));
  NTK_TRY(add_text(sweep, "message", "why the point failed", record));
  NTK_TRY(add_over_axes(sweep, "seconds", "s", "wall time of the point", NTK_KIND_REAL, record));
  NTK_TRY(set_texts(m, record));
  double *seconds = ntk_record_find(record, "seconds")->data;

  for (int64_t p = 0; p < m->job->point_count; ++p) seconds[p] = m->facts[p].seconds;
  NTK_TRY(ntk_record_set_text(record, "config", m->job->yaml));
  NTK_TRY(ntk_record_set_text(record, "merged_by", ntk_program_version()));
  const char *title = m->job->point_count ? m->job->point[0].settings.name : NULL;

  return ntk_record_set_text(record, "title", title ? title : "");
}

/* ---- second pass --------------------------------------------------------------------------- */

static ntk_status describe(merge *m) {
  NTK_TRY(NTK_NEW(m->stack_count, &m->record));
  for (int64_t k = 0; k < m->stack_count; ++k) {
    ntk_record *record = &m->record[k];

    (void)snprintf(record->name, sizeof(record->name), "%s", m->stack[k].name);
    NTK_TRY(add_axes(&m->job->sweep, record));
    if (k == 0) NTK_TRY(add_facts(m, record));
    NTK_TRY(ntk_stack_describe(&m->stack[k], record));
  }
  return NTK_OK;
}

static void path_of(const void *job, int64_t point, char *path) {
  ntk_point_path(job, &((const ntk_job *)job)->point[point], "results.h5", path);
}

static ntk_status fill(void *context, const ntk_record *record, ntk_variable *variable) {
  const merge *m = context;

  return ntk_stack_fill(find_stack(m, record->name), path_of, m->job, variable);
}

static ntk_status run(merge *m) {
  char path[NTK_PATH_SIZE];
  const int length = snprintf(path, sizeof(path), "%s/sweep.h5", m->job->directory);

  NTK_CHECK(length < (int)sizeof(path), NTK_E_CREATE, "path too long: %s", m->job->directory);
  NTK_TRY(NTK_NEW(m->job->point_count, &m->facts));
  NTK_TRY(make_stacks(m));
  for (int64_t p = 0; p < m->job->point_count; ++p) NTK_TRY(take_point(m, &m->job->point[p]));
  NTK_TRY(describe(m));
  return ntk_file_write_filled(path, m->stack_count, m->record, fill, m);
}

ntk_status ntk_merge(const ntk_job *job) {
  merge m = {.job = job};
  const ntk_status status = run(&m);

  destroy(&m);
  return status;
}
