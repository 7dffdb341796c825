/* empirical.h -- what the empirical kernels and their costs share; private to this floor. */
#ifndef NTK_KERNEL_EMPIRICAL_H
#define NTK_KERNEL_EMPIRICAL_H

#include "ntk/kernel/kernel.h"

/* Local.  Bytes of one sample in the panels: a and delta of the largest tensor, or the features of
 * the readout. */
double ntk_empirical_panel_bytes(const ntk_network *network, const ntk_quantity *quantity,
                                 const ntk_cotangents *cotangents);

#endif
