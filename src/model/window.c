#include "window.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

static const ntk_row same = {
    .name = "same",
    .doc = "zeros, so many that ceil(size / stride) windows fit; an odd one behind"};
static const ntk_row valid = {.name = "valid", .doc = "nothing"};
static const ntk_row circular = {.name = "circular",
                                 .doc = "as same, but the image goes on at its other side"};
const ntk_row *const ntk_paddings[] = {&same, &valid, &circular, NULL};

enum { MOST_INDICES_LOG2 = 28 };

/* Windows along one axis. */
typedef struct axis {
  int64_t in, size, stride, dilation;
  int64_t extent;         /* cells from the first that a window sees to the last */
  int64_t before, behind; /* padding */
  int64_t out;            /* windows; 0: they do not fit */
} axis;

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

static axis measure(const ntk_node_layer *node, const ntk_window *w, int k) {
  const ntk_pair *stride = w->stride.item[0] == NTK_AUTO_INT ? &w->size : &w->stride;
  axis a = {.in = node->in.size[k],
            .size = w->size.item[k],
            .stride = stride->item[k],
            .dilation = larger(1, w->dilation.item[k])};

  a.extent = (a.size - 1) * a.dilation + 1;
  if (w->padding.row == &same || w->padding.row == &circular) {
    a.out = (a.in + a.stride - 1) / a.stride;
    const int64_t total = larger(0, (a.out - 1) * a.stride + a.extent - a.in);

    a.before = total / 2;
    a.behind = total - a.before;
    return a;
  }
  if (!w->padding.row) {
    a.before = w->padding.amount[k][0];
    a.behind = w->padding.amount[k][1];
  }
  const int64_t room = a.before + a.in + a.behind - a.extent;

  a.out = room < 0 ? 0 : room / a.stride + 1;
  return a;
}

static ntk_status check_axes(const ntk_node_layer *node, const axis a[2], bool filled) {
  char in[NTK_SHAPE_TEXT];

  (void)ntk_shape_text(&node->in, in);
  if (a[0].out == 0 || a[1].out == 0) {
    return ntk_layer_refuse(node,
                            "a window of %" PRId64 " x %" PRId64
                            " does not fit into its input %s, %" PRId64 " x %" PRId64
                            " with padding; make it smaller, or write 'padding: same'",
                            a[0].extent, a[1].extent, in, a[0].before + a[0].in + a[0].behind,
                            a[1].before + a[1].in + a[1].behind);
  }
  for (int k = 0; k < 2 && filled; ++k) {
    const int64_t last = (a[k].out - 1) * a[k].stride - a[k].before; /* where it begins */

    if (a[k].before < a[k].extent && last < a[k].in) continue;
    return ntk_layer_refuse(node,
                            "windows of %" PRId64 " x %" PRId64
                            " would see nothing but padding of its input %s; less padding than "
                            "the window is wide",
                            a[0].extent, a[1].extent, in);
  }
  return NTK_OK;
}

static ntk_status refuse_input(const ntk_node_layer *node, int64_t channels) {
  char in[NTK_SHAPE_TEXT], out[NTK_SHAPE_TEXT] = "";

  if (channels > 0) {
    (void)snprintf(out, sizeof(out), " and would give height x width x %" PRId64, channels);
  }
  return ntk_layer_refuse(node,
                          "takes images%s, but its input is %s; put it where there are images, "
                          "before '- flatten'",
                          out, ntk_shape_text(&node->in, in));
}

ntk_status ntk_window_shape(ntk_node_layer *node, const ntk_window *window, int64_t channels,
                            bool filled) {
  char in[NTK_SHAPE_TEXT];

  if (node->in.rank != 3) return refuse_input(node, channels);
  const axis a[2] = {measure(node, window, 0), measure(node, window, 1)};
  const double windows = (double)a[0].out * (double)a[1].out;
  const double cells = (double)a[0].size * (double)a[1].size;

  NTK_TRY(check_axes(node, a, filled));
  if (windows * cells > (double)(1 << MOST_INDICES_LOG2) ||
      cells * (double)node->in.size[2] > INT_MAX || (double)ntk_shape_count(&node->in) > INT_MAX) {
    return ntk_layer_refuse(node,
                            "%.0f windows of %.0f cells over its input %s are too many; at most "
                            "2^%d cells in all",
                            windows, cells, ntk_shape_text(&node->in, in), (int)MOST_INDICES_LOG2);
  }
  node->out = (ntk_shape){.rank = 3, .size = {a[0].out, a[1].out, channels}};
  node->positions = a[0].out * a[1].out;
  return NTK_OK;
}

/* The cell along one axis that is number u of window s; -1: padding. */
static int64_t cell_of(const axis *a, bool wraps, int64_t s, int64_t u) {
  const int64_t cell = s * a->stride + u * a->dilation - a->before;

  if (wraps) return (cell % a->in + a->in) % a->in;
  return cell >= 0 && cell < a->in ? cell : -1;
}

static void fill_window(const axis a[2], bool wraps, int64_t s, int64_t t, int32_t *index) {
  for (int64_t u = 0; u < a[0].size; ++u) {
    const int64_t row = cell_of(&a[0], wraps, s, u);

    for (int64_t v = 0; v < a[1].size; ++v) {
      const int64_t column = cell_of(&a[1], wraps, t, v);

      *index++ = (int32_t)(row < 0 || column < 0 ? -1 : row * a[1].in + column);
    }
  }
}

ntk_status ntk_window_patches(ntk_arena *arena, const ntk_node_layer *node,
                              const ntk_window *window, ntk_patches *patches) {
  const axis a[2] = {measure(node, window, 0), measure(node, window, 1)};
  const int64_t positions = a[0].out * a[1].out, cells = a[0].size * a[1].size;
  int32_t *index = NULL;

  NTK_TRY(ntk_arena_new(arena, (size_t)(positions * cells) * sizeof(*index), &index));
  for (int64_t s = 0; s < positions; ++s) {
    fill_window(a, window->padding.row == &circular, s / a[1].out, s % a[1].out, index + s * cells);
  }
  *patches = (ntk_patches){.cells = a[0].in * a[1].in,
                           .channels = node->in.size[2],
                           .positions = positions,
                           .window = cells,
                           .index = index};
  return NTK_OK;
}
