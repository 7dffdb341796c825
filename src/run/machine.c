#include "ntk/run/machine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 4096 };

/* The first number in a file; INFINITY if there is none ("max"). */
static double read_limit(const char *path) {
  char text[64] = "", *end = NULL;
  FILE *file = fopen(path, "r");

  if (!file) return INFINITY;
  const bool read = fgets(text, sizeof(text), file) != NULL;

  (void)fclose(file);
  const double value = read ? strtod(text, &end) : 0;

  return read && end != text && value > 0 ? value : INFINITY;
}

/* The least limit of a control group and of those it is in. */
static double group_limit(const char *root, const char *group, const char *file) {
  char folder[PATH_SIZE], path[PATH_SIZE + 64];
  double least = INFINITY;

  (void)snprintf(folder, sizeof(folder), "%s%s", root, group);
  for (;;) {
    (void)snprintf(path, sizeof(path), "%s/%s", folder, file);
    least = fmin(least, read_limit(path));
    char *slash = strrchr(folder, '/');

    if (!slash || strlen(folder) <= strlen(root)) return least;
    *slash = '\0';
  }
}

/* A line of /proc/self/cgroup: "0::/path" (version 2) or "4:memory:/path". */
static double line_limit(char *line) {
  char *names = strchr(line, ':'), *group = names ? strchr(names + 1, ':') : NULL;

  if (!group) return INFINITY;
  *group++ = '\0';
  group[strcspn(group, "\n")] = '\0';
  if (names[1] == '\0') return group_limit("/sys/fs/cgroup", group, "memory.max");
  if (!strstr(names, "memory")) return INFINITY;
  return group_limit("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
}

static double cgroup_limit(void) {
  char line[PATH_SIZE];
  double least = INFINITY;
  FILE *file = fopen("/proc/self/cgroup", "r");

  while (file && fgets(line, sizeof(line), file)) least = fmin(least, line_limit(line));
  if (file) (void)fclose(file);
  return least;
}

static double all_memory(void) {
  char line[256];
  double kibibytes = INFINITY;
  FILE *file = fopen("/proc/meminfo", "r");

  while (file && fgets(line, sizeof(line), file)) {
    if (strncmp(line, "MemTotal:", 9) == 0) kibibytes = strtod(line + 9, NULL);
  }
  if (file) (void)fclose(file);
  return 1024 * kibibytes;
}

double ntk_machine_memory(void) { return fmin(all_memory(), cgroup_limit()); }

double ntk_machine_memory_per_rank(const ntk_comm *comm) {
  MPI_Comm node = MPI_COMM_NULL;
  int ranks = 1;

  MPI_Comm_split_type(comm->mpi, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &node);
  MPI_Comm_size(node, &ranks);
  MPI_Comm_free(&node);
  return -ntk_comm_max(comm, -ntk_machine_memory() / ranks);
}
