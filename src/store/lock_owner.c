#include "lock_owner.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- this process ------------------------------------------------------------------------------ */

static void first_line(const char *path, char *line, size_t size) {
  FILE *file = fopen(path, "r");

  if (!file || !fgets(line, (int)size, file)) line[0] = '\0';
  if (file) (void)fclose(file);
  line[strcspn(line, "\n")] = '\0';
}

/* State letter and start of a process, as Linux tells them; false if it does not.  The name before
 * them is in parentheses and may hold anything. */
static bool read_process(long process, char *state, unsigned long long *start) {
  enum { BEHIND_STATE = 19 }; /* fields from the state to the start */
  char path[NTK_OWNER_WORD], line[1024] = "";

  (void)snprintf(path, sizeof(path), "/proc/%ld/stat", process);
  first_line(path, line, sizeof(line));
  const char *at = strrchr(line, ')');

  if (!at || at[1] != ' ') return false;
  *state = at[2];
  for (int k = 0; k <= BEHIND_STATE; ++k) {
    at = strchr(at + 1, ' ');
    if (!at) return false;
  }
  *start = strtoull(at, NULL, 10);
  return true;
}

static void name_place(ntk_owner *owner) {
  (void)gethostname(owner->host, sizeof(owner->host) - 1);
  first_line("/proc/sys/kernel/random/boot_id", owner->boot, sizeof(owner->boot));
  const ssize_t length =
      readlink("/proc/self/ns/pid", owner->processes, sizeof(owner->processes) - 1);

  owner->processes[length > 0 ? length : 0] = '\0';
}

static void name_job(char *job, size_t size) {
  const char *array = getenv("SLURM_ARRAY_JOB_ID"), *task = getenv("SLURM_ARRAY_TASK_ID");
  const char *id = getenv("SLURM_JOB_ID");

  if (array && task) {
    (void)snprintf(job, size, "%s_%s", array, task);
  } else {
    (void)snprintf(job, size, "%s", id ? id : "");
  }
}

/* Two locks of one process differ by the time, those of two processes by all the rest. */
static void make_nonce(ntk_owner *owner) {
  struct {
    ntk_owner owner;
    struct timespec time[2];
  } unique;

  memset(&unique, 0, sizeof(unique));
  unique.owner = *owner;
  (void)clock_gettime(CLOCK_REALTIME, &unique.time[0]);
  (void)clock_gettime(CLOCK_MONOTONIC, &unique.time[1]);
  ntk_hash_bytes(&unique, sizeof(unique), owner->nonce);
}

void ntk_owner_self(int ranks, ntk_owner *owner) {
  const time_t now = time(NULL);
  struct tm utc;
  char state = '?';

  memset(owner, 0, sizeof(*owner));
  name_place(owner);
  owner->process = (long)getpid();
  owner->ranks = ranks;
  if (!read_process(owner->process, &state, &owner->start)) owner->start = 0;
  if (gmtime_r(&now, &utc)) {
    (void)strftime(owner->since, sizeof(owner->since), "%Y-%m-%dT%H:%M:%SZ", &utc);
  }
  name_job(owner->job, sizeof(owner->job));
  make_nonce(owner);
}

/* ---- as text ----------------------------------------------------------------------------------- */

const char *ntk_owner_print(const ntk_owner *owner, char text[NTK_OWNER_TEXT]) {
  (void)snprintf(text, NTK_OWNER_TEXT,
                 "host: %s\nprocess: %ld\nstart: %llu\nboot: %s\nprocesses: %s\nsince: %s\n"
                 "slurm_job: %s\nranks: %d\nnonce: %s\n",
                 owner->host, owner->process, owner->start, owner->boot, owner->processes,
                 owner->since, owner->job, owner->ranks, owner->nonce);
  return text;
}

/* The value behind "name: "; "" if there is no such whole line. */
static void read_word(const char *text, const char *name, char *word, size_t size) {
  const size_t length = strlen(name);

  word[0] = '\0';
  for (const char *end = strchr(text, '\n'); end; text = end + 1, end = strchr(text, '\n')) {
    if (strncmp(text, name, length) != 0 || strncmp(text + length, ": ", 2) != 0) continue;
    (void)snprintf(word, size, "%.*s", (int)(end - text - (ptrdiff_t)length - 2),
                   text + length + 2);
    return;
  }
}

bool ntk_owner_read(const char *text, ntk_owner *owner) {
  char number[NTK_OWNER_WORD];

  memset(owner, 0, sizeof(*owner));
  read_word(text, "host", owner->host, sizeof(owner->host));
  read_word(text, "boot", owner->boot, sizeof(owner->boot));
  read_word(text, "processes", owner->processes, sizeof(owner->processes));
  read_word(text, "since", owner->since, sizeof(owner->since));
  read_word(text, "slurm_job", owner->job, sizeof(owner->job));
  read_word(text, "nonce", owner->nonce, sizeof(owner->nonce));
  read_word(text, "process", number, sizeof(number));
  owner->process = strtol(number, NULL, 10);
  read_word(text, "start", number, sizeof(number));
  owner->start = strtoull(number, NULL, 10);
  read_word(text, "ranks", number, sizeof(number));
  owner->ranks = (int)strtol(number, NULL, 10);
  if (owner->host[0] && owner->process > 0 && strlen(owner->nonce) == NTK_KEY_SIZE - 1) return true;
  memset(owner, 0, sizeof(*owner));
  return false;
}

/* ---- still there? ------------------------------------------------------------------------------ */

/* Of a process that this one would see. */
static bool is_gone(const ntk_owner *owner) {
  unsigned long long start = 0;
  char state = '?';

  if (kill((pid_t)owner->process, 0) != 0 && errno == ESRCH) return true;
  if (!read_process(owner->process, &state, &start)) return false;
  return state == 'Z' || state == 'X' || (owner->start && start != owner->start);
}

/* Hosts that were given no name of their own are not told apart by it. */
static bool has_name(const char *host) {
  return host[0] && strncmp(host, "localhost", strlen("localhost")) != 0;
}

const char *ntk_owner_gone(const ntk_owner *owner) {
  ntk_owner here = {0};

  name_place(&here);
  const bool same_host = strcmp(owner->host, here.host) == 0;
  const bool same_boot = strcmp(owner->boot, here.boot) == 0;

  if (same_host && !same_boot && owner->boot[0] && here.boot[0] && has_name(here.host)) {
    return "its host has started anew";
  }
  if (!same_boot || strcmp(owner->processes, here.processes) != 0) return NULL;
  if (!here.boot[0] && !same_host) return NULL;
  return is_gone(owner) ? "its process is gone" : NULL;
}
