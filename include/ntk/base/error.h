/* error.h -- status codes, and the few macros that raise them or pass them on.
 *
 * A fallible function returns an ntk_status and writes results through its last arguments.
 * The message of the latest failure is kept in one record; nothing is printed until the
 * program's top level decides to, so a failure is reported exactly once.
 *
 *   NTK_CHECK   an expected failure: bad key, short file, no convergence   -> return a status
 *   NTK_TRY     pass on the status of a call                               -> return a status
 *   NTK_ASSERT  a bug in this program; state can no longer be trusted      -> stop the job
 *
 * In a function that other ranks call too, use NTK_AGREE (dist/comm.h) for local steps. */
#ifndef NTK_BASE_ERROR_H
#define NTK_BASE_ERROR_H

#include <stdbool.h>

/* status, exit code of the program that ends with it, text */
#define NTK_STATUS_LIST(X)                                           \
  X(NTK_OK, 0, "success")                                            \
  X(NTK_E_USAGE, 64, "wrong command line")                           \
  X(NTK_E_CONFIG, 65, "invalid configuration")                       \
  X(NTK_E_INPUT, 65, "malformed input data")                         \
  X(NTK_E_MISSING, 66, "a named file is missing")                    \
  X(NTK_E_MEMORY, 1, "out of memory")                                \
  X(NTK_E_SIZE, 1, "problem too large for a library's integers")     \
  X(NTK_E_NUMERIC, 1, "no convergence, or a value is not acceptable") \
  X(NTK_E_BUG, 70, "a bug in this program")                          \
  X(NTK_E_CREATE, 73, "cannot create output")                        \
  X(NTK_E_FULL, 73, "the disk is full")                              \
  X(NTK_E_IO, 74, "file system or HDF5 failure")                     \
  X(NTK_E_TIME, 1, "it takes longer than a job may")                 \
  X(NTK_E_LOST, 1, "a lock is another process's now")                 \
  X(NTK_E_STOPPED, 75, "stopped in order; run again to resume")

typedef enum ntk_status {
#define X(status, exit_code, text) status,
  NTK_STATUS_LIST(X)
#undef X
} ntk_status;

/* The latest failure on this rank; plain old data, so that it can be broadcast. */
typedef struct ntk_error {
  ntk_status status;
  char text[1020];
} ntk_error;

#define NTK_CHECKED __attribute__((warn_unused_result))

const char *ntk_status_text(ntk_status status);
int ntk_status_exit_code(ntk_status status);
ntk_error *ntk_last_error(void);
/* Of a system call that could not write: NTK_E_FULL where the disk is full, or a quota; for every other
 * errno `otherwise`. */
ntk_status ntk_status_of_write(int error, ntk_status otherwise);
ntk_status ntk_raise(ntk_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
_Noreturn void ntk_panic(const char *where, int line, const char *condition);

/* Every NTK_CHECK is a place where a test can inject a failure.  A site joins the list of sites
 * at its first passage; `ntk_fault_arm` makes one passage of one site fail. */
typedef struct ntk_fault_site {
  const char *file;
  int line;
  long passages; /* since the last ntk_fault_reset */
  bool listed;
  struct ntk_fault_site *next;
} ntk_fault_site;

bool ntk_fault(ntk_fault_site *site); /* counts; true if this passage shall fail */
void ntk_fault_reset(void);           /* all passages to 0, nothing armed */
void ntk_fault_arm(ntk_fault_site *site, long passage); /* passage 0 is the next one */
ntk_fault_site *ntk_fault_sites(void); /* head of the list of all sites passed so far */

#define NTK_RAISE(status, ...) ntk_raise((status), __VA_ARGS__)

#define NTK_CHECK(condition, status, ...)                                            \
  do {                                                                               \
    static ntk_fault_site site_ = {.file = __FILE__, .line = __LINE__};              \
    if (ntk_fault(&site_) || !(condition)) return NTK_RAISE((status), __VA_ARGS__);  \
  } while (0)

#define NTK_TRY(call)                      \
  do {                                     \
    ntk_status status_ = (call);           \
    if (status_ != NTK_OK) return status_; \
  } while (0)

#define NTK_ASSERT(condition) ((condition) ? (void)0 : ntk_panic(__FILE__, __LINE__, #condition))

#endif
