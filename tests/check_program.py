#!/usr/bin/env python3
"""The whole program from outside: edge cases against numpy, refusals with their exit codes,
what is skipped and what is computed again.

Networks without hidden layer (Theta = s_w^2 X X^T + s_b^2) and kernels from files have answers that
numpy gives directly, so the expected numbers do not come from the code under test.
"""
import csv
import io
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import tempfile
import unittest

import h5py
import numpy as np
import yaml

TOP = pathlib.Path(os.environ.get("NTK_SOURCE_DIR", pathlib.Path(__file__).resolve().parent.parent))
PROGRAM = os.environ.get("NTK_PROGRAM", str(TOP / "build" / "ntkrun"))
RANKS = (1, 2, 4)

ANALYSES = [
    "summary",
    {"dynamics": {"loss": "half_sse", "learning_rate": 0.5,
                  "times": {"geomspace": [1e-2, 1e2, 4], "zero": True, "infinity": True}}},
    {"effective_dimension": {"ridge": [0.1, 1.0]}},
    {"article_bounds": {"noise_variance": 0.1}},
    {"fixed_design_risk": {"ridge": [0.1, 1.0], "noise_variance": 0.1}},
]


class Program(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="ntkrun-")
        self.path = pathlib.Path(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def call(self, *words, ranks=None):
        mpi = [str(TOP / "tools" / "mpi"), "mpirun", "-n", str(ranks)] if ranks else []
        return subprocess.run([*mpi, PROGRAM, *words], cwd=self.path, text=True,
                              capture_output=True, timeout=120, check=False)

    def write(self, config, name="config.yaml"):
        (self.path / name).write_text(config if isinstance(config, str) else yaml.safe_dump(config))

    def run_config(self, config, ranks=1, expect=0, sets=()):
        self.write(config)
        words = [w for s in sets for w in ("--set", s)]
        done = self.call("run", "config.yaml", *words, ranks=ranks)
        self.assertEqual(done.returncode, expect, done.stderr)
        return done

    def results(self, directory="out"):
        files = sorted((self.path / directory / "points").glob("*/results.h5"))
        self.assertTrue(files)
        return [h5py.File(f, "r") for f in files]

    def linear(self, x, y, xt=None, yt=None, **network):
        """A network without hidden layer on data from .npy files."""
        np.save(self.path / "x.npy", x)
        np.save(self.path / "y.npy", y)
        data = {"source": "npy", "inputs": "x.npy", "labels": "y.npy", "targets": "real",
                "train": {"count": len(x)}}
        if xt is not None:
            np.save(self.path / "xt.npy", xt)
            np.save(self.path / "yt.npy", yt)
            data |= {"test_inputs": "xt.npy", "test_labels": "yt.npy", "test": {"count": len(xt)}}
        return {"data": data, "analyses": ANALYSES,
                "network": {"kind": "mlp", "depth": 0, "parameterization": "standard"} | network,
                "output": {"directory": "out", "keep": ["results", "gram", "test_train"]}}

    def gram(self, name="gram.h5"):
        with h5py.File(next((self.path / "out" / "kernels").glob(f"*/{name}"))) as f:
            return f["ntk"][...]

    def check_linear(self, x, y, ranks, scale=0.5, block="auto", **network):
        """Theta, spectrum, dynamics of f = x W + scale b against numpy: one layer, one output."""
        rng = np.random.default_rng(1)
        xt, yt = rng.normal(size=(3, x.shape[1])), rng.normal(size=3)
        config = self.linear(x, y, xt, yt, bias={"scale": scale, "std": 1.0}, **network)
        config["spectrum"] = {"block": block}
        self.run_config(config, ranks=ranks)
        (result,) = self.results()
        order = result["data/index"][...]
        x, y = x[order], y[order]
        xt = xt[result["data/test_index"][...]]
        theta, cross = x @ x.T + scale**2, xt @ x.T + scale**2
        top = max(np.abs(theta).max(), 1e-300)
        self.assertLess(np.abs(self.gram() - theta).max() / top, 1e-14)
        self.assertTrue(np.array_equal(self.gram(), self.gram().T))
        self.assertLess(np.abs(self.gram("test_train.h5") - cross.T).max(), 1e-13 * max(top, 1))
        lam = np.linalg.eigvalsh(theta)[::-1]
        self.assertLess(np.abs(result["spectrum/eigenvalue"][...] - lam.clip(0)).max(),
                        1e-12 * max(lam[0], 1e-300))
        self.check_dynamics(result, theta, cross)

    def check_dynamics(self, result, theta, cross):
        y = result["data/target"][...][:, 0]
        yt = result["data/test_target"][...][:, 0]
        f0 = result["kernel/initial_output"][...][:, 0]
        g0 = result["kernel/test_initial_output"][...][:, 0]
        lam, vec = np.linalg.eigh(theta)
        lam = lam.clip(0)
        for k, time in enumerate(result["dynamics/time"][...]):
            psi = np.where(lam * 0.5 * time > 1e-300,
                           -np.expm1(-0.5 * lam * time) / np.where(lam > 0, lam, 1), 0.5 * time)
            moved = vec @ (psi * (vec.T @ (y - f0)))
            train, test = f0 + theta @ moved, g0 + cross @ moved
            self.assertAlmostEqual(result["dynamics/train_loss"][k], 0.5 * ((train - y)**2).sum(),
                                   delta=1e-9 * (1 + (f0**2).sum()))
            self.assertAlmostEqual(result["dynamics/test_loss"][k], 0.5 * ((test - yt)**2).sum(),
                                   delta=1e-9 * (1 + (g0**2).sum()))

    # -- edges ---------------------------------------------------------------------------------

    def test_one_sample(self):
        for ranks in RANKS:
            with self.subTest(ranks=ranks):
                self.setUp()
                self.check_linear(np.array([[1.0, 2.0]]), np.array([1.0]), ranks)

    def test_fewer_samples_than_ranks(self):
        self.check_linear(np.random.default_rng(0).normal(size=(3, 2)), np.arange(3.0), 4)

    def test_ordinary(self):
        self.check_linear(np.random.default_rng(0).normal(size=(33, 40)), np.arange(33.0), 3)

    def test_duplicate_samples_fewer_than_a_block(self):
        x = np.random.default_rng(0).normal(size=(6, 8))
        x[4] = x[1]
        self.check_linear(x, np.arange(6.0), 2, block=64)

    def test_constant_target(self):
        self.check_linear(np.random.default_rng(0).normal(size=(8, 9)), np.ones(8), 2)

    def test_zero_sample(self):
        x = np.random.default_rng(0).normal(size=(5, 6))
        x[2] = 0
        self.check_linear(x, np.arange(5.0), 2)

    def test_zero_kernel(self):
        """All inputs zero and no bias: Theta = 0, nothing moves, ever."""
        config = self.linear(np.zeros((4, 3)), np.arange(4.0), bias="none")
        self.run_config(config, ranks=2)
        (result,) = self.results()
        self.assertEqual(np.abs(self.gram()).max(), 0)
        self.assertEqual(np.abs(result["spectrum/eigenvalue"][...]).max(), 0)
        loss = result["dynamics/train_loss"][...]
        self.assertTrue(np.allclose(loss, 0.5 * (np.arange(4.0)**2).sum(), rtol=1e-14))
        self.assertEqual(np.abs(result["effective_dimension/df1"][...]).max(), 0)

    def test_scaled_zero_image(self):
        """A zero norm divides by 1."""
        x = np.random.default_rng(0).normal(size=(5, 6))
        x[3] = 0
        config = self.linear(x, np.arange(5.0))
        config["data"] |= {"scale": "sample_rms", "center": "none"}
        self.run_config(config, ranks=2)
        self.assertTrue(np.isfinite(self.gram()).all())

    def test_bits_do_not_depend_on_ranks_or_block(self):
        x, y = np.random.default_rng(0).normal(size=(50, 7)), np.arange(50.0)
        grams = []
        for ranks, block in ((1, 64), (2, 8), (3, 32), (4, 1), (6, 100)):
            self.setUp()
            config = self.linear(x, y, depth=2, width=33, activation="tanh",
                                 parameterization="ntk")
            config["spectrum"] = {"block": block}
            self.run_config(config, ranks=ranks)
            grams.append(self.gram())
        for gram in grams[1:]:
            self.assertTrue(np.array_equal(grams[0], gram))

    # -- what is computed, what is skipped -------------------------------------------------------

    def sweep_config(self):
        config = self.linear(np.random.default_rng(0).normal(size=(6, 3)), np.arange(6.0), depth=1,
                             width=4, activation="relu")
        config["output"]["keep"] = ["results"]
        config["sweep"] = {"network.seed": [0, 1], "network.width": [4, 8]}
        return config

    def test_second_run_computes_nothing(self):
        config = self.sweep_config()
        self.assertIn("4 computed, 0 were done", self.run_config(config, 2).stderr)
        before = [f.stat().st_mtime_ns for f in self.path.glob("out/points/*/results.h5")]
        self.assertIn("0 computed, 4 were done", self.run_config(config, 1).stderr)
        after = [f.stat().st_mtime_ns for f in self.path.glob("out/points/*/results.h5")]
        self.assertEqual(before, after)

    def test_new_analysis_keeps_the_others(self):
        config = self.sweep_config()
        config["analyses"] = ["summary", {"effective_dimension": {"ridge": [0.1]}}]
        self.run_config(config)
        seconds = [r["kernel"].attrs["seconds"] for r in self.results()]
        config["analyses"].append({"article_bounds": {"noise_variance": 0.1}})
        done = self.run_config(config).stderr
        self.assertIn("4 computed", done)
        self.assertIn("point 2 of 4: there are results; the kernel is computed again, for "
                      "/article_bounds\n", done)
        for result, old in zip(self.results(), seconds):
            self.assertIn("article_bounds", result)
            self.assertEqual(result["kernel"].attrs["seconds"], old)

    def test_kept_files_are_made_later(self):
        """A file that `keep` names now and that is not there yet is no finished point."""
        x, y = np.random.default_rng(0).normal(size=(5, 3)), np.arange(5.0)
        config = self.linear(x, y, x[:2], y[:2])
        for keep, computed in ((["results"], 1), (["results"], 0), (["results", "test_train"], 1),
                               (["results", "test_train"], 0), (["results", "gram"], 1)):
            config["output"]["keep"] = keep
            done = self.run_config(config).stderr
            self.assertIn(f"1 point: {computed} computed", done)
            self.assertEqual("the kernel is computed again, for files that output.keep names" in done,
                             computed == 1 and len(keep) > 1)
            self.assertNotIn(", planned", done) # as small as that, plans are of no use
            self.assertNotIn(" (0.0 GF/s)", done)
        config = self.linear(x, y)
        config["output"] = {"directory": "alone", "keep": ["test_train"]}
        for computed in (1, 0): # no test set, no test_train.h5, but done all the same
            self.assertIn(f"{computed} computed", self.run_config(config).stderr)

    def test_plan_of_a_kernel_from_a_file(self):
        with h5py.File(self.path / "k.h5", "w") as file:
            file["K"], file["y"] = np.eye(6), np.ones((6, 2))
        self.write({"kernel": {"type": "file", "path": "k.h5", "gram": "/K", "targets": "/y"},
                    "output": {"directory": "out", "keep": ["gram"]}})
        done = self.call("plan", "config.yaml")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r" pending +6 +0 ")
        self.assertRegex(done.stdout, "kept files [0-9.]+ KiB") # gram.h5

    def test_more_values_of_an_axis(self):
        config = self.sweep_config()
        self.run_config(config)
        config["sweep"]["network.seed"] = [0, 1, 2]
        self.assertIn("2 computed, 4 were done", self.run_config(config).stderr)

    def test_other_axes_are_refused(self):
        config = self.sweep_config()
        self.run_config(config)
        config["sweep"] = {"network.depth": [1, 2]}
        done = self.run_config(config, expect=65)
        self.assertIn("network.seed, network.width", done.stderr)
        self.assertIn("network.depth", done.stderr)
        plan = self.call("plan", "config.yaml")
        self.assertEqual(plan.returncode, 65, plan.stderr)
        self.assertIn("run will refuse: ", plan.stdout)
        self.assertIn(plan.stdout.split("run will refuse: ")[1].strip(), done.stderr)

    def test_set_removes_an_axis(self):
        self.write(self.sweep_config())
        done = self.call("plan", "config.yaml", "--set", "network.seed=7")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("2 points", done.stdout)

    def test_one_failing_point_fails_alone(self):
        config = self.sweep_config()
        config["sweep"] = {"data.train.count": [4, 600]}
        done = self.run_config(config, expect=1)
        self.assertIn("1 computed", done.stderr)
        self.assertIn("1 failed", done.stderr)
        self.assertIn("600", done.stderr)

    def test_frozen_config_is_valid_and_the_same(self):
        self.run_config(self.sweep_config())
        ids = sorted(f.name for f in (self.path / "out" / "points").iterdir())
        plan = self.call("plan", "out/config.yaml")
        self.assertEqual(plan.returncode, 0, plan.stderr)
        for point in ids:
            self.assertRegex(plan.stdout, point + r" +done")

    def test_weights_round_trip(self):
        """Weights that were kept give the same kernel to the last bit."""
        config = self.linear(np.random.default_rng(0).normal(size=(6, 3)), np.arange(6.0), depth=2,
                             width=5, activation="gelu", parameterization="ntk")
        config["output"]["keep"] = ["results", "gram", "weights"]
        self.run_config(config)
        gram = self.gram()
        (weights,) = (self.path / "out" / "points").glob("*/weights.h5")
        weights.rename(self.path / "weights.h5")
        config["network"] = {"weights": "weights.h5"}
        config["output"]["directory"] = "again"
        self.run_config(config, ranks=2)
        with h5py.File(next((self.path / "again" / "kernels").glob("*/gram.h5"))) as f:
            self.assertTrue(np.array_equal(f["ntk"][...], gram))

    # -- refusals ----------------------------------------------------------------------------------

    def refuse(self, code, part, *words):
        done = self.call(*words)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(part, done.stderr)
        return done

    def test_wrong_command_lines(self):
        """Each ends with its code and one line that says what to do."""
        (self.path / "folder").mkdir()
        (self.path / "file").write_text("data: {}\n")
        for code, part, *words in (
                (64, "no command 'frobnicate'; 'ntkrun --help' lists them", "frobnicate"),
                (64, "did you mean 'check'?", "chekc", "file"),
                (64, "no command '--nonsense'", "--nonsense"),
                (64, "'run' needs a CONFIG", "run"),
                (64, "'merge' needs a DIR", "merge"),
                (64, "one word too many", "inspect", "a", "b"),
                (64, "'other' is one word too many", "check", "file", "other"),
                (64, "'check' has no option '--ranks'", "check", "file", "--ranks", "2"),
                (64, "did you mean '--expand'?", "check", "file", "--expnad"),
                (64, "whole number from 1", "plan", "file", "--ranks", "two"),
                (64, "--set needs a value", "check", "file", "--set"),
                (64, "one of bash|zsh", "reference", "--completion", "fish"),
                (64, "choose one", "reference", "--man", "--completion", "zsh"),
                (66, "nowhere.yaml: No such file", "check", "nowhere.yaml"),
                (66, "nowhere: No such file", "merge", "nowhere"),
                (66, "folder: is a folder; a config file is needed", "check", "folder"),
                (66, "folder: is a folder; a config file is needed", "run", "folder"),
                (66, "folder: is a folder; a file is needed", "export", "folder"),
                (66, "file: is a file; the folder of a sweep is needed", "merge", "file"),
                (66, "folder: no run has begun in this folder: it has no config.yaml", "merge", "folder"),
                (65, "file: not an HDF5 file", "inspect", "file"),
                (65, "file: not an HDF5 file", "export", "file")):
            with self.subTest(words=words):
                done = self.refuse(code, part, *words)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                self.assertEqual(done.stdout, "")
        self.refuse(64, "usage")
        for words in (["run"], ["frobnicate"]):
            done = self.call(*words, ranks=2)
            self.assertEqual(done.returncode, 64)
            self.assertEqual(done.stderr.count("ntkrun: "), 1, done.stderr)

    def test_unreadable_files(self):
        if os.geteuid() == 0:
            self.skipTest("root may read everything")
        (self.path / "secret.yaml").write_text("data: {}\n")
        (self.path / "secret.yaml").chmod(0)
        self.refuse(66, "Permission denied", "check", "secret.yaml")

    def test_help(self):
        commands = self.call("--help")
        self.assertEqual(commands.returncode, 0)
        for name in ("check", "plan", "run", "merge", "inspect", "export", "reference"):
            self.assertIn(f"  {name} ", commands.stdout)
            done = self.call(name, "--help")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn(f"ntkrun {name}", done.stdout)
            self.assertEqual(self.call("help", name).stdout, done.stdout)

    def test_output_that_cannot_be_written(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        for words in ([PROGRAM, "--help"], [PROGRAM, "reference"], [PROGRAM, "reference", "--man"],
                      [PROGRAM, "--version"], [TOP / "tools" / "submit", "--help"]):
            with open("/dev/full", "w", encoding="ascii") as full:
                done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
            self.assertEqual(done.returncode, 73, words)
            self.assertRegex(done.stderr, "^[^\n]*output[^\n]*: No space left on device\n$")

    def read_by_nobody(self, *words, log=subprocess.PIPE):
        """What `| head` has left; log: where stderr goes."""
        reader, writer = os.pipe()
        os.close(reader)
        with open(writer, "wb") as pipe:
            return subprocess.run(words, cwd=self.path, text=True, stdout=pipe, check=False, timeout=60,
                                  stderr=pipe if log is None else log)

    def test_a_reader_that_has_gone(self):
        """Ends whatever prints, in silence; but not a run, whose log `| tee` no longer takes."""
        self.write(self.sweep_config())
        self.assertEqual(self.read_by_nobody(PROGRAM, "run", "config.yaml", log=None).returncode, 0)
        self.assertEqual(self.call("status", "out").returncode, 0)
        for words in (["--help"], ["plan", "config.yaml"], ["status", "out"]):
            done = self.read_by_nobody(PROGRAM, *words)
            self.assertEqual((done.returncode, done.stderr), (-signal.SIGPIPE, ""))
        for tool in ("plot.py", "report", "submit", "summarize.py"):  # one goes for all
            self.assertIn("\n    run(main)\n", (TOP / "tools" / tool).read_text())
        done = self.read_by_nobody(TOP / "tools" / "submit", "--help")
        self.assertEqual((done.returncode, done.stderr), (128 + signal.SIGPIPE, ""))

    def test_missing_files(self):
        self.refuse(66, "nowhere.yaml", "check", "nowhere.yaml")
        self.refuse(66, "nowhere.h5", "inspect", "nowhere.h5")
        config = self.sweep_config()
        config["data"]["inputs"] = "nowhere.npy"
        self.assertRegex(self.run_config(config, expect=66).stderr,
                         r"config.yaml:[0-9]+:11: error: .*nowhere.npy: No such file")

    def test_folder_without_its_data(self):
        """What runs on a cluster is merged and looked at where the data are not."""
        config = self.sweep_config()
        self.run_config(config)
        first = self.call("plan", "config.yaml").stdout
        (self.path / config["data"]["inputs"]).unlink()
        self.assertEqual(self.call("merge", "out").returncode, 0)
        self.assertEqual(self.call("status", "out").returncode, 0)
        with h5py.File(self.path / "out" / "sweep.h5") as file:
            ids = [i.decode() for i in file["point_id"][...].flat]
            self.assertTrue(all(s == b"done" for s in file["status"][...].flat))
        for point in ids:
            self.assertIn(point, first)
        self.refuse(66, "No such file", "check", "config.yaml")
        self.refuse(66, "No such file", "run", "config.yaml")
        plan = self.call("plan", "config.yaml")
        self.assertEqual(plan.returncode, 66)
        self.assertIn("time and memory cannot be told", plan.stdout)
        (self.path / "out" / "inputs.txt").unlink()
        self.refuse(66, "not in out/inputs.txt either", "merge", "out")

    def test_one_code_for_one_refusal(self):
        """check and plan end as run would."""
        data = "data: {source: gaussian, dimension: 3, train: {count: 9}}\n"
        single = "kernel: {outputs: {single: {output: 7}}}\noutput: {directory: out}\n"
        for text, code in (
                (data + single + "sweep: {network.seed: [0, 1]}\n", 65),
                (data + "output: {directory: out}\nsweep: {kernel.outputs: [mean, {single: {output: 7}}]}\n", 1),
                ("data: {source: idx, inputs: nowhere, labels: nowhere}\n", 66)):
            self.write(text)
            codes = {words: self.call(words, "config.yaml").returncode for words in ("check", "plan", "run")}
            self.assertEqual(codes, dict.fromkeys(codes, code), text)
            shutil.rmtree(self.path / "out", ignore_errors=True)
        self.write(data + "run: {group_ranks: 3}\n")
        plan = self.call("plan", "config.yaml", "--ranks", "2")
        self.assertEqual(plan.returncode, self.call("run", "config.yaml").returncode)
        self.assertIn("run will refuse: run.group_ranks or run.grid: groups of 3", plan.stdout)

    def test_all_problems_at_once(self):
        self.write("data: {source: gausian}\nnetwork: {widht: 3, depth: 2.5}\nkernel: {outputs: men}\n")
        done = self.call("check", "config.yaml")
        self.assertEqual(done.returncode, 65)
        for part in ("config.yaml:1:16: error", "gaussian", "config.yaml:2:11: error", "'width'",
                     "config.yaml:3:", "mean", "^"):
            self.assertIn(part, done.stderr)

    def test_check_looks_at_points(self):
        """What only shows once data are read and the network is built; a point of a sweep is named."""
        (self.path / "gap.csv").write_text("a,b,y\n1,2,3\n1,,2\n3,4,5\n")
        drawn = "data: {source: gaussian, dimension: 3, train: {count: 9}}\n"
        frozen = "network: {layers: [dense: {features: outputs, trainable: false}]}\n"
        for text, parts in (
                (drawn + "network: {depth: 2, parameterization: mean_field}\n",
                 ("config.yaml:2:39: error: parameterization: mean_field is for networks of 2",)),
                (drawn + frozen, ("config.yaml: error: the network has no trainable",)),
                (drawn + "kernel: {outputs: {single: {output: 7}}}\n",
                 ("config.yaml:2:19: error: kernel.outputs: no output 7",)),
                (drawn + frozen + "sweep: {network.seed: 0..2}\n",
                 ("no trainable", "at point 1 of 3 (seed 0) and 2 more")),
                ("data: {source: csv, path: gap.csv}\n", ("gap.csv:3:3: column 1 ('b')",)),
                ("data: {source: npy, inputs: x.npy, labels: x.npy}\n"
                 "network: {depth: 1, weights: none.h5}\n",
                 ("config.yaml:2:18: error: network.depth", "config.yaml:2:30: error: network.weights"))):
            self.write(text)
            for words in ((), ("--expand",)):
                done = self.call("check", "config.yaml", *words)
                self.assertEqual((done.returncode, done.stdout), (65, ""), text)
                for part in parts:
                    self.assertIn(part, done.stderr)

    def test_expand(self):
        """Prints the frozen config, and the layers as a list that can be written instead."""
        self.write("data: {source: gaussian, dimension: 3, train: {count: 9}}\n"
                   "network: {depth: 2, width: 8, activation: tanh}\n")
        done = self.call("check", "config.yaml", "--expand")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        frozen, layers = done.stdout.split("# the network, layer by layer:\n")
        layers = yaml.safe_load("".join(line[4:] for line in layers.splitlines(keepends=True)))
        self.assertEqual([next(iter(layer)) for layer in layers["layers"]],
                         ["dense", "activation", "dense", "activation", "dense"])
        config = yaml.safe_load(frozen)
        self.assertEqual((config["network"]["depth"], config["network"]["width"]), (2, 8))
        config["network"] = layers
        self.write(config)
        self.assertEqual(self.call("check", "config.yaml").returncode, 0)

    def test_reference_is_a_valid_config(self):
        self.write(self.call("reference").stdout)
        done = self.call("check", "config.yaml")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_output_that_cannot_be_created(self):
        config = self.sweep_config()
        (self.path / "file").write_text("in the way")
        config["output"]["directory"] = "file/out"
        self.assertIn("file", self.run_config(config, ranks=2, expect=73).stderr)

    def test_damaged_results_are_refused_by_inspect(self):
        (self.path / "bad.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64))
        self.refuse(65, "bad.h5", "inspect", "bad.h5")

    # -- what is made of results -------------------------------------------------------------------

    def kept_run(self):
        """A sweep with every file that can be kept, merged."""
        rng = np.random.default_rng(0)
        config = self.linear(rng.normal(size=(7, 3)), np.arange(7.0), rng.normal(size=(2, 3)),
                             np.arange(2.0), depth=1, width=4, activation="relu",
                             parameterization="ntk")
        config["output"]["keep"] = ["results", "gram", "spectrum", "test_train", "weights",
                                    "per_layer", "predictions"]
        config["kernel"] = {"quantity": ["ntk", "nngp"]}
        config["sweep"] = {"network.seed": [0, 1], "network.weight_init": ["he_normal",
                                                                          "glorot_uniform"]}
        config["analyses"] = [*ANALYSES, {"dynamics": {"label": "late", "times": [1e6]}}]
        self.run_config(config)
        self.assertEqual(self.call("merge", "out").returncode, 0)
        files = {f.name: f for f in self.path.glob("out/**/*.h5")}
        self.assertGreaterEqual(set(files), {"results.h5", "gram.h5", "spectrum.h5",
                                "test_train.h5", "weights.h5", "sweep.h5", "per_layer.h5",
                                "predictions.h5"})
        return files.values()

    def compare_column(self, column, values):
        """Text of CSV against an array, bit by bit."""
        if values.dtype.kind not in "fiub":
            self.assertEqual(column, [v.decode() if isinstance(v, bytes) else v for v in values])
        elif values.dtype.kind != "f":
            self.assertEqual([int(c) for c in column], [int(v) for v in values])
        else:
            read = np.array([float(c) for c in column]).astype(values.dtype)
            self.assertTrue(np.array_equal(np.isnan(read), np.isnan(values)))
            known = ~np.isnan(values)
            self.assertEqual(read[known].tobytes(), values[known].tobytes())

    def compare_variable(self, folder, file, name, variable):
        group, _, leaf = name.rpartition("/")
        if variable.attrs.get("CLASS") == b"DIMENSION_SCALE":
            return 0 # a coordinate: checked where it is used
        dims = [variable.dims[k][0].name.rpartition("/")[2] for k in range(variable.ndim)]
        table = ".".join([*(group.split("/") if group else [file.stem]), *dims])
        with open(folder / f"{table}.csv", newline="", encoding="utf-8") as stream:
            head, *rows = csv.reader(stream)
        self.assertEqual(head[:len(dims)], dims)
        columns = dict(zip(head, zip(*rows))) if rows else {h: () for h in head}
        self.compare_column(list(columns[leaf]), variable[()].reshape(-1)
                            if variable.shape else np.array([variable[()]]))
        for k, dim in enumerate(dims):
            scale = variable.parent.get(dim)
            stated = scale is not None and scale.attrs.get("NAME", b"")[:6] != b"This i"
            values = scale[()] if stated else np.arange(variable.shape[k])
            shape = [-1 if i == k else 1 for i in range(variable.ndim)]
            everywhere = np.broadcast_to(values.reshape(shape), variable.shape).reshape(-1)
            self.compare_column(list(columns[dim]), everywhere)
        return 1

    def test_export_and_inspect(self):
        """Every number of every file comes back from CSV with the same bits; inspect shows all."""
        for file in self.kept_run():
            folder = self.path / "csv" / file.stem
            done = self.call("export", str(file), "--csv", "--output", str(folder))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(sorted(done.stdout.split()), sorted(map(str, folder.glob("*"))))
            shown = self.call("inspect", str(file))
            self.assertEqual((shown.returncode, shown.stderr), (0, ""))
            self.assertLessEqual(max(len(line) for line in shown.stdout.split("\n")[1:]), 100)
            compared = []
            with h5py.File(file) as f:
                f.visititems(lambda name, v: compared.append(
                    self.compare_variable(folder, file, name, v))
                    if isinstance(v, h5py.Dataset)
                    and v.attrs.get("NAME", b"")[:6] != b"This i" else None)
                self.assertGreater(sum(compared), 0)
                for group in ["/"] + [f"/{name}" for name in f if isinstance(f[name], h5py.Group)]:
                    self.assertIn(f"\n{group}", shown.stdout)

        self.export_one_table()

    def export_one_table(self):
        done = self.call("export", "out/sweep.h5", "--group", "dynamics.seed.weight_init.time",
                         "--output", "-")
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        self.assertEqual({r["weight_init"] for r in rows}, {"he_normal", "glorot_uniform"})
        self.assertEqual(len(rows), 2 * 2 * 5)
        self.refuse(64, "--group", "export", "out/sweep.h5", "--output", "-")
        self.refuse(64, "no group or table 'dynamic'", "export", "out/sweep.h5", "--group",
                    "dynamic")
        self.refuse(73, "config.yaml", "export", "out/sweep.h5", "--output", "config.yaml")

    def test_manual_page(self):
        page = self.call("reference", "--man")
        self.assertEqual(page.returncode, 0, page.stderr)
        for words in (["groff", "-man", "-ww", "-z", "-Tutf8"], ["mandoc", "-Tlint"]):
            if shutil.which(words[0]):
                done = subprocess.run(words, input=page.stdout, text=True, capture_output=True,
                                      check=False, timeout=60)
                self.assertEqual((done.stdout, done.stderr), ("", ""), words)

    def test_completion(self):
        script = self.call("reference", "--completion", "bash").stdout
        (self.path / "completion").write_text(script)
        (self.path / "a b.yaml").write_text("")
        for line, wanted in ((["re"], ["reference"]),
                             (["run", "--se"], ["--set"]),
                             (["reference", "--completion", ""], ["bash", "zsh"]),
                             (["run", "--set", "network.wi"], ["network.width="]),
                             (["run", "--set", "network.activation", "=", "rel"], ["relu"]),
                             (["check", "a"], ["a b.yaml"])):
            words = " ".join(shlex.quote(w) for w in ["ntkrun", *line])
            done = subprocess.run(
                ["bash", "-c", f". ./completion; COMP_WORDS=({words}); COMP_CWORD={len(line)}; "
                 "_ntkrun 2>errors; printf '%s\\n' \"${COMPREPLY[@]}\""],
                cwd=self.path, text=True, capture_output=True, check=False, timeout=60)
            self.assertEqual(done.stdout.split("\n")[:-1], wanted, line)


if __name__ == "__main__":
    unittest.main()
