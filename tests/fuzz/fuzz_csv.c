/* A table as text, plain or gzip; the first byte chooses how it is read. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const settings[] = {
      "{source: csv, path: a.csv, target_columns: [-1]}",
      "{source: csv, path: a.csv, target_columns: [y], ignore_columns: [id], targets: real}",
      "{source: csv, path: a.csv, target_columns: [0, 1], delimiter: \";\", header: false}",
      "{source: csv, path: a.csv, target_columns: [0], delimiter: \" \", skip_lines: 1}",
      "{source: csv, path: a.csv, labels: b.csv}",
      "{source: csv, path: b.csv, labels: a.csv, train: {count: 1}}",
  };

  if (size == 0) return 0;
  fuzz_write("a.csv", data + 1, size - 1);
  fuzz_write_once("b.csv", "0\n1\n1\n", 6);
  fuzz_load(settings[data[0] % (sizeof(settings) / sizeof(settings[0]))]);
  return 0;
}
