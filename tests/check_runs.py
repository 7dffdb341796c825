#!/usr/bin/env python3
"""Jobs on a sweep from outside: several at once, stopped and resumed, points that fail, ranks that die.

A file that is shorter than one of the points asks for makes exactly that point fail.  A sweep that
lasts a few seconds is stopped by signals and by its wall time, and is there completely after the
next run.
"""
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

import h5py
import numpy as np
import yaml

TOP = pathlib.Path(os.environ.get("NTK_SOURCE_DIR", pathlib.Path(__file__).resolve().parent.parent))
PROGRAM = os.environ.get("NTK_PROGRAM", str(TOP / "build" / "ntkrun"))

SWEEP = {"data": {"source": "gaussian", "dimension": 8, "train": {"count": 64}, "test": {"count": 8}},
         "network": {"kind": "mlp", "depth": 1, "width": 32},
         "analyses": ["summary"],
         "sweep": {"network.seed": "0..11"},
         "output": {"directory": "out"}}


class Runs(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="ntkrun-")
        self.path = pathlib.Path(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def start(self, *words, ranks=None, launcher="mpirun", **variables):
        mpi = [str(TOP / "tools" / "mpi"), str(launcher), "-n", str(ranks)] if ranks else []
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SLURM_")}
        environment |= variables
        return subprocess.Popen([*mpi, PROGRAM, "run", "config.yaml", *words], cwd=self.path,
                                env=environment, text=True, stderr=subprocess.PIPE)

    def finish(self, job, expect=0):
        _, text = job.communicate(timeout=100)
        self.assertEqual(job.returncode, expect, text)
        return text

    def run_job(self, *words, ranks=None, expect=0):
        return self.finish(self.start(*words, ranks=ranks), expect)

    def write(self, config):
        (self.path / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))

    def events(self, name):
        """How often each point has it."""
        counts = {}
        for log in (self.path / "out" / "points").glob("*/log.jsonl"):
            events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
            counts[log.parent.name] = events.count(name)
        return counts

    def results(self):
        return sorted((self.path / "out" / "points").glob("*/results.h5"))

    def until(self, find, job):
        """What `find` lists, again and again, while the job is at work."""
        while job.poll() is None:
            yield from find()
            time.sleep(0.01)

    def traces(self):
        values = []
        for path in self.results():
            with h5py.File(path) as f:
                values.append(float(f["trace"][()]))
        return values

    def fails_once(self, count=3):
        """One of `count` points asks for more samples than there are."""
        rng = np.random.default_rng(1)
        np.save(self.path / "x.npy", rng.normal(size=(20, 3)))
        np.save(self.path / "y.npy", rng.normal(size=20))
        self.write({"data": {"source": "npy", "inputs": "x.npy", "labels": "y.npy",
                             "targets": "real"},
                    "network": {"kind": "mlp", "depth": 1, "width": 8},
                    "sweep": {"data.train.count": [99, *range(8, 8 + count - 1)]},
                    "output": {"directory": "out"}})

    def test_a_failing_point(self):
        self.fails_once()
        text = self.run_job(ranks=2, expect=1)
        self.assertIn("FAILED", text)
        self.assertIn("2 computed, 0 were done before, 1 failed", text)
        self.assertIn("run --retry-failed tries it again", text)
        self.assertEqual(sorted(self.events("failed").values()), [0, 0, 1])
        text = self.run_job(expect=1)
        self.assertIn("0 computed, 2 were done before, 0 failed", text)
        self.assertIn("--retry-failed", text)
        self.assertEqual(sorted(self.events("failed").values()), [0, 0, 1])
        self.assertRegex(self.run_job("--retry-failed", expect=1), "FAILED: .*; 2 of 3 done, 1 failed\n")
        self.assertEqual(sorted(self.events("failed").values()), [0, 0, 2])
        rng = np.random.default_rng(2)
        np.save(self.path / "x.npy", rng.normal(size=(100, 3)))
        np.save(self.path / "y.npy", rng.normal(size=100))
        self.assertIn("3 computed", self.run_job())  # other data: other points

    def test_one_reason_for_many_points(self):
        """Is printed once; each point's log has it."""
        self.write({"data": {"source": "gaussian", "dimension": 2, "train": {"count": 4}},
                    "kernel": {"outputs": {"single": {"output": 7}}}, "sweep": {"network.seed": [0, 1, 2]},
                    "output": {"directory": "out"}})
        text = self.run_job(expect=65)
        self.assertEqual(text.count("FAILED: no output 7; the network has outputs 0..0; "), 1, text)
        self.assertEqual(text.count("FAILED: as point "), 2, text)
        logs = list((self.path / "out" / "points").glob("*/log.jsonl"))
        self.assertEqual([p.read_text().count('"message": "no output 7; ') for p in logs], [1, 1, 1])

    def test_fail_fast(self):
        self.fails_once(12)
        text = self.run_job("--fail-fast", expect=1)
        self.assertIn("because a point failed", text)
        failed = sum(self.events("failed").values())
        self.assertEqual(failed, 1)
        self.run_job("--set", "run.on_error=stop", "--retry-failed", expect=1)
        self.run_job(expect=1)
        self.assertEqual(len(self.traces()), 11)

    def test_two_jobs_share_a_sweep(self):
        self.write(SWEEP | {"sweep": {"network.seed": "0..23"}})
        jobs = [self.start(), self.start()]
        texts = [self.finish(job) for job in jobs]
        done = self.events("done")
        self.assertEqual(len(done), 24)
        self.assertEqual(set(done.values()), {1}, texts)
        self.assertEqual(set(self.events("started").values()), {1}, texts)
        self.assertIn("0 computed, 24 were done before", self.run_job())

    def test_a_second_job_leaves_what_another_is_at(self):
        self.write(SWEEP | {"sweep": {"network.seed": [0]},
                            "data": SWEEP["data"] | {"train": {"count": 1000}}})
        first = self.start()
        locks = self.path / "out" / "locks"
        for _ in range(2000):
            if locks.is_dir() and any(len(f.name) == 32 for f in locks.iterdir()):
                break
            time.sleep(0.01)
        text = self.run_job()
        self.finish(first)
        if "1 were done before" not in text:  # it was that quick
            last = text.splitlines()[-1]
            self.assertIn("1 point is left to another job: ", last)
            self.assertIn("nothing more to do, ntkrun status out tells when all is done", last)
        self.assertEqual(list(self.events("done").values()), [1])

    def stop(self, number, **more):
        """Signals a job after its first point; the others are left."""
        job = self.start(ranks=2, **more)
        lines = []
        for line in job.stderr:
            lines.append(line)
            if " done: " in line:
                break
        job.send_signal(number)
        lines.append(self.finish(job, expect=75))
        return "".join(lines)

    def test_stopped_by_a_signal(self):
        """mpirun passes one on, tools/mpirun all of them."""
        self.write(SWEEP | {"sweep": {"network.seed": "0..99"}})
        for number, launcher in ((signal.SIGUSR1, "mpirun"), (signal.SIGTERM, TOP / "tools" / "mpirun"),
                                 (signal.SIGINT, TOP / "tools" / "mpirun")):
            text = self.stop(number, launcher=launcher)
            self.assertIn("stopped by SIGUSR1", text)
            self.assertIn("run again to resume", text)
            self.assertFalse([f for f in (self.path / "out" / "locks").iterdir() if len(f.name) == 32])
        before = len(self.traces())
        self.assertTrue(0 < before < 100)
        text = self.run_job(ranks=3)
        self.assertIn(f"{100 - before} computed, {before} were done before, 0 failed", text)
        self.assertEqual(len(self.traces()), 100)

    def ranks_of(self, job):
        """Of a job whose launcher is in the place of the shell that started it."""
        children = pathlib.Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
        self.assertEqual(len(children), 2, children)
        return [int(c) for c in children]

    def test_a_rank_that_dies(self):
        """Of two groups of one rank: the job ends at once, what both have finished stays, and what the
        dead one was at is done by the next job."""
        self.write(SWEEP | {"sweep": {"network.seed": "0..59"}, "run": {"group_ranks": 1}})
        job = self.start(ranks=2, OMPI_MCA_odls_base_sigkill_timeout="1")  # as it is by default
        writers = set()
        for log in self.until(lambda: (self.path / "out" / "points").glob("*/log.jsonl"), job):
            last = log.read_text().splitlines()[-1:]
            writers |= {json.loads(line)["process"] for line in last if '"done"' in line}
            if len(writers) == 2:
                break
        self.assertEqual(len(writers), 2)
        before = {p: p.stat().st_mtime_ns for p in self.results()}
        start = time.monotonic()
        ranks = self.ranks_of(job)
        self.assertEqual(set(ranks), writers)
        os.kill(ranks[1], signal.SIGKILL)
        _, text = job.communicate(timeout=10)
        while any(os.path.exists(f"/proc/{r}") for r in ranks):
            self.assertLess(time.monotonic() - start, 10)
            time.sleep(0.01)
        self.assertLess(time.monotonic() - start, 10)
        self.assertNotEqual(job.returncode, 0, text)
        there = len(self.results())
        self.assertTrue(2 <= len(before) <= there, (len(before), there))
        text = self.run_job()
        self.assertIn(f"{60 - there} computed, {there} were done before, 0 failed", text)
        self.assertEqual({p: p.stat().st_mtime_ns for p in before}, before)

    def test_stopped_by_its_wall_time(self):
        self.write(SWEEP | {"run": {"walltime": "00:00:01", "stop_margin": 0.5},
                            "sweep": {"network.seed": "0..999"}})
        text = self.run_job("--shard", "1/2", ranks=2, expect=75)
        self.assertIn("wall time", text)
        self.assertTrue(self.traces())

    def machine(self, name, product, point_seconds):
        """What `doctor --calibrate` would have stored on it."""
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((t.split(":", 1)[1].strip() for t in lines if t.startswith("model name")), "unknown")
        facts = {"host": name, "cpu": cpu, "time": "2026-01-31T12:00:00Z", "ranks": 1,
                 "spectrum_small_n": 512, "spectrum_large_n": 1536, "write_rate": 1e8,
                 "point_seconds": point_seconds}
        facts |= dict.fromkeys(("product_double", "product_single", "spectrum_small",
                                "spectrum_large"), product)
        cache = self.path / name
        (cache / "ntkrun").mkdir(parents=True)
        (cache / "ntkrun" / "it.yaml").write_text(json.dumps(facts))
        return {"XDG_CACHE_HOME": str(cache)}

    def test_shards_on_different_machines(self):
        """They are parts of one whole, wherever each is computed and how fast ever that is."""
        self.write(SWEEP | {"sweep": {"data.train.count": [8, 16, 24, 32, 64, 96, 128, 192, 256]}})
        for k, speed in ((1, (1e6, 1e-6)), (2, (1e12, 1)), (3, (1e9, 1e-2))):
            self.finish(self.start("--shard", f"{k}/3", **self.machine(f"m{k}", *speed)))
        self.assertEqual(list(self.events("done").values()), [1] * 9)

    def test_shards(self):
        self.write(SWEEP)
        text = self.run_job("--shard", "1/3")
        first = set(self.events("done"))
        self.assertIn(f"{12 - len(first)} of 12 points are in other shards\n", text)
        self.assertIn(f" {len(first)} points: {len(first)} computed, 0 were done before, 0 failed", text)
        self.run_job("--shard", "3/3")
        self.run_job("--shard", "2/3")
        self.assertTrue(0 < len(first) < 12)
        self.assertEqual(set(self.events("done").values()), {1})
        self.assertEqual(len(self.traces()), 12)
        self.run_job("--shard", "0/3", expect=64)
        self.run_job("--shard", "4/3", expect=64)

    def test_no_output(self):
        self.write(SWEEP)
        text = self.run_job("--set", "output.keep=[]", ranks=2)
        self.assertIn("12 computed", text)
        self.assertIn("nothing is written", text)
        self.assertRegex(text, "12 computed, 0 were done before, 0 failed; nothing was written\n")
        plan = subprocess.check_output([PROGRAM, "plan", "config.yaml", "--set", "output.keep=[]"], cwd=self.path,
                                       text=True)
        self.assertIn("disk     none: output.keep is empty", plan)
        self.assertFalse((self.path / "out").exists())


if __name__ == "__main__":
    unittest.main(verbosity=1)
