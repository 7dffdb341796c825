"""A results directory as figures and tables see it: the sweep, its axes, one point of it, means over
seeds, provenance."""
import copy
import json
import pathlib
import re

import h5py
import numpy as np
import xarray as xr

import ntkload
from usage import BAD_INPUT, MISSING, USAGE, fail


def is_seed(axis):
    return axis == "seed" or axis.endswith("_seed")


def find_group(groups, name):
    """The group of that name, else the first analysis of that name under a label, or None."""
    if name in groups or name in STAGES:
        return groups.get(name)
    labelled = (groups[g].assign_attrs(label=g) for g in groups if g not in STAGES and "/" not in g)
    return next((group for group in labelled if group.attrs.get("analysis") == name), None)


def kernels_of(groups, name):
    """{prefix: group} of a stage for every quantity: the unnamed one first, then /<quantity>/<name>."""
    nested = [g for g in groups if g.count("/") == 1 and g.endswith(f"/{name}")]
    return {g[:-len(name)]: groups[g] for g in ([name] if name in groups else []) + nested}


def part_of(groups, prefix):
    """The groups of one quantity, named as if it were the only one."""
    own = {g[len(prefix):]: groups[g] for g in groups if prefix and g.startswith(prefix)}
    shared = {g: groups[g] for g in ("data", "network") if g in groups}
    return {**shared, "/": groups.get(prefix.rstrip("/"), xr.Dataset()), **own} if prefix else groups


def stack(datasets, values):
    """One group of several quantities along a new axis: variables that all have, with the same dimensions.
    A coordinate that differs becomes a variable, as in sweep.h5."""
    first, *others = datasets
    shared = [n for n in first.dims if all(n in d.coords for d in datasets)]
    for name in shared:
        if not all(first[name].equals(d[name]) for d in others):
            datasets = [d.drop_vars(name).rename({name: f"{name}_index"}).assign({name: (f"{name}_index", d[name].values)})
                        for d in datasets]
    first, *others = datasets
    common = [v for v in first.data_vars if all(v in d and d[v].sizes == first[v].sizes for d in others)]
    found = xr.concat([d[common] for d in datasets], xr.DataArray(values, dims="quantity", name="quantity"))
    found.attrs.pop("quantity", None)
    return found


STAGES = ("/", "data", "network", "kernel", "spectrum")
QUANTITY = "kernel.quantity"


class Results:
    """DIR of `ntkrun run`: its points, and sweep.h5 that `ntkrun merge` has made of them."""

    def __init__(self, directory):
        self.path = pathlib.Path(directory)
        self.points = ntkload.list_points(self.path)
        try:
            self.sweep = ntkload.open_sweep(self.path)
            self.root = self.sweep["/"]
        except FileNotFoundError as error:
            fail(MISSING, error)
        except OSError as error:
            fail(BAD_INPUT, error)
        if not self.points:
            fail(MISSING, f"{self.path}: no points/*/results.h5; is it the output.directory of a run?")
        self.axes = list(self.root.point_id.dims)
        self.prefixes = [""]  # of the quantities in view
        self.alone = False    # one point is shown, and none beside it
        self.name = str(self.root.attrs.get("title") or self.path.resolve().name)

    def group(self, name):
        """A group of the sweep, or None."""
        return find_group(self.sweep, name)

    def config(self):
        """Text of the sweep's config."""
        file = self.path / "config.yaml"
        return file.read_text() if file.exists() else str(self.root.attrs.get("config", ""))

    def keys_of(self, axis):
        """{key of the config that an axis sets: its values}; a zipped axis sets several."""
        over = [self.root[c] for c in self.root.coords if self.root[c].dims == (axis,)]
        zipped = [c for c in over if c.name != axis]
        return {c.attrs.get("long_name", c.name): c.values for c in zipped or over}

    def status(self):
        """Points by status: {"done": 28, "failed": 2}."""
        words, counts = np.unique(self.root.status.values.astype(str), return_counts=True)
        return dict(zip(words.tolist(), counts.tolist()))

    def done_text(self):
        """"28 of 30 points are done"; those that the sweep skips do not count."""
        status = self.status()
        total = sum(count for word, count in status.items() if word != "skipped")
        return f"{status.get('done', 0)} of {total} points are done"

    def quantities(self):
        """Kernels that every point has: that of the unnamed groups first."""
        found = [kernel.attrs.get("quantity") for kernel in kernels_of(self.sweep, "kernel").values()]
        return found if all(found) else []  # an axis of the sweep

    def quantity_text(self):
        """Which kernel a figure or table of one kernel is about, "" where there is but the ntk."""
        first, *others = self.quantities() or ["ntk"]
        if others:
            return f"kernel {first} (also computed: {', '.join(others)})"
        return "" if first == "ntk" else f"kernel {first}"

    def by_quantity(self):
        """The sweep with the kernels that every point has as one more axis."""
        names = self.quantities()
        if len(names) < 2:
            return self
        view = copy.copy(self)
        view.prefixes = list(kernels_of(self.sweep, "kernel"))
        parts = [part_of(self.sweep, prefix) for prefix in view.prefixes]
        view.sweep = {g: stack([part[g] for part in parts], names) for g in parts[0] if all(g in p for p in parts)}
        rest = {n: v for n, v in self.root.variables.items() if n not in view.sweep["/"].variables}
        view.root = view.sweep["/"] = view.sweep["/"].assign(rest)
        view.axes = [*self.axes, "quantity"]
        return view

    def quantity_axis(self):
        """The axis along which there are different kernels, or None."""
        several = (a for a in self.axes if self.root.sizes[a] > 1)
        return next((a for a in several if a not in self.root.point_id.dims or QUANTITY in self.keys_of(a)), None)

    def variants(self, path):
        """The groups of a point for every quantity: of those it has, else of the points beside it."""
        points = [ntkload.open_point(p) for p in self._beside(path)]
        return [part_of(groups, prefix) for groups in points for prefix in kernels_of(groups, "kernel") or [""]]

    def _beside(self, path):
        axis = None if self.alone else self.quantity_axis()
        where = np.argwhere(self.root.point_id.astype(str).values == path.parent.name)
        if axis is None or not len(where):
            return [path]
        fixed = {a: k for a, k in zip(self.axes, where[0]) if a != axis}
        beside = [self.path / "points" / str(i) / "results.h5" for i in self.root.point_id.isel(fixed).values]
        return [p for p in beside if p.exists()]

    def over_width_in_ntk(self):
        """Whether x is the width of networks in NTK parameterization, where theory knows the law."""
        axis, key = self.x_axis(), "network.parameterization"
        if axis is None or list(self.keys_of(axis)) != ["network.width"]:
            return False
        words = [str(v) for a in self.axes for v in self.keys_of(a).get(key, ())]
        network = re.search(r"^network:\n(?: .*\n)*", self.config(), re.MULTILINE)
        words = words or re.findall(r"^  parameterization: *(\w+)", network[0] if network else "", re.MULTILINE)
        return set(words) == {"ntk"}

    def kernel_spread(self):
        """Relative deviation of the shown kernel from its mean over the seeds of networks, or None.  Seeds of
        the data draw other samples, whose kernels have nothing in common: the result keeps their axes."""
        seeds = [a for a in self.seeds() if self.root.sizes[a] > 1 and not self._draws_data(a)]
        if not seeds:
            return None
        preview = self._previews()
        if preview is None:
            return None
        shown = list(preview.dims[-2:])
        mean = preview.mean(seeds)
        several = preview.isel({d: 0 for d in shown}).notnull().sum(seeds) > 1  # points may be missing
        off = ((preview - mean) ** 2).sum(shown, skipna=False).mean(seeds)
        return np.sqrt(off / (mean**2).sum(shown, skipna=False)).where(several)

    def _draws_data(self, axis):
        return any(key.startswith("data.") for key in self.keys_of(axis))

    def _previews(self):
        """The shown part of every point's kernel, stacked; NaN where there is none."""
        found = [self._previews_of(prefix) for prefix in self.prefixes]
        if any(f is None for f in found):
            return None
        return found[0] if len(found) == 1 else xr.concat(found, self.root["quantity"])

    def _previews_of(self, prefix):
        found = {}
        for path in self.points:
            with h5py.File(path) as file:
                if f"{prefix}kernel/preview" in file:
                    found[path.parent.name] = file[f"{prefix}kernel/preview"][()]
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
        others = [a for a in self.varied() if a != self.x_axis()]
        return self.quantity_axis() or next(iter(others), None)

    def row_axis(self, used):
        """The axis that gets a row of panels for each value: kernels, else a few words."""
        words = [a for a in self.varied() if self.root[a].dtype.kind in "OSU" and self.root.sizes[a] <= 4]
        return next((a for a in (self.quantity_axis(), *words) if a not in (None, used)), None)

    def seeds(self):
        return [a for a in self.axes if is_seed(a)]

    def reduce(self, data, keep):
        """Means over seeds, last value of every other axis that is not kept.  (mean, spread, count)"""
        fixed = {a: -1 for a in self.axes if a not in keep and not is_seed(a) and a in data.dims}
        data = data.isel(fixed)
        seeds = [a for a in self.seeds() if a in data.dims]
        if not seeds:
            return data, xr.zeros_like(data), 1
        count = int(np.prod([data.sizes[a] for a in seeds]))
        mean = data.mean(seeds)
        if count == 1:
            return mean, xr.zeros_like(mean), 1
        there = data.notnull().sum(seeds)  # points may be missing
        variance = ((data - mean) ** 2).sum(seeds) / (there - 1).where(there > 1)
        return mean, np.sqrt(variance), count

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
                fail(USAGE, f"{self.path}: {len(found)} points with id {wanted}")
            self.alone = True
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
        along = None if self.alone else self.quantity_axis()  # all are shown
        return self.place_text(where[0], along) if len(where) else ""

    def place_text(self, place, but=None):
        return ", ".join(f"{label(a)} {self.root[a].values[k]}" for a, k in zip(self.axes, place) if a != but)

    # Where and how it was computed.

    def provenance(self):
        """{what: {value: points}} of what the points' files say, and the events of their logs."""
        facts = {name: {} for name in PROVENANCE}
        events = []
        for path in self.points:
            with h5py.File(path) as file:
                for name, found in facts.items():
                    value = str(file.attrs.get(name, ""))
                    found[value] = found.get(value, 0) + 1
            events += read_events(path.parent / "log.jsonl")
        return {n: {v: k for v, k in found.items() if v} for n, found in facts.items()}, events


PROVENANCE = {"program": "program", "versions": "libraries", "cpu": "processor", "blas_core": "kernels of the BLAS",
              "hosts": "hosts", "ranks": "ranks", "grid": "process grid", "overrides": "overrides"}


def read_events(path):
    if not path.exists():
        return []
    found = []
    for line in path.read_text().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:  # cut by a crash
            pass
    return found


def label(axis):
    return axis.replace("_", " ")
