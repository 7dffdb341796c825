# Sourced by tools/quickstart and tools/test.  Goes to the top of the source tree.
# shellcheck shell=sh disable=SC2034
script=$(realpath "$0")
cd "$(dirname "$script")/.." || exit
. tools/environment.sh
build=${NTK_BUILD:-build}

say() { printf '\n== %s\n' "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

# Prints the comment at the top of the script.
help() {
  case ${1:-} in -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "$script" && exit ;; esac
}

missing_packages() {
  sed 's/#.*//' tools/packages.txt | while read -r package; do
    [ -n "$package" ] || continue
    # The exit status of dpkg-query is 0 also for a package that is not installed.
    status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) || :
    case $status in *"install ok installed"*) ;; *) echo "$package" ;; esac
  done | paste -sd ' ' -
}

# Installs what is missing.  NTK_SKIP_PACKAGES=1: libraries come from elsewhere (Spack, modules).
need_packages() {
  [ -z "${NTK_SKIP_PACKAGES:-}" ] || return 0
  if ! command -v dpkg-query >/dev/null; then
    echo "This is not Debian or Ubuntu: nothing is installed; CMake will name what it misses."
    return 0
  fi
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  say "missing packages"
  echo "$missing" | fmt
  if [ "$(id -u)" != 0 ]; then
    die "
An administrator installs them with:

  apt-get update && apt-get install -y --no-install-recommends $missing

Then run this again.  Where the libraries come from elsewhere (Spack, modules, a prefix), say so
with NTK_SKIP_PACKAGES=1 and help CMake with CMAKE_PREFIX_PATH or PKG_CONFIG_PATH."
  fi
  echo "installing them"
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  # shellcheck disable=SC2086
  for step in update "install -y --no-install-recommends $missing"; do
    apt-get -q $step >"$log" 2>&1 || { cat "$log" >&2; die "apt-get ${step%% *} failed"; }
  done
  rm -f "$log"
}

# nproc would obey OMP_NUM_THREADS.
cores() { env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc; }

# The mpirun that belongs to the MPI that the program is built with.
mpirun() { sed -n 's/^MPIEXEC_EXECUTABLE:[A-Z]*=//p' "$build/CMakeCache.txt"; }

# Configures and builds into build/ (or $NTK_BUILD); quiet, with the log in front of an error.
build() { # TARGET...
  mkdir -p "$build"
  say "building in $build"
  for step in "cmake -S . -B $build" "cmake --build $build -j $(cores) ${*:+--target $*}"; do
    $step >"$build/log.txt" 2>&1 || { cat "$build/log.txt" >&2; die "failed: $step"; }
    grep 'warning:' "$build/log.txt" || :
  done
}
