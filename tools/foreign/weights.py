"""Writes weights files of ntkrun and the `network:` section that reads them (docs/interface.md).

A network is a list of Layers.  Names come from the paths of modules in the other program; tensors with
the same key are one tensor, which the layer that uses it again shares.
"""
import json
import math
import os
import pathlib
import re
from collections import namedtuple
from dataclasses import dataclass, field, replace

import h5py
import numpy as np

MOST_NAME, MOST_PATH = 40, 84  # of a name, of the path of a tensor


class Refusal(Exception):
    """There is no counterpart.  Names the module, the reason and the way out."""

    def __init__(self, path, kind, reason, way_out):
        super().__init__(f"{path or 'network'} ({kind}): {reason}.  Way out: {way_out}.")


def first_line(error):
    """What another program says, in one line."""
    return str(error).partition("\n")[0]


@dataclass
class Tensor:
    values: np.ndarray
    key: str  # tensors with one key are one
    scale: float = 1.0

    def map(self, change):
        return replace(self, values=np.ascontiguousarray(change(self.values)))


@dataclass
class Layer:
    """One of network.layers.  A residual has `branch` and `skip` in lists; an empty skip is the identity."""
    kind: str
    options: dict = field(default_factory=dict)
    tensors: dict = field(default_factory=dict)
    path: str = ""
    lists: dict = field(default_factory=dict)
    cells: int = 0  # of the window of a pool
    whole: bool = False  # which is the image

    def refuse(self, reason, way_out):
        return Refusal(self.path, self.kind, reason, way_out)


Owner = namedtuple("Owner", "place kind name tensor has_bias")  # of a key: the layer that has the tensor


class Network:
    """Layers with names, and every tensor once, by its path ("fc/W", "block/branch/fc/W")."""

    def __init__(self, layers, input_shape, origin):
        self.input_shape, self.origin = tuple(input_shape), origin
        self.tensors, self._owners = {}, {}
        self.layers = self._name(layers, "", 0)

    def section(self, path):
        """`network:` for a config beside the weights file."""
        return (f"# {self.origin}; a sample is {self._input()}, channels last\n"
                f"network:\n  weights: {scalar(pathlib.Path(path).name)}\n  layers:\n"
                + "\n".join(list_lines(self.layers, 4)) + "\n")

    def write(self, path):
        """The weights file, replaced as a whole."""
        partial = f"{path}.partial"
        with h5py.File(partial, "w") as file:
            file.attrs.update({"format": "ntkrun-weights", "schema": 1, "origin": self.origin,
                               "layers": "layers:\n" + "\n".join(list_lines(self.layers, 2)) + "\n",
                               "input_shape": self._input()})
            for name, tensor in self.tensors.items():
                made = file.create_dataset(f"layers/{name}", data=tensor.values)
                if tensor.scale != 1:
                    made.attrs["s_b" if is_bias(name) else "s_w"] = float(tensor.scale)
        os.replace(partial, path)

    def _input(self):
        return " x ".join(map(str, self.input_shape))

    # Names: what the modules of a list have in their paths behind the part that all of them have.

    def _name(self, layers, place, common):
        named, taken = [], set()
        for layer in layers:
            name = free_name(layer, common, taken) if layer.tensors or layer.lists else None
            taken.add(name)
            lists = {which: self._name(inner, f"{place}{name}/{which}/", len(common_path(layer)))
                     for which, inner in layer.lists.items()}
            options = {"name": name, **layer.options} if name else layer.options
            named.append(self._place(replace(layer, options=options, lists=lists), f"{place}{name}"))
        return named

    def _place(self, layer, place):
        """The layer with its tensors there, or shared where they are somewhere already."""
        if any(t.key in self._owners for t in layer.tensors.values()):
            layer = self._share(layer, place)
        for name, tensor in layer.tensors.items():
            check_tensor(layer, f"{place}/{name}", tensor)
            self.tensors[f"{place}/{name}"] = tensor
            self._owners[tensor.key] = Owner(place, layer.kind, name, tensor, "b" in layer.tensors)
        return layer

    def _share(self, layer, place):
        known = {n: self._owners[t.key] for n, t in layer.tensors.items() if t.key in self._owners}
        owner = known.get("W", next(iter(known.values())))
        if layer.kind != "dense" or owner.kind not in ("dense", "token_embedding") or "W" not in known:
            raise layer.refuse(f"it shares a tensor with {owner.place}, and only the weights of dense layers and "
                               "embeddings can be shared", "give it tensors of its own, or write the layers by "
                               "hand with `repeat: {share: true}`")
        transposed = owner.kind == "token_embedding"
        if not transposed and (set(known) != set(layer.tensors) or owner.has_bias != ("b" in known)):
            raise layer.refuse(f"it shares the weight of {owner.place} but not its bias", "share both or none")
        if not np.array_equal(owner.tensor.map(np.transpose).values if transposed else owner.tensor.values,
                              layer.tensors["W"].values):
            raise layer.refuse(f"it shares the weight of {owner.place}, but in another order of entries",
                               "give it a weight of its own")
        options = {**layer.options, "share": relative(owner.place, place)}
        if transposed:
            rest = {n: t for n, t in layer.tensors.items() if n != "W"}
            return replace(layer, options={**options, "transposed": True}, tensors=rest)
        options.pop("bias", None)
        return replace(layer, options=options, tensors={})


def common_path(layer):
    """What the paths of the modules in it have in common, as a list."""
    if not layer.lists:
        return layer.path.split(".") if layer.tensors else []
    paths = [p for inner in layer.lists.values() for p in map(common_path, inner) if p]
    return os.path.commonprefix(paths)


def free_name(layer, common, taken):
    parts = common_path(layer)
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", "_".join(parts[common:] or parts[-1:]))
    name = name[-MOST_NAME + 4:].strip("_") or layer.kind
    name = f"{layer.kind}{name}" if name.isdigit() else name
    return next(n for n in (name, *(f"{name}_{k}" for k in range(2, 1000))) if n not in taken)


def relative(owner, place):
    """Path of a layer as another one calls it: from the innermost list that both are in."""
    owner, place = owner.split("/"), place.split("/")
    while len(owner) > 2 and owner[:2] == place[:2]:
        owner, place = owner[2:], place[2:]
    return "/".join(owner)


def is_bias(name):
    leaf = name.rpartition("/")[2]
    return leaf.startswith("b") and leaf != "beta"


def check_tensor(layer, name, tensor):
    if len(name) > MOST_PATH:
        raise layer.refuse(f"the path {name} of its tensor has more than {MOST_PATH} characters",
                           "give the modules around it shorter names")
    if tensor.values.dtype not in (np.float32, np.float64):
        raise layer.refuse(f"its tensor {name} is {tensor.values.dtype}", "convert the network to float32 or "
                           "float64 first")
    if not np.isfinite(tensor.values).all():
        raise layer.refuse(f"its tensor {name} has NaN or infinity", "export a checkpoint from before that")


# ---- YAML ----------------------------------------------------------------------------------------


def list_lines(layers, indent):
    """Lines of a list of layers."""
    dash = " " * indent + "- "
    for layer in layers:
        if layer.kind == "activation":
            yield f"{dash}activation: {flow(layer.options['name'])}"
        elif layer.lists:
            yield f"{dash}{layer.kind}:"
            yield from (" " * (indent + 4) + f"{key}: {flow(v)}" for key, v in layer.options.items())
            for which, inner in layer.lists.items():
                yield " " * (indent + 4) + which + (":" if inner else ": identity")
                yield from list_lines(inner, indent + 6)
        else:
            yield f"{dash}{layer.kind}" + (f": {flow(layer.options)}" if layer.options else "")


def flow(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(v)}" for key, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def scalar(value):
    if isinstance(value, str):
        return value if re.fullmatch(r"[A-Za-z][\w./-]*", value) else json.dumps(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value):
        return repr(value) if "e" not in repr(value) or "." in repr(value) else repr(value).replace("e", ".0e")
    return str(value)
