#include "times.h"

int64_t ntk_times_count(const ntk_grid_spec *grid) { return grid->count + (grid->zero ? 1 : 0); }

void ntk_times_fill(const ntk_grid_spec *grid, const ntk_spectrum *spectrum, double rate,
                    double *time) {
  const double *lambda = spectrum->eigenvalue;
  double fastest = 1, slowest = 1; /* Theta = 0: nothing moves, any times will do */

  if (lambda[0] > 0) fastest = slowest = lambda[0];
  for (int64_t k = 0; k < spectrum->n && lambda[k] > spectrum->cutoff; ++k) slowest = lambda[k];
  if (grid->zero) *time++ = 0;
  ntk_grid_spec_points(grid, 0.01 / (rate * fastest), 10 / (rate * slowest), time);
}
