/* job.h -- a config as a list of points: settings, stage keys, ids, costs, and what is done. */
#ifndef NTK_RUN_JOB_H
#define NTK_RUN_JOB_H

#include "ntk/config/sweep.h"
#include "ntk/data/data.h"
#include "ntk/kernel/kernel.h"
#include "ntk/model/network.h"
#include "ntk/solve/spectrum.h"

/* How a job runs.  In no key: it changes no result. */
typedef struct ntk_run_settings {
  int64_t group_ranks;     /* NTK_AUTO_INT: as predicted cost and memory have it */
  ntk_ints grid;           /* rows, cols; count 0: the squarest */
  double walltime;         /* s from the start of the job; NaN: to Slurm's end time */
  double stop_margin;      /* s before that */
  const ntk_row *on_error; /* ntk_on_error_... */
  double checkpoint_after; /* s that a stage is predicted to take */
} ntk_run_settings;

extern const ntk_row ntk_on_error_continue, ntk_on_error_stop;

/* The whole config of one point.  `sweep:` is expanded before settings are bound. */
typedef struct ntk_settings {
  int64_t format;
  const char *name;
  const char *relative_to; /* folder that relative paths start from; NULL: the config's */
  ntk_data_settings data;
  ntk_network_settings network;
  ntk_kernel_settings kernel;
  ntk_spectrum_settings spectrum;
  ntk_choices analyses; /* rows of ntk_analyses */
  const ntk_node *sweep;
  ntk_run_settings run;
  struct {
    const char *directory;
    ntk_choices keep; /* results gram spectrum test_train predictions weights per_layer */
  } output;
} ntk_settings;

extern const ntk_section ntk_settings_section;

/* A group of results.h5 and the stage key under which it is valid. */
typedef struct ntk_group_key {
  const char *group; /* "data", "network", "kernel", "spectrum", an analysis' label, or "" (root);
                        of further quantities "conjugate/kernel", ..., and "conjugate" */
  ntk_key key;
} ntk_group_key;

typedef struct ntk_point {
  int64_t number;     /* in the sweep's grid, which has the skipped ones too */
  ntk_key id;         /* "" where a file that is missing leaves it unknown (ntk_job_look) */
  ntk_settings settings;
  int64_t group_count;
  ntk_group_key *group;
  const char *yaml;   /* resolved config of the point, to the last bit */
} ntk_point;

typedef struct ntk_job {
  ntk_arena arena;
  ntk_tree tree;
  ntk_sweep sweep;
  const char *directory;      /* output.directory */
  const char *base_directory; /* that relative paths start from */
  const char *yaml;           /* resolved config of the sweep */
  const char *overrides;      /* the --set arguments, one a line */
  const char *missing;        /* ntk_job_look: that a file is not there; NULL: all are */
  int64_t point_count; /* without those that `skip` names */
  ntk_point *point;    /* by ascending number */
} ntk_job;

enum { NTK_PATH_SIZE = 4096 };

/* Local.  Reads a config with its --set overrides, expands the sweep, binds every point, computes
 * keys and ids.  Problems go to `problems` (then NTK_OK and an unusable job: look at the count).
 * Fails with NTK_E_MISSING (config or a file it names), NTK_E_IO, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_job_load(const char *config, int64_t set_count, const char *const *sets,
                                    ntk_job *job, ntk_problems *problems);
void ntk_job_destroy(ntk_job *job);

/* Local.  The same for a rank that shall not read the files of a config: keys and ids are empty
 * until ntk_job_share. */
NTK_CHECKED ntk_status ntk_job_load_later(const char *config, int64_t set_count,
                                          const char *const *sets, ntk_job *job,
                                          ntk_problems *problems);

/* Local.  The same for who only looks: files that points depend on may be missing.  Their keys are
 * then those that `inputs.txt` (inputs.h) remembers, or none.
 *   directory  that results are in; NULL: as the config says */
NTK_CHECKED ntk_status ntk_job_look(const char *config, int64_t set_count, const char *const *sets,
                                    const char *directory, ntk_job *job, ntk_problems *problems);

/* Collective.  Keys and ids of rank 0's job on every rank.  Fails with NTK_E_CONFIG if ranks have
 * read different configs, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_job_share(const ntk_comm *comm, ntk_job *job);

/* Local.  Key of a point's group; "" if it has no such group. */
const char *ntk_point_key(const ntk_point *point, const char *group);

/* Local.  Name of the lock (store/lock.h) of whoever works on the point's quantity `which`: the key of
 * its kernel, whose folder the lock protects. */
const char *ntk_point_lock(const ntk_point *point, int64_t which);

/* Local.  Name of a group of quantity `which`: that of the first is `name` itself, of another
 * "<quantity>/<name>", where name "" gives "<quantity>". */
void ntk_point_group(const ntk_point *point, int64_t which, const char *name,
                     char group[NTK_NAME_SIZE]);

/* Local.  Whether output.keep names `what`. */
bool ntk_point_keeps(const ntk_point *point, const char *what);

/* Local.  "<directory>/points/<id>/<file>" and, of quantity `which`,
 * "<directory>/kernels/<key of its stage>/<file>". */
void ntk_point_path(const ntk_job *job, const ntk_point *point, const char *file,
                    char path[NTK_PATH_SIZE]);
void ntk_kernel_path(const ntk_job *job, const ntk_point *point, int64_t which, const char *file,
                     char path[NTK_PATH_SIZE]);

typedef enum ntk_point_state {
  NTK_POINT_PENDING,
  NTK_POINT_RUNNING,
  NTK_POINT_DONE,
  NTK_POINT_FAILED,
  NTK_POINT_DAMAGED,
  NTK_POINT_STATES
} ntk_point_state;

/* What is on disk for a point. */
typedef struct ntk_point_facts {
  ntk_point_state state; /* done: results.h5 holds every group under its key, and kept files are
                            there; failed: not so, and the last event of log.jsonl says why;
                            running: not so, and the process that began it holds the lock of its
                            unit; damaged: results.h5 cannot be read, and a run computes it again;
                            pending: all else, also what was stopped or interrupted */
  double seconds;        /* done: of the last finished run; running: until now; failed, stopped:
                            until then; NaN if unknown */
  double kernel_seconds, spectrum_seconds; /* done: of these, by that run; NaN: one was resumed */
  int ranks;             /* that it has or had; 0 if unknown */
  char message[512];     /* of a failure or a stop; who runs it; what is wrong with results.h5 */
  char host[64], since[32]; /* where the last run of it began, and when (UTC); "" if unknown */
  long process;
  char stage[48]; /* that is finished; "" if none or all */
  char job[64];   /* running: in this job of Slurm; "" if none */
} ntk_point_facts;

/* Local.  Writes nothing.  Fails with NTK_E_MEMORY, NTK_E_IO. */
NTK_CHECKED ntk_status ntk_point_look(const ntk_job *job, const ntk_point *point,
                                      ntk_point_facts *facts);

/* "pending", "running", ... */
const char *ntk_point_state_name(ntk_point_state state);

#endif
