/* geometry.h -- random windows over small images, and what they see, by definition: the image is
 * padded, then windows are put on it one after another. */
#ifndef NTK_TESTS_GEOMETRY_H
#define NTK_TESTS_GEOMETRY_H

#include "network.h"

enum { SIDE = 9 }; /* at the most */

typedef enum padding { SAME, VALID, CIRCULAR, EXPLICIT } padding;

typedef struct geometry {
  int64_t side[2], kernel[2], stride[2], dilation[2], amount[2][2];
  int64_t in, out; /* channels */
  padding padding;
  bool biased;
} geometry;

static inline int pick(uint64_t seed, uint64_t k, int count) {
  return (int)(test_bits(seed, k) % (uint64_t)count);
}

static inline geometry random_geometry(int number) {
  const uint64_t seed = 7000 + (uint64_t)number;
  geometry g = {.in = 1 + pick(seed, 1, 3),
                .out = 1 + pick(seed, 2, 3),
                .padding = (padding)(number % 4),
                .biased = pick(seed, 3, 2) != 0};

  for (uint64_t k = 0; k < 2; ++k) {
    g.side[k] = 1 + pick(seed, 10 + k, SIDE);
    g.kernel[k] = 1 + pick(seed, 20 + k, 5);
    g.stride[k] = 1 + pick(seed, 30 + k, 3);
    g.dilation[k] = 1 + pick(seed, 40 + k, 3);
    g.amount[k][0] = pick(seed, 50 + k, 4);
    g.amount[k][1] = pick(seed, 60 + k, 4);
  }
  return g;
}

/* Cells before and behind, and windows, along an axis; none if they do not fit. */
static inline int64_t windows(const geometry *g, int k, int64_t *before) {
  const int64_t extent = (g->kernel[k] - 1) * g->dilation[k] + 1;
  int64_t count = 0, padded = g->side[k], first = 0;

  if (g->padding == SAME || g->padding == CIRCULAR) {
    while (count * g->stride[k] < g->side[k]) ++count; /* ceil */
    const int64_t needed = (count - 1) * g->stride[k] + extent;

    *before = needed > g->side[k] ? (needed - g->side[k]) / 2 : 0;
    return count;
  }
  *before = g->padding == EXPLICIT ? g->amount[k][0] : 0;
  if (g->padding == EXPLICIT) padded += g->amount[k][0] + g->amount[k][1];
  for (; first + extent <= padded; first += g->stride[k]) ++count;
  return count;
}

/* The cell that stands at a place of the padded axis; -1: a zero. */
static inline int64_t padded_cell(const geometry *g, int k, int64_t place) {
  if (g->padding == CIRCULAR) {
    while (place < 0) place += g->side[k];
    while (place >= g->side[k]) place -= g->side[k];
  }
  return place >= 0 && place < g->side[k] ? place : -1;
}

/* What stands at (u, v, c) of window (s, t): the number of an entry of the image; -1: zero. */
static inline int64_t seen(const geometry *g, const int64_t before[2], int64_t s, int64_t t,
                           int64_t u, int64_t v, int64_t c) {
  const int64_t row = padded_cell(g, 0, s * g->stride[0] + u * g->dilation[0] - before[0]);
  const int64_t column = padded_cell(g, 1, t * g->stride[1] + v * g->dilation[1] - before[1]);

  return row < 0 || column < 0 ? -1 : (row * g->side[1] + column) * g->in + c;
}

/* "stride: [2, 1], padding: same" */
static inline const char *geometry_moves(const geometry *g, char text[160]) {
  static const char *const words[] = {"same", "valid", "circular"};
  const int used =
      snprintf(text, 160, "stride: [%d, %d], padding: ", (int)g->stride[0], (int)g->stride[1]);

  if (g->padding == EXPLICIT) {
    (void)snprintf(text + used, 160 - (size_t)used, "[[%d, %d], [%d, %d]]", (int)g->amount[0][0],
                   (int)g->amount[0][1], (int)g->amount[1][0], (int)g->amount[1][1]);
  } else {
    (void)snprintf(text + used, 160 - (size_t)used, "%s", words[g->padding]);
  }
  return text;
}

#endif
