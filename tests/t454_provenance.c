/* Every file says who made it: the attributes are there and not empty, hosts are named once, and
 * a failure on any rank is everybody's. */
//TEST ranks=1,3
#include "ntk/store/provenance.h"

#include "test.h"

static ntk_comm comm;

static ntk_status add_and_destroy(void) {
  ntk_record record = {0};
  const ntk_status status = ntk_provenance_add(&comm, &record);

  ntk_record_destroy(&record);
  return status;
}

static void check_content(void) {
  static const char *const names[] = {"program", "git_commit", "versions",
                                      "hosts",   "cpu",        "blas_core"};
  ntk_record record = {0};
  char host[MPI_MAX_PROCESSOR_NAME] = "";
  int length = 0;

  EXPECT_OK(ntk_provenance_add(&comm, &record));
  MPI_Get_processor_name(host, &length);
  for (size_t k = 0; comm.rank == 0 && k < sizeof(names) / sizeof(names[0]); ++k) {
    const ntk_attribute *attribute = ntk_record_find_attribute(&record, names[k]);

    EXPECT(attribute && attribute->kind == NTK_KIND_TEXT && attribute->text[0]);
  }
  if (comm.rank == 0) {
    const char *versions = ntk_record_find_attribute(&record, "versions")->text;

    EXPECT(ntk_record_find_attribute(&record, "ranks")->integer == comm.size);
    EXPECT_TEXT(ntk_record_find_attribute(&record, "hosts")->text, host); /* all on one */
    EXPECT_TEXT(ntk_record_find_attribute(&record, "program")->text, ntk_program_version());
    EXPECT(strncmp(ntk_program_version(), "ntkrun ", 7) == 0);
    EXPECT(strstr(versions, "MPI") && strstr(versions, "HDF5 1.") && strstr(versions, "ScaLAPACK"));
  }
  ntk_record_destroy(&record);
}

static void check_faults(void) {
  int sites = 0;

  for (ntk_fault_site *site = ntk_fault_sites(); site; site = site->next) ++sites;
  MPI_Bcast(&sites, 1, MPI_INT, 0, comm.mpi); /* rank 0 passes more checks than the others */
  for (int rank = 0; rank < comm.size; ++rank) {
    for (int number = 0; number < sites; ++number) {
      ntk_fault_site *site = ntk_fault_sites();
      int status, least;

      ntk_fault_reset();
      for (int k = 0; site && k < number; ++k) site = site->next;
      if (comm.rank == rank && site) ntk_fault_arm(site, 0);
      status = (int)add_and_destroy();
      MPI_Allreduce(&status, &least, 1, MPI_INT, MPI_MIN, comm.mpi);
      EXPECT(status == least);
      if (comm.rank == rank && site && site->passages > 0) EXPECT(status != NTK_OK);
      EXPECT(ntk_memory_balance() == 0);
    }
  }
  ntk_fault_reset();
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  comm = ntk_comm_of(MPI_COMM_WORLD);
  check_content();
  check_faults();
  EXPECT_OK(add_and_destroy());
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
