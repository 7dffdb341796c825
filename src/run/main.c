/* ntkrun: command line, and nothing else. */
#include <errno.h>
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ntk/base/array.h"
#include "ntk/run/command.h"
#include "ntk/run/stop.h"
#include "ntk/store/provenance.h"

/* ---- one voice for all processes that a launcher starts together ------------------------------- */

/* As Open MPI, PMIx, MPICH and its kin, and Slurm tell before MPI_Init.  Launchers end all processes
 * when one has failed: those that are silent wait until the first one has spoken. */
static bool speaks(void) {
  static const char *const variables[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                          "SLURM_PROCID", NULL};
  const struct timespec moment = {0, 300000000};
  const char *rank = NULL;

  for (int k = 0; variables[k] && !rank; ++k) rank = getenv(variables[k]);
  if (!rank || strtol(rank, NULL, 10) == 0) return true;
  (void)nanosleep(&moment, NULL);
  return false;
}

static int refuse(ntk_status status) {
  return speaks() ? ntk_complain(status) : ntk_status_exit_code(status);
}

static int refuse_with_mpi(ntk_status status) {
  int rank = 0;

  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  const int code = rank == 0 ? ntk_complain(status) : ntk_status_exit_code(status);

  MPI_Barrier(MPI_COMM_WORLD);
  return code;
}

/* ---- commands ---------------------------------------------------------------------------------- */

static int print_help(const ntk_command *command, FILE *stream) {
  ntk_text text = {0};
  const ntk_status status = ntk_command_help(command, &text);

  if (status == NTK_OK && speaks()) (void)fputs(ntk_text_string(&text), stream);
  ntk_text_destroy(&text);
  return status == NTK_OK ? 0 : ntk_complain(status);
}

/* A run outlives who reads its log: the Ctrl-C that stops it in order ends the `tee` behind it. */
static void prepare_run(void) {
  (void)signal(SIGPIPE, SIG_IGN);
  ntk_stop_listen();
}

/*   status  of reading the command line */
static int run_with_mpi(const ntk_command *command, const ntk_arguments *arguments,
                        ntk_status status) {
  if (command->run == ntk_command_run) prepare_run();
  MPI_Init(NULL, NULL);
  const int code = status == NTK_OK ? command->run(arguments) : refuse_with_mpi(status);

  (void)fflush(stdout);
  MPI_Finalize();
  return code;
}

static int run_command(const ntk_command *command, char **argv) {
  ntk_arguments arguments = {0};
  bool help = false;
  ntk_status status = ntk_command_parse(command, argv + 2, &arguments, &help);

  if (status == NTK_OK && help) return print_help(command, stdout);
  if (status == NTK_OK && command->operand && !command->mpi) {
    status = ntk_command_check_operand(command->operand, arguments.operand);
  }
  if (status != NTK_OK && !command->mpi) return refuse(status);
  if (status == NTK_OK) ntk_blas_adopt_core(argv); /* `plan` times products, too */
  return command->mpi ? run_with_mpi(command, &arguments, status) : command->run(&arguments);
}

static int run_program(int argc, char **argv) {
  const ntk_command *command = NULL;
  const char *first = argc > 1 ? argv[1] : "";

  if (argc < 2) {
    (void)print_help(NULL, stderr);
    return ntk_status_exit_code(NTK_E_USAGE);
  }
  if (strcmp(first, "--version") == 0) return printf("%s\n", ntk_program_version()) < 0;
  const bool help =
      strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0 || strcmp(first, "help") == 0;

  if (help && (argc < 3 || argv[2][0] == '-')) return print_help(NULL, stdout);
  const ntk_status status = ntk_command_find(help ? argv[2] : first, &command);

  if (status == NTK_OK && help) return print_help(command, stdout);
  return status == NTK_OK ? run_command(command, argv) : refuse(status);
}

/* A full disk behind stdout shows only when the last of it is written.  A file that gets too large for
 * `ulimit -f` or a quota is an error of the write, with a message, and not the end of the process. */
int main(int argc, char **argv) {
  (void)signal(SIGXFSZ, SIG_IGN);
  const int code = run_program(argc, argv);
  const bool written = fflush(stdout) == 0 && !ferror(stdout);

  if (written || code != 0) return code;
  const ntk_status status = ntk_status_of_write(errno, NTK_E_IO);

  (void)fprintf(stderr, "ntkrun: cannot write the output: %s\n", strerror(errno));
  return ntk_status_exit_code(status);
}
