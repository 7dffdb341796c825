#!/usr/bin/env python3
"""cmake --install into a staging folder (DESTDIR): what lies there works from there, from another
folder and with nothing of the build or source tree on any path.  CITATION.cff and the change log say
the version that the program has."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

TOP = pathlib.Path(os.environ.get("NTK_SOURCE_DIR", pathlib.Path(__file__).resolve().parent.parent))
PROGRAM = pathlib.Path(os.environ.get("NTK_PROGRAM", TOP / "build" / "ntkrun"))
CONFIG = """
data: {source: gaussian, dimension: 3, train: {count: 6}, test: {count: 3}}
network: {depth: 1, width: 4}
analyses: [summary]
sweep: {network.width: [4, 8]}
output: {directory: out}
"""


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="ntkrun-")
        cls.addClassCleanup(folder.cleanup)
        cls.path = pathlib.Path(folder.name)
        environment = {**os.environ, "DESTDIR": str(cls.path / "stage")}
        (PROGRAM.parent / "pages" / "ntkrun.1").unlink(missing_ok=True)  # as where the target ntkrun alone was built
        done = subprocess.run(["cmake", "--install", PROGRAM.parent, "--prefix", "/opt/ntkrun"], env=environment,
                              text=True, capture_output=True, timeout=100, check=False)
        if done.returncode:
            raise AssertionError(done.stderr)
        cls.prefix = cls.path / "stage" / "opt" / "ntkrun"

    def call(self, *words, expect=0, **more):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("NTK_") and k != "PYTHONPATH"}
        done = subprocess.run(list(map(str, words)), cwd=self.path, text=True, capture_output=True, timeout=200,
                              check=False, env={**environment, **more})
        self.assertEqual(done.returncode, expect, done.stderr)
        return done.stdout

    def test_nothing_lies_elsewhere(self):
        files = {str(f.relative_to(self.prefix)) for f in (self.path / "stage").rglob("*") if f.is_file()}
        for name in ("bin/ntkrun", "share/man/man1/ntkrun.1", "share/bash-completion/completions/ntkrun",
                     "share/zsh/site-functions/_ntkrun", "share/ntkrun/configs/quickstart.yaml",
                     "share/doc/ntkrun/README.md", "share/doc/ntkrun/LICENSE", "share/doc/ntkrun/docs/interface.md",
                     "share/doc/ntkrun/CITATION.cff", "share/doc/ntkrun/CHANGELOG.md"):
            self.assertIn(name, files)
        self.assertIn("share/ntkrun/tools/ntkload.py", files)
        self.assertIn("bin/ntkrun-mpirun", files)
        self.assertNotIn("share/ntkrun/tools/article.py", files)  # as README.md and docs/article.md say
        self.assertFalse([f for f in files if "__pycache__" in f or f.startswith("..")])

    def test_submit_from_the_prefix(self):
        (self.path / "submit.yaml").write_text(CONFIG)
        program = self.prefix / "bin" / "ntkrun"
        script = self.call(self.prefix / "bin" / "ntkrun-submit", "submit.yaml", "--dry-run",
                           "--set", "output.directory=new", NTKRUN=program)
        self.assertIn(f"export NTKRUN={program}\n", script)
        self.assertIn("#SBATCH --ntasks=1\n", script)

    def test_results_from_the_prefix(self):
        """Run, merge, figures, report, notebook; a link to a script works too."""
        (self.path / "config.yaml").write_text(CONFIG)
        tools = self.prefix / "bin"
        self.call(tools / "ntkrun", "run", "config.yaml")
        self.call(tools / "ntkrun", "merge", "out")
        self.assertIn("width_study", self.call(tools / "ntkrun-plot", "--help"))
        (self.path / "link").symlink_to(tools / "ntkrun-report")
        self.call(self.path / "link", "out")
        self.assertTrue((self.path / "out" / "report.html").exists())
        self.assertIn("2 of 2 points are done", self.call(tools / "ntkrun-summarize", "out"))
        code = "import ntkload; print(ntkload.open_sweep('out')['/'].trace.dims)"
        python = self.prefix / "share" / "ntkrun" / "tools"
        self.assertIn("width", self.call(python / "python", "-c", code, PYTHONPATH=str(python)))

    def test_manual_and_completion(self):
        manual = self.prefix / "share" / "man" / "man1" / "ntkrun.1"
        self.assertRegex(manual.read_text(), r"(?m)^\.TH ntkrun 1|^\.TH NTKRUN 1")
        if shutil.which("man"):
            text = self.call("man", "-l", manual, MANWIDTH="100", LC_ALL="C")
            for part in ("NAME", "SYNOPSIS", "merge", "EXIT STATUS"):
                self.assertIn(part, text)
        completion = self.prefix / "share" / "bash-completion" / "completions" / "ntkrun"
        script = f"source '{completion}' && complete -p ntkrun"
        self.assertIn("ntkrun", self.call("bash", "-c", script))

    def test_versions_agree(self):
        version = re.search(r"^ntkrun ([\d.]+)", self.call(self.prefix / "bin" / "ntkrun", "--version")).group(1)
        citation = yaml.safe_load((TOP / "CITATION.cff").read_text())
        self.assertEqual(citation["version"], version)
        self.assertEqual(citation["cff-version"], "1.2.0")
        for key in ("message", "title", "authors", "license", "type"):
            self.assertTrue(citation[key])
        self.assertIn(citation["authors"][0]["name"], (TOP / "LICENSE").read_text())
        self.assertRegex((TOP / "CHANGELOG.md").read_text(), r"(?m)^## \[(Unreleased|" + re.escape(version) + r")\]")


if __name__ == "__main__":
    unittest.main()
