/* A file written piece by piece holds what one written at once would, and is there completely or
 * not at all.
 *
 * Method: pieces of odd sizes in both orders, read back; refusals; every check made to fail. */
//TEST ranks=1
#include "folder.h"
#include "ntk/store/file.h"
#include "ntk/store/handle.h"
#include "ntk/store/slab.h"

enum { TIMES = 7, SAMPLES = 5, OUTPUTS = 2, ROW = SAMPLES * OUTPUTS };

static char folder[4096];

static ntk_status describe(ntk_record *record) {
  static const ntk_field time = {"time", "time", "1", "time", "", NTK_KIND_REAL};
  ntk_variable v = {.name = "prediction",
                    .kind = NTK_KIND_REAL,
                    .rank = 3,
                    .dimension = {"time", "sample", "output"},
                    .size = {TIMES, SAMPLES, OUTPUTS},
                    .count = TIMES * ROW,
                    .units = "1"};
  double *times = NULL;

  (void)snprintf(record->name, sizeof(record->name), "conjugate/dynamics");
  NTK_TRY(ntk_record_add(record, &time, (int64_t[]){TIMES}, &times));
  for (int k = 0; k < TIMES; ++k) times[k] = k;
  return ntk_record_add_shape(record, &v, NULL);
}

static ntk_status write_pieces(ntk_slab *slab, const ntk_record *record) {
  static const char name[] = "conjugate/dynamics/prediction";
  double values[TIMES * ROW];

  for (int k = 0; k < TIMES * ROW; ++k) values[k] = 0.5 * k;
  NTK_TRY(ntk_slab_add(slab, record));
  NTK_TRY(ntk_slab_write(slab, name, 3, 4, values + 3 * ROW));
  NTK_TRY(ntk_slab_write(slab, name, 0, 1, values));
  NTK_TRY(ntk_slab_write(slab, name, 7, 0, NULL));
  return ntk_slab_write(slab, name, 1, 2, values + ROW);
}

static ntk_status write_file(void *path) {
  ntk_record record = {0};
  ntk_slab *slab = NULL;

  NTK_TRY(ntk_slab_create(path, &slab));
  ntk_status status = describe(&record);
  if (status == NTK_OK) status = write_pieces(slab, &record);
  ntk_record_destroy(&record);
  if (status == NTK_OK) return ntk_slab_finish(&slab);
  ntk_slab_abandon(&slab);
  return status;
}

static void test_content(const char *path) {
  ntk_record back;

  EXPECT_OK(ntk_file_read(path, "conjugate/dynamics", false, &back));
  const ntk_variable *v = ntk_record_find(&back, "prediction");
  EXPECT(v && v->rank == 3 && v->size[0] == TIMES);
  EXPECT_TEXT(v->dimension[0], "time");
  for (int k = 0; k < TIMES * ROW; ++k) EXPECT(((const double *)v->data)[k] == 0.5 * k);
  ntk_record_destroy(&back);
}

static void test_refusals(const char *path) {
  ntk_record record = {0};
  ntk_slab *slab = NULL;
  const double value[ROW] = {0};

  EXPECT_STATUS(ntk_slab_create("/no/such/folder/x.h5", &slab), NTK_E_CREATE);
  EXPECT(!slab);
  EXPECT_OK(ntk_slab_create(path, &slab));
  EXPECT_OK(describe(&record));
  EXPECT_OK(ntk_slab_add(slab, &record));
  ntk_record_destroy(&record);
  EXPECT_REFUSED(ntk_slab_write(slab, "conjugate/none", 0, 1, value), NTK_E_IO, "there is no");
  EXPECT_STATUS(ntk_slab_write(slab, "conjugate/dynamics/prediction", TIMES, 1, value), NTK_E_IO);
  ntk_slab_abandon(&slab);
  ntk_slab_abandon(&slab);
  EXPECT(access(path, F_OK) != 0);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  char path[4400];

  folder_make(folder);
  (void)snprintf(path, sizeof(path), "%s/predictions.h5", folder);
  test_refusals(path);
  EXPECT_OK(write_file(path));
  test_content(path);
  const long open = ntk_handles_open();
  EXPECT(sweep_faults(write_file, path) > 20);
  EXPECT(ntk_handles_open() == open);
  EXPECT(unlink(path) == 0);
  EXPECT(folder_count(folder, "") == 0); /* nothing temporary */
  folder_remove(folder);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
