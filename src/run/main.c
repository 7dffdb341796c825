/* ntkrun: command line, and nothing else. */
#include <errno.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ntk/base/array.h"
#include "ntk/run/command.h"
#include "ntk/store/provenance.h"

static const ntk_command commands[] = {
    {"check", "CONFIG", "[--set a.b=v]... [--expand]",
     "read a config, report every problem; --expand: print it resolved, layers written out", false,
     ntk_command_check},
    {"plan", "CONFIG", "[--set a.b=v]... [--ranks N]",
     "axes, points, their ids, cost and memory, and what is done already", false, ntk_command_plan},
    {"run", "CONFIG", "[--set a.b=v]...",
     "compute every point that is not done; under mpirun on all ranks, else on one", true,
     ntk_command_run},
    {"merge", "DIR", "", "all points of a sweep in one labelled file, DIR/sweep.h5", false,
     ntk_command_merge},
    {"inspect", "FILE", "", "what an HDF5 file of ntkrun holds", false, ntk_command_inspect},
    {"reference", NULL, "", "every key with type, range, default and meaning; a valid config",
     false, ntk_command_reference},
    {0},
};

static void usage(FILE *stream) {
  (void)fprintf(stream, "usage: ntkrun COMMAND ...\n\n");
  for (const ntk_command *c = commands; c->name; ++c) {
    char call[128];

    (void)snprintf(call, sizeof(call), "%s%s%s%s%s", c->name, c->operand ? " " : "",
                   c->operand ? c->operand : "", c->options[0] ? " " : "", c->options);
    (void)fprintf(stream, "  ntkrun %s\n      %s\n", call, c->doc);
  }
  (void)fprintf(stream, "\n  ntkrun --version\n  mpirun -n P ntkrun run CONFIG\n");
}

static ntk_status parse_count(const char *text, int64_t *count) {
  char *end = NULL;

  errno = 0;
  *count = strtoll(text, &end, 10);
  NTK_CHECK(end != text && *end == '\0' && errno == 0 && *count > 0, NTK_E_USAGE,
            "'%s' is not a positive whole number", text);
  return NTK_OK;
}

static bool takes(const ntk_command *command, const char *option) {
  return strstr(command->options, option) != NULL;
}

/* One option; *used tells how many words it took. */
static ntk_status parse_option(const ntk_command *command, char **word, ntk_arguments *arguments,
                               int *used) {
  const char *name = word[0];

  NTK_CHECK(strlen(name) > 2 && takes(command, name), NTK_E_USAGE,
            "'%s' takes no option '%s'; it takes: %s", command->name, name,
            command->options[0] ? command->options : "none");
  *used = 1;
  if (strcmp(name, "--expand") == 0) {
    arguments->expand = true;
    return NTK_OK;
  }
  *used = 2;
  NTK_CHECK(word[1], NTK_E_USAGE, "%s needs a value", name);
  if (strcmp(name, "--ranks") == 0) return parse_count(word[1], &arguments->ranks);
  NTK_CHECK(arguments->set_count < NTK_MOST_SETS, NTK_E_USAGE, "more than %d times --set",
            NTK_MOST_SETS);
  arguments->set[arguments->set_count++] = word[1];
  return NTK_OK;
}

static ntk_status parse(const ntk_command *command, char **words, ntk_arguments *arguments) {
  int used = 0;

  for (; *words; words += used) {
    used = 1;
    if (words[0][0] == '-') {
      NTK_TRY(parse_option(command, words, arguments, &used));
      continue;
    }
    NTK_CHECK(command->operand && !arguments->operand, NTK_E_USAGE, "'%s' is one word too many",
              words[0]);
    arguments->operand = words[0];
  }
  NTK_CHECK(arguments->operand || !command->operand, NTK_E_USAGE, "'%s' needs a %s", command->name,
            command->operand);
  return NTK_OK;
}

static const ntk_command *find(const char *name) {
  for (const ntk_command *c = commands; c->name; ++c) {
    if (strcmp(c->name, name) == 0) return c;
  }
  return NULL;
}

static int run_with_mpi(const ntk_command *command, const ntk_arguments *arguments) {
  MPI_Init(NULL, NULL);
  const int code = command->run(arguments);

  (void)fflush(stdout);
  MPI_Finalize();
  return code;
}

int main(int argc, char **argv) {
  ntk_arguments arguments = {0};

  if (argc == 2 && strcmp(argv[1], "--version") == 0) {
    (void)printf("%s\n", ntk_program_version());
    return 0;
  }
  if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)) {
    usage(stdout);
    return 0;
  }
  const ntk_command *command = argc > 1 ? find(argv[1]) : NULL;

  if (!command) {
    if (argc > 1) (void)fprintf(stderr, "ntkrun: no command '%s'\n\n", argv[1]);
    usage(stderr);
    return ntk_status_exit_code(NTK_E_USAGE);
  }
  const ntk_status status = parse(command, argv + 2, &arguments);

  if (status != NTK_OK) return ntk_complain(status);
  if (!command->mpi) return command->run(&arguments);
  ntk_blas_adopt_core(argv);
  return run_with_mpi(command, &arguments);
}
