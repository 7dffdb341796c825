#!/usr/bin/env python3
"""tools/plot.py and tools/summarize.py on what the program really writes: a sweep with classes, a
sweep of something else than widths, a single point without merge.

The pictures are not judged here, only that each of them is drawn, in all formats, and that nothing
is drawn for results that are not there.
"""
import os
import pathlib
import subprocess
import tempfile
import unittest

import numpy as np
import yaml

TOP = pathlib.Path(os.environ.get("NTK_SOURCE_DIR", pathlib.Path(__file__).resolve().parent.parent))
PROGRAM = os.environ.get("NTK_PROGRAM", str(TOP / "build" / "ntkrun"))
PLOT, SUMMARIZE = TOP / "tools" / "plot.py", TOP / "tools" / "summarize.py"

ANALYSES = [
    "summary",
    {"dynamics": {"times": {"geomspace": [1e-2, 1e4, 13], "zero": True, "infinity": True},
                  "predictions": {"test": [0, 1], "train": [2]}}},
    {"effective_dimension": {"ridge": {"geomspace": [1e-6, 1e2, 9]}, "ridge_unit": "trace_per_n"}},
    {"fixed_design_risk": {"ridge": {"geomspace": [1e-6, 1e2, 9]}, "ridge_unit": "trace_per_n",
                           "noise_variance": 0.1}},
]
CURVE = {"source": "grid", "train": {"count": 12}, "test": {"count": 5}, "noise_std": 0.1}


class Figures(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ntkrun-")
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)

    def call(self, *words, expect=0):
        done = subprocess.run(list(map(str, words)), cwd=self.path, text=True, capture_output=True,
                              timeout=200, check=False)
        self.assertEqual(done.returncode, expect, done.stderr)
        return done

    def run_config(self, data, sweep=None, merge=True, analyses=ANALYSES):
        config = {"name": "a test", "data": data, "network": {"depth": 1, "width": 8},
                  "analyses": analyses, "output": {"directory": "out"}}
        if sweep:
            config["sweep"] = sweep
        (self.path / "config.yaml").write_text(yaml.safe_dump(config))
        self.call(TOP / "tools" / "mpi", PROGRAM, "run", "config.yaml")
        if merge:
            self.call(PROGRAM, "merge", "out")

    def classes(self):
        random = np.random.default_rng(0)
        for name, count in (("x", 30), ("xt", 9)):
            np.save(self.path / f"{name}.npy", random.normal(size=(count, 4)))
            np.save(self.path / f"{name}_label.npy", np.arange(count) % 3)
        return {"source": "npy", "inputs": "x.npy", "labels": "x_label.npy", "test_inputs": "xt.npy",
                "test_labels": "xt_label.npy"}

    def figures(self):
        return {f.name for f in (self.path / "out" / "figures").iterdir() if f.stat().st_size > 5000}

    def test_classes(self):
        self.run_config(self.classes(), {"network.width": [4, 8, 16], "network.activation": ["relu", "erf"],
                                         "network.seed": [0, 1]})
        self.call(PLOT, "out")
        kinds = ("kernel", "spectrum", "trajectories", "learning", "risk", "width_study")
        self.assertEqual(self.figures(), {f"{k}.{s}" for k in kinds for s in ("png", "pdf")})
        text = self.call(SUMMARIZE, "out").stdout
        for part in ("12 of 12 points are done", "test accuracy", "eigenvalue 3", "effective dimension",
                     "kernel's spread", "sweep.h5"):
            self.assertIn(part, text)
        self.assertEqual(len([line for line in text.splitlines() if " relu " in line]), 3)

    def test_other_axes(self):
        self.run_config(CURVE, {"network.depth": [1, 2], "network.activation": ["relu", "tanh"]})
        self.call(PLOT, "out", "--format", "png")
        self.assertEqual(self.figures(), {f"{k}.png" for k in (
            "kernel", "spectrum", "trajectories", "learning", "risk", "depth_study")})
        self.assertIn("test loss", self.call(SUMMARIZE, "out").stdout)

    def test_words_only(self):
        self.run_config(CURVE, {"network.activation": ["relu", "tanh"]})
        self.call(PLOT, "out", "--format", "png")
        self.assertEqual(self.figures(), {f"{k}.png" for k in (
            "kernel", "spectrum", "trajectories", "learning", "risk")})
        self.call(SUMMARIZE, "out")

    def test_single_point(self):
        self.run_config(CURVE, merge=False)
        self.call(PLOT, "out", "--format", "png")
        self.assertIn("learning.png", self.figures())
        self.assertIn("1 of 1 points are done", self.call(SUMMARIZE, "out").stdout)

    def test_a_point_by_its_id(self):
        self.run_config(CURVE, {"network.width": [4, 8]}, analyses=["summary"])
        identity = next((self.path / "out" / "points").iterdir()).name
        self.call(PLOT, "out", "--point", identity[:8], "--format", "png")
        self.assertEqual(self.figures(), {"kernel.png", "spectrum.png", "width_study.png"})
        self.assertIn("0 points", self.call(PLOT, "out", "--point", "nothing", expect=1).stderr)

    def test_nothing_there(self):
        self.assertIn("no points", self.call(PLOT, self.path, expect=1).stderr)


if __name__ == "__main__":
    unittest.main()
