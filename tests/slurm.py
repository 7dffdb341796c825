"""A private Slurm of one node for tests: slurmctld and slurmd as this user, every file below one folder,
nothing in /etc, /run or /var, no munge, no cgroups.  It is up in a second or two.

    with Cluster(folder) as cluster:
        job = cluster.call("sbatch", "--parsable", "job.sbatch").stdout.strip()
        cluster.wait(job)
"""
import getpass
import os
import pathlib
import shutil
import socket
import subprocess
import time

CONFIG = """\
ClusterName=ntkrun
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
SlurmdPort={daemon}
AuthType=auth/none
CredType=cred/none
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
ReturnToService=2
KillWait=30
MinJobAge=3600
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} Sockets=1 CoresPerSocket={cores} ThreadsPerCore=1 RealMemory=8000
PartitionName=test Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
# The daemons are in /usr/sbin, which is not on every user's PATH.
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"


def missing():
    """Why there can be no private cluster here, or None."""
    for name in ("slurmctld", "slurmd", "sbatch"):
        if not shutil.which(name, path=PATH):
            return f"no {name}; apt-get install slurm-wlm"
    return None


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Cluster:
    def __init__(self, folder, cores=4):
        self.folder = pathlib.Path(folder)
        self.config = self.folder / "slurm.conf"
        self.cores, self.daemons = cores, []
        self.environment = {**os.environ, "PATH": PATH, "SLURM_CONF": str(self.config)}

    def __enter__(self):
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        self.config.write_text(CONFIG.format(
            host=socket.gethostname().split(".")[0], user=getpass.getuser(), folder=self.folder,
            control=free_port(), daemon=free_port(), cores=self.cores))
        for name in ("slurmctld", "slurmd"):
            with open(self.folder / f"{name}.out", "w") as out:
                self.daemons.append(subprocess.Popen([name, "-D", "-c"], env=self.environment,
                                                     stdout=out, stderr=out))
        if not self.until(lambda: self.call("sinfo", "-h", "-o", "%T").stdout.strip() == "idle", 20):
            self.__exit__()
            raise RuntimeError("Slurm did not come up:\n" + "".join(
                f.read_text() for f in self.folder.glob("*.out")))
        return self

    def __exit__(self, *_):
        self.call("scancel", "--full", "--user", getpass.getuser())
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in self.daemons:
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def call(self, *words, **more):
        more.setdefault("timeout", 60)
        return subprocess.run(list(map(str, words)), env=self.environment, text=True,
                              capture_output=True, check=False, **more)

    @staticmethod
    def until(condition, seconds):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True

    def state(self, job):
        """PENDING, RUNNING, COMPLETED, FAILED, ... of every task of a job."""
        done = self.call("squeue", "-h", "-a", "-t", "all", "-r", "-j", job, "-o", "%T")
        return done.stdout.split()

    def wait(self, job, seconds=60):
        active = {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "REQUEUED"}
        return self.until(lambda: not active & set(self.state(job) or ["PENDING"]), seconds)

    def exit_codes(self, job):
        shown = self.call("scontrol", "show", "job", job).stdout
        return [w.removeprefix("ExitCode=") for w in shown.split() if w.startswith("ExitCode=")]
