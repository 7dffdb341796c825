/* laws.h -- rows of the table of laws that have files of their own; private to this floor. */
#ifndef NTK_MODEL_LAWS_H
#define NTK_MODEL_LAWS_H

#include "ntk/model/initializer.h"

extern const ntk_law ntk_law_orthogonal;

/* Local.  values[k] times `factor`, n of them, in `dtype` arithmetic. */
void ntk_law_scale(ntk_dtype dtype, double factor, int64_t n, double *values);

#endif
