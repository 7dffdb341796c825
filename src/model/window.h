/* window.h -- windows that move over an image: the geometry that convolution and pooling share;
 * private to this floor. */
#ifndef NTK_MODEL_WINDOW_H
#define NTK_MODEL_WINDOW_H

#include "ntk/model/layer.h"

/* Part of the options of such a layer; NTK_WINDOW_OPTIONS are its rows. */
typedef struct ntk_window {
  ntk_pair size;
  ntk_pair stride;   /* absent: as `size` */
  ntk_pair dilation; /* 0: 1 */
  ntk_padding padding;
} ntk_window;

extern const ntk_row *const ntk_paddings[]; /* same, valid, circular */

enum { NTK_WINDOW_MOST = 10000, NTK_PADDING_MOST = 1000000 };

/* key: of the size; at: offset of the ntk_window */
#define NTK_WINDOW_SIZE(key_of, at, text)                                             \
  {                                                                                   \
    .key = (key_of), .type = NTK_PAIR, .offset = (at) + offsetof(ntk_window, size),   \
    .low = 1, .high = NTK_WINDOW_MOST, .flags = NTK_REQUIRED, .doc = (text)           \
  }

#define NTK_WINDOW_STRIDE(at, otherwise, text)                                          \
  {                                                                                     \
    .key = "stride", .type = NTK_PAIR, .offset = (at) + offsetof(ntk_window, stride),   \
    .fallback = (otherwise), .low = 1, .high = NTK_WINDOW_MOST, .doc = (text)           \
  }

#define NTK_WINDOW_PADDING(at, otherwise)                                               \
  {                                                                                     \
    .key = "padding", .type = NTK_PADDING,                                              \
    .offset = (at) + offsetof(ntk_window, padding), .fallback = (otherwise), .low = 0,  \
    .high = NTK_PADDING_MOST, .rows = ntk_paddings, .doc = "what is put around the image" \
  }

/* Local.  node->out, [h][w][channels], and node->positions; MATH B.4.
 *   filled  every window must see a cell of the image
 * Fails with NTK_E_CONFIG if the input is no image, or a window does not fit. */
NTK_CHECKED ntk_status ntk_window_shape(ntk_node_layer *node, const ntk_window *window,
                                        int64_t channels, bool filled);

/* Local.  What the windows of a node with shapes see; the table is in the arena. */
NTK_CHECKED ntk_status ntk_window_patches(ntk_arena *arena, const ntk_node_layer *node,
                                          const ntk_window *window, ntk_patches *patches);

#endif
