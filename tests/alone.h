/* alone.h -- kernels on several numbers of ranks against the one that a rank computes alone.
 *
 * One MPI job does for all numbers of ranks: its first 1, 2, 3 ... ranks are communicators of their
 * own, and what one of them has computed alone serves all comparisons. */
#ifndef NTK_TESTS_ALONE_H
#define NTK_TESTS_ALONE_H

#include "kernel.h"

/* The first ranks of all, as a grid. */
typedef struct first_ranks {
  ntk_comm comm; /* size 0: this rank is none of them */
  ntk_grid grid; /* the squarest */
} first_ranks;

/* Borrows from itself: does not move. */
typedef struct all_ranks {
  ntk_comm comm, one;
  ntk_grid self; /* of every rank by itself */
  int count;
  first_ranks parts[8];
} all_ranks;

static inline void create_first(const ntk_comm *all, int size, first_ranks *p) {
  MPI_Comm mpi = MPI_COMM_NULL;

  MPI_Comm_split(all->mpi, all->rank < size ? 0 : MPI_UNDEFINED, all->rank, &mpi);
  if (mpi == MPI_COMM_NULL) return;
  p->comm = ntk_comm_of(mpi);
  EXPECT_OK(ntk_grid_create(&p->comm, 0, 0, &p->grid));
}

/* Collective.
 *   sizes  numbers of ranks, up to that of all; ends with 0 */
static inline void create_ranks(const int *sizes, all_ranks *all) {
  *all = (all_ranks){.comm = ntk_comm_of(MPI_COMM_WORLD), .one = ntk_comm_of(MPI_COMM_SELF)};
  EXPECT_OK(ntk_grid_create(&all->one, 1, 1, &all->self));
  for (; sizes[all->count]; ++all->count) {
    EXPECT(all->count < 8 && sizes[all->count] <= all->comm.size);
    create_first(&all->comm, sizes[all->count], &all->parts[all->count]);
  }
}

static inline void destroy_ranks(all_ranks *all) {
  for (first_ranks *p = all->parts; p < all->parts + all->count; ++p) {
    if (p->comm.size == 0) continue;
    ntk_grid_destroy(&p->grid);
    MPI_Comm_free(&p->comm.mpi);
  }
  ntk_grid_destroy(&all->self);
}

static inline void share_values(const all_ranks *all, double **values, int64_t count) {
  bool there = *values != NULL;

  ntk_comm_broadcast(&all->comm, 0, &there, sizeof(there));
  if (!there) return;
  if (all->comm.rank > 0) EXPECT_OK(NTK_NEW(count, values));
  ntk_comm_broadcast(&all->comm, 0, *values, count * (int64_t)sizeof(double));
}

static inline void share_matrix(const all_ranks *all, ntk_matrix *m) {
  int64_t facts[3] = {m->rows, m->cols, m->block};

  ntk_comm_broadcast(&all->comm, 0, facts, sizeof(facts));
  if (facts[0] == 0) return;
  if (all->comm.rank > 0) EXPECT_OK(ntk_matrix_create(&all->self, facts[0], facts[1], facts[2], m));
  ntk_comm_broadcast(&all->comm, 0, m->data, m->ld * m->local_cols * (int64_t)sizeof(double));
}

static inline void share_names(const all_ranks *all, int count, char (**name)[NTK_NAME_SIZE]) {
  if (all->comm.rank > 0 && count > 0) EXPECT_OK(NTK_NEW(count, name));
  ntk_comm_broadcast(&all->comm, 0, *name, count * NTK_NAME_SIZE);
}

/* Collective.  The kernel that the first rank, where the data of `p` are, computes alone: on every
 * rank.
 *   alone  contractions, flops and seconds are on the first rank only */
static inline void compute_alone(const all_ranks *all, problem *p, ntk_kernel *alone) {
  *alone = (ntk_kernel){0};
  if (all->comm.rank == 0) EXPECT_OK(compute_kernel(p, &all->self, 64, alone));
  ntk_kernel facts = *alone;

  ntk_comm_broadcast(&all->comm, 0, &facts, sizeof(facts));
  if (all->comm.rank > 0) {
    *alone = (ntk_kernel){.n = facts.n,
                          .m = facts.m,
                          .outputs = facts.outputs,
                          .rows_per_sample = facts.rows_per_sample,
                          .tensor_count = facts.tensor_count,
                          .single = facts.single,
                          .reproducible = facts.reproducible,
                          .rate_scale = facts.rate_scale};
  }
  share_matrix(all, &alone->gram);
  share_matrix(all, &alone->test_train);
  share_matrix(all, &alone->test_test);
  share_values(all, &alone->f0, facts.n * facts.outputs);
  share_values(all, &alone->test_f0, facts.m * facts.outputs);
  share_values(all, &alone->initial, facts.n * facts.outputs);
  share_values(all, &alone->test_diagonal, facts.m * facts.rows_per_sample);
  share_names(all, facts.tensor_count, &alone->tensor_name);
  share_values(all, &alone->tensor_trace, facts.tensor_count);
  share_values(all, &alone->tensor_norm, facts.tensor_count);
}

/* Entry by entry; in single precision bits may depend on the number of ranks.
 *   what  names it in a failure */
static inline void compare_matrix(const char *what, bool exact, const ntk_matrix *m,
                                  const ntk_matrix *alone) {
  EXPECT(m->rows == alone->rows && (m->rows == 0 || m->cols == alone->cols));
  for (int64_t lj = 0; lj < m->local_cols; ++lj) {
    for (int64_t li = 0; li < m->local_rows; ++li) {
      const int64_t i = ntk_matrix_row(m, li), j = ntk_matrix_col(m, lj);
      const double a = m->data[li + lj * m->ld], b = alone->data[i + j * alone->ld];

      if (exact ? !same_bits(&a, &b, sizeof(a)) : !(fabs(a - b) <= 1e-3)) {
        FAIL("%s of %lld rows, block %lld, %d x %d ranks, entry (%lld, %lld): %.17g, alone %.17g",
             what, (long long)m->rows, (long long)m->block, m->grid->rows, m->grid->cols,
             (long long)i, (long long)j, a, b);
      }
    }
  }
}

/* Both are NULL, or they have the same bits. */
static inline void compare_arrays(const double *a, const double *b, int64_t count) {
  EXPECT(!a == !b);
  if (a) EXPECT(same_bits(a, b, (size_t)count * sizeof(double)));
}

#endif
