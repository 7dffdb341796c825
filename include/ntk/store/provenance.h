/* provenance.h -- who made a file: program, commit, library versions, hosts, processor. */
#ifndef NTK_STORE_PROVENANCE_H
#define NTK_STORE_PROVENANCE_H

#include "ntk/base/record.h"
#include "ntk/dist/comm.h"

/* Collective.  Adds the attributes program, git_commit, versions (MPI, HDF5, BLAS, ScaLAPACK,
 * compiler, ELPA), hosts, cpu, blas_core, ranks to a root record (meaningful on rank 0). */
NTK_CHECKED ntk_status ntk_provenance_add(const ntk_comm *comm, ntk_record *record);

/* Local.  "ntkrun 0.1.0 (commit)", the commit frozen at build time. */
const char *ntk_program_version(void);

/* Local.  "AMD EPYC 7763 64-Core Processor"; "unknown" where the system does not tell. */
void ntk_cpu_name(char *cpu, size_t size);

#endif
