/* fuzz.h -- what the targets of libFuzzer share: inputs as files, settings written as YAML, and
 * what must be true after every input: no memory is left.
 *
 * Every target is one file fuzz_<name>.c with LLVMFuzzerTestOneInput; its seeds are in
 * corpus/<name>.  tools/fuzz runs them. */
#ifndef NTK_FUZZ_FUZZ_H
#define NTK_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ntk/base/memory.h"
#include "ntk/data/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_REQUIRE(condition)                                                        \
  do {                                                                                 \
    if (!(condition)) {                                                                \
      (void)fprintf(stderr, "%s:%d: not %s\n", __FILE__, __LINE__, #condition);        \
      abort();                                                                         \
    }                                                                                  \
  } while (0)

/* The folder of this process, in $TMPDIR; removed by tools/fuzz with all of $TMPDIR. */
static inline const char *fuzz_folder(void) {
  static char folder[256];
  const char *base = getenv("TMPDIR");

  if (folder[0]) return folder;
  (void)snprintf(folder, sizeof(folder), "%s/ntk-fuzz-XXXXXX", base ? base : "/tmp");
  FUZZ_REQUIRE(mkdtemp(folder));
  return folder;
}

/* A file of that folder; the path is good until the fourth call from now. */
static inline const char *fuzz_path(const char *name) {
  static char paths[4][512];
  static int next;
  char *path = paths[next++ % 4];

  (void)snprintf(path, sizeof(paths[0]), "%s/%s", fuzz_folder(), name);
  return path;
}

static inline void fuzz_write(const char *name, const void *bytes, size_t size) {
  FILE *file = fopen(fuzz_path(name), "wb");

  FUZZ_REQUIRE(file);
  FUZZ_REQUIRE(fwrite(bytes, 1, size, file) == size);
  FUZZ_REQUIRE(fclose(file) == 0);
}

/* The same for what all inputs share; written once. */
static inline void fuzz_write_once(const char *name, const void *bytes, size_t size) {
  if (access(fuzz_path(name), F_OK) != 0) fuzz_write(name, bytes, size);
}

static inline void fuzz_bind(const ntk_section *section, const char *path, const char *yaml,
                             ntk_tree *tree, void *settings) {
  ntk_problems problems = {0};

  FUZZ_REQUIRE(ntk_tree_parse("fuzz.yaml", yaml, tree, &problems) == NTK_OK);
  FUZZ_REQUIRE(ntk_option_bind(section, tree->root, path, fuzz_folder(), &tree->arena, settings,
                               &problems) == NTK_OK);
  if (problems.count) (void)fprintf(stderr, "%s\n", ntk_text_string(&problems.text));
  FUZZ_REQUIRE(problems.count == 0);
  ntk_problems_destroy(&problems);
}

/* A failure must have a message and be no bug of ours; with NTK_FUZZ_TELL set it is printed. */
static inline void fuzz_judge(ntk_status status) {
  const char *text = status == NTK_OK ? "accepted" : ntk_last_error()->text;

  FUZZ_REQUIRE(text[0] && status != NTK_E_BUG);
  if (getenv("NTK_FUZZ_TELL")) (void)fprintf(stderr, "%s\n", text);
}

/* Loads the data that the text under `data:` describes; what is loaded is finite. */
static inline void fuzz_load(const char *yaml) {
  ntk_tree tree = {0};
  ntk_data_settings settings = {0};
  ntk_data_cache cache = {0};
  ntk_data data = {0};

  fuzz_bind(&ntk_data_section, "data", yaml, &tree, &settings);
  const ntk_status status = ntk_data_load(&settings, &cache, &data);

  fuzz_judge(status);
  if (status == NTK_OK) {
    const int64_t inputs = data.train.count * data.features;

    FUZZ_REQUIRE(data.train.count > 0 && data.features > 0);
    for (int64_t k = 0; k < inputs && k < 100000; ++k) {
      FUZZ_REQUIRE(data.train.inputs[k] - data.train.inputs[k] == 0);
    }
  }
  ntk_data_destroy(&data);
  ntk_data_cache_destroy(&cache);
  ntk_tree_destroy(&tree);
  FUZZ_REQUIRE(ntk_memory_balance() == 0);
}

#endif
