#!/usr/bin/env python3
"""Kernels of several quantities, their parts, blocks and predictions, kernels from files of numpy and
from eigenvalues, and damaged results, seen from outside.

What is expected comes from numpy, from the weights that were kept: hidden features, their Gram, the
spectrum and the course of training of the linearised model.
"""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import h5py
import numpy as np
import xarray as xr
import yaml

TOP = pathlib.Path(os.environ.get("NTK_SOURCE_DIR", pathlib.Path(__file__).resolve().parent.parent))
PROGRAM = os.environ.get("NTK_PROGRAM", str(TOP / "build" / "ntkrun"))

N, M, O, WIDTH, S_B, STD = 21, 6, 2, 17, 0.3, 0.7


class Kernels(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="ntkrun-")
        self.path = pathlib.Path(self.folder.name)
        rng = np.random.default_rng(1)
        for name, shape in (("x", (N, 5)), ("xt", (M, 5)), ("y", (N, O)), ("yt", (M, O))):
            np.save(self.path / f"{name}.npy", rng.normal(size=shape))

    def tearDown(self):
        self.folder.cleanup()

    def call(self, *words, ranks=None):
        mpi = [str(TOP / "tools" / "mpi"), "mpirun", "-n", str(ranks)] if ranks else []
        return subprocess.run([*mpi, PROGRAM, *words], cwd=self.path, text=True,
                              capture_output=True, timeout=120, check=False)

    def run_config(self, config, ranks=2, expect=0):
        (self.path / "config.yaml").write_text(yaml.safe_dump(config))
        done = self.call("run", "config.yaml", ranks=ranks)
        self.assertEqual(done.returncode, expect, done.stderr)
        return done

    def config(self, directory="out", keep=(), analyses=("summary",), **kernel):
        return {"data": {"source": "npy", "inputs": "x.npy", "labels": "y.npy", "targets": "real",
                         "test_inputs": "xt.npy", "test_labels": "yt.npy", "center": "none",
                         "scale": "none"},
                "network": {"kind": "mlp", "depth": 2, "width": WIDTH, "activation": "tanh",
                            "parameterization": "standard", "bias": {"scale": S_B, "std": STD}},
                "kernel": kernel, "analyses": list(analyses),
                "output": {"directory": directory, "keep": ["results", *keep]}}

    def point(self, directory="out", file="results.h5"):
        found = sorted((self.path / directory / "points").glob(f"*/{file}"))
        self.assertEqual(len(found), 1)
        return found[0]

    def big(self, results, group, file):
        """A kept file of a group of the results."""
        return h5py.File(results.parent.parent.parent / "kernels" /
                         h5py.File(results)[group].attrs["key"] / file)

    # -- quantities ----------------------------------------------------------------------------

    def test_list(self):
        """[ntk, conjugate, nngp] at once: each is what it is alone, bit for bit, under the same key."""
        names = ["ntk", "conjugate", "nngp"]
        keep = ["gram", "test_train", "spectrum", "weights"]
        analyses = ["summary", {"dynamics": {"loss": "half_sse", "times": [0.1, 3.0]}}]
        log = self.run_config(self.config("all", keep, analyses, quantity=names, test_test="full"), ranks=3).stderr
        self.assertRegex(log, "done: n .*lambda_max" + "".join(f".*; {name}: .*lambda_max" for name in names[1:]))
        results = self.point("all")
        for k, name in enumerate(names):
            self.run_config(self.config(name, keep, analyses, quantity=name, test_test="full"), ranks=1)
            alone = self.point(name)
            before = f"{name}/" if k else ""
            for file, variable in (("gram.h5", name), ("test_train.h5", name),
                                   ("test_train.h5", "test_test")):
                with self.subTest(quantity=name, file=file, variable=variable):
                    a = self.big(results, f"{before}kernel", file)[variable][...]
                    b = self.big(alone, "kernel", file)[variable][...]
                    self.assertTrue(np.array_equal(a, b))
            both = h5py.File(results), h5py.File(alone)
            self.assertEqual(both[0][f"{before}kernel"].attrs["quantity"], name)
            for group in ("kernel", "spectrum", "dynamics"):
                self.assertEqual(both[0][before + group].attrs["key"], both[1][group].attrs["key"])
            for scalar in ("trace", "lambda_max", "alignment"):
                place = f"{name}/{scalar}" if k else scalar
                self.assertAlmostEqual(both[0][place][()], both[1][scalar][()], delta=1e-12)
        self.check_features(results)
        again = self.run_config(self.config("all", keep, analyses, quantity=names, test_test="full"))
        self.assertIn("1 were done before", again.stderr)
        self.check_merged(results, names)

    def check_features(self, results):
        """Conjugate and nngp against the features that numpy gets from the kept weights."""
        layers = h5py.File(self.point("all", "weights.h5"))["layers"]
        with h5py.File(results) as file:
            order, tests = file["data/index"][...], file["data/test_index"][...]
        a = np.concatenate([np.load(self.path / "x.npy")[order], np.load(self.path / "xt.npy")[tests]])
        for name in ("dense0", "dense1"):
            w, b = layers[name]["W"], layers[name]["b"]
            a = np.tanh(w.attrs["s_w"] * a @ w[...] + b.attrs["s_b"] * b[...])
        conjugate = a @ a.T  # standard parameterisation: the multiplier is 1, Var(W) 2 / width
        for name, truth in (("conjugate", conjugate),
                            ("nngp", 2 / WIDTH * conjugate + (S_B * STD)**2)):
            gram = self.big(results, f"{name}/kernel", "gram.h5")[name][...]
            blocks = self.big(results, f"{name}/kernel", "test_train.h5")
            for got, wanted in ((gram, truth[:N, :N]), (blocks[name][...], truth[:N, N:]),
                                (blocks["test_test"][...], truth[N:, N:])):
                self.assertLess(np.abs(got - wanted).max(), 1e-13 * truth.max())

    def check_merged(self, results, names):
        self.assertEqual(self.call("merge", "all").returncode, 0)
        merged = self.path / "all" / "sweep.h5"
        for k, name in enumerate(names):
            before = f"{name}/" if k else ""
            with xr.open_dataset(merged, group=f"{before}dynamics") as a:
                with xr.open_dataset(results, group=f"{before}dynamics") as b:
                    self.assertTrue(np.array_equal(a.train_loss, b.train_loss))
        with xr.open_dataset(merged, group="nngp") as a, h5py.File(results) as b:
            self.assertEqual(float(a.trace), b["nngp/trace"][()])

    def test_sweep(self):
        """Words and lists as values of an axis."""
        config = self.config("words")
        config["sweep"] = {"kernel.quantity": ["ntk", "conjugate"]}
        self.run_config(config)
        self.assertEqual(self.call("merge", "words").returncode, 0)
        with xr.open_dataset(self.path / "words" / "sweep.h5") as merged:
            self.assertEqual(list(merged.quantity.values), ["ntk", "conjugate"])
            traces = merged.trace.values
        config = self.config("lists")
        config["sweep"] = {"kernel.quantity": [["ntk"], ["conjugate"]]}
        self.run_config(config)
        self.assertEqual(self.call("merge", "lists").returncode, 0)
        with xr.open_dataset(self.path / "lists" / "sweep.h5") as merged:
            self.assertTrue(np.array_equal(merged.trace.values, traces))

    # -- parts and predictions ------------------------------------------------------------------

    def test_parts(self):
        for outputs in ("mean", "full"):
            with self.subTest(outputs=outputs):
                config = self.config(outputs, ["gram", "per_layer"], outputs=outputs)
                self.run_config(config, ranks=4)
                results = self.point(outputs)
                gram = self.big(results, "kernel", "gram.h5")["ntk"][...]
                parts = self.big(results, "kernel", "per_layer.h5")
                total = 0
                with h5py.File(results) as file:
                    for name, trace, norm in zip(file["kernel/tensor"], file["kernel/tensor_trace"],
                                                 file["kernel/tensor_norm"]):
                        part = parts[f"layers/{name.decode()}"][...]
                        self.assertTrue(np.array_equal(part, part.T))
                        self.assertAlmostEqual(np.trace(part), trace, delta=1e-12 * trace)
                        self.assertAlmostEqual(np.linalg.norm(part), norm, delta=1e-12 * norm)
                        total = total + part
                self.assertLess(np.abs(total - gram).max(), 1e-13 * gram.max())
                with xr.open_dataset(parts.filename, group="layers/readout") as group:
                    self.assertEqual(group.W.dims, ("row2", "row") if outputs == "full" else
                                     ("sample2", "sample"))

    def test_contraction(self):
        """Log and results tell the way in which tensors of several positions were contracted; where there are none,
        the log has nothing to tell."""
        for word in ("pairs", "jacobian"):
            config = self.config(word, contraction=word)
            config["network"]["kind"] = "neural_ode"
            log = self.run_config(config, ranks=1).stderr
            self.assertIn(f"contraction {word}: 6 tensors", log)
            with h5py.File(self.point(word)) as file:
                self.assertEqual(file["kernel"].attrs["contraction"], word)
                self.assertEqual({name.decode() for name in file["kernel/tensor_contraction"]}, {word})
                gflop = file["kernel/tensor_flops"][()].sum() * 1e-9
            self.assertIn(f"6 tensors, {gflop:.3g} Gflop", log)
        self.assertNotIn("contraction", self.run_config(self.config("mlp"), ranks=1).stderr)

    def test_no_parts(self):
        self.run_config(self.config(per_layer=False))
        with h5py.File(self.point()) as file:
            self.assertNotIn("tensor_trace", file["kernel"])
            self.assertEqual(len(file["kernel/tensor"]), 6)

    def test_predictions(self):
        times = {"geomspace": [0.1, 100, 30], "zero": True, "infinity": True}
        everything = {"times": times, "predictions": {"test": "all", "train": "all"}}
        analyses = [{"dynamics": everything},
                    {"dynamics": {"label": "steps", "rule": "gradient_descent",
                                  "learning_rate": {"of_max": 0.5}, "times": [0, 3, 10],
                                  "predictions": {"test": "all", "train": "all"}}}]
        config = self.config("out", ["predictions"], analyses, quantity=["ntk", "nngp"])
        config["data"]["validation"] = {"count": 5}
        self.run_config(config, ranks=3)
        results, kept = self.point(), self.point(file="predictions.h5")
        for group in ("dynamics", "steps", "nngp/dynamics", "nngp/steps"):
            with self.subTest(group=group):
                with xr.open_dataset(results, group=group) as a, xr.open_dataset(kept, group=group) as b:
                    train = a.prediction[:, (a.shown_set == "train").values]
                    test = a.prediction[:, (a.shown_set == "test").values]
                    self.assertTrue(np.array_equal(train.values, b.prediction.values))
                    self.assertTrue(np.array_equal(test.values, b.test_prediction.values))
                    self.assertTrue(np.array_equal(a.time, b.time))
                    if "dynamics" in group:
                        last = np.concatenate([b.test_prediction_infinity, b.prediction_infinity])
                        self.assertTrue(np.array_equal(a.prediction_infinity.values, last))
                    self.assertTrue(np.array_equal(b.prediction[0], b.initial_output))
                    self.assertTrue(np.array_equal(b.validation_prediction[0],
                                                   b.validation_initial_output))
                    self.assertEqual(b.validation_prediction.dims,
                                     ("time", "validation_sample", "output"))
                    missed = b.validation_prediction - b.validation_target
                    loss = (missed**2).sum("output").mean("validation_sample") / 2
                    self.assertLess(abs(loss / a.validation_loss - 1).max(), 1e-12)
                    with xr.open_dataset(results, group="data") as data:
                        self.assertTrue(np.array_equal(b.target, data.target))
                        self.assertTrue(np.array_equal(b.test_target, data.test_target))
                        self.assertTrue(np.array_equal(b.validation_target, data.validation_target))
        # another analysis in the same folder: the file has all groups again
        config["analyses"].append({"effective_dimension": {"ridge": [0.1]}})
        self.run_config(config, ranks=2)
        with h5py.File(kept) as file:
            self.assertIn("nngp/steps/prediction", file)

    # -- files ----------------------------------------------------------------------------------

    def kernel_files(self):
        rng = np.random.default_rng(5)
        x, xt = rng.normal(size=(N, 30)), rng.normal(size=(M, 30))
        y = rng.normal(size=(N, 2))
        lam, vectors = np.linalg.eigh(x @ x.T)
        for name, array in (("K", np.asfortranarray(x @ x.T)), ("Ks", (x @ xt.T).astype("f4")),
                            ("Kss", xt @ xt.T), ("y", y), ("lambda", lam), ("v2", (vectors.T @ y)**2)):
            np.save(self.path / f"{name}.npy", array)

    ANALYSES = ["summary", {"effective_dimension": {"ridge": [0.1, 1.0]}},
                {"article_bounds": {"noise_variance": 0.1}},
                {"fixed_design_risk": {"ridge": [0.1], "times": [1.5]}},
                {"dynamics": {"loss": "mse_mean", "times": {"geomspace": [0.1, 10, 4], "infinity": True}}}]

    def test_eigenvalues(self):
        """Everything that needs no vectors is the same from eigenvalues and powers."""
        self.kernel_files()
        for directory, kernel in (
                ("gram", {"gram": "K.npy", "test_train": "Ks.npy", "targets": "y.npy",
                          "test_gram": "Kss.npy", "test_test": "full"}),
                ("modes", {"eigenvalues": "lambda.npy", "target_power": "v2.npy"})):
            self.run_config({"kernel": {"type": "file", **kernel}, "analyses": self.ANALYSES,
                             "output": {"directory": directory}}, ranks=3)
            self.assertEqual(self.call("merge", directory).returncode, 0)
        with h5py.File(self.point("gram")) as a, h5py.File(self.point("modes")) as b:
            self.assertNotIn("preview", b["kernel"])
            power = np.sum(a["spectrum/target_coefficient"][...]**2, axis=1)
            self.assertLess(np.abs(power - np.sum(b["spectrum/target_power"][...], axis=1)).max(),
                            1e-11 * power.max())
            for name in ("trace", "frobenius_norm", "alignment", "effective_rank", "dynamics/train_loss",
                         "dynamics/train_loss_infinity", "dynamics/parameter_distance",
                         "fixed_design_risk/risk", "fixed_design_risk/gf_risk", "article_bounds/bias",
                         "effective_dimension/df1"):
                with self.subTest(name=name):
                    np.testing.assert_allclose(b[name][...], a[name][...], rtol=1e-11, atol=1e-20)

    def test_content_counts(self):
        """The numbers of a .npy file are part of the key, its place is not."""
        self.kernel_files()
        config = {"kernel": {"type": "file", "gram": "K.npy"}, "output": {"directory": "out"}}
        self.run_config(config, ranks=1)
        (self.path / "K.npy").rename(self.path / "moved.npy")
        config["kernel"]["gram"] = "moved.npy"
        self.assertIn("1 were done before", self.run_config(config, ranks=1).stderr)
        np.save(self.path / "moved.npy", np.load(self.path / "moved.npy") * 2)
        self.assertIn("1 computed", self.run_config(config, ranks=1).stderr)

    def check_refusal(self, config, part):
        (self.path / "config.yaml").write_text(config if isinstance(config, str) else yaml.safe_dump(config))
        for words in (("check", "config.yaml"), ("run", "config.yaml")):
            done = self.call(*words)
            self.assertEqual(done.returncode, 65, done.stderr)
            self.assertIn(part, done.stderr)

    def test_batches(self):
        """batch_norm in mode train needs memory for all pairs of samples; plan tells how much."""
        config = self.config()
        config["data"] = {"source": "gaussian", "dimension": 2, "train": {"count": 30000}, "test": {"count": 5},
                          "function": {"linear": {"slope": 1.0}}}
        layers = [{"dense": {"features": 600}}, {"batch_norm": {"name": "norm", "mode": "train"}},
                  {"activation": "relu"}, {"dense": {"features": "outputs"}}]
        config["network"] = {"layers": layers}
        (self.path / "config.yaml").write_text(yaml.safe_dump(config))
        plan = {mode: json.loads(self.call("plan", "config.yaml", "--json", "--ranks", "1", "--set",
                                           f"network.layers.norm.mode={mode}").stdout) for mode in ("train", "eval")}
        self.assertGreater(plan["train"]["bytes_per_rank"], 2 * 8 * 30000 ** 2 * 600)
        self.assertLess(plan["eval"]["bytes_per_rank"], 1e11)
        done = self.run_config(config, ranks=1, expect=1)
        self.assertRegex(done.stderr, r"needs about [\d.e+]+ GiB on each rank, and there are")

    def test_refusals(self):
        self.kernel_files()
        modes = {"type": "file", "eigenvalues": "lambda.npy", "target_power": "v2.npy"}
        (self.path / "w.h5").write_bytes(b"")
        for config, part in (
                ({"kernel": modes, "analyses": [{"dynamics": {"predictions": {"train": [0]}}}]},
                 "dynamics.predictions: eigenvalues and target_power alone give no predictions"),
                ({"kernel": modes, "output": {"keep": ["gram"]}}, "output.keep: there is no gram"),
                ({"kernel": modes, "output": {"keep": ["spectrum"]}}, "output.keep: there is no spectrum"),
                ({"kernel": modes, "spectrum": {"solver": "none"}}, "leaves nothing of a kernel"),
                ({"kernel": modes, "output": {"keep": ["weights"]}}, "a kernel from a file has no weights"),
                ({"kernel": modes, "output": {"keep": ["per_layer"]}}, "has no parts of tensors"),
                (self.config(keep=["predictions"]), "predictions come from an analysis that makes some"),
                (self.config(keep=["per_layer"], quantity="nngp"), "per_layer are parts of the ntk"),
                (self.config(quantity=["ntk", "ntk"]), "'ntk' is in the list already"),
                (self.config(quantity=[]), "the list is empty"),
                (self.config(quantity="nnpg"), "did you mean 'nngp'?"),
                (self.config(analyses=[{"dynamics": {"label": "kernel"}}]), "the label 'kernel' is the name"),
                (self.config(analyses=[{"dynamics": {"label": "nngp"}}]), "the label 'nngp' is the name"),
                (self.config(analyses=[{"dynamics": {"momentum": 0.5}}]), "'gradient_flow' has no momentum")):
            with self.subTest(part=part):
                self.check_refusal(config, part)
        config = self.config(quantity=["conjugate", "nngp"])
        config["network"] = {"weights": "w.h5"}
        self.check_refusal(config, "nothing is known of the law behind weights from a file")

    def test_no_targets(self):
        """Seen when the file is read, before anything is computed."""
        self.kernel_files()
        config = {"kernel": {"type": "file", "eigenvalues": "lambda.npy"},
                  "analyses": ["summary", "effective_dimension"], "output": {"directory": "out"}}
        self.run_config(config)
        config["analyses"].append("dynamics")
        done = self.run_config(config, expect=65)
        self.assertIn("needs targets, but the kernel came without; name their dataset in "
                      "kernel.target_power", done.stderr)

    # -- damage ---------------------------------------------------------------------------------

    def test_damage(self):
        """A damaged file is merged as such, and computed again."""
        config = self.config()
        config["sweep"] = {"network.seed": [0, 1]}
        self.run_config(config)
        results = sorted((self.path / "out" / "points").glob("*/results.h5"))
        good = results[0].read_bytes()
        for damage in (good[:5000] + b"?" + good[5001:], good[:3000], b"", b"no HDF5 at all" * 500):
            with self.subTest(length=len(damage)):
                results[0].write_bytes(damage)
                done = self.call("merge", "out")
                self.assertEqual(done.returncode, 0, done.stderr)
                with xr.open_dataset(self.path / "out" / "sweep.h5") as merged:
                    self.assertEqual(sorted(merged.status.values), ["damaged", "done"])
                    self.assertEqual(int(np.isnan(merged.trace).sum()), 1)
                    message = [m for m in merged.message.values if m]
                    self.assertIn("results.h5", message[0])
                self.assertIn("damaged", self.call("plan", "config.yaml").stdout)
                done = self.run_config(config)
                self.assertIn("1 computed, 1 were done before", done.stderr)
                self.assertIn("everything is computed again", done.stderr)
                with h5py.File(results[0]) as file:
                    self.assertIn("trace", file)


if __name__ == "__main__":
    unittest.main()
