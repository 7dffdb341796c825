/* grid.h -- the ranks of a communicator arranged as rows x cols, row-major, with the BLACS context
 * that ScaLAPACK needs. */
#ifndef NTK_DIST_GRID_H
#define NTK_DIST_GRID_H

#include "ntk/dist/comm.h"

typedef struct ntk_grid {
  const ntk_comm *comm;   /* borrowed */
  int rows, cols;         /* rows * cols == comm->size, rows <= cols, as square as possible */
  int row, col;           /* this rank's place */
  ntk_comm row_comm;      /* the ranks of my process row, ordered by column */
  ntk_comm col_comm;      /* the ranks of my process column, ordered by row */
  int context;            /* of BLACS */
} ntk_grid;

/* Collective.  Rows and cols 0: the squarest grid (rows <= cols).  Ends with ntk_grid_destroy.
 * Fails with NTK_E_CONFIG if rows * cols is not the number of ranks. */
NTK_CHECKED ntk_status ntk_grid_create(const ntk_comm *comm, int rows, int cols, ntk_grid *grid);

/* Collective. */
void ntk_grid_destroy(ntk_grid *grid);

/* Local.  The squarest rows x cols = size with rows <= cols. */
void ntk_grid_squarest(int size, int *rows, int *cols);

#endif
