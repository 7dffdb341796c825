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


class Oracle(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ntkrun-")
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)

    def drive(self, case, ranks="1"):
        (self.path / "case.json").write_text(json.dumps(case))
        return self.call(PROGRAM, self.path / "case.json", ranks=ranks)

    def call(self, program, *files, ranks="1"):
        return subprocess.run([TOP / "tests" / "oracle", "--program", program, "--ranks", ranks, *files],
                              text=True, capture_output=True, timeout=200, check=False)

    def load(self, name):
        return json.loads((CASES / f"{name}.json").read_text())

    def expect_failure(self, case, field):
        done = self.drive(case)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stdout, rf"case: FAIL on 1 ranks: [^\n]*{field}")

    def test_wrong_numbers_of_a_network(self):
        for field in ("f", "ntk_full_niO_njP", "ntk_trace_over_outputs", "pntk_sum_of_logits_over_O",
                      "eigenvalues_of_nO_x_nO_ascending", "ntk_cross_X_X2"):
            with self.subTest(field=field):
                case = self.load("oracles/mlp_tanh_std_2_3_1")
                case["expected"][field] = shift(case["expected"][field], 1e-3)
                self.expect_failure(case, "deviation")

    def test_wrong_weight(self):
        case = self.load("oracles/mlp_tanh_std_2_3_1")
        case["inputs"]["layers"][0]["W"][0][0] += 1e-6
        self.expect_failure(case, "deviation")

    def test_wrong_dynamics(self):
        case = self.load("oracles/dynamics_singular")
        case["expected"]["flow_test"] = shift(case["expected"]["flow_test"], 1e-6)
        self.expect_failure(case, "flow, test set")

    def test_wrong_steps(self):
        case = self.load("oracles/dynamics_singular")
        steps = case["expected"]["discrete"]["heavy_ball_0.9"]
        steps["train"] = shift(steps["train"], 1e-6)
        self.expect_failure(case, "heavy_ball, training set")

    def test_wrong_part(self):
        case = self.load("oracles/mlp_tanh_std_2_3_1")
        layer = case["expected"]["per_layer_input_to_output"][0]
        layer["b"] = shift(layer["b"], 1e-6)
        self.expect_failure(case, "part dense0/b")

    def test_wrong_risk(self):
        case = self.load("oracles/fixed_design_risk")
        case["expected"]["variance"] *= 1 + 1e-9
        self.expect_failure(case, "variance")

    def test_wrong_draws(self):
        case = self.load("golden/per_tensor_network")
        case["expected"]["layers"][1]["b_standard_normal"][0] *= 1 + 1e-12
        self.expect_failure(case, "dense1/b")

    def test_wrong_laws(self):
        case = self.load("golden/drawn_initializers")
        case["expected"]["original"][1]["W"] = shift(case["expected"]["original"][1]["W"], 1e-12)
        self.expect_failure(case, "he_uniform, original")

    def test_wrong_article(self):
        for path, field in ((("study_width_effect", "500", "frobenius_norm_correct"), "at width 500"),
                            (("article_example_x_0.5_x_-0.3", "ntk_correct"), "example"),
                            (("numerical_rank_at_1e-10",), "rank"),
                            (("gd_stability_limit_mean_loss_2n_over_lambda_max",), "limit of the rate"),
                            (("on_article_literal_ntk", "eigenvalues_ascending"), "mistaken matrix")):
            with self.subTest(field=field):
                case = self.load("golden/article_network")
                *names, last = path
                inner = case["expected"]["float64_draws"]
                for name in names:
                    inner = inner[name]
                inner[last] = shift(inner[last], 1e-3)
                self.expect_failure(case, field)

    def test_fields_left(self):
        case = self.load("oracles/mlp_tanh_std_2_3_1")
        case["expected"]["hologram"] = {"depth": 1}
        case["expected"]["modes"] = {"mystery": [[1]]}
        done = self.drive(case)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertTrue(done.stdout.endswith("; not compared: hologram, modes\n"), done.stdout)

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

    def test_unknown_words(self):
        case = self.load("oracles/mlp_tanh_std_2_3_1")
        case["inputs"]["layers"].insert(1, {"type": "hologram"})
        done = self.drive(case)
        self.assertEqual((done.returncode, done.stdout), (0, "case: not yet hologram\n"))
        case = self.load("oracles/mlp_tanh_std_2_3_1")
        case["inputs"]["layers"][1]["name"] = "mystery"
        self.assertEqual(self.drive(case).stdout, "case: not yet mystery\n")


if __name__ == "__main__":
    unittest.main()
