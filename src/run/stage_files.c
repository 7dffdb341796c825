#include "stage_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ntk/base/crash.h"
#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "ntk/run/results.h"
#include "ntk/store/durable.h"
#include "ntk/store/file.h"

/* ---- which are there ------------------------------------------------------------------------- */

static bool exists(const char *path) { return access(path, F_OK) == 0; }

/* Under its own name, or unfinished. */
static bool has_begun(const char *path) {
  char partial[NTK_PATH_SIZE + 16];

  (void)snprintf(partial, sizeof(partial), "%s.partial", path);
  return exists(path) || exists(partial);
}

static bool has_file(const ntk_kept *kept, ntk_kept_file file, bool validation) {
  char path[NTK_PATH_SIZE];

  ntk_kept_path(kept, file, validation, path);
  return has_begun(path);
}

static void state_path(const ntk_kept *kept, char path[NTK_PATH_SIZE]) {
  ntk_kernel_path(kept->job, kept->point, kept->which, "kernel.h5", path);
}

bool ntk_stage_has_kernel_files(const ntk_kept *kept) {
  return has_file(kept, NTK_KEPT_GRAM, false) || has_file(kept, NTK_KEPT_TEST, false) ||
         has_file(kept, NTK_KEPT_TEST, true);
}

bool ntk_stage_has_spectrum_file(const ntk_kept *kept) {
  return has_file(kept, NTK_KEPT_SPECTRUM, false);
}

/* ---- kernel.h5 ------------------------------------------------------------------------------- */

static const char *key_of(const ntk_kept *kept, const char *stage) {
  char group[NTK_NAME_SIZE];

  ntk_point_group(kept->point, kept->which, stage, group);
  return ntk_point_key(kept->point, group);
}

static ntk_status write_record(const ntk_kept *kept, const ntk_kernel *kernel, ntk_record *record) {
  char path[NTK_PATH_SIZE];

  state_path(kept, path);
  NTK_TRY(ntk_kernel_save(kernel, record));
  NTK_TRY(ntk_record_set_text(record, "key", key_of(kept, "kernel")));
  ntk_durable_tidy(path);
  return ntk_file_write(path, 1, record, NULL);
}

ntk_status ntk_stage_write_state(const ntk_kept *kept, const ntk_kernel *kernel) {
  ntk_record record = {0};
  const ntk_status status = write_record(kept, kernel, &record);

  ntk_record_destroy(&record);
  return status;
}

static bool has_key(const ntk_record *record, const char *key) {
  const ntk_attribute *found = ntk_record_find_attribute(record, "key");

  return found && found->kind == NTK_KIND_TEXT && strcmp(found->text, key) == 0;
}

ntk_status ntk_stage_read_state(const ntk_kept *kept, ntk_record *state, bool *found) {
  char path[NTK_PATH_SIZE];

  *found = false;
  state_path(kept, path);
  if (!exists(path)) return NTK_OK;
  const ntk_status status = ntk_file_read(path, "", false, state);

  if (status == NTK_E_INPUT) {
    ntk_log("%s; not used", ntk_last_error()->text);
    return NTK_OK;
  }
  NTK_TRY(status);
  *found = has_key(state, key_of(kept, "kernel"));
  return NTK_OK;
}

/* ---- spectrum.h5 ----------------------------------------------------------------------------- */

enum { REALS = 5, INTEGERS = 2 };

typedef struct facts {
  bool usable;
  double reals[REALS];
  int64_t integers[INTEGERS];
  char solver[32], kernel[96];
} facts;

static const char *const real_names[REALS] = {"cutoff", "lambda_min_raw", "residual",
                                              "orthogonality", "seconds"};
static const char *const integer_names[INTEGERS] = {"negative_count", "block"};

static ntk_status put_facts(const ntk_spectrum *s, ntk_record *record) {
  const double reals[REALS] = {s->cutoff, s->lambda_min_raw, s->residual, s->orthogonality,
                               s->seconds};
  const int64_t integers[INTEGERS] = {s->negative_count, s->block};

  for (int k = 0; k < REALS; ++k) NTK_TRY(ntk_record_set_real(record, real_names[k], reals[k]));
  for (int k = 0; k < INTEGERS; ++k) {
    NTK_TRY(ntk_record_set_int(record, integer_names[k], integers[k]));
  }
  NTK_TRY(ntk_record_set_text(record, "solver", s->solver));
  return ntk_record_set_text(record, "solver_kernel", s->kernel);
}

ntk_status ntk_stage_describe_spectrum(const ntk_spectrum *spectrum, ntk_record *record) {
  NTK_TRY(ntk_results_eigenvalues(spectrum, record));
  return put_facts(spectrum, record);
}

static const ntk_attribute *find(const ntk_record *record, const char *name, ntk_kind kind) {
  const ntk_attribute *found = ntk_record_find_attribute(record, name);

  return found && found->kind == kind ? found : NULL;
}

static bool get_facts(const ntk_record *record, facts *f) {
  const ntk_attribute *solver = find(record, "solver", NTK_KIND_TEXT);
  const ntk_attribute *kernel = find(record, "solver_kernel", NTK_KIND_TEXT);
  bool all = solver && kernel;

  for (int k = 0; k < REALS && all; ++k) {
    const ntk_attribute *found = find(record, real_names[k], NTK_KIND_REAL);

    all = found != NULL;
    if (found) f->reals[k] = found->real;
  }
  for (int k = 0; k < INTEGERS && all; ++k) {
    const ntk_attribute *found = find(record, integer_names[k], NTK_KIND_INT);

    all = found != NULL;
    if (found) f->integers[k] = found->integer;
  }
  if (!all) return false;
  (void)snprintf(f->solver, sizeof(f->solver), "%s", solver->text);
  (void)snprintf(f->kernel, sizeof(f->kernel), "%s", kernel->text);
  return ntk_row_find(ntk_solvers, f->solver) != NULL;
}

static ntk_status read_eigenvalues(const char *path, int64_t n, double *eigenvalue, facts *f) {
  ntk_variable v = {0};

  NTK_TRY(ntk_file_read_variable(path, "eigenvalue", &v));
  f->usable = f->usable && v.kind == NTK_KIND_REAL && v.count == n;
  if (f->usable) memcpy(eigenvalue, v.data, (size_t)n * sizeof(double));
  ntk_variable_destroy(&v);
  return NTK_OK;
}

/* The file was found to be sound and of its key. */
static ntk_status read_facts(const ntk_kept *kept, int64_t n, double *eigenvalue, facts *f) {
  char path[NTK_PATH_SIZE];
  ntk_record listed = {0};

  ntk_kept_path(kept, NTK_KEPT_SPECTRUM, false, path);
  NTK_TRY(ntk_file_list(path, "", false, &listed));
  f->usable = get_facts(&listed, f);
  ntk_record_destroy(&listed);
  return read_eigenvalues(path, n, eigenvalue, f);
}

static void take_facts(const facts *f, char *kernel, ntk_spectrum *s) {
  memcpy(kernel, f->kernel, sizeof(f->kernel));
  s->cutoff = f->reals[0];
  s->lambda_min_raw = f->reals[1];
  s->residual = f->reals[2];
  s->orthogonality = f->reals[3];
  s->seconds = f->reals[4];
  s->negative_count = f->integers[0];
  s->block = f->integers[1];
  s->solver = ntk_row_find(ntk_solvers, f->solver)->name;
  s->kernel = kernel;
}

ntk_status ntk_stage_read_spectrum(const ntk_kept *kept, int64_t n, char *kernel,
                                   ntk_spectrum *spectrum) {
  const ntk_comm *comm = kept->comm;
  facts f = {0};

  NTK_AGREE(comm, NTK_NEW(n, &spectrum->eigenvalue));
  NTK_AGREE(comm, comm->rank == 0 ? read_facts(kept, n, spectrum->eigenvalue, &f) : NTK_OK);
  ntk_comm_broadcast(comm, 0, &f, sizeof(f));
  if (!f.usable) return NTK_OK;
  ntk_comm_broadcast(comm, 0, spectrum->eigenvalue, n * (int64_t)sizeof(double));
  spectrum->n = n;
  take_facts(&f, kernel, spectrum);
  return NTK_OK;
}

/* ---- files that nobody keeps ----------------------------------------------------------------- */

static const struct {
  ntk_kept_file file;
  bool validation;
} all_files[] = {{NTK_KEPT_GRAM, false},
                 {NTK_KEPT_TEST, false},
                 {NTK_KEPT_TEST, true},
                 {NTK_KEPT_SPECTRUM, false}};

enum { FILES = sizeof(all_files) / sizeof(all_files[0]) };

/* Beside the matrices of a kernel that stays. */
static bool keeps_state(const ntk_kept *kept) {
  return ntk_keeps(kept, NTK_KEPT_GRAM, false) || ntk_keeps(kept, NTK_KEPT_TEST, false);
}

static bool is_unkept(const ntk_kept *kept, int k) {
  return !ntk_keeps(kept, all_files[k].file, all_files[k].validation) &&
         has_file(kept, all_files[k].file, all_files[k].validation);
}

bool ntk_stage_has_unkept(const ntk_kept *kept) {
  char state[NTK_PATH_SIZE];

  for (int k = 0; k < FILES; ++k) {
    if (is_unkept(kept, k)) return true;
  }
  state_path(kept, state);
  return !keeps_state(kept) && exists(state);
}

static ntk_status remove_file(const char *path) {
  NTK_CHECK(unlink(path) == 0 || errno == ENOENT || errno == ENOTDIR, NTK_E_IO,
            "%s: cannot remove: %s", path, strerror(errno));
  return NTK_OK;
}

/* Folders that are empty now go too. */
static void remove_folder(const ntk_kept *kept, ntk_kept_file file) {
  char path[NTK_PATH_SIZE];

  ntk_kept_path(kept, file, false, path);
  *strrchr(path, '/') = '\0';
  (void)rmdir(path);
}

ntk_status ntk_stage_remove_unkept(const ntk_kept *kept) {
  char path[NTK_PATH_SIZE];

  for (int k = 0; k < FILES; ++k) {
    if (!is_unkept(kept, k)) continue;
    ntk_crash_point("stage.remove");
    ntk_kept_path(kept, all_files[k].file, all_files[k].validation, path);
    NTK_TRY(ntk_checkpoint_discard(path));
  }
  state_path(kept, path);
  if (!keeps_state(kept)) NTK_TRY(remove_file(path));
  remove_folder(kept, NTK_KEPT_GRAM);
  remove_folder(kept, NTK_KEPT_SPECTRUM);
  return NTK_OK;
}
