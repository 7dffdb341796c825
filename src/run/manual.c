/* The manual page, and the reference. */
#include "ntk/run/manual.h"

#include <stdio.h>
#include <string.h>

#include "ntk/config/scalar.h"
#include "ntk/config/walk.h"
#include "ntk/run/command.h"
#include "ntk/run/job.h"
#include "ntk/store/provenance.h"

/* ---- roff ---------------------------------------------------------------------------------- */

enum { ROFF_LINE = 80 };

/* A word so that it appears as it stands: "\" is roff's, "-" would become a hyphen, a line that
 * starts with "." or "'" would be a request. */
static ntk_status add_literal(const char *s, size_t length, ntk_text *text) {
  if (length > 0 && strchr(".'", s[0])) NTK_TRY(ntk_text_add(text, "\\&"));
  for (size_t k = 0; k < length; ++k) {
    switch (s[k]) {
      case '\\':
        NTK_TRY(ntk_text_add(text, "\\e"));
        break;
      case '-':
        NTK_TRY(ntk_text_add(text, "\\-"));
        break;
      case '~':
        NTK_TRY(ntk_text_add(text, "\\(ti"));
        break;
      case '^':
        NTK_TRY(ntk_text_add(text, "\\(ha"));
        break;
      case '`':
        NTK_TRY(ntk_text_add(text, "\\(ga"));
        break;
      case '"':
        NTK_TRY(ntk_text_add(text, "\\(dq"));
        break;
      default:
        NTK_TRY(ntk_text_add(text, "%c", s[k]));
    }
  }
  return NTK_OK;
}

/* What add_literal writes, at most. */
static size_t roff_length(const char *s, size_t length) {
  size_t sum = 2 + length;

  for (size_t k = 0; k < length; ++k) sum += strchr("\\-", s[k]) ? 1 : strchr("~^`\"", s[k]) ? 3 : 0;
  return sum;
}

/* Words in lines that no tool finds too long. */
static ntk_status add_words(const char *words, ntk_text *text) {
  size_t column = 0;

  for (words += strspn(words, " \n"); *words; words += strspn(words, " \n")) {
    const size_t length = strcspn(words, " \n");
    const size_t most = roff_length(words, length);
    const bool wraps = column > 0 && column + 1 + most > ROFF_LINE;

    NTK_TRY(ntk_text_add(text, column == 0 ? "" : (wraps ? "\n" : " ")));
    NTK_TRY(add_literal(words, length, text));
    column = (column == 0 || wraps ? 0 : column + 1) + most;
    words += length;
  }
  return ntk_text_add(text, "\n");
}

/* .TP with a bold tag, and what it means. */
static ntk_status add_tagged(const char *tag, const char *words, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, ".TP\n.B \""));
  NTK_TRY(add_literal(tag, strlen(tag), text));
  NTK_TRY(ntk_text_add(text, "\"\n"));
  return add_words(words, text);
}

static ntk_status add_paragraph(const char *words, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, ".PP\n"));
  return add_words(words, text);
}

/* Lines as they stand. */
static ntk_status add_example(const char *const *lines, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, ".PP\n.nf\n.RS 4\n"));
  for (; *lines; ++lines) {
    NTK_TRY(add_literal(*lines, strlen(*lines), text));
    NTK_TRY(ntk_text_add(text, "\n"));
  }
  return ntk_text_add(text, ".RE\n.fi\n");
}

/* ---- commands ------------------------------------------------------------------------------ */

static ntk_status add_synopsis(const ntk_command *command, ntk_text *text) {
  ntk_text call = {0};
  ntk_status status = ntk_command_synopsis(command, &call);

  if (status == NTK_OK) {
    status = ntk_text_add(text, "%s.B ntkrun\n", command == ntk_commands ? "" : ".br\n");
  }
  if (status == NTK_OK) status = add_words(ntk_text_string(&call), text);
  ntk_text_destroy(&call);
  return status;
}

static ntk_status add_command(const ntk_command *command, ntk_text *text) {
  char tag[NTK_WORD_TEXT];

  NTK_TRY(ntk_text_add(text, ".SS %s%s%s\n", command->name, command->operand ? " " : "",
                       command->operand ? command->operand : ""));
  NTK_TRY(add_words(command->detail, text));
  for (const ntk_flag *const *f = command->flags; *f; ++f) {
    (void)snprintf(tag, sizeof(tag), "%s%s%s", (*f)->name, (*f)->value ? " " : "",
                   (*f)->value ? (*f)->value : "");
    NTK_TRY(add_tagged(tag, (*f)->doc, text));
  }
  return NTK_OK;
}

static ntk_status add_commands(ntk_text *text) {
  NTK_TRY(ntk_text_add(text, ".SH SYNOPSIS\n"));
  for (const ntk_command *c = ntk_commands; c->name; ++c) NTK_TRY(add_synopsis(c, text));
  NTK_TRY(ntk_text_add(text, ".SH DESCRIPTION\n"));
  NTK_TRY(
      add_words("Computes Gram matrices of neural tangent kernels of finite networks, their "
                "spectra, and analyses of them, distributed over the ranks of MPI, for every "
                "point of a sweep that one YAML file describes. Results are HDF5 files that "
                "xarray opens.",
                text));
  NTK_TRY(ntk_text_add(text, ".SH COMMANDS\n"));
  for (const ntk_command *c = ntk_commands; c->name; ++c) NTK_TRY(add_command(c, text));
  return NTK_OK;
}

/* ---- keys ---------------------------------------------------------------------------------- */

/* The keys written so far, for words that need not be listed twice. */
typedef struct keys {
  ntk_text *text;
  int count;
  const ntk_row *const *rows[NTK_WORD_TEXT];
  char path[NTK_WORD_TEXT][NTK_WALK_PATH];
} keys;

static const char *listed_at(const keys *k, const ntk_row *const *rows) {
  for (int i = 0; i < k->count; ++i) {
    if (k->rows[i] == rows) return k->path[i];
  }
  return NULL;
}

static ntk_status add_rows(keys *k, const ntk_walk_key *key) {
  const char *listed = listed_at(k, key->option->rows);

  if (listed) {
    NTK_TRY(ntk_text_add(k->text, "The words are those of\n.B "));
    NTK_TRY(add_literal(listed, strlen(listed), k->text));
    return ntk_text_add(k->text, "\n");
  }
  if (k->count < (int)(sizeof(k->rows) / sizeof(k->rows[0]))) {
    k->rows[k->count] = key->option->rows;
    (void)snprintf(k->path[k->count++], NTK_WALK_PATH, "%s", key->path);
  }
  NTK_TRY(ntk_text_add(k->text, ".RS 7\n"));
  for (const ntk_row *const *row = key->option->rows; *row; ++row) {
    NTK_TRY(add_tagged((*row)->name, (*row)->doc ? (*row)->doc : (*row)->name, k->text));
  }
  return ntk_text_add(k->text, ".RE\n");
}

/* The registry of the variant that a key stands beside; NULL: of another key. */
static const ntk_row *const *variant_rows(const ntk_walk_key *key) {
  return key->row && key->up && key->up->option->type == NTK_VARIANT ? key->up->option->rows : NULL;
}

/* Rows may share their options: the first of them speaks for all. */
static bool is_shared(const ntk_walk_key *key) {
  const ntk_row *const *row = variant_rows(key);

  while (row && *row != key->row && (*row)->options != key->table) ++row;
  return row && *row != key->row;
}

static ntk_status add_owners(const ntk_walk_key *key, ntk_text *text) {
  const char *between = "of ";

  for (const ntk_row *const *row = variant_rows(key); *row; ++row) {
    if ((*row)->options != key->table) continue;
    NTK_TRY(ntk_text_add(text, "%s%s", between, (*row)->name));
    between = ", ";
  }
  return ntk_text_add(text, "; ");
}

/* "meaning (whose; type; default)" */
static ntk_status compose_meaning(const ntk_walk_key *key, ntk_text *meaning) {
  const ntk_option *o = key->option;

  NTK_TRY(ntk_text_add(meaning, "%s (", o->doc ? o->doc : o->key));
  if (variant_rows(key)) NTK_TRY(add_owners(key, meaning)); /* the path does not tell */
  NTK_TRY(ntk_option_describe(o, meaning));
  if (o->fallback) {
    NTK_TRY(ntk_text_add(meaning, "; default %s", *o->fallback ? o->fallback : "\"\""));
  }
  return ntk_text_add(meaning, ")");
}

/* Whether a section of the root occurs here once more. */
static bool is_again(const ntk_option *section) {
  for (const ntk_option *o = ntk_settings_section.options; o->key; ++o) {
    if (section->type == NTK_SECTION && o != section && o->section == section->section) return true;
  }
  return false;
}

/* Its keys stand where it is the root's. */
static bool is_elsewhere(const ntk_walk_key *key) {
  for (const ntk_walk_key *up = key->up; up; up = up->up) {
    if (is_again(up->option)) return true;
  }
  return false;
}

static ntk_status add_key(void *context, const ntk_walk_key *key) {
  keys *k = context;
  ntk_text meaning = {0};

  if (!key->up && key->option->type == NTK_SECTION) {
    NTK_TRY(ntk_text_add(k->text, ".SS %s\n", key->option->key));
    return add_words(key->option->doc ? key->option->doc : key->option->key, k->text);
  }
  if (is_shared(key) || is_elsewhere(key)) return NTK_OK;
  if (key->option->type == NTK_SECTION && !(key->option->flags & NTK_NONE) &&
      !is_again(key->option)) {
    return NTK_OK; /* its keys say enough */
  }
  ntk_status status = compose_meaning(key, &meaning);

  if (status == NTK_OK) status = add_tagged(key->path, ntk_text_string(&meaning), k->text);
  ntk_text_destroy(&meaning);
  if (status == NTK_OK && key->option->rows) status = add_rows(k, key);
  return status;
}

static ntk_status add_config(ntk_text *text) {
  keys k = {.text = text};

  NTK_TRY(ntk_text_add(text, ".SH CONFIGURATION\n"));
  NTK_TRY(
      add_words("A config is YAML; every problem in it is reported with its line and the way "
                "out. Keys are written here with the path that --set takes; an item of a list "
                "is addressed by its label or name. Types:",
                text));
  for (int i = 0; ntk_option_legend[i][0]; ++i) {
    NTK_TRY(add_tagged(ntk_option_legend[i][0], ntk_option_legend[i][1], text));
  }
  return ntk_option_walk(&ntk_settings_section, add_key, &k);
}

/* ---- what is no table ---------------------------------------------------------------------- */

/* Pairs of tag and meaning; ends with NULL. */
static ntk_status add_section(const char *head, const char *const (*rows)[2], ntk_text *text) {
  NTK_TRY(ntk_text_add(text, ".SH %s\n", head));
  for (; (*rows)[0]; ++rows) NTK_TRY(add_tagged((*rows)[0], (*rows)[1], text));
  return NTK_OK;
}

static ntk_status add_files(ntk_text *text) {
  static const char *const files[][2] = {
      {"DIR/config.yaml", "the resolved config of the sweep; it loads again, from anywhere"},
      {"DIR/points/ID/results.h5", "one point: its results, a group for each stage and analysis"},
      {"DIR/points/ID/log.jsonl",
       "what happened to it: time, event, host, ranks, seconds, message"},
      {"DIR/points/ID/weights.h5, predictions.h5", "its network and its predictions, if kept"},
      {"DIR/kernels/KEY/gram.h5, test_train.h5, spectrum.h5, per_layer.h5",
       "big matrices, if kept"},
      {"DIR/sweep.h5", "all points in one labelled file, written by ntkrun merge"},
      {NULL, NULL}};

  return add_section("FILES", files, text);
}

static ntk_status add_environment(ntk_text *text) {
  static const char *const variables[][2] = {
      {"OMP_NUM_THREADS, OPENBLAS_NUM_THREADS",
       "threads of a rank; ranks times threads should be the processors there are"},
      {"OPENBLAS_CORETYPE",
       "kernels of OpenBLAS; unset, ntkrun run chooses the best that the processor can run"},
      {"HOME and others", "stand for themselves in paths of a config: ~/data, $SCRATCH/data"},
      {NULL, NULL}};

  return add_section("ENVIRONMENT", variables, text);
}

/* What ends with this code, "bad input; bad config". */
static ntk_status add_exit_code(int code, ntk_text *text) {
  char tag[16], meaning[NTK_ADVICE_TEXT];
  size_t used = 0;

  for (ntk_status s = NTK_OK; s <= NTK_E_STOPPED && used < sizeof(meaning); ++s) {
    if (ntk_status_exit_code(s) != code) continue;
    used += (size_t)snprintf(meaning + used, sizeof(meaning) - used, "%s%s", used ? "; " : "",
                             ntk_status_text(s));
  }
  (void)snprintf(tag, sizeof(tag), "%d", code);
  return add_tagged(tag, meaning, text);
}

static ntk_status add_exit_codes(ntk_text *text) {
  NTK_TRY(ntk_text_add(text, ".SH EXIT STATUS\n"));
  NTK_TRY(add_tagged("0", "all done", text));
  NTK_TRY(add_tagged("1", "some points failed; if all did, the code of the last failure", text));
  for (ntk_status s = NTK_OK; s <= NTK_E_STOPPED; ++s) {
    bool first = ntk_status_exit_code(s) > 1;

    for (ntk_status t = NTK_OK; t < s; ++t) {
      first = first && ntk_status_exit_code(t) != ntk_status_exit_code(s);
    }
    if (first) NTK_TRY(add_exit_code(ntk_status_exit_code(s), text));
  }
  return NTK_OK;
}

static ntk_status add_examples(ntk_text *text) {
  static const char *const config[] = {
      "data: {source: fashion_mnist, classes: [0, 6], train: {count: 512},",
      "       test: {count: 512}, targets: sign}",
      "network: {kind: mlp, depth: 2, width: 256}",
      "analyses: [summary, dynamics]",
      "sweep: {network.width: [64, 256, 1024], network.seed: 0..4}",
      "output: {directory: runs/shirts}",
      NULL};
  static const char *const calls[] = {"ntkrun check shirts.yaml",
                                      "ntkrun plan shirts.yaml --ranks 4",
                                      "mpirun -n 4 ntkrun run shirts.yaml --set network.depth=3",
                                      "ntkrun merge runs/shirts",
                                      "ntkrun export runs/shirts/sweep.h5 --csv --group dynamics",
                                      NULL};

  NTK_TRY(ntk_text_add(text, ".SH EXAMPLES\nThe config shirts.yaml:\n"));
  NTK_TRY(add_example(config, text));
  NTK_TRY(
      add_paragraph("Check it, see what it costs, compute it, collect the results and write "
                    "tables:",
                    text));
  return add_example(calls, text);
}

/* The date is that of the text above, not of the build: the same source gives the same page. */
ntk_status ntk_manual_page(ntk_text *text) {
  const char *version = ntk_program_version(); /* "ntkrun 1.2 (commit)" */

  NTK_TRY(ntk_text_add(text, ".TH NTKRUN 1 2026-11-22 \"%.*s\"\n.SH NAME\nntkrun \\- %s\n",
                       (int)strcspn(version, "(") - 1, version,
                       "neural tangent kernel experiments on many ranks"));
  NTK_TRY(add_commands(text));
  NTK_TRY(add_config(text));
  NTK_TRY(add_files(text));
  NTK_TRY(add_exit_codes(text));
  NTK_TRY(add_environment(text));
  NTK_TRY(add_examples(text));
  return ntk_text_add(text, ".SH SEE ALSO\n.BR mpirun (1),\n.BR h5dump (1)\n");
}

/* ---- the reference ------------------------------------------------------------------------- */

ntk_status ntk_manual_reference(ntk_text *text) {
  NTK_TRY(ntk_text_add(text,
                       "# Every key of a config: meaning (type, range), then its default. A key "
                       "behind # has none.\n# Types:\n"));
  for (int k = 0; ntk_option_legend[k][0]; ++k) {
    NTK_TRY(ntk_text_add(text, "#   %-9s %s\n", ntk_option_legend[k][0], ntk_option_legend[k][1]));
  }
  NTK_TRY(ntk_text_add(text, "\n"));
  return ntk_option_reference(&ntk_settings_section, 0, text);
}

static ntk_status compose(const ntk_arguments *arguments, ntk_text *text) {
  NTK_CHECK(!arguments->man || !arguments->completion, NTK_E_USAGE,
            "--man and --completion are two things; choose one");
  if (arguments->man) return ntk_manual_page(text);
  if (arguments->completion) return ntk_manual_completion(arguments->completion, text);
  return ntk_manual_reference(text);
}

int ntk_command_reference(const ntk_arguments *arguments) {
  ntk_text text = {0};
  const ntk_status status = compose(arguments, &text);

  if (status == NTK_OK) (void)fputs(ntk_text_string(&text), stdout);
  ntk_text_destroy(&text);
  return status == NTK_OK ? 0 : ntk_complain(status);
}
