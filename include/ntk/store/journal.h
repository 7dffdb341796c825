/* journal.h -- which panels of a big file are written, and the hashes of their data and notes.
 *
 * Dataset /_ckpt/journal, [panels + 1][4] words, and /_ckpt/note, [panels][notes]; written in place
 * by rank 0, each record with a checksum of its own, so that one that is torn counts as missing.
 * The last record says that the file is finished. */
#ifndef NTK_STORE_JOURNAL_H
#define NTK_STORE_JOURNAL_H

#include <stdbool.h>

#include "ntk/store/trailer.h"

typedef struct ntk_journal_record {
  uint64_t data;     /* hash of the data */
  uint64_t notes;    /* hash of the notes, 0 if there are none */
  uint64_t sequence; /* which write of the file it was, from 1 on; 0: not written */
  uint64_t check;    /* hash of the others */
} ntk_journal_record;

/* Zero-initialise; create; destroy. */
typedef struct ntk_journal {
  int64_t panels, notes; /* panels of all matrices; notes of one panel */
  uint64_t seed;         /* from the identity of the file */
  uint64_t latest;       /* largest sequence */
  ntk_journal_record *records; /* [panels + 1] */
  double *note;                /* [panels][notes] */
} ntk_journal;

/* Local.  An empty journal.  Fails with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_journal_create(int64_t panels, int64_t notes, const ntk_key identity,
                                          ntk_journal *journal);
void ntk_journal_destroy(ntk_journal *journal);

/* Local.  Reads it, and forgets records that are torn or damaged.
 *   damaged  number of those; records never written are none
 * Fails with NTK_E_IO; NTK_E_INPUT if the trailer's places are too small. */
NTK_CHECKED ntk_status ntk_journal_read(int file, const char *path, const ntk_trailer *trailer,
                                        ntk_journal *journal, int64_t *damaged);

/* Local.  Sets the record of a panel (`panels`: the last record) in memory, for the notes that
 * stand there; or makes it one that is not written. */
void ntk_journal_set(ntk_journal *journal, int64_t panel, uint64_t data, uint64_t sequence);
void ntk_journal_forget(ntk_journal *journal, int64_t panel);

/* Local.  Writes records and notes [first, first + count) to where the trailer says.
 * Fails with NTK_E_IO. */
NTK_CHECKED ntk_status ntk_journal_write(int file, const char *path, const ntk_trailer *trailer,
                                         const ntk_journal *journal, int64_t first, int64_t count);

/* Local.  Whether a panel (`panels`: the last record) is written. */
bool ntk_journal_has(const ntk_journal *journal, int64_t panel);

/* Local.  For readers, who know no shapes: records written, all records, and whether the last one
 * is there.  Fails with NTK_E_IO, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_journal_look(int file, const char *path, const ntk_trailer *trailer,
                                        int64_t *written, int64_t *panels, bool *finished);

#endif
