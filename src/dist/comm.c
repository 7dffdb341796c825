#include "ntk/dist/comm.h"

/* Pieces of one call: far below MPI's int counts, large enough to run at full speed. */
enum { PIECE_BYTES = 1 << 28, PIECE_DOUBLES = 1 << 22 };

static int64_t largest_message;

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

ntk_comm ntk_comm_of(MPI_Comm mpi) {
  ntk_comm comm = {.mpi = mpi};

  MPI_Comm_rank(mpi, &comm.rank);
  MPI_Comm_size(mpi, &comm.size);
  return comm;
}

/* MPI calls are not checked: MPI_ERRORS_ARE_FATAL, the default, already stops the job. */
ntk_status ntk_agree(const ntk_comm *comm, ntk_status mine) {
  int first = mine == NTK_OK ? comm->size : comm->rank; /* lowest failing rank, or size */

  if (comm->size == 1) return mine;
  MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT, MPI_MIN, comm->mpi);
  if (first == comm->size) return NTK_OK;
  MPI_Bcast(ntk_last_error(), (int)sizeof(ntk_error), MPI_BYTE, first, comm->mpi);
  return ntk_last_error()->status;
}

void ntk_comm_broadcast(const ntk_comm *comm, int root, void *bytes, int64_t count) {
  char *next = bytes;

  if (comm->size == 1) return;
  while (count > 0) {
    int64_t piece = min(count, PIECE_BYTES);

    MPI_Bcast(next, (int)piece, MPI_BYTE, root, comm->mpi);
    if (comm->rank == root) ntk_comm_note_message(piece);
    next += piece;
    count -= piece;
  }
}

void ntk_comm_sum(const ntk_comm *comm, double *values, int64_t count) {
  if (comm->size == 1) return;
  while (count > 0) {
    int64_t piece = min(count, PIECE_DOUBLES);

    MPI_Allreduce(MPI_IN_PLACE, values, (int)piece, MPI_DOUBLE, MPI_SUM, comm->mpi);
    ntk_comm_note_message(piece * (int64_t)sizeof(double));
    values += piece;
    count -= piece;
  }
}

double ntk_comm_max(const ntk_comm *comm, double value) {
  if (comm->size == 1) return value;
  MPI_Allreduce(MPI_IN_PLACE, &value, 1, MPI_DOUBLE, MPI_MAX, comm->mpi);
  return value;
}

void ntk_comm_note_message(int64_t bytes) {
  if (bytes > largest_message) largest_message = bytes;
}

int64_t ntk_comm_largest_message(void) { return largest_message; }
