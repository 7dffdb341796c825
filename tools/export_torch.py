#!/usr/bin/env python3
"""Writes the weights file of a PyTorch module for ntkrun, and prints the `network:` section that reads it.

    tools/export_torch.py FILE.py:NAME OUT.h5 --input-shape 3,32,32 [--state CHECKPOINT.pt]

NAME is a module, or a function or class that makes one without arguments.  From a script or notebook:

    from export_torch import export
    print(export(module, "trained.h5", input_shape=(3, 32, 32)))

The input shape is that of one sample as the module takes it.  The data of ntkrun have the channels last:
x.transpose(0, 2, 3, 1).  torch.fx follows the module: sequences, residual blocks and modules of one's own,
as long as their forward does not depend on values.  What has no counterpart is refused, with the way out.
export() takes a module in the mode it is in: call module.eval() first, unless random masks are wanted.

Needs torch, numpy and h5py in the Python that runs it.
"""
import math

import numpy as np

import foreign.command
from foreign.translate import Call, Translator
from foreign.weights import Tensor


def export(module, path, input_shape):
    """Writes the weights file; returns the `network:` section that reads it."""
    from foreign.read_torch import describe  # needs torch

    return write(describe(module, input_shape), path)


def write(description, path):
    """The same from the description of a module (read_torch.py)."""
    network = translate(description)
    network.write(path)
    return network.section(path)


def translate(description):
    """The network of a description."""
    return Translation(description).network()


LOGITS = ("its outputs sum to 1, ntkrun's networks end with linear outputs", "export the network without it")
FUNCTION = ("it takes its weights as arguments", "the module of torch.nn instead of the function")
TRANSPOSED = ("ntkrun has no transposed convolution", "an upsampling network has no counterpart; take its encoder")
REASONS = {
    "ConvTranspose1d": TRANSPOSED, "ConvTranspose2d": TRANSPOSED, "Softmax": LOGITS, "LogSoftmax": LOGITS,
    "softmax": LOGITS, "log_softmax": LOGITS, "linear": FUNCTION, "conv1d": FUNCTION, "conv2d": FUNCTION,
    "layer_norm": FUNCTION, "batch_norm": FUNCTION, "embedding": FUNCTION,
    "PReLU": ("its slope is a parameter", "LeakyReLU with that slope"),
    "cat": ("it joins channels", "ntkrun adds: residual blocks, skip(x) + branch(x)"),
}


class Translation(Translator):
    """Classes of torch.nn and functions of torch."""

    activations = {"ReLU": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid", "SiLU": "silu", "abs": "abs", "sin": "sin",
                   "erf": "erf"}
    reasons = REASONS

    def __init__(self, description):
        super().__init__(description, layout_of(*description["nodes"]))

    # Linear maps.

    def Linear(self, call):
        tensors, names = self._tensors(call, W=("weight", np.transpose), b=("bias", np.asarray))
        return self._add(call, "dense", tensors=tensors, names=names)

    def Conv2d(self, call):
        if call.options["groups"] != 1:
            raise call.refuse(f"it has {call.options['groups']} groups, ntkrun's convolutions have one",
                              "groups=1; zeros between the groups give the same outputs, but another NTK")
        tensors, names = self._tensors(call, W=("weight", kernel_last), b=("bias", np.asarray))
        size = tensors["W"].values.shape[:2]
        options = {"stride": pair(call, "stride"), "dilation": pair(call, "dilation")}
        options["padding"] = padding_of(call, size, options["dilation"])
        return self._add(call, "conv", options, tensors, names)

    Conv1d = Conv2d

    def Embedding(self, call):
        for option, usual in (("padding_idx", None), ("max_norm", None), ("scale_grad_by_freq", False)):
            if call.options[option] != usual:
                raise call.refuse(f"{option}={call.options[option]} changes its gradient or its entries",
                                  f"{option}={usual}")
        tensors, names = self._tensors(call, W=("weight", np.asarray))
        return self._add(call, "token_embedding", tensors=tensors, names=names)

    # Norms.

    def LayerNorm(self, call):
        axes = range(-len(call.options["normalized_shape"]), 0)
        return self._norm(call, {"axes": axes, "entrywise": True})

    def GroupNorm(self, call):
        axes, channels = self._axes(call), call.options["num_channels"]
        if call.options["num_groups"] not in (1, channels):
            raise call.refuse(f"{call.options['num_groups']} groups of channels", "one group, or one for every "
                              "channel")
        self._need_channels(call)
        alone = call.options["num_groups"] == channels
        return self._norm(call, {"axes": range(2 if alone else 1, len(axes.groups))})

    def InstanceNorm2d(self, call):
        if call.options["track_running_stats"] and not call.options["training"]:
            return self.BatchNorm2d(call)
        self._need_channels(call)
        return self._norm(call, {"axes": range(2, len(self._axes(call).groups))})

    InstanceNorm1d = InstanceNorm2d

    def _norm(self, call, options):
        tensors, names = self._affine(call)
        return self._add(call, "norm", {**options, "eps": call.options["eps"]}, tensors, names)

    def _affine(self, call):
        tensors, names = self._tensors(call, gamma=("weight", np.asarray), beta=("bias", np.asarray))
        if len(tensors) == 1:
            raise call.refuse("it has a factor but no bias", "bias=True")
        return tensors, names

    def BatchNorm2d(self, call):
        tensors, names = self._affine(call)
        running, _ = self._tensors(call, mean=("running_mean", np.asarray), variance=("running_var", np.asarray))
        train = call.options["training"] or not running
        options = {"axis": 1, "mode": "train" if train else "eval", "eps": call.options["eps"]}
        return self._add(call, "batch_norm", options, tensors if train else {**running, **tensors}, names)

    BatchNorm1d = BatchNorm2d

    def _need_channels(self, call):
        if self._axes(call).groups[1] != ("c",):
            raise call.refuse(f"it takes the second axis of {self._axes(call)} for the channels",
                              "move the channels there")

    # Attention.

    def MultiheadAttention(self, call):
        check_attention(call, self._axes(call))
        heads, width = call.options["num_heads"], call.options["embed_dim"]

        def weight(part):
            return lambda w: w[part * width:(part + 1) * width].T.reshape(width, heads, -1)

        def bias(part):
            return lambda b: b[part * width:(part + 1) * width].reshape(heads, -1)

        tensors, names = self._tensors(
            call, Wq=("in_proj_weight", weight(0)), Wk=("in_proj_weight", weight(1)),
            Wv=("in_proj_weight", weight(2)), bq=("in_proj_bias", bias(0)), bk=("in_proj_bias", bias(1)),
            bv=("in_proj_bias", bias(2)), Wo=("out_proj.weight", lambda w: w.T.reshape(heads, -1, width)),
            bo=("out_proj.bias", np.asarray))
        if "Wq" not in tensors or f"{call.path}.bias_k" in self.state:
            raise call.refuse("kdim, vdim and add_bias_kv have no counterpart", "the defaults of these")
        tensors = {ours: Tensor(t.values, f"{t.key}:{ours}") for ours, t in tensors.items()}
        options = {"causal": True} if self._is_causal(call) else {}
        return self._add(call, "attention", options, tensors, names, inputs=call.inputs[:1])

    def _is_causal(self, call):
        mask = call.options.get("attn_mask")
        if mask is None:
            return False
        tokens = math.prod(self._axes(call).shape()[:-1])
        later = np.triu(np.ones((tokens, tokens), bool), 1)
        values = self.state[mask["array"]] if isinstance(mask, dict) else None
        if values is None or not np.array_equal(values, later if values.dtype == bool else
                                                np.where(later, -np.inf, 0)):
            raise call.refuse("its attn_mask is not the causal one of these tokens",
                              "a mask of -inf or True above the diagonal, or none")
        return True

    def TransformerEncoderLayer(self, call):
        x, first = call.inputs[0], call.options["norm_first"]
        for part, norm in ((self._attention_part, "norm1"), (self._dense_part, "norm2")):
            before = self._part(call, norm, x) if first else x
            total = self._add(call, "add", inputs=(x, part(call, before)), shape=None)
            x = total if first else self._part(call, norm, total)
        return x

    def _attention_part(self, call, x):
        options = {"attn_mask": call.options.get("mask"),
                   "key_padding_mask": call.options.get("src_key_padding_mask")}
        return self._part(call, "dropout1", self._part(call, "self_attn", x, x, x, **options))

    def _dense_part(self, call, x):
        hidden = self._part(call, "linear1", x)
        if "activation" in call.options["parts"]:
            hidden = self._part(call, "activation", hidden)
        else:
            word = {"relu": "ReLU", "gelu": "GELU"}.get(call.options["activation"], call.options["activation"])
            hidden = self.translate(Call(word, call.path, [hidden], {}))
        return self._part(call, "dropout2", self._part(call, "linear2", self._part(call, "dropout", hidden)))

    def _part(self, call, name, *inputs, **options):
        part = call.options["parts"][name]
        return self.translate(Call(part["op"], f"{call.path}.{name}", list(inputs), {**part["options"], **options}))

    def TransformerEncoder(self, call):
        x = call.inputs[0]
        layers = call.options["parts"]["layers"]["options"]["parts"]
        arguments = {name: call.options.get(name) for name in ("mask", "src_key_padding_mask")}
        for name, part in layers.items():
            x = self.translate(Call(part["op"], f"{call.path}.layers.{name}", [x], {**part["options"], **arguments}))
        return self._part(call, "norm", x) if "norm" in call.options["parts"] else x

    # Windows and positions.

    def MaxPool2d(self, call):
        if call.options.get("return_indices") or pair(call, "dilation") != [1, 1]:
            raise call.refuse("return_indices and dilation have no counterpart", "the defaults of these")
        return self._pool(call, "max_pool")

    def AvgPool2d(self, call):
        if call.options.get("divisor_override") is not None:
            raise call.refuse("divisor_override has no counterpart", "divisor_override=None")
        return self._pool(call, "avg_pool", count_padding=call.options.get("count_include_pad", True))

    MaxPool1d, AvgPool1d = MaxPool2d, AvgPool2d

    def _pool(self, call, op, **options):
        if call.options.get("ceil_mode"):
            raise call.refuse("ceil_mode=True takes windows that reach over the border", "ceil_mode=False, and "
                              "padding if these windows matter")
        window = pair(call, "kernel_size")
        stride = window if call.options.get("stride") in (None, []) else pair(call, "stride")
        padding = [[p, p] for p in pair(call, "padding", 0, other=0)]
        return self._add(call, op, {"window": window, "stride": stride, "padding": padding, **options})

    def AdaptiveAvgPool2d(self, call):
        return self._adaptive(call, "avg_pool")

    def AdaptiveMaxPool2d(self, call):
        return self._adaptive(call, "max_pool")

    AdaptiveAvgPool1d, AdaptiveMaxPool1d = AdaptiveAvgPool2d, AdaptiveMaxPool2d

    def _adaptive(self, call, op):
        x = self._axes(call)
        sizes, out = [x.sizes.get(c, 1) for c in "hw"], call.shape[2:]
        out = [1, *out] if len(out) == 1 else out
        if any(size % n for size, n in zip(sizes, out)):
            raise call.refuse(f"{sizes} cells do not part into {list(out)} equal windows", "an output size that "
                              "divides that of the input, or a pool with windows")
        window = [size // n for size, n in zip(sizes, out)]
        return self._add(call, op, {"window": window, "stride": window, "padding": "valid"})

    def do_mean(self, call):
        return self._reduce(call, "avg_pool")

    def do_sum(self, call):
        return self._reduce(call, "sum_pool")

    def _reduce(self, call, op):
        x, given = self._axes(call), call.options.get("dim")
        axes = [k % len(x.groups) for k in ([given] if isinstance(given, int) else given or range(len(x.groups)))]
        if call.options.get("keepdim") and x.order == ("h", "w", "c") and [x.groups[k] for k in axes] in (
                [("h",), ("w",)], [("w",)] if x.sizes["h"] == 1 else None):
            window = [x.sizes["h"], x.sizes["w"]]
            return self._add(call, op, {"window": window, "stride": window, "padding": "valid"})
        return self._add(call, f"global_{op}", {"axes": axes})

    def do_getitem(self, call):
        if call.options.get("index") == 0 and self._is_attention(call.inputs[0]):
            return call.inputs[0]
        index = call.options.get("index")
        if not isinstance(index, list) or index[:2] != ["::", -1] or set(index[2:]) - {"::"}:
            raise call.refuse(f"it takes the part {index} of {self._axes(call)}", "the last position, x[:, -1], or "
                              "all of them")
        return self._add(call, "last_position")

    def _is_attention(self, number):
        return self.graph.nodes[number].kind == "MultiheadAttention"

    # The rest.

    def Identity(self, call):
        return self._add(call, "identity")

    def Dropout(self, call):
        p = call.options.get("p", 0.5)
        if p == 0 or not call.options.get("training", True):
            return self._add(call, "identity")
        return self._add(call, "dropout", {"keep": 1 - p})

    def Dropout2d(self, call):
        if call.options["training"] and call.options["p"] > 0:
            raise call.refuse("it drops whole channels", "Dropout, or module.eval()")
        return self._add(call, "identity")

    Dropout1d = AlphaDropout = Dropout2d

    def GELU(self, call):
        row = "gelu_tanh" if call.options.get("approximate") == "tanh" else "gelu"
        return self._add(call, "activation", {"row": row})

    def LeakyReLU(self, call):
        return self._add(call, "activation", {"row": {"leaky": {"alpha": call.options.get("negative_slope", 0.01)}}})

    def Softplus(self, call):
        if call.options.get("beta", 1) != 1:
            raise call.refuse(f"beta={call.options['beta']}", "beta=1, with the factor in the weights around it")
        return self._add(call, "activation", {"row": "softplus"})

    def Flatten(self, call):
        return self._add(call, "reshape")

    Unflatten = do_reshape = Flatten

    def do_permute(self, call):
        count = len(self._axes(call).groups)
        return self._add(call, "permute", {"axes": [k % count for k in call.options["dims"]]})

    def do_transpose(self, call):
        axes = list(range(len(self._axes(call).groups)))
        first, second = call.options["dim0"], call.options["dim1"]
        axes[first], axes[second] = axes[second], axes[first]
        return self._add(call, "permute", {"axes": axes})

    def do_add(self, call):
        if call.options.get("alpha", 1) != 1:
            raise call.refuse("it has a factor alpha", "x + alpha * y")
        if len(call.inputs) == 2:
            return self._add(call, "add")
        other = call.options.get("other")
        if not isinstance(other, dict):
            raise call.refuse(f"it adds {other}", "put it into a bias")
        name = other["array"]
        call.path = name.partition(":")[0].removesuffix(".weight")
        return self._add(call, "position_embedding", None, {"W": Tensor(self.state[name], name)}, [name])

    def do_mul(self, call):
        return self._add(call, "factor", {"factor": self._number(call)})

    def do_div(self, call):
        return self._add(call, "factor", {"factor": 1 / self._number(call)})

    def _number(self, call):
        other = call.options.get("other")
        if len(call.inputs) != 1 or not isinstance(other, (int, float)):
            raise call.refuse("it multiplies or divides by no number", "a number as the scale of a residual branch")
        return other


def layout_of(first, *nodes):
    """Letters of the axes of a sample: tokens, vectors, sequences or what Conv1d takes, images."""
    if first["options"]["tokens"]:
        return "t"
    pair_of = "cw" if any(node["op"] == "Conv1d" for node in nodes) else "tc"
    return {1: "c", 2: pair_of, 3: "chw"}.get(len(first["shape"]) - 1, "chw")


def kernel_last(weight):
    """(out, in, h, w) or (out, in, w) as (h, w, in, out)."""
    weight = weight if weight.ndim == 4 else weight[:, :, None]
    return weight.transpose(2, 3, 1, 0)


def pair(call, name, usual=1, other=1):
    """A setting along height and width; `other` along the height that a sequence has here."""
    value = call.options.get(name, usual)
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    if call.op.endswith("1d"):
        return [other, *values]
    return values * 2 if len(values) == 1 else values


def padding_of(call, size, dilation):
    """Padding of a convolution as foreign.windows takes it."""
    padding, mode = call.options["padding"], call.options["padding_mode"]
    if padding == "same":
        totals = [(k - 1) * d for k, d in zip(size, dilation)]
        amounts = [[total // 2, total - total // 2] for total in totals]
    else:
        amounts = [[0, 0]] * 2 if padding == "valid" else [[p, p] for p in pair(call, "padding", 0, other=0)]
    if mode == "zeros" or not np.any(amounts):
        return "same" if padding == "same" else amounts
    if mode != "circular":
        raise call.refuse(f"padding_mode='{mode}'", "zeros or circular")
    return {"circular": amounts}


def check_attention(call, axes):
    options, (query, key, value) = call.options, call.inputs
    if not query == key == value:
        raise call.refuse("its queries, keys and values are not the same sequence", "self-attention")
    if axes.groups[0 if options["batch_first"] else 1] != ("n",):
        raise call.refuse(f"it takes axis {0 if options['batch_first'] else 1} of {axes} for the samples",
                          "batch_first=True for (samples, tokens, channels)")
    if options.get("key_padding_mask") is not None:
        raise call.refuse("key_padding_mask is no constant of the network", "export without it and write "
                          "`padding: TOKEN` into each attention of the config")
    if options.get("is_causal") and options.get("attn_mask") is None:
        raise call.refuse("is_causal without attn_mask", "give the causal mask as attn_mask")
    if options.get("add_zero_attn"):
        raise call.refuse("add_zero_attn has no counterpart", "add_zero_attn=False")
    if options["dropout"] > 0 and options["training"]:
        raise call.refuse("dropout of attention weights has no counterpart", "module.eval()")


def export_command(source, arguments):
    import torch

    module = source if isinstance(source, torch.nn.Module) else source()
    if arguments.state:
        module.load_state_dict(torch.load(arguments.state, map_location="cpu", weights_only=True))
    return export(module.eval(), arguments.path, arguments.input_shape)


if __name__ == "__main__":
    foreign.command.main(__doc__, "a module, or what makes one without arguments", "3,32,32",
                         "state_dict, as torch.save has written it, to load first", export_command)
