#include "ntk/run/event.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 4096 };

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
  char line[LINE_SIZE], message[2 * sizeof(event->message)], host[128] = "", stamp[32] = "";
  const time_t now = time(NULL);
  struct tm utc;
  FILE *file = fopen(path, "a");

  if (!file) return NTK_RAISE(NTK_E_CREATE, "%s: cannot append: %s", path, strerror(errno));
  if (gmtime_r(&now, &utc)) (void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &utc);
  (void)gethostname(host, sizeof(host) - 1);
  escape(event->message, message, sizeof(message));
  (void)snprintf(line, sizeof(line),
                 "{\"time\": \"%s\", \"event\": \"%s\", \"host\": \"%s\", \"ranks\": %d, "
                 "\"grid\": [%d, %d], \"seconds\": %.3f, \"message\": \"%s\"}\n",
                 stamp, event->name, host, event->ranks, event->grid_rows, event->grid_cols,
                 event->seconds, message);
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
  event->seconds = read_number(last, "seconds");
  event->ranks = (int)read_number(last, "ranks");
  return NTK_OK;
}
