#!/usr/bin/env python3
"""The scripts around the program: settings of the user are left alone, what should fail fails."""
import os
import pathlib
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(os.environ.get("NTK_SOURCE_DIR", pathlib.Path(__file__).resolve().parent.parent))


class Tools(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ntkrun-")
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)

    def call(self, *words, **environment):
        return subprocess.run(list(map(str, words)), text=True, capture_output=True, timeout=60,
                              check=False, env={"PATH": os.environ["PATH"], **environment})

    def variables(self, **environment):
        return dict(line.split("=", 1) for line in
                    self.call(TOP / "tools" / "mpi", "env", **environment).stdout.splitlines())

    def test_environment_for_open_mpi(self):
        found = self.variables()
        self.assertEqual(found["OMPI_MCA_rmaps_base_oversubscribe"], "1")
        self.assertEqual(found["OMP_NUM_THREADS"], "1")
        self.assertEqual("OMPI_ALLOW_RUN_AS_ROOT" in found, os.getuid() == 0)

    def test_settings_of_the_user_are_left_alone(self):
        found = self.variables(OMP_NUM_THREADS="3", OMPI_MCA_hwloc_base_binding_policy="")
        self.assertEqual(found["OMP_NUM_THREADS"], "3")
        self.assertEqual(found["OMPI_MCA_hwloc_base_binding_policy"], "")

    def check_layers(self, path, text):
        """Exit status and output for a tree with one file."""
        file = self.path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        if path.startswith("include"):
            self.check_layers("src/base/x.c", "")
        return self.call(TOP / "tools" / "python", TOP / "tools" / "check_layers.py", self.path)

    def test_floors(self):
        good = '#include <mpi.h>\n#include "ntk/base/error.h"\n#include "ntk/config/tree.h"\n#include "own.h"\n'
        self.assertEqual(self.check_layers("src/store/file.c", good).returncode, 0)
        for path, line in (
                ("src/base/a.c", '#include "ntk/config/tree.h"'), ("src/model/b.c", "#include <mpi.h>"),
                ("src/kernel/c.c", "#include <hdf5.h>"), ("src/solve/d.c", '#include "../dist/e.h"'),
                ("include/ntk/analysis/f.h", '# include "ntk/store/file.h"'), ("src/attic/g.c", "")):
            with self.subTest(path=path):
                done = self.check_layers(path, line + "\n")
                self.assertEqual(done.returncode, 1)
                self.assertIn(f"{pathlib.Path(path).name}:1:", done.stdout)
                (self.path / path).unlink()

    def test_version_without_git(self):
        header = self.path / "ntk_version.h"
        done = self.call("cmake", f"-Dsource={self.path}", "-Dversion=1.2.3", f"-Dheader={header}",
                         "-P", TOP / "cmake" / "NtkVersion.cmake")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('NTK_VERSION "1.2.3"', header.read_text())
        self.assertIn('NTK_GIT_COMMIT "unknown"', header.read_text())

    def test_a_test_file_without_ranks_stops_cmake(self):
        (self.path / "tests").mkdir()
        (self.path / "tests" / "t000_x.c").write_text("int main(void) { return 0; }\n")
        (self.path / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.20)\nproject(x C)\nadd_library(ntk_core INTERFACE)\n"
            f"enable_testing()\ninclude(\"{TOP}/cmake/NtkTests.cmake\")\n")
        done = self.call("cmake", "-S", self.path, "-B", self.path / "build")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("no //TEST line", " ".join(done.stderr.split()))

    def test_every_package_is_named_once(self):
        lines = (TOP / "tools" / "packages.txt").read_text().splitlines()
        names = [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]
        self.assertEqual(len(names), len(set(names)))
        self.assertIn("libscalapack-openmpi-dev", names)


if __name__ == "__main__":
    unittest.main()
