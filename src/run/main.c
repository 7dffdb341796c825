/* ntkrun: command line, and nothing else. */
#include <errno.h>
#include <mpi.h>
#include <stdio.h>
#include <string.h>

#include "ntk/base/array.h"
#include "ntk/run/command.h"
#include "ntk/store/provenance.h"

static int print_help(const ntk_command *command, FILE *stream) {
  ntk_text text = {0};
  const ntk_status status = ntk_command_help(command, &text);

  if (status == NTK_OK) (void)fputs(ntk_text_string(&text), stream);
  ntk_text_destroy(&text);
  return status == NTK_OK ? 0 : ntk_complain(status);
}

static int run_with_mpi(const ntk_command *command, const ntk_arguments *arguments) {
  MPI_Init(NULL, NULL);
  const int code = command->run(arguments);

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
  if (status != NTK_OK) return ntk_complain(status);
  ntk_blas_adopt_core(argv); /* `plan` times products, too */
  return command->mpi ? run_with_mpi(command, &arguments) : command->run(&arguments);
}

static int run_program(int argc, char **argv) {
  const ntk_command *command = NULL;
  const char *first = argc > 1 ? argv[1] : "";

  if (argc < 2) {
    (void)print_help(NULL, stderr);
    return ntk_status_exit_code(NTK_E_USAGE);
  }
  if (strcmp(first, "--version") == 0) return printf("%s\n", ntk_program_version()) < 0;
  if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0 || strcmp(first, "help") == 0) {
    return print_help(NULL, stdout);
  }
  const ntk_status status = ntk_command_find(first, &command);

  return status == NTK_OK ? run_command(command, argv) : ntk_complain(status);
}

/* A full disk behind stdout shows only when the last of it is written. */
int main(int argc, char **argv) {
  const int code = run_program(argc, argv);
  const bool written = fflush(stdout) == 0 && !ferror(stdout);

  if (written || code != 0) return code;
  (void)fprintf(stderr, "ntkrun: cannot write the output: %s\n", strerror(errno));
  return ntk_status_exit_code(NTK_E_IO);
}
