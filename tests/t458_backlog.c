/* Files of a backlog reach the disk when there are many, when the first is old, and when asked; one
 * that is gone is an error, and the others stay in the backlog.
 *
 * Method: what has reached the disk cannot be seen, but it has left the backlog. */
//TEST ranks=1
#include "folder.h"
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

int main(int argc, char **argv) {
  ntk_backlog backlog = {0};
  char path[4400];

  begin_test(&argc, &argv);
  folder_make(folder);
  for (int k = 0; k < NTK_BACKLOG_FILES - 1; ++k) EXPECT_OK(ntk_backlog_add(&backlog, make(k)));
  EXPECT(backlog.count == NTK_BACKLOG_FILES - 1);
  EXPECT_OK(ntk_backlog_add(&backlog, make(NTK_BACKLOG_FILES)));
  EXPECT(backlog.count == 0);

  EXPECT_OK(ntk_backlog_add(&backlog, make(0)));
  EXPECT_OK(ntk_backlog_tick(&backlog));
  EXPECT(backlog.count == 1);
  backlog.since -= NTK_BACKLOG_SECONDS;
  EXPECT_OK(ntk_backlog_tick(&backlog));
  EXPECT(backlog.count == 0);

  EXPECT_OK(ntk_backlog_add(&backlog, make(0)));
  EXPECT_OK(ntk_backlog_add(&backlog, make(1)));
  EXPECT(unlink(folder_path(folder, "file1")) == 0);
  EXPECT_REFUSED(ntk_backlog_sync(&backlog), NTK_E_IO, "file1: cannot bring to disk");
  EXPECT(backlog.count == 2);
  ntk_backlog_destroy(&backlog);

  (void)snprintf(path, sizeof(path), "%s", make(0));
  EXPECT(sweep_faults_in("", one_file, path) >= 3);
  folder_remove(folder);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
