/* results.h -- the groups of results.h5 that are no analyses: /data, /network, /kernel, /spectrum
 * (INTERFACE 3.1). */
#ifndef NTK_RUN_RESULTS_H
#define NTK_RUN_RESULTS_H

#include "ntk/analysis/analysis.h"
#include "ntk/base/record.h"
#include "ntk/kernel/kernel.h"

/* Local.  Each fills an empty record; on failure the record is safe to destroy. */
NTK_CHECKED ntk_status ntk_results_data(const ntk_data *data, ntk_record *record);
NTK_CHECKED ntk_status ntk_results_network(const ntk_network *network, ntk_record *record);
NTK_CHECKED ntk_status ntk_results_spectrum(const ntk_view *view, ntk_record *record);

/* Local.  Adds eigenvalue(mode). */
NTK_CHECKED ntk_status ntk_results_eigenvalues(const ntk_spectrum *spectrum, ntk_record *record);

/* Collective.  The preview is the Gram on the first 128 training samples sorted by class.  Only
 * attributes if the kernel came as eigenvalues. */
NTK_CHECKED ntk_status ntk_results_kernel(const ntk_comm *comm,
                                          const ntk_kernel_settings *settings,
                                          const ntk_data *data, const ntk_kernel *kernel,
                                          ntk_record *record);

#endif
