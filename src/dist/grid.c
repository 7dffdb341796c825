#include "ntk/dist/grid.h"

#include "ntk/dist/scalapack.h"

enum { BLACS_TOPSREPEAT = 15 }; /* SGET_TOPSREPEAT of the BLACS: repeatability of combines */

void ntk_grid_squarest(int size, int *rows, int *cols) {
  *rows = 1;
  for (int r = 1; r <= size / r; ++r) {
    if (size % r == 0) *rows = r;
  }
  *cols = size / *rows;
}

static ntk_status check_shape(int size, int rows, int cols) {
  NTK_CHECK(rows > 0 && cols > 0 && rows <= size / cols && rows * cols == size, NTK_E_CONFIG,
            "a %d x %d process grid does not have %d ranks; give rows x cols = %d, or auto", rows,
            cols, size, size);
  return NTK_OK;
}

ntk_status ntk_grid_create(const ntk_comm *comm, int rows, int cols, ntk_grid *grid) {
  *grid = (ntk_grid){0};
  if (rows == 0 && cols == 0) ntk_grid_squarest(comm->size, &rows, &cols);
  NTK_AGREE(comm, check_shape(comm->size, rows, cols));

  *grid = (ntk_grid){.comm = comm, .rows = rows, .cols = cols};
  grid->row = comm->rank / cols;
  grid->col = comm->rank % cols;

  MPI_Comm row_mpi, col_mpi;
  MPI_Comm_split(comm->mpi, grid->row, grid->col, &row_mpi);
  MPI_Comm_split(comm->mpi, grid->col, grid->row, &col_mpi);
  grid->row_comm = ntk_comm_of(row_mpi);
  grid->col_comm = ntk_comm_of(col_mpi);

  int system = Csys2blacs_handle(comm->mpi);
  grid->context = system;
  Cblacs_gridinit(&grid->context, "Row", rows, cols);
  /* Sums are added up in one order, not as messages arrive: the same grid, the same bits. */
  Cblacs_set(grid->context, BLACS_TOPSREPEAT, &(int){1});
  Cfree_blacs_system_handle(system);
  return NTK_OK;
}

void ntk_grid_destroy(ntk_grid *grid) {
  if (grid->comm) {
    Cblacs_gridexit(grid->context);
    MPI_Comm_free(&grid->col_comm.mpi);
    MPI_Comm_free(&grid->row_comm.mpi);
  }
  *grid = (ntk_grid){0};
}
