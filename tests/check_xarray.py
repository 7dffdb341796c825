#!/usr/bin/env python3
"""Files of ntkrun open in xarray and h5py as they are.

  check_xarray.py rules FILE...     what holds for every file: each group opens with
                                    xarray.open_dataset, every axis has a scale, every variable has
                                    long_name and units, strings have variable length
  check_xarray.py made FOLDER       the values that tests/t451_xarray.c has written
  check_xarray.py merged FOLDER     the values of the sweeps that tests/t720_merge.c has merged: a
                                    product, one with a zipped axis and skipped points, and that
                                    one point by point
"""
import sys
import warnings
from importlib.util import find_spec

import h5py
import numpy as np
import xarray as xr

warnings.simplefilter("error", xr.SerializationWarning)
warnings.simplefilter("error", UserWarning)
ENGINES = ["h5netcdf"] + ["netcdf4"] * bool(find_spec("netCDF4"))


def check(condition, text):
    if not condition:
        sys.exit(f"{sys.argv[0]}: {text}")


def is_dimension_only(dataset):
    return b"This is a netCDF dimension but not" in dataset.attrs.get("NAME", b"")


def check_dataset(path, name, dataset):
    where = f"{path}:/{name}"
    if is_dimension_only(dataset):
        return
    for attribute in ("long_name", "units"):
        check(isinstance(dataset.attrs.get(attribute), str), f"{where} has no text {attribute}")
    text = h5py.check_string_dtype(dataset.dtype)
    check(text is None or (text.length is None and text.encoding == "utf-8"),
          f"{where} has strings of fixed length")
    check(dataset.dtype.fields is None, f"{where} has a compound type")
    if dataset.attrs.get("CLASS") == b"DIMENSION_SCALE":
        return
    scales = [axis[0].name if len(axis) else None for axis in dataset.dims]
    check(None not in scales, f"{where} has an axis without scale")
    check(len(set(scales)) == len(scales), f"{where} has one scale on two axes")
    folder = dataset.parent.name.rstrip("/")
    check(all(s.rpartition("/")[0] == folder for s in scales), f"{where} uses scales of elsewhere")


def check_rules(path):
    groups = [""]

    def visit(name, thing):
        if isinstance(thing, h5py.Group):
            groups.append(name)
        else:
            check_dataset(path, name, thing)

    with h5py.File(path, "r") as file:
        check(file.attrs["Conventions"] == "CF-1.10", f"{path} has no Conventions")
        file.visititems(visit)
        stored = {g: {k for k, v in file["/" + g].items()
                      if isinstance(v, h5py.Dataset) and not is_dimension_only(v)} for g in groups}
    for group, engine in [(g, e) for g in groups for e in ENGINES]:
        with xr.open_dataset(path, group=group or None, engine=engine) as data:
            data.load()
            check(set(data.variables) == stored[group],
                  f"{path}:/{group}: {engine} sees {set(data.variables)}, h5py {stored[group]}")


def same(a, b):
    return np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True)


def check_curves(path):
    time = 0.1 * np.arange(4)
    with xr.open_dataset(path, group="curves") as data:
        check(data.loss.dims == ("time",) and same(data.time, time), "coordinate of the curve")
        check(same(data.loss, [1, 0.5, np.nan, np.inf]), "values of the curve")
        check(same(data.loss.sel(time=0.1, method="nearest"), 0.5), "selection by coordinate")
        check(data.prediction.dims == ("time", "shown", "output"), "names of three axes")
        check(data.prediction.dtype == np.float32 and data.prediction.shape == (4, 3, 2), "single")
        check(same(data.prediction.values.ravel(), np.arange(24, dtype=np.float32)), "order")
        check("shown" not in data.coords and "output" in data.coords, "axis without coordinate")
        check(data.done.dtype == np.int8 and same(data.done, [0, 1, 0]), "flags")
        check(data.loss.attrs == {"long_name": "training loss", "units": "1", "source": "D.2"},
              f"attributes {data.loss.attrs}")
        check(data.time.attrs["units"] == "s" and data.time.dtype == np.float64, "time in seconds")
        check(data.attrs["learning_rate"] == 0.25 and data.attrs["block"] == -64, "attributes")
        check(data.attrs["unit_of_time"] == "", "empty attribute")


def check_words(path):
    with xr.open_dataset(path, group="words") as data:
        check(list(data.layer.values) == ["dense0", "", "größer", ""], "text coordinate")
        check(same(data.s_w.sel(layer="größer"), 3), "selection by a word")
        check(data.title.item() == "a title" and data.nothing.shape == (0, 4), "scalar, empty")
    with xr.open_dataset(path) as data:
        check(data.n.item() == 2**60 + 1 and data.n.dtype == np.int64, "64-bit integer")
        check(data.trace.item() == 0.1 + 0.2 and data.attrs["config"] == "a: 1\n", "root")
    with h5py.File(path) as file:
        tensor = file["layers/dense0/W"]
        check(tensor.shape == (2, 3) and tensor.attrs["s_w"] == 0.5, "tensor of a nested group")
        check(file["words/layer"].asstr()[2] == "größer", "text in h5py")


def check_matrix(path):
    with xr.open_dataset(path) as data:
        matrix = data.ntk
        check(matrix.dims == ("sample2", "sample") and matrix.shape == (7, 7), "axes of a matrix")
        check(same(matrix, np.arange(49).reshape(7, 7)), "columns stand one after the other")
        check(matrix[3, 5].shape == () and matrix[3, 5].item() == 26, "an entry is an entry")
        check(same(data.sample, np.arange(7)) and data.attrs["key"] == "k", "header")


def check_made(folder):
    for name, checks in (("results.h5", (check_curves, check_words)), ("gram.h5", (check_matrix,))):
        check_rules(f"{folder}/{name}")
        for run in checks:
            run(f"{folder}/{name}")


def check_sweep(path):
    check_rules(path)
    root = xr.open_dataset(path)
    check(root.point_id.dims == ("width", "weight_init", "seed"), "axes of the sweep")
    check(list(root.width.values) == [256, 512] and root.width.dtype == np.int64, "numbers")
    check(list(root.weight_init.values) == ["he_normal", "glorot_normal"], "words")
    check(root.status.sel(width=512, weight_init="he_normal", seed=1) == "failed", "status")
    curve = xr.open_dataset(path, group="dynamics").test_loss.sel(
        width=512, weight_init="he_normal").mean("seed")  # points 6, 7 (failed), 8
    check(curve.dims == ("time_index",) and same(curve, 700 + np.arange(4)), "mean over seeds")
    with xr.open_dataset(path, group="dynamics") as data:
        check(data.time.dims == ("width", "weight_init", "seed", "time_index"), "differing times")
        check(same(data.time.sel(width=256, weight_init="glorot_normal", seed=0), 3 + np.arange(4)),
              "times of a point")
    with xr.open_dataset(path, group="effective_dimension") as data:
        check(same(data.df1.sel(ridge=1.1, width=256).isel(weight_init=0), [1, 11, 21]), "shared")
    with xr.open_dataset(path, group="spectrum") as data:
        check(same(data.eigenvalue.sel(width=256, weight_init="he_normal", seed=1), [1, 0, np.nan]),
              "shorter arrays end in NaN")


def check_zipped(path):
    check_rules(path)
    with xr.open_dataset(path, group="dynamics") as data:
        check(set(data.test_loss.coords) >= {"shape", "width", "activation", "time"}, "coordinates")
        loss = data.test_loss.sel(shape="deep", scale="feature")
        check(loss.width == 16 and loss.activation == "erf", "keys of the zipped axis")
        check(same(loss.isel(time_index=0), [300, np.nan, 1100]), "a skipped point is NaN")
        check(same(loss.sel(seed=2).time, 11 + np.arange(4)), "times come along")
    with xr.open_dataset(path) as data:
        check((data.status == "skipped").sum() == 4, "skipped")
    with xr.open_dataset(path, group="conjugate/spectrum") as data:
        check(same(data.eigenvalue.sel(seed=0, shape="wide", scale="none"), [0, -1, -2]), "nested")


def check_flat(path):
    check_rules(path)
    with xr.open_dataset(path, group="dynamics") as data:
        check(data.test_loss.dims == ("point", "time_index"), "axes of the flat form")
        check(set(data.coords) == {"point", "seed", "shape", "width", "activation", "scale", "time"},
              f"coordinates {set(data.coords)}")
        mean = data.test_loss_infinity.groupby("shape").mean()
        check(same(mean, [-(2 + 3 + 10 + 11) / 4, -(0 + 4 + 5 + 8) / 4]), f"mean by shape {mean}")
        table = data.test_loss_infinity.to_dataframe()
        check(list(table[table.seed == 1].test_loss_infinity) == [-4, -5], "a table in pandas")


def check_line(path):
    """The line of the documentation, as it stands."""
    import matplotlib
    matplotlib.use("Agg")
    xr.open_dataset(path, group="dynamics").test_loss.sel(
        width=512, weight_init="he_normal").mean("seed").plot()


def check_merged(folder):
    check_sweep(f"{folder}/product.h5")
    check_line(f"{folder}/product.h5")
    check_zipped(f"{folder}/zipped.h5")
    check_flat(f"{folder}/sweep_flat.h5")


if __name__ == "__main__":
    modes = {"rules": check_rules, "made": check_made,
             "merged": check_merged}
    for argument in sys.argv[2:]:
        modes[sys.argv[1]](argument)
