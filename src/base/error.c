#include "ntk/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static ntk_error last;

/* Fault injection: the sites passed so far, and the one that shall fail. */
static ntk_fault_site *sites;
static const ntk_fault_site *victim;
static long victim_passage;

const char *ntk_status_text(ntk_status status) {
  switch (status) {
#define X(name, exit_code, text) \
  case name:                     \
    return text;
    NTK_STATUS_LIST(X)
#undef X
  }
  return "unknown status";
}

int ntk_status_exit_code(ntk_status status) {
  switch (status) {
#define X(name, exit_code, text) \
  case name:                     \
    return exit_code;
    NTK_STATUS_LIST(X)
#undef X
  }
  return 70;
}

ntk_status ntk_status_of_write(int error, ntk_status otherwise) {
  return error == ENOSPC || error == EDQUOT ? NTK_E_FULL : otherwise;
}

ntk_error *ntk_last_error(void) { return &last; }

bool ntk_fault(ntk_fault_site *site) {
  if (!site->listed) {
    site->listed = true;
    site->next = sites;
    sites = site;
  }
  const long passage = site->passages++;

  return site == victim && passage == victim_passage;
}

void ntk_fault_reset(void) {
  for (ntk_fault_site *site = sites; site; site = site->next) site->passages = 0;
  victim = NULL;
}

void ntk_fault_arm(ntk_fault_site *site, long passage) {
  victim = site;
  victim_passage = site->passages + passage;
}

ntk_fault_site *ntk_fault_sites(void) { return sites; }

ntk_status ntk_raise(ntk_status status, const char *format, ...) {
  va_list args;

  va_start(args, format);
  (void)vsnprintf(last.text, sizeof(last.text), format, args);
  va_end(args);
  last.status = status;
  return status;
}

/* Dying by signal makes mpirun and srun take the whole job down, so base needs no MPI here. */
_Noreturn void ntk_panic(const char *where, int line, const char *condition) {
  (void)fflush(stdout);
  (void)fprintf(stderr, "%s:%d: assertion failed: %s\n", where, line, condition);
  abort();
}
