#!/bin/sh
""":"
exec "$(dirname "$0")/python" "$0" "$@"
":"""
__doc__ = """What came out of a sweep, in a few lines."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import numpy as np

from results import Results, label


def rows(results):
    """(name, format, dataset variable) of what is shown."""
    dynamics, dimension = results.group("dynamics"), results.group("effective_dimension")
    found = []
    if dynamics is not None and "test_accuracy_infinity" in dynamics:
        found.append(("test accuracy", lambda m, s: f"{100 * m:.1f} ± {100 * s:.1f} %",
                      dynamics.test_accuracy_infinity))
    elif dynamics is not None and "test_loss_infinity" in dynamics:
        found.append(("test loss", lambda m, s: f"{m:.3g} ± {s:.1g}", dynamics.test_loss_infinity))
    spectrum = results.group("spectrum")
    if spectrum is not None and "eigenvalue" in spectrum:
        for k in range(min(3, spectrum.sizes["mode"])):
            found.append((f"eigenvalue {k + 1}", lambda m, s: f"{m:.4g}", spectrum.eigenvalue.isel(mode=k)))
    elif "lambda_max" in results.root:
        found.append(("eigenvalue 1", lambda m, s: f"{m:.4g}", results.root.lambda_max))
    if dimension is not None:
        found.append(("effective dimension", lambda m, s: f"{m:.1f}", at_ridge(dimension, 1.0)))
    spread = results.kernel_spread()
    if spread is not None:
        found.append(("kernel's spread", lambda m, s: f"{100 * m:.1f} %", spread))
    return found


def at_ridge(dimension, relative):
    """df1 at the ridge nearest to `relative` times trace/n (or to the middle of the grid)."""
    along = dimension.df1.dims[-1]
    ridge = dimension.get("ridge_relative")
    if ridge is None:
        return dimension.df1.isel({along: dimension.sizes[along] // 2})
    others = [d for d in ridge.dims if d != along]
    mean = ridge.mean(others) if others else ridge
    return dimension.df1.isel({along: int(np.abs(np.log(mean / relative)).argmin())})


def table(results):
    """Lines of a table: one row per value of the axes that the figures draw, seeds averaged."""
    axes = [a for a in (results.x_axis(), results.hue_axis()) if a is not None]
    columns = [(name, text, *results.reduce(data, axes)[:2]) for name, text, data in rows(results)]
    lines = [[*map(label, axes), *(name for name, *_ in columns)]]
    for position in np.ndindex(*(results.root.sizes[a] for a in axes)):
        at = dict(zip(axes, position))
        lines.append([str(results.root[a].values[k]) for a, k in at.items()]
                     + [text(float(mean.isel(at)), float(spread.isel(at))) for _, text, mean, spread in columns])
    width = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        yield "  " + "   ".join(cell.rjust(w) for cell, w in zip(line, width)).rstrip()


def explain(results):
    found = [name for name, _, _ in rows(results)]
    axes = [results.x_axis(), results.hue_axis()]
    if results.seeds():
        yield "Mean and standard deviation over seeds" + (
            f", at {results.fixed_text(axes)}." if results.fixed_text(axes) else ".")
    if "test accuracy" in found:
        yield "Test accuracy: of the linearised network after infinite training time."
    if "effective dimension" in found:
        yield "Effective dimension: tr K (K + mu)^-1 at the ridge mu = tr K / n."
    if "kernel's spread" in found:
        yield ("Kernel's spread: how much it differs from seed to seed, relative to their mean.  It falls as\n"
               "width grows: wide networks share one kernel.")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: tools/summarize.py DIR")
    results = Results(sys.argv[1])
    status = results.root.get("status")
    done = int((status.astype(str) == "done").sum()) if status is not None else len(results.points)
    total = int(status.size) if status is not None else len(results.points)
    print(f"\n{results.name}: {done} of {total} points are done\n")
    print("\n".join(table(results)))
    print()
    print("\n".join(explain(results)))
    print(f"""
  {results.path}/sweep.h5      all results over {' x '.join(map(label, results.axes)) or 'one point'}
  {results.path}/figures/      figures, PNG and PDF
  {results.path}/points/       one results.h5 a point
In Python: xarray.open_dataset("{results.path}/sweep.h5", group="dynamics")""")


if __name__ == "__main__":
    main()
