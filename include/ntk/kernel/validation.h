/* validation.h -- validation samples are test samples for the kernel: rows of the test block behind
 * those of the test set.  Afterwards the two are told apart again. */
#ifndef NTK_KERNEL_VALIDATION_H
#define NTK_KERNEL_VALIDATION_H

#include "ntk/kernel/kernel.h"

/* Local.  The last `count` of the kernel's test samples are the validation set: m, test_train and
 * test_test shrink to the test set; what belongs to validation stays in memory behind them. */
void ntk_kernel_part_validation(ntk_kernel *kernel, int64_t count);

/* Local.  test_train with the rows of the validation set again; borrows from the kernel. */
ntk_matrix ntk_kernel_held_out(const ntk_kernel *kernel);

#endif
