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
        return subprocess.run([TOP / "tests" / "oracle", "--program", PROGRAM, "--ranks", ranks,
                               self.path / "case.json"], text=True, capture_output=True, timeout=200,
                              check=False)

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
