/* doctor: looks at everything and reports. */
#include "ntk/run/doctor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "ntk/config/scalar.h"
#include "ntk/run/command.h"
#include "ntk/run/load.h"
#include "ntk/run/runner.h"
#include "ntk/store/file.h"
#include "ntk/store/provenance.h"

enum { EDGE = 1024, SPECTRUM_N = 384, SMALL_N = 512, LARGE_N = 1536, SHOWN_HOSTS = 8 };

typedef struct doctor {
  const ntk_comm *comm;
  const ntk_grid *grid;
  const char *folder;
  ntk_doctor_host *host; /* [ranks] of every rank, then of every host; rank 0 */
  ntk_doctor_facts facts;
  ntk_text text; /* the report; rank 0 */
} doctor;

/* ---- looking ------------------------------------------------------------------------------- */

/* One of every host, in the order of ranks. */
static int keep_hosts(int ranks, ntk_doctor_host *host) {
  int hosts = 0;

  for (int r = 0; r < ranks; ++r) {
    bool seen = false;

    for (int h = 0; h < hosts && !seen; ++h) seen = strcmp(host[h].host, host[r].host) == 0;
    if (!seen) host[hosts++] = host[r];
  }
  return hosts;
}

static ntk_status look_at_hosts(doctor *d) {
  const bool root = d->comm->rank == 0;
  ntk_doctor_host mine;

  NTK_AGREE(d->comm, NTK_NEW(root ? d->comm->size : 0, &d->host));
  ntk_doctor_look_at_host(d->comm, &mine);
  MPI_Gather(&mine, sizeof(mine), MPI_BYTE, d->host, sizeof(mine), MPI_BYTE, 0, d->comm->mpi);
  d->facts.ranks = d->comm->size;
  d->facts.hosts = root ? keep_hosts(d->comm->size, d->host) : 0;
  d->facts.host = d->host;
  return NTK_OK;
}

/* Every node has its own BLAS and processor, so every rank checks; the worst counts. */
static ntk_status check_products(doctor *d, ntk_dtype dtype) {
  ntk_product_check *check = &d->facts.product[dtype];
  struct {
    double worst;
    int rank;
  } who;

  NTK_AGREE(d->comm, ntk_doctor_check_product(ntk_gemm, dtype, check));
  who.worst = check->worst;
  who.rank = check->rank = d->comm->rank;
  MPI_Allreduce(MPI_IN_PLACE, &who, 1, MPI_DOUBLE_INT, MPI_MAXLOC, d->comm->mpi);
  MPI_Bcast(check, sizeof(*check), MPI_BYTE, who.rank, d->comm->mpi);
  return NTK_OK;
}

static ntk_status time_products(doctor *d, ntk_dtype dtype) {
  double rate = 0;

  NTK_TRY(ntk_doctor_time_product(d->comm, dtype, EDGE, &rate));
  d->facts.fastest[dtype] = ntk_comm_max(d->comm, rate);
  d->facts.slowest[dtype] = -ntk_comm_max(d->comm, -rate);
  return NTK_OK;
}

static const ntk_solver *find_pdsyevd(void) {
  const ntk_row *const *row = ntk_solvers;

  while (*row && strcmp((*row)->name, "pdsyevd") != 0) ++row;
  return (const ntk_solver *)*row;
}

static ntk_status look(doctor *d) {
  NTK_TRY(look_at_hosts(d));
  for (int dtype = NTK_DOUBLE; dtype <= NTK_SINGLE; ++dtype) {
    NTK_TRY(check_products(d, (ntk_dtype)dtype));
    NTK_TRY(time_products(d, (ntk_dtype)dtype));
  }
  NTK_TRY(ntk_doctor_check_spectrum(d->grid, find_pdsyevd(), SPECTRUM_N, &d->facts.spectrum));
  ntk_doctor_look_at_folder(d->comm, d->folder, &d->facts.folder);
  return NTK_OK;
}

/* ---- reporting ----------------------------------------------------------------------------- */

/* How the files of a library begin, and which part of the attribute `versions` tells of it. */
static const struct library {
  const char *name, *words[6];
  int part; /* -1: none */
} libraries[] = {
    {"MPI", {"libmpi.", "libmpich.", "libmpi_cray.", NULL}, 0},
    {"HDF5", {"libhdf5.", "libhdf5_openmpi.", "libhdf5_mpich.", "libhdf5_parallel.", NULL}, 1},
    {"BLAS", {"libopenblas", "libblas", "libblis", "libmkl_", "libarmpl", NULL}, 2},
    {"ScaLAPACK", {"libscalapack", "libmkl_scalapack", "libsci_", NULL}, 3},
    {"ELPA", {"libelpa", NULL}, 5},
    {"libyaml", {"libyaml", NULL}, -1},
    {0},
};

/* Part k of "a; b; c". */
static void copy_part(const char *list, int k, char *part, size_t size) {
  part[0] = '\0';
  for (; k > 0 && list; --k) {
    list = strstr(list, "; ");
    if (list) list += 2;
  }
  if (k < 0 || !list) return;
  const char *end = strstr(list, "; ");

  (void)snprintf(part, size, "%.*s", end ? (int)(end - list) : (int)strlen(list), list);
}

/* The version, without the library's name in front of it. */
static const char *version_of(const struct library *library, const char *versions, char *part,
                              size_t size) {
  const size_t length = strlen(library->name);

  copy_part(versions, library->part, part, size);
  return strncmp(part, library->name, length) == 0 && part[length] == ' ' ? part + length + 1
                                                                          : part;
}

/* The version, and below it every file. */
static ntk_status add_library(const struct library *library, const char *versions, ntk_text *text) {
  char part[256];
  const char *version = version_of(library, versions, part, sizeof(part));
  ntk_text paths = {0};
  ntk_status status = ntk_doctor_find_library(library->words, &paths);

  if (status == NTK_OK) status = ntk_text_add(text, "  %-10s %s", library->name, version);
  for (const char *path = ntk_text_string(&paths); *path && status == NTK_OK;) {
    const int length = (int)strcspn(path, "\n");
    const bool first = path == ntk_text_string(&paths) && !version[0];

    status = ntk_text_add(text, "%s%.*s", first ? "" : "\n             ", length, path);
    path += length + 1;
  }
  if (status == NTK_OK && !version[0] && !paths.length) {
    status = ntk_text_add(text, library->part == 5 ? "not in this build" : "part of the program");
  }
  ntk_text_destroy(&paths);
  return status == NTK_OK ? ntk_text_add(text, "\n") : status;
}

static ntk_status add_libraries(const ntk_record *origin, ntk_text *text) {
  const ntk_attribute *versions = ntk_record_find_attribute(origin, "versions");

  NTK_TRY(ntk_text_add(text, "\nlibraries in use\n"));
  for (const struct library *library = libraries; library->name; ++library) {
    NTK_TRY(add_library(library, versions && versions->text ? versions->text : "", text));
  }
  return NTK_OK;
}

static ntk_status add_hosts(const ntk_doctor_facts *f, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "\nhosts\n"));
  for (int h = 0; h < f->hosts && h < SHOWN_HOSTS; ++h) {
    const ntk_doctor_host *m = &f->host[h];

    NTK_TRY(ntk_text_add(text,
                         "  %s: %s, kernels %s; %d rank%s on %.3g cores, %.0f BLAS thread%s each; "
                         "%.1f GB of memory free\n",
                         m->host, m->cpu, m->core, m->ranks, m->ranks == 1 ? "" : "s", m->cores,
                         m->threads, m->threads == 1 ? "" : "s", 1e-9 * m->memory));
  }
  return f->hosts > SHOWN_HOSTS ? ntk_text_add(text, "  and %d more\n", f->hosts - SHOWN_HOSTS)
                                : NTK_OK;
}

static ntk_status add_numbers(const ntk_doctor_facts *f, ntk_text *text) {
  static const char *const names[] = {"dgemm", "sgemm"};
  const ntk_spectrum_check *s = &f->spectrum;

  NTK_TRY(ntk_text_add(text, "\nchecks\n"));
  for (int d = NTK_DOUBLE; d <= NTK_SINGLE; ++d) {
    NTK_TRY(
        ntk_text_add(text,
                     "  %-8s %s: %d products on each rank; n = %d at %.1f to %.1f GF/s a rank, all "
                     "at once\n",
                     names[d], f->product[d].worst <= 1 ? "right" : "WRONG",
                     (int)f->product[d].cases, EDGE, 1e-9 * f->slowest[d], 1e-9 * f->fastest[d]));
  }
  return ntk_text_add(text,
                      "  %-8s %s: n = %d, residual %.1e, orthogonality %.1e, eigenvalues %.1e, "
                      "%.2f s\n",
                      "pdsyevd", s->problem[0] ? "WRONG" : "right", (int)s->n, s->residual,
                      s->orthogonality, s->eigenvalues, s->seconds);
}

static ntk_status add_folder(const char *folder, const ntk_folder_facts *f, ntk_text *text) {
  const bool good = f->locks && f->intruders == 0 && f->linked == 1;

  NTK_TRY(ntk_text_add(text, "\nfiles in %s\n  ", folder));
  if (!f->writable) return ntk_text_add(text, "cannot be written\n");
  return ntk_text_add(text, "%s%s, %.1f GB free; %s\n", f->type, f->network ? " (network)" : "",
                      1e-9 * f->room, good ? "flock and link work" : "locks cannot be trusted");
}

static ntk_status add_warnings(const ntk_doctor_facts *facts, ntk_text *text, bool *sound) {
  ntk_text warnings = {0};
  ntk_status status = ntk_doctor_judge(facts, &warnings, sound);

  if (status == NTK_OK && warnings.length) {
    status = ntk_text_add(text, "\nwarnings\n%s", ntk_text_string(&warnings));
  } else if (status == NTK_OK) {
    status = ntk_text_add(text, "\nnothing to complain about\n");
  }
  ntk_text_destroy(&warnings);
  return status;
}

/* Local, on rank 0. */
static ntk_status write_report(const doctor *d, const ntk_record *origin, ntk_text *text,
                               bool *sound) {
  NTK_TRY(ntk_text_add(text, "%s on %d rank%s of %d host%s\n", ntk_program_version(),
                       d->facts.ranks, d->facts.ranks == 1 ? "" : "s", d->facts.hosts,
                       d->facts.hosts == 1 ? "" : "s"));
  NTK_TRY(add_libraries(origin, text));
  NTK_TRY(add_hosts(&d->facts, text));
  NTK_TRY(add_numbers(&d->facts, text));
  NTK_TRY(add_folder(d->folder, &d->facts.folder, text));
  return add_warnings(&d->facts, text, sound);
}

static ntk_status report(doctor *d, bool *sound) {
  ntk_record origin = {0};
  ntk_status status = ntk_provenance_add(d->comm, &origin);

  *sound = true;
  if (status == NTK_OK) {
    status =
        ntk_agree(d->comm, d->comm->rank == 0 ? write_report(d, &origin, &d->text, sound) : NTK_OK);
  }
  ntk_record_destroy(&origin);
  if (status == NTK_OK && d->comm->rank == 0) (void)printf("%s", ntk_text_string(&d->text));
  MPI_Bcast(sound, sizeof(*sound), MPI_BYTE, 0, d->comm->mpi);
  return status;
}

/* ---- speeds for plan ----------------------------------------------------------------------- */

enum { POINTS = 8, PATH_SIZE = 4096 };

static ntk_status add_trial(const char *folder, int points, ntk_text *text) {
  NTK_TRY(ntk_text_add(text,
                       "data: {source: gaussian, dimension: 4, train: {count: 16}}\n"
                       "network: {kind: mlp, depth: 1, width: 8}\n"
                       "analyses: [summary]\n"
                       "sweep: {network.seed: 0..%d}\n"
                       "run: {group_ranks: 1}\n"
                       "output:\n  directory: ",
                       points - 1));
  return ntk_scalar_print(folder, true, text);
}

static ntk_status write_trial(const char *folder, int points, char path[PATH_SIZE]) {
  ntk_text text = {0};
  ntk_status status = add_trial(folder, points, &text);

  (void)snprintf(path, PATH_SIZE, "%s/trial.yaml", folder);
  if (status == NTK_OK) status = ntk_file_write_text(path, ntk_text_string(&text));
  ntk_text_destroy(&text);
  return status;
}

/* Points so small that they take nothing but what every point takes. */
static ntk_status run_trial(const doctor *d, const char *path, int points, double *seconds) {
  const ntk_arguments arguments = {.operand = path};
  ntk_run_counts counts = {0};
  ntk_job job = {0};
  const bool loaded = ntk_load_or_complain(&arguments, d->comm->rank == 0, &job) == 0;
  ntk_status status = loaded ? NTK_OK : NTK_RAISE(NTK_E_BUG, "%s: is not valid", path);

  status = ntk_agree(d->comm, status);
  if (status == NTK_OK) status = ntk_job_share(d->comm, &job);
  const double start = ntk_now();

  if (status == NTK_OK) status = ntk_run_job(d->comm, &job, NULL, &counts);
  *seconds = (ntk_now() - start) * d->comm->size / points;
  ntk_job_destroy(&job);
  NTK_TRY(status);
  NTK_CHECK(counts.computed == points, NTK_E_BUG, "%d points of a trial sweep failed: %s",
            (int)counts.failed, ntk_last_error()->text);
  return NTK_OK;
}

static ntk_status time_points(const doctor *d, double *seconds) {
  const int points = POINTS * d->comm->size;
  char folder[PATH_SIZE - 64] = "", path[PATH_SIZE] = "";
  ntk_status status = NTK_OK;

  if (d->comm->rank == 0) {
    status = ntk_doctor_make_folder(d->folder, folder, sizeof(folder));
    if (status == NTK_OK) status = write_trial(folder, points, path);
  }
  status = ntk_agree(d->comm, status);
  if (status == NTK_OK) {
    MPI_Bcast(path, sizeof(path), MPI_BYTE, 0, d->comm->mpi);
    status = run_trial(d, path, points, seconds);
  }
  if (folder[0]) ntk_doctor_remove_folder(folder);
  return status;
}

static ntk_status time_spectrum(doctor *d, int64_t n, double *rate, double *rows) {
  ntk_spectrum_check check = {0};

  NTK_TRY(ntk_doctor_check_spectrum(d->grid, find_pdsyevd(), n, &check));
  *rows = (double)n;
  *rate = 16.0 / 3 * *rows * *rows * *rows / (fmax(check.seconds, 1e-6) * d->comm->size);
  return NTK_OK;
}

static void describe_origin(const doctor *d, ntk_calibration *c) {
  const time_t now = time(NULL);
  struct tm utc;

  (void)snprintf(c->host, sizeof(c->host), "%s", d->host[0].host);
  (void)snprintf(c->cpu, sizeof(c->cpu), "%s", d->host[0].cpu);
  if (gmtime_r(&now, &utc)) (void)strftime(c->time, sizeof(c->time), "%Y-%m-%dT%H:%M:%SZ", &utc);
}

static ntk_status time_writing(const doctor *d, double *rate) {
  const int64_t bytes = (int64_t)1 << 27;

  return ntk_agree(d->comm, d->comm->rank == 0 ? ntk_doctor_time_writing(d->folder, bytes, rate)
                                               : NTK_OK);
}

/* Ranks that take turns are slower. */
static bool take_turns(const doctor *d) {
  bool turns = d->comm->rank == 0 && d->host[0].ranks > d->host[0].cores;

  MPI_Bcast(&turns, sizeof(turns), MPI_BYTE, 0, d->comm->mpi);
  if (turns && d->comm->rank == 0) {
    (void)printf("\nspeeds are not measured: ranks that take turns are slower; start at most as "
                 "many as there are cores\n");
  }
  return turns;
}

static ntk_status keep(const doctor *d, ntk_calibration *c) {
  char path[PATH_SIZE];

  describe_origin(d, c);
  NTK_TRY(ntk_calibration_write(c, path));
  (void)printf("\nspeeds for ntkrun plan: %s\n", path);
  return NTK_OK;
}

/* What may find no room comes first. */
static ntk_status calibrate(doctor *d) {
  ntk_calibration c = {.ranks = d->comm->size,
                       .product_double = d->facts.slowest[NTK_DOUBLE],
                       .product_single = d->facts.slowest[NTK_SINGLE]};

  if (take_turns(d)) return NTK_OK;
  NTK_TRY(time_writing(d, &c.write_rate));
  NTK_TRY(time_points(d, &c.point_seconds));
  NTK_TRY(time_spectrum(d, SMALL_N, &c.spectrum_small, &c.spectrum_small_n));
  NTK_TRY(time_spectrum(d, LARGE_N, &c.spectrum_large, &c.spectrum_large_n));
  return ntk_agree(d->comm, d->comm->rank == 0 ? keep(d, &c) : NTK_OK);
}

/* ---- the command --------------------------------------------------------------------------- */

static ntk_status examine(doctor *d, bool wants_speeds, bool *sound) {
  ntk_status status = look(d);

  if (status == NTK_OK) status = report(d, sound);
  if (status == NTK_OK && wants_speeds && *sound) status = calibrate(d);
  return status;
}

int ntk_command_doctor(const ntk_arguments *arguments) {
  const ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);
  doctor d = {.comm = &comm, .folder = arguments->directory ? arguments->directory : "."};
  ntk_grid grid = {0};
  bool sound = true;
  ntk_status status = ntk_grid_create(&comm, 0, 0, &grid);

  d.grid = &grid;
  if (status == NTK_OK) status = examine(&d, arguments->calibrate, &sound);
  ntk_text_destroy(&d.text);
  ntk_free(&d.host);
  ntk_grid_destroy(&grid);
  if (status == NTK_OK) return sound ? 0 : 1;
  return comm.rank == 0 ? ntk_complain(status) : ntk_status_exit_code(status);
}
