/* The table of commands, and the command line read against it. */
#include "ntk/run/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ntk/config/scalar.h"

/* ---- the tables ---------------------------------------------------------------------------- */

static const char *const shells[] = {"bash", "zsh", NULL};

static const ntk_flag flag_set = {
    .name = "--set",
    .value = "a.b=v",
    .type = NTK_FLAG_SET,
    .doc = "replace a value of the config; on an axis of the sweep, that axis goes; repeatable"};
static const ntk_flag flag_expand = {.name = "--expand",
                                     .type = NTK_FLAG_SWITCH,
                                     .offset = offsetof(ntk_arguments, expand),
                                     .doc = "print the config with every default and every layer"};
static const ntk_flag flag_ranks = {.name = "--ranks",
                                    .value = "N",
                                    .type = NTK_FLAG_COUNT,
                                    .offset = offsetof(ntk_arguments, ranks),
                                    .doc = "ranks to plan for; default: the processors here"};
static const ntk_flag flag_json = {.name = "--json",
                                   .type = NTK_FLAG_SWITCH,
                                   .offset = offsetof(ntk_arguments, json),
                                   .doc = "as JSON, with every point"};
static const ntk_flag flag_all = {.name = "--all",
                                  .type = NTK_FLAG_SWITCH,
                                  .offset = offsetof(ntk_arguments, all),
                                  .doc = "list every point, however many there are"};
static const ntk_flag flag_flat = {
    .name = "--flat",
    .type = NTK_FLAG_SWITCH,
    .offset = offsetof(ntk_arguments, flat),
    .doc = "DIR/sweep_flat.h5: one dimension `point`, the axes are coordinates over it"};
static const ntk_flag flag_verify = {
    .name = "--verify",
    .type = NTK_FLAG_SWITCH,
    .offset = offsetof(ntk_arguments, verify),
    .doc = "read big matrices and compare them with the hashes of their columns"};
static const ntk_flag flag_csv = {.name = "--csv",
                                  .type = NTK_FLAG_SWITCH,
                                  .offset = offsetof(ntk_arguments, csv),
                                  .doc = "as comma-separated values, which is the default"};
static const ntk_flag flag_group = {
    .name = "--group",
    .value = "G",
    .type = NTK_FLAG_TEXT,
    .offset = offsetof(ntk_arguments, group),
    .doc = "only this group with those in it (dynamics), or one table (dynamics.time)"};
static const ntk_flag flag_output = {
    .name = "--output",
    .value = "DIR|-",
    .type = NTK_FLAG_TEXT,
    .offset = offsetof(ntk_arguments, output),
    .doc = "folder of the tables, default: FILE with _csv for .h5; -: one table on stdout"};
static const ntk_flag flag_shard = {
    .name = "--shard",
    .value = "i/k",
    .type = NTK_FLAG_TEXT,
    .offset = offsetof(ntk_arguments, shard),
    .doc = "only part i of k of the points, i from 1 to k; parts take about the same time"};
static const ntk_flag flag_retry_failed = {
    .name = "--retry-failed",
    .type = NTK_FLAG_SWITCH,
    .offset = offsetof(ntk_arguments, retry_failed),
    .doc = "also the points that failed in an earlier run"};
static const ntk_flag flag_fail_fast = {.name = "--fail-fast",
                                        .type = NTK_FLAG_SWITCH,
                                        .offset = offsetof(ntk_arguments, fail_fast),
                                        .doc = "stop at the first point that fails"};
static const ntk_flag flag_man = {.name = "--man",
                                  .type = NTK_FLAG_SWITCH,
                                  .offset = offsetof(ntk_arguments, man),
                                  .doc = "the manual page ntkrun(1) as roff"};
static const ntk_flag flag_completion = {.name = "--completion",
                                         .value = "bash|zsh",
                                         .type = NTK_FLAG_TEXT,
                                         .offset = offsetof(ntk_arguments, completion),
                                         .words = shells,
                                         .doc = "a completion script for this shell"};

static const ntk_flag flag_calibrate = {
    .name = "--calibrate",
    .type = NTK_FLAG_SWITCH,
    .offset = offsetof(ntk_arguments, calibrate),
    .doc = "also store the speeds of this machine, for plan"};
static const ntk_flag flag_directory = {
    .name = "--directory",
    .value = "DIR",
    .type = NTK_FLAG_TEXT,
    .offset = offsetof(ntk_arguments, directory),
    .doc = "where results will go, to try its file system; default: here"};

#define FLAGS(...) ((const ntk_flag *const[]){__VA_ARGS__})

const ntk_command ntk_commands[] = {
    {"check", "CONFIG", FLAGS(&flag_set, &flag_expand, NULL),
     "read a config and report every problem",
     "Reads a config, expands its sweep and reports everything that is wrong with it at once, each "
     "problem with its file, line, column and the way out; then reads the data and builds the "
     "network of every point, to report what cannot run. Computes nothing.",
     false, ntk_command_check},
    {"plan", "CONFIG", FLAGS(&flag_set, &flag_ranks, &flag_all, &flag_json, NULL),
     "what a config means: axes, points, cost, memory, what is done",
     "Prints axes and points of the sweep, for each point its id, state, flops, estimated seconds "
     "and memory per rank, then what is needed in total, the longest point, and the room on disk. "
     "Of many points it prints a summary. Computes nothing.",
     false, ntk_command_plan},
    {"run", "CONFIG",
     FLAGS(&flag_set, &flag_shard, &flag_retry_failed, &flag_fail_fast, NULL),
     "compute every point that is not done, on all ranks of mpirun",
     "Computes every point of the sweep that is not done: mpirun -n P ntkrun run CONFIG on P "
     "ranks, without mpirun on one. Groups of results that are up to date are kept, so a run that "
     "was stopped goes on where it was, and a new analysis is added to what is there. Several jobs "
     "may work on one sweep; none does what another is at. SIGUSR1, SIGTERM, SIGINT and the end of "
     "the wall time stop it in order: exit code 75, and the same command goes on. Under mpirun "
     "that is SIGUSR1 alone: Open MPI's kills at the others. tools/mpirun in its place passes all of "
     "them on. A point that failed is not tried again without --retry-failed.",
     true, ntk_command_run},
    {"status", "DIR", FLAGS(&flag_all, &flag_json, NULL),
     "how far a sweep is: done, running, failed, time left",
     "Prints how many points of the sweep in DIR are done, running (by whom, since when), failed "
     "(why), stopped and pending, and about how long the rest takes. DIR is the folder that the "
     "config's output.directory names. Writes nothing and works while jobs run. Exit code 0 if "
     "all is done, 75 if something is still to do, 1 if only failed points are left.",
     false, ntk_command_status},
    {"merge", "DIR", FLAGS(&flag_flat, NULL),
     "all points of a sweep in one labelled file, DIR/sweep.h5",
     "Writes DIR/sweep.h5, every result stacked over the axes of the sweep. DIR is the folder "
     "that the config's output.directory names. Works while jobs run.",
     false, ntk_command_merge},
    {"inspect", "PATH", FLAGS(&flag_verify, NULL),
     "what an HDF5 file, or every file of a folder, holds",
     "Prints groups, attributes and variables with their dimensions, range, units and meaning. "
     "Of a folder: its HDF5 files and the groups in them. What is damaged is named: exit code 65. "
     "Numbers of big matrices are read with --verify only.",
     false, ntk_command_inspect},
    {"export", "FILE", FLAGS(&flag_csv, &flag_group, &flag_output, NULL),
     "an HDF5 file as CSV tables for pandas, R and spreadsheets",
     "Writes one table for each set of dimensions of each group: a row for each entry, the "
     "coordinates in the leading columns, numbers to their last bit. Tables are named after "
     "group and dimensions: dynamics.time.csv; scalars of a group are a table of one row, "
     "dynamics.csv.",
     false, ntk_command_export},
    {"doctor", NULL, FLAGS(&flag_calibrate, &flag_directory, NULL),
     "check arithmetic, speed, libraries and file system of this machine",
     "Names the libraries in use, checks products of matrices against loops and pdsyevd against a "
     "known spectrum, measures how fast they are with all ranks at work, tries locks in the "
     "folder, and warns of what slows runs down or endangers files, with the way out. Exit code 1 "
     "if results would be wrong. Run it as a job will run: mpirun -n P ntkrun doctor.",
     true, ntk_command_doctor},
    {"reference", NULL, FLAGS(&flag_man, &flag_completion, NULL),
     "every key of a config with type, range, default and meaning",
     "Prints every key that a config may have with its type, range, default and meaning. The "
     "output is itself a valid config.",
     false, ntk_command_reference},
    {0},
};

/* ---- finding ------------------------------------------------------------------------------- */

static const ntk_command *command_of(const char *name) {
  for (const ntk_command *c = ntk_commands; c->name; ++c) {
    if (strcmp(c->name, name) == 0) return c;
  }
  return NULL;
}

ntk_status ntk_command_find(const char *name, const ntk_command **command) {
  ntk_nearest nearest = {.word = name};

  *command = command_of(name);
  for (const ntk_command *c = ntk_commands; c->name; ++c) ntk_nearest_offer(&nearest, c->name);
  ntk_nearest_offer(&nearest, "--help");
  ntk_nearest_offer(&nearest, "--version");
  NTK_CHECK(*command || !nearest.best, NTK_E_USAGE, "no command '%.80s'; did you mean '%s'?", name,
            nearest.best ? nearest.best : "");
  NTK_CHECK(*command, NTK_E_USAGE, "no command '%.80s'; 'ntkrun --help' lists them", name);
  return NTK_OK;
}

/* `--name` or `--name=value` among the command's options. */
static const ntk_flag *flag_of(const ntk_command *command, const char *word) {
  const size_t length = strcspn(word, "=");

  for (const ntk_flag *const *f = command->flags; *f; ++f) {
    if (strlen((*f)->name) == length && strncmp((*f)->name, word, length) == 0) return *f;
  }
  return NULL;
}

static ntk_status refuse_flag(const ntk_command *command, const char *word) {
  char name[NTK_WORD_TEXT], hint[NTK_ADVICE_TEXT] = "no option";
  ntk_nearest nearest = {.word = name};
  size_t used = 0;

  (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
  for (const ntk_flag *const *f = command->flags; *f && used < sizeof(hint); ++f) {
    ntk_nearest_offer(&nearest, (*f)->name);
    used +=
        (size_t)snprintf(hint + used, sizeof(hint) - used, "%s%s", used ? ", " : "", (*f)->name);
  }
  if (nearest.best) {
    return NTK_RAISE(NTK_E_USAGE, "'%s' has no option '%s'; did you mean '%s'?", command->name,
                     name, nearest.best);
  }
  return NTK_RAISE(NTK_E_USAGE, "'%s' has no option '%s'; it takes %s", command->name, name, hint);
}

/* ---- parsing ------------------------------------------------------------------------------- */

static ntk_status parse_count(const ntk_flag *flag, const char *text, int64_t *count) {
  NTK_CHECK(ntk_scalar_int(text, count) && *count > 0 && *count <= INT32_MAX, NTK_E_USAGE,
            "%s needs a whole number from 1, not '%.80s'", flag->name, text);
  return NTK_OK;
}

static ntk_status parse_text(const ntk_flag *flag, const char *text, const char **field) {
  const char *const *word = flag->words;

  while (word && *word && strcmp(*word, text) != 0) ++word;
  NTK_CHECK(!word || *word, NTK_E_USAGE, "%s is one of %s, not '%.80s'", flag->name, flag->value,
            text);
  NTK_CHECK(text[0], NTK_E_USAGE, "%s needs a value: %s %s", flag->name, flag->name, flag->value);
  *field = text;
  return NTK_OK;
}

static ntk_status parse_value(const ntk_flag *flag, const char *text, ntk_arguments *arguments) {
  void *field = (char *)arguments + flag->offset;

  switch (flag->type) {
    case NTK_FLAG_COUNT:
      return parse_count(flag, text, field);
    case NTK_FLAG_TEXT:
      return parse_text(flag, text, field);
    case NTK_FLAG_SWITCH:
      *(bool *)field = true;
      return NTK_OK;
    case NTK_FLAG_SET:
      break;
  }
  NTK_CHECK(arguments->set_count < NTK_MOST_SETS, NTK_E_USAGE, "more than %d times %s",
            NTK_MOST_SETS, flag->name);
  arguments->set[arguments->set_count++] = text;
  return NTK_OK;
}

/* One option; *used tells how many words it took. */
static ntk_status parse_flag(const ntk_command *command, char *const *word,
                             ntk_arguments *arguments, int *used) {
  const ntk_flag *flag = flag_of(command, word[0]);
  const char *equals = strchr(word[0], '=');

  if (!flag) return refuse_flag(command, word[0]);
  NTK_CHECK(flag->value || !equals, NTK_E_USAGE, "%s takes no value", flag->name);
  NTK_CHECK(!flag->value || equals || word[1], NTK_E_USAGE, "%s needs a value: %s %s", flag->name,
            flag->name, flag->value);
  *used = flag->value && !equals ? 2 : 1;
  return parse_value(flag, equals ? equals + 1 : word[1], arguments);
}

static ntk_status parse_operand(const ntk_command *command, const char *word,
                                ntk_arguments *arguments) {
  NTK_CHECK(command->operand, NTK_E_USAGE, "'%s' takes no operand, but '%.80s' was given",
            command->name, word);
  NTK_CHECK(!arguments->operand, NTK_E_USAGE, "'%.80s' is one word too many: '%s' takes one %s",
            word, command->name, command->operand);
  NTK_CHECK(word[0], NTK_E_USAGE, "'%s' needs a %s, not an empty word", command->name,
            command->operand);
  arguments->operand = word;
  return NTK_OK;
}

static bool asks_for_help(char *const *words) {
  for (; *words; ++words) {
    if (strcmp(*words, "--help") == 0 || strcmp(*words, "-h") == 0) return true;
  }
  return false;
}

ntk_status ntk_command_parse(const ntk_command *command, char *const *words,
                             ntk_arguments *arguments, bool *help) {
  bool options = true;
  int used = 1;

  *help = asks_for_help(words);
  for (; *words && !*help; words += used) {
    used = 1;
    if (options && strcmp(*words, "--") == 0) {
      options = false;
    } else if (options && words[0][0] == '-' && words[0][1]) {
      NTK_TRY(parse_flag(command, words, arguments, &used));
    } else {
      NTK_TRY(parse_operand(command, words[0], arguments));
    }
  }
  NTK_CHECK(*help || arguments->operand || !command->operand, NTK_E_USAGE,
            "'%s' needs a %s: ntkrun %s %s", command->name, command->operand, command->name,
            command->operand);
  return NTK_OK;
}

ntk_status ntk_command_check_operand(const char *kind, const char *path) {
  const bool file = strcmp(kind, "CONFIG") == 0 || strcmp(kind, "FILE") == 0;
  struct stat facts = {0};

  NTK_CHECK(stat(path, &facts) == 0 && access(path, R_OK) == 0, NTK_E_MISSING, "%s: %s", path,
            strerror(errno));
  NTK_CHECK(!file || !S_ISDIR(facts.st_mode), NTK_E_MISSING, "%s: is a folder; a %s is needed",
            path, strcmp(kind, "CONFIG") == 0 ? "config file" : "file");
  NTK_CHECK(strcmp(kind, "DIR") != 0 || S_ISDIR(facts.st_mode), NTK_E_MISSING,
            "%s: is a file; the folder of a sweep is needed (output.directory of its config)",
            path);
  return NTK_OK;
}

/* ---- help ---------------------------------------------------------------------------------- */

ntk_status ntk_command_synopsis(const ntk_command *command, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "%s%s%s", command->name, command->operand ? " " : "",
                       command->operand ? command->operand : ""));
  for (const ntk_flag *const *f = command->flags; *f; ++f) {
    NTK_TRY(ntk_text_add(text, " [%s%s%s]%s", (*f)->name, (*f)->value ? " " : "",
                         (*f)->value ? (*f)->value : "", (*f)->type == NTK_FLAG_SET ? "..." : ""));
  }
  return NTK_OK;
}

enum { LINE = 80 };

/* A paragraph in lines of at most LINE characters. */
static ntk_status add_paragraph(const char *paragraph, ntk_text *text) {
  size_t column = 0;

  while (*paragraph) {
    const size_t word = strcspn(paragraph, " ");
    const bool wraps = column + 1 + word > LINE;

    NTK_TRY(ntk_text_add(text, "%s%.*s", column == 0 ? "" : (wraps ? "\n" : " "), (int)word,
                         paragraph));
    column = (column == 0 || wraps ? 0 : column + 1) + word;
    paragraph += word;
    paragraph += strspn(paragraph, " ");
  }
  return ntk_text_add(text, "\n");
}

static ntk_status help_of(const ntk_command *command, ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "usage: %sntkrun ", command->mpi ? "[mpirun -n P] " : ""));
  NTK_TRY(ntk_command_synopsis(command, text));
  NTK_TRY(ntk_text_add(text, "\n\n"));
  NTK_TRY(add_paragraph(command->detail, text));
  if (*command->flags) NTK_TRY(ntk_text_add(text, "\n"));
  for (const ntk_flag *const *f = command->flags; *f; ++f) {
    char call[NTK_WORD_TEXT];

    (void)snprintf(call, sizeof(call), "%s %s", (*f)->name, (*f)->value ? (*f)->value : "");
    NTK_TRY(ntk_text_add(text, "  %-22s %s\n", call, (*f)->doc));
  }
  return NTK_OK;
}

static ntk_status help_of_all(ntk_text *text) {
  NTK_TRY(ntk_text_add(text, "usage: ntkrun COMMAND ...\n\n"));
  for (const ntk_command *c = ntk_commands; c->name; ++c) {
    char call[NTK_WORD_TEXT];

    (void)snprintf(call, sizeof(call), "%s %s", c->name, c->operand ? c->operand : "");
    NTK_TRY(ntk_text_add(text, "  %-14s %s\n", call, c->doc));
  }
  return ntk_text_add(text,
                      "\n  ntkrun COMMAND --help   more about a command, and its options"
                      "\n  ntkrun --version        version and commit"
                      "\n  mpirun -n P ntkrun run CONFIG\n");
}

ntk_status ntk_command_help(const ntk_command *command, ntk_text *text) {
  return command ? help_of(command, text) : help_of_all(text);
}
