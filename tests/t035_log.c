/* Only a rank that enabled it prints; a line is whole, timed, and ends once; the clock does not go
 * back.
 *
 * Method: stderr is turned into a file and read back. */
//TEST ranks=1
#include "ntk/base/log.h"

#include <unistd.h>

#include "test.h"

static void print_lines(void) {
  char longest[3000];

  ntk_log("silent before it is enabled");
  ntk_log_enable(true);
  ntk_log("point %d of %d", 3, 30);
  memset(longest, 'y', sizeof(longest));
  longest[sizeof(longest) - 1] = '\0';
  ntk_log("%s", longest);
  ntk_log_about("point 4 of 30");
  ntk_log("kernel");
  ntk_log_about(NULL);
  ntk_log("done");
  ntk_log_enable(false);
  ntk_log("silent again");
}

static void check_lines(const char *text) {
  char *end = NULL;
  const double seconds = strtod(text + 1, &end);

  EXPECT(text[0] == '[' && seconds >= 0 && seconds < 60);
  EXPECT(strncmp(end, " s] point 3 of 30\n", 18) == 0);
  EXPECT(strstr(text, " s] point 4 of 30: kernel\n") && strstr(text, " s] done\n"));
  EXPECT(strstr(text, " yyyy") && text[strlen(text) - 1] == '\n' && !strstr(text, "silent"));
}

int main(int argc, char **argv) {
  char path[] = "/tmp/t035_log.XXXXXX", text[8192] = "";

  begin_test(&argc, &argv);
  const int handle = mkstemp(path), screen = dup(2);

  EXPECT(handle >= 0 && screen >= 0 && unlink(path) == 0);
  EXPECT(dup2(handle, 2) == 2);
  print_lines();
  EXPECT(dup2(screen, 2) == 2);
  EXPECT(pread(handle, text, sizeof(text) - 1, 0) > 0);
  check_lines(text);
  for (double last = ntk_now(); last - ntk_now() > 0;) FAIL("the clock went back");
  EXPECT(close(handle) == 0 && close(screen) == 0);
  MPI_Finalize();
  return 0;
}
