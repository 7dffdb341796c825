/* command.h -- the subcommands of ntkrun, as a table. */
#ifndef NTK_RUN_COMMAND_H
#define NTK_RUN_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "ntk/base/error.h"

enum { NTK_MOST_SETS = 256 };

/* A parsed command line. */
typedef struct ntk_arguments {
  const char *operand; /* CONFIG, FILE or DIR */
  int64_t set_count;
  const char *set[NTK_MOST_SETS];
  bool expand;
  int64_t ranks; /* of --ranks, 0 if absent */
} ntk_arguments;

/* To add a command: its function, a row in src/run/main.c, a line in the README. */
typedef struct ntk_command {
  const char *name;
  const char *operand; /* what it needs: "CONFIG", "FILE", "DIR"; NULL: nothing */
  const char *options; /* those it takes, for the usage line */
  const char *doc;
  bool mpi;            /* it calls MPI_Init; the others never do (login nodes forbid it) */
  /* The exit code (of INTERFACE 4).  With mpi: Collective, the same on every rank. */
  int (*run)(const ntk_arguments *arguments);
} ntk_command;

int ntk_command_check(const ntk_arguments *arguments);
int ntk_command_plan(const ntk_arguments *arguments);
int ntk_command_run(const ntk_arguments *arguments);
int ntk_command_merge(const ntk_arguments *arguments);
int ntk_command_inspect(const ntk_arguments *arguments);
int ntk_command_reference(const ntk_arguments *arguments);

/* Local.  Prints the latest error as `ntkrun: text` on stderr; the exit code that goes with it. */
int ntk_complain(ntk_status status);

#endif
