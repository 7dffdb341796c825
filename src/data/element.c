#include <string.h>

#include "ntk/data/source.h"

bool ntk_element_host_big(void) {
  const uint16_t probe = 1;
  unsigned char first = 0;

  memcpy(&first, &probe, 1);
  return first == 0;
}

static uint64_t word(ntk_element e, const unsigned char *bytes) {
  uint64_t value = 0;

  for (int k = 0; k < e.size; ++k) value = value << 8 | bytes[e.big ? k : e.size - 1 - k];
  return value;
}

static int64_t integer(ntk_element e, uint64_t w) {
  int64_t value = 0;

  if (e.kind == 'i' && e.size < 8 && w >> (8 * e.size - 1)) w |= UINT64_MAX << (8 * e.size);
  memcpy(&value, &w, sizeof(value));
  return value;
}

static double real(ntk_element e, uint64_t w) {
  if (e.kind == 'u' || e.kind == 'b') return (double)w;
  if (e.kind == 'i') return (double)integer(e, w);
  if (e.size == 4) {
    const uint32_t half = (uint32_t)w;
    float value = 0;

    memcpy(&value, &half, sizeof(value));
    return (double)value;
  }
  double value = 0;

  memcpy(&value, &w, sizeof(value));
  return value;
}

void ntk_element_reals(ntk_element e, const unsigned char *bytes, int64_t n, double *values) {
  for (int64_t i = 0; i < n; ++i) values[i] = real(e, word(e, bytes + i * e.size));
}

void ntk_element_integers(ntk_element e, const unsigned char *bytes, int64_t n, int64_t *values) {
  for (int64_t i = 0; i < n; ++i) values[i] = integer(e, word(e, bytes + i * e.size));
}
