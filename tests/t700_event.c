/* The last event of a log.jsonl is found again, whatever its message holds, also behind a line
 * that a kill cut short; no file is no event. */
//TEST ranks=1
#include <stdlib.h>
#include <unistd.h>

#include "ntk/run/event.h"
#include "test.h"

int main(int argc, char **argv) {
  char folder[] = "/tmp/ntkrun-event-XXXXXX";
  const char *messages[] = {"plain", "quote \" backslash \\ end", "two\nlines", "tab\there", ""};
  ntk_event event = {0};

  begin_test(&argc, &argv);
  EXPECT(mkdtemp(folder) && chdir(folder) == 0);
  EXPECT_OK(ntk_event_last("log.jsonl", &event));
  EXPECT_TEXT(event.name, "");
  for (size_t k = 0; k < sizeof(messages) / sizeof(messages[0]); ++k) {
    ntk_event written = {.seconds = 1.5 + (double)k, .ranks = 3, .grid_rows = 1, .grid_cols = 3};

    (void)snprintf(written.name, sizeof(written.name), "%s", k % 2 ? "failed" : "done");
    (void)snprintf(written.message, sizeof(written.message), "%s", messages[k]);
    EXPECT_OK(ntk_event_append("log.jsonl", &written));
    EXPECT_OK(ntk_event_last("log.jsonl", &event));
    EXPECT_TEXT(event.name, written.name);
    EXPECT_TEXT(event.message, k == 3 ? "tab here" : messages[k]);
    EXPECT_NEAR(event.seconds, written.seconds, 1e-9);
    EXPECT(event.ranks == 3);
  }
  FILE *file = fopen("log.jsonl", "a");
  EXPECT(file && fputs("{\"time\": \"2026\", \"event\": \"star", file) >= 0 && fclose(file) == 0);
  EXPECT_OK(ntk_event_last("log.jsonl", &event));
  EXPECT_TEXT(event.name, "done");
  EXPECT_REFUSED(ntk_event_append("nowhere/log.jsonl", &event), NTK_E_CREATE, "cannot append");
  if (access("/dev/full", W_OK) == 0) { /* a disk without room */
    EXPECT_REFUSED(ntk_event_append("/dev/full", &event), NTK_E_IO, "cannot append");
  }
  EXPECT(unlink("log.jsonl") == 0 && chdir("/") == 0 && rmdir(folder) == 0);
  MPI_Finalize();
  return 0;
}
