#include "ntk/run/tempo.h"

const ntk_tempo ntk_tempo_usual = {.product = 3e10};

ntk_status ntk_tempo_find(bool others, ntk_tempo *tempo) {
  *tempo = (ntk_tempo){0};
  NTK_TRY(ntk_calibration_find(&tempo->calibration, others, &tempo->calibrated));
  tempo->product =
      tempo->calibrated ? tempo->calibration.product_double : ntk_speed_of_products();
  return NTK_OK;
}

ntk_speed ntk_tempo_speed(const ntk_tempo *tempo, int64_t n) {
  return tempo->calibrated ? ntk_calibration_speed(&tempo->calibration, n)
                           : ntk_speed_guess(tempo->product, n);
}

void ntk_tempo_parts(const ntk_tempo *tempo, const ntk_point_cost *cost, double part[NTK_PARTS]) {
  const double draw_seconds = 2.5e-8; /* of one weight, on every rank */
  const double kernel_work = ntk_speed_work(cost->kernel_flops, cost->kernel_bytes);
  const ntk_speed speed = ntk_tempo_speed(tempo, cost->rows);

  part[NTK_PART_POINTS] = speed.point_seconds + draw_seconds * (double)cost->parameters;
  part[NTK_PART_KERNEL] = ntk_rate_seconds(&speed.kernel, kernel_work, 1);
  part[NTK_PART_SPECTRUM] = ntk_rate_seconds(&speed.spectrum, cost->spectrum_flops, 1);
}
