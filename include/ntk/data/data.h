/* data.h -- training, validation and test samples: read or generated, selected, scaled, with targets.
 *
 * Local: no MPI here.  One rank prepares the data of a point; run hands samples to the others. */
#ifndef NTK_DATA_DATA_H
#define NTK_DATA_DATA_H

#include "ntk/base/hash.h"
#include "ntk/base/shape.h"
#include "ntk/config/option.h"

/* Samples of one set, after selection, centring and scaling. */
typedef struct ntk_samples {
  int64_t count;
  double *inputs;   /* [count][features], owned */
  double *targets;  /* [count][outputs], owned; NULL if the source has none */
  int64_t *label;   /* [count] class, or -1 where there are no classes; owned */
  int64_t *index;   /* [count] position in the source; owned */
} ntk_samples;

typedef struct ntk_data {
  ntk_shape shape;  /* of one sample */
  int64_t features; /* its product */
  int64_t outputs;  /* columns of the targets */
  int64_t classes;  /* 0: regression */
  int64_t vocabulary; /* inputs are tokens 0 .. vocabulary - 1; 0: they are numbers */
  ntk_samples train, validation, test; /* the latter two may have count 0 */
} ntk_data;

/* A source as it was read, before any selection.  Inputs are bytes or doubles. */
typedef struct ntk_raw {
  ntk_shape shape;
  int64_t train_count, test_count; /* test_count 0: test samples come from the same permutation */
  unsigned char *train_bytes, *test_bytes; /* [count][features], divided by 255 when used */
  double *train_inputs, *test_inputs;      /* [count][features] */
  int64_t *train_label, *test_label;       /* [count] or NULL */
  int64_t target_columns;                  /* of real targets, 0: none */
  double *train_target, *test_target;      /* [count][target_columns] or NULL */
  int64_t vocabulary;                      /* as in ntk_data */
  int64_t validation_count;                /* generated sources; else it comes from the file */
  double *validation_inputs, *validation_target;
} ntk_raw;

void ntk_raw_destroy(ntk_raw *raw);

/* One of the sets; auto: all there are; of the test set the whole test file, none without. */
typedef struct ntk_data_part {
  int64_t count;
  bool balanced;
} ntk_data_part;

typedef struct ntk_data_settings {
  ntk_choice source;      /* variant: a row of ntk_data_sources */
  ntk_ints classes;       /* count -1: all */
  ntk_data_part train, validation, test;
  bool validated; /* there is a validation set; false: validation is not set */
  int64_t seed;
  const ntk_row *targets, *center, *scale;
  ntk_key source_key; /* no option: hash of the source with its files' contents, where it is known
                         already (ntk_data_source_key); "": they are hashed */
} ntk_data_settings;

/* A config that writes nothing into data: leaves source.row NULL; whoever needs data says so. */
extern const ntk_section ntk_data_section;

/* A data source.  To add one: src/data/source_<name>.c with its options and its reader or
 * generator, and ROW(<name>) in the table of src/data/source.c. */
typedef struct ntk_data_source {
  ntk_row row;
  /* Local.  Reads the source's files, which are kept between points; NULL: there are none.
   *   options   struct of row.options
   *   raw       zeroed; on failure the caller destroys what it holds
   * Fails with NTK_E_MISSING, NTK_E_INPUT naming file and place, NTK_E_MEMORY. */
  ntk_status (*read)(const void *options, ntk_raw *raw);
  /* Local.  How the source draws its samples (generate.h), for each point anew; NULL: it reads
   * files.
   *   settings  all of data:, because noise needs the seed; borrowed by the generator, as are the
   *             options */
  struct ntk_generator (*generator)(const ntk_data_settings *settings, const void *options);
  /* Local.  Whether a source that can do both reads files; NULL: it can do one only. */
  bool (*from_files)(const void *options);
  bool tokens; /* inputs are integers that mean themselves, neither centered nor scaled */
  /* Local.  Fails with NTK_E_MISSING and the way out if its files are not there; NULL: the path
   * alone says enough. */
  ntk_status (*present)(const void *options);
  ntk_section_check *check; /* of its own options; may be NULL */
} ntk_data_source;

extern const ntk_row *const ntk_data_sources[]; /* rows of ntk_data_source; ends with NULL */

/* Local.  Whether the source of the settings draws its samples, in order and without end. */
bool ntk_data_generates(const ntk_data_settings *settings);

/* Local.  Hash of the source and of the contents of its files; "" if it has none.
 * Fails as ntk_hash_path. */
NTK_CHECKED ntk_status ntk_data_source_key(const ntk_data_settings *settings, ntk_key key);

enum { NTK_MOST_SOURCES = 32, NTK_SOURCES_BYTES = 1 << 28, NTK_MOST_PROBED = 16 };

typedef struct ntk_held_source {
  ntk_key key;
  ntk_raw raw;
} ntk_held_source;

/* What ntk_data_probe has told. */
typedef struct ntk_probed {
  ntk_key key;
  ntk_data data;        /* without arrays */
  int64_t source_bytes; /* of the source as it was read; 0 if it is generated */
} ntk_probed;

/* Sources of files that were read, so that a job reads each once: the latest, and others as long as
 * all together have at most NTK_SOURCES_BYTES.  Zero-initialise; destroy. */
typedef struct ntk_data_cache {
  int64_t count;
  ntk_held_source held[NTK_MOST_SOURCES]; /* the latest first */
  int64_t probes;
  ntk_probed probed[NTK_MOST_PROBED]; /* the latest, in turn */
} ntk_data_cache;

void ntk_data_cache_destroy(ntk_data_cache *cache);

/* Local.  The source, which becomes the latest; NULL if it is not held. */
ntk_raw *ntk_data_cache_find(ntk_data_cache *cache, const char *key);

/* Local.  Room for a source that is not held: empty, the latest. */
ntk_raw *ntk_data_cache_add(ntk_data_cache *cache, const char *key);

/* Local.  Drops the latest source. */
void ntk_data_cache_drop(ntk_data_cache *cache);

/* Local.  Drops what is too much, the oldest first; never the latest. */
void ntk_data_cache_trim(ntk_data_cache *cache);

/* One of the arrays of a raw source. */
typedef struct ntk_raw_array {
  void *address; /* of the pointer in the raw source, as in ntk_new */
  int64_t bytes; /* if it is there */
} ntk_raw_array;

enum { NTK_RAW_ARRAYS = 10 };

/* Local.  All arrays of the raw source with the sizes that its counts give them. */
void ntk_raw_list(ntk_raw *raw, ntk_raw_array array[NTK_RAW_ARRAYS]);

/* Local.  Bytes of the arrays that are there. */
int64_t ntk_raw_bytes(const ntk_raw *raw);

/* Local.  The data of one point.
 *   cache  takes the source in, if it does not hold the same with the same file contents
 *   data   overwritten; owned by the caller (ntk_data_destroy); empty on failure
 * Fails as ntk_data_source.read; NTK_E_INPUT if files are not what settings->source_key says, if there are fewer samples than asked for, or a class
 * is missing, or a value is NaN or infinite; NTK_E_CONFIG if targets and labels do not fit. */
NTK_CHECKED ntk_status ntk_data_load(const ntk_data_settings *settings, ntk_data_cache *cache,
                                     ntk_data *data);

/* Local.  Shape, outputs, classes and counts only (all arrays NULL): what `plan` needs. */
NTK_CHECKED ntk_status ntk_data_probe(const ntk_data_settings *settings, ntk_data_cache *cache,
                                      ntk_data *data);

/* Local.  The same for many points of few data sets.
 *   key     that the data have if and only if they are the same; "": not known
 *   probed  in the cache, until the next call */
NTK_CHECKED ntk_status ntk_data_probe_by_key(const ntk_data_settings *settings, const char *key,
                                             ntk_data_cache *cache, const ntk_probed **probed);

void ntk_data_destroy(ntk_data *data);

/* Local.  Fails with NTK_E_MISSING and the way out if the source's files are not there.  To be
 * called before keys are computed, whose own message knows only the path. */
NTK_CHECKED ntk_status ntk_data_present(const ntk_data_settings *settings);

#endif
