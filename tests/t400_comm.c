/* One rank's failure is everybody's, with the lowest failing rank's message; sums, maxima and
 * broadcasts reach every rank; the squarest grid is the squarest.
 *
 * Method: every rank fails in turn, then two of them at once. */
//TEST ranks=1,2,3,4,6
#include "ntk/dist/comm.h"

#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/dist/grid.h"
#include "test.h"

static ntk_status fail_if(bool fails, int rank) {
  NTK_CHECK(!fails, NTK_E_NUMERIC, "rank %d said so", rank);
  return NTK_OK;
}

static void test_agree(const ntk_comm *comm) {
  char text[64];

  EXPECT_OK(ntk_agree(comm, NTK_OK));
  for (int r = 0; r < comm->size; ++r) {
    snprintf(text, sizeof(text), "rank %d said so", r);
    EXPECT_STATUS(ntk_agree(comm, fail_if(comm->rank == r, comm->rank)), NTK_E_NUMERIC);
    EXPECT(strstr(ntk_last_error()->text, text));
    EXPECT_STATUS(ntk_agree(comm, fail_if(comm->rank >= r, comm->rank)), NTK_E_NUMERIC);
    EXPECT(strstr(ntk_last_error()->text, text));
  }
}

static void test_numbers(const ntk_comm *comm) {
  enum { COUNT = 5000000 }; /* more than one piece of a sum */
  double *values = NULL;

  EXPECT_OK(NTK_NEW(COUNT, &values));
  for (int k = 0; k < COUNT; ++k) values[k] = comm->rank + k;
  ntk_comm_sum(comm, values, COUNT);
  for (int k = 0; k < COUNT; ++k) {
    EXPECT(values[k] == comm->size * (double)k + 0.5 * comm->size * (comm->size - 1));
  }
  for (int k = 0; k < COUNT; ++k) values[k] = comm->rank == comm->size - 1 ? k : -1;
  ntk_comm_broadcast(comm, comm->size - 1, values, COUNT * (int64_t)sizeof(double));
  for (int k = 0; k < COUNT; ++k) EXPECT(values[k] == k);
  EXPECT(ntk_comm_max(comm, -comm->rank) == 0);
  EXPECT(ntk_comm_max(comm, comm->rank) == comm->size - 1);
  EXPECT((ntk_comm_largest_message() > 0) == (comm->size > 1));
  ntk_free(&values);
}

static void test_squarest(void) {
  static const int table[][3] = {{1, 1, 1},  {2, 1, 2},  {3, 1, 3},   {4, 2, 2},  {6, 2, 3},
                                 {7, 1, 7},  {12, 3, 4}, {16, 4, 4},  {36, 6, 6}, {48, 6, 8},
                                 {60, 6, 10}, {97, 1, 97}, {1024, 32, 32}};

  for (size_t k = 0; k < sizeof(table) / sizeof(*table); ++k) {
    int rows = 0, cols = 0;
    ntk_grid_squarest(table[k][0], &rows, &cols);
    EXPECT(rows == table[k][1] && cols == table[k][2]);
  }
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  ntk_comm comm = ntk_comm_of(MPI_COMM_WORLD);

  test_agree(&comm);
  test_numbers(&comm);
  test_squarest();
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
