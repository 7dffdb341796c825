#!/usr/bin/env python3
"""docs/article.md cannot go stale: its tables hold what the program gives now.  The article's own
numbers, which are computed from the program's weights, are those of its code in JAX."""
import json
import os
import pathlib
import sys
import tempfile
import unittest

import h5py
import numpy as np

TOP = pathlib.Path(os.environ.get("NTK_SOURCE_DIR", pathlib.Path(__file__).resolve().parent.parent))
PROGRAM = os.environ.get("NTK_PROGRAM", str(TOP / "build" / "ntkrun"))
sys.path.insert(0, str(TOP / "tools"))
import article as tool
import pictures
from page_checks import PageChecks, differences
from pages import article_cnn
from pages.page import blocks


class Article(PageChecks, unittest.TestCase):
    page = tool.PAGE

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="ntkrun-")
        cls.addClassCleanup(folder.cleanup)
        cls.path = pathlib.Path(folder.name)
        cls.article = tool.run(PROGRAM, cls.path)
        cls.document = tool.PAGE.document.read_text()
        golden = json.loads(tool.GOLDEN.read_text())["expected"]
        cls.golden, cls.printed = golden["float32_draws"], golden["article_script_run_unchanged_float32"]

    def close(self, given, expected, relative=2e-6):
        np.testing.assert_allclose(given, expected, rtol=0, atol=relative * np.max(np.abs(expected)))

    def test_tables(self):
        stated = blocks(self.document)
        self.assertEqual(set(stated), set(tool.TABLES))
        for name, make in tool.TABLES.items():
            with self.subTest(table=name):
                self.assertEqual(differences(stated[name], make(self.article)), [],
                                 "run tools/article.py, and see what it changes in docs/article.md")

    def test_numbers_in_the_text(self):
        largest = self.article.dynamics.root.lambda_max.item()
        root = self.article.width.root.sel(width=1000, parameterization="standard")
        printed = self.printed["printed_bounds"]
        theory = self.article.dynamics.point()["descent"].train_loss.values
        apart = np.abs(theory - tool.losses(self.article, 0.001)[1]).max()
        for phrase in (f"2n/λ₁ = {2 * 20 / largest:.4f}", f"by {1 - 0.1 * largest / 20:.1f} in",
                       f"like {root.frobenius_norm.mean().item() / 1000:.1f} times the width",
                       f"agree to {np.ceil(apart * 1e4) / 1e4:g}",
                       f"{printed['bias_term']} and {printed['generalization_bound']}"):
            self.assertIn(phrase, self.document)

    def test_a_wrong_number_is_seen(self):
        self.assertEqual(differences("| 1.663 | 10 ± 2.1 |", "| 1.664 | 10 ± 2.0 |"), [])
        self.assertEqual(len(differences("| 1.663 | 10 |", "| 1.665 | 12 |")), 2)
        self.assertEqual(len(differences("| 1.66e+10 | 1.66e+10 |", "| 1.66e+11 | 1.67e+10 |")), 1)
        self.assertEqual(len(differences("| 1.663 |", "| 1.663 | 2 |")), 1)

    def test_contraction(self):
        weights = tool.same_weights(self.article)
        example = self.golden["article_example_x_0.5_x_-0.3"]
        self.close(tool.contraction(weights, np.array([-0.3, 0.5]))[1, 0], example["article_literal_0_0"])
        self.close(self.article.two_points.gram(parameterization="standard")[1, 0], example["ntk_correct"])
        self.close(tool.contraction(weights, tool.training_inputs()), self.golden["article_literal_ntk"])

    def test_width_study(self):
        study = self.golden["study_width_effect"]
        right = self.article.contraction.root.frobenius_norm.values
        wrong = tool.contraction_norms(self.article)
        for k, (w, norms) in enumerate(study.items()):
            with self.subTest(width=w):
                self.close(right[k], norms["frobenius_norm_correct"])
                self.close(wrong[k], norms["frobenius_norm_article_literal"])
                self.close(wrong[k], self.printed["printed_width_norms"][w])

    def test_bounds(self):
        y = np.array(self.golden["train_Y"])
        names = ("effective_dimension", "rademacher_bound", "bias_term", "variance_term", "generalization_bound")
        kernel = tool.contraction(tool.same_weights(self.article), tool.training_inputs())
        given = tool.generalization_bounds(kernel, y, tool.NOISE_VARIANCE)
        literal = self.golden["on_article_literal_ntk"]["compute_generalization_bounds_article_literal"]
        for name, value in zip(names, given):
            self.close(value, literal[name], 5e-6)
            self.close(value, self.printed["printed_bounds"][name], 3e-3)  # four digits, single precision

    def test_limit_is_what_wide_networks_have(self):
        far = tool.distances(self.article).mean(axis=1)
        self.assertLess(far[-1], 0.1)
        self.assertLess(far[-1], far[0] / 3)

    def test_convolutions(self):
        with h5py.File(TOP / "configs" / "pictures.h5") as file:
            for name, values in pictures.datasets().items():
                np.testing.assert_allclose(file[name][()], values, rtol=0, atol=1e-15, err_msg="run tools/pictures.py")
        for layout, feels in (("h_w_c", (False, False)), ("as_read", (True, False))):
            for moved, change in zip(article_cnn.cnn_shifts(self.article, layout, "invariant"), feels):
                self.assertEqual(np.ptp(moved) > 1e-12 * moved[0], change)
        far = article_cnn.cnn_distances(self.article).mean(axis=1)
        self.assertLess(far[-1], 0.1)
        self.assertLess(far[-1], far[0] / 4)

    def test_figures(self):
        tool.PAGE.draw(self.article, self.path)
        for name in tool.FIGURES:
            self.assertGreater((self.path / f"article_{name}.png").stat().st_size, 20000)


if __name__ == "__main__":
    unittest.main()
