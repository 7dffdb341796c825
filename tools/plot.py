#!/bin/sh
""":"
exec "$(dirname "$0")/python" "$0" "$@"
":"""
__doc__ = """Draws the figures of a results directory into DIR/figures.

  kernel          the kernel on up to 128 training samples, sorted by class
  spectrum        eigenvalues and the share of the targets in the leading modes
  trajectories    predictions over training time
  learning        loss and accuracy over training time
  risk            effective dimension, bias and variance against the ridge
  width_study     end results against width (or the first numeric axis), error bars over seeds
"""
import os
import pathlib
import sys
from concurrent.futures import ProcessPoolExecutor

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from figures import KINDS, Page, draw, name_of
from results import Results
from usage import CANNOT_CREATE, Parser, fail, run


def arguments():
    parser = Parser(__doc__)
    parser.add_argument("directory", metavar="DIR", help="output.directory of a run")
    parser.add_argument("--point", metavar="ID", help="the point to show (start of its id); "
                        "default: the last value of each axis and the first seed")
    parser.add_argument("--format", action="append", choices=["png", "pdf", "svg"],
                        help="may be given several times; default: png and pdf")
    return parser.parse_args()


def save(kind, results, point, formats):
    """Draws one figure; the path of its first file, None if the results have nothing for it."""
    figure = draw(kind, Page(results), point)
    if figure is None:
        return None
    files = [results.path / "figures" / f"{name_of(kind, results)}.{suffix}" for suffix in formats]
    for file in files:
        figure.savefig(file)
    return files[0]


def make_folder(path):
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        fail(CANNOT_CREATE, f"{path}: cannot be written: {error.strerror}")


def main():
    options = arguments()
    results = Results(options.directory)
    point = results.point(options.point)
    make_folder(results.path / "figures")
    formats = options.format or ["png", "pdf"]
    with ProcessPoolExecutor(min(len(KINDS), len(os.sched_getaffinity(0)))) as pool:
        for file in [pool.submit(save, kind, results, point, formats) for kind in KINDS]:
            if file.result() is not None:
                print(file.result())


if __name__ == "__main__":
    run(main)
