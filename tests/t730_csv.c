/* Cells of CSV: numbers read back to the same bits, never as whole numbers; texts are quoted where
 * RFC 4180 asks for it.
 *
 * Method: random bit patterns and the edges of both types, read back with strtod; texts as bytes.
 */
//TEST ranks=1
#include "ntk/run/csv.h"

#include <float.h>
#include <inttypes.h>

#include "ntk/base/random.h"
#include "test.h"

enum { DRAWS = 20000 };

static void expect_real(double value) {
  char text[NTK_CSV_NUMBER], *end = NULL;

  (void)ntk_csv_real(value, text);
  const double back = strtod(text, &end);

  if (*end || !same_bits(&back, &value, sizeof(value))) FAIL("%s for %.17g", text, value);
  if (!strpbrk(text, ".e") || strlen(text) > 24) FAIL("%s for %.17g", text, value);
}

static void expect_single(float value) {
  char text[NTK_CSV_NUMBER], *end = NULL;

  (void)ntk_csv_single(value, text);
  const float back = (float)strtod(text, &end);

  if (*end || !same_bits(&back, &value, sizeof(value))) FAIL("%s for %.9g", text, (double)value);
  if (!strpbrk(text, ".e") || strlen(text) > 16) FAIL("%s for %.9g", text, (double)value);
}

static void test_draws(void) {
  const ntk_draw draw = {NTK_RNG_PARTITIONABLE, ntk_rng_seed(1, true), DRAWS};
  static uint64_t bits[DRAWS];

  ntk_rng_bits64(&draw, 0, DRAWS, bits);
  for (int k = 0; k < DRAWS; ++k) {
    const uint32_t low = (uint32_t)bits[k];
    double real = 0;
    float single = 0;

    memcpy(&real, &bits[k], sizeof(real));
    memcpy(&single, &low, sizeof(single));
    if (isfinite(real)) expect_real(real);
    if (isfinite(single)) expect_single(single);
  }
}

static void test_edges(void) {
  static const double reals[] = {0.0,    -0.0,    1.0,         -3.0,
                                 0.1,    1.0 / 3, DBL_MAX,     DBL_MIN,
                                 5e-324, 1e22,    123456789.0, 0x1.fffffffffffffp52,
                                 1e15,   1e16,    1.5e300,     -1e-300};
  static const float singles[] = {0.0f, -0.0f, 1.0f, 0.1f, FLT_MAX, FLT_MIN, 1e-45f, 16777217.0f};

  for (size_t k = 0; k < sizeof(reals) / sizeof(reals[0]); ++k) expect_real(reals[k]);
  for (size_t k = 0; k < sizeof(singles) / sizeof(singles[0]); ++k) expect_single(singles[k]);
}

static void expect_text(double value, const char *wanted) {
  char text[NTK_CSV_NUMBER];

  EXPECT_TEXT(ntk_csv_real(value, text), wanted);
}

static void test_spelling(void) {
  char text[NTK_CSV_NUMBER];

  expect_text(NAN, "NaN");
  expect_text(-NAN, "NaN");
  expect_text(INFINITY, "inf");
  expect_text(-INFINITY, "-inf");
  expect_text(3, "3.0");
  expect_text(-0.0, "-0.0");
  expect_text(1e-8, "1.0e-08");
  EXPECT_TEXT(ntk_csv_single(0.1f, text), "0.1");
  EXPECT_TEXT(ntk_csv_single(NAN, text), "NaN");
  EXPECT_TEXT(ntk_csv_single(-INFINITY, text), "-inf");
}

static void test_cells(void) {
  static const char wanted[] =
      "plain,\"\",\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",\"\r\", blank "
      ",-9223372036854775808,1,2.5,"
      "\"\"";
  const int64_t least = INT64_MIN;
  const int8_t flags[] = {0, 1};
  const float single = 2.5f;
  char *const texts[] = {NULL};
  char bytes[256] = "";
  FILE *stream = tmpfile();

  EXPECT(stream);
  for (const char *const *t = (const char *const[]){"plain", "", "a,b", "say \"hi\"", "two\nlines",
                                                    "\r", " blank ", NULL};
       *t; ++t) {
    ntk_csv_text(stream, *t);
    (void)fputc(',', stream);
  }
  ntk_csv_entry(stream, NTK_KIND_INT, &least, 0);
  (void)fputc(',', stream);
  ntk_csv_entry(stream, NTK_KIND_FLAG, flags, 1);
  (void)fputc(',', stream);
  ntk_csv_entry(stream, NTK_KIND_SINGLE, &single, 0);
  (void)fputc(',', stream);
  ntk_csv_entry(stream, NTK_KIND_TEXT, texts, 0);
  rewind(stream);
  EXPECT(fread(bytes, 1, sizeof(bytes) - 1, stream) == sizeof(wanted) - 1);
  EXPECT_TEXT(bytes, wanted);
  (void)fclose(stream);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  test_draws();
  test_edges();
  test_spelling();
  test_cells();
  MPI_Finalize();
  return 0;
}
