/* check, merge: commands that compute nothing. */
#include <stdio.h>
#include <string.h>

#include "ntk/run/build.h"
#include "ntk/run/command.h"
#include "ntk/run/job.h"
#include "ntk/run/load.h"
#include "ntk/run/merge.h"

/* As a comment below the config, which stays valid. */
static void print_comment(const char *text) {
  for (const char *line = text; *line;) {
    const int length = (int)strcspn(line, "\n");

    (void)printf("#   %.*s\n", length, line);
    line += length + (line[length] == '\n');
  }
}

/* The layer list of the first point, with the shapes that its data have. */
static ntk_status print_layers(const ntk_point *point) {
  const ntk_settings *s = &point->settings;
  ntk_data_cache cache = {0};
  ntk_data data = {0};
  ntk_network network = {0};
  ntk_text text = {0};
  ntk_status status = ntk_data_probe(&s->data, &cache, &data);

  if (status == NTK_OK) {
    status = ntk_network_build(s, &data.shape, data.outputs, false, &network);
  }
  if (status == NTK_OK) status = ntk_network_print(&network, 0, &text);
  if (status == NTK_OK) {
    (void)printf("# the network, layer by layer:\n");
    print_comment(ntk_text_string(&text));
  }
  ntk_text_destroy(&text);
  ntk_network_destroy(&network);
  ntk_data_destroy(&data);
  ntk_data_cache_destroy(&cache);
  return status;
}

static ntk_status expand(const ntk_job *job) {
  const ntk_kernel_type *type =
      (const ntk_kernel_type *)job->point[0].settings.kernel.type.row;

  (void)printf("%s", job->yaml);
  return type->needs_network ? print_layers(&job->point[0]) : NTK_OK;
}

int ntk_command_check(const ntk_arguments *arguments) {
  ntk_job job = {0};
  const int code = ntk_load_or_complain(arguments, true, &job);

  if (code != 0) return code;
  ntk_status status = NTK_OK;

  if (arguments->expand) {
    status = expand(&job);
  } else {
    (void)printf("%s: valid, %lld point%s\n", arguments->operand, (long long)job.point_count,
           job.point_count == 1 ? "" : "s");
  }
  ntk_job_destroy(&job);
  return status == NTK_OK ? 0 : ntk_complain(status);
}

int ntk_command_merge(const ntk_arguments *arguments) {
  char config[NTK_PATH_SIZE];
  ntk_job job = {0};

  (void)snprintf(config, sizeof(config), "%s/config.yaml", arguments->operand);
  const ntk_arguments load = {.operand = config};
  const int code = ntk_load_or_complain(&load, true, &job);

  if (code != 0) return code;
  job.directory = arguments->operand; /* a folder that was moved is merged where it is */
  const ntk_status status = ntk_merge(&job, arguments->flat);

  ntk_job_destroy(&job);
  if (status != NTK_OK) return ntk_complain(status);
  (void)printf("%s/%s.h5\n", arguments->operand, arguments->flat ? "sweep_flat" : "sweep");
  return 0;
}
