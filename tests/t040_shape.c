/* Counts and texts of sample shapes. */
//TEST ranks=1
#include "ntk/base/shape.h"

#include "test.h"

int main(int argc, char **argv) {
  const ntk_shape image = {3, {28, 28, 1, 0}}, vector = {1, {784, 0, 0, 0}}, scalar = {0};
  const ntk_shape large = {4, {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX}};
  char text[NTK_SHAPE_TEXT];

  begin_test(&argc, &argv);
  EXPECT(ntk_shape_count(&image) == 784 && ntk_shape_count(&vector) == 784);
  EXPECT(ntk_shape_count(&scalar) == 1);
  EXPECT_TEXT(ntk_shape_text(&image, text), "28 x 28 x 1");
  EXPECT_TEXT(ntk_shape_text(&vector, text), "784");
  EXPECT_TEXT(ntk_shape_text(&scalar, text), "scalar");
  EXPECT(strlen(ntk_shape_text(&large, text)) == 4 * 19 + 3 * 3);
  MPI_Finalize();
  return 0;
}
