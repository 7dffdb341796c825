/* A disk without room, and a folder that cannot be written: a message that names the file, and
 * everything that was written before stays.
 *
 * Method: a limit on the size of files, which shows itself as a full disk does; a file system of
 * 2 MiB where the system lets one be mounted; folders that are missing or protected. */
//TEST ranks=1,2
#ifdef __linux__
#define _GNU_SOURCE
#endif

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#ifdef __linux__
#include <sys/mount.h>
#endif

#include "checkpoint.h"
#include "ntk/store/file.h"
#include "ntk/store/handle.h"

enum { N = 300, BLOCK = 16 };

static char folder[4096], path[4400];
static ntk_comm comm;
static ntk_grid grid;
static subject gram = {.comm = &comm, .path = path, .rows = N, .cols = N, .symmetric = true};

static void set_limit(int64_t bytes) {
  struct rlimit limit;

  EXPECT(getrlimit(RLIMIT_FSIZE, &limit) == 0);
  limit.rlim_cur = bytes < 0 ? limit.rlim_max : (rlim_t)bytes;
  EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void expect_files(int count) {
  MPI_Barrier(comm.mpi);
  if (comm.rank == 0) EXPECT(folder_count(folder, "") == count);
  MPI_Barrier(comm.mpi);
}

static int64_t find_size(const char *name) {
  struct stat facts = {0};

  EXPECT(stat(name, &facts) == 0);
  return (int64_t)facts.st_size;
}

/* There is no room for the file. */
static void test_creation(void) {
  ntk_checkpoint *c = NULL;

  for (int64_t bytes = 0; bytes < N * N * 8; bytes += 50000) {
    set_limit(bytes);
    const ntk_status status = open_subject(&gram, ntk_checkpoint_open, &c);

    set_limit(-1);
    EXPECT(status == NTK_E_IO && !c && strstr(ntk_last_error()->text, path));
    expect_files(0);
  }
}

/* On a disk that can reserve nothing it is noticed when the data are written. */
static void test_writing(void) {
  char partial[4500];
  ntk_checkpoint *c = NULL;
  ntk_matrix m = {0};

  (void)snprintf(partial, sizeof(partial), "%s.partial", path);
  make_matrix(&gram, &grid, BLOCK, true, &m);
  EXPECT_OK(open_subject(&gram, ntk_checkpoint_open, &c));
  const int64_t panels = ntk_checkpoint_panels(c, 0), size = find_size(partial);

  EXPECT_OK(write_panel(c, &m, 0, 2));
  MPI_Barrier(comm.mpi);
  set_limit(size / 2);
  EXPECT_REFUSED(write_panel(c, &m, panels - 2, 2), NTK_E_IO, partial);
  EXPECT(!ntk_checkpoint_has(c, 0, panels - 1) && ntk_checkpoint_has(c, 0, 1));
  set_limit(-1);
  EXPECT(expect_loaded(&gram, c, &grid, BLOCK) == 2);
  ntk_checkpoint_close(&c);
  EXPECT_OK(open_subject(&gram, ntk_checkpoint_open, &c));
  EXPECT(expect_loaded(&gram, c, &grid, 1) == 2);
  EXPECT_OK(write_panel(c, &m, 2, panels - 2));
  MPI_Barrier(comm.mpi);
  set_limit(size / 2); /* the upper part */
  EXPECT_REFUSED(ntk_checkpoint_finish(c, (const ntk_matrix *[]){&m}), NTK_E_IO, partial);
  EXPECT(!ntk_checkpoint_complete(c));
  set_limit(-1);
  expect_files(1);
  EXPECT_OK(ntk_checkpoint_finish(c, (const ntk_matrix *[]){&m}));
  ntk_checkpoint_close(&c);
  EXPECT_OK(open_subject(&gram, ntk_checkpoint_find, &c));
  EXPECT(ntk_checkpoint_complete(c) && expect_loaded(&gram, c, &grid, 64) == panels);
  ntk_checkpoint_close(&c);
  ntk_matrix_destroy(&m);
  MPI_Barrier(comm.mpi);
  if (comm.rank == 0) EXPECT_OK(ntk_checkpoint_discard(path));
  expect_files(0);
}

static void test_folders(void) {
  char missing[4500], readonly[4400], inside[4500];
  ntk_checkpoint *c = NULL;
  subject other = gram;

  (void)snprintf(missing, sizeof(missing), "%s/none/gram.h5", folder);
  other.path = missing;
  EXPECT_REFUSED(open_subject(&other, ntk_checkpoint_open, &c), NTK_E_CREATE, missing);
  EXPECT(!c);
  EXPECT_REFUSED(ntk_checkpoint_discard(folder), NTK_E_IO, "cannot remove");
  memset(missing, 'x', sizeof(missing) - 1);
  missing[4090] = '\0';
  EXPECT_REFUSED(open_subject(&other, ntk_checkpoint_open, &c), NTK_E_CREATE, "path too long");
  (void)snprintf(readonly, sizeof(readonly), "%s/readonly", folder);
  (void)snprintf(inside, sizeof(inside), "%s/gram.h5", readonly);
  other.path = inside;
  if (comm.rank == 0) EXPECT(mkdir(readonly, 0555) == 0 && chmod(folder, 0755) == 0);
  MPI_Barrier(comm.mpi);
  if (geteuid() == 0) EXPECT(seteuid(65534) == 0); /* to root nothing is protected */
  EXPECT_REFUSED(open_subject(&other, ntk_checkpoint_open, &c), NTK_E_CREATE, inside);
  EXPECT(!c);
  if (getuid() == 0) EXPECT(seteuid(0) == 0);
  MPI_Barrier(comm.mpi);
  if (comm.rank == 0) EXPECT(rmdir(readonly) == 0);
}

/* ---- a real one ------------------------------------------------------------------------------ */

static bool mount_small(const char *where) {
#ifdef __linux__
  return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
         mount("tmpfs", where, "tmpfs", 0, "size=2m") == 0;
#else
  (void)where;
  return false;
#endif
}

/* 600 x 600 numbers are more than 2 MiB, 300 x 300 are not.  One process: the others would not see
 * what it mounts. */
static void test_small_disk(void) {
  char where[4200], inside[4400];
  ntk_checkpoint *c = NULL;
  subject s = gram;

  (void)snprintf(where, sizeof(where), "%s/disk", folder);
  (void)snprintf(inside, sizeof(inside), "%s/gram.h5", where);
  EXPECT(mkdir(where, 0755) == 0);
  if (!mount_small(where)) {
    (void)printf("no file system could be mounted: the small disk is not tested\n");
    return;
  }
  s.path = inside;
  s.rows = s.cols = 600;
  EXPECT_REFUSED(open_subject(&s, ntk_checkpoint_open, &c), NTK_E_FULL, inside);
  EXPECT(!c && folder_count(where, "") == 0);
  s.rows = s.cols = N;
  EXPECT_OK(open_subject(&s, ntk_checkpoint_open, &c));
  EXPECT_OK(complete_subject(&s, c, &grid, BLOCK));
  EXPECT(ntk_checkpoint_complete(c));
  ntk_checkpoint_close(&c);
#ifdef __linux__
  EXPECT(umount(where) == 0);
#endif
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  comm = ntk_comm_of(MPI_COMM_WORLD);
  if (comm.rank == 0) folder_make(folder);
  MPI_Bcast(folder, sizeof(folder), MPI_BYTE, 0, comm.mpi);
  (void)snprintf(path, sizeof(path), "%s", folder_path(folder, "gram.h5"));
  (void)signal(SIGXFSZ, SIG_IGN);
  EXPECT_OK(ntk_grid_create(&comm, 0, 0, &grid));
  const long open = ntk_handles_open();

  test_creation();
  test_writing();
  test_folders();
  if (comm.size == 1) test_small_disk();
  EXPECT(ntk_handles_open() == open);
  ntk_grid_destroy(&grid);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Barrier(comm.mpi);
  if (comm.rank == 0) folder_remove(folder);
  MPI_Finalize();
  return 0;
}
