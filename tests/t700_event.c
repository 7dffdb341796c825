/* The last event of a log.jsonl and the last start are found again with all that was written,
 * whatever the message holds, also behind a line that a kill cut short, which the next event leaves
 * alone; no file is no event; every line is JSON. */
//TEST ranks=1
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "folder.h"
#include "json.h"
#include "ntk/base/text.h"
#include "ntk/run/event.h"

static char folder[4096];

static ntk_history read_log(const char *log) {
  ntk_history history;

  EXPECT_OK(ntk_event_read(log, &history));
  return history;
}

static ntk_event event_of(const char *name, const char *message) {
  ntk_event event = {.seconds = 1.5, .ranks = 3, .grid_rows = 1, .grid_cols = 3};

  (void)snprintf(event.name, sizeof(event.name), "%s", name);
  (void)snprintf(event.message, sizeof(event.message), "%s", message);
  return event;
}

static void append_text(const char *log, const char *text) {
  FILE *file = fopen(log, "a");

  EXPECT(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void test_messages(const char *log) {
  static const char *const messages[] = {
      "plain", "quote \" backslash \\ end", "two\nlines", "tab\there", "",
      "{\"event\": \"started\", \"resumed\": true, \"stage\": \"no\"}"};

  EXPECT_TEXT(read_log(log).last.name, "");
  EXPECT_TEXT(read_log(log).start.name, "");
  for (int k = 0; k < 6; ++k) {
    const ntk_event written = event_of(k % 2 ? "failed" : "done", messages[k]);

    EXPECT_OK(ntk_event_append(log, &written));
    const ntk_event event = read_log(log).last;

    EXPECT_TEXT(event.name, written.name);
    EXPECT_TEXT(event.message, k == 3 ? "tab here" : messages[k]);
    EXPECT_TEXT(event.stage, "");
    EXPECT_NEAR(event.seconds, 1.5, 1e-9);
    EXPECT(event.ranks == 3 && event.process == (long)getpid() && event.host[0] && !event.resumed);
  }
  EXPECT_TEXT(read_log(log).start.name, "");
}

static void append_stage(const char *log, const char *stage, double seconds, bool resumed) {
  ntk_event event = event_of("stage", "");

  (void)snprintf(event.stage, sizeof(event.stage), "%s", stage);
  event.seconds = seconds;
  event.resumed = resumed;
  EXPECT_OK(ntk_event_append(log, &event));
}

/* Seconds of kernels and spectra are those of the last start. */
static void test_stage_seconds(const char *log) {
  const ntk_event started = event_of("started", "");

  EXPECT_OK(ntk_event_append(log, &started));
  append_stage(log, "kernel", 1, true);
  EXPECT(isnan(read_log(log).kernel_seconds) && read_log(log).spectrum_seconds == 0);
  EXPECT_OK(ntk_event_append(log, &started));
  append_stage(log, "kernel", 2, false);
  append_stage(log, "spectrum", 0.25, false);
  append_stage(log, "ridge", 64, false);
  append_stage(log, "nngp/kernel", 4, false);
  append_stage(log, "nngp/spectrum", 0.5, false);
  EXPECT(read_log(log).kernel_seconds == 6 && read_log(log).spectrum_seconds == 0.75);
}

static void test_stages(const char *log) {
  ntk_event event = event_of("started", "");

  event.ranks = 6;
  EXPECT_OK(ntk_event_append(log, &event));
  event = event_of("stage", "12 of 16 panels were there");
  event.resumed = true;
  event.seconds = NAN;
  (void)snprintf(event.stage, sizeof(event.stage), "nngp/kernel");
  EXPECT_OK(ntk_event_append(log, &event));
  const ntk_history history = read_log(log);

  EXPECT_TEXT(history.last.name, "stage");
  EXPECT_TEXT(history.last.stage, "nngp/kernel");
  EXPECT(history.last.resumed && history.last.seconds == 0 && history.last.ranks == 3);
  EXPECT_TEXT(history.start.name, "started");
  EXPECT(history.start.ranks == 6 && !history.start.resumed);
}

static void test_cut_line(const char *log) {
  const ntk_event event = event_of("stopped", "SIGUSR1");

  append_text(log, "{\"time\": \"2026\", \"event\": \"star");
  EXPECT_TEXT(read_log(log).last.name, "stage");
  EXPECT_OK(ntk_event_append(log, &event));
  EXPECT_TEXT(read_log(log).last.name, "stopped");
  EXPECT_TEXT(read_log(log).last.message, "SIGUSR1");
}

/* All but the one that was cut. */
static void test_json(const char *log) {
  char line[4096];
  int lines = 0, cut = 0;
  FILE *file = fopen(log, "r");

  EXPECT(file);
  for (; fgets(line, sizeof(line), file); ++lines) {
    const size_t length = strlen(line);

    EXPECT(length > 2 && line[length - 1] == '\n');
    cut += line[length - 2] != '}';
  }
  (void)fclose(file);
  EXPECT(lines == 18 && cut == 1);
}

/* Seconds since the time that stands there. */
static void test_age(void) {
  static const struct {
    const char *time;
    double seconds; /* since 1970 */
  } times[] = {{"1970-01-01T00:00:00Z", 0},
               {"2000-02-29T23:59:59Z", 951868799},
               {"2000-03-01T00:00:00Z", 951868800},
               {"2026-01-31T12:00:01Z", 1769860801}};
  static const char *const wrong[] = {"", "2026", "2026-01-31 12:00:01", "yesterday", "-1-1-1T1:1:1Z"};

  for (size_t k = 0; k < sizeof(times) / sizeof(times[0]); ++k) {
    EXPECT_NEAR(ntk_event_age(times[k].time), (double)time(NULL) - times[k].seconds, 2);
  }
  for (size_t k = 0; k < sizeof(wrong) / sizeof(wrong[0]); ++k) {
    EXPECT(isnan(ntk_event_age(wrong[k])));
  }
  EXPECT(ntk_event_age("2999-01-01T00:00:00Z") == 0);
}

static void test_refusals(const char *log) {
  const ntk_event event = event_of("done", "");
  ntk_history history;

  EXPECT_REFUSED(ntk_event_append(folder_path(folder, "none/log.jsonl"), &event), NTK_E_CREATE,
                 "cannot append");
  EXPECT_OK(ntk_event_read(folder_path(log, "below"), &history));
  if (access("/dev/full", W_OK) == 0) { /* a disk without room */
    EXPECT_REFUSED(ntk_event_append("/dev/full", &event), NTK_E_FULL, "cannot append");
  }
}

int main(int argc, char **argv) {
  char log[4200];

  begin_test(&argc, &argv);
  folder_make(folder);
  (void)snprintf(log, sizeof(log), "%s/log.jsonl", folder);
  test_messages(log);
  test_stage_seconds(log);
  test_stages(log);
  test_cut_line(log);
  test_json(log);
  test_age();
  test_refusals(log);
  folder_remove(folder);
  MPI_Finalize();
  return 0;
}
