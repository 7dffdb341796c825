#include "ntk/run/job.h"

#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ntk/analysis/analysis.h"
#include "ntk/base/log.h"
#include "ntk/run/inputs.h"
#include "ntk/run/numerics.h"

enum { MOST_LOOKED = 1000 }; /* points that are bound to find more problems */

/* What becomes of the files that points depend on. */
typedef enum reading {
  READ,  /* they are hashed; none may be missing */
  LATER, /* nothing: the keys come from another rank (ntk_job_share) */
  LOOK   /* they are hashed; where one is missing, keys may be unknown */
} reading;

/* ---- stage keys: each is the hash of its own settings and of the key it builds on ------------- */

typedef struct chain {
  ntk_text text;
  ntk_key key; /* of the last stage */
  bool later;  /* files are not read: the keys come from another rank (ntk_job_share) */
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
  if (c->later) return NTK_OK;
  NTK_TRY(begin_stage(c, stage));
  NTK_TRY(ntk_option_canonical(section, settings, &c->text));
  end_stage(c, key);
  return NTK_OK;
}

static ntk_status choice_stage(const chain *upon, const ntk_choice *choice, ntk_key key) {
  chain c = {0};

  if (upon->later) return NTK_OK;
  memcpy(c.key, upon->key, NTK_KEY_SIZE);
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

void ntk_point_group(const ntk_point *point, int64_t which, const char *name,
                     char group[NTK_NAME_SIZE]) {
  const char *quantity = point->settings.kernel.quantity.item[which].row->name;

  (void)snprintf(group, NTK_NAME_SIZE, "%s%s%s", which ? quantity : "",
                 which && name[0] ? "/" : "", name);
}

/* A group of one of the quantities. */
static ntk_status add_group_of(ntk_arena *arena, ntk_point *point, int64_t which, const char *name,
                               ntk_group_key **group) {
  char full[NTK_NAME_SIZE];
  const char *kept = NULL;

  ntk_point_group(point, which, name, full);
  NTK_TRY(ntk_arena_copy(arena, full, &kept));
  *group = add_group(point, kept);
  return NTK_OK;
}

static bool has_spectrum(const ntk_settings *settings) {
  return strcmp(settings->spectrum.solver->name, "none") != 0;
}

/* Kernel, spectrum and analyses of one quantity, upon data and network.  Its key is the same alone
 * and in a list. */
static ntk_status quantity_keys(chain *c, ntk_arena *arena, ntk_point *point, int64_t which) {
  const ntk_settings *s = &point->settings;
  ntk_kernel_settings kernel = s->kernel;
  ntk_group_key *group = NULL;

  kernel.quantity = (ntk_choices){.count = 1, .item = &s->kernel.quantity.item[which]};
  NTK_TRY(add_group_of(arena, point, which, "kernel", &group));
  NTK_TRY(section_stage(c, "kernel", &ntk_kernel_section, &kernel, group->key));
  if (has_spectrum(s)) {
    NTK_TRY(add_group_of(arena, point, which, "spectrum", &group));
    NTK_TRY(section_stage(c, "spectrum", &ntk_spectrum_section, &s->spectrum, group->key));
  }
  for (int64_t k = 0; k < s->analyses.count; ++k) {
    const ntk_choice *choice = &s->analyses.item[k];
    const bool to_root = ((const ntk_analysis *)choice->row)->to_root;

    NTK_TRY(add_group_of(arena, point, which, to_root ? "" : choice->label, &group));
    NTK_TRY(choice_stage(c, choice, group->key));
  }
  return NTK_OK;
}

static ntk_status stage_keys(chain *c, ntk_arena *arena, ntk_point *point) {
  const ntk_settings *s = &point->settings;
  const ntk_kernel_type *type = (const ntk_kernel_type *)s->kernel.type.row;
  ntk_key upon;

  if (type->needs_network) {
    NTK_TRY(section_stage(c, "data", &ntk_data_section, &s->data, add_group(point, "data")->key));
    if (!c->later) NTK_TRY(ntk_data_source_key(&s->data, point->settings.data.source_key));
    NTK_TRY(section_stage(c, "network", &ntk_network_section, &s->network,
                          add_group(point, "network")->key));
  }
  memcpy(upon, c->key, NTK_KEY_SIZE);
  for (int64_t which = 0; which < s->kernel.quantity.count; ++which) {
    memcpy(c->key, upon, NTK_KEY_SIZE);
    NTK_TRY(quantity_keys(c, arena, point, which));
  }
  if (type->needs_network) return NTK_OK;
  memcpy(add_group(point, "data")->key, ntk_point_key(point, "kernel"), NTK_KEY_SIZE);
  return NTK_OK;
}

const char *ntk_point_key(const ntk_point *point, const char *group) {
  for (int64_t k = 0; k < point->group_count; ++k) {
    if (strcmp(point->group[k].group, group) == 0) return point->group[k].key;
  }
  return "";
}

const char *ntk_point_lock(const ntk_point *point, int64_t which) {
  char group[NTK_NAME_SIZE];

  ntk_point_group(point, which, "kernel", group);
  return ntk_point_key(point, group);
}

static bool is_below(const char *path, const char *section) {
  const size_t length = strlen(section);

  return strncmp(path, section, length) == 0 && (path[length] == '.' || path[length] == '\0');
}

/* The values of an axis' keys below the kernel; one value whatever its spelling: 0.10 and 1e-1 are
 * the same point. */
static ntk_status add_values(const ntk_axis *axis, int64_t k, ntk_text *text) {
  for (int64_t i = 0; i < axis->key_count; ++i) {
    const ntk_axis_key *key = &axis->key[i];

    if (!is_below(key->path, "spectrum") && !is_below(key->path, "analyses")) continue;
    NTK_TRY(ntk_text_add(text, "%s: ", key->path));
    NTK_TRY(ntk_axis_key_spell(key, k, text));
    NTK_TRY(ntk_text_add(text, "\n"));
  }
  return NTK_OK;
}

/* The keys of the kernels already hold data and network. */
static ntk_status kernel_keys(const ntk_point *point, ntk_text *text) {
  char group[NTK_NAME_SIZE];

  for (int64_t which = 0; which < point->settings.kernel.quantity.count; ++which) {
    ntk_point_group(point, which, "kernel", group);
    NTK_TRY(ntk_text_add(text, "point upon %s\n", ntk_point_key(point, group)));
  }
  return NTK_OK;
}

/* Axes further down are added by value. */
static ntk_status point_id(const ntk_sweep *sweep, chain *c, ntk_point *point) {
  ntk_text_destroy(&c->text);
  NTK_TRY(kernel_keys(point, &c->text));
  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    NTK_TRY(add_values(&sweep->axis[k], ntk_sweep_index(sweep, point->number, k), &c->text));
  }
  end_stage(c, point->id);
  return NTK_OK;
}

static ntk_status identify(const ntk_sweep *sweep, ntk_arena *arena, bool later,
                           ntk_point *point) {
  chain c = {.later = later};
  const size_t quantities = (size_t)point->settings.kernel.quantity.count;
  const size_t groups = 2 + quantities * (2 + (size_t)point->settings.analyses.count);

  NTK_TRY(ntk_arena_new(arena, groups * sizeof(*point->group), &point->group));
  ntk_status status = stage_keys(&c, arena, point);
  if (status == NTK_OK) status = point_id(sweep, &c, point);
  ntk_text_destroy(&c.text);
  return status;
}

/* ---- binding ---------------------------------------------------------------------------------- */

/* Data without a source, beside a kernel from a file, would not load again. */
static ntk_status print_sections(const ntk_settings *settings, ntk_text *text) {
  enum { MOST = 32 };
  ntk_option rows[MOST] = {{0}};
  int count = 0;

  for (const ntk_option *o = ntk_settings_section.options; o->key; ++o) {
    NTK_ASSERT(count < MOST - 1);
    if (settings->data.source.row || strcmp(o->key, "data") != 0) rows[count++] = *o;
  }
  const ntk_section section = {.options = rows};

  return ntk_option_print(&section, settings, 0, text);
}

static ntk_status print_settings(ntk_arena *arena, const ntk_settings *settings,
                                 const ntk_node *sweep, const char **yaml) {
  ntk_text text = {0};
  ntk_status status = print_sections(settings, &text);

  if (status == NTK_OK && sweep) {
    status = ntk_text_add(&text, "sweep:\n");
    if (status == NTK_OK) status = ntk_node_print(sweep, 2, &text);
  }
  if (status == NTK_OK) status = ntk_arena_copy(arena, ntk_text_string(&text), yaml);
  ntk_text_destroy(&text);
  return status;
}

/* The point's nodes live only while it is bound: a sweep may have very many points. */
static ntk_status bind_settings(const ntk_job *job, int64_t number, ntk_arena *arena,
                                ntk_settings *settings, ntk_problems *problems) {
  ntk_arena nodes = {0};
  ntk_node *root = NULL;
  ntk_status status = ntk_sweep_point(&job->tree, &job->sweep, number, &nodes, &root, problems);

  if (status == NTK_OK) {
    status = ntk_option_bind(&ntk_settings_section, root, "", job->base_directory, arena, settings,
                             problems);
  }
  ntk_arena_destroy(&nodes);
  settings->sweep = NULL;
  return status;
}

static ntk_status look_and_identify(ntk_job *job, ntk_point *point) {
  const ntk_status status = identify(&job->sweep, &job->arena, false, point);

  if (status != NTK_E_MISSING) return status;
  point->group_count = 0;
  NTK_TRY(identify(&job->sweep, &job->arena, true, point));
  point->id[0] = '\0';
  return NTK_OK;
}

static ntk_status bind_point(ntk_job *job, int64_t number, reading how, ntk_point *point,
                             ntk_problems *problems) {
  point->number = number;
  NTK_TRY(bind_settings(job, number, &job->arena, &point->settings, problems));
  if (problems->count) return NTK_OK;
  const ntk_kernel_type *type = (const ntk_kernel_type *)point->settings.kernel.type.row;

  if (how == READ && type->needs_network) NTK_TRY(ntk_data_present(&point->settings.data));
  point->settings.relative_to = job->base_directory;
  NTK_TRY(how == LOOK ? look_and_identify(job, point)
                      : identify(&job->sweep, &job->arena, how == LATER, point));
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

  while (folder[0] == '.' && folder[1] == '/') folder += 2 + strspn(folder + 2, "/");
  if (strcmp(folder, ".") == 0 || !folder[0]) {
    return ntk_arena_copy(&job->arena, here, &job->base_directory);
  }
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

/* Marks the values of the point's axes; whether one of them was not marked before.
 *   seen  of all values, axis after axis */
static bool shows_new_value(const ntk_sweep *sweep, int64_t number, bool *seen) {
  bool new = false;

  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    bool *value = seen + ntk_sweep_index(sweep, number, k);

    new = new || !*value;
    *value = true;
    seen += sweep->axis[k].count;
  }
  return new;
}

/* With one problem there may be others: every value of every axis is looked at once. */
static ntk_status bind_values(const ntk_job *job, bool *seen, ntk_problems *problems) {
  for (int64_t k = 0, looked = 0; k < job->sweep.point_count && looked < MOST_LOOKED; ++k) {
    ntk_arena arena = {0};
    ntk_settings settings = {0};

    if (ntk_sweep_skips(&job->sweep, k) || !shows_new_value(&job->sweep, k, seen)) continue;
    const ntk_status status = bind_settings(job, k, &arena, &settings, problems);

    ntk_arena_destroy(&arena);
    NTK_TRY(status);
    ++looked;
  }
  return NTK_OK;
}

static ntk_status find_all_problems(const ntk_job *job, ntk_problems *problems) {
  int64_t values = 0;
  bool *seen = NULL;

  for (int64_t k = 0; k < job->sweep.axis_count; ++k) values += job->sweep.axis[k].count;
  NTK_TRY(NTK_NEW(values, &seen));
  const ntk_status status = bind_values(job, seen, problems);

  ntk_free(&seen);
  return status;
}

static int64_t count_points(const ntk_sweep *sweep) {
  int64_t count = 0;

  for (int64_t k = 0; k < sweep->point_count; ++k) count += !ntk_sweep_skips(sweep, k);
  return count;
}

static ntk_status bind_points(ntk_job *job, reading how, ntk_problems *problems) {
  const size_t count = (size_t)count_points(&job->sweep);

  NTK_TRY(ntk_arena_new(&job->arena, count * sizeof(*job->point), &job->point));
  for (int64_t k = 0; k < job->sweep.point_count; ++k) {
    if (ntk_sweep_skips(&job->sweep, k)) continue;
    NTK_TRY(bind_point(job, k, how, &job->point[job->point_count], problems));
    if (problems->count) return find_all_problems(job, problems);
    ++job->point_count;
  }
  return NTK_OK;
}

/* Whether a group of results.h5 is called so. */
static bool is_group(const ntk_job *job, const char *name) {
  const size_t length = strlen(name);

  for (int64_t p = 0; p < job->point_count; ++p) {
    for (int64_t k = 0; k < job->point[p].group_count; ++k) {
      const char *group = job->point[p].group[k].group;

      if (strcspn(group, "/") == length && strncmp(group, name, length) == 0) return true;
    }
  }
  return false;
}

/* A key that is a section whole, such as network, has a name of its own beside that group. */
static ntk_status name_section(ntk_job *job, ntk_axis_key *key) {
  ntk_text name = {0};

  if (!is_group(job, key->name)) return NTK_OK;
  ntk_status status = ntk_text_add(&name, "%s_section", key->name);

  if (status == NTK_OK) {
    status = ntk_arena_copy(&job->arena, ntk_text_string(&name), &key->name);
  }
  ntk_text_destroy(&name);
  return status;
}

/* In sweep.h5 coordinates and groups stand side by side. */
static ntk_status part_from_groups(ntk_job *job, ntk_problems *problems) {
  for (int64_t k = 0; k < job->sweep.axis_count; ++k) {
    ntk_axis *axis = &job->sweep.axis[k];

    for (int64_t i = 0; i < axis->key_count; ++i) NTK_TRY(name_section(job, &axis->key[i]));
    if (!axis->zipped) axis->name = axis->key[0].name;
    if (!is_group(job, axis->name)) continue;
    ntk_problem(problems, axis->mark,
                "sweep.zip: '%.80s' is the name of a group of sweep.h5; choose another name",
                axis->name);
  }
  return NTK_OK;
}

static const char *last_part(const char *path) {
  const char *slash = strrchr(path, '/');

  return slash ? slash + 1 : path;
}

/* The scalar that names a file whose resolved path a message begins with; NULL if none does. */
static const ntk_node *naming(const ntk_node *node, const char *path) {
  const ntk_node *found = NULL;

  if (node->kind == NTK_NODE_SCALAR) {
    return *last_part(node->text) && strcmp(last_part(node->text), last_part(path)) == 0 ? node
                                                                                         : NULL;
  }
  for (int64_t k = 0; k < node->count && !found; ++k) found = naming(node->child[k], path);
  return found;
}

/* A missing file, with the place where the config names it. */
static ntk_status place_missing(const ntk_job *job) {
  ntk_error *error = ntk_last_error();
  char path[NTK_PATH_SIZE];

  (void)snprintf(path, sizeof(path), "%.*s", (int)strcspn(error->text, ":"), error->text);
  const ntk_node *node = strchr(path, '/') ? naming(job->tree.root, path) : NULL;

  if (!node || !node->mark.source) return NTK_E_MISSING;
  const ntk_error before = *error;

  return NTK_RAISE(NTK_E_MISSING, "%.200s:%d:%d: error: %.800s", node->mark.source->name,
                   node->mark.line, node->mark.column, before.text);
}

/* Keys of missing files are those that the folder of the results remembers. */
static ntk_status look_at_points(const char *directory, ntk_job *job, ntk_problems *problems) {
  ntk_settings first = {0};
  ntk_inputs inputs = {0};

  NTK_TRY(bind_settings(job, 0, &job->arena, &first, problems));
  if (problems->count) return find_all_problems(job, problems);
  ntk_status status = ntk_inputs_read(directory ? directory : first.output.directory, &inputs);

  ntk_hash_rely_on(inputs.count, inputs.record);
  if (status == NTK_OK) status = bind_points(job, LOOK, problems);
  ntk_hash_rely_on(0, NULL);
  ntk_inputs_destroy(&inputs);
  return status;
}

static ntk_status find_missing(ntk_job *job) {
  const ntk_status status = ntk_inputs_present(job);

  if (status != NTK_E_MISSING) return status;
  (void)place_missing(job);
  return ntk_arena_copy(&job->arena, ntk_last_error()->text, &job->missing);
}

/*   directory  of the results, for LOOK */
static ntk_status load(const char *config, int64_t set_count, const char *const *sets, reading how,
                       const char *directory, ntk_job *job, ntk_problems *problems) {
  NTK_TRY(ntk_tree_load(config, &job->tree, problems));
  if (job->tree.broken) return NTK_OK; /* else go on: all problems at once */
  NTK_TRY(override(job, set_count, sets, problems));
  NTK_TRY(find_base(config, job));
  NTK_TRY(ntk_sweep_read(&job->tree, &job->sweep, problems));
  const ntk_status status = how == LOOK ? look_at_points(directory, job, problems)
                                        : bind_points(job, how, problems);

  if (status != NTK_OK) return status == NTK_E_MISSING ? place_missing(job) : status;
  if (!problems->count) NTK_TRY(part_from_groups(job, problems));
  if (problems->count) return NTK_OK;
  if (how == LOOK) NTK_TRY(find_missing(job));
  job->directory = job->point[0].settings.output.directory;
  return print_settings(&job->arena, &job->point[0].settings,
                        ntk_node_find(job->tree.root, "sweep"), &job->yaml);
}

static ntk_status load_or_nothing(const char *config, int64_t set_count, const char *const *sets,
                                  reading how, const char *directory, ntk_job *job,
                                  ntk_problems *problems) {
  *job = (ntk_job){0};
  const ntk_status status = load(config, set_count, sets, how, directory, job, problems);

  if (status != NTK_OK) ntk_job_destroy(job);
  return status;
}

ntk_status ntk_job_load(const char *config, int64_t set_count, const char *const *sets,
                        ntk_job *job, ntk_problems *problems) {
  return load_or_nothing(config, set_count, sets, READ, NULL, job, problems);
}

ntk_status ntk_job_load_later(const char *config, int64_t set_count, const char *const *sets,
                              ntk_job *job, ntk_problems *problems) {
  return load_or_nothing(config, set_count, sets, LATER, NULL, job, problems);
}

ntk_status ntk_job_look(const char *config, int64_t set_count, const char *const *sets,
                        const char *directory, ntk_job *job, ntk_problems *problems) {
  return load_or_nothing(config, set_count, sets, LOOK, directory, job, problems);
}

/* ---- keys for the other ranks ------------------------------------------------------------------ */

static int64_t count_keys(const ntk_job *job) {
  int64_t count = 2 * job->point_count;

  for (int64_t k = 0; k < job->point_count; ++k) count += job->point[k].group_count;
  return count;
}

static void copy_key(char *packed, bool pack, char *own) {
  memcpy(pack ? packed : own, pack ? own : packed, NTK_KEY_SIZE);
}

/* To the keys of a job, in the order of points and groups, or from them. */
static void copy_keys(ntk_job *job, bool pack, ntk_key *key) {
  for (int64_t k = 0; k < job->point_count; ++k) {
    ntk_point *point = &job->point[k];

    copy_key(*key++, pack, point->id);
    copy_key(*key++, pack, point->settings.data.source_key);
    for (int64_t g = 0; g < point->group_count; ++g) copy_key(*key++, pack, point->group[g].key);
  }
}

static ntk_status prepare_keys(const ntk_job *job, int64_t count, ntk_key **key) {
  NTK_CHECK(count_keys(job) == count, NTK_E_CONFIG,
            "the config is not the same on all ranks; was it changed just now?");
  return NTK_NEW(count, key);
}

ntk_status ntk_job_share(const ntk_comm *comm, ntk_job *job) {
  int64_t count = count_keys(job);
  ntk_key *key = NULL;

  ntk_comm_broadcast(comm, 0, &count, sizeof(count));
  const ntk_status status = ntk_agree(comm, prepare_keys(job, count, &key));

  if (status == NTK_OK) {
    copy_keys(job, true, key);
    ntk_comm_broadcast(comm, 0, key, count * (int64_t)sizeof(*key));
    copy_keys(job, false, key);
  }
  ntk_free(&key);
  return status;
}

void ntk_job_destroy(ntk_job *job) {
  ntk_tree_destroy(&job->tree);
  ntk_arena_destroy(&job->arena);
  *job = (ntk_job){0};
}

/* ---- where things are ------------------------------------------------------------------------- */

void ntk_point_path(const ntk_job *job, const ntk_point *point, const char *file,
                    char path[NTK_PATH_SIZE]) {
  (void)snprintf(path, NTK_PATH_SIZE, "%s/points/%s/%s", job->directory, point->id, file);
}

void ntk_kernel_path(const ntk_job *job, const ntk_point *point, int64_t which, const char *file,
                     char path[NTK_PATH_SIZE]) {
  char stage[NTK_NAME_SIZE];

  ntk_point_group(point, which, strcmp(file, "spectrum.h5") == 0 ? "spectrum" : "kernel", stage);
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
