#!/usr/bin/env python3
"""The central claims of docs/chapter.md, on runs of its configs with fewer points than those of the page;
rows of its tables that these runs give as well are the same."""
import os
import pathlib
import sys
import tempfile
import unittest

import numpy as np

TOP = pathlib.Path(os.environ.get("NTK_SOURCE_DIR", pathlib.Path(__file__).resolve().parent.parent))
PROGRAM = os.environ.get("NTK_PROGRAM", str(TOP / "build" / "ntkrun"))
sys.path.insert(0, str(TOP / "tools"))
import chapter as tool
from page_checks import PageChecks, differences
from pages import dropout, neural_ode, normalization, residual, training
from pages.page import apart, blocks, rank


def smaller(**settings):
    return [word for key, value in settings.items() for word in ("--set", f"{key.replace('__', '.')}={value}")]


SMALLER = {
    "initialization": smaller(sweep__network__seed="[0]"),
    "activation": smaller(network__width=256, data__train__count=64),
    "residual": smaller(sweep__network__seed="[0, 1]"),
    "residual_depth": smaller(sweep__network__layers__stage__times="[1, 4]"),
    "normalization": smaller(sweep__network__width="[16, 64]", sweep__network__seed="[0]"),
    "batch_norm": smaller(sweep__data__train__count="[8, 16]"),
    "dropout": smaller(sweep__network__layers__stage__layers__mask__keep="[0.7, 1.0]",
                       sweep__network__layers__stage__layers__mask__seed="[0]",
                       sweep__skip="[{times: [2, 3], masks: [shared, mean, expected_shared, expected_independent]},"
                                   " {times: [2, 3], inverted: true}, {keep: 1.0, inverted: true}]"),
    "neural_ode": smaller(sweep__network__layers__ode__weight_init__variance="[1e-100, 0.64]",
                          sweep__network__layers__ode__steps="[1, 4, 16, 32]"),
}
ROUNDING = 1e-12


class Chapter(PageChecks, unittest.TestCase):
    page = tool.PAGE

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="ntkrun-")
        cls.addClassCleanup(folder.cleanup)
        cls.chapter = tool.PAGE.run(PROGRAM, pathlib.Path(folder.name), SMALLER)
        cls.stated = blocks(tool.PAGE.document.read_text())

    def test_tables(self):
        self.assertEqual(set(self.stated), set(tool.PAGE.tables))
        for name, count in (("early_stopping", 5), ("residual", 3), ("weyl", 2), ("batch_norm", 2), ("neural_ode", 2),
                            ("neural_ode_layers", 7)):
            given = tool.PAGE.tables[name](self.chapter).splitlines()[2:count + 2]
            stated = {line.split("|")[1]: line for line in self.stated[name].splitlines()}
            for line in given:
                with self.subTest(table=name, line=line):
                    self.assertEqual(differences(stated[line.split("|")[1]], line), [],
                                     "run tools/chapter.py, and see what it changes in docs/chapter.md")

    def test_early_stopping(self):
        _, bias, risk = training.stopping(self.chapter)
        self.assertLessEqual(bias.max(), 1 + ROUNDING)
        self.assertLess(risk.max(), 1.686)
        self.assertGreater(risk.max(), 1.2)
        largest = self.chapter.early_stopping.root.lambda_max.item()
        self.assertLess(training.chapters_ridge(largest, 1.0), 1e-6)

    def test_initialization(self):
        trace, condition = (training.he_by_xavier(self.chapter, q, "ntk", "without") for q in ("trace", "condition_number"))
        np.testing.assert_allclose(trace, 17 * 2 * 129 / 128, rtol=ROUNDING)
        np.testing.assert_allclose(condition, 1, rtol=1e-9)
        for case in (("ntk", "with"), ("standard", "without")):
            self.assertGreater(abs(np.log(training.he_by_xavier(self.chapter, "condition_number", *case))).min(), 0.4)

    def test_activation(self):
        def kernels(*words):
            return (self.chapter.activation.gram(activation=words[0], biases=words[1], radius=r) for r in (1, 2.5))
        small, large = kernels("relu", "none")
        self.assertLess(apart(large, 6.25 * small), ROUNDING)
        for words in (("relu", "zero"), ("gelu", "none"), ("tanh", "none")):
            small, large = (training.cosine(k) for k in kernels(*words))
            self.assertGreater(np.abs(large - small).max(), 0.1)
        self.assertLess(training.smoothness(self.chapter, "relu"), 1.5)
        self.assertGreater(training.smoothness(self.chapter, "gelu"), 1.8)

    def test_residual_block(self):
        cases = {name: (apart(theirs, kernel), apart(right, kernel))
                 for name, kernel, theirs, right in residual.residual_cases(self.chapter)}
        for name, (theirs, right) in cases.items():
            with self.subTest(case=name):
                self.assertLess(right, ROUNDING)
                self.assertEqual(theirs < ROUNDING, "linear map" in name)
        branch, total = residual.floor_spectra(self.chapter, 64)
        self.assertGreater(min(total[:8] / branch[:8]), 50)
        self.assertLess(total[-1] / branch[-1], 1.1)

    def test_residual_depth(self):
        depth = self.chapter.residual_depth.root.times.values
        for name, scale in (("scale_1", 1), ("scale_0.25", 0.25)):
            np.testing.assert_allclose(residual.depth_diagonal(self.chapter, name), residual.depth_formula(depth, scale),
                                       rtol=0.3)
        plain, same = (residual.depth_diagonal(self.chapter, name) for name in ("plain_lecun", "plain_he"))
        np.testing.assert_allclose(plain * 2.0**depth, same, rtol=ROUNDING)
        self.assertLess(plain[-1], 0.2)

    def test_normalization(self):
        results = self.chapter.normalization
        for name in ("linear", "relu"):
            given = results.gram(norm=name, width=64, seed=0)
            self.assertLess(apart(normalization.norm_kernel(self.chapter, name, 64, 0), given), ROUNDING)
        self.assertLess(results.root.trace.sel(norm="linear_mean").max(), 1e-25)
        far = {name: normalization.norm_distances(self.chapter, name)[:, 0] for name in ("linear", "relu")}
        self.assertLess(far["linear"][1], 0.6 * far["linear"][0])
        self.assertGreater(far["relu"][1], 0.1)
        for name, modes in (("none", 32), ("linear", 16), ("relu", 16), ("instance", 16), ("layer", 32), ("zeros", 32),
                           ("second", 32)):
            point = results.point(norm=name, width=64, seed=0)
            self.assertEqual(rank(point["spectrum"].eigenvalue.values), modes, name)
            self.assertAlmostEqual(2 * float(point["dynamics"].train_loss_infinity), 1 if modes == 16 else 0, 9)

    def test_batch_norm(self):
        self.assertGreater(normalization.batch_changes(self.chapter, "train")[8], 0.05)
        self.assertEqual(normalization.batch_changes(self.chapter, "eval")[8], 0)

    def test_dropout(self):
        p, angle = 0.7, np.arange(1, 12) * np.pi / 12
        for masks, inverted, between, diagonal in (("per_sample", False, p**2, p), ("shared", False, p, p),
                                                   ("per_sample", True, 1, 1 / p)):
            on, _ = dropout.dropout_factors(self.chapter, 1, masks, p, inverted)
            self.assertAlmostEqual(on, diagonal, delta=0.1 * diagonal)
            self.assertAlmostEqual(dropout.between(self.chapter, 1, masks, p, inverted), between, delta=0.1 * between)
        for masks, factor in (("mean", p**2), ("expected_shared", p)):
            found, plain = dropout.dropout_kernels(self.chapter, 1, masks, p)
            self.assertLess(apart(found[0], factor * plain), ROUNDING)
        for inverted, factor in ((False, p**2), (True, 1)):
            found, plain = dropout.dropout_kernels(self.chapter, 1, "expected_independent", p, inverted)
            more = np.diag(np.diag(plain)) * factor * (1 / p - 1)
            self.assertLess(apart(found[0], factor * plain + more), ROUNDING)
        for times in (2, 3):
            on, off = dropout.dropout_factors(self.chapter, times, "per_sample", p)
            self.assertAlmostEqual(on, p**times, delta=0.1 * p**times)
            exact = dropout.relu_kernel(times, angle, p**2, p) / dropout.relu_kernel(times, angle, 1, 1)
            np.testing.assert_allclose(off, exact, rtol=0.15)
            self.assertGreater(exact.max() / exact.min(), 1.5)
        _, plain = dropout.dropout_kernels(self.chapter, 1, "per_sample", p)
        self.assertIn(f"({len(plain) - rank(np.linalg.eigvalsh(plain))} of 24", tool.PAGE.document.read_text())

    def test_neural_ode(self):
        kernel = self.chapter.neural_ode.sweep["kernel"].preview
        one_step = kernel.sel(integrator="euler", steps=1).values
        wanted = neural_ode.chapters_ode_kernel(neural_ode.ode_inputs())
        self.assertLess(max(apart(k, wanted) for k in one_step), ROUNDING)
        self.assertGreater(neural_ode.chapters_ode_error(0.8), 0.4)
        for integrator, order in (("euler", 1), ("rk4", 4)):
            errors = [neural_ode.ode_error(self.chapter, 0.8, integrator, n) for n in (16, 32)]
            self.assertAlmostEqual(np.log2(errors[0] / errors[1]), order, delta=0.1)
            steps, errors = neural_ode.layers_errors(self.chapter, integrator)
            self.assertAlmostEqual(np.log2(errors[-2] / errors[-1]), order, delta=0.2)
        same = [neural_ode.layers_gram(self.chapter, name) for name in ("blocks_8", "euler_8")]
        self.assertLess(apart(*same), ROUNDING)


if __name__ == "__main__":
    unittest.main()
