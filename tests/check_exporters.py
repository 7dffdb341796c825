#!/usr/bin/env python3
"""tools/export_torch.py and export_jax.py: what ntkrun makes of an exported network, outputs and kernel, is what
PyTorch, Flax and Neural Tangents made of it; what has no counterpart is refused with module, reason and way out.

What they made is recorded in cases/exporters (recording.py), so that no program but ntkrun is needed.  Where
torch, or jax and flax, are importable, the recorded networks are built and exported again."""
import importlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy as np
import yaml

TOP = pathlib.Path(os.environ.get("NTK_SOURCE_DIR", pathlib.Path(__file__).resolve().parent.parent))
PROGRAM = os.environ.get("NTK_PROGRAM", str(TOP / "build" / "ntkrun"))
CASES = TOP / "tests" / "cases" / "exporters"
sys.path[:0] = [str(TOP / "tools"), str(CASES)]
import export_jax
import export_torch
from foreign.weights import Layer, Network, Refusal, Tensor

EXPORTERS = {"torch": export_torch, "flax": export_jax, "stax": export_jax}


def load(path):
    """A recorded case, or several of them by name, with arrays."""
    def arrays(case):
        return {**case, "state": {name: np.asarray(values) for name, values in case["state"].items()}}

    read = json.loads(path.read_text())
    return arrays(read) if "state" in read else {name: arrays(case) for name, case in read.items()}


def recorded(program):
    return {path.stem: load(path) for path in sorted(CASES.glob(f"{program}_*.json")) if "refused" not in path.stem}


def exporter_of(name):
    return EXPORTERS[name.partition("_")[0]]


def relative(found, wanted):
    return np.abs(found - wanted).max() / np.abs(wanted).max()


class Exporters(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ntkrun-")
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)

    def call(self, script, source, *words):
        return subprocess.run([sys.executable, TOP / "tools" / script, source, "w.h5", "--input-shape", "2", *words],
                              cwd=self.path, text=True, capture_output=True, timeout=100, check=False)

    def check_refusal(self, name, words, export):
        with self.subTest(refused=name), self.assertRaises(Refusal) as caught:
            export()
        for word in [*words, "Way out: "]:
            self.assertIn(word, str(caught.exception), name)


class Recorded(Exporters):
    def run_networks(self, samples, outputs, network, **more):
        """Results of ntkrun for every network, each with weights for these samples: {weights file: (index,
        outputs, kernel)}."""
        np.save(self.path / "x.npy", samples)
        np.save(self.path / "y.npy", np.zeros((len(samples), outputs)))
        data = {"source": "tokens"} if samples.dtype.kind == "i" else {"source": "npy", "center": "none",
                                                                        "scale": "none"}
        config = {"data": {**data, "inputs": "x.npy", "labels": "y.npy", "targets": "real"}, "network": network,
                  "kernel": {"outputs": "full"}, "spectrum": {"solver": "none"}, "analyses": [], **more,
                  "output": {"directory": "out", "keep": ["results", "gram"]}}
        (self.path / "config.yaml").write_text(yaml.safe_dump(config))
        done = subprocess.run([PROGRAM, "run", "config.yaml"], cwd=self.path, text=True, capture_output=True,
                              timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return dict(map(self.read_point, self.path.glob("out/points/*/results.h5")))

    def read_point(self, path):
        with h5py.File(path) as file:
            name = pathlib.Path(yaml.safe_load(file.attrs["config"])["network"]["weights"]).stem
            index, values = file["data/index"][()], file["kernel/initial_output"][()]
            folder = path.parent.parent.parent / "kernels" / file["kernel"].attrs["key"]
        with h5py.File(folder / "gram.h5") as file:
            return name, (index, values, file["ntk"][()])

    def compare(self, case, index, values, kernel):
        wanted = np.asarray(case["outputs"])
        rows = (index[:, None] * wanted.shape[1] + np.arange(wanted.shape[1])).ravel()
        self.assertLess(relative(values, wanted[index]), 1e-10)
        self.assertLess(relative(kernel, np.asarray(case["kernel"])[np.ix_(rows, rows)]), 1e-9)

    def test_outputs_and_kernels(self):
        """Layers and weights from the file alone; networks with the same samples are one sweep."""
        groups = {}
        for name, case in {**recorded("torch"), **recorded("flax"), **recorded("stax")}.items():
            exporter_of(name).write(case, self.path / f"{name}.h5")
            groups.setdefault(json.dumps(case["samples"]), {})[name] = case
        self.assertEqual(sum(map(len, groups.values())), len(list(CASES.glob("*.json"))) - len(EXPORTERS))
        for samples, cases in groups.items():
            files = [f"{name}.h5" for name in cases]
            found = self.run_networks(np.asarray(json.loads(samples)), len(next(iter(cases.values()))["outputs"][0]),
                                      {"weights": files[0]}, sweep={"network.weights": files})
            for name, case in cases.items():
                with self.subTest(case=name):
                    self.compare(case, *found[name])

    def test_section(self):
        """The `network:` section that is printed, with its layers."""
        case = recorded("torch")["torch_residual"]
        section = export_torch.write(case, self.path / "torch_residual.h5")
        self.assertTrue(section.startswith(f"# {case['origin']}; a sample is 5 x 4 x 2, channels last\nnetwork:\n"))
        network = yaml.safe_load(section)["network"]
        self.assertEqual(network["layers"][0]["residual"]["scale"], 0.5)
        found = self.run_networks(np.asarray(case["samples"]), 2, network)
        self.compare(case, *found["torch_residual"])

    def test_refused(self):
        for program, exporter in EXPORTERS.items():
            for name, case in load(CASES / f"{program}_refused.json").items():
                self.check_refusal(f"{program} {name}", case["words"], lambda e=exporter, c=case: e.translate(c))


class Details(Exporters):
    """What the recorded networks do not show."""

    def torch_layers(self, *calls):
        """The layers of (op, numbers of inputs, options) on vectors, the first of which is number 1."""
        nodes = [{"op": op, "path": "", "inputs": inputs, "options": options, "shape": [2, 3]}
                 for op, inputs, options in [("input", [], {"tokens": False}), *calls]]
        description = {"origin": "", "output": len(calls), "nodes": nodes, "state": {}, "same": {}, "frozen": []}
        return yaml.safe_load(export_torch.translate(description).section("w.h5"))["network"]["layers"]

    def test_dropout_keeps(self):
        for training, layers in ((True, [{"dropout": {"keep": 0.75}}]), (False, [])):
            self.assertEqual(self.torch_layers(("Dropout", [0], {"p": 0.25, "training": training}),
                                               ("Tanh", [1], {})), [*layers, {"activation": "tanh"}])

    def test_what_has_a_factor_is_the_branch(self):
        """Even if the other summand has more layers; two of one length keep their order."""
        found = self.torch_layers(("Tanh", [0], {}), ("sin", [1], {}), ("ReLU", [0], {}), ("mul", [3], {"other": 0.5}),
                                  ("add", [2, 4], {}))
        self.assertEqual(found, [{"residual": {"name": "residual", "scale": 0.5, "branch": [{"activation": "relu"}],
                                               "skip": [{"activation": "tanh"}, {"activation": "sin"}]}}])

    def test_tensors_that_no_network_has(self):
        for values, words in ((np.array([[np.nan]]), ["NaN"]), (np.ones((1, 1), np.int64), ["int64", "float32"])):
            layers = [Layer("dense", {"features": 1}, {"W": Tensor(values, "W")}, "net.fc")]
            self.check_refusal(words[0], ["net.fc (dense)", "fc/W", *words],
                               lambda given=layers: Network(given, (1,), ""))

    def test_single_precision_stays(self):
        layers = [Layer("dense", {"features": 1}, {"W": Tensor(np.ones((1, 1), np.float32), "W", 0.5)}, "fc")]
        Network(layers, (1,), "test").write(self.path / "w.h5")
        with h5py.File(self.path / "w.h5") as file:
            self.assertEqual((file["layers/fc/W"].dtype, file["layers/fc/W"].attrs["s_w"]), (np.float32, 0.5))
            self.assertEqual([file.attrs[name] for name in ("format", "schema", "input_shape", "origin")],
                             ["ntkrun-weights", 1, "1", "test"])

    def test_names(self):
        """Letters that a name cannot have, two of one name, long ones."""
        paths = ["a b.c", "a b.c", "x" * 60, "3"]
        layers = [Layer("dense", {"features": 1}, {"W": Tensor(np.ones((1, 1)), str(k))}, path)
                  for k, path in enumerate(paths)]
        self.assertEqual(list(Network(layers, (1,), "").tensors), ["a_b_c/W", "a_b_c_2/W", "x" * 36 + "/W", "dense3/W"])

    def test_commands(self):
        """Refusals are one line; exit codes are those of ntkrun."""
        (self.path / "f.py").touch()
        for script in ("export_torch.py", "export_jax.py"):
            for code, text, *words in ((65, "No module named 'nofile'", "nofile:net"), (65, "names no object", "nothing"),
                                       (66, "nofile.py: no such file", "nofile.py:net"),
                                       (66, "s.pt: no such file", "f.py:net", "--state", "s.pt"),
                                       (64, "invalid sizes value: '0'", "f.py:net", "--input-shape", "0"),
                                       (64, "unrecognized arguments: --shape", "f.py:net", "--shape")):
                done = self.call(script, *words)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(text, done.stderr)
                self.assertTrue(code == 64 or done.stderr.count("\n") == 1, done.stderr)

    def test_networks_that_tell_nothing(self):
        self.check_refusal("nnx", ["object", "no module of flax.linen"],
                           lambda: export_jax.export(object(), (), "w.h5", (2,)))
        self.check_refusal("stax", ["recording(neural_tangents.stax)"],
                           lambda: export_jax.export((print, print, print), (), "w.h5", (2,)))


# ---- the programs themselves ---------------------------------------------------------------------


class Again:
    """Where the program is importable: the recorded networks, and the refused, from there."""

    program, needs, package = "", (), ""

    @classmethod
    def setUpClass(cls):
        try:
            for module in cls.needs:
                importlib.import_module(module)
        except ImportError:
            reason = f"{' and '.join(cls.needs)} cannot be imported: only what {cls.package} made is compared"
            print(f"check_exporters: {reason}", file=sys.stderr)
            raise unittest.SkipTest(reason) from None
        cls.recorder = importlib.import_module(f"record_{cls.program}")

    def test_again(self):
        for name in self.recorder.CASES:
            with self.subTest(case=name):
                old, new = load(CASES / f"{self.program}_{name}.json"), self.recorder.record(name)
                for field in ("outputs", "kernel"):
                    self.assertLess(relative(np.asarray(new[field]), np.asarray(old[field])), 1e-12)
                self.compare_networks(*(EXPORTERS[self.program].translate(
                    {**case, "state": {key: np.asarray(v) for key, v in case["state"].items()}})
                    for case in (old, new)))

    def compare_networks(self, old, new):
        self.assertEqual(old.section("w.h5").partition("\n")[2], new.section("w.h5").partition("\n")[2])
        self.assertEqual(list(old.tensors), list(new.tensors))
        for name, tensor in old.tensors.items():
            np.testing.assert_array_equal(tensor.values, new.tensors[name].values)

    def test_refused_again(self):
        for name, case in self.recorder.refused().items():
            case["state"] = {key: np.asarray(values) for key, values in case["state"].items()}
            self.check_refusal(name, case["words"], lambda c=case: EXPORTERS[self.program].translate(c))


class Torch(Again, Exporters):
    program, needs, package = "torch", ("torch", "torch.fx"), "PyTorch (Debian: python3-torch)"

    def test_command(self):
        """A module with parameters from a file; a forward that depends on values."""
        torch = importlib.import_module("torch")
        (self.path / "net.py").write_text(
            "from torch import nn\n\n\ndef make():\n    return nn.Sequential(nn.Linear(2, 1), nn.Dropout())\n\n\n"
            "class Branching(nn.Module):\n    def forward(self, x):\n        return x if x.sum() > 0 else -x\n")
        weight = torch.tensor([[1.5, -2.0]])
        torch.save({"0.weight": weight, "0.bias": torch.zeros(1)}, self.path / "state.pt")
        done = self.call("export_torch.py", "net.py:make", "--state", "state.pt")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(yaml.safe_load(done.stdout)["network"],
                         {"weights": "w.h5", "layers": [{"dense": {"name": "dense0", "features": 1}}]})
        with h5py.File(self.path / "w.h5") as file:
            np.testing.assert_array_equal(file["layers/dense0/W"], weight.T)
        done = self.call("export_torch.py", "net.py:Branching")
        self.assertEqual(done.returncode, 65, done.stderr)
        self.assertIn("torch.fx cannot follow its forward", done.stderr)


class Flax(Again, Exporters):
    program, needs, package = "flax", ("jax", "flax.linen"), "Flax"


class Stax(Again, Exporters):
    program, needs, package = "stax", ("jax", "neural_tangents"), "Neural Tangents"


if __name__ == "__main__":
    unittest.main()
