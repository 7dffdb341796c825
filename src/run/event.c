#include "ntk/run/event.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 4096, HOST_SIZE = sizeof(((ntk_event *)NULL)->host) };

/* ---- writing ----------------------------------------------------------------------------------- */

static void own_host(char host[HOST_SIZE]) {
  (void)gethostname(host, HOST_SIZE - 1);
  host[HOST_SIZE - 1] = '\0';
}

/* JSON forbids raw control characters, quotes and backslashes in strings. */
static void escape(const char *text, char *out, size_t size) {
  size_t used = 0;

  for (; *text && used + 7 < size; ++text) {
    const unsigned char c = (unsigned char)*text;

    if (c == '"' || c == '\\') {
      out[used++] = '\\';
      out[used++] = *text;
    } else if (c == '\n') {
      out[used++] = '\\';
      out[used++] = 'n';
    } else {
      out[used++] = c < 0x20 ? ' ' : *text;
    }
  }
  out[used] = '\0';
}

/*   line  [LINE_SIZE]; the length is returned */
static size_t print(const ntk_event *event, char *line) {
  char message[2 * sizeof(event->message)], stage[2 * sizeof(event->stage)];
  char host[HOST_SIZE] = "", stamp[32] = "";
  const time_t now = time(NULL);
  struct tm utc;

  if (gmtime_r(&now, &utc)) (void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &utc);
  own_host(host);
  escape(event->message, message, sizeof(message));
  escape(event->stage, stage, sizeof(stage));
  const int length = snprintf(
      line, LINE_SIZE,
      "{\"time\": \"%s\", \"event\": \"%s\", \"stage\": \"%s\", \"host\": \"%s\", "
      "\"process\": %ld, \"ranks\": %d, \"grid\": [%d, %d], \"seconds\": %.3f, \"resumed\": %s, "
      "\"message\": \"%s\"}\n",
      stamp, event->name, stage, host, (long)getpid(), event->ranks, event->grid_rows,
      event->grid_cols, isfinite(event->seconds) ? event->seconds : 0,
      event->resumed ? "true" : "false", message);

  return length > 0 ? (size_t)length : 0;
}

/* A process that was killed while it wrote, or a disk that was full, leaves part of a line. */
static bool ends_within_line(int file) {
  const off_t end = lseek(file, 0, SEEK_END);
  char last = '\n';

  return end > 0 && pread(file, &last, 1, end - 1) == 1 && last != '\n';
}

/* In one piece: other processes may write, too. */
static ntk_status append(int file, const char *path, const ntk_event *event) {
  char line[LINE_SIZE + 1] = "\n";
  const size_t length = 1 + print(event, line + 1), first = ends_within_line(file) ? 0 : 1;
  const ssize_t written = write(file, line + first, length - first);

  const int error = written < 0 ? errno : ENOSPC;

  NTK_CHECK(written == (ssize_t)(length - first), ntk_status_of_write(error, NTK_E_IO),
            "%s: cannot append: %s", path, strerror(error));
  return NTK_OK;
}

ntk_status ntk_event_append(const char *path, const ntk_event *event) {
  const int file = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);

  NTK_CHECK(file >= 0, ntk_status_of_write(errno, NTK_E_CREATE), "%s: cannot append: %s", path,
            strerror(errno));
  const ntk_status status = append(file, path, event);
  const bool closed = close(file) == 0;

  NTK_TRY(status);
  NTK_CHECK(closed, ntk_status_of_write(errno, NTK_E_IO), "%s: cannot append: %s", path,
            strerror(errno));
  return NTK_OK;
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* Reads the string after `"key": "`, undoing `escape`. */
static void unescape(const char *line, const char *key, char *out, size_t size) {
  char pattern[32];
  size_t used = 0;

  (void)snprintf(pattern, sizeof(pattern), "\"%s\": \"", key);
  const char *at = strstr(line, pattern);

  out[0] = '\0';
  if (!at) return;
  for (at += strlen(pattern); *at && *at != '"' && used + 1 < size; ++at) {
    if (*at == '\\' && at[1]) {
      ++at;
      out[used++] = *at == 'n' ? '\n' : *at;
    } else {
      out[used++] = *at;
    }
  }
  out[used] = '\0';
}

static double read_number(const char *line, const char *key) {
  char pattern[32];

  (void)snprintf(pattern, sizeof(pattern), "\"%s\": ", key);
  const char *at = strstr(line, pattern);

  return at ? strtod(at + strlen(pattern), NULL) : 0;
}

static void read_event(const char *line, ntk_event *event) {
  *event = (ntk_event){0};
  unescape(line, "event", event->name, sizeof(event->name));
  unescape(line, "stage", event->stage, sizeof(event->stage));
  unescape(line, "message", event->message, sizeof(event->message));
  unescape(line, "host", event->host, sizeof(event->host));
  unescape(line, "time", event->time, sizeof(event->time));
  event->resumed = strstr(line, "\"resumed\": true") != NULL;
  event->process = (long)read_number(line, "process");
  event->seconds = read_number(line, "seconds");
  event->ranks = (int)read_number(line, "ranks");
}

/* "kernel" and "nngp/kernel" are kernels. */
static bool is_stage(const ntk_event *event, const char *stage) {
  const char *slash = strchr(event->stage, '/');

  return strcmp(event->name, "stage") == 0 && strcmp(slash ? slash + 1 : event->stage, stage) == 0;
}

static void take_event(const ntk_event *event, ntk_history *history) {
  const double seconds = event->resumed ? NAN : event->seconds;

  history->last = *event;
  if (strcmp(event->name, "started") == 0) {
    *history = (ntk_history){.last = *event, .start = *event};
  } else if (is_stage(event, "kernel")) {
    history->kernel_seconds += seconds;
  } else if (is_stage(event, "spectrum")) {
    history->spectrum_seconds += seconds;
  }
}

static void read_lines(FILE *file, ntk_history *history) {
  char line[LINE_SIZE];

  while (fgets(line, sizeof(line), file)) {
    ntk_event event;

    if (!strchr(line, '\n')) continue;
    read_event(line, &event);
    take_event(&event, history);
  }
}

ntk_status ntk_event_read(const char *path, ntk_history *history) {
  FILE *file = fopen(path, "r");

  *history = (ntk_history){0};
  if (!file && (errno == ENOENT || errno == ENOTDIR)) return NTK_OK;
  NTK_CHECK(file, NTK_E_IO, "%s: %s", path, strerror(errno));
  read_lines(file, history);
  (void)fclose(file);
  return NTK_OK;
}

/* ---- time -------------------------------------------------------------------------------------- */

/* Days from 1970-01-01 in the Gregorian calendar: a year that begins in March has its odd day at its
 * end. */
static long days_to(long year, long month, long day) {
  const long shifted = month > 2 ? year : year - 1, since_march = (month + 9) % 12;

  return 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + (153 * since_march + 2) / 5 +
         day - 1 - 719468;
}

/* The numbers of "2026-01-31T12:00:00Z"; false if it is nothing like that. */
static bool read_numbers(const char *time, long number[6]) {
  static const char behind[] = "--T::Z";
  char *end = NULL;

  for (int k = 0; k < 6; ++k, time = end + 1) {
    if (*time < '0' || *time > '9') return false;
    number[k] = strtol(time, &end, 10);
    if (*end != behind[k]) return false;
  }
  return true;
}

double ntk_event_age(const char *time) {
  struct timespec now = {0};
  long n[6];

  if (!read_numbers(time, n) || clock_gettime(CLOCK_REALTIME, &now) != 0) return NAN;
  const double then = 86400.0 * (double)days_to(n[0], n[1], n[2]) +
                      3600.0 * (double)n[3] + 60.0 * (double)n[4] + (double)n[5];
  const double age = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec - then;

  return age > 0 ? age : 0; /* clocks of hosts differ */
}
