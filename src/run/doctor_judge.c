/* doctor: what should be changed, and how. */
#include <math.h>
#include <string.h>

#include "ntk/run/doctor.h"

/* What everything is judged by. */
static const double slow_product = 6e9; /* flop/s; reference BLAS: 1 to 3, optimized: 10 to 80 */
static const double uneven = 0.6;       /* slowest over fastest rank */
static const double least_memory = 5e8; /* bytes a rank */
static const double least_shared = 8 << 20; /* bytes a rank, what Open MPI takes and some room */
static const double least_room = 1 << 30;   /* bytes on disk */

static double crowding(const ntk_doctor_host *m) { return m->cores > 0 ? m->ranks / m->cores : 1; }

/* ---- hosts --------------------------------------------------------------------------------- */

static bool is_crowded(const ntk_doctor_host *m) { return crowding(m) > 1.01; }

static bool has_many_threads(const ntk_doctor_host *m) {
  return m->threads > 1 && m->threads * m->ranks > m->cores;
}

static bool has_little_memory(const ntk_doctor_host *m) {
  return m->memory / m->ranks < least_memory;
}

static bool has_little_shared(const ntk_doctor_host *m) {
  return m->ranks > 1 && m->shared / m->ranks < least_shared;
}

static ntk_status say_crowded(const ntk_doctor_host *m, ntk_text *text) {
  return ntk_text_add(
      text,
      "%s: %d ranks on %.3g cores take turns; start at most %.0f ranks here, or give "
      "them more cores (mpirun --bind-to none, srun --cpus-per-task)",
      m->host, m->ranks, m->cores, fmax(floor(m->cores), 1));
}

static ntk_status say_threads(const ntk_doctor_host *m, ntk_text *text) {
  return ntk_text_add(text,
                      "%s: BLAS uses %.0f threads in each of %d ranks on %.3g cores; set "
                      "OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1",
                      m->host, m->threads, m->ranks, m->cores);
}

static ntk_status say_memory(const ntk_doctor_host *m, ntk_text *text) {
  return ntk_text_add(text, "%s: %.0f MB of memory are free for %d ranks; use fewer ranks there",
                      m->host, m->memory / 1e6, m->ranks);
}

static ntk_status say_shared(const ntk_doctor_host *m, ntk_text *text) {
  return ntk_text_add(text,
                      "%s: %.0f MB are free in /dev/shm for %d ranks; start the container with "
                      "--shm-size=1g, or set OMPI_MCA_btl_vader_backing_directory=/tmp",
                      m->host, m->shared / 1e6, m->ranks);
}

static const struct {
  bool (*applies)(const ntk_doctor_host *m);
  ntk_status (*say)(const ntk_doctor_host *m, ntk_text *text);
} host_rules[] = {{is_crowded, say_crowded},
                  {has_many_threads, say_threads},
                  {has_little_memory, say_memory},
                  {has_little_shared, say_shared},
                  {0}};

/* The first host that a rule applies to, and how many others there are. */
static ntk_status judge_hosts(const ntk_doctor_facts *f, ntk_text *text) {
  for (int r = 0; host_rules[r].applies; ++r) {
    int count = 0;

    for (int h = 0; h < f->hosts; ++h) {
      if (!host_rules[r].applies(&f->host[h]) || count++ > 0) continue;
      NTK_TRY(ntk_text_add(text, "  "));
      NTK_TRY(host_rules[r].say(&f->host[h], text));
    }
    if (count > 1) NTK_TRY(ntk_text_add(text, "; likewise %d other hosts", count - 1));
    if (count > 0) NTK_TRY(ntk_text_add(text, "\n"));
  }
  return NTK_OK;
}

static ntk_status judge_kernels(const ntk_doctor_facts *f, ntk_text *text) {
  for (int h = 1; h < f->hosts; ++h) {
    if (strcmp(f->host[h].core, f->host[0].core) == 0) continue;
    return ntk_text_add(text,
                        "  BLAS takes kernels %s on %s and %s on %s: results then depend in their "
                        "last bits on the ranks; use nodes of one kind, or set OPENBLAS_CORETYPE\n",
                        f->host[0].core, f->host[0].host, f->host[h].core, f->host[h].host);
  }
  if (ntk_blas_reproducible(NTK_DOUBLE)) return NTK_OK;
  return ntk_text_add(text,
                      "  kernels %s of BLAS are not known to give the same bits on any number of "
                      "ranks; results agree to rounding\n",
                      ntk_blas_core());
}

/* ---- arithmetic ---------------------------------------------------------------------------- */

static ntk_status judge_product(const ntk_product_check *check, const char *name, ntk_text *text,
                                bool *sound) {
  if (check->worst <= 1) return NTK_OK;
  *sound = false;
  return ntk_text_add(
      text,
      "  WRONG: %s computes wrong products (%s on rank %d: %.1e times what rounding explains); "
      "take another BLAS or a newer one, or set OPENBLAS_CORETYPE=Haswell and try "
      "again\n",
      name, check->where, check->rank, check->worst);
}

static ntk_status judge_numbers(const ntk_doctor_facts *f, ntk_text *text, bool *sound) {
  NTK_TRY(judge_product(&f->product[NTK_DOUBLE], "dgemm", text, sound));
  NTK_TRY(judge_product(&f->product[NTK_SINGLE], "sgemm", text, sound));
  if (!f->spectrum.problem[0]) return NTK_OK;
  *sound = false;
  return ntk_text_add(text,
                      "  WRONG: pdsyevd does not solve a known problem (%s); take another build of "
                      "ScaLAPACK or BLAS\n",
                      f->spectrum.problem);
}

static ntk_status judge_speed(const ntk_doctor_facts *f, ntk_text *text) {
  const double slowest = f->slowest[NTK_DOUBLE], fastest = f->fastest[NTK_DOUBLE];
  double crowd = 1;

  for (int h = 0; h < f->hosts; ++h) crowd = fmax(crowd, crowding(&f->host[h]));
  if (fastest * crowd < slow_product) {
    return ntk_text_add(
        text,
        "  products of matrices run at %.1f GF/s a rank: this looks like a reference "
        "BLAS; link OpenBLAS, BLIS or MKL (Debian: libopenblas-dev and "
        "update-alternatives)\n",
        1e-9 * fastest);
  }
  if (slowest >= uneven * fastest) return NTK_OK;
  return ntk_text_add(text,
                      "  some ranks are slower than others, %.1f against %.1f GF/s: other work on "
                      "their cores, or several ranks bound to one\n",
                      1e-9 * slowest, 1e-9 * fastest);
}

/* ---- the folder ---------------------------------------------------------------------------- */

static ntk_status judge_locks(const ntk_folder_facts *f, ntk_text *text) {
  if (!f->locks) {
    return ntk_text_add(text,
                        "  flock does not work on %s: a lock that a dead job left is not taken "
                        "over; delete it from locks/ by hand\n",
                        f->type);
  }
  if (f->intruders > 0 || f->linked != 1) {
    return ntk_text_add(text,
                        "  locks do not hold on %s: two jobs could compute the same; mount it with "
                        "flock, choose another folder, or run one job at a time\n",
                        f->type);
  }
  if (!f->network || f->hosts > 1) return NTK_OK;
  return ntk_text_add(text,
                      "  %s is a network file system and locks were tried from one host only; try "
                      "two (mpirun -N 1 -n 2 ntkrun doctor) before several jobs share a sweep\n",
                      f->type);
}

static ntk_status judge_folder(const ntk_folder_facts *f, ntk_text *text) {
  if (!f->writable) {
    return ntk_text_add(text, "  the folder cannot be written: %s\n", f->problem);
  }
  if (f->blind > 0) {
    return ntk_text_add(
        text,
        "  %d ranks do not see the files of rank 0 here; output.directory must be on "
        "a file system that all nodes share\n",
        f->blind);
  }
  if (f->room < least_room) {
    NTK_TRY(ntk_text_add(text, "  %.0f MB are free here\n", f->room / 1e6));
  }
  return judge_locks(f, text);
}

ntk_status ntk_doctor_judge(const ntk_doctor_facts *facts, ntk_text *warnings, bool *sound) {
  *sound = true;
  NTK_TRY(judge_numbers(facts, warnings, sound));
  NTK_TRY(judge_speed(facts, warnings));
  NTK_TRY(judge_hosts(facts, warnings));
  NTK_TRY(judge_kernels(facts, warnings));
  return judge_folder(&facts->folder, warnings);
}
