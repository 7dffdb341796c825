#!/usr/bin/env python3
"""The README is true: its first config is valid, its commands and recipes run exactly as printed (on
small sweeps made for them), the files that it names exist."""
import contextlib
import io
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

os.environ["MPLBACKEND"] = "Agg"
import h5py
import matplotlib.pyplot as plt
import numpy as np
import yaml

TOP = pathlib.Path(os.environ.get("NTK_SOURCE_DIR", pathlib.Path(__file__).resolve().parent.parent))
PROGRAM = pathlib.Path(os.environ.get("NTK_PROGRAM", TOP / "build" / "ntkrun"))
README = (TOP / "README.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


class Readme(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ntkrun-")
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)
        (self.path / "build").mkdir()
        (self.path / "build" / "ntkrun").symlink_to(PROGRAM)
        (self.path / "tools").symlink_to(TOP / "tools")
        random = np.random.default_rng(0)
        for name, count in (("x", 40), ("xt", 9)):
            np.save(self.path / f"{name}.npy", random.normal(size=(count, 3)))
            np.save(self.path / f"{name}_label.npy", np.arange(count) % 2)
        self.data = {"source": "npy", "inputs": "x.npy", "labels": "x_label.npy", "test_inputs": "xt.npy",
                     "test_labels": "xt_label.npy", "train": {"count": 12}}

    def call(self, *words):
        done = subprocess.run(list(map(str, words)), cwd=self.path, text=True, capture_output=True, timeout=200,
                              check=False)
        self.assertEqual(done.returncode, 0, f"{words}\n{done.stderr}")
        return done.stdout

    def write(self, name, config):
        (self.path / name).write_text(yaml.safe_dump(config, sort_keys=False))

    def run_config(self, config):
        self.write("config.yaml", config)
        self.call(TOP / "tools" / "mpi", PROGRAM, "run", "config.yaml")
        self.call(PROGRAM, "merge", config["output"]["directory"])

    def quickstart(self):
        """The quickstart with fewer and smaller networks and other data."""
        config = yaml.safe_load((TOP / "configs" / "quickstart.yaml").read_text())
        config["data"] = self.data
        config["network"]["depth"] = 1
        config["sweep"].update({"network.width": [64, 512], "network.seed": [0, 1]})
        self.run_config(config)

    def shirts(self):
        """The first config, with other data."""
        config = yaml.safe_load(blocks("yaml")[0])
        config["data"] = {**self.data, "targets": "sign"}
        config["network"]["width"] = 8
        config["sweep"].update({"data.train.count": [6, 9, 12], "network.seed": [0, 1]})
        return config

    def epochs(self):
        names = ["epoch0.h5", "epoch10.h5", "epoch90.h5"]
        random = np.random.default_rng(0)
        for name in names:
            with h5py.File(self.path / name, "w") as file:
                file.attrs.update({"format": "ntkrun-weights", "schema": 1, "input_shape": [3],
                                   "layers": "layers: [{dense: {name: readout, features: 1}}]"})
                file["layers/readout/W"], file["layers/readout/b"] = random.normal(size=(3, 1)), np.zeros(1)
        self.run_config({"data": {**self.data, "targets": "sign"}, "network": {"weights": names[0]},
                         "analyses": ["summary"], "sweep": {"network.weights": names},
                         "output": {"directory": "runs/epochs"}})

    def test_recipes(self):
        self.quickstart()
        self.run_config(self.shirts())
        self.epochs()
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.path)
        space, made = {}, 0
        for block in blocks("python"):
            with self.subTest(block=block), contextlib.redirect_stdout(io.StringIO()) as printed:
                plt.close("all")
                exec(compile(block, "README.md", "exec"), space)
                drawn = [axes for n in plt.get_fignums() for axes in plt.figure(n).axes if axes.has_data()]
                self.assertTrue(drawn or printed.getvalue() or len(block.splitlines()) <= 3, "the block shows nothing")
                made += bool(drawn) + bool(printed.getvalue())
        self.assertEqual(made, 6)
        self.assertEqual(space["mean"].dims, ("width", "weight_init"))
        self.assertEqual(space["accuracy"].shape, (3, 4))
        self.assertEqual(space["drift"].values[0], 0)
        best = space["best"].sel(count=9, seed=1)
        risk = space["risk"].sel(count=9, seed=1)
        self.assertEqual(best.item(), risk.ridge.values[np.argmin(risk.risk.values)])

    def test_commands(self):
        config = self.shirts()
        config["sweep"] = {"network.seed": [0, 1]}  # few figures
        config["analyses"] = [a for a in config["analyses"] if a == "summary" or "dynamics" in a]
        self.write("shirts.yaml", config)
        (lines,) = [block for block in blocks("sh") if "check shirts.yaml" in block]
        for line in lines.splitlines():
            out = self.call(TOP / "tools" / "mpi", "sh", "-c", line)
            if " plan " in line:
                self.assertRegex(out, r"\b2 points")
        for name in ("sweep.h5", "report.html", "figures/learning.pdf"):
            self.assertTrue((self.path / "runs" / "shirts" / name).exists(), name)
        for command in re.findall(r"`(build/ntkrun [a-z]+ [^`]*)`", README):
            self.call("sh", "-c", command.replace(" FILE", " runs/shirts/sweep.h5"))
        self.call(PROGRAM, "check", "shirts.yaml", *re.search(r"\(`(--set [^`]*)`\)", README).group(1).split())

    def test_configs(self):
        """The blocks of YAML as printed, the second as part of the first."""
        first, second = map(yaml.safe_load, blocks("yaml"))
        self.assertEqual(first["sweep"]["data.train.count"], [64, 128, 256, 512])
        (self.path / "shirts.yaml").write_text(blocks("yaml")[0])
        self.assertIn("48 points", self.call(PROGRAM, "check", "shirts.yaml"))
        self.write("second.yaml", {**first, **second})
        self.assertIn("5 points", self.call(PROGRAM, "check", "second.yaml"))

    @unittest.skipUnless("NTK_README_PROGRAM" in os.environ, "built by CMake with the examples")
    def test_examples(self):
        """The layer, the activation, the data set and the analysis, built from this page, in a config, in its
        results and in the reference."""
        program = os.environ["NTK_README_PROGRAM"]
        layers = [{"dense": {"features": 4}}, {"gain": {"factor": 3}}, {"activation": "cube"},
                  {"dense": {"features": "outputs"}}]
        self.write("example.yaml", {"data": {"source": "corners", "dimension": 5, "train": {"count": 12}},
                                    "network": {"layers": layers}, "analyses": ["largest_share"],
                                    "output": {"directory": "runs/example"}})
        self.call(program, "run", "example.yaml")
        with h5py.File(next(self.path.glob("runs/example/points/*/results.h5"))) as file:
            values = file["spectrum/eigenvalue"][()]
            self.assertAlmostEqual(file["largest_share/share"][()], values[0] / values.sum(), delta=1e-14)
            self.assertEqual(set(np.abs(file["data/target"][()].ravel())), {1})
        reference = self.call(program, "reference")
        for words in (r"corners +independent signs", r"largest_share +share of the largest"):
            self.assertRegex(reference, words)
        self.assertRegex(reference, r"\bgain +factor x\n(.*\n)*.* cube +x\^3|cube +x\^3\n(.*\n)*.* gain +factor x")

    def test_named_files_exist(self):
        names = re.findall(r"\b((?:tools|docs|configs|src|tests|cmake)/[\w./]*\w)(?![\w./]*<)", README)
        self.assertGreater(len(names), 12)
        for name in {*names, *re.findall(r"\]\(([^)#]+)\)", README)}:
            self.assertTrue((TOP / name).exists(), name)
        for floor, start in re.findall(r"^\| `(\w+)` \|.*\| `([\w./]+)` \|$", README, re.MULTILINE):
            self.assertTrue((TOP / "src" / floor).is_dir() and (TOP / "include" / "ntk" / start).exists(), start)


if __name__ == "__main__":
    unittest.main()
