"""A network of neural_tangents.stax and its parameters as a plain description: what export_jax.py translates, with or
without JAX.

A layer of stax is three functions that do not tell what they are.  So the network is built with

    stax = recording(neural_tangents.stax)

whose layers remember their names and arguments.  The description is that of read_torch.py, without shapes.
"""
import inspect

import numpy as np

from foreign.translate import plain
from foreign.weights import Refusal


class Recorded(tuple):
    """(init_fn, apply_fn, kernel_fn) with op and options, and the layers that were given to a combinator."""


class recording:
    """stax with layers that remember."""

    def __init__(self, stax):
        self._stax = stax

    def __getattr__(self, name):
        function = getattr(self._stax, name)
        return function if isinstance(function, type) or not callable(function) else remember(name, function)


def remember(name, function):
    def make(*args, **keywords):
        layer = Recorded(function(*args, **keywords))
        bound = inspect.signature(function).bind(*args, **keywords)
        bound.apply_defaults()
        layer.op, layer.options = name, dict(bound.arguments)
        return layer
    return make


def is_recorded(network):
    return isinstance(network, tuple) and hasattr(network, "op")


def describe(network, parameters, input_shape):
    reader = Reader(input_shape)
    output = reader.apply(network, parameters, 0, "")
    return {"origin": "neural_tangents.stax", "output": output, "nodes": reader.nodes, "state": reader.state,
            "same": {}, "frozen": []}


class Reader:
    def __init__(self, input_shape):
        self.nodes = [{"op": "input", "path": "", "inputs": [], "options": {}, "shape": [1, *input_shape]}]
        self.state = {}

    def apply(self, layer, parameters, value, path):
        """Number of the layer's result, or a list of several; value: those of its input."""
        if not is_recorded(layer):
            raise Refusal(path, "layer", "it does not say what it is", "build all of the network with "
                          "stax = export_jax.recording(neural_tangents.stax)")
        combine = getattr(self, f"_{layer.op}", None)
        return combine(layer, parameters, value, path) if combine else self._layer(layer, parameters, value, path)

    def _serial(self, layer, parameters, value, path):
        for k, (inner, given) in enumerate(zip(layer.options["layers"], parameters)):
            value = self.apply(inner, given, value, join(path, k))
        return value

    def _parallel(self, layer, parameters, values, path):
        rows = zip(layer.options["layers"], parameters, values)
        return [self.apply(inner, given, value, join(path, k)) for k, (inner, given, value) in enumerate(rows)]

    def _repeat(self, layer, parameters, value, path):
        """Tensors of all copies are stacked."""
        for k in range(layer.options["n"]):
            value = self.apply(layer.options["layer"], nested(lambda p, k=k: p[k], parameters), value, join(path, k))
        return value

    def _FanOut(self, layer, parameters, value, path):
        return [value] * layer.options["num"]

    def _FanInSum(self, layer, parameters, values, path):
        total = values[0]
        for value in values[1:]:
            total = self._append("FanInSum", path, [total, value], {})
        return total

    def _layer(self, layer, parameters, value, path):
        options = {key: plain(v) for key, v in layer.options.items()}
        for name, array in zip(PARAMETERS.get(layer.op, ()), parameters):
            if array is not None:
                self.state[f"{path}.{name}"] = np.asarray(array)
        return self._append(layer.op, path, [value] if isinstance(value, int) else list(value), options)

    def _append(self, op, path, inputs, options):
        self.nodes.append({"op": op, "path": path, "inputs": inputs, "options": options, "shape": None})
        return len(self.nodes) - 1


PARAMETERS = {"Dense": ("W", "b"), "Conv": ("W", "b"), "GlobalSelfAttention": ("Q", "K", "V", "O", "b", "position")}


def join(path, number):
    return f"{path}.{number}" if path else f"layer{number}"


def nested(change, tree):
    if isinstance(tree, (tuple, list)):
        return type(tree)(nested(change, part) for part in tree)
    return None if tree is None else change(tree)
