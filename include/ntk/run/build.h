/* build.h -- the network that a point's settings describe. */
#ifndef NTK_RUN_BUILD_H
#define NTK_RUN_BUILD_H

#include "ntk/run/job.h"

/* Local.  Layers from the config, or from the weights file where the config has none.
 *   data     what the samples are (shape, vocabulary) and how many outputs there are
 *   fill     with tensors drawn or read; false: shapes only
 *   network  overwritten; owned by the caller; empty on failure
 * Fails as ntk_network_create, ntk_network_bind, ntk_file_read. */
NTK_CHECKED ntk_status ntk_network_build(const ntk_settings *settings, const ntk_data *data,
                                         bool fill, ntk_network *network);

/* Local.  theta_0 of a centered network: the same layers with the weights of
 * `output: {centered: {initial: FILE}}`.
 *   initial  overwritten; empty (no layers) if the output is not centered or names no file */
NTK_CHECKED ntk_status ntk_network_build_initial(const ntk_settings *settings,
                                                 const ntk_data *data, ntk_network *initial);

#endif
