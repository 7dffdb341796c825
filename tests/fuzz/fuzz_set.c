/* `--set` arguments, one a line, upon a config with a sweep. */
#include "fuzz.h"
#include "ntk/run/job.h"

static const char config[] =
    "data: {source: gaussian, dimension: 3, train: {count: 8}, test: {count: 2}}\n"
    "network:\n"
    "  width: 4\n"
    "  layers:\n"
    "    - dense: {name: first, features: width}\n"
    "    - activation: relu\n"
    "    - dense: {name: readout, features: outputs}\n"
    "analyses: [summary, dynamics: {label: slow}, effective_dimension]\n"
    "sweep:\n"
    "  network.width: [4, 8]\n"
    "  zip: {both: {label: [a, b], network.seed: [1, 2], data.seed: [3, 4]}}\n"
    "  skip: [{network.width: 4, both: a}]\n"
    "output: {directory: runs}\n";

enum { MOST_LINES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *line[MOST_LINES];
  int64_t lines = 0;
  ntk_problems problems = {0};
  ntk_job job = {0};
  char *text = malloc(size + 1);

  FUZZ_REQUIRE(text);
  if (size > 0) memcpy(text, data, size);
  text[size] = '\0';
  for (char *at = text; lines < MOST_LINES; ++at) {
    line[lines++] = at;
    at += strcspn(at, "\n");
    if (!*at) break;
    *at = '\0';
  }
  fuzz_write_once("fuzz.yaml", config, strlen(config));
  const ntk_status status = ntk_job_load(fuzz_path("fuzz.yaml"), lines, line, &job, &problems);

  fuzz_judge(status);
  if (getenv("NTK_FUZZ_TELL")) (void)fprintf(stderr, "%s", ntk_text_string(&problems.text));
  ntk_job_destroy(&job);
  ntk_problems_destroy(&problems);
  free(text);
  FUZZ_REQUIRE(ntk_memory_balance() == 0);
  return 0;
}
