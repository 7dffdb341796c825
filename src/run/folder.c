#include "ntk/run/folder.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "ntk/run/inputs.h"
#include "ntk/store/file.h"

bool ntk_folder_is_used(const ntk_job *job) {
  return job->point_count == 0 || job->point[0].settings.output.keep.count > 0;
}

static ntk_status list_axis(const ntk_axis *axis, ntk_text *list) {
  if (!axis->zipped) return ntk_text_add(list, "%s", axis->path);
  NTK_TRY(ntk_text_add(list, "%s (", axis->name));
  for (int64_t i = 0; i < axis->key_count; ++i) {
    NTK_TRY(ntk_text_add(list, "%s%s", i ? ", " : "", axis->key[i].path));
  }
  return ntk_text_add(list, ")");
}

static ntk_status list_axes(const ntk_sweep *sweep, ntk_text *list) {
  for (int64_t k = 0; k < sweep->axis_count; ++k) {
    if (k > 0) NTK_TRY(ntk_text_add(list, ", "));
    NTK_TRY(list_axis(&sweep->axis[k], list));
  }
  return sweep->axis_count ? NTK_OK : ntk_text_add(list, "none");
}

static ntk_status compare_axes(const char *path, const ntk_sweep *old, const ntk_sweep *new,
                               ntk_text lists[2]) {
  NTK_TRY(list_axes(old, &lists[0]));
  NTK_TRY(list_axes(new, &lists[1]));
  NTK_CHECK(strcmp(ntk_text_string(&lists[0]), ntk_text_string(&lists[1])) == 0, NTK_E_CONFIG,
            "%s: this folder holds a sweep over other axes (there: %s; now: %s); choose another "
            "output.directory",
            path, ntk_text_string(&lists[0]), ntk_text_string(&lists[1]));
  return NTK_OK;
}

static ntk_status read_axes(const char *path, ntk_tree *tree, ntk_sweep *sweep,
                            ntk_problems *problems) {
  NTK_TRY(ntk_tree_load(path, tree, problems));
  NTK_TRY(ntk_problems_status(problems));
  NTK_TRY(ntk_sweep_read(tree, sweep, problems));
  return ntk_problems_status(problems);
}

/* A folder belongs to one sweep: the same axes, maybe with more values. */
static ntk_status check_axes(const ntk_job *job, const char *path) {
  ntk_tree tree = {0};
  ntk_problems problems = {0};
  ntk_sweep sweep = {0};
  ntk_text lists[2] = {{0}, {0}};
  ntk_status status = read_axes(path, &tree, &sweep, &problems);

  if (status == NTK_OK) status = compare_axes(path, &sweep, &job->sweep, lists);
  for (int k = 0; k < 2; ++k) ntk_text_destroy(&lists[k]);
  ntk_problems_destroy(&problems);
  ntk_tree_destroy(&tree);
  return status;
}

static ntk_status find_config(const ntk_job *job, char path[NTK_PATH_SIZE]) {
  const int length = snprintf(path, NTK_PATH_SIZE, "%s/config.yaml", job->directory);

  NTK_CHECK(length < NTK_PATH_SIZE - 128, NTK_E_CONFIG, "output.directory: the path is too long");
  return NTK_OK;
}

ntk_status ntk_folder_check(const ntk_job *job) {
  char path[NTK_PATH_SIZE];

  NTK_TRY(find_config(job, path));
  return access(path, F_OK) == 0 ? check_axes(job, path) : NTK_OK;
}

/* The key is named that the folder comes from. */
static ntk_status make_folder(const ntk_job *job) {
  const ntk_status status = ntk_directory_make(job->directory);
  const ntk_error error = *ntk_last_error();

  if (status == NTK_OK) return NTK_OK;
  return NTK_RAISE(status, "output.directory: %s", error.text);
}

ntk_status ntk_folder_prepare(const ntk_job *job) {
  char path[NTK_PATH_SIZE];

  NTK_TRY(find_config(job, path));
  NTK_TRY(make_folder(job));
  NTK_TRY(ntk_folder_check(job));
  NTK_TRY(ntk_inputs_write(job));
  return ntk_file_write_text(path, job->yaml);
}

/* Of the folder, or of the one above in which it would be made. */
static bool find_disk(const char *directory, struct statvfs *facts) {
  char path[NTK_PATH_SIZE];

  (void)snprintf(path, sizeof(path), "%s", directory);
  while (statvfs(path, facts) != 0) {
    char *end = strrchr(path, '/');

    if (!end) return statvfs(".", facts) == 0;
    if (end == path) return statvfs("/", facts) == 0;
    *end = '\0';
  }
  return true;
}

ntk_status ntk_folder_check_room(const ntk_job *job, double bytes) {
  const double gibibyte = 1073741824.0;
  struct statvfs facts;

  if (!find_disk(job->directory, &facts) || facts.f_blocks == 0) return NTK_OK;
  const double room = (double)facts.f_bavail * (double)facts.f_frsize;

  NTK_CHECK(bytes <= room, NTK_E_CREATE,
            "%s: the job will write about %.3g GiB, but the disk has %.3g GiB left: %.3g GiB are "
            "missing; make room, keep fewer files (output.keep), or choose another "
            "output.directory",
            job->directory, bytes / gibibyte, room / gibibyte, (bytes - room) / gibibyte);
  return NTK_OK;
}

static double sum_bytes(const char *folder) {
  DIR *entries = opendir(folder);
  double bytes = 0;

  for (struct dirent *e = entries ? readdir(entries) : NULL; e; e = readdir(entries)) {
    const double block = 512; /* of st_blocks, wherever */
    struct stat facts;

    if (fstatat(dirfd(entries), e->d_name, &facts, 0) != 0 || !S_ISREG(facts.st_mode)) continue;
    bytes += block * (double)facts.st_blocks;
  }
  if (entries) (void)closedir(entries);
  return bytes;
}

double ntk_folder_bytes_there(const ntk_job *job, const ntk_point *point) {
  static const char *const files[] = {"gram.h5", "spectrum.h5"}; /* in folders of their stages */
  double bytes = 0;

  for (int64_t which = 0; which < point->settings.kernel.quantity.count; ++which) {
    for (int k = 0; k < 2; ++k) {
      char path[NTK_PATH_SIZE];

      ntk_kernel_path(job, point, which, files[k], path);
      *strrchr(path, '/') = '\0';
      bytes += sum_bytes(path);
    }
  }
  return bytes;
}
