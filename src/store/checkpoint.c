#include "ntk/store/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint_parts.h"
#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "skeleton.h"

/* Of a panel; and how many panels a matrix is cut into. */
enum { MOST_DOUBLES = 8 << 20, PANELS = 16, UNIT = 64 };

/* ---- panels ---------------------------------------------------------------------------------- */

int64_t ntk_checkpoint_width(int64_t rows, int64_t cols) {
  const int64_t most = rows > 0 ? MOST_DOUBLES / rows : cols;
  int64_t width = (cols + PANELS - 1) / PANELS;

  if (width > most) width = most;
  if (width > UNIT) width -= width % UNIT;
  return width > 0 ? width : 1;
}

int64_t ntk_checkpoint_panels(const ntk_checkpoint *c, int64_t k) { return c->shapes[k].panels; }

void ntk_checkpoint_range(const ntk_checkpoint *c, int64_t k, int64_t panel, int64_t *first,
                          int64_t *count) {
  const ntk_checkpoint_shape *s = &c->shapes[k];

  NTK_ASSERT(panel >= 0 && panel < s->panels);
  *first = panel * s->width;
  *count = s->cols - *first < s->width ? s->cols - *first : s->width;
}

int64_t ntk_checkpoint_sequence(const ntk_checkpoint *c, int64_t k, int64_t panel) {
  NTK_ASSERT(panel >= 0 && panel < c->shapes[k].panels);
  return (int64_t)c->journal.records[c->shapes[k].first + panel].sequence;
}

bool ntk_checkpoint_has(const ntk_checkpoint *c, int64_t k, int64_t panel) {
  return ntk_checkpoint_sequence(c, k, panel) > 0;
}

const double *ntk_checkpoint_notes(const ntk_checkpoint *c, int64_t k, int64_t panel) {
  const int64_t at = c->shapes[k].first + panel;

  return ntk_checkpoint_has(c, k, panel) ? c->journal.note + at * c->journal.notes : NULL;
}

bool ntk_checkpoint_complete(const ntk_checkpoint *c) { return c->complete; }

const char *ntk_checkpoint_name(const ntk_checkpoint *c) {
  return c->complete ? c->path : c->partial;
}

/* ---- in memory ------------------------------------------------------------------------------- */

static void set_shapes(const ntk_checkpoint_content *content, ntk_checkpoint *c) {
  for (int64_t k = 0; k < content->count; ++k) {
    const ntk_checkpoint_matrix *m = &content->matrices[k];
    ntk_checkpoint_shape *s = &c->shapes[k];

    NTK_ASSERT(!m->symmetric || m->rows == m->cols);
    *s = (ntk_checkpoint_shape){.rows = m->rows, .cols = m->cols, .symmetric = m->symmetric};
    (void)snprintf(s->name, sizeof(s->name), "%s", m->name);
    s->width = ntk_checkpoint_width(m->rows, m->cols);
    s->panels = m->rows > 0 ? (m->cols + s->width - 1) / s->width : 0;
    s->first = c->panels;
    c->panels += s->panels;
  }
  c->count = content->count;
}

static ntk_status allocate(const ntk_comm *comm, const char *path,
                           const ntk_checkpoint_content *content, ntk_checkpoint **checkpoint) {
  char temporary[NTK_DURABLE_PATH];

  NTK_TRY(NTK_NEW(1, checkpoint));
  ntk_checkpoint *c = *checkpoint;

  c->comm = *comm;
  c->file = -1;
  NTK_TRY(ntk_skeleton_names(path, c->partial, temporary));
  (void)snprintf(c->path, sizeof(c->path), "%s", path);
  NTK_TRY(NTK_NEW(content->count, &c->shapes));
  set_shapes(content, c);
  NTK_TRY(NTK_NEW(c->panels, &c->upper));
  return NTK_NEW(c->panels, &c->has_upper);
}

void ntk_checkpoint_close(ntk_checkpoint **checkpoint) {
  ntk_checkpoint *c = *checkpoint;

  if (!c) return;
  if (c->file >= 0) (void)close(c->file);
  ntk_trailer_destroy(&c->trailer);
  ntk_journal_destroy(&c->journal);
  ntk_free(&c->has_upper);
  ntk_free(&c->upper);
  ntk_free(&c->shapes);
  ntk_free(checkpoint);
}

/* ---- opening on all ranks -------------------------------------------------------------------- */

static ntk_status check_open(ntk_checkpoint *c, int64_t size) {
  const char *name = ntk_checkpoint_name(c);
  struct stat facts = {0};

  c->file = open(name, (c->complete ? O_RDONLY : O_RDWR) | O_CLOEXEC);
  NTK_CHECK(c->file >= 0, c->comm.rank == 0 ? NTK_E_IO : NTK_E_CREATE,
            "%s: rank 0 knows this file, rank %d cannot open it: %s; is it on a file system that "
            "all nodes share?",
            name, c->comm.rank, strerror(errno));
  NTK_CHECK(fstat(c->file, &facts) == 0 && (int64_t)facts.st_size == size, NTK_E_CREATE,
            "%s: rank %d sees %lld bytes, rank 0 sees %lld; is it on a file system that all nodes "
            "share?",
            name, c->comm.rank, (long long)facts.st_size, (long long)size);
  return NTK_OK;
}

ntk_status ntk_checkpoint_reopen(ntk_checkpoint *c) {
  struct stat facts;
  int64_t size = -1;

  if (c->file >= 0) (void)close(c->file);
  c->file = -1;
  if (c->comm.rank == 0 && stat(ntk_checkpoint_name(c), &facts) == 0) size = (int64_t)facts.st_size;
  ntk_comm_broadcast(&c->comm, 0, &size, sizeof(size));
  return ntk_agree(&c->comm, check_open(c, size));
}

static ntk_status allocate_copies(ntk_checkpoint *c, const ntk_checkpoint_content *content) {
  if (c->comm.rank == 0) return NTK_OK;
  c->trailer.count = NTK_TRAILER_MATRICES + c->count;
  NTK_TRY(NTK_NEW(c->trailer.count, &c->trailer.parts));
  return ntk_journal_create(c->panels, content->notes, c->trailer.identity, &c->journal);
}

/* Collective.  Rank 0 has trailer and journal. */
static ntk_status share(ntk_checkpoint *c, const ntk_checkpoint_content *content) {
  ntk_journal *j = &c->journal;

  ntk_comm_broadcast(&c->comm, 0, c->trailer.identity, sizeof(c->trailer.identity));
  NTK_AGREE(&c->comm, allocate_copies(c, content));
  ntk_comm_broadcast(&c->comm, 0, &c->complete, sizeof(c->complete));
  ntk_comm_broadcast(&c->comm, 0, c->trailer.parts,
                     c->trailer.count * (int64_t)sizeof(*c->trailer.parts));
  ntk_comm_broadcast(&c->comm, 0, j->records, (c->panels + 1) * (int64_t)sizeof(*j->records));
  ntk_comm_broadcast(&c->comm, 0, j->note, c->panels * j->notes * (int64_t)sizeof(*j->note));
  ntk_comm_broadcast(&c->comm, 0, &j->latest, sizeof(j->latest));
  return ntk_checkpoint_reopen(c);
}

/* ---- finding --------------------------------------------------------------------------------- */

static ntk_status find_finished(ntk_checkpoint *c, const ntk_checkpoint_content *content,
                                bool *found) {
  NTK_TRY(ntk_skeleton_find(c->path, content, c->panels, &c->trailer, &c->journal, found));
  c->complete = *found && ntk_journal_has(&c->journal, c->panels);
  if (c->complete || !*found) return NTK_OK;
  ntk_log("%s: not used: unfinished, though it is not called so", c->path);
  ntk_trailer_destroy(&c->trailer);
  ntk_journal_destroy(&c->journal);
  *found = false;
  return NTK_OK;
}

static void compare_machines(const ntk_checkpoint *c, const ntk_checkpoint_content *content) {
  const char *now = content->machine ? content->machine : "";

  if (strncmp(c->trailer.machine, now, sizeof(c->trailer.machine) - 1) == 0) return;
  ntk_log("%s: begun on another type of processor (%s) than this one (%s): the last digits of the "
          "panels computed now may differ from what that one would give",
          c->partial, c->trailer.machine, now);
}

/* The last record may have been written, and the name not been given. */
static ntk_status find_unfinished(ntk_checkpoint *c, const ntk_checkpoint_content *content,
                                  bool *found) {
  NTK_TRY(ntk_skeleton_find(c->partial, content, c->panels, &c->trailer, &c->journal, found));
  if (!*found) return NTK_OK;
  if (ntk_journal_has(&c->journal, c->panels)) {
    NTK_TRY(ntk_durable_rename(c->partial, c->path));
    c->complete = true;
  } else if (c->journal.latest > 0) {
    compare_machines(c, content);
  }
  return NTK_OK;
}

static ntk_status find(ntk_checkpoint *c, const ntk_checkpoint_content *content, bool *found) {
  *found = false;
  if (c->comm.rank != 0) return NTK_OK;
  NTK_TRY(find_finished(c, content, found));
  return *found ? NTK_OK : find_unfinished(c, content, found);
}

static ntk_status find_and_share(ntk_checkpoint *c, const ntk_checkpoint_content *content,
                                 bool *found) {
  NTK_AGREE(&c->comm, find(c, content, found));
  ntk_comm_broadcast(&c->comm, 0, found, sizeof(*found));
  return *found ? share(c, content) : NTK_OK;
}

ntk_status ntk_checkpoint_find(const ntk_comm *comm, const char *path,
                               const ntk_checkpoint_content *content,
                               ntk_checkpoint **checkpoint) {
  bool found = false;

  *checkpoint = NULL;
  ntk_status status = ntk_agree(comm, allocate(comm, path, content, checkpoint));
  if (status == NTK_OK) status = find_and_share(*checkpoint, content, &found);
  if (status != NTK_OK || !found) ntk_checkpoint_close(checkpoint);
  return status;
}

/* ---- a new file ------------------------------------------------------------------------------ */

static ntk_status create(ntk_checkpoint *c, const ntk_checkpoint_content *content) {
  if (c->comm.rank != 0) return NTK_OK;
  NTK_TRY(ntk_skeleton_create(c->path, content, c->panels, &c->trailer));
  return ntk_journal_create(c->panels, content->notes, c->trailer.identity, &c->journal);
}

static ntk_status create_and_share(ntk_checkpoint *c, const ntk_checkpoint_content *content) {
  ntk_status status = ntk_agree(&c->comm, create(c, content));

  if (status == NTK_OK) status = share(c, content);
  if (status != NTK_OK && c->comm.rank == 0) (void)unlink(c->partial);
  return status;
}

ntk_status ntk_checkpoint_create(const ntk_comm *comm, const char *path,
                                 const ntk_checkpoint_content *content,
                                 ntk_checkpoint **checkpoint) {
  *checkpoint = NULL;
  ntk_status status = ntk_agree(comm, allocate(comm, path, content, checkpoint));

  if (status == NTK_OK) status = create_and_share(*checkpoint, content);
  if (status != NTK_OK) ntk_checkpoint_close(checkpoint);
  return status;
}

ntk_status ntk_checkpoint_open(const ntk_comm *comm, const char *path,
                               const ntk_checkpoint_content *content,
                               ntk_checkpoint **checkpoint) {
  NTK_TRY(ntk_checkpoint_find(comm, path, content, checkpoint));
  return *checkpoint ? NTK_OK : ntk_checkpoint_create(comm, path, content, checkpoint);
}

void ntk_checkpoint_abandon(const ntk_checkpoint *c) {
  if (!c->complete) (void)unlink(c->partial);
}

/* ---- without opening ------------------------------------------------------------------------- */

static ntk_status discard(const char *name) {
  const bool gone = unlink(name) == 0 || errno == ENOENT || errno == ENOTDIR;

  NTK_CHECK(gone, NTK_E_IO, "%s: cannot remove: %s", name, strerror(errno));
  return NTK_OK;
}

ntk_status ntk_checkpoint_discard(const char *path) {
  char partial[NTK_DURABLE_PATH], temporary[NTK_DURABLE_PATH];

  NTK_TRY(ntk_skeleton_names(path, partial, temporary));
  NTK_TRY(discard(temporary));
  NTK_TRY(discard(partial));
  return discard(path);
}

static ntk_status look(int file, const char *name, int64_t *written, int64_t *panels) {
  ntk_trailer trailer = {0};
  ntk_trailer_state state = NTK_TRAILER_NONE;
  struct stat facts = {0};
  bool finished = false;

  if (fstat(file, &facts) != 0) return NTK_OK;
  NTK_TRY(ntk_trailer_read(file, name, (int64_t)facts.st_size, &trailer, &state));
  if (state != NTK_TRAILER_SOUND) return NTK_OK;
  const ntk_status status = ntk_journal_look(file, name, &trailer, written, panels, &finished);

  ntk_trailer_destroy(&trailer);
  return status;
}

void ntk_checkpoint_progress(const char *path, int64_t *written, int64_t *panels) {
  char partial[NTK_DURABLE_PATH], temporary[NTK_DURABLE_PATH];

  *written = *panels = 0;
  if (ntk_skeleton_names(path, partial, temporary) != NTK_OK) return;
  int file = open(path, O_RDONLY | O_CLOEXEC);

  if (file < 0) file = open(partial, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  if (look(file, path, written, panels) != NTK_OK) *written = *panels = 0;
  (void)close(file);
}
