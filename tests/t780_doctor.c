/* doctor finds arithmetic that is wrong, locks that do not hold, and what slows a run down; on a
 * machine where all is well it has nothing to say.
 *
 * Method: products and solvers that are wrong in one way each, in the place of the library's; facts
 * about machines and folders with one thing amiss each; this machine itself. */
//TEST ranks=1,3
#include "ntk/run/doctor.h"

#include "folder.h"

/* ---- products ------------------------------------------------------------------------------ */

static double *last_entry(int64_t m, int64_t n, void *c, int64_t ldc) {
  return (double *)c + (m - 1) * ldc + n - 1;
}

static void forgets_remainder(ntk_dtype dtype, bool ta, bool tb, int64_t m, int64_t n, int64_t k,
                              double alpha, const void *a, int64_t lda, const void *b, int64_t ldb,
                              double beta, void *c, int64_t ldc) {
  ntk_gemm(dtype, ta, tb, m, n, m > 16 ? k - k % 8 : k, alpha, a, lda, b, ldb, beta, c, ldc);
}

static void ignores_transposition(ntk_dtype dtype, bool ta, bool tb, int64_t m, int64_t n,
                                  int64_t k, double alpha, const void *a, int64_t lda,
                                  const void *b, int64_t ldb, double beta, void *c, int64_t ldc) {
  ntk_gemm(dtype, ta, tb && !(m == n && n == k), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

static void multiplies_nan(ntk_dtype dtype, bool ta, bool tb, int64_t m, int64_t n, int64_t k,
                           double alpha, const void *a, int64_t lda, const void *b, int64_t ldb,
                           double beta, void *c, int64_t ldc) {
  const double before = *last_entry(m, n, c, ldc);

  ntk_gemm(dtype, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  if (beta == 0) *last_entry(m, n, c, ldc) += 0 * before;
}

static void writes_beside(ntk_dtype dtype, bool ta, bool tb, int64_t m, int64_t n, int64_t k,
                          double alpha, const void *a, int64_t lda, const void *b, int64_t ldb,
                          double beta, void *c, int64_t ldc) {
  ntk_gemm(dtype, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  if (beta != 0) last_entry(m, n, c, ldc)[1] = 1;
}

static void loses_digits(ntk_dtype dtype, bool ta, bool tb, int64_t m, int64_t n, int64_t k,
                         double alpha, const void *a, int64_t lda, const void *b, int64_t ldb,
                         double beta, void *c, int64_t ldc) {
  ntk_gemm(dtype, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  *last_entry(m, n, c, ldc) *= 1 + 1e-9;
}

static void test_products(void) {
  static ntk_product *const wrong[] = {forgets_remainder, ignores_transposition, multiplies_nan,
                                       writes_beside, loses_digits};
  ntk_product_check check;

  for (int d = NTK_DOUBLE; d <= NTK_SINGLE; ++d) {
    EXPECT_OK(ntk_doctor_check_product(ntk_gemm, (ntk_dtype)d, &check));
    if (!(check.worst <= 0.5)) FAIL("%s: %g", check.where, check.worst);
    EXPECT(check.worst > 1e-4 && check.cases > 40);
  }
  for (int w = 0; w < 5; ++w) {
    EXPECT_OK(ntk_doctor_check_product(wrong[w], NTK_DOUBLE, &check));
    if (!(check.worst > 1 && check.where[0])) FAIL("wrong product %d passed: %g", w, check.worst);
  }
}

static ntk_status check_products(void *unused) {
  ntk_product_check check;

  (void)unused;
  return ntk_doctor_check_product(ntk_gemm, NTK_SINGLE, &check);
}

/* ---- the eigenproblem ---------------------------------------------------------------------- */

static const ntk_solver *pdsyevd(void) {
  const ntk_row *const *row = ntk_solvers;

  while (strcmp((*row)->name, "pdsyevd") != 0) ++row;
  return (const ntk_solver *)*row;
}

static ntk_status solve_another(ntk_matrix *a, ntk_spectrum *spectrum) {
  for (int64_t k = 0; k < a->local_rows * a->local_cols; ++k) a->data[k] *= 1 + 1e-9;
  return pdsyevd()->solve(a, spectrum);
}

static ntk_status solve_without_vectors(ntk_matrix *a, ntk_spectrum *spectrum) {
  ntk_matrix *z = &spectrum->vectors;

  NTK_TRY(pdsyevd()->solve(a, spectrum));
  for (int64_t k = 0; k < z->local_rows * z->local_cols; ++k) z->data[k] = fabs(z->data[k]);
  return NTK_OK;
}

static void test_spectrum(const ntk_grid *grid) {
  ntk_spectrum_check check;
  ntk_solver wrong = *pdsyevd();

  EXPECT_OK(ntk_doctor_check_spectrum(grid, pdsyevd(), 100, &check));
  if (check.problem[0]) FAIL("%s", check.problem);
  EXPECT(check.eigenvalues > 0 && check.eigenvalues < 1e-12 && check.residual < 1e-12);
  wrong.solve = solve_another;
  EXPECT_OK(ntk_doctor_check_spectrum(grid, &wrong, 100, &check));
  EXPECT(check.problem[0]);
  wrong.solve = solve_without_vectors;
  EXPECT_OK(ntk_doctor_check_spectrum(grid, &wrong, 100, &check));
  EXPECT(check.problem[0]);
}

static void test_speed(const ntk_comm *comm) {
  double rate = 0;

  EXPECT_OK(ntk_doctor_time_product(comm, NTK_DOUBLE, 128, &rate));
  EXPECT(rate > 1e7 && rate < 1e13);
}

/* ---- this machine -------------------------------------------------------------------------- */

static void test_machine(const ntk_comm *comm) {
  static const char *const mpi[] = {"libmpi.", "libmpich.", NULL}, *const none[] = {"libnone",
                                                                                    NULL};
  ntk_text paths = {0};
  ntk_doctor_host machine;

  ntk_doctor_look_at_host(comm, &machine);
  EXPECT(machine.ranks == comm->size && machine.host[0] && machine.cpu[0]);
  EXPECT(machine.cores > 0 && machine.cores <= 8192 && machine.threads >= 1);
  EXPECT(machine.memory > 1e6);
  EXPECT_OK(ntk_doctor_find_library(mpi, &paths));
  EXPECT(paths.length == 0 || (paths.data[0] == '/' && strchr(paths.data, '\n')));
  ntk_text_destroy(&paths);
  EXPECT_OK(ntk_doctor_find_library(none, &paths));
  EXPECT(paths.length == 0);
}

static void test_folder(const ntk_comm *comm) {
  char folder[4096] = "";
  ntk_folder_facts facts;
  double rate = 0;

  if (comm->rank == 0) folder_make(folder);
  MPI_Bcast(folder, sizeof(folder), MPI_BYTE, 0, comm->mpi);
  ntk_doctor_look_at_folder(comm, folder, &facts);
  EXPECT(facts.writable && facts.locks && facts.intruders == 0 && facts.linked == 1);
  EXPECT(facts.blind == 0 && facts.hosts == 1 && facts.room > 0 && facts.type[0]);
  if (comm->rank == 0) {
    EXPECT(folder_count(folder, "") == 0);
    EXPECT_OK(ntk_doctor_time_writing(folder, 1 << 20, &rate));
    EXPECT(rate > 0 && folder_count(folder, "") == 0);
    EXPECT_REFUSED(ntk_doctor_time_writing("/nowhere", 1, &rate), NTK_E_CREATE, "/nowhere");
    folder_remove(folder);
  }
  ntk_doctor_look_at_folder(comm, "/nowhere", &facts);
  EXPECT(!facts.writable);
  if (comm->rank == 0) EXPECT_TEXT(facts.problem, "No such file or directory");
}

/* ---- judgement ----------------------------------------------------------------------------- */

static const ntk_doctor_host good_machine = {.host = "node1",
                                             .core = "SkylakeX",
                                             .ranks = 4,
                                             .cores = 4,
                                             .threads = 1,
                                             .memory = 1e10,
                                             .shared = 1e9};
static const ntk_doctor_facts good = {
    .ranks = 4,
    .hosts = 1,
    .host = &good_machine,
    .slowest = {4e10, 8e10},
    .fastest = {5e10, 1e11},
    .product = {{.worst = 0.1}, {.worst = 0.1}},
    .folder = {
        .type = "ext4", .writable = true, .locks = true, .linked = 1, .room = 1e12, .hosts = 1}};

/* The warnings have `part` in them; "" means none at all. */
static void expect_judgement(const ntk_doctor_facts *facts, bool wanted, const char *part) {
  ntk_text warnings = {0};
  bool sound = false;

  EXPECT_OK(ntk_doctor_judge(facts, &warnings, &sound));
  EXPECT(sound == wanted);
  if (part[0] ? !strstr(ntk_text_string(&warnings), part) : warnings.length > 0) {
    FAIL("no \"%s\" in: %s", part, ntk_text_string(&warnings));
  }
  ntk_text_destroy(&warnings);
}

static void test_wrong_numbers(void) {
  ntk_doctor_facts f = good;

  f.product[0] = (ntk_product_check){.worst = 1e5, .where = "A^T B, 2 x 3 x 4", .rank = 3};
  expect_judgement(&f, false, "WRONG: dgemm computes wrong products (A^T B, 2 x 3 x 4 on rank 3");
  f = good;
  f.product[1].worst = INFINITY;
  expect_judgement(&f, false, "WRONG: sgemm");
  f = good;
  (void)snprintf(f.spectrum.problem, sizeof(f.spectrum.problem), "residual 1");
  expect_judgement(&f, false, "pdsyevd does not solve a known problem (residual 1)");
}

static void test_slow(void) {
  ntk_doctor_facts f = good;

  f.slowest[0] = f.fastest[0] = 2e9;
  expect_judgement(&f, true, "2.0 GF/s a rank: this looks like a reference BLAS");
  f = good;
  f.slowest[0] = 1e10;
  expect_judgement(&f, true, "some ranks are slower than others, 10.0 against 50.0 GF/s");
}

static void test_hosts(void) {
  static const struct {
    ntk_doctor_host machine;
    const char *part;
  } cases[] = {
      {{.ranks = 4, .cores = 2, .threads = 1, .memory = 1e10, .shared = 1e9},
       "node2: 4 ranks on 2 cores take turns; start at most 2"},
      {{.ranks = 4, .cores = 4, .threads = 8, .memory = 1e10, .shared = 1e9},
       "node2: BLAS uses 8 threads in each of 4 ranks on 4 cores; set OMP_NUM_THREADS=1"},
      {{.ranks = 4, .cores = 4, .threads = 1, .memory = 1e9, .shared = 1e9},
       "node2: 1000 MB of memory are free for 4 ranks"},
      {{.ranks = 4, .cores = 4, .threads = 1, .memory = 1e10, .shared = 2e7},
       "node2: 20 MB are free in /dev/shm for 4 ranks; start the container with --shm-size=1g"},
  };

  for (int k = 0; k < 4; ++k) {
    ntk_doctor_host hosts[3] = {good_machine, cases[k].machine, cases[k].machine};
    ntk_doctor_facts f = good;

    for (int h = 1; h < 3; ++h) {
      (void)snprintf(hosts[h].host, sizeof(hosts[h].host), "node%d", h + 1);
      (void)snprintf(hosts[h].core, sizeof(hosts[h].core), "SkylakeX");
    }
    f.host = hosts;
    f.hosts = 3;
    expect_judgement(&f, true, cases[k].part);
    expect_judgement(&f, true, "; likewise 1 other host");
    (void)snprintf(hosts[2].core, sizeof(hosts[2].core), "Zen");
    expect_judgement(&f, true, "kernels SkylakeX on node1 and Zen on node3");
  }
}

static void test_folders(void) {
  ntk_doctor_facts f = good;

  f.folder.writable = false;
  expect_judgement(&f, true, "the folder cannot be written");
  f = good;
  f.folder.blind = 2;
  expect_judgement(&f, true, "2 ranks do not see the files of rank 0");
  f = good;
  f.folder.locks = false;
  expect_judgement(&f, true, "flock does not work on ext4");
  f = good;
  f.folder.intruders = 1;
  expect_judgement(&f, true, "locks do not hold on ext4");
  f = good;
  f.folder.linked = 2;
  expect_judgement(&f, true, "locks do not hold on ext4");
  f = good;
  f.folder.room = 5e8;
  expect_judgement(&f, true, "500 MB are free here");
  f = good;
  f.folder.network = true;
  expect_judgement(&f, true, "locks were tried from one host only");
  f.folder.hosts = 2;
  expect_judgement(&f, true, ntk_blas_reproducible(NTK_DOUBLE) ? "" : "same bits");
}

int main(int argc, char **argv) {
  ntk_grid grid = {0};

  begin_test(&argc, &argv);
  const ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);

  EXPECT_OK(ntk_grid_create(&comm, 0, 0, &grid));
  if (comm.rank == 0) {
    test_products();
    EXPECT(sweep_faults(check_products, NULL) > 0);
  }
  test_spectrum(&grid);
  test_speed(&comm);
  test_machine(&comm);
  test_folder(&comm);
  if (ntk_blas_reproducible(NTK_DOUBLE)) expect_judgement(&good, true, "");
  test_wrong_numbers();
  test_slow();
  test_hosts();
  test_folders();
  ntk_grid_destroy(&grid);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
