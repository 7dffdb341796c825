/* Speeds that doctor has stored are found again: those of this host first, then those of another
 * host with its processor, then the latest; what is damaged is passed over, and without any there
 * are none.  What they, or a product measured now, make of a point.
 *
 * Method: records of several hosts in a folder of the test, which XDG_CACHE_HOME names. */
//TEST ranks=1
#include "ntk/run/calibration.h"

#include "folder.h"
#include "ntk/run/plan.h"
#include "ntk/store/file.h"
#include "ntk/store/provenance.h"

static char folder[4096];

static ntk_calibration record(const char *host, const char *cpu, const char *time, double rate) {
  ntk_calibration c = {.ranks = 2,
                       .product_double = rate,
                       .product_single = 2 * rate,
                       .spectrum_small = rate / 8,
                       .spectrum_small_n = 512,
                       .spectrum_large = rate / 2,
                       .spectrum_large_n = 2048,
                       .point_seconds = 0.1,
                       .write_rate = 1e9 / 3};

  (void)snprintf(c.host, sizeof(c.host), "%s", host);
  (void)snprintf(c.cpu, sizeof(c.cpu), "%s", cpu);
  (void)snprintf(c.time, sizeof(c.time), "%s", time);
  return c;
}

static void keep(const ntk_calibration *c) {
  char path[4096];

  EXPECT_OK(ntk_calibration_write(c, path));
  EXPECT(strncmp(path, folder, strlen(folder)) == 0);
}

static void expect_found(double rate) {
  ntk_calibration c = {0};
  bool found = false;

  EXPECT_OK(ntk_calibration_find(&c, true, &found));
  EXPECT(found == (rate > 0));
  EXPECT(!found || c.product_double == rate);
}

static void test_preference(void) {
  ntk_calibration here = record("", "", "2026-01-01T00:00:00Z", 1e10 / 3), back = {0};
  bool found = false;

  (void)gethostname(here.host, sizeof(here.host) - 1);
  ntk_cpu_name(here.cpu, sizeof(here.cpu));
  const ntk_calibration old = record("a", "other \"cpu\": #1", "2026-01-02T00:00:00Z", 1e9),
                        late = record("b", "another", "2026-01-03T00:00:00Z", 2e9),
                        alike = record("c", here.cpu, "2025-01-01T00:00:00Z", 3e9);

  expect_found(0);
  keep(&late);
  keep(&old);
  expect_found(2e9);
  EXPECT_OK(ntk_calibration_find(&back, false, &found));
  EXPECT(!found);
  keep(&alike);
  expect_found(3e9);
  keep(&here);
  expect_found(1e10 / 3);
  EXPECT_OK(ntk_calibration_find(&back, false, &found));
  EXPECT(same_bits(&here, &back, sizeof(here)));
  snprintf(here.cpu, sizeof(here.cpu), "the one before"); /* the host got a new processor */
  keep(&here);
  expect_found(3e9);
}

/* A file of another version, of another program, or cut off. */
static void test_damaged(void) {
  static const char *const texts[] = {"", "host: [a\n", "- 1\n", "host: c\ncpu: x\ntime: now\n",
                                      "ranks: 2\n"};

  for (int k = 0; k < 5; ++k) {
    EXPECT_OK(ntk_file_write_text(folder_path(folder, "ntkrun/c.yaml"), texts[k]));
    expect_found(2e9);
  }
}

static void test_speed(void) {
  const ntk_calibration c = record("a", "b", "", 8e9);

  EXPECT_NEAR(ntk_calibration_speed(&c, 100).spectrum.flops_per_second, 1e9, 1);
  EXPECT_NEAR(ntk_calibration_speed(&c, 512).spectrum.flops_per_second, 1e9, 1);
  EXPECT_NEAR(ntk_calibration_speed(&c, 1024).spectrum.flops_per_second, 2e9, 1);
  EXPECT_NEAR(ntk_calibration_speed(&c, 10000).spectrum.flops_per_second, 4e9, 1);
  EXPECT(ntk_calibration_speed(&c, 1).kernel.flops_per_second ==
         ntk_speed_guess(8e9, 1).kernel.flops_per_second);
}

/* A point takes its own time and that of its weights, a kernel that of its products and of what
 * passes through memory, a spectrum of n rows n^3 and more where n is small. */
static void test_parts(void) {
  const ntk_tempo slow = {.product = 1e9}, fast = {.product = 2e9};
  const ntk_point_cost cost = {.rows = 1000, .kernel_flops = 1e9, .spectrum_flops = 1e9};
  const ntk_point_cost wide = {.rows = 1000, .kernel_flops = 1e9, .spectrum_flops = 1e9,
                               .kernel_bytes = 1e9, .parameters = 1000000};
  const ntk_point_cost small = {.rows = 100, .spectrum_flops = 1e9};
  double part[NTK_PARTS], other[NTK_PARTS];

  ntk_tempo_parts(&slow, &cost, part);
  EXPECT(part[NTK_PART_POINTS] > 0 && part[NTK_PART_KERNEL] > 1 && part[NTK_PART_SPECTRUM] > 1);
  ntk_tempo_parts(&fast, &cost, other);
  EXPECT_NEAR(other[NTK_PART_KERNEL], part[NTK_PART_KERNEL] / 2, 1e-9);
  EXPECT_NEAR(other[NTK_PART_SPECTRUM], part[NTK_PART_SPECTRUM] / 2, 1e-9);
  ntk_tempo_parts(&slow, &wide, other);
  EXPECT(other[NTK_PART_POINTS] > part[NTK_PART_POINTS]);
  EXPECT(other[NTK_PART_KERNEL] > 5 * part[NTK_PART_KERNEL]);
  ntk_tempo_parts(&slow, &small, other);
  EXPECT(other[NTK_PART_SPECTRUM] > 2 * part[NTK_PART_SPECTRUM]);
}

/* Twice the time for every point is twice the time of points so small. */
static void test_plan(void) {
  static const char config[] =
      "data: {source: gaussian, dimension: 2, train: {count: 4}}\n"
      "network: {kind: mlp, depth: 1, width: 2}\n"
      "sweep: {network.seed: 0..9}\n";
  const char *path = folder_path(folder, "config.yaml");
  ntk_calibration c = record("late", "other", "2030-05-06T00:00:00Z", 1e9);
  ntk_problems problems = {0};
  ntk_job job = {0};
  ntk_plan plan = {0};
  ntk_text text = {0}, json = {0};

  c.point_seconds = 7;
  keep(&c);
  EXPECT_OK(ntk_file_write_text(path, config));
  EXPECT_OK(ntk_job_load(path, 0, NULL, &job, &problems));
  EXPECT_OK(ntk_plan_make(&job, 3, &plan));
  EXPECT(plan.tempo.calibrated && plan.tempo.product == 1e9);
  EXPECT_NEAR(plan.seconds, 70, 0.1);
  EXPECT_OK(ntk_plan_text(&plan, false, &text));
  EXPECT(strstr(ntk_text_string(&text), "as calibrated on late, 2030-05-06)"));
  EXPECT_OK(ntk_plan_json(&plan, &json));
  EXPECT(strstr(ntk_text_string(&json), "\"calibrated_on\": \"late\""));
  ntk_text_destroy(&text);
  ntk_text_destroy(&json);
  ntk_plan_destroy(&plan);
  ntk_problems_destroy(&problems);
  ntk_job_destroy(&job);
}

static ntk_status write_record(void *unused) {
  const ntk_calibration c = record("z", "z", "2020", 1e9);
  char path[4096];

  (void)unused;
  return ntk_calibration_write(&c, path);
}

static void test_no_folder(void) {
  const ntk_calibration c = record("a", "b", "", 1e9);
  char path[4096];

  EXPECT(setenv("XDG_CACHE_HOME", "relative", 1) == 0 && setenv("HOME", folder, 1) == 0);
  expect_found(0);
  EXPECT_OK(ntk_calibration_write(&c, path));
  EXPECT_TEXT(path, folder_path(folder, ".cache/ntkrun/a.yaml"));
  EXPECT(unsetenv("XDG_CACHE_HOME") == 0 && unsetenv("HOME") == 0);
  expect_found(0);
  EXPECT_REFUSED(ntk_calibration_write(&c, path), NTK_E_CREATE, "set HOME or XDG_CACHE_HOME");
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  folder_make(folder);
  EXPECT(setenv("XDG_CACHE_HOME", folder, 1) == 0);
  test_preference();
  test_damaged();
  test_speed();
  test_parts();
  test_plan();
  EXPECT(sweep_faults(write_record, NULL) > 0);
  test_no_folder();
  folder_remove(folder);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
