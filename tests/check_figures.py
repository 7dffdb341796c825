#!/usr/bin/env python3
"""tools/plot.py and tools/summarize.py on what the program really writes: a sweep with classes, a
sweep of something else than widths, a single point.

The pictures are not judged here, only that each of them is drawn, in all formats and on narrow pages,
that nothing is cut off, and that nothing is drawn for results that are not there.
"""
import contextlib
import io
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import warnings
from unittest import mock

import h5py
import numpy as np
import yaml

TOP = pathlib.Path(os.environ.get("NTK_SOURCE_DIR", pathlib.Path(__file__).resolve().parent.parent))
PROGRAM = os.environ.get("NTK_PROGRAM", str(TOP / "build" / "ntkrun"))
sys.path.insert(0, str(TOP / "tools"))
import figures
import plot
import scalars
import summarize
from results import Results

figures.STYLE["savefig.dpi"] = 60  # a test needs no fine print

ANALYSES = [
    "summary",
    {"dynamics": {"times": {"geomspace": [0.1, 1e3, 9], "zero": True, "infinity": True},
                  "predictions": {"test": [0, 1], "train": [2]}}},
    {"effective_dimension": {"ridge": {"geomspace": [1e-2, 10, 7]}, "ridge_unit": "trace_per_n"}},
    {"fixed_design_risk": {"ridge": {"geomspace": [1e-2, 10, 7]}, "ridge_unit": "trace_per_n",
                           "noise_variance": 0.1}},
]
CURVE = {"source": "grid", "train": {"count": 12}, "test": {"count": 5}, "noise_std": 0.1}


def call(path, *words):
    done = subprocess.run(list(map(str, words)), cwd=path, text=True, capture_output=True, timeout=200, check=False)
    if done.returncode:
        raise AssertionError(done.stderr)


def run(path, data, sweep=None, analyses=ANALYSES, **more):
    config = {"name": "a test", "data": data, "network": {"depth": 1, "width": 8},
              "analyses": analyses, "output": {"directory": "out"}, **more}
    if sweep:
        config["sweep"] = sweep
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    call(path, TOP / "tools" / "mpi", PROGRAM, "run", "config.yaml")


def merged(path, *config, **more):
    run(path, *config, **more)
    call(path, PROGRAM, "merge", "out")
    return Results(path / "out")


def with_classes(path):
    random = np.random.default_rng(0)
    for name, count in (("x", 30), ("xt", 9)):
        np.save(path / f"{name}.npy", random.normal(size=(count, 4)))
        np.save(path / f"{name}_label.npy", np.arange(count) % 3)
    return {"source": "npy", "inputs": "x.npy", "labels": "x_label.npy", "test_inputs": "xt.npy",
            "test_labels": "xt_label.npy"}


def printed(module, *words):
    """What a script prints, in this process: modules are loaded once."""
    with (mock.patch.object(sys, "argv", ["", *map(str, words)]),
          contextlib.redirect_stdout(io.StringIO()) as out):
        module.main()
    return out.getvalue()


class Drawing(unittest.TestCase):
    def check_end(self, code, text, call):
        """The script ends with that code, and says so."""
        with contextlib.redirect_stderr(io.StringIO()) as said, self.assertRaises(SystemExit) as end:
            call()
        self.assertEqual(end.exception.code, code)
        self.assertIn(text, said.getvalue())

    def drawn(self, results, **page):
        """{name: figure} of the figures that there is something for; each has data."""
        found = {}
        for kind, (draw, _) in figures.KINDS.items():
            figures.plt.rcParams.update(figures.STYLE)
            figure = draw(figures.Page(results, **page), *results.point())
            if figure is not None:
                self.assertTrue(all(axes.has_data() for axes in figure.axes if axes.get_visible()))
                found[figures.name_of(kind, results)] = figure
        self.addCleanup(figures.plt.close, "all")
        return found

    def check_frames(self, results, kinds, **page):
        """Nothing is cut off."""
        for kind in kinds:
            figure = figures.draw(kind, figures.Page(results, **page), results.point())
            box = figure.get_tightbbox()
            self.assertGreater(min(box.x0, box.y0), -0.1)
            self.assertLess(max(box.x1 - figure.get_figwidth(), box.y1 - figure.get_figheight()), 0.1)
        figures.plt.close("all")


class Classes(Drawing):
    """A sweep with classes, widths and seeds."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="ntkrun-")
        cls.addClassCleanup(folder.cleanup)
        path = pathlib.Path(folder.name)
        cls.results = merged(path, with_classes(path), {"network.width": [4, 8, 16], "network.seed": [0, 1],
                                                        "network.activation": ["relu", "erf"]})
        cls.out = cls.results.path

    def test_all_formats(self):
        kinds = [name for name in figures.KINDS if name != "study"] + ["width_study"]
        self.assertEqual(printed(plot, self.out).split(), [f"{self.out}/figures/{k}.png" for k in kinds])
        for name in (f"{k}.{suffix}" for k in kinds for suffix in ("png", "pdf")):
            self.assertGreater((self.out / "figures" / name).stat().st_size, 5000, name)

    def test_narrow_pages(self):
        self.check_frames(self.results, figures.KINDS, narrow=True, titled=False)

    def test_summary(self):
        text = printed(summarize, self.out)
        for part in ("12 of 12 points are done", "test accuracy", "largest eigenvalue", "effective dimension",
                     "kernel's spread", "sweep.h5", "points/"):
            self.assertIn(part, text)
        self.assertEqual(len([line for line in text.splitlines() if " relu " in line]), 3)

    def test_a_point_by_its_id(self):
        identity = self.results.points[0].parent.name
        with mock.patch.object(plot, "KINDS", {"kernel": figures.KINDS["kernel"]}):
            text = printed(plot, self.out, "--point", identity[:8], "--format", "svg")
        self.assertEqual(text, f"{self.out}/figures/kernel.svg\n")
        path, words = self.results.point(identity[:8])
        self.assertEqual(path.parent.name, identity)
        self.assertRegex(words, "^activation .*, seed .*, width ")
        self.assertIn(f"<!-- {words} -->", (self.out / "figures" / "kernel.svg").read_text())
        self.check_end(64, "0 points with id nothing", lambda: printed(plot, self.out, "--point", "nothing"))
        self.check_end(64, "the following arguments are required: DIR", lambda: printed(summarize))


class Others(Drawing):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ntkrun-")
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)

    def summary(self, results):
        results = results.by_quantity()
        rows = summarize.columns(results)
        return "\n".join([*summarize.lines(results, rows), *summarize.explain(results, rows)])

    def test_other_axes(self):
        results = merged(self.path, CURVE, {"network.depth": [1, 2], "network.activation": ["relu", "tanh"]})
        kinds = {"kernel", "spectrum", "trajectories", "learning", "risk", "depth_study"}
        self.assertEqual(self.drawn(results).keys(), kinds)
        self.check_frames(results, ["trajectories", "learning", "study"], narrow=True)
        self.assertIn("test loss", self.summary(results))

    def test_words_only(self):
        results = merged(self.path, CURVE, {"network.activation": ["relu", "tanh"]},
                         analyses=["summary", "effective_dimension"])
        self.assertEqual(self.drawn(results).keys(), {"kernel", "spectrum", "risk"})
        self.assertIn(" tanh ", self.summary(results))

    def test_single_point(self):
        """With an analysis that has a label."""
        labelled = ["summary", {"dynamics": {"label": "course", **ANALYSES[1]["dynamics"]}}, *ANALYSES[2:]]
        results = merged(self.path, CURVE, analyses=labelled)
        kinds = ["kernel", "spectrum", "trajectories", "learning", "risk"]
        self.assertEqual(list(self.drawn(results)), kinds)
        self.check_frames(results, kinds)
        self.assertIn("test loss", self.summary(results))
        self.assertEqual(results.done_text(), "1 of 1 points are done")

    def test_zipped_and_skipped(self):
        results = merged(self.path, CURVE, {"network.seed": [0, 1], "zip": {"shape": {
            "label": ["wide", "deep"], "network.width": [16, 4], "network.depth": [1, 3]}},
            "skip": [{"seed": 1, "shape": "deep"}]}, analyses=["summary"])
        self.assertEqual(self.drawn(results).keys(), {"kernel", "spectrum"})
        self.assertEqual(results.done_text(), "3 of 3 points are done")
        self.assertEqual({k: list(v) for k, v in results.keys_of("shape").items()},
                         {"network.width": [16, 4], "network.depth": [1, 3]})

    def test_several_kernels_a_validation_set_missing_points(self):
        """All kernels are drawn, the tables say of which one they are; without a warning."""
        results = merged(self.path, {**CURVE, "validation": {"count": 4}}, {
            "network.width": [4, 8, 16], "network.seed": [0, 1, 2], "data.seed": [0, 1],
            "skip": [{"width": 4, "network_seed": 1}, {"width": 8, "data_seed": 0},
                     {"width": 8, "network_seed": [1, 2]}]},
            kernel={"quantity": ["ntk", "conjugate", "nngp"]})
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = self.drawn(results)
            text = self.summary(results)
        self.assertIn("test loss, stopped early", text)
        self.check_tables(results, text)
        self.assertEqual([a.get_title() for a in found["kernel"].axes][:3], ["NTK", "conjugate kernel", "NNGP"])
        for axes in found["spectrum"].axes:
            self.assertEqual(axes.get_legend_handles_labels()[1], ["NTK", "conjugate kernel", "NNGP"])
        self.check_all_kernels(found)
        self.assertIn("validation", [t.get_text() for t in found["learning"].axes[2].get_legend().get_texts()])
        self.assertIn("width^-1/2", figures.caption("study", results))
        self.check_spread(results)
        self.check_early(results)

    def check_tables(self, results, text):
        """Every kernel has its lines, with the numbers that it has alone."""
        for quantity, group in (("ntk", "/"), ("conjugate", "conjugate"), ("nngp", "nngp")):
            mean = results.sweep[group].lambda_max.isel(width=-1).mean().item()
            line = next(line for line in text.splitlines() if line.split()[:2] == ["16", quantity])
            self.assertTrue([w for w in re.findall(r"[\d.]+", line) if abs(float(w) - mean) < 0.01 * mean], line)
        dimension = scalars.at_ridge(results.by_quantity().sweep["effective_dimension"], 1.0)
        for quantity, group in (("ntk", ""), ("nngp", "nngp/")):
            alone = scalars.at_ridge(results.sweep[f"{group}effective_dimension"], 1.0)
            found = dimension.sel(quantity=quantity)
            np.testing.assert_allclose(found.values, alone.values, rtol=1e-14)

    def check_all_kernels(self, found):
        """A panel or a line for each quantity; different ones."""
        titles = {kind: [a.get_title() for a in figure.axes if a.get_visible()] for kind, figure in found.items()}
        self.assertEqual(titles["trajectories"], ["NTK", "conjugate kernel", "NNGP"])
        self.assertEqual(titles["learning"], [f"quantity {q}, {k}" for q in ("ntk", "conjugate", "nngp")
                                              for k in ("loss", "accuracy")][::2])
        self.assertEqual([t.split(":")[0] for t in titles["risk"]], ["NTK"] * 2 + ["conjugate kernel"] * 2 + ["NNGP"] * 2)
        self.assertEqual(found["width_study"].axes[0].get_legend_handles_labels()[1], ["ntk", "conjugate", "nngp"])
        for kind in ("trajectories", "risk"):
            drawn = [a.lines[0].get_ydata() for a in found[kind].axes[::2 if kind == "risk" else 1] if a.get_visible()]
            self.assertFalse(np.array_equal(drawn[0], drawn[1]) or np.array_equal(drawn[1], drawn[2]))

    def test_axis_of_kernels(self):
        """Quantities of different points are shown beside each other, as those of one point are."""
        results = merged(self.path, CURVE, {"kernel.quantity": ["ntk", "conjugate"], "network.width": [4, 8]})
        found = self.drawn(results)
        self.assertEqual([a.get_title() for a in found["kernel"].axes][:2], ["NTK", "conjugate kernel"])
        self.assertEqual(found["spectrum"].axes[0].get_legend_handles_labels()[1], ["NTK", "conjugate kernel"])
        self.assertEqual([a.get_title() for a in found["learning"].axes], ["quantity ntk, loss", "quantity conjugate, loss"])
        self.assertEqual(len(found["risk"].axes), 4)
        self.assertEqual(found["width_study"].axes[0].get_legend_handles_labels()[1], ["ntk", "conjugate"])
        self.assertNotIn("quantity", results.point()[1])
        self.check_frames(results, ["trajectories", "learning", "risk"])
        self.check_frames(results, ["learning"], narrow=True)
        path, words = results.point(results.point()[0].parent.name)  # asked for: alone
        self.assertIn("quantity conjugate", words)
        self.assertEqual(len(results.variants(path)), 1)

    def check_spread(self, results):
        """Over the networks' seeds at each seed of the data, by numpy; none from one seed."""
        spread = results.kernel_spread()
        self.assertEqual(set(spread.dims), {"width", "data_seed"})
        self.assertTrue(np.isnan(spread.isel(width=1)).all())
        for data_seed in (0, 1):
            ids = results.root.point_id.sel(width=16, data_seed=data_seed).values
            kernels = []
            for identity in ids:
                with h5py.File(results.path / "points" / str(identity) / "results.h5") as file:
                    kernels.append(file["kernel/preview"][()])
            mean = np.mean(kernels, axis=0)
            expected = np.sqrt(np.mean([((k - mean) ** 2).sum() for k in kernels]) / (mean**2).sum())
            self.assertAlmostEqual(float(spread.isel(width=2, data_seed=data_seed)), expected, 12)

    def check_early(self, results):
        early = next(data for name, _, _, data in scalars.scalars(results) if name == "test loss, stopped early")
        at = {"width": 2, "network_seed": 1, "data_seed": 1}
        dynamics = results.group("dynamics").isel(at)
        validation, test = ([*dynamics[f"{which}_loss"].values, float(dynamics[f"{which}_loss_infinity"])]
                            for which in ("validation", "test"))
        self.assertEqual(float(early.isel(at)), test[int(np.argmin(validation))])

    def test_seeds_of_the_data_only(self):
        results = merged(self.path, CURVE, {"data.seed": [0, 1], "network.depth": [1, 2]}, analyses=["summary"])
        self.assertIsNone(results.kernel_spread())
        self.assertNotIn("width^-1/2", figures.caption("study", results))

    def test_another_kernel(self):
        """Θ is the ntk only; the law of widths is that of one parameterization."""
        results = merged(self.path, CURVE, {"network.width": [4, 8], "network.parameterization": ["ntk", "standard"]},
                         analyses=["summary"], kernel={"quantity": "conjugate"})
        found = self.drawn(results)
        self.assertEqual(found["kernel"].axes[-1].get_ylabel(), "conjugate kernel $K(x_i, x_j)$")
        self.assertIn("Kernel conjugate.", self.summary(results))
        self.assertNotIn("width^-1/2", figures.caption("study", results))

    def test_nothing_there(self):
        self.check_end(66, "no points", lambda: printed(plot, self.path))

    def test_nothing_merged(self):
        run(self.path, CURVE, analyses=["summary"])
        done = subprocess.run([TOP / "tools" / "plot.py", "out"], cwd=self.path, text=True, capture_output=True,
                              timeout=200, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr),
                         (66, "", "out/sweep.h5 is not there; run `ntkrun merge out`\n"))


if __name__ == "__main__":
    unittest.main()
