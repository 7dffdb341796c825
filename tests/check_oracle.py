#!/usr/bin/env python3
"""The oracle driver fails where it should: wrong numbers of every field, in any case, are seen; a word
that the program lacks is `not yet`, never ok."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(os.environ.get("NTK_SOURCE_DIR", pathlib.Path(__file__).resolve().parent.parent))
PROGRAM = os.environ.get("NTK_PROGRAM", str(TOP / "build" / "ntkrun"))
CASES = TOP / "tests" / "cases"


def shift(value, by):
    """The value with its last number changed."""
    if isinstance(value, list):
        return [*value[:-1], shift(value[-1], by)]
    return float(value) + by


def load(name):
    return json.loads((CASES / f"{name}.json").read_text())


def set_in(case, path, change):
    """The case with one number of what it expects or is given changed."""
    *names, last = path
    inner = case
    for name in names:
        inner = inner[name]
    inner[last] = change(inner[last])
    return case


def wrong_fields():
    """Cases with a wrong number, and what their line names."""
    tanh, dynamics = "oracles/mlp_tanh_std_2_3_1", "oracles/dynamics_singular"
    for field in ("f", "ntk_full_niO_njP", "ntk_trace_over_outputs", "pntk_sum_of_logits_over_O",
                  "eigenvalues_of_nO_x_nO_ascending", "ntk_cross_X_X2"):
        yield tanh, ("expected", field), 1e-3, "deviation"
    yield tanh, ("inputs", "layers", 0, "W"), 1e-6, "deviation"
    yield tanh, ("expected", "per_layer_input_to_output", 0, "b"), 1e-6, "part dense0/b"
    yield dynamics, ("expected", "flow_test"), 1e-6, "flow, test set"
    yield dynamics, ("expected", "discrete", "heavy_ball_0.9", "train"), 1e-6, "heavy_ball, training set"
    yield "oracles/fixed_design_risk", ("expected", "variance"), 1e-9, "variance"
    yield "golden/per_tensor_network", ("expected", "layers", 1, "b_standard_normal"), 1e-11, "dense1/b"
    yield "golden/drawn_initializers", ("expected", "original", 1, "W"), 1e-12, "he_uniform, original"
    article = ("expected", "float64_draws")
    for path, field in ((("study_width_effect", "500", "frobenius_norm_correct"), "at width 500"),
                        (("article_example_x_0.5_x_-0.3", "ntk_correct"), "example"),
                        (("numerical_rank_at_1e-10",), "rank"),
                        (("gd_stability_limit_mean_loss_2n_over_lambda_max",), "limit of the rate"),
                        (("on_article_literal_ntk", "eigenvalues_ascending"), "mistaken matrix")):
        yield "golden/article_network", (*article, *path), 1e-3, field


class Oracle(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ntkrun-")
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)

    def drive(self, cases):
        """The line of each case."""
        files = [self.path / f"{name}.json" for name in cases]
        for file, case in zip(files, cases.values()):
            file.write_text(json.dumps(case))
        done = self.call(PROGRAM, *files)
        self.assertEqual(done.stderr, "")
        lines = dict(zip(cases, done.stdout.splitlines(), strict=True))
        self.assertEqual(done.returncode, any(" FAIL " in line for line in lines.values()))
        return lines

    def call(self, program, *files, ranks="1"):
        return subprocess.run([TOP / "tests" / "oracle", "--program", program, "--ranks", ranks, *files],
                              text=True, capture_output=True, timeout=200, check=False)

    def test_wrong_numbers(self):
        """Of every kind of case, in one call: none hides another."""
        wrong = list(wrong_fields())
        cases = {f"case{k}": set_in(load(name), path, lambda value, by=by: shift(value, by))
                 for k, (name, path, by, _) in enumerate(wrong)}
        lines = self.drive({**cases, "right": load("oracles/mlp_tanh_std_2_3_1")})
        self.assertRegex(lines.pop("right"), "^right: ok ")
        for (name, path, _, field), (case, line) in zip(wrong, lines.items(), strict=True):
            with self.subTest(name=name, path=path):
                self.assertRegex(line, rf"^{case}: FAIL on 1 ranks: .*{field}")

    def test_words(self):
        """Fields that nobody reads are told, words that the program lacks are `not yet`, what it refuses
        fails by itself."""
        cases = {name: load("oracles/mlp_tanh_std_2_3_1") for name in ("left", "layer", "phi", "refused")}
        cases["left"]["expected"].update({"hologram": {"depth": 1}, "modes": {"mystery": [[1]]}})
        cases["layer"]["inputs"]["layers"].insert(1, {"type": "hologram"})
        cases["phi"]["inputs"]["layers"][1]["name"] = "mystery"
        cases["refused"]["inputs"]["layers"][1].update({"name": "leaky", "alpha": "steep"})
        lines = self.drive({**cases, "right": load("oracles/mlp_tanh_std_2_3_1")})
        self.assertRegex(lines["left"], "^left: ok .*; not compared: hologram, modes$")
        self.assertEqual(lines["layer"], "layer: not yet hologram")
        self.assertEqual(lines["phi"], "phi: not yet mystery")
        self.assertRegex(lines["refused"], "^refused: FAIL on 1 ranks: .*alpha")
        self.assertRegex(lines["right"], "^right: ok ")

    def test_report(self):
        """For ctest: the lines in a file, of which each test reads its own."""
        (self.path / "broken.json").write_text("[1")
        report = self.path / "report.txt"
        done = self.call(PROGRAM, "--report", report, self.path / "broken.json")
        self.assertEqual((done.returncode, report.read_text()), (0, done.stdout))
        self.assertRegex(done.stdout, "^broken: FAIL: not JSON")

    def test_every_file_has_a_line(self):
        """Bad files and a program that vanishes are failures; the cases after them are still driven."""
        good = CASES / "oracles" / "fixed_design_risk.json"
        (self.path / "broken.json").write_text("[1")
        (self.path / "list.json").write_text("[1]")
        done = self.call(PROGRAM, "nofile.json", self.path / "broken.json", self.path / "list.json", good)
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        lines = done.stdout.splitlines()
        for line, wanted in zip(lines, ("nofile: FAIL: .*No such file", "broken: FAIL: not JSON",
                                        "list: FAIL: not of the form", "fixed_design_risk: ok"), strict=True):
            self.assertRegex(line, wanted)
        vanishing = self.path / "vanishing"
        vanishing.write_text('#!/bin/sh\nrm -- "$0"\n')
        vanishing.chmod(0o755)
        done = self.call(vanishing, CASES / "oracles" / "mlp_tanh_std_2_3_1.json")
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertRegex(done.stdout, r"^mlp_tanh_std_2_3_1: FAIL [^\n]*vanishing")


if __name__ == "__main__":
    unittest.main()
