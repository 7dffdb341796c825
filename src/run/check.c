/* check, merge: commands that compute nothing. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ntk/run/build.h"
#include "ntk/run/command.h"
#include "ntk/run/cost.h"
#include "ntk/run/load.h"
#include "ntk/run/merge.h"

/* As a comment below the config, which stays valid. */
static void print_comment(const char *text) {
  for (const char *line = text; *line;) {
    const int length = (int)strcspn(line, "\n");

    (void)printf("#   %.*s\n", length, line);
    line += length + (line[length] == '\n');
  }
}

/* The layer list of the first point, with the shapes that its data have. */
static ntk_status print_layers(const ntk_point *point) {
  const ntk_settings *s = &point->settings;
  ntk_data_cache cache = {0};
  ntk_data data = {0};
  ntk_network network = {0};
  ntk_text text = {0};
  ntk_status status = ntk_data_probe(&s->data, &cache, &data);

  if (status == NTK_OK) {
    status = ntk_network_build(s, &data, false, &network);
  }
  if (status == NTK_OK) status = ntk_network_print(&network, 0, &text);
  if (status == NTK_OK) {
    (void)printf("# the network, layer by layer:\n");
    print_comment(ntk_text_string(&text));
  }
  ntk_text_destroy(&text);
  ntk_network_destroy(&network);
  ntk_data_destroy(&data);
  ntk_data_cache_destroy(&cache);
  return status;
}

/* ---- every point -------------------------------------------------------------------------------
 */

enum { MOST_DISTINCT = 20 }; /* problems of points; then no further point is looked at */

/* What is wrong with points, the same of several once. */
typedef struct complaint {
  char text[sizeof(((ntk_error *)NULL)->text)];
  int64_t first, count; /* the first point, and how many there are */
} complaint;

typedef struct survey {
  const ntk_job *job;
  ntk_status status; /* of the last problem */
  int64_t points;    /* that have one */
  int64_t count;
  complaint found[MOST_DISTINCT];
} survey;

static void note(survey *s, int64_t k, ntk_status status) {
  const char *text = ntk_last_error()->text;
  int64_t i = 0;

  s->status = status;
  ++s->points;
  while (i < s->count && strcmp(s->found[i].text, text) != 0) ++i;
  if (i == s->count) {
    (void)snprintf(s->found[i].text, sizeof(s->found[i].text), "%s", text);
    s->found[i].first = k;
    ++s->count;
  }
  ++s->found[i].count;
}

/* Neighbours differ in what comes after the kernel, or in nothing that plan looks at. */
static bool same_kernels(const ntk_point *a, const ntk_point *b) {
  return strcmp(ntk_point_key(a, "kernel"), ntk_point_key(b, "kernel")) == 0 &&
         a->settings.kernel.quantity.count == b->settings.kernel.quantity.count;
}

static ntk_status look_at_points(survey *s) {
  const ntk_job *job = s->job;
  ntk_data_cache cache = {0};
  ntk_point_cost cost;
  ntk_status status = NTK_OK;

  for (int64_t k = 0; k < job->point_count && s->count < MOST_DISTINCT; ++k) {
    if (k == 0 || !same_kernels(&job->point[k - 1], &job->point[k])) {
      status = ntk_point_cost_of(&job->point[k], 1, &cache, &cost);
    }
    if (status == NTK_E_MEMORY) break;
    if (status != NTK_OK) note(s, k, status);
  }
  ntk_data_cache_destroy(&cache);
  return status == NTK_E_MEMORY ? status : NTK_OK;
}

/* Where the config, or its sweep, has the key that a message begins with; else the text as a
 * whole. */
static ntk_mark mark_of(const ntk_job *job, const char *text) {
  const ntk_node *root = job->tree.root, *node = NULL;
  const bool short_form = strncmp(text, "parameterization:", strlen("parameterization:")) == 0;
  char path[NTK_PATH_SIZE];

  (void)snprintf(path, sizeof(path), "%s%.*s", short_form ? "network." : "",
                 (int)strcspn(text, ": "), text);
  for (int64_t k = 0; k < job->sweep.axis_count; ++k) {
    const ntk_axis *axis = &job->sweep.axis[k];

    for (int64_t i = 0; i < axis->key_count; ++i) {
      if (strcmp(axis->key[i].path, path) == 0) return axis->key[i].mark;
    }
  }
  node = strchr(path, '.') ? ntk_node_at(root, path) : NULL;
  return node ? node->mark : (ntk_mark){.source = root->mark.source};
}

/* ":3" of ":3:5", and what follows it; 0 if it is no such thing. */
static int take_number(const char **text) {
  char *end = NULL;
  const long number = **text == ':' ? strtol(*text + 1, &end, 10) : 0;

  if (number <= 0 || number > INT_MAX) return 0;
  *text = end;
  return (int)number;
}

/* "file:3:5: error: " in front of a message, as a mark; *text moves behind it. */
static ntk_mark take_mark(const ntk_job *job, const char **text) {
  static const char word[] = ": error: ";
  const ntk_source *source = job->tree.root->mark.source;
  const size_t length = source ? strlen(source->name) : 0;
  const char *end = strstr(*text, word);
  ntk_mark mark = {.source = source};
  const char *place = *text;

  if (!source || !end || strncmp(*text, source->name, length) != 0) return mark_of(job, *text);
  place += length;
  mark.line = take_number(&place);
  mark.column = mark.line > 0 ? take_number(&place) : 0;
  if (mark.column == 0) return mark_of(job, *text);
  *text = end + strlen(word);
  return mark;
}

static ntk_status add_values(const ntk_job *job, const ntk_point *point, ntk_text *text) {
  for (int64_t k = 0; k < job->sweep.axis_count; ++k) {
    const ntk_axis *axis = &job->sweep.axis[k];

    NTK_TRY(ntk_text_add(text, "%s%s ", k ? ", " : " (", axis->name));
    NTK_TRY(ntk_axis_label(axis, ntk_sweep_index(&job->sweep, point->number, k), text));
  }
  return job->sweep.axis_count ? ntk_text_add(text, ")") : NTK_OK;
}

static ntk_status report(const ntk_job *job, const complaint *c, ntk_problems *problems) {
  const char *text = c->text;
  const ntk_mark mark = take_mark(job, &text);
  ntk_text where = {0};
  ntk_status status = NTK_OK;

  if (job->point_count > 1) {
    status = ntk_text_add(&where, "; at point %lld of %lld", (long long)c->first + 1,
                          (long long)job->point_count);
    if (status == NTK_OK) status = add_values(job, &job->point[c->first], &where);
  }
  if (status == NTK_OK && c->count > 1) {
    status = ntk_text_add(&where, " and %lld more", (long long)c->count - 1);
  }
  if (status == NTK_OK) ntk_problem(problems, mark, "%s%s", text, ntk_text_string(&where));
  ntk_text_destroy(&where);
  return status;
}

static ntk_status report_all(const survey *s, const char *config) {
  ntk_problems problems = {0};
  ntk_status status = NTK_OK;

  for (int64_t i = 0; i < s->count && status == NTK_OK; ++i) {
    status = report(s->job, &s->found[i], &problems);
  }
  (void)fprintf(stderr, "%s%lld problem%s in %s%s\n", ntk_text_string(&problems.text),
                (long long)problems.count, problems.count == 1 ? "" : "s", config,
                s->count == MOST_DISTINCT ? "; there may be more" : "");
  ntk_problems_destroy(&problems);
  return status;
}

/* 0, or the exit code after what is wrong with points has been printed. */
static int check_points(const ntk_job *job, const char *config) {
  survey s = {.job = job};
  ntk_status status = look_at_points(&s);

  if (status == NTK_OK && s.count > 0) status = report_all(&s, config);
  if (status != NTK_OK) return ntk_complain(status);
  return ntk_points_exit_code(s.points, job->point_count, s.status);
}

/* ---- the commands ------------------------------------------------------------------------------
 */

static ntk_status expand(const ntk_job *job) {
  const ntk_kernel_type *type =
      (const ntk_kernel_type *)job->point[0].settings.kernel.type.row;

  (void)printf("%s", job->yaml);
  return type->needs_network ? print_layers(&job->point[0]) : NTK_OK;
}

int ntk_command_check(const ntk_arguments *arguments) {
  ntk_job job = {0};
  int code = ntk_load_or_complain(arguments, true, &job);
  ntk_status status = NTK_OK;

  if (code == 0) code = check_points(&job, arguments->operand);
  if (code != 0) {
    ntk_job_destroy(&job);
    return code;
  }
  if (arguments->expand) {
    status = expand(&job);
  } else {
    (void)printf("%s: valid, %lld point%s\n", arguments->operand, (long long)job.point_count,
           job.point_count == 1 ? "" : "s");
  }
  ntk_job_destroy(&job);
  return status == NTK_OK ? 0 : ntk_complain(status);
}

int ntk_command_merge(const ntk_arguments *arguments) {
  ntk_job job = {0};
  const int code = ntk_look_at_folder_or_complain(arguments->operand, &job);

  if (code != 0) return code;
  const ntk_status status = ntk_merge(&job, arguments->flat);

  ntk_job_destroy(&job);
  if (status != NTK_OK) return ntk_complain(status);
  (void)printf("%s/%s.h5\n", arguments->operand, arguments->flat ? "sweep_flat" : "sweep");
  return 0;
}
