/* Sparse text, plain or gzip, with a test file or with a fixed number of features. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  fuzz_write("fuzz.txt", data + 1, size - 1);
  fuzz_write_once("other.txt", "+1 1:0.5 3:2\n+0 2:1\n", 20);
  switch (data[0] % 3) {
    case 0:
      fuzz_load("{source: libsvm, path: fuzz.txt, features: 4}");
      break;
    case 1:
      fuzz_load("{source: libsvm, path: other.txt, test_path: fuzz.txt}");
      break;
    default:
      fuzz_load("{source: libsvm, path: fuzz.txt, targets: real}");
  }
  return 0;
}
