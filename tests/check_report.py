#!/usr/bin/env python3
"""tools/report: one page, complete in itself, with everything that happened in a sweep.

The page is taken apart: its tags nest, it refers to nothing outside of itself, its pictures are
pictures, and axes, points, failures, scalars, provenance and config are all in it as text.
"""
import base64
import contextlib
import html.parser
import importlib.machinery
import importlib.util
import io
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as etree
from unittest import mock

import h5py
import numpy as np
import yaml

TOP = pathlib.Path(os.environ.get("NTK_SOURCE_DIR", pathlib.Path(__file__).resolve().parent.parent))
PROGRAM = os.environ.get("NTK_PROGRAM", str(TOP / "build" / "ntkrun"))
sys.path.insert(0, str(TOP / "tools"))
loader = importlib.machinery.SourceFileLoader("report", str(TOP / "tools" / "report"))
report = importlib.util.module_from_spec(importlib.util.spec_from_loader("report", loader))
sys.modules["report"], sys.dont_write_bytecode = report, True  # its workers find it by name
loader.exec_module(report)
ONE_KIND = {"kernel": report.KINDS["kernel"]}  # where figures are not what is looked at
EMPTY = {"meta", "img", "br", "source", "input", "hr", "link"}


class Page(html.parser.HTMLParser):
    """Tags of a page with their attributes, its text, and the text of each table."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text, self.rows = [], [], "", []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> in {self.open}"

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data
        if self.open and self.rows and ("td" in self.open or "th" in self.open):
            self.rows[-1][-1] += data

    def all(self, tag, attribute):
        return [attrs[attribute] for name, attrs in self.tags if name == tag and attribute in attrs]


class Report(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ntkrun-")
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)

    def call(self, *words, expect=0):
        done = subprocess.run(list(map(str, words)), cwd=self.path, text=True, capture_output=True,
                              timeout=200, check=False)
        self.assertEqual(done.returncode, expect, done.stderr)

    def run_config(self, expect=0, **changes):
        config = {"name": "a test", "data": {"source": "gaussian", "dimension": 3, "train": {"count": 8},
                                            "test": {"count": 4}, "noise_std": 0.1},
                  "network": {"depth": 1, "width": 8},
                  "analyses": ["summary", {"dynamics": {"times": {"geomspace": [0.1, 100, 5], "infinity": True},
                                                        "predictions": {"test": [0, 1]}}}],
                  "output": {"directory": "out"}, **changes}
        (self.path / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        self.call(TOP / "tools" / "mpi", PROGRAM, "run", "config.yaml", expect=expect)
        self.call(PROGRAM, "merge", "out")

    def report(self, *words, kinds=ONE_KIND):
        """What the script prints, in this process: modules are loaded once."""
        with (mock.patch.object(sys, "argv", ["report", *map(str, words)]), mock.patch.object(report, "KINDS", kinds),
              contextlib.redirect_stdout(io.StringIO()) as out):
            report.main()
        return out.getvalue()

    def page(self, **kinds):
        out = self.path / "out"
        self.assertEqual(self.report(out, **kinds), f"{out}/report.html\n")
        text = (out / "report.html").read_text(encoding="utf-8")
        self.assertLess(len(text), 3_000_000)
        page = Page(text)
        self.check_complete(page, text)
        return page

    def check_complete(self, page, text):
        self.assertFalse({tag for tag, _ in page.tags} & {"script", "iframe", "link", "object", "embed", "form"})
        places = [v for _, attrs in page.tags for k, v in attrs.items() if k in ("src", "srcset", "href")]
        for place in places:
            self.assertRegex(place[:40], r"^(data:image/(png|svg\+xml);base64,|#\w+)")
            if place.startswith("#"):
                self.assertIn(f'id="{place[1:]}"', text)
        self.assertNotRegex(re.sub('"data:[^"]*"', "", text), r"(?i)https?:|url\(|@import")
        self.assertFalse([k for _, attrs in page.tags for k in attrs if k.startswith("on")])
        self.assertIn("width=device-width", page.all("meta", "content")[0])
        self.assertTrue(all(page.all("img", "alt")))

    def pictures(self, page):
        found = []
        for uri in page.all("img", "src") + page.all("source", "srcset"):
            kind, data = uri.split(";base64,")
            data = base64.b64decode(data)
            if kind.endswith("svg+xml"):
                root = etree.fromstring(data)
                self.assertTrue(root.tag.endswith("svg"))
                self.assertNotIn(b"<image", data)
            else:
                self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n")
            self.assertGreater(len(data), 4000)
            found.append(data)
        return found

    def test_a_sweep(self):
        self.run_config(sweep={"network.width": [4, 8, 16], "network.activation": ["relu", "erf"],
                               "network.seed": [0, 1]})
        page = self.page(kinds=report.KINDS)
        self.assertEqual(len(self.pictures(page)), 2 * 5)
        self.assertEqual([attrs["id"] for tag, attrs in page.tags if tag == "figure"],
                         ["kernel", "spectrum", "trajectories", "learning", "width_study"])
        self.assertIn("12 done of 12 points: width (3) × activation (2) × seed (2)", page.text)
        self.assertIn("network.width: 4, 8, 16", page.text)
        with h5py.File(self.path / "out" / "sweep.h5") as file:
            ids, trace = file["point_id"].asstr()[()], file["lambda_max"][()]
            for attribute in ("program", "hosts", "cpu"):
                self.assertIn(file.attrs[attribute], page.text)
        for identity in ids.flat:
            self.assertTrue(any(identity in row for row in page.rows), identity)
        self.check_scalars(page, trace)
        self.check_other_scalars(page)
        self.assertIn((self.path / "out" / "config.yaml").read_text(), page.text)

    def check_scalars(self, page, lambda_max):
        """Mean and spread over seeds, by numpy."""
        column = page.rows[0].index("largest eigenvalue")
        for row, values in zip(page.rows[1:7], lambda_max.reshape(6, 2)):
            mean, spread = (float(part) for part in row[column].split(" ± "))
            self.assertLess(abs(mean - values.mean()), 0.06 * values.std(ddof=1) + 1e-12)
            self.assertLess(abs(spread - values.std(ddof=1)), 0.06 * values.std(ddof=1))
        places = [[w, a] for w in ("4", "8", "16") for a in ("relu", "erf")]
        self.assertEqual([row[:2] for row in page.rows[1:7]], places)

    def check_other_scalars(self, page):
        """One row a variable, one column a point; how it was computed stands in a list of its own."""
        heads = [k for k, row in enumerate(page.rows) if row[:2] == ["width", "4"]]
        self.assertEqual(page.rows[heads[0]], ["width", "4", "4", "8", "8", "16", "16"])
        self.assertEqual(page.rows[heads[0] + 1], ["activation", *["relu", "erf"] * 3])
        first, second = ([row[0] for row in page.rows[k:]] for k in heads)
        self.assertIn("trace", first)
        self.assertLess(first.index("trace"), heads[1] - heads[0])
        self.assertIn("spectrum: residual", second)
        self.assertGreater(first.index("spectrum: residual"), heads[1] - heads[0])
        self.assertEqual(len(page.all("div", "tabindex")), [tag for tag, _ in page.tags].count("table"))

    def test_names_are_text_and_never_tags(self):
        name = "</title><b onclick=1>&\"'<x> ü"
        self.run_config(name=name, analyses=["summary"])
        page = self.page()
        self.assertIn(name, page.text)
        self.assertFalse([tag for tag, _ in page.tags if tag == "x"])
        self.assertIn("1 done of 1 point", page.text)

    def test_failed_points_come_first(self):
        np.save(self.path / "x.npy", np.ones((6, 2)))
        np.save(self.path / "y.npy", np.arange(6.0))
        np.save(self.path / "bad.npy", np.full(6, np.nan))
        self.run_config(data={"source": "npy", "inputs": "x.npy", "labels": "y.npy", "train": {"count": 4}},
                        analyses=["summary"], sweep={"data.labels": ["y.npy", "bad.npy"]}, expect=1)
        page = self.page()
        self.assertIn("1 done, 1 failed of 2 points", page.text.replace("1 failed, 1 done", "1 done, 1 failed"))
        self.assertRegex(page.text, r"labels bad.npy: failed: [^\n]*bad.npy")

    def test_words(self):
        self.run_config(analyses=["summary"])
        out = self.path / "out"
        self.refuse(73, "where.html: cannot be written", out, "--output", self.path / "no" / "where.html")
        self.refuse(64, "0 points with id zzz", out, "--point", "zzz")
        self.refuse(64, "unrecognized arguments: --points", out, "--points")
        self.refuse(66, "no points", self.path)
        (out / "sweep.h5").unlink()
        self.refuse(66, f"{out}/sweep.h5 is not there; run `ntkrun merge {out}`\n", out)

    def refuse(self, code, text, *words):
        with contextlib.redirect_stderr(io.StringIO()) as said, self.assertRaises(SystemExit) as end:
            self.report(*words)
        self.assertEqual(end.exception.code, code)
        self.assertIn(text, said.getvalue())


if __name__ == "__main__":
    unittest.main()
