#include "times.h"

#include <math.h>

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

int64_t ntk_times_round(int64_t count, double *time) {
  int64_t kept = 0;

  for (int64_t k = 0; k < count; ++k) {
    const double step = round(time[k]);

    if (kept == 0 || step > time[kept - 1]) time[kept++] = step;
  }
  return kept;
}
