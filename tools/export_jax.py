#!/usr/bin/env python3
"""Writes the weights file of a Flax or Neural Tangents network for ntkrun, and prints the `network:` section that
reads it.

    tools/export_jax.py FILE.py:NAME OUT.h5 --input-shape 32,32,3 [--state CHECKPOINT.msgpack]

NAME is (network, parameters), or a function that makes both without arguments; or, with --state, a module of
flax.linen.  From a script or notebook:

    import export_jax
    print(export_jax.export(module, variables, "trained.h5", input_shape=(32, 32, 3)))

Arguments of module.apply, as train=False, may follow.  A layer of neural_tangents.stax does not tell what it is;
the network is built with `stax = export_jax.recording(neural_tangents.stax)`, after which export takes what
stax.serial(...) has given.  What has no counterpart is refused, with the way out.

Needs jax, flax or neural_tangents, numpy and h5py in the Python that runs it.
"""
import math
import pathlib

import numpy as np

import foreign.command
from foreign.translate import Call, Translator
from foreign.read_stax import is_recorded, recording
from foreign.weights import Refusal, Tensor

__all__ = ["export", "recording"]


def export(network, variables, path, input_shape, **arguments):
    """Writes the weights file; returns the `network:` section that reads it."""
    if is_recorded(network):
        from foreign.read_stax import describe
    elif isinstance(network, tuple):
        raise Refusal("", "stax", "its layers do not say what they are", "build the network with "
                      "stax = export_jax.recording(neural_tangents.stax)")
    elif not hasattr(network, "apply"):
        raise Refusal("", type(network).__name__, "it is no module of flax.linen (of flax.nnx there is no export)",
                      "the same layers in flax.linen with these parameters")
    else:
        from foreign.read_flax import describe  # needs flax
    return write(describe(network, variables, input_shape, **arguments), path)


def write(description, path):
    """The same from a description (read_flax.py, read_stax.py)."""
    network = translate(description)
    network.write(path)
    return network.section(path)


def translate(description):
    """The network of a description."""
    return (Stax if description["origin"].startswith("neural_tangents") else Flax)(description).network()


def layout_of(first, *nodes):
    """Letters of the axes of a sample: tokens, vectors, sequences or what is convolved along one axis, images."""
    if first["options"].get("tokens"):
        return "t"
    line = any(node["op"] == "Conv" and len(node["options"].get("kernel_size", (1, 1))) == 1 for node in nodes)
    return {1: "c", 2: "wc" if line else "tc"}.get(len(first["shape"]) - 1, "hwc")


def along(value, dimensions):
    """A setting along height and width, 1 where a sequence has no height."""
    values = [1] * dimensions if value is None else [value] * dimensions if isinstance(value, int) else list(value)
    return [1, *values] if len(values) == 1 else values


REASONS = {
    "ConvTranspose": ("ntkrun has no transposed convolution", "an upsampling network has no counterpart; take its "
                      "encoder"),
    "ConvLocal": ("its weights differ from place to place", "Conv"),
    "PReLU": ("its slope is a parameter", "leaky_relu with that slope"),
}
NUMBER = ("it multiplies or divides by no number", "a number as the scale of a residual branch")
PART = ("it takes a part of its input", "the last position, x[:, -1], or all of them")
FUNCTIONS = {
    "mul": NUMBER, "div": NUMBER,
    "slice": PART, "dynamic_slice": PART,
    "dot_general": ("it takes its weights as an array", "the modules of flax.linen, as nn.Dense"),
    "conv_general_dilated": ("it takes its weights as an array", "nn.Conv"),
}


# ---- flax.linen ----------------------------------------------------------------------------------


class Flax(Translator):
    """Classes of flax.linen, and what read_flax.py has found between them."""

    reasons = {**REASONS, **FUNCTIONS}

    def __init__(self, description):
        super().__init__(description, layout_of(*description["nodes"]))

    def unknown(self, call):
        if call.op[0].isupper():
            return super().unknown(call)
        return ("no layer of ntkrun does that, and it is part of no activation that ntkrun has",
                "modules of flax.linen, functions of jax.nn, and means, sums, + and reshape between them")

    # Linear maps.

    def Dense(self, call):
        tensors, names = self._tensors(call, W=("kernel", np.asarray), b=("bias", np.asarray))
        return self._add(call, "dense", tensors=tensors, names=names)

    def DenseGeneral(self, call):
        if not isinstance(call.options["features"], int) or call.options["axis"] not in (-1, [-1]):
            raise call.refuse("it acts on several axes", "Dense, with a reshape before it")
        return self.Dense(call)

    def Conv(self, call):
        options = call.options
        for name in ("feature_group_count", "input_dilation"):
            if set(along(options[name], 1)) != {1}:
                raise call.refuse(f"{name}={options[name]}, ntkrun's convolutions have one group and dilate only "
                                  "windows", f"{name}=1")
        if options.get("mask") is not None:
            raise call.refuse("its kernel has a mask", "mask=None, with the weights masked")
        tensors, names = self._tensors(call, W=("kernel", kernel_2d), b=("bias", np.asarray))
        count = len(options["kernel_size"])
        dilation = along(options["kernel_dilation"], count)
        padding = self._padding(call, tensors["W"].values.shape[:2], dilation)
        return self._add(call, "conv", {"stride": along(options["strides"], count), "dilation": dilation,
                                        "padding": padding}, tensors, names)

    def _padding(self, call, size, dilation):
        padding = call.options["padding"]
        extents = [(k - 1) * d + 1 for k, d in zip(size, dilation)]
        if padding == "CIRCULAR":
            return {"circular": [[(k - 1) // 2, k // 2] for k in extents]}
        if padding == "CAUSAL":
            return [[0, 0], [extents[1] - 1, 0]]
        if padding in ("SAME", "VALID"):
            return padding.lower()
        if isinstance(padding, str):
            raise call.refuse(f"padding='{padding}'", "SAME, VALID, CIRCULAR or amounts")
        count = len(call.options["kernel_size"])
        pairs = [[p, p] if isinstance(p, int) else p for p in ([padding] * count if isinstance(padding, int)
                                                               else padding)]
        return [[0, 0], *pairs] if count == 1 else pairs

    def Embed(self, call):
        tensors, names = self._tensors(call, W=("embedding", np.asarray))
        return self._add(call, "token_embedding", tensors=tensors, names=names)

    def Attend(self, call):
        """Embed.attend: the table, transposed."""
        tensors, names = self._tensors(call, W=("embedding", np.transpose))
        return self._add(call, "dense", tensors=tensors, names=names)

    # Norms.

    def LayerNorm(self, call):
        if call.options["feature_axes"] not in (-1, [-1]):
            raise call.refuse(f"feature_axes={call.options['feature_axes']}", "factors per channel, feature_axes=-1")
        return self._norm(call, self._numbers(call, call.options["reduction_axes"]))

    def GroupNorm(self, call):
        axes = self._axes(call)
        groups, channels = call.options["num_groups"], axes.sizes["c"]
        groups = channels // call.options["group_size"] if groups is None else groups
        if groups not in (1, channels):
            raise call.refuse(f"{groups} groups of channels", "one group, or one for every channel")
        return self._norm(call, range(1, len(axes.groups) - (groups == channels)))

    def InstanceNorm(self, call):
        return self._norm(call, range(1, len(self._axes(call).groups) - 1))

    def _norm(self, call, axes):
        tensors, names = self._affine(call)
        return self._add(call, "norm", {"axes": list(axes), "eps": call.options["epsilon"]}, tensors, names)

    def _affine(self, call):
        self._need_channels(call)
        tensors, names = self._tensors(call, gamma=("scale", np.asarray), beta=("bias", np.asarray))
        if len(tensors) == 1:
            raise call.refuse("it has one of factor and bias", "both, or use_bias=False, use_scale=False")
        return tensors, names

    def _need_channels(self, call):
        axes = self._axes(call)
        if axes.groups[-1] != ("c",) and not axes.is_vector():
            raise call.refuse(f"it takes the last axis of {axes} for the channels", "move the channels there")

    def BatchNorm(self, call):
        if call.options["axis"] not in (-1, [-1]):
            raise call.refuse(f"axis={call.options['axis']}", "axis=-1")
        tensors, names = self._affine(call)
        running = {ours: Tensor(self.state[name], name) for ours, name in (
            ("mean", f"batch_stats.{call.path}.mean"), ("variance", f"batch_stats.{call.path}.var"))}
        options = {"axis": -1, "mode": "eval", "eps": call.options["epsilon"]}
        return self._add(call, "batch_norm", options, {**running, **tensors}, names)

    def _numbers(self, call, axes):
        count = len(self._axes(call).groups)
        return [k % count for k in ([axes] if isinstance(axes, int) else axes)]

    # Attention.

    def MultiHeadDotProductAttention(self, call):
        if len(set(call.inputs)) != 1:
            raise call.refuse("its queries, keys, values and mask are not made of one sequence", "self-attention, "
                              "with no mask of the samples: write `padding: TOKEN` into the config")
        for name in ("normalize_qk", "decode"):
            if call.options.get(name):
                raise call.refuse(f"{name} has no counterpart", f"{name}=False")
        tensors, names = self._tensors(call, **{
            f"{ours}{part[0]}": (f"{part}.{theirs}", np.asarray) for ours, theirs in (("W", "kernel"), ("b", "bias"))
            for part in ("query", "key", "value", "out")})
        options = {"causal": True} if self._is_causal(call) else {}
        return self._add(call, "attention", options, tensors, names, inputs=call.inputs[:1])

    MultiHeadAttention = SelfAttention = MultiHeadDotProductAttention

    def _is_causal(self, call):
        masks = [self.state[value["array"]] for value in call.options.values() if isinstance(value, dict)]
        tokens = math.prod(self._axes(call).shape()[:-1])
        if any(not np.array_equal(np.broadcast_to(mask != 0, (*mask.shape[:-2], tokens, tokens)),
                                  np.broadcast_to(np.tri(tokens) != 0, (*mask.shape[:-2], tokens, tokens)))
               for mask in masks):
            raise call.refuse("its mask is not the causal one", "nn.make_causal_mask, or none")
        return bool(masks)

    # The rest.

    def Dropout(self, call):
        return self._add(call, "identity")

    def do_activation(self, call):
        row = call.options["row"]
        return self._add(call, "identity") if row == "identity" else self._add(call, "activation", {"row": row})

    def do_factor(self, call):
        return self._add(call, "factor", call.options)

    def do_add(self, call):
        return self._add(call, "add")

    def do_add_array(self, call):
        name = call.options["array"]
        call.path = name.partition(":")[0].removeprefix("params.")
        table = Tensor(self.state[name], name)
        return self._add(call, "position_embedding", None, {"W": table}, [name])

    def do_reduce_sum(self, call):
        return self._add(call, "global_sum_pool", call.options)

    def do_max_pool(self, call):
        return self._pool(call)

    def do_avg_pool(self, call):
        return self._pool(call)

    def do_sum_pool(self, call):
        return self._pool(call)

    def _pool(self, call):
        options = dict(call.options)
        if len(options["window"]) == 1:
            options.update(window=along(options["window"], 1), stride=along(options["stride"], 1),
                           padding=[[0, 0], *options["padding"]])
        return self._add(call, call.op, options)

    def do_last_position(self, call):
        return self._add(call, "last_position")

    def do_reshape(self, call):
        return self._add(call, "reshape")

    def do_permute(self, call):
        return self._add(call, "permute", call.options)

    def _tensors(self, call, **wanted):
        """Trainable ones are in the collection params."""
        inside = Call(call.op, f"params.{call.path}", call.inputs, call.options)
        return super()._tensors(inside, **wanted)


def kernel_2d(weight):
    """(w, in, out) as (1, w, in, out)."""
    return weight if weight.ndim == 4 else weight[None]



# ---- neural_tangents.stax ------------------------------------------------------------------------


class Stax(Translator):
    """Layers of neural_tangents.stax.  In its NTK parameterization weights have multipliers."""

    activations = {"Relu": "relu", "Abs": "abs"}
    reasons = REASONS

    def __init__(self, description):
        super().__init__(description, layout_of(*description["nodes"]))

    def translate(self, call):
        for name, usual in (("batch_axis", 0), ("channel_axis", -1)):
            if call.options.get(name, usual) != usual:
                raise call.refuse(f"{name}={call.options[name]}", f"{name}={usual}")
        return super().translate(call)

    # Linear maps.

    def Dense(self, call):
        x = self._axes(call)
        return self._map(call, "dense", x.count(x.letters()) if x.is_vector() else x.sizes["c"])

    def Conv(self, call):
        options, count = call.options, len(call.options["filter_shape"])
        if options["dimension_numbers"] not in (None, ["NHWC", "HWIO", "NHWC"]):
            raise call.refuse(f"dimension_numbers={options['dimension_numbers']}", "the default")
        fan_in = math.prod(options["filter_shape"]) * self._axes(call).sizes["c"]
        return self._map(call, "conv", fan_in, stride=along(options["strides"], count),
                         padding=options["padding"].lower())

    def _map(self, call, op, fan_in, **options):
        tensors, names = self._tensors(call, W=("W", kernel_2d if op == "conv" else np.asarray), b=("b", np.ravel))
        ntk = call.options["parameterization"] == "ntk"
        tensors["W"].scale = (call.options["W_std"] / math.sqrt(fan_in) if ntk else
                              1 / math.sqrt(call.options["s"][0]))
        if "b" in tensors and ntk:
            tensors["b"].scale = call.options["b_std"]
        return self._add(call, op, options, tensors, names)

    def GlobalSelfAttention(self, call):
        options = call.options
        if options["pos_emb_type"] != "NONE":
            raise call.refuse(f"pos_emb_type={options['pos_emb_type']}", "NONE")
        mechanism = options["attention_mechanism"].lower()
        if mechanism not in ("softmax", "identity", "relu"):
            raise call.refuse(f"attention_mechanism={mechanism}", "SOFTMAX, IDENTITY or RELU")
        inside, heads = self._axes(call).sizes["c"], options["n_heads"]

        def heads_second(w):
            return w.transpose(1, 0, 2)

        tensors, names = self._tensors(call, Wq=("Q", heads_second), Wk=("K", heads_second), Wv=("V", heads_second),
                                       Wo=("O", lambda w: heads_second(w.reshape(-1, heads, w.shape[1]))),
                                       bo=("b", np.ravel))
        if "bo" in tensors:
            tensors["bo"].scale = options["b_std"]
        tensors["Wo"].scale = (options["W_out_std"] * options["W_value_std"]
                               / math.sqrt(options["n_chan_val"] * heads * inside))
        norm = inside * options["n_chan_key"] ** (1 if options["linear_scaling"] else 0.5)
        given = {"scale": options["W_query_std"] * options["W_key_std"] / norm}
        if options["linear_scaling"]:
            given["tied_qk"] = True
        if mechanism != "softmax":
            given["mechanism"] = mechanism
        return self._add(call, "attention", given, tensors, names)

    # Norms, windows, positions.

    def LayerNorm(self, call):
        axis, count = call.options["axis"], len(self._axes(call).groups)
        axes = [k % count for k in ([axis] if isinstance(axis, int) else axis)]
        return self._add(call, "norm", {"axes": axes, "eps": call.options["eps"]})

    def AvgPool(self, call):
        return self._pool(call, "avg_pool", count_padding=not call.options["normalize_edges"])

    def SumPool(self, call):
        return self._pool(call, "sum_pool")

    def _pool(self, call, op, **options):
        count = len(call.options["window_shape"])
        return self._add(call, op, {"window": along(call.options["window_shape"], count), **options,
                                    "stride": along(call.options["strides"], count),
                                    "padding": call.options["padding"].lower()})

    def GlobalAvgPool(self, call):
        return self._global(call, "global_avg_pool")

    def GlobalSumPool(self, call):
        return self._global(call, "global_sum_pool")

    def _global(self, call, op):
        return self._add(call, op, {"axes": range(1, len(self._axes(call).groups) - 1)})

    def Flatten(self, call):
        x = self._axes(call)
        return self._add(call, "reshape", shape=(x.sizes["n"], x.count(x.letters())))

    def FanInSum(self, call):
        return self._add(call, "add")

    def Identity(self, call):
        return self._add(call, "identity")

    def Dropout(self, call):
        if call.options["mode"] == "test" or call.options["rate"] == 1:
            return self._add(call, "identity")
        return self._add(call, "dropout", {"keep": call.options["rate"]})

    # Activations with options.

    def LeakyRelu(self, call):
        return self._row(call, {"leaky": {"alpha": call.options["alpha"]}})

    def Gelu(self, call):
        return self._row(call, "gelu_tanh" if call.options["approximate"] else "gelu")

    def Erf(self, call):
        return self._row(call, {"erf": {key: call.options[key] for key in "abc"}})

    def Sin(self, call):
        return self._row(call, {"sin": {key: call.options[key] for key in "abc"}})

    def Sigmoid_like(self, call):
        return self._row(call, {"erf": {"a": 0.5, "b": 1 / 2.4020563531719796, "c": 0.5}})

    def _row(self, call, row):
        return self._add(call, "activation", {"row": row})


# ---- the command ---------------------------------------------------------------------------------


def export_command(source, arguments):
    given = source() if callable(source) and not hasattr(source, "apply") else source
    if arguments.state:
        from flax.serialization import msgpack_restore

        network = given[0] if isinstance(given, tuple) and not is_recorded(given) else given
        return export(network, msgpack_restore(pathlib.Path(arguments.state).read_bytes()), arguments.path,
                      arguments.input_shape)
    if not isinstance(given, tuple) or len(given) != 2:
        raise Refusal("", arguments.source, "it is not (network, parameters)", "give a pair, or --state")
    return export(*given, arguments.path, arguments.input_shape)


if __name__ == "__main__":
    foreign.command.main(__doc__, "(network, parameters), or a function that makes them", "32,32,3",
                         "variables, as flax.serialization.to_bytes has written them", export_command)
