/* .npy files: as inputs or labels of a data set (first byte even, odd), and as the large arrays of
 * a kernel. */
#include "fuzz.h"
#include "ntk/data/npy.h"

enum { HEADER = 128 };

/* Three labels: 0, 1, 0. */
static void write_labels(const char *name) {
  char file[HEADER + 3 * 8] = "\x93NUMPY\x01";

  file[8] = HEADER - 10; /* bytes of the text */
  (void)snprintf(file + 10, HEADER - 9, "%-117s\n",
                 "{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }");
  file[HEADER] = 0;
  file[HEADER + 8] = 1;
  fuzz_write_once(name, file, sizeof(file));
}

static void read_large(void) {
  ntk_npy *npy = NULL;
  double window[4];

  if (ntk_npy_open(fuzz_path("fuzz.npy"), &npy) == NTK_OK) {
    const int64_t rows = ntk_npy_size(npy, 0);
    const int64_t cols = ntk_npy_rank(npy) > 1 ? ntk_npy_size(npy, 1) : 1;

    if (rows > 1 && cols > 1) {
      (void)!ntk_npy_window(npy, 0, 2, 0, 2, window);
      (void)!ntk_npy_window(npy, rows - 2, 2, cols - 2, 2, window);
    } else if (rows > 0 && cols > 0) {
      (void)!ntk_npy_window(npy, rows - 1, 1, 0, 1, window);
    }
  }
  ntk_npy_close(&npy);
  FUZZ_REQUIRE(ntk_memory_balance() == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  fuzz_write("fuzz.npy", data + 1, size - 1);
  write_labels("other.npy");
  fuzz_load(data[0] % 2 ? "{source: npy, inputs: other.npy, labels: fuzz.npy}"
                        : "{source: npy, inputs: fuzz.npy, labels: other.npy}");
  read_large();
  return 0;
}
