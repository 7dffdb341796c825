/* status: how far a sweep is, from its folder.  Reads, and writes nothing. */
#include <stdio.h>

#include "ntk/run/command.h"
#include "ntk/run/load.h"
#include "ntk/run/survey.h"

static int print(const ntk_job *job, const ntk_arguments *arguments) {
  ntk_plan plan = {0};
  ntk_text text = {0};
  double left = 0;
  int code = 0;
  ntk_status status = ntk_plan_make(job, 0, &plan);

  if (status == NTK_OK) status = ntk_survey_left(&plan, &left);
  if (status == NTK_OK) {
    status = arguments->json ? ntk_survey_json(&plan, left, &text)
                             : ntk_survey_text(&plan, left, arguments->all, &text);
  }
  if (status == NTK_OK) {
    (void)printf("%s", ntk_text_string(&text));
    code = ntk_survey_exit_code(&plan);
  }
  ntk_text_destroy(&text);
  ntk_plan_destroy(&plan);
  return status == NTK_OK ? code : ntk_complain(status);
}

int ntk_command_status(const ntk_arguments *arguments) {
  ntk_job job = {0};
  int code = ntk_look_at_folder_or_complain(arguments->operand, &job);

  if (code != 0) return code;
  code = print(&job, arguments);
  ntk_job_destroy(&job);
  return code;
}
