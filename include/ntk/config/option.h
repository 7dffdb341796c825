/* option.h -- settings declared as rows of a table, one row per key.
 *
 * A row is the only place a setting is described.  Parsing, defaults, range checks, the unknown-key
 * error with its suggestion, `ntkrun reference`, the record kept with results and the text that
 * stage keys hash are all read off the rows.  The parsed values live in plain structs of the
 * module that uses them; strings and lists in them live in the arena handed to ntk_option_bind. */
#ifndef NTK_CONFIG_OPTION_H
#define NTK_CONFIG_OPTION_H

#include <stddef.h>
#include <stdint.h>

#include "ntk/base/hash.h"
#include "ntk/config/tree.h"

/* type: type of the field it fills */
typedef enum ntk_option_type {
  NTK_INT,       /* int64_t; `auto` is NTK_AUTO_INT */
  NTK_REAL,      /* double; `auto` is NaN */
  NTK_BOOL,      /* bool */
  NTK_STRING,    /* const char *, any text; NULL if absent */
  NTK_PATH,      /* const char *: $NAME and ~ expanded, relative to the config's folder; NULL if
                    absent.  Hashed by the file's content */
  NTK_WORD,      /* const ntk_row *, a row of the registry `rows` */
  NTK_CHOICE,    /* ntk_choice: a row of `rows`, as `name` or {name: {options}} */
  NTK_CHOICES,   /* ntk_choices: a list of those */
  NTK_VARIANT,   /* ntk_choice: a row of `rows`, as `name`; its options stand beside this key */
  NTK_SECTION,   /* a struct filled by `section` */
  NTK_INTS,      /* ntk_ints: list or range a..b; with NTK_ALL `all` gives count -1, with NTK_AUTO
                    `auto` gives count 0 */
  NTK_STRINGS,   /* ntk_strings */
  NTK_GRID,      /* ntk_grid_spec: list, {linspace: [a, b, k]} or {geomspace: [a, b, k]} */
  NTK_REAL_OF,   /* ntk_real_of: a real, or {word: real}, word being the row's `word` */
  NTK_SIZE,      /* ntk_size: an integer, or a name, or k*name, name among those of MODEL */
  NTK_PAIR,      /* ntk_pair: an integer for both axes, or [height, width] */
  NTK_PADDING,   /* ntk_padding: a row of `rows` as a word, or [[top, bottom], [left, right]] */
  NTK_TREE       /* const ntk_node *, taken as it stands (sweep) */
} ntk_option_type;

#define NTK_AUTO_INT INT64_MIN

enum { NTK_MOST_CHOICES = 1000 }; /* items of one NTK_CHOICES list */

enum ntk_option_flag {
  NTK_AUTO = 1,     /* the word `auto` is legal */
  NTK_ALL = 2,      /* the word `all` is legal (NTK_INTS) */
  NTK_NONE = 4,     /* the word `none` is legal (NTK_SECTION): clears the bool at `present` */
  NTK_UNHASHED = 8, /* in no stage key */
  NTK_ENDS = 16,    /* NTK_GRID also takes `zero: true`, `infinity: true` and ends that are auto */
  NTK_REQUIRED = 32, /* must be written */
  NTK_REPEAT = 64,   /* NTK_CHOICES: items may have the same label (layers) */
  NTK_SILENT = 128,  /* NTK_NONE: `none` is in no stage key, so a section that is new leaves old keys
                        alone */
  NTK_DATASET = 256, /* NTK_PATH: only what ends in .npy is a path; else the name of a dataset */
  NTK_CLOCK = 512,   /* NTK_REAL: seconds, also written as HH:MM:SS */
  NTK_FOLDER = 1024  /* NTK_STRING: a folder to write into, $NAME and ~ expanded, not empty */
};

/* First member of every row of every registry (activation, initialiser, layer, data source,
 * solver, analysis, ...).  A registry is an array of pointers to rows that ends with NULL. */
typedef struct ntk_row {
  const char *name; /* as written in a config */
  const char *doc;  /* one line, shown by `ntkrun reference` */
  const struct ntk_option *options; /* NULL: none; ends with {0} */
  size_t options_size;              /* of the struct that `options` fills */
  const char *shorthand; /* key that `{name: scalar}` sets, as in `activation: relu`, and, if it is
                            an NTK_CHOICE, `{name: {row: {options}}}`; NULL: none */
  const char *also;      /* what other programs call it, words with blanks between, for the error
                            that points here; NULL: nothing */
} ntk_row;

typedef struct ntk_choice {
  const ntk_row *row; /* NULL: absent, or `auto` where that is legal */
  void *options;      /* struct of the row's options, in the arena; NULL if it has none */
  const char *label;  /* NTK_CHOICES: option `label`, which every item takes; else the row's name */
  bool named;         /* the row's name was written where it may be left out */
  ntk_mark mark;
} ntk_choice;

typedef struct ntk_choices {
  int64_t count;
  ntk_choice *item;
} ntk_choices;

typedef struct ntk_ints {
  int64_t count;
  int64_t *item;
} ntk_ints;

typedef struct ntk_strings {
  int64_t count;
  const char **item;
} ntk_strings;

typedef struct ntk_grid_spec {
  enum { NTK_GRID_LIST, NTK_GRID_LINSPACE, NTK_GRID_GEOMSPACE } kind;
  int64_t count;        /* points of the list or range, without zero and infinity */
  double *item;         /* list */
  double first, last;   /* range; NaN: auto */
  bool zero, infinity;
} ntk_grid_spec;

typedef struct ntk_real_of {
  double value;
  bool of; /* written as {word: value} */
} ntk_real_of;

typedef struct ntk_size {
  int64_t factor;   /* of `name`, or the value itself */
  const char *name; /* NULL: a plain integer */
} ntk_size;

typedef struct ntk_pair {
  int64_t item[2]; /* the first is NTK_AUTO_INT: absent */
} ntk_pair;

typedef struct ntk_padding {
  const ntk_row *row;   /* NULL: the amounts */
  int64_t amount[2][2]; /* before and behind each axis */
} ntk_padding;

/* What is true between the keys of a section, checked after they are bound.  `node` is the
 * section's mapping (an empty mapping if it was not written): ntk_node_find tells what was given. */
typedef void ntk_section_check(const void *settings, const ntk_node *node,
                               ntk_problems *problems);

typedef struct ntk_section {
  const struct ntk_option *options;
  ntk_section_check *check; /* may be NULL */
} ntk_section;

typedef struct ntk_option {
  const char *key;
  ntk_option_type type;
  size_t offset;        /* of the field in the settings struct */
  const char *fallback; /* as it would be written in a file; NULL: absent unless written */
  double low, high;     /* inclusive; numbers, and entries of lists of numbers */
  const char *doc;      /* one line, with the unit */
  unsigned flags;       /* of ntk_option_flag */
  const ntk_row *const *rows; /* NTK_WORD, NTK_CHOICE, NTK_CHOICES, NTK_VARIANT */
  const ntk_section *section; /* NTK_SECTION */
  size_t present;             /* NTK_SECTION with NTK_NONE: offset of the bool */
  const char *word;           /* NTK_REAL_OF; NTK_CHOICE: the row that a mapping of options
                                 without a name stands for, NULL: there must be a name */
} ntk_option;

/* Local.  Fills `settings` (zeroed) from a mapping, defaults first.  All problems are reported,
 * none ends the walk; unknown keys get a suggestion from the rows.
 *   directory  against which relative paths are resolved
 *   path       dotted path of the mapping, "" for the root; for messages
 * Fails only with NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_option_bind(const ntk_section *section, const ntk_node *node,
                                       const char *path, const char *directory, ntk_arena *arena,
                                       void *settings, ntk_problems *problems);

/* Local.  Appends the settings as YAML that reads back to the same bits: block style, keys in the
 * table's order, numbers as %.17g, everything that has a value. */
NTK_CHECKED ntk_status ntk_option_print(const ntk_section *section, const void *settings,
                                        int indent, ntk_text *text);

/* Local.  Appends the canonical text that stage keys hash: as ntk_option_print, without rows
 * marked NTK_UNHASHED, paths replaced by the content hash of the file.
 * Fails with NTK_E_MISSING, NTK_E_IO where a file cannot be read, NTK_E_MEMORY. */
NTK_CHECKED ntk_status ntk_option_canonical(const ntk_section *section, const void *settings,
                                            ntk_text *text);
NTK_CHECKED ntk_status ntk_choice_canonical(const ntk_choice *choice, ntk_text *text);

/* Local.  Calls `visit` for every path whose content is in that text, and stops where it fails. */
typedef ntk_status ntk_path_visit(void *context, const char *path);
NTK_CHECKED ntk_status ntk_option_paths(const ntk_section *section, const void *settings,
                                        ntk_path_visit *visit, void *context);

/* Local.  Appends the reference: every key with type, range, default and its line as comments;
 * the text is itself a valid config. */
NTK_CHECKED ntk_status ntk_option_reference(const ntk_section *section, int indent,
                                            ntk_text *text);

/* Local.  Whether the value of an NTK_DATASET row is the path of a file. */
bool ntk_dataset_is_path(const char *value);

/* Local.  The row of that name, NULL if there is none. */
const ntk_row *ntk_row_find(const ntk_row *const *rows, const char *name);

/* Local.  The points of a grid, without zero and infinity; ends that were auto are passed in.
 *   points  [spec->count], borrowed */
void ntk_grid_spec_points(const ntk_grid_spec *spec, double auto_first, double auto_last,
                          double *points);

#endif
