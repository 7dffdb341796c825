/* doctor: processors, memory, libraries and folders. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "ntk/base/log.h"
#include "ntk/base/memory.h"
#include "ntk/run/doctor.h"
#include "ntk/run/machine.h"
#include "ntk/store/provenance.h"

enum { LINE_SIZE = 8192, PATH_SIZE = 4096 };

/* ---- processors and memory ----------------------------------------------------------------- */

/* What stands behind `key` in a file of lines "key value"; "" if there is none. */
static void read_value(const char *path, const char *key, char value[LINE_SIZE]) {
  char line[LINE_SIZE];
  FILE *file = fopen(path, "r");

  value[0] = '\0';
  while (file && !value[0] && fgets(line, sizeof(line), file)) {
    const size_t length = strlen(key);

    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, key, length) == 0) {
      (void)snprintf(value, LINE_SIZE, "%s", line + length + strspn(line + length, " \t"));
    }
  }
  if (file) (void)fclose(file);
}

enum { MOST_CORES = 8192, MASK_SIZE = MOST_CORES / 8 };

/* "0-3,8" as bits; every core where the system does not tell. */
static void read_mask(const char *list, unsigned char mask[MASK_SIZE]) {
  const char *next = list;

  memset(mask, list[0] ? 0 : 0xff, MASK_SIZE);
  while (*next) {
    char *end = NULL;
    const long first = strtol(next, &end, 10);
    const long last = *end == '-' ? strtol(end + 1, &end, 10) : first;

    for (long c = first < 0 ? 0 : first; c <= last && c < MOST_CORES; ++c) {
      mask[c / 8] |= (unsigned char)(1 << c % 8);
    }
    if (end == next || *end != ',') break;
    next = end + 1;
  }
}

static int count_bits(const unsigned char mask[MASK_SIZE]) {
  int count = 0;

  for (int c = 0; c < MOST_CORES; ++c) count += mask[c / 8] >> c % 8 & 1;
  return count;
}

/* Containers limit the time on all cores instead of the cores: "200000 100000", or "max 100000". */
static double quota(void) {
  char value[LINE_SIZE], *end = NULL;

  read_value("/sys/fs/cgroup/cpu.max", "", value);
  const double share = strtod(value, &end), period = strtod(end, NULL);

  return share > 0 && period > 0 ? share / period : INFINITY;
}

/* Of all ranks of a host together. */
static double usable_cores(MPI_Comm host) {
  unsigned char mask[MASK_SIZE];
  char list[LINE_SIZE];

  read_value("/proc/self/status", "Cpus_allowed_list:", list);
  read_mask(list, mask);
  MPI_Allreduce(MPI_IN_PLACE, mask, MASK_SIZE, MPI_BYTE, MPI_BOR, host);
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  const int allowed = count_bits(mask);
  const double cores = allowed < online || online < 1 ? (double)allowed : (double)online;

  return fmin(cores, quota());
}

static double free_memory(void) {
  char value[LINE_SIZE];

  read_value("/proc/meminfo", "MemAvailable:", value);
  const double kibibytes = strtod(value, NULL);

  return fmin(kibibytes > 0 ? 1024 * kibibytes : NAN, ntk_machine_memory());
}

static double free_room(const char *path) {
  struct statvfs facts;

  return statvfs(path, &facts) == 0 ? (double)facts.f_bavail * (double)facts.f_frsize : NAN;
}

#ifdef NTK_HAVE_OPENBLAS

int openblas_get_num_threads(void);

static double blas_threads(void) { return openblas_get_num_threads(); }

#else

static double blas_threads(void) {
  const char *threads = getenv("OMP_NUM_THREADS");

  return threads && strtod(threads, NULL) > 0 ? strtod(threads, NULL) : 1;
}

#endif

void ntk_doctor_look_at_host(const ntk_comm *comm, ntk_doctor_host *machine) {
  MPI_Comm host = MPI_COMM_NULL;

  *machine = (ntk_doctor_host){
      .memory = free_memory(), .shared = free_room("/dev/shm"), .threads = blas_threads()};
  (void)gethostname(machine->host, sizeof(machine->host) - 1);
  ntk_cpu_name(machine->cpu, sizeof(machine->cpu));
  (void)snprintf(machine->core, sizeof(machine->core), "%s", ntk_blas_core());
  MPI_Comm_split_type(comm->mpi, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host);
  MPI_Comm_size(host, &machine->ranks);
  machine->cores = usable_cores(host);
  MPI_Comm_free(&host);
}

/* ---- libraries ----------------------------------------------------------------------------- */

static bool begins_with_one(const char *name, const char *const *words) {
  for (; *words; ++words) {
    if (strncmp(name, *words, strlen(*words)) == 0) return true;
  }
  return false;
}

static ntk_status add_once(const char *path, ntk_text *paths) {
  const char *found = strstr(ntk_text_string(paths), path);

  return found && found[strlen(path)] == '\n' ? NTK_OK : ntk_text_add(paths, "%s\n", path);
}

/* Lines are "address permissions offset device inode   path". */
ntk_status ntk_doctor_find_library(const char *const *words, ntk_text *paths) {
  char line[LINE_SIZE];
  FILE *file = fopen("/proc/self/maps", "r");
  ntk_status status = NTK_OK;

  while (file && status == NTK_OK && fgets(line, sizeof(line), file)) {
    const char *path = strchr(line, '/');
    const char *slash = strrchr(line, '/');

    line[strcspn(line, "\n")] = '\0';
    if (path && begins_with_one(slash + 1, words)) status = add_once(path, paths);
  }
  if (file) (void)fclose(file);
  return status;
}

/* ---- folders ------------------------------------------------------------------------------- */

typedef struct file_system {
  unsigned long magic; /* of statfs(2) */
  const char *name;
  bool network;
} file_system;

static const file_system file_systems[] = {
    {0xEF53, "ext4", false},      {0x58465342, "xfs", false},     {0x9123683E, "btrfs", false},
    {0x01021994, "tmpfs", false}, {0x2FC12FC1, "zfs", false},     {0x794C7630, "overlay", false},
    {0xF2F52010, "f2fs", false},  {0x01021997, "9p", true},       {0x6969, "nfs", true},
    {0x517B, "smb", true},        {0xFF534D42, "cifs", true},     {0xFE534D42, "smb2", true},
    {0x0BD00BD0, "lustre", true}, {0x47504653, "gpfs", true},     {0x19830326, "beegfs", true},
    {0x00C36400, "ceph", true},   {0x5346414F, "afs", true},      {0x6B414653, "afs", true},
    {0xAAD7AAEA, "panfs", true},  {0x20030528, "orangefs", true}, {0x01161970, "gfs2", true},
    {0x7461636F, "ocfs2", true},  {0x65735546, "fuse", true},     {0, NULL, false}};

static void name_type(const char *folder, ntk_folder_facts *facts) {
  const file_system *row = file_systems;
  struct statfs found;

  (void)snprintf(facts->type, sizeof(facts->type), "unknown");
  if (statfs(folder, &found) != 0) return;
  const unsigned long magic = (unsigned long)found.f_type & 0xffffffffUL;

  while (row->name && row->magic != magic) ++row;
  facts->network = row->network;
  if (row->name) {
    (void)snprintf(facts->type, sizeof(facts->type), "%s", row->name);
  } else {
    (void)snprintf(facts->type, sizeof(facts->type), "unknown (0x%lx)", magic);
  }
}

/* A small file that all ranks try. */
typedef struct trial {
  const ntk_comm *comm;
  char path[PATH_SIZE], link[PATH_SIZE + 8];
  int file; /* rank 0's, or -1 */
} trial;

static void begin_trial(const char *folder, trial *t, ntk_folder_facts *facts) {
  (void)snprintf(t->path, sizeof(t->path), "%s/.ntkrun-doctor-XXXXXX", folder);
  t->file = mkstemp(t->path);
  facts->writable = t->file >= 0;
  if (t->file < 0) {
    (void)snprintf(facts->problem, sizeof(facts->problem), "%s", strerror(errno));
  }
}

/* Nobody else may get what rank 0 holds. */
static void try_locks(const trial *t, ntk_folder_facts *facts) {
  const bool holds = t->comm->rank == 0 && flock(t->file, LOCK_EX | LOCK_NB) == 0;
  int sums[2] = {0, 0}; /* blind, intruders */

  facts->locks = holds;
  MPI_Bcast(&facts->locks, sizeof(facts->locks), MPI_BYTE, 0, t->comm->mpi);
  const int other = open(t->path, O_RDWR | O_CLOEXEC);

  sums[0] = other < 0;
  sums[1] = other >= 0 && facts->locks && flock(other, LOCK_EX | LOCK_NB) == 0;
  MPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_INT, MPI_SUM, t->comm->mpi);
  facts->blind = sums[0];
  facts->intruders = sums[1];
  if (other >= 0) (void)close(other);
}

static void try_links(const trial *t, ntk_folder_facts *facts) {
  facts->linked = link(t->path, t->link) == 0;
  MPI_Allreduce(MPI_IN_PLACE, &facts->linked, 1, MPI_INT, MPI_SUM, t->comm->mpi);
}

static int count_hosts(const ntk_comm *comm) {
  MPI_Comm host = MPI_COMM_NULL;
  int rank = 0, first = 0;

  MPI_Comm_split_type(comm->mpi, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host);
  MPI_Comm_rank(host, &rank);
  MPI_Comm_free(&host);
  first = rank == 0;
  MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT, MPI_SUM, comm->mpi);
  return first;
}

static void end_trial(const trial *t) {
  MPI_Barrier(t->comm->mpi);
  if (t->comm->rank != 0) return;
  (void)unlink(t->link);
  (void)unlink(t->path);
  (void)close(t->file);
}

void ntk_doctor_look_at_folder(const ntk_comm *comm, const char *folder, ntk_folder_facts *facts) {
  trial t = {.comm = comm, .file = -1};

  *facts = (ntk_folder_facts){.room = free_room(folder), .hosts = count_hosts(comm)};
  name_type(folder, facts);
  if (comm->rank == 0) begin_trial(folder, &t, facts);
  MPI_Bcast(t.path, sizeof(t.path), MPI_BYTE, 0, comm->mpi);
  MPI_Bcast(&facts->writable, sizeof(facts->writable), MPI_BYTE, 0, comm->mpi);
  if (!facts->writable) return;
  (void)snprintf(t.link, sizeof(t.link), "%s.link", t.path);
  try_locks(&t, facts);
  try_links(&t, facts);
  end_trial(&t);
}

/* ---- trials -------------------------------------------------------------------------------- */

ntk_status ntk_doctor_make_folder(const char *parent, char *path, size_t size) {
  const bool fits = snprintf(path, size, "%s/.ntkrun-doctor-XXXXXX", parent) < (int)size;
  const bool made = fits && mkdtemp(path);

  if (!made) path[0] = '\0';
  NTK_CHECK(made, ntk_status_of_write(errno, NTK_E_CREATE), "%s: cannot write here: %s", parent,
            strerror(errno));
  return NTK_OK;
}

/* Folders of a trial are few levels deep. */
void ntk_doctor_remove_folder(const char *path) { /* NOLINT(misc-no-recursion) */
  DIR *folder = opendir(path);

  for (struct dirent *entry = folder ? readdir(folder) : NULL; entry; entry = readdir(folder)) {
    char inner[PATH_SIZE];

    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name) >= PATH_SIZE) continue;
    if (unlink(inner) != 0) ntk_doctor_remove_folder(inner);
  }
  if (folder) (void)closedir(folder);
  (void)rmdir(path);
}

/* ---- writing ------------------------------------------------------------------------------- */

static ntk_status write_all(int file, const char *path, const char *piece, size_t size,
                            int64_t bytes) {
  for (int64_t done = 0; done < bytes;) {
    const ssize_t written = write(file, piece, size);

    NTK_CHECK(written > 0, ntk_status_of_write(errno, NTK_E_IO), "%s: cannot write: %s", path,
              strerror(errno));
    done += written;
  }
  NTK_CHECK(fdatasync(file) == 0, ntk_status_of_write(errno, NTK_E_IO), "%s: cannot sync: %s",
            path, strerror(errno));
  return NTK_OK;
}

static ntk_status time_writing(const char *path, int file, int64_t bytes, double *rate) {
  const size_t size = 1 << 22;
  char *piece = NULL;

  NTK_TRY(NTK_NEW(size, &piece));
  const double start = ntk_now();
  const ntk_status status = write_all(file, path, piece, size, bytes);

  *rate = (double)bytes / fmax(ntk_now() - start, 1e-6);
  ntk_free(&piece);
  return status;
}

ntk_status ntk_doctor_time_writing(const char *folder, int64_t bytes, double *rate) {
  char path[PATH_SIZE];

  (void)snprintf(path, sizeof(path), "%s/.ntkrun-doctor-XXXXXX", folder);
  const int file = mkstemp(path);

  NTK_CHECK(file >= 0, ntk_status_of_write(errno, NTK_E_CREATE), "%s: cannot write here: %s",
            folder, strerror(errno));
  const ntk_status status = time_writing(path, file, bytes, rate);

  (void)close(file);
  (void)unlink(path);
  return status;
}
