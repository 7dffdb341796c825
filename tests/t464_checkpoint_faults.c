/* Whichever check fails on whichever rank: the same status everywhere, no hang, no memory, no HDF5
 * handle and no open file left.
 *
 * Method: a job that comes by everything that big files do, a damaged panel of a finished file
 * included; the first and the last passage of every check fails on each rank in turn. */
//TEST ranks=1,2,3
#include <fcntl.h>

#include "checkpoint.h"
#include "faults.h"
#include "handles.h"
#include "ntk/store/file.h"
#include "ntk/store/panel.h"

enum { N = 6, BLOCK = 1 };

static char folder[4096], path[4400];

/* What the job has open. */
typedef struct state {
  const ntk_comm *comm;
  const ntk_grid *grid;
  ntk_checkpoint *c;
  ntk_matrix m;
} state;

static subject subject_of(const state *s) {
  return (subject){.comm = s->comm, .path = path, .rows = N, .cols = N, .symmetric = true};
}

/* A damaged number in the last column, found by its value. */
static void damage_file(void) {
  const subject s = {.symmetric = true};
  const double corner = entry_of(&s, N - 1, N - 1);
  char bytes[1 << 16];
  const int file = open(path, O_RDWR);
  const ssize_t length = pread(file, bytes, sizeof(bytes), 0);
  ssize_t at = 0;

  while (at + 8 <= length && memcmp(bytes + at, &corner, 8) != 0) ++at;
  EXPECT(at + 8 <= length && pwrite(file, "\1", 1, at) == 1 && close(file) == 0);
}

static ntk_status write_in_parts(state *s) {
  const subject gram = subject_of(s);

  NTK_TRY(open_subject(&gram, ntk_checkpoint_open, &s->c));
  NTK_TRY(write_panel(s->c, &s->m, 3, 2));
  ntk_checkpoint_close(&s->c);
  NTK_TRY(open_subject(&gram, ntk_checkpoint_open, &s->c));
  NTK_TRY(ntk_checkpoint_load(s->c, 0, &s->m));
  NTK_TRY(write_panel(s->c, &s->m, 0, 3));
  NTK_TRY(write_panel(s->c, &s->m, 5, 1));
  NTK_TRY(ntk_checkpoint_finish(s->c, (const ntk_matrix *[]){&s->m}));
  ntk_checkpoint_close(&s->c);
  return NTK_OK;
}

/* The last panel is wrong: it is forgotten, and written again. */
static ntk_status repair(state *s) {
  const subject gram = subject_of(s);

  MPI_Barrier(s->comm->mpi);
  if (s->comm->rank == 0) damage_file();
  NTK_TRY(open_subject(&gram, ntk_checkpoint_find, &s->c));
  NTK_TRY(ntk_checkpoint_load(s->c, 0, &s->m));
  EXPECT(!ntk_checkpoint_complete(s->c) && !ntk_checkpoint_has(s->c, 0, N - 1));
  NTK_TRY(write_panel(s->c, &s->m, N - 1, 1));
  NTK_TRY(ntk_checkpoint_finish(s->c, (const ntk_matrix *[]){&s->m}));
  ntk_checkpoint_close(&s->c);
  return NTK_OK;
}

static ntk_status write_at_once(state *s) {
  const ntk_panel_matrix panel = {"ntk", "sample2", "sample", "kernel", "1", "B.1", &s->m};
  const ntk_record header = {0};

  NTK_TRY(ntk_panel_write(s->comm, path, &header, 1, &panel));
  NTK_TRY(ntk_panel_read(path, "ntk", false, &s->m));
  NTK_TRY(ntk_panel_read(path, "ntk", true, &s->m));
  return ntk_agree(s->comm, s->comm->rank == 0 ? ntk_checkpoint_discard(path) : NTK_OK);
}

static ntk_status use_files(state *s) {
  NTK_TRY(write_in_parts(s));
  NTK_TRY(repair(s));
  return write_at_once(s);
}

static void fill(state *s) {
  const subject gram = subject_of(s);

  for (int64_t lj = 0; lj < s->m.local_cols; ++lj) {
    for (int64_t li = 0; li < s->m.local_rows; ++li) {
      s->m.data[li + lj * s->m.ld] =
          entry_of(&gram, ntk_matrix_row(&s->m, li), ntk_matrix_col(&s->m, lj));
    }
  }
}

static ntk_status job(const ntk_comm *comm, void *context) {
  state s = {.comm = comm, .grid = context};

  NTK_TRY(ntk_matrix_create(s.grid, N, N, BLOCK, &s.m));
  fill(&s);
  const ntk_status status = use_files(&s);

  ntk_checkpoint_close(&s.c);
  ntk_matrix_destroy(&s.m);
  return status;
}

static int count_open_files(void) { return folder_count("/proc/self/fd", ""); }

/* Files that an earlier failure left, all ranks being done with them. */
static void clean(const ntk_comm *comm) {
  MPI_Barrier(comm->mpi);
  if (comm->rank == 0) EXPECT_OK(ntk_checkpoint_discard(path));
  if (comm->rank == 0) EXPECT(folder_count(folder, "") == 0);
  MPI_Barrier(comm->mpi);
}

static void fail_on(const ntk_comm *comm, const ntk_grid *grid, int rank) {
  enum { MOST = 1000 };
  ntk_fault_site *site[MOST] = {0};
  long last[MOST] = {0};
  int64_t count = 0;

  ntk_fault_reset();
  EXPECT_OK(job(comm, (void *)grid));
  for (ntk_fault_site *s = ntk_fault_sites(); s; s = s->next) {
    if (s->passages == 0) continue;
    EXPECT(count < MOST);
    site[count] = s;
    last[count++] = s->passages - 1;
  }
  ntk_comm_broadcast(comm, rank, &count, sizeof(count));
  ntk_comm_broadcast(comm, rank, last, sizeof(last));
  for (int64_t k = 0; k < count; ++k) {
    for (long passage = 0; passage <= last[k]; passage += last[k] ? last[k] : 1) {
      fail_once(comm, job, (void *)grid, rank == comm->rank ? site[k] : NULL, passage);
      clean(comm);
    }
  }
  ntk_fault_reset();
}

int main(int argc, char **argv) {
  ntk_comm comm;
  ntk_grid grid;

  begin_test(&argc, &argv);
  comm = ntk_comm_of(MPI_COMM_WORLD);
  if (access("/dev/shm", W_OK) == 0) EXPECT(setenv("TMPDIR", "/dev/shm", 1) == 0); /* faster */
  if (comm.rank == 0) folder_make(folder);
  MPI_Bcast(folder, sizeof(folder), MPI_BYTE, 0, comm.mpi);
  (void)snprintf(path, sizeof(path), "%s", folder_path(folder, "gram.h5"));
  EXPECT_OK(ntk_grid_create(&comm, 0, 0, &grid));
  EXPECT_OK(job(&comm, &grid));
  note_handles();
  const int files = count_open_files();

  for (int rank = 0; rank < comm.size; ++rank) fail_on(&comm, &grid, rank);
  EXPECT(count_open_files() == files);
  expect_no_handles();
  ntk_grid_destroy(&grid);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Barrier(comm.mpi);
  if (comm.rank == 0) folder_remove(folder);
  MPI_Finalize();
  return 0;
}
