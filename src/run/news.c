/* What rank 0 knows of all groups: roots send it a small message when they begin and end a unit, and
 * it listens at its own boundaries. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "crew.h"
#include "ntk/base/log.h"
#include "ntk/base/memory.h"

enum { TAG = 76, SILENCE = 30 }; /* SILENCE: seconds without a line */

static bool is_rank_0(const ntk_crew *crew) { return crew->world->rank == 0; }

/* ---- news -------------------------------------------------------------------------------------- */

static void take_in(ntk_crew *crew, const ntk_news *news) {
  ntk_news_board *p = &crew->board;
  ntk_unit_state *state = &p->state[news->unit];
  const int64_t waiting = p->waiting[news->unit];
  const int64_t done = news->points < waiting ? news->points : waiting; /* two may tell of one */

  p->points_done += done;
  p->points_failed += news->failed < done ? news->failed : done;
  p->waiting[news->unit] -= done;
  if (state->state == NTK_UNIT_ENDED) return;
  p->since[news->unit] = ntk_now();
  *state = news->state;
}

static void hear(ntk_crew *crew) {
  const MPI_Comm world = crew->stop.world.mpi;
  int waiting = 1;

  while (waiting) {
    ntk_news news;

    MPI_Iprobe(MPI_ANY_SOURCE, TAG, world, &waiting, MPI_STATUS_IGNORE);
    if (!waiting) return;
    MPI_Recv(&news, (int)sizeof(news), MPI_BYTE, MPI_ANY_SOURCE, TAG, world, MPI_STATUS_IGNORE);
    ++crew->board.received;
    take_in(crew, &news);
  }
}

/* At most so often: MPI lends the processor to others whenever it finds nothing. */
static void listen(ntk_crew *crew) {
  const double pause = 0.02, now = ntk_now();

  if (crew->world->size == 1 || now - crew->board.heard < pause) return;
  crew->board.heard = now;
  hear(crew);
}

void ntk_news_tell(ntk_crew *crew, const ntk_news *news) {
  ntk_news_board *p = &crew->board;
  int slot = MPI_UNDEFINED, done = 0;

  if (is_rank_0(crew)) {
    take_in(crew, news);
    return;
  }
  for (int k = 0; k < NTK_NEWS; ++k) {
    if (p->request[k] == MPI_REQUEST_NULL) slot = k;
  }
  if (slot == MPI_UNDEFINED) MPI_Testany(NTK_NEWS, p->request, &slot, &done, MPI_STATUS_IGNORE);
  if (slot == MPI_UNDEFINED) MPI_Waitany(NTK_NEWS, p->request, &slot, MPI_STATUS_IGNORE);
  p->news[slot] = *news;
  MPI_Isend(&p->news[slot], (int)sizeof(*news), MPI_BYTE, 0, TAG, crew->stop.world.mpi,
            &p->request[slot]);
  ++p->sent;
}

/* ---- begin and end ----------------------------------------------------------------------------- */

static ntk_status make_states(ntk_crew *crew) {
  if (!is_rank_0(crew)) return NTK_OK;
  NTK_TRY(NTK_NEW(crew->units.count, &crew->board.state));
  return NTK_NEW(crew->units.count, &crew->board.since);
}

ntk_status ntk_news_begin(ntk_crew *crew) {
  ntk_news_board *p = &crew->board;

  for (int k = 0; k < NTK_NEWS; ++k) p->request[k] = MPI_REQUEST_NULL;
  p->spoken = ntk_now();
  p->left = NAN;
  return ntk_agree(crew->world, make_states(crew));
}

static void nap(double *seconds) {
  const struct timespec pause = {.tv_nsec = lround(1e9 * *seconds)};

  (void)nanosleep(&pause, NULL);
  *seconds = fmin(2 * *seconds, 0.05);
}

/* Ranks that are ready sleep, so that those at work have the processors, and wake up for signals. */
void ntk_news_gather(ntk_crew *crew) {
  const MPI_Comm world = crew->stop.world.mpi;
  MPI_Request all_here = MPI_REQUEST_NULL;
  int64_t sent = crew->board.sent;
  double pause = 0.0005;
  int here = 0;

  MPI_Ibarrier(world, &all_here);
  for (;;) {
    MPI_Test(&all_here, &here, MPI_STATUS_IGNORE);
    ntk_stop_poll(&crew->stop);
    ntk_news_tick(crew);
    if (here) break;
    nap(&pause);
  }
  MPI_Allreduce(MPI_IN_PLACE, &sent, 1, MPI_INT64_T, MPI_SUM, world);
  while (is_rank_0(crew) && crew->board.received < sent) hear(crew);
  for (int sent_all = 0; !sent_all;) {
    MPI_Testall(NTK_NEWS, crew->board.request, &sent_all, MPI_STATUSES_IGNORE);
  }
}

void ntk_news_end(ntk_crew *crew) {
  ntk_free(&crew->board.state);
  ntk_free(&crew->board.since);
  ntk_free(&crew->board.waiting);
}

/* ---- lines ------------------------------------------------------------------------------------- */

/* A line about a unit's last point is printed before its end is told. */
static void take_in_own(ntk_crew *crew) {
  const int64_t unit = crew->at_work.unit;
  ntk_news_board *p = &crew->board;

  if (unit < 0 || crew->at_work.points < p->waiting[unit]) return;
  p->state[unit] = ntk_visit_outcome(crew);
  p->since[unit] = ntk_now();
}

/* False if nothing was measured yet. */
static bool bring_up_to_date(ntk_crew *crew) {
  ntk_news_board *p = &crew->board;
  bool measured = false;

  take_in_own(crew);
  for (int64_t k = 0; k < crew->units.count; ++k) {
    p->state[k].age = ntk_now() - p->since[k];
    if (p->state[k].state == NTK_UNIT_RUNS) p->state[k].seconds = p->state[k].age;
    measured = measured || (p->state[k].state == NTK_UNIT_ENDED && p->state[k].seconds > 0);
  }
  return measured;
}

/* That of a large sweep takes a while: at most a hundredth of the time goes into it. */
static void estimate(ntk_crew *crew) {
  const double share = 0.01, now = ntk_now();
  ntk_news_board *p = &crew->board;

  if (now - p->asked < p->patience) return;
  p->asked = now;
  p->left = NAN;
  if (!bring_up_to_date(crew)) return;
  if (ntk_schedule_left(crew->forecast.unit, crew->units.count, p->state, &crew->schedule,
                        &crew->groups, &p->left) != NTK_OK) {
    p->left = NAN;
  }
  p->patience = (ntk_now() - now) / share;
}

static void left_text(const ntk_news_board *p, char *text, size_t size) {
  const double left = p->left - (ntk_now() - p->asked);

  text[0] = '\0';
  if (left > 5400) {
    (void)snprintf(text, size, ", about %.1f h left", left / 3600);
  } else if (left > 600) {
    (void)snprintf(text, size, ", about %.0f min left", left / 60);
  } else if (left > 90) { /* whole minutes would be off by a third */
    (void)snprintf(text, size, ", about %.1f min left", left / 60);
  } else if (left > 0.5) {
    (void)snprintf(text, size, ", about %.0f s left", left);
  }
}

void ntk_news_text(ntk_crew *crew, char *text, size_t size) {
  ntk_news_board *p = &crew->board;
  char bad[40] = "", left[48] = "";

  text[0] = '\0';
  if (!is_rank_0(crew)) return;
  listen(crew);
  estimate(crew);
  const int64_t over = p->points_done + crew->at_work.points;
  const int64_t failed = p->points_failed + crew->at_work.failed;

  if (failed) (void)snprintf(bad, sizeof(bad), ", %lld failed", (long long)failed);
  if (over < p->points) left_text(p, left, sizeof(left));
  (void)snprintf(text, size, "; %lld of %lld done%s%s", (long long)(over - failed),
                 (long long)p->points, bad, left);
  p->spoken = ntk_now();
}

void ntk_news_tick(void *context) {
  ntk_crew *crew = context;
  char text[128];

  if (!is_rank_0(crew)) return;
  listen(crew);
  if (ntk_now() - crew->board.spoken < SILENCE) return;
  ntk_news_text(crew, text, sizeof(text));
  if (crew->place.stage) {
    ntk_log("at work on the %s%s", crew->place.stage, text); /* the line is about the point */
  } else {
    ntk_log("at work%s", text); /* that of other groups */
  }
}
