"""Pages of docs/ that show what configs give: their runs, tables and figures.

A page is docs/NAME.md with tables between <!-- TABLE --> and <!-- end -->, configs/NAME_*.yaml, and
docs/figures/NAME_*.png.  tools/NAME.py, and the files beside this one, say how tables and figures follow from
the runs.
"""
import os
import pathlib
import re
import subprocess
import sys
from types import SimpleNamespace

import h5py
import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

import ntkload
from figures import GREY, STYLE, plt
from usage import Parser

TOP = pathlib.Path(__file__).resolve().parents[2]

# --------------------------------------------------------------------------------------- the runs


class Run:
    """Results of one config."""

    def __init__(self, path):
        self.path, self.sweep = path, ntkload.open_sweep(path)
        self.root = self.sweep["/"]

    def folder(self, **select):
        return self.path / "points" / str(self.root.point_id.sel(select).item())

    def point(self, **select):
        return ntkload.open_point(self.folder(**select))

    def gram(self, **select):
        """Rows in the order of the file or of the generator."""
        kernel, index = self.sweep["kernel"].preview.sel(select), self.sweep["data"]["index"]
        shown = np.flatnonzero(~np.isnan(np.diag(kernel)))  # smaller training sets end with NaN
        index = index.sel({name: value for name, value in select.items() if name in index.dims})
        order = np.argsort(index.values[shown])
        return kernel.values[np.ix_(order, order)]

    def weights(self, **select):
        """{"conv0/W": (multiplier, values), ...} by layer and tensor."""
        found = {}

        def collect(name, item):
            if "s_w" in item.attrs or "s_b" in item.attrs:
                found[name] = (float(item.attrs.get("s_w", item.attrs.get("s_b"))), item[()])

        with h5py.File(self.folder(**select) / "weights.h5") as file:
            file["layers"].visititems(collect)
        return found


def sweep(program, folder, config, *options, directory=None):
    """Run of configs/CONFIG.yaml in folder/runs."""
    directory = f"runs/{directory or config}"

    def call(*words):
        done = subprocess.run([TOP / "tools" / "mpi", program, *words], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr)

    call("run", TOP / "configs" / f"{config}.yaml", *options, "--set", f"output.directory={directory}")
    call("merge", directory)
    return Run(folder / directory)


# ------------------------------------------------------------------------------------- of kernels


def apart(given, expected):
    """Frobenius norm of the difference, relative."""
    return np.linalg.norm(given - expected) / np.linalg.norm(expected)


def rounding(value, limit=1e-12):
    """What is nothing but rounding is shown as its bound."""
    return f"below {limit:.0e}" if value < limit else value


def percent(value):
    if value >= 10:
        return f"{value:.0f} times"
    return rounding(value) if value < 1e-12 else f"{100 * value:.2g} %"


def rank(eigenvalue, cutoff=1e-12):
    return int((eigenvalue > cutoff * eigenvalue.max()).sum())


def by_angle(kernels):
    """Means over all pairs of the circle at each angle, 0 .. pi; of several draws too."""
    n = kernels.shape[-1]
    return np.array([np.mean([kernels[..., i, (i + k) % n] for i in range(n)]) for k in range(n // 2 + 1)])


# ------------------------------------------------------------------------------------- the tables


def number(value):
    """Four digits, without exponent from 0.0001 up to millions."""
    if value == 0:
        return "0"
    if abs(value) >= 1e7 or abs(value) < 1e-4:
        return f"{value:.2e}"
    return f"{value:.{max(0, 3 - int(np.floor(np.log10(abs(value)))))}f}"


def spread(values):
    mean, deviation = np.mean(values), np.std(values, ddof=1)
    digits = max(0, 1 - int(np.floor(np.log10(deviation))))
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}"


def table(head, *rows):
    cells = [[c if isinstance(c, str) else number(c) for c in row] for row in rows]
    lines = [head, ["---"] * len(head), *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def block(name):
    return re.compile(rf"(<!-- ({name}) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def blocks(text):
    """The tables in a document, by name."""
    return {m[2]: m[3].rstrip("\n") for m in block(r"\w+").finditer(text)}


# ------------------------------------------------------------------------------------ the figures


STATED = {"linestyle": "--", "color": "black", "linewidth": 2.2, "alpha": 0.5}  # what the text says
GUIDE = {"linestyle": "--", "color": GREY, "linewidth": 0.9}
BARS = {"markersize": 4, "capsize": 2.5}


def log_ticks(axis, values, text="{:g}"):
    """A logarithmic axis with marks at these values only."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(FixedLocator(list(values)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: text.format(value)))


# --------------------------------------------------------------------------------------- the page


class Page:
    def __init__(self, name, configs, tables, figures):
        self.name, self.configs, self.tables, self.figures = name, configs, tables, figures
        self.document = TOP / "docs" / f"{name}.md"

    def run(self, program, folder, options=None):
        """Runs of all configs; `options` of some of them, by name."""
        return SimpleNamespace(**{name: sweep(program, folder, f"{self.name}_{name}", *(options or {}).get(name, ()))
                                  for name in self.configs})

    def fill(self, runs):
        text = self.document.read_text()
        for name, make in self.tables.items():
            body = make(runs)
            text, count = block(name).subn(lambda m, body=body: f"{m[1]}{body}\n{m[4]}", text)
            if count != 1:
                sys.exit(f"{self.document}: {count} blocks <!-- {name} --> ... <!-- end -->, expected one")
        self.document.write_text(text)

    def draw(self, runs, folder):
        plt.rcParams.update(STYLE)
        for name, figure in self.figures.items():
            figure(runs).savefig(folder / f"{self.name}_{name}.png", dpi=110)
        plt.close("all")

    def main(self, description, run=None):
        parser = Parser(description)
        parser.add_argument("--program", default=TOP / os.environ.get("NTK_BUILD", "build") / "ntkrun")
        runs = (run or self.run)(pathlib.Path(parser.parse_args().program).resolve(), TOP)
        self.fill(runs)
        self.draw(runs, self.document.parent / "figures")
