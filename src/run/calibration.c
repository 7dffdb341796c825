#include "ntk/run/calibration.h"

#include <dirent.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ntk/config/scalar.h"
#include "ntk/config/tree.h"
#include "ntk/store/file.h"
#include "ntk/store/provenance.h"

enum { PATH_SIZE = 4096 };

/* ---- the fields ---------------------------------------------------------------------------- */

typedef struct text_field {
  const char *key;
  size_t offset, size;
} text_field;

typedef struct real_field {
  const char *key;
  size_t offset;
  const char *doc;
} real_field;

#define TEXT(name) \
  { #name, offsetof(ntk_calibration, name), sizeof(((ntk_calibration *)NULL)->name) }
#define REAL(name, doc) \
  { #name, offsetof(ntk_calibration, name), doc }

static const text_field texts[] = {TEXT(host), TEXT(cpu), TEXT(time), {0}};

static const real_field reals[] = {
    REAL(ranks, "that worked at once"),
    REAL(product_double, "flop/s of one rank in large products of matrices"),
    REAL(product_single, "the same in single precision"),
    REAL(spectrum_small, "flop/s of one rank in pdsyevd, 16/3 n^3 being counted"),
    REAL(spectrum_small_n, "its n"),
    REAL(spectrum_large, "the same for a larger n"),
    REAL(spectrum_large_n, "its n"),
    REAL(point_seconds, "that a point takes beside kernel and spectrum"),
    REAL(write_rate, "byte/s that one process writes and syncs"),
    {0},
};

static char *text_of(ntk_calibration *c, const text_field *field) {
  return (char *)c + field->offset;
}

static double *real_of(ntk_calibration *c, const real_field *field) {
  return (double *)(void *)((char *)c + field->offset);
}

/* ---- the folder ---------------------------------------------------------------------------- */

/* Relative paths in XDG_CACHE_HOME do not count, says its specification.  False: there is none. */
static bool find_folder(char folder[PATH_SIZE]) {
  const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  int length = PATH_SIZE;

  if (cache && cache[0] == '/') {
    length = snprintf(folder, PATH_SIZE, "%s/ntkrun", cache);
  } else if (home && home[0] == '/') {
    length = snprintf(folder, PATH_SIZE, "%s/.cache/ntkrun", home);
  }
  return length < PATH_SIZE - 128;
}

/* ---- writing ------------------------------------------------------------------------------- */

static ntk_status print(ntk_calibration *c, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "# by ntkrun doctor --calibrate, for ntkrun plan\n"));
  for (const text_field *f = texts; f->key; ++f) {
    NTK_TRY(ntk_text_add(text, "%s: ", f->key));
    NTK_TRY(ntk_scalar_print(text_of(c, f), true, text));
    NTK_TRY(ntk_text_add(text, "\n"));
  }
  for (const real_field *f = reals; f->key; ++f) {
    char number[NTK_REAL_TEXT];

    NTK_TRY(
        ntk_text_add(text, "%s: %s # %s\n", f->key, ntk_real_text(*real_of(c, f), number), f->doc));
  }
  return NTK_OK;
}

ntk_status ntk_calibration_write(const ntk_calibration *calibration, char *path) {
  ntk_calibration c = *calibration;
  char folder[PATH_SIZE];
  ntk_text text = {0};

  NTK_CHECK(find_folder(folder), NTK_E_CREATE,
            "no folder for measured speeds; set HOME or XDG_CACHE_HOME");
  NTK_TRY(ntk_directory_make(folder));
  NTK_CHECK(snprintf(path, PATH_SIZE, "%s/%s.yaml", folder, c.host) < PATH_SIZE, NTK_E_CREATE,
            "%s: the path is too long", folder);
  ntk_status status = print(&c, &text);

  if (status == NTK_OK) status = ntk_file_write_text(path, ntk_text_string(&text));
  ntk_text_destroy(&text);
  return status;
}

/* ---- reading ------------------------------------------------------------------------------- */

static bool take(const ntk_node *root, ntk_calibration *c) {
  for (const text_field *f = texts; f->key; ++f) {
    const ntk_node *node = ntk_node_find(root, f->key);

    if (!node || node->kind != NTK_NODE_SCALAR) return false;
    (void)snprintf(text_of(c, f), f->size, "%s", node->text);
  }
  for (const real_field *f = reals; f->key; ++f) {
    const ntk_node *node = ntk_node_find(root, f->key);

    if (!node || node->kind != NTK_NODE_SCALAR) return false;
    if (!ntk_scalar_real(node->text, real_of(c, f)) || *real_of(c, f) <= 0) return false;
  }
  return true;
}

/* False also if the file is no record. */
static ntk_status read_record(const char *path, ntk_calibration *c, bool *good) {
  ntk_tree tree = {0};
  ntk_problems problems = {0};
  const ntk_status status = ntk_tree_load(path, &tree, &problems);

  *good = status == NTK_OK && problems.count == 0 && take(tree.root, c);
  ntk_problems_destroy(&problems);
  ntk_tree_destroy(&tree);
  return status == NTK_E_MEMORY ? status : NTK_OK;
}

static int likeness(const ntk_calibration *here, const ntk_calibration *c) {
  if (strcmp(here->cpu, c->cpu) != 0) return 1;
  return strcmp(here->host, c->host) == 0 ? 3 : 2;
}

static bool is_better(const ntk_calibration *here, const ntk_calibration *c,
                      const ntk_calibration *best) {
  const int mine = likeness(here, c), other = likeness(here, best);

  return mine > other || (mine == other && strcmp(c->time, best->time) > 0);
}

static ntk_status look(DIR *folder, const char *name, const ntk_calibration *here,
                       ntk_calibration *best, bool *found) {
  for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
    const char *dot = strrchr(entry->d_name, '.');
    char path[PATH_SIZE];
    ntk_calibration c = {0};
    bool good = false;

    if (!dot || strcmp(dot, ".yaml") != 0) continue;
    if (snprintf(path, sizeof(path), "%s/%s", name, entry->d_name) >= PATH_SIZE) continue;
    NTK_TRY(read_record(path, &c, &good));
    if (!good || (*found && !is_better(here, &c, best))) continue;
    *best = c;
    *found = true;
  }
  return NTK_OK;
}

ntk_status ntk_calibration_find(ntk_calibration *calibration, bool others, bool *found) {
  ntk_calibration here = {0};
  char name[PATH_SIZE];

  *found = false;
  if (!find_folder(name)) return NTK_OK;
  DIR *folder = opendir(name);

  if (!folder) return NTK_OK;
  (void)gethostname(here.host, sizeof(here.host) - 1);
  ntk_cpu_name(here.cpu, sizeof(here.cpu));
  const ntk_status status = look(folder, name, &here, calibration, found);

  *found = *found && (others || likeness(&here, calibration) > 1);
  (void)closedir(folder);
  return status;
}

/* ---- speeds -------------------------------------------------------------------------------- */

/* Between the two sizes by powers of n, beyond them as there. */
static double spectrum_rate(const ntk_calibration *c, double n) {
  const double inside = fmin(fmax(n, c->spectrum_small_n), c->spectrum_large_n);
  const double span = log(c->spectrum_large_n / c->spectrum_small_n);
  const double place = span > 0 ? log(inside / c->spectrum_small_n) / span : 1;

  return c->spectrum_small * pow(c->spectrum_large / c->spectrum_small, place);
}

ntk_speed ntk_calibration_speed(const ntk_calibration *calibration, int64_t n) {
  const double largest = calibration->spectrum_large_n;
  ntk_speed speed = ntk_speed_guess(calibration->product_double, n);

  speed.spectrum.flops_per_second = spectrum_rate(calibration, (double)n);
  speed.point_seconds = calibration->point_seconds;
  speed.spectrum.largest = 16.0 / 3 * largest * largest * largest;
  return speed;
}
