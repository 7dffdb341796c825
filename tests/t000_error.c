/* Statuses have texts and exit codes, a failure leaves one record, and every check of the program
 * can be made to fail at the passage a test names.
 *
 * Method: a function with two checks is run with each of them armed in turn. */
//TEST ranks=1
#include "ntk/base/error.h"

#include "test.h"

static ntk_status checked(int loops) {
  for (int k = 0; k < loops; ++k) NTK_CHECK(k < 5, NTK_E_INPUT, "k = %d", k);
  NTK_CHECK(loops >= 0, NTK_E_CONFIG, "loops = %d", loops);
  return NTK_OK;
}

static ntk_status passes_on(int loops) {
  NTK_TRY(checked(loops));
  return NTK_OK;
}

static void check_statuses(void) {
#define X(status, code, words)                    \
  EXPECT(ntk_status_exit_code(status) == (code)); \
  EXPECT_TEXT(ntk_status_text(status), words);
  NTK_STATUS_LIST(X)
#undef X
  EXPECT(ntk_status_exit_code(NTK_OK) == 0 && ntk_status_exit_code(NTK_E_STOPPED) == 75);
}

static void check_record(void) {
  char longest[3000];

  EXPECT_REFUSED(passes_on(6), NTK_E_INPUT, "k = 5");
  EXPECT(ntk_last_error()->status == NTK_E_INPUT);
  EXPECT_REFUSED(passes_on(-1), NTK_E_CONFIG, "loops = -1");
  memset(longest, 'x', sizeof(longest));
  longest[sizeof(longest) - 1] = '\0';
  EXPECT_STATUS(NTK_RAISE(NTK_E_IO, "%s", longest), NTK_E_IO);
  EXPECT(strlen(ntk_last_error()->text) == sizeof(ntk_last_error()->text) - 1);
}

static ntk_fault_site *site_with(long passages) {
  for (ntk_fault_site *site = ntk_fault_sites(); site; site = site->next) {
    if (site->passages == passages) return site;
  }
  FAIL("no site with %ld passages", passages);
}

static void check_faults(void) {
  ntk_fault_reset();
  EXPECT_OK(passes_on(4));
  ntk_fault_site *inner = site_with(4), *last = site_with(1);

  EXPECT(strstr(inner->file, "t000_error") && inner->line + 1 == last->line);
  for (long passage = 0; passage < 4; ++passage) {
    char wanted[32];

    (void)snprintf(wanted, sizeof(wanted), "k = %ld", passage);
    ntk_fault_reset();
    ntk_fault_arm(inner, passage);
    EXPECT_REFUSED(passes_on(4), NTK_E_INPUT, wanted);
    EXPECT_OK(passes_on(4)); /* one passage only */
  }
  ntk_fault_reset();
  EXPECT(inner->passages == 0);
  ntk_fault_arm(last, 1); /* not the next but the one after */
  EXPECT_OK(passes_on(0));
  EXPECT_STATUS(passes_on(0), NTK_E_CONFIG);
  ntk_fault_arm(last, 0);
  ntk_fault_reset(); /* disarms */
  EXPECT_OK(passes_on(0));
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  check_statuses();
  check_record();
  check_faults();
  MPI_Finalize();
  return 0;
}
