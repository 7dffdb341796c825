#include "ntk/run/job.h"

#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ntk/analysis/analysis.h"
#include "ntk/base/log.h"
#include "ntk/run/event.h"
#include "ntk/run/numerics.h"
#include "ntk/store/file.h"

/* ---- stage keys: each is the hash of its own settings and of the key it builds on ------------- */

typedef struct chain {
  ntk_text text;
  ntk_key key; /* of the last stage */
} chain;

static ntk_status begin_stage(chain *c, const char *stage) {
  ntk_text_destroy(&c->text);
  return ntk_text_add(&c->text, "numerics %d\nstage %s\nupon %s\n", NTK_NUMERICS, stage, c->key);
}

static void end_stage(chain *c, ntk_key key) {
  ntk_hash_bytes(ntk_text_string(&c->text), c->text.length, c->key);
  memcpy(key, c->key, NTK_KEY_SIZE);
}

static ntk_status section_stage(chain *c, const char *stage, const ntk_section *section,
                                const void *settings, ntk_key key) {
  NTK_TRY(begin_stage(c, stage));
  NTK_TRY(ntk_option_canonical(section, settings, &c->text));
  end_stage(c, key);
  return NTK_OK;
}

static ntk_status choice_stage(const ntk_key upon, const ntk_choice *choice, ntk_key key) {
  chain c = {0};

  memcpy(c.key, upon, NTK_KEY_SIZE);
  ntk_status status = begin_stage(&c, "analysis");
  if (status == NTK_OK) status = ntk_choice_canonical(choice, &c.text);
  if (status == NTK_OK) end_stage(&c, key);
  ntk_text_destroy(&c.text);
  return status;
}

static ntk_group_key *add_group(ntk_point *point, const char *name) {
  ntk_group_key *group = &point->group[point->group_count++];

  group->group = name;
  return group;
}

static bool has_spectrum(const ntk_settings *settings) {
  return strcmp(settings->spectrum.solver->name, "none") != 0;
}

static ntk_status stage_keys(chain *c, ntk_point *point) {
  const ntk_settings *s = &point->settings;
  const ntk_kernel_type *type = (const ntk_kernel_type *)s->kernel.type.row;

  if (type->needs_network) {
    NTK_TRY(section_stage(c, "data", &ntk_data_section, &s->data, add_group(point, "data")->key));
    NTK_TRY(section_stage(c, "network", &ntk_network_section, &s->network,
                          add_group(point, "network")->key));
  }
  NTK_TRY(
      section_stage(c, "kernel", &ntk_kernel_section, &s->kernel, add_group(point, "kernel")->key));
  if (!type->needs_network) memcpy(add_group(point, "data")->key, c->key, NTK_KEY_SIZE);
  if (has_spectrum(s)) {
    NTK_TRY(section_stage(c, "spectrum", &ntk_spectrum_section, &s->spectrum,
                          add_group(point, "spectrum")->key));
  }
  for (int64_t k = 0; k < s->analyses.count; ++k) {
    const ntk_choice *choice = &s->analyses.item[k];
    const bool to_root = ((const ntk_analysis *)choice->row)->to_root;

    NTK_TRY(choice_stage(c->key, choice, add_group(point, to_root ? "" : choice->label)->key));
  }
  return NTK_OK;
}

const char *ntk_point_key(const ntk_point *point, const char *group) {
  for (int64_t k = 0; k < point->group_count; ++k) {
    if (strcmp(point->group[k].group, group) == 0) return point->group[k].key;
  }
  return "";
}

static bool starts_with(const char *text, const char *prefix) {
  return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* One value whatever its spelling: 0.10 and 1e-1 are the same point. */
static ntk_status add_value(const ntk_axis *axis, int64_t k, ntk_text *text) {
  double number = 0;

  NTK_TRY(ntk_text_add(text, "%s: ", axis->path));
  if (ntk_axis_number(axis, k, &number)) return ntk_text_add(text, "%.17g\n", number);
  NTK_TRY(ntk_axis_label(axis, k, text));
  return ntk_text_add(text, "\n");
}

/* The kernel's key already holds data and network; axes further down are added by value. */
static ntk_status point_id(const ntk_sweep *sweep, chain *c, ntk_point *point) {
  ntk_text_destroy(&c->text);
  NTK_TRY(ntk_text_add(&c->text, "point upon %s\n", ntk_point_key(point, "kernel")));
  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    const ntk_axis *axis = &sweep->axis[k];

    if (!starts_with(axis->path, "spectrum") && !starts_with(axis->path, "analyses")) continue;
    NTK_TRY(add_value(axis, ntk_sweep_index(sweep, point->number, k), &c->text));
  }
  end_stage(c, point->id);
  return NTK_OK;
}

static ntk_status identify(const ntk_sweep *sweep, ntk_arena *arena, ntk_point *point) {
  chain c = {0};
  const size_t groups = 4 + (size_t)point->settings.analyses.count;

  NTK_TRY(ntk_arena_new(arena, groups * sizeof(*point->group), &point->group));
  ntk_status status = stage_keys(&c, point);
  if (status == NTK_OK) status = point_id(sweep, &c, point);
  ntk_text_destroy(&c.text);
  return status;
}

/* ---- binding ---------------------------------------------------------------------------------- */

static ntk_status print_settings(ntk_arena *arena, const ntk_settings *settings,
                                 const ntk_node *sweep, const char **yaml) {
  ntk_text text = {0};
  ntk_status status = ntk_option_print(&ntk_settings_section, settings, 0, &text);

  if (status == NTK_OK && sweep) {
    status = ntk_text_add(&text, "sweep:\n");
    if (status == NTK_OK) status = ntk_node_print(sweep, 2, &text);
  }
  if (status == NTK_OK) status = ntk_arena_copy(arena, ntk_text_string(&text), yaml);
  ntk_text_destroy(&text);
  return status;
}

/* The point's nodes live only while it is bound: a sweep may have very many points. */
static ntk_status bind_settings(ntk_job *job, int64_t number, ntk_problems *problems) {
  ntk_arena nodes = {0};
  ntk_node *root = NULL;
  ntk_status status =
      ntk_sweep_point(&job->tree, &job->sweep, number, &nodes, &root, problems);

  if (status == NTK_OK) {
    status = ntk_option_bind(&ntk_settings_section, root, "", job->base_directory, &job->arena,
                             &job->point[number].settings, problems);
  }
  ntk_arena_destroy(&nodes);
  job->point[number].settings.sweep = NULL;
  return status;
}

static ntk_status bind_point(ntk_job *job, int64_t number, ntk_problems *problems) {
  ntk_point *point = &job->point[number];

  point->number = number;
  NTK_TRY(bind_settings(job, number, problems));
  if (problems->count) return NTK_OK;
  if (((const ntk_kernel_type *)point->settings.kernel.type.row)->needs_network) {
    NTK_TRY(ntk_data_present(&point->settings.data));
  }
  point->settings.relative_to = job->base_directory;
  NTK_TRY(identify(&job->sweep, &job->arena, point));
  return print_settings(&job->arena, &point->settings, NULL, &point->yaml);
}

/* Folder that relative paths start from: `relative_to`, else that of the config file. */
static ntk_status find_base(const char *config, ntk_job *job) {
  const ntk_node *given = ntk_node_find(job->tree.root, "relative_to");
  char path[NTK_PATH_SIZE], here[NTK_PATH_SIZE], absolute[2 * NTK_PATH_SIZE];

  if (given && given->text) return ntk_arena_copy(&job->arena, given->text, &job->base_directory);
  NTK_CHECK(strlen(config) < sizeof(path) && getcwd(here, sizeof(here)), NTK_E_USAGE,
            "path too long: %s", config);
  memcpy(path, config, strlen(config) + 1);
  const char *folder = dirname(path);

  if (folder[0] == '/') return ntk_arena_copy(&job->arena, folder, &job->base_directory);
  (void)snprintf(absolute, sizeof(absolute), "%s/%s", here, folder);
  return ntk_arena_copy(&job->arena, absolute, &job->base_directory);
}

static ntk_status list_overrides(ntk_job *job, int64_t set_count, const char *const *sets) {
  ntk_text list = {0};
  ntk_status status = NTK_OK;

  for (int64_t k = 0; k < set_count && status == NTK_OK; ++k) {
    status = ntk_text_add(&list, "%s\n", sets[k]);
  }
  if (status == NTK_OK) {
    status = ntk_arena_copy(&job->arena, ntk_text_string(&list), &job->overrides);
  }
  ntk_text_destroy(&list);
  return status;
}

static ntk_status override(ntk_job *job, int64_t set_count, const char *const *sets,
                           ntk_problems *problems) {
  NTK_TRY(list_overrides(job, set_count, sets));
  for (int64_t k = 0; k < set_count; ++k) {
    bool removed = false;

    NTK_TRY(ntk_tree_override(&job->tree, sets[k], &removed, problems));
    if (removed) {
      ntk_log("--set %s: the sweep's axis of that name is gone", sets[k]);
    }
  }
  return NTK_OK;
}

static ntk_status bind_points(ntk_job *job, ntk_problems *problems) {
  const size_t bytes = (size_t)job->sweep.point_count * sizeof(*job->point);

  NTK_TRY(ntk_arena_new(&job->arena, bytes, &job->point));
  for (int64_t k = 0; k < job->sweep.point_count; ++k) {
    NTK_TRY(bind_point(job, k, problems));
    if (problems->count && k >= NTK_MOST_BAD_POINTS) return NTK_OK;
  }
  job->point_count = job->sweep.point_count;
  return NTK_OK;
}

static ntk_status load(const char *config, int64_t set_count, const char *const *sets,
                       ntk_job *job, ntk_problems *problems) {
  NTK_TRY(ntk_tree_load(config, &job->tree, problems));
  if (job->tree.broken) return NTK_OK; /* else go on: all problems at once */
  NTK_TRY(override(job, set_count, sets, problems));
  NTK_TRY(find_base(config, job));
  NTK_TRY(ntk_sweep_read(&job->tree, &job->sweep, problems));
  NTK_TRY(bind_points(job, problems));
  if (problems->count) return NTK_OK;
  job->directory = job->point[0].settings.output.directory;
  return print_settings(&job->arena, &job->point[0].settings,
                        ntk_node_find(job->tree.root, "sweep"), &job->yaml);
}

ntk_status ntk_job_load(const char *config, int64_t set_count, const char *const *sets,
                        ntk_job *job, ntk_problems *problems) {
  *job = (ntk_job){0};
  const ntk_status status = load(config, set_count, sets, job, problems);

  if (status != NTK_OK) ntk_job_destroy(job);
  return status;
}

void ntk_job_destroy(ntk_job *job) {
  ntk_tree_destroy(&job->tree);
  ntk_arena_destroy(&job->arena);
  *job = (ntk_job){0};
}

/* ---- what is on disk -------------------------------------------------------------------------- */

void ntk_point_path(const ntk_job *job, const ntk_point *point, const char *file,
                    char path[NTK_PATH_SIZE]) {
  (void)snprintf(path, NTK_PATH_SIZE, "%s/points/%s/%s", job->directory, point->id, file);
}

void ntk_kernel_path(const ntk_job *job, const ntk_point *point, const char *file,
                     char path[NTK_PATH_SIZE]) {
  const char *stage = strcmp(file, "spectrum.h5") == 0 ? "spectrum" : "kernel";

  (void)snprintf(path, NTK_PATH_SIZE, "%s/kernels/%s/%s", job->directory, ntk_point_key(point, stage),
                 file);
}

bool ntk_point_keeps(const ntk_point *point, const char *what) {
  const ntk_choices *keep = &point->settings.output.keep;

  for (int64_t k = 0; k < keep->count; ++k) {
    if (strcmp(keep->item[k].row->name, what) == 0) return true;
  }
  return false;
}

static bool exists(const char *path) { return access(path, R_OK) == 0; }

/* Whether the point's results speak of test samples; without any there is no test_train.h5. */
static bool has_test_set(const ntk_job *job, const ntk_point *point) {
  char path[NTK_PATH_SIZE];
  ntk_record kernel = {0};

  ntk_point_path(job, point, "results.h5", path);
  const bool listed = ntk_file_list(path, "kernel", false, &kernel) == NTK_OK;
  const bool found = listed && ntk_record_find(&kernel, "test_initial_output");

  ntk_record_destroy(&kernel);
  return found;
}

/* Whether the big files that `keep` names are there. */
static bool kept_files_exist(const ntk_job *job, const ntk_point *point) {
  static const char *const kernel_files[][2] = {
      {"gram", "gram.h5"}, {"spectrum", "spectrum.h5"}, {"test_train", "test_train.h5"}};
  char path[NTK_PATH_SIZE];

  for (size_t k = 0; k < sizeof(kernel_files) / sizeof(kernel_files[0]); ++k) {
    if (!ntk_point_keeps(point, kernel_files[k][0])) continue;
    ntk_kernel_path(job, point, kernel_files[k][1], path);
    if (exists(path)) continue;
    if (strcmp(kernel_files[k][0], "test_train") != 0 || has_test_set(job, point)) return false;
  }
  ntk_point_path(job, point, "weights.h5", path);
  return !ntk_point_keeps(point, "weights") || exists(path);
}

static bool groups_match(const ntk_point *point, const ntk_record *keys) {
  for (int64_t k = 0; k < point->group_count; ++k) {
    const ntk_attribute *found = ntk_record_find_attribute(keys, point->group[k].group);

    if (!found || strcmp(found->text, point->group[k].key) != 0) return false;
  }
  return true;
}

ntk_status ntk_point_look(const ntk_job *job, const ntk_point *point, ntk_point_facts *facts) {
  char path[NTK_PATH_SIZE];
  ntk_record keys = {0};
  ntk_event event = {0};

  *facts = (ntk_point_facts){.state = NTK_POINT_PENDING, .seconds = NAN};
  ntk_point_path(job, point, "results.h5", path);
  NTK_TRY(ntk_file_keys(path, &keys));
  const bool complete = groups_match(point, &keys) && kept_files_exist(job, point);

  ntk_record_destroy(&keys);
  ntk_point_path(job, point, "log.jsonl", path);
  NTK_TRY(ntk_event_last(path, &event));
  if (complete) {
    facts->state = NTK_POINT_DONE;
    facts->seconds = event.seconds;
  } else if (strcmp(event.name, "failed") == 0) {
    facts->state = NTK_POINT_FAILED;
    memcpy(facts->message, event.message, sizeof(facts->message));
  }
  return NTK_OK;
}
