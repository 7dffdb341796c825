/* A group of ranks: it does the units of its level, then its halves go on by themselves. */
#include "crew.h"
#include "ntk/base/log.h"
#include "ntk/run/sources.h"
#include "ntk/store/provenance.h"

/* Rank 0 of the group chooses for all.  The boundary comes after the choice: a job whose work is done
 * is not stopped any more. */
static ntk_status next_unit(ntk_crew *crew, const ntk_comm *comm, ntk_search *search,
                            int64_t *unit) {
  *unit = -1;
  NTK_AGREE(comm, comm->rank == 0 ? ntk_claim_next(crew, comm->size, search, unit) : NTK_OK);
  ntk_comm_broadcast(comm, 0, unit, sizeof(*unit));
  return NTK_OK;
}

/* What has failed here would fail elsewhere: its locks are kept until the job ends. */
static void give_up_locks(ntk_crew *crew, bool failed) {
  if (failed && crew->place.locks) {
    crew->kept[crew->kept_count++] = crew->place.locks;
  } else {
    crew->last = crew->place.locks;
  }
  crew->place.locks = NULL;
}

/* The locks of a unit are let go when those of the next one are there. */
static ntk_status work(ntk_crew *crew, const ntk_comm *comm, ntk_search *search) {
  for (;;) {
    int64_t unit = -1;
    const ntk_status found = next_unit(crew, comm, search, &unit);

    ntk_lock_set_release(&crew->last);
    NTK_TRY(found);
    if (unit < 0) return NTK_OK;
    const int64_t failed = crew->counts.failed;
    const ntk_status status = ntk_visit_unit(crew, unit);

    give_up_locks(crew, crew->counts.failed > failed);
    if (status != NTK_OK) ntk_lock_set_release(&crew->last);
    NTK_TRY(status);
  }
}

/* run.grid is that of every group of so many ranks. */
static ntk_status create_grid(const ntk_crew *crew, const ntk_comm *comm, ntk_grid *grid) {
  const ntk_ints *wanted = &crew->job->point[0].settings.run.grid;
  const bool given = wanted->count == 2;

  return ntk_grid_create(comm, given ? (int)wanted->item[0] : 0, given ? (int)wanted->item[1] : 0,
                         grid);
}

/* A disk that is full is full for other groups, too: they stop at their next boundary. */
static ntk_status tell_of_full_disk(ntk_crew *crew, const ntk_comm *comm) {
  const ntk_error error = *ntk_last_error();

  ntk_stop_ask(&crew->stop, "stopped because the disk is full");
  if (ntk_stop_check(&crew->stop, comm) != NTK_OK) *ntk_last_error() = error;
  return error.status;
}

/* With a grid, which BLACS shall make once and not for every point. */
static ntk_status work_on_grid(ntk_crew *crew, const ntk_comm *comm, ntk_search *search) {
  ntk_record origin = {0};
  ntk_grid grid = {0};

  NTK_TRY(create_grid(crew, comm, &grid));
  crew->place.grid = &grid;
  ntk_comm_broadcast(comm, 0, &crew->speed, sizeof(crew->speed)); /* all predict the same */
  ntk_status status = ntk_provenance_add(comm, &origin);

  crew->place.origin = &origin;
  if (status == NTK_OK) status = work(crew, comm, search);
  if (status == NTK_E_FULL) status = tell_of_full_disk(crew, comm);
  crew->place.origin = NULL;
  crew->place.grid = NULL;
  ntk_place_forget_data(&crew->place); /* rank 0 of the next group has no samples */
  ntk_record_destroy(&origin);
  ntk_grid_destroy(&grid);
  return status;
}

static bool any_on(const ntk_crew *crew, int level, int deepest) {
  for (int64_t k = 0; k < crew->units.count; ++k) {
    if (crew->schedule.level[k] >= level && crew->schedule.level[k] <= deepest) return true;
  }
  return false;
}

ntk_status ntk_group_hand_on(ntk_crew *crew, const ntk_comm *comm, bool root) {
  ntk_status status = NTK_OK;
  MPI_Comm part = MPI_COMM_NULL;

  MPI_Comm_split(comm->mpi, root ? 0 : MPI_UNDEFINED, comm->rank, &part);
  if (root) {
    ntk_comm roots = ntk_comm_of(part);

    status = ntk_sources_share(&roots, crew->job, crew->pending, &crew->place.cache);
    MPI_Comm_free(&roots.mpi);
  }
  return ntk_agree(comm, status);
}

static ntk_status split(ntk_crew *crew, const ntk_comm *comm, int level) {
  const int half = ntk_groups_half(comm->size);
  MPI_Comm part = MPI_COMM_NULL;

  NTK_TRY(ntk_group_hand_on(crew, comm, comm->rank == 0 || comm->rank == half));
  MPI_Comm_split(comm->mpi, comm->rank >= half, comm->rank, &part);
  ntk_comm mine = ntk_comm_of(part);
  const ntk_status status = ntk_group_work(crew, &mine, level);

  MPI_Comm_free(&mine.mpi);
  return status;
}

/* One rank alone does all levels in one go. */
ntk_status ntk_group_work(ntk_crew *crew, const ntk_comm *comm, int level) {
  const int last = ntk_groups_levels(&crew->groups) - 1;
  ntk_search search = {.level = level, .deepest = comm->size > 1 ? level : last};

  ntk_log_enable(crew->speaks && comm->rank == 0);
  if (any_on(crew, level, search.deepest)) NTK_TRY(work_on_grid(crew, comm, &search));
  if (search.deepest == last || !any_on(crew, level + 1, last)) return NTK_OK;
  return split(crew, comm, level + 1);
}
