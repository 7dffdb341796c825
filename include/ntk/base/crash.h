/* crash.h -- named places where a test can kill a process, as a power cut would.
 *
 * The environment variable NTKRUN_TEST_KILL = "name[:rank[:passage]]" makes that rank (0 unless
 * given) send itself SIGKILL when it comes by the named place for that time (the first, 0, unless
 * given): no handler, no cleanup, nothing flushed. */
#ifndef NTK_BASE_CRASH_H
#define NTK_BASE_CRASH_H

/* Local.  Does nothing where the variable is not set. */
void ntk_crash_point(const char *name);

#endif
