/* The sparse text format of LIBSVM and svmlight: a label, then index:value for what is not 0.
 * Indices start at 1 and ascend; `#` begins a comment. */
#include <inttypes.h>
#include <string.h>

#include "ntk/base/memory.h"
#include "ntk/config/scalar.h"
#include "ntk/data/source.h"

enum { MOST_FEATURES = 1000000000, SMALL = 1000000, MOST_ZEROS = 65536 };

typedef struct libsvm {
  const char *path, *test_path;
  int64_t features;
} libsvm;

static const ntk_option options_rows[] = {
    {.key = "path",
     .type = NTK_PATH,
     .offset = offsetof(libsvm, path),
     .flags = NTK_REQUIRED,
     .doc = "file of the training samples; plain or gzip"},
    {.key = "test_path",
     .type = NTK_PATH,
     .offset = offsetof(libsvm, test_path),
     .doc = "file of the test samples; none: test samples come after train"},
    {.key = "features",
     .type = NTK_INT,
     .offset = offsetof(libsvm, features),
     .fallback = "auto",
     .low = 1,
     .high = MOST_FEATURES,
     .flags = NTK_AUTO,
     .doc = "of a sample; auto: the largest index of both files"},
    {0},
};

/* What a file says, before the number of features is known. */
typedef struct entry {
  int64_t feature; /* from 0 */
  double value;
} entry;

typedef struct sparse {
  ntk_lines lines;
  ntk_gathered dense; /* first the targets only */
  entry *entry;       /* [entries] of all samples */
  int64_t entries, entry_room;
  int64_t *end; /* [samples] entries up to the end of each */
  int64_t end_room;
  int64_t largest; /* index */
  int64_t most;    /* index that is allowed */
} sparse;

static void sparse_destroy(sparse *s) {
  ntk_lines_close(&s->lines);
  ntk_gathered_destroy(&s->dense);
  ntk_free(&s->entry);
  ntk_free(&s->end);
}

/* ---- a line --------------------------------------------------------------------------------- */

/* The next word of the line, NUL-terminated; NULL at its end. */
static char *next_word(char **rest) {
  char *word = *rest + strspn(*rest, " \t");
  const size_t length = strcspn(word, " \t");

  *rest = word + length;
  if (length == 0) return NULL;
  if (**rest) *(*rest)++ = '\0';
  return word;
}

static ntk_status take_label(sparse *s, const char *word) {
  const ntk_lines *l = &s->lines;
  char excerpt[NTK_EXCERPT_TEXT];
  ntk_number number = {0};

  NTK_CHECK(ntk_number_parse(word, (int64_t)strlen(word), &number), NTK_E_INPUT,
            "%s:%" PRId64 ":%" PRId64 ": '%s' is no label; a line starts with one finite number",
            l->path, l->number, (int64_t)(word - l->text + 1),
            ntk_excerpt(word, (int64_t)strlen(word), excerpt));
  NTK_TRY(
      ntk_data_grow(sizeof(double), s->dense.samples, 1, &s->dense.target_room, &s->dense.targets));
  NTK_TRY(ntk_data_grow(sizeof(int64_t), s->dense.samples, 1, &s->end_room, &s->end));
  s->dense.targets[s->dense.samples++] = number.value;
  if (!number.whole) s->dense.real = true;
  return NTK_OK;
}

/* "index:value" -> both; false if it is nothing of that kind. */
static bool parse_entry(char *word, int64_t *index, ntk_number *value) {
  char *colon = strchr(word, ':');

  if (!colon) return false;
  *colon = '\0';
  const bool good =
      ntk_scalar_int(word, index) && ntk_number_parse(colon + 1, (int64_t)strlen(colon + 1), value);

  *colon = ':';
  return good;
}

static ntk_status check_index(const sparse *s, const char *word, int64_t index, int64_t before) {
  const ntk_lines *l = &s->lines;
  const int64_t at = word - l->text + 1;

  NTK_CHECK(index >= 1, NTK_E_INPUT,
            "%s:%" PRId64 ":%" PRId64 ": index %" PRId64 "; indices start at 1", l->path, l->number,
            at, index);
  NTK_CHECK(index <= s->most, NTK_E_INPUT,
            "%s:%" PRId64 ":%" PRId64 ": index %" PRId64 " is beyond the %" PRId64 " features",
            l->path, l->number, at, index, s->most);
  NTK_CHECK(index > before, NTK_E_INPUT,
            "%s:%" PRId64 ":%" PRId64 ": index %" PRId64 " behind index %" PRId64
            "; the indices of a line ascend",
            l->path, l->number, at, index, before);
  return NTK_OK;
}

static ntk_status take_entry(sparse *s, char *word, int64_t *before) {
  const ntk_lines *l = &s->lines;
  char excerpt[NTK_EXCERPT_TEXT];
  ntk_number number = {0};
  int64_t index = 0;

  NTK_CHECK(parse_entry(word, &index, &number), NTK_E_INPUT,
            "%s:%" PRId64 ":%" PRId64 ": '%s' is not of the form index:value, two finite numbers",
            l->path, l->number, (int64_t)(word - l->text + 1),
            ntk_excerpt(word, (int64_t)strlen(word), excerpt));
  NTK_TRY(check_index(s, word, index, *before));
  NTK_TRY(ntk_data_grow(sizeof(entry), s->entries, 1, &s->entry_room, &s->entry));
  s->entry[s->entries++] = (entry){index - 1, number.value};
  if (index > s->largest) s->largest = index;
  *before = index;
  return NTK_OK;
}

static ntk_status read_line(sparse *s) {
  char *rest = s->lines.text;
  int64_t before = 0;

  rest[strcspn(rest, "#")] = '\0';
  char *word = next_word(&rest);

  if (!word) return NTK_OK;
  NTK_TRY(take_label(s, word));
  while ((word = next_word(&rest))) NTK_TRY(take_entry(s, word, &before));
  s->end[s->dense.samples - 1] = s->entries;
  return NTK_OK;
}

/* ---- a file --------------------------------------------------------------------------------- */

static ntk_status read_file(const char *path, const libsvm *o, sparse *s) {
  bool more = true;

  s->dense.columns = 1;
  s->most = o->features == NTK_AUTO_INT ? MOST_FEATURES : o->features;
  NTK_TRY(ntk_lines_open(path, &s->lines));
  for (;;) {
    NTK_TRY(ntk_lines_next(&s->lines, &more));
    if (!more) break;
    NTK_TRY(read_line(s));
  }
  NTK_CHECK(s->dense.samples > 0, NTK_E_INPUT, "%s: the file has no samples", path);
  return NTK_OK;
}

/* One wrong index must not ask for all the memory there is. */
static ntk_status check_size(const sparse *s, int64_t features) {
  const double values = (double)s->dense.samples * (double)features;
  const double zeros = values / (double)(s->entries + s->dense.samples);

  NTK_CHECK(values <= SMALL || zeros <= MOST_ZEROS, NTK_E_INPUT,
            "%s: the largest index is %" PRId64
            ", so nearly all of %g values are 0; if that is "
            "meant, write features: %" PRId64,
            s->lines.path, features, values, features);
  return NTK_OK;
}

static ntk_status expand(sparse *s, int64_t features) {
  int64_t k = 0;

  s->dense.features = features;
  NTK_TRY(NTK_NEW(s->dense.samples * features, &s->dense.inputs));
  for (int64_t i = 0; i < s->dense.samples; ++i) {
    double *row = s->dense.inputs + i * features;

    for (; k < s->end[i]; ++k) row[s->entry[k].feature] = s->entry[k].value;
  }
  return NTK_OK;
}

static ntk_status read_both(const libsvm *o, sparse *train, sparse *test) {
  int64_t features = o->features;

  NTK_TRY(read_file(o->path, o, train));
  if (o->test_path) NTK_TRY(read_file(o->test_path, o, test));
  if (features == NTK_AUTO_INT) {
    features = train->largest > test->largest ? train->largest : test->largest;
    NTK_CHECK(features > 0, NTK_E_INPUT, "%s: no sample has a feature", o->path);
    NTK_TRY(check_size(train, features));
  }
  NTK_TRY(expand(train, features));
  return o->test_path ? expand(test, features) : NTK_OK;
}

static ntk_status read_files(const void *options, ntk_raw *raw) {
  sparse train = {0}, test = {0};
  ntk_status status = read_both(options, &train, &test);

  if (status == NTK_OK) status = ntk_raw_gather(&train.dense, &test.dense, raw);
  sparse_destroy(&train);
  sparse_destroy(&test);
  return status;
}

const ntk_data_source ntk_source_libsvm = {
    .row = {.name = "libsvm",
            .doc = "sparse text, label index:value ..., plain or gzip",
            .options = options_rows,
            .options_size = sizeof(libsvm)},
    .read = read_files,
};
