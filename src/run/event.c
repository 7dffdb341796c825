#include "ntk/run/event.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 4096, HOST_SIZE = sizeof(((ntk_event *)NULL)->host) };

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

ntk_status ntk_event_append(const char *path, const ntk_event *event) {
  char line[LINE_SIZE], message[2 * sizeof(event->message)], host[HOST_SIZE] = "", stamp[32] = "";
  const time_t now = time(NULL);
  struct tm utc;
  FILE *file = fopen(path, "a");

  if (!file) return NTK_RAISE(NTK_E_CREATE, "%s: cannot append: %s", path, strerror(errno));
  if (gmtime_r(&now, &utc)) (void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &utc);
  own_host(host);
  escape(event->message, message, sizeof(message));
  (void)snprintf(line, sizeof(line),
                 "{\"time\": \"%s\", \"event\": \"%s\", \"host\": \"%s\", \"process\": %ld, "
                 "\"ranks\": %d, \"grid\": [%d, %d], \"seconds\": %.3f, \"message\": \"%s\"}\n",
                 stamp, event->name, host, (long)getpid(), event->ranks, event->grid_rows,
                 event->grid_cols, event->seconds, message);
  const bool written = fputs(line, file) >= 0;
  const bool closed = fclose(file) == 0;

  NTK_CHECK(written && closed, NTK_E_IO, "%s: cannot append: %s", path, strerror(errno));
  return NTK_OK;
}

ntk_status ntk_event_last(const char *path, ntk_event *event) {
  char line[LINE_SIZE], last[LINE_SIZE] = "";
  FILE *file = fopen(path, "r");

  *event = (ntk_event){0};
  if (!file) return NTK_OK;
  while (fgets(line, sizeof(line), file)) {
    if (strchr(line, '\n')) memcpy(last, line, sizeof(last));
  }
  (void)fclose(file);
  unescape(last, "event", event->name, sizeof(event->name));
  unescape(last, "message", event->message, sizeof(event->message));
  unescape(last, "host", event->host, sizeof(event->host));
  unescape(last, "time", event->time, sizeof(event->time));
  event->process = (long)read_number(last, "process");
  event->seconds = read_number(last, "seconds");
  event->ranks = (int)read_number(last, "ranks");
  return NTK_OK;
}

bool ntk_event_is_alive(const ntk_event *event) {
  char host[HOST_SIZE] = "";

  if (strcmp(event->name, "started") != 0) return false;
  own_host(host);
  if (strcmp(host, event->host) != 0 || event->process <= 0) return true;
  return kill((pid_t)event->process, 0) == 0 || errno == EPERM;
}
