/* command.h -- the subcommands of ntkrun and their options, as tables. */
#ifndef NTK_RUN_COMMAND_H
#define NTK_RUN_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ntk/base/error.h"
#include "ntk/base/text.h"

enum { NTK_MOST_SETS = 256 };

/* A parsed command line: what the rows of ntk_flag fill. */
typedef struct ntk_arguments {
  const char *operand; /* CONFIG, FILE or DIR */
  int64_t set_count;
  const char *set[NTK_MOST_SETS];
  bool expand;
  int64_t ranks;  /* of --ranks, 0 if absent */
  bool json, all; /* of plan and status */
  const char *shard;           /* "i/k" of run; NULL if absent */
  bool retry_failed, fail_fast; /* of run */
  bool flat, verify; /* of merge; of inspect */
  bool csv;
  const char *group, *output; /* NULL if absent */
  bool man;
  const char *completion; /* NULL if absent */
  bool calibrate;
  const char *directory; /* NULL if absent */
} ntk_arguments;

typedef enum ntk_flag_type {
  NTK_FLAG_SWITCH, /* bool */
  NTK_FLAG_COUNT,  /* int64_t, 1 or more */
  NTK_FLAG_TEXT,   /* const char * */
  NTK_FLAG_SET     /* joins ntk_arguments.set */
} ntk_flag_type;

/* An option of commands. */
typedef struct ntk_flag {
  const char *name;  /* "--ranks" */
  const char *value; /* what stands behind it, "N"; NULL: nothing (NTK_FLAG_SWITCH) */
  ntk_flag_type type;
  size_t offset;            /* of the field in ntk_arguments */
  const char *const *words; /* NTK_FLAG_TEXT: the only values, ends with NULL; NULL: any text */
  const char *doc;
} ntk_flag;

/* To add a command: its function, a row in src/run/command.c, a line in the README. */
typedef struct ntk_command {
  const char *name;
  const char *operand; /* what it needs: "CONFIG", "FILE", "DIR", "PATH" (either); NULL: nothing */
  const ntk_flag *const *flags; /* ends with NULL */
  const char *doc;              /* one line for the list of commands */
  const char *detail;           /* a few sentences for --help and the man page */
  bool mpi;                     /* it calls MPI_Init; the others never do (login nodes forbid it) */
  /* The exit code (of INTERFACE 4).  With mpi: Collective, the same on every rank. */
  int (*run)(const ntk_arguments *arguments);
} ntk_command;

extern const ntk_command ntk_commands[]; /* ends with {0} */

/* Local.  The command of that name.  Fails with NTK_E_USAGE and a suggestion. */
NTK_CHECKED ntk_status ntk_command_find(const char *name, const ntk_command **command);

/* Local.  Reads the words behind the command's name, which end with NULL; arguments are zeroed.
 *   help  whether --help or -h is among them; then nothing else is looked at
 * Fails with NTK_E_USAGE: an unknown option, one without its value, a word too many or too few. */
NTK_CHECKED ntk_status ntk_command_parse(const ntk_command *command, char *const *words,
                                         ntk_arguments *arguments, bool *help);

/* Local.  Fails with NTK_E_MISSING if the operand is not there, is a folder where a file is needed
 * or a file where a folder is needed. */
NTK_CHECKED ntk_status ntk_command_check_operand(const char *kind, const char *path);

/* Local.  "check CONFIG [--set a.b=v]... [--expand]" */
NTK_CHECKED ntk_status ntk_command_synopsis(const ntk_command *command, ntk_text *text);

/* Local.  What --help prints: of one command, or of the program (NULL). */
NTK_CHECKED ntk_status ntk_command_help(const ntk_command *command, ntk_text *text);

int ntk_command_check(const ntk_arguments *arguments);
int ntk_command_plan(const ntk_arguments *arguments);
int ntk_command_run(const ntk_arguments *arguments);
int ntk_command_status(const ntk_arguments *arguments);
int ntk_command_merge(const ntk_arguments *arguments);
int ntk_command_inspect(const ntk_arguments *arguments);
int ntk_command_export(const ntk_arguments *arguments);
int ntk_command_doctor(const ntk_arguments *arguments);
int ntk_command_reference(const ntk_arguments *arguments);

/* Local.  Prints the latest error as `ntkrun: text` on stderr; the exit code that goes with it. */
int ntk_complain(ntk_status status);

#endif
