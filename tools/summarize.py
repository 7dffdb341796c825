#!/bin/sh
""":"
exec "$(dirname "$0")/python" "$0" "$@"
":"""
__doc__ = """What came out of a sweep, in a few lines."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from results import Results, label
from scalars import scalars, table
from usage import Parser, run

COLUMNS = ["test accuracy", "largest eigenvalue", "condition number", "effective dimension", "kernel's spread"]


def columns(results):
    """The scalars that fit into the width of a terminal."""
    found = scalars(results)
    wanted = list(COLUMNS)
    if "test accuracy" not in [name for name, *_ in found]:
        wanted[0] = "test loss"
    return [row for row in found if row[0] in wanted or row[0] == f"{wanted[0]}, stopped early"]


def axes_of(results):
    """What has lines of its own: every kernel, and two axes besides."""
    x, kernel = results.x_axis(), results.quantity_axis()
    hue = next((a for a in results.varied() if a not in (x, kernel)), None)
    return [a for a in (x, hue, kernel) if a is not None]


def lines(results, rows):
    cells = list(table(results, axes_of(results), rows))
    width = [max(map(len, column)) for column in zip(*cells)]
    for line in cells:
        yield "  " + "   ".join(cell.rjust(w) for cell, w in zip(line, width)).rstrip()


def explain(results, rows):
    fixed = results.fixed_text(axes_of(results))
    if results.seeds():
        yield "Mean ± standard deviation over seeds" + (f", at {fixed}." if fixed else ".")
    if results.quantity_text():
        yield f"{results.quantity_text().capitalize()}."
    for name, _, meaning, _ in rows:
        if meaning != name:
            yield f"{name[0].upper()}{name[1:]}: {meaning}."


def main():
    parser = Parser(__doc__)
    parser.add_argument("directory", metavar="DIR", help="output.directory of a run")
    results = Results(parser.parse_args().directory).by_quantity()
    rows = columns(results)
    print(f"\n{results.name}: {results.done_text()}\n")
    print("\n".join(lines(results, rows)), end="\n\n")
    print("\n".join(explain(results, rows)), end="\n\n")
    for name, what in (("report.html", "all of this on one page, for a browser"),
                       ("sweep.h5", f"all results over {' x '.join(map(label, results.axes)) or 'one point'}"),
                       ("figures/", "figures, PNG and PDF"), ("points/", "one results.h5 a point")):
        if (results.path / name).exists():
            print(f"  {results.path / name}{'/' * name.endswith('/')}".ljust(36), what)
    print(f'In Python: xarray.open_dataset("{results.path}/sweep.h5", group="dynamics")')


if __name__ == "__main__":
    run(main)
