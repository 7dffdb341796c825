/* All ranks stop together: of a group because one of its ranks was signalled or its time is over, of
 * other groups because they are told; what is told to nobody in time is not lost.
 *
 * Method: the ranks split in two groups; the last rank raises a signal; each group asks until it
 * stops.  Then wall times, a step that is known to take too long, and a failure of the job's own. */
//TEST ranks=1,2,3,4
#include <signal.h>
#include <time.h>

#include "folder.h"
#include "ntk/base/log.h"
#include "ntk/config/option.h"
#include "ntk/run/stop.h"
#include "test.h"

static ntk_comm world;
static char folder[4096];

static ntk_run_settings settings(double walltime, double margin) {
  return (ntk_run_settings){.walltime = walltime, .stop_margin = margin};
}

static void nap(void) {
  const struct timespec pause = {0, 1000000};

  (void)nanosleep(&pause, NULL);
}

/* The group asks until it is told; a hang is caught by ctest's time limit. */
static void ask_until_stopped(ntk_stop *stop, const ntk_comm *group, const char *reason) {
  ntk_status status = NTK_OK;

  while (status == NTK_OK) {
    status = ntk_stop_check(stop, group);
    nap();
  }
  EXPECT(status == NTK_E_STOPPED && strstr(ntk_last_error()->text, reason));
  EXPECT_REFUSED(ntk_stop_check(stop, group), NTK_E_STOPPED, reason); /* and it stays so */
}

static void check_signal(int number, const char *reason) {
  const ntk_run_settings s = settings(NAN, 120);
  ntk_stop stop;
  MPI_Comm half;

  EXPECT_OK(ntk_stop_begin(&world, &s, &stop));
  EXPECT(stop.deadline == INFINITY);
  MPI_Comm_split(MPI_COMM_WORLD, world.rank * 2 / world.size, world.rank, &half);
  ntk_comm group = ntk_comm_of(half);

  EXPECT_OK(ntk_stop_check(&stop, &group));
  EXPECT_OK(ntk_stop_check_before(&stop, &group, 1e9, "a long step"));
  MPI_Barrier(MPI_COMM_WORLD);
  if (world.rank == world.size - 1) EXPECT(raise(number) == 0);
  ask_until_stopped(&stop, &group, reason);
  MPI_Comm_free(&half);
  ntk_stop_end(&stop);
  ntk_stop_end(&stop);
}

/* Before the job begins, and after it has ended. */
static void check_early(void) {
  const ntk_run_settings s = settings(NAN, 120);
  ntk_stop stop;

  ntk_stop_listen();
  if (world.rank == world.size - 1) EXPECT(raise(SIGTERM) == 0);
  EXPECT_OK(ntk_stop_begin(&world, &s, &stop));
  ask_until_stopped(&stop, &world, "SIGTERM");
  ntk_stop_end(&stop);
  EXPECT(raise(SIGUSR1) == 0);
  EXPECT_OK(ntk_stop_begin(&world, &s, &stop));
  ask_until_stopped(&stop, &world, "SIGUSR1");
  ntk_stop_end(&stop);
}

/* Nobody asks after it: the notices are received at the end. */
static void check_unheard(void) {
  const ntk_run_settings s = settings(NAN, 120);
  const ntk_comm self = {MPI_COMM_SELF, 0, 1};
  ntk_stop stop;

  EXPECT_OK(ntk_stop_begin(&world, &s, &stop));
  if (world.rank == world.size - 1) {
    ntk_stop_ask(&stop, "my own reason");
    EXPECT_REFUSED(ntk_stop_check(&stop, &self), NTK_E_STOPPED, "my own reason");
  }
  if (world.rank == 0 && world.size > 1) ntk_stop_poll(&stop);
  ntk_stop_end(&stop);
}

static void check_walltime(void) {
  const ntk_run_settings s = settings(1000.05, 1000);
  ntk_stop stop;

  EXPECT_OK(ntk_stop_begin(&world, &s, &stop));
  EXPECT_NEAR(stop.walltime, 0.05, 1e-9);
  ask_until_stopped(&stop, &world, "wall time");
  ntk_stop_end(&stop);
}

static void check_step(void) {
  const ntk_run_settings s = settings(1100, 1000);
  ntk_stop stop;

  EXPECT_OK(ntk_stop_begin(&world, &s, &stop));
  EXPECT_OK(ntk_stop_check_before(&stop, &world, 50, "the step"));
  EXPECT_OK(ntk_stop_check_before(&stop, &world, NAN, "the step"));
  EXPECT_REFUSED(ntk_stop_check_before(&stop, &world, 200, "the step"), NTK_E_TIME,
                 "the step takes about 200 s, and the whole job has 100 s: give it more wall time");
  stop.deadline -= 60;
  EXPECT_REFUSED(ntk_stop_check_before(&stop, &world, 50, "the step"), NTK_E_STOPPED,
                 "the step takes about 50 s, and 40 s are left");
  ntk_stop_end(&stop);
}

static void set_slurm(const char *name, int64_t from_now) {
  char text[32];

  (void)snprintf(text, sizeof(text), "%lld", (long long)time(NULL) + from_now);
  EXPECT(setenv(name, text, 1) == 0);
}

/* A wall time that is given counts where it ends before Slurm's. */
static void check_nearer_limit(int64_t left, double walltime) {
  const ntk_run_settings longer = settings((double)left + 1000, 100);
  const ntk_run_settings shorter = settings((double)left / 2, 1);
  ntk_stop stop;

  EXPECT_OK(ntk_stop_begin(&world, &longer, &stop));
  EXPECT_NEAR(stop.walltime, walltime, 2);
  ntk_stop_end(&stop);
  EXPECT_OK(ntk_stop_begin(&world, &shorter, &stop));
  EXPECT_NEAR(stop.walltime, (double)left / 2 - 1, 1e-9);
  ntk_stop_end(&stop);
}

/* Slurm's end time, in seconds since 1970; of a short job half is for work, whatever the margin. */
static void check_slurm(int64_t left, double walltime) {
  const ntk_run_settings s = settings(NAN, 100);
  ntk_stop stop;

  set_slurm("SLURM_JOB_END_TIME", left);
  EXPECT_OK(ntk_stop_begin(&world, &s, &stop));
  EXPECT_NEAR(stop.walltime, walltime, 2);
  ntk_stop_end(&stop);
  check_nearer_limit(left, walltime);
  EXPECT(unsetenv("SLURM_JOB_END_TIME") == 0);
}

/* What does not fit into the rest of a job may fit into the next one.  An end that is past, which a
 * shell may remember, is none. */
static void check_times_of_slurm(void) {
  const ntk_run_settings s = settings(NAN, 100);
  ntk_stop stop;

  set_slurm("SLURM_JOB_START_TIME", -1000);
  set_slurm("SLURM_JOB_END_TIME", 60);
  EXPECT_OK(ntk_stop_begin(&world, &s, &stop));
  EXPECT_NEAR(stop.walltime, 30, 2);
  EXPECT_REFUSED(ntk_stop_check_before(&stop, &world, 961, "the step"), NTK_E_TIME,
                 "the whole job has 960 s");
  EXPECT_REFUSED(ntk_stop_check_before(&stop, &world, 50, "the step"), NTK_E_STOPPED, "not begun");
  ntk_stop_end(&stop);
  EXPECT(unsetenv("SLURM_JOB_START_TIME") == 0);
  EXPECT_OK(ntk_stop_begin(&world, &s, &stop));
  EXPECT_REFUSED(ntk_stop_check_before(&stop, &world, 961, "the step"), NTK_E_STOPPED, "not begun");
  ntk_stop_end(&stop);
  set_slurm("SLURM_JOB_END_TIME", -5);
  EXPECT_OK(ntk_stop_begin(&world, &s, &stop));
  EXPECT(stop.deadline == INFINITY);
  ntk_stop_end(&stop);
  EXPECT(unsetenv("SLURM_JOB_END_TIME") == 0);
}

/* Where Slurm does not set it, squeue is asked: here a script that tells when half an hour is over. */
static void check_squeue(void) {
  const ntk_run_settings s = settings(NAN, 100);
  const char *path = folder_path(folder, "squeue");
  ntk_stop stop;

  if (world.rank == 0) {
    FILE *file = fopen(path, "w");

    EXPECT(file && fputs("#!/bin/sh\n[ \"$3\" = 17 ] && date -d '+1800 sec' +%FT%T\n", file) > 0);
    EXPECT(fclose(file) == 0 && chmod(path, 0700) == 0);
  }
  char paths[8192];

  (void)snprintf(paths, sizeof(paths), "%s:%s", folder, getenv("PATH"));
  EXPECT(setenv("SLURM_JOB_ID", "17", 1) == 0 && setenv("PATH", paths, 1) == 0);
  EXPECT_OK(ntk_stop_begin(&world, &s, &stop));
  EXPECT_NEAR(stop.walltime, 1700, 3);
  ntk_stop_end(&stop);
  EXPECT(setenv("SLURM_JOB_ID", "18", 1) == 0);
  EXPECT_OK(ntk_stop_begin(&world, &s, &stop)); /* it does not know that job */
  EXPECT(stop.deadline == INFINITY);
  ntk_stop_end(&stop);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  world = ntk_comm_of(MPI_COMM_WORLD);
  (void)unsetenv("SLURM_JOB_ID");
  (void)unsetenv("SLURM_JOB_START_TIME");
  (void)unsetenv("SLURM_JOB_END_TIME");
  EXPECT_OK(ntk_stop_check(NULL, &world));
  check_signal(SIGUSR1, "SIGUSR1");
  check_signal(SIGTERM, "SIGTERM");
  check_signal(SIGINT, "SIGINT");
  check_early();
  check_unheard();
  check_walltime();
  check_step();
  check_slurm(500, 400);
  check_slurm(60, 30);
  check_times_of_slurm();
  folder_make(folder);
  check_squeue();
  folder_remove(folder);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
