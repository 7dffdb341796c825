#!/usr/bin/env python3
"""Data as a user meets them: the configs of the small tables that Debian has, and what a validation
set adds to the results.

Files are read again by numpy.  A network without hidden layer has Theta = X X^T + s_b^2, so losses
and accuracies on the validation set have answers that numpy gives directly.
"""
import gzip
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import h5py
import numpy as np
import yaml

TOP = pathlib.Path(os.environ.get("NTK_SOURCE_DIR", pathlib.Path(__file__).resolve().parent.parent))
PROGRAM = os.environ.get("NTK_PROGRAM", str(TOP / "build" / "ntkrun"))
RATE, SCALE = 0.5, 0.5


class Data(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="ntkrun-")
        self.path = pathlib.Path(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def call(self, *words, ranks=None):
        mpi = [str(TOP / "tools" / "mpi"), "mpirun", "-n", str(ranks)] if ranks else []
        done = subprocess.run([*mpi, PROGRAM, *map(str, words)], cwd=self.path, text=True,
                              capture_output=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def results(self, directory):
        (file,) = (self.path / directory / "points").glob("*/results.h5")
        return h5py.File(file)

    def check_disjoint(self, data):
        names = [n for n in ("index", "validation_index", "test_index") if n in data]
        together = np.concatenate([data[n][...] for n in names])
        self.assertEqual(len(set(together)), len(together))


# -- small tables --------------------------------------------------------------------------------

def delimited(path, **options):
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rt") as file:
        return np.loadtxt(file, **options)


def sparse_labels(path):
    lines = pathlib.Path(path).read_text().splitlines()
    return np.array([float(line.split()[0]) for line in lines if line.strip()])


class Tables(Data):
    """Every config as it is, but for one point of its sweep."""

    def run_table(self, name, package, read, floor, sets=()):
        config = yaml.safe_load((TOP / "configs" / f"{name}.yaml").read_text())
        data = config["data"]
        for key in ("path", "labels"):
            if key in data and not pathlib.Path(data[key]).exists():
                self.skipTest(f"{data[key]} is missing; the package {package} has it")
        self.call("check", TOP / "configs" / f"{name}.yaml")
        words = [w for s in (*sets, f"output.directory={name}") for w in ("--set", s)]
        self.call("run", TOP / "configs" / f"{name}.yaml", *words, ranks=1)
        result = self.results(name)
        targets = read(data)
        for prefix in ("", "validation_", "test_"):
            label, target = (result[f"data/{prefix}{n}"][...] for n in ("label", "target"))
            expected = targets[result[f"data/{prefix}index"][...]]
            if floor is None:
                self.assertTrue(np.array_equal(target[:, 0], expected))
            else:
                labels = np.array(data.get("classes", range(len(set(targets)))))
                self.assertTrue(np.array_equal(labels[label], expected))
        self.check_disjoint(result["data"])
        self.assertEqual(len(result["data/index"]), data["train"]["count"])
        self.assertEqual(len(result["data/validation_index"]), data["validation"]["count"])
        return result

    def check_accuracy(self, result, floor):
        dynamics = result["dynamics"]
        best = int(np.argmin(dynamics["validation_loss"][...]))
        self.assertGreater(dynamics["validation_accuracy"][best], floor)
        self.assertGreater(dynamics["test_accuracy"][best], floor)

    def test_digits(self):
        result = self.run_table("digits", "python3-sklearn",
                                lambda d: delimited(d["path"], delimiter=",")[:, -1], 0.9,
                                ["data.train.count=400", "network.depth=1"])
        self.assertEqual(result["data"].attrs["classes"], 10)
        self.check_accuracy(result, 0.9)

    def test_wine(self):
        result = self.run_table("wine", "python3-sklearn",
                                lambda d: delimited(d["path"], delimiter=",", skiprows=1)[:, -1],
                                0.85, ["data.seed=0"])
        self.check_accuracy(result, 0.85)

    def test_breast_cancer(self):
        result = self.run_table("breast_cancer", "python3-sklearn",
                                lambda d: delimited(d["path"], delimiter=",", skiprows=1)[:, -1],
                                0.85, ["data.train.count=200", "network.width=64"])
        self.check_accuracy(result, 0.85)

    def test_heart_scale(self):
        result = self.run_table("heart_scale", "liblinear-tools", lambda d: sparse_labels(d["path"]),
                                0.7, ["network.depth=1", "data.seed=0"])
        self.check_accuracy(result, 0.7)

    def test_diabetes(self):
        result = self.run_table("diabetes", "python3-sklearn", lambda d: delimited(d["labels"]),
                                None, ["data.seed=0", "network.activation=erf"])
        dynamics, test = result["dynamics"], result["data/test_target"][...]
        best = int(np.argmin(dynamics["validation_loss"][...]))
        self.assertLess(dynamics["test_loss"][best], 0.8 * 0.5 * test.var())


# -- validation ----------------------------------------------------------------------------------

class Validation(Data):
    """A linear network on 90 samples of a table with 3 classes."""

    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(0)
        self.label = np.arange(90) % 3
        self.x = rng.normal(size=(90, 4)) + np.eye(3, 4)[self.label]
        lines = ["a,b,c,d,class"] + [",".join(map(repr, map(float, row))) + f",{k}"
                                     for row, k in zip(self.x, self.label)]
        (self.path / "x.csv").write_text("\n".join(lines) + "\n")

    def write_linear(self, directory, outputs="mean", keep=(), **data):
        config = {"data": {"source": "csv", "path": "x.csv", "train": {"count": 40}} | data,
                  "network": {"kind": "mlp", "depth": 0, "parameterization": "standard",
                              "bias": {"scale": SCALE, "std": 1.0}},
                  "kernel": {"outputs": outputs, "test_test": "full"},
                  "analyses": [{"dynamics": {
                      "loss": "half_sse", "learning_rate": RATE,
                      "times": {"geomspace": [1e-3, 10, 4], "zero": True, "infinity": True}}}],
                  "output": {"directory": directory, "keep": ["results", *keep]}}
        (self.path / "config.yaml").write_text(yaml.safe_dump(config))

    def run_linear(self, directory, ranks, *args, **options):
        self.write_linear(directory, *args, **options)
        self.call("run", "config.yaml", ranks=ranks)
        return self.results(directory)

    def check_losses(self, result, name):
        """Gradient flow of every output by itself: Theta is the same for all."""
        x, xt = (self.x[result[f"data/{p}index"][...]] for p in ("", name))
        y, yt = (result[f"data/{p}target"][...] for p in ("", name))
        f0, g0 = (result[f"kernel/{p}initial_output"][...] for p in ("", name))
        theta, cross = x @ x.T + SCALE**2, xt @ x.T + SCALE**2
        lam, vec = np.linalg.eigh(theta)
        for k, time in enumerate(result["dynamics/time"][...]):
            positive = lam > 1e-9 * lam[-1]
            psi = np.where(positive, -np.expm1(-RATE * lam * time) / np.where(positive, lam, 1),
                           RATE * time)
            f = g0 + cross @ (vec @ (psi[:, None] * (vec.T @ (y - f0))))
            loss = 0.5 * ((f - yt)**2).sum()
            self.assertAlmostEqual(result[f"dynamics/{name}loss"][k] / loss, 1, delta=1e-9)
            label = self.label[result[f"data/{name}index"][...]]
            self.assertAlmostEqual(result[f"dynamics/{name}accuracy"][k],
                                   (f.argmax(1) == label).mean(), delta=1e-12)

    def check_kernel(self, result, name, full):
        x = self.x[result[f"data/{name}index"][...]]
        diagonal = np.repeat((x**2).sum(1) + SCALE**2, 3 if full else 1)
        self.assertLess(np.abs(result[f"kernel/{name}diagonal"][...] / diagonal - 1).max(), 1e-13)

    def test_losses(self):
        for ranks, outputs, tests in ((1, "mean", 29), (2, "full", 13), (4, "mean", 0)):
            with self.subTest(ranks=ranks, outputs=outputs, tests=tests):
                result = self.run_linear(f"{ranks}{outputs}{tests}", ranks, outputs,
                                         validation={"count": 17}, test={"count": tests})
                self.check_disjoint(result["data"])
                for name in ["validation_"] + ["test_"] * (tests > 0):
                    self.check_losses(result, name)
                    self.check_kernel(result, name, outputs == "full")
                self.assertIn("validation_loss_infinity", result["dynamics"])
                self.assertEqual("test_loss" in result["dynamics"], tests > 0)
                self.assertEqual(result["data/validation_target"].dims[0][0].name.split("/")[-1],
                                 "validation_sample")

    def test_nothing_else_changes(self):
        """With a test file the other sets are the same, and so is all that is said of them."""
        test = {"test_path": "x.csv", "test": {"count": 21}}
        keep = ("test_train", "gram")
        without = self.run_linear("without", 2, keep=keep, **test)
        having = self.run_linear("having", 2, keep=keep, validation={"count": 30}, **test)
        for group in ("data", "kernel", "dynamics", "spectrum"):
            extra = set(having[group]) - set(without[group])
            self.assertTrue(all(n.startswith("validation_") for n in extra), extra)
            for name in set(without[group]) - {"tensor_flops"}:  # what it costs does change
                mine, other = having[group][name][...], without[group][name][...]
                self.assertEqual(mine.shape, other.shape, name)
                if mine.dtype.kind == "f":
                    self.assertLess(np.abs(mine - other).max(), 1e-9 * (1 + np.abs(other).max()))
        files = [next((self.path / d / "kernels").glob("*/test_train.h5"))
                 for d in ("without", "having")]
        with h5py.File(files[0]) as one, h5py.File(files[1]) as two:
            for name in ("ntk", "test_test"):
                self.assertTrue(np.array_equal(one[name][...], two[name][...]), name)

    def test_keys(self):
        """`validation: none` is as good as nothing; a validation set makes another point."""
        plans = []
        for more in ({}, {"validation": "none"}, {"validation": {"count": 9}}):
            self.write_linear("out", **more)
            plans += re.findall(r"\b[0-9a-f]{32}\b", self.call("plan", "config.yaml").stdout)
        self.assertEqual(len(plans), 3)
        self.assertEqual(plans[0], plans[1])
        self.assertNotEqual(plans[0], plans[2])


if __name__ == "__main__":
    unittest.main()
