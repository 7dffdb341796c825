/* status: how far a sweep is, from its folder.  Reads, and writes nothing. */
#include <stdio.h>
#include <sys/stat.h>

#include "ntk/run/command.h"
#include "ntk/run/load.h"
#include "ntk/run/survey.h"

static ntk_status check_folder(const char *folder, char config[NTK_PATH_SIZE]) {
  struct stat facts;
  const int length = snprintf(config, NTK_PATH_SIZE, "%s/config.yaml", folder);

  NTK_CHECK(length > 0 && length < NTK_PATH_SIZE, NTK_E_MISSING, "path too long: %s", folder);
  NTK_CHECK(stat(config, &facts) == 0, NTK_E_MISSING,
            "%s: no run has begun in this folder: it has no config.yaml (the folder is the config's "
            "output.directory)",
            folder);
  return NTK_OK;
}

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
  char config[NTK_PATH_SIZE];
  ntk_job job = {0};
  const ntk_status status = check_folder(arguments->operand, config);

  if (status != NTK_OK) return ntk_complain(status);
  const ntk_arguments load = {.operand = config};
  int code = ntk_look_or_complain(&load, arguments->operand, &job);

  if (code != 0) return code;
  job.directory = arguments->operand; /* also of a folder that was moved */
  code = print(&job, arguments);
  ntk_job_destroy(&job);
  return code;
}
