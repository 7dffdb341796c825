#!/usr/bin/env python3
"""tools/ntkload.py on what the program writes: it gives what xarray itself gives, and of a sweep at
every place what the point there holds; every mistake gets an answer that names the way out."""
import itertools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import warnings

import h5py
import numpy as np
import xarray as xr
import yaml

TOP = pathlib.Path(os.environ.get("NTK_SOURCE_DIR", pathlib.Path(__file__).resolve().parent.parent))
PROGRAM = os.environ.get("NTK_PROGRAM", str(TOP / "build" / "ntkrun"))
sys.path.insert(0, str(TOP / "tools"))
import ntkload

CONFIG = {
    "name": "a test", "data": {"source": "gaussian", "dimension": 3, "train": {"count": 6}, "test": {"count": 4}},
    "network": {"depth": 1, "width": 4},
    "analyses": ["summary", {"dynamics": {"times": {"geomspace": [0.1, 10, 3], "infinity": True}}},
                 {"effective_dimension": {"ridge": {"geomspace": [1e-2, 1, 3]}, "ridge_unit": "trace_per_n"}}],
    "sweep": {"data.train.count": [6, 9], "network.activation": ["relu", "erf"], "network.seed": [0, 1]},
    "output": {"directory": "out"}}


def call(*words, cwd, expect=0):
    done = subprocess.run(list(map(str, words)), cwd=cwd, text=True, capture_output=True, timeout=200, check=False)
    if done.returncode != expect:
        raise AssertionError(done.stderr)


def run(config, path):
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    call(TOP / "tools" / "mpi", PROGRAM, "run", "config.yaml", cwd=path)


class Load(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="ntkrun-")
        cls.addClassCleanup(folder.cleanup)
        cls.made = pathlib.Path(folder.name)
        run(CONFIG, cls.made)
        call(PROGRAM, "merge", "out", cwd=cls.made)

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ntkrun-")
        self.addCleanup(folder.cleanup)
        self.out = pathlib.Path(folder.name) / "out"
        shutil.copytree(self.made / "out", self.out)

    def point(self, **where):
        """The folder of the point that stands there."""
        identity = ntkload.open_sweep(self.out)["/"].point_id.sel(where).item()
        return self.out / "points" / str(identity)

    def test_zipped_skipped_and_several_quantities(self):
        path = self.out.parent
        run({**CONFIG, "kernel": {"quantity": ["ntk", "conjugate"]}, "output": {"directory": "out2"}, "sweep": {
            "network.seed": [0, 1], "zip": {"shape": {"label": ["wide", "deep"], "network.width": [8, 4],
                                                      "network.depth": [1, 2]}},
            "skip": [{"seed": 1, "shape": "deep"}]}}, path)
        call(PROGRAM, "merge", "out2", cwd=path)
        self.out = path / "out2"
        sweep = ntkload.open_sweep(self.out)
        self.assertEqual(sweep["conjugate/spectrum"].eigenvalue.dims, ("seed", "shape", "mode"))
        self.assertEqual(sweep["/"].width.sel(shape="wide").item(), 8)
        self.assertEqual(sweep["/"].status.sel(seed=1, shape="deep").item(), "skipped")
        self.check_files()

    def test_as_xarray_itself_opens_it(self):
        self.check_files()

    def check_files(self):
        for file in (self.out / "sweep.h5", ntkload.list_points(self.out)[0]):
            groups = ntkload.open_sweep(file)
            for group in groups:
                with self.subTest(file=file.name, group=group), xr.open_dataset(file, group=group) as data:
                    xr.testing.assert_equal(groups[group], data.load())
                    self.assertEqual(groups[group].attrs.keys(), data.attrs.keys())
                    for name in data.variables:
                        self.assertEqual(groups[group][name].attrs.get("units"), data[name].attrs.get("units"))

    def test_points_stand_at_their_places(self):
        sweep = ntkload.open_sweep(self.out)
        for n, activation, seed in itertools.product((6, 9), ("relu", "erf"), (0, 1)):
            where = {"count": n, "activation": activation, "seed": seed}
            with h5py.File(self.point(**where) / "results.h5") as file:
                loss, eigenvalue = file["dynamics/test_loss"][()], file["spectrum/eigenvalue"][()]
            np.testing.assert_array_equal(sweep["dynamics"].test_loss.sel(where), loss)
            found = sweep["spectrum"].eigenvalue.sel(where)
            np.testing.assert_array_equal(found[:len(eigenvalue)], eigenvalue)
            self.assertTrue(np.isnan(found[len(eigenvalue):]).all())

    def test_a_point(self):
        folder = self.point(count=6, activation="relu", seed=0)
        for path in (folder, folder / "results.h5", str(folder)):
            point = ntkload.open_point(path)
            self.assertEqual(point["spectrum"].eigenvalue.shape, (6,))
            self.assertEqual(point["/"].attrs["point_id"], folder.name)

    def test_without_sweep(self):
        path = self.out.parent
        run({**{k: v for k, v in CONFIG.items() if k != "sweep"}, "output": {"directory": "single"}}, path)
        self.assertEqual(ntkload.open_point(path / "single")["spectrum"].eigenvalue.shape, (6,))
        call(PROGRAM, "merge", "single", cwd=path)
        self.assertEqual(ntkload.open_sweep(path / "single")["/"].point_id.dims, ())

    def test_groups(self):
        sweep = ntkload.open_sweep(self.out)
        self.assertIn("dynamics", sweep)
        self.assertIsNone(sweep.get("weather"))
        self.assertIn("kernel", repr(sweep))
        self.assertEqual(len(sweep), len(list(sweep)))

    def refuse(self, error, *parts, path="", function=ntkload.open_sweep):
        with self.assertRaises(error) as caught:
            function(self.out / path)
        for part in parts:
            self.assertIn(part, str(caught.exception))

    def test_refusals(self):
        with self.assertRaisesRegex(KeyError, "no group 'dynamic'; did you mean 'dynamics'.*effective_dimension"):
            ntkload.open_sweep(self.out)["dynamic"]
        with self.assertRaisesRegex(KeyError, "no group 'zzz' There are"):
            ntkload.open_sweep(self.out)["zzz"]
        self.refuse(FileNotFoundError, "output.directory of a run", path="points")
        self.refuse(FileNotFoundError, "8 points", "open_sweep", function=ntkload.open_point)
        self.refuse(FileNotFoundError, "is not there", path="nothing.h5", function=ntkload.open_point)
        self.refuse(OSError, "cannot be read as HDF5", path="config.yaml", function=ntkload.open_point)
        self.refuse(FileNotFoundError, "is not there", "ntkrun merge", path="other.h5")
        (self.out / "sweep.h5").unlink()
        self.refuse(FileNotFoundError, f"run `ntkrun merge {self.out}`")

    def test_an_old_merge(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ntkload.open_sweep(self.out)
        os.utime(self.point(count=6, activation="relu", seed=0) / "results.h5")
        with self.assertWarnsRegex(UserWarning, "older than 1 of 8 points; run `ntkrun merge"):
            ntkload.open_sweep(self.out)


if __name__ == "__main__":
    unittest.main()
