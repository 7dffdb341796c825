"""The scalars of a sweep that are worth a column, as tables of mean and spread over seeds."""
import numpy as np
import xarray as xr

from results import label

# group, variable, name, share of one
SCALARS = [
    ("dynamics", "test_accuracy_infinity", "test accuracy", True),
    ("dynamics", "test_loss_infinity", "test loss", False),
    ("/", "lambda_max", "largest eigenvalue", False),
    ("/", "lambda_min", "smallest eigenvalue", False),
    ("/", "condition_number", "condition number", False),
    ("/", "effective_rank", "effective rank", False),
    ("/", "alignment", "kernel-target alignment", False),
]


def scalars(results):
    """(name, share of one, meaning, data over the axes) of what the sweep has."""
    found = [(name, share, *row) for group, variable, name, share in SCALARS
             for row in find(results, group, variable)]
    found += stopped_early(results)
    dimension, risk, spread = (results.group("effective_dimension"), results.group("fixed_design_risk"),
                               results.kernel_spread())
    if dimension is not None and "df1" in dimension:
        found.append(("effective dimension", False, "tr K (K + mu)^-1 at the ridge mu = tr K / n",
                      at_ridge(dimension, 1.0)))
    if risk is not None and "risk" in risk:
        found.append(("least risk", False, "in-sample risk of ridge regression at the best ridge",
                      risk.risk.min(risk.risk.dims[-1])))
    if spread is not None:
        found.append(("kernel's spread", True, "difference of the kernel from its mean over seeds of the network, "
                      "relative to it; wide networks share one kernel", spread))
    return [row for row in found if np.isfinite(row[3]).any()]


DIAGNOSTICS = {"seconds", "flops", "residual", "orthogonality", "loss_constant", "cutoff", "negative_count",
               "lambda_min_raw", "condition_number_limited", "lambda_min_limited", "rate_scale", "block", "ranks"}


def is_diagnostic(name):
    """Of a row of `other_scalars`: tells how it was computed, not what came out."""
    return name.rpartition(": ")[2].replace(" ", "_") in DIAGNOSTICS


def stopped_early(results):
    """Rows: the test set at the time when the validation loss is least; [] without a validation set."""
    dynamics = results.group("dynamics")
    if dynamics is None or "validation_loss" not in dynamics:
        return []
    along = dynamics.validation_loss.dims[-1]
    best = with_infinity(dynamics, "validation_loss", along).fillna(np.inf).argmin(along)
    return [(f"test {what}, stopped early", what == "accuracy", f"test {what} at the time of least validation loss",
             with_infinity(dynamics, f"test_{what}", along).isel({along: best}))
            for what in ("loss", "accuracy") if f"test_{what}" in dynamics]


def with_infinity(dynamics, name, along):
    """A curve, without coordinates along it, and infinite time as its last entry where that is known."""
    curve, end = dynamics[name], dynamics.get(f"{name}_infinity")
    parts = [curve] if end is None else [curve, end.expand_dims(along, -1)]
    return xr.concat([part.drop_vars(part.coords) for part in parts], along)


def other_scalars(results):
    """Rows as of `scalars`, of every other number that the points have."""
    used = {(group, variable) for group, variable, *_ in SCALARS} | {("/", "seconds")}
    for group in results.sweep:
        for variable, data in results.group(group).data_vars.items():
            if (set(data.dims) <= set(results.axes) and data.dtype.kind in "iuf" and (group, variable) not in used
                    and np.isfinite(data).any()):
                name = variable if group == "/" else f"{group}: {variable}"
                yield label(name), False, data.attrs.get("long_name", ""), data


def find(results, group, variable):
    """[(meaning, data)] of a variable, [] if the sweep has none."""
    dataset = results.group(group)
    if dataset is None or variable not in dataset:
        return []
    data = dataset[variable]
    meaning = data.attrs.get("long_name", variable)
    if f"{variable}_limited" in dataset:
        data = data.where(dataset[f"{variable}_limited"] == 0)  # the cutoff's value, not the kernel's
    return [(meaning, data)]


def at_ridge(dimension, relative):
    """df1 at `relative` times trace/n, between the ridges of the grid (or at its middle)."""
    along = dimension.df1.dims[-1]
    if "ridge_relative" not in dimension:
        return dimension.df1.isel({along: dimension.sizes[along] // 2})
    return xr.apply_ufunc(between, dimension.ridge_relative / relative, dimension.df1, vectorize=True,
                          input_core_dims=[[along], [along]])


def between(ridge, value):
    """A curve at ridge 1, linear in the logarithm; NaN if there are no numbers."""
    good = (ridge > 0) & np.isfinite(value)
    order = np.argsort(ridge[good])
    return np.interp(0, np.log(ridge[good][order]), value[good][order]) if good.any() else np.nan


def measured(mean, spread, share=False, several=True):
    """"0.781 ± 0.004": as many digits as the spread has."""
    if not np.isfinite(mean):
        return "-"
    scale = 100 if share else 1
    mean, spread, unit = scale * mean, scale * spread, " %" if share else ""
    if not several or not np.isfinite(spread) or spread == 0:
        return f"{mean:.{3 if share else 4}g}{unit}"
    power = int(np.floor(np.log10(abs(mean)))) if mean else 0
    if -3 <= power < 5:
        digits = min(max(0, 1 - int(np.floor(np.log10(spread)))), 6)
        return f"{mean:.{digits}f} ± {spread:.{digits}f}{unit}"
    digits = min(max(1, power - int(np.floor(np.log10(spread)))), 6)
    return f"({mean / 10.0**power:.{digits}f} ± {spread / 10.0**power:.{digits}f})e{power}{unit}"


def table(results, axes, rows):
    """Lines of cells, names first: one line per value of the axes, each cell (text, mean)."""
    columns = [(share, *results.reduce(data, axes)) for _, share, _, data in rows]
    yield [*map(label, axes), *(name for name, *_ in rows)]
    for place in np.ndindex(*(results.root.sizes[a] for a in axes)):
        at = dict(zip(axes, place))
        cells = [str(results.root[a].values[k]) for a, k in at.items()]
        for share, mean, spread, count in columns:
            where = {a: k for a, k in at.items() if a in mean.dims}
            cells.append(measured(float(mean.isel(where)), float(spread.isel(where)), share, count > 1))
        yield cells
