#include "ntk/store/journal.h"

#include <string.h>

#include "ntk/base/memory.h"

static const int64_t RECORD = sizeof(ntk_journal_record);

ntk_status ntk_journal_create(int64_t panels, int64_t notes, const ntk_key identity,
                              ntk_journal *journal) {
  *journal = (ntk_journal){.panels = panels, .notes = notes};
  journal->seed = ntk_hash_seeded(identity, NTK_KEY_SIZE - 1, 0);
  NTK_TRY(NTK_NEW(panels + 1, &journal->records));
  return NTK_NEW(panels * notes, &journal->note);
}

void ntk_journal_destroy(ntk_journal *journal) {
  ntk_free(&journal->records);
  ntk_free(&journal->note);
  *journal = (ntk_journal){0};
}

bool ntk_journal_has(const ntk_journal *journal, int64_t panel) {
  return journal->records[panel].sequence > 0;
}

void ntk_journal_forget(ntk_journal *journal, int64_t panel) {
  journal->records[panel] = (ntk_journal_record){0};
}

/* ---- hashes ---------------------------------------------------------------------------------- */

static uint64_t check_of(const ntk_journal *j, int64_t panel) {
  const ntk_journal_record *r = &j->records[panel];

  return ntk_hash_seeded(r, offsetof(ntk_journal_record, check), j->seed + (uint64_t)panel);
}

static uint64_t hash_notes(const ntk_journal *j, int64_t panel) {
  if (j->notes == 0 || panel == j->panels) return 0;
  return ntk_hash_seeded(j->note + panel * j->notes, (size_t)j->notes * sizeof(double),
                         j->seed + (uint64_t)panel);
}

void ntk_journal_set(ntk_journal *j, int64_t panel, uint64_t data, uint64_t sequence) {
  ntk_journal_record *r = &j->records[panel];

  *r = (ntk_journal_record){.data = data, .sequence = sequence};
  r->notes = hash_notes(j, panel);
  r->check = check_of(j, panel);
  if (sequence > j->latest) j->latest = sequence;
}

static bool is_empty(const ntk_journal_record *r) {
  return !r->data && !r->notes && !r->sequence && !r->check;
}

static bool is_sound(const ntk_journal *j, int64_t panel) {
  const ntk_journal_record *r = &j->records[panel];

  return r->sequence > 0 && r->check == check_of(j, panel) && r->notes == hash_notes(j, panel);
}

/* ---- disk ------------------------------------------------------------------------------------ */

static ntk_status check_places(const char *path, const ntk_trailer *t, const ntk_journal *j) {
  const bool fit = t->parts[NTK_TRAILER_JOURNAL].bytes == (j->panels + 1) * RECORD &&
                   t->parts[NTK_TRAILER_NOTES].bytes ==
                       j->panels * j->notes * (int64_t)sizeof(double);

  NTK_CHECK(fit, NTK_E_INPUT, "%s: its journal has another size", path);
  return NTK_OK;
}

static ntk_status check_read(int error, const char *path) {
  NTK_CHECK(!error, NTK_E_IO, "%s: cannot read its journal: %s", path, strerror(error));
  return NTK_OK;
}

ntk_status ntk_journal_read(int file, const char *path, const ntk_trailer *t, ntk_journal *j,
                            int64_t *damaged) {
  const ntk_trailer_part records = t->parts[NTK_TRAILER_JOURNAL];
  const ntk_trailer_part notes = t->parts[NTK_TRAILER_NOTES];

  *damaged = 0;
  NTK_TRY(check_places(path, t, j));
  NTK_TRY(check_read(ntk_bytes_read(file, records.offset, records.bytes, j->records), path));
  NTK_TRY(check_read(ntk_bytes_read(file, notes.offset, notes.bytes, j->note), path));
  for (int64_t p = 0; p <= j->panels; ++p) {
    const bool sound = is_sound(j, p);

    if (sound && j->records[p].sequence > j->latest) j->latest = j->records[p].sequence;
    if (!sound && !is_empty(&j->records[p])) ++*damaged;
    if (!sound) ntk_journal_forget(j, p);
  }
  return NTK_OK;
}

/* Notes first: their hash stands in the record. */
static int write_both(int file, const ntk_trailer *t, const ntk_journal *j, int64_t first,
                      int64_t count) {
  const int64_t bytes = j->notes * (int64_t)sizeof(double);
  const int64_t noted = first + count <= j->panels ? count : 0;
  const int error = ntk_bytes_write(file, t->parts[NTK_TRAILER_NOTES].offset + first * bytes,
                                  noted * bytes, j->note ? j->note + first * j->notes : NULL);

  if (error) return error;
  return ntk_bytes_write(file, t->parts[NTK_TRAILER_JOURNAL].offset + first * RECORD,
                       count * RECORD, j->records + first);
}

ntk_status ntk_journal_write(int file, const char *path, const ntk_trailer *t,
                             const ntk_journal *j, int64_t first, int64_t count) {
  const int error = write_both(file, t, j, first, count);

  NTK_CHECK(!error, ntk_status_of_write(error, NTK_E_IO), "%s: cannot write its journal: %s", path,
            strerror(error));
  return NTK_OK;
}

/* Notes are not looked at: a reader of the matrices needs none. */
static ntk_status look(int file, const char *path, const ntk_trailer *t, ntk_journal *j) {
  const int64_t offset = t->parts[NTK_TRAILER_JOURNAL].offset;

  return check_read(ntk_bytes_read(file, offset, (j->panels + 1) * RECORD, j->records), path);
}

ntk_status ntk_journal_look(int file, const char *path, const ntk_trailer *t, int64_t *written,
                            int64_t *panels, bool *finished) {
  ntk_journal j = {0};
  const int64_t records = t->parts[NTK_TRAILER_JOURNAL].bytes / RECORD;

  *written = 0;
  *panels = records > 0 ? records - 1 : 0;
  *finished = false;
  if (records == 0) return NTK_OK;
  ntk_status status = ntk_journal_create(*panels, 0, t->identity, &j);

  if (status == NTK_OK) status = look(file, path, t, &j);
  for (int64_t p = 0; status == NTK_OK && p <= *panels; ++p) {
    const bool sound = j.records[p].sequence > 0 && j.records[p].check == check_of(&j, p);

    if (sound && p < *panels) ++*written;
    if (p == *panels) *finished = sound;
  }
  ntk_journal_destroy(&j);
  return status;
}
