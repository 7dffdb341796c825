#include "ntk/run/load.h"

#include <stdio.h>

int ntk_complain(ntk_status status) {
  (void)fprintf(stderr, "ntkrun: %s\n", ntk_last_error()->text);
  return ntk_status_exit_code(status);
}

int ntk_load_or_complain(const ntk_arguments *arguments, bool speak, ntk_job *job) {
  ntk_problems problems = {0};
  ntk_status status = ntk_command_check_operand("CONFIG", arguments->operand);
  int code = 0;

  if (status == NTK_OK) {
    status = (speak ? ntk_job_load : ntk_job_load_later)(arguments->operand, arguments->set_count,
                                                         arguments->set, job, &problems);
  }
  if (problems.count) {
    if (speak) {
      (void)fprintf(stderr, "%s%lld problem%s in %s\n", ntk_text_string(&problems.text),
              (long long)problems.count, problems.count == 1 ? "" : "s", arguments->operand);
    }
    code = ntk_status_exit_code(NTK_E_CONFIG);
    ntk_job_destroy(job);
  } else if (status != NTK_OK) {
    code = speak ? ntk_complain(status) : ntk_status_exit_code(status);
  }
  ntk_problems_destroy(&problems);
  return code;
}
