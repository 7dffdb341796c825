#include "ntk/base/memory.h"
#include "ntk/data/source.h"

void ntk_gathered_destroy(ntk_gathered *g) {
  ntk_free(&g->inputs);
  ntk_free(&g->targets);
  *g = (ntk_gathered){0};
}

static ntk_status take_labels(const ntk_gathered *g, int64_t **label) {
  NTK_TRY(NTK_NEW(g->samples, label));
  for (int64_t i = 0; i < g->samples; ++i) (*label)[i] = (int64_t)g->targets[i];
  return NTK_OK;
}

static double *moved(double **array) {
  double *values = *array;

  *array = NULL;
  return values;
}

ntk_status ntk_raw_gather(ntk_gathered *train, ntk_gathered *test, ntk_raw *raw) {
  raw->shape = (ntk_shape){.rank = 1, .size = {train->features}};
  raw->train_count = train->samples;
  raw->test_count = test->samples;
  raw->train_inputs = moved(&train->inputs);
  raw->test_inputs = moved(&test->inputs);
  if (train->columns == 1 && !train->real && !test->real) {
    NTK_TRY(take_labels(train, &raw->train_label));
    return test->samples > 0 ? take_labels(test, &raw->test_label) : NTK_OK;
  }
  raw->target_columns = train->columns;
  raw->train_target = moved(&train->targets);
  raw->test_target = moved(&test->targets);
  return NTK_OK;
}
