# Sourced.  What Open MPI needs as root, in containers and on few cores.  A variable that the user
# has set is left alone.
# shellcheck shell=sh

default() { # NAME VALUE
  eval "[ -n \"\${$1+set}\" ]" || export "$1=$2"
}

if [ "$(id -u)" = 0 ]; then
  default OMPI_ALLOW_RUN_AS_ROOT 1
  default OMPI_ALLOW_RUN_AS_ROOT_CONFIRM 1
fi
default OMPI_MCA_rmaps_base_oversubscribe 1     # more ranks than cores is no error ...
default OMPI_MCA_mpi_yield_when_idle 1          # ... and waiting ranks let the others work
default OMPI_MCA_hwloc_base_binding_policy none # containers often forbid binding
default PRTE_MCA_rmaps_default_mapping_policy :oversubscribe # the same for the launcher of Open MPI 5
default PRTE_MCA_hwloc_default_binding_policy none
default OMPI_MCA_pml ob1                        # one machine: no search for a network at every start
default HWLOC_COMPONENTS -linuxio               # ... nor, slowest of all in virtual machines, for devices
default HWLOC_PLUGINS_PATH /nonexistent         # ... nor for graphics cards
default OMP_NUM_THREADS 1                       # one rank per core is all the parallelism there is
default OPENBLAS_NUM_THREADS 1
