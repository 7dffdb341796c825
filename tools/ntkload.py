"""Results of ntkrun in Python: groups of a point or of a sweep as xarray datasets.

    import ntkload

    sweep = ntkload.open_sweep("runs/quickstart")    # after `ntkrun merge runs/quickstart`
    sweep["dynamics"].test_loss.sel(width=512, weight_init="he_normal").mean("seed").plot()
    point = ntkload.open_point("runs/quickstart/points/07744443ceab4d1d666f38d27d29cc88")
    point["spectrum"].eigenvalue.plot(xscale="log", yscale="log")

Needs h5py and xarray.  One file: put its folder on the path, or a copy beside the notebook.
"""
import difflib
import pathlib
import warnings
from collections.abc import Mapping

import h5py
import numpy as np
import xarray as xr


class NoGroup(KeyError):
    def __str__(self):
        return self.args[0]


class Groups(Mapping):
    """Datasets by the name of their group, "/" the root.  A group is read when it is first used."""

    def __init__(self, path, names):
        self.path, self._cache = pathlib.Path(path), dict.fromkeys(names)

    def __getitem__(self, name):
        if name not in self._cache:
            near = difflib.get_close_matches(name, self._cache, 1)
            raise NoGroup(f"{self.path}: no group '{name}'" + (f"; did you mean '{near[0]}'?" if near else "")
                          + f" There are: {', '.join(self._cache)}")
        if self._cache[name] is None:
            self._cache[name] = _read_group(self.path, name)
        return self._cache[name]

    def __iter__(self):
        return iter(self._cache)

    def __len__(self):
        return len(self._cache)

    def __repr__(self):
        return f"{self.path}: {', '.join(self._cache)}"


def open_point(path):
    """Groups of one point: its results.h5, its folder, or the directory of a run with one point."""
    path = pathlib.Path(path)
    if path.is_dir():
        found = [path / "results.h5"] if (path / "results.h5").exists() else list_points(path)
        if len(found) != 1:
            raise FileNotFoundError(f"{path} holds {len(found)} points; name one file or folder of points/, "
                                    "or open them all with open_sweep")
        path = found[0]
    return _open_file(path)


def open_sweep(path):
    """Groups of a sweep over its axes: what `ntkrun merge` has written, sweep.h5 or its folder."""
    path = pathlib.Path(path)
    if not path.is_dir():
        return _open_file(path)
    file, points = path / "sweep.h5", list_points(path)
    if not file.exists():
        raise FileNotFoundError(f"{file} is not there; run `ntkrun merge {path}`" if points else
                                f"{path}: no points/*/results.h5; is it the output.directory of a run?")
    newer = sum(p.stat().st_mtime > file.stat().st_mtime for p in points)
    if newer:
        warnings.warn(f"{file} is older than {newer} of {len(points)} points; run `ntkrun merge {path}`",
                      stacklevel=2)
    return _open_file(file)


def list_points(directory):
    return sorted(pathlib.Path(directory).glob("points/*/results.h5"))


def _open_file(path):
    try:
        with h5py.File(path, "r") as file:
            names = ["/"]
            file.visititems(lambda name, thing: names.append(name) if isinstance(thing, h5py.Group) else None)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is not there; `ntkrun merge` writes sweep.h5, `ntkrun run` "
                                "points/ID/results.h5") from None
    except OSError as error:
        raise OSError(f"{path} cannot be read as HDF5: {error}") from None
    return Groups(path, names)


def _read_group(path, name):
    with h5py.File(path, "r") as file:
        group = file[name]
        variables = {key: _variable(v) for key, v in group.items()
                     if isinstance(v, h5py.Dataset) and b"not a netCDF variable" not in v.attrs.get("NAME", b"")}
        attributes = {k: v.item() if isinstance(v, np.generic) else v for k, v in group.attrs.items()
                      if not k.startswith("_")}
    coordinates = attributes.pop("coordinates", "").split()
    return xr.Dataset(variables, attrs=attributes).set_coords([c for c in coordinates if c in variables])


def _variable(v):
    scale = v.attrs.get("CLASS") == b"DIMENSION_SCALE"
    names = [v] if scale and v.ndim == 1 else [axis[0] for axis in v.dims]
    values = v.asstr()[()] if h5py.check_string_dtype(v.dtype) else v[()]
    described = {k: v.attrs[k] for k in ("long_name", "units", "source") if k in v.attrs}
    return [d.name.rpartition("/")[2] for d in names], values, described
