#!/usr/bin/env python3
"""What may happen to the files of a sweep: a full disk, a limit to the size of files, a folder that is
read only, checkpoints that are cut off, have a wrong bit, belong to another config or were begun on another type of processor, locks
that a dead job left, a second job.

Each time: a message that says what is the matter, the right exit code, and afterwards a run that ends
with the results of one that nobody disturbed, to the last bit; what was finished is not computed again.
"""
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import h5py
import numpy as np

TOP = pathlib.Path(os.environ.get("NTK_SOURCE_DIR", pathlib.Path(__file__).resolve().parent.parent))
PROGRAM = os.environ.get("NTK_PROGRAM", str(TOP / "build" / "ntkrun"))

CONFIG = """\
data: {source: gaussian, dimension: 16, seed: 3, train: {count: 256}, test: {count: 64}}
network: {kind: mlp, depth: 2, width: 64, seed: 7, activation: gelu}
spectrum: {block: 32}
analyses:
  - summary
  - dynamics: {loss: mse_mean, learning_rate: {of_max: 0.5}, times: {geomspace: [1, 1e4, 20]}}
  - effective_dimension: {ridge: {geomspace: [1e-3, 10, 20]}, ridge_unit: trace_per_n}
run: {checkpoint_after: 0}
output: {directory: out, keep: [results, gram, spectrum, test_train]}
"""
# Killed after some panels of the Gram are on disk.
PARTIAL = {"NTKRUN_TEST_KILL": "checkpoint.journal:0:2"}


def arrays(path):
    """All numbers of a file but those that tell of its making."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, x: found.__setitem__(name, x[()].tobytes())
                        if isinstance(x, h5py.Dataset) and x.dtype.kind in "fi"
                        and not name.startswith("_ckpt") else None)
    return found


class Sweep:
    """A folder with a config, and the program in it."""

    def __init__(self, path, config=CONFIG):
        self.path = path
        path.mkdir(parents=True)
        (path / "c.yaml").write_text(config)

    def call(self, *words, ranks=None, largest=None, **variables):
        """The program; `largest`: bytes of a file, as of `ulimit -f`."""
        mpi = [str(TOP / "tools" / "mpi"), "mpirun", "-n", str(ranks)] if ranks else []
        return subprocess.run([*mpi, PROGRAM, *words], cwd=self.path, text=True, timeout=120,
                              capture_output=True, check=False, env={**os.environ, **variables},
                              preexec_fn=largest and (lambda: resource.setrlimit(
                                  resource.RLIMIT_FSIZE, (largest, largest))))

    def run(self, *words, **more):
        return self.call("run", "c.yaml", *words, **more)

    def one(self, pattern):
        found = list((self.path / "out").glob(pattern))
        if len(found) != 1:
            raise AssertionError(f"{len(found)} files {pattern}: {found}")
        return found[0]

    def numbers(self):
        """Of all files that a run leaves."""
        return {p: arrays(self.one(p)) for p in (
            "kernels/*/gram.h5", "kernels/*/test_train.h5", "kernels/*/spectrum.h5",
            "points/*/results.h5")}


class Durability(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.top = pathlib.Path(tempfile.mkdtemp(prefix="ntkrun-"))
        cls.reference = Sweep(cls.top / "reference")
        done = cls.reference.run()
        if done.returncode:
            raise RuntimeError(done.stderr)
        cls.numbers = cls.reference.numbers()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.top)

    def sweep(self, config=CONFIG):
        self.addCleanup(shutil.rmtree, self.top / self.id())
        return Sweep(self.top / self.id(), config)

    def finish(self, sweep, *messages, words=(), **more):
        """A run that ends well, says so much, and leaves what an undisturbed one leaves."""
        done = sweep.run(*words, **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        for message in messages:
            self.assertIn(message, done.stderr)
        self.assertEqual(sweep.numbers(), self.numbers)
        self.assertEqual(list(sweep.path.rglob("*.partial")) + list(sweep.path.rglob("*.tmp*")), [])
        return done.stderr

    def interrupted(self, **variables):
        """A sweep with a part of its Gram on disk."""
        sweep = self.sweep()
        done = sweep.run(**{**PARTIAL, **variables})
        self.assertEqual(done.returncode, -signal.SIGKILL, done.stderr)
        return sweep, sweep.one("kernels/*/gram.h5.partial")

    def test_written_in_one_go(self):
        """A kernel that is computed in one chunk, and not in sixteen, leaves the same files."""
        self.finish(self.sweep(), words=("--set", "run.checkpoint_after=30"))

    # -- checkpoints that were damaged ---------------------------------------------------------

    def test_interrupted(self):
        """The other tests prove something only if this goes on where it was."""
        sweep, partial = self.interrupted()
        dead = subprocess.Popen(["true"])
        dead.wait()
        for file in (partial.with_name("kernel.h5.tmp.7"),
                     sweep.path / "out" / f"config.yaml.tmp.{socket.gethostname()}.{dead.pid}",
                     sweep.one("points/*/log.jsonl").with_name("results.h5.tmp.7")):
            file.write_text("as one that was killed leaves it")
        self.assertRegex(self.finish(sweep), r"point 1 of 1: kernel: [1-9][0-9]* of [0-9]+ panels are there")

    def test_a_wrong_bit_anywhere(self):
        """In data of a panel, journal, metadata or trailer; on one of many places each time."""
        sweep, partial = self.interrupted()
        before = partial.read_bytes()
        with h5py.File(self.reference.one("kernels/*/gram.h5")) as file:
            data, journal = file["ntk"].id.get_offset(), file["_ckpt/journal"].id.get_offset()
        draw = random.Random(1)
        places = [data + 8 * 5, data + 8 * 256 * 3 + 8 * 200, journal + 3, journal + 24, 100,
                  len(before) - 20, draw.randrange(2048), draw.randrange(len(before))]
        for place in places:
            with self.subTest(place=place):
                shutil.rmtree(sweep.path / "out" / "points")
                for file in partial.parent.glob("*"):
                    file.unlink()
                for file in (sweep.path / "out").glob("kernels/*/spectrum.h5"):
                    file.unlink()
                damaged = bytearray(before)
                damaged[place] ^= 0x10
                partial.write_bytes(damaged)
                said = self.finish(sweep)
                if place in places[:2]:
                    self.assertRegex(said, r"gram\.h5\.partial: .*panel")

    def test_cut_off(self):
        sweep, partial = self.interrupted()
        before = partial.read_bytes()
        for size in (0, 7, 1000, len(before) // 2, len(before) - 1):
            with self.subTest(size=size):
                shutil.rmtree(sweep.path / "out" / "points", ignore_errors=True)
                for file in (sweep.path / "out").glob("kernels/*/*"):
                    file.unlink()
                partial.write_bytes(before[:size])
                self.finish(sweep, "gram.h5.partial")

    def inspect(self, sweep, file, numbers):
        """Names one wrong bit, in a file alone and among others; --verify finds it in numbers, too."""
        message = "columns [0-9]+ to [0-9]+ do" if numbers else "its (metadata do|content does)"
        for path in (str(file), "out"):
            done = sweep.call("inspect", path, "--verify")
            self.assertEqual(done.returncode, 65, done.stderr)
            self.assertRegex(done.stderr, rf"{file.name}: damaged: {message} not match")
        self.assertRegex(done.stdout, r"(?m)^  (damaged|cannot be read)$")
        self.assertEqual(sweep.call("inspect", str(file)).returncode, 0 if numbers else 65)

    def test_finished_files_that_are_damaged(self):
        """Kept files of a point whose results are gone: found out, and computed again."""
        for name, place in (("gram.h5", -40000), ("gram.h5", 1000), ("test_train.h5", -40000),
                            ("spectrum.h5", -40000), ("kernel.h5", 1000)):  # numbers, or what is around
            with self.subTest(name=name, place=place):
                sweep = Sweep(self.top / self.id() / f"{name}{place}")
                shutil.copytree(self.reference.path / "out", sweep.path / "out")
                file = sweep.one(f"kernels/*/{name}")
                content = bytearray(file.read_bytes())
                content[place] ^= 1
                file.write_bytes(content)
                self.inspect(sweep, file, place < 0)
                sweep.one("points/*/results.h5").unlink()
                self.finish(sweep, file.name)
        shutil.rmtree(self.top / self.id())

    def test_hashes_that_are_gone(self):
        """A file that grew at its end, or was written anew: --verify does not call good what it cannot compare,
        and a run that takes it as its kernel says so."""
        original = self.reference.one("kernels/*/gram.h5")
        longer, packed = self.top / "longer.h5", self.top / "packed.h5"
        longer.write_bytes(original.read_bytes() + b"longer")
        with h5py.File(original) as file, h5py.File(packed, "w") as copy:
            file.copy("_ckpt", copy)
            copy.create_dataset("ntk", data=file["ntk"][()], compression="gzip")
        sweep = self.sweep("kernel: {type: file, path: set, gram: /ntk}\noutput: {directory: out}\n")
        for file in (longer, packed):
            self.assertEqual(sweep.call("inspect", str(file)).returncode, 0)
            done = sweep.call("inspect", str(file), "--verify")
            self.assertEqual(done.returncode, 65)
            self.assertIn(f"{file.name}: its end, which says where the hashes are, is missing", done.stderr)
            done = sweep.run("--set", f"kernel.path={file}")
            self.assertIn(f"{file.name}: the hashes of its columns are gone", done.stderr)
            self.assertIn("1 computed", done.stderr)
        self.assertNotIn("hashes", sweep.run("--set", f"kernel.path={original}").stderr)

    def test_damaged_results(self):
        sweep = self.sweep()
        shutil.copytree(self.reference.path / "out", sweep.path / "out")
        results = sweep.one("points/*/results.h5")
        content = bytearray(results.read_bytes())
        content[len(content) // 2] ^= 1
        results.write_bytes(content)
        self.assertEqual(sweep.call("status", "out").stdout.count("damaged") > 0, True)
        self.finish(sweep, "results.h5")

    # -- checkpoints that belong elsewhere -----------------------------------------------------

    def test_of_another_config(self):
        """The same place, the same shape, another network."""
        sweep, partial = self.interrupted()
        other = Sweep(self.top / (self.id() + "-other"), CONFIG.replace("seed: 7", "seed: 8"))
        self.addCleanup(shutil.rmtree, other.path)
        other.run(**PARTIAL)
        shutil.copy(other.one("kernels/*/gram.h5.partial"), partial)
        self.assertNotIn("panels are there", self.finish(sweep, "gram.h5.partial"))

    def test_of_another_type_of_processor(self):
        """Kernels of BLAS differ in the last bits: it goes on, says so, and agrees to rounding."""
        with h5py.File(self.reference.one("points/*/results.h5")) as file:
            core, cpu = file.attrs["blas_core"], file.attrs["cpu"]
        if core in ("unknown", "Prescott"):
            self.skipTest(f"kernels of BLAS cannot be chosen here ({cpu}, {core})")
        sweep, _ = self.interrupted(OPENBLAS_CORETYPE="Prescott")
        done = sweep.run()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Prescott", done.stderr)
        with h5py.File(sweep.one("kernels/*/gram.h5")) as file, h5py.File(
                self.reference.one("kernels/*/gram.h5")) as other:
            mine, theirs = file["ntk"][()], other["ntk"][()]
        self.assertTrue(np.array_equal(mine, mine.T))
        self.assertLess(np.abs(mine - theirs).max(), 1e-12 * np.abs(theirs).max())

    # -- disks ----------------------------------------------------------------------------------

    def on_small_disk(self, sweep, size, script):
        """A script with out/ on a file system of its own; what it prints."""
        (sweep.path / "out").mkdir()
        mount = f"mount -t tmpfs -o size={size} tmpfs out"
        try:
            possible = subprocess.run(["unshare", "-rm", "bash", "-c", mount], cwd=sweep.path,
                                      capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            possible = False
        if not possible:
            self.skipTest("no file system can be mounted here")
        done = subprocess.run(["unshare", "-rm", "bash", "-c", f"{mount}; {script}"], text=True,
                              cwd=sweep.path, env={**os.environ, "NTKRUN": PROGRAM}, timeout=120,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return done.stdout

    def test_too_little_room_by_the_plan(self):
        """Or none at all."""
        sweep = self.sweep()
        said = self.on_small_disk(sweep, "1m", """
            $NTKRUN run c.yaml; echo "first $?"; find out
            head -c 8m /dev/zero >out/filler 2>/dev/null
            $NTKRUN run c.yaml --set network.seed=9; echo "second $?" """)
        self.assertIn("first 73", said)
        self.assertIn("out: ", said)
        self.assertNotIn("gram.h5", said)
        self.assertIn("second 73", said)
        self.assertIn("config.yaml", said.split("first 73")[1])

    def test_the_disk_fills_up(self):
        """While it runs: the job ends, no point has failed; with room again it goes on and is right."""
        sweep = self.sweep()
        said = self.on_small_disk(sweep, "6m", """
            $NTKRUN run c.yaml & run=$!
            until ls out/kernels/*/gram.h5* >/dev/null 2>&1; do kill -0 $run || break; done
            head -c 8m /dev/zero >out/filler 2>/dev/null
            wait $run; echo "code $?"
            $NTKRUN status out
            rm out/filler
            $NTKRUN run c.yaml; echo "again $?"
            cp -r out copy""")
        self.assertIn("code 73", said)
        self.assertRegex(said, "No space left on device; 1 point is left: make room, then run again")
        self.assertIn("1 pending", said)
        self.assertIn("again 0", said)
        (sweep.path / "out").rmdir()
        (sweep.path / "copy").rename(sweep.path / "out")
        self.assertEqual(sweep.numbers(), self.numbers)

    def test_a_full_disk_for_other_commands(self):
        """CSV tables, and the measurement of how fast files are written."""
        sweep = self.sweep()
        (sweep.path / "gram.h5").symlink_to(self.reference.one("kernels/*/gram.h5"))
        said = self.on_small_disk(sweep, "1m", """
            $NTKRUN export gram.h5 --output out/csv; echo "export $?"; ls -A out/csv
            $NTKRUN doctor --calibrate --directory out >/dev/null; echo "doctor $?"; ls -A out""")
        self.assertRegex(said, r"ntkrun: out/csv/gram[^ ]*: cannot write: No space left on device\nexport 73\n"
                               r"ntkrun: out/[^ ]*: cannot write: No space left on device\ndoctor 73\ncsv\n$")

    def test_a_limit_to_the_size_of_files(self):
        """Of gram.h5, and of results.h5 alone: the point fails and says why, the process goes on."""
        small = CONFIG.replace("checkpoint_after: 0", "checkpoint_after: 30").replace(
            ", gram, spectrum, test_train", "")
        for config, largest, name in ((CONFIG, 300000, "gram.h5"), (small, 20000, "results.h5")):
            with self.subTest(name=name):
                sweep = Sweep(self.top / self.id() / name, config)
                done = sweep.run(largest=largest)
                self.assertEqual(done.returncode, 74, done.stderr)
                self.assertRegex(done.stderr, rf"FAILED: .*{name}.*: .*File too large")
                self.assertIn("1 failed", done.stderr)
                self.assertEqual(list(sweep.path.rglob("*.tmp*")), [])
                if config == CONFIG:
                    self.finish(sweep, words=("--retry-failed",))
        shutil.rmtree(self.top / self.id())

    def test_a_folder_that_cannot_be_written(self):
        sweep = self.sweep()
        said = self.on_small_disk(sweep, "6m", """
            $NTKRUN run c.yaml >/dev/null 2>&1; echo "first $?"
            mount -o remount,ro out
            $NTKRUN run c.yaml --set network.seed=9; echo "second $?"
            $NTKRUN plan c.yaml >/dev/null && $NTKRUN status out && echo readable""")
        self.assertIn("first 0", said)
        self.assertIn("second 73", said)
        self.assertIn("Read-only file system", said)
        self.assertIn("readable", said)

    # -- locks ----------------------------------------------------------------------------------

    def lock(self, sweep):
        (lock,) = (f for f in (sweep.path / "out" / "locks").iterdir() if f.name != "guard")
        return lock

    def test_lock_of_a_dead_job(self):
        sweep, _ = self.interrupted()
        self.finish(sweep, "took over the lock of ", "its process is gone")

    def test_lock_of_another_host(self):
        """Fresh: that job has the point.  Silent for longer than five minutes: taken over."""
        sweep, _ = self.interrupted()
        lock = self.lock(sweep)
        text = lock.read_text().splitlines()
        lock.write_text("\n".join("host: elsewhere" if t.startswith("host:") else
                                  "boot: elsewhere" if t.startswith("boot:") else t
                                  for t in text) + "\n")
        done = sweep.run()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, "left to another job: elsewhere")
        self.assertFalse(list(sweep.path.glob("out/points/*/results.h5")))
        old = time.time() - 400
        os.utime(lock, (old, old))
        self.finish(sweep, "took over the lock of elsewhere", "no sign of life")

    def test_lock_that_is_taken_while_its_owner_sleeps(self):
        """It gives the point up when it wakes up; that is no failure of the point."""
        sweep = self.sweep()
        locks = sweep.path / "out" / "locks"
        job = subprocess.Popen([PROGRAM, "run", "c.yaml"], cwd=sweep.path, text=True,
                               stderr=subprocess.PIPE)
        self.addCleanup(job.kill)
        found = []
        while len(found) != 1 or "." in found[0].name:  # while it is being taken
            self.assertIsNone(job.poll())
            job.send_signal(signal.SIGCONT)
            time.sleep(0.001)
            job.send_signal(signal.SIGSTOP)
            found = [f for f in locks.glob("*") if f.name != "guard"]
        (lock,) = found
        text = lock.read_text()
        lock.unlink()
        lock.write_text(text.replace("host: ", "host: other-"))
        job.send_signal(signal.SIGCONT)
        said = job.communicate(timeout=120)[1]
        self.assertEqual(job.returncode, 0, said)
        self.assertRegex(said, "given up, the job goes on: .*now it is with other-")
        self.assertRegex(said, "left to another job: other-")
        for log in sweep.path.glob("out/points/*/log.jsonl"):  # none if it had not begun yet
            self.assertNotIn("failed", log.read_text())
        lock.unlink()
        self.finish(sweep)

    def test_two_jobs_at_once(self):
        """Each point, and each kernel that points share, is computed once."""
        sweep = self.sweep(CONFIG.replace("output:", "sweep: {network.seed: 0..3, "
                                          "analyses.effective_dimension.ridge: [[0.1], [1]]}\n"
                                          "output:").replace(", gram, spectrum, test_train", ""))
        jobs = [subprocess.Popen([PROGRAM, "run", "c.yaml"], cwd=sweep.path, text=True,
                                 stderr=subprocess.PIPE) for _ in range(2)]
        said = [job.communicate(timeout=120)[1] for job in jobs]
        self.assertEqual([job.returncode for job in jobs], [0, 0], said)
        points = list(sweep.path.glob("out/points/*/log.jsonl"))
        events = [[json.loads(line)["event"] for line in p.read_text().splitlines()]
                  for p in points]
        self.assertEqual([e.count("done") for e in events], [1] * 8, said)
        self.assertEqual(sum(s.count("GF/s), spectrum") for s in said), 4, said)
        done = sweep.run()
        self.assertIn("0 computed, 8 were done before", done.stderr)


if __name__ == "__main__":
    unittest.main()
