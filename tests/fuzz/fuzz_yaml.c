/* A whole config: reading, overrides of none, the sweep, every section, keys, the resolved text. */
#include "fuzz.h"
#include "ntk/run/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  ntk_problems problems = {0};
  ntk_job job = {0};

  fuzz_write("fuzz.yaml", data, size);
  const ntk_status status = ntk_job_load(fuzz_path("fuzz.yaml"), 0, NULL, &job, &problems);

  fuzz_judge(status);
  if (getenv("NTK_FUZZ_TELL")) (void)fprintf(stderr, "%s", ntk_text_string(&problems.text));
  ntk_job_destroy(&job);
  ntk_problems_destroy(&problems);
  FUZZ_REQUIRE(ntk_memory_balance() == 0);
  return 0;
}
