/* A named place kills the named rank at the named passage, and does nothing else.
 *
 * Method: processes that come by two places ten times each, with a table of settings; how often
 * they came by is counted in a pipe. */
//TEST ranks=1
#include "ntk/base/crash.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

static void come_by(const char *setting, const char *rank, int out) {
  EXPECT(setting ? setenv("NTKRUN_TEST_KILL", setting, 1) == 0 : unsetenv("NTKRUN_TEST_KILL") == 0);
  EXPECT(setenv("OMPI_COMM_WORLD_RANK", rank, 1) == 0);
  for (int k = 0; k < 10; ++k) {
    ntk_crash_point("one");
    if (write(out, "1", 1) != 1) _exit(2);
    ntk_crash_point("one.more");
    if (write(out, "2", 1) != 1) _exit(2);
  }
  _exit(0);
}

/* Places that a process came by before it was killed; -1 if it was not. */
static int count_places(const char *setting, const char *rank) {
  int ends[2], status = 0, count = 0;
  char mark = 0;

  EXPECT(pipe(ends) == 0);
  const pid_t child = fork();

  EXPECT(child >= 0);
  if (child == 0) come_by(setting, rank, ends[1]);
  (void)close(ends[1]);
  while (read(ends[0], &mark, 1) == 1) ++count;
  (void)close(ends[0]);
  EXPECT(waitpid(child, &status, 0) == child);
  EXPECT(WIFEXITED(status) ? WEXITSTATUS(status) == 0 && count == 20
                           : WTERMSIG(status) == SIGKILL);
  return WIFEXITED(status) ? -1 : count;
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  EXPECT(count_places(NULL, "0") == -1);
  EXPECT(count_places("", "0") == -1);
  EXPECT(count_places("on", "0") == -1);
  EXPECT(count_places("ones", "0") == -1);
  EXPECT(count_places("one", "0") == 0);
  EXPECT(count_places("one", "1") == -1);
  EXPECT(count_places("one.more", "0") == 1);
  EXPECT(count_places("one:0", "0") == 0);
  EXPECT(count_places("one:3", "0") == -1);
  EXPECT(count_places("one:3", "3") == 0);
  EXPECT(count_places("one:0:4", "0") == 8);
  EXPECT(count_places("one.more:12:9", "12") == 19);
  EXPECT(count_places("one:0:10", "0") == -1);
  MPI_Finalize();
  return 0;
}
