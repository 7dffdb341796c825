/* numerics.h -- the version of the numbers.  It is part of every stage key: raise it by hand when
 * a change makes results differ, and old results are recomputed instead of mixed with new ones. */
#ifndef NTK_RUN_NUMERICS_H
#define NTK_RUN_NUMERICS_H

#define NTK_NUMERICS 1

#endif
