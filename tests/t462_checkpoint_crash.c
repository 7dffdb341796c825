/* Killed at any step, a big file is there with all panels that were recorded, or not there at all;
 * and what is recorded is right.
 *
 * Method: a process writes twelve panels in pairs and finishes, as lower parts, or mirrored, or the
 * last ones mirrored, with the same bytes in the end; another one like it is killed at each passage
 * of each named step (crash.h), and one that finds a wrong number in a finished file when it takes
 * the name back.  Then the file is loaded, entry by entry, completed, and read by a serial reader. */
//TEST ranks=1
#include <signal.h>
#include <sys/wait.h>

#include "checkpoint.h"
#include "ntk/store/file.h"

enum { N = 24, PANELS = 12, BLOCK = 8 };

static char folder[4096], path[4400];
static ntk_comm comm;
static ntk_grid grid;
static subject gram = {.comm = &comm, .path = path, .rows = N, .cols = N, .symmetric = true};

typedef ntk_status work(ntk_checkpoint *c);

/*   mirrored  first panel that is written so */
static ntk_status write_in_pairs(ntk_checkpoint *c, int64_t mirrored) {
  ntk_matrix m = {0};

  make_matrix(&gram, &grid, BLOCK, true, &m);
  for (int64_t p = 0; p < PANELS; p += 2) {
    NTK_TRY(write_panel_by(p < mirrored ? ntk_checkpoint_write : ntk_checkpoint_write_mirrored, c,
                           &m, p, 2));
  }
  NTK_TRY(ntk_checkpoint_finish(c, (const ntk_matrix *[]){&m}));
  ntk_matrix_destroy(&m);
  return NTK_OK;
}

static ntk_status write_lower(ntk_checkpoint *c) { return write_in_pairs(c, PANELS); }
static ntk_status write_mirrored(ntk_checkpoint *c) { return write_in_pairs(c, 0); }
static ntk_status write_last_mirrored(ntk_checkpoint *c) { return write_in_pairs(c, 8); }

static ntk_status load(ntk_checkpoint *c) {
  ntk_matrix m = {0};

  NTK_TRY(ntk_matrix_create(&grid, N, N, BLOCK, &m));
  NTK_TRY(ntk_checkpoint_load(c, 0, &m));
  ntk_matrix_destroy(&m);
  return NTK_OK;
}

static void run_child(work *does, const char *step, int passage) {
  const char *rank = getenv("OMPI_COMM_WORLD_RANK");
  ntk_checkpoint *c = NULL;
  char setting[200];

  (void)snprintf(setting, sizeof(setting), "%s:%s:%d", step, rank ? rank : "0", passage);
  if (setenv("NTKRUN_TEST_KILL", setting, 1) != 0) _exit(2);
  if (open_subject(&gram, ntk_checkpoint_open, &c) != NTK_OK) _exit(3);
  if (does(c) != NTK_OK) _exit(4);
  _exit(0);
}

/* Whether the process was killed. */
static bool kill_at(work *does, const char *step, int passage) {
  int status = 0;
  const pid_t child = fork();

  EXPECT(child >= 0);
  if (child == 0) run_child(does, step, passage);
  EXPECT(waitpid(child, &status, 0) == child);
  if (WIFEXITED(status)) EXPECT(WEXITSTATUS(status) == 0);
  else EXPECT(WTERMSIG(status) == SIGKILL);
  return !WIFEXITED(status);
}

static void expect_file(void) {
  ntk_variable v = {0};

  EXPECT_OK(ntk_file_read_variable(path, "ntk", &v));
  for (int64_t k = 0; k < v.count; ++k) {
    EXPECT(((double *)v.data)[k] == entry_of(&gram, k % N, k / N));
  }
  ntk_variable_destroy(&v);
}

/*   panels  that must be there, -1: no file */
static void expect_state(int64_t panels, bool finished) {
  ntk_checkpoint *c = NULL;

  EXPECT_OK(open_subject(&gram, ntk_checkpoint_find, &c));
  EXPECT((c != NULL) == (panels >= 0));
  if (c) EXPECT(ntk_checkpoint_complete(c) == finished);
  if (c) EXPECT(expect_loaded(&gram, c, &grid, BLOCK) == panels);
  ntk_checkpoint_close(&c);
  EXPECT_OK(open_subject(&gram, ntk_checkpoint_open, &c));
  EXPECT_OK(complete_subject(&gram, c, &grid, BLOCK));
  ntk_checkpoint_close(&c);
  EXPECT(folder_count(folder, "") == 1);
  expect_file();
}

/* One entry of the finished file, below the diagonal: that above it comes later. */
static void damage(void) {
  const double right = entry_of(&gram, N - 1, 3), wrong = right + 1;
  FILE *file = fopen(path, "r+b");
  double found = 0;
  long at = 0;

  EXPECT(file);
  for (; found != right; ++at) {
    EXPECT(fseek(file, at, SEEK_SET) == 0 && fread(&found, sizeof(found), 1, file) == 1);
  }
  EXPECT(fseek(file, at - 1, SEEK_SET) == 0 && fwrite(&wrong, sizeof(wrong), 1, file) == 1);
  EXPECT(fclose(file) == 0);
}

static void take_name_back(void) {
  ntk_checkpoint *c = NULL;

  EXPECT_OK(open_subject(&gram, ntk_checkpoint_open, &c));
  EXPECT_OK(complete_subject(&gram, c, &grid, BLOCK));
  ntk_checkpoint_close(&c);
  damage();
  EXPECT(kill_at(load, "checkpoint.unfinish", 0) && access(path, F_OK) != 0);
  EXPECT_OK(open_subject(&gram, ntk_checkpoint_find, &c));
  EXPECT(c && expect_loaded(&gram, c, &grid, BLOCK) == PANELS - 1);
  EXPECT_OK(complete_subject(&gram, c, &grid, BLOCK));
  ntk_checkpoint_close(&c);
  expect_file();
  EXPECT_OK(ntk_checkpoint_discard(path));
}

/* However it was written. */
static void expect_same_bytes(work *does) {
  static char first[1 << 16], bytes[1 << 16];
  static size_t length;
  ntk_checkpoint *c = NULL;

  EXPECT_OK(open_subject(&gram, ntk_checkpoint_open, &c));
  EXPECT_OK(does(c));
  ntk_checkpoint_close(&c);
  FILE *file = fopen(path, "rb");

  EXPECT(file);
  const size_t count = fread(bytes, 1, sizeof(bytes), file);

  EXPECT(fclose(file) == 0 && count > N * N * sizeof(double) && count < sizeof(bytes));
  if (!length) memcpy(first, bytes, length = count);
  EXPECT(count == length && memcmp(first, bytes, length) == 0);
  EXPECT_OK(ntk_checkpoint_discard(path));
}

static void kill_everywhere(work *does, bool mirrored) {
  /* What is there after passage p: first + step p panels. */
  static const struct {
    const char *name;
    int passages;
    int64_t first, step;
    bool finished;
  } steps[] = {
      {"checkpoint.create", 1, -1, 0, false},      {"checkpoint.skeleton", 1, -1, 0, false},
      {"checkpoint.data", 6, 0, 2, false},         {"checkpoint.journal", 6, 2, 2, false},
      {"checkpoint.upper", 1, PANELS, 0, false},   {"checkpoint.last", 1, PANELS, 0, true},
      {"checkpoint.rename", 1, PANELS, 0, true},
  };

  for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); ++k) {
    int passage = 0;

    for (; kill_at(does, steps[k].name, passage); ++passage) {
      expect_state(steps[k].first + steps[k].step * passage, steps[k].finished);
      EXPECT_OK(ntk_checkpoint_discard(path));
    }
    const bool none = mirrored && strcmp(steps[k].name, "checkpoint.upper") == 0;

    EXPECT(passage == (none ? 0 : steps[k].passages));
    expect_file();
    EXPECT_OK(ntk_checkpoint_discard(path));
    EXPECT(folder_count(folder, "") == 0);
  }
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  comm = ntk_comm_of(MPI_COMM_SELF);
  folder_make(folder);
  (void)snprintf(path, sizeof(path), "%s", folder_path(folder, "gram.h5"));
  EXPECT_OK(ntk_grid_create(&comm, 0, 0, &grid));
  expect_same_bytes(write_lower);
  expect_same_bytes(write_mirrored);
  expect_same_bytes(write_last_mirrored);
  kill_everywhere(write_lower, false);
  kill_everywhere(write_mirrored, true);
  take_name_back();
  ntk_grid_destroy(&grid);
  EXPECT(ntk_memory_balance() == 0);
  folder_remove(folder);
  MPI_Finalize();
  return 0;
}
