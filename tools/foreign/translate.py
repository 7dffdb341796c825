"""Networks of other programs as ntkrun has them: a graph of operations becomes a list of layers.

The exporters (export_torch.py, export_jax.py) are Translators: they fill a Graph.  Here is what they have in
common: where the channels are, what flattening does to the order of entries, and which sums are residual
blocks.  Tensors come in ntkrun's form (docs/interface.md); those that see flattened images are put in order here.
"""
import math
from dataclasses import dataclass, field, replace

import numpy as np

from foreign.weights import Layer, Network, Refusal, Tensor

# ---- where the axes are --------------------------------------------------------------------------


@dataclass(frozen=True)
class Axes:
    """A value.  groups: its axes in the other program, each a tuple of letters (n samples; h, w, t
    positions; c channels; a flattened image is one axis, (c, h, w) or another order); sizes of the letters;
    order: ntkrun's axes, channels last; flat: they are one axis there too."""
    groups: tuple
    sizes: dict
    order: tuple
    flat: bool = False

    def letters(self):
        return tuple(letter for group in self.groups for letter in group if letter != "n")

    def foreign_shape(self):
        """In the other program, samples and all."""
        return tuple(map(self.count, self.groups))

    def shape(self):
        """Of a sample in ntkrun."""
        sizes = tuple(self.sizes[letter] for letter in self.order)
        return (math.prod(sizes),) if self.flat else sizes

    def count(self, letters):
        return math.prod(self.sizes[letter] for letter in letters)

    def is_vector(self):
        return len(self.groups) == 2 and self.groups[0] == ("n",)

    def arrange(self, values, groups):
        """Values with these axes in ntkrun's order of axes."""
        letters = [letter for group in groups for letter in group]
        values = np.reshape(values, [self.sizes[letter] for letter in letters])
        return values.transpose([letters.index(letter) for letter in self.order if letter in letters])

    def permutation(self):
        """Of a vector: place in the other program of each of ntkrun's entries."""
        return self.arrange(np.arange(self.count(self.letters())), (self.letters(),)).ravel()

    def with_channels(self, count):
        if self.is_vector():
            return self.vector(count)
        return replace(self, sizes={**self.sizes, "c": count})

    def vector(self, count):
        return Axes((("n",), ("c",)), {"n": self.sizes["n"], "c": count}, ("c",))

    def __str__(self):
        return "(" + ", ".join(" ".join(group) for group in self.groups) + ")"


def input_axes(layout, samples, shape):
    """Of the input.  layout: "c", "chw", "tc", ..., or "t" for tokens; what is convolved along one axis, "cw", is
    an image of height 1."""
    if len(layout) != len(shape):
        raise Refusal("", "input", f"input_shape {tuple(shape)} has {len(shape)} axes, {tuple(layout)} were "
                      "expected", "give the shape of one sample, without the batch")
    groups = (("n",), *((letter,) for letter in layout))
    sizes = {"n": samples, **dict(zip(layout, shape))}
    if sorted(layout) == ["c", "w"]:
        return Axes(groups, {"h": 1, **sizes}, ("h", "w", "c"))
    return Axes(groups, sizes, tuple(sorted(layout, key="thwc".index)))


# ---- the graph -----------------------------------------------------------------------------------


@dataclass
class Node:
    """An operation.  inputs: numbers of the operations before it; trainable: None if some of its tensors are;
    shape: of its result, as the other program says."""
    op: str
    kind: str
    path: str = ""
    inputs: tuple = ()
    options: dict = field(default_factory=dict)
    tensors: dict = field(default_factory=dict)
    trainable: bool = True
    shape: tuple = None

    def refuse(self, reason, way_out):
        return Refusal(self.path, self.kind, reason, way_out)

    def layer(self, kind=None, tensors=None, **options):
        tensors = self.tensors if tensors is None else tensors
        if tensors and self.trainable is None:
            raise self.refuse("some of its tensors are frozen and others are not", "freeze all of them or none: "
                              "a layer is trainable or not as a whole")
        if tensors and not self.trainable:
            options["trainable"] = False
        return Layer(kind or self.op, options, tensors, self.path)


class Graph:
    """Operations in the order of their evaluation; number 0 is the input."""

    def __init__(self, layout, shape):
        """layout: letters of the axes of a sample; shape: that of the samples, their number first."""
        self.nodes, self.axes = [Node("input", "input")], [input_axes(layout, shape[0], shape[1:])]
        self.layers, self.parent = [[]], [0]  # parent: the last value that all ways to this one go through

    def add(self, node):
        """Number of the new operation."""
        axes, layers = OPERATIONS[node.op](node, *(self.axes[k] for k in node.inputs))
        if node.shape is not None and axes.foreign_shape() != node.shape:
            raise node.refuse(f"its result is {node.shape}, where {axes} = {axes.foreign_shape()} was "
                              "expected", "leave this module out, and report this as a fault of the exporter")
        self.nodes.append(node)
        self.axes.append(axes)
        self.layers.append(layers)
        self.parent.append(self._common(set(node.inputs)))
        return len(self.nodes) - 1

    def _common(self, ways):
        while len(ways) > 1:
            ways = ways - {max(ways)} | {self.parent[max(ways)]}
        return ways.pop()

    def network(self, end, origin):
        """What leads from the input to operation `end`."""
        axes = self.axes[end]
        if axes.order != ("c",) and not np.array_equal(axes.permutation(), np.arange(axes.count(axes.order))):
            raise self.nodes[end].refuse(f"the outputs are {axes}, which ntkrun has in another order",
                                         "end with a linear layer, or with the channels as the last axis")
        layers = self._chain(0, end, set()) + ([] if len(axes.shape()) == 1 else [Layer("flatten")])
        refuse_factors(layers)
        return Network(layers, self.axes[0].shape(), origin)

    def _chain(self, start, end, seen):
        """Layers from one value to another, which all ways to it go through."""
        layers = []
        while end != start:
            node = self.nodes[end]
            if end in seen:
                raise node.refuse("its result is used at places that do not make residual blocks",
                                  "write sums as skip(x) + branch(x), one within the other")
            seen.add(end)
            layers = (self._residual(end, seen) if node.op == "add" else self.layers[end]) + layers
            end = self.parent[end]
        return with_means(layers)

    def _residual(self, end, seen):
        """skip(x) + branch(x): the branch is what has a factor, else what has more layers."""
        node = self.nodes[end]
        skip, branch = sorted((self._chain(self.parent[end], k, seen) for k in node.inputs),
                              key=lambda layers: (ends_with_factor(layers), len(layers)))
        if ends_with_factor(skip):
            raise node.refuse("both summands have a factor", "put one of the factors into the weights")
        options = {}
        if ends_with_factor(branch):
            options["scale"] = branch[-1].options["factor"]
            branch = branch[:-1]
        return [Layer("residual", options, path=node.path,
                      lists={"branch": branch or [Layer("identity")], "skip": skip})]


def ends_with_factor(layers):
    return bool(layers) and layers[-1].kind == "factor"


def with_means(layers):
    """Sums over windows, divided by their cells, and pools of the whole image by their names."""
    found = []
    for layer in layers:
        last = found[-1] if found else Layer("")
        if layer.kind == "flatten" and last.whole and last.kind != "max_pool":
            found[-1] = Layer(f"global_{last.kind}", path=last.path)
        elif layer.kind == "factor" and "sum_pool" in last.kind and math.isclose(
                layer.options["factor"] * last.cells, 1, rel_tol=1e-6):
            counted = {"count_padding": True} if "padding" in last.options else {}
            found[-1] = replace(last, kind=last.kind.replace("sum", "avg"), options={**last.options, **counted})
        else:
            found.append(layer)
    return found


def refuse_factors(layers):
    """Those that no residual block has taken."""
    for layer in layers:
        if layer.kind == "factor":
            raise layer.refuse(f"{layer.options['factor']:g} outside a residual branch",
                               "put it into the weights of a layer before or behind")
        for inner in layer.lists.values():
            refuse_factors(inner)


# ---- operations: axes of the result, and the layers ----------------------------------------------

OPERATIONS = {}


def operation(function):
    OPERATIONS[function.__name__] = function
    return function


@operation
def identity(node, x):
    return x, []


@operation
def activation(node, x):
    return x, [Layer("activation", {"name": node.options["row"]}, path=node.path)]


@operation
def factor(node, x):
    return x, [Layer("factor", dict(node.options), path=node.path)]


@operation
def dropout(node, x):
    return x, [node.layer(**node.options)]


@operation
def add(node, x, y):
    if x != y:
        raise node.refuse(f"it adds {y} to {x}, sizes {y.foreign_shape()} and {x.foreign_shape()}",
                          "both must have the same shape and order of entries")
    return x, []


# Linear maps.


@operation
def dense(node, x):
    if x.is_vector():
        order = x.permutation()
        tensors = {**node.tensors, "W": node.tensors["W"].map(lambda w: w[order])}
    elif x.groups[-1] == ("c",):
        tensors = node.tensors
    else:
        raise node.refuse(f"it acts on the last axis of {x}, a dense layer on the channels",
                          "flatten before it, or move the channels to the last axis")
    out = tensors["W"].values.shape[1]
    return x.with_channels(out), [node.layer(tensors=tensors, features=out, **bias_of(node))]


def bias_of(node, name="b"):
    return {} if name in node.tensors else {"bias": "none"}


@operation
def conv(node, x):
    kernel = node.tensors["W"].values.shape
    options, sizes = windows(node, x, "kernel", kernel[:2], **node.options)
    out = replace(x, sizes={**x.sizes, **sizes, "c": kernel[3]})
    return out, [node.layer(features=kernel[3], **options, **bias_of(node))]


@operation
def attention(node, x):
    if x.is_vector() or x.flat:
        raise node.refuse(f"it takes sequences, its input is {x}", "keep the positions as an axis of their own")
    inside, heads, dim = node.tensors["Wk"].values.shape
    values, out = node.tensors["Wo"].values.shape[1:]
    options = {"heads": heads, "head_dim": dim}
    if values != dim:
        options["value_dim"] = values
    if out != inside:
        options["features"] = out
    if "bk" not in node.tensors and "bo" in node.tensors:
        options["qkv_bias"] = False
    made = node.layer(**options, **node.options, **bias_of(node, "bo"))
    return replace(x, sizes={**x.sizes, "c": out}), [made]


@operation
def token_embedding(node, x):
    if x.order != ("t",):
        raise node.refuse(f"it takes tokens, its input is {x}", "begin the network with it")
    vocabulary, features = node.tensors["W"].values.shape
    out = Axes((*x.groups, ("c",)), {**x.sizes, "c": features}, ("t", "c"))
    return out, [node.layer(vocabulary=vocabulary, features=features)]


@operation
def position_embedding(node, x):
    """Adds the same array to every sample."""
    w, groups = node.tensors["W"], x.groups[1:]
    wanted = tuple(x.count(group) for group in groups)
    if x.is_vector() or x.groups[0] != ("n",) or w.values.shape not in (wanted, (1, *wanted)):
        raise node.refuse(f"it adds an array {w.values.shape} to {x}", "an array that is added has an entry for "
                          "every position and channel")
    table = w.map(lambda v: x.arrange(v, groups).reshape(-1, x.sizes["c"]))
    return x, [node.layer(tensors={"W": table})]


# Norms.


@operation
def norm(node, x):
    """options: axes, numbers of those that are normalised together; eps."""
    groups = [x.groups[k] for k in node.options["axes"]]
    letters = {letter for group in groups for letter in group}
    everything = set(x.letters())
    over = ("channels" if letters == {"c"} or (letters == everything and x.is_vector()) else
            "positions_channels" if letters == everything else
            "positions" if letters == everything - {"c"} else None)
    if over is None:
        raise node.refuse(f"it normalises the axes ({', '.join(map(' '.join, groups))}) of {x}",
                          "normalise the channels, all positions, or both")
    if node.options.get("entrywise") and over != "channels" and node.tensors:
        raise node.refuse("it has a factor for every entry that it normalises, ntkrun's norm one for a channel",
                          "elementwise_affine=False, or GroupNorm(1, channels)")
    tensors = {name: per_channel(x, t) for name, t in node.tensors.items()}
    return x, [node.layer(tensors=tensors, over=over, eps=node.options["eps"], **affine_of(node))]


def per_channel(x, tensor):
    return tensor.map(lambda v: v[x.permutation()]) if x.is_vector() else tensor


def affine_of(node):
    return {} if "gamma" in node.tensors else {"affine": False}


@operation
def batch_norm(node, x):
    if x.groups[node.options["axis"]] != ("c",) and not x.is_vector():
        raise node.refuse(f"it takes axis {node.options['axis']} of {x} for the channels",
                          "move the channels there")
    tensors = {name: per_channel(x, t) for name, t in node.tensors.items()}
    made = node.layer(tensors=tensors, mode=node.options["mode"], eps=node.options["eps"], **affine_of(node))
    return x, [made]


# Windows and positions.


def windows(node, x, key, size, stride, padding, dilation=(1, 1)):
    """Options of a layer with windows, and the height and width of its result.  padding: "same", "valid",
    "circular", [[top, bottom], [left, right]] of zeros, or {"circular": such amounts}."""
    if x.order != ("h", "w", "c") or x.flat:
        raise node.refuse(f"it takes images, its input is {x}", "put it where there are images")
    wraps = isinstance(padding, dict)
    amounts = padding["circular"] if wraps else padding
    same = [same_padding(x.sizes[c], size[k], stride[k], dilation[k]) for k, c in enumerate("hw")]
    if isinstance(amounts, str):
        amounts = {"valid": [[0, 0]] * 2}.get(amounts, same)
    sizes = {c: (x.sizes[c] + sum(amounts[k]) - (size[k] - 1) * dilation[k] - 1) // stride[k] + 1
             for k, c in enumerate("hw")}
    if wraps and any(amounts[k][0] != same[k][0] or sizes[c] != -(-x.sizes[c] // stride[k])
                     for k, c in enumerate("hw")):
        raise node.refuse(f"its circular padding {amounts} is not that of ntkrun, {same}, which gives size / "
                          "stride windows", "a padding of dilation * (kernel - 1) / 2, and stride 1")
    options = {key: short(size)}
    if list(stride) != [1, 1] or key == "window":
        options["stride"] = short(stride)
    if list(dilation) != [1, 1]:
        options["dilation"] = short(dilation)
    word = "circular" if wraps else padding if isinstance(padding, str) else amounts
    return {**options, "padding": word if np.any(amounts) else "valid"}, sizes


def same_padding(size, window, stride, dilation):
    total = max((-(-size // stride) - 1) * stride + (window - 1) * dilation + 1 - size, 0)
    return [total // 2, total - total // 2]


def short(pair):
    return pair[0] if pair[0] == pair[1] else list(pair)


def pool(node, x):
    given = dict(node.options)
    size, counted = given.pop("window"), given.pop("count_padding", False)
    options, sizes = windows(node, x, "window", size, **given)
    whole = list(size) == [x.sizes[c] for c in "hw"] and set(sizes.values()) == {1}
    if options["padding"] == "valid":
        options.pop("padding")
    elif counted:
        options["count_padding"] = True
    if options["stride"] == options["window"]:
        options.pop("stride")
    made = Layer(node.op, options, path=node.path, cells=math.prod(size), whole=whole)
    return replace(x, sizes={**x.sizes, **sizes}), [made]


OPERATIONS.update(max_pool=pool, avg_pool=pool, sum_pool=pool)


def reduce_positions(node, x):
    """options: axes, numbers of those that are summed or averaged."""
    groups = tuple(group for k, group in enumerate(x.groups) if k not in node.options["axes"])
    positions = set(x.letters()) - {"c"}
    if groups != (("n",), ("c",)) or not positions:
        gone = ", ".join(" ".join(x.groups[k]) for k in node.options["axes"])
        raise node.refuse(f"it takes the axes ({gone}) of {x} together", "all positions, and nothing but them")
    return x.vector(x.sizes["c"]), [Layer(node.op, path=node.path, cells=x.count(positions))]


OPERATIONS.update(global_avg_pool=reduce_positions, global_sum_pool=reduce_positions)


@operation
def last_position(node, x):
    if x.order != ("t", "c") or x.groups[1] != ("t",):
        raise node.refuse(f"it takes one position of {x}", "the last token, x[:, -1], of a sequence")
    return x.vector(x.sizes["c"]), [Layer("last_position", path=node.path)]


# Order and number of axes.


@operation
def permute(node, x):
    return replace(x, groups=tuple(x.groups[k] for k in node.options["axes"])), []


@operation
def reshape(node, x):
    """To the shape of the node, where that puts axes together that stand side by side, or parts them again."""
    letters, groups = [letter for group in x.groups for letter in group], []
    for wanted in node.shape:
        group = ()
        while letters and (x.count(group) < wanted or (group == () and x.sizes[letters[0]] == 1)):
            group += (letters.pop(0),)
        groups.append(group)
    groups[-1] += tuple(letter for letter in letters if x.sizes[letter] == 1)
    out = replace(x, groups=tuple(groups))
    if out.foreign_shape() != node.shape or (x.flat and not out.is_vector()):
        raise node.refuse(f"it makes {node.shape} of {x}, sizes {x.foreign_shape()}",
                          "flatten all of a sample, or all positions, and reshape nothing else")
    if not out.is_vector() or x.flat or len(x.order) == 1:
        return out, []
    return replace(out, flat=True), [Layer("flatten")]


# ---- descriptions --------------------------------------------------------------------------------


def plain(value):
    """For JSON: functions, classes and enumerations by their names, slices as "first:end:step"."""
    if isinstance(value, dict):
        return {str(key): plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, slice):
        return ":".join("" if v is None else str(v) for v in (value.start, value.stop, value.step))
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return getattr(value, "__name__", getattr(value, "name", type(value).__name__))


class Call:
    """A node of a description (read_torch.py).  shape: None where the other program has not said it."""

    def __init__(self, op, path, inputs, options, shape=None):
        self.op, self.path, self.inputs, self.options = op, path, inputs, options
        self.shape = None if shape is None else tuple(shape)

    def refuse(self, reason, way_out):
        return Refusal(self.path, self.op, reason, way_out)


class Translator:
    """Nodes of a description as operations of a Graph.  A subclass has a method for each of the other program's
    classes, which begin with a capital, and do_<name> for each function: from a Call to the number of its
    operation.  activations: {class or function: row}; reasons: {what is refused: (reason, way out)}."""

    activations, reasons = {}, {}

    def __init__(self, description, layout):
        self.state, self.same = description["state"], description["same"]
        self.frozen, self.description = set(description["frozen"]), description
        self.graph = Graph(layout, tuple(description["nodes"][0]["shape"]))

    def network(self):
        numbers = [0]
        for node in self.description["nodes"][1:]:
            numbers.append(self.translate(Call(**{**node, "inputs": [numbers[k] for k in node["inputs"]]})))
        return self.graph.network(numbers[self.description["output"]], self.description["origin"])

    def translate(self, call):
        if call.op in self.activations:
            return self._add(call, "activation", {"row": self.activations[call.op]})
        method = getattr(self, call.op if call.op[0].isupper() else f"do_{call.op}", None)
        if method is None:
            raise call.refuse(*self.reasons.get(call.op) or self.unknown(call))
        return method(call)

    def unknown(self, call):
        """(reason, way out) of what has no method."""
        known = sorted({*self.activations, *(name for name in dir(self) if name[0].isupper())})
        return "ntkrun has no such layer, or the exporter does not know it", f"there are {', '.join(known)}"

    def _add(self, call, op, options=None, tensors=None, names=(), **change):
        """Number of an operation; names: parameters that decide whether the layer is trainable."""
        trained = {name not in self.frozen for name in names}
        return self.graph.add(Node(op, call.op, call.path, tuple(change.get("inputs", call.inputs)), options or {},
                                   tensors or {}, None if len(trained) > 1 else trained != {False},
                                   change.get("shape", call.shape)))

    def _tensors(self, call, **wanted):
        """{ours: Tensor} and their names in the state, of those that are there; wanted: ours=(theirs, change)."""
        tensors, names = {}, []
        for ours, (theirs, change) in wanted.items():
            name = self.same.get(f"{call.path}.{theirs}", f"{call.path}.{theirs}")
            if name in self.state:
                tensors[ours] = Tensor(self.state[name], name).map(change)
                names.append(name)
        return tensors, names

    def _axes(self, call):
        return self.graph.axes[call.inputs[0]]

    def do_sub(self, call):
        if len(call.inputs) != 2:
            raise call.refuse("it subtracts a constant", "put it into a bias")
        minus = self._add(call, "factor", {"factor": -1}, inputs=call.inputs[1:], shape=None)
        return self._add(call, "add", inputs=(call.inputs[0], minus))
