/* faults.h -- every check of a collective job made to fail, on every rank. */
#ifndef NTK_TESTS_FAULTS_H
#define NTK_TESTS_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "ntk/dist/comm.h"
#include "test.h"

typedef ntk_status collective_job(const ntk_comm *comm, void *context);

/* Runs the job with one passage of one check failing: that run ends with one status, not NTK_OK,
 * on all ranks, and leaves no memory behind.  `site` is NULL on all ranks but one. */
static inline void fail_once(const ntk_comm *comm, collective_job *job, void *context,
                             ntk_fault_site *site, long passage) {
  const long balance = ntk_memory_balance();

  ntk_fault_reset();
  if (site) ntk_fault_arm(site, passage);
  int extreme[2], status = (int)job(comm, context);
  extreme[0] = status;
  extreme[1] = -status;
  MPI_Allreduce(MPI_IN_PLACE, extreme, 2, MPI_INT, MPI_MAX, comm->mpi);
  if (extreme[0] != -extreme[1] || status == NTK_OK || ntk_memory_balance() != balance) {
    FAIL("%s:%d failed: status %d here, %d to %d on the ranks, %ld blocks left",
         site ? site->file : "(another rank)", site ? site->line : 0, status, -extreme[1],
         extreme[0], ntk_memory_balance() - balance);
  }
}

/* Every check that the job comes by, on each rank in turn: all its passages, or eight of them
 * with the first and the last.  A hang is caught by the time limit of the test.  Returns the number
 * of failed runs. */
static inline int sweep_faults_everywhere(const ntk_comm *comm, collective_job *job,
                                          void *context) {
  enum { MOST = 1000 };
  ntk_fault_site *site[MOST] = {0};
  long passages[MOST] = {0};
  int64_t mine = 0;
  int runs = 0;

  EXPECT_OK(job(comm, context));
  ntk_fault_reset();
  EXPECT_OK(job(comm, context));
  for (ntk_fault_site *s = ntk_fault_sites(); s; s = s->next) {
    if (s->passages == 0) continue;
    EXPECT(mine < MOST);
    site[mine] = s;
    passages[mine++] = s->passages;
  }
  for (int rank = 0; rank < comm->size; ++rank) {
    const bool victim = rank == comm->rank;
    int64_t count = mine;

    ntk_comm_broadcast(comm, rank, &count, sizeof(count));
    for (int64_t k = 0; k < count; ++k) {
      long last = victim ? passages[k] - 1 : 0;

      ntk_comm_broadcast(comm, rank, &last, sizeof(last));
      const long step = last / 7 + 1;

      for (long p = 0; p < last; p += step, ++runs) {
        fail_once(comm, job, context, victim ? site[k] : NULL, p);
      }
      fail_once(comm, job, context, victim ? site[k] : NULL, last);
      ++runs;
    }
  }
  ntk_fault_reset();
  EXPECT_OK(job(comm, context));
  return runs;
}

#endif
