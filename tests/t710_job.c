/* Stage keys change with what they depend on, and with nothing else (INTERFACE 2).
 *
 * Method: load one config, then the same with one setting changed by --set, and compare the keys
 * of all groups and the point id with the list of those that must differ.  Files count by content:
 * the same bytes elsewhere give the same key, one other byte another. */
//TEST ranks=1
#include <stdlib.h>
#include <unistd.h>

#include "ntk/run/job.h"
#include "test.h"

static const char config[] =
    "name: keys\n"
    "data: {source: gaussian, dimension: 3, train: {count: 8}, test: {count: 2}}\n"
    "network: {kind: mlp, depth: 1, width: 4}\n"
    "analyses:\n"
    "  - summary\n"
    "  - dynamics\n"
    "  - effective_dimension: {ridge: [0.1]}\n"
    "output: {directory: out}\n";

/* groups in order: data, network, kernel, spectrum, summary (root), dynamics, effective_dimension */
static const struct {
  const char *set, *changed; /* one letter a group: y if its key must change */
  bool id;                   /* the point id changes */
} changes[] = {
    {"name=other", "nnnnnnn", false},
    {"output.directory=elsewhere", "nnnnnnn", false},
    {"output.keep=[results, gram]", "nnnnnnn", false},
    {"data.seed=1", "yyyyyyy", true},
    {"data.train.count=7", "yyyyyyy", true},
    {"network.width=5", "nyyyyyy", true},
    {"network.seed=3", "nyyyyyy", true},
    {"kernel.precision=single", "nnyyyyy", true},
    {"kernel.test_test=none", "nnyyyyy", true},
    {"kernel.contraction=jacobian", "nnyyyyy", true}, /* other bits */
    {"spectrum.block=16", "nnnyyyy", false},
    {"analyses.dynamics.loss=half_sse", "nnnnnyn", false},
    {"analyses.effective_dimension.ridge=[0.2]", "nnnnnny", false},
};

static void load(const char *set, ntk_job *job) {
  ntk_problems problems = {0};

  EXPECT_OK(ntk_job_load("keys.yaml", set ? 1 : 0, &set, job, &problems));
  if (problems.count) FAIL("%s: %s", set ? set : "config", ntk_text_string(&problems.text));
  ntk_problems_destroy(&problems);
}

static void write_text(const char *path, const char *text) {
  FILE *file = fopen(path, "w");

  EXPECT(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void keys_follow_settings(void) {
  ntk_job job = {0};

  load(NULL, &job);
  EXPECT(job.point_count == 1 && job.point[0].group_count == 7);
  for (size_t k = 0; k < sizeof(changes) / sizeof(changes[0]); ++k) {
    ntk_job other = {0};

    load(changes[k].set, &other);
    for (int g = 0; g < 7; ++g) {
      const bool differs = strcmp(job.point[0].group[g].key, other.point[0].group[g].key) != 0;

      if (differs != (changes[k].changed[g] == 'y')) {
        FAIL("--set %s: group %d (%s)", changes[k].set, g, job.point[0].group[g].group);
      }
    }
    EXPECT((strcmp(job.point[0].id, other.point[0].id) != 0) == changes[k].id);
    ntk_job_destroy(&other);
  }
  ntk_job_destroy(&job);
}

/* An axis inside spectrum or analyses makes points of its own; other keys stay shared. */
static void axes_behind_the_kernel(void) {
  ntk_job job = {0};

  load("sweep={spectrum.block: [8, 16], analyses.dynamics.loss: [half_sse, mse_mean]}", &job);
  EXPECT(job.point_count == 4);
  for (int a = 0; a < 4; ++a) {
    EXPECT_TEXT(ntk_point_key(&job.point[a], "kernel"), ntk_point_key(&job.point[0], "kernel"));
    for (int b = 0; b < a; ++b) EXPECT(strcmp(job.point[a].id, job.point[b].id) != 0);
  }
  ntk_job_destroy(&job);
}

static const char *data_key(const char *file, ntk_job *job) {
  char set[128];

  (void)snprintf(set, sizeof(set), "data={source: npy, inputs: %s, labels: %s, train: {count: 2}}",
                 file, file);
  load(set, job);
  return ntk_point_key(&job->point[0], "data");
}

static void files_count_by_content(void) {
  ntk_job job = {0}, same = {0}, other = {0};

  write_text("a.npy", "some bytes");
  write_text("b.npy", "some bytes");
  write_text("c.npy", "some bytez");
  EXPECT_TEXT(data_key("a.npy", &job), data_key("b.npy", &same));
  EXPECT(strcmp(ntk_point_key(&job.point[0], "data"), data_key("c.npy", &other)) != 0);
  ntk_job_destroy(&job);
  ntk_job_destroy(&same);
  ntk_job_destroy(&other);
}

/* The resolved config, read again, gives the same keys: nothing in it is rounded or lost. */
static void resolved_config_is_a_fixed_point(void) {
  ntk_job job = {0}, again = {0};
  ntk_problems problems = {0};

  load("analyses.effective_dimension.ridge=[0.1, 1e-300, 0.30000000000000004]", &job);
  write_text("resolved.yaml", job.yaml);
  EXPECT_OK(ntk_job_load("resolved.yaml", 0, NULL, &again, &problems));
  if (problems.count) FAIL("%s", ntk_text_string(&problems.text));
  EXPECT_TEXT(job.point[0].id, again.point[0].id);
  EXPECT_TEXT(job.yaml, again.yaml);
  for (int g = 0; g < 7; ++g) EXPECT_TEXT(job.point[0].group[g].key, again.point[0].group[g].key);
  ntk_problems_destroy(&problems);
  ntk_job_destroy(&job);
  ntk_job_destroy(&again);
}

/* Relative paths of a config start at its folder, whose path has no "." in it. */
static void base_is_the_config_s_folder(const char *folder) {
  static const char *const names[] = {"keys.yaml", "./keys.yaml", ".//./keys.yaml"};

  for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); ++k) {
    ntk_job job = {0};
    ntk_problems problems = {0};

    EXPECT_OK(ntk_job_load(names[k], 0, NULL, &job, &problems));
    EXPECT_TEXT(job.base_directory, folder);
    ntk_problems_destroy(&problems);
    ntk_job_destroy(&job);
  }
}

int main(int argc, char **argv) {
  char folder[] = "/tmp/ntkrun-job-XXXXXX";
  static const char *const files[] = {"keys.yaml", "resolved.yaml", "a.npy", "b.npy", "c.npy"};

  begin_test(&argc, &argv);
  EXPECT(mkdtemp(folder) && chdir(folder) == 0);
  write_text("keys.yaml", config);
  keys_follow_settings();
  axes_behind_the_kernel();
  files_count_by_content();
  resolved_config_is_a_fixed_point();
  base_is_the_config_s_folder(folder);
  EXPECT(ntk_memory_balance() == 0);
  for (size_t k = 0; k < sizeof(files) / sizeof(files[0]); ++k) (void)unlink(files[k]);
  EXPECT(chdir("/") == 0 && rmdir(folder) == 0);
  MPI_Finalize();
  return 0;
}
