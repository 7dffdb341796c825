"""A results directory as xarray datasets: the sweep, its axes, and one point of it."""
import pathlib
import sys

import h5py
import numpy as np
import xarray as xr
import yaml


def is_seed(axis):
    return axis == "seed" or axis.endswith("_seed")


def open_group(path, group=None):
    """The group as a dataset in memory, None if the file or the group is not there."""
    try:
        with xr.open_dataset(path, group=group, engine="h5netcdf") as data:
            return data.load()
    except (OSError, KeyError):
        return None


class Results:
    """DIR of `ntkrun run`; with sweep.h5 (of `ntkrun merge`) or with a single point."""

    def __init__(self, directory):
        self.path = pathlib.Path(directory)
        self.merged = self.path / "sweep.h5"
        self.points = sorted((self.path / "points").glob("*/results.h5"))
        if not self.points:
            sys.exit(f"{self.path}: no points/*/results.h5; is it the output.directory of a run?")
        if not self.merged.exists() and len(self.points) > 1:
            sys.exit(f"{self.merged} is missing: run `ntkrun merge {self.path}` first")
        self.root = open_group(self.merged if self.merged.exists() else self.points[0])
        self.axes = list(self.root.point_id.dims) if "point_id" in self.root else []
        self.name = self._name()

    def _name(self):
        try:
            config = yaml.safe_load((self.path / "config.yaml").read_text())
            return config.get("name") or self.path.resolve().name
        except (OSError, yaml.YAMLError, AttributeError):
            return self.path.resolve().name

    def group(self, name):
        """A group of the sweep (of the point, if there is only one), or None."""
        return open_group(self.merged if self.axes else self.points[0], name)

    def kernel_spread(self):
        """Relative deviation of the shown kernel from its mean over seeds, or None."""
        seeds = [a for a in self.seeds() if self.root.sizes[a] > 1]
        if not seeds:
            return None
        preview = self._previews()
        if preview is None:
            return None
        shown = list(preview.dims[-2:])
        mean = preview.mean(seeds)
        return np.sqrt(((preview - mean) ** 2).sum(shown).mean(seeds) / (mean**2).sum(shown))

    def _previews(self):
        """The shown part of every point's kernel, stacked; NaN where there is none."""
        found = {}
        for path in self.points:
            with h5py.File(path) as file:
                if "kernel/preview" in file:
                    found[path.parent.name] = file["kernel/preview"][()]
        shapes = {v.shape for v in found.values()}
        if len(shapes) != 1:
            return None
        ids = self.root.point_id
        empty = np.full(shapes.pop(), np.nan)
        stack = np.array([found.get(str(i), empty) for i in ids.values.flat])
        return xr.DataArray(stack.reshape(*ids.shape, *empty.shape), dims=(*ids.dims, "shown", "shown2"))

    # Which axis is drawn along x, which one by colour, which are averaged.

    def varied(self):
        return [a for a in self.axes if self.root.sizes[a] > 1 and not is_seed(a)]

    def x_axis(self):
        numeric = [a for a in self.varied() if np.issubdtype(self.root[a].dtype, np.number)]
        return "width" if "width" in numeric else next(iter(numeric), None)

    def hue_axis(self):
        return next((a for a in self.varied() if a != self.x_axis()), None)

    def seeds(self):
        return [a for a in self.axes if is_seed(a)]

    def reduce(self, data, keep):
        """Averages over seeds, last value of every axis that is not kept.  (mean, spread, count)"""
        fixed = {a: -1 for a in self.axes if a not in keep and not is_seed(a) and a in data.dims}
        data = data.isel(fixed)
        seeds = [a for a in self.seeds() if a in data.dims]
        if not seeds:
            return data, xr.zeros_like(data), 1
        count = int(np.prod([self.root.sizes[a] for a in seeds]))
        spread = data.std(seeds, ddof=1 if count > 1 else 0)
        return data.mean(seeds), spread, count

    def fixed_text(self, keep):
        """The axes that a figure holds fixed, for its title."""
        fixed = [a for a in self.varied() if a not in keep]
        return ", ".join(f"{label(a)} {self.root[a].values[-1]}" for a in fixed)

    # One point.

    def point(self, wanted=None):
        """(path, text) of a point: by the start of its id, else last of each axis, first seed."""
        if wanted:
            found = [p for p in self.points if p.parent.name.startswith(wanted)]
            if len(found) != 1:
                sys.exit(f"{self.path}: {len(found)} points with id {wanted}")
            return found[0], self._describe(found[0].parent.name)
        for selection in self._preferred():
            identity = str(self.root.point_id.isel(selection).item())
            path = self.path / "points" / identity / "results.h5"
            if path.exists():
                return path, self._describe(identity)
        return self.points[0], ""

    def _preferred(self):
        if not self.axes:
            return
        sizes = [self.root.sizes[a] for a in self.axes]
        order = [range(n) if is_seed(a) else range(n - 1, -1, -1) for a, n in zip(self.axes, sizes)]
        for position in np.ndindex(*sizes):
            yield {a: order[k][position[k]] for k, a in enumerate(self.axes)}

    def _describe(self, identity):
        if not self.axes:
            return ""
        where = np.argwhere(self.root.point_id.astype(str).values == identity)
        if not len(where):
            return ""
        return ", ".join(f"{label(a)} {self.root[a].values[k]}" for a, k in zip(self.axes, where[0]))


def label(axis):
    return axis.replace("_", " ")
