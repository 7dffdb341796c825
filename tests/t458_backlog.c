/* Files of a backlog reach the disk when there are many, when the oldest has waited, whatever its owner
 * is at meanwhile, and when asked; one that is gone is an error, also of the thread that brought it
 * there, and the others stay in the backlog.
 *
 * Method: what has reached the disk cannot be seen, but it no longer waits. */
//TEST ranks=1
#include <time.h>

#include "folder.h"
#include "ntk/base/log.h"
#include "ntk/store/backlog.h"
#include "ntk/store/file.h"

static char folder[4096];

static const char *make(int k) {
  char name[32];

  (void)snprintf(name, sizeof(name), "file%d", k);
  const char *path = folder_path(folder, name);

  EXPECT_OK(ntk_file_write_text(path, "x"));
  return path;
}

static ntk_status one_file(void *path) {
  ntk_backlog backlog = {0};
  ntk_status status = ntk_backlog_add(&backlog, path);

  if (status == NTK_OK) status = ntk_backlog_sync(&backlog);
  ntk_backlog_destroy(&backlog);
  return status;
}

static void test_many(void) {
  ntk_backlog backlog = {0};

  for (int k = 0; k < NTK_BACKLOG_FILES - 1; ++k) EXPECT_OK(ntk_backlog_add(&backlog, make(k)));
  EXPECT(ntk_backlog_count(&backlog) == NTK_BACKLOG_FILES - 1);
  EXPECT_OK(ntk_backlog_add(&backlog, make(NTK_BACKLOG_FILES)));
  EXPECT(ntk_backlog_count(&backlog) == 0);
  ntk_backlog_destroy(&backlog);
}

/* Nobody does anything but look until `count` files wait; the seconds. */
static double wait_for(const ntk_backlog *backlog, int64_t count) {
  const struct timespec moment = {0, 1000000};
  const double start = ntk_now();

  while (ntk_backlog_count(backlog) != count && ntk_now() - start < 10) (void)nanosleep(&moment, NULL);
  EXPECT(ntk_backlog_count(backlog) == count);
  return ntk_now() - start;
}

static void test_old(void) {
  ntk_backlog backlog = {.seconds = 0.2}, patient = {0};

  EXPECT_OK(ntk_backlog_add(&patient, make(0)));
  EXPECT_OK(ntk_backlog_add(&backlog, make(0)));
  EXPECT_OK(ntk_backlog_add(&backlog, make(1)));
  EXPECT(ntk_backlog_count(&backlog) == 2);
  EXPECT(wait_for(&backlog, 0) > 0.1);
  EXPECT_OK(ntk_backlog_check(&backlog));
  EXPECT_OK(ntk_backlog_add(&backlog, make(2)));
  EXPECT(ntk_backlog_count(&backlog) == 1 && ntk_backlog_count(&patient) == 1);
  ntk_backlog_destroy(&backlog);
  ntk_backlog_destroy(&patient);
}

/* Whoever brings it to disk: the error is told to all that come, and stays. */
static void test_gone(double seconds) {
  ntk_backlog backlog = {.seconds = seconds};

  EXPECT_OK(ntk_backlog_add(&backlog, make(0)));
  EXPECT_OK(ntk_backlog_add(&backlog, make(1)));
  EXPECT(unlink(folder_path(folder, "file1")) == 0);
  if (seconds > 0) (void)wait_for(&backlog, 1);
  EXPECT_REFUSED(ntk_backlog_sync(&backlog), NTK_E_IO, "file1: cannot bring to disk");
  (void)make(1);
  EXPECT_REFUSED(ntk_backlog_check(&backlog), NTK_E_IO, "file1: cannot bring to disk");
  EXPECT_REFUSED(ntk_backlog_add(&backlog, make(2)), NTK_E_IO, "file1: cannot bring to disk");
  EXPECT_STATUS(ntk_backlog_sync(&backlog), NTK_E_IO);
  EXPECT(ntk_backlog_count(&backlog) == 1);
  ntk_backlog_destroy(&backlog);
}

int main(int argc, char **argv) {
  char path[4400];

  begin_test(&argc, &argv);
  folder_make(folder);
  test_many();
  test_old();
  test_gone(0);
  test_gone(0.02);
  (void)snprintf(path, sizeof(path), "%s", make(0));
  EXPECT(sweep_faults_in("", one_file, path) >= 4);
  folder_remove(folder);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
