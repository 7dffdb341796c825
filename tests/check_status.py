#!/usr/bin/env python3
"""`ntkrun status` from outside: what it says of a folder before, while and after a job works there,
its exit codes and refusals, and that it, like plan and merge, writes nothing but sweep.h5."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import h5py
import yaml

TOP = pathlib.Path(os.environ.get("NTK_SOURCE_DIR", pathlib.Path(__file__).resolve().parent.parent))
PROGRAM = os.environ.get("NTK_PROGRAM", str(TOP / "build" / "ntkrun"))

CONFIG = {"data": {"source": "gaussian", "dimension": 3, "train": {"count": 12}},
          "network": {"kind": "mlp", "depth": 1, "width": 4},
          "analyses": ["summary"],
          "sweep": {"network.seed": "0..3"},
          "output": {"directory": "out"}}


class Status(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="ntkrun-")
        self.path = pathlib.Path(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def call(self, *words, expect=0):
        done = subprocess.run([PROGRAM, *words], cwd=self.path, text=True, capture_output=True,
                              timeout=120, check=False)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done

    def start(self, config):
        """A job at work: it has begun with a point and lasts until it is killed."""
        (self.path / "config.yaml").write_text(yaml.safe_dump(config))
        job = subprocess.Popen([PROGRAM, "run", "config.yaml"], cwd=self.path, text=True,
                               stderr=subprocess.DEVNULL)
        for _ in range(2000):
            if any((self.path / "out" / "points").glob("*/log.jsonl")):
                return job
            time.sleep(0.01)
        self.fail("the job does not begin")

    def run_config(self, config, expect=0):
        (self.path / "config.yaml").write_text(yaml.safe_dump(config))
        return self.call("run", "config.yaml", expect=expect)

    def status(self, expect):
        return json.loads(self.call("status", "out", "--json", expect=expect).stdout)

    def files(self):
        return {p.relative_to(self.path): p.stat().st_mtime_ns
                for p in (self.path / "out").rglob("*") if p.is_file()}

    def test_finished(self):
        self.run_config(CONFIG)
        before = self.files()
        self.assertTrue(self.call("status", "out").stdout.startswith("out: 4 points, 4 done\n"))
        found = self.status(0)
        self.assertEqual([p["state"] for p in found["points"]], ["done"] * 4)
        self.assertTrue(all(p["seconds"] >= 0 and p["ranks"] == 1 for p in found["points"]))
        self.assertEqual(found["seconds_left"], 0)
        self.assertEqual(self.files(), before)

    def test_moved_folder(self):
        self.run_config(CONFIG)
        shutil.move(self.path / "out", self.path / "elsewhere")
        self.assertIn("elsewhere: 4 points, 4 done", self.call("status", "elsewhere").stdout)

    def test_read_only(self):
        """A folder in which nobody may write, and that has no locks."""
        self.run_config(CONFIG)
        shutil.rmtree(self.path / "out" / "locks", ignore_errors=True)
        before = self.files()
        for folder in (self.path / "out", self.path / "out" / "points"):
            folder.chmod(0o555)
        try:
            self.call("status", "out")
            self.call("plan", "config.yaml")
        finally:
            for folder in (self.path / "out", self.path / "out" / "points"):
                folder.chmod(0o755)
        self.call("merge", "out")
        self.assertEqual({p for p in self.files() if p not in before}, {pathlib.Path("out/sweep.h5")})
        self.assertFalse((self.path / "out" / "locks").exists())

    def test_failed(self):
        config = CONFIG | {"kernel": {"type": "file", "gram": "k.npy", "targets": "y.npy"},
                           "sweep": {"spectrum.block": [8, 16]}}
        import numpy as np
        np.save(self.path / "k.npy", np.full((4, 4), 1e300))
        np.save(self.path / "y.npy", np.zeros(3))
        for section in ("data", "network"):
            del config[section]
        (self.path / "config.yaml").write_text(yaml.safe_dump(config))
        subprocess.run([PROGRAM, "run", "config.yaml"], cwd=self.path, capture_output=True,
                       timeout=120, check=False)
        found = self.status(1)
        self.assertEqual(found["failed"], 2)
        self.assertTrue(all(p["message"] for p in found["points"]))
        text = self.call("status", "out", expect=1).stdout
        self.assertIn("2 points (1-2): ", text)
        self.assertIn("--retry-failed", text)

    def test_running_and_killed(self):
        """While a large point is at work all commands see it; after a kill it is interrupted."""
        config = CONFIG | {"data": {"source": "gaussian", "dimension": 3, "train": {"count": 1500}}}
        job = self.start(config)
        try:
            found = self.status(75)
            running = [p for p in found["points"] if p["state"] == "running"]
            self.assertEqual((found["running"], len(running)), (1, 1), found)
            self.assertEqual(running[0]["process"], job.pid)
            self.assertIn(f":{job.pid} (1 rank) since 2", self.call("status", "out", expect=75).stdout)
            self.assertIn("1 running", self.call("plan", "config.yaml").stdout)
            self.call("merge", "out")
            with h5py.File(self.path / "out" / "sweep.h5") as sweep:
                self.assertIn(b"running", list(sweep["status"][...]))
        finally:
            job.send_signal(signal.SIGKILL)
            job.wait()
        text = self.call("status", "out", expect=75).stdout
        self.assertIn("interrupted; begun 2", text)
        self.assertNotIn("running", text)

    def test_refusals(self):
        (self.path / "empty").mkdir()
        (self.path / "file").write_text("x")
        for word, part in (("empty", "no run has begun in this folder"), ("none", "No such file"),
                           ("file", "the folder of a sweep is needed")):
            self.assertIn(part, self.call("status", word, expect=66).stderr)
        (self.path / "empty" / "config.yaml").write_text("nonsense: 1\n")
        self.assertIn("unknown key", self.call("status", "empty", expect=65).stderr)
        self.call("status", expect=64)
        self.assertIn("has no option", self.call("status", "empty", "--alll", expect=64).stderr)


if __name__ == "__main__":
    unittest.main()
