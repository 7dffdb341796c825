#!/bin/sh
""":"
exec "$(dirname "$0")/python" "$0" "$@"
":"""
__doc__ = """What came out of a sweep, in a few lines."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import numpy as np

from results import Results, is_seed, label, open_group


def value(results, data, position):
    """Mean over everything but the x axis, with the standard deviation."""
    part = data if position is None else data.isel({results.x_axis(): position})
    return float(part.mean()), float(part.std())


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
        found.append(("effective dimension", lambda m, s: f"{m:.1f}", at_ridge(dimension, 1e-2)))
    spread = kernel_spread(results)
    if spread is not None:
        found.append(("kernel's spread over seeds", lambda m, s: f"{100 * m:.1f} %", spread))
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


def kernel_spread(results):
    """Relative deviation of the shown kernel between seeds: how random a kernel of that width is."""
    kernel, seeds = results.group("kernel"), results.seeds()
    if kernel is None or "preview" not in kernel or not seeds or results.root.sizes[seeds[0]] < 2:
        return None
    preview = kernel.preview
    shown = list(preview.dims[-2:])
    mean = preview.mean(seeds[0])
    return np.sqrt(((preview - mean) ** 2).sum(shown).mean(seeds[0]) / (mean**2).sum(shown))


def table(results):
    axis, found = results.x_axis(), rows(results)
    positions = [None] if axis is None else range(results.root.sizes[axis])
    head = [label(axis) if axis else ""] + [name for name, _, _ in found]
    lines = [[str(results.root[axis].values[k]) if axis else ""]
             + [text(*value(results, data, k)) for _, text, data in found] for k in positions]
    width = [max(map(len, column)) for column in zip(head, *lines)]
    for line in [head, *lines]:
        yield "  " + "   ".join(cell.rjust(w) for cell, w in zip(line, width)).rstrip()


def explain(results):
    found = [name for name, _, _ in rows(results)]
    averaged = [label(a) for a in results.axes if a != results.x_axis()]
    if averaged:
        yield f"Each row is the mean over {' and '.join(averaged)}."
    if "test accuracy" in found:
        yield "Test accuracy is that of the linearised network, trained for infinite time."
    if "effective dimension" in found:
        yield "Effective dimension: tr K (K + mu)^-1 at the ridge mu = 0.01 tr K / n."
    if "kernel's spread over seeds" in found:
        yield "The kernel's spread over seeds shrinks with width: wide networks share one kernel."


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
