#!/usr/bin/env python3
"""jobs/ and tools/submit: what they submit, how they start the program, what they do with its exit
code; and on a private cluster of one node an array over shards, a stop with requeue and resume,
exit codes, and a rank that dies.

Without Slurm the scripts run with small programs in the place of sbatch, srun, mpirun and ntkrun.
"""
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import tempfile
import time
import unittest

import slurm

TOP = pathlib.Path(os.environ.get("NTK_SOURCE_DIR", pathlib.Path(__file__).resolve().parent.parent))
PROGRAM = os.environ.get("NTK_PROGRAM", str(TOP / "build" / "ntkrun"))
JOBS = TOP / "jobs"

CONFIG = """\
data: {source: gaussian, dimension: 8, train: {count: 64}, test: {count: 16}}
network: {kind: mlp, depth: 1, width: 16}
analyses: [summary]
sweep: {network.seed: 0..5}
output: {directory: out}
"""


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ntkrun-")
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name).resolve()
        self.bin = self.path / "bin"
        self.bin.mkdir()
        (self.path / "c.yaml").write_text(CONFIG)

    def fake(self, name, text):
        """A program in front of all others."""
        (self.bin / name).write_text("#!/bin/bash\n" + text + "\n")
        (self.bin / name).chmod(0o755)

    def call(self, *words, **variables):
        environment = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}",
                       "NTKRUN": PROGRAM, **variables}
        return subprocess.run(list(map(str, words)), cwd=self.path, env=environment, text=True,
                              capture_output=True, timeout=60, check=False)

    def states(self, config="c.yaml"):
        done = subprocess.run([PROGRAM, "plan", config, "--json"], cwd=self.path, text=True,
                              capture_output=True, check=False)
        return [point["state"] for point in json.loads(done.stdout)["points"]]

    def times_done(self):
        """How often each point that has a log was computed."""
        logs = (self.path / "out" / "points").glob("*/log.jsonl")
        return [sum(json.loads(line)["event"] == "done" for line in log.read_text().splitlines())
                for log in logs]


class Submit(Folder):
    def submit(self, *words, expect=0, **variables):
        done = self.call(TOP / "tools" / "submit", *words, **variables)
        self.assertEqual(done.returncode, expect, done.stderr)
        return done

    def dry(self, *words, config="c.yaml"):
        """The script, and its options as a dictionary."""
        text = self.submit(config, "--dry-run", *words).stdout
        (self.path / "job.sbatch").write_text(text)
        self.assertEqual(self.call("bash", "-n", "job.sbatch").stderr, "")
        lines = re.findall(r"^#SBATCH (-\S+?)(?:[= ](.*))?$", text, re.M)
        self.assertEqual(len(lines), len(dict(lines)), text)  # nothing is said twice
        self.assertIn("#SBATCH", text.split("set -u")[0])
        self.assertNotIn("#SBATCH", text.split("\nset -u\n")[1])
        return text, dict(lines)

    def test_a_small_sweep_is_one_job(self):
        text, options = self.dry()
        self.assertIn(f"export NTKRUN={PROGRAM}\nset -- {self.path}/c.yaml\nset -u\n", text)
        self.assertEqual(options["--ntasks"], "1")
        self.assertEqual(options["--time"], "00:11:00")
        self.assertEqual(options["--chdir"], str(self.path))
        self.assertEqual(options["--output"], f"{self.path}/out/job-%j.out")
        self.assertRegex(options["--mem-per-cpu"], r"^[0-9]+M$")
        self.assertNotIn("--array", options)
        self.assertFalse((self.path / "out").exists())

    def test_a_long_sweep_is_an_array(self):
        big = ("--set", "data.train.count=30000", "--set", "network.width=8192",
               "--set", "sweep.network.seed=0..63")
        text, options = self.dry(*big)
        self.assertIn("array.sbatch CONFIG", text)
        self.assertRegex(options["--array"], r"^1-([2-9]|1[0-6])$")
        self.assertIn("%A_%a", options["--output"])
        self.assertGreaterEqual(int(options["--ntasks"]), 2)
        text, options = self.dry(*big, "--time=30")
        self.assertIn("requeue.sbatch CONFIG", text)
        self.assertIn("--requeue", options)
        self.assertTrue("--array" in options and options["--time"] == "30")
        self.assertEqual(options["--signal"], "B:USR1@180")
        self.assertEqual(self.dry("--time=2")[1]["--signal"], "B:USR1@60")

    def test_points_of_one_kernel_stay_together(self):
        """Sixty-four points, of which only two have kernels of their own, are no work for an array; and
        what they share costs once."""
        (self.path / "two.yaml").write_text(CONFIG.replace("[summary]", (
            "[effective_dimension: {label: fine, ridge: [0.1]}]")).replace("0..5}", (
                f"0..1, analyses.fine.ridge: {[[k] for k in range(1, 33)]}}}")).replace(
                    "count: 64", "count: 30000").replace("width: 16", "width: 8192"))
        plan = ("plan", "two.yaml", "--json", "--ranks", "1")
        facts = json.loads(self.call(PROGRAM, *plan).stdout)
        self.assertEqual([len(facts["points"]), len({p["unit"] for p in facts["points"]})], [64, 2])
        alone = json.loads(self.call(PROGRAM, *plan, "--set", "analyses.fine.ridge=[1]").stdout)
        self.assertEqual(len(alone["points"]), 2)
        self.assertEqual(facts["flops"], alone["flops"])
        self.assertEqual([p["flops"] > 0 for p in facts["points"]].count(True), 2)
        _, options = self.dry(config="two.yaml")
        self.assertNotIn("--array", options)

    def test_options_of_sbatch_count_first(self):
        _, options = self.dry("--partition=long", "-A", "me", "-n", "3", "--time=1-0", "--mem=4G",
                              "-o", "x y.out", "--job-name=mine", "--array=1-2%1")
        self.assertEqual(options["--partition"], "long")
        self.assertEqual(options["-A"], "me")
        self.assertEqual(options["-n"], "3")
        self.assertEqual(options["-o"], "'x y.out'")
        self.assertEqual(options["--array"], "1-2%1")
        for name in ("--ntasks", "--output", "--mem-per-cpu"):
            self.assertNotIn(name, options)

    def test_any_path_and_any_value(self):
        """Blanks and quotes reach the program as they were."""
        folder = self.path / "it's a \"folder\""
        folder.mkdir()
        (folder / "c $x.yaml").write_text(CONFIG)
        value = "name=it's $HOME `date`"
        text, _ = self.dry("--set", value, "--retry-failed", config=folder / "c $x.yaml")
        words = next(line for line in text.splitlines() if line.startswith("set -- "))
        self.assertEqual(shlex.split(words)[2:], [str(folder / "c $x.yaml"), "--set", value,
                                                  "--retry-failed"])

    def test_refusals(self):
        for code, part, *words in (
                (69, "no sbatch here; --dry-run shows the script", "c.yaml"),
                (64, "the config comes first", "--dry-run", "c.yaml"),
                (64, "'0' is no whole number", "c.yaml", "--dry-run", "--ntasks=0"),
                (64, "'soon' is no time", "c.yaml", "--dry-run", "--time", "soon"),
                (64, "one word too many", "c.yaml", "other.yaml"),
                (66, "none.yaml", "none.yaml", "--dry-run"),
                (65, "widht", "c.yaml", "--dry-run", "--set", "network.widht=3")):
            self.bin.joinpath("python3").unlink(missing_ok=True)
            self.bin.joinpath("python3").symlink_to("/usr/bin/python3")
            done = self.call(TOP / "tools" / "submit", *words, PATH=str(self.bin))
            self.assertEqual(done.returncode, code, (words, done.stderr))
            self.assertIn(part, done.stderr)
        self.assertIn("name it in NTKRUN", self.submit("c.yaml", "--dry-run", expect=69,
                                                       NTKRUN="/nowhere").stderr)
        self.assertIn("tools/submit CONFIG", self.submit("--help").stdout)

    def test_it_submits_what_it_shows(self):
        self.fake("sbatch", 'cp "$1" submitted; echo "Submitted batch job 7"; exit 3')
        shown, _ = self.dry("-p", "long")
        done = self.submit("c.yaml", "-p", "long", expect=3)
        self.assertEqual(done.stdout, "Submitted batch job 7\n")
        self.assertEqual((self.path / "submitted").read_text(), shown)
        self.assertEqual((self.path / "out" / "job.sbatch").read_text(), shown)

    def test_points_that_failed(self):
        """They are not tried again without being asked for."""
        (self.path / "f.yaml").write_text(CONFIG.replace(
            "network.seed: 0..5", "data.train.count: [64, 8]"))
        self.call(PROGRAM, "run", "f.yaml")
        for log in (self.path / "out" / "points").glob("*/log.jsonl"):
            log.with_name("results.h5").unlink()
            log.write_text(log.read_text().replace('"event": "done"', '"event": "failed"'))
        self.assertEqual(self.states("f.yaml"), ["failed"] * 2)
        self.assertIn("2 failed; --retry-failed",
                      self.submit("f.yaml", "--dry-run", expect=1).stderr)
        self.assertIn("2 of 2 points to compute",
                      self.submit("f.yaml", "--dry-run", "--retry-failed").stderr)

    def test_nothing_left(self):
        self.assertEqual(self.call(PROGRAM, "run", "c.yaml").returncode, 0)
        self.fake("sbatch", "touch submitted")
        self.assertIn("nothing to compute: 6 of 6", self.submit("c.yaml").stderr)
        self.assertFalse((self.path / "submitted").exists())


class Scripts(Folder):
    """The scripts of jobs/ with a program that writes down how it was started."""

    def setUp(self):
        super().setUp()
        self.fake("mpirun", 'echo "mpirun $*" >>started; exec "${@:3}"')
        self.fake("srun", '[ "$1" = --mpi=list ] && { echo "none pmi2 $SRUN_HAS" >&2; exit; }\n'
                          'echo "srun $*" >>started; exec "${@:3}"')
        self.fake("program", 'echo "$*; $OMP_NUM_THREADS" >>started; eval "$FAKE"')
        self.fake("scontrol", 'echo "scontrol $*" >>started')
        self.fake("sleep", "")

    def script(self, name, *words, expect=0, **variables):
        (self.path / "started").unlink(missing_ok=True)
        done = self.call("bash", JOBS / f"{name}.sbatch", *words, NTKRUN=str(self.bin / "program"),
                         SLURM_NTASKS="3", SLURM_JOB_ID="9", SLURM_JOB_NODELIST="n1", **variables)
        self.assertEqual(done.returncode, expect, done.stderr)
        return (self.path / "started").read_text().splitlines()

    def test_both_launchers(self):
        program = self.bin / "program"
        for name in ("single", "requeue"):
            self.assertEqual(self.script(name, "a b.yaml", "--fail-fast"),
                             [f"mpirun -n 3 {program} run a b.yaml --fail-fast",
                              "run a b.yaml --fail-fast; 1"])
            self.assertEqual(self.script(name, CONFIG="x.yaml", SRUN_HAS="pmix"),
                             [f"srun --mpi=pmix --kill-on-bad-exit=1 {program} run x.yaml",
                              "run x.yaml; 1"])

    def test_shards(self):
        task = {"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_COUNT": "4",
                "SLURM_ARRAY_JOB_ID": "8"}
        for name in ("array", "requeue"):
            self.assertEqual(self.script(name, "c.yaml", **task)[1], "run c.yaml --shard 2/4; 1")
            self.assertEqual(self.script(name, "c.yaml", SHARDS="7", **task)[1],
                             "run c.yaml --shard 2/7; 1")
        lines = self.script("requeue", "c.yaml", FAKE="exit 75", expect=75, **task)
        self.assertEqual(lines[2], "scontrol requeue 8_2")

    def test_without_a_config(self):
        for name in ("single", "array", "requeue"):
            done = self.call("bash", JOBS / f"{name}.sbatch")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(f"name a config: sbatch jobs/{name}.sbatch CONFIG", done.stderr)

    def test_exit_codes_are_kept(self):
        for name in ("single", "requeue"):
            for code in (0, 1, 65, 74):
                self.assertEqual(len(self.script(name, "c", FAKE=f"exit {code}", expect=code)), 2)

    def test_requeue_after_a_stop(self):
        lines = self.script("requeue", "c", FAKE="exit 75", expect=75)
        self.assertEqual(lines[2:], ["scontrol requeue 9"])
        for most, count in (("3", 2), ("4", 3)):  # SLURM_RESTART_COUNT + 1 starts so far
            lines = self.script("requeue", "c", FAKE="exit 75", expect=75, MAX_RESTARTS=most,
                                SLURM_RESTART_COUNT="3")
            self.assertEqual(len(lines), count)

    def test_the_signal_reaches_the_program(self):
        self.fake("program", "trap 'exit 75' USR1; touch ready; for i in {1..200}; do "
                             "/bin/sleep 0.05; done")
        job = subprocess.Popen(["bash", JOBS / "requeue.sbatch", "c"], cwd=self.path, env={
            **os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", "SLURM_NTASKS": "1",
            "NTKRUN": str(self.bin / "program"), "SLURM_JOB_ID": "9", "SLURM_JOB_NODELIST": "n1"},
            stdout=subprocess.PIPE, text=True)
        while not (self.path / "ready").exists():
            time.sleep(0.05)
        job.send_signal(signal.SIGUSR1)
        out, _ = job.communicate(timeout=20)
        self.assertEqual(job.returncode, 75)
        self.assertIn("asked to stop", out)
        self.assertIn("scontrol requeue 9", (self.path / "started").read_text())


@unittest.skipIf(slurm.missing(), slurm.missing())
class Cluster(Folder):
    def setUp(self):
        super().setUp()
        self.cluster = slurm.Cluster(self.path / "slurm")
        self.cluster.environment |= {"NTKRUN": PROGRAM}
        self.cluster.__enter__()
        self.addCleanup(self.cluster.__exit__)

    def sbatch(self, *words):
        done = self.cluster.call("sbatch", "--parsable", "--time=10", "--output=%A_%a.out", *words,
                                 cwd=self.path)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def outputs(self):
        return "".join(f.read_text() for f in self.path.glob("*.out"))

    def check_array(self):
        job = self.sbatch("--array=1-2", "--ntasks=2", JOBS / "array.sbatch", "c.yaml")
        self.assertTrue(self.cluster.wait(job), self.outputs())
        self.assertEqual(self.cluster.exit_codes(job), ["0:0", "0:0"], self.outputs())
        self.assertEqual(self.states(), ["done"] * 6)
        self.assertEqual(self.times_done(), [1] * 6)

    def check_exit_codes(self):
        """With srun and with mpirun: a bad config, and a sweep of which one point fails."""
        self.fake("srun", "")  # that has no pmix
        (self.path / "fails.yaml").write_text(CONFIG.replace(
            "network.seed: 0..5", "kernel.outputs: [mean, {single: {output: 5}}]"))
        (self.path / "bad.yaml").write_text("networks: {}\n")
        plain = self.cluster.environment["PATH"]
        jobs = {}
        for path in (plain, f"{self.bin}:{plain}"):
            self.cluster.environment["PATH"] = path
            jobs[self.sbatch("--ntasks=2", JOBS / "single.sbatch", "bad.yaml")] = "65:0"
            directory = f"output.directory=fails{len(jobs)}"
            jobs[self.sbatch("--ntasks=2", JOBS / "single.sbatch", "fails.yaml", "--set",
                             directory)] = "1:0"
        self.cluster.environment["PATH"] = plain
        for job, code in jobs.items():
            self.assertTrue(self.cluster.wait(job), self.outputs())
            self.assertEqual(self.cluster.exit_codes(job), [code], self.outputs())

    def check_a_rank_that_dies(self):
        """Slurm sends SIGTERM to the others and waits; they do not."""
        (self.path / "dies.yaml").write_text(CONFIG.replace("0..5", "0..999").replace(
            "out}", "dies}") + "run: {group_ranks: 2}\n")
        job = self.sbatch("--ntasks=2", JOBS / "single.sbatch", "dies.yaml")
        points = self.path / "dies" / "points"
        self.assertTrue(self.cluster.until(lambda: list(points.glob("*/results.h5")), 30),
                        self.outputs())
        log = next(points.glob("*/results.h5")).with_name("log.jsonl")
        os.kill(json.loads(log.read_text().splitlines()[0])["process"], signal.SIGKILL)
        self.assertTrue(self.cluster.wait(job, 10), self.outputs())
        self.assertNotEqual(self.cluster.exit_codes(job), ["0:0"], self.outputs())

    def stop_requeue(self):
        """A job that is stopped and queued again, and what it has done until then."""
        (self.path / "long.yaml").write_text(CONFIG.replace("0..5", "0..11").replace(
            "width: 16", "width: 256").replace("count: 64", "count: 512").replace("out}", "long}"))
        job = self.sbatch("--ntasks=2", JOBS / "requeue.sbatch", "long.yaml")
        points = self.path / "long" / "points"
        self.assertTrue(self.cluster.until(lambda: list(points.glob("*/results.h5")), 30),
                        self.outputs())
        self.cluster.call("scancel", "--batch", "--signal=USR1", job)
        self.assertTrue(self.cluster.until(lambda: self.cluster.state(job) == ["PENDING"], 30),
                        self.outputs())
        self.assertIn("exit code 75", self.outputs())
        before = {f: f.stat().st_mtime_ns for f in points.glob("*/results.h5")}
        self.assertTrue(0 < len(before) < 12, len(before))
        return job, before, time.monotonic()

    def check_requeue(self, job, before, stopped):
        # Slurm holds a requeued job for two minutes; one that starts within 3 s of its end is
        # killed, because its credential is still revoked.
        time.sleep(max(0, stopped + 3 - time.monotonic()))
        self.assertTrue(self.cluster.until(lambda: self.start_now(job), 20))
        self.assertTrue(self.cluster.wait(job), self.outputs())
        self.assertEqual(self.cluster.exit_codes(job), ["0:0"], self.outputs())
        self.assertIn("start 2", self.outputs())
        self.assertEqual(self.states("long.yaml"), ["done"] * 12)
        for file, stamp in before.items():
            self.assertEqual(file.stat().st_mtime_ns, stamp)

    def start_now(self, job):
        self.cluster.call("scontrol", "update", f"JobId={job}", "StartTime=now")
        return self.cluster.state(job) != ["PENDING"]

    def test_cluster(self):
        stopped = self.stop_requeue()
        self.check_array()
        self.check_exit_codes()
        self.check_a_rank_that_dies()
        self.check_requeue(*stopped)


if __name__ == "__main__":
    unittest.main()
