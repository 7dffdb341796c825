#include "ntk/run/load.h"

#include <stdio.h>
#include <unistd.h>

int ntk_complain(ntk_status status) {
  (void)fprintf(stderr, "ntkrun: %s\n", ntk_last_error()->text);
  return ntk_status_exit_code(status);
}

/* What came of loading a job, as an exit code; it is said if this rank speaks. */
static int conclude(const ntk_arguments *arguments, bool speak, ntk_status status, ntk_job *job,
                    ntk_problems *problems) {
  int code = 0;

  if (problems->count) {
    if (speak) {
      (void)fprintf(stderr, "%s%lld problem%s in %s\n", ntk_text_string(&problems->text),
                    (long long)problems->count, problems->count == 1 ? "" : "s",
                    arguments->operand);
    }
    code = ntk_status_exit_code(NTK_E_CONFIG);
    ntk_job_destroy(job);
  } else if (status != NTK_OK) {
    code = speak ? ntk_complain(status) : ntk_status_exit_code(status);
  }
  ntk_problems_destroy(problems);
  return code;
}

int ntk_load_or_complain(const ntk_arguments *arguments, bool speak, ntk_job *job) {
  ntk_problems problems = {0};
  ntk_status status = ntk_command_check_operand("CONFIG", arguments->operand);

  if (status == NTK_OK) {
    status = (speak ? ntk_job_load : ntk_job_load_later)(arguments->operand, arguments->set_count,
                                                         arguments->set, job, &problems);
  }
  return conclude(arguments, speak, status, job, &problems);
}

/* Folders of older versions do not remember what their files contained. */
static ntk_status check_ids(const ntk_job *job, const char *directory) {
  for (int64_t k = 0; directory && k < job->point_count; ++k) {
    NTK_CHECK(job->point[k].id[0], NTK_E_MISSING,
              "%s; what it contained is not in %s/inputs.txt either, so that points cannot be told "
              "from one another",
              job->missing ? job->missing : "a file is missing", directory);
  }
  return NTK_OK;
}

int ntk_look_or_complain(const ntk_arguments *arguments, const char *directory, ntk_job *job) {
  ntk_problems problems = {0};
  ntk_status status = ntk_command_check_operand("CONFIG", arguments->operand);

  if (status == NTK_OK) {
    status = ntk_job_look(arguments->operand, arguments->set_count, arguments->set, directory, job,
                          &problems);
  }
  if (status == NTK_OK && !problems.count) status = check_ids(job, directory);
  if (status != NTK_OK) ntk_job_destroy(job);
  return conclude(arguments, true, status, job, &problems);
}

static ntk_status find_config(const char *folder, char config[NTK_PATH_SIZE]) {
  const int length = snprintf(config, NTK_PATH_SIZE, "%s/config.yaml", folder);

  NTK_CHECK(length > 0 && length < NTK_PATH_SIZE, NTK_E_MISSING, "path too long: %s", folder);
  NTK_CHECK(access(config, F_OK) == 0, NTK_E_MISSING,
            "%s: no run has begun in this folder: it has no config.yaml (the folder is the "
            "config's output.directory)",
            folder);
  return NTK_OK;
}

int ntk_look_at_folder_or_complain(const char *folder, ntk_job *job) {
  char config[NTK_PATH_SIZE];
  const ntk_status status = find_config(folder, config);

  if (status != NTK_OK) return ntk_complain(status);
  const ntk_arguments load = {.operand = config};
  const int code = ntk_look_or_complain(&load, folder, job);

  if (code == 0) job->directory = folder;
  return code;
}

int ntk_points_exit_code(int64_t failed, int64_t points, ntk_status last) {
  if (failed == 0) return 0;
  return failed == points ? ntk_status_exit_code(last) : 1;
}
