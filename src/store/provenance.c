#include "ntk/store/provenance.h"

#include <hdf5.h>
#include <ntk_version.h>
#include <stdio.h>
#include <string.h>

#include "ntk/base/array.h"
#include "ntk/base/memory.h"
#include "ntk/base/text.h"

#ifdef NTK_HAVE_ELPA
#include <elpa/elpa_version.h>
#endif

/* ScaLAPACK does not tell its version; the build may. */
#ifndef NTK_SCALAPACK_VERSION
#define NTK_SCALAPACK_VERSION "of unknown version"
#endif

const char *ntk_program_version(void) { return "ntkrun " NTK_VERSION " (" NTK_GIT_COMMIT ")"; }

/* "Open MPI v4.1.4, package: ..." up to the comma. */
static void mpi_version(char *text) {
  int length = 0;

  MPI_Get_library_version(text, &length);
  text[strcspn(text, ",\n")] = '\0';
}

/* ELPA's headers tell the version of its interface only. */
static ntk_status add_elpa(ntk_text *text) {
#ifdef NTK_HAVE_ELPA
  return ntk_text_add(text, "; ELPA API %d", ELPA_API_VERSION);
#else
  (void)text;
  return NTK_OK;
#endif
}

static ntk_status describe_versions(ntk_text *text) {
  char mpi[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  unsigned major = 0, minor = 0, release = 0;

  mpi_version(mpi);
  (void)H5get_libversion(&major, &minor, &release);
  NTK_TRY(ntk_text_add(text, "%s; HDF5 %u.%u.%u; %s; ScaLAPACK %s; compiler %s", mpi, major, minor,
                       release, ntk_blas_config(), NTK_SCALAPACK_VERSION, __VERSION__));
  return add_elpa(text);
}

static ntk_status add_versions(ntk_record *record) {
  ntk_text text = {0};
  ntk_status status = describe_versions(&text);

  if (status == NTK_OK) status = ntk_record_set_text(record, "versions", ntk_text_string(&text));
  ntk_text_destroy(&text);
  return status;
}

/* "model name : ..." of Linux; "unknown" elsewhere. */
void ntk_cpu_name(char *cpu, size_t size) {
  char line[512];
  FILE *file = fopen("/proc/cpuinfo", "r");

  (void)snprintf(cpu, size, "unknown");
  while (file && fgets(line, sizeof(line), file)) {
    const char *colon = strchr(line, ':');

    if (!colon || strncmp(line, "model name", 10) != 0) continue;
    line[strcspn(line, "\n")] = '\0';
    (void)snprintf(cpu, size, "%s", colon + 1 + strspn(colon + 1, " \t"));
    break;
  }
  if (file) (void)fclose(file);
}

/* Each name once, in the order of ranks. */
static ntk_status join_hosts(int ranks, const char *names, ntk_text *hosts) {
  for (int r = 0; r < ranks; ++r) {
    const char *name = names + (size_t)r * MPI_MAX_PROCESSOR_NAME;
    bool seen = false;

    for (int q = 0; q < r && !seen; ++q) {
      seen = strcmp(name, names + (size_t)q * MPI_MAX_PROCESSOR_NAME) == 0;
    }
    if (!seen) NTK_TRY(ntk_text_add(hosts, "%s%s", hosts->length ? ", " : "", name));
  }
  return NTK_OK;
}

static ntk_status add_hosts(int ranks, const char *names, ntk_record *record) {
  ntk_text hosts = {0};
  ntk_status status = join_hosts(ranks, names, &hosts);

  if (status == NTK_OK) status = ntk_record_set_text(record, "hosts", ntk_text_string(&hosts));
  ntk_text_destroy(&hosts);
  return status;
}

/* Local, on rank 0. */
static ntk_status add_all(int ranks, const char *names, ntk_record *record) {
  char cpu[256];

  ntk_cpu_name(cpu, sizeof(cpu));
  NTK_TRY(ntk_record_set_text(record, "program", ntk_program_version()));
  NTK_TRY(ntk_record_set_text(record, "git_commit", NTK_GIT_COMMIT));
  NTK_TRY(add_versions(record));
  NTK_TRY(add_hosts(ranks, names, record));
  NTK_TRY(ntk_record_set_text(record, "cpu", cpu));
  NTK_TRY(ntk_record_set_text(record, "blas_core", ntk_blas_core()));
  return ntk_record_set_int(record, "ranks", ranks);
}

static ntk_status gather_names(const ntk_comm *comm, char *names, ntk_record *record) {
  char mine[MPI_MAX_PROCESSOR_NAME] = "";
  int length = 0;

  MPI_Get_processor_name(mine, &length);
  MPI_Gather(mine, MPI_MAX_PROCESSOR_NAME, MPI_CHAR, names, MPI_MAX_PROCESSOR_NAME, MPI_CHAR, 0,
             comm->mpi);
  return ntk_agree(comm, comm->rank == 0 ? add_all(comm->size, names, record) : NTK_OK);
}

ntk_status ntk_provenance_add(const ntk_comm *comm, ntk_record *record) {
  const size_t room = comm->rank == 0 ? (size_t)comm->size * MPI_MAX_PROCESSOR_NAME : 0;
  char *names = NULL;
  ntk_status status = ntk_agree(comm, NTK_NEW(room, &names));

  if (status == NTK_OK) status = gather_names(comm, names, record);
  ntk_free(&names);
  return status;
}
